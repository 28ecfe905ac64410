package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Recompute is what the pipeline says of its tables now, for an audit that computes their rows again.
type Recompute struct {
	Tables []Computed
	// Why says why nothing is known of them; empty when it is.
	Why string
}

// Computed is how the rows of a table come about.
type Computed struct {
	Name    string
	Columns schemas.Table // that its flows give
	Rules   expectations.RuleSet
	Flows   []Flow
	// Appends is true when each commit adds the rows of what is new, and false when the rows are computed from
	// everything.
	Appends bool
	Merge   *Merge // the rows that the flows give are changes, which are applied by key; otherwise nil
	// Why says why the rows cannot be computed again; empty when they can. The rules are looked at all the same.
	Why string
}

// Merge is how changes are applied.
type Merge struct {
	Spec cdc.Spec
	// Changes gives the relation of the changes that the rows of a query stand for.
	Changes func(query string) string
	// Keep is how long deletes are remembered, 0 where there are none, or for ever.
	Keep time.Duration
}

// Flow is one query.
type Flow struct {
	Name, SQL   string
	Fingerprint string     // of the query
	Relations   []Relation // that SQL names, in the order in which to make them
}

// Relation is a name in a query.
type Relation struct {
	Name string
	View string // its query; empty for a table of the lake
	New  bool   // it is named as the new rows
}

// schema is the schema of DuckDB in which a query names the relation.
func (r Relation) schema() string {
	if r.New {
		return `"__stream"`
	}
	return "main"
}

// skip is why something cannot be compared. It is no finding.
type skip string

func (s skip) Error() string { return string(s) }

func skipf(format string, args ...any) error { return skip(fmt.Sprintf(format, args...)) }

// checkComputed compares the stored rows with the rules that they have passed, and with what the queries give.
func (a *auditor) checkComputed(ctx context.Context, accounting map[string]tableAccounting) error {
	if a.Recompute == nil || a.Recompute.Why != "" {
		return ctx.Err()
	}
	for _, c := range a.Recompute.Tables {
		t, out := a.loaded[c.Name], a.table(c.Name)
		if t == nil || len(t.history) == 0 || accounting[c.Name] == nil {
			continue // nothing was written to it
		}
		if len(out.Findings) > 0 {
			out.Skipped = append(out.Skipped, Skipped{"rows", "something else is wrong with the table"})
			continue
		}
		if c.Merge == nil && slices.ContainsFunc(c.Rules.Rules, binding) { // else they are about changes
			if err := a.note(ctx, out, "rules", a.checkRules(ctx, c, t, accounting[c.Name])); err != nil {
				return err
			}
		}
		if err := a.note(ctx, out, "rows", a.checkRows(ctx, c, t, accounting)); err != nil {
			return err
		}
	}
	return nil
}

// note notes what was compared, or why it was not: only an interrupted audit is an error.
func (a *auditor) note(ctx context.Context, out *Table, what string, err error) error {
	var why skip
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		out.Recomputed = append(out.Recomputed, what)
	case errors.As(err, &why):
		out.Skipped = append(out.Skipped, Skipped{what, string(why)})
	default:
		out.Skipped = append(out.Skipped, Skipped{what, duckerr.Text(err)})
	}
	return nil
}

// binding reports whether no row that violates the rule is stored.
func binding(r expectations.Rule) bool { return r.Action != expectations.Warn }

// checkRules looks for stored rows that violate a rule which drops such rows, or stops the update.
func (a *auditor) checkRules(ctx context.Context, c Computed, t *stored, accounting tableAccounting) error {
	files, partly := t.under(accounting, c.Rules.Hash())
	if len(files) == 0 && partly != nil {
		return partly
	}
	var rules []expectations.Rule
	var counts []string
	for _, r := range c.Rules.Rules {
		if !binding(r) {
			continue
		}
		if !r.Deterministic {
			partly = skipf("expectation %s depends on the time", r.Name)
			continue
		}
		rules = append(rules, r)
		counts = append(counts, "count(*) FILTER (WHERE "+r.Predicate()+" IS NOT TRUE)")
	}
	if len(rules) == 0 {
		return partly
	}
	violated := make([]int64, len(rules))
	into := make([]any, len(rules))
	for i := range violated {
		into[i] = &violated[i]
	}
	from := fmt.Sprintf("(SELECT %s FROM %s)", duck.Shaped(t.head.Schema, c.Columns), duck.ReadFiles(t.head.Schema, files))
	query := "SELECT " + strings.Join(counts, ", ") + " FROM " + from
	if err := a.DB.Conn().QueryRowContext(ctx, query).Scan(into...); err != nil {
		return err
	}
	for i, n := range violated {
		if n > 0 {
			a.find(Finding{Table: c.Name, Check: CheckRecompute, Found: n, Remedy: a.recompute(c.Name),
				Message: fmt.Sprintf("%s violate expectation %s (on_violation: %s), which the commits applied",
					rows(n), rules[i].Name, rules[i].Action)})
		}
	}
	return partly
}

// under are the live files whose rows have passed the rules of this hash. The error says that there may be others.
func (t *stored) under(accounting tableAccounting, hash string) ([]lake.DataFile, error) {
	since := accounting.replaced()
	passed, all := map[int64]bool{}, true
	for commit, e := range accounting {
		if commit >= since && e.written > 0 {
			passed[commit] = e.passed(hash)
			all = all && passed[commit]
		}
	}
	if all {
		return t.head.Files, nil
	}
	sure := map[string]bool{}
	for _, s := range t.history {
		if rewrites(s) { // rows of several commits
			continue
		}
		for _, path := range s.Added {
			sure[path] = passed[s.Commit]
		}
	}
	files := slices.DeleteFunc(slices.Clone(t.head.Files), func(f lake.DataFile) bool { return !sure[f.Path] })
	return files, skip("its expectations have changed since some of its rows were written")
}

// passed reports whether all flows applied the rules of this hash.
func (e *entry) passed(hash string) bool {
	for _, h := range e.rules {
		if h != hash {
			return false
		}
	}
	return true
}

// checkRows compares the stored rows with those that the queries give.
func (a *auditor) checkRows(ctx context.Context, c Computed, t *stored, accounting map[string]tableAccounting) error {
	if c.Why != "" {
		return skip(c.Why)
	}
	if err := sameQueries(c, t, accounting[c.Name]); err != nil {
		return err
	}
	if c.forgets(t) {
		return skip("deletes that it once knew may be forgotten (tombstone_retention)")
	}
	again := computation{auditor: a, table: c, accounting: accounting}
	defer again.drop(context.WithoutCancel(ctx))
	if err := again.run(ctx, computedRows, false); err != nil {
		return err
	}
	// The rows were widened to the stored types as they were written.
	relation := func(name string) string {
		kept := "FROM " + name
		if c.Merge == nil {
			kept = c.Rules.KeptSQL(name)
		}
		return fmt.Sprintf("(SELECT %s FROM (%s))", duck.Shaped(c.Columns, t.head.Schema), kept)
	}
	contents := duck.ReadFiles(t.head.Schema, t.head.Files)
	d, err := a.compare(ctx, t.head.Schema, contents, relation(computedRows))
	if err != nil {
		return err
	}
	figures, err := again.recount(ctx, computedRows)
	if err != nil {
		return err
	}
	wrong := differing(c, accounting[c.Name].last(), figures)
	if d == (difference{}) && len(wrong) == 0 {
		return nil
	}
	// What is first, last or in a list may come from the order in which the rows happened to be read. Of few rows, two
	// random orders can give the same.
	for range shuffles {
		if err := again.run(ctx, shuffledRows, true); err != nil {
			return err
		}
		moved, err := a.compare(ctx, t.head.Schema, relation(shuffledRows), relation(computedRows))
		if err != nil {
			return err
		}
		others, err := again.recount(ctx, shuffledRows)
		if err != nil {
			return err
		}
		if moved != (difference{}) || !slices.Equal(others, figures) {
			return skip("what its query gives depends on the order of the rows that it reads")
		}
	}
	if d != (difference{}) {
		a.find(Finding{Table: c.Name, Check: CheckRecompute, Expected: d.missing, Found: d.extra, Remedy: a.recompute(c.Name),
			Message: fmt.Sprintf("computed again, its query gives %s that the table does not have, and the table has %s that it does not give",
				rows(d.missing), rows(d.extra))})
	}
	for _, f := range wrong {
		f.Remedy = a.recompute(c.Name)
		a.find(f)
	}
	return nil
}

// forgets reports whether a delete may be forgotten that an older change came after: the history is long, or begins
// with rows of before.
func (c Computed) forgets(t *stored) bool {
	return c.Merge != nil && c.Merge.Keep > 0 && (t.history[0].AddedRows != t.history[0].TotalRows || time.Since(t.history[0].Time) > c.Merge.Keep)
}

// sameQueries makes sure that all stored rows come from the queries and rules as they are now.
func sameQueries(c Computed, t *stored, accounting tableAccounting) error {
	if lacks := lacking(c.Columns, t.head.Schema); lacks != "" {
		return skipf("its query gives a column %s, which the table gets with the next update", lacks)
	}
	if lacks := lacking(t.head.Schema, c.Columns); lacks != "" {
		return skipf("its query does not give the column %s, which is stored", lacks)
	}
	since := accounting.replaced()
	for commit, e := range accounting {
		if commit < since {
			continue
		}
		if !e.passed(c.Rules.Hash()) {
			return skip("its expectations have changed since rows were written")
		}
		for flow, query := range e.queries {
			i := slices.IndexFunc(c.Flows, func(f Flow) bool { return f.Name == flow })
			switch {
			case i < 0:
				return skipf("it has rows of the flow %s, which is gone", flow)
			case query == "" && c.Appends: // for the others, Why knows
				return skip("rows were written by a version of lakeflow that did not note their query")
			case query != "" && query != c.Flows[i].Fingerprint:
				return skip("its query has changed since rows were written")
			}
		}
	}
	return nil
}

// lacking is a column that one table has and another has not; empty when there is none.
func lacking(has, hasNot schemas.Table) string {
	for _, c := range has {
		if hasNot.Column(c.Name) == nil {
			return c.Name
		}
	}
	return ""
}

// The relations of rows that are computed again.
const (
	computedRows = `"__audit_computed"`
	shuffledRows = `"__audit_shuffled"`
)

// shuffles are the random orders that are tried before a difference is a finding.
const shuffles = 6

// computation computes the rows of a table once more.
type computation struct {
	*auditor
	table      Computed
	accounting map[string]tableAccounting
	made       []string // statements that drop what was made
}

func (c *computation) exec(ctx context.Context, drop, format string, args ...any) error {
	if drop != "" {
		c.made = append(c.made, drop)
	}
	return c.DB.Exec(ctx, fmt.Sprintf(format, args...))
}

// drop removes everything that was made, the last first.
func (c *computation) drop(ctx context.Context) {
	for _, statement := range slices.Backward(c.made) {
		_ = c.DB.Exec(ctx, statement) // nobody looks at it any more
	}
}

// run makes the table called name of the rows that the queries give. Shuffled reads the inputs in another order.
func (c *computation) run(ctx context.Context, name string, shuffled bool) error {
	if err := c.exec(ctx, "", `CREATE SCHEMA IF NOT EXISTS "__stream"`); err != nil {
		return err
	}
	for i, f := range c.table.Flows {
		for _, r := range f.Relations {
			query := r.View + "\n"
			if r.View == "" {
				from, err := c.input(ctx, f, r, shuffled)
				if err != nil {
					return err
				}
				query = "SELECT * FROM " + from
			}
			view := r.schema() + "." + quote.Name(r.Name)
			if err := c.exec(ctx, "DROP VIEW IF EXISTS "+view, "CREATE OR REPLACE VIEW %s AS %s", view, query); err != nil {
				return err
			}
		}
		verb := "CREATE OR REPLACE TEMP TABLE " + name + " AS "
		if i > 0 {
			verb = "INSERT INTO " + name + " "
		}
		if err := c.exec(ctx, "DROP TABLE IF EXISTS "+name, "%s%s", verb, f.SQL); err != nil {
			return err
		}
	}
	if c.table.Merge != nil {
		return c.merge(ctx, name)
	}
	return nil
}

// merge puts what the changes in a table make of nothing in their place.
func (c *computation) merge(ctx context.Context, name string) (err error) {
	m := c.table.Merge
	empty := func(columns schemas.Table) string {
		place := schemas.Type{Kind: schemas.BigInt}
		return duck.Empty(append(columns, schemas.Column{Name: duck.FileColumn, Type: place}, schemas.Column{Name: duck.RowColumn, Type: place}))
	}
	from := cdc.Relations{Changes: m.Changes(c.table.Rules.KeptSQL(name)), Target: empty(m.Spec.Target()), State: empty(m.Spec.State())}
	r, err := m.Spec.Apply(ctx, c.DB.Conn(), from, "__audit_merge_", time.Now(), m.Keep)
	if err != nil {
		return err
	}
	defer func() {
		if e := r.Drop(context.WithoutCancel(ctx), c.DB.Conn()); err == nil {
			err = e
		}
	}()
	const merged = `"__audit_merged"`
	if err := c.exec(ctx, "DROP TABLE IF EXISTS "+merged, "CREATE OR REPLACE TEMP TABLE %s AS %s", merged, r.AddTarget); err != nil {
		return err
	}
	return c.exec(ctx, "", "CREATE OR REPLACE TEMP TABLE %s AS FROM %s", name, merged)
}

// input is the version of a table that the stored rows were made of.
func (c *computation) input(ctx context.Context, f Flow, r Relation, shuffled bool) (string, error) {
	key := position.Key{Kind: position.Whole, Table: c.table.Name, Flow: f.Name, Input: r.Name}
	if r.New {
		key.Kind = position.Upstream
	}
	contents, err := c.version(ctx, r, c.State.Positions.Commit(key))
	if err != nil {
		return "", err
	}
	from := duck.ReadFiles(contents.Schema, contents.Files)
	if i := slices.IndexFunc(c.Recompute.Tables, func(t Computed) bool { return t.Name == r.Name }); i >= 0 {
		// A query with * was compiled without such a column: it is no longer given, or its source is away.
		if lacks := lacking(contents.Schema, c.Recompute.Tables[i].Columns); lacks != "" {
			return "", skipf("it reads table %s, whose query does not give the column %s, which is stored", r.Name, lacks)
		}
		next, changes, _ := schemas.Evolve(contents.Schema, c.Recompute.Tables[i].Columns)
		if len(changes) > 0 && next != nil {
			from = fmt.Sprintf("(SELECT %s FROM %s)", duck.Shaped(contents.Schema, next), from)
		}
	}
	if !shuffled {
		return from, nil
	}
	table := fmt.Sprintf(`"__audit_input_%d"`, len(c.made))
	return table, c.exec(ctx, "DROP TABLE IF EXISTS "+table,
		"CREATE TEMP TABLE %s AS SELECT * FROM %s ORDER BY random()", table, from)
}

// version is what an input held up to a commit.
func (c *computation) version(ctx context.Context, r Relation, commit int64) (*lake.Contents, error) {
	t := c.loaded[r.Name]
	switch {
	case t == nil || commit == 0 || t.err == nil && len(t.history) == 0:
		for _, x := range c.Recompute.Tables {
			if x.Name == r.Name {
				return &lake.Contents{Schema: x.Columns}, nil
			}
		}
		return nil, skipf("table %s, which it reads, is not there", r.Name)
	case t.broken || t.err != nil || len(c.auditor.table(r.Name).Findings) > 0:
		return nil, skipf("something is wrong with table %s, which it reads", r.Name)
	case r.New && c.accounting[r.Name].replaced() > commit:
		return nil, skipf("the rows of table %s, which it reads, were replaced since", r.Name)
	}
	var found *lake.Snapshot
	for i, s := range t.history {
		if s.Commit > 0 && s.Commit <= commit {
			found = &t.history[i]
		}
	}
	switch {
	case found == nil:
		return nil, skipf("table %s, which it reads, has no version of commit %d any more", r.Name, commit)
	case found.ID == t.history[len(t.history)-1].ID:
		return t.head, nil
	}
	contents, err := c.Lake.Files(ctx, r.Name, lake.Version{Snapshot: found.ID})
	if errors.Is(err, lake.ErrExpired) || errors.Is(err, lake.ErrNoTable) {
		return nil, skipf("table %s, which it reads, has no version of commit %d any more", r.Name, commit)
	}
	return contents, err
}
