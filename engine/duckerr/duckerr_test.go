package duckerr_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/engine/duckerr"
)

// TestRead reads what DuckDB itself writes, wrapped as it comes up.
func TestRead(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(context.Background(), "SET errors_as_json = true"); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]duckerr.Error{
		"SELECT CAST(x AS INTEGER) FROM (VALUES ('a')) t(x)": {Type: "Conversion", Message: "Could not convert string 'a' to INT32 when casting from source column x", Position: "7"},
		"SELECT nothing":              {Type: "Binder", Position: "7", Name: "nothing"},
		"SELECT 1 FROM nowhere":       {Type: "Catalog", Position: "14", Name: "nowhere", Kind: "Table"},
		"SELECT 1 +":                  {Type: "Parser"},
		"SELECT error('boom {\"x\"')": {Type: "Invalid Input", Message: `boom {"x"`},
	} {
		_, err := conn.ExecContext(context.Background(), query)
		if err == nil {
			t.Fatalf("%s: no error", query)
		}
		before, e := duckerr.Read(fmt.Errorf("do it: %w", err))
		if e == nil || e.Type != want.Type || want.Message != "" && e.Message != want.Message || want.Position != "" && e.Position != want.Position ||
			e.Kind != want.Kind || want.Name != "" && e.Name != want.Name || !strings.HasPrefix(before, "do it: ") {
			t.Errorf("%s: %q %+v", query, before, e)
		}
		if text := duckerr.Text(err); strings.Contains(text, "exception_") {
			t.Errorf("%s: %s", query, text)
		}
	}
}

func TestOtherErrors(t *testing.T) {
	for _, err := range []error{errors.New("no {json} here"), errors.New(`{"exception_type":"cut`), errors.New(`{"a":1}`)} {
		before, e := duckerr.Read(err)
		if e != nil || before != err.Error() || duckerr.Text(err) != err.Error() || duckerr.FirstLine(err) != err.Error() {
			t.Errorf("%v: %q %+v", err, before, e)
		}
	}
	if before, e := duckerr.Read(nil); e != nil || before != "" {
		t.Errorf("%q %+v", before, e)
	}
}

func TestMemory(t *testing.T) {
	err := errors.New(`write: {"exception_type":"Out of Memory","exception_message":"failed to allocate\n\nPossible solutions:\n* SET threads"}`)
	if text := duckerr.Text(err); !strings.HasPrefix(text, "write: failed to allocate; raise duckdb: {memory_limit") || strings.Contains(text, "SET") {
		t.Error(text)
	}
	if line := duckerr.FirstLine(err); line != "failed to allocate" {
		t.Error(line)
	}
}

func TestWorld(t *testing.T) {
	for text, want := range map[string]bool{
		`{"exception_type":"Out of Memory","exception_message":"failed to allocate"}`:                                          true,
		`{"exception_type":"INTERRUPT","exception_message":"Interrupted!"}`:                                                    true,
		`{"exception_type":"IO","exception_message":"Could not write file \"x\": No space left on device"}`:                    true,
		`{"exception_type":"Invalid Input","exception_message":"No magic bytes found at end of file 'Out of Memory.parquet'"}`: false,
		`{"exception_type":"IO","exception_message":"Could not read all bytes from file \"x\": wanted=8 read=7"}`:              false,
		`Out of Memory`: false,
	} {
		if got := duckerr.World(fmt.Errorf("read: %w", errors.New(text))); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	for text, want := range map[string]bool{
		`{"exception_type":"INTERNAL","exception_message":"x"}`:                          true,
		`{"exception_type":"FATAL","exception_message":"database has been invalidated"}`: true,
		`{"exception_type":"Invalid Input","exception_message":"INTERNAL"}`:              false,
	} {
		if got := duckerr.Broken(errors.New(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	if duckerr.World(nil) {
		t.Error("no error is one of the world")
	}
}

// TestPlain has DuckDB fail in ways that it gives advice for.
func TestPlain(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exec := func(query string) error {
		_, err := conn.ExecContext(context.Background(), query)
		return err
	}
	if err := exec("SET errors_as_json = true; SET autoinstall_known_extensions = false; SET autoload_known_extensions = false"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return "'" + path + "'"
	}
	wide := write("wide.csv", "a,b\n1,2\n3,4,5\n")
	text := write("text.csv", "a,b\n1,2\nx,4\n")
	odd := write("odd.json", `{"a":1}{"a"`)
	other := write("other.csv", "c\n1\n")
	for query, want := range map[string]string{
		"SELECT * FROM read_csv(" + wide + ", auto_detect=false, header=true, columns={'a': 'INT', 'b': 'INT'})": "CSV Error on Line: 3",
		"SELECT * FROM read_csv(" + text + ", auto_detect=false, header=true, columns={'a': 'INT', 'b': 'INT'})": "CSV Error on Line: 3",
		"SELECT * FROM read_csv(" + wide + ", columns={'a': 'INT'})":                                             "",
		"SELECT * FROM read_csv([" + text + ", " + other + "])":                                                  "",
		"SELECT * FROM read_json(" + odd + ")":                                                                   "Malformed JSON",
		"SELECT * FROM read_parquet('" + dir + "/none.parquet')":                                                 "No files found",
		"SELECT * FROM read_xlsx('x.xlsx')":                                                                      "",
		"SELECT * FROM 's3://bucket/x.parquet'":                                                                  "",
		"SELECT ST_Area(1)":                                                                                      "",
		"SELECT 1 ORDER BY 'x'":                                                                                  "",
		"SELECT CAST('x' AS INTEGER)":                                                                            "Could not convert string 'x' to INT32",
		"SELECT error('boom. Try again! Your own words; all of them')":                                           "boom; Try again; Your own words; all of them",
		"SELECT sum(x) FROM (VALUES ('a')) t(x)":                                                                 "No function matches",
	} {
		err := exec(query)
		if err == nil {
			if query != "SELECT 1 ORDER BY 'x'" {
				t.Errorf("%s: no error", query)
			}
			continue
		}
		got := duckerr.Text(fmt.Errorf("do it: %w; and that", err))
		t.Log(got)
		middle, ok := strings.CutPrefix(got, "do it: ")
		middle, both := strings.CutSuffix(middle, "; and that")
		if !ok || !both || !strings.HasPrefix(middle, want) || middle == "" {
			t.Errorf("%s: %s", query, got)
		}
		for _, word := range []string{"exception_", "\n", "Possible", "Potential", "different type", "ignore_errors", "store_rejects", "sample_size", "strict_mode", "union_by_name", "SET ", "INSTALL", "LOAD ", "PRAGMA", "installing", "Try increasing", "Consider", "LINE 1"} {
			if strings.Contains(got, word) {
				t.Errorf("%s: %q is in: %s", query, word, got)
			}
		}
	}
}

// TestSeveral has more than one error of DuckDB in a text, and what only looks like one.
func TestSeveral(t *testing.T) {
	one := `{"exception_type":"Conversion","exception_message":"no number.\nTry using TRY_CAST"}`
	err := errors.Join(errors.New("first: "+one), errors.New("then "+one+" and "+`{"exception_type" is all`))
	if got, want := duckerr.Text(err), "first: no number\nthen no number and {\"exception_type\" is all"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestSandbox has DuckDB refuse a file: that is nothing that a query can be mended for.
func TestSandbox(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	path := filepath.Join(t.TempDir(), "it's.parquet")
	if _, err := db.Exec("SET errors_as_json = true; COPY (SELECT 1) TO '" + strings.ReplaceAll(path, "'", "''") + "'; SET enable_external_access = false"); err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec("SELECT * FROM read_parquet('" + strings.ReplaceAll(path, "'", "''") + "')")
	want := `file "` + path + `" is outside of the folders of the warehouse and the sources, where alone files are read and written`
	if got := duckerr.Text(err); got != want || !duckerr.World(err) {
		t.Errorf("%s, want %s", got, want)
	}
}
