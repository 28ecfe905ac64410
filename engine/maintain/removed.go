package maintain

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// wornShare is the part of a partition's rows that may be removed ones before its files are rewritten: one in so many.
// Every reader pays for removed rows each time, and a rewrite is paid once for all rows of a file.
const wornShare = 5

// partition is the files of one partition, those with rows and those that name removed ones.
type partition struct{ files, deletes []lake.StoredFile }

// partitionsOf are the partitions of a table, in a stable order.
func partitionsOf(stored *lake.Stored) []partition {
	all := map[string]*partition{}
	of := func(f lake.StoredFile) *partition {
		if all[f.Partition] == nil {
			all[f.Partition] = &partition{}
		}
		return all[f.Partition]
	}
	for _, f := range stored.Files {
		of(f).files = append(of(f).files, f)
	}
	for _, f := range stored.Deletes {
		of(f).deletes = append(of(f).deletes, f)
	}
	var out []partition
	for _, key := range slices.Sorted(maps.Keys(all)) {
		out = append(out, *all[key])
	}
	return out
}

// removedRows counts the removed rows of each file, by path.
func removedRows(ctx context.Context, db *duck.DB, deletes []lake.StoredFile) (map[string]int64, error) {
	for _, f := range deletes { // what is damaged must not get a new checksum
		if err := lake.CheckFile(f.Path); err != nil {
			return nil, err
		}
	}
	rows, err := db.Conn().QueryContext(ctx, "SELECT file_path, count(DISTINCT pos) FROM "+readDeletes(deletes)+" GROUP BY ALL")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var location string
		var n int64
		if err := rows.Scan(&location, &n); err != nil {
			return nil, err
		}
		out[strings.TrimPrefix(location, lake.URI(""))] = n
	}
	return out, rows.Err()
}

func readDeletes(deletes []lake.StoredFile) string {
	files := make([]lake.DataFile, len(deletes))
	for i, f := range deletes {
		files[i] = lake.DataFile{Path: f.Path, Rows: f.Rows}
	}
	return duck.ReadFiles(lake.DeleteSchema(), files)
}

// worn adds to groups, each by itself, the files that are rewritten because too many rows of their partition are removed
// ones.
func (w *rewriting) worn(files []lake.StoredFile, groups [][]lake.StoredFile) [][]lake.StoredFile {
	var rows, removed int64
	for _, f := range files {
		rows, removed = rows+f.Rows, removed+w.removed[f.Path]
	}
	if removed*wornShare <= rows {
		return groups
	}
	chosen := map[string]bool{}
	for _, f := range slices.Concat(groups...) {
		chosen[f.Path] = true
	}
	for _, f := range files {
		if !chosen[f.Path] && w.removed[f.Path]*wornShare > f.Rows {
			groups = append(groups, []lake.StoredFile{f})
		}
	}
	return groups
}

// renameRows replaces all files of a partition that name removed rows by one that names those of the files that stay.
func (w *rewriting) renameRows(ctx context.Context, p partition, rewritten map[string]bool) error {
	var stay []string
	var of []string
	for _, f := range p.files {
		if !rewritten[f.Path] && w.removed[f.Path] > 0 {
			stay, of = append(stay, quote.Text(lake.URI(f.Path))), append(of, f.Path)
		}
	}
	for _, f := range p.deletes {
		w.next.Remove = append(w.next.Remove, f.Path)
	}
	if len(stay) == 0 {
		return nil
	}
	query := fmt.Sprintf("SELECT DISTINCT file_path, pos FROM %s WHERE file_path IN (%s) ORDER BY ALL", readDeletes(p.deletes), strings.Join(stay, ", "))
	made, _, err := w.in.DB.WriteParquet(ctx, query, duck.Layout{Dir: w.in.Lake.DataDir(w.table), Schema: lake.DeleteSchema()})
	if err != nil {
		return err
	}
	for _, f := range made {
		w.next.AddDeletes = append(w.next.AddDeletes, lake.DeleteFile{DataFile: f, Of: of})
	}
	return nil
}
