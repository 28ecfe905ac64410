package spark

import "strings"

// pipe reads one step behind |> and puts it around the query before it.
func (p *parser) pipe(q *query) *query {
	defer p.enter()()
	at := p.here()
	p.i++
	if p.anyOf("limit", "offset") && q.limit == nil && q.offset == nil {
		p.modifiers(q) // of the rows in the order that the step before gave them
		return q
	}
	s := &selection{items: []selected{{x: &star{span: at}}}, from: []relation{&derived{span: q.span, query: q}}}
	next := &query{body: s}
	switch {
	case p.accept("select"):
		s.items = nil
		p.selectList(s)
		p.windows(s)
	case p.accept("where"):
		s.where = p.expression()
	case p.accept("extend"):
		s.items = append(s.items, p.items()...)
	case p.accept("set"):
		p.pipeSet(s)
	case p.accept("drop"):
		p.pipeDrop(s, at)
	case p.is("as"):
		next.name = p.optionalAlias()
	case p.accept("aggregate"):
		p.pipeAggregate(s)
	case p.anyOf("order", "limit", "offset", "sort", "cluster", "distribute"):
		p.modifiers(next)
	case p.anyOf("union", "intersect", "except", "minus"):
		next = p.pipeSets(q, at)
	case p.is("pivot"):
		s.from[0] = p.pivot(s.from[0])
	case p.is("unpivot"):
		s.from[0] = p.unpivot(s.from[0])
	case p.anyOf("join", "inner", "left", "right", "full", "cross", "natural", "semi", "anti", "lateral"):
		p.pipeJoin(s)
	default:
		p.fail("a step is missing", "write |> SELECT, WHERE, EXTEND, SET, DROP, AS, AGGREGATE, JOIN, ORDER BY, LIMIT or UNION")
	}
	s.span = p.since(at)
	next.span = p.since(q.span)
	return next
}

// pipeSet gives columns other values.
func (p *parser) pipeSet(s *selection) {
	except := &star{span: p.here()}
	items := []selected{{x: except}}
	for {
		name := p.ident("a column")
		p.expect("=")
		except.except = append(except.except, []ident{name})
		items = append(items, selected{x: p.expression(), alias: &name})
		if !p.accept(",") {
			break
		}
	}
	s.items = items
}

func (p *parser) pipeDrop(s *selection, at span) {
	except := &star{span: at}
	for {
		except.except = append(except.except, []ident{p.ident("a column")})
		if !p.accept(",") {
			break
		}
	}
	s.items = []selected{{x: except}}
}

// pipeAggregate reads AGGREGATE … GROUP BY …: the groups come first in the output.
func (p *parser) pipeAggregate(s *selection) {
	s.items = nil
	if !p.is("group", "by") {
		s.items = p.items()
	}
	if !p.accept("group", "by") {
		return
	}
	groups := p.items()
	for _, g := range groups {
		s.groups = append(s.groups, g.x)
	}
	s.items = append(groups, s.items...)
}

func (p *parser) pipeSets(q *query, at span) *query {
	op := strings.ToUpper(p.text(p.i))
	p.i++
	if op == "MINUS" {
		op = "EXCEPT"
	}
	next := &query{}
	s := &setOperation{op: op, all: p.accept("all"), l: q}
	if !s.all {
		p.accept("distinct")
	}
	s.name = p.accept("by", "name")
	s.r = p.bodyTerm(1)
	s.span = p.since(at)
	next.body = s
	return next
}

func (p *parser) pipeJoin(s *selection) {
	if p.is("lateral", "view") {
		s.from[0] = p.lateralView(s.from[0])
		return
	}
	j := &join{kind: "INNER", natural: p.accept("natural"), l: s.from[0]}
	if !p.joinWords(j) {
		p.fail("JOIN is missing", "write JOIN")
	}
	j.r = p.primary()
	switch {
	case p.accept("on"):
		j.on = p.expression()
	case p.accept("using"):
		j.using = p.idents("a column")
	}
	j.span = p.since(j.l.at())
	s.from[0] = j
}
