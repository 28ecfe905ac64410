package spark

import (
	"strings"
)

// expression reads a condition or value.
func (p *parser) expression() expr {
	defer p.enter()()
	l := p.and()
	for p.is("or") {
		l = p.binary(l, "OR", 1, p.and)
	}
	return l
}

func (p *parser) and() expr {
	l := p.not()
	for p.is("and") {
		l = p.binary(l, "AND", 1, p.not)
	}
	return l
}

// binary reads an operator of so many tokens and what is behind it.
func (p *parser) binary(l expr, op string, tokens int, operand func() expr) expr {
	at := p.here()
	p.i += tokens
	at.end = p.before()
	r := operand()
	return &binary{l.at().to(r.at()), op, at, l, r}
}

func (p *parser) not() expr {
	at := p.here()
	if p.is("not") || p.is("!") {
		defer p.enter()()
		p.i++
		x := p.not()
		return &unary{at.to(x.at()), "NOT", x}
	}
	return p.predicates(p.valueExpression())
}

// predicates reads BETWEEN, IN, LIKE and IS behind a value.
func (p *parser) predicates(x expr) expr {
	for {
		start := p.i
		not := p.accept("not") || p.accept("!")
		switch {
		case p.accept("between"):
			b := &between{x: x, not: not, low: p.valueExpression()}
			p.expect("and")
			b.high = p.valueExpression()
			b.span = p.since(x.at())
			x = b
		case p.accept("in"):
			x = p.in(x, not)
		case p.anyOf("like", "ilike", "rlike", "regexp"):
			x = p.like(x, not)
		case !not && p.accept("is"):
			x = p.isWhat(x)
		default:
			p.i = start
			return x
		}
	}
}

func (p *parser) in(x expr, not bool) expr {
	n := &in{x: x, not: not}
	if p.isQuery(p.i) {
		p.i++
		n.query = p.query()
	} else {
		p.expect("(")
		n.list = p.expressions()
	}
	p.expect(")")
	n.span = p.since(x.at())
	return n
}

func (p *parser) like(x expr, not bool) expr {
	l := &like{x: x, not: not, op: strings.ToUpper(p.text(p.i))}
	if l.op == "REGEXP" {
		l.op = "RLIKE"
	}
	p.i++
	if l.op != "RLIKE" && (p.is("any") || p.is("all") || p.is("some")) && p.isAt(p.i+1, "(") {
		l.any = "ANY"
		if p.is("all") {
			l.any = "ALL"
		}
		p.i += 2
		l.patterns = p.expressions()
		p.expect(")")
	} else {
		l.patterns = []expr{p.valueExpression()}
	}
	if p.accept("escape") {
		if p.peek().Kind != String {
			p.fail("the escape character is missing", "write ESCAPE '#'")
		}
		l.escape = Unquote(p.text(p.i))
		p.i++
	}
	l.span = p.since(x.at())
	return l
}

func (p *parser) isWhat(x expr) expr {
	s := &is{x: x, not: p.accept("not")}
	switch {
	case p.accept("distinct", "from"):
		s.what, s.y = "DISTINCT FROM", p.valueExpression()
	case p.anyOf("null", "true", "false", "unknown"):
		s.what = strings.ToUpper(p.text(p.i))
		p.i++
	default:
		p.fail("NULL is missing", "write IS NULL, IS TRUE, IS FALSE or IS DISTINCT FROM x, with or without NOT")
	}
	s.span = p.since(x.at())
	return s
}

// operator tells the operator that follows, how close it binds, and of how many tokens it is.
func (p *parser) operator() (op string, level, tokens int) {
	adjacent := func(i int, c string) bool {
		return p.op(i) == c && p.token(i).Start == p.token(i-1).End
	}
	switch op = p.op(p.i); op {
	case "=", "==", "<>", "!=", "<=>", "<=", ">=", "!<", "!>":
		return op, 1, 1
	case "<":
		if adjacent(p.i+1, "<") {
			return "<<", 5, 2
		}
		return op, 1, 1
	case ">":
		if !adjacent(p.i+1, ">") {
			return op, 1, 1
		}
		if adjacent(p.i+2, ">") {
			return ">>>", 5, 3
		}
		return ">>", 5, 2
	case "|":
		return op, 2, 1
	case "^":
		return op, 3, 1
	case "&":
		return op, 4, 1
	case "+", "-", "||":
		return op, 6, 1
	case "*", "/", "%":
		return op, 7, 1
	}
	if p.is("div") {
		return "DIV", 7, 1
	}
	return "", 0, 0
}

// valueExpression reads operators with values between them.
func (p *parser) valueExpression() expr { return p.operators(1) }

func (p *parser) operators(least int) expr {
	defer p.enter()()
	l := p.unary()
	for {
		op, level, tokens := p.operator()
		if level < least || level == 0 {
			return l
		}
		l = p.binary(l, op, tokens, func() expr { return p.operators(level + 1) })
	}
}

func (p *parser) unary() expr {
	at := p.here()
	switch op := p.op(p.i); op {
	case "-", "+", "~":
		defer p.enter()()
		p.i++
		x := p.unary()
		if n, ok := x.(*literal); ok && op == "-" && n.kind == numberLiteral && !strings.HasPrefix(n.value, "-") && p.toks[p.i-1].Start == n.start {
			n.value, n.span = "-"+n.value, at.to(n.span)
			return n
		}
		return &unary{at.to(x.at()), op, x}
	}
	return p.postfix(p.primaryExpression())
}

// postfix reads .name, [i], :path and ::type behind a value.
func (p *parser) postfix(x expr) expr {
	for {
		switch {
		case p.is("::"):
			p.i++
			to := p.dataType()
			x = &cast{p.since(x.at()), x, to, false}
		case p.is("?", "::"):
			p.i += 2
			to := p.dataType()
			x = &cast{p.since(x.at()), x, to, true}
		case p.is("collate"):
			at := p.here()
			p.i++
			if name := p.ident("a collation"); !strings.EqualFold(name.name, "utf8_binary") {
				p.refuse(at.to(name.span), "compare lower(x) instead", "the collation %s is not supported", clip(name.name))
			}
		case p.is("["):
			p.i++
			key := p.expression()
			p.expect("]")
			x = &item{p.since(x.at()), x, key}
		case p.is(":"):
			p.i++
			x = p.jsonPath(x)
		case p.is(".") && (p.token(p.i+1).Kind == Word || p.token(p.i+1).Kind == Name):
			p.i++
			x = &field{p.since(x.at()), x, p.ident("the name of a field")}
		default:
			return x
		}
	}
}

// jsonPath reads a.b[0]['c'] behind the colon.
func (p *parser) jsonPath(x expr) expr {
	j := &path{x: x}
	first := true
	for {
		switch {
		case first && (p.peek().Kind == Word || p.peek().Kind == Name):
			j.steps = append(j.steps, step{name: p.ident("a name").name})
		case (p.is(".") || p.is(":")) && !first:
			p.i++
			j.steps = append(j.steps, step{name: p.ident("a name").name})
		case p.accept("["):
			switch {
			case p.accept("*"):
				j.steps = append(j.steps, step{all: true})
			case p.peek().Kind == Number:
				j.steps = append(j.steps, step{index: p.text(p.i)})
				p.i++
			case p.peek().Kind == String:
				j.steps = append(j.steps, step{name: Unquote(p.text(p.i))})
				p.i++
			default:
				p.fail("a number or a name in quotes is missing", "write x:list[0] or x:['name']")
			}
			p.expect("]")
		case first:
			p.fail("a name is missing", "write x:name")
		default:
			j.span = p.since(x.at())
			return j
		}
		first = false
	}
}

func (p *parser) primaryExpression() expr {
	t := p.peek()
	at := span{t.Start, t.End}
	switch t.Kind {
	case Number:
		p.i++
		return p.number(at)
	case String:
		return p.textLiteral()
	case Name:
		return p.name()
	case Word:
		return p.word()
	}
	switch {
	case p.i >= len(p.toks):
		p.fail("a value is missing", "")
	case p.accept("*"):
		return p.starEnd(&star{span: at})
	case p.isLambda():
		return p.lambda()
	case p.isQuery(p.i):
		p.i++
		q := p.query()
		p.expect(")")
		return &subquery{p.since(at), q, false}
	case p.accept("("):
		x := p.expression()
		if !p.is(",") {
			p.expect(")")
			return x
		}
		items := []expr{x}
		for p.accept(",") {
			items = append(items, p.expression())
		}
		p.expect(")")
		return &tuple{p.since(at), items}
	case p.is("["):
		p.fail("a value is missing", "write a list as array(1, 2)")
	case p.is(":") && p.token(p.i+1).Kind == Word:
		name := p.token(p.i + 1).Text(p.sql)
		p.diags.Errorf(codeParameter, p.place(at.start, p.token(p.i+1).End), "write --param "+name+"=value, SET "+name+" = value; before it in the file, or "+
			name+" under configuration: of the pipeline", ":%s has no value", name)
		panic(mistake{})
	case p.is("?") || p.is(":"):
		p.refuse(at, "write ${name} and set it in the configuration of the pipeline", "a query of a pipeline has no parameter markers")
	case p.is("{"):
		p.refuse(at, "write the value itself", "this is a placeholder that was not replaced")
	}
	p.fail("a value is missing", "something is missing, or too much, in front of it")
	return nil
}

func (p *parser) number(at span) expr {
	text := p.sql[at.start:at.end]
	digits, typ, ok := number(text)
	if !ok {
		p.failAt(at, "leave the suffix out", "the number does not fit into a %s", typ)
	}
	return &literal{at, numberLiteral, digits, typ}
}

// textLiteral reads a string, and those that follow it, which Spark joins.
func (p *parser) textLiteral() expr {
	l := &literal{span: p.here(), kind: textLiteral}
	for p.peek().Kind == String {
		t := p.peek()
		if !t.Closed(p.sql) {
			p.failAt(span{t.Start, t.End}, "close it with "+t.Text(p.sql)[:1], "the text has no end")
		}
		l.value += Unquote(t.Text(p.sql))
		p.i++
	}
	l.span = p.since(l.span)
	return l
}

// name reads a column, t.*, or the call of a function.
func (p *parser) name() expr {
	path := p.dotted("a name")
	at := pathSpan(path)
	switch {
	case p.is(".", "*"):
		p.i += 2
		return p.starEnd(&star{span: p.since(at), path: path})
	case p.is("(") && !path[len(path)-1].quoted:
		return p.call(path)
	}
	return &column{at, path}
}

// starEnd reads EXCEPT (…) behind a star.
func (p *parser) starEnd(s *star) expr {
	if p.is("except", "(") && !p.isQuery(p.i+1) {
		p.i += 2
		for {
			s.except = append(s.except, p.dotted("a column"))
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
	}
	s.span = p.since(s.span)
	return s
}

// isLambda reports whether x -> … or (x, y) -> … follows.
func (p *parser) isLambda() bool {
	if p.op(p.i) == "(" {
		return p.match[p.i] > 0 && p.op(p.match[p.i]+1) == "->"
	}
	return (p.peek().Kind == Word || p.peek().Kind == Name) && p.op(p.i+1) == "->"
}

func (p *parser) lambda() expr {
	l := &lambda{span: p.here()}
	if p.is("(") {
		l.params = p.idents("a parameter")
	} else {
		l.params = []ident{p.ident("a parameter")}
	}
	p.expect("->")
	l.body = p.expression()
	l.span = p.since(l.span)
	return l
}
