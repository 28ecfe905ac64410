package sqltext_test

import (
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

var inSchemas = []string{"bronze.orders", "silver.orders", "silver.Big Table", "bronze.items"}

func TestQualify(t *testing.T) {
	for raw, want := range map[string]string{
		"SELECT orders.id FROM bronze.orders":                       `SELECT orders.id FROM "bronze.orders" AS orders`,
		"SELECT bronze.orders.id FROM Bronze . \"ORDERS\"":          `SELECT "ORDERS".id FROM "bronze.orders" AS "ORDERS"`,
		"SELECT o.id FROM bronze.orders o":                          `SELECT o.id FROM "bronze.orders" o`,
		"SELECT o.id FROM bronze.orders AS o":                       `SELECT o.id FROM "bronze.orders" AS o`,
		"SELECT o.id FROM o: bronze.orders":                         `SELECT o.id FROM o: "bronze.orders"`,
		"FROM STREAM bronze.orders":                                 `FROM "__stream"."bronze.orders" AS orders`,
		"FROM STREAM(bronze.orders) x WHERE x.id > 1":               `FROM "__stream"."bronze.orders" x WHERE x.id > 1`,
		"FROM STREAM CHANGES(bronze.orders)":                        `FROM "__changes"."bronze.orders" AS orders`,
		"FROM a, bronze.items JOIN silver.\"big table\" USING (id)": `FROM a, "bronze.items" AS items JOIN "silver.Big Table" AS "big table" USING (id)`,
		// Two of the same name in one FROM list go by their whole names.
		"SELECT bronze.orders.id, silver.orders.* FROM bronze.orders, silver.orders": `SELECT "bronze.orders".id, "silver.orders".* FROM "bronze.orders", "silver.orders"`,
		"SELECT bronze.orders.id FROM bronze.orders JOIN orders USING (id)":          `SELECT "bronze.orders".id FROM "bronze.orders" JOIN orders USING (id)`,
		// In two FROM lists they do not.
		"WITH orders AS (SELECT orders.id FROM bronze.orders) SELECT orders.id FROM orders": `WITH orders AS (SELECT orders.id FROM "bronze.orders" AS orders) SELECT orders.id FROM orders`,
		"SELECT (SELECT max(id) FROM bronze.items) FROM bronze.orders WHERE true":           `SELECT (SELECT max(id) FROM "bronze.items" AS items) FROM "bronze.orders" AS orders WHERE true`,
		// The pipeline's own schema.
		"SELECT shop.orders.id FROM SHOP.orders":           `SELECT orders.id FROM orders`,
		"FROM STREAM shop.orders o JOIN shop.\"a b\" ON a": `FROM "__stream".orders o JOIN "a b" ON a`,
		// What is no table of another schema stays.
		"SELECT bronze.orders.id, x.y.z FROM x": "", "FROM bronze.other": "", "FROM cat.bronze.orders": "", "FROM orders": "", "FROM 'bronze.orders'": "",
		`SELECT 1 FROM "bronze.orders"`: "", "SELECT extract(year FROM bronze.orders)": "",
	} {
		q := sqltext.New(raw, sqltext.WholeFile("q.sql"), nil, new(diag.List)).Qualify("shop", inSchemas)
		if want == "" {
			want = raw
		}
		if q.Text != want {
			t.Errorf("%s\n got %s\nwant %s", raw, q.Text, want)
		}
		checkQuery(t, raw, q)
	}
}

// TestQualified has DuckDB read what is made of queries.
func TestQualified(t *testing.T) {
	conn := open(t)
	value(t, conn, `CREATE TABLE "bronze.orders" AS SELECT 1 AS id, {'x': 10} AS s`)
	value(t, conn, `CREATE TABLE "silver.orders" AS SELECT 2 AS id, {'x': 20} AS s`)
	value(t, conn, `CREATE TABLE orders AS SELECT 3 AS id, {'x': 30} AS s`)
	for query, want := range map[string]string{
		"SELECT bronze.orders.id FROM bronze.orders":                                                                                       "1",
		"SELECT bronze.orders.s.x FROM bronze.orders":                                                                                      "10",
		"SELECT orders.id + shop.orders.id FROM shop.orders":                                                                               "6",
		"SELECT bronze.orders.id + silver.orders.id * 10 FROM bronze.orders, silver.orders":                                                "21",
		"SELECT sum(id) FROM (FROM bronze.orders SELECT id UNION ALL FROM silver.orders SELECT id UNION ALL SELECT orders.id FROM orders)": "6",
		"SELECT count(*) FROM bronze.orders LEFT JOIN silver.orders AS o ON o.id > orders.id":                                              "1",
		"SELECT id FROM silver.orders WHERE EXISTS (SELECT 1 FROM bronze.orders WHERE orders.id = 1)":                                      "2",
	} {
		q := sqltext.New(query, sqltext.WholeFile("q.sql"), nil, new(diag.List)).Qualify("shop", inSchemas)
		if got := value(t, conn, q.Text); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

// TestQualifyPlaces finds places of the changed text in the user's.
func TestQualifyPlaces(t *testing.T) {
	raw := "SELECT ${n}, bronze.orders.nope\nFROM STREAM bronze.orders WHERE bad"
	q := sqltext.New(raw, sqltext.WholeFile("q.sql"), map[string]any{"n": int64(12345)}, new(diag.List)).Qualify("shop", inSchemas)
	for part, want := range map[string][2]int{"12345": {1, 8}, "orders.nope": {1, 14}, "nope": {1, 28}, `"bronze.orders"`: {2, 13}, "bad": {2, 33}} {
		at := q.At(strings.Index(q.Text, part), len(part))
		if at.Start.Line != want[0] || at.Start.Column != want[1] {
			t.Errorf("%s of %s is at %v, want %v", part, q.Text, at, want)
		}
	}
}

// TestQualifyRewritten keeps the way back of what a translator says of its own text.
func TestQualifyRewritten(t *testing.T) {
	q := sqltext.New("SELECT x FROM shop.a, bronze.orders WHERE y", sqltext.WholeFile("q.sql"), nil, new(diag.List))
	var told int
	q.Rewrite = func(offset int, _ string) (*sqltext.Query, bool) {
		told = offset
		return sqltext.New("SELECT z FROM shop.a", sqltext.WholeFile("q.sql"), nil, new(diag.List)), true
	}
	qualified := q.Qualify("shop", inSchemas)
	next, ok := qualified.Rewrite(strings.Index(qualified.Text, "y"), "")
	if !ok || told != strings.Index(q.Text, "y") || next.Text != "SELECT z FROM a" {
		t.Errorf("told of offset %d of %q, and gave %q", told, q.Text, next.Text)
	}
	if _, _ = qualified.Rewrite(-1, ""); told != -1 {
		t.Errorf("told of offset %d, want -1", told)
	}
}
