package sqltext

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// New reads a query or expression. Parameters are nil, bool, int64, float64 or string values by name; they are bound as
// SQL literals of their type. Mistakes are added to diags; the Query is usable all the same, with NULL for what could
// not be bound.
func New(raw string, at Origin, params map[string]any, diags *diag.List) *Query {
	r := rewriter{q: &Query{Raw: raw, origin: at.dense(raw)}, params: params, diags: diags}
	tokens := lex(raw)
	r.streams(significant(tokens))
	r.ending(tokens)
	for i, t := range tokens {
		switch t.kind {
		case param:
			r.parameter(t, i > 0 && glues(raw, tokens[i-1]), i+1 < len(tokens) && glues(raw, tokens[i+1]))
		case str, quoted:
			r.insideText(t)
		case comment:
			r.foldedComment(t)
		}
		if (t.kind == word || t.kind == quoted) && strings.EqualFold(unquote(raw[t.start:t.end]), "_metadata") {
			r.q.UsesMetadata = true
		}
	}
	r.build()
	return r.q
}

// SelectList is the offset behind the SELECT, or SELECT ALL, that a query begins with, in brackets or not, or -1 when it
// begins with another word.
func SelectList(sql string) int {
	tokens := significant(lex(sql))
	is := func(i int, word string) bool {
		return i < len(tokens) && strings.EqualFold(sql[tokens[i].start:tokens[i].end], word)
	}
	first := 0
	for is(first, "(") {
		first++
	}
	switch {
	case !is(first, "select"):
		return -1
	case is(first+1, "all"):
		first++
	}
	return tokens[first].end
}

// rewriter collects the edits of one query.
type rewriter struct {
	q      *Query
	params map[string]any
	diags  *diag.List
	edits  []edit
}

// edit replaces Raw[start:end] by text.
type edit struct {
	start, end int
	text       string
}

// streams replaces STREAM name and STREAM CHANGES(name), with or without brackets behind STREAM, where a relation is
// expected. The name itself stays as written, so that aliases and qualified columns keep working; LIVE before it goes.
func (r *rewriter) streams(tokens []token) {
	sql := r.q.Raw
	for _, i := range relations(sql, tokens) {
		t := tokens[i]
		if t.kind != word || !strings.EqualFold(sql[t.start:t.end], "stream") || i+1 == len(tokens) {
			continue
		}
		text := func(i int) string {
			if i >= len(tokens) {
				return ""
			}
			return sql[tokens[i].start:tokens[i].end]
		}
		schema, first, open := StreamSchema, i+1, 0
		if text(first) == "(" {
			first, open = first+1, 1
		}
		if strings.EqualFold(text(first), "changes") && text(first+1) == "(" {
			schema, first, open = ChangesSchema, first+2, open+1
		}
		if strings.EqualFold(text(first), "live") && text(first+1) == "." {
			first += 2
		}
		name, after, ok := dotted(sql, tokens, first)
		shut := 0
		for shut < open && text(after+shut) == ")" {
			shut++
		}
		switch {
		case !ok && open == 0:
			continue // a relation that is called stream
		case !ok, shut < open, open == 0 && text(after) == "(":
			r.diags.Errorf("LF0130", r.q.rawRange(t.start, tokens[min(first, len(tokens)-1)].end),
				"write STREAM name, or STREAM CHANGES(name) for the changes of a table; to read files, declare them under sources: and name the source here",
				"STREAM reads a source or table by its name, not a function or query")
			continue
		}
		r.edits = append(r.edits, edit{t.start, tokens[first].start, `"` + schema + `".`})
		if open > 0 {
			r.edits = append(r.edits, edit{name.end, tokens[after+open-1].end, ""})
		}
		r.q.Streams = append(r.q.Streams, Ref{path(sql, tokens[first:after]), r.q.rawRange(tokens[first].start, name.end)})
	}
}

// path is what a dotted name says.
func path(sql string, tokens []token) string {
	parts := make([]string, 0, 3)
	for i := 0; i < len(tokens); i += 2 { // the others are dots
		parts = append(parts, unquote(sql[tokens[i].start:tokens[i].end]))
	}
	return strings.Join(parts, ".")
}

var reference = regexp.MustCompile(`\$\{\s*((?:env:|file:)?)([^{}\r\n]*?)\s*\}`)

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parameter replaces ${name} by a literal.
func (r *rewriter) parameter(t token, gluedBefore, gluedAfter bool) {
	at := r.q.rawRange(t.start, t.end)
	text := r.q.Raw[t.start:t.end]
	bound := "NULL"
	defer func() { r.edits = append(r.edits, edit{t.start, t.end, bound}) }()
	m := reference.FindStringSubmatch(text)
	switch {
	case m != nil && m[1] != "":
		r.secret(at, text, m[1])
	case m == nil || !identifier.MatchString(m[2]):
		r.diags.Errorf("LF0123", at, "write ${name} with the name of a parameter: letters, digits and _",
			"%s is not a parameter", clip(text))
	case gluedBefore || gluedAfter:
		r.diags.Errorf("LF0121", at, "put a space or an operator around it; names of tables and columns cannot be parameters",
			"the parameter %s is glued to what stands beside it: a parameter is a value, not a part of a name", text)
	default:
		value, ok := r.params[m[2]]
		if !ok {
			known := slices.Sorted(maps.Keys(r.params))
			r.diags.Errorf("LF0120", at, diag.DidYouMean(m[2], known, "declare it under parameters:"),
				"unknown parameter %q", m[2])
			return
		}
		bound = Literal(value)
		r.q.Params = append(r.q.Params, Ref{m[2], at})
	}
}

// insideText reports a parameter that stands where it would not be seen: in a string or a quoted name.
func (r *rewriter) insideText(t token) {
	text := r.q.Raw[t.start:t.end]
	for _, m := range reference.FindAllStringSubmatchIndex(text, -1) {
		at := r.q.rawRange(t.start+m[0], t.start+m[1])
		found, name := text[m[0]:m[1]], text[m[4]:m[5]]
		switch {
		case m[2] != m[3]:
			r.secret(at, found, text[m[2]:m[3]])
		case !identifier.MatchString(name):
			// plain text that happens to hold ${
		case t.kind == quoted:
			r.diags.Errorf("LF0122", at, "names of tables and columns cannot be parameters; write the name itself",
				"%s stands inside a quoted name and would not be replaced", found)
		case found == text[1:len(text)-1]:
			r.diags.Errorf("LF0122", at, "write "+found+" without the quotes: it becomes a quoted text by itself",
				"%s stands inside a string and would not be replaced", found)
		default:
			r.diags.Errorf("LF0122", at, "join the parts instead: 'text' || "+found+" || 'text'",
				"%s stands inside a string and would not be replaced", found)
		}
	}
}

func (r *rewriter) secret(at diag.Range, text, prefix string) {
	r.diags.Errorf("LF0124", at, "declare a parameter, as in parameters: {name: \""+text+"\"}, and write ${name} here",
		"${%s…} cannot be used in SQL", prefix)
}

// ending drops semicolons after the query, and puts a line break after a comment at the end, so that the text can
// stand inside brackets.
func (r *rewriter) ending(tokens []token) {
	for _, t := range slices.Backward(tokens) {
		switch {
		case t.kind == punct && r.q.Raw[t.start] == ';':
			r.edits = append(r.edits, edit{t.start, t.end, ""})
		case t.kind != space && t.kind != comment:
			return
		case t.end == len(r.q.Raw) && strings.HasPrefix(r.q.Raw[t.start:], "--"):
			r.edits = append(r.edits, edit{t.end, t.end, "\n"})
		}
	}
}

// foldedComment reports a -- comment that swallows the lines after it because YAML joined them.
func (r *rewriter) foldedComment(t token) {
	at := r.q.rawRange(t.start, t.end)
	if strings.HasPrefix(r.q.Raw[t.start:], "--") && at.Start.Line != at.End.Line {
		r.diags.Errorf("LF0125", at, "begin the query with | after the colon, which keeps its lines, or write /* */",
			"YAML joins these lines, so the comment swallows the rest of the query")
	}
}

// build writes Text and its pieces from the edits.
func (r *rewriter) build() {
	slices.SortStableFunc(r.edits, func(a, b edit) int { return a.start - b.start })
	b := Builder{q: r.q}
	at := 0
	for _, e := range r.edits {
		b.Keep(at, e.start)
		b.Put(e.text, e.start, e.end)
		at = e.end
	}
	b.Keep(at, len(r.q.Raw))
	b.Query()
}

// glues reports whether a literal beside the token would run together with it.
func glues(sql string, t token) bool {
	switch t.kind {
	case word, quoted, str, number, param:
		return true
	case punct:
		c := sql[t.start]
		return c == '$' || c == '.' || c >= 0x80
	}
	return false
}

// Literal spells a parameter's value in SQL.
func Literal(value any) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case bool:
		return strings.ToUpper(strconv.FormatBool(v))
	case int64:
		return signed(strconv.FormatInt(v, 10))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "CAST('" + strconv.FormatFloat(v, 'g', -1, 64) + "' AS DOUBLE)"
		}
		// With an exponent DuckDB takes it for a DOUBLE; 0.5 would be a DECIMAL whose type depends on the digits, and a
		// column made of it would change its type along with the value.
		return signed(strconv.FormatFloat(v, 'e', -1, 64))
	default:
		return "'" + strings.ReplaceAll(fmt.Sprint(v), "'", "''") + "'"
	}
}

// signed puts a negative number in brackets: in a -${b} it would begin a comment.
func signed(number string) string {
	if strings.HasPrefix(number, "-") {
		return "(" + number + ")"
	}
	return number
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
