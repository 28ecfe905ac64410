package spark_test

import (
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// TestPublished writes the functions that read what is published as sqltext.TimeTravel takes them, outside of an update
// alone.
func TestPublished(t *testing.T) {
	for raw, want := range map[string]string{
		`SELECT * FROM event_log("04c78631-3dd7-4856-b2a6-7d84e9b2638b")`: `event_log('04c78631-3dd7-4856-b2a6-7d84e9b2638b')`,
		"SELECT e.id FROM event_log(TABLE(main.sales.`my orders`)) AS e":  `event_log(TABLE(main.sales."my orders")) AS e`,
		`SELECT * FROM event_log(TABLE(orders)) WHERE level = "ERROR"`:    `event_log(TABLE(orders)) WHERE (level = 'ERROR')`,
		`SELECT * FROM table_changes("s.orders", 3, 7) c`:                 `table_changes('s.orders', 3, 7) AS c`,
	} {
		var diags diag.List
		q := spark.Translate(raw, sqltext.WholeFile("q"), spark.Pipeline{Published: true}, &diags)
		if len(diags) > 0 || !strings.Contains(q.Text, want) {
			t.Errorf("%s\n got %s %v\nwant %s", raw, q.Text, diags, want)
		}
		if diags = nil; true {
			spark.Translate(raw, sqltext.WholeFile("q"), spark.Pipeline{}, &diags)
		}
		if len(diags) != 1 || diags[0].Code != "LF0603" {
			t.Errorf("%s in a pipeline: %v", raw, diags)
		}
	}
	var diags diag.List
	spark.Translate("SELECT * FROM table_changes(orders, 1)", sqltext.WholeFile("q"), spark.Pipeline{Published: true}, &diags)
	if len(diags) != 1 || diags[0].Code != "LF0604" || diags[0].Range.Start.Column != 29 {
		t.Errorf("%+v", diags)
	}
}
