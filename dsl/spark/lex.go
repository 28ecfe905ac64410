// Package spark knows the SQL of Apache Spark and Databricks: its tokens, literals and types, its functions, and how a
// query in it is written for DuckDB. It knows no statements of pipelines; those are dsl/sqlfile's.
//
// Translate reads a query with a parser of Spark's grammar and writes it anew. What the parser does not know is a
// mistake: DuckDB would read some of it with another meaning. Every piece of the new text keeps the place of what it
// stands for.
//
// Types are not inferred. Where Spark casts without being told, and it cannot be seen what a value is, the text calls a
// macro of the schema "spark", see Create, and DuckDB's binder decides; macros.go says how. Where it cannot,
// Query.Rewrite writes the query again after an error of DuckDB.
package spark

import (
	"strings"
	"unicode/utf8"
)

// Kind is the kind of a token.
type Kind int

// The kinds of tokens.
const (
	Space     Kind = iota // and line breaks
	Comment               // -- and /* */
	Word                  // a keyword or a plain name; a name may begin with a digit, as in 12m_sales
	Name                  // `name`
	String                // 'text', "text", r'text'
	Number                // with its suffix, as in 1L, 1.5BD
	Parameter             // ${name}
	Operator              // the longest one that there is, but for >, of which types are closed: ARRAY<ARRAY<INT>>
)

// Token is a stretch of a text, in bytes.
type Token struct {
	Kind       Kind
	Start, End int
}

// Text is what the token covers of the text that it was made of.
func (t Token) Text(sql string) string { return sql[t.Start:t.End] }

// Is reports whether the token is a keyword or an operator, in any letter case.
func (t Token) Is(sql, word string) bool {
	return (t.Kind == Word || t.Kind == Operator) && strings.EqualFold(t.Text(sql), word)
}

// Lex cuts a text into tokens that cover all of it. A string, name or comment without an end reaches to the end of the
// text, and Closed tells so.
func Lex(sql string) []Token {
	tokens := make([]Token, 0, len(sql)/4+1)
	for i := 0; i < len(sql); {
		kind, end := next(sql, i)
		tokens = append(tokens, Token{kind, i, end})
		i = end
	}
	return tokens
}

// Significant leaves out white space and comments.
func Significant(tokens []Token) []Token {
	kept := make([]Token, 0, len(tokens))
	for _, t := range tokens {
		if t.Kind != Space && t.Kind != Comment {
			kept = append(kept, t)
		}
	}
	return kept
}

// Closed reports whether a string, name or comment has its end.
func (t Token) Closed(sql string) bool {
	text := t.Text(sql)
	switch {
	case t.Kind == Name:
		_, ok := nameEnd(text, 0)
		return ok
	case t.Kind == String:
		_, ok := stringEnd(text, strings.IndexAny(text, `'"`), isRaw(text))
		return ok
	case t.Kind == Comment && strings.HasPrefix(text, "/*"):
		_, ok := blockComment(text, 0)
		return ok
	}
	return true
}

func next(sql string, i int) (Kind, int) {
	c, rest := sql[i], sql[i:]
	switch {
	case spaceLength(rest) > 0:
		end := i
		for n := spaceLength(sql[end:]); n > 0; n = spaceLength(sql[end:]) {
			end += n
		}
		return Space, end
	case strings.HasPrefix(rest, "--"):
		return Comment, lineComment(sql, i)
	case strings.HasPrefix(rest, "/*"):
		end, _ := blockComment(sql, i)
		return Comment, end
	case c == '\'' || c == '"':
		end, _ := stringEnd(sql, i, false)
		return String, end
	case isRaw(rest):
		end, _ := stringEnd(sql, i+1, true)
		return String, end
	case c == '`':
		end, _ := nameEnd(sql, i)
		return Name, end
	case strings.HasPrefix(rest, "${"):
		if n := strings.IndexAny(rest[2:], "{}\r\n"); n >= 0 && rest[2+n] == '}' {
			return Parameter, i + 2 + n + 1
		}
		return Operator, i + 2
	}
	if n := numberLength(rest); n > 0 {
		return Number, i + n
	}
	if n := wordLength(rest); n > 0 {
		return Word, i + n
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			return Operator, i + len(op)
		}
	}
	_, n := utf8.DecodeRuneInString(rest)
	return Operator, i + n
}

// operators are those of more than one character, longer ones first.
var operators = []string{"<=>", "||", "::", "->", "=>", "<>", "!=", "==", "<=", ">=", "!<", "!>", "|>"}

// spaceLength is the length of the white space character that a text begins with, or 0.
func spaceLength(s string) int {
	if s == "" {
		return 0
	}
	if c := s[0]; c == ' ' || c >= '\t' && c <= '\r' {
		return 1
	}
	for _, space := range []string{"\u00a0", "\u2028", "\u2029", "\u3000", "\ufeff"} {
		if strings.HasPrefix(s, space) {
			return len(space)
		}
	}
	return 0
}

// lineComment is the end of a comment of one line. A backslash before the line break continues it, as in Spark.
func lineComment(sql string, i int) int {
	for ; i < len(sql); i++ {
		if sql[i] == '\\' && i+1 < len(sql) && sql[i+1] == '\n' {
			i++
		} else if sql[i] == '\n' || sql[i] == '\r' {
			return i
		}
	}
	return len(sql)
}

// blockComment is the end of a comment, which others may be nested in.
func blockComment(sql string, i int) (end int, closed bool) {
	depth := 0
	for i < len(sql) {
		switch {
		case strings.HasPrefix(sql[i:], "/*"):
			depth, i = depth+1, i+2
		case strings.HasPrefix(sql[i:], "*/"):
			depth, i = depth-1, i+2
			if depth == 0 {
				return i, true
			}
		default:
			i++
		}
	}
	return len(sql), false
}

// isRaw reports whether a text begins with a string in which backslashes stand for themselves.
func isRaw(s string) bool {
	return len(s) > 1 && (s[0] == 'r' || s[0] == 'R') && (s[1] == '\'' || s[1] == '"')
}

// stringEnd finds the end of a string whose quote is at i. A quote inside is doubled or, but in raw strings, follows a
// backslash.
func stringEnd(sql string, i int, raw bool) (end int, closed bool) {
	quote := sql[i]
	for i++; i < len(sql); i++ {
		switch {
		case sql[i] == '\\' && !raw:
			i++
		case sql[i] == quote && !raw && i+1 < len(sql) && sql[i+1] == quote:
			i++
		case sql[i] == quote:
			return i + 1, true
		}
	}
	return len(sql), false
}

// nameEnd finds the end of a name that begins at i; a backtick inside is doubled.
func nameEnd(sql string, i int) (end int, closed bool) {
	for i++; i < len(sql); i++ {
		switch {
		case sql[i] != '`':
		case strings.HasPrefix(sql[i:], "``"):
			i++
		default:
			return i + 1, true
		}
	}
	return len(sql), false
}

// numberLength is the length of the number that a text begins with, or 0. Digits that letters follow are a name:
// 12m_sales; but a suffix that says the type belongs to the number: 1L.
func numberLength(s string) int {
	i := digits(s, 0)
	whole := i
	if i < len(s) && s[i] == '.' {
		if i = digits(s, i+1); i == whole+1 && whole == 0 {
			return 0
		}
	}
	if i == 0 {
		return 0
	}
	fraction := i > whole
	if exp := exponent(s, i); exp > i {
		i, fraction = exp, true
	}
	for _, suffix := range []string{"bd", "d", "f", "l", "s", "y"} {
		whole := suffix == "l" || suffix == "s" || suffix == "y"
		if len(s) >= i+len(suffix) && strings.EqualFold(s[i:i+len(suffix)], suffix) && !(fraction && whole) {
			if i+len(suffix) == len(s) || wordLength(s[i+len(suffix):]) == 0 {
				return i + len(suffix)
			}
		}
	}
	if i < len(s) && wordLength(s[i:]) > 0 {
		if whole > 0 && fraction && s[whole] == '.' && i == whole+1 {
			return whole // 1.a is 1 and .a
		}
		return 0
	}
	return i
}

func digits(s string, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}

// exponent is the end of the exponent at i, or i.
func exponent(s string, i int) int {
	if i >= len(s) || s[i]|0x20 != 'e' {
		return i
	}
	at := i + 1
	if at < len(s) && (s[at] == '+' || s[at] == '-') {
		at++
	}
	if end := digits(s, at); end > at {
		return end
	}
	return i
}

// wordLength is the length of the name that a text begins with, or 0.
func wordLength(s string) int {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '_' && c < 0x80 && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return i
		} else if c >= 0x80 && spaceLength(s[i:]) > 0 {
			return i
		}
	}
	return len(s)
}
