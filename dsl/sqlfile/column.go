package sqlfile

import (
	"slices"
	"strconv"

	"github.com/lakeflow/lakeflow/dsl/spark"
)

// columnWords begin what is said of a column behind its type.
var columnWords = []string{"NOT", "NULL", "COMMENT", "DEFAULT", "GENERATED", "CONSTRAINT", "PRIMARY", "FOREIGN",
	"REFERENCES", "MASK", "COLLATE"}

// columnElement reads a column of a table: name, type and what is said of it.
func (p *parser) columnElement() (Column, bool) {
	name, ok := p.part("the name of a column")
	if !ok {
		return Column{}, false
	}
	c := Column{Name: name}
	if !p.done() && !p.is(",") && !p.saidOfColumn(p.i) {
		c.Type = p.columnType()
	}
	for !p.done() && !p.is(",") {
		if !p.columnProperty(&c) {
			p.surplus("write COMMENT, NOT NULL, DEFAULT or a comma", columnWords...)
			p.next()
			p.skip(func(i int) bool { return p.match(i, ",") || p.saidOfColumn(i) })
		}
	}
	return c, true
}

func (p *parser) saidOfColumn(i int) bool {
	return slices.ContainsFunc(columnWords, func(w string) bool { return p.match(i, w) })
}

// typeWords are those that may follow the first word of a type, as in INTERVAL DAY TO SECOND.
var typeWords = []string{"TO", "YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "WITH", "WITHOUT", "LOCAL", "TIME",
	"ZONE", "PRECISION"}

// columnType takes a type: words, with types in < > and numbers in ( ), up to what is said of the column.
func (p *parser) columnType() *Text {
	p.accept(":") // as in STRUCT<a: INT>
	start := p.i
	var open []int // of < >
	for !p.done() {
		switch {
		case p.is("<"):
			open = append(open, p.i)
		case p.is(">") && len(open) > 0:
			open = open[:len(open)-1]
		case len(open) > 0, p.i > start && p.is("("):
		case p.kind(p.i) != spark.Word && p.kind(p.i) != spark.Parameter && !p.is("<>"),
			p.i > start && p.kind(p.i) == spark.Word && !slices.ContainsFunc(typeWords,
				func(w string) bool { return p.is(w) }):
			return p.typeFrom(start)
		}
		p.next()
	}
	if len(open) > 0 {
		p.errorf("LF0505", p.at(open[len(open)-1]), "add the > that closes it", "the bracket < is not closed")
	}
	return p.typeFrom(start)
}

func (p *parser) typeFrom(start int) *Text {
	if p.i == start {
		p.expected("a type")
		return nil
	}
	return p.textFrom(start)
}

// columnProperty reads one thing that is said of a column.
func (p *parser) columnProperty(c *Column) bool {
	switch start := p.i; {
	case p.acceptNear("NOT", "NULL"):
		c.NotNull = p.from(start)
	case p.accept("NULL"):
		p.errorf("LF0501", p.from(start), "remove it, or write NOT NULL", "NULL is not said of a column")
	case p.acceptNear("COMMENT"):
		c.Comment = p.string("a comment")
	case p.acceptNear("DEFAULT"):
		c.Default = p.until("a value", func(i int) bool { return p.match(i, ",") || p.saidOfColumn(i) })
	case p.accept("COLLATE"):
		c.Collation = p.word("a collation")
	case p.acceptNear("GENERATED"):
		p.generated(c, start)
	case p.accept("MASK"):
		c.Mask = p.mask(start)
	case p.is("CONSTRAINT"), p.is("PRIMARY"), p.is("FOREIGN"), p.is("REFERENCES"), p.near(p.i, "PRIMARY",
		"KEY"), p.near(p.i, "REFERENCES"):
		k := p.columnKey(start)
		c.Constraint = &k
	default:
		return false
	}
	return true
}

func (p *parser) columnKey(start int) Constraint {
	var name *Word
	if p.accept("CONSTRAINT") {
		if n, ok := p.part("the name of the constraint"); ok {
			name = &n
		}
	}
	if p.near(p.i, "PRIMARY", "KEY") && !p.is("PRIMARY") {
		p.misspelt(p.i, "PRIMARY")
		at := p.i
		p.i += 2
		return Constraint{Name: name, Kind: Word{"PRIMARY KEY", p.from(at)}, Range: p.from(start)}
	}
	return p.key(start, name)
}

// generated reads what follows GENERATED.
func (p *parser) generated(c *Column, start int) {
	if !p.accept("BY", "DEFAULT") && !p.expect("ALWAYS") {
		return
	}
	if !p.expect("AS") {
		return
	}
	if p.is("(") {
		p.inside("an expression", func() { c.Generated = p.rest("an expression") })
		return
	}
	if !p.expect("IDENTITY") {
		return
	}
	c.Identity = &Identity{Start: "1", Step: "1"}
	if p.is("(") {
		p.inside("START WITH and INCREMENT BY", func() {
			for {
				switch {
				case p.accept("START", "WITH"):
					c.Identity.Start = p.wholeNumber()
				case p.accept("INCREMENT", "BY"):
					c.Identity.Step = p.wholeNumber()
				default:
					return
				}
				p.accept(",")
			}
		})
	}
	c.Identity.Range = p.from(start)
}

// wholeNumber reads a number with its sign.
func (p *parser) wholeNumber() string {
	sign := ""
	if p.accept("-") {
		sign = "-"
	}
	if p.kind(p.i) == spark.Number {
		if _, err := strconv.ParseInt(p.toks[p.i].Text(p.text), 10, 64); err == nil {
			return sign + p.word("a number").Text
		}
	}
	p.expected("a whole number")
	return "1"
}

// mask reads what follows MASK.
func (p *parser) mask(start int) *Function {
	f := &Function{Name: p.name("the name of a function")}
	if p.accept("USING", "COLUMNS") {
		f.Arguments = p.texts("names of columns")
	}
	f.Range = p.from(start)
	return f
}
