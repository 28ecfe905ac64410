package spark

import (
	"strings"
)

// query reads a whole query.
func (p *parser) query() *query {
	defer p.enter()()
	q := &query{span: p.here()}
	if p.accept("with") {
		q.recursive = p.accept("recursive")
		for {
			c := common{name: p.ident("the name of a common table expression")}
			if p.is("(") && !p.isQuery(p.i) {
				c.columns = p.idents("a column")
			}
			if p.accept("max", "recursion", "level") {
				p.i++ // DuckDB ends when there is nothing more
			}
			p.accept("as")
			p.expect("(")
			c.query = p.query()
			p.expect(")")
			q.with = append(q.with, c)
			if !p.accept(",") {
				break
			}
		}
	}
	q.body = p.setOperations(0)
	p.modifiers(q)
	for p.is("|>") {
		q = p.pipe(q)
	}
	q.span = p.since(q.span)
	return q
}

// modifiers reads what stands behind the body of a query.
func (p *parser) modifiers(q *query) {
	for {
		at := p.here()
		switch {
		case p.accept("order", "by"), p.accept("sort", "by"):
			if p.is("all") && !p.isAt(p.i+1, ".") {
				q.orderAll = p.orderAll()
			} else {
				q.order = p.orders()
			}
		case p.accept("cluster", "by"), p.accept("distribute", "by"):
			p.expressions() // where the rows are says nothing here
		case p.accept("limit"):
			if !p.accept("all") {
				q.limit = p.expression()
			}
		case p.accept("offset"):
			q.offset = p.expression()
		case p.is("window"):
			s, ok := q.body.(*selection)
			if !ok {
				p.failAt(at, "put it behind the SELECT", "WINDOW stands behind a query that is no SELECT")
			}
			p.windows(s)
		default:
			return
		}
	}
}

func (p *parser) orderAll() string {
	p.i++
	o := p.direction(order{})
	return o.suffix()
}

func (p *parser) orders() []order {
	var all []order
	for {
		all = append(all, p.direction(order{x: p.expression()}))
		if !p.accept(",") {
			return all
		}
	}
}

func (p *parser) direction(o order) order {
	if p.accept("desc") {
		o.desc = true
	} else {
		p.accept("asc")
	}
	if p.accept("nulls") {
		switch {
		case p.accept("first"):
			o.nulls = "FIRST"
		case p.accept("last"):
			o.nulls = "LAST"
		default:
			p.fail("FIRST or LAST is missing", "write NULLS FIRST or NULLS LAST")
		}
	}
	return o
}

// suffix is what stands behind the expression in DuckDB's text: Spark has NULLs first, or last in descending order.
func (o order) suffix() string {
	nulls := o.nulls
	if nulls == "" {
		nulls = "FIRST"
		if o.desc {
			nulls = "LAST"
		}
	}
	if o.desc {
		return " DESC NULLS " + nulls
	}
	return " NULLS " + nulls
}

// setOperations reads bodies with UNION and the like between them; INTERSECT binds closer.
func (p *parser) setOperations(level int) body {
	l := p.bodyTerm(level)
	for {
		op, at := "", p.here()
		switch {
		case level == 0 && p.accept("union"):
			op = "UNION"
		case level == 0 && (p.is("except") || p.is("minus")):
			op = "EXCEPT"
			p.i++
		case level == 1 && p.accept("intersect"):
			op = "INTERSECT"
		default:
			return l
		}
		s := &setOperation{op: op, all: p.accept("all"), l: l}
		if !s.all {
			p.accept("distinct")
		}
		s.name = p.accept("by", "name")
		s.opAt = p.since(at)
		s.r = p.bodyTerm(level)
		s.span = l.at().to(s.r.at())
		l = s
	}
}

func (p *parser) bodyTerm(level int) body {
	if level == 0 {
		return p.setOperations(1)
	}
	at := p.here()
	switch {
	case p.is("("):
		p.i++
		q := p.query()
		p.expect(")")
		q.span = p.since(at)
		return q
	case p.is("select"):
		return p.selection()
	case p.accept("values"):
		v := p.values(at)
		if a := p.alias(); a.name != nil {
			d := &derived{span: p.since(at), query: &query{span: v.span, body: v}, alias: a}
			return &selection{span: d.span, items: []selected{{x: &star{span: at}}}, from: []relation{d}}
		}
		return v
	case p.is("from"):
		return p.fromFirst()
	case p.accept("table"):
		s := &selection{items: []selected{{x: &star{span: at}}}, from: []relation{p.table()}}
		s.span = p.since(at)
		return s
	}
	help := "write SELECT …"
	if p.is("create") {
		help = "write one SELECT …; in the place of a temporary view, begin it with WITH name AS (SELECT …)"
	}
	p.fail("a query is missing", help)
	return nil
}

func (p *parser) values(at span) *values {
	v := &values{}
	for {
		x := p.expression()
		row := []expr{x}
		if t, ok := x.(*tuple); ok {
			row = t.items
		}
		v.rows = append(v.rows, row)
		if !p.accept(",") {
			break
		}
	}
	v.span = p.since(at)
	return v
}

// selection reads SELECT … and its clauses.
func (p *parser) selection() *selection {
	s := &selection{span: p.here()}
	p.expect("select")
	p.selectList(s)
	if p.accept("from") {
		p.from(s)
	}
	p.clauses(s)
	s.span = p.since(s.span)
	return s
}

// fromFirst reads FROM … SELECT …, or FROM … alone.
func (p *parser) fromFirst() *selection {
	s := &selection{span: p.here()}
	p.expect("from")
	p.from(s)
	if p.accept("select") {
		p.selectList(s)
		p.clauses(s)
	} else {
		s.items = []selected{{x: &star{span: s.span}}}
	}
	s.span = p.since(s.span)
	return s
}

func (p *parser) selectList(s *selection) {
	if p.accept("distinct") {
		s.distinct = true
		if p.is("on") && p.isAt(p.i+1, "(") {
			p.refuse(p.here(), "use row_number() and QUALIFY", "Spark has no DISTINCT ON")
		}
	} else {
		p.accept("all")
	}
	s.items = p.items()
}

func (p *parser) items() []selected {
	var items []selected
	for {
		items = append(items, p.selected())
		if !p.accept(",") {
			return items
		}
	}
}

func (p *parser) selected() selected {
	item := selected{span: p.here()}
	item.x = p.expression()
	if p.is("as", "(") || p.is("(") && generates(item.x) {
		p.accept("as")
		item.aliases = p.idents("a column")
	} else {
		item.alias = p.optionalAlias()
	}
	item.span = p.since(item.span)
	return item
}

func generates(x expr) bool {
	c, ok := x.(*call)
	return ok && generators[c.name]
}

func (p *parser) from(s *selection) {
	for {
		s.from = append(s.from, p.relation())
		if !p.accept(",") {
			break
		}
	}
	for p.is("lateral", "view") {
		last := len(s.from) - 1
		s.from[last] = p.lateralView(s.from[last])
	}
}

// clauses reads what stands behind FROM.
func (p *parser) clauses(s *selection) {
	if p.accept("where") {
		s.where = p.expression()
	}
	if p.accept("group", "by") {
		p.groupBy(s)
	}
	if p.accept("having") {
		s.having = p.expression()
	}
	p.windows(s)
	if p.accept("qualify") {
		s.qualify = p.expression()
	}
	p.windows(s)
}

func (p *parser) windows(s *selection) {
	if !p.accept("window") {
		return
	}
	for {
		name := p.ident("the name of a window")
		p.expect("as")
		s.windows = append(s.windows, namedWindow{name, p.windowSpec()})
		if !p.accept(",") {
			return
		}
	}
}

func (p *parser) groupBy(s *selection) {
	if p.is("all") && p.op(p.i+1) != "." && p.op(p.i+1) != "(" {
		p.i++
		s.grouping = "ALL"
		return
	}
	for _, word := range []string{"rollup", "cube"} {
		if p.is(word, "(") {
			p.i += 2
			s.grouping = strings.ToUpper(word)
			s.groups = p.expressions()
			p.expect(")")
			return
		}
	}
	if !p.is("grouping", "sets") {
		s.groups = p.expressions()
	}
	switch {
	case p.accept("with", "rollup"):
		s.grouping = "ROLLUP"
	case p.accept("with", "cube"):
		s.grouping = "CUBE"
	case p.accept("grouping", "sets"):
		s.grouping = "SETS"
		p.expect("(")
		for {
			s.sets = append(s.sets, p.groupingSet())
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
	}
}

func (p *parser) groupingSet() []expr {
	if p.accept("(", ")") {
		return nil
	}
	x := p.expression()
	if t, ok := x.(*tuple); ok {
		return t.items
	}
	return []expr{x}
}

// expressions reads a, b, c.
func (p *parser) expressions() []expr {
	var all []expr
	for {
		all = append(all, p.expression())
		if !p.accept(",") {
			return all
		}
	}
}
