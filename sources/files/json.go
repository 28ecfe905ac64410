package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// jsonKind is how the records stand in a JSON file.
type jsonKind int

const (
	jsonLines jsonKind = iota // one per line
	jsonArray                 // elements of one array
	jsonMixed                 // in another way: over several lines, one behind the other, in several arrays
	jsonBlank                 // none
)

type jsonFormat struct{}

// open tells lines from arrays by the first byte of each file. DuckDB does not read other encodings.
func (jsonFormat) open(_ context.Context, w *work) error {
	files := slices.Clone(w.files)
	odd, causes := make([]bool, len(files)), make([]error, len(files))
	eachFile(files, func(i int, f *file) { f.kind, odd[i], causes[i] = sniffJSON(f.path, w.src.cfg.JSON.Encoding) })
	for i, f := range files {
		switch {
		case causes[i] != nil:
			w.drop(f, causes[i])
		case odd[i]:
			w.slow = append(w.slow, f)
		}
	}
	return nil
}

// sniffJSON looks at the head of a file. It is odd when DuckDB would stumble over it: it refuses byte order marks, and
// takes a single character for nothing.
func sniffJSON(path, encoding string) (kind jsonKind, odd bool, err error) {
	t, err := openEncoded(path, encoding)
	if err != nil {
		return 0, false, err
	}
	defer func() { err = t.finish(err) }()
	odd = t.skipBOM() || decoders[encoding] != nil
	if head, _ := t.Peek(2); len(head) == 1 {
		odd = true
	}
	for {
		c, err := t.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return jsonBlank, false, nil
		case err != nil:
			return 0, false, err
		case c == '[':
			return jsonArray, odd, nil
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			return jsonLines, odd, nil
		}
	}
}

// readers returns a table expression per kind of file; reader makes it from the DuckDB format's name and the files.
func readers(files []*file, reader func(format string, files []*file) string) []string {
	var lines, arrays []*file
	for _, f := range files {
		switch f.kind {
		case jsonLines:
			lines = append(lines, f)
		case jsonArray:
			arrays = append(arrays, f)
		}
	}
	var out []string
	if len(lines) > 0 {
		out = append(out, reader("newline_delimited", lines))
	}
	if len(arrays) > 0 {
		out = append(out, reader("array", arrays))
	}
	return out
}

// strict reads with all columns given. The filter is always true: it makes DuckDB read every column even when a query
// uses few, so that whether a record is refused does not depend on the query. It costs nothing measurable.
func (jsonFormat) strict(w *work, files []*file) string {
	rescued := ""
	if w.rescues() {
		rescued = "NULL::VARCHAR AS " + jsonrecords.RescuedColumn + ", "
	}
	return records.Union(readers(files, func(format string, files []*file) string {
		var relations []string
		for _, n := range numberings(w.state.Schema, nil, files) {
			relations = append(relations, fmt.Sprintf("(SELECT %s, %s%s FROM read_json(%s, format='%s', records=true, columns=%s, hive_partitioning=false, maximum_object_size=%d%s)"+
				" AS __lakeflow_row WHERE __lakeflow_row IS NOT NULL)",
				names(w.state.Schema), rescued, w.metadata(n.files, n.index), paths(n.files), format, readerColumns(w.state.Schema), maxRecord, n.option))
		}
		return records.Union(relations)
	}))
}

// names lists the columns for SELECT.
func names(t schemas.Table) string {
	out := ""
	for i, c := range t {
		if i > 0 {
			out += ", "
		}
		out += quote.Name(c.Name)
	}
	return out
}
