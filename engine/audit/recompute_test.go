package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/audit"
	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// computable makes the lake one whose rows can be computed again: a copy of orders, which its flow reads as a stream,
// and totals.
func computable(l *fakeLake) *audit.Recompute {
	columns := schemas.Table{{Name: "id", Type: schemas.Type{Kind: schemas.Integer}}}
	rules := expectations.RuleSet{Table: "orders", DeadLetter: true, Rules: []expectations.Rule{
		{Name: "positive", SQL: "id > 0", Action: expectations.Drop, Deterministic: true}}}
	none := expectations.RuleSet{DeadLetter: true}
	for _, p := range l.accounting {
		p.Lakeflow.RuleSet, p.Lakeflow.Query = none.Hash(), "totals1"
		if p.table == "orders" {
			p.Lakeflow.RuleSet = rules.Hash()
		}
	}
	l.account("copy", schemas.Accounting{Commit: 2, Mode: "append", QueryRows: 5, Written: 5, InputRows: 5, RuleSet: none.Hash(), Query: "copy1"})
	l.write("copy", 2, false, "SELECT 1::INTEGER AS id FROM range(5)")
	l.state.Positions = position.Set{
		{Kind: position.Upstream, Table: "copy", Flow: "copy", Input: "orders"}:  position.AtCommit(2),
		{Kind: position.Whole, Table: "totals", Flow: "totals", Input: "orders"}: position.AtCommit(2),
	}
	return &audit.Recompute{Tables: []audit.Computed{
		{Name: "orders", Columns: columns, Rules: rules, Appends: true, Flows: []audit.Flow{{Name: "orders"}}, Why: "it reads feed, which is no table"},
		{Name: "copy", Columns: columns, Rules: none, Appends: true, Flows: []audit.Flow{{Name: "copy", Fingerprint: "copy1",
			SQL: `SELECT id FROM "__stream".orders`, Relations: []audit.Relation{{Name: "orders", New: true}}}}},
		{Name: "totals", Columns: columns, Rules: none, Flows: []audit.Flow{{Name: "totals", Fingerprint: "totals1",
			SQL:       "SELECT CAST(seen + n AS INTEGER) AS id FROM low, range(4) AS r(n)",
			Relations: []audit.Relation{{Name: "orders"}, {Name: "low", View: "SELECT min(id) AS seen FROM orders"}}}}},
	}}
}

// rewrite writes the last version of a table anew, with other rows.
func (l *fakeLake) rewrite(name string, replace bool, query string) {
	t := l.tables[name]
	commit := t.history[len(t.history)-1].Commit
	t.history = t.history[:len(t.history)-1]
	l.write(name, commit, replace, query)
}

// TestRecompute damages rows so that all counts agree: only computing them again finds it.
func TestRecompute(t *testing.T) {
	const totals = "SELECT n::INTEGER AS id FROM range(1, 5) AS r(n)"
	for _, c := range []struct {
		name   string
		change func(l *fakeLake, r *audit.Recompute)
		want   string // findings: table, expected, found; what was compared, what was not
	}{
		{"sound", func(*fakeLake, *audit.Recompute) {}, "orders[rules]-rows copy[rows] totals[rows]"},
		{"merged", func(l *fakeLake, _ *audit.Recompute) {
			l.merge("orders", "SELECT 1::INTEGER AS id FROM range(5)")
			l.merge("copy", "SELECT 1::INTEGER AS id FROM range(5)")
		}, "orders[rules]-rows copy[rows] totals[rows]"},
		{"another value in a view", func(l *fakeLake, _ *audit.Recompute) {
			l.rewrite("totals", true, "SELECT n::INTEGER AS id FROM range(2, 6) AS r(n)")
		}, "totals 1 1; orders[rules]-rows copy[rows] totals[rows]"},
		{"figures of a view", func(l *fakeLake, r *audit.Recompute) { judge(l, r, 2) }, "orders[rules]-rows copy[rows] totals[rows]"},
		{"other figures of a view", func(l *fakeLake, r *audit.Recompute) { judge(l, r, 3) },
			"totals 2 3; orders[rules]-rows copy[rows] totals[rows]"},
		{"rows that changes by key do not make", func(_ *fakeLake, r *audit.Recompute) { byKey(r, 0) }, "copy 0 4; orders[rules]-rows copy[rows] totals[rows]"},
		{"deletes that are forgotten", func(_ *fakeLake, r *audit.Recompute) { byKey(r, 1) }, "orders[rules]-rows copy[]-rows totals[rows]"},
		{"a row twice in a view", func(l *fakeLake, _ *audit.Recompute) {
			l.rewrite("totals", true, "SELECT greatest(n, 2)::INTEGER AS id FROM range(1, 5) AS r(n)")
		}, "totals 1 1; orders[rules]-rows copy[rows] totals[rows]"},
		{"another value in a table", func(l *fakeLake, _ *audit.Recompute) {
			l.rewrite("copy", true, "SELECT n::INTEGER AS id FROM range(1, 6) AS r(n)")
		}, "copy 4 4; orders[rules]-rows copy[rows] totals[rows]"},
		{"a forbidden row", func(l *fakeLake, _ *audit.Recompute) {
			l.rewrite("orders", false, "SELECT n::INTEGER AS id FROM range(2) AS r(n)")
		}, "orders 0 1; orders[rules]-rows copy[]-rows totals[]-rows"},
		{"other rules since", func(_ *fakeLake, r *audit.Recompute) { r.Tables[0].Rules.Rules[0].SQL = "id > 1" },
			"orders[]-rules-rows copy[rows] totals[rows]"},
		{"rules that depend on the time", func(l *fakeLake, r *audit.Recompute) { r.Tables[0].Rules.Rules[0].Deterministic = false },
			"orders[]-rules-rows copy[rows] totals[rows]"},
		{"another query since", func(_ *fakeLake, r *audit.Recompute) { r.Tables[1].Flows[0].Fingerprint = "copy2" },
			"orders[rules]-rows copy[]-rows totals[rows]"},
		{"no plan", func(_ *fakeLake, r *audit.Recompute) { r.Why = "the broker is away" }, "orders[] copy[] totals[] the broker is away"},
		{"an older version of the input", func(l *fakeLake, r *audit.Recompute) {
			l.state.Commit = 3
			l.account("orders", schemas.Accounting{Commit: 3, Mode: "append", QueryRows: 1, Written: 1, RuleSet: r.Tables[0].Rules.Hash()})
			l.write("orders", 3, false, "SELECT 7::INTEGER AS id")
			l.log(1)
			l.log(2)
			l.log(3)
		}, "orders[rules]-rows copy[rows] totals[rows]"},
		{"an input that is damaged", func(l *fakeLake, _ *audit.Recompute) { l.remove("orders", 0) },
			"orders 3 0; orders[]-rows copy[]-rows totals[]-rows"},
		{"an order that nobody promised", func(l *fakeLake, r *audit.Recompute) {
			l.rewrite("orders", false, "SELECT n::INTEGER AS id FROM range(3, 5) AS r(n)")
			l.rewrite("copy", false, "SELECT id FROM (VALUES (1), (1), (1), (3), (4)) AS v(id)")
			r.Tables[2].Flows[0].SQL = "SELECT CAST(id + row_number() OVER () AS INTEGER) AS id FROM orders LIMIT 4"
		}, "orders[rules]-rows copy[rows] totals[]-rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLake(t)
			r := computable(l)
			l.rewrite("totals", true, totals)
			c.change(l, r)
			if got := outcome(l, r); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestRecomputeSums expects sums to be the same whose last digits depend on the order of the summands, and no others.
func TestRecomputeSums(t *testing.T) {
	const sums = "SELECT (0.7310585786300049::DOUBLE * n - 5000) * %s AS id FROM range(30000) AS r(n)"
	for noise, want := range map[string]string{
		"(1 + 2.3e-16 * (n % 7 - 3))": "orders[rules]-rows copy[rows] totals[rows]",
		"(1 + 1e-10)":                 "totals 30000 30000; orders[rules]-rows copy[rows] totals[rows]",
		"(1 + CASE WHEN n = 7 THEN 1e-9::DOUBLE ELSE 0 END)": "totals 1 1; orders[rules]-rows copy[rows] totals[rows]",
	} {
		l := newLake(t)
		r := computable(l)
		l.tables["totals"].schema = schemas.Table{{Name: "id", ID: 1, Type: schemas.Type{Kind: schemas.Double}}}
		l.rewrite("totals", true, fmt.Sprintf(sums, "1"))
		for _, p := range l.accounting {
			if p.table == "totals" && p.Lakeflow.Commit == 2 {
				p.Lakeflow.Written, p.Lakeflow.QueryRows = 30000, 30000
			}
		}
		r.Tables[2].Columns = l.tables["totals"].schema
		r.Tables[2].Flows[0].SQL = fmt.Sprintf(sums, noise)
		if got := outcome(l, r); got != want {
			t.Errorf("%s: got  %s\nwant %s", noise, got, want)
		}
	}
}

// byKey has the rows of copy be changes of keys that are all the same.
func byKey(r *audit.Recompute, keep time.Duration) {
	integer := schemas.Type{Kind: schemas.Integer}
	r.Tables[1].Merge = &audit.Merge{Spec: cdc.Spec{Keys: []string{"id"}, Columns: r.Tables[1].Columns, Sequence: integer}, Keep: keep,
		Changes: func(query string) string {
			return `(SELECT id, id AS "__sequence", 'upsert' AS "__op" FROM (` + query + "))"
		}}
}

// judge gives totals an expectation that 2 of its 4 rows violate, and has the log say how many do.
func judge(l *fakeLake, r *audit.Recompute, failed int64) {
	rules := expectations.RuleSet{Rules: []expectations.Rule{{Name: "small", SQL: "id < 3", Action: expectations.Warn, Deterministic: true}}}
	r.Tables[2].Rules = rules
	for _, p := range l.accounting {
		if p.table == "totals" {
			p.Lakeflow.RuleSet = rules.Hash()
			p.DataQuality.Expectations = []schemas.ExpectationResult{{Name: "small", Passed: p.Lakeflow.QueryRows - failed, Failed: failed}}
		}
	}
}

func outcome(l *fakeLake, r *audit.Recompute) string {
	if l.tables["event_log"] == nil {
		l.log(1)
		l.log(2)
	}
	report, err := audit.Run(l.t.Context(), audit.Input{Pipeline: "shop", State: &l.state, Lake: l, DB: l.db, DeadLetter: "dead_letter",
		Tables: []string{"orders", "copy", "totals"}, Recompute: r})
	if err != nil {
		l.t.Fatal(err)
	}
	var found, compared []string
	for _, x := range report.Tables[:3] {
		for _, f := range x.Findings {
			found = append(found, fmt.Sprintf("%s %d %d; ", f.Table, f.Expected, f.Found))
		}
		text := x.Name + "[" + strings.Join(x.Recomputed, ",") + "]"
		for _, s := range x.Skipped {
			text += "-" + s.What
		}
		compared = append(compared, text)
	}
	return strings.TrimSpace(strings.Join(found, "") + strings.Join(compared, " ") + " " + report.NotRecomputed)
}
