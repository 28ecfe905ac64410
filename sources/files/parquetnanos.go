package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	parquetmeta "github.com/parquet-go/parquet-go/format"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/records"
)

// reportCuts says how many times of Parquet files have more digits than tables store.
func (w *work) reportCuts(ctx context.Context) error {
	if !w.batch || w.src.cfg.Format != "parquet" {
		return nil
	}
	text := schemas.Type{Kind: schemas.Varchar}
	for _, group := range byShape(w.files) {
		var names, counts []string
		times := false
		for _, c := range w.shapes[group[0].shape].columns {
			col := w.state.Schema.Column(c.name)
			times = times || strings.Contains(c.duck, "TIMESTAMP")
			if col == nil || !c.nanoseconds() || c.full.Kind == schemas.Varchar || c.withDigits(col.Type).Equal(c.withDigits(text)) {
				continue
			}
			value, _ := c.valueFor(col.Type)
			names = append(names, c.name)
			counts = append(counts, fmt.Sprintf("count(*) FILTER (WHERE CAST(%s AS %s) IS DISTINCT FROM %s)", value, c.duck, quote.Name(c.ref)))
		}
		for _, f := range group {
			if len(names) > 0 {
				if f.strays {
					continue // it is not read as it is
				}
				if err := w.reportCutsOf(ctx, f, names, counts); err != nil {
					return err
				}
			}
			if times {
				w.reportUnseenCuts(ctx, f)
			}
		}
	}
	return nil
}

func (w *work) reportCutsOf(ctx context.Context, f *file, names, counts []string) error {
	found, into := make([]int64, len(names)), make([]any, len(names))
	for i := range found {
		into[i] = &found[i]
	}
	err := w.session.Conn.QueryRowContext(ctx, "SELECT "+strings.Join(counts, ", ")+" FROM "+parquetReader([]*file{f}, "")).Scan(into...)
	if err != nil {
		return w.blame(ctx, f, err)
	}
	for i, n := range found {
		w.cut(f, names[i], n, "declare the column VARCHAR to keep them")
	}
	return nil
}

// cut reports values that were cut, if there are any.
func (w *work) cut(f *file, column string, n int64, remedy string) {
	values := fmt.Sprintf("%d values of column %s have", n, records.Shown(column))
	if n == 1 {
		values = "1 value of column " + records.Shown(column) + " has"
	}
	if n > 0 {
		w.notice("digits_cut", f.rel, "file "+records.Shown(f.rel)+": "+values+" more than six digits of a second; the rest was cut off; "+remedy)
	}
}

// reportUnseenCuts is for the times that DuckDB itself cuts when it reads them: nanoseconds with a zone, and those of
// INT96.
func (w *work) reportUnseenCuts(ctx context.Context, f *file) {
	counts, err := unseenCuts(ctx, f.path)
	if err != nil {
		return // what is wrong with the file is found when it is read
	}
	for _, c := range counts {
		if w.state.Schema.Column(c.column) != nil || w.rescues() {
			w.cut(f, c.column, c.n, "write them as text, or without a zone and not as INT96, to keep them")
		}
	}
}

// cutCount is how many values of a column are cut.
type cutCount struct {
	column string
	n      int64
}

// unseenCuts counts the times of a file with more digits than microseconds that DuckDB reads without them.
func unseenCuts(ctx context.Context, path string) (counts []cutCount, err error) {
	meta, size, err := readFooter(path)
	if err != nil {
		return nil, err
	}
	leaves := cutLeaves(meta.Schema)
	if len(leaves) == 0 {
		return nil, nil
	}
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close() // opened for reading
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("count times: %v", r)
		}
	}()
	file, err := parquet.OpenFile(in, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	for _, leaf := range leaves {
		c := cutCount{column: leaf.column}
		for _, group := range file.RowGroups() {
			n, err := countNanos(ctx, group.ColumnChunks()[leaf.index])
			if err != nil {
				return nil, err
			}
			c.n += n
		}
		if i := slices.IndexFunc(counts, func(o cutCount) bool { return o.column == c.column }); i >= 0 {
			counts[i].n += c.n
		} else {
			counts = append(counts, c)
		}
	}
	return counts, nil
}

// cutLeaf is a leaf of a schema, and the column that it is in.
type cutLeaf struct {
	index  int
	column string
}

// cutLeaves are the leaves whose times DuckDB cuts.
func cutLeaves(schema []parquetmeta.SchemaElement) []cutLeaf {
	var out []cutLeaf
	leaf := 0
	for i := 1; i < len(schema); {
		column, left := schema[i].Name, 1
		for ; left > 0 && i < len(schema); i++ {
			e := schema[i]
			left += int(e.NumChildren.V) - 1
			if e.NumChildren.V > 0 {
				continue
			}
			unseen := e.Type.V == parquetmeta.Int96
			if t, ok := e.LogicalType.Value.(*parquetmeta.TimestampType); ok && t.IsAdjustedToUTC {
				_, unseen = t.Unit.Value.(*parquetmeta.NanoSeconds)
			}
			if unseen {
				out = append(out, cutLeaf{leaf, column})
			}
			leaf++
		}
	}
	return out
}

// countNanos counts the values that are no whole microseconds.
func countNanos(ctx context.Context, chunk parquet.ColumnChunk) (n int64, err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	values := make([]parquet.Value, 1024)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil || ctx.Err() != nil {
			return n, errors.Join(err, ctx.Err())
		}
		reader := page.Values()
		for {
			read, err := reader.ReadValues(values)
			for _, v := range values[:read] {
				if fraction(v) {
					n++
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return n, err
			}
		}
		parquet.Release(page)
	}
}

// fraction says whether a time has a fraction of a microsecond.
func fraction(v parquet.Value) bool {
	switch {
	case v.IsNull():
		return false
	case v.Kind() == parquet.Int96:
		t := v.Int96()
		return (uint64(t[1])<<32|uint64(t[0]))%1000 != 0 // nanoseconds of the day
	}
	return v.Int64()%1000 != 0
}
