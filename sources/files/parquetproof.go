package files

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/parquet-go/parquet-go"
	parquetmeta "github.com/parquet-go/parquet-go/format"
)

// allMean says whether all values of a Parquet file are known to stand for something.
func allMean(path string, meta *parquetmeta.FileMetaData) bool {
	return leavesMean(path, meta, func(*meaning) bool { return true })
}

// leavesMean is allMean for some of the leaves. The statistics in the footer tell for most; the others are read.
func leavesMean(path string, meta *parquetmeta.FileMetaData, wanted func(*meaning) bool) bool {
	var unproven []int
	leaves := leavesOf(meta)
	for i, m := range leaves {
		if m != nil && m.kind != meansText && wanted(m) && !m.provenIn(meta.RowGroups, i) {
			unproven = append(unproven, i)
		}
	}
	return len(unproven) == 0 || readAllMean(path, leaves, unproven)
}

// provenIn is proven for all row groups.
func (m *meaning) provenIn(groups []parquetmeta.RowGroup, leaf int) bool {
	return !slices.ContainsFunc(groups, func(g parquetmeta.RowGroup) bool { return !m.proven(g.Columns[leaf].MetaData) })
}

// proven says whether the statistics of a column in a row group tell that it has no other values than those that stand
// for something.
func (m *meaning) proven(c parquetmeta.ColumnMetaData) bool {
	s := c.Statistics
	if c.NumValues == 0 || s.NullCount == c.NumValues {
		return true
	}
	low, high := s.MinValue, s.MaxValue
	whole := c.Type == parquetmeta.Int32 || c.Type == parquetmeta.Int64
	if low == nil && high == nil && whole { // the older ones have no order of their own for other types
		low, high = s.Min, s.Max
	}
	switch {
	case whole && low != nil && high != nil:
		return m.allowsWhole(low) && m.allowsWhole(high)
	case m.kind != meansDecimal || c.Type != parquetmeta.FixedLenByteArray || len(low) == 0 || len(low) != len(high):
		return false
	case low[0] < 0x80 && high[0] >= 0x80: // the writer compared bytes, not numbers
		return false
	}
	return m.decimal.allows(low) && m.decimal.allows(high)
}

// allowsWhole is allows for INT32 and INT64, also as decimals.
func (m *meaning) allowsWhole(plain []byte) bool {
	switch len(plain) {
	case 4:
		return m.within(int64(int32(binary.LittleEndian.Uint32(plain))))
	case 8:
		return m.within(int64(binary.LittleEndian.Uint64(plain)))
	}
	return false
}

// readAllMean reads columns for values that stand for nothing. It is false as well when they can't be read.
func readAllMean(path string, leaves []*meaning, columns []int) (ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() // opened for reading
	defer func() {
		if recover() != nil { // parquet-go's, over a file that is damaged
			ok = false
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return false
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return false
	}
	for _, group := range file.RowGroups() {
		chunks := group.ColumnChunks()
		for _, i := range columns {
			if i >= len(chunks) || !chunkMeans(chunks[i], leaves[i]) {
				return false
			}
		}
	}
	return true
}

// chunkMeans reads a column of a row group.
func chunkMeans(chunk parquet.ColumnChunk, m *meaning) bool {
	pages := chunk.Pages()
	defer pages.Close() // of a file that is opened for reading
	values := make([]parquet.Value, 1024)
	for {
		page, err := pages.ReadPage()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		reader := page.Values()
		for {
			n, err := reader.ReadValues(values)
			for _, v := range values[:n] {
				if !v.IsNull() && !m.allowsValue(v) {
					return false
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return false
			}
		}
		parquet.Release(page)
	}
}
