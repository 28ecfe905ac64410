package spark

import (
	"strings"
)

// relation reads a relation and the joins behind it.
func (p *parser) relation() relation {
	defer p.enter()()
	l := p.primary()
	for {
		j := &join{kind: "INNER", natural: p.accept("natural"), l: l}
		start := p.i
		if !p.joinWords(j) {
			p.i = start
			if j.natural {
				p.fail("JOIN is missing", "write NATURAL JOIN")
			}
			return l
		}
		j.lateral = p.is("lateral")
		j.r = p.primary()
		switch {
		case p.accept("on"):
			j.on = p.expression()
		case p.accept("using"):
			j.using = p.idents("a column")
		}
		j.span = p.since(l.at())
		l = j
	}
}

// joinWords reads INNER JOIN and the like.
func (p *parser) joinWords(j *join) bool {
	switch {
	case p.accept("inner"):
	case p.accept("cross"):
		j.kind = "CROSS"
	case p.is("left") || p.is("right") || p.is("full"):
		j.kind = strings.ToUpper(p.text(p.i))
		p.i++
		switch {
		case p.accept("outer"):
		case j.kind == "LEFT" && p.accept("semi"):
			j.kind = "SEMI"
		case j.kind == "LEFT" && p.accept("anti"):
			j.kind = "ANTI"
		}
	case p.accept("semi"):
		j.kind = "SEMI"
	case p.accept("anti"):
		j.kind = "ANTI"
	}
	return p.accept("join")
}

// primary reads one relation, with what belongs to it.
func (p *parser) primary() relation {
	r := p.bare()
	for {
		switch at := p.here(); {
		case p.is("pivot") && p.op(p.i+1) == "(":
			r = p.pivot(r)
		case p.is("unpivot"):
			r = p.unpivot(r)
		case p.accept("watermark"):
			p.watermark(at)
		default:
			return r
		}
	}
}

func (p *parser) bare() relation {
	at := p.here()
	lateral := p.is("lateral") && !p.is("lateral", "view") && p.accept("lateral")
	switch {
	case p.isQuery(p.i):
		p.i++
		d := &derived{query: p.query(), lateral: lateral}
		p.expect(")")
		d.sample = p.sample()
		d.alias = p.alias()
		d.span = p.since(at)
		return d
	case p.accept("("):
		n := &nested{x: p.relation()}
		p.expect(")")
		if p.sample() != nil || p.alias().name != nil {
			p.refuse(p.since(at), "write it as a query in brackets: (SELECT * FROM …) AS name", "a join in brackets has no name of its own here")
		}
		n.span = p.since(at)
		return n
	case p.is("values") && p.op(p.i+1) != ".":
		p.i++
		v := p.values(at)
		d := &derived{query: &query{span: v.span, body: v}, alias: p.alias()}
		d.span = p.since(at)
		return d
	case p.is("stream") && p.streams():
		return p.stream(at)
	case p.is("table", "("):
		p.i += 2
		r := p.tableCall(at, lateral)
		p.expect(")")
		r.alias = p.alias()
		r.span = p.since(at)
		return r
	case p.peek().Kind == Word && p.calls():
		if r := p.readsFiles(at, false); r != nil {
			return r
		}
		r := p.tableCall(at, lateral)
		r.alias = p.alias()
		r.span = p.since(at)
		return r
	case p.isPath():
		return p.path(at, false)
	}
	return p.table()
}

// calls reports whether a function is called.
func (p *parser) calls() bool {
	i := p.i
	for p.op(i+1) == "." && (p.token(i+2).Kind == Word || p.token(i+2).Kind == Name) {
		i += 2
	}
	return p.op(i+1) == "("
}

// streams reports whether the word STREAM stands in front of a relation, and is not the name of one.
func (p *parser) streams() bool {
	next := p.token(p.i + 1)
	return p.op(p.i+1) == "(" || p.i+1 < len(p.toks) && (next.Kind == Name || next.Kind == Word && !isClause(next.Text(p.sql)))
}

// stream reads STREAM t, STREAM(t), STREAM CHANGES(t), STREAM read_files(…).
func (p *parser) stream(at span) relation {
	p.i++
	p.readsStream = true
	bracket := p.accept("(")
	var r relation
	switch {
	case bracket && p.queryWord(p.i):
		p.refuse(p.here(), "write STREAM in front of the tables in the query", "STREAM reads a table by its name, and not a query")
	case p.is("changes", "("):
		p.i += 2
		t := p.tableName()
		t.stream, t.changes = true, true
		p.expect(")")
		r = t
	case p.peek().Kind == Word && p.calls():
		if r = p.readsFiles(at, true); r == nil {
			p.refuse(p.here(), "write STREAM name, STREAM read_files(…) or STREAM read_kafka(…)", "STREAM reads a table or files, and no function")
		}
	case p.isPath():
		r = p.path(at, true)
	case p.is("("):
		p.refuse(p.here(), "write STREAM in front of the tables in the query", "STREAM reads a table by its name, and not a query")
	default:
		t := p.tableName()
		t.stream = true
		r = t
	}
	if bracket {
		p.expect(")")
	}
	switch r := r.(type) {
	case *table:
		p.tableEnd(r)
		r.span = p.since(at)
	case *files:
		r.alias = p.alias()
		r.span = p.since(at)
		p.result.Relations[r.found].Range = p.place(at.start, r.end)
	}
	return r
}

func (p *parser) table() *table {
	at := p.here()
	t := p.tableName()
	p.tableEnd(t)
	t.span = p.since(at)
	return t
}

func (p *parser) tableName() *table {
	path := p.dotted("a table")
	if len(path) > 1 && strings.EqualFold(path[0].name, "live") {
		path = path[1:]
	}
	if len(path) > 1 {
		p.paths = append(p.paths, path)
	}
	return &table{span: pathSpan(path), path: path}
}

func (p *parser) tableEnd(t *table) {
	start := p.i
	p.accept("for")
	for _, word := range []string{"version", "timestamp", "system_version", "system_time"} {
		if p.is(word, "as", "of") {
			p.i += 3
			if p.anyOf("timestamp", "date") {
				p.i++
			}
			x := p.valueExpression()
			l, ok := x.(*literal)
			if !ok {
				p.refuse(x.at(), "write a number or a text", "the version of a table is a constant")
			}
			kind := "TIMESTAMP"
			if strings.HasSuffix(word, "version") {
				kind = "VERSION"
			}
			value := l.value
			if l.kind != numberLiteral {
				value = quoteText(value)
			}
			t.travel = " " + kind + " AS OF " + value
			start = p.i
		}
	}
	p.i = start
	t.sample = p.sample()
	if p.is("with", "(") {
		p.refuse(p.here(), "leave the options out; what was changed in a table is STREAM CHANGES(name)", "options of a table are not supported in a query")
	}
	t.alias = p.alias()
	if s := p.sample(); s != nil {
		t.sample = s
	}
}

// alias reads AS name (columns).
func (p *parser) alias() alias {
	a := alias{name: p.optionalAlias()}
	if a.name != nil && p.is("(") {
		a.columns = p.idents("a column")
	}
	return a
}

func (p *parser) tableCall(at span, lateral bool) *tableCall {
	x := p.primaryExpression()
	c, ok := x.(*call)
	if !ok {
		p.failAt(x.at(), "write the name of a table or of a function that gives one", "this is no relation")
	}
	return &tableCall{span: p.since(at), call: c, lateral: lateral}
}

// sample reads TABLESAMPLE (…).
func (p *parser) sample() *sample {
	at := p.here()
	if !p.accept("tablesample") {
		return nil
	}
	s := &sample{}
	p.accept("system")
	p.expect("(")
	n := p.text(p.i)
	if p.peek().Kind != Number {
		p.fail("a number is missing", "write TABLESAMPLE (10 PERCENT) or (100 ROWS)")
	}
	p.i++
	switch {
	case p.accept("percent"):
		s.text = " TABLESAMPLE bernoulli(" + n + " PERCENT)"
	case p.accept("rows"):
		s.text = " TABLESAMPLE reservoir(" + n + " ROWS)"
	default:
		p.refuse(p.here(), "write TABLESAMPLE (10 PERCENT) or (100 ROWS)", "other samples are not supported")
	}
	p.expect(")")
	if p.accept("repeatable", "(") {
		s.text += " REPEATABLE (" + p.text(p.i) + ")"
		if p.peek().Kind != Number {
			p.fail("a number is missing", "write REPEATABLE (42)")
		}
		p.i++
		p.expect(")")
	}
	s.span = p.since(at)
	return s
}

// lateralView reads LATERAL VIEW [OUTER] explode(x) t AS a, b.
func (p *parser) lateralView(x relation) relation {
	v := &lateralView{x: x}
	p.i += 2
	v.outer = p.accept("outer")
	f := p.primaryExpression()
	c, ok := f.(*call)
	if !ok || !generators[c.name] {
		p.failAt(f.at(), "write LATERAL VIEW explode(list) t AS x", "LATERAL VIEW needs explode, posexplode, inline or stack")
	}
	v.call = c
	if t := p.peek(); t.Kind == Name || t.Kind == Word && !isClause(p.text(p.i)) && p.i < len(p.toks) {
		name := p.ident("a name")
		v.name = &name
	}
	if p.accept("as") || v.name != nil && (p.peek().Kind == Name || p.peek().Kind == Word && !isClause(p.text(p.i))) {
		for {
			v.names = append(v.names, p.ident("a column"))
			if !p.accept(",") {
				break
			}
		}
	}
	v.span = p.since(x.at())
	return v
}

// watermark reads WATERMARK column DELAY OF interval, which is refused: nothing here waits for late rows.
func (p *parser) watermark(at span) {
	p.expression()
	p.accept("as")
	p.accept("delay", "of")
	p.expression()
	p.diags.Notef(codeIgnored, p.place(at.start, p.before()), "leave it for Spark, or remove it; state is kept for all rows",
		"WATERMARK has no effect: lakeflow drops no late rows")
}

func (p *parser) pivot(x relation) relation {
	v := &pivot{x: x}
	p.i++
	p.expect("(")
	v.aggregates = p.items()
	p.expect("for")
	if p.accept("(") {
		for _, name := range p.columnList() {
			v.columns = append(v.columns, name)
		}
	} else {
		v.columns = append(v.columns, p.primaryExpression())
	}
	p.expect("in")
	p.expect("(")
	v.values = p.items()
	p.expect(")")
	p.expect(")")
	v.alias = p.alias()
	v.span = p.since(x.at())
	return v
}

// columnList reads a, b) behind a bracket.
func (p *parser) columnList() []*column {
	var all []*column
	for {
		path := p.dotted("a column")
		all = append(all, &column{pathSpan(path), path})
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return all
}

func (p *parser) unpivot(x relation) relation {
	u := &unpivot{x: x}
	p.i++
	if p.accept("include", "nulls") {
		u.nulls = true
	} else {
		p.accept("exclude", "nulls")
	}
	p.expect("(")
	if p.is("(") {
		p.refuse(p.here(), "unpivot one column at a time", "UNPIVOT into several columns is not supported")
	}
	u.values = []ident{p.ident("a column for the values")}
	p.expect("for")
	u.name = p.ident("a column for the names")
	p.expect("in")
	p.expect("(")
	for {
		path := p.dotted("a column")
		u.columns = append(u.columns, unpivotColumn{[]column{{pathSpan(path), path}}, p.optionalAlias()})
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	p.expect(")")
	u.alias = p.alias()
	u.span = p.since(x.at())
	return u
}
