package spark

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

func (w *writer) query(q *query) {
	before, ctes := w.replaced, w.ctes
	defer func() { w.replaced, w.ctes = before, ctes }()
	if len(q.with) > 0 {
		w.put("WITH ", span{q.start, q.start})
		if q.recursive {
			w.put("RECURSIVE ", span{q.start, q.start})
		}
		for i, c := range q.with {
			if i > 0 {
				w.put(", ", c.name.span)
			}
			w.ident(c.name)
			w.columnNames(c.columns)
			w.put(" AS (", c.name.span)
			outside := slices.Clip(w.ctes)
			seen := append(outside, strings.ToLower(c.name.name))
			if q.recursive {
				w.ctes = seen
			}
			w.query(c.query)
			w.ctes = seen
			w.put(")", span{c.query.end, c.query.end})
		}
		w.put(" ", span{q.body.at().start, q.body.at().start})
	}
	w.anyBody(q.body)
	end := span{q.body.at().end, q.body.at().end}
	w.orderBy(q.order)
	if q.orderAll != "" {
		w.put(" ORDER BY ALL"+q.orderAll, end)
	}
	if q.limit != nil {
		w.put(" LIMIT ", q.limit.at())
		w.expr(q.limit)
	}
	if q.offset != nil {
		w.put(" OFFSET ", q.offset.at())
		w.expr(q.offset)
	}
}

func (w *writer) columnNames(names []ident) {
	if len(names) > 0 {
		w.put("(", names[0].span)
		w.idents(names)
		w.put(")", names[len(names)-1].span)
	}
}

func (w *writer) anyBody(b body) {
	switch b := b.(type) {
	case *query:
		w.put("(", span{b.start, b.start})
		w.query(b)
		w.put(")", span{b.end, b.end})
	case *selection:
		w.selection(b)
	case *values:
		w.values(b)
	case *setOperation:
		op := b.op
		if b.all {
			op += " ALL"
		}
		if b.name {
			op += " BY NAME"
		}
		w.operandOfSet(b.l)
		w.put(" ", span{b.l.at().end, b.opAt.start})
		w.put(op, b.opAt)
		w.put(" ", span{b.opAt.end, b.r.at().start})
		w.operandOfSet(b.r)
	}
}

// operandOfSet writes a side of UNION; a query with clauses of its own stands in brackets.
func (w *writer) operandOfSet(b body) {
	if s, ok := b.(*setOperation); ok {
		w.put("(", span{s.start, s.start})
		w.anyBody(s)
		w.put(")", span{s.end, s.end})
		return
	}
	w.anyBody(b)
}

func (w *writer) values(v *values) {
	w.put("SELECT * FROM (VALUES ", span{v.start, v.start})
	for i, row := range v.rows {
		if i > 0 {
			w.put(", ", row[0].at())
		}
		w.put("(", row[0].at())
		w.list(row)
		w.put(")", row[len(row)-1].at())
	}
	w.put(") AS __values(", v.span)
	for i := range v.rows[0] {
		if i > 0 {
			w.put(", ", v.span)
		}
		w.put("col"+itoa(i+1), v.span)
	}
	w.put(")", v.span)
}

func (w *writer) selection(s *selection) {
	w.windowGroups(s)
	row, windows := w.row, w.windows
	w.row, w.windows = nameOfRows(s.from), s.windows
	defer func() { w.row, w.windows = row, windows }()
	w.put("SELECT ", span{s.start, s.start})
	if s.distinct {
		w.put("DISTINCT ", span{s.start, s.start})
	}
	for i, item := range s.items {
		if i > 0 {
			w.put(", ", span{item.start, item.start})
		}
		w.selectItem(item)
	}
	if len(s.from) > 0 {
		w.put(" FROM ", s.from[0].at())
	}
	for i, r := range s.from {
		if i > 0 {
			w.put(", ", r.at())
		}
		w.relation(r)
	}
	if s.where != nil {
		w.put(" WHERE ", span{s.where.at().start, s.where.at().start})
		w.coerced(s.where, boolean)
	}
	w.groupBy(s)
	if s.having != nil {
		w.put(" HAVING ", span{s.having.at().start, s.having.at().start})
		w.coerced(s.having, boolean)
	}
	for i, n := range s.windows {
		w.put(map[bool]string{true: " WINDOW ", false: ", "}[i == 0], n.name.span)
		w.ident(n.name)
		w.put(" AS ", n.name.span)
		w.window(n.spec)
	}
	if s.qualify != nil {
		w.put(" QUALIFY ", span{s.qualify.at().start, s.qualify.at().start})
		w.coerced(s.qualify, boolean)
	}
}

// windowGroups lets the name window stand for the window of time that is grouped by.
func (w *writer) windowGroups(s *selection) {
	for _, g := range s.groups {
		if c, ok := g.(*call); ok && c.name == "window" {
			inner := &writer{expanded: w.expanded, out: sqltext.NewBuilder(w.raw, w.origin), diags: w.diags, result: &Query{}, replaced: w.replaced, mode: w.mode}
			inner.expr(c)
			w.result.macros = append(w.result.macros, inner.result.macros...)
			replaced := map[string]string{"window": "(" + inner.out.Query().Text + ")"}
			for name, text := range w.replaced {
				replaced[name] = text
			}
			w.replaced = replaced
			return
		}
	}
}

func (w *writer) groupBy(s *selection) {
	switch {
	case s.grouping == "ALL":
		w.put(" GROUP BY ALL", s.span)
	case s.grouping == "SETS":
		w.put(" GROUP BY GROUPING SETS (", s.span)
		for i, set := range s.sets {
			if i > 0 {
				w.put(", ", s.span)
			}
			w.put("(", s.span)
			w.list(set)
			w.put(")", s.span)
		}
		w.put(")", s.span)
	case len(s.groups) > 0:
		at := s.groups[0].at()
		w.put(" GROUP BY ", span{at.start, at.start})
		if s.grouping != "" {
			w.put(s.grouping+"(", span{at.start, at.start})
		}
		w.list(s.groups)
		if s.grouping != "" {
			w.put(")", span{at.start, at.start})
		}
	}
}

// selectItem writes an item of the select list, under the name that it has in Spark.
func (w *writer) selectItem(item selected) {
	if c, ok := item.x.(*call); ok && generators[c.name] {
		var names []ident
		if item.alias != nil {
			names = []ident{*item.alias}
		} else {
			names = item.aliases
		}
		w.generator(c, names)
		return
	}
	w.expr(item.x)
	switch {
	case len(item.aliases) > 0:
		w.fail(codeUnsupported, item.aliases[0].span, "name it with AS name", "only explode and the like have several names")
	case item.alias != nil:
		w.put(" AS ", span{item.alias.start, item.alias.start})
		w.ident(*item.alias)
	case w.replacesName(item.x):
		c, _ := item.x.(*column)
		w.put(" AS "+quoteName(c.path[len(c.path)-1].name), item.x.at())
	default:
		if name, ok := outputName(item.x); ok {
			w.put(" AS "+quoteName(name), item.x.at())
		}
	}
}

// replacesName reports whether something else is written for a column.
func (w *writer) replacesName(x expr) bool {
	c, ok := x.(*column)
	return ok && (w.replaced[strings.ToLower(c.path[0].name)] != "" || w.ofList(c.path))
}

// generator writes explode and the like as items of a select list, which DuckDB unnests side by side.
func (w *writer) generator(c *call, names []ident) {
	name, outer := strings.CutSuffix(c.name, "_outer")
	switch name {
	case "stack":
		w.stack(c, names)
		return
	case "json_tuple":
		w.jsonTuple(c, names)
		return
	case "variant_explode":
		w.variantExplode(c, names)
		return
	}
	w.need(c, 1, 1, c.name+"(list)")
	x := c.args[0].value
	list := func(key string) func() {
		return func() {
			open, close := "", ""
			if key != "" {
				open, close = key+"(", ")"
			}
			if outer {
				open, close = "@outer_entries("+open, close+")"
			}
			w.around(c, open, func() { w.expr(x) }, close)
		}
	}
	column := func(open string, write func(), close, otherwise string, i int) {
		w.around(c, open, write, close+" AS ")
		if i < len(names) {
			w.ident(names[i])
		} else {
			w.put(quoteName(otherwise), c.nameAt)
		}
	}
	want := 1
	position := 0
	if name == "posexplode" {
		column("CAST(generate_subscripts(", list(""), ", 1) - 1 AS INTEGER)", "pos", 0)
		w.put(", ", c.nameAt)
		want, position = 2, 1
	}
	isMap := isMapCall(x) || len(names) == want+1
	switch {
	case name == "inline":
		if len(names) > 0 {
			w.fail(codeUnsupported, names[0].span, "leave the names out, and write a query around it", "names for inline(…) are not supported in a select list")
		}
		w.around(c, "unnest(", list(""), ", max_depth := 2)")
	case isMap:
		column("unnest(", list("map_keys"), ")", "key", position)
		w.put(", ", c.nameAt)
		column("unnest(", list("map_values"), ")", "value", position+1)
		want++
	default:
		column("unnest(", list(""), ")", "col", position)
	}
	if len(names) > 0 && len(names) != want {
		w.fail(codeArguments, names[0].span, "give as many names as there are columns", "%s has %d columns", c.name, want)
	}
}

// columnOf writes one column of a generator, under the name at its place or another one.
func (w *writer) columnOf(c *call, names []ident, i int, otherwise, before string, write func(), after string) {
	if i > 0 {
		w.put(", ", c.nameAt)
	}
	w.around(c, before, write, after+" AS ")
	if i < len(names) {
		w.ident(names[i])
	} else {
		w.put(quoteName(otherwise), c.nameAt)
	}
}

// stack puts values into so many rows.
func (w *writer) stack(c *call, names []ident) {
	w.need(c, 2, -1, "stack(2, a, b, c, d)")
	l, ok := c.args[0].value.(*literal)
	rows := 0
	if ok {
		rows = atoi(l.value)
	}
	if rows < 1 {
		w.fail(codeArguments, c.args[0].value.at(), "write it as a number", "the number of rows has to be a constant")
	}
	cells := c.args[1:]
	columns := (len(cells) + rows - 1) / rows
	for i := range columns {
		var column []expr
		for at := i; at < rows*columns; at += columns {
			if at < len(cells) {
				column = append(column, cells[at].value)
			} else {
				column = append(column, &literal{span: c.span, kind: nullLiteral})
			}
		}
		w.columnOf(c, names, i, "col"+itoa(i), "unnest([", func() {
			for n := range column {
				if n > 0 {
					w.put(", ", column[n].at())
				}
				w.oneOf(column, n)
			}
		}, "])")
	}
}

// jsonTuple gives fields of a JSON text as columns.
func (w *writer) jsonTuple(c *call, names []ident) {
	w.need(c, 2, -1, "json_tuple(text, 'a', 'b')")
	for i, a := range c.args[1:] {
		path := `$."` + strings.ReplaceAll(w.constant(a.value, "the name of a field"), `"`, `\"`) + `"`
		w.columnOf(c, names, i, "c"+itoa(i), "@json_path(", func() { w.expr(c.args[0].value) }, ", "+quoteText(path)+")")
	}
}

// variantExplode gives the elements of a JSON list or object.
func (w *writer) variantExplode(c *call, names []ident) {
	w.need(c, 1, 1, "variant_explode(x)")
	x := func() { w.around(c, "CAST(", func() { w.expr(c.args[0].value) }, " AS JSON)") }
	w.columnOf(c, names, 0, "pos", "CAST(generate_subscripts(@variant_values(", x, "), 1) - 1 AS INTEGER)")
	w.columnOf(c, names, 1, "key", "unnest(@variant_keys(", x, "))")
	w.columnOf(c, names, 2, "value", "unnest(@variant_values(", x, "))")
}

// isMapCall reports whether an expression is told to be a map.
func isMapCall(x expr) bool {
	c, ok := x.(*call)
	return ok && (c.name == "map" || strings.HasPrefix(c.name, "map_from") || c.name == "map_filter" || c.name == "map_concat" || c.name == "str_to_map" ||
		strings.HasPrefix(c.name, "transform_"))
}
