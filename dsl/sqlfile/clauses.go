package sqlfile

import (
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
)

// clause is what a clause begins with, and how the rest is read.
type clause struct {
	words []string
	name  string // where it is not that of the words
	read  func(p *parser, c *Clauses, start int)
}

var clauses = []clause{
	{words: []string{"COMMENT"}, read: func(p *parser, c *Clauses, _ int) { c.Comment = p.string("a comment") }},
	{words: []string{"TBLPROPERTIES"}, read: func(p *parser, c *Clauses, _ int) {
		c.Properties = append(c.Properties,
			p.properties()...)
	}},
	{words: []string{"PARTITIONED", "BY"}, read: func(p *parser, c *Clauses,
		_ int) {
		c.PartitionedBy = p.texts("columns")
	}},
	{words: []string{"CLUSTER", "BY"}, read: (*parser).cluster},
	{words: []string{"USING"}, read: func(p *parser, c *Clauses, _ int) {
		if w, ok := p.column(); ok { // org.apache.… has dots
			c.Using = &w
		}
	}},
	{words: []string{"OPTIONS"}, read: func(p *parser, c *Clauses, _ int) { c.Options = p.properties() }},
	{words: []string{"LOCATION"}, read: func(p *parser, c *Clauses, _ int) { c.Location = p.string("a path") }},
	{words: []string{"DEFAULT", "COLLATION"}, read: func(p *parser, c *Clauses,
		_ int) {
		c.Collation = p.word("a collation")
	}},
	{words: []string{"WITH", "ROW", "FILTER"}, name: "ROW FILTER", read: (*parser).rowFilter},
	{words: []string{"ROW", "FILTER"}, read: (*parser).rowFilter},
	{words: []string{"SCHEDULE"}, read: (*parser).schedule},
	{words: []string{"REFRESH", "EVERY"}, name: "SCHEDULE", read: func(p *parser, c *Clauses, start int) {
		c.Schedule = &Schedule{Every: p.period(), Range: p.from(start)}
	}},
	{words: []string{"TRIGGER", "ON", "UPDATE"}, name: "SCHEDULE", read: (*parser).onUpdate},
	{words: []string{"WITH", "SCHEMA", "BINDING"}, name: "WITH SCHEMA", read: nothing},
	{words: []string{"WITH", "SCHEMA", "COMPENSATION"}, name: "WITH SCHEMA", read: nothing},
	{words: []string{"WITH", "SCHEMA", "EVOLUTION"}, name: "WITH SCHEMA", read: nothing},
	{words: []string{"WITH", "SCHEMA", "TYPE", "EVOLUTION"}, name: "WITH SCHEMA", read: nothing},
	{words: []string{"REFRESH", "POLICY"}, read: (*parser).refreshPolicy},
}

func nothing(*parser, *Clauses, int) {}

// ofHive are clauses that only tables of Hive have.
var ofHive = [][]string{{"STORED", "AS"}, {"STORED", "BY"}, {"ROW", "FORMAT"}, {"CLUSTERED", "BY"}, {"SORTED", "BY"}, {"SKEWED", "BY"}}

// hive reports a clause of tables of Hive, and goes to the next one.
func (p *parser) hive() bool {
	for _, words := range ofHive {
		if start := p.i; p.accept(words...) {
			p.errorf("LF0501", p.from(start), "remove it; CLUSTER BY (columns) says which rows are stored together",
				"%s is said of tables of Hive", strings.Join(words, " "))
			p.skip(p.startsClause)
			return true
		}
	}
	return false
}

// clause reads one clause of a table or view, if one is next.
func (p *parser) clause(c *Clauses) bool {
	for _, take := range []func(...string) bool{p.accept, p.acceptNear} {
		for _, k := range clauses {
			start := p.i
			if !take(k.words...) {
				continue
			}
			name := k.name
			if name == "" {
				name = strings.Join(k.words, " ")
			}
			if _, twice := c.at[name]; twice {
				p.errorf("LF0508", p.from(start), "keep one of them", "%s is there twice", name)
			}
			k.read(p, c, start)
			if c.at == nil {
				c.at = map[string]diag.Range{}
			}
			c.at[name] = p.from(start)
			return true
		}
		if p.is("AS") || p.is("FLOW") || p.startsQuery(p.i) {
			return false
		}
	}
	return false
}

// properties reads (key = value, …). Keys are texts, or words with dots; the = may be missing.
func (p *parser) properties() []Property {
	var out []Property
	p.list("key = value", func() {
		key, ok := p.propertyKey()
		if !ok {
			return
		}
		one := Property{Key: key}
		p.accept("=")
		start := p.i
		if p.accept("-") && p.kind(p.i) == spark.Number {
			p.i++
			one.Value = Word{p.text[p.toks[start].Start:p.toks[p.i-1].End], p.from(start)}
		} else if w := p.word("a value"); w != nil {
			one.Value = *w
		} else {
			return
		}
		out = append(out, one)
	})
	return out
}

func (p *parser) propertyKey() (Word, bool) {
	if p.kind(p.i) == spark.String {
		return *p.word("a key"), true
	}
	start := p.i
	for {
		if _, ok := p.part("a key"); !ok {
			return Word{}, false
		}
		if !p.accept(".") {
			break
		}
	}
	return Word{strings.ReplaceAll(p.text[p.toks[start].Start:p.toks[p.i-1].End], "`", ""), p.from(start)}, true
}

// cluster reads what follows CLUSTER BY.
func (p *parser) cluster(c *Clauses, start int) {
	c.ClusterBy = &Cluster{}
	at := p.i
	if p.is("(") {
		c.ClusterBy.Columns = p.columnList()
	} else if word, ok := p.keyword("AUTO", "NONE"); ok {
		c.ClusterBy.Auto = Word{word, p.from(at)}
	} else {
		p.expected("(columns), AUTO or NONE")
	}
	c.ClusterBy.Range = p.from(start)
}

// rowFilter reads what follows ROW FILTER.
func (p *parser) rowFilter(c *Clauses, start int) {
	f := &Function{Name: p.name("the name of a function")}
	if p.expect("ON") {
		f.Arguments = p.texts("names of columns")
	}
	f.Range = p.from(start)
	c.RowFilter = f
}

// schedule reads what follows SCHEDULE.
func (p *parser) schedule(c *Clauses, start int) {
	s := &Schedule{}
	c.Schedule = s
	p.accept("REFRESH")
	switch {
	case p.acceptNear("EVERY"):
		s.Every = p.period()
	case p.acceptNear("CRON"):
		s.Cron = p.string("a cron expression")
		if p.accept("AT", "TIME", "ZONE") {
			s.TimeZone = p.string("a time zone")
		}
	default:
		p.expected("EVERY or CRON")
	}
	s.Range = p.from(start)
}

// onUpdate reads what follows TRIGGER ON UPDATE.
func (p *parser) onUpdate(c *Clauses, start int) {
	s := &Schedule{OnUpdate: p.from(start)}
	c.Schedule = s
	if p.accept("AT", "MOST") {
		p.expect("EVERY")
		p.accept("INTERVAL")
		s.AtMost = p.period()
	}
	s.Range = p.from(start)
}

// period takes a number and a unit.
func (p *parser) period() *Text {
	start := p.i
	if k := p.kind(p.i); k != spark.Number && k != spark.String {
		p.expected("a number")
	} else {
		p.i++
	}
	if _, ok := p.keyword("SECOND", "SECONDS", "MINUTE", "MINUTES", "HOUR", "HOURS", "DAY", "DAYS", "WEEK", "WEEKS",
		"MONTH", "MONTHS"); !ok {
		p.expected("a unit, such as HOURS,")
		return nil
	}
	return p.textFrom(start)
}

// refreshPolicy reads what follows REFRESH POLICY.
func (p *parser) refreshPolicy(c *Clauses, _ int) {
	start := p.i
	word, ok := p.keyword("AUTO", "INCREMENTAL", "FULL")
	if !ok {
		p.expected("AUTO, INCREMENTAL or FULL")
		return
	}
	if word == "INCREMENTAL" && p.accept("STRICT") {
		word += " STRICT"
	}
	c.RefreshPolicy = &Word{word, p.from(start)}
}
