package plan_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl"
)

// foreign are words of DuckDB that somebody who writes Spark's SQL does not know.
var foreign = regexp.MustCompile(`(?i)duckdb|varchar|hugeint|\w\[\]|_literal|list_|struct_|isoyear|unnest|\bmacro`)

// TestSparkMistakes: what is wrong in a query in Spark's dialect is shown where it is wrong, in the words of Spark, with
// what to do about it.
func TestSparkMistakes(t *testing.T) {
	for _, x := range []struct{ query, at, message, help string }{
		{"SELECT transform(items, x -> x.n + x.none) AS a FROM orders", "none", `there is no field "none"`, "write one of: n"},
		{"SELECT size(items) AS b, transform(amount, x -> x) AS a FROM orders", "transform", "the function transform needs an array", "transform(list, x -> …)"},
		{"SELECT exists(items, x -> x.sku = 1), exists(amount, x -> x = 1) AS a FROM orders", "exists(a", "needs an array", "split(x, ',')"},
		{"SELECT transform(items, x -> x.sku.y) AS a FROM orders", "y)", "the field y is taken of what is no struct", "column:y"},
		{"SELECT size(items) AS b, size(id) AS a FROM orders", "size(id", "the function size does not take BIGINT", "it is size(array)"},
		{"SELECT id + items AS a FROM orders", "+", "the operator + does not take BIGINT and ARRAY<STRUCT<sku: STRING, n: INT>>", "take an element"},
		{"SELECT id > items AS a FROM orders", ">", "BIGINT and ARRAY<STRUCT<sku: STRING, n: INT>> cannot be compared", "take an element"},
		{"SELECT max(id) > items[0] AS a FROM orders GROUP BY items", ">", "BIGINT and STRUCT<sku: STRING, n: INT> cannot be compared", "x.field"},
		{"SELECT coalesce(id, 0) AS b, coalesce(id, items) AS a FROM orders", "coalesce(id, i", "no type in common: BIGINT and ARRAY", "take an element"},
		{"SELECT CASE WHEN id > 1 THEN items ELSE 1 END AS a FROM orders", "CASE", "no type in common", "take an element"},
		{"SELECT sum(items) AS a FROM orders", "sum", "the function sum does not take ARRAY", "it is sum(number)"},
		{"SELECT explode(id) AS a FROM orders", "explode", "explode makes rows of an array or a map, and not of BIGINT", "array(x)"},
		{"SELECT x FROM orders LATERAL VIEW explode(id) t AS x", "explode", "explode is not given an array or a map", "array(x)"},
		{"SELECT x FROM orders LATERAL VIEW explode(items) t AS x, y", "explode", "the function explode does not take ARRAY", "explode(map) AS key, value"},
		{"SELECT array_contains(array('x'), 1) AS a FROM orders", "1)", "the arguments of array_contains do not go together: STRING and INT", "CAST("},
		{"SELECT map_keys(items) AS a FROM orders", "map_keys", "does not take ARRAY", "it is map_keys(map)"},
		{"SELECT amunt AS a FROM orders", "amunt", `there is no column "amunt"`, `did you mean "amount"?`},
		{"SELECT orders.amunt AS a FROM orders", "orders.amunt", `orders has no column "amunt"`, `did you mean "amount"?`},
		{"SELECT o.id AS a FROM orders", "o.id", "there is no table o in FROM", "write one of: orders"},
		{"SELECT `a b` AS a FROM orders", "`a b`", `there is no column "a b"`, "write one of"},
		{"SELECT id, count(*) AS a FROM orders", "id", "id is neither in GROUP BY nor in an aggregate", "any_value(id)"},
		{"SELECT id FROM orders WHERE sum(id) > 1", "sum", "WHERE comes before the aggregation", "HAVING"},
		{"SELECT id FROM orders WHERE row_number() OVER (ORDER BY id) = 1", "row_number", "WHERE cannot contain window functions", "QUALIFY"},
		{"SELECT (SELECT id, at FROM orders) AS a FROM orders", "(", "gives 2 columns", "select one column"},
		{"SELECT id, at FROM orders UNION ALL SELECT id FROM orders", "UNION", "different numbers of columns", "as many columns"},
		{"SELECT * FROM orders PIVOT (id FOR amount IN ('a'))", "id FOR", "PIVOT needs an aggregate", "PIVOT (sum(x) FOR"},
		{"SELECT sum(max(id)) AS a FROM orders", "max", "an aggregate stands inside of an aggregate", "subquery"},
		{"SELECT id FROM orders o JOIN orders p ON o.id = p.id", "id FROM", "more than one table has a column id", "name the table"},
		{"SELECT id FROM orders HAVING id > 1", "id FROM", "neither in GROUP BY nor in an aggregate", "GROUP BY ALL"},
		{"SELECT items.none AS a FROM orders", "none", `there is no field "none"`, "write one of"},
		{"SELECT year(at) AS b, year(items) AS a FROM orders", "items", "ARRAY<STRUCT<…>> cannot be cast to DATE", "take an element"},
		{"SELECT transform(items, x -> CAST(x AS INT)) AS a FROM orders", "CAST", "STRUCT<…> cannot be cast to INT", "x.field"},
		{"SELECT date_add(id, 1) AS a FROM orders", "id", "BIGINT cannot be cast to DATE", "CAST("},
		{"SELECT items[0][1] AS a FROM orders", "items[0]", "no element can be taken of STRUCT", "x.field"},
		{"SELECT array(1, 2)[amount] AS a FROM orders", "array", "the index of", "CAST(x AS INT)"},
		{"SELECT greatest(id, items) AS a FROM orders", "items", "no type in common", "take an element"},
		{"SELECT zip_with(items, id, (x, y) -> x) AS a FROM orders", "zip_with", "zip_with needs arrays", "zip_with(a, b, (x, y) -> …)"},
		{"SELECT id FROM orders GROUP BY 5", "5", "a number in GROUP BY is the place of a column", "name the column"},
		{"SELECT id FROM orders QUALIFY id = 1", "id = 1", "QUALIFY needs a window function", "WHERE"},
		{"SELECT t.none FROM orders LATERAL VIEW explode(items) t AS x", "t.none", `t has no column "none"`, "name one"},
	} {
		_, diags := compileSpark(t, pipeline([]string{"orders"}, inSpark(t, "v", dsl.MaterializedView, x.query)))
		if len(diags) == 0 {
			t.Errorf("%s: no mistake", x.query)
			continue
		}
		d := diags[0]
		if at := strings.Index(x.query, x.at) + 1; d.Range.Start.Line != 1 || d.Range.Start.Column != at || !strings.Contains(d.Message, x.message) || !strings.Contains(d.Help, x.help) {
			t.Errorf("%s\n\tat %d, want %d\n\t%s\n\t%s", x.query, d.Range.Start.Column, at, d.Message, d.Help)
		}
		if text := fmt.Sprint(d.Message, d.Help); foreign.MatchString(text) || d.Help == "" {
			t.Errorf("%s: speaks of DuckDB: %s", x.query, text)
		}
	}
}
