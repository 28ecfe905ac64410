package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		all = all[:30]
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
