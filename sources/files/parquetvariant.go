package files

import (
	parquetmeta "github.com/parquet-go/parquet-go/format"
)

// variantTime is what a type inside of a VARIANT means of which not all values stand for something.
func variantTime(number byte) (m meaning, bytes int) {
	switch number {
	case 11: // a date
		return meaning{low: firstDay, high: lastDay}, 4
	case 12, 13: // timestamps, with a zone and without one
		return meaning{low: firstMicro, high: lastMicro}, 8
	case 17: // a time of the day
		return meaning{high: secondsOfDay * 1e6}, 8
	case 18, 19: // timestamps with nanoseconds
		return meaning{low: firstNano, high: lastNano}, 8
	}
	return m, 0
}

// variantMeans says whether the days and times in the value of a VARIANT stand for something. What is not made as a
// VARIANT must be is DuckDB's to refuse.
func variantMeans(value []byte) bool {
	budget := 2*len(value) + 16 // parts may overlap
	return variantPart(value, &budget, 0)
}

func variantPart(value []byte, budget *int, depth int) bool {
	if *budget--; *budget < 0 || depth > deepestColumn {
		return false
	}
	if len(value) == 0 {
		return true
	}
	header := value[0] >> 2
	switch value[0] & 3 {
	case 0:
		m, bytes := variantTime(header)
		return bytes == 0 || len(value) <= bytes || m.allows(value[1:1+bytes])
	case 2:
		return variantParts(value[1:], int(header&3)+1, int(header>>2&3)+1, header>>4&1 == 1, budget, depth)
	case 3:
		return variantParts(value[1:], int(header&3)+1, 0, header>>2&1 == 1, budget, depth)
	}
	return true
}

// variantParts looks at the elements of a list, or at the values of an object, whose keys have ids of so many bytes.
func variantParts(rest []byte, offsetBytes, idBytes int, large bool, budget *int, depth int) bool {
	countBytes := 1
	if large {
		countBytes = 4
	}
	if len(rest) < countBytes {
		return true
	}
	n := littleEndian(rest[:countBytes])
	rest = rest[countBytes:]
	if n*idBytes+(n+1)*offsetBytes > len(rest) {
		return true
	}
	offsets := rest[n*idBytes:]
	values := offsets[(n+1)*offsetBytes:]
	for i := range n {
		at := littleEndian(offsets[i*offsetBytes : (i+1)*offsetBytes])
		if at < len(values) && !variantPart(values[at:], budget, depth+1) {
			return false
		}
	}
	return true
}

// littleEndian is a number of at most four bytes.
func littleEndian(b []byte) int {
	n := 0
	for i, c := range b {
		n |= int(c) << (8 * i)
	}
	return n
}

// leavesOf are the leaves' meanings.
func leavesOf(meta *parquetmeta.FileMetaData) []*meaning {
	var out []*meaning
	variant := 0 // where the last one ends
	for i, e := range meta.Schema {
		if _, is := e.LogicalType.Value.(*parquetmeta.VariantType); is && i >= variant {
			variant = subtreeEnd(meta.Schema, i)
		}
		if e.NumChildren.V > 0 || i == 0 {
			continue
		}
		m := meaningOf(e)
		if i < variant && e.Name == "value" && e.Type.V == parquetmeta.ByteArray {
			m = &meaning{kind: meansVariant}
		}
		if m != nil {
			m.variant = i < variant
		}
		out = append(out, m)
	}
	return out
}

// subtreeEnd is the index behind a node and all that is in it.
func subtreeEnd(schema []parquetmeta.SchemaElement, i int) int {
	for left := 1; left > 0 && i < len(schema); i++ {
		left += int(schema[i].NumChildren.V) - 1
	}
	return i
}
