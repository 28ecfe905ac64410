package incremental

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// Analyze picks the cheapest technique that is correct. It fails only when DuckDB does not take the query: what cannot
// be done is COMPLETE_RECOMPUTE, and Issues say why.
func Analyze(ctx context.Context, conn *sql.Conn, q Query) (*Technique, error) {
	b := &builder{query: q, conn: conn, views: map[string]syntax.Query{}, written: map[string]string{},
		sourced: map[string]bool{}, constants: map[string]Issue{}}
	root, full, err := b.parse(ctx)
	if err != nil {
		return nil, err
	}
	t := &Technique{query: q, full: full}
	if err := b.stable(root); err == nil {
		err = b.plan(ctx, root, t)
		if err != nil && !errors.Is(err, errBuild) {
			b.add(NotSupported, "DuckDB does not take the parts of this query: "+firstLine(err)+".", b.view, -1)
			t.way = nil
		}
	}
	if t.way == nil {
		t.Name, t.State, t.Taken = CompleteRecompute, nil, ""
	}
	t.Issues = b.issues
	return t, ctx.Err()
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSuffix(line, ".")
}

// parse reads the query and its views, and writes the query with other names in place of its tables.
func (b *builder) parse(ctx context.Context) (root syntax.Query, full string, err error) {
	names, texts := []string{""}, []string{b.query.SQL}
	for name, r := range b.query.Relations {
		if r.View != "" {
			names, texts = append(names, name), append(texts, r.View)
		}
	}
	parsed, err := syntax.ParseAll(ctx, b.conn, texts)
	if err != nil {
		return nil, "", err
	}
	nodes := make([]syntax.Node, len(parsed))
	for i, p := range parsed {
		s, ok := p.Only()
		switch {
		case p.Refused != nil:
			return nil, "", fmt.Errorf("the query is no SELECT: %s", p.Refused.Message)
		case !ok || s.Query() == nil:
			return nil, "", errors.New("the query is no single SELECT")
		}
		s = withoutMain(s)
		b.views[strings.ToLower(names[i])] = s.Query()
		nodes[i] = exactNumbers(b.renamed(s))
	}
	written, err := syntax.Texts(ctx, b.conn, nodes)
	if err != nil {
		return nil, "", err
	}
	for i, name := range names[1:] {
		b.written[name] = written[i+1]
	}
	return b.views[""], b.inline(written[0]), nil
}

// withoutMain takes the schema from the names of columns.
func withoutMain(s syntax.Statement) syntax.Statement {
	return syntax.Rewrite(s, func(n syntax.Node, _ syntax.Scope) syntax.Node {
		if c, ok := n.(syntax.ColumnRef); ok && len(c.Path()) > 2 && strings.EqualFold(c.Path()[0], "main") {
			return syntax.Column(c.Path()[1:]...).Named(c.Alias())
		}
		return nil
	})
}

// renamed puts other names in the place of those of relations.
func (b *builder) renamed(s syntax.Statement) syntax.Statement {
	return syntax.Rewrite(s, func(n syntax.Node, sc syntax.Scope) syntax.Node {
		t, ok := n.(syntax.BaseTable)
		if !ok || sc.Provides(t) {
			return nil
		}
		if name, _, known := b.query.relation(t.Name()); known {
			return t.Named(inputName(name))
		}
		return nil
	})
}

// stable refuses functions that give other values in another query, in the query and in the views that it reads.
func (b *builder) stable(root syntax.Query) error {
	seen := map[string]bool{}
	var bad error
	var check func(q syntax.Query)
	check = func(q syntax.Query) {
		syntax.Walk(q, func(n syntax.Node, sc syntax.Scope) bool {
			name := ""
			switch n := n.(type) {
			case syntax.Function:
				name = n.Name()
			case syntax.TableFunction:
				name = n.Name()
			case syntax.Window:
				name = n.Name()
			case syntax.ColumnRef: // current_date has no parentheses
				lower := strings.ToLower(n.Name())
				bare := strings.HasPrefix(lower, "current_") || strings.HasPrefix(lower, "local")
				if bare && len(n.Path()) == 1 && !b.query.hasColumn(lower) {
					name = lower
				}
			case syntax.BaseTable:
				view, r, ok := b.query.relation(n.Name())
				if ok && r.View != "" && !sc.Provides(n) && !seen[view] {
					seen[view] = true
					outer := b.view
					b.view = view
					check(b.views[strings.ToLower(view)])
					b.view = outer
				}
			}
			if name != "" && b.query.class(name) == Unstable {
				bad = b.issue(NotDeterministic, n, name+" has another value whenever the query runs.")
			}
			return true
		})
	}
	check(root)
	return bad
}

func (q Query) hasColumn(name string) bool {
	for _, r := range q.Relations {
		if r.Columns.Column(name) != nil {
			return true
		}
	}
	return false
}

// plan sets the way of a technique, or leaves it nil.
func (b *builder) plan(ctx context.Context, root syntax.Query, t *Technique) error {
	var err error
	if t.body, err = b.body(root, nil); err != nil {
		return err
	}
	if err = b.onlyConstants(); err != nil {
		return err
	}
	t.constants = b.constants
	b.view = ""
	keyed, top := slices.Clone(b.keyed), t.body.top()
	if err := b.flush(ctx); err != nil {
		return err
	}
	if err := b.finish(ctx); err != nil {
		return err
	}
	b.view = ""
	for _, c := range b.candidates(ctx, t, top, keyed) {
		t.Name, t.way, t.State = c.name, c.way, c.state
		err := t.bind(ctx, b.conn)
		if err == nil {
			b.issues = slices.Concat(b.issues, c.issues, b.notes)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.add(NotSupported, "DuckDB does not take the parts of "+c.name+": "+firstLine(err)+".", "", -1)
		t.way = nil
	}
	return nil
}

// top is the keyed selection that has only linear ones around it, and its keyed.above is set to these; nil when there
// is none.
func (b body) top() *selection {
	var above []*selection
	for len(b) == 1 {
		s := b[0]
		if s.keyed != nil {
			s.keyed.above = above
			return s
		}
		d, ok := s.from.(*derived)
		if !ok || len(s.tests) > 0 {
			return nil
		}
		above, b = append(above, s), d.body
	}
	return nil
}

// candidate is a way to refresh the view.
type candidate struct {
	name   string
	way    way
	state  schemas.Table
	issues []Issue
}

// candidates are the ways, the cheapest first.
func (b *builder) candidates(ctx context.Context, t *Technique, top *selection, keyed []*selection) (all []candidate) {
	target := top // whose rows of touched keys are computed anew
	for _, s := range keyed {
		if s == top || s.keyed.exact {
			continue
		}
		if target != nil && !target.keyed.exact {
			b.issues = append(b.issues, s.inexact())
			return nil
		}
		target = s
	}
	if target == nil {
		name := AppendOnly
		if len(keyed) > 0 || !onlyAppends(t.body) || b.rowsChange() {
			name = RowBased
		}
		return []candidate{{name: name, way: &rows{t.body}}}
	}
	k := target.keyed
	if target == top && k.group != nil {
		if c, ok := b.grouping(ctx, t, top); ok {
			all = append(all, c)
		}
	}
	if above, outputs, ok := b.outputs(ctx, t, target); ok && len(k.nodes) > 0 {
		name := k.word
		if name == GroupAggregate {
			name = PartitionOverwrite
		}
		all = append(all, candidate{name: name, way: &overwrite{above, target, outputs}, issues: b.reads(target)})
	}
	if k.exact {
		return append(all, candidate{name: RowBased, way: &rows{t.body}, issues: b.reads(target)})
	}
	if len(all) == 0 {
		b.issues = append(b.issues, target.inexact())
	}
	return all
}

// rowsChange reports whether rows of a table may go.
func (b *builder) rowsChange() bool {
	for name := range b.sourced {
		if b.query.Relations[name].RowsChange {
			return true
		}
	}
	return false
}

// onlyAppends reports whether rows that are added add rows only.
func onlyAppends(all body) bool {
	for _, s := range all {
		if s.keyed != nil || len(s.tests) > 0 || !appends(s.from) {
			return false
		}
	}
	return true
}

func appends(s source) bool {
	switch s := s.(type) {
	case *derived:
		return onlyAppends(s.body)
	case *join:
		return s.word == "INNER" && appends(s.left) && appends(s.right)
	}
	return true
}

// inexact says why the changes of a keyed selection are not known.
func (s *selection) inexact() Issue {
	k := s.keyed
	switch {
	case k.word == WindowFunction:
		return Issue{NotIncrementalizable, "Rows of a window are found again only by columns of the view that are its PARTITION BY: " +
			"select them.", s.view, k.at}
	case k.group == nil:
		return Issue{NotIncrementalizable, "Rows are found again only by columns of the view that are the keys: " +
			"select them.", s.view, k.at}
	}
	for _, a := range k.group.aggregates {
		if !a.exact {
			return Issue{AggregateNotTop, a.name() + " may have other last digits, or another one of equal values, " +
				"when it is computed again: select the keys of its GROUP BY, by which its rows are found again.", s.view, place(a.node)}
		}
	}
	return Issue{AggregateNotTop, "The groups are not on top of the query.", s.view, k.at}
}

// reads says that the input is read for the keys that changes touch.
func (b *builder) reads(s *selection) []Issue {
	if g := s.keyed.group; g != nil && g.lacking != nil {
		return []Issue{{NotIncrementalizable, g.lacking.name() + " does not follow from the changes: " +
			"of each group that they touch, all rows of the input are read.", s.view, place(g.lacking.node)}}
	}
	return nil
}

// grouping is GROUP_AGGREGATE.
func (b *builder) grouping(ctx context.Context, t *Technique, s *selection) (candidate, bool) {
	k := s.keyed
	if k.group.lacking != nil || k.group.hidden || len(k.group.final.items) != len(t.query.Columns) {
		return candidate{}, false
	}
	g := &groups{s: s}
	for i, typ := range k.types {
		stored, ok := stateType(typ)
		if !ok {
			b.add(NotSupported, "A state has no column of type "+typ+": cast what is grouped.", s.view, k.nodes[i].First())
			return candidate{}, false
		}
		g.types = append(g.types, stored)
	}
	if len(k.nodes) > 0 {
		_, g.outputs, _ = b.outputs(ctx, t, s)
		if g.outputs == nil && !k.exact {
			return candidate{}, false
		}
	}
	return candidate{name: GroupAggregate, way: g, state: g.state()}, true
}

// outputs finds the keys of a selection among the view's columns, and what is around the selection.
func (b *builder) outputs(ctx context.Context, t *Technique, s *selection) (above []level, outputs []int, ok bool) {
	k := *s.keyed
	above, ok = t.body.path(s)
	for i := len(above) - 1; i >= 0 && ok; i-- {
		ok = above[i].handOn(ctx, b, &k)
	}
	if !ok {
		return nil, nil, false
	}
	outputs = k.outputs(t.query.Columns)
	return above, outputs, outputs != nil
}

// handOn finds the keys of what a level reads among the columns that it gives itself, and sets columnsOf to them.
func (l *level) handOn(ctx context.Context, b *builder, k *keyed) bool {
	c := &composer{}
	names, _, err := b.describe(ctx, "SELECT * FROM "+l.link.text(c, none))
	all, _, err2 := b.describe(ctx, "SELECT * FROM "+l.from.text(c, none))
	if err != nil || err2 != nil || len(names) < len(k.columnsOf) {
		return false
	}
	l.keys = make([]string, len(k.nodes))
	var keys []syntax.Expression // columns of FROM that are keys
	var which []int
	for i, key := range k.columnsOf {
		if key < 0 {
			continue
		}
		path := []string{names[i]}
		l.keys[key] = quote.Name(names[i])
		if name := l.link.name(); name != "" {
			l.keys[key] = name + "." + l.keys[key]
			path = []string{strings.ReplaceAll(strings.Trim(name, `"`), `""`, `"`), names[i]}
		}
		keys, which = append(keys, syntax.Column(path...)), append(which, key)
	}
	k.columnsOf = matcher(all).keysOf(l.node.Items(), keys)
	for i, at := range k.columnsOf {
		if at >= 0 {
			k.columnsOf[i] = which[at]
		}
	}
	return !slices.Contains(l.keys, "")
}

// bind has DuckDB take all statements of a technique, over no rows. It takes DuckDB longer than to write them, so that
// those which it has taken before are not tried again.
func (t *Technique) bind(ctx context.Context, conn *sql.Conn) error {
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return err
	}
	b := t.unchanged(conn)
	b.composing = true
	if err := t.way.apply(ctx, b); err != nil {
		return err
	}
	results, err := t.results(b)
	if err != nil {
		return err
	}
	all := sha256.New()
	for _, text := range slices.Concat([]string{version}, b.statements, results) {
		_, _ = fmt.Fprintf(all, "%d %s", len(text), text)
	}
	taken := hex.EncodeToString(all.Sum(nil)[:12])
	if taken != t.query.Taken {
		b = t.unchanged(conn)
		err = t.way.apply(ctx, b)
		for _, query := range results {
			if query != "" && err == nil {
				_, _, err = describe(ctx, conn, query)
			}
		}
		err = errors.Join(err, b.result.Drop(context.WithoutCancel(ctx), conn))
	}
	if err == nil {
		t.Taken = taken
	}
	return err
}

// unchanged is a batch over no rows, in which everything may have changed.
func (t *Technique) unchanged(conn *sql.Conn) *batch {
	tables := map[string]string{}
	for name, r := range t.query.Relations {
		if r.View == "" {
			tables[name] = "(" + noRows(r.Columns) + ")"
		}
	}
	read := func(name string) (string, error) { return tables[name], nil }
	places := schemas.Table{{Name: "__file", Type: bigint}, {Name: "__row", Type: bigint}}
	stored := func(columns schemas.Table) Stored {
		return Stored{Rows: "(" + noRows(slices.Concat(columns, places)) + ")", Removed: "(" + noRows(places) + ")"}
	}
	in := Inputs{New: read, Old: read, Added: tables, Removed: tables, View: stored(t.query.Columns), State: stored(t.State)}
	return &batch{technique: t, conn: conn, prefix: "__incremental_", c: &composer{in: in}, result: &Result{}, binding: true}
}

// results are the queries that a batch leaves to others, and those of a full computation.
func (t *Technique) results(b *batch) ([]string, error) {
	view, state, err := t.Full(b.c.in)
	all := []string{b.result.RemoveView, b.result.RemoveState, b.result.AddView, b.result.AddState, view, state}
	for i, query := range all {
		all[i] = b.c.inputs(t.query, query)
	}
	return all, err
}
