package schemas_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/schemas"
)

// TestEscapeGlob has DuckDB find one file below every two special texts, with files of similar names around.
func TestEscapeGlob(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	dir := t.TempDir()
	texts := []string{"*", "?", "[", "]", "{a,b}", "{", `\`, "'", `"`, "!", "^", "-", " ", "**", "[!a]", "[a-b]", "[2024]", "%20", "a"}
	var paths []string
	for _, a := range texts {
		for _, b := range texts {
			for _, between := range []string{"x", "/"} {
				paths = append(paths, filepath.Join(dir, "p"+a+between+b+"q", "f.csv"))
			}
		}
	}
	for _, path := range paths {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("id\n1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range paths {
		rows, err := db.Query("SELECT filename FROM read_csv('" + strings.ReplaceAll(schemas.EscapeGlob(path), "'", "''") + "', filename=true)")
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		var found []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			found = append(found, name)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Join(found, "\n"); got != path && (!schemas.AmbiguousGlob(path) || !strings.Contains(got, path)) {
			t.Errorf("%s: found %s", path, got)
		}
	}
}
