package sqlfile

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/schemas"
)

// composed is a query that is put together of texts of a file, in which ${keys} have their values, and words of ours.
type composed struct {
	sql   strings.Builder
	marks []sqltext.Mark
}

// write adds words that stand for a place.
func (c *composed) write(words string, at diag.Pos) {
	for i := range len(words) {
		c.marks = append(c.marks, sqltext.Mark{Offset: c.sql.Len() + i, Pos: at})
	}
	c.sql.WriteString(words)
}

// verbatim adds a text as it stands at a place.
func (c *composed) verbatim(text string, at diag.Pos) {
	if text != "" {
		c.marks = append(c.marks, sqltext.Mark{Offset: c.sql.Len(), Pos: at})
		c.sql.WriteString(text)
	}
}

// moved is the place behind a text that begins at a place.
func moved(at diag.Pos, text string) diag.Pos {
	if n := strings.Count(text, "\n"); n > 0 {
		return diag.Pos{Line: at.Line + n, Column: 1 + utf8.RuneCountInString(text[strings.LastIndexByte(text,
			'\n')+1:])}
	}
	return diag.Pos{Line: at.Line, Column: at.Column + utf8.RuneCountInString(text)}
}

// part is a stretch of a text.
func (t Text) part(start, end int) Text {
	from := moved(t.Range.Start, t.SQL[:start])
	return Text{t.SQL[start:end], diag.Range{File: t.Range.File, Start: from, End: moved(from, t.SQL[start:end])}}
}

var reference = regexp.MustCompile(`\$\{\s*([^{}\r\n]*?)\s*\}`)

// expand adds a text in which ${keys} have their values, as text, also within names and quotes, but not in comments.
func (b *builder) expand(c *composed, s *scope, t Text) {
	at := t.Range.Start
	tokens := spark.Lex(t.SQL)
	for i := 0; i < len(tokens); i++ {
		token := tokens[i]
		text, done := token.Text(t.SQL), 0
		if value, ok := s.named(t.SQL, tokens[:i], tokens[i:]); ok {
			text += tokens[i+1].Text(t.SQL)
			c.write(value, at)
			at = moved(at, text)
			i++
			continue
		}
		if name, length := b.identifier(s, t, tokens[i:]); length > 0 {
			c.write(name, at)
			for _, read := range tokens[i : i+length] {
				at = moved(at, read.Text(t.SQL))
			}
			i += length - 1
			continue
		}
		keep := func(end int) {
			c.verbatim(text[done:end], at)
			at, done = moved(at, text[done:end]), end
		}
		if token.Kind != spark.Comment {
			for _, m := range reference.FindAllStringSubmatchIndex(text, -1) {
				keep(m[0])
				value, start := b.value(s, t.Range.File, text[m[0]:m[1]], text[m[2]:m[3]], at), at
				at, done = moved(at, text[m[0]:m[1]]), m[1]
				c.write(value, start)
			}
		}
		keep(len(text))
	}
}

// named is the literal that :key stands for, if that is what the rest begins with, and not the path behind a value that
// is JSON.
func (s *scope) named(sql string, before, rest []spark.Token) (string, bool) {
	if len(rest) < 2 || !rest[0].Is(sql, ":") || rest[1].Kind != spark.Word {
		return "", false
	}
	if n := len(before); n > 0 {
		last := before[n-1]
		if last.Kind == spark.Word || last.Kind == spark.Name || last.Is(sql, ")") || last.Is(sql, "]") {
			return "", false
		}
	}
	value, ok := s.values[rest[1].Text(sql)]
	if tokens := spark.Lex(value); ok && (len(tokens) != 1 || tokens[0].Kind != spark.Number && tokens[0].Kind != spark.String) {
		value = "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(value) + "'"
	}
	return value, ok
}

// value is what a ${key} stands for.
func (b *builder) value(s *scope, file, written, key string, at diag.Pos) string {
	value, ok := s.values[key]
	if !ok {
		help := "write --param " + key + "=value, SET " + key + " = value; before it in the file, or " + key + " under configuration: of the pipeline"
		if near := diag.Suggest(key, slices.Sorted(maps.Keys(s.values))); near != "" {
			help = "did you mean ${" + near + "}?"
		}
		b.diags.Errorf("LF0526", diag.Range{File: file, Start: at, End: moved(at, written)},
			help, "%s has no value", written)
		return "NULL"
	}
	return value
}

// text is a text in which ${keys} have their values.
func (b *builder) text(s *scope, t Text) string {
	var c composed
	b.expand(&c, s, t)
	return c.sql.String()
}

// query makes a query that feeds a table of parts: of Texts, and of words of ours before and behind them.
func (b *builder) query(s *scope, table *dsl.Table, f feed, parts ...any) (*sqltext.Query, bool) {
	before := len(*b.diags)
	raw, origin := b.compose(s, parts...)
	if s.duckdb {
		return sqltext.New(raw, origin, nil, b.diags), option.Flawed((*b.diags)[before:])
	}
	gaps := slices.Clone((*b.diags)[before:])
	quiet := option.Flawed(gaps) // a name may miss a part
	in := b.mode(s)
	in.Whole, in.Streaming = f.whole, f.streaming
	in.Resolve = func(t spark.Table) string { return b.resolve(s, t, quiet) }
	in.Source = func(r spark.Relation) string { return b.source(table.Name, r, gaps) }
	q := spark.Translate(raw, origin, in, b.diags)
	if f.whole {
		b.wholeStreams(table, q)
	}
	b.assumedStreams(table, q)
	return q.Query, option.Flawed((*b.diags)[before:])
}

// wholeStreams warns of STREAM in the query of a LIVE TABLE, which is a materialized view.
func (b *builder) wholeStreams(t *dsl.Table, q *spark.Query) {
	var streams []diag.Range
	for _, x := range q.Tables {
		if x.Stream {
			streams = append(streams, x.Range)
		}
	}
	for _, r := range q.Relations {
		if r.Stream {
			streams = append(streams, r.Range)
		}
	}
	if len(streams) > 0 {
		b.diags.Warnf("LF0528", streams[0], "write CREATE STREAMING TABLE "+t.Name+" for one that reads only what is new, or leave out STREAM",
			"the LIVE TABLE %s is a materialized view: it reads all rows of the stream", t.Name)
	}
}

// assumedStreams warns of what a streaming table reads as a stream though STREAM is not written.
func (b *builder) assumedStreams(t *dsl.Table, q *spark.Query) {
	for _, r := range q.Relations {
		if r.Assumed {
			b.diags.Warnf("LF0532", r.Range, "write STREAM in front of it, without which Databricks does not make a streaming table of it",
				"the streaming table %s reads %s as a stream", t.Name, r.Function)
		}
	}
}

// compose joins the parts of a query.
func (b *builder) compose(s *scope, parts ...any) (string, sqltext.Origin) {
	var c composed
	file := ""
	for i, part := range parts {
		switch x := part.(type) {
		case Text:
			file = x.Range.File
			b.expand(&c, s, x)
		case string:
			if i == 0 {
				c.write(x, parts[1].(Text).Range.Start)
				continue
			}
			at := parts[i-1].(Text).Range.End
			c.write(x, at)
			c.marks = append(c.marks, sqltext.Mark{Offset: c.sql.Len(), Pos: at}) // where the text ends, if it does
		}
	}
	return c.sql.String(), sqltext.Origin{File: file, Marks: c.marks}
}

// condition makes an expression over a row.
func (b *builder) condition(s *scope, t Text) (*sqltext.Query, bool) {
	before := len(*b.diags)
	raw, origin := b.compose(s, t)
	if s.duckdb {
		return sqltext.New(raw, origin, nil, b.diags), option.Flawed((*b.diags)[before:])
	}
	q := spark.Expression(raw, origin, b.mode(s), b.diags)
	return q.Query, option.Flawed((*b.diags)[before:])
}

// expression is condition for one that may be left out.
func (b *builder) expression(s *scope, t *Text) *dsl.Expression {
	if t == nil {
		return nil
	}
	q, flawed := b.condition(s, *t)
	return &dsl.Expression{Node: option.Node{Range: t.Range, Flawed: flawed}, SQL: q}
}

// mode is what the configuration says of how queries are evaluated.
func (b *builder) mode(s *scope) spark.Pipeline {
	plain := func(key string) string { return strings.Trim(strings.TrimSpace(s.values[key]), `'"`) }
	return spark.Pipeline{Functions: b.opts.Functions, Legacy: strings.EqualFold(plain(ansiMode), "false"), TimeZone: plain(timeZone)}
}

// The keys of the configuration that queries depend on.
const (
	ansiMode = "spark.sql.ansi.enabled"
	timeZone = "spark.sql.session.timeZone"
)

// source is the name of the source that a relation is read through, as far as it has one yet. Of one that misses a part, as
// gaps say, nothing is made and nothing more is said.
func (b *builder) source(table string, r spark.Relation, gaps diag.List) string {
	source := b.sources[r.Range]
	if source == nil {
		var ok bool
		if !slices.ContainsFunc(gaps, func(d diag.Diagnostic) bool { return d.Severity == diag.Error && r.Range.Holds(d.Range.Start) }) {
			source, ok = b.reader(table, r)
		}
		if !ok { // a source without anything, so that nothing else is said of what reads it
			source = &dsl.Source{Node: option.Node{Range: r.Range, Flawed: true}, Name: fmt.Sprint("unread_", len(b.sources)+1)}
			b.bySource[source.Name] = source
		}
		b.sources[r.Range] = source
	}
	return cmp.Or(source.Name, r.Name)
}

// fullName is the name of a table, with its schema and catalog where they are not the pipeline's own.
type fullName struct{ catalog, schema, name string }

// key is what names of the same table have in common. Catalogs are no part of it: a pipeline is in one.
func (n fullName) key() string { return strings.ToLower(n.schema + "." + n.name) }

// inPipeline is the table's name in the pipeline.
func (n fullName) inPipeline() string { return schemas.JoinName(n.schema, n.name) }

func (n fullName) place() string {
	switch {
	case n.schema == "":
		return "the pipeline's own schema"
	case n.catalog == "":
		return n.schema
	}
	return n.catalog + "." + n.schema
}

// parts are the parts of a name, with the values of ${keys}. One that is an expression cannot be told beforehand unless
// it is a text.
func (b *builder) parts(s *scope, n Name) ([]string, bool) {
	if n.Expr != nil {
		name, ok := constant(b.text(s, *n.Expr))
		if !ok {
			b.refuse(n.Range, "write the name itself, or ${key} for a part of it", "this is a name that is computed")
			return nil, false
		}
		return strings.Split(strings.ReplaceAll(name, "`", ""), "."), true
	}
	var out []string
	before := len(*b.diags)
	for _, part := range n.Parts {
		text := part.Text
		if strings.Contains(text, "${") {
			text = reference.ReplaceAllStringFunc(text, func(ref string) string {
				return b.value(s, part.Range.File, ref, reference.FindStringSubmatch(ref)[1], part.Range.Start)
			})
		}
		out = append(out, text)
	}
	return out, len(out) > 0 && len(*b.diags) == before
}

// fullName is what a name means.
func (b *builder) fullName(s *scope, n Name) (fullName, bool) {
	parts, ok := b.parts(s, n)
	if !ok || len(parts) > 3 {
		return fullName{}, false
	}
	f := b.named(s, parts)
	if !n.Live.IsZero() && len(parts) == 1 {
		f.catalog, f.schema = b.opts.Catalog, ""
	}
	return f, true
}

// named is what the parts of a name mean. The schema is empty for the pipeline's own.
func (b *builder) named(s *scope, parts []string) fullName {
	f := fullName{s.catalog, s.schema, parts[len(parts)-1]}
	switch len(parts) {
	case 1:
	case 2:
		f.schema = parts[0]
	default:
		f.catalog, f.schema = parts[len(parts)-3], parts[len(parts)-2]
	}
	if f.schema = strings.ToLower(f.schema); f.schema == strings.ToLower(b.own) {
		f.schema = ""
	}
	return f
}
