package syntax

import "strings"

// Scope is what is known where a node stands.
type Scope struct {
	// Query is the innermost query around the node, or the node itself. It is nil where Walk began inside of one.
	Query Query
	ctes  *cte
}

// cte is a common table expression that is seen, innermost first.
type cte struct {
	name  string  // in lower case
	query *object // nil inside of a recursive one, of itself
	sees  *cte
	outer *cte
}

func (c *cte) find(name string) *cte {
	name = strings.ToLower(name)
	for c != nil && c.name != name {
		c = c.outer
	}
	return c
}

// with adds the common table expressions of a query, which it also returns in their order. Each one sees those before
// it, and itself when it is recursive.
func (c *cte) with(q *object) (inner *cte, own []*cte) {
	for _, e := range q.get("cte_map").object.get("map").list {
		def := &cte{name: lower(e.object.get("key")), query: e.object.get("value").object, sees: c, outer: c}
		if node := def.query.get("query").object.get("node").object; node != nil && strings.Contains(node.kind, "RECURSIVE") {
			def.sees = &cte{name: def.name, outer: c}
		}
		own, c = append(own, def), def
	}
	if name := lower(q.get("cte_name")); name != "" {
		c = &cte{name: name, outer: c}
	}
	return c, own
}

// Walk calls visit for a node and for all in it, from the outside to the inside, except for what is in nodes for which
// visit gives false.
func Walk(n Node, visit func(Node, Scope) bool) { walker{visit}.object(n.tree(), Scope{}) }

type walker struct{ visit func(Node, Scope) bool }

func (w walker) value(v value, sc Scope) {
	if v.object != nil {
		w.object(v.object, sc)
	}
	for _, e := range v.list {
		w.value(e, sc)
	}
}

func (w walker) object(o *object, sc Scope) {
	n := nodeOf(o)
	if q, ok := n.(Query); ok {
		w.query(q, sc)
		return
	}
	if n != nil && !w.visit(n, sc) {
		return
	}
	if _, ok := n.(TableFunction); ok { // the function in it is the node itself
		o = o.get("function").object
	}
	w.fields(o, sc)
}

func (w walker) fields(o *object, sc Scope) {
	if o == nil {
		return
	}
	for _, f := range o.fields {
		w.value(f.value, sc)
	}
}

func (w walker) query(q Query, sc Scope) {
	o := q.tree()
	inner, own := sc.ctes.with(o)
	sc = Scope{q, inner}
	if !w.visit(q, sc) {
		return
	}
	for _, def := range own {
		w.fields(def.query, Scope{nil, def.sees})
	}
	for _, f := range o.fields {
		if f.name != "cte_map" {
			w.value(f.value, sc)
		}
	}
}

// Provides reports whether a table is a common table expression.
func (s Scope) Provides(t BaseTable) bool { return s.cte(t.object) != nil }

func (s Scope) cte(t *object) *cte {
	if b := (BaseTable{table{t}}); b.Catalog() != "" || b.Schema() != "" {
		return nil
	}
	return s.ctes.find(t.get("table_name").text())
}

// Feeds are the named tables that the rows of a query or table come from, also through joins, subqueries behind FROM
// and common table expressions. The scope is the one that Walk gave with the query, or with the query around the table.
func (s Scope) Feeds(n Node) []BaseTable {
	f := feeds{seen: map[*cte]bool{}}
	if q, ok := n.(Query); ok {
		f.query(q.tree(), s.ctes)
	} else if n != nil {
		f.object(n.tree(), s.ctes)
	}
	return f.tables
}

type feeds struct {
	tables []BaseTable
	seen   map[*cte]bool
}

func (f *feeds) query(o *object, ctes *cte) {
	for _, name := range []string{"from_table", "left", "right"} {
		f.value(o.get(name), ctes)
	}
}

func (f *feeds) value(v value, ctes *cte) {
	if v.object != nil {
		f.object(v.object, ctes)
	}
	for _, e := range v.list {
		f.value(e, ctes)
	}
}

func (f *feeds) object(o *object, ctes *cte) {
	switch n := nodeOf(o).(type) {
	case Query:
		inner, _ := ctes.with(o)
		f.query(o, inner)
	case BaseTable:
		def := Scope{nil, ctes}.cte(o)
		switch {
		case def == nil:
			f.tables = append(f.tables, n)
		case def.query != nil && !f.seen[def]:
			f.seen[def] = true
			f.object(def.query, def.sees)
		}
	case Join:
		f.value(o.get("left"), ctes)
		f.value(o.get("right"), ctes)
	default:
		for _, e := range o.fields {
			f.value(e.value, ctes)
		}
	}
}
