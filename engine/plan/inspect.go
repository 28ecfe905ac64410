package plan

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Inspection is what a text of SQL would do, found before DuckDB binds it: some functions do their work while they are bound.
type Inspection struct {
	Statements int       // how many it has; the rest is there for one that only reads
	Relations  []Named   // that it reads, without those that it makes itself
	Refused    []Refusal // functions that it must not call
	Failed     *Failure  // DuckDB does not parse it, or not as a query
}

// Named is a relation in a query.
type Named struct {
	Catalog, Schema, Name string // as written; empty where not
	At                    int    // offset in bytes, -1 when it is not known
}

// Refusal is a function that a query must not call.
type Refusal struct {
	Message, Help string
	At            int // offset in bytes, -1 when it is not known
}

// Failure is DuckDB's refusal to parse a text.
type Failure struct {
	Syntax  bool // it is no SQL; otherwise it is no query
	Message string
	At      int // offset in bytes, -1 when it is not known
}

// Inspect has DuckDB parse a text. The error is a failure of the world.
func Inspect(ctx context.Context, conn *sql.Conn, text string) (*Inspection, error) {
	var tree string
	if err := conn.QueryRowContext(ctx, "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", text).Scan(&tree); err != nil {
		return nil, err
	}
	syn, failed, statements, err := readSyntax(text, tree)
	switch {
	case err != nil:
		return nil, err
	case failed != nil:
		at := failed.position()
		if at >= 0 {
			at = byteOffset(text, at)
		}
		return &Inspection{Failed: &Failure{failed.Type == "parser", failed.Message, at}}, nil
	case syn == nil:
		return &Inspection{Statements: statements}, nil
	}
	in := &Inspection{Statements: 1}
	for _, t := range syn.tables {
		in.Relations = append(in.Relations, Named{t.catalog, t.schema, t.name, t.at})
	}
	reads, calls := syn.barred(queryFunctions)
	for _, c := range append(reads, calls...) {
		in.Refused = append(in.Refused, refusal(c))
	}
	return in, nil
}

func refusal(c call) Refusal {
	if listed(barredFunctions, c.name) {
		return Refusal{"a query cannot call " + c.name + "()", callHelp(c.name), c.at}
	}
	return Refusal{"a query cannot read " + c.name + "()", "it reads the published tables and the pipeline's views; SHOW TABLES lists them", c.at}
}

// InspectWords is for a text that DuckDB parses but gives no tree of, such as a PIVOT that finds its columns out for itself. It refuses every name of a
// function that must not be called, wherever a bracket follows it, be it in a string.
func InspectWords(ctx context.Context, conn *sql.Conn, text string) ([]Refusal, error) {
	rows, err := conn.QueryContext(ctx, "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('table', 'table_macro', 'pragma') ORDER BY ALL")
	if err != nil {
		return nil, err
	}
	names, err := scanTexts(rows, strings.Fields(barredFunctions))
	if err != nil {
		return nil, fmt.Errorf("list the functions: %w", err)
	}
	var found []Refusal
	for _, name := range names {
		if at := calledAt(text, name); at >= 0 && !listed(queryFunctions, name) {
			found = append(found, refusal(call{name, at}))
		}
	}
	return found, nil
}

// calledAt finds a name with a bracket behind it, or is -1.
func calledAt(text, name string) int {
	low := asciiLower(text)
	for from := 0; ; {
		i := strings.Index(low[from:], name)
		if i < 0 {
			return -1
		}
		i, from = from+i, from+i+len(name)
		inside := i > 0 && low[i-1] < utf8.RuneSelf && nameByte(low[i-1]) // a letter of another script may be a space
		if !inside && opensBracket(low[from:]) {
			return i
		}
	}
}

// opensBracket reports whether a bracket follows the end of a name: behind its quote, white space, which may be Unicode's, and comments.
func opensBracket(rest string) bool {
	for rest != "" {
		switch c := rest[0]; {
		case strings.HasPrefix(rest, "/*"):
			rest = afterComment(rest)
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexAny(rest, "\r\n")
			if end < 0 {
				return false
			}
			rest = rest[end:]
		case c == '"' || c <= ' ' || c >= utf8.RuneSelf:
			rest = rest[1:]
		default:
			return c == '('
		}
	}
	return false
}

// afterComment is what follows a comment, which may hold others. A comment without an end counts as a call.
func afterComment(text string) string {
	depth := 0
	for i := 0; i+1 < len(text); i++ {
		switch text[i : i+2] {
		case "/*":
			depth, i = depth+1, i+1
		case "*/":
			depth, i = depth-1, i+1
		}
		if depth == 0 {
			return text[i+1:]
		}
	}
	return "("
}
