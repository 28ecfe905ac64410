package iceberg

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// target is what data files are built for: one schema, one partition spec.
type target struct {
	schema *iceberg.Schema
	spec   iceberg.PartitionSpec
	leaves []leaf
}

// leaf is a column, or field of a struct, that has statistics of its own.
type leaf struct {
	path string // as DuckDB spells it: "s"."x"
	id   int
	typ  iceberg.Type
}

func newTarget(t schemas.Table, schema *iceberg.Schema, spec iceberg.PartitionSpec) *target {
	tg := &target{schema: schema, spec: spec}
	tg.addLeaves("", t)
	return tg
}

// addLeaves leaves out what is inside lists and maps: Iceberg has no bounds for repeated values.
func (tg *target) addLeaves(prefix string, t schemas.Table) {
	for _, c := range t {
		path := prefix + `"` + strings.ReplaceAll(c.Name, `"`, `""`) + `"`
		switch c.Type.Kind {
		case schemas.Struct:
			tg.addLeaves(path+".", c.Type.Fields)
		case schemas.List, schemas.Map:
		default:
			tg.leaves = append(tg.leaves, leaf{path, c.ID, icebergType(c.Type)})
		}
	}
}

// build makes the manifest's record of a file.
func (tg *target) build(f lake.DataFile) (iceberg.DataFile, error) {
	partition, err := tg.partition(f.Partition)
	if err != nil {
		return nil, fmt.Errorf("data file %s: %w", f.Path, err)
	}
	b, err := iceberg.NewDataFileBuilder(tg.spec, iceberg.EntryContentData, lake.URI(f.Path), iceberg.ParquetFile, partition, nil, nil, f.Rows, f.Bytes)
	if err != nil {
		return nil, fmt.Errorf("data file %s: %w", f.Path, err)
	}
	sizes, counts, nulls, nans := map[int]int64{}, map[int]int64{}, map[int]int64{}, map[int]int64{}
	lower, upper := map[int][]byte{}, map[int][]byte{}
	for _, l := range tg.leaves {
		s, ok := f.Columns[l.path]
		if !ok {
			continue
		}
		sizes[l.id], counts[l.id], nulls[l.id] = s.Bytes, s.Values, s.Nulls
		switch l.typ.(type) {
		case iceberg.Float32Type, iceberg.Float64Type:
			if s.HasNaN {
				continue // how many, and the bounds of the other values, are not known
			}
			if s.HasMin {
				nans[l.id] = 0
			}
		}
		if s.HasMin {
			if v := lowerBound(l.typ, s.Min); v != nil {
				lower[l.id] = v
			}
		}
		if s.HasMax {
			if v := upperBound(l.typ, s.Max); v != nil {
				upper[l.id] = v
			}
		}
	}
	return b.ColumnSizes(sizes).ValueCounts(counts).NullValueCounts(nulls).NaNValueCounts(nans).
		LowerBoundValues(lower).UpperBoundValues(upper).Build(), nil
}

// partition turns partition values, text by partition field name, into Iceberg's by partition field id.
func (tg *target) partition(values map[string]*string) (map[int]any, error) {
	out := make(map[int]any, tg.spec.NumFields())
	for _, f := range tg.spec.Fields() {
		text, ok := values[f.Name]
		if !ok {
			return nil, fmt.Errorf("the value of partition field %s is missing", f.Name)
		}
		if text == nil {
			out[f.FieldID] = nil
			continue
		}
		v, err := tg.partitionValue(f, *text)
		if err != nil {
			return nil, fmt.Errorf("partition field %s: %w", f.Name, err)
		}
		out[f.FieldID] = v
	}
	if len(values) != len(out) {
		return nil, fmt.Errorf("it has %d partition values, the table has %d partition fields", len(values), len(out))
	}
	return out, nil
}

func (tg *target) partitionValue(f iceberg.PartitionField, text string) (any, error) {
	switch f.Transform.(type) {
	case iceberg.YearTransform, iceberg.MonthTransform, iceberg.HourTransform, iceberg.BucketTransform:
		n, err := strconv.ParseInt(text, 10, 32)
		return int32(n), err
	case iceberg.DayTransform:
		n, err := strconv.ParseInt(text, 10, 32)
		return iceberg.Date(n), err
	}
	source, ok := tg.schema.FindTypeByID(f.SourceID())
	if !ok {
		return nil, fmt.Errorf("the table has no column %d", f.SourceID())
	}
	if _, binary := source.(iceberg.BinaryType); binary {
		return blob(text)
	}
	v, err := value(source, text)
	if err != nil {
		return nil, err
	}
	return v.Any(), nil
}

// blob reads DuckDB's text of a BLOB, which is not that of its statistics: printable bytes are themselves, others \xHH.
func blob(text string) ([]byte, error) {
	out := []byte{}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		if len(text) < i+4 || text[i+1] != 'x' {
			return nil, fmt.Errorf("%q is no blob", text)
		}
		n, err := strconv.ParseUint(text[i+2:i+4], 16, 8)
		if err != nil {
			return nil, fmt.Errorf("%q is no blob", text)
		}
		out = append(out, byte(n))
		i += 3
	}
	return out, nil
}

// wherePartition reads one partition that a ReplacePartition change removes; fields that it does not name match any
// value.
func (tg *target) wherePartition(where map[string]string) (map[int]any, error) {
	if len(where) == 0 {
		return nil, errors.New("replace a partition: it is not said which")
	}
	want := make(map[int]any, len(where))
	for _, f := range tg.spec.Fields() {
		text, ok := where[f.Name]
		if !ok {
			continue
		}
		v, err := tg.partitionValue(f, text)
		if err != nil {
			return nil, fmt.Errorf("replace a partition: field %s: %w", f.Name, err)
		}
		want[f.FieldID] = v
	}
	if len(want) != len(where) {
		return nil, fmt.Errorf("replace a partition: the table is not partitioned by all of %v", where)
	}
	return want, nil
}

// hasPartition compares a file's partition values, as read from a manifest, with wanted ones.
func hasPartition(values, want map[int]any) bool {
	for id, w := range want {
		v := values[id]
		if d, ok := v.(iceberg.DecimalLiteral); ok {
			v = iceberg.Decimal(d)
		}
		if b, ok := v.([]byte); ok {
			other, _ := w.([]byte)
			if !bytes.Equal(b, other) {
				return false
			}
			continue
		}
		if v != w {
			return false
		}
	}
	return true
}
