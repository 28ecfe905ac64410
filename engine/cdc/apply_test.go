package cdc_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

const keep = 48 * time.Hour

var epoch = time.Date(2024, 2, 29, 12, 0, 0, 123456000, time.UTC)

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

// held are the target and the state of a spec, in tables of DuckDB.
type held struct {
	spec cdc.Spec
	conn *sql.Conn
}

func hold(t testing.TB, conn *sql.Conn, spec cdc.Spec) held {
	t.Helper()
	changes := append(spec.Columns.Clone(), schemas.Column{Name: "__sequence", Type: spec.Sequence},
		schemas.Column{Name: "__op", Type: schemas.Type{Kind: schemas.Varchar}})
	exec(t, conn, "CREATE OR REPLACE TABLE tgt ("+spec.Target().SQLColumns()+")")
	exec(t, conn, "CREATE OR REPLACE TABLE st ("+spec.State().SQLColumns()+")")
	exec(t, conn, "CREATE OR REPLACE TABLE ch ("+changes.SQLColumns()+")")
	return held{spec, conn}
}

// apply applies the changes of the table ch at a time, and checks that the result says what it does.
func (h held) apply(t testing.TB, now time.Time) *cdc.Result {
	t.Helper()
	stored := func(table string) string {
		return `(SELECT *, 7::BIGINT AS "__file", rowid AS "__row" FROM ` + table + ")"
	}
	relations := cdc.Relations{Changes: "ch", Target: stored("tgt"), State: stored("st")}
	r, err := h.spec.Apply(t.Context(), h.conn, relations, "__cdc_", now, keep)
	if err != nil {
		t.Fatal(err)
	}
	h.take(t, r)
	return r
}

// take does to the tables what a result says.
func (h held) take(t testing.TB, r *cdc.Result) {
	t.Helper()
	removed := h.delete(t, "tgt", r.RemoveTarget)
	h.delete(t, "st", r.RemoveState)
	added := exec(t, h.conn, "INSERT INTO tgt "+r.AddTarget)
	exec(t, h.conn, "INSERT INTO st BY NAME "+r.AddState)
	if added != r.Upserted || r.Changes != r.Applied+r.Superseded+r.Ignored || r.Deleted > removed {
		t.Errorf("%d rows added, %d removed: %+v", added, removed, r)
	}
	if err := r.Drop(t.Context(), h.conn); err != nil {
		t.Fatal(err)
	}
}

// delete removes the rows that a query names, and returns how many these are.
func (h held) delete(t testing.TB, table, query string) int64 {
	t.Helper()
	exec(t, h.conn, "CREATE OR REPLACE TABLE gone AS "+query)
	count := texts(t, h.conn, "SELECT count(*) FROM gone")[0][0]
	n := exec(t, h.conn, "DELETE FROM "+table+" WHERE rowid IN (SELECT __row FROM gone WHERE __file = 7)")
	if count != strconv.FormatInt(n, 10) {
		t.Errorf("%d rows were deleted from %s; %s were to be", n, table, count)
	}
	return n
}

// texts returns the rows of a query as texts, in order.
func texts(t testing.TB, conn *sql.Conn, query string) [][]string {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(columns))
		for i, v := range values {
			if row[i] = v.String; !v.Valid {
				row[i] = "NULL"
			}
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out, slices.Compare[[]string])
	return out
}

// world is one random spec with a history of changes.
type world struct {
	held
	rules
	columns  []*sample
	sequence *sample
	keys     int
}

func newWorld(t *testing.T, conn *sql.Conn, r *rand.Rand, all, sequences []*sample) *world {
	w := &world{keys: 1 + r.IntN(2)}
	n := w.keys + r.IntN(5)
	spec := cdc.Spec{History: r.IntN(2) == 0}
	w.history = spec.History
	spec.Truncates = !spec.History && r.IntN(2) == 0
	w.sequence = sequences[r.IntN(len(sequences))]
	spec.Sequence = w.sequence.typ
	names, ignoring, tracking := names(r), r.IntN(2) == 0, r.IntN(3)
	for i := range n {
		s := all[r.IntN(len(all))]
		for i < w.keys && s.keys == 0 {
			s = all[r.IntN(len(all))]
		}
		w.columns = append(w.columns, s)
		// In a list of IgnoreNulls DuckDB's max makes 0.0 of -0.0.
		w.ignored = append(w.ignored, ignoring && i >= w.keys && s.duck != "FLOAT[]" && r.IntN(2) == 0)
		w.tracked = append(w.tracked, tracking == 0 || tracking == 1 && r.IntN(2) == 0)
		spec.Columns = append(spec.Columns, schemas.Column{Name: names[i], Type: s.typ})
		if i < w.keys {
			spec.Keys = append(spec.Keys, strings.ToUpper(names[i]))
		}
		if w.ignored[i] {
			spec.IgnoreNulls = append(spec.IgnoreNulls, strings.ToLower(names[i]))
		}
		if w.tracked[i] {
			spec.Tracked = append(spec.Tracked, names[i])
		}
	}
	w.shuffle(r, &spec)
	w.held = hold(t, conn, spec)
	return w
}

// shuffle moves the keys to some places among the columns.
func (w *world) shuffle(r *rand.Rand, spec *cdc.Spec) {
	r.Shuffle(len(w.columns), func(i, j int) {
		w.columns[i], w.columns[j] = w.columns[j], w.columns[i]
		w.ignored[i], w.ignored[j] = w.ignored[j], w.ignored[i]
		w.tracked[i], w.tracked[j] = w.tracked[j], w.tracked[i]
		spec.Columns[i], spec.Columns[j] = spec.Columns[j], spec.Columns[i]
	})
}

func (w *world) isKey(i int) bool {
	return slices.ContainsFunc(w.spec.Keys, func(k string) bool { return strings.EqualFold(k, w.spec.Columns[i].Name) })
}

// changes returns random changes of some keys with few sequences, and the number of keys.
func (w *world) changes(r *rand.Rand) ([]change, int) {
	keys := map[string][]int{}
	for range 1 + r.IntN(24) {
		key := make([]int, len(w.columns))
		for i, c := range w.columns {
			if w.isKey(i) {
				key[i] = r.IntN(c.keys)
			}
		}
		keys[fmt.Sprint(key)] = key
	}
	names := slices.Sorted(maps.Keys(keys))
	n, sequences, truncates := len(keys)*(1+r.IntN(16)), 1+r.IntN(len(w.sequence.values)), w.spec.Truncates
	var all []change
	for range n {
		if len(all) > 0 && r.IntN(8) == 0 {
			all = append(all, all[r.IntN(len(all))])
			continue
		}
		c := change{seq: r.IntN(sequences), kind: upsert, row: make([]int, len(w.columns))}
		switch k := r.IntN(10); {
		case k < 2:
			c.kind = remove
		case k == 2 && truncates && r.IntN(len(keys)) == 0:
			c.kind = truncate
		}
		key := keys[names[r.IntN(len(names))]]
		for i, s := range w.columns {
			switch {
			case c.kind == truncate:
				c.row[i] = -1
			case w.isKey(i):
				c.row[i] = key[i]
				c.key += strconv.Itoa(key[i]) + " "
			default:
				c.row[i] = r.IntN(min(len(s.values), 3)+1) - 1
				if r.IntN(4) == 0 {
					c.row[i] = r.IntN(len(s.values))
				}
				if w.ignored[i] && r.IntN(3) == 0 {
					c.row[i] = -1
				}
			}
		}
		all = append(all, c)
	}
	return all, len(keys)
}

// give puts changes into the table ch.
func (w *world) give(t *testing.T, changes []change) {
	var rows []string
	for _, c := range changes {
		var values []string
		for i, s := range w.columns {
			values = append(values, s.literal(c.row[i]))
		}
		values = append(values, w.sequence.literal(c.seq), []string{"'truncate'", "'upsert'", "'delete'"}[c.kind])
		rows = append(rows, "("+strings.Join(values, ", ")+")")
	}
	exec(t, w.conn, "DELETE FROM ch")
	exec(t, w.conn, "INSERT INTO ch VALUES "+strings.Join(rows, ", "))
}

// rows returns what is in the target, as the model knows it.
func (w *world) rows(t *testing.T, relation string, types []*sample) []string {
	var columns []string
	for _, c := range w.spec.Target()[:len(types)] {
		columns = append(columns, quote.Name(c.Name)+"::VARCHAR")
	}
	var out []string
	for _, row := range texts(t, w.conn, "SELECT "+strings.Join(columns, ", ")+" FROM "+relation) {
		places := make([]int, len(row))
		for i, text := range row {
			place, found := types[i].texts[text]
			if places[i] = place; !found {
				places[i] = -1
			}
			if !found && text != "NULL" {
				t.Fatalf("column %s: %q is none of the values", columns[i], text)
			}
		}
		out = append(out, fmt.Sprint(places))
	}
	slices.Sort(out)
	return out
}

func (w *world) check(t *testing.T, seen []change) {
	t.Helper()
	w.checkRows(t, w.target(seen), seen)
}

// checkRows compares the target with what the model has after some changes.
func (w *world) checkRows(t *testing.T, versions []version, after []change) {
	t.Helper()
	types := slices.Clone(w.columns)
	if w.history {
		types = append(types, w.sequence, w.sequence)
	}
	var want []string
	for _, v := range versions {
		row := v.row
		if w.history {
			row = append(slices.Clone(row), v.start, v.end)
		}
		want = append(want, fmt.Sprint(row))
	}
	slices.Sort(want)
	if got := w.rows(t, "tgt", types); !slices.Equal(got, want) {
		t.Fatalf("target:\n%v\nwant\n%v\nafter\n%+v", got, want, after)
	}
}

// sequenceSamples are types by which changes are ordered.
func sequenceSamples() []*sample {
	return []*sample{
		{duck: "BIGINT", values: []string{"-2", "0", "1", "2", "9223372036854775807"}},
		{duck: "TIMESTAMP", values: []string{"'-infinity'", "'1969-12-31'", "'2024-01-01 00:00:00.000001'", "'2024-01-01 00:00:00.000002'"}},
		{duck: "VARCHAR", values: []string{"''", "'B'", "'a'", "'a '", "'b'"}},
		{duck: "DECIMAL(20,2)", values: []string{"-1", "0", "0.01", "10", "11"}},
		{duck: `STRUCT(t TIMESTAMP WITH TIME ZONE, "N O" INTEGER)`, values: []string{
			"{'t': '2024-01-01 00:00:00+00', 'N O': 1}", "{'t': '2024-01-01 00:00:00+00', 'N O': 2}",
			"{'t': '2024-01-01 00:00:00+00', 'N O': NULL}", "{'t': '2025-01-01 00:00:00+00', 'N O': 0}", "{'t': NULL, 'N O': 0}"}},
	}
}

func number(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestHistories applies random histories, each the changes of one key, in random batches, and compares with the model
// after each batch. Those of one Spec are applied together.
// CDC_HISTORIES says how many, CDC_SEED which ones.
func TestHistories(t *testing.T) {
	conn := open(t)
	all, sequences := samples(), sequenceSamples()
	for _, s := range slices.Concat(all, sequences) {
		s.load(t, conn)
	}
	seed := number(t, "CDC_SEED", int(time.Now().UnixNano()))
	n := number(t, "CDC_HISTORIES", 800)
	if testing.Short() {
		n = 200
	}
	for i := 0; n > 0; i++ {
		r := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
		w := newWorld(t, conn, r, all, sequences)
		changes, keys := w.changes(r)
		n -= keys
		if !t.Run(strconv.Itoa(i), func(t *testing.T) { w.live(t, r, changes) }) {
			t.Fatalf("CDC_SEED=%d, spec %d: %+v", seed, i, w.spec)
		}
	}
}

func (w *world) live(t *testing.T, r *rand.Rand, left []change) {
	switch r.IntN(4) {
	case 0: // every change is late
		slices.SortStableFunc(left, func(a, b change) int { return cmp.Compare(b.seq, a.seq) })
	case 1:
		slices.SortStableFunc(left, func(a, b change) int { return cmp.Compare(a.seq, b.seq) })
	}
	var seen []change
	for now := epoch; len(left) > 0; now = now.Add(time.Minute) {
		batch := left[:1+r.IntN(len(left))]
		left = left[len(batch):]
		w.give(t, batch)
		if w.hashes() && r.IntN(4) == 0 {
			exec(t, w.conn, "UPDATE st SET __hash = 1") // as another release of DuckDB would have it
		}
		got := w.apply(t, now)
		if want := w.count(seen, batch); want != (counts{got.Applied, got.Superseded, got.Ignored}) {
			t.Fatalf("counted %+v, want %+v; seen %+v, batch %+v", got, want, seen, batch)
		}
		seen = append(seen, batch...)
		w.check(t, seen)
	}
}

// hashes reports whether the state has hashes of the rows.
func (w *world) hashes() bool { return w.spec.State().Column("__hash") != nil }
