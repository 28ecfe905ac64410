package plan

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/schemas"
)

// Which casts there are is compared with DuckDB, which says so of the first value only.
func TestCastsOfDeclaredTypes(t *testing.T) {
	values := map[string]string{
		"BOOLEAN": "true", "INTEGER": "1", "BIGINT": "1", "FLOAT": "1", "DOUBLE": "1", "DECIMAL(9,2)": "1", "DATE": "'2024-01-01'",
		"TIME": "'10:00:00'", "TIMESTAMP": "'2024-01-01 10:00:00'", "TIMESTAMP WITH TIME ZONE": "'2024-01-01 10:00:00+00'",
		"VARCHAR": "'x'", "BLOB": "'abcdefghijklmnop'", "UUID": "'123e4567-e89b-12d3-a456-426614174000'", "STRUCT(a INTEGER)": "{a: 1}",
		"INTEGER[]": "[1]", "MAP(VARCHAR, INTEGER)": "map {'a': 1}",
		"STRUCT(a DATE)": "{a: '2024-01-01'}", "DATE[]": "['2024-01-01']", "MAP(VARCHAR, DATE)": "map {'a': '2024-01-01'}",
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for from, value := range values {
		if _, err := db.ExecContext(t.Context(), "CREATE OR REPLACE TABLE one AS SELECT CAST("+value+" AS "+from+") AS v"); err != nil {
			t.Fatal(err)
		}
		for to := range values {
			var got sql.NullString
			err := db.QueryRowContext(t.Context(), "SELECT CAST(CAST(v AS "+to+") AS VARCHAR) FROM one").Scan(&got)
			never := err != nil && (strings.Contains(err.Error(), "Unimplemented") || strings.Contains(err.Error(), "Binder"))
			why := noCastOf(mustParse(t, from), mustParse(t, to))
			if never != (why != "") {
				t.Errorf("%s to %s: DuckDB says %v, and %q is said here", from, to, err, why)
			}
		}
	}
}

func mustParse(t *testing.T, text string) schemas.Type {
	t.Helper()
	kind, err := schemas.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return kind
}
