package spark

import (
	"maps"
	"regexp"
	"strconv"
)

// What an expression is decides how it is written, and for most a macro with forms by type tells. Of an aggregate, a
// window function or a subquery none can, for DuckDB does not know their types while it chooses. They are asked for: the
// text has the expression inside of a call that no type goes with, DuckDB names the type in its message, and the query is
// written again. Queries without such expressions are bound once, as before.

// guess is a macro with forms for several types in the text.
type guess struct {
	start, end int    // of its name in the text
	of         []span // the expressions whose types it tells apart
}

// guess reports whether a macro may ask for the type of x, and of others that it is called with. Where it may, the name of
// the macro has to be written next. What no macro can tell is asked for instead.
func (w *writer) guess(macro string, x expr, others ...expr) bool {
	ok, blind := w.tells(macro, x, others...)
	for _, y := range append(others, x) {
		if k := w.kindOf(y); blind && (k == unknown || k == other) {
			w.wonder(y.at())
		}
	}
	return ok
}

// tells is guess for a macro that can be done without, so that nothing is asked for. blind says that no macro can tell.
func (w *writer) tells(macro string, x expr, others ...expr) (ok, blind bool) {
	deep := false
	var of []span
	for _, y := range append(others, x) {
		_, answered := w.choices.types[y.at()]
		blind = blind || answered || w.asks[y.at()] || w.choices.unclear[y.at()] || !bindable(y)
		deep = deep || depth(y) > deepestGuess
		of = append(of, y.at())
	}
	ok = !deep && !blind && w.kindOf(x) != nullKind
	if ok {
		at := w.out.Len()
		w.guesses = append(w.guesses, guess{at, at + len(Schema) + 1 + len(quoteName(macro+w.mode.suffix())), of})
	}
	return ok, blind
}

// wonder has DuckDB asked for the type of what stands at a place, unless it was.
func (w *writer) wonder(at span) {
	if _, answered := w.choices.types[at]; !answered {
		w.asks[at] = true
	}
}

// toldMacros tells of the macros that the text calls when it is known what was asked for: they are made before the query is
// bound, and must not be others then.
func (w *writer) toldMacros() {
	if len(w.guesses)+len(w.asked) == 0 {
		return
	}
	names := []string{"whole", "fraction", "text_date", "text_timestamp", "text_boolean", "round_double"}
	if w.mode != (mode{}) { // see castInMode
		names = append(names, "beside", "local", "instant", "as_bigint", "as_double", "as_boolean", "as_date", "as_timestamp", "as_string")
	}
	for _, name := range names {
		w.macro(name)
	}
}

// ask writes an expression so that DuckDB refuses it and names its type.
func (w *writer) ask(x expr) {
	at := x.at()
	w.asked[at] = true
	w.put("system.main.isoyear(struct_pack("+quoteName(itoa(at.start)+" "+itoa(at.end))+" := ", span{at.start, at.start})
	w.expr(x)
	w.put("))", span{at.end, at.end})
}

var typeTold = regexp.MustCompile(`'isoyear\(STRUCT\("(\d+) (\d+)" (.*)\)\)'`)

// told writes the query again with the type that DuckDB's message tells of an expression. It is false where the text asks
// for none. With another message, what is asked for is not to be told.
func (q *Query) told(message string) (*Query, bool) {
	if len(q.asks) == 0 {
		return nil, false
	}
	types := maps.Clone(q.choices.types)
	if types == nil {
		types = told{}
	}
	if m := typeTold.FindStringSubmatch(message); m != nil {
		start, _ := strconv.Atoi(m[1])
		end, _ := strconv.Atoi(m[2])
		types[span{start, end}] = m[3]
	} else {
		for at := range q.asks {
			types[at] = ""
		}
	}
	c := q.choices
	c.types, c.asks = types, q.asks
	return q.again(c), true
}

// deepestGuess is how many macros with several forms there may be inside of each other: DuckDB looks at what is in them
// twice for each.
const deepestGuess = 3

// depth is how many macros may be inside of each other in an expression.
func depth(x expr) int {
	n := 0
	all := func(xs ...expr) {
		for _, x := range xs {
			if x != nil {
				n = max(n, depth(x))
			}
		}
	}
	switch x := x.(type) {
	case *unary:
		all(x.x)
	case *binary:
		all(x.l, x.r)
		n++
	case *cast:
		all(x.x)
	case *item:
		all(x.x, x.key)
		n++
	case *field:
		all(x.x)
	case *path:
		all(x.x)
	case *caseOf:
		all(x.results()...)
		n++
	case *call:
		for _, a := range x.args {
			all(a.value)
		}
		n++
	case *between, *in, *like, *is:
		n = 1
	}
	return n
}

// leaf is a part of an expression that has its type, as far as that is to be seen.
func (w *writer) leaf(x expr) expr {
	switch x := x.(type) {
	case *caseOf:
		for _, r := range x.results() {
			if w.kindOf(r) != nullKind {
				return w.leaf(r)
			}
		}
	case *call:
		switch x.name {
		case "coalesce", "nvl", "ifnull", "nullif", "greatest", "least":
			for _, a := range x.args {
				if w.kindOf(a.value) != nullKind {
					return w.leaf(a.value)
				}
			}
		case "if":
			if len(x.args) == 3 {
				return w.leaf(x.args[1].value)
			}
		}
	case *binary:
		if x.op != "||" && w.kindOf(x) == unknown {
			return w.leaf(x.l)
		}
	}
	return x
}

// bindable reports whether DuckDB knows the type of an expression while it looks for a macro.
func bindable(x expr) bool {
	switch x := x.(type) {
	case *call:
		f, _ := lookup(x.name, len(x.args))
		if x.over != nil || f == nil || f.Aggregate {
			return false
		}
		for _, a := range x.args {
			if !bindable(a.value) {
				return false
			}
		}
	case *unary:
		return bindable(x.x)
	case *binary:
		return bindable(x.l) && bindable(x.r)
	case *cast:
		return bindable(x.x)
	case *item:
		return bindable(x.x)
	case *field:
		return bindable(x.x)
	case *caseOf:
		for _, r := range x.results() {
			if !bindable(r) {
				return false
			}
		}
	case *subquery, *lambda:
		return false
	}
	return true
}
