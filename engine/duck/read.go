package duck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// The columns that say where a row is stored: the number of its file in a list, and its number in the file, both from 0.
const (
	FileColumn = "__file"
	RowColumn  = "__row"
)

// ReadFiles is the table expression that reads files with the given schema by field id: files written before a column
// was added, or with a narrower type, fit in. Rows that were removed are left out.
func ReadFiles(schema schemas.Table, files []lake.DataFile) string {
	whole, cut := apart(files)
	return union(schema, scan(schema, whole, -1), scan(schema, cut, -1))
}

// ReadPlaces is ReadFiles with two further columns, FileColumn and RowColumn; the number of a file is that in the list
// which is returned.
func ReadPlaces(schema schemas.Table, files []lake.DataFile) (relation string, order []lake.DataFile) {
	whole, cut := apart(files)
	places := slices.Concat(schema, schemas.Table{
		{Name: FileColumn, Type: schemas.Type{Kind: schemas.BigInt}}, {Name: RowColumn, Type: schemas.Type{Kind: schemas.BigInt}}})
	return union(places, scan(schema, whole, 0), scan(schema, cut, len(whole))), slices.Concat(whole, cut)
}

// ReadStored is ReadPlaces with the rows that were removed, and the places of those, in the same columns: empty where
// none was. Who looks for few rows finds them first, and takes the removed ones out then. The number of a file is that
// in files.
func ReadStored(schema schemas.Table, files []lake.DataFile) (rows, removed string) {
	if len(files) == 0 {
		rows, _ = ReadPlaces(schema, nil)
		return rows, ""
	}
	whole := make([]lake.DataFile, len(files))
	for i, f := range files {
		whole[i] = f
		whole[i].Deletes = nil
	}
	if places := deleted(files); places != "" {
		removed = fmt.Sprintf("(SELECT CAST(file AS BIGINT) AS %s, pos AS %s FROM %s)", FileColumn, RowColumn, places)
	}
	return scan(schema, whole, 0), removed
}

// ReadRemoved is the table expression of rows that were removed from files: those that by names, or, without by, all of
// them. Rows of the files that had been removed before are not among them.
func ReadRemoved(schema schemas.Table, r lake.Removed) string {
	if len(r.By) == 0 {
		return ReadFiles(schema, r.Files)
	}
	named := make([]lake.DataFile, len(r.Files))
	for i, f := range r.Files {
		named[i] = lake.DataFile{Path: f.Path, Rows: f.Rows, Bytes: f.Bytes, Deletes: r.By}
	}
	return union(schema, join("SEMI", schema, named, -1))
}

// apart are the files of which no row was removed, and the others.
func apart(files []lake.DataFile) (whole, cut []lake.DataFile) {
	for _, f := range files {
		if len(f.Deletes) == 0 {
			whole = append(whole, f)
		} else {
			cut = append(cut, f)
		}
	}
	return whole, cut
}

func union(schema schemas.Table, relations ...string) string {
	relations = slices.DeleteFunc(relations, func(r string) bool { return r == "" })
	switch len(relations) {
	case 0:
		return Empty(schema)
	case 1:
		return relations[0]
	}
	return "(FROM " + strings.Join(relations, " UNION ALL FROM ") + ")"
}

// scan reads files that either all have removed rows or none has. With first, the number of the first file, it gives
// the places of the rows too.
func scan(schema schemas.Table, files []lake.DataFile, first int) string {
	if len(files) == 0 {
		return ""
	}
	if len(files[0].Deletes) > 0 {
		return join("ANTI", schema, files, first)
	}
	names, read := reader(schema)
	if first < 0 {
		if len(files) > 1 || files[0].Rows <= rowGroupRows {
			return "(SELECT " + names + " FROM " + read(files) + ")"
		}
		// Given a schema, DuckDB reads a single file with one thread: it does not look how many row groups the file has.
		// Named twice, the file is read with all threads, and its second mention is left out by its number.
		return "(SELECT " + names + " FROM " + read(twice(files[0])) + " WHERE file_index = 0)"
	}
	where := ""
	if len(files) == 1 && files[0].Rows > rowGroupRows {
		files, where = twice(files[0]), " WHERE file_index = 0"
	}
	return fmt.Sprintf("(SELECT %s, file_index + %d AS %s, file_row_number AS %s FROM %s%s)", names, first, FileColumn, RowColumn, read(files), where)
}

// twice names a file two times. DuckDB expects a condition to leave a fifth of the rows, so that the rows which a file is
// said to have are those that it has once one of the two is left out.
func twice(f lake.DataFile) []lake.DataFile {
	first := f
	first.Rows, f.Rows = 5*f.Rows, 0
	return []lake.DataFile{first, f}
}

// join reads files and keeps the rows that their delete files name (SEMI), or the others (ANTI).
func join(kind string, schema schemas.Table, files []lake.DataFile, first int) string {
	names, read := reader(schema)
	if first >= 0 {
		names += fmt.Sprintf(", file_index + %d AS %s, file_row_number AS %s", first, FileColumn, RowColumn)
	}
	return fmt.Sprintf("(SELECT %s FROM %s AS t %s JOIN %s AS d ON t.file_index = d.file AND t.file_row_number = d.pos)", names, read(files), kind, deleted(files))
}

// deleted are the places that the delete files of files name: file, the number of a file in the list, and pos. It is
// empty where there are no such files.
func deleted(files []lake.DataFile) string {
	var deletes []lake.DataFile
	var numbers []string
	known := map[string]bool{}
	for i, f := range files {
		if len(f.Deletes) > 0 {
			numbers = append(numbers, fmt.Sprintf("(%d, %s)", i, quote.Text(lake.URI(f.Path))))
		}
		for _, path := range f.Deletes {
			if !known[path] {
				known[path] = true
				deletes = append(deletes, lake.DataFile{Path: path})
			}
		}
	}
	if len(deletes) == 0 {
		return ""
	}
	_, read := reader(lake.DeleteSchema())
	return fmt.Sprintf("(SELECT CAST(f.number AS UBIGINT) AS file, d.pos FROM %s AS d JOIN (VALUES %s) AS f(number, path) ON d.file_path = f.path)",
		read(deletes), strings.Join(numbers, ", "))
}

// reader gives the select list of the schema's columns, and the expression that reads files for it. DuckDB's own columns
// hide behind those of the same name, which therefore are read by another.
func reader(schema schemas.Table) (names string, read func([]lake.DataFile) string) {
	columns := slices.Clone(schema)
	list := make([]string, len(schema))
	for i, c := range schema {
		list[i] = quote.Name(c.Name)
		if strings.EqualFold(c.Name, "file_index") || strings.EqualFold(c.Name, "file_row_number") {
			columns[i].Name = fmt.Sprintf("__column_%d", i)
			list[i] = columns[i].Name + " AS " + list[i]
		}
	}
	return strings.Join(list, ", "), func(files []lake.DataFile) string {
		paths := make([]string, len(files))
		for i, f := range files {
			paths[i] = quote.Text(schemas.EscapeGlob(f.Path))
		}
		return fmt.Sprintf("read_parquet([%s], hive_partitioning = false%s, schema = %s)",
			strings.Join(paths, ", "), cardinality(files), schemas.ReadSchemaSQL(columns))
	}
}

// cardinality tells DuckDB how many rows files have, where that is known. Given a schema, it takes them for few, and
// would make the hash table of a join of them, however small the other side is.
func cardinality(files []lake.DataFile) string {
	var rows int64
	for _, f := range files {
		rows += f.Rows
	}
	if rows == 0 {
		return ""
	}
	return fmt.Sprintf(", explicit_cardinality = %d", rows)
}

// WriteDeletes writes the files that name rows to remove: positions is a query of FileColumn and RowColumn, of rows of
// files as ReadPlaces has numbered them, each once. There is a file for each partition.
func (d *DB) WriteDeletes(ctx context.Context, positions string, files []lake.DataFile, dir string) ([]lake.DeleteFile, error) {
	groups, err := d.groups(ctx, positions, files)
	if err != nil {
		return nil, err
	}
	var out []lake.DeleteFile
	for _, g := range groups {
		slices.SortFunc(g, func(a, b int) int { return strings.Compare(lake.URI(files[a].Path), lake.URI(files[b].Path)) })
		numbers, paths, of := make([]string, len(g)), make([]string, len(g)), make([]string, len(g))
		for i, n := range g {
			numbers[i], paths[i], of[i] = fmt.Sprintf("(%d, %d)", n, i+1), quote.Text(lake.URI(files[n].Path)), files[n].Path
		}
		// The rows are in the order of paths and positions, as Iceberg wants them. Sorting numbers takes a third of the time
		// of sorting paths.
		query := fmt.Sprintf(`SELECT list_extract([%[5]s], place) AS file_path, pos FROM (
			SELECT f.place, p.%[2]s AS pos FROM (%[3]s
			) AS p JOIN (VALUES %[4]s) AS f(number, place) ON p.%[1]s = f.number ORDER BY f.place, pos)`,
			FileColumn, RowColumn, positions, strings.Join(numbers, ", "), strings.Join(paths, ", "))
		written, _, err := d.WriteParquet(ctx, query, Layout{Dir: dir, Schema: lake.DeleteSchema()})
		if err != nil {
			for _, f := range out {
				Remove([]lake.DataFile{f.DataFile})
			}
			return nil, fmt.Errorf("write which rows are removed: %w", err)
		}
		for _, f := range written {
			out = append(out, lake.DeleteFile{DataFile: f, Of: of})
		}
	}
	return out, nil
}

// groups are the numbers of the files that have any of the positions, by partition.
func (d *DB) groups(ctx context.Context, positions string, files []lake.DataFile) ([][]int, error) {
	rows, err := d.conn.QueryContext(ctx, fmt.Sprintf("SELECT DISTINCT %s FROM (%s\n) ORDER BY 1", FileColumn, positions))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]int
	at := map[string]int{}
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		group := files[n].Group
		if _, known := at[group]; !known {
			at[group] = len(out)
			out = append(out, nil)
		}
		out[at[group]] = append(out[at[group]], n)
	}
	return out, rows.Err()
}
