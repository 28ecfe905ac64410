package plan

import (
	"context"
	"database/sql"
	"os"
	"slices"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/engine/syntax"
)

// TestFunctionClasses compares the lists of functions that are not pure with DuckDB's own. A macro has the class of the
// least pure function in its definition.
func TestFunctionClasses(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := map[string]class{}
	rows, err := db.Query("SELECT DISTINCT function_name, function_type, coalesce(stability, '') FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate')")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name, kind, stability string
		if err := rows.Scan(&name, &kind, &stability); err != nil {
			t.Fatal(err)
		}
		k := map[string]class{"CONSISTENT": pure, "CONSISTENT_WITHIN_QUERY": perQuery, "VOLATILE": volatile}[stability]
		if kind == "aggregate" {
			k = aggregate
		}
		want[name] = max(want[name], k)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	classifyMacros(t, db, want)
	classifyMacros(t, db, want) // a macro may call one that comes later
	got := map[string]class{}
	for k, list := range map[class]string{aggregate: aggregates, perQuery: perQueries, volatile: volatiles} {
		for _, name := range strings.Fields(list) {
			got[name] = k
		}
	}
	for name, k := range want {
		if k == pure || !isWord(name) {
			delete(want, name)
		}
	}
	// Words of the grammar and aliases that are not in duckdb_functions().
	for _, name := range []string{"current_time", "current_timestamp", "localtime", "localtimestamp"} {
		want[name] = perQuery
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the lists differ from duckdb_functions() (-want +got):\n%s", diff)
	}
}

func isWord(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' })
}

// classifyMacros adds the macros to the classes of the functions.
func classifyMacros(t *testing.T, db *sql.DB, classes map[string]class) {
	t.Helper()
	rows, err := db.Query("SELECT function_name, 'SELECT ' || macro_definition FROM duckdb_functions() WHERE function_type = 'macro' ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	var names, texts []string
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			t.Fatal(err)
		}
		names, texts = append(names, name), append(texts, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	all, err := syntax.ParseAll(t.Context(), db, texts)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		statement, ok := all[i].Only()
		if !ok {
			t.Fatal(name, all[i].Refused)
		}
		found := factsOf(texts[i], statement)
		for _, c := range found.calls {
			if c.name != "error" { // it is volatile so that it is not folded away, not because its value changes
				classes[name] = max(classes[name], classes[c.name])
			}
		}
		for _, c := range found.columns {
			if c.Path()[0] == "current_timestamp" {
				classes[name] = max(classes[name], perQuery)
			}
		}
	}
}

func TestTableFunctionsExist(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, name := range strings.Fields(tableFunctions) {
		var n int
		if err := db.QueryRowContext(context.Background(), "SELECT count(*) FROM duckdb_functions() WHERE function_name = ? AND function_type = 'table'", name).Scan(&n); err != nil || n == 0 {
			t.Errorf("%s: %d table functions, %v", name, n, err)
		}
	}
}

// TestFunctionsAreLookedAt fails when DuckDB has a function that nobody has looked at: one that reads files, changes
// the session or tells settings belongs into barredFunctions, and every one into the list.
func TestFunctionsAreLookedAt(t *testing.T) {
	const list = "testdata/functions.txt"
	known, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	names := functionNames(t, "'scalar', 'macro', 'aggregate'")
	if diff := cmp.Diff(strings.Fields(string(known)), names); diff != "" {
		t.Errorf("%s differs from duckdb_functions() (-known +there are):\n%s", list, diff)
	}
	for _, name := range strings.Fields(barredFunctions) {
		if !slices.Contains(names, name) {
			t.Errorf("DuckDB has no %s", name)
		}
	}
}

// functionNames are DuckDB's functions of some types, in order.
func functionNames(t *testing.T, types string) []string {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN (" + types + ") ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	names, err := scanTexts(rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	return names
}
