package duck

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// TestRemovedRows removes random rows of random files again and again, and compares what is read with a table that
// DuckDB keeps.
func TestRemovedRows(t *testing.T) {
	db, dir := open(t, Config{})
	ctx := context.Background()
	exec := func(sql string, args ...any) {
		t.Helper()
		if err := db.Exec(ctx, fmt.Sprintf(sql, args...)); err != nil {
			t.Fatal(err)
		}
	}
	schema := columns(t, "file_index BIGINT", "file_row_number VARCHAR", "x BIGINT")
	large := 1 // of as many row groups that several threads read it; once is enough
	rapid.Check(t, func(rt *rapid.T) {
		var files []lake.DataFile
		exec("CREATE OR REPLACE TABLE want (file_index BIGINT, file_row_number VARCHAR, x BIGINT)")
		for i := range rapid.IntRange(1, 4).Draw(rt, "files") {
			rows := rapid.SampledFrom([]int{1, 2, 7, 20, 300, 1000}).Draw(rt, "rows") + 130_000*large
			large = 0
			query := fmt.Sprintf("SELECT i AS file_index, 'r' || i AS file_row_number, %d AS x FROM range(%d) r(i)", i, rows)
			exec("INSERT INTO want %s", query)
			for _, f := range mustWrite(t, db, query, Layout{Dir: filepath.Join(dir, "data"), Schema: schema}) {
				f.Group = fmt.Sprint(i % 2)
				files = append(files, f)
			}
		}
		for range rapid.IntRange(0, 3).Draw(rt, "commits") {
			chosen := fmt.Sprintf("hash(file_index, x, %d) %% 1000 < %d", rapid.Int16().Draw(rt, "salt"), rapid.SampledFrom([]int{0, 1, 300, 1000}).Draw(rt, "share"))
			files = removeRows(t, db, schema, files, chosen, filepath.Join(dir, "data"))
			exec("DELETE FROM want WHERE %s", chosen)
			if n := differences(t, db, "want", ReadFiles(schema, files)); n != 0 {
				rt.Fatalf("after %s: %d rows differ", chosen, n)
			}
		}
	})
}

// TestExpectedRows has DuckDB say how many rows it expects of files: what it joins them with depends on that.
func TestExpectedRows(t *testing.T) {
	db, dir := open(t, Config{})
	schema := columns(t, "x BIGINT")
	write := func(rows int) []lake.DataFile {
		query := fmt.Sprintf("SELECT i AS x FROM range(%d) r(i)", rows)
		return mustWrite(t, db, query, Layout{Dir: filepath.Join(dir, "data"), Schema: schema})
	}
	small, large := write(5_000), write(200_000)
	deletes, err := db.WriteDeletes(t.Context(), "SELECT 0 AS __file, i AS __row FROM range(10) r(i)", large, filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	cut := slices.Clone(large)
	cut[0].Deletes = []string{deletes[0].Path}
	for name, tc := range map[string]struct {
		files []lake.DataFile
		want  float64
	}{
		"one file": {small, 5_000}, "one file of many row groups": {large, 200_000}, "two files": {slices.Concat(small, large), 205_000},
		"removed rows": {cut, 200_000},
	} {
		places, _ := ReadPlaces(schema, tc.files)
		for _, relation := range []string{ReadFiles(schema, tc.files), places} {
			var plan string
			query := "EXPLAIN (FORMAT json) SELECT min(x) FROM " + relation
			if err := db.Conn().QueryRowContext(t.Context(), query).Scan(new(string), &plan); err != nil {
				t.Fatal(err)
			}
			var most float64
			for _, m := range regexp.MustCompile(`"Estimated Cardinality": "(\d+)"`).FindAllStringSubmatch(plan, -1) {
				n, err := strconv.ParseFloat(m[1], 64)
				if err != nil {
					t.Fatal(err)
				}
				most = max(most, n)
			}
			if most < tc.want/2 || most > tc.want*2 {
				t.Errorf("%s: %.0f rows are expected, want about %.0f\n%s", name, most, tc.want, plan)
			}
		}
	}
}

// differences counts the rows that only one of two relations has.
func differences(t *testing.T, db *DB, a, b string) (n int64) {
	t.Helper()
	query := fmt.Sprintf("SELECT count(*) FROM ((FROM %[1]s EXCEPT ALL FROM %[2]s) UNION ALL (FROM %[2]s EXCEPT ALL FROM %[1]s))", a, b)
	if err := db.Conn().QueryRowContext(context.Background(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// removeRows removes the rows of a condition, and checks what ReadRemoved says of that.
func removeRows(t *testing.T, db *DB, schema schemas.Table, files []lake.DataFile, where, dir string) []lake.DataFile {
	t.Helper()
	relation, order := ReadPlaces(schema, files)
	deletes, err := db.WriteDeletes(context.Background(), "SELECT __file, __row FROM "+relation+" WHERE "+where, order, dir)
	if err != nil {
		t.Fatal(err)
	}
	next := slices.Clone(order)
	var removed []string
	for _, d := range deletes {
		r := lake.Removed{By: []string{d.Path}}
		var unsorted int64
		err := db.Conn().QueryRowContext(context.Background(), fmt.Sprintf(`SELECT count(*) FROM (
			SELECT (file_path, pos) <= lag((file_path, pos)) OVER (ORDER BY file_row_number) AS after
			FROM read_parquet('%s', file_row_number = true)) WHERE after`, d.Path)).Scan(&unsorted)
		if err != nil || unsorted != 0 {
			t.Fatalf("%d rows are not in the order of paths and positions: %v", unsorted, err)
		}
		for i, f := range order {
			if slices.Contains(d.Of, f.Path) {
				r.Files = append(r.Files, f)
				next[i].Deletes = append(slices.Clone(f.Deletes), d.Path)
			}
		}
		removed = append(removed, ReadRemoved(schema, r))
	}
	want := "(SELECT file_index, file_row_number, x FROM " + relation + " WHERE " + where + ")"
	if n := differences(t, db, want, union(schema, removed...)); n != 0 {
		t.Fatalf("removed of %s: %d rows differ", where, n)
	}
	return next
}
