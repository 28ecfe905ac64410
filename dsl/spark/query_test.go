package spark_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// FuzzTranslate looks for panics, for mistakes without a place, and for places outside of the text.
func FuzzTranslate(f *testing.F) {
	for _, a := range seeds() {
		f.Add(a)
	}
	parameters := map[string]string{"p": "x", "e": ""}
	f.Fuzz(func(t *testing.T, sql string) {
		for _, in := range []spark.Pipeline{{Parameters: parameters}, {Parameters: parameters, Legacy: true, TimeZone: "Europe/Berlin"}} {
			var diags diag.List
			checkPlaces(t, sql, spark.Translate(sql, sqltext.WholeFile("q.sql"), in, &diags), diags)
			diags = nil
			checkPlaces(t, sql, spark.Expression(sql, sqltext.WholeFile("q.sql"), in, &diags), diags)
		}
	})
}

// checkPlaces looks at where mistakes stand, and at where pieces of the text come from: inside of the user's.
func checkPlaces(t *testing.T, sql string, q *spark.Query, diags diag.List) {
	t.Helper()
	lines := strings.Split(sql, "\n")
	inside := func(p diag.Pos) bool {
		return p.Line >= 1 && p.Line <= len(lines) && p.Column >= 1 && p.Column <= len(lines[p.Line-1])+1
	}
	for _, d := range diags {
		if d.Range.File != "q.sql" || !inside(d.Range.Start) || !inside(d.Range.End) || d.Help == "" {
			t.Errorf("%v stands at %v to %v, in %q", d, d.Range, d.Range.End, sql)
		}
	}
	for i := 0; i < len(q.Text); i += 7 + len(q.Text)/50 {
		if r := q.At(i, 0); !inside(r.Start) || !inside(r.End) {
			t.Errorf("offset %d of %q is at %v", i, q.Text, r)
		}
	}
	if len(q.Text) > 200*len(sql)+10000 {
		t.Errorf("%d bytes become %d", len(sql), len(q.Text))
	}
}

// BenchmarkProject translates the 200 queries of a project.
func BenchmarkProject(b *testing.B) {
	var queries []string
	for i := range 50 {
		n := strconv.Itoa(i)
		queries = append(queries,
			"SELECT *, _metadata.file_path AS source FROM STREAM read_files('/landing/orders_"+n+"', format => 'json', schemaHints => 'id BIGINT, at TIMESTAMP')",
			"SELECT CAST(id AS BIGINT) AS id, upper(trim(name)) AS name, to_date(day, 'yyyy-MM-dd') AS day, amount * 1.19 AS gross, CASE WHEN amount > 100 THEN 'large' WHEN amount > 10 THEN 'mid' ELSE 'small' END AS size, "+
				"raw:customer.name::string AS customer, regexp_extract(mail, '@(.*)$', 1) AS domain FROM STREAM(live.bronze_"+n+") WHERE id IS NOT NULL AND amount >= 0",
			"WITH ranked AS (SELECT o.*, row_number() OVER (PARTITION BY customer ORDER BY at DESC) AS n FROM silver_"+n+" o LEFT JOIN customers c ON o.customer = c.id AND c.__END_AT IS NULL) "+
				"SELECT customer, explode(items) AS item, datediff(current_date(), day) AS age FROM ranked QUALIFY n = 1",
			"SELECT date_trunc('MONTH', day) AS month, size, count(*) AS orders, sum(gross) AS gross, avg(gross) AS mean, count(DISTINCT customer) AS customers, collect_set(domain) AS domains, "+
				"percentile_approx(gross, 0.5) AS median FROM silver_"+n+" GROUP BY ALL HAVING count(*) > 10 ORDER BY month, gross DESC")
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, sql := range queries {
			var diags diag.List
			spark.Translate(sql, sqltext.WholeFile("q.sql"), spark.Pipeline{}, &diags)
			if diags.HasErrors() {
				b.Fatal(diags, sql)
			}
		}
	}
}

// seeds are queries that hold much of the grammar.
func seeds() []string {
	return []string{"SELECT a:b.c, `x`, r'\\', 1.e3, ${p} -- c", "FROM t |> WHERE a > 1 |> AGGREGATE sum(x) GROUP BY y", "SELECT * EXCEPT (a) FROM STREAM(live.t) LATERAL VIEW explode(x) AS y",
		"SELECT CAST(x AS STRUCT<a: INT>), INTERVAL '1-2' YEAR TO MONTH, window(ts, '5 minutes') FROM json.`/a` GROUP BY window(ts, '1 hour')",
		"WITH a AS (VALUES (1)) SELECT transform(l, (x, i) -> x + i) OVER (ORDER BY ${e}) FROM a PIVOT (sum(x) FOR y IN ('a'))"}
}

// TestMacroAt finds the call in the user's text of a macro in which DuckDB finds a mistake.
func TestMacroAt(t *testing.T) {
	conn := open(t)
	var diags diag.List
	q := spark.Translate("SELECT 1,\n  size(year(d)) FROM (SELECT date'2024-01-01' AS d)", sqltext.WholeFile("q.sql"), spark.Pipeline{}, &diags)
	created := spark.Create(q.Macros, len(q.Text))
	if _, err := conn.ExecContext(context.Background(), created); err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	_, err := conn.QueryContext(context.Background(), q.Text)
	if err == nil {
		t.Fatal("the size of a number is no mistake")
	}
	name := spark.MacroAt(created, position(err))
	calls := spark.Calls(q.Text, name)
	if name != "size" || len(calls) != 1 || q.At(calls[0], 0).String() != "q.sql:2:3" {
		t.Errorf("%v is in %q, called at %v of %s", err, name, calls, q.Text)
	}
}

// TestExpression reads conditions, as expectations have them.
func TestExpression(t *testing.T) {
	for raw, want := range map[string]string{
		"a > 1 AND b RLIKE '^x'": "((spark.like_bigint(a) > 1) AND (regexp_matches(spark.string_of(b), '^x')))",
		"a IS NOT NULL":          "(a IS NOT NULL)",
		"a >":                    "NULL",
		"SELECT 1":               "NULL",
	} {
		var diags diag.List
		q := spark.Expression(raw, sqltext.WholeFile("q.sql"), spark.Pipeline{}, &diags)
		if q.Text != want || diags.HasErrors() != (want == "NULL") {
			t.Errorf("%s became %s, want %s, with %v", raw, q.Text, want, diags)
		}
	}
}

// TestKnown runs what is known of Spark from its documentation and its source, and was not asked.
func TestKnown(t *testing.T) {
	conn, made := open(t), map[string]bool{}
	for query, want := range map[string]string{
		"SELECT round(2.675D, 2), round(1.005D, 2), round(-1.005D, 2), round(1e20D, 1)":                                                                  "[2.68, 1.01, -1.01, 1e+20]",
		"SELECT round(x, 2), round(y, 2), round(z, 1), round(w) FROM VALUES (1.005D, 1.005BD, 7, '2.5') t(x, y, z, w)":                                   "[1.01, 1.01, 7, 3]",
		"SELECT round(avg(x), 2) FROM VALUES (1.005D), (1.005D) t(x)":                                                                                    "[1.01]",
		"SELECT to_date('01/02/75', 'dd/MM/yy'), to_date('01/02/24', 'dd/MM/yy')":                                                                        "[2075-02-01 00:00:00.000000, 2024-02-01 00:00:00.000000]",
		`SELECT to_timestamp('2024-05-06T07:08:09+02:00', "yyyy-MM-dd'T'HH:mm:ssXXX"), to_timestamp('2024-05-06T07:08:09Z', "yyyy-MM-dd'T'HH:mm:ssXXX")`: "[2024-05-06 05:08:09.000000, 2024-05-06 07:08:09.000000]",
		"SELECT raw:a.b, raw:l[1].c, raw:missing FROM VALUES ('{\"a\":{\"b\":\"x\"},\"l\":[1,{\"c\":2}]}') t(raw)":                                       `["x", "2", null]`,
		"SELECT v.key, v.value FROM VALUES ('{\"a\":1,\"b\":\"x\"}') t(raw) LATERAL VIEW variant_explode(parse_json(raw)) v ORDER BY v.key":              "[\"a\", 1]\n[\"b\", \"x\"]",
		"SELECT sum(CASE WHEN x > 1 THEN 1 ELSE 0 END) FROM VALUES (1), (2) t(x)":                                                                        "[1]",
		"FROM VALUES (3), (1), (2) t(a) |> ORDER BY a DESC |> LIMIT 2":                                                                                   "[3]\n[2]",
	} {
		got, text := run(conn, query, made)
		if rows := rows(got, false); rows != want || got.Error != "" {
			t.Errorf("%s\n\tgives %s %s, want %s\n\t%s", query, rows, got.Error, want, text)
		}
	}
}

// TestNames takes every keyword of DuckDB for a name in backticks, and words that people call columns by for plain ones.
func TestNames(t *testing.T) {
	conn, made := open(t), map[string]bool{}
	rows, err := conn.QueryContext(context.Background(), "SELECT keyword_name FROM duckdb_keywords()")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields("date time timestamp interval map array struct value key user offset position left right filter window range rows first last type" +
		" name comment current data day month year hour index column columns count sum min max level text json list row values stream live format path source" +
		" end_time start version system catalog database schema view partition extract trim percent sets limit offset desc asc any some cache sort")
	plain := len(names)
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, "`"+name+"`")
	}
	if err := rows.Err(); err != nil || len(names) < 400 {
		t.Fatal(len(names), err)
	}
	for i, name := range names {
		query := "SELECT " + name + ", x." + name + ", " + name + " + 1 AS y FROM (SELECT 1 AS " + name + ") AS x WHERE " + name + " = 1 ORDER BY " + name
		got, text := run(conn, query, made)
		if got.Error != "" || len(got.Rows) != 1 || canon(got.Rows[0][0]) != "1" {
			t.Errorf("%s %s: %v\n\t%s", name, map[bool]string{true: "plain", false: "in backticks"}[i < plain], got.Error, text)
		}
	}
}

// TestDeep nests what can be nested: it takes no longer, and no more text, than in proportion.
func TestDeep(t *testing.T) {
	for _, form := range []string{"(%s)", "CASE WHEN a THEN b ELSE %s END", "CASE %s WHEN b THEN c ELSE d END", "a[%s]", "%s[a]", "%s[0]", "substring(%s, 1)", "trim(%s)",
		"coalesce(%s, b)", "coalesce(b, %s)", "a - (%s)", "%s - a", "a + (%s)", "a = (%s)", "(%s) = a", "(%s) = b = c", "NOT %s", "- %s", "(SELECT %s)", "round(%s)", "round(%s, 1)", "size(%s)",
		"transform(a, x -> %s)", "if(a, b, %s)", "CAST(%s AS INT)", "CAST(%s AS STRING)", "%s::date", "concat(a, %s)", "a || (%s)", "array(%s)", "map(a, %s)", "struct(%s)", "%s IN (a, b)",
		"a IN (%s)", "%s BETWEEN a AND b", "a BETWEEN %s AND b", "%s LIKE a", "%s IS NULL", "%s + INTERVAL 1 DAY", "a / (%s)", "decode(%s, 1, 2, 3, 4)", "nullif(%s, b)", "element_at(%s, 1)",
		"greatest(a, %s)", "date_add(%s, 1)", "EXISTS (SELECT %s)", "position(a IN (%s))", "sum(%s) OVER (ORDER BY a)", "concat_ws(',', %s)", "x.y:z[0] = (%s)", "pmod(a, %s)", "elt(1, %s, a)"} {
		for _, depth := range []int{12, 60, 1000} {
			sql := "a"
			for range depth {
				sql = strings.Replace(form, "%s", sql, 1)
			}
			start := time.Now()
			var diags diag.List
			q := spark.Translate("SELECT "+sql, sqltext.WholeFile("q.sql"), spark.Pipeline{}, &diags)
			if took := time.Since(start); took > 2*time.Second || len(q.Text) > 200*len(sql)+1000 {
				t.Errorf("%s, %d times: %v, %d bytes become %d", form, depth, took, len(sql), len(q.Text))
			}
			if depth == 1000 && !diags.HasErrors() && !strings.HasPrefix(form, "%s") {
				t.Errorf("%s, %d times, is no mistake", form, depth)
			}
		}
	}
}

func TestFields(t *testing.T) {
	for ddl, want := range map[string]string{
		"a INT":                          "a INTEGER",
		"a: int, `b c` STRING NOT NULL,": "a INTEGER, b c VARCHAR",
		"struct<a: array<map<string, decimal(10,2)>>, b struct<c: date>>": "a MAP(VARCHAR, DECIMAL(10, 2))[], b STRUCT(c DATE)",
		"a.b BIGINT COMMENT 'x'": "a.b BIGINT",
		"a NUMBER":               "error: there is no type NUMBER",
		"a INT b INT":            "error: a comma or the end is missing in front of b",
		"":                       "error: the SQL ends too early: a column is missing",
	} {
		fields, err := spark.Fields(ddl)
		var got []string
		for _, f := range fields {
			got = append(got, strings.Join(f.Path, ".")+" "+f.Type)
		}
		if err != nil {
			got = []string{"error: " + err.Error()}
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s gives %s, not %s", ddl, text, want)
		}
	}
}
