package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
)

// Shape is what is remembered of a query to tell, later, whether an edit did nothing but add columns to it.
type Shape struct {
	// Query identifies the query as a whole, without the views that it reads.
	Query string `json:"query"`
	// Rest identifies everything but the select list. It is empty where an item more in the list could change the rows
	// that are there: DISTINCT, GROUP BY ALL, ORDER BY 1, set operations.
	Rest string `json:"rest,omitempty"`
	// Items are those of the select list: plain columns, stars and fingerprints of the others.
	Items []string `json:"items,omitempty"`
	// Views are those that the query reads, by name.
	Views map[string]Shape `json:"views,omitempty"`
	// Through is true when columns that a view adds can do nothing but come out at the other end.
	Through bool `json:"through,omitempty"`

	names map[string]string // of the items that are expressions, in lower case
	// picky are the names that mean an item of the select list before they mean a column of what is read.
	picky map[string]bool
}

// Extends reports whether a query gives the columns of an older one as that did, for the same rows, and maybe others.
// It is false where that cannot be told.
func (s Shape) Extends(old Shape) bool {
	if len(s.Views) != len(old.Views) {
		return false
	}
	same := true // all views, as a whole
	for name, was := range old.Views {
		now, ok := s.Views[name]
		if !ok || !now.Extends(was) {
			return false
		}
		if !now.identical(was) {
			same = false
			if s.captured(now, was) {
				return false
			}
		}
	}
	switch {
	case !same && !s.Through:
		return false
	case s.Query == old.Query:
		return true
	case s.Rest == "" || s.Rest != old.Rest:
		return false
	}
	for _, item := range old.Items {
		if !s.gives(item) {
			return false
		}
	}
	return !s.shadows(old)
}

func (s Shape) identical(old Shape) bool {
	return s.Query == old.Query && maps.EqualFunc(s.Views, old.Views, Shape.identical)
}

// captured reports whether a column that a view got may have the name of an item, which the query then no longer means
// by that name.
func (s Shape) captured(now, was Shape) bool {
	known := maps.EqualFunc(now.Views, was.Views, Shape.identical)
	for _, item := range now.Items {
		if slices.Contains(was.Items, item) {
			continue
		}
		name, isColumn := strings.CutPrefix(item, itemColumn)
		if !isColumn {
			name = now.names[item]
		}
		known = known && name != ""
		for _, own := range s.names {
			if strings.EqualFold(own, name) {
				return true
			}
		}
	}
	return !known && len(s.names) > 0
}

// gives reports whether the select list has an item, or a * that what the item gives is among.
func (s Shape) gives(item string) bool {
	if slices.Contains(s.Items, item) {
		return true
	}
	column, isColumn := strings.CutPrefix(item, itemColumn)
	without, isStar := strings.CutPrefix(item, itemStar)
	for _, have := range s.Items {
		left, star := strings.CutPrefix(have, itemStar)
		switch {
		case !star:
		case isColumn && !slices.Contains(strings.Split(left, ","), column):
			return true
		case isStar && subset(strings.Split(left, ","), strings.Split(without, ",")):
			return true
		}
	}
	return false
}

func subset(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return s != "" && !slices.Contains(whole, s) })
}

// shadows reports whether an added item has a name that ORDER BY, HAVING or QUALIFY used for a column of what is read.
func (s Shape) shadows(old Shape) bool {
	for item, name := range s.names {
		if s.picky[name] && !slices.Contains(old.Items, item) {
			return true
		}
	}
	return false
}

// The prefixes of items that are no fingerprints: a plain column, and a * with the columns that it leaves out.
const (
	itemColumn = "column "
	itemStar   = "* "
)

// shapeOf is the shape of a query, of which q is the outermost part.
func shapeOf(q syntax.Query, f *facts) Shape {
	s := Shape{Query: f.fingerprint}
	node, ok := q.(syntax.Select)
	if !ok || byPosition(node) || natural(node.From()) {
		return s
	}
	s.names, s.picky = map[string]string{}, pickyNames(node)
	stars := 0
	var all computed
	for _, item := range f.items {
		key, name := itemKey(item)
		s.Items = append(s.Items, key)
		if name != "" {
			s.names[key] = name
		}
		if _, ok := item.(syntax.Star); ok {
			stars++
		}
		all.add(item)
	}
	// An aggregate in the list makes one row of many, and unnest many of one, whatever else the list has.
	s.Rest = syntax.Fingerprint(node.WithoutItems(), all.aggregates, all.nested, all.unnests)
	s.Through = f.plain && len(f.stars) == stars
	return s
}

// itemKey names an item of the select list, and gives the name of its column where it is computed.
func itemKey(item syntax.Expression) (key, name string) {
	alias := item.Alias()
	switch x := item.(type) {
	case syntax.ColumnRef:
		if len(x.Path()) == 1 && (alias == "" || alias == x.Name()) {
			return itemColumn + x.Name(), ""
		}
		if alias == "" {
			alias = x.Name()
		}
	case syntax.Star:
		if without, ok := plainStar(x); ok {
			return itemStar + without, ""
		}
	case syntax.Cast:
		if kind := exactType(x); kind != "" {
			item = x.ToAny(kind)
		}
	}
	return item.Named(alias).Fingerprint(), strings.ToLower(alias)
}

// exactType names a group of types within which a cast to a wider one gives the same values, and is empty for other
// types.
func exactType(x syntax.Cast) string {
	switch scale := x.Scale(); {
	case x.Try():
		return ""
	case listed(" TINYINT SMALLINT INTEGER BIGINT ", x.To()):
		return "a whole number"
	case x.To() == "DECIMAL" && scale != "":
		return "a decimal of scale " + scale
	}
	return ""
}

// plainStar gives the columns that a * leaves out, joined by commas, unless it does something else too.
func plainStar(x syntax.Star) (without string, ok bool) {
	left, plain := x.Excluded()
	if !plain || slices.ContainsFunc(left, func(name string) bool { return strings.Contains(name, ",") }) {
		return "", false
	}
	slices.Sort(left)
	return strings.Join(left, ","), true
}

// computed is what the items of a select list do with the number of rows.
type computed struct {
	unnests            int
	aggregates, nested bool // aggregates of its own, and in subqueries
}

func (c *computed) add(item syntax.Expression) {
	inside := false
	call := func(name string) {
		if name == "unnest" || name == "unlist" {
			c.unnests++
		}
		if functionClass(name) == aggregate {
			c.aggregates, c.nested = c.aggregates || !inside, c.nested || inside
		}
	}
	var visit func(syntax.Node, syntax.Scope) bool
	visit = func(n syntax.Node, _ syntax.Scope) bool {
		switch n := n.(type) {
		case syntax.Function:
			call(n.Name())
		case syntax.TableFunction:
			call(n.Name())
		case syntax.Subquery:
			if !inside {
				inside = true
				syntax.Walk(n, visit)
				inside = false
				return false
			}
		}
		return true
	}
	syntax.Walk(item, visit)
}

// byPosition reports whether what is behind the select list counts its items, or takes all of them.
func byPosition(s syntax.Select) bool {
	if s.GroupAll() {
		return true
	}
	expressions := s.Groups()
	for _, m := range s.Modifiers() {
		targets := m.On()
		if m.Word() == syntax.Distinct && len(targets) == 0 {
			return true
		}
		expressions = append(append(expressions, targets...), m.Orders()...)
	}
	return slices.ContainsFunc(expressions, func(e syntax.Expression) bool {
		switch e.(type) {
		case syntax.Constant, syntax.Star:
			return true
		}
		return false
	})
}

// natural reports whether a join is by all columns of one name.
func natural(t syntax.Table) bool {
	j, ok := t.(syntax.Join)
	return ok && (j.Natural() || natural(j.Left()) || natural(j.Right()))
}

// pickyNames are the names without a table in front of them in ORDER BY, HAVING and the like.
func pickyNames(s syntax.Select) map[string]bool {
	names := map[string]bool{}
	visit := func(n syntax.Node, _ syntax.Scope) bool {
		if c, ok := n.(syntax.ColumnRef); ok && len(c.Path()) > 0 {
			names[strings.ToLower(c.Path()[0])] = true
		}
		return true
	}
	for _, m := range s.Modifiers() {
		syntax.Walk(m, visit)
	}
	for _, e := range []syntax.Expression{s.Having(), s.Qualify()} {
		if e != nil {
			syntax.Walk(e, visit)
		}
	}
	return names
}
