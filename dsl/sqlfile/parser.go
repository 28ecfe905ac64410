package sqlfile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
)

// parser goes through the tokens of one statement. Brackets are known beforehand, so that what stands in them can be
// skipped or read as a list.
type parser struct {
	*source
	toks   []spark.Token
	closes []int // for an opening bracket the token that closes it, or the end of the tokens
	i      int   // the next token
	limit  int   // the end of what is read: of the tokens, or of a list in brackets
	flaws  int   // mistakes that were reported
	told   int   // the token that was reported last as one that cannot stand there
}

func newParser(s *source, toks []spark.Token) *parser {
	p := &parser{source: s, toks: toks, limit: len(toks), told: -1}
	p.brackets()
	return p
}

// deepest is how deep brackets are looked through for that of an expectation.
const deepest = 32

// brackets finds the pairs of brackets and reports those that are alone. Where that of an expectation is missing, the
// pairs around it stay what they are.
func (p *parser) brackets() {
	p.closes = make([]int, len(p.toks))
	var open []int
	for i, t := range p.toks {
		if t.Kind == spark.Word && len(open) > 1 && p.expectationEnds(i) {
			for n := len(open) - 1; n > 0 && n > len(open)-deepest; n-- {
				if p.wordAt(open[n]-1, "EXPECT") {
					p.unclosed(open[n])
					p.closes[open[n]] = i
					if p.wordAt(i-1, ",") {
						p.closes[open[n]]--
					}
					open = open[:n]
				}
			}
		}
		if t.Kind != spark.Operator {
			continue
		}
		switch c := t.Text(p.text); c {
		case "(", "[":
			open = append(open, i)
			p.closes[i] = len(p.toks)
		case ")", "]":
			if n := len(open); n > 0 && (p.toks[open[n-1]].Text(p.text) == "(") == (c == ")") {
				p.closes[open[n-1]] = i
				open = open[:n-1]
			} else if n == 0 {
				p.errorf("LF0505", p.at(i), "remove it, or add the bracket that it closes",
					"the bracket %s closes nothing", c)
			}
		}
	}
	if len(open) > 0 {
		p.unclosed(open[len(open)-1])
	}
}

// expectationEnds reports whether what stands at i cannot be in the brackets of an expectation.
func (p *parser) expectationEnds(i int) bool {
	return p.match(i, "ON", "VIOLATION") || p.match(i, "CONSTRAINT") && p.match(i+2, "EXPECT", "(")
}

func (p *parser) unclosed(i int) {
	p.errorf("LF0505", p.at(i), "add the bracket that closes it", "the bracket %s is not closed",
		p.toks[i].Text(p.text))
}

func (p *parser) errorf(code string, at diag.Range, help, format string, args ...any) {
	p.flaws++
	p.diags.Errorf(code, at, help, format, args...)
}

func (p *parser) done() bool { return p.i >= p.limit }

// at is the place of a token, or that behind the last one.
func (p *parser) at(i int) diag.Range {
	if i < len(p.toks) {
		return p.span(p.toks[i].Start, p.toks[i].End)
	}
	end := p.toks[len(p.toks)-1].End
	return p.span(end, end)
}

// from is the place of what was read since the token.
func (p *parser) from(start int) diag.Range {
	if p.i <= start {
		return p.at(start)
	}
	return p.span(p.toks[start].Start, p.toks[p.i-1].End)
}

func (p *parser) wordAt(i int, word string) bool {
	return i >= 0 && i < len(p.toks) && p.toks[i].Is(p.text, word)
}

// match reports whether these keywords and operators stand at i.
func (p *parser) match(i int, words ...string) bool {
	for n, word := range words {
		if i+n >= p.limit || !p.toks[i+n].Is(p.text, word) {
			return false
		}
	}
	return true
}

func (p *parser) is(words ...string) bool { return p.match(p.i, words...) }

func (p *parser) kind(i int) spark.Kind {
	if i < p.limit {
		return p.toks[i].Kind
	}
	return spark.Space
}

// accept takes the keywords if they are next.
func (p *parser) accept(words ...string) bool {
	if !p.is(words...) {
		return false
	}
	p.i += len(words)
	return true
}

// place takes the keywords if they are next, and says where they are.
func (p *parser) place(words ...string) diag.Range {
	start := p.i
	if p.accept(words...) {
		return p.from(start)
	}
	return diag.Range{}
}

// near reports whether the words at i are the keywords but for their spelling. Of several one must be right.
func (p *parser) near(i int, words ...string) bool {
	right := 0
	for n, word := range words {
		if p.match(i+n, word) {
			right++
		}
	}
	if right == 0 && (len(words) > 1 || len(words[0]) < 3) {
		return false
	}
	for n, word := range words {
		if p.match(i+n, word) {
			continue
		}
		if p.kind(i+n) != spark.Word || diag.Suggest(p.toks[i+n].Text(p.text), []string{word}) == "" {
			return false
		}
	}
	return true
}

// acceptNear takes the keywords even if they are misspelt, which is reported.
func (p *parser) acceptNear(words ...string) bool {
	if p.accept(words...) {
		return true
	}
	if !p.near(p.i, words...) {
		return false
	}
	for n, word := range words {
		if !p.match(p.i+n, word) {
			p.misspelt(p.i+n, word)
		}
	}
	p.i += len(words)
	return true
}

func (p *parser) misspelt(i int, word string) {
	p.errorf("LF0501", p.at(i), "did you mean "+word+"?", "%q is no keyword that can stand here",
		p.toks[i].Text(p.text))
}

// keyword takes one of the keywords, even a misspelt one.
func (p *parser) keyword(words ...string) (string, bool) {
	for _, word := range words {
		if p.accept(word) {
			return word, true
		}
	}
	if p.kind(p.i) != spark.Word {
		return "", false
	}
	long := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return len(w) < 3 })
	word := diag.Suggest(p.toks[p.i].Text(p.text), long)
	if word == "" {
		return "", false
	}
	p.misspelt(p.i, word)
	p.i++
	return word, true
}

// expect takes the keywords, even misspelt, or reports that they are missing.
func (p *parser) expect(words ...string) bool {
	if p.acceptNear(words...) {
		return true
	}
	p.expected(strings.Join(words, " "))
	return false
}

// expected reports that something else stands at the next token, once for each.
func (p *parser) expected(what string) {
	if p.told == p.i {
		return
	}
	p.told = p.i
	found := "the end of the statement"
	switch {
	case p.i < p.limit:
		found = strconv.Quote(clip(p.toks[p.i].Text(p.text)))
	case p.i < len(p.toks):
		found = strconv.Quote(p.toks[p.i].Text(p.text))
	}
	p.errorf("LF0501", p.at(p.i), "write "+what+" here", "%s is missing before %s", what, found)
}

// skip goes to the next token that stop is true of, past what stands in brackets.
func (p *parser) skip(stop func(i int) bool) {
	for !p.done() && !stop(p.i) {
		p.next()
	}
}

// next goes past a token, or a bracket with all that it holds.
func (p *parser) next() {
	if p.closes[p.i] > p.i {
		p.i = p.closes[p.i]
	}
	p.i = min(p.i+1, p.limit)
}

// until takes one token or more as a text, to the first that stop is true of. It reports what is missing where there is
// none.
func (p *parser) until(what string, stop func(i int) bool) *Text {
	start := p.i
	if !p.done() {
		p.next()
	}
	p.skip(stop)
	if p.i == start {
		p.expected(what)
		return nil
	}
	return p.textFrom(start)
}

// rest takes all that is left as a text.
func (p *parser) rest(what string) *Text {
	return p.until(what, func(int) bool { return false })
}

func (p *parser) textFrom(start int) *Text {
	at := p.from(start)
	return &Text{p.text[p.toks[start].Start:p.toks[max(p.i, start+1)-1].End], at}
}

// inside reads what stands in the brackets that are next, and reports what read leaves. It reports it when there are none.
func (p *parser) inside(what string, read func()) bool {
	if !p.is("(") {
		p.expected("(" + what + ")")
		return false
	}
	outer, end := p.limit, min(p.closes[p.i], p.limit)
	p.i, p.limit = p.i+1, end
	read()
	if !p.done() {
		p.surplus(removeIt)
	}
	p.i, p.limit = end, outer
	if p.i < p.limit && p.is(")") { // else it is missing, which is reported
		p.i++
	}
	return true
}

// surplus reports a token that nothing is known to begin with, and which of the keywords may be meant.
func (p *parser) surplus(otherwise string, keywords ...string) {
	if p.told == p.i {
		return
	}
	p.told = p.i
	text := p.toks[p.i].Text(p.text)
	if len(text) > 2 {
		firsts := make([]string, len(keywords))
		for i, k := range keywords {
			firsts[i], _, _ = strings.Cut(k, " ")
		}
		if i := slices.Index(firsts, diag.Suggest(text, firsts)); i >= 0 {
			otherwise = "did you mean " + keywords[i] + "?"
		}
	}
	p.errorf("LF0501", p.at(p.i), otherwise, "%q cannot stand here", clip(text))
}

const removeIt = "remove it, or see what is missing before it"

// list reads what stands in brackets, parted by commas. An item that is not read to its end is reported.
func (p *parser) list(what string, item func()) bool {
	return p.inside(what, func() {
		for !p.done() {
			before := p.flaws
			item()
			if p.is("CONSTRAINT") && p.flaws == before {
				p.errorf("LF0501", p.at(p.i), "write a comma before it", "a comma is missing before CONSTRAINT")
				continue
			}
			if !p.done() && !p.is(",") && p.flaws == before {
				p.surplus("remove it, or write what is missing before it, a comma for example")
			}
			p.skip(func(i int) bool { return p.match(i, ",") })
			if comma := p.i; p.accept(",") && p.done() {
				p.errorf("LF0501", p.at(comma), "remove the comma, or write what is missing behind it",
					"nothing follows the comma")
			}
		}
	})
}

// texts takes what is listed in brackets.
func (p *parser) texts(what string) []Text {
	var out []Text
	p.list(what, func() {
		if t := p.until(what, func(i int) bool { return p.match(i, ",") }); t != nil {
			out = append(out, *t)
		}
	})
	return out
}

// query takes the rest as a query.
func (p *parser) query() *Text {
	if p.done() {
		p.errorf("LF0509", p.at(p.i), "write SELECT … here", "the query is missing")
		return nil
	}
	return p.rest("a query")
}

var queryWords = []string{"SELECT", "WITH", "FROM", "VALUES", "TABLE", "("}

// startsQuery reports whether a query stands at i.
func (p *parser) startsQuery(i int) bool {
	return slices.ContainsFunc(queryWords, func(w string) bool { return p.match(i, w) })
}

func clip(s string) string {
	s, _, more := strings.Cut(s, "\n")
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	} else if more {
		return s + "…"
	}
	return s
}
