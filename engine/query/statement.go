package query

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
)

// UsageError says that what was asked for is not a query, or not of a version that there is.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

func usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// Statement is a query whose relations are there, ready to be run.
type Statement struct {
	*sqltext.Query
	names     *names
	travels   []sqltext.Travel
	back      func(int) int // from an offset of Text to one that At knows; nil where it is not known
	tables    [][]string    // that are named with a schema; of a query in Spark's dialect
	relations []plan.Named  // that it reads, once it is checked
}

// Prepare makes one SELECT, DESCRIBE, SUMMARIZE or SHOW ready to be run: with AS OF behind tables, ${parameters} of the
// pipeline, and STREAM, which gives all rows. It makes a relation in t.DB of every table, of every version that the
// text asks for, and of every view of the pipeline; those of the statement before are replaced.
//
// A text that is no query, or of a version that there is not, is a *UsageError; other errors say what the query may not
// do or name, with the place in the text.
func Prepare(ctx context.Context, t *Tables, text string, in Dialect) (*Statement, error) {
	s, err := read(t, text, in)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx, t.DB); err != nil {
		return nil, err
	}
	if err := s.names.make(ctx, s.travels); err != nil {
		return nil, err
	}
	if err := s.names.withSchemas(ctx, s.tables); err != nil {
		return nil, err
	}
	if err := s.names.readable(s); err != nil {
		return nil, err
	}
	return s, s.bind(ctx, t.DB)
}

// allTables is a query for the tables of all schemas. Those of which every table is a view here are left out, beside
// the pipeline's own.
var allTables = regexp.MustCompile(`^(?i:\s*SHOW\s+ALL\s+TABLES[\s;]*)$`)

// Rows runs the statement. The caller closes the rows before anything else is done with the session.
func (s *Statement) Rows(ctx context.Context, values Values) (*Rows, error) {
	t := s.names.Tables
	if allTables.MatchString(s.Text) {
		return Run(ctx, t.DB, "SELECT schema, name, column_names, column_types FROM (SHOW ALL TABLES) WHERE schema NOT IN ('main', "+
			sqltext.Literal(sqltext.StreamSchema)+") OR schema = "+sqltext.Literal(t.Pipeline.Target.Schema), values, func(err error) error { return err })
	}
	return Run(ctx, t.DB, s.Text, values, func(err error) error { return s.explain(err, values) })
}

// read reads the query as written: AS OF, parameters of the pipeline, STREAM.
func read(t *Tables, query string, in Dialect) (*Statement, error) {
	if in == Spark && !describes.MatchString(query) {
		return readSpark(t, query)
	}
	text, travels, _, err := sqltext.TimeTravel(query)
	if err != nil {
		return nil, &UsageError{err}
	}
	params := map[string]any{}
	for _, v := range t.Pipeline.Parameters {
		params[v.Name] = v.Value
	}
	var diags diag.List
	s := &Statement{Query: sqltext.New(text, sqltext.WholeFile("query"), params, &diags), names: &names{Tables: t, missing: map[string]string{}}, travels: travels}
	for _, d := range diags {
		if d.Severity == diag.Error {
			return nil, usagef("query: %s; %s%s", d.Message, d.Help, s.caret(d.Range.Start))
		}
	}
	s.Query = t.qualified(s.Query)
	return s, nil
}

// check makes sure that DuckDB parses the query as one statement that reads, and that no function in it does more.
func (s *Statement) check(ctx context.Context, db *duck.DB) error {
	in, err := plan.Inspect(ctx, db.Conn(), s.Text)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	const form = "write one SELECT, DESCRIBE, SUMMARIZE or SHOW"
	switch {
	case in.Failed != nil && in.Failed.Syntax && describes.MatchString(s.Text):
		return fmt.Errorf("query: %s; there is DESCRIBE name, SUMMARIZE name, SHOW TABLES and SHOW ALL TABLES; what commits did is in event_log and table_changes('name', 1)%s",
			in.Failed.Message, s.caretAt(in.Failed.At))
	case in.Failed != nil && in.Failed.Syntax:
		return fmt.Errorf("query: %s%s", in.Failed.Message, s.caretAt(in.Failed.At))
	case in.Failed != nil && s.pivots():
		return errors.New("query: what this PIVOT reads cannot be told; write the values of its columns: PIVOT … ON column IN ('a', 'b')")
	case in.Failed != nil:
		return fmt.Errorf("query: a query only reads; %s", form)
	case in.Statements == 0:
		return usagef("query: there is no statement; %s", form)
	case in.Statements > 1:
		return fmt.Errorf("query: %d statements; %s", in.Statements, form)
	}
	if len(in.Refused) > 0 {
		return fmt.Errorf("query: %s; %s%s", in.Refused[0].Message, in.Refused[0].Help, s.caretAt(in.Refused[0].At))
	}
	s.relations = in.Relations
	return nil
}

// pivots reports whether the query seems to have a PIVOT.
func (s *Statement) pivots() bool {
	words := strings.FieldsFunc(s.Text, func(c rune) bool { return !unicode.IsLetter(c) })
	return len(words) > 0 && (strings.EqualFold(words[0], "PIVOT") || strings.EqualFold(words[0], "FROM") || strings.EqualFold(words[0], "WITH")) &&
		strings.Contains(strings.ToUpper(s.Text), "PIVOT")
}

// caretAt shows the place of a byte offset of Text in what the user wrote. It is empty when the place is not known.
func (s *Statement) caretAt(offset int) string {
	if offset < 0 || offset > len(s.Text) {
		return ""
	}
	if s.back != nil {
		offset = s.back(offset)
	} else if len(s.travels) > 0 {
		return "" // AS OF was rewritten, so that places behind one are not the user's
	}
	return s.caret(s.At(offset, 0).Start)
}

// caret shows a line of the query and a mark below it.
func (s *Statement) caret(at diag.Pos) string {
	lines := strings.Split(s.Raw, "\n")
	if s.back == nil && len(s.travels) > 0 || at.Line < 1 || at.Line > len(lines) {
		return ""
	}
	line := []rune(strings.TrimRight(lines[at.Line-1], "\r"))
	var pad strings.Builder
	for _, c := range line[:min(max(at.Column-1, 0), len(line))] {
		if c == '\t' {
			pad.WriteRune(c)
			continue
		}
		pad.WriteString(strings.Repeat(" ", runewidth.StringWidth(diag.Visible(string(c)))))
	}
	return fmt.Sprintf("\n  %s\n  %s^", diag.Visible(string(line)), pad.String())
}

// explain says for people what DuckDB answered.
func (s *Statement) explain(err error, values Values) error {
	_, e := duckerr.Read(err)
	if e == nil {
		if strings.Contains(err.Error(), "incorrect argument count") {
			err = errors.New("a query has no ? or $1 placeholders; write the values, or ${name} for a parameter of the pipeline")
		}
		return fmt.Errorf("query: %w", err)
	}
	place := ""
	before, _ := values.wrapping()
	if n := e.Offset(); n >= 0 {
		place = s.caretAt(n - len(before))
	}
	message := e.Plain()
	switch {
	case e.Type == "Catalog" && e.Kind == "Table":
		message = s.names.whyUnknown(e.Name)
	case e.Type == "Permission":
		message += "; a query reads the pipeline's tables, and no other files"
	}
	return fmt.Errorf("query: %s%s", message, place)
}
