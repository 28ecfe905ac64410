package sqlfile

import (
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
)

// once takes ONCE, if it is next.
func (p *parser) once() diag.Range { return p.place("ONCE") }

// startsName reports whether a name stands at i.
func (p *parser) startsName(i int) bool {
	k := p.kind(i)
	return k == spark.Word || k == spark.Name || k == spark.Parameter
}

func lineNumber(at diag.Pos) string { return strconv.Itoa(at.Line) }

// set reads what follows SET. The value is all that stands behind the =, as it is written.
func (p *parser) set() Statement {
	s := &Set{}
	if p.done() { // which shows all
		return s
	}
	start := p.i
	p.skip(func(i int) bool { return p.match(i, "=") })
	s.Key = Word{strings.ReplaceAll(p.text[p.toks[start].Start:p.toks[max(p.i, start+1)-1].End], "`", ""),
		p.from(start)}
	if p.accept("=") {
		if v := p.rest("a value"); v != nil {
			s.Value = &Word{v.SQL, v.Range}
		}
	}
	return s
}

// use reads what follows USE.
func (p *parser) use() Statement {
	u := &Use{}
	for _, k := range []string{"CATALOG", "SCHEMA", "DATABASE", "NAMESPACE"} {
		start := p.i
		if p.i+1 < p.limit && !p.match(p.i+1, ".") && p.acceptNear(k) {
			if k != "CATALOG" {
				k = "SCHEMA"
			}
			u.What = Word{k, p.from(start)}
			break
		}
	}
	if at := p.i; p.kind(at) == spark.String {
		u.Name = Name{Parts: []Word{*p.word("a name")}, Range: p.from(at)}
	} else {
		u.Name = p.name("a name")
	}
	if !p.done() {
		p.surplus(removeIt)
	}
	return u
}

// refresh reads what follows REFRESH.
func (p *parser) refresh() Statement {
	r := &Refresh{}
	if p.acceptNear("MATERIALIZED", "VIEW") || p.acceptNear("STREAMING", "TABLE") || p.accept("TABLE") ||
		p.accept("VIEW") {
		r.Name = p.name("the name of a table")
	} else {
		p.notPipeline("REFRESH")
		return nil
	}
	for !p.done() {
		start := p.i
		if p.accept("WHERE") {
			r.Where = p.until("a condition", func(i int) bool { return p.match(i, "SYNC") || p.match(i, "ASYNC") })
			continue
		}
		switch word, _ := p.keyword("FULL", "SYNC", "ASYNC"); word {
		case "FULL":
			r.Full = p.from(start)
		case "SYNC", "ASYNC":
			r.Wait = Word{word, p.from(start)}
		default:
			p.surplus(removeIt, "FULL", "WHERE", "SYNC", "ASYNC")
			p.next()
		}
	}
	return r
}

// alter reads what follows ALTER.
func (p *parser) alter() Statement {
	a := &Alter{}
	start := p.i
	for _, words := range [][]string{{"MATERIALIZED", "VIEW"}, {"STREAMING", "TABLE"}, {"TABLE"}, {"VIEW"}} {
		if p.acceptNear(words...) {
			a.What = Word{strings.Join(words, " "), p.from(start)}
			break
		}
	}
	if a.What.Text == "" {
		p.notPipeline("ALTER")
		return nil
	}
	a.Name = p.name("the name of a table")
	if t := p.rest("what is to be changed"); t != nil {
		a.Action = *t
	}
	return a
}
