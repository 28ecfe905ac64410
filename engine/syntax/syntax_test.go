package syntax_test

import (
	"database/sql"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/engine/syntax"
)

func open(t testing.TB) *sql.Conn {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = conn.Close(), db.Close() })
	return conn
}

// queries are those of lakeflow's other tests, one for each shape of tree.
func queries(t testing.TB) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/queries.sql")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(string(b), "\n;\n")
	return all[:len(all)-1]
}

func parse(t testing.TB, conn *sql.Conn, text string) syntax.Statement {
	t.Helper()
	parsed, err := syntax.Parse(t.Context(), conn, text)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := parsed.Only()
	if !ok {
		t.Fatalf("%s: %d statements, %+v", text, len(parsed.Statements), parsed.Refused)
	}
	return s
}

var places = regexp.MustCompile(`"query_location":\d+`)

// rewritten is what DuckDB writes in another way, which has another tree: 1.5e0 is 1.5, and FROM (VALUES …) gets one
// more SELECT around it.
var rewritten = regexp.MustCompile(`\de[+-]?\d|\(VALUES`)

// bare is a tree without places.
func bare(t testing.TB, s syntax.Statement) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return places.ReplaceAllString(string(b), `"query_location":0`)
}

// TestNothingIsLost compares trees with what DuckDB gave, to the byte.
func TestNothingIsLost(t *testing.T) {
	conn := open(t)
	for _, text := range queries(t) {
		var want string
		if err := conn.QueryRowContext(t.Context(), "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", text).Scan(&want); err != nil {
			t.Fatal(err)
		}
		b, err := parse(t, conn, text).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if got := `{"error":false,"statements":[` + string(b) + "]}"; got != want {
			t.Errorf("%s:\n%s\nDuckDB gave\n%s", text, got, want)
		}
	}
}

// TestThereAndBack turns queries into trees, those into text, and that into trees, which must be the same.
func TestThereAndBack(t *testing.T) {
	conn := open(t)
	for _, text := range queries(t) {
		there := parse(t, conn, text)
		written, err := there.Text(t.Context(), conn)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		back := parse(t, conn, written)
		if !rewritten.MatchString(text) && (bare(t, back) != bare(t, there) || back.Fingerprint() != there.Fingerprint()) {
			t.Errorf("%s became %s\n%s\n%s", text, written, bare(t, there), bare(t, back))
		}
	}
}

// TestWalk lists the relations of queries, * in front of those that a common table expression provides, and behind the
// queries what feeds them.
func TestWalk(t *testing.T) {
	conn := open(t)
	for text, want := range map[string]string{
		"SELECT a FROM t JOIN u ON t.a = u.a":                                                "t u; <t u>",
		"SELECT a FROM t WHERE a IN (SELECT a FROM u)":                                       "t u; <t> <u>",
		"SELECT a FROM (SELECT a FROM t) AS s, range(3)":                                     "t; <t> <t>",
		"WITH c AS (FROM t) SELECT * FROM c, c AS d":                                         "t *c *c; <t> <t>",
		"WITH c AS (FROM t) SELECT * FROM main.c":                                            "t c; <c> <t>",
		"WITH c AS (FROM d), d AS (FROM t) SELECT * FROM c, d":                               "d t *c *d; <d t> <d> <t>",
		"WITH c AS (FROM c) FROM (WITH C AS (FROM t) FROM c) UNION ALL FROM c":               "c t *c *c; <t c> <c> <t> <t> <t> <c>",
		"WITH RECURSIVE r AS (SELECT 1 AS n FROM t UNION ALL SELECT n + 1 FROM r) FROM r, u": "t *r *r u; <t u> <t> <t> <>",
		"FROM t UNION FROM u":                                                                "t u; <t u> <t> <u>",
		"PIVOT t ON v IN (1) USING max((SELECT a FROM u))":                                   "t u; <t u> <u>",
		"DESCRIBE FROM t": "t; <t> <t>",
	} {
		var tables, fed []string
		syntax.Walk(parse(t, conn, text), func(n syntax.Node, sc syntax.Scope) bool {
			switch n := n.(type) {
			case syntax.Query:
				var names []string
				for _, b := range sc.Feeds(n) {
					names = append(names, b.Name())
				}
				fed = append(fed, "<"+strings.Join(names, " ")+">")
			case syntax.BaseTable:
				name := n.Name()
				if sc.Provides(n) {
					name = "*" + name
				}
				tables = append(tables, name)
			}
			return true
		})
		if got := strings.Join(tables, " ") + "; " + strings.Join(fed, " "); got != want {
			t.Errorf("%s: %s; want %s", text, got, want)
		}
	}
}

// Places are in bytes, those of trees and those of refusals.
func TestPlaces(t *testing.T) {
	conn := open(t)
	q := parse(t, conn, "SELECT 'é', b FROM t").Query().(syntax.Select)
	if items := q.Items(); items[1].At() != 13 || q.From().At() != 20 || q.First() != 7 {
		t.Error(items[1].At(), q.From().At(), q.First())
	}
	for text, want := range map[string]syntax.Refusal{
		"SELECT 'é' WHERE )":    {Syntax: true, Message: `syntax error at or near ")"`, At: 18},
		"CREATE TABLE t(i int)": {Message: "Only SELECT statements can be serialized to json!", At: -1},
	} {
		parsed, err := syntax.Parse(t.Context(), conn, text)
		if err != nil || parsed.Refused == nil || *parsed.Refused != want {
			t.Errorf("%s: %+v, %v", text, parsed.Refused, err)
		}
	}
}

// Fingerprints are stored with the tables, so that they must stay what they are.
func TestFingerprintStays(t *testing.T) {
	conn := open(t)
	h := make([]string, 0, 400)
	for _, text := range queries(t) {
		h = append(h, parse(t, conn, text).Fingerprint())
	}
	const want = "3716a502f178b7343d97e627108af84c"
	if got := syntax.Fingerprint(strings.Join(h, " "), true, 1); got != want {
		t.Errorf("the fingerprints of testdata/queries.sql together are %s; they were %s", got, want)
	}
}

// TestFingerprintsTellNumbersApart compares queries that differ in a digit which a float64 does not keep.
func TestFingerprintsTellNumbersApart(t *testing.T) {
	conn := open(t)
	seen := map[string]string{}
	for _, n := range []string{"9007199254740992", "9007199254740993", "-9007199254740993", "170141183460469231731687303715884105727",
		"170141183460469231731687303715884105726", "0.1", "0.10000000000000001", "12345678901234567.89", "12345678901234567.88", "1", "2"} {
		f := parse(t, conn, "SELECT "+n).Fingerprint()
		if other, twice := seen[f]; twice {
			t.Errorf("%s and %s have the same fingerprint", n, other)
		}
		seen[f] = n
	}
}

func BenchmarkParse(b *testing.B) {
	conn, texts := open(b), queries(b)
	for b.Loop() {
		if _, err := syntax.ParseAll(b.Context(), conn, texts); err != nil {
			b.Fatal(err)
		}
	}
}
