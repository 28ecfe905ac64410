package expectations_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

func openDuck(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
}

// rows renders a result, one line per row, columns separated by " | ".
func rows(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	r, err := db.Query(query)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	defer r.Close()
	columns, err := r.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for r.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := r.Scan(into...); err != nil {
			t.Fatal(err)
		}
		cells := make([]string, len(values))
		for i, v := range values {
			cells[i] = fmt.Sprint(v)
		}
		lines = append(lines, strings.Join(cells, " | "))
	}
	if err := r.Err(); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return strings.Join(lines, "\n")
}

// broken makes the tables q, with the rows of a query, and b, with those that break a rule.
func broken(t *testing.T, db *sql.DB, rs expectations.RuleSet, query string) {
	t.Helper()
	exec(t, db, "CREATE OR REPLACE TABLE q AS "+query)
	exec(t, db, "CREATE OR REPLACE TABLE b AS "+rs.BrokenSQL("q"))
}

func judge(t *testing.T, db *sql.DB, rs expectations.RuleSet) expectations.Verdict {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	counts, err := rs.Count(t.Context(), conn, "q", "b")
	if err != nil {
		t.Fatal(err)
	}
	return rs.Judge(counts)
}

func rule(name, expr string, a expectations.Action) expectations.Rule {
	return expectations.Rule{Name: name, Expr: expr, SQL: expr, Action: a}
}

func TestVerdict(t *testing.T) {
	db := openDuck(t)
	rs := expectations.RuleSet{Table: "orders", DeadLetter: true, Rules: []expectations.Rule{
		rule("has id", "id IS NOT NULL -- every row has one", expectations.Warn),
		rule("positive", "amount > 0", expectations.Drop),
		rule("a number", "code::INTEGER > 0 /* raises for x */", expectations.Drop),
		rule("not 9", "id <> 9", expectations.Fail),
		rule("never broken", "true", expectations.Fail),
		rule("unknown", "NULL", expectations.Warn),
		rule("as text", "flag", expectations.Warn),
	}}
	broken(t, db, rs, `SELECT * FROM (VALUES
		(1, 10, '1', 'true'),
		(2, -1, 'x', 'no boolean'),   -- breaks two drop rules
		(3, NULL, '1', 'true'),       -- NULL is a violation
		(9, 1, '1', 'false'),
		(NULL, 1, '1', NULL)) v(id, amount, code, flag)`)

	v := judge(t, db, rs)
	result := func(name, expr, action string, failed int64) schemas.ExpectationResult {
		return schemas.ExpectationResult{Name: name, Dataset: "orders", Passed: 5 - failed, Failed: failed, Action: action, Expression: expr}
	}
	want := expectations.Verdict{Rows: 5, Kept: 3, Dropped: 2,
		Results: []schemas.ExpectationResult{
			result("has id", "id IS NOT NULL -- every row has one", "warn", 1),
			result("positive", "amount > 0", "drop", 2),
			result("a number", "code::INTEGER > 0 /* raises for x */", "drop", 1),
			result("not 9", "id <> 9", "fail", 2),
			result("never broken", "true", "fail", 0),
			result("unknown", "NULL", "warn", 5),
			result("as text", "flag", "warn", 3),
		},
		Failing: []schemas.ExpectationResult{result("not 9", "id <> 9", "fail", 2)},
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
	if got := rows(t, db, rs.KeptSQL("q")+" ORDER BY id NULLS LAST"); got != "1 | 10 | 1 | true\n9 | 1 | 1 | false\n<nil> | 1 | 1 | <nil>" {
		t.Errorf("kept:\n%s", got)
	}
	sample := "SELECT row->>'id' FROM (" + rs.SampleSQL("q", expectations.DeadLetterInfo{}, 20) + ") ORDER BY 1 NULLS LAST"
	if got := rows(t, db, sample); got != "9\n<nil>" {
		t.Errorf("failing:\n%s", got)
	}
}

// TestManyRules has rule k broken by row k alone, so each bit of each column is looked at by itself.
func TestManyRules(t *testing.T) {
	db := openDuck(t)
	for _, n := range []int{1, 31, 32, 62, 63, 130} {
		rs := expectations.RuleSet{Table: "t"}
		for k := range n {
			rs.Rules = append(rs.Rules, rule(fmt.Sprint("r", k), fmt.Sprint("id <> ", k), []expectations.Action{expectations.Warn, expectations.Drop}[k%2]))
		}
		broken(t, db, rs, "SELECT i AS id FROM range(200) r(i)")
		v := judge(t, db, rs)
		if v.Rows != 200 || v.Dropped != int64(n/2) || v.Kept != 200-v.Dropped {
			t.Errorf("%d rules: %+v", n, v)
		}
		for _, r := range v.Results {
			if r.Failed != 1 {
				t.Errorf("%d rules: %s failed %d times", n, r.Name, r.Failed)
			}
		}
		got := rows(t, db, `SELECT string_agg(violated[1].name || ':' || len(violated) || ':' || (row->>'id'), ' ' ORDER BY (row->>'id')::INTEGER)
			FROM (`+rs.DeadLetterSQL("b", expectations.DeadLetterInfo{})+`)`)
		var want []string
		for k := 1; k < n; k += 2 {
			want = append(want, fmt.Sprintf("r%d:1:%d", k, k))
		}
		if len(want) > 0 && got != strings.Join(want, " ") {
			t.Errorf("%d rules: dead letters %s", n, got)
		}
		broken(t, db, rs, "SELECT NULL::INTEGER AS id")
		for _, r := range judge(t, db, rs).Results {
			if r.Failed != 1 || r.Passed != 0 {
				t.Errorf("%d rules over NULL: %+v", n, r)
			}
		}
	}
}

func TestNoRules(t *testing.T) {
	db := openDuck(t)
	rs := expectations.RuleSet{Table: "t"}
	broken(t, db, rs, "SELECT 1 AS id UNION ALL SELECT 2")
	if diff := cmp.Diff(expectations.Verdict{Rows: 2, Kept: 2, Results: []schemas.ExpectationResult{}}, judge(t, db, rs)); diff != "" {
		t.Error(diff)
	}
	if got := rows(t, db, rs.KeptSQL("q")); got != "1\n2" {
		t.Error(got)
	}
	for _, query := range []string{rs.DeadLetterSQL("b", expectations.DeadLetterInfo{}), rs.SampleSQL("q", expectations.DeadLetterInfo{}, 20)} {
		if got := rows(t, db, query); got != "" {
			t.Error(got)
		}
	}
	rs.Rules = []expectations.Rule{rule("a", "id > 1", expectations.Fail)}
	broken(t, db, rs, "SELECT 1 AS id WHERE FALSE")
	if v := judge(t, db, rs); v.Rows != 0 || v.Failing != nil {
		t.Errorf("no rows: %+v", v)
	}
}

func TestDeadLetters(t *testing.T) {
	db := openDuck(t)
	rs := expectations.RuleSet{Table: `it's "silver"`, Rules: []expectations.Rule{
		{Name: `it's 'quoted' "here"`, Expr: `name <> 'O''Brien'`, SQL: `"na me" <> 'O''Brien'`, Action: expectations.Drop},
		rule("warns", "d > 100", expectations.Warn),
		rule("kept", "true", expectations.Drop),
		rule("small", "id < 3", expectations.Fail),
	}}
	const source = `SELECT * FROM (VALUES
		(1, 'O''Brien', 1.5::DOUBLE, {'a': [1, 2], 'b c': NULL::VARCHAR}, MAP {'k': [DATE '2024-02-29']}, 'a\x00\xFF'::BLOB, 12345678901234567890.123::DECIMAL(38,3)),
		(2, 'fine', 200, NULL, NULL, NULL, NULL),
		(3, NULL, 'NaN', {'a': [], 'b c': 'NaN, "Infinity" \ :-Infinity' || chr(10)}, MAP {}, ''::BLOB, 0),
		(4, 'O''Brien', '-Infinity', NULL, NULL, NULL, 1)
	) v(id, "na me", d, "table", m, "__json", dec)`
	exec(t, db, "CREATE TABLE q AS "+source)
	exec(t, db, `CREATE TABLE "a ""rel" AS `+rs.BrokenSQL("q"))
	info := expectations.DeadLetterInfo{Pipeline: "p'1", Table: rs.Table, Flow: "flow;--", UpdateID: "u1", Commit: 42,
		FirstSeen: time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.FixedZone("x", 3600))}
	exec(t, db, "CREATE TABLE dl ("+schemas.DeadLetter().SQLColumns()+")")
	exec(t, db, "INSERT INTO dl "+rs.DeadLetterSQL(`"a ""rel"`, info))

	got := rows(t, db, `SELECT pipeline, "table", flow, update_id, "commit", error, raw, source, file, line, "offset", partition, epoch_us(first_seen), rule_set_hash, status,
		[v.name || '=' || v.expression || '=' || v.action for v in violated]::VARCHAR FROM dl ORDER BY row->'id'`)
	common := `p'1 | it's "silver" | flow;-- | u1 | 42 | <nil> | <nil> | <nil> | <nil> | <nil> | <nil> | <nil> | 1714975689123456 | ` + rs.Hash() + " | open | "
	quoted := `it's 'quoted' "here"=name <> 'O''Brien'=drop`
	want := rows(t, db, fmt.Sprintf(`SELECT unnest([[%[1]s, 'warns=d > 100=warn'], [%[1]s, 'small=id < 3=fail'], [%[1]s, 'warns=d > 100=warn', 'small=id < 3=fail']])::VARCHAR`,
		"'"+strings.ReplaceAll(quoted, "'", "''")+"'"))
	want = common + strings.ReplaceAll(want, "\n", "\n"+common)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := rows(t, db, "SELECT count(DISTINCT id) FROM dl"); got != "3" {
		t.Errorf("%s ids for 3 rows", got)
	}
	checkRowJSON(t, db, source)
}

// checkRowJSON reads the row texts back, with Go's strict JSON reader and with DuckDB into the row's own types.
func checkRowJSON(t *testing.T, db *sql.DB, source string) {
	t.Helper()
	texts := strings.Split(rows(t, db, `SELECT row FROM dl ORDER BY row->'id'`), "\n")
	// DuckDB reads such a number as a double, so its digits are looked at in the text.
	if !strings.HasSuffix(texts[0], `"dec":12345678901234567890.123}`) {
		t.Errorf("a decimal lost digits: %s", texts[0])
	}
	for _, text := range texts {
		var row map[string]any
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		if len(row) != 7 {
			t.Errorf("row has other columns than its own: %s", text)
		}
	}
	got := rows(t, db, `SELECT row->>'$."na me"', row->>'d', row->>'$.table.a', row->>'$.table."b c"', row->>'$.m.k[0]', row->>'__json' FROM dl ORDER BY row->'id'`)
	want := "O'Brien | 1.5 | [1,2] | <nil> | 2024-02-29 | a\\x00\\xFF\n" +
		"<nil> | NaN | [] | NaN, \"Infinity\" \\ :-Infinity\n | <nil> | \n" +
		"O'Brien | -Infinity | <nil> | <nil> | <nil> | <nil>"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	back := `SELECT unnest(from_json(row, '{"id":"INTEGER","na me":"VARCHAR","d":"DOUBLE","table":{"a":["INTEGER"],"b c":"VARCHAR"},"m":"MAP(VARCHAR, DATE[])","__json":"VARCHAR"}')) FROM dl`
	original := `SELECT * EXCLUDE (dec) REPLACE ("__json"::VARCHAR AS "__json") FROM (` + source + `) WHERE id <> 2`
	if got := rows(t, db, "(("+back+") EXCEPT ALL ("+original+")) UNION ALL (("+original+") EXCEPT ALL ("+back+"))"); got != "" {
		t.Errorf("the JSON is not the row:\n%s", got)
	}
}

func TestSample(t *testing.T) {
	db := openDuck(t)
	rs := expectations.RuleSet{Table: "t", Rules: []expectations.Rule{rule("low", "i < 50", expectations.Fail), rule("even", "i % 2 = 0", expectations.Drop)}}
	exec(t, db, "CREATE TABLE q AS SELECT i FROM range(100) r(i)")
	from := " FROM (" + rs.SampleSQL("q", expectations.DeadLetterInfo{UpdateID: "u"}, expectations.SampleRows) + ")"
	got := rows(t, db, "SELECT count(*), min((row->>'i')::INTEGER) >= 50, min(status), max(status), bool_and(violated[1].name = 'low'), max(len(violated))"+from)
	if got != "20 | true | failed_update | failed_update | true | 2" {
		t.Error(got)
	}
}

func TestRejects(t *testing.T) {
	db := openDuck(t)
	exec(t, db, `CREATE TABLE rejects(file VARCHAR, line BIGINT, "offset" BIGINT, raw BLOB, reason VARCHAR, whole BOOLEAN, "partition" INTEGER)`)
	exec(t, db, `INSERT INTO rejects VALUES ('a b.json', 7, 120, '{"x": \xFF'::BLOB, 'expected } but found the end of the line', false, 3), ('gone.csv', 0, -1, NULL, 'no such file', true, NULL)`)
	exec(t, db, "CREATE TABLE dl ("+schemas.DeadLetter().SQLColumns()+")")
	exec(t, db, "INSERT INTO dl "+expectations.RejectSQL("rejects", expectations.DeadLetterInfo{Pipeline: "p", Table: "bronze", Flow: "f", UpdateID: "u", Commit: 3, Source: "feed"}))
	got := rows(t, db, `SELECT pipeline, "table", flow, update_id, "commit", violated::VARCHAR, error, row, raw::VARCHAR, source, file, line, "offset", "partition", rule_set_hash, status, len(id) > 20 FROM dl ORDER BY file`)
	want := `p | bronze | f | u | 3 | [] | expected } but found the end of the line | <nil> | {\x22x\x22: \xFF | feed | a b.json | 7 | 120 | 3 | <nil> | open | true
p | bronze | f | u | 3 | [] | the whole file was left out: no such file | <nil> | <nil> | feed | gone.csv | <nil> | <nil> | <nil> | <nil> | open | true`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHash(t *testing.T) {
	a, b := rule("a", "x > 1", expectations.Warn), rule("b", "y", expectations.Drop)
	set := func(rules ...expectations.Rule) string { return expectations.RuleSet{Table: "t", Rules: rules}.Hash() }
	seen := map[string]string{}
	dropA, otherSQL, moved := a, a, rule("ax", " > 1", expectations.Warn)
	dropA.Action, otherSQL.SQL = expectations.Drop, "x > 2"
	for name, h := range map[string]string{"none": set(), "a": set(a), "a b": set(a, b), "b a": set(b, a), "drop a": set(dropA), "sql": set(otherSQL), "moved": set(moved)} {
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[h] = name
	}
	renamedTable := expectations.RuleSet{Table: "other", Rules: []expectations.Rule{a}}
	written := a
	written.Expr = "x > ${one}"
	if renamedTable.Hash() != set(a) || set(written) != set(a) {
		t.Error("only names, SQL and actions count")
	}
}
