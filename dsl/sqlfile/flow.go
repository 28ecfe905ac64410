package sqlfile

import (
	"slices"
	"strings"
)

// createFlow reads what follows CREATE FLOW.
func (p *parser) createFlow() Statement {
	f := &CreateFlow{}
	if p.is("AS") {
		p.expected("the name of the flow")
	} else {
		f.Name = p.name("the name of the flow")
	}
	if p.acceptNear("COMMENT") {
		f.Comment = p.string("a comment")
	}
	if !p.expect("AS") && !p.is("INSERT") && !p.is("AUTO") {
		return f
	}
	start := p.i
	switch {
	case p.acceptNear("INSERT"):
		p.insert(f, start)
	case p.acceptNear("AUTO", "CDC") || p.acceptNear("APPLY", "CHANGES"):
		f.Flow.Once = p.once()
		p.expect("INTO")
		if !p.is("FROM") {
			f.Target = p.name("the name of a table")
		}
		f.Flow.Changes = p.changes(start)
	default:
		p.expected("INSERT INTO or AUTO CDC INTO")
	}
	f.Flow.Range = p.from(start)
	return f
}

// insert reads what follows INSERT in a flow.
func (p *parser) insert(f *CreateFlow, start int) {
	f.Flow.Once = p.once()
	p.expect("INTO")
	if f.Flow.Once.IsZero() && p.is("ONCE") && !p.match(p.i+1, "BY", "NAME") && !p.startsQuery(p.i+1) {
		f.Flow.Once = p.once()
	}
	f.Target = p.name("the name of a table")
	p.rows(&f.Flow, start)
}

// flowClause reads what follows FLOW in a table.
func (p *parser) flowClause(start int) *Flow {
	f := &Flow{}
	if p.accept("IMPORT", "CHECKPOINT") {
		f.Checkpoint = p.string("a path")
	}
	switch at := p.i; {
	case p.accept("REPLACE"):
		p.i = at
		p.rows(f, start)
	case p.acceptNear("INSERT"):
		f.Once = p.once()
		p.rows(f, start)
	case p.acceptNear("AUTO", "CDC") || p.acceptNear("APPLY", "CHANGES"):
		f.Once = p.once()
		f.Changes = p.changes(at)
	default:
		p.expected("INSERT, AUTO CDC or REPLACE")
		p.i = p.limit
	}
	f.Range = p.from(start)
	return f
}

// rows reads the query of a flow, and what is said of its rows before it.
func (p *parser) rows(f *Flow, start int) {
	for !p.done() {
		switch at := p.i; {
		case p.acceptNear("BY", "NAME"):
			f.ByName = p.from(at)
		case p.accept("REPLACE", "WHERE"):
			f.ReplaceWhere = p.until("a condition", func(i int) bool {
				return p.match(i, "BY", "NAME") || p.match(i, "SELECT") || p.match(i, "WITH")
			})
		case p.accept("REPLACE", "USING"):
			f.ReplaceUsing = &Replace{Columns: p.columnList()}
			if p.expect("SEQUENCE", "BY") {
				f.ReplaceUsing.SequenceBy = p.until("a column", func(i int) bool {
					return p.match(i, "BY", "NAME") ||
						p.startsQuery(i)
				})
			}
			f.ReplaceUsing.Range = p.from(at)
		case p.startsQuery(p.i):
			f.Query = p.query()
		default:
			p.surplus("write BY NAME and a query", "BY NAME", "REPLACE", "SELECT")
			p.next()
			p.skip(func(i int) bool { return p.match(i, "BY", "NAME") || p.startsQuery(i) })
		}
	}
	if f.Query == nil {
		p.query()
	}
	f.Range = p.from(start)
}

// applyChanges reads what follows APPLY CHANGES INTO.
func (p *parser) applyChanges() Statement {
	a := &ApplyChanges{Target: p.name("the name of a table")}
	a.Changes = *p.changes(0)
	return a
}

// changeClauses are what the clauses of changes begin with.
var changeClauses = [][]string{{"FROM"}, {"KEYS"}, {"IGNORE", "NULL", "UPDATES"}, {"WHERE"}, {"APPLY", "AS", "DELETE",
	"WHEN"}, {"APPLY", "AS", "TRUNCATE", "WHEN"},
	{"SEQUENCE", "BY"}, {"SYSTEM", "SEQUENCE", "BY"}, {"COLUMNS"}, {"STORED", "AS"}, {"TRACK", "HISTORY",
		"ON"}, {"COLUMNS", "TO", "UPDATE"}, {"WITH", "VERSION"}}

// changes reads the clauses of AUTO CDC and APPLY CHANGES, in any order.
func (p *parser) changes(start int) *Changes {
	c := &Changes{}
	written := map[string]bool{}
	for !p.done() {
		at := p.i
		words := p.changeClause()
		if words == nil {
			p.unknownChange()
			continue
		}
		name := strings.Join(words, " ")
		if written[name] {
			p.errorf("LF0508", p.from(at), "keep one of them", "%s is there twice", name)
		}
		written[name] = true
		p.change(c, words, at)
	}
	c.Range = p.from(start)
	if c.From == nil && c.Snapshot == nil && !written["FROM"] {
		p.missing("FROM STREAM name")
	}
	if c.Keys == nil && !written["KEYS"] {
		p.missing("KEYS (columns)")
	}
	if c.SequenceBy == nil && c.Snapshot == nil && !written["SEQUENCE BY"] {
		p.missing("SEQUENCE BY column")
	}
	return c
}

func (p *parser) missing(what string) {
	p.errorf("LF0509", p.at(p.limit), "add "+what, "%s is missing", what)
}

// changeClause takes the words that a clause of changes begins with.
func (p *parser) changeClause() []string {
	for _, take := range []func(...string) bool{p.accept, p.acceptNear} {
		for _, words := range slices.Backward(changeClauses) { // COLUMNS TO UPDATE before COLUMNS
			if take(words...) {
				return words
			}
		}
	}
	return nil
}

func (p *parser) unknownChange() {
	var words []string
	for _, w := range changeClauses {
		words = append(words, strings.Join(w, " "))
	}
	p.surplus("write a clause: KEYS, SEQUENCE BY, COLUMNS, STORED AS, …", words...)
	p.next()
	p.skipChange()
}

// skipChange goes to the next clause of changes, or to what begins like one.
func (p *parser) skipChange() {
	p.skip(func(i int) bool {
		first := func(words []string) bool { return len(words) > 1 && p.match(i, words[0]) && words[0] != "COLUMNS" }
		return p.startsChange(i) || slices.ContainsFunc(changeClauses, first)
	})
}

// startsChange reports whether a clause of changes begins at i, behind something that it is no part of.
func (p *parser) startsChange(i int) bool {
	for _, words := range changeClauses {
		switch {
		case len(words) > 1 && p.near(i, words...):
			return true
		case !p.match(i, words...):
		case words[0] == "KEYS" && !p.match(i+1, "("):
		case words[0] == "COLUMNS" && !p.match(i+1, "(") && !p.match(i+1, "*") && !p.startsName(i+1):
		default:
			return true
		}
	}
	return false
}

// change reads a clause of changes from what follows its first words.
func (p *parser) change(c *Changes, words []string, at int) {
	expression := func() *Text {
		if slices.ContainsFunc(changeClauses, func(words []string) bool { return len(words) > 1 && p.is(words...) }) {
			p.expected("an expression")
			return nil
		}
		return p.until("an expression", p.startsChange)
	}
	switch words[0] {
	case "FROM":
		p.changesFrom(c, at)
	case "KEYS":
		if !p.is("(") {
			p.expected("(")
		}
		c.Keys = p.someColumns()
		c.KeysAt = p.from(at)
	case "IGNORE":
		c.IgnoreNullUpdates = &Columns{}
		if p.accept("ON") {
			c.IgnoreNullUpdates = p.columns(p.i)
		}
		c.IgnoreNullUpdates.Range = p.from(at)
	case "WHERE":
		c.Where = expression()
	case "APPLY":
		if words[2] == "DELETE" {
			c.ApplyAsDelete = expression()
		} else {
			c.ApplyAsTruncate = expression()
		}
	case "SEQUENCE":
		c.SequenceBy = expression()
	case "SYSTEM":
		c.SystemSequenceBy = expression()
	case "STORED":
		c.StoredAs = p.storedAs()
	case "TRACK":
		c.TrackHistoryOn = p.columns(at)
	case "COLUMNS":
		if len(words) > 1 {
			c.ColumnsToUpdate = p.word("the name of a column")
		} else {
			c.Columns = p.columns(at)
		}
	case "WITH":
		p.version(c)
	}
}

// changesFrom reads what follows FROM: a stream, or a snapshot.
func (p *parser) changesFrom(c *Changes, at int) {
	if !p.accept("SNAPSHOT") {
		c.From = p.until("STREAM name", func(i int) bool {
			return p.startsChange(i) || p.match(i, "KEYS") || p.match(i+1, "(") && p.near(i, "KEYS")
		})
		return
	}
	c.Snapshot = &Snapshot{}
	p.inside("a query", func() {
		if q := p.rest("a query"); q != nil {
			c.Snapshot.Query = *q
		}
	})
	c.Snapshot.Range = p.from(at)
}

// version reads what follows WITH VERSION.
func (p *parser) version(c *Changes) {
	var q *Text
	p.inside("a query", func() { q = p.rest("a query") })
	if c.Snapshot == nil {
		p.errorf("LF0501", p.at(p.i-1), "remove it, or read FROM SNAPSHOT (query)",
			"WITH VERSION is said of a snapshot")
		return
	}
	c.Snapshot.Version = q
}

// storedAs reads what follows STORED AS.
func (p *parser) storedAs() *Word {
	start := p.i
	if p.acceptNear("BITEMPORAL") {
		return &Word{"BITEMPORAL", p.from(start)}
	}
	if !p.accept("SCD") {
		p.expected("SCD TYPE 1 or SCD TYPE 2")
		p.skipChange()
		return nil
	}
	p.accept("TYPE")
	for _, n := range []string{"1", "2"} {
		if p.i < p.limit && p.toks[p.i].Text(p.text) == n {
			p.i++
			return &Word{n, p.from(start)}
		}
	}
	p.expected("1 or 2")
	if !p.done() {
		p.i++
	}
	return nil
}

// columns reads (a, b), a, b or * EXCEPT (a, b).
func (p *parser) columns(at int) *Columns {
	c := &Columns{}
	if p.accept("*") {
		c.Except = true
		if p.acceptNear("EXCEPT") {
			c.Names = p.someColumns()
		}
	} else {
		c.Names = p.someColumns()
	}
	c.Range = p.from(at)
	return c
}

func (p *parser) someColumns() []Word {
	if p.is("(") {
		return p.columnList()
	}
	var out []Word
	for {
		w, ok := p.column()
		if !ok {
			return out
		}
		out = append(out, w)
		if !p.accept(",") {
			return out
		}
	}
}
