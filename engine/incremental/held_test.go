package incremental_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

func open(t testing.TB) *sql.Conn {
	t.Helper()
	db, err := sql.Open("duckdb", "?threads=1&preserve_insertion_order=false")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); db.Close() })
	return conn
}

func exec(t testing.TB, conn *sql.Conn, query string) int64 {
	t.Helper()
	result, err := conn.ExecContext(context.Background(), query)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	n, _ := result.RowsAffected()
	return n
}

// functions classifies functions as DuckDB does.
func functions(t testing.TB, conn *sql.Conn) func(string) incremental.Class {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), `SELECT DISTINCT function_name, function_type, coalesce(stability, '') FROM duckdb_functions()`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	classes := map[string]incremental.Class{"count_star": incremental.Aggregate}
	for rows.Next() {
		var name, kind, stability string
		if err := rows.Scan(&name, &kind, &stability); err != nil {
			t.Fatal(err)
		}
		switch {
		case kind == "aggregate":
			classes[name] = incremental.Aggregate
		case kind != "table" && (stability == "VOLATILE" || stability == "CONSISTENT_WITHIN_QUERY"):
			classes[name] = incremental.Unstable
		}
	}
	for _, name := range []string{"current_date", "current_timestamp"} {
		classes[name] = incremental.Unstable
	}
	return func(name string) incremental.Class { return classes[name] }
}

// held is a view with its state in tables of DuckDB, named after the view.
type held struct {
	name      string
	query     incremental.Query
	technique *incremental.Technique
	conn      *sql.Conn
}

// stored is a table with places. Of each row there is one that was removed behind it.
func stored(table string) incremental.Stored {
	return incremental.Stored{
		Rows: `(SELECT *, 7::BIGINT AS "__file", rowid AS "__row" FROM ` + table +
			` UNION ALL SELECT *, 8::BIGINT AS "__file", rowid AS "__row" FROM ` + table + ")",
		Removed: `(SELECT 8::BIGINT AS "__file", rowid AS "__row" FROM ` + table + ")",
	}
}

// read tells of tables by their relations.
func read(tables map[string]string) func(string) (string, error) {
	return func(relation string) (string, error) { return tables[relation], nil }
}

func columnsOf(t testing.TB, conn *sql.Conn, query string) (schemas.Table, error) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), "SELECT column_type FROM (DESCRIBE "+query+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all schemas.Table
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		typ, err := schemas.Storable(name)
		if err != nil {
			return nil, err
		}
		all = append(all, schemas.Column{Name: fmt.Sprintf("o%d", len(all)), Type: typ})
	}
	return all, rows.Err()
}

// start makes the tables of a view by its first refresh.
func (h *held) start(t testing.TB, in incremental.Inputs) {
	t.Helper()
	view, state, err := h.technique.Full(in)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, h.conn, "CREATE OR REPLACE TABLE "+h.name+" ("+h.query.Columns.SQLColumns()+")")
	exec(t, h.conn, "INSERT INTO "+h.name+" "+view)
	if state != "" {
		exec(t, h.conn, "CREATE OR REPLACE TABLE "+h.name+"_state ("+h.technique.State.SQLColumns()+")")
		exec(t, h.conn, "INSERT INTO "+h.name+"_state "+state)
	}
}

// apply refreshes the view, and leaves what was removed and added in tables.
func (h *held) apply(t testing.TB, in incremental.Inputs) *incremental.Result {
	t.Helper()
	in.View, in.State = stored(h.name), stored(h.name+"_state")
	r, err := h.technique.Apply(t.Context(), h.conn, in, "__inc_")
	if err != nil {
		t.Fatalf("%v\n%s", err, h.query.SQL)
	}
	changed := strings.Contains(r.Recompute, " has changed, ") // what the query takes for constant
	if h.technique.Name != incremental.CompleteRecompute && r.Recompute != "" && !changed {
		t.Fatalf("%s: %s\n%.2000s", h.technique.Name, r.Recompute, h.query.SQL)
	}
	exec(t, h.conn, "CREATE OR REPLACE TABLE "+h.name+"_removed AS FROM "+h.name+" LIMIT 0")
	exec(t, h.conn, "CREATE OR REPLACE TABLE "+h.name+"_added AS FROM "+h.name+" LIMIT 0")
	if r.Recompute != "" {
		exec(t, h.conn, "INSERT INTO "+h.name+"_removed FROM "+h.name)
		h.start(t, in)
		exec(t, h.conn, "INSERT INTO "+h.name+"_added FROM "+h.name)
		return r
	}
	if r.AddView != "" {
		exec(t, h.conn, "INSERT INTO "+h.name+"_added "+r.AddView)
	}
	h.delete(t, h.name, r.RemoveView)
	exec(t, h.conn, "INSERT INTO "+h.name+" FROM "+h.name+"_added")
	if r.AddState != "" {
		exec(t, h.conn, "CREATE OR REPLACE TABLE state_added AS "+r.AddState)
		h.delete(t, h.name+"_state", r.RemoveState)
		exec(t, h.conn, "INSERT INTO "+h.name+"_state FROM state_added")
	}
	if err := r.Drop(t.Context(), h.conn); err != nil {
		t.Fatal(err)
	}
	return r
}

func (h *held) delete(t testing.TB, table, query string) {
	t.Helper()
	if query == "" {
		return
	}
	exec(t, h.conn, "CREATE OR REPLACE TABLE gone AS "+query)
	if table == h.name {
		exec(t, h.conn, "INSERT INTO "+h.name+"_removed SELECT t.* FROM "+table+" t WHERE rowid IN (SELECT __row FROM gone)")
	}
	n := exec(t, h.conn, "DELETE FROM "+table+" WHERE rowid IN (SELECT __row FROM gone WHERE __file = 7)")
	if count := values(t, h.conn, "SELECT count(*) FROM gone"); count[0].text[0] != strconv.FormatInt(n, 10) {
		t.Fatalf("%d rows were deleted from %s; %s were to be\n%s", n, table, count[0].text[0], h.query.SQL)
	}
}

// row is a row of a query as texts, and those that are numbers with a fraction.
type row struct {
	text    []string
	numbers []float64 // NaN where there is none
	key     string
}

// values returns the rows of a query in order. Numbers are rounded for the order.
func values(t testing.TB, conn *sql.Conn, query string) []row {
	t.Helper()
	rows, err := conn.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []row
	for rows.Next() {
		got, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range got {
			into[i] = &got[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		r := row{text: make([]string, len(got)), numbers: make([]float64, len(got))}
		for i, v := range got {
			r.numbers[i] = math.NaN()
			if f, ok := v.(float64); ok {
				f += 0 // -0 is 0
				r.numbers[i], r.text[i] = f, strconv.FormatFloat(f, 'g', 8, 64)
				continue
			}
			r.text[i] = fmt.Sprint(v)
		}
		r.key = strings.Join(r.text, "|")
		all = append(all, r)
	}
	if rows.Err() != nil {
		t.Fatalf("%v\n%s", rows.Err(), query)
	}
	slices.SortStableFunc(all, func(a, b row) int { return strings.Compare(a.key, b.key) })
	return all
}

func equal(a, b row) bool {
	for i := range a.text {
		x, y := a.numbers[i], b.numbers[i]
		switch {
		case math.IsNaN(x) || math.IsNaN(y) || math.IsInf(x, 0):
			if a.text[i] != b.text[i] {
				return false
			}
		case math.Abs(x-y) > 1e-12*max(math.Abs(x), math.Abs(y), 1e-3):
			return false
		}
	}
	return true
}

// check compares the stored view with its query.
func (h *held) check(t testing.TB, when string) {
	t.Helper()
	casts := make([]string, len(h.query.Columns))
	names := make([]string, len(casts))
	for i, c := range h.query.Columns {
		names[i] = quote.Name(c.Name)
		casts[i] = "CAST(" + names[i] + " AS " + c.Type.String() + ")"
	}
	want := values(t, h.conn, "SELECT "+strings.Join(casts, ", ")+" FROM ("+h.query.SQL+") AS q("+strings.Join(names, ", ")+")")
	got := values(t, h.conn, "FROM "+h.name)
	if len(want) == len(got) && !slices.ContainsFunc(want, func(row) bool { return false }) {
		same := true
		for i := range want {
			same = same && equal(want[i], got[i])
		}
		if same {
			return
		}
	}
	var b strings.Builder
	show := func(word string, a, other []row) {
		in := map[string]int{}
		for _, r := range other {
			in[r.key]++
		}
		for _, r := range a {
			if in[r.key]--; in[r.key] < 0 {
				fmt.Fprintf(&b, "%s %s\n", word, r.key)
			}
		}
	}
	show("missing", want, got)
	show("extra", got, want)
	t.Fatalf("%s: %s is wrong %s: %d rows, not %d\n%s\n%.2000s", h.technique.Name, h.name, when, len(got), len(want), h.query.SQL, b.String())
}
