package plan

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// syntax is what DuckDB's syntax tree of one query tells the passes. Offsets are bytes of the text that was parsed;
// -1 where DuckDB gives none. Lists are in the order of the text.
type syntax struct {
	tables  []tableRef // relations named behind FROM, without those that a CTE provides
	sources []call     // table functions: read_csv(…), range(…)
	calls   []call     // functions in expressions, operators too
	columns []columnRef
	// batchOps are the operations whose result over a stream depends on how it was cut into batches.
	batchOps []batchOp
	windows  []int
	subquery []int // subqueries in expressions
	listAny  []int // = ANY(list) and the like, which are subqueries too
	casts    []cast
	stars    []int // * and COLUMNS() of the select list and in expressions
	// items is the select list when the query is one SELECT, else nil.
	items []any
	// plain is true for one SELECT that projects and filters one relation, bare for SELECT … with nothing behind the list.
	plain, bare bool
	// show is true for DESCRIBE, SHOW and SUMMARIZE, parameters for $1 and ?.
	show, parameters bool
	// samples is true when a SAMPLE takes some rows by chance.
	samples     bool
	fingerprint string
	shape       Shape
}

type tableRef struct {
	catalog, schema, name string
	at                    int
}

type call struct {
	name string // lower case
	at   int
}

type columnRef struct {
	path []string
	at   int
}

// batchOp is an aggregate, a DISTINCT, a window, an ORDER BY … over a stream.
type batchOp struct {
	what  string
	at    int
	order bool // ORDER BY or LIMIT rather than a computation
}

// parseError is DuckDB's refusal to parse.
type parseError struct {
	Failed   bool   `json:"error"`
	Type     string `json:"error_type"`
	Message  string `json:"error_message"`
	Subtype  string `json:"error_subtype"`
	Position json.RawMessage
}

// position is the offset in the text, or -1.
func (e *parseError) position() int {
	var at int
	if _, err := fmt.Sscan(strings.Trim(string(e.Position), `"`), &at); err != nil {
		return -1
	}
	return at
}

// readSyntax reads the result of json_serialize_sql. One of the three results tells: a parse error, the number of
// statements when it is not one, or the syntax.
func readSyntax(text, tree string) (syn *syntax, failed *parseError, statements int, err error) {
	var head struct {
		parseError
		Statements []map[string]any `json:"statements"`
	}
	if err := json.Unmarshal([]byte(tree), &head); err != nil {
		return nil, nil, 0, fmt.Errorf("read DuckDB's syntax tree: %w", err)
	}
	if head.Failed {
		return nil, &head.parseError, 0, nil
	}
	if len(head.Statements) != 1 {
		return nil, nil, len(head.Statements), nil
	}
	root := head.Statements[0]
	w := &walker{text: text, syn: &syntax{fingerprint: fingerprint(root)}}
	w.visit(root, nil, &nodeOps{})
	if params, _ := root["named_param_map"].([]any); len(params) > 0 {
		w.syn.parameters = true
	}
	node, _ := root["node"].(map[string]any)
	if node["type"] == "SELECT_NODE" {
		w.syn.items, _ = node["select_list"].([]any)
		w.syn.plain, w.syn.bare = w.plain(node), bareSelect(node)
	}
	w.sort()
	w.syn.shape = shapeOf(root, node, w.syn)
	return w.syn, nil, 1, nil
}

// walker collects a syntax from a decoded tree. It looks at the few node types that matter and walks through all others, so a
// construct that is new in DuckDB is still searched for relations.
type walker struct {
	text string
	syn  *syntax
}

// scope is the CTEs that a node sees, innermost first.
type scope struct {
	name   string // lower case
	stream bool   // the CTE reads a stream
	outer  *scope
}

func (s *scope) find(name string) *scope {
	for ; s != nil; s = s.outer {
		if s.name == strings.ToLower(name) {
			return s
		}
	}
	return nil
}

// nodeOps are the operations of one query node, told apart from those of the nodes inside it.
type nodeOps struct{ ops []batchOp }

// visit walks v and reports whether it is, or holds, a relation that reads a stream.
func (w *walker) visit(v any, sc *scope, ops *nodeOps) (stream bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if w.visit(e, sc, ops) {
				stream = true
			}
		}
		return stream
	case map[string]any:
		return w.object(v, sc, ops)
	}
	return false
}

func (w *walker) object(m map[string]any, sc *scope, ops *nodeOps) bool {
	if m["sample"] != nil {
		w.syn.samples = true
	}
	switch m["type"] {
	case "SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE":
		return w.queryNode(m, sc)
	case "BASE_TABLE":
		return w.baseTable(m, sc)
	case "TABLE_FUNCTION":
		f, _ := m["function"].(map[string]any)
		w.syn.sources = append(w.syn.sources, call{lower(f["function_name"]), offset(f)})
		return w.children(f, sc, ops)
	case "JOIN":
		return w.join(m, sc, ops)
	case "SHOW_REF":
		w.syn.show = true
	case "PIVOT":
		if list, _ := m["aggregates"].([]any); len(list) > 0 {
			ops.add("PIVOT", w.before("pivot", len(w.text), offset(m)), false)
		}
	}
	switch m["class"] {
	case "FUNCTION":
		name, at := lower(m["function_name"]), offset(m)
		w.syn.calls = append(w.syn.calls, call{name, at})
		if functionClass(name) == aggregate {
			ops.add(strings.TrimSuffix(name, "_star")+"()", at, false)
		}
	case "WINDOW":
		w.syn.windows = append(w.syn.windows, offset(m))
		w.syn.calls = append(w.syn.calls, call{lower(m["function_name"]), offset(m)})
		ops.add("the window function "+lower(m["function_name"])+"()", offset(m), false)
	case "SUBQUERY":
		w.syn.subquery = append(w.syn.subquery, offset(m))
		if ofList(m) {
			w.syn.listAny = append(w.syn.listAny, offset(m))
		}
	case "CAST":
		to, _ := m["cast_type"].(map[string]any)
		from, _ := m["child"].(map[string]any)
		w.syn.casts = append(w.syn.casts, cast{offset(m), text(to["id"]), from})
	case "STAR":
		w.syn.stars = append(w.syn.stars, offset(m))
	case "COLUMN_REF":
		w.columnRef(m)
		return false
	case "PARAMETER":
		w.syn.parameters = true
	}
	return w.children(m, sc, ops)
}

// join notes a join of two streams: rows that come in different batches never meet.
func (w *walker) join(m map[string]any, sc *scope, ops *nodeOps) bool {
	left, right := w.visit(m["left"], sc, ops), w.visit(m["right"], sc, ops)
	w.visit(m["condition"], sc, ops)
	if left && right {
		ops.add("the join of two streams", offset(m), false)
	}
	return left || right
}

func (w *walker) columnRef(m map[string]any) {
	names, _ := m["column_names"].([]any)
	ref := columnRef{at: offset(m)}
	for _, n := range names {
		s, _ := n.(string)
		ref.path = append(ref.path, s)
	}
	w.syn.columns = append(w.syn.columns, ref)
}

func (w *walker) children(m map[string]any, sc *scope, ops *nodeOps) (stream bool) {
	for _, v := range m {
		if w.visit(v, sc, ops) {
			stream = true
		}
	}
	return stream
}

// baseTable records a relation, unless its bare name is a CTE's.
func (w *walker) baseTable(m map[string]any, sc *scope) bool {
	ref := tableRef{text(m["catalog_name"]), text(m["schema_name"]), text(m["table_name"]), offset(m)}
	if ref.catalog == "" && ref.schema == "" {
		if cte := sc.find(ref.name); cte != nil {
			return cte.stream
		}
	}
	w.syn.tables = append(w.syn.tables, ref)
	return ref.schema == sqltext.StreamSchema
}

// queryNode walks a SELECT or set operation with its own CTEs. Each CTE sees those before it, and itself when it is recursive.
func (w *walker) queryNode(m map[string]any, sc *scope) bool {
	ctes, _ := m["cte_map"].(map[string]any)
	entries, _ := ctes["map"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		name := lower(entry["key"])
		inner := sc
		if strings.Contains(nodeType(entry), "RECURSIVE") {
			inner = &scope{name: name, outer: sc}
		}
		stream := w.visit(entry["value"], inner, &nodeOps{})
		sc = &scope{name: name, stream: stream, outer: sc}
	}
	if name := lower(m["cte_name"]); name != "" {
		sc = &scope{name: name, outer: sc}
	}
	own := &nodeOps{}
	stream := false
	for key, v := range m {
		switch key {
		case "cte_map":
		case "from_table", "left", "right":
			if w.visit(v, sc, own) {
				stream = true
			}
		default:
			w.visit(v, sc, own)
		}
	}
	w.modifiers(m, own)
	if stream {
		w.syn.batchOps = append(w.syn.batchOps, own.ops...)
	}
	return stream
}

// nodeType is the type of the query node of a CTE.
func nodeType(entry map[string]any) string {
	value, _ := entry["value"].(map[string]any)
	query, _ := value["query"].(map[string]any)
	node, _ := query["node"].(map[string]any)
	return text(node["type"])
}

// modifiers notes grouping, DISTINCT, ORDER BY and LIMIT of a query node. DuckDB gives no places for these words, so they are looked
// for in front of what follows them.
func (w *walker) modifiers(m map[string]any, ops *nodeOps) {
	groups, _ := m["group_expressions"].([]any)
	if len(ops.ops) == 0 && (len(groups) > 0 || m["aggregate_handling"] == "FORCE_AGGREGATES") {
		at := -1
		if len(groups) > 0 {
			at = firstOffset(groups[0])
		}
		ops.add("GROUP BY", w.before("group", at, at), false)
	}
	if all, isSet := m["setop_all"].(bool); isSet && !all {
		word := text(m["setop_type"])
		ops.add(word+" without ALL", w.before(strings.ToLower(word), firstOffset(m["right"]), -1), false)
	}
	list, _ := m["modifiers"].([]any)
	for _, e := range list {
		mod, _ := e.(map[string]any)
		at := firstOffset(mod)
		switch mod["type"] {
		case "DISTINCT_MODIFIER":
			if at < 0 {
				at = firstOffset(m["select_list"])
			}
			ops.add("DISTINCT", w.before("distinct", at, at), false)
		case "ORDER_MODIFIER":
			ops.order("ORDER BY", w.before("order", at, at))
		case "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER":
			ops.order("LIMIT", w.before("limit", at, at))
		}
	}
}

func (o *nodeOps) add(what string, at int, order bool) {
	o.ops = append(o.ops, batchOp{what, at, order})
}

func (o *nodeOps) order(what string, at int) { o.add(what, at, true) }

// before finds the last word in front of the offset end, without regard to case; otherwise it returns fallback.
func (w *walker) before(word string, end, fallback int) int {
	if end < 0 || end > len(w.text) {
		return fallback
	}
	if i := strings.LastIndex(asciiLower(w.text[:end]), word); i >= 0 {
		return i
	}
	return fallback
}

// ofList reports whether a subquery is what DuckDB makes of ANY(list) or ALL(list): SELECT unnest(list).
func ofList(m map[string]any) bool {
	query, _ := m["subquery"].(map[string]any)
	node, _ := query["node"].(map[string]any)
	from, _ := node["from_table"].(map[string]any)
	items, _ := node["select_list"].([]any)
	if m["subquery_type"] != "ANY" || from["type"] != "EMPTY" || len(items) != 1 {
		return false
	}
	item, _ := items[0].(map[string]any)
	return lower(item["function_name"]) == "unnest"
}

// unmodified reports whether a SELECT has nothing but its list, FROM and WHERE.
func unmodified(m map[string]any) bool {
	if !empty(m["cte_map"]) {
		return false
	}
	for _, key := range []string{"having", "qualify", "sample"} {
		if m[key] != nil {
			return false
		}
	}
	for _, key := range []string{"group_expressions", "group_sets", "modifiers"} {
		if list, _ := m[key].([]any); len(list) > 0 {
			return false
		}
	}
	return m["aggregate_handling"] == "STANDARD_HANDLING"
}

func bareSelect(m map[string]any) bool {
	from, _ := m["from_table"].(map[string]any)
	return from["type"] == "EMPTY" && m["where_clause"] == nil && unmodified(m)
}

// plain reports whether the node is a projection and filter of one relation.
func (w *walker) plain(m map[string]any) bool {
	from, _ := m["from_table"].(map[string]any)
	if from["type"] != "BASE_TABLE" || from["sample"] != nil || from["at_clause"] != nil || !unmodified(m) {
		return false
	}
	if len(w.syn.windows) > 0 || len(w.syn.subquery) > 0 || len(w.syn.tables) != 1 {
		return false
	}
	for _, c := range w.syn.calls {
		if class := functionClass(c.name); class == aggregate || c.name == "unnest" {
			return false
		}
	}
	return true
}

// sort puts everything in the order of the text; the tree's objects are walked in no order.
func (w *walker) sort() {
	s := w.syn
	sort.SliceStable(s.tables, func(i, j int) bool { return s.tables[i].at < s.tables[j].at })
	sort.SliceStable(s.sources, func(i, j int) bool { return s.sources[i].at < s.sources[j].at })
	sort.SliceStable(s.calls, func(i, j int) bool { return s.calls[i].at < s.calls[j].at })
	sort.SliceStable(s.columns, func(i, j int) bool { return s.columns[i].at < s.columns[j].at })
	sort.SliceStable(s.batchOps, func(i, j int) bool { return s.batchOps[i].at < s.batchOps[j].at })
	sort.SliceStable(s.casts, func(i, j int) bool { return s.casts[i].at < s.casts[j].at })
	sort.Ints(s.windows)
	sort.Ints(s.subquery)
	sort.Ints(s.listAny)
	sort.Ints(s.stars)
}

// offset is the query_location of a node, or -1: DuckDB writes 2^64-1 for "none".
func offset(m map[string]any) int {
	if at, ok := m["query_location"].(float64); ok && at < 1<<40 {
		return int(at)
	}
	return -1
}

// firstOffset is the smallest query_location in a tree, or -1.
func firstOffset(v any) int {
	best := -1
	least := func(at int) {
		if at >= 0 && (best < 0 || at < best) {
			best = at
		}
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			least(firstOffset(e))
		}
	case map[string]any:
		least(offset(v))
		for _, e := range v {
			least(firstOffset(e))
		}
	}
	return best
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func lower(v any) string { return strings.ToLower(text(v)) }

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
