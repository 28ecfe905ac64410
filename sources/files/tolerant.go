package files

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// tolerant reads the records of the files one by one. Good records are converted by the same DuckDB code as in read_json.
func (jsonFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	if err := w.scan(slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return f.raw != "" })); err != nil {
		return "", "", err
	}
	files = slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return !slices.Contains(w.files, f) })
	if len(files) == 0 {
		return "", "", nil
	}
	records := scanned(files)
	c := &jsonrecords.Check{Columns: w.state.Schema, Rescues: w.rescues(), Place: `'"_file_path":' || CAST(to_json(path) AS VARCHAR)`}
	bad := w.temp("bad.parquet")
	query := fmt.Sprintf(`COPY (SELECT path AS file, line, "offset", CASE WHEN reason <> '' THEN bad ELSE encode(CASE WHEN strlen(raw) > %d THEN left(raw, %d) ELSE raw END) END AS raw, why AS reason, false AS whole
	FROM (%s)) TO %s (FORMAT parquet)`, maxRaw, maxRaw/4, c.Bad(records), literal(bad))
	if _, err := w.session.Conn.ExecContext(ctx, query); err != nil {
		return "", "", fmt.Errorf("check records: %w", err)
	}
	records = fmt.Sprintf("(SELECT * FROM %s AS r WHERE NOT EXISTS (SELECT 1 FROM read_parquet(%s) AS b WHERE b.file = r.path AND b.line = r.line))", records, located(bad))
	good = "(" + c.Good(records, w.metadata(files, "list_position("+pathTexts(files)+", path) - 1")) + ")"
	return good, fmt.Sprintf(`(SELECT file, line, "offset", raw, reason, whole FROM read_parquet(%s))`, located(bad)), nil
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
