package spark

import (
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// parser reads the significant tokens of a query, by recursive descent after Spark's grammar. The first mistake ends it:
// a call of fail unwinds to parseAll.
type parser struct {
	sql    string
	toks   []Token
	i      int
	match  []int // of an opening bracket, the number of the one that closes it, or 0
	depth  int
	place  func(start, end int) diag.Range
	diags  *diag.List
	result *Query
	// paths are the tables that are named with a schema.
	paths [][]ident
	// readsStream is set when something is read as a stream.
	readsStream bool
}

// mistake unwinds the parser and the writer.
type mistake struct{}

const deepest = 250

func newParser(sql string, place func(start, end int) diag.Range, diags *diag.List, result *Query) *parser {
	p := &parser{sql: sql, toks: Significant(Lex(sql)), place: place, diags: diags, result: result}
	p.match = make([]int, len(p.toks))
	var open []int
	for i := range p.toks {
		switch p.op(i) {
		case "(":
			open = append(open, i)
		case ")":
			if n := len(open); n > 0 {
				p.match[open[n-1]] = i
				open = open[:n-1]
			}
		}
	}
	return p
}

func (p *parser) op(i int) string {
	if i < len(p.toks) && p.toks[i].Kind == Operator {
		return p.text(i)
	}
	return ""
}

// text is that of a token, or empty behind the last one.
func (p *parser) text(i int) string {
	if i < len(p.toks) {
		return p.toks[i].Text(p.sql)
	}
	return ""
}

// peek is the next token; at the end one of no length.
func (p *parser) peek() Token { return p.token(p.i) }

func (p *parser) token(i int) Token {
	if i < len(p.toks) {
		return p.toks[i]
	}
	return Token{Kind: Operator, Start: len(p.sql), End: len(p.sql)}
}

func (p *parser) here() span { t := p.peek(); return span{t.Start, t.End} }

// before is the end of the token before the next one.
func (p *parser) before() int {
	if p.i == 0 {
		return 0
	}
	return p.toks[min(p.i, len(p.toks))-1].End
}

func (p *parser) since(s span) span { return span{s.start, max(p.before(), s.start)} }

// is reports whether words or operators follow.
func (p *parser) is(words ...string) bool { return p.isAt(p.i, words...) }

func (p *parser) isAt(i int, words ...string) bool {
	for n, w := range words {
		if i+n >= len(p.toks) || !p.toks[i+n].Is(p.sql, w) {
			return false
		}
	}
	return true
}

func (p *parser) anyOf(words ...string) bool {
	for _, w := range words {
		if p.is(w) {
			return true
		}
	}
	return false
}

// accept reads words or operators if they follow.
func (p *parser) accept(words ...string) bool {
	if !p.is(words...) {
		return false
	}
	p.i += len(words)
	return true
}

func (p *parser) expect(word string) {
	if !p.accept(word) {
		p.fail(strings.ToUpper(word)+" is missing", "write "+strings.ToUpper(word)+" here")
	}
}

// fail reports what is wrong at the next token.
func (p *parser) fail(what, help string) {
	if p.i >= len(p.toks) {
		p.failAt(span{p.before(), len(p.sql)}, "finish it: a parenthesis may be open, or an expression missing", "the SQL ends too early: %s", what)
	}
	p.failAt(p.here(), help, "%s in front of %s", what, clip(p.text(p.i)))
}

func (p *parser) failAt(at span, help, format string, args ...any) {
	p.diags.Errorf(codeSyntax, p.place(at.start, at.end), help, "%s", fmt.Sprintf(format, args...))
	panic(mistake{})
}

// refuse reports something that Spark has and lakeflow does not.
func (p *parser) refuse(at span, help, format string, args ...any) {
	p.diags.Errorf(codeUnsupported, p.place(at.start, at.end), help, "%s", fmt.Sprintf(format, args...))
	panic(mistake{})
}

// enter counts how deep the parser is, and returns what leaves.
func (p *parser) enter() func() {
	p.depth++
	if p.depth > deepest {
		p.failAt(p.here(), "take parts of it out into common table expressions", "the query is nested too deeply")
	}
	return func() { p.depth-- }
}

// ident reads a name, plain or in backticks.
func (p *parser) ident(what string) ident {
	t := p.peek()
	text := t.Text(p.sql)
	switch {
	case t.Kind == Word && p.i < len(p.toks), t.Kind == Name && t.Closed(p.sql) && len(text) > 2:
		p.i++
		return ident{span{t.Start, t.End}, unname(t, text), t.Kind == Name}
	case t.Kind == Name:
		p.failAt(span{t.Start, t.End}, "close it with a backtick", "the name has no end")
	case p.is("{"):
		p.refuse(p.here(), "write the name itself", "this is a placeholder that was not replaced")
	case t.Kind == String:
		p.fail(what+" is missing", "write names in `backticks`; quotes are for texts")
	}
	p.fail(what+" is missing", "write it here")
	return ident{}
}

// dotted reads name.name.name.
func (p *parser) dotted(what string) []ident {
	path := []ident{p.ident(what)}
	for p.is(".") && (p.token(p.i+1).Kind == Word || p.token(p.i+1).Kind == Name) && p.i+1 < len(p.toks) {
		p.i++
		path = append(path, p.ident(what))
	}
	return path
}

func pathSpan(path []ident) span { return path[0].span.to(path[len(path)-1].span) }

// idents reads (a, b).
func (p *parser) idents(what string) []ident {
	p.expect("(")
	var names []ident
	for {
		names = append(names, p.ident(what))
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return names
}

// optionalAlias reads AS name, or a name that is no clause.
func (p *parser) optionalAlias() *ident {
	if p.accept("as") {
		name := p.ident("the name behind AS")
		return &name
	}
	if t := p.peek(); p.i < len(p.toks) && (t.Kind == Name || t.Kind == Word && !isClause(p.text(p.i))) {
		name := p.ident("a name")
		return &name
	}
	return nil
}

// isQuery reports whether the bracket at i holds a query, and not an expression or a join.
func (p *parser) isQuery(i int) bool {
	for p.op(i) == "(" {
		inner := i + 1
		if p.queryWord(inner) {
			return true
		}
		if p.op(inner) != "(" || p.match[inner] == 0 {
			return false
		}
		after := p.match[inner] + 1
		follows := p.op(after) == ")" || p.op(after) == "|>"
		for _, w := range []string{"union", "intersect", "except", "minus", "order", "limit", "sort"} {
			follows = follows || p.isAt(after, w)
		}
		if !follows {
			return false
		}
		i = inner
	}
	return false
}

func (p *parser) queryWord(i int) bool {
	return p.isAt(i, "select") || p.isAt(i, "with") || p.isAt(i, "from") || p.isAt(i, "values") && p.op(i+1) != "." && p.op(i+1) != "," ||
		p.isAt(i, "table") && p.token(i+1).Kind != Operator
}
