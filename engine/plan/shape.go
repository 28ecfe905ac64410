package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Shape is what is remembered of a query to tell, later, whether an edit did nothing but add columns to it.
type Shape struct {
	// Query identifies the query as a whole, without the views that it reads.
	Query string `json:"query"`
	// Rest identifies everything but the select list. It is empty where an item more in the list could change the rows that are there: DISTINCT,
	// GROUP BY ALL, ORDER BY 1, set operations.
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

// Extends reports whether a query gives the columns of an older one as that did, for the same rows, and maybe others. It is false where that cannot be told.
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

// captured reports whether a column that a view got may have the name of an item, which the query then no longer means by that name.
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

// shapeOf is the shape of a query, of which node is the outermost node.
func shapeOf(root any, node map[string]any, syn *syntax) Shape {
	s := Shape{Query: fingerprint(root)}
	if node["type"] != "SELECT_NODE" || byPosition(node) || natural(node["from_table"]) {
		return s
	}
	s.names, s.picky = map[string]string{}, map[string]bool{}
	rest := map[string]any{}
	for key, v := range node {
		switch key {
		case "select_list":
		case "having", "qualify", "modifiers":
			pickyNames(v, s.picky)
			fallthrough
		default:
			rest[key] = v
		}
	}
	stars, makesRows, aggregated, deep := 0, 0, false, false
	for _, item := range syn.items {
		m, _ := item.(map[string]any)
		key, name := itemKey(m)
		s.Items = append(s.Items, key)
		if name != "" {
			s.names[key] = name
		}
		if m["class"] == "STAR" {
			stars++
		}
		rows, own, nested := computes(m, false)
		makesRows, aggregated, deep = makesRows+rows, aggregated || own, deep || nested
	}
	// An aggregate in the list makes one row of many, and unnest many of one, whatever else the list has.
	s.Rest = fingerprint([]any{rest, aggregated, deep, makesRows})
	s.Through = syn.plain && len(syn.stars) == stars
	return s
}

// itemKey names an item of the select list, and gives the name of its column where it is computed.
func itemKey(m map[string]any) (key, name string) {
	names, _ := m["column_names"].([]any)
	alias := text(m["alias"])
	if m["class"] == "COLUMN_REF" && len(names) == 1 && (alias == "" || alias == text(names[0])) {
		return itemColumn + text(names[0]), ""
	}
	if without, ok := plainStar(m); ok {
		return itemStar + without, ""
	}
	if alias == "" && len(names) > 0 {
		alias = text(names[len(names)-1])
	}
	named := maps.Clone(m)
	named["alias"] = alias
	if kind := exactType(m); kind != "" {
		named["cast_type"] = kind
	}
	return fingerprint(named), strings.ToLower(alias)
}

// exactType names a group of types within which a cast to a wider one gives the same values, and is empty for other types and for what is no cast.
func exactType(m map[string]any) string {
	if try, _ := m["try_cast"].(bool); m["class"] != "CAST" || try {
		return ""
	}
	to, _ := m["cast_type"].(map[string]any)
	info, _ := to["type_info"].(map[string]any)
	switch id := text(to["id"]); id {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT":
		return "a whole number"
	case "DECIMAL":
		if scale, ok := info["scale"].(float64); ok {
			return fmt.Sprint("a decimal of scale ", scale)
		}
	}
	return ""
}

// plainStar gives the columns that a * leaves out, joined by commas, unless it does something else too.
func plainStar(m map[string]any) (without string, ok bool) {
	if m["class"] != "STAR" {
		return "", false
	}
	for key, v := range m {
		switch key {
		case "class", "type", "query_location", "exclude_list":
		default:
			if !empty(v) {
				return "", false
			}
		}
	}
	var left []string
	list, _ := m["exclude_list"].([]any)
	for _, e := range list {
		name, isText := e.(string)
		if !isText || strings.Contains(name, ",") {
			return "", false
		}
		left = append(left, name)
	}
	slices.Sort(left)
	return strings.Join(left, ","), true
}

// computes counts the unnests in an item, and looks for aggregates, of its own and in subqueries.
func computes(v any, inside bool) (unnests int, own, nested bool) {
	add := func(v any, inside bool) {
		n, o, d := computes(v, inside)
		unnests, own, nested = unnests+n, own || o, nested || d
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			add(e, inside)
		}
	case map[string]any:
		if v["class"] == "FUNCTION" {
			name := lower(v["function_name"])
			if name == "unnest" || name == "unlist" {
				unnests++
			}
			if functionClass(name) == aggregate {
				own, nested = own || !inside, nested || inside
			}
		}
		for _, e := range v {
			add(e, inside || v["class"] == "SUBQUERY")
		}
	}
	return unnests, own, nested
}

// byPosition reports whether what is behind the select list counts its items, or takes all of them.
func byPosition(node map[string]any) bool {
	if node["aggregate_handling"] != "STANDARD_HANDLING" {
		return true
	}
	groups, _ := node["group_expressions"].([]any)
	expressions := slices.Clone(groups)
	modifiers, _ := node["modifiers"].([]any)
	for _, e := range modifiers {
		m, _ := e.(map[string]any)
		targets, _ := m["distinct_on_targets"].([]any)
		if m["type"] == "DISTINCT_MODIFIER" && len(targets) == 0 {
			return true
		}
		expressions = append(expressions, targets...)
		orders, _ := m["orders"].([]any)
		for _, o := range orders {
			order, _ := o.(map[string]any)
			expressions = append(expressions, order["expression"])
		}
	}
	return slices.ContainsFunc(expressions, func(e any) bool {
		m, _ := e.(map[string]any)
		return m["class"] == "CONSTANT" || m["class"] == "STAR"
	})
}

// natural reports whether a join is by all columns of one name.
func natural(v any) bool {
	m, _ := v.(map[string]any)
	return m != nil && (m["ref_type"] == "NATURAL" || natural(m["left"]) || natural(m["right"]))
}

// pickyNames collects the names without a table in front of them.
func pickyNames(v any, to map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			pickyNames(e, to)
		}
	case map[string]any:
		if names, _ := v["column_names"].([]any); v["class"] == "COLUMN_REF" && len(names) > 0 {
			to[lower(names[0])] = true
		}
		for _, e := range v {
			pickyNames(e, to)
		}
	}
}
