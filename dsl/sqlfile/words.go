package sqlfile

import (
	"strings"

	"github.com/lakeflow/lakeflow/dsl/spark"
)

// name takes a name of one to three parts, or IDENTIFIER(…), or :parameter.
func (p *parser) name(what string) Name {
	start := p.i
	if p.is(":") && p.kind(p.i+1) == spark.Word {
		p.i += 2
		return Name{Expr: p.textFrom(start), Range: p.from(start)}
	}
	if p.is("IDENTIFIER", "(") {
		p.i++
		var n Name
		p.inside("a name", func() { n.Expr = p.rest("a name") })
		n.Range = p.from(start)
		return n
	}
	var n Name
	for {
		before := p.i
		part, ok := p.part(what)
		if ok {
			n.Parts = append(n.Parts, part)
		} else if p.i == before { // else it is reported
			break
		}
		if !p.accept(".") && !p.isNumberPart() {
			break
		}
	}
	n.Range = p.from(start)
	if len(n.Parts) == 2 && p.wordAt(start, "LIVE") {
		n.Live, n.Parts = n.Parts[0].Range, n.Parts[1:]
	}
	if len(n.Parts) > 3 {
		p.errorf("LF0506", n.Range, "write catalog.schema.name at most", "the name %s has %d parts",
			clip(p.text[p.toks[start].Start:p.toks[p.i-1].End]), len(n.Parts))
	}
	return n
}

// isNumberPart reports whether what follows a name is a part of it that looks like a number: snow.1d.
func (p *parser) isNumberPart() bool {
	return p.kind(p.i) == spark.Number && p.toks[p.i].Start == p.toks[p.i-1].End && p.toks[p.i].Text(p.text)[0] == '.'
}

// part takes one part of a name: a name in backticks, or words and ${parameters} that stand close together.
func (p *parser) part(what string) (Word, bool) {
	start := p.i
	if p.kind(p.i) == spark.Name {
		text := p.toks[p.i].Text(p.text)
		p.i++
		return Word{unquoteName(text), p.from(start)}, true
	}
	for glued := true; glued; glued = !p.done() && p.toks[p.i].Start == p.toks[p.i-1].End {
		if k := p.kind(p.i); k != spark.Word && k != spark.Parameter && (k != spark.Number || p.i > start &&
			p.toks[p.i].Text(p.text)[0] == '.') {
			break
		}
		p.i++
	}
	if p.i == start || p.i == start+1 && p.kind(start) == spark.Number && p.toks[start].Text(p.text)[0] == '.' {
		p.i = start
		p.notName(what)
		return Word{}, false
	}
	p.dashes(start)
	return Word{p.text[p.toks[start].Start:p.toks[p.i-1].End], p.from(start)}, true
}

// notName reports what stands in the place of a name.
func (p *parser) notName(what string) {
	if p.done() {
		p.expected(what)
		return
	}
	text := p.toks[p.i].Text(p.text)
	switch {
	case p.kind(p.i) == spark.String:
		p.errorf("LF0506", p.at(p.i), "write `"+clip(strings.Trim(text, `'"`))+"`, or the name without quotes",
			"%s is a text, where %s belongs", clip(text), what)
		p.i++
	case p.is("{"), p.is("<"), p.is("$", "{"):
		start := p.i
		p.skip(func(i int) bool { return p.match(i, "}") || p.match(i, ">") || p.match(i, ".") || p.match(i, "AS") })
		if p.is("}") || p.is(">") {
			p.i++
		}
		p.placeholder(start, what)
	case p.kind(p.i) == spark.Number:
		p.errorf("LF0506", p.at(p.i), "put it in backticks, as in .`1d`", "%s is a number, where %s belongs", text,
			what)
		p.i++
	default:
		p.expected(what)
	}
}

func (p *parser) placeholder(start int, what string) {
	p.errorf("LF0506", p.from(start), "write the name that it stands for, or ${key} with a key of the configuration",
		"a placeholder stands where %s belongs", what)
}

// dashes takes and reports what follows the first word of a name with dashes, which needs backticks, or with a
// placeholder.
func (p *parser) dashes(start int) {
	close := func(i int) bool { return i < p.limit && p.toks[i].Start == p.toks[i-1].End }
	if close(p.i) && close(p.i+1) && close(p.i+2) && (p.is("<") && p.match(p.i+2, ">") || p.is("{") && p.match(p.i+2, "}")) {
		p.i += 3
		for close(p.i) && p.kind(p.i) == spark.Word {
			p.i++
		}
		p.placeholder(start, "a part of a name")
		return
	}
	if !close(p.i) || !p.is("-") || !close(p.i+1) {
		return
	}
	for close(p.i) && (p.is("-") || p.kind(p.i) == spark.Word || p.kind(p.i) == spark.Number ||
		p.kind(p.i) == spark.Parameter) {
		p.i++
	}
	text := clip(p.text[p.toks[start].Start:p.toks[p.i-1].End])
	p.errorf("LF0506", p.from(start), "write `"+text+"`", "the name %s needs backticks", text)
}

// column takes the name of a column, and of a field in it: a.b.
func (p *parser) column() (Word, bool) {
	start := p.i
	part, ok := p.part("the name of a column")
	if !ok {
		return part, false
	}
	for p.accept(".") {
		field, ok := p.part("the name of a field")
		if !ok {
			return part, false
		}
		part = Word{part.Text + "." + field.Text, p.from(start)}
	}
	return part, true
}

// columnList takes the names of columns in brackets.
func (p *parser) columnList() []Word {
	var out []Word
	p.list("names of columns", func() {
		if w, ok := p.column(); ok {
			out = append(out, w)
		}
	})
	return out
}

// string takes a text in quotes; several behind each other are one.
func (p *parser) string(what string) *Word {
	start := p.i
	var text strings.Builder
	for p.kind(p.i) == spark.String {
		text.WriteString(spark.Unquote(p.toks[p.i].Text(p.text)))
		p.i++
	}
	if p.i == start {
		p.expected(what + " in quotes")
		return nil
	}
	return &Word{text.String(), p.from(start)}
}

// word takes one word, text or number.
func (p *parser) word(what string) *Word {
	start := p.i
	switch p.kind(p.i) {
	case spark.Word, spark.Number, spark.Name, spark.Parameter, spark.String:
		p.i++
		text := p.toks[start].Text(p.text)
		switch p.toks[start].Kind {
		case spark.Name:
			text = unquoteName(text)
		case spark.String:
			text = spark.Unquote(text)
		}
		return &Word{text, p.from(start)}
	}
	p.expected(what)
	return nil
}

func unquoteName(text string) string {
	text = strings.TrimPrefix(text, "`")
	return strings.ReplaceAll(strings.TrimSuffix(text, "`"), "``", "`")
}
