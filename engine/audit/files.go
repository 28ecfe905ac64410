package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// count reads the number of rows of every file, and finds files that are missing, cannot be read, or are not those that
// were written.
func (a *auditor) count(ctx context.Context, t *stored) {
	var there []string
	for _, path := range t.files() {
		info, err := os.Stat(path)
		size, recorded := t.bytes[path]
		switch {
		case errors.Is(err, fs.ErrNotExist):
			t.trouble[path] = "is missing"
			continue
		case err != nil:
			t.trouble[path] = fmt.Sprintf("cannot be read (%v)", err)
			continue
		case recorded && info.Size() != size:
			t.trouble[path] = fmt.Sprintf("has %d bytes instead of %d", info.Size(), size)
		}
		there = append(there, path)
		if a.Deep && t.trouble[path] == "" && ctx.Err() == nil {
			if err := lake.CheckFile(path); err != nil {
				t.trouble[path] = "does not agree with the checksum in its name"
			}
		}
	}
	a.countFiles(ctx, t, there)
	for _, path := range t.files() {
		n, ok := t.counted[path]
		if recorded, known := t.rows[path]; ok && known && n != recorded && t.trouble[path] == "" {
			t.trouble[path] = "is not the one that was written"
		}
		if t.trouble[path] != "" {
			a.damaged(t, path)
		}
	}
	a.countRemoved(ctx, t)
	table := a.table(t.name)
	table.Files, table.Rows = len(t.head.Files), -t.removed
	for _, f := range t.head.Files {
		table.Rows += t.counted[f.Path]
	}
}

// countRemoved counts the rows of the head's files that are named as removed, each once. Where a file that names some
// is damaged, which has a finding of its own, they count as what was written.
func (a *auditor) countRemoved(ctx context.Context, t *stored) {
	if len(t.head.Deletes) == 0 {
		return
	}
	sound := true
	for _, f := range t.head.Deletes {
		t.removed += f.Rows
		sound = sound && t.trouble[f.Path] == ""
	}
	if !sound {
		return
	}
	files := make([]string, len(t.head.Files))
	for i, f := range t.head.Files {
		files[i] = fmt.Sprintf("(%s, %d)", quote.Text(lake.URI(f.Path)), f.Rows)
	}
	query := fmt.Sprintf("SELECT count(*) FROM (SELECT DISTINCT file_path, pos FROM %s) d JOIN (VALUES %s) f(path, n) ON d.file_path = f.path AND d.pos >= 0 AND d.pos < f.n",
		duck.ReadFiles(lake.DeleteSchema(), t.head.Deletes), strings.Join(files, ", "))
	if err := a.DB.Conn().QueryRowContext(ctx, query).Scan(&t.removed); err != nil && ctx.Err() == nil {
		a.find(Finding{Table: t.name, Check: CheckFile, Message: "the files that name removed rows cannot be read: " + duckerr.FirstLine(err), Remedy: a.restore(t.name)})
	}
}

// damaged notes the trouble with a file.
func (a *auditor) damaged(t *stored, path string) {
	f := Finding{Table: t.name, Commit: t.writer(path), Check: CheckFile, File: path, Found: t.counted[path], Remedy: a.restore(t.name)}
	if n, live := t.rows[path]; live {
		f.Expected = n
		f.Message = fmt.Sprintf("%s %s: %s expected in it, %d found", path, t.trouble[path], rows(n), f.Found)
	} else {
		f.Message = fmt.Sprintf("%s %s; only earlier versions of the table need it", path, t.trouble[path])
		f.Remedy = "restore the file from a backup, or do without the earlier versions: the table's rows of today are not affected"
	}
	a.find(f)
}

// countFiles counts all files with one query. When that fails, it asks file by file, to find those that are to blame.
func (a *auditor) countFiles(ctx context.Context, t *stored, paths []string) {
	if len(paths) == 0 || a.countQuery(ctx, t, paths) == nil {
		return
	}
	clear(t.counted)
	for _, path := range paths {
		err := a.countQuery(ctx, t, []string{path})
		if err != nil && t.trouble[path] == "" {
			t.trouble[path] = fmt.Sprintf("cannot be read (%s)", duckerr.FirstLine(err))
		}
	}
}

// countQuery asks DuckDB for the rows that the files hold, whatever Iceberg's metadata says.
func (a *auditor) countQuery(ctx context.Context, t *stored, paths []string) error {
	quoted := make([]string, len(paths))
	for i, path := range paths {
		quoted[i] = quote.Text(schemas.EscapeGlob(path))
	}
	rows, err := a.DB.Conn().QueryContext(ctx, fmt.Sprintf(
		`SELECT "lakeflow file", count(*) FROM read_parquet([%s], hive_partitioning = false, filename = 'lakeflow file') GROUP BY ALL`, strings.Join(quoted, ", ")))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	for rows.Next() {
		var path string
		var n int64
		if err := rows.Scan(&path, &n); err != nil {
			return err
		}
		t.counted[path] = n
	}
	return rows.Err()
}

// readable are the files of the last version that can be read.
func (t *stored) readable() []lake.DataFile {
	var files []lake.DataFile
	for _, f := range t.head.Files {
		if _, ok := t.counted[f.Path]; ok {
			files = append(files, f)
		}
	}
	return files
}

func rows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}
