package spark

import (
	"strings"
)

// word reads what begins with a word: a keyword of expressions, or a name.
func (p *parser) word() expr {
	at := p.here()
	if p.isLambda() {
		return p.lambda()
	}
	next := p.token(p.i + 1)
	called := p.op(p.i+1) == "("
	switch word := strings.ToLower(p.text(p.i)); {
	case p.op(p.i+1) == ".":
	case word == "null":
		p.i++
		return &literal{span: at, kind: nullLiteral}
	case word == "true" || word == "false":
		p.i++
		return &literal{span: at, kind: boolLiteral, value: word}
	case word == "case":
		return p.caseOf()
	case (word == "cast" || word == "try_cast") && called:
		return p.cast(word == "try_cast")
	case word == "exists" && p.isQuery(p.i+1):
		p.i += 2
		q := p.query()
		p.expect(")")
		return &subquery{p.since(at), q, true}
	case next.Kind == String && p.i+1 < len(p.toks) && typedLiterals[word] != 0:
		p.i++
		l := p.textLiteral()
		text, ok := l.(*literal)
		if !ok {
			return l
		}
		return p.typed(&literal{p.since(at), typedLiterals[word], text.value, strings.ToUpper(word)})
	case word == "interval" && p.isInterval():
		return p.interval()
	case withoutBrackets[word] && !called:
		p.i++
		return &call{span: at, name: word, nameAt: at}
	case !called && strings.Contains(softWords, " "+word+" ") && p.endsValue(p.i+1):
	case isClause(word) && !called || strings.Contains(neverCalled, " "+word+" "):
		p.fail("a value is missing", "something is missing, or too much, in front of it; if it is a column, write it in `backticks`")
	}
	return p.name()
}

// neverCalled are words that are no function's name, though a bracket follows.
const neverCalled = " and or not when then else end as from where having group order limit union except intersect select on using join between in" +
	" like is qualify over with "

// softWords begin clauses, and are columns where no clause can follow.
const softWords = " offset window left right full cross natural semi anti values filter ignore respect minus pivot unpivot watermark lateral sort cluster" +
	" distribute qualify limit tablesample within set range rows asc desc "

// endsValue reports whether a value can end in front of the token.
func (p *parser) endsValue(i int) bool {
	if i >= len(p.toks) {
		return true
	}
	if t := p.token(i); t.Kind == Operator {
		return p.op(i) != "("
	}
	for _, w := range []string{"from", "as", "is", "in", "between", "like", "and", "or", "asc", "desc", "not", "then", "when", "else", "end"} {
		if p.isAt(i, w) {
			return true
		}
	}
	return false
}

// typedLiterals are the words in front of a text that make it a constant of another type.
var typedLiterals = map[string]literalKind{"date": dateLiteral, "timestamp": timestampLiteral, "timestamp_ntz": timestampLiteral,
	"timestamp_ltz": timestampLiteral, "x": binaryLiteral}

// withoutBrackets are functions that are called without brackets.
var withoutBrackets = map[string]bool{"current_date": true, "current_timestamp": true, "current_user": true, "current_time": true, "localtimestamp": true}

// typed checks the text of a constant.
func (p *parser) typed(l *literal) expr {
	if l.kind == binaryLiteral {
		if len(l.value)%2 == 1 {
			l.value = "0" + l.value
		}
		if strings.Trim(strings.ToLower(l.value), "0123456789abcdef") != "" {
			p.failAt(l.span, "write digits from 0 to 9 and A to F", "these are no hexadecimal digits")
		}
	}
	return l
}

func (p *parser) caseOf() expr {
	c := &caseOf{span: p.here()}
	p.i++
	if !p.is("when") {
		c.operand = p.expression()
	}
	for p.accept("when") {
		cond := p.expression()
		p.expect("then")
		c.whens = append(c.whens, when{cond, p.expression()})
	}
	if len(c.whens) == 0 {
		p.fail("WHEN is missing", "write CASE WHEN … THEN … ELSE … END")
	}
	if p.accept("else") {
		c.other = p.expression()
	}
	p.expect("end")
	c.span = p.since(c.span)
	return c
}

func (p *parser) cast(try bool) expr {
	c := &cast{span: p.here(), try: try}
	p.i += 2
	c.x = p.expression()
	p.expect("as")
	c.to = p.dataType()
	p.expect(")")
	c.span = p.since(c.span)
	return c
}

// call reads the arguments of a function, and what stands behind them.
func (p *parser) call(path []ident) expr {
	last := path[len(path)-1]
	c := &call{span: pathSpan(path), name: strings.ToLower(last.name), nameAt: pathSpan(path)}
	if len(path) > 1 {
		c.path = path
	}
	p.i++
	if !p.accept(")") {
		if first, done := p.specialArguments(c); !done {
			p.arguments(c, first)
		}
		p.expect(")")
	}
	p.behindCall(c)
	c.span = p.since(c.span)
	return c
}

// arguments reads those that are separated by commas. The first one may have been read.
func (p *parser) arguments(c *call, first expr) {
	if first != nil {
		c.args = append(c.args, argument{value: first})
		if !p.accept(",") {
			return
		}
	} else if p.accept("distinct") {
		c.distinct = true
	} else if p.is("all") && p.op(p.i+1) == "" {
		p.i++
	}
	for {
		a := argument{}
		a.name = p.argumentName()
		a.value = p.expression()
		if p.accept("as") {
			a.alias = p.ident("the name of a field").name
		} else if c.name == "struct" && (p.peek().Kind == Word || p.peek().Kind == Name) && p.i < len(p.toks) {
			a.alias = p.ident("the name of a field").name
		}
		c.args = append(c.args, a)
		if !p.accept(",") {
			break
		}
	}
	p.nulls(c)
}

// argumentName reads name =>, where the name may have dots or stand in quotes.
func (p *parser) argumentName() string {
	i := p.i
	for p.op(i+1) == "." {
		i += 2
	}
	if p.op(i+1) != "=>" {
		return ""
	}
	var parts []string
	for ; p.i <= i; p.i += 2 {
		switch t := p.peek(); t.Kind {
		case String:
			parts = append(parts, Unquote(t.Text(p.sql)))
		case Word, Name:
			parts = append(parts, unname(t, t.Text(p.sql)))
		default:
			p.fail("the name of an argument is missing", "write name => value")
		}
	}
	return strings.Join(parts, ".")
}

// nulls reads IGNORE NULLS or RESPECT NULLS.
func (p *parser) nulls(c *call) {
	if p.is("ignore", "nulls") || p.is("respect", "nulls") {
		c.nulls = strings.ToUpper(p.text(p.i))
		p.i += 2
	}
}

// specialArguments reads the arguments of functions that have words between them. What it reads of others is the first.
func (p *parser) specialArguments(c *call) (first expr, done bool) {
	add := func(x expr) { c.args = append(c.args, argument{value: x}) }
	switch c.name {
	case "extract":
		add(p.unitOr())
		p.expect("from")
		add(p.expression())
		return nil, true
	case "position":
		first = p.valueExpression()
		if p.accept("in") {
			add(first)
			add(p.expression())
			return nil, true
		}
	case "substring", "substr", "overlay":
		first = p.valueExpression()
		if p.accept("from") || c.name == "overlay" && p.accept("placing") {
			add(first)
			add(p.valueExpression())
			for p.accept("from") || p.accept("for") {
				add(p.valueExpression())
			}
			return nil, true
		}
	case "trim":
		return p.trim(c)
	}
	return first, false
}

// unitOr reads the unit of EXTRACT.
func (p *parser) unitOr() expr {
	at := p.here()
	if p.peek().Kind == String {
		return p.textLiteral()
	}
	name := p.ident("a unit, as YEAR")
	return &literal{at, textLiteral, name.name, ""}
}

// trim reads BOTH x FROM y and the like.
func (p *parser) trim(c *call) (first expr, done bool) {
	names := map[string]string{"both": "trim", "leading": "ltrim", "trailing": "rtrim"}
	name := ""
	if p.anyOf("both", "leading", "trailing") && p.op(p.i+1) != ")" && p.op(p.i+1) != "," && p.op(p.i+1) != "." {
		name = names[strings.ToLower(p.text(p.i))]
		p.i++
	}
	var what expr
	if !p.accept("from") {
		what = p.valueExpression()
		if !p.accept("from") {
			if name != "" {
				p.fail("FROM is missing", "write trim(BOTH 'x' FROM text)")
			}
			return what, false
		}
	}
	if name != "" {
		c.name = name
	}
	x := argument{value: p.expression()}
	switch {
	case what == nil:
		c.args = []argument{x}
	case c.name == "trim":
		c.name, c.args = "btrim", []argument{x, {value: what}}
	default:
		c.args = []argument{{value: what}, x}
	}
	return nil, true
}

// behindCall reads WITHIN GROUP, FILTER, IGNORE NULLS and OVER.
func (p *parser) behindCall(c *call) {
	if p.accept("within", "group") {
		p.expect("(")
		if !p.accept("order", "by") {
			p.fail("ORDER BY is missing", "write WITHIN GROUP (ORDER BY x)")
		}
		c.within = p.orders()
		p.expect(")")
	}
	if p.is("filter", "(") {
		p.i += 2
		p.expect("where")
		c.filter = p.expression()
		p.expect(")")
	}
	p.nulls(c)
	if p.accept("over") {
		c.over = p.windowSpec()
	}
}

// windowSpec reads a name, or (PARTITION BY … ORDER BY … ROWS …).
func (p *parser) windowSpec() *window {
	w := &window{span: p.here()}
	if !p.accept("(") {
		w.name = p.ident("a window").name
		w.span = p.since(w.span)
		return w
	}
	if p.peek().Kind == Word && p.op(p.i+1) == ")" || p.peek().Kind == Name {
		w.name = p.ident("a window").name
	}
	if p.accept("partition", "by") || p.accept("distribute", "by") {
		w.partition = p.expressions()
	}
	if p.accept("order", "by") || p.accept("sort", "by") {
		w.order = p.orders()
	}
	if p.anyOf("rows", "range") {
		w.frame = append(w.frame, strings.ToUpper(p.text(p.i)))
		p.i++
		if p.accept("between") {
			w.frame = append(w.frame, "BETWEEN")
			p.bound(w)
			p.expect("and")
			w.frame = append(w.frame, "AND")
		}
		p.bound(w)
	}
	p.expect(")")
	w.span = p.since(w.span)
	return w
}

func (p *parser) bound(w *window) {
	switch {
	case p.accept("current", "row"):
		w.frame = append(w.frame, "CURRENT ROW")
		return
	case p.accept("unbounded"):
		w.frame = append(w.frame, "UNBOUNDED")
	default:
		w.frame = append(w.frame, p.valueExpression())
	}
	switch {
	case p.accept("preceding"):
		w.frame = append(w.frame, "PRECEDING")
	case p.accept("following"):
		w.frame = append(w.frame, "FOLLOWING")
	default:
		p.fail("PRECEDING or FOLLOWING is missing", "write ROWS BETWEEN 6 PRECEDING AND CURRENT ROW")
	}
}
