package plan

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
)

// facts are what the syntax tree of one query tells the passes. Offsets are bytes of the text that was parsed;
// -1 where DuckDB gives none. Lists are in the order of the text.
type facts struct {
	tables  []syntax.BaseTable // named behind FROM, without those that a CTE provides
	sources []call             // table functions: read_csv(…), range(…)
	calls   []call             // functions in expressions, operators too
	columns []syntax.ColumnRef
	// batchOps are the operations whose result over a stream depends on how it was cut into batches.
	batchOps []batchOp
	windows  []int
	subquery []int // subqueries in expressions
	listAny  []int // = ANY(list) and the like, which are subqueries too
	casts    []syntax.Cast
	stars    []int // * and COLUMNS() of the select list and in expressions
	// items is the select list when the query is one SELECT, else nil.
	items []syntax.Expression
	// plain is true for one SELECT that projects and filters one relation, bare for SELECT … with nothing behind the
	// list.
	plain, bare bool
	// show is true for DESCRIBE, SHOW and SUMMARIZE, parameters for $1 and ?.
	show, parameters bool
	// samples is true when a SAMPLE takes some rows by chance.
	samples     bool
	fingerprint string
	shape       Shape
}

type call struct {
	name string // lower case
	at   int
}

// batchOp is an aggregate, a DISTINCT, a window, an ORDER BY … over a stream.
type batchOp struct {
	what  string
	at    int
	order bool // ORDER BY or LIMIT rather than a computation
}

// factsOf looks at a statement, of which text is the text.
func factsOf(text string, statement syntax.Statement) *facts {
	f := &facts{fingerprint: statement.Fingerprint(), parameters: statement.Parameters()}
	w := &collector{text: text, facts: f, ops: map[syntax.Query]*nodeOps{}}
	syntax.Walk(statement, w.visit)
	w.batchOps()
	if s, ok := statement.Query().(syntax.Select); ok {
		f.items = s.Items()
		f.plain, f.bare = f.isPlain(s), bareSelect(s)
	}
	f.sort()
	f.shape = shapeOf(statement.Query(), f)
	return f
}

// collector collects facts from a tree.
type collector struct {
	text    string
	facts   *facts
	queries []scoped // from the outside to the inside
	ops     map[syntax.Query]*nodeOps
}

type scoped struct {
	syntax.Query
	scope syntax.Scope
}

// nodeOps are the operations of one query, told apart from those of the queries inside it.
type nodeOps struct{ ops []batchOp }

func (w *collector) visit(n syntax.Node, sc syntax.Scope) bool {
	switch n := n.(type) {
	case syntax.Query:
		w.ops[n] = &nodeOps{}
		w.queries = append(w.queries, scoped{n, sc})
		if s, ok := n.(syntax.Select); ok && s.Sampled() {
			w.facts.samples = true
		}
	case syntax.Table:
		w.facts.samples = w.facts.samples || n.Sampled()
		w.table(n, sc)
	case syntax.Expression:
		w.expression(n, w.ops[sc.Query])
	}
	return true
}

func (w *collector) table(n syntax.Table, sc syntax.Scope) {
	ops := w.ops[sc.Query]
	switch n := n.(type) {
	case syntax.BaseTable:
		if !sc.Provides(n) {
			w.facts.tables = append(w.facts.tables, n)
		}
	case syntax.TableFunction:
		w.facts.sources = append(w.facts.sources, call{n.Name(), n.At()})
	case syntax.Join: // rows of two streams that come in different batches never meet
		if streams(n.Left(), sc) && streams(n.Right(), sc) {
			ops.add("the join of two streams", n.At(), false)
		}
	case syntax.Show:
		w.facts.show = true
	case syntax.Pivot:
		if n.Aggregates() {
			ops.add("PIVOT", w.before("pivot", len(w.text), n.At()), false)
		}
	}
}

// streams reports whether a query or table reads a stream.
func streams(n syntax.Node, sc syntax.Scope) bool {
	return slices.ContainsFunc(sc.Feeds(n), func(t syntax.BaseTable) bool { return isStream(t.Schema()) })
}

func (w *collector) expression(n syntax.Expression, ops *nodeOps) {
	f, at := w.facts, n.At()
	switch n := n.(type) {
	case syntax.Function:
		name := n.Name()
		f.calls = append(f.calls, call{name, at})
		if functionClass(name) == aggregate {
			ops.add(strings.TrimSuffix(name, "_star")+"()", at, false)
		}
	case syntax.Window:
		f.windows = append(f.windows, at)
		f.calls = append(f.calls, call{n.Name(), at})
		ops.add("the window function "+n.Name()+"()", at, false)
	case syntax.Subquery:
		f.subquery = append(f.subquery, at)
		if ofList(n) {
			f.listAny = append(f.listAny, at)
		}
	case syntax.Cast:
		f.casts = append(f.casts, n)
	case syntax.Star:
		f.stars = append(f.stars, at)
	case syntax.ColumnRef:
		f.columns = append(f.columns, n)
	case syntax.Parameter:
		f.parameters = true
	}
}

// batchOps keeps the operations of the queries that read a stream.
func (w *collector) batchOps() {
	for _, q := range slices.Backward(w.queries) {
		if streams(q.Query, q.scope) {
			w.modifiers(q.Query, w.ops[q.Query])
			w.facts.batchOps = append(w.facts.batchOps, w.ops[q.Query].ops...)
		}
	}
}

// modifiers notes grouping, DISTINCT, ORDER BY and LIMIT of a query. DuckDB gives no places for these words, so they
// are looked for in front of what follows them.
func (w *collector) modifiers(q syntax.Query, ops *nodeOps) {
	firstItem := -1
	switch q := q.(type) {
	case syntax.Select:
		groups := q.Groups()
		firstItem = firstOf(q.Items())
		if len(ops.ops) == 0 && (len(groups) > 0 || q.GroupAll()) {
			at := firstOf(groups[:min(1, len(groups))])
			ops.add("GROUP BY", w.before("group", at, at), false)
		}
	case syntax.SetOperation:
		if word := q.Word(); !q.All() {
			at := -1
			if q.Right() != nil {
				at = q.Right().First()
			}
			ops.add(word+" without ALL", w.before(strings.ToLower(word), at, -1), false)
		}
	}
	for _, mod := range q.Modifiers() {
		at := mod.First()
		switch mod.Word() {
		case syntax.Distinct:
			if at < 0 {
				at = firstItem
			}
			ops.add("DISTINCT", w.before("distinct", at, at), false)
		case syntax.OrderBy:
			ops.order("ORDER BY", w.before("order", at, at))
		case syntax.Limit, syntax.LimitPercent:
			ops.order("LIMIT", w.before("limit", at, at))
		}
	}
}

// firstOf is the smallest place in expressions, or -1.
func firstOf(all []syntax.Expression) int {
	first := -1
	for _, e := range all {
		if at := e.First(); at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	return first
}

// add is nothing where there is no query around the operation.
func (o *nodeOps) add(what string, at int, order bool) {
	if o != nil {
		o.ops = append(o.ops, batchOp{what, at, order})
	}
}

func (o *nodeOps) order(what string, at int) { o.add(what, at, true) }

// before finds the last word in front of the offset end, without regard to case; otherwise it returns fallback.
func (w *collector) before(word string, end, fallback int) int {
	if end < 0 || end > len(w.text) {
		return fallback
	}
	if i := strings.LastIndex(asciiLower(w.text[:end]), word); i >= 0 {
		return i
	}
	return fallback
}

// ofList reports whether a subquery is what DuckDB makes of ANY(list) or ALL(list): SELECT unnest(list).
func ofList(s syntax.Subquery) bool {
	q, ok := s.Query().(syntax.Select)
	if !ok || !s.Any() {
		return false
	}
	items := q.Items()
	if _, empty := q.From().(syntax.Empty); !empty || len(items) != 1 {
		return false
	}
	item, ok := items[0].(syntax.Function)
	return ok && item.Name() == "unnest"
}

// unmodified reports whether a SELECT has nothing but its list, FROM and WHERE.
func unmodified(s syntax.Select) bool {
	return !s.With() && s.Having() == nil && s.Qualify() == nil && !s.Sampled() && !s.GroupAll() &&
		len(s.Groups()) == 0 && !s.GroupingSets() && len(s.Modifiers()) == 0
}

func bareSelect(s syntax.Select) bool {
	_, empty := s.From().(syntax.Empty)
	return empty && s.Where() == nil && unmodified(s)
}

// isPlain reports whether the query is a projection and filter of one relation.
func (f *facts) isPlain(s syntax.Select) bool {
	from, ok := s.From().(syntax.BaseTable)
	if !ok || from.Sampled() || from.AsOf() || !unmodified(s) {
		return false
	}
	if len(f.windows) > 0 || len(f.subquery) > 0 || len(f.tables) != 1 {
		return false
	}
	return !slices.ContainsFunc(f.calls, func(c call) bool { return functionClass(c.name) == aggregate || c.name == "unnest" })
}

// sort puts everything in the order of the text.
func (f *facts) sort() {
	sortCalls := func(calls []call) { slices.SortStableFunc(calls, func(a, b call) int { return a.at - b.at }) }
	sortCalls(f.sources)
	sortCalls(f.calls)
	sortNodes(f.tables)
	sortNodes(f.columns)
	sortNodes(f.casts)
	slices.SortStableFunc(f.batchOps, func(a, b batchOp) int { return a.at - b.at })
	slices.Sort(f.windows)
	slices.Sort(f.subquery)
	slices.Sort(f.listAny)
	slices.Sort(f.stars)
}

func sortNodes[N syntax.Node](nodes []N) {
	slices.SortStableFunc(nodes, func(a, b N) int { return a.At() - b.At() })
}

// asciiLower keeps the offsets of the text, which strings.ToLower does not for some letters.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
