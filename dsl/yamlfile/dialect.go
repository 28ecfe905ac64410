package yamlfile

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// sparkDialect is the word for queries in the SQL of Spark and Databricks.
const sparkDialect = "spark"

// translation is spark.Translate, or spark.Expression.
type translation func(raw string, at sqltext.Origin, in spark.Pipeline, diags *diag.List) *spark.Query

// sparkText reads a query or expression in Spark's dialect. Parameters are values, as in DuckDB's: they are put in as
// literals of their type.
func (b *builder) sparkText(s *specSQL, translate translation) *sqltext.Query {
	c := sparkParameters{b: b, sql: s.raw, tokens: spark.Lex(s.raw), places: sqltext.NewBuilder(s.raw, s.origin),
		literals: map[string]string{}}
	c.check()
	q := translate(s.raw, s.origin, spark.Pipeline{Parameters: c.literals}, b.diags)
	for _, r := range q.Relations {
		what := r.Function + "(…)"
		if !strings.Contains(r.Function, "_") {
			what = r.Function + ".`path`"
		}
		b.diags.Errorf("LF0591", r.Range, "declare it under sources: with its path and format, and name the source here",
			"%s cannot be read in a query of a pipeline file", what)
	}
	return q.Query
}

// sparkParameters are the ${parameters} of a text in Spark's dialect.
type sparkParameters struct {
	b        *builder
	sql      string
	tokens   []spark.Token
	places   *sqltext.Builder
	literals map[string]string // by what stands between the brackets
}

var sparkReference = regexp.MustCompile(`\$\{\s*([^{}\r\n]*?)\s*\}`)

// check finds the values of parameters, and reports those that stand where there can be no value. A parameter without
// one is NULL, so that the rest of the query is read.
func (c *sparkParameters) check() {
	for i, t := range c.tokens {
		switch t.Kind {
		case spark.Parameter:
			c.parameter(t, i > 0 && c.glues(i-1), i+1 < len(c.tokens) && c.glues(i+1))
		case spark.String, spark.Name:
			c.inside(t)
		}
	}
}

func (c *sparkParameters) parameter(t spark.Token, before, after bool) {
	text, at := t.Text(c.sql), c.places.Place(t.Start, t.End)
	m := sparkReference.FindStringSubmatch(text)
	if m == nil {
		c.b.diags.Errorf("LF0123", at, "write ${name} with the name of a parameter: letters, digits and _",
			"%s is not a parameter", text)
		return
	}
	c.literals[m[1]] = "NULL"
	value, known := c.b.texts.Params[m[1]]
	names := slices.Sorted(maps.Keys(c.b.texts.Params))
	switch {
	case strings.HasPrefix(m[1], "env:") || strings.HasPrefix(m[1], "file:"):
		c.b.diags.Errorf("LF0124", at,
			"declare a parameter, as in parameters: {name: \""+text+"\"}, and write ${name} here", "%s cannot be used in SQL", text)
	case !identifier.MatchString(m[1]):
		c.b.diags.Errorf("LF0123", at, "write ${name} with the name of a parameter: letters, digits and _",
			"%s is not a parameter", text)
	case before || after:
		c.b.diags.Errorf("LF0121", at, "put a space or an operator around it; names of tables and columns cannot be parameters",
			"the parameter %s is glued to what stands beside it: a parameter is a value, not a part of a name", text)
	case !known:
		c.b.diags.Errorf("LF0120", at, diag.DidYouMean(m[1], names, "declare it under parameters:"),
			"unknown parameter %q", m[1])
	default:
		c.literals[m[1]] = spark.Literal(value)
	}
}

// glues reports whether a value beside the token would run together with it.
func (c *sparkParameters) glues(i int) bool {
	switch t := c.tokens[i]; t.Kind {
	case spark.Word, spark.Name, spark.String, spark.Number, spark.Parameter:
		return true
	default:
		return t.Text(c.sql) == "." || t.Text(c.sql) == "$"
	}
}

// inside reports a parameter in a string or a quoted name, of which it would be no part.
func (c *sparkParameters) inside(t spark.Token) {
	text := t.Text(c.sql)
	for _, m := range sparkReference.FindAllStringSubmatchIndex(text, -1) {
		found, name := text[m[0]:m[1]], text[m[2]:m[3]]
		help := "write " + found + " without the quotes: it becomes a quoted text by itself"
		switch {
		case t.Kind == spark.Name:
			help = "names of tables and columns cannot be parameters; write the name itself"
		case found != text[1:len(text)-1]:
			help = "join the parts instead: 'text' || " + found + " || 'text'"
		}
		if identifier.MatchString(name) {
			c.b.diags.Errorf("LF0122", c.places.Place(t.Start+m[0], t.Start+m[1]), help,
				"%s stands inside quotes and would not be replaced", found)
		}
		c.literals[name] = found
	}
}

// isStream reports whether a text is one stream: a name, or STREAM and a name.
func (b *builder) isStream(text string) bool {
	if b.spark {
		return oneSparkStream.MatchString(text)
	}
	return oneStream.MatchString(text)
}

const sparkName = "\\s*(?:`(?:[^`]|``)+`|[\\pL\\pN_]+)(?:\\s*\\.\\s*(?:`(?:[^`]|``)+`|[\\pL\\pN_]+))*\\s*"

var oneSparkStream = regexp.MustCompile(`(?i)^\s*(?:STREAM\s*\(` + sparkName + `\)|(?:STREAM\s)?` + sparkName + `)\s*$`)
