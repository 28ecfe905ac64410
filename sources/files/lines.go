package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// fixedColumns are those of formats whose files have no columns of their own.
var fixedColumns = map[string]schemas.Table{
	"text": {{Name: "value", Type: schemas.Type{Kind: schemas.Varchar}}},
	"binary": {{Name: "path", Type: schemas.Type{Kind: schemas.Varchar}}, {Name: "modificationTime", Type: schemas.Type{Kind: schemas.TimestampTZ}},
		{Name: "length", Type: schemas.Type{Kind: schemas.BigInt}}, {Name: "content", Type: schemas.Type{Kind: schemas.Blob}}},
}

// textFormat has a row for each line of a file, empty ones too. DuckDB has no reader of lines: they are copied.
type textFormat struct{}

func (textFormat) open(context.Context, *work) error { return nil }

func (textFormat) infer(_ context.Context, w *work) error {
	w.state.Schema = fixedColumns["text"].Clone()
	return nil
}

func (textFormat) evolve(_ context.Context, w *work, _ Evolution) error {
	w.slow = slices.Clone(w.files)
	return nil
}

func (textFormat) strict(*work, []*file) string { return "" }

// textRow is a line as it is copied.
type textRow struct {
	File   int64  `parquet:"file"`
	Line   int64  `parquet:"line"`
	Offset int64  `parquet:"offset"`
	Text   string `parquet:"text"`
	Raw    []byte `parquet:"raw"`
	Reason string `parquet:"reason"`
}

func (textFormat) tolerant(_ context.Context, w *work, files []*file) (good, rejects string, err error) {
	path := w.temp("lines.parquet")
	out, err := os.Create(path)
	if err != nil {
		return "", "", err
	}
	rows := records.NewRows[textRow](out)
	taken := files[:0:0]
	for _, f := range files {
		cause, failed := copyLines(f, int64(len(taken)), rows)
		if failed != nil {
			return "", "", errors.Join(failed, rows.Close())
		}
		if cause != nil { // some of its lines may have been copied, under a number that the next file must not have
			w.drop(f, cause)
			taken = append(taken, nil)
			continue
		}
		if compressed(f.path) {
			w.verified(f)
		}
		taken = append(taken, f)
	}
	if err := rows.Close(); err != nil {
		return "", "", err
	}
	from := "read_parquet(" + located(path) + ")"
	here := ""
	for i, f := range taken {
		if f == nil {
			here += fmt.Sprintf(" AND file <> %d", i)
			taken[i] = files[i]
		}
	}
	good = fmt.Sprintf(`(SELECT "text" AS "value", %s%s FROM %s WHERE reason = ''%s)`, w.nothingRescued(), w.metadata(taken, "file"), from, here)
	rejects = fmt.Sprintf(`(SELECT %s AS file, line, "offset", raw, reason, false AS whole FROM %s WHERE reason <> ''%s)`, pathAt(taken, "file"), from, here)
	return good, rejects, nil
}

// copyLines writes the lines of a file. Cause is why it can't be read.
func copyLines(f *file, number int64, rows *records.Rows[textRow]) (cause, err error) {
	t, cause := openText(f.path)
	if cause != nil {
		return cause, nil
	}
	offset := int64(0)
	if t.skipBOM() {
		offset = int64(len(bom))
	}
	var buf []byte
	for line := int64(1); ; line++ {
		text, size, end := readLine(t.Reader, &buf)
		if size > 0 {
			row := textRow{File: number, Line: line, Offset: offset}
			switch {
			case size > maxRecord:
				row.Reason = tooLong
			case !utf8.Valid(text):
				row.Reason = fmt.Sprintf("the line is not valid UTF-8: there is a byte that is no character behind %q", shortened(validPrefix(text)))
			default:
				row.Text = string(text)
			}
			if row.Reason != "" {
				row.Raw = slices.Clone(text[:min(len(text), maxRaw)])
			}
			if err := rows.Add(row, 2*len(text)); err != nil {
				return nil, errors.Join(err, t.Close())
			}
		}
		offset += size
		if end != nil {
			if errors.Is(end, io.EOF) {
				end = nil
			}
			return t.finish(end), nil
		}
	}
}

func validPrefix(text []byte) string {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return string(text[:i])
		}
		i += size
	}
	return string(text)
}

// binaryFormat has a row for each file.
type binaryFormat struct{}

func (binaryFormat) open(context.Context, *work) error { return nil }

func (binaryFormat) infer(_ context.Context, w *work) error {
	w.state.Schema = fixedColumns["binary"].Clone()
	return nil
}

func (binaryFormat) evolve(context.Context, *work, Evolution) error { return nil }

func (binaryFormat) strict(w *work, files []*file) string {
	if len(files) == 0 {
		return ""
	}
	return fmt.Sprintf(`(SELECT __lakeflow_file AS path, __lakeflow_time AS "modificationTime", __lakeflow_size AS length, content, %s%s FROM`+
		` (SELECT filename AS __lakeflow_file, last_modified AS __lakeflow_time, size AS __lakeflow_size, content,`+
		` list_position(%s, filename) - 1 AS __lakeflow_index FROM read_blob(%s)))`,
		w.nothingRescued(), w.metadata(files, "__lakeflow_index"), pathTexts(files), paths(files))
}

func (b binaryFormat) tolerant(_ context.Context, w *work, files []*file) (good, rejects string, err error) {
	none := `(SELECT '' AS file, 0::BIGINT AS line, 0::BIGINT AS "offset", ''::BLOB AS raw, '' AS reason, false AS whole WHERE false)`
	return b.strict(w, files), none, nil
}

// nothingRescued is the column of what was rescued, and a comma, where the source has one.
func (w *work) nothingRescued() string {
	if !w.rescues() {
		return ""
	}
	return "NULL::VARCHAR AS " + jsonrecords.RescuedColumn + ", "
}
