package spark_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// sparkVersion is the Spark that gave the answers.
const sparkVersion = "4.3.0"

// answer is what Spark gave for a line of expressions.txt or queries.txt; testdata/answers.py asks it.
type answer struct {
	SQL     string
	Columns [][2]string // names and types
	Rows    [][]any
	Error   string
}

func answers(t *testing.T) []answer {
	t.Helper()
	return readAnswers(t, "answers.jsonl")
}

func readAnswers(t *testing.T, name string) []answer {
	t.Helper()
	dir := os.Getenv("LAKEFLOW_SPARK_ANSWERS") // of a Spark that was asked just now
	if dir == "" {
		dir = "testdata"
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []answer
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a answer
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.UseNumber()
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		if a.SQL != "" {
			all = append(all, a)
		}
	}
	if len(all) == 0 || lines.Err() != nil {
		t.Fatalf("%d answers, %v", len(all), lines.Err())
	}
	return all
}

func open(t testing.TB) *sql.Conn {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); db.Close() })
	for _, s := range []string{"SET TimeZone = 'UTC'", "SET threads = 1", "SET errors_as_json = true", "SET disabled_optimizers = 'common_subexpressions'"} {
		if _, err := conn.ExecContext(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// run gives what DuckDB gives for a query in Spark's dialect, in the form of an answer.
func run(conn *sql.Conn, query string, made map[string]bool) (got answer, text string) {
	return runIn(conn, query, spark.Pipeline{}, made)
}

func runIn(conn *sql.Conn, query string, in spark.Pipeline, made map[string]bool) (got answer, text string) {
	var diags diag.List
	q := spark.Translate(query, sqltext.WholeFile("q.sql"), in, &diags)
	if err := diags.Err(); err != nil && diags.HasErrors() {
		return answer{Error: err.Error()}, ""
	}
	written := q.Query
	got, offset := runText(conn, written, made)
	for got.Error != "" {
		again, ok := written.Rewrite(offset, got.Error)
		if !ok {
			break
		}
		for _, m := range again.Macros { // they are made before a query is bound
			if !slices.Contains(q.Macros, m) {
				return answer{Error: "calls " + m + " only when it is written again"}, again.Text
			}
		}
		written = again
		got, offset = runText(conn, written, made)
	}
	return got, written.Text
}

// runText runs a query. The offset is where DuckDB finds a mistake, or -1.
func runText(conn *sql.Conn, q *sqltext.Query, made map[string]bool) (got answer, offset int) {
	failed := func(err error) (answer, int) {
		return answer{Error: message(err)}, position(err)
	}
	var macros []string
	for _, m := range q.Macros {
		if !made[m] {
			macros = append(macros, m)
			made[m] = true
		}
	}
	if len(macros) > 0 {
		if _, err := conn.ExecContext(context.Background(), strings.TrimSpace(spark.Create(macros, 0))); err != nil {
			return failed(fmt.Errorf("%s: %w", strings.TrimSpace(spark.Create(macros, 0)), err))
		}
	}
	rows, err := conn.QueryContext(context.Background(), q.Text)
	if err != nil {
		return failed(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return failed(err)
	}
	for _, c := range types {
		got.Columns = append(got.Columns, [2]string{c.Name(), c.DatabaseTypeName()})
	}
	for rows.Next() {
		row := make([]any, len(types))
		to := make([]any, len(types))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return failed(err)
		}
		got.Rows = append(got.Rows, row)
	}
	if err := rows.Err(); err != nil {
		return failed(err)
	}
	return got, -1
}

// position is where DuckDB found a mistake, or -1.
func position(err error) int {
	var e struct{ Position string }
	text := err.Error()
	if i := strings.IndexByte(text, '{'); i >= 0 && json.Unmarshal([]byte(text[i:]), &e) == nil {
		if n, err := strconv.Atoi(e.Position); err == nil {
			return n
		}
	}
	return -1
}

// message is what DuckDB says.
func message(err error) string {
	var e struct {
		Message string `json:"exception_message"`
	}
	text := err.Error()
	if i := strings.IndexByte(text, '{'); i >= 0 && json.Unmarshal([]byte(text[i:]), &e) == nil {
		return e.Message
	}
	return text
}

// canon writes a value, of Spark's answers or of DuckDB, in one way. Types are compared elsewhere: 1.50 is 1.5.
func canon(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	case []byte:
		return fmt.Sprintf("binary %x", v)
	case float64:
		return double(v)
	case float32:
		return double(float64(v))
	case json.Number:
		return string(v)
	case duckdb.Decimal:
		return plain(new(big.Rat).SetFrac(v.Value, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(v.Scale)), nil)).FloatString(int(v.Scale)))
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000000")
	case duckdb.Interval:
		return fmt.Sprintf("interval %d %d", v.Months, int64(v.Days)*86_400_000_000+v.Micros)
	case duckdb.UUID:
		return v.String()
	case []any:
		return list(v)
	case duckdb.OrderedMap:
		var parts []string
		for i, k := range v.Keys() {
			parts = append(parts, canon(k)+": "+canon(v.Values()[i]))
		}
		slices.Sort(parts)
		return "map" + strings.Join(parts, ", ")
	case duckdb.Map:
		var parts []string
		for k, x := range v {
			parts = append(parts, canon(k)+": "+canon(x))
		}
		slices.Sort(parts)
		return "map" + strings.Join(parts, ", ")
	case map[string]any:
		return object(v)
	}
	return fmt.Sprint(v)
}

func list(v []any) string {
	var parts []string
	for _, x := range v {
		parts = append(parts, canon(x))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// object is a tagged value of an answer, or a struct of DuckDB.
func object(v map[string]any) string {
	if len(v) == 1 {
		for tag, x := range v {
			s, _ := x.(string)
			pairs, _ := x.([]any)
			switch tag {
			case "double":
				f, err := strconv.ParseFloat(s, 64)
				if err == nil {
					return double(f)
				}
			case "decimal":
				return plain(s)
			case "timestamp":
				return s
			case "date":
				return s + " 00:00:00.000000"
			case "binary":
				return "binary " + s
			case "interval":
				return fmt.Sprintf("interval 0 %s", x)
			case "struct", "map":
				var parts []string
				for _, p := range pairs {
					if p, ok := p.([]any); ok && tag == "map" {
						parts = append(parts, canon(p[0])+": "+canon(p[1]))
					} else if ok {
						parts = append(parts, fmt.Sprint(p[0])+": "+canon(p[1]))
					}
				}
				sort.Strings(parts)
				return tag + strings.Join(parts, ", ")
			}
		}
	}
	var parts []string
	for name, x := range v {
		parts = append(parts, name+": "+canon(x))
	}
	sort.Strings(parts)
	return "struct" + strings.Join(parts, ", ")
}

func double(f float64) string {
	s := strconv.FormatFloat(f, 'g', 14, 64)
	if !strings.ContainsAny(s, "eIN") {
		return plain(s)
	}
	return s
}

func plain(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

func rows(a answer, sorted bool) string {
	var all []string
	for _, r := range a.Rows {
		all = append(all, list(r))
	}
	if sorted {
		slices.Sort(all)
	}
	return strings.Join(all, "\n")
}

// duckTypes are DuckDB's types for Spark's, as its driver names them.
var duckTypes = map[string]string{"int": "INTEGER", "bigint": "BIGINT", "smallint": "SMALLINT", "tinyint": "TINYINT", "double": "DOUBLE", "float": "FLOAT", "string": "VARCHAR",
	"boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP", "timestamp_ntz": "TIMESTAMP", "binary": "BLOB", "variant": "JSON", "interval": "INTERVAL"}

// sameType compares types with all of their parts. A sum of integers is a HUGEINT in DuckDB, and a DECIMAL may be wider.
// What DuckDB finds to be NULL has no type in Spark.
func sameType(sparkType, duckType string) bool {
	if want := duckTypes[sparkType]; want != "" {
		return want == duckType || want == "BIGINT" && duckType == "HUGEINT"
	}
	inside := func(prefix string) string { return strings.TrimSuffix(strings.TrimPrefix(sparkType, prefix), ">") }
	switch {
	case sparkType == "void":
		return true
	case strings.HasPrefix(sparkType, "interval"):
		return duckType == "INTERVAL"
	case strings.HasPrefix(sparkType, "decimal"):
		return strings.HasPrefix(duckType, "DECIMAL") && sparkType[strings.IndexByte(sparkType, ','):] == duckType[strings.IndexByte(duckType, ','):]
	case strings.HasPrefix(sparkType, "array<"):
		element, ok := strings.CutSuffix(duckType, "[]")
		return ok && sameType(inside("array<"), element)
	case strings.HasPrefix(sparkType, "map<"):
		return samePair(topLevel(inside("map<")), topLevel(strings.TrimSuffix(strings.TrimPrefix(duckType, "MAP("), ")")))
	case strings.HasPrefix(sparkType, "struct<"):
		want, got := topLevel(inside("struct<")), topLevel(strings.TrimSuffix(strings.TrimPrefix(duckType, "STRUCT("), ")"))
		for i := range want {
			_, want[i], _ = strings.Cut(want[i], ":")
			if i < len(got) && strings.HasPrefix(got[i], `"`) {
				got[i] = got[i][strings.LastIndex(got[i], `" `)+2:]
			}
		}
		return samePair(want, got)
	}
	return sparkType == duckType
}

func samePair(want, got []string) bool {
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !sameType(want[i], got[i]) {
			return false
		}
	}
	return true
}

// topLevel splits the parts of a type at the commas outside of brackets.
func topLevel(parts string) []string {
	var all []string
	depth, start := 0, 0
	for i, c := range parts {
		switch {
		case c == '<' || c == '(':
			depth++
		case c == '>' || c == ')':
			depth--
		case c == ',' && depth == 0:
			all, start = append(all, strings.TrimSpace(parts[start:i])), i+1
		}
	}
	return append(all, strings.TrimSpace(parts[start:]))
}

// TestAnswers runs what Spark was asked, compares, and checks the page that says so.
func TestAnswers(t *testing.T) {
	conn, made := open(t), map[string]bool{}
	known := deviations(t)
	counts := map[string]int{}
	var all []outcome
	for _, a := range answers(t) {
		query := a.SQL
		if expression(a.SQL) {
			query = "SELECT " + query + " AS v"
		}
		got, text := run(conn, query, made)
		what := compare(a, got, strings.Contains(strings.ToLower(a.SQL), "order by"))
		all = append(all, outcome{a.SQL, what, known[a.SQL]})
		switch {
		case what == "" && known[a.SQL] != "":
			t.Errorf("%s is right now; take it out of deviations.txt", a.SQL)
		case what == "":
			counts["right"]++
		case known[a.SQL] != "":
			counts["known"]++
		default:
			counts["wrong"]++
			t.Errorf("%s\n\t%s\n\t%s", a.SQL, what, text)
		}
	}
	t.Log(counts)
	if counts["wrong"] == 0 && os.Getenv("LAKEFLOW_SPARK_ANSWERS") == "" { // a Spark may be asked a part of the questions
		checkPage(t, all)
	}
}

// TestModes runs what Spark was asked in another mode and another zone.
func TestModes(t *testing.T) {
	known := deviations(t)
	for name, in := range map[string]spark.Pipeline{"legacy": {Legacy: true}, "zone": {TimeZone: "America/New_York"}} {
		t.Run(name, func(t *testing.T) {
			conn, made := open(t), map[string]bool{}
			counts := map[string]int{}
			for _, a := range readAnswers(t, name+".jsonl") {
				query := a.SQL
				if expression(a.SQL) {
					query = "SELECT " + query + " AS v"
				}
				got, text := runIn(conn, query, in, made)
				what := compare(a, got, true)
				// What differs in any mode is known by the same words.
				reason := known[name+": "+a.SQL]
				switch {
				case what == "" && reason != "":
					t.Errorf("%s: %s is right now; take it out of deviations.txt", name, a.SQL)
				case what == "":
					counts["right"]++
				case reason != "" || known[a.SQL] != "":
					counts["known"]++
				default:
					counts["wrong"]++
					t.Errorf("%s\n\t%s\n\t%s", a.SQL, what, text)
				}
			}
			t.Log(counts)
		})
	}
}

// expression reports whether a line is one of expressions.txt.
func expression(line string) bool {
	lower := strings.ToLower(line)
	for _, word := range []string{"select", "with ", "values (", "from "} {
		if strings.HasPrefix(lower, word) {
			return false
		}
	}
	return true
}

func compare(want, got answer, ordered bool) string {
	switch {
	case want.Error == "NOT_IMPLEMENTED": // PySpark cannot show an interval of months
		return ""
	case want.Error != "" && got.Error != "":
		return ""
	case want.Error != "":
		return "gives " + rows(got, false) + ", Spark " + want.Error
	case got.Error != "":
		return "fails: " + strings.ReplaceAll(got.Error, "\n", " | ")[:min(len(got.Error), 300)]
	case len(want.Columns) != len(got.Columns):
		return fmt.Sprintf("has columns %v, Spark %v", got.Columns, want.Columns)
	}
	if w, g := rows(want, !ordered), rows(got, !ordered); w != g {
		return fmt.Sprintf("gives %s, Spark %s", g, w)
	}
	for i, c := range want.Columns {
		if !strings.EqualFold(c[0], got.Columns[i][0]) {
			return fmt.Sprintf("has a column %s, Spark %s", got.Columns[i][0], c[0])
		}
		if !sameType(c[1], got.Columns[i][1]) && c[1] != "void" && !untyped(got, i) {
			return fmt.Sprintf("column %s is %s, Spark %s", c[0], got.Columns[i][1], c[1])
		}
	}
	return ""
}

// untyped reports whether a column holds nothing but a NULL that nothing gave a type.
func untyped(got answer, column int) bool {
	return len(got.Rows) == 1 && got.Rows[0][column] == nil && got.Columns[column][1] == "INTEGER"
}

// deviations are queries whose results differ, with the reason.
func deviations(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/deviations.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	reason := ""
	for _, line := range strings.Split(string(data), "\n") {
		if r, ok := strings.CutPrefix(line, "# "); ok {
			reason = r
		} else if line != "" {
			known[line] = reason
		}
	}
	return known
}
