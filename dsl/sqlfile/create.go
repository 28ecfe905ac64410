package sqlfile

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

var (
	modifiers = []string{"STREAMING", "MATERIALIZED", "LIVE", "PRIVATE", "TEMPORARY", "TEMP", "INCREMENTAL", "GLOBAL",
		"EXTERNAL"}
	// objects are what can be created: the first three in a pipeline, the others elsewhere.
	objects = []string{"TABLE", "VIEW", "FLOW", "FUNCTION", "SCHEMA", "DATABASE", "CATALOG", "VOLUME", "INDEX",
		"CONNECTION", "PROCEDURE", "SHARE", "RECIPIENT", "NAMESPACE",
		"VARIABLE", "USER", "ROLE", "GROUP", "POLICY", "BLOOMFILTER", "STORAGE", "SERVICE", "CREDENTIAL", "SINK", "WIDGET"}
)

// create reads what follows CREATE.
func (p *parser) create() Statement {
	var d Dataset
	if p.accept("OR") {
		start := p.i
		if word, ok := p.keyword("REFRESH", "REPLACE"); ok {
			d.Or = Word{word, p.from(start)}
		} else {
			p.expected("REFRESH")
		}
	}
	before := map[string]diag.Range{} // by keyword
	for {
		start := p.i
		word, ok := p.keyword(slices.Concat(modifiers, objects)...)
		if !ok {
			p.expected("TABLE, VIEW or FLOW")
			return nil
		}
		if slices.Contains(modifiers, word) {
			before[word] = p.from(start)
			continue
		}
		_, global := before["GLOBAL"]
		_, external := before["EXTERNAL"]
		if global || external || !slices.Contains(objects[:3], word) {
			p.notPipeline("CREATE " + strings.TrimSpace(p.text[p.toks[1].Start:p.toks[p.i-1].End]))
			return nil
		}
		return p.created(word, before, d)
	}
}

// created reads what follows TABLE, VIEW or FLOW.
func (p *parser) created(object string, before map[string]diag.Range, d Dataset) Statement {
	d.Live = before["LIVE"]
	temporary := before["TEMPORARY"]
	if temporary.IsZero() {
		temporary = before["TEMP"]
	}
	streaming := before["STREAMING"]
	if streaming.IsZero() {
		streaming = before["INCREMENTAL"]
	}
	_, materialized := before["MATERIALIZED"]
	switch {
	case object == "FLOW":
		return p.createFlow()
	case object == "VIEW" && !materialized:
		v := &CreateView{Temporary: temporary, Streaming: streaming, Dataset: d}
		if private := before["PRIVATE"]; !private.IsZero() {
			p.errorf("LF0501", private, "write TEMPORARY", "PRIVATE is said of tables and materialized views")
		}
		if !streaming.IsZero() && d.Live.IsZero() {
			p.errorf("LF0501", streaming, "write CREATE TEMPORARY VIEW; a view over a stream needs no word for it",
				"there is no STREAMING VIEW")
		}
		p.dataset(&v.Dataset, nil)
		return v
	}
	t := &CreateTable{Kind: PlainTable, Private: before["PRIVATE"], Dataset: d}
	if t.Private.IsZero() {
		t.Private = temporary
	}
	switch {
	case object == "TABLE" && materialized:
		p.errorf("LF0501", p.at(p.i-1), "write MATERIALIZED VIEW", "there is no MATERIALIZED TABLE")
		t.Kind = MaterializedView
	case materialized && !streaming.IsZero():
		p.errorf("LF0501", streaming, "write MATERIALIZED VIEW, or STREAMING TABLE",
			"a materialized view is no STREAMING one")
		t.Kind = MaterializedView
	case materialized:
		t.Kind = MaterializedView
	case !streaming.IsZero():
		t.Kind = StreamingTable
	case !d.Live.IsZero():
		t.Kind = MaterializedView
	}
	p.dataset(&t.Dataset, &t.Flow)
	return t
}

// dataset reads a table or view from its name on. flow is nil for what has none.
func (p *parser) dataset(d *Dataset, flow **Flow) {
	d.IfNotExists = p.place("IF", "NOT", "EXISTS")
	if p.is("AS") && p.startsQuery(p.i+1) {
		p.expected("a name")
	} else {
		d.Name = p.name("a name")
	}
	if p.is("(") && !p.startsQuery(p.i+1) {
		p.elements(d)
	}
	for !p.done() {
		switch start := p.i; {
		case p.hive(), p.clause(&d.Clauses):
		case p.accept("AS"):
			d.Query = p.query()
		case flow != nil && p.acceptNear("FLOW"):
			*flow = p.flowClause(start)
		case p.is("WITH", "METRICS"):
			p.unknownClause()
		case p.startsQuery(p.i): // AS may be left out
			d.Query = p.query()
		default:
			p.unknownClause()
		}
	}
}

// unknownClause reports what is no clause, and goes to the next one.
func (p *parser) unknownClause() {
	if p.is("CLONE") || p.is("SHALLOW") || p.is("DEEP") || p.is("LIKE") || p.is("WITH", "METRICS") || p.is("LANGUAGE") {
		p.errorf("LF0503", p.at(p.i), "write AS and a query", "%s makes no table of a pipeline",
			p.toks[p.i].Text(p.text))
		p.i = p.limit
		return
	}
	words := []string{"AS", "FLOW"}
	for _, c := range clauses {
		words = append(words, strings.Join(c.words, " "))
	}
	p.surplus("write a clause, such as COMMENT, TBLPROPERTIES or CLUSTER BY, or AS and a query", words...)
	p.next()
	p.skip(p.startsClause)
}

// startsClause reports whether a clause, or its first word, stands at i.
func (p *parser) startsClause(i int) bool {
	return p.match(i, "AS") || p.match(i, "FLOW") ||
		slices.ContainsFunc(ofHive, func(words []string) bool { return p.match(i, words...) }) ||
		slices.ContainsFunc(clauses, func(c clause) bool { return p.match(i, c.words[0]) })
}

// elements reads the columns, expectations and keys of a table in brackets.
func (p *parser) elements(d *Dataset) {
	p.list("columns and constraints", func() {
		start := p.i
		switch {
		case p.is("CONSTRAINT") && !p.columnNamed() || p.near(p.i, "CONSTRAINT") && p.near(p.i+2, "EXPECT"):
			p.acceptNear("CONSTRAINT")
			p.constraint(d, start)
		case p.is("EXPECT", "("):
			p.errorf("LF0501", p.at(p.i), "write CONSTRAINT name EXPECT (…)", "the expectation has no name")
			p.i++
			p.expectation(d, start, Word{})
		case p.is("PRIMARY", "KEY") || p.is("FOREIGN", "KEY") || p.is("CHECK", "(") || p.is("UNIQUE", "("):
			d.Constraints = append(d.Constraints, p.key(start, nil))
		default:
			if c, ok := p.columnElement(); ok {
				d.Columns = append(d.Columns, c)
			}
		}
	})
}

// columnNamed reports whether what is next is a word and its type: constraint STRING.
func (p *parser) columnNamed() bool {
	return p.i+2 >= p.limit || p.match(p.i+2, ",") || p.saidOfColumn(p.i+2) && !p.match(p.i+2, "PRIMARY") &&
		!p.match(p.i+2, "FOREIGN")
}

// constraint reads what follows CONSTRAINT.
func (p *parser) constraint(d *Dataset, start int) {
	var name Word
	if p.is("EXPECT", "(") {
		p.errorf("LF0501", p.at(p.i), "write CONSTRAINT name EXPECT (…)", "the expectation has no name")
	} else if n, ok := p.part("the name of the constraint"); ok {
		name = n
	} else {
		return
	}
	if p.is("PRIMARY") || p.is("FOREIGN") || p.is("CHECK") || p.is("UNIQUE") {
		d.Constraints = append(d.Constraints, p.key(start, &name))
		return
	}
	if p.expect("EXPECT") {
		p.expectation(d, start, name)
	}
}

// expectation reads what follows EXPECT.
func (p *parser) expectation(d *Dataset, start int, name Word) {
	e := Expectation{Name: name}
	ok := p.inside("a condition", func() {
		if t := p.rest("a condition"); t != nil {
			e.Condition = *t
		}
	})
	if !ok {
		p.skip(func(i int) bool { return p.match(i, ",") || p.match(i, "ON") })
	}
	if p.acceptNear("ON", "VIOLATION") {
		e.OnViolation = p.violation()
	} else if p.is("DROP") || p.is("FAIL") {
		p.expected("ON VIOLATION")
		e.OnViolation = p.violation()
	}
	e.Range = p.from(start)
	d.Expectations = append(d.Expectations, e)
}

func (p *parser) violation() Word {
	start := p.i
	word, ok := p.keyword("DROP", "FAIL", "QUARANTINE", "WARN")
	switch {
	case !ok:
		p.errorf("LF0501", p.at(p.i), "write DROP ROW or FAIL UPDATE, or leave ON VIOLATION out: then rows are only counted",
			"DROP ROW or FAIL UPDATE is missing behind ON VIOLATION")
		p.skip(func(i int) bool { return p.match(i, ",") })
		return Word{}
	case word == "DROP":
		p.expect("ROW")
	case word != "FAIL":
	default:
		p.expect("UPDATE")
	}
	return Word{word, p.from(start)}
}

// key reads PRIMARY KEY (…), FOREIGN KEY (…) REFERENCES …, CHECK (…) and UNIQUE (…), and what is said of them.
func (p *parser) key(start int, name *Word) Constraint {
	c := Constraint{Name: name}
	at := p.i
	switch {
	case p.accept("CHECK"):
		c.Kind = Word{"CHECK", p.from(at)}
		p.inside("a condition", func() { c.Check = p.rest("a condition") })
	case p.accept("UNIQUE"):
		c.Kind = Word{"UNIQUE", p.from(at)}
		c.Columns = p.columnList()
	case p.accept("PRIMARY"):
		p.expect("KEY")
		c.Kind = Word{"PRIMARY KEY", p.from(at)}
		if p.is("(") {
			p.list("names of columns", func() {
				if w, ok := p.column(); ok {
					c.Columns = append(c.Columns, w)
				}
				p.accept("TIMESERIES")
			})
		}
	default:
		if p.accept("FOREIGN") {
			p.expect("KEY")
		}
		c.Kind = Word{"FOREIGN KEY", p.from(at)}
		if p.is("(") {
			c.Columns = p.columnList()
		}
		if p.expect("REFERENCES") {
			n := p.name("the name of a table")
			c.References = &n
			if p.is("(") {
				c.Referenced = p.columnList()
			}
		}
	}
	for p.keyOption() {
	}
	c.Range = p.from(start)
	return c
}

// keyOption takes what says how a key is enforced: it is not.
func (p *parser) keyOption() bool {
	for _, words := range [][]string{{"NOT", "ENFORCED"}, {"RELY"}, {"NORELY"}, {"DEFERRABLE"}, {"INITIALLY",
		"DEFERRED"}, {"MATCH", "FULL"},
		{"ON", "UPDATE", "NO", "ACTION"}, {"ON", "DELETE", "NO", "ACTION"}} {
		if p.accept(words...) {
			return true
		}
	}
	return false
}
