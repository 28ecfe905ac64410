package files

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
	"github.com/lakeflow/lakeflow/sources/values"
)

// csvRow is a record for DuckDB to convert. Records that are no good have a reason, and no fields; a field that is NULL
// is empty. Raw is cut at maxRaw.
type csvRow struct {
	Path   string   `parquet:"path,dict"`
	Line   int64    `parquet:"line"`
	Offset int64    `parquet:"offset"`
	Raw    []byte   `parquet:"raw"`
	Reason string   `parquet:"reason"`
	Fields []string `parquet:"fields,list"`
}

// tolerant reads the files record by record.
func (c csvFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	if err := w.scanFields(files); err != nil {
		return "", "", err
	}
	files = slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return !slices.Contains(w.files, f) })
	var goods, bads []string
	for _, group := range byHeader(files) {
		g, b, err := c.split(ctx, w, group)
		if err != nil {
			return "", "", err
		}
		goods, bads = append(goods, g), append(bads, b)
	}
	return records.Union(goods), records.Union(bads), nil
}

// scanFields copies the records of the files that were not copied yet to Parquet files, one for each, and drops files
// that can't be read to their end.
func (w *work) scanFields(files []*file) error {
	files = slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return f.raw != "" || len(f.header) == 0 })
	paths, causes, errs := make([]string, len(files)), make([]error, len(files)), make([]error, len(files))
	for i := range files {
		paths[i] = w.temp("fields.parquet")
	}
	eachFile(files, func(i int, f *file) { causes[i], errs[i] = w.copyFields(f, paths[i]) })
	for i, f := range files {
		if errs[i] != nil {
			return fmt.Errorf("write records to the temporary folder: %w", errs[i])
		}
		f.raw = paths[i]
		if causes[i] != nil {
			w.drop(f, causes[i])
		}
	}
	return nil
}

// copyFields copies the records of one file. cause is why the file can't be read.
func (w *work) copyFields(f *file, path string) (cause, err error) {
	out, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	rows := records.NewRows[csvRow](out)
	nulls := w.src.cfg.CSV.NullValues
	cause = w.eachRecord(f, func(rec *csvRecord) bool {
		row := csvRow{Path: f.path, Line: rec.line, Offset: rec.offset, Raw: slices.Clone(rec.raw[:min(len(rec.raw), maxRaw)]), Reason: rec.reason}
		for _, field := range rec.fields {
			text := string(field)
			if slices.Contains(nulls, text) {
				text = ""
			}
			row.Fields = append(row.Fields, text)
		}
		err = rows.Add(row, 2*len(rec.raw))
		return err == nil
	})
	if closed := rows.Close(); err == nil {
		err = closed
	}
	return cause, err
}

// split reads files of one header into a Parquet file of good rows and one of rejects.
func (c csvFormat) split(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	r := csvRows{work: w, header: files[0].header}
	r.prepare()
	rows, bad := w.temp("good.parquet"), w.temp("bad.parquet")
	from := fmt.Sprintf("(SELECT *, CASE WHEN reason <> '' THEN reason ELSE %s END AS why FROM %s)", r.why(), scanned(files))
	good = fmt.Sprintf("SELECT %s, list_position(%s, path) - 1 AS __lakeflow_index FROM %s WHERE why = ''", strings.Join(r.columns, ", "), pathTexts(files), from)
	rejects = `SELECT path AS file, line, "offset", raw, why AS reason, false AS whole FROM ` + from + " WHERE why <> ''"
	for _, part := range []struct{ query, path string }{{good, rows}, {rejects, bad}} {
		if _, err := w.session.Conn.ExecContext(ctx, fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet)", part.query, quote.Text(part.path))); err != nil {
			return "", "", fmt.Errorf("convert the records of %s: %w", files[0].path, err)
		}
	}
	good = fmt.Sprintf("(SELECT %s, %s FROM read_parquet(%s))", names(w.src.visible(w.state.Schema)), w.metadata(files, "__lakeflow_index"), located(rows))
	return good, fmt.Sprintf(`(SELECT file, line, "offset", raw, reason, whole FROM read_parquet(%s))`, located(bad)), nil
}

// csvRows writes the SQL that converts the fields of files with one header.
type csvRows struct {
	*work
	header  []string
	columns []string // expressions of the schema's columns, and of _rescued_data
	wrong   []string // texts of what is wrong with a record, or NULL
}

func (r *csvRows) prepare() {
	var lost []string
	for _, col := range r.state.Schema {
		i := slices.IndexFunc(r.header, func(name string) bool { return strings.EqualFold(name, col.Name) })
		if i < 0 {
			r.columns = append(r.columns, fmt.Sprintf("CAST(NULL AS %s) AS %s", col.Type, quote.Name(col.Name)))
			continue
		}
		text := fieldAt(i)
		declared := r.src.hints.Column(col.Name) != nil
		value, misfit := r.src.cfg.CSV.convert(text, col.Type, declared)
		if col.Type.Kind == schemas.Boolean && !declared { // others are words until somebody declares the column
			misfit = fmt.Sprintf("(%s OR coalesce(lower(trim(%s)) NOT IN ('true', 'false'), false))", misfit, text)
		}
		if misfit == "" {
			r.columns = append(r.columns, value+" AS "+quote.Name(col.Name))
			continue
		}
		r.columns = append(r.columns, fmt.Sprintf("CASE WHEN NOT %s THEN %s END AS %s", misfit, value, quote.Name(col.Name)))
		r.wrong = append(r.wrong, fmt.Sprintf("CASE WHEN %s THEN %s || left(%s, 200) || %s END", misfit, quote.Text("column "+col.Name+`: "`), text, quote.Text(`" is not `+col.Type.String())))
		lost = append(lost, fmt.Sprintf("CASE WHEN %s THEN %s END", misfit, pair(col.Name, text)))
	}
	if !r.rescues() {
		return
	}
	for i, name := range r.header {
		if r.state.Schema.Column(name) == nil {
			lost = append(lost, fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN %s END", fieldAt(i), pair(name, fieldAt(i))))
		}
	}
	r.columns, r.wrong = append(r.columns, rescueOf(lost, "path")), nil
}

func (r *csvRows) why() string {
	if len(r.wrong) == 0 {
		return "''"
	}
	return "concat_ws('; ', " + strings.Join(r.wrong, ", ") + ")"
}

// fieldAt is the expression of a field's text.
func fieldAt(i int) string { return fmt.Sprintf("nullif(fields[%d], '')", i+1) }

// convert is the expression that makes a t of a text, and one that is true when that would change it; empty when
// nothing can. A number of a column that is declared may have a plus sign: elsewhere it may be an identifier.
func (o CSV) convert(text string, t schemas.Type, declared bool) (value, misfit string) {
	switch format := o.format(t); {
	case t.Kind == schemas.Varchar:
		return text, ""
	case format != "":
		return formatted(text, format, t)
	case numeric(t):
		if declared {
			text = fmt.Sprintf(`regexp_replace(%s, '^( *)\+([0-9.])', '\1\2')`, text)
		}
		text = o.numbers().plain(text)
	}
	return values.Cast(text, t), values.Lossy(text, t)
}

// formatted is convert for a date or time in a declared format. DuckDB makes the year 24 of 24 by %Y, and a day of 1900
// of the words epoch and infinity.
func formatted(text, format string, t schemas.Type) (value, misfit string) {
	parsed := fmt.Sprintf("try_strptime(%s, %s)", text, quote.Text(format))
	value = fmt.Sprintf("CAST(%s AS %s)", parsed, t)
	year := fmt.Sprintf("year(%s)", value)
	misfit = fmt.Sprintf("(%[1]s IS NOT NULL AND (%[2]s IS NULL OR %[2]s <> %[3]s OR regexp_matches(lower(%[1]s), '^ *[-+]?(epoch|infinity)')"+
		" OR %[4]s < 1000 AND NOT contains(%[1]s, lpad(CAST(%[4]s AS VARCHAR), 4, '0'))%[5]s))", text, value, parsed, year, moved(text, format, t))
	return value, misfit
}

// moved adds to a condition that the text has an offset other than that of UTC, by which DuckDB moves a time of a
// column without a zone.
func moved(text, format string, t schemas.Type) string {
	if t.Kind != schemas.Timestamp {
		return ""
	}
	for _, at := range regexp.MustCompile(`%.`).FindAllStringIndex(format, -1) {
		if !strings.ContainsAny(format[at[0]:at[1]], "zZ") {
			continue
		}
		var utc []string
		for _, offset := range []string{"+00", "+0000", "+00:00", "UTC"} {
			utc = append(utc, fmt.Sprintf("try_strptime(%s, %s)", text, quote.Text(format[:at[0]]+offset+format[at[1]:])))
		}
		return " OR coalesce(" + strings.Join(utc, ", ") + ") IS NULL"
	}
	return ""
}

// pathAt is the expression of the path of the row's file.
func pathAt(files []*file, index string) string {
	return pathTexts(files) + "[CAST(" + index + " AS BIGINT) + 1]"
}

// pair is the expression of one "name":value text.
func pair(name, value string) string {
	return fmt.Sprintf("CAST(to_json(%s) AS VARCHAR) || ':' || CAST(to_json(%s) AS VARCHAR)", quote.Text(name), value)
}

// rescueOf is _rescued_data over expressions of "name":value texts that are NULL when there is nothing to keep.
func rescueOf(pairs []string, path string) string {
	if len(pairs) == 0 {
		return "NULL::VARCHAR AS " + jsonrecords.RescuedColumn
	}
	list := "concat_ws(',', " + strings.Join(pairs, ", ") + ")"
	return fmt.Sprintf("CASE WHEN %s <> '' THEN '{' || %s || ',\"_file_path\":' || CAST(to_json(%s) AS VARCHAR) || '}' END AS %s", list, list, path, jsonrecords.RescuedColumn)
}

// scanned is the relation of the records of files that were scanned.
func scanned(files []*file) string {
	var raws []string
	for _, f := range files {
		if !slices.Contains(raws, f.raw) {
			raws = append(raws, f.raw)
		}
	}
	for i := range raws {
		raws[i] = located(raws[i])
	}
	return fmt.Sprintf("(SELECT * FROM read_parquet([%s]) WHERE path IN (SELECT unnest(%s)))", strings.Join(raws, ", "), pathTexts(files))
}
