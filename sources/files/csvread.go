package files

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// readCSV calls yield for every record of the file, also an empty line, until it returns false. It serves headers and samples: the rows of a batch are
// read by DuckDB.
func readCSV(path string, d dialect, yield func(fields []string) bool) (err error) {
	t, err := openText(path)
	if err != nil {
		return err
	}
	defer func() { err = t.finish(err) }()
	t.skipBOM()
	for {
		fields, err := readFields(t.Reader, d)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if fields == nil && err != nil || !yield(fields) || err != nil {
			return nil
		}
	}
}

// maxHeader bounds a record that is read in Go.
const maxHeader = 1 << 20

// readFields reads one record; nil for an empty line.
func readFields(in *bufio.Reader, d dialect) ([]string, error) {
	var fields []string
	var field []byte
	quote, escape, delim := byte(0), byte(0), []byte(d.Delimiter)
	if d.Quote != "" {
		quote = d.Quote[0]
	}
	if d.Escape != "" {
		escape = d.Escape[0]
	}
	inside, touched := false, false
	for n := 0; ; n++ {
		c, err := in.ReadByte()
		if err != nil {
			if touched {
				fields = append(fields, string(field))
			}
			return fields, err
		}
		if n == maxHeader {
			return nil, errors.New("its first record is longer than 1 MiB")
		}
		next, _ := in.Peek(1)
		follows := func(b byte) bool { return len(next) == 1 && next[0] == b }
		switch {
		case inside && escape != 0 && c == escape && (follows(quote) || escape != quote && follows(escape)):
			field = append(field, next[0])
			_, _ = in.Discard(1) // it was peeked
		case quote != 0 && c == quote:
			inside = !inside
			touched = true
		case inside:
			field = append(field, c)
		case c == '\r' && follows('\n'):
		case c == '\n' || c == '\r':
			if !touched {
				return nil, nil
			}
			return append(fields, string(field)), nil
		default:
			touched = true
			if field = append(field, c); len(delim) > 0 && bytes.HasSuffix(field, delim) {
				fields = append(fields, string(field[:len(field)-len(delim)]))
				field = field[:0]
			}
		}
	}
}

// describe infers the columns of the files. It rewrites a sample of their records as one plain CSV file, so that files with
// different columns count together. With formats, date formats are detected and remembered.
func (c csvFormat) describe(ctx context.Context, w *work, files []*file, formats bool) (schemas.Table, error) {
	var header []string
	for _, f := range files {
		for _, name := range f.header {
			if !slices.ContainsFunc(header, func(h string) bool { return strings.EqualFold(h, name) }) {
				header = append(header, name)
			}
		}
	}
	if len(header) == 0 {
		return nil, nil
	}
	path := w.temp("sample.csv")
	if err := c.writeSample(w, path, header, files); err != nil {
		return nil, err
	}
	t := make(schemas.Table, len(header))
	for i, name := range header {
		t[i] = schemas.Column{Name: name, Type: schemas.Type{Kind: schemas.Varchar}}
	}
	const plain = `auto_detect=false, header=true, delim=',', quote='"', escape='"', columns=`
	sniffed, date, timestamp, err := c.sniff(ctx, w, path)
	if err != nil {
		return t, ctx.Err() // DuckDB can't make anything of it: all columns are texts
	}
	for i := range min(len(t), len(sniffed)) {
		t[i].Type = sniffed[i].Type
	}
	d := *w.state.CSV
	if formats {
		d.Date, d.Timestamp = date, timestamp
		w.state.CSV = &d
	}
	texts := make(schemas.Table, len(t))
	for i, col := range t {
		texts[i] = schemas.Column{Name: col.Name, Type: schemas.Type{Kind: schemas.Varchar}}
	}
	for i := range t {
		if temporal(t[i].Type) {
			values := fmt.Sprintf("SELECT %s AS v FROM read_csv(%s, %s%s)", quoted(t[i].Name), located(path), plain, readerColumns(texts))
			if err := jsonrecords.RefineTexts(ctx, w.session.Conn, &t[i].Type, values, func(typ schemas.Type) string { return d.convert("v", typ) }); err != nil {
				return nil, fmt.Errorf("infer column %s: %w", t[i].Name, err)
			}
		}
	}
	return t, nil
}

// sniff asks DuckDB for the types of the plain sample. Formats are empty where values are ISO dates.
func (c csvFormat) sniff(ctx context.Context, w *work, path string) (t schemas.Table, date, timestamp string, err error) {
	from := fmt.Sprintf(`FROM sniff_csv(%s, sample_size=-1, header=true, delim=',', quote='"', escape='"')`, located(path))
	rows, err := w.session.Conn.QueryContext(ctx, "SELECT c.name, c.type, coalesce(d, ''), coalesce(ts, '') FROM (SELECT unnest(Columns) AS c, DateFormat AS d, TimestampFormat AS ts "+from+")")
	if err != nil {
		return nil, "", "", err
	}
	defer rows.Close()
	for rows.Next() {
		var name, duckType string
		if err := rows.Scan(&name, &duckType, &date, &timestamp); err != nil {
			return nil, "", "", err
		}
		typ, err := schemas.Storable(duckType)
		if err != nil {
			return nil, "", "", err
		}
		t = append(t, schemas.Column{Name: name, Type: jsonrecords.Generous(typ)})
	}
	if strings.HasPrefix(date, "%Y-%m-%d") {
		date = ""
	}
	if strings.HasPrefix(timestamp, "%Y-%m-%d") {
		timestamp = ""
	}
	return t, date, timestamp, rows.Err()
}

func temporal(t schemas.Type) bool {
	switch t.Kind {
	case schemas.Date, schemas.Time, schemas.Timestamp, schemas.TimestampTZ:
		return true
	}
	return false
}

// convert is the expression that makes a value of the type from a text, or NULL.
func (d dialect) convert(text string, t schemas.Type) string {
	switch {
	case t.Kind == schemas.Date && d.Date != "":
		return fmt.Sprintf("CAST(try_strptime(%s, %s) AS DATE)", text, literal(d.Date))
	case (t.Kind == schemas.Timestamp || t.Kind == schemas.TimestampTZ) && d.Timestamp != "":
		return fmt.Sprintf("CAST(try_strptime(%s, %s) AS %s)", text, literal(d.Timestamp), t)
	}
	return fmt.Sprintf("TRY_CAST(%s AS %s)", text, t)
}

// writeSample writes the first records of the files under one header. Records that do not fit their header are left out.
func (c csvFormat) writeSample(w *work, path string, header []string, files []*file) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	cw := csv.NewWriter(out)
	defer func() { cw.Flush(); err = errors.Join(err, cw.Error(), out.Close()) }()
	if err := cw.Write(header); err != nil {
		return err
	}
	limit := max(sampleRecords/max(len(files), 1), sampleLeast)
	for _, f := range files {
		target := make([]int, len(f.header))
		for i, name := range f.header {
			target[i] = slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(h, name) })
		}
		n := 0
		first, skip := w.state.CSV.Header, f.skip
		var failed error
		err := readCSV(f.path, *w.state.CSV, func(fields []string) bool {
			if skip > 0 || len(fields) == 0 {
				skip--
				return true
			}
			if first {
				first = false
				return true
			}
			row := make([]string, len(header))
			if len(fields) == len(target) {
				for i, text := range fields {
					if w.state.CSV.Null == nil || text != *w.state.CSV.Null {
						row[target[i]] = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
					}
				}
				failed = cw.Write(row)
			}
			n++
			return n < limit && failed == nil
		})
		if failed != nil {
			return failed
		}
		if err != nil {
			w.drop(f, err)
		}
	}
	return nil
}
