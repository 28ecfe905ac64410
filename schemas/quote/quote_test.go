package quote_test

import (
	"database/sql"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"pgregory.net/rapid"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

// TestDuckDBReadsWhatIsQuoted gives random texts to DuckDB, as names and as strings.
func TestDuckDBReadsWhatIsQuoted(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	texts := rapid.StringOf(rapid.SampledFrom([]rune{'\'', '"', '\\', '$', '-', ';', 'a', 'é', '\n', '{', '`', '?'}))
	rapid.Check(t, func(t *rapid.T) {
		name, text := "n"+texts.Draw(t, "name"), texts.Draw(t, "text")
		rows, err := db.Query("SELECT " + quote.Text(text) + " AS " + quote.Name(name))
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		if err := rows.Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != text || columns[0] != name {
			t.Fatalf("%q AS %q became %q AS %q", text, name, got, columns[0])
		}
	})
}
