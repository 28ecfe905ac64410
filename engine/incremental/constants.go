package incremental

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/schemas"
)

// expression notes the tables that subqueries in an expression read: they are constants until one of their tables
// changes, and all is computed again then. It refuses those that have no single value.
func (b *builder) expression(e syntax.Expression, sc *scope) error {
	var err error
	syntax.Walk(e, func(n syntax.Node, _ syntax.Scope) bool {
		q, ok := n.(syntax.Subquery)
		if !ok || err != nil || !readsTables(q) {
			return err == nil
		}
		err = b.constant(q, sc)
		return false
	})
	return err
}

func (b *builder) constant(q syntax.Subquery, sc *scope) error {
	refuse := func(n syntax.Node, why string) error {
		return b.issue(SubqueryExpression, n, why+" Of other subqueries in expressions only EXISTS, NOT EXISTS and IN are "+
			"incremental, as conditions of WHERE that are joined by AND.")
	}
	tables := map[string]bool{}
	if outer := b.tablesOf(q, sc, tables); outer != "" {
		return refuse(q, "This subquery reads the common table expression "+outer+".")
	}
	if n, why := b.query.unsteady(q, tables); n != nil {
		return refuse(q, why)
	}
	b.holds(tables, Issue{SubqueryExpression, "which this subquery reads", b.view, place(q)})
	return nil
}

// holds makes constants of tables that a node reads. The message of the issue says how it reads them.
func (b *builder) holds(tables map[string]bool, issue Issue) {
	names := slices.Sorted(maps.Keys(tables))
	for _, name := range names {
		if _, known := b.constants[name]; !known {
			b.constants[name] = issue
		}
	}
	issue.Message = "The view is computed in full when " + strings.Join(names, " or ") + " changes, " + issue.Message + "."
	if !slices.Contains(b.notes, issue) {
		b.notes = append(b.notes, issue)
	}
}

// place is where a node stands, or what it begins with.
func place(n syntax.Node) int {
	if at := n.At(); at >= 0 {
		return at
	}
	return n.First()
}

// tablesOf notes the tables that a node reads, by itself and through views. It returns the name of a common table
// expression of a query around it that is read.
func (b *builder) tablesOf(n syntax.Node, sc *scope, into map[string]bool) (outer string) {
	syntax.Walk(n, func(n syntax.Node, inner syntax.Scope) bool {
		t, ok := n.(syntax.BaseTable)
		if !ok || inner.Provides(t) {
			return true
		}
		if t.Schema() == "" && t.Catalog() == "" && sc.find(t.Name()) != nil {
			outer = t.Name()
			return true
		}
		if name, r, ok := b.query.relation(t.Name()); ok && r.View != "" {
			b.tablesOf(b.views[strings.ToLower(name)], nil, into)
		} else if ok {
			into[name] = true
		}
		return true
	})
	return outer
}

// unsteady finds what may give another value when the same rows are read again, and says why.
func (q Query) unsteady(n syntax.Node, tables map[string]bool) (found syntax.Node, why string) {
	bad := func(n syntax.Node, text string) { found, why = n, text }
	syntax.Walk(n, func(n syntax.Node, _ syntax.Scope) bool {
		switch n := n.(type) {
		case syntax.Window:
			bad(n, "A window may number equal rows in another order.")
		case syntax.Select:
			if n.Sampled() {
				bad(n, "A sample takes its rows by chance.")
			}
			if !fixed(n.Modifiers()) {
				bad(n, "LIMIT and DISTINCT ON may take other rows.")
			}
		case syntax.SetOperation:
			if !fixed(n.Modifiers()) {
				bad(n, "LIMIT and DISTINCT ON may take other rows.")
			}
		case syntax.Function:
			if q.aggregates(n) && !q.exact(n, tables) {
				bad(n, n.Name()+" may have other last digits, or another one of equal values, when it is computed again.")
			}
		}
		return found == nil
	})
	return found, why
}

// fixed reports whether modifiers leave the set of rows as it is.
func fixed(all []syntax.Modifier) bool {
	return !slices.ContainsFunc(all, func(m syntax.Modifier) bool {
		return m.Word() != syntax.OrderBy && (m.Word() != syntax.Distinct || len(m.On()) > 0)
	})
}

// exact reports whether an aggregate has the same value whenever it is computed from columns of tables: of sums that is
// known of columns that are whole numbers or decimals.
func (q Query) exact(f syntax.Function, tables map[string]bool) bool {
	if slices.Contains(exactAggregates, f.Name()) {
		return true
	}
	arguments := f.Arguments()
	if !slices.Contains([]string{"sum", "avg", "mean"}, f.Name()) || len(arguments) != 1 {
		return false
	}
	c, ok := arguments[0].(syntax.ColumnRef)
	if !ok {
		return false
	}
	known := false
	for name := range tables {
		if column := q.Relations[name].Columns.Column(c.Name()); column != nil {
			known = true
			if !slices.Contains([]schemas.Kind{schemas.Integer, schemas.BigInt, schemas.Decimal}, column.Type.Kind) {
				return false
			}
		}
	}
	return known
}

// onlyConstants refuses a query all of whose tables are constants: whatever changes, all would be computed again.
func (b *builder) onlyConstants() error {
	for name := range b.sourced {
		if _, constant := b.constants[name]; !constant {
			return nil
		}
	}
	if len(b.constants) == 0 {
		return nil
	}
	b.issues = append(b.issues, b.notes...)
	return errBuild
}

// constantsChanged says that a table has changed that was to be constant; it is empty otherwise.
func (t *Technique) constantsChanged(c *composer) string {
	for _, name := range slices.Sorted(maps.Keys(t.constants)) {
		if c.changed(name) {
			return fmt.Sprintf("%s has changed, %s", name, strings.Replace(t.constants[name].Message, "this", "a", 1))
		}
	}
	return ""
}

// named puts other names in the place of the relations that subqueries read: their tables take the place of these when
// the query runs.
func (b *builder) named(n syntax.Node) syntax.Node {
	return syntax.Rewrite(n, func(n syntax.Node, sc syntax.Scope) syntax.Node {
		if t, ok := n.(syntax.BaseTable); ok && !sc.Provides(t) {
			if name, _, known := b.query.relation(t.Name()); known {
				return t.Named(inputName(name))
			}
		}
		return nil
	})
}

// inline puts the queries of views in the place of the names that stand for them.
func (b *builder) inline(text string) string {
	for strings.Contains(text, inputPrefix) {
		before := text
		for name, query := range b.written {
			text = strings.NewReplacer(`"`+inputName(name)+`"`, "("+query+")", inputName(name), "("+query+")").Replace(text)
		}
		if text == before {
			break
		}
	}
	return text
}

// describe returns the names and types of a query's columns.
func (b *builder) describe(ctx context.Context, query string) (names, types []string, err error) {
	return describe(ctx, b.conn, b.empty(query))
}

// empty puts tables without rows in the place of the names that stand for them.
func (b *builder) empty(query string) string {
	c := &composer{in: Inputs{New: func(name string) (string, error) {
		return "(" + noRows(b.query.Relations[name].Columns) + ")", nil
	}}}
	return c.inputs(b.query, query)
}
