package incremental

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// calls are the aggregates and windows in expressions, outermost only.
type calls struct {
	aggregates []syntax.Function
	windows    []syntax.Window
}

func (q Query) calls(all ...syntax.Expression) (c calls) {
	for _, e := range all {
		if e == nil {
			continue
		}
		syntax.Walk(e, func(n syntax.Node, _ syntax.Scope) bool {
			switch n := n.(type) {
			case syntax.Subquery:
				return false
			case syntax.Window:
				c.windows = append(c.windows, n)
			case syntax.Function:
				if q.aggregates(n) {
					c.aggregates = append(c.aggregates, n)
					return false
				}
			}
			return true
		})
	}
	return c
}

// aggregates reports whether a function is an aggregate, by its name or by what only aggregates have.
func (q Query) aggregates(f syntax.Function) bool {
	return q.class(f.Name()) == Aggregate || f.Filter() != nil || f.Distinct() || f.Ordered()
}

func (q Query) class(function string) Class {
	if q.Functions == nil {
		return Pure
	}
	return q.Functions(function)
}

// keys decides whether a selection is linear, and refuses what is neither linear nor keyed.
func (b *builder) keys(s *selection, q syntax.Select, on *syntax.Modifier, sc *scope) error {
	rest := slices.Concat(q.Items(), q.Groups(), []syntax.Expression{q.Having(), q.Qualify()})
	if on != nil { // ORDER BY says which row is taken
		rest = append(rest, on.On()...)
		for _, m := range q.Modifiers() {
			rest = append(rest, m.Orders()...)
		}
	}
	for _, e := range rest {
		if e != nil {
			if err := b.expression(e, sc); err != nil {
				return err
			}
		}
	}
	c := b.query.calls(rest...)
	grouped := len(c.aggregates) > 0 || len(q.Groups()) > 0 || q.GroupAll() || q.Having() != nil
	for _, w := range c.windows {
		if len(w.Partitions()) == 0 {
			return b.issue(WindowNoPartition, w, "A window without PARTITION BY depends on all rows.")
		}
	}
	if !q.OneGrouping() {
		return b.issue(NotSupported, q, "GROUPING SETS, ROLLUP and CUBE group the rows several times: "+
			"write a UNION ALL of queries.")
	}
	k := &keyed{at: q.First()}
	switch {
	case on != nil && (grouped || len(c.windows) > 0):
		return b.issue(NotSupported, on.On()[0], "DISTINCT ON of groups or windows has no keys of the input.")
	case on != nil:
		k.word, k.nodes = PartitionOverwrite, on.On()
	case len(c.windows) > 0:
		k.word, k.at = WindowFunction, c.windows[0].At()
		for _, w := range c.windows {
			k.windows = append(k.windows, w.Partitions())
		}
		if grouped && (q.GroupAll() || len(q.Groups()) == 0) {
			return b.issue(NotSupported, c.windows[0], "Windows over groups need a GROUP BY that names its expressions.")
		}
	case grouped:
		k.word = GenericAggregate
		if len(c.aggregates) > 0 {
			k.at = place(c.aggregates[0])
		}
	default:
		return nil
	}
	s.keyed = k
	b.keyed = append(b.keyed, s)
	return nil
}

// shared are the expressions of PARTITION BY that all windows have.
func (m matcher) shared(windows [][]syntax.Expression) []syntax.Expression {
	all := slices.Clone(windows[0])
	for _, w := range windows[1:] {
		all = slices.DeleteFunc(all, func(e syntax.Expression) bool { return m.find(w, e) < 0 })
	}
	return all
}

// matcher compares expressions of one selection. It knows the columns of FROM.
type matcher []string

// find is the place of an expression among others, or -1. Columns are the same when one has only the end of the other's
// path, as t.a and a: DuckDB does not take a name that is ambiguous. It may not be a field a of a column t.
func (m matcher) find(all []syntax.Expression, e syntax.Expression) int {
	print := plainPrint(e)
	for i, o := range all {
		if plainPrint(o) == print {
			return i
		}
	}
	c, ok := e.(syntax.ColumnRef)
	if !ok {
		return -1
	}
	for i, o := range all {
		if d, ok := o.(syntax.ColumnRef); ok && m.sameEnd(c.Path(), d.Path()) {
			return i
		}
	}
	return -1
}

func plainPrint(e syntax.Expression) string { return e.Named("").Fingerprint() }

func (m matcher) sameEnd(a, b []string) bool {
	n := min(len(a), len(b))
	field := func(path []string) bool { return len(path) > n && m.has(path[0]) }
	return !field(a) && !field(b) && slices.EqualFunc(a[len(a)-n:], b[len(b)-n:], strings.EqualFold)
}

func (m matcher) has(column string) bool {
	return slices.ContainsFunc(m, func(c string) bool { return strings.EqualFold(c, column) })
}

// finish completes the keyed selections, inner ones first, when the texts of all others are written.
func (b *builder) finish(ctx context.Context) error {
	for _, s := range b.keyed {
		var err error
		b.view = s.view
		if s.keyed.distinct {
			err = b.finishDistinct(ctx, s)
		} else {
			err = b.finishKeyed(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// finishDistinct makes groups of the rows of a DISTINCT or UNION.
func (b *builder) finishDistinct(ctx context.Context, s *selection) error {
	d := s.from.(*derived)
	c := &composer{}
	names, types, err := b.describe(ctx, d.body.text(c, none))
	if err != nil {
		return err
	}
	for i, name := range names { // nobody can name the second of two columns, so that it may have any name
		if matcher(names[:i]).has(name) {
			names[i] = fmt.Sprintf("__column%d", i)
		}
	}
	d.alias, d.columns = aliasText("__d", names), names
	s.template = "SELECT DISTINCT * FROM " + fromMark + " WHERE " + whereMark
	k := s.keyed
	k.types, k.exact = types, true
	k.group = &group{}
	for _, name := range names {
		k.nodes = append(k.nodes, syntax.Column("__d", name))
		k.keys = append(k.keys, "__d."+quote.Name(name))
	}
	k.group.items = k.nodes
	k.group.merge(k.above)
	k.columnsOf = matcher(names).keysOf(k.nodes, k.nodes)
	k.group.prepare(b, matcher(names), k.nodes)
	return b.flush(ctx)
}

// finishKeyed finds what the names of a selection's keys stand for.
func (b *builder) finishKeyed(ctx context.Context, s *selection) error {
	k, q := s.keyed, s.node
	columns, _, err := b.describe(ctx, "SELECT * FROM "+s.from.text(&composer{}, none))
	if err != nil {
		return err
	}
	a, m := aliases{items: q.Items(), columns: columns}, matcher(columns)
	switch k.word {
	case PartitionOverwrite: // DISTINCT ON takes names of the select list before columns
		a.columns = nil
		k.nodes = a.all(ordinals(k.nodes, q.Items()))
		a.columns = columns
	case WindowFunction:
		for i := range k.windows {
			k.windows[i] = a.all(k.windows[i])
		}
		k.nodes = m.shared(k.windows)
		if len(k.nodes) == 0 {
			b.add(WindowNoPartition, "The windows have no PARTITION BY in common.", s.view, k.at)
			return errBuild
		}
		if groups := a.all(ordinals(q.Groups(), q.Items())); len(groups) > 0 {
			k.nodes = slices.DeleteFunc(k.nodes, func(e syntax.Expression) bool { return m.find(groups, e) < 0 })
			if len(k.nodes) == 0 {
				b.add(NotSupported, "The windows are not partitioned by what is grouped.", s.view, k.at)
				return errBuild
			}
		}
	default:
		k.nodes = a.all(b.groupExpressions(q))
		k.group = &group{items: a.all(q.Items())}
		if having := q.Having(); having != nil {
			// HAVING takes what is grouped before names of the select list, and columns before them in aggregates.
			h := aliases{items: q.Items(), within: func(f syntax.Function) syntax.Expression {
				if b.query.aggregates(f) {
					return a.resolve(f)
				}
				return nil
			}}
			for _, n := range k.nodes {
				if c, ok := n.(syntax.ColumnRef); ok {
					h.columns = append(h.columns, c.Name())
				}
			}
			k.group.having = []syntax.Expression{h.resolve(having)}
		}
		k.group.merge(k.above)
	}
	k.columnsOf = m.keysOf(a.all(q.Items()), k.nodes)
	where := a.all(s.plain)
	s.where, k.keys = make([]string, len(where)), make([]string, len(k.nodes))
	for i, n := range where {
		b.write(n, &s.where[i])
	}
	for i, n := range k.nodes {
		b.write(n, &k.keys[i])
	}
	if k.group != nil {
		k.group.prepare(b, m, k.nodes)
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	return b.types(ctx, s)
}

// types finds the types of keys and aggregates, and with them whether values are exact.
func (b *builder) types(ctx context.Context, s *selection) error {
	k := s.keyed
	from, where := s.at(&composer{}, none)
	if len(k.keys) > 0 {
		var err error
		_, k.types, err = b.describe(ctx, "SELECT "+k.columns()+" FROM "+from+" WHERE "+conjunction(where))
		if err != nil {
			return err
		}
	}
	if k.group == nil {
		return nil
	}
	if s.node.GroupAll() && s.node.Having() == nil { // which constants make no groups is for DuckDB to say
		var n int
		err := b.conn.QueryRowContext(ctx, b.empty("SELECT count(*) FROM ("+s.text(&composer{}, none)+")")).Scan(&n)
		if err != nil {
			return err
		}
		if (n == 1) != (len(k.keys) == 0) {
			b.add(NotSupported, "GROUP BY ALL has only constants: write GROUP BY with their names, or leave it out.", s.view, k.at)
			return errBuild
		}
	}
	if s.node.Qualify() != nil {
		k.group = nil
		return nil
	}
	if err := k.group.types(ctx, b, from+" WHERE "+conjunction(where)); err != nil {
		return err
	}
	k.exact = k.group.exact()
	return nil
}

// groupExpressions are what the rows are grouped by.
func (b *builder) groupExpressions(q syntax.Select) (all []syntax.Expression) {
	if len(q.Groups()) > 0 || !q.GroupAll() {
		return ordinals(q.Groups(), q.Items())
	}
	for _, e := range q.Items() {
		if len(b.query.calls(e).aggregates) == 0 && hasColumns(e) { // constants make no groups, also when they are alone
			all = append(all, e.Named(""))
		}
	}
	return all
}

func hasColumns(e syntax.Expression) (found bool) {
	syntax.Walk(e, func(n syntax.Node, _ syntax.Scope) bool {
		_, column := n.(syntax.ColumnRef)
		found = found || column
		return !found
	})
	return found
}

// ordinals puts the items in place of their numbers.
func ordinals(all, items []syntax.Expression) []syntax.Expression {
	all = slices.Clone(all)
	for i, e := range all {
		if c, ok := e.(syntax.Constant); ok {
			if n, ok := c.Integer(); ok && n >= 1 && n <= len(items) {
				all[i] = items[n-1].Named("")
			}
		}
	}
	return all
}

// aliases are the names that a select list gives.
type aliases struct {
	items   []syntax.Expression
	columns []string                                // of FROM, which go first
	within  func(syntax.Function) syntax.Expression // resolves what is in a function, if not nil
}

func (a aliases) all(list []syntax.Expression) []syntax.Expression {
	out := make([]syntax.Expression, len(list))
	for i, e := range list {
		out[i] = a.resolve(e)
	}
	return out
}

// resolve puts the items in place of their names.
func (a aliases) resolve(e syntax.Expression) syntax.Expression { return a.deep(e, len(a.items)) }

func (a aliases) deep(e syntax.Expression, depth int) syntax.Expression {
	return syntax.Rewrite(e, func(n syntax.Node, _ syntax.Scope) syntax.Node {
		switch n := n.(type) {
		case syntax.Subquery:
			return n
		case syntax.OtherExpression:
			if n.Kind() == "LAMBDA" {
				return n
			}
		case syntax.Function:
			if a.within != nil {
				if resolved := a.within(n); resolved != nil {
					return resolved
				}
			}
		case syntax.ColumnRef:
			if len(n.Path()) != 1 || matcher(a.columns).has(n.Name()) {
				return nil
			}
			for i := range a.items {
				if strings.EqualFold(a.items[i].Alias(), n.Name()) && depth > 0 && plainPrint(a.items[i]) != plainPrint(n) {
					return a.deep(a.items[i], depth-1).Named(n.Alias())
				}
			}
		}
		return nil
	})
}
