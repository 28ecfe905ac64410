package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// damage is one thing that goes wrong with the stored state. It names what an error may say that it is about.
type damage struct {
	name  string
	names []string // one of them must be in an error
	do    func(warehouse string) error
}

// TestDamagedState flips, cuts off and deletes what a pipeline has stored: each file, and each value of the catalog. An
// update then either gives the right rows, or stops and names what is damaged; audit --deep finds what the update does
// not read; and once the damage is undone, all goes on. LAKEFLOW_DAMAGE=all does all of it, otherwise a sample is
// taken.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	c := newCrash(t, 3)
	c.grow(4)
	c.run()
	do(t, "maintain", c.tidy())
	warehouse := filepath.Join(filepath.Dir(c.file), "warehouse")
	saved := filepath.Join(t.TempDir(), "saved")
	if err := os.CopyFS(saved, os.DirFS(warehouse)); err != nil {
		t.Fatal(err)
	}
	c.grow(5)
	all := append(fileDamage(t, warehouse), catalogDamage(t, warehouse)...)
	if os.Getenv("LAKEFLOW_DAMAGE") != "all" {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:16]
	}
	for _, d := range all {
		t.Run(d.name, func(t *testing.T) {
			restore(t, warehouse, saved)
			if err := d.do(warehouse); err != nil {
				t.Fatal(err)
			}
			tell, err := try(t, "run", c.file)
			if err != nil {
				d.named(t, "run", tell+err.Error())
				restore(t, warehouse, saved)
				do(t, "run", c.file)
			} else if tell, err := try(t, "audit", "--deep", c.file); err != nil {
				d.named(t, "audit", tell+err.Error())
				mend(t, warehouse, saved)
				do(t, "audit", "--deep", c.file)
			}
			one := *c
			one.t = t
			one.expect(5)
		})
	}
}

// TestDamagedChanges damages what a table with auto_cdc consists of, as TestDamagedState does: files with rows, files that
// name removed ones, their metadata, and the hidden table of the changes that were seen. Neither a query nor an update
// nor an audit takes something else for the table.
func TestDamagedChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, warehouse, saved := filepath.Join(dir, "pipeline.yaml"), filepath.Join(dir, "warehouse"), filepath.Join(dir, "saved")
	put(t, file, `name: changes
sources:
  feed: {files: {path: data, format: json}, schema: {id: BIGINT, v: BIGINT, op: VARCHAR, ts: BIGINT}}
tables:
  customers:
    kind: streaming_table
    auto_cdc: {from: STREAM feed, keys: [id], sequence_by: ts, apply_as_delete: op = 'D', columns: [id, v]}
`)
	change := func(n int, first, last int, op string) {
		var b strings.Builder
		for id := first; id <= last; id++ {
			fmt.Fprintf(&b, "{\"id\":%d,\"v\":%d,\"op\":%q,\"ts\":%d}\n", id, n, op, n)
		}
		put(t, filepath.Join(dir, "data", fmt.Sprintf("%d.json", n)), b.String())
	}
	const all = "SELECT count(*) || ' ' || coalesce(sum(id * 1000 + v), 0) AS state FROM customers"
	for n, op := range []string{"U", "U", "D"} {
		change(n+1, 1+5*n, 20+n, op)
		do(t, "run", file)
	}
	before := queryTables(t, file, "csv", all)
	if err := os.CopyFS(saved, os.DirFS(warehouse)); err != nil {
		t.Fatal(err)
	}
	change(4, 8, 14, "U")
	do(t, "run", file)
	after := queryTables(t, file, "csv", all)
	if before != "state\n10 55015\n" || after != "state\n14 105037\n" {
		t.Fatalf("the table holds %s, then %s", before, after)
	}
	restore(t, warehouse, saved)
	named := deleteFiles(t, warehouse, "changes", "customers", "__cdc_customers")
	if len(named) < 3 {
		t.Fatalf("files that name removed rows: %v", named)
	}
	todo := slices.DeleteFunc(append(fileDamage(t, warehouse), swaps(t, warehouse)...), func(d damage) bool {
		return !strings.Contains(d.name, "customers")
	})
	if os.Getenv("LAKEFLOW_DAMAGE") != "all" {
		rand.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
		todo = todo[:10]
	}
	look := func(t *testing.T, d damage, want string) {
		if got, err := try(t, "query", "--pipeline", file, "--format", "csv", all); err != nil {
			d.named(t, "query", got+err.Error())
		} else if got != want && (named[d.names[0]] || filepath.Ext(d.names[0]) != ".parquet") { // query checks no file with rows
			t.Errorf("query gives %s, want %s", got, want)
		}
	}
	for _, d := range todo {
		t.Run(d.name, func(t *testing.T) {
			restore(t, warehouse, saved)
			if err := d.do(warehouse); err != nil {
				t.Fatal(err)
			}
			look(t, d, before)
			if tell, err := try(t, "audit", "--deep", file); err != nil {
				d.named(t, "audit", tell+err.Error())
			}
			if tell, err := try(t, "run", file); err != nil {
				d.named(t, "run", tell+err.Error())
				restore(t, warehouse, saved)
				do(t, "run", file)
			}
			mend(t, warehouse, saved)
			if got := queryTables(t, file, "csv", all); got != after {
				t.Errorf("after the update the table is %s, want %s", got, after)
			}
		})
	}
}

// deleteFiles are the names of the files that name removed rows of tables.
func deleteFiles(t *testing.T, warehouse, namespace string, tables ...string) map[string]bool {
	t.Helper()
	stored, err := iceberg.Open(t.Context(), warehouse, namespace, namespace, iceberg.Retention{})
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	out := map[string]bool{}
	for _, name := range tables {
		contents, err := stored.Files(t.Context(), name, lake.Version{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range contents.Deletes {
			out[filepath.Base(f.Path)] = true
		}
	}
	return out
}

// swaps puts another file of the same kind and table in the place of each.
func swaps(t *testing.T, warehouse string) []damage {
	t.Helper()
	kinds := map[string][]string{}
	err := filepath.WalkDir(warehouse, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), "catalog.db") {
			return err
		}
		rel, err := filepath.Rel(warehouse, path)
		parts := strings.Split(rel, string(filepath.Separator))
		if len(parts) > 2 {
			kind := filepath.Join(parts[:3]...) + filepath.Ext(path)
			kinds[kind] = append(kinds[kind], rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []damage
	for _, paths := range kinds {
		for i, rel := range paths {
			for _, other := range slices.Concat(paths[:i], paths[i+1:]) {
				all = append(all, damage{"put " + filepath.Base(other) + " in the place of " + rel, []string{filepath.Base(rel)}, func(warehouse string) error {
					content, err := os.ReadFile(filepath.Join(warehouse, other))
					if err != nil {
						return err
					}
					return os.WriteFile(filepath.Join(warehouse, rel), content, 0o644)
				}})
			}
		}
	}
	return all
}

// named expects that a message says what is damaged.
func (d damage) named(t *testing.T, command, text string) {
	t.Helper()
	for _, name := range d.names {
		if strings.Contains(text, name) {
			return
		}
	}
	t.Errorf("%s does not name %s:\n%s", command, strings.Join(d.names, " or "), text)
}

// try runs a command in this process and returns all that it prints.
func try(t *testing.T, args ...string) (string, error) {
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func restore(t *testing.T, warehouse, saved string) {
	t.Helper()
	if err := os.RemoveAll(warehouse); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(warehouse, os.DirFS(saved)); err != nil {
		t.Fatal(err)
	}
}

// mend brings the files back that were there before, as somebody does who has a backup; the catalog has gone on.
func mend(t *testing.T, warehouse, saved string) {
	t.Helper()
	err := filepath.WalkDir(saved, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), "catalog.db") {
			return err
		}
		rel, err := filepath.Rel(saved, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(warehouse, rel)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(warehouse, rel), content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fileDamage flips a bit of each file at several places, cuts it off and deletes it.
func fileDamage(t *testing.T, warehouse string) []damage {
	t.Helper()
	var all []damage
	err := filepath.WalkDir(warehouse, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(warehouse, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil || len(content) == 0 {
			return err
		}
		change := func(how string, make func(content []byte) []byte) {
			all = append(all, damage{how + " " + rel, []string{e.Name()}, func(warehouse string) error {
				path := filepath.Join(warehouse, rel)
				content, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				if content = make(content); content == nil {
					return os.Remove(path)
				}
				return os.WriteFile(path, content, 0o644)
			}})
		}
		for range 4 {
			at, bit := rand.IntN(len(content)), rand.IntN(8)
			change(fmt.Sprintf("flip bit %d of byte %d of", bit, at), func(c []byte) []byte { c[at] ^= 1 << bit; return c })
		}
		change("cut off", func(c []byte) []byte { return c[:len(c)/2] })
		change("empty", func([]byte) []byte { return []byte{} })
		change("delete", func([]byte) []byte { return nil })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// catalogDamage changes each value of each row of the catalog, and deletes each row and table.
func catalogDamage(t *testing.T, warehouse string) []damage {
	t.Helper()
	var all []damage
	db, err := sql.Open("sqlite", "file:"+filepath.Join(warehouse, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	exec := func(what, query string, names ...string) {
		all = append(all, damage{what, append(names, "catalog"), func(warehouse string) error {
			db, err := sql.Open("sqlite", "file:"+filepath.Join(warehouse, "catalog.db"))
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			_, err = db.ExecContext(t.Context(), query)
			return err
		}})
	}
	keys := map[string]string{"iceberg_tables": "table_name", "iceberg_namespace_properties": "property_key", "lakeflow_owner": "pipeline", "lakeflow_heads": "metadata_location"}
	for table, key := range keys {
		exec("drop "+table, "DROP TABLE "+table, table)
		columns := list(t, db, fmt.Sprintf("SELECT name FROM pragma_table_info('%s')", table))
		for _, row := range list(t, db, fmt.Sprintf("SELECT %s FROM %s", key, table)) {
			names := []string{row, filepath.Base(filepath.Dir(filepath.Dir(row))), "the table was dropped"}
			where := fmt.Sprintf(" WHERE %s = '%s'", key, row)
			exec("delete "+row+" of "+table, "DELETE FROM "+table+where, names...)
			for _, column := range columns {
				exec("change "+column+" of "+row+" of "+table, fmt.Sprintf("UPDATE %s SET %s = 'x' || substr(%[2]s, 2)%s", table, column, where), names...)
				exec("cut off "+column+" of "+row+" of "+table, fmt.Sprintf("UPDATE %s SET %s = substr(%[2]s, 1, length(%[2]s) / 2)%s", table, column, where), names...)
			}
		}
	}
	return all
}

func list(t *testing.T, db *sql.DB, query string) (values []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}
