package spark

import (
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// writer writes a tree in DuckDB's dialect. Every piece of the text keeps which stretch of the user's text it stands for.
type writer struct {
	raw       string
	origin    sqltext.Origin
	expanded  expanded
	out       *sqltext.Builder
	diags     *diag.List
	result    *Query
	streams   []sqltext.Ref
	renames   []sqltext.Rename
	metadata  bool
	generated int // names that were made
	// guesses are the macros in the text that tell types apart.
	choices choices
	guesses []guess
	// asks are expressions whose types DuckDB is asked for, and asked those of them that are written so.
	asks, asked map[span]bool
	told
	pipeline Pipeline
	ctes     []string  // in lower case, that are seen at this place
	paths    [][]ident // tables that are named with a schema
	row      string    // the name of the only relation behind FROM
	windows  []namedWindow
	// replaced are parameters of lambdas, and what stands for them in the text.
	replaced map[string]string
	mode     mode
}

func (w *writer) place(start, end int) diag.Range {
	s, _ := w.expanded.back(span{start, end})
	return w.out.Place(s.start, s.end)
}

// put writes a text that stands for a stretch of the query.
func (w *writer) put(text string, at span) {
	raw, _ := w.expanded.back(at)
	w.out.Put(text, raw.start, raw.end)
}

// keep writes a stretch of the query as it is.
func (w *writer) keep(at span) {
	if raw, same := w.expanded.back(at); same {
		w.out.Keep(raw.start, raw.end)
	} else {
		w.out.Put(w.expanded.text[at.start:at.end], raw.start, raw.end)
	}
}

func (w *writer) fail(code string, at span, help, format string, args ...any) {
	w.diags.Errorf(code, w.place(at.start, at.end), help, format, args...)
	panic(mistake{})
}

func (w *writer) ident(name ident) {
	if strings.EqualFold(name.name, "_metadata") {
		w.metadata = true
	}
	if quoted := quoteName(name.name); quoted != w.expanded.text[name.start:name.end] {
		w.put(quoted, name.span)
	} else {
		w.keep(name.span)
	}
}

func (w *writer) path(path []ident) {
	for i, name := range path {
		if i > 0 {
			w.put(".", span{path[i-1].end, name.start})
		}
		w.ident(name)
	}
}

func (w *writer) idents(names []ident) {
	for i, name := range names {
		if i > 0 {
			w.put(", ", span{names[i-1].end, name.start})
		}
		w.ident(name)
	}
}

// macroOf writes macro(x).
func (w *writer) macroOf(macro string, x expr) {
	at := x.at()
	w.put(w.macro(macro)+"(", span{at.start, at.start})
	w.expr(x)
	w.put(")", span{at.end, at.end})
}

// macro tells that the text calls a macro, and gives the name to call it by.
func (w *writer) macro(name string) string {
	name += w.mode.suffix()
	w.result.macros = append(w.result.macros, name)
	return Schema + "." + quoteName(name)
}

// list writes expressions with commas between them.
func (w *writer) list(all []expr) {
	for i, x := range all {
		if i > 0 {
			w.put(", ", span{all[i-1].at().end, x.at().start})
		}
		w.expr(x)
	}
}

// expr writes an expression so that it can stand beside any operator.
func (w *writer) expr(x expr) {
	if at := x.at(); w.asks[at] && !w.asked[at] {
		w.ask(x)
		return
	}
	switch x := x.(type) {
	case *column:
		w.column(x)
	case *star:
		w.star(x)
	case *literal:
		w.literal(x)
	case *interval:
		w.interval(x)
	case *unary:
		w.unary(x)
	case *binary:
		w.binary(x)
	case *call:
		w.call(x)
	case *cast:
		w.cast(x)
	case *caseOf:
		w.caseOf(x)
	case *between:
		w.between(x)
	case *in:
		w.in(x)
	case *like:
		w.like(x)
	case *is:
		w.isWhat(x)
	case *subquery:
		w.put(map[bool]string{true: "EXISTS (", false: "("}[x.exists], span{x.start, x.start})
		w.query(x.query)
		w.put(")", span{x.end, x.end})
	case *field:
		if w.choices.lists[listField("", x.name.name)] {
			e := w.element()
			w.put("list_transform(", span{x.start, x.start})
			w.expr(x.x)
			w.put(", lambda "+e+": "+e+".", x.name.span)
			w.ident(x.name)
			w.put(")", span{x.end, x.end})
			return
		}
		w.put("(", span{x.start, x.start})
		if t, ok := x.x.(*tuple); ok { // its fields have names
			fields := &call{span: t.span, name: "struct", nameAt: t.span}
			for _, item := range t.items {
				fields.args = append(fields.args, argument{value: item})
			}
			structOf(w, fields)
		} else {
			w.expr(x.x)
		}
		w.put(").", span{x.name.start, x.name.start})
		w.ident(x.name)
	case *item:
		w.item(x)
	case *path:
		w.jsonPath(x)
	case *lambda:
		w.lambda(x)
	case *tuple:
		w.put("(", span{x.start, x.start})
		w.list(x.items)
		w.put(")", span{x.end, x.end})
	}
}

func (w *writer) column(c *column) {
	text, ok := w.replaced[strings.ToLower(c.path[0].name)]
	if !ok {
		w.fields(w.withoutSchema(c.path, 1))
		return
	}
	w.put(text, c.path[0].span)
	for _, name := range c.path[1:] {
		w.put(".", name.span)
		w.ident(name)
	}
}

// fields writes a path. A field of a list is the list of the fields of its elements.
func (w *writer) fields(path []ident) {
	if !w.ofList(path) {
		w.path(path)
		return
	}
	last := path[len(path)-1]
	e := w.element()
	w.put("list_transform(", span{path[0].start, path[0].start})
	w.path(path[:len(path)-1])
	w.put(", lambda "+e+": "+e+".", last.span)
	w.ident(last)
	w.put(")", span{last.end, last.end})
}

func (w *writer) ofList(path []ident) bool {
	return len(path) > 1 && w.choices.lists[listField(path[len(path)-2].name, path[len(path)-1].name)]
}

// withoutSchema leaves the schema of a table out of schema.table and so many names more: the table has its last name here.
func (w *writer) withoutSchema(path []ident, more int) []ident {
	for _, t := range w.paths {
		same := len(path) >= len(t)+more
		for i := 0; same && i < len(t); i++ {
			same = strings.EqualFold(path[i].name, t[i].name)
		}
		if same {
			return path[len(t)-1:]
		}
	}
	return path
}

func (w *writer) star(s *star) {
	for _, name := range w.withoutSchema(s.path, 0) {
		w.ident(name)
		w.put(".", name.span)
	}
	w.put("*", s.span)
	if len(s.except) == 0 {
		return
	}
	w.put(" EXCLUDE (", s.span)
	for i, path := range s.except {
		if i > 0 {
			w.put(", ", path[0].span)
		}
		if len(path) > 2 {
			w.fail(codeUnsupported, pathSpan(path), "name the column, or table.column", "a field of a column cannot be left out")
		}
		w.path(path)
	}
	w.put(")", s.span)
}

func (w *writer) unary(u *unary) {
	switch u.op {
	case "NOT":
		w.put("(NOT ", span{u.start, u.x.at().start})
		w.coerced(u.x, boolean)
		w.put(")", span{u.end, u.end})
	case "-":
		w.put("(- ", span{u.start, u.x.at().start})
		w.coerced(u.x, numeric)
		w.put(")", span{u.end, u.end})
	case "~":
		w.put("(~ ", span{u.start, u.x.at().start})
		w.expr(u.x)
		w.put(")", span{u.end, u.end})
	default:
		w.coerced(u.x, numeric)
	}
}

func (w *writer) cast(c *cast) {
	if c.try { // also in a session that is not in ANSI mode
		before := w.mode.legacy
		w.mode.legacy = false
		defer func() { w.mode.legacy = before }()
		w.put("TRY(", span{c.start, c.start})
	}
	to := c.to.duck()
	open := "CAST("
	if w.mode.legacy {
		open = "TRY_CAST("
	}
	if c.to.name == "TIMESTAMP_NTZ" {
		w.needsUTC(c.to.span, "a TIMESTAMP_NTZ")
	}
	switch {
	case castMacros[to] != "":
		w.castTo(to, c.x, c.span)
	case strings.HasPrefix(to, "DECIMAL"):
		w.put(open, span{c.start, c.start})
		switch k := w.kindOf(c.x); {
		case k.isNumber():
			w.expr(c.x)
		case k == text:
			w.put("trim(", span{c.start, c.start})
			w.expr(c.x)
			w.put(")", span{c.x.at().end, c.x.at().end})
		case w.guess("numeral", c.x):
			w.macroOf("numeral", c.x)
		default:
			w.expr(c.x)
		}
		w.put(" AS "+to+")", c.to.span)
	default:
		w.put(open, span{c.start, c.start})
		w.expr(c.x)
		w.put(" AS "+to+")", c.to.span)
	}
	if c.try {
		w.put(")", span{c.end, c.end})
	}
}

// castTo writes a cast to a type without parts. What is known of the value saves a macro.
func (w *writer) castTo(to string, x expr, at span) {
	k := w.kindOf(x)
	if w.mode != (mode{}) && k != nullKind {
		open, close := w.castInMode(to, k)
		w.put(open, span{at.start, x.at().start})
		w.expr(x)
		w.put(close, span{x.at().end, at.end})
		return
	}
	whole := strings.HasSuffix(to, "INT") || to == "INTEGER"
	open, close := "", ""
	switch {
	case k == nullKind || k == integer && (whole || to == "VARCHAR" || to == "DOUBLE" || to == "FLOAT" || to == "BOOLEAN"):
		open, close = "CAST(", " AS "+to+")"
	case whole && k.isNumber():
		open, close = "CAST(trunc(", ") AS "+to+")"
	case whole && k == text:
		open, close = "CAST("+w.macro("whole")+"(", ") AS "+to+")"
	case (to == "DOUBLE" || to == "FLOAT") && k == text:
		open, close = "CAST("+w.macro("fraction")+"(", ") AS "+to+")"
	case (to == "DOUBLE" || to == "FLOAT") && k.isNumber(), to == "VARCHAR" && (k == decimals || k == date || k == instant || k == boolean || k == text),
		to == "DATE" && (k == date || k == instant), to == "TIMESTAMP" && (k == date || k == instant), to == "BOOLEAN" && (k.isNumber() || k == boolean):
		open, close = "CAST(", " AS "+to+")"
	case to == "VARCHAR" && k == double:
		open, close = w.macro("double_text")+"(CAST(", " AS VARCHAR))"
	case k == text && (to == "DATE" || to == "TIMESTAMP" || to == "BOOLEAN"):
		open, close = w.macro("text_"+strings.ToLower(to))+"(", ")"
	case k == text && to == "BLOB":
		open, close = "encode(", ")"
	default:
		open, close = w.macro(castMacros[to])+"(", ")"
		if typed := typedCasts[to]; k == unknown && typed != "" && len(w.choices.unclear) <= mostUnclear {
			if ok, _ := w.tells(typed, x); ok {
				open = w.macro(typed) + "("
			}
		}
	}
	w.put(open, span{at.start, x.at().start})
	w.expr(x)
	w.put(close, span{x.at().end, at.end})
}

func (w *writer) caseOf(c *caseOf) {
	w.put("CASE", span{c.start, c.start + 4})
	results := c.results()
	if c.operand != nil {
		w.put(" ", c.span)
		w.expr(c.operand)
	}
	for i, when := range c.whens {
		at := span{when.cond.at().start, when.cond.at().start}
		w.put(" WHEN ", at)
		if c.operand != nil {
			w.operand(when.cond, c.operand)
		} else {
			w.coerced(when.cond, boolean)
		}
		w.put(" THEN ", span{when.then.at().start, when.then.at().start})
		w.oneOf(results, i)
	}
	if c.other != nil {
		w.put(" ELSE ", span{c.other.at().start, c.other.at().start})
		w.oneOf(results, len(results)-1)
	}
	w.put(" END", span{c.end, c.end})
}

// oneOf writes one of several expressions of which one is the value, in a type that all of them have in common.
func (w *writer) oneOf(all []expr, i int) {
	for n, x := range all {
		if n == i {
			continue
		}
		if k := w.kindOf(x); k != nullKind && (k != w.kindOf(all[i]) || k == unknown) {
			if w.mode.legacy {
				w.besides(all[i], x)
			} else {
				w.operand(all[i], x)
			}
			return
		}
	}
	w.expr(all[i])
}

// besides writes x, which is a text where the other value is one and the session is not in ANSI mode.
func (w *writer) besides(x, other expr) {
	k, o := w.kindOf(x), w.kindOf(other)
	switch {
	case k == text || k == nullKind || k == jsonKind:
		w.expr(x)
	case o == text:
		w.castTo("VARCHAR", x, x.at())
	case k.isNumber() && o == unknown || k == unknown && o == unknown:
		if !w.guess("beside", x, other) {
			w.expr(x)
			return
		}
		at := x.at()
		w.put(w.macro("beside")+"(", span{at.start, at.start})
		w.expr(x)
		w.put(", ", span{at.end, at.end})
		w.expr(other)
		w.put(")", span{at.end, at.end})
	default:
		w.operand(x, other)
	}
}

func (w *writer) lambda(l *lambda) {
	w.put("lambda ", span{l.start, l.start})
	w.idents(l.params)
	w.put(": ", span{l.params[len(l.params)-1].end, l.body.at().start})
	w.expr(l.body)
}

// jsonPath writes x:a.b as the text at a path of a JSON text.
func (w *writer) jsonPath(p *path) {
	var b strings.Builder
	b.WriteString("$")
	for _, s := range p.steps {
		switch {
		case s.all:
			b.WriteString("[*]")
		case s.index != "":
			b.WriteString("[" + s.index + "]")
		default:
			b.WriteString(`."` + strings.ReplaceAll(s.name, `"`, `\"`) + `"`)
		}
	}
	w.put(w.macro("json_path")+"(", p.span)
	w.expr(p.x)
	w.put(", "+quoteText(b.String())+")", p.span)
}

// item writes x[i]: an element of a list, or the value of a map.
func (w *writer) item(x *item) {
	list := func() { w.expr(x.x) }
	end := span{x.end, x.end}
	switch w.kindOf(x.key) {
	case text:
		w.put("(", x.span)
		list()
		w.put(")[", x.span)
		w.expr(x.key)
		w.put("]", end)
		return
	}
	switch {
	case w.guess("item", x.x):
		w.put(w.macro("item")+"(", x.span)
		list()
		w.put(", ", x.span)
		list()
		w.put(", ", x.span)
		w.expr(x.key)
		w.put(")", end)
	default:
		w.put("(", x.span)
		list()
		w.put(")[", x.span)
		w.expr(x.key)
		w.put(" + 1]", end)
	}
}
