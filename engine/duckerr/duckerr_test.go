package duckerr_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	if text := duckerr.Text(err); !strings.HasPrefix(text, "write: failed to allocate\nraise duckdb: {memory_limit") || strings.Contains(text, "SET") {
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
