package spark

import (
	"maps"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// The codes of what is wrong in a query in Spark's dialect.
const (
	codeSyntax      = "LF0601"
	codeUnsupported = "LF0602"
	codeFunction    = "LF0603"
	codeArguments   = "LF0604"
	codeIgnored     = "LF0605"
	codeParameter   = "LF0606"
	codeZone        = "LF0607"
)

// Query is a query in Spark's dialect, with its text for DuckDB.
type Query struct {
	*sqltext.Query
	// Tables are the tables that the query names, in the order of the text. Names of common table expressions are among
	// them.
	Tables []Table
	// Relations are the calls that read files or another system, in the order of the text.
	Relations []Relation
	macros    []string // that Text calls; see Create
	guesses   []guess
	choices   choices
	asks      map[span]bool
	again     func(choices) *Query
}

// choices are what DuckDB taught of the types in a query.
type choices struct {
	unclear map[span]bool   // expressions that are written without the macros that tell types apart
	asks    map[span]bool   // expressions that DuckDB is asked for
	types   told            // what DuckDB told of expressions; empty for nothing
	lists   map[string]bool // fields that are taken of lists, behind the last name of the list and a dot
}

// mostUnclear is how many expressions of a query are found, one by one, to have no type. With more of them casts no longer
// ask for types: those that take any value are right as well, and only slower to bind.
const mostUnclear = 3

// rewrite is elements, ambiguous or told, whichever goes with what DuckDB says.
func (q *Query) rewrite(offset int, message string) (*sqltext.Query, bool) {
	again, ok := q.elements(message)
	if !ok && strings.Contains(message, "multiple overloads") {
		again, ok = q.ambiguous(offset)
	}
	if !ok {
		again, ok = q.told(message)
	}
	if !ok {
		return nil, false
	}
	return again.Query, true
}

// ambiguous writes the query again when DuckDB cannot choose a form of the macro that stands at an offset of Text, which
// it says with "multiple overloads". It is false when no such macro stands there.
func (q *Query) ambiguous(offset int) (*Query, bool) {
	for _, g := range q.guesses {
		if g.start <= offset && offset < g.end {
			c := q.choices
			c.unclear = maps.Clone(c.unclear)
			if c.unclear == nil {
				c.unclear = map[span]bool{}
			}
			for _, x := range g.of {
				c.unclear[x] = true
			}
			return q.again(c), true
		}
	}
	return nil, false
}

var notStruct = regexp.MustCompile(`Cannot extract field '([^']+)' from expression "(.*)" because it is not a struct`)

// elements writes the query again when DuckDB's message says that a field is taken of what is no struct: of a list of
// structs, Spark gives the list of the fields. It is false for another message, and where that was tried.
func (q *Query) elements(message string) (*Query, bool) {
	m := notStruct.FindStringSubmatch(message)
	if m == nil {
		return nil, false
	}
	list := strings.Trim(m[2][strings.LastIndexByte(m[2], '.')+1:], `\"`)
	key := listField(list, m[1])
	if !plainName(list) {
		key = listField("", m[1])
	}
	if q.choices.lists[key] {
		return nil, false
	}
	c := q.choices
	c.lists = map[string]bool{key: true}
	maps.Copy(c.lists, q.choices.lists)
	return q.again(c), true
}

func listField(list, field string) string { return strings.ToLower(list + "." + field) }

// Calls are the offsets in a translated text at which a macro is called.
func Calls(text, macro string) []int {
	var offsets []int
	name := Schema + "." + quoteName(macro) + "("
	for at := 0; ; {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return offsets
		}
		offsets, at = append(offsets, at+i), at+i+len(name)
	}
}

// Table is a table as the query names it.
type Table struct {
	Path   []string // its name; in front of it those of its schema and catalog, without LIVE
	Stream bool
	Range  diag.Range
}

// Relation is read_files(…), cloud_files(…), json.`path` and the like. Text has a table of the name Name in its place,
// in the schema of streams when Stream is set.
type Relation struct {
	Name     string
	Function string // in lower case: read_files, cloud_files, read_kafka and so on; for json.`path`, the format: json
	Stream   bool
	Assumed  bool // STREAM is not written, but has to be: see Pipeline.Streaming
	Args     []Argument
	Range    diag.Range
}

// Argument is an argument of a Relation.
type Argument struct {
	Name  string // as it is written; empty where the argument has none
	Value string // of a constant; for a map(…) it is empty
	Const bool   // it is a constant
	// Options are the entries of a map(…) of constants, as cloud_files has it.
	Options []Argument
	Range   diag.Range
}

// Schema is DuckDB's schema of the macros that queries call.
const Schema = "spark"

// Pipeline is what a query needs to know of the pipeline around it.
type Pipeline struct {
	// Parameters are the values of ${names}. They are put into the text as they are, as Databricks does.
	Parameters map[string]string
	// Functions are functions of the pipeline's own, in lower case. Their calls are written as they are.
	Functions map[string]bool
	// Resolve is the name of the relation that a table means, in one piece; nil: its whole path. It is not asked for names
	// of common table expressions.
	Resolve func(Table) string
	// Source is the name of the relation that files or another system are read through; nil: Relation.Name. It gives the
	// same name again for a relation at the same place.
	Source func(Relation) string
	// Streaming says that the query has to read a stream: where it reads none, read_files(…) and the like are.
	Streaming bool
	// Whole says that STREAM reads all rows of what stands behind it, as what is there without it does.
	Whole bool
	// Legacy is set where spark.sql.ansi.enabled is false: a cast, a division by zero or an element that is not there gives
	// NULL, and integers overflow.
	Legacy bool
	// TimeZone is spark.sql.session.timeZone, as Europe/Berlin; empty for UTC. Texts and dates become instants by its clocks,
	// and instants are shown by them. The values stay instants, of UTC.
	TimeZone string
	// Published is set for a query over what is published, outside of an update: event_log(…) and table_changes(…) are
	// written as they are, for sqltext.TimeTravel.
	Published bool
}

// Translate reads a query in Spark's dialect and writes it in DuckDB's. at says where the text stands. Mistakes are added
// to diags, each with its place; then the text for DuckDB is a query that gives nothing.
func Translate(raw string, at sqltext.Origin, in Pipeline, diags *diag.List) *Query {
	return translate(raw, at, in, diags, "SELECT NULL WHERE false", choices{}, func(p *parser) func(*writer) {
		q := p.query()
		p.accept(";")
		return func(w *writer) { w.query(q) }
	})
}

// Expression is Translate for a condition or value over the columns of a row. With mistakes, its text is NULL.
func Expression(raw string, at sqltext.Origin, in Pipeline, diags *diag.List) *Query {
	return translate(raw, at, in, diags, "NULL", choices{}, func(p *parser) func(*writer) {
		x := p.expression()
		return func(w *writer) { w.expr(x) }
	})
}

func translate(raw string, at sqltext.Origin, in Pipeline, diags *diag.List, otherwise string, chosen choices,
	read func(*parser) func(*writer)) *Query {
	e := expand(raw, in.Parameters)
	result := &Query{choices: chosen}
	result.again = func(c choices) *Query { return translate(raw, at, in, new(diag.List), otherwise, c, read) }
	w := &writer{raw: raw, origin: at, expanded: e, out: sqltext.NewBuilder(raw, at), diags: diags, result: result, choices: chosen, pipeline: in,
		asks: map[span]bool{}, asked: map[span]bool{}, told: chosen.types}
	for x := range chosen.asks {
		w.wonder(x)
	}
	set, known := in.mode(diags, w.out.Place(0, len(raw)))
	w.mode = set
	for _, unknown := range e.unknown {
		diags.Errorf(codeParameter, w.out.Place(unknown.start, unknown.end), "set it under configuration: of the pipeline",
			"the parameter %s has no value", raw[unknown.start:unknown.end])
	}
	broken := !known || len(e.unknown) > 0 || !attempt(func() {
		p := newParser(e.text, w.place, diags, result)
		write := read(p)
		w.paths = p.paths
		if in.Streaming && !p.readsStream {
			for i := range result.Relations {
				result.Relations[i].Stream, result.Relations[i].Assumed = true, true
			}
		}
		if p.i < len(p.toks) {
			p.fail("the query ends", "a comma, an operator or a quote may be missing in front of it")
		}
		write(w)
	})
	if broken {
		w.out = sqltext.NewBuilder(raw, at)
		w.out.Put(otherwise, 0, len(raw))
	}
	if len(w.asked) < len(w.asks) && len(chosen.asks) < len(w.asks) { // it was found out too late that they are to be asked for
		chosen.asks = w.asks
		return translate(raw, at, in, new(diag.List), otherwise, chosen, read)
	}
	result.asks = w.asked
	w.toldMacros()
	result.Query = w.out.Query()
	result.Spark, result.Rewrite, result.Broken = true, result.rewrite, broken
	result.Streams, result.guesses = w.streams, w.guesses
	result.UsesMetadata, result.Renames = w.metadata, w.renames
	for _, s := range e.bound {
		name := parameter.FindStringSubmatch(raw[s.start:s.end])[1]
		result.Params = append(result.Params, sqltext.Ref{Name: name, Range: w.out.Place(s.start, s.end)})
	}
	slices.Sort(result.macros)
	result.Macros = slices.Compact(result.macros)
	return result
}

// attempt reports whether do came to its end.
func attempt(do func()) (ok bool) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case mistake:
			ok = false
		default:
			panic(r)
		}
	}()
	do()
	return true
}

// expanded is a text in which parameters have their values, with the way back.
type expanded struct {
	text    string
	marks   []mark
	unknown []span // parameters without a value, in the text as written
	bound   []span // those with one
}

// mark begins a stretch of the expanded text, and of the text as written.
type mark struct {
	text, raw, rawLen int
	value             bool // the stretch is a parameter's value
}

var parameter = regexp.MustCompile(`\$\{\s*([^{}\r\n]*?)\s*\}`)

func expand(raw string, params map[string]string) expanded {
	e := expanded{}
	var b strings.Builder
	at := 0
	comments := map[int]bool{}
	for _, t := range Lex(raw) {
		for i := t.Start; t.Kind == Comment && i < t.End; i++ {
			comments[i] = true
		}
	}
	keep := func(to int) {
		if at < to {
			e.marks = append(e.marks, mark{b.Len(), at, to - at, false})
			b.WriteString(raw[at:to])
		}
	}
	for _, m := range parameter.FindAllStringSubmatchIndex(raw, -1) {
		value, ok := params[raw[m[2]:m[3]]]
		if !ok && !comments[m[0]] {
			e.unknown = append(e.unknown, span{m[0], m[1]})
		}
		if !ok {
			continue
		}
		e.bound = append(e.bound, span{m[0], m[1]})
		keep(m[0])
		if value != "" {
			e.marks = append(e.marks, mark{b.Len(), m[0], m[1] - m[0], true})
			b.WriteString(value)
		}
		at = m[1]
	}
	keep(len(raw))
	e.text = b.String()
	return e
}

// back turns a stretch of the expanded text into one of the text as written. same reports that both are the same bytes.
func (e expanded) back(s span) (raw span, same bool) {
	start, startValue := e.offset(s.start, false)
	end, endValue := e.offset(max(s.end-1, s.start), true)
	if s.end > s.start && !endValue {
		end++
	}
	if s.end <= s.start {
		end = start
	}
	return span{start, max(start, end)}, !startValue && !endValue && end-start == s.end-s.start
}

func (e expanded) offset(offset int, end bool) (raw int, value bool) {
	i := sort.Search(len(e.marks), func(i int) bool { return e.marks[i].text > offset }) - 1
	if i < 0 {
		return 0, false
	}
	m := e.marks[i]
	switch {
	case m.value && end:
		return m.raw + m.rawLen, true
	case m.value:
		return m.raw, true
	}
	return min(m.raw+offset-m.text, m.raw+m.rawLen), false
}
