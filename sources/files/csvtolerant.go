package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// tolerant lets DuckDB store what it rejects. The good rows go to Parquet files in the same pass.
func (c csvFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	var goods, bads []string
	for _, group := range byHeader(files) {
		g, b, err := c.split(ctx, w, group)
		if err != nil {
			return "", "", err
		}
		goods, bads = append(goods, g), append(bads, b)
	}
	return union(goods), union(bads), nil
}

// split reads files of one header into a Parquet file of good rows and one of rejects.
func (c csvFormat) split(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	w.src.serial++
	errorTable, scanTable := fmt.Sprintf("%sr%d", w.session.Prefix, w.src.serial), fmt.Sprintf("%ss%d", w.session.Prefix, w.src.serial)
	index, option := fileIndex(w.state.Schema, files[0].header, files)
	option += fmt.Sprintf(", store_rejects=true, rejects_table=%s, rejects_scan=%s", literal(errorTable), literal(scanTable))
	columns := c.columns(w, files[0].header)
	if w.rescues() {
		columns = c.rescuing(w, files[0].header, pathAt(files, index))
	}
	rows, bad := w.temp("good.parquet"), w.temp("bad.parquet")
	exec := func(query string) {
		if err == nil {
			_, err = w.session.Conn.ExecContext(ctx, query)
		}
	}
	exec(fmt.Sprintf("COPY (SELECT %s, %s AS __lakeflow_index FROM %s AS __lakeflow_row WHERE __lakeflow_row IS NOT NULL) TO %s (FORMAT parquet)",
		strings.Join(columns, ", "), index, c.reader(w, files, !w.rescues(), option), literal(rows)))
	from := fmt.Sprintf("%s AS e JOIN %s AS s USING (scan_id, file_id)", quoted(errorTable), quoted(scanTable))
	raws := ""
	if err == nil {
		raws, err = c.rawBytes(ctx, w, from, files)
	}
	exec(fmt.Sprintf(`COPY (SELECT s.file_path AS file, CAST(e.line AS BIGINT) AS line, CAST(min(e.line_byte_position) - 1 + strlen(first(e.csv_line)) - strlen(ltrim(first(e.csv_line), chr(10) || chr(13))) AS BIGINT) AS "offset", %s AS raw,
		string_agg(DISTINCT e.error_message, '; ' ORDER BY e.error_message) AS reason, false AS whole
		FROM %s GROUP BY s.file_path, e.line) TO %s (FORMAT parquet)`, raws, from, literal(bad)))
	for _, table := range []string{errorTable, scanTable} {
		_, dropErr := w.session.Conn.ExecContext(ctx, "DROP TABLE IF EXISTS "+quoted(table))
		err = errors.Join(err, dropErr)
	}
	if err != nil {
		return "", "", fmt.Errorf("read records of %s: %w", files[0].path, err)
	}
	good = fmt.Sprintf("(SELECT %s, %s FROM read_parquet(%s))", names(w.src.visible(w.state.Schema)), metadata(files, "__lakeflow_index"), located(rows))
	return good, fmt.Sprintf(`(SELECT file, line, "offset", raw, reason, whole FROM read_parquet(%s))`, located(bad)), nil
}

// rawBytes is the expression of a rejected record's bytes. DuckDB keeps the text of the line, with the empty lines before it, but not bytes that are no text:
// those are fetched from the file.
func (c csvFormat) rawBytes(ctx context.Context, w *work, from string, files []*file) (string, error) {
	const text = "encode(left(trim(first(e.csv_line), chr(10) || chr(13)), 262144))" // 1 MiB at most
	rows, err := w.session.Conn.QueryContext(ctx, "SELECT DISTINCT s.file_path, e.line, e.line_byte_position - 1 AS o FROM "+from+" WHERE e.error_type = 'INVALID ENCODING' ORDER BY s.file_path, o")
	if err != nil {
		return "", err
	}
	wanted := map[string][]record{}
	defer rows.Close()
	for rows.Next() {
		var path string
		var r record
		if err := rows.Scan(&path, &r.line, &r.offset); err != nil {
			return "", err
		}
		wanted[path] = append(wanted[path], r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(wanted) == 0 {
		return text, err
	}
	out := w.temp("bytes.parquet")
	err = writeRecords(out, func(write func(record, *file) error) error {
		for _, f := range files {
			if err := linesAt(f, wanted[f.path], write); err != nil {
				return err
			}
		}
		return nil
	})
	return fmt.Sprintf("coalesce((SELECT any_value(b.bad) FROM read_parquet(%s) AS b WHERE b.path = s.file_path AND b.line = e.line), %s)", located(out), text), err
}

// linesAt writes the lines that start at the records' offsets, which ascend.
func linesAt(f *file, records []record, write func(record, *file) error) (err error) {
	if len(records) == 0 {
		return nil
	}
	t, err := openText(f.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	var pos int64
	var buf []byte
	for _, r := range records {
		if r.offset < pos {
			continue
		}
		if _, err := io.CopyN(io.Discard, t.Reader, r.offset-pos); err != nil {
			return err
		}
		line, size, err := readLine(t.Reader, &buf)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		pos = r.offset + size
		r.raw, r.reason = line, notUTF8
		if err := write(r, f); err != nil {
			return err
		}
	}
	return nil
}

// rescuing are the schema's columns as expressions over a reader of texts, then _rescued_data: the texts that fit no column.
func (c csvFormat) rescuing(w *work, header []string, path string) []string {
	var out, lost []string
	for _, col := range w.state.Schema {
		i := slices.IndexFunc(header, func(name string) bool { return strings.EqualFold(name, col.Name) })
		if i < 0 {
			out = append(out, fmt.Sprintf("CAST(NULL AS %s) AS %s", col.Type, quoted(col.Name)))
			continue
		}
		text := quoted(header[i])
		value := w.state.CSV.convert(text, col.Type)
		out = append(out, fmt.Sprintf("%s AS %s", value, quoted(col.Name)))
		lost = append(lost, fmt.Sprintf("CASE WHEN %s IS NOT NULL AND %s IS NULL THEN %s END", text, value, pair(col.Name, text)))
	}
	for _, name := range lacks(w.state.Schema, header) {
		lost = append(lost, fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN %s END", quoted(name), pair(name, quoted(name))))
	}
	return append(out, rescueOf(lost, path))
}

// pathAt is the expression of the path of the row's file.
func pathAt(files []*file, index string) string {
	return pathTexts(files) + "[CAST(" + index + " AS BIGINT) + 1]"
}

// pair is the expression of one "name":value text.
func pair(name, value string) string {
	return fmt.Sprintf("CAST(to_json(%s) AS VARCHAR) || ':' || CAST(to_json(%s) AS VARCHAR)", literal(name), value)
}

// rescueOf is _rescued_data over expressions of "name":value texts that are NULL when there is nothing to keep.
func rescueOf(pairs []string, path string) string {
	if len(pairs) == 0 {
		return "NULL::VARCHAR AS " + jsonrecords.RescuedColumn
	}
	list := "concat_ws(',', " + strings.Join(pairs, ", ") + ")"
	return fmt.Sprintf("CASE WHEN %s <> '' THEN '{' || %s || ',\"_file_path\":' || CAST(to_json(%s) AS VARCHAR) || '}' END AS %s", list, list, path, jsonrecords.RescuedColumn)
}
