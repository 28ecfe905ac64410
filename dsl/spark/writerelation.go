package spark

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

func (w *writer) relation(r relation) {
	switch r := r.(type) {
	case *table:
		w.table(r)
	case *derived:
		w.derived(r)
	case *tableCall:
		w.tableCall(r)
	case *files:
		w.files(r)
	case *join:
		w.join(r)
	case *nested:
		w.put("(", span{r.start, r.start})
		w.relation(r.x)
		w.put(")", span{r.end, r.end})
	case *lateralView:
		w.lateralView(r)
	case *pivot:
		w.pivot(r)
	case *unpivot:
		w.unpivot(r)
	}
}

func (w *writer) alias(a alias, otherwise string, at span) {
	switch {
	case a.name != nil:
		w.put(" AS ", span{a.name.start, a.name.start})
		w.ident(*a.name)
		w.columnNames(a.columns)
	case otherwise != "":
		w.put(" AS "+quoteName(otherwise), at)
	}
}

// table writes a table by the last part of its name when there is one, and else by all of it as one name.
func (w *writer) table(t *table) {
	parts := make([]string, len(t.path))
	for i, name := range t.path {
		parts[i] = name.name
	}
	at := pathSpan(t.path)
	named := Table{parts, t.stream, w.place(at.start, at.end)}
	w.result.Tables = append(w.result.Tables, named)
	full := strings.Join(parts, ".")
	if w.pipeline.Resolve != nil && (len(parts) > 1 || !slices.Contains(w.ctes, strings.ToLower(full))) {
		full = w.pipeline.Resolve(named)
	}
	if full != strings.Join(parts, ".") {
		w.rename(at, full)
	}
	if t.stream && (t.changes || !w.pipeline.Whole) {
		schema := map[bool]string{true: sqltext.ChangesSchema, false: sqltext.StreamSchema}[t.changes]
		w.put(`"`+schema+`".`, span{t.start, at.start})
		w.streams = append(w.streams, sqltext.Ref{Name: full, Range: w.place(at.start, at.end)})
	}
	otherwise := ""
	if len(t.path) > 1 || full != parts[0] {
		w.put(quoteName(full), at)
		otherwise = parts[len(parts)-1]
	} else {
		w.ident(t.path[0])
	}
	w.put(t.travel, t.span)
	w.alias(t.alias, otherwise, at)
	w.sample(t.sample)
}

// rename notes what a relation is called in the pipeline.
func (w *writer) rename(at span, name string) {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = inBackticks(part)
	}
	w.renameTo(at, strings.Join(parts, "."))
}

func (w *writer) renameTo(at span, text string) {
	if raw, same := w.expanded.back(at); same {
		w.renames = append(w.renames, sqltext.Rename{Start: raw.start, End: raw.end, Text: text})
	}
}

// inBackticks quotes a name where Spark would not read it as one.
func inBackticks(name string) string {
	if plainName(name) && !strings.Contains(reserved, " "+strings.ToLower(name)+" ") {
		return name
	}
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

func (w *writer) sample(s *sample) {
	if s != nil {
		w.put(s.text, s.span)
	}
}

func (w *writer) derived(d *derived) {
	if d.lateral {
		w.put("LATERAL ", span{d.start, d.start})
	}
	if v, ok := d.query.body.(*values); ok && len(d.query.with)+len(d.query.order) == 0 && d.query.limit == nil && d.query.offset == nil {
		w.put("(", span{d.start, d.start})
		w.values(v)
		w.put(")", span{v.end, v.end})
	} else {
		w.put("(", span{d.start, d.start})
		w.query(d.query)
		w.put(")", span{d.end, d.end})
	}
	a := d.alias
	if a.name == nil && d.query.name != nil {
		a.name = d.query.name
	}
	w.alias(a, "", d.span)
	w.sample(d.sample)
}

func (w *writer) files(f *files) {
	r := &w.result.Relations[f.found]
	if w.pipeline.Source != nil {
		r.Name = w.pipeline.Source(*r)
		word := ""
		if f.bare || r.Assumed {
			word = "STREAM "
		}
		w.renameTo(f.call, word+inBackticks(r.Name))
	}
	if r.Stream && !w.pipeline.Whole {
		w.put(`"`+sqltext.StreamSchema+`".`, f.span)
		w.streams = append(w.streams, sqltext.Ref{Name: r.Name, Range: r.Range})
	}
	w.put(quoteName(r.Name), f.span)
	w.alias(f.alias, "", f.span)
}

// tableCall writes explode(x) and range(n) behind FROM.
func (w *writer) tableCall(t *tableCall) {
	c := t.call
	switch {
	case generators[c.name]:
		w.put("LATERAL (SELECT ", c.nameAt)
		w.generator(c, nil)
		w.put(")", span{c.end, c.end})
		w.alias(t.alias, "__generated", t.span)
	case c.name == "range":
		w.need(c, 1, 4, "range(start, end, step)")
		w.put("(SELECT range AS id FROM range(", c.nameAt)
		for i, a := range c.args[:min(len(c.args), 3)] {
			if i > 0 {
				w.put(", ", a.value.at())
			}
			w.coerced(a.value, integer)
		}
		w.put("))", span{c.end, c.end})
		w.alias(t.alias, "range", t.span)
	case w.pipeline.Published && (c.name == "event_log" || c.name == "table_changes"):
		w.publishedCall(c)
		w.alias(t.alias, "", t.span)
	default:
		if reason := refusal(c.name); reason != "" {
			w.fail(codeFunction, c.nameAt, cmp.Or(tableHelp[c.name], reason), "the function %s is not supported", c.name)
		}
		w.fail(codeFunction, c.nameAt, cmp.Or(tableHelp[c.name], "read files with read_files(…), and tables by their names"), "there is no function %s that gives a table", clip(c.name))
	}
}

// tableHelp says what to write in the place of functions that other systems have.
var tableHelp = map[string]string{
	"table_changes": "write STREAM CHANGES(name) in a streaming table: the changes since it was read last",
	"identifier":    "write the name itself: what is in IDENTIFIER(…) must be a text, or texts joined by ||",
	"event_log":     "ask from outside of the pipeline: lakeflow query \"SELECT * FROM event_log\"",
}

// publishedCall writes event_log(…) or table_changes(…) for sqltext.TimeTravel: texts and numbers in DuckDB's spelling,
// and TABLE(name).
func (w *writer) publishedCall(c *call) {
	w.put(c.name+"(", c.nameAt)
	for i, a := range c.args {
		at := a.value.at()
		if i > 0 {
			w.put(", ", span{at.start, at.start})
		}
		named, _ := a.value.(*call)
		l, constant := a.value.(*literal)
		switch {
		case constant && l.kind == numberLiteral:
			w.put(l.value, at)
		case constant:
			w.put(quoteText(l.value), at)
		case named != nil && named.name == "table" && len(named.args) == 1:
			w.put("TABLE(", named.nameAt)
			w.expr(named.args[0].value)
			w.put(")", span{named.end, named.end})
		default:
			w.fail(codeArguments, at, "write a text or a number; a table as TABLE(name)", "this is no constant")
		}
	}
	w.put(")", span{c.end, c.end})
}

func (w *writer) join(j *join) {
	w.relation(j.l)
	word := " JOIN "
	switch j.kind {
	case "INNER":
		if j.on == nil && j.using == nil && !j.natural {
			word = " CROSS JOIN "
		}
	default:
		word = " " + j.kind + " JOIN "
	}
	if j.natural {
		word = " NATURAL" + word
	}
	w.put(word, span{j.l.at().end, j.r.at().start})
	w.relation(j.r)
	switch {
	case j.on != nil:
		w.put(" ON ", span{j.on.at().start, j.on.at().start})
		w.coerced(j.on, boolean)
	case j.using != nil:
		w.put(" USING (", j.using[0].span)
		w.idents(j.using)
		w.put(")", j.using[len(j.using)-1].span)
	case (j.kind == "LEFT" || j.kind == "RIGHT" || j.kind == "FULL" || j.kind == "SEMI" || j.kind == "ANTI") && !j.natural:
		w.put(" ON true", span{j.end, j.end})
	}
}

// lateralView writes LATERAL VIEW as a join with a query of one row and a generator.
func (w *writer) lateralView(v *lateralView) {
	w.relation(v.x)
	at := v.call.nameAt
	outer := v.outer || strings.HasSuffix(v.call.name, "_outer")
	c := *v.call
	c.name = strings.TrimSuffix(c.name, "_outer")
	w.put(map[bool]string{true: " LEFT JOIN LATERAL (SELECT ", false: " CROSS JOIN LATERAL (SELECT "}[outer], at)
	names := v.names
	if c.name == "inline" {
		names = nil
	}
	w.generator(&c, names)
	w.put(") AS ", at)
	if v.name != nil {
		w.ident(*v.name)
	} else {
		w.generated++
		w.put("__view"+itoa(w.generated), at)
	}
	if c.name == "inline" {
		w.columnNames(v.names)
	}
	if outer {
		w.put(" ON true", at)
	}
}

func (w *writer) unpivot(u *unpivot) {
	w.relation(u.x)
	at := span{u.x.at().end, u.x.at().end}
	w.put(map[bool]string{true: " UNPIVOT INCLUDE NULLS (", false: " UNPIVOT ("}[u.nulls], at)
	w.idents(u.values)
	w.put(" FOR ", at)
	w.ident(u.name)
	w.put(" IN (", at)
	for i, c := range u.columns {
		if i > 0 {
			w.put(", ", at)
		}
		w.expr(&c.columns[0])
		if c.alias != nil {
			w.put(" AS "+quoteText(c.alias.name), c.alias.span)
		}
	}
	w.put("))", span{u.end, u.end})
	w.alias(u.alias, "", u.span)
}
