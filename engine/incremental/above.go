package incremental

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
)

// merge puts the linear selections around a GROUP BY into it: their WHERE becomes HAVING, and their select list is that
// of the groups.
func (g *group) merge(above []*selection) {
	items, having := g.items, g.having
	g.hidden = unnests(items)
	for _, outer := range slices.Backward(above) {
		if _, ok := outer.from.(*derived); !ok || len(outer.tests) > 0 {
			g.hidden = true
			return
		}
		r := renaming{inner: items, alias: strings.Trim(outer.from.name(), `"`), names: outer.from.(*derived).columns}
		for i := range items {
			if i >= len(r.names) {
				r.names = append(slices.Clip(r.names), nameOf(items[i]))
			}
		}
		outside := outer.node.Items()
		a := aliases{items: outside, columns: r.names}
		var next []syntax.Expression
		for _, e := range outside {
			next = append(next, r.items(a.resolve(e))...)
		}
		for _, e := range a.all(outer.plain) {
			having = append(having, r.expression(e))
		}
		if r.failed || unnests(next) {
			g.hidden = true
			return
		}
		items = next
	}
	if !g.hidden {
		g.items, g.having = items, having
	}
}

// nameOf is the name that an item of a select list has for the query around it; empty when DuckDB makes one up.
func nameOf(e syntax.Expression) string {
	if c, ok := e.(syntax.ColumnRef); ok && e.Alias() == "" {
		return c.Name()
	}
	return e.Alias()
}

// unnests reports whether items may give several rows.
func unnests(items []syntax.Expression) (found bool) {
	for _, e := range items {
		syntax.Walk(e, func(n syntax.Node, _ syntax.Scope) bool {
			f, ok := n.(syntax.Function)
			found = found || ok && (f.Name() == "unnest" || f.Name() == "unlist")
			return !found
		})
	}
	return found
}

// renaming puts the items of an inner query in the place of their names.
type renaming struct {
	inner  []syntax.Expression
	alias  string
	names  []string
	failed bool
}

func (r *renaming) items(e syntax.Expression) []syntax.Expression {
	star, ok := e.(syntax.Star)
	if !ok {
		return []syntax.Expression{r.expression(e)}
	}
	excluded, plain := star.Excluded()
	r.failed = r.failed || !plain
	var all []syntax.Expression
	for i, e := range r.inner {
		if !matcher(excluded).has(r.names[i]) {
			all = append(all, e.Named(r.names[i]))
		}
	}
	return all
}

func (r *renaming) expression(e syntax.Expression) syntax.Expression {
	return syntax.Rewrite(e, func(n syntax.Node, _ syntax.Scope) syntax.Node {
		switch n := n.(type) {
		case syntax.Subquery, syntax.Star:
			r.failed = true
		case syntax.OtherExpression:
			r.failed = r.failed || n.Kind() == "LAMBDA"
		case syntax.ColumnRef:
			path := n.Path()
			if len(path) == 2 && strings.EqualFold(path[0], r.alias) {
				path = path[1:]
			}
			same := func(name string) bool { return strings.EqualFold(name, path[0]) }
			at := slices.IndexFunc(r.names, same)
			if len(path) > 1 || at < 0 || slices.ContainsFunc(r.names[at+1:], same) {
				r.failed = true
				return n
			}
			alias := n.Alias()
			if alias == "" {
				alias = n.Name()
			}
			return r.inner[at].Named(alias)
		}
		return nil
	})
}

// path finds the linear selections around a keyed one, outermost first, that hand on its rows: each of theirs comes
// from one row of it.
func (b body) path(target *selection) ([]level, bool) {
	if len(b) != 1 {
		return nil, false
	}
	s := b[0]
	if s == target {
		return nil, true
	}
	if s.keyed != nil {
		return nil, false
	}
	for _, d := range preserved(s.from) {
		if inner, ok := d.body.path(target); ok {
			return append([]level{{selection: s, link: d}}, inner...), true
		}
	}
	return nil, false
}

// preserved are the derived tables whose rows a source has, never with NULL in their place.
func preserved(s source) []*derived {
	switch s := s.(type) {
	case *derived:
		return []*derived{s}
	case *join:
		switch s.word {
		case "INNER":
			return append(preserved(s.left), preserved(s.right)...)
		case "LEFT", "SEMI", "ANTI":
			return preserved(s.left)
		case "RIGHT":
			return preserved(s.right)
		}
	}
	return nil
}
