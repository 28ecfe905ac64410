package sqltext

import "strings"

type tokenKind int

const (
	space   tokenKind = iota // and line breaks
	comment                  // -- and /* */
	word                     // keyword or plain identifier
	quoted                   // "identifier"
	str                      // 'text', E'text', $$text$$
	number
	param // ${…}, or the two characters ${ where it has no end on its line
	punct // one character
)

type token struct {
	kind       tokenKind
	start, end int
}

// lex cuts sql into tokens that cover all of it. A string, quoted identifier or comment without an end reaches to
// the end of the text: DuckDB reports it.
func lex(sql string) []token {
	tokens := make([]token, 0, len(sql)/4+1)
	for i := 0; i < len(sql); {
		kind, end := next(sql, i)
		tokens = append(tokens, token{kind, i, end})
		i = end
	}
	return tokens
}

func next(sql string, i int) (tokenKind, int) {
	c, rest := sql[i], sql[i:]
	switch {
	case isSpace(c):
		end := i
		for end < len(sql) && isSpace(sql[end]) {
			end++
		}
		return space, end
	case strings.HasPrefix(rest, "--"):
		if n := strings.IndexAny(rest, "\r\n"); n >= 0 {
			return comment, i + n
		}
		return comment, len(sql)
	case strings.HasPrefix(rest, "/*"):
		return comment, blockComment(sql, i)
	case c == '\'':
		return str, closing(sql, i+1, '\'', false)
	case (c == 'e' || c == 'E') && strings.HasPrefix(rest[1:], "'"):
		return str, closing(sql, i+2, '\'', true)
	case c == '"':
		return quoted, closing(sql, i+1, '"', false)
	case strings.HasPrefix(rest, "${"):
		const longest = 256
		if n := strings.IndexAny(rest[:min(len(rest), longest)], "}\r\n"); n >= 0 && rest[n] == '}' {
			return param, i + n + 1
		}
		return param, i + 2
	case c == '$':
		return dollar(sql, i)
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return number, numberEnd(sql, i)
	case isWordStart(c):
		return word, wordEnd(sql, i)
	}
	return punct, i + 1
}

// closing finds the end of a text that closes with quote, where the quote is doubled to stand for itself.
func closing(sql string, i int, quote byte, backslash bool) int {
	for ; i < len(sql); i++ {
		switch {
		case backslash && sql[i] == '\\':
			i++
		case sql[i] == quote && i+1 < len(sql) && sql[i+1] == quote:
			i++
		case sql[i] == quote:
			return i + 1
		}
	}
	return len(sql)
}

func blockComment(sql string, i int) int {
	depth := 0
	for i < len(sql) {
		switch {
		case strings.HasPrefix(sql[i:], "/*"):
			depth, i = depth+1, i+2
		case strings.HasPrefix(sql[i:], "*/"):
			depth, i = depth-1, i+2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(sql)
}

// dollar reads $tag$text$tag$, or else the one character $.
func dollar(sql string, i int) (tokenKind, int) {
	end := i + 1
	if end < len(sql) && isWordStart(sql[end]) {
		for end < len(sql) && isWordByte(sql[end]) && sql[end] != '$' {
			end++
		}
	}
	if end >= len(sql) || sql[end] != '$' || strings.HasPrefix(sql[end:], "${") {
		return punct, i + 1
	}
	tag := sql[i : end+1]
	if n := strings.Index(sql[end+1:], tag); n >= 0 {
		return str, end + 1 + n + len(tag)
	}
	return str, len(sql)
}

// numberEnd reads digits, underscores and dots, then an exponent. A word may follow at once: 1from t is 1 FROM t.
func numberEnd(sql string, i int) int {
	digits := func() {
		for i < len(sql) && (isDigit(sql[i]) || sql[i] == '_' || sql[i] == '.') {
			i++
		}
	}
	digits()
	if i < len(sql) && sql[i]|0x20 == 'e' {
		exp := i + 1
		if exp < len(sql) && (sql[exp] == '+' || sql[exp] == '-') {
			exp++
		}
		if exp < len(sql) && isDigit(sql[exp]) {
			i = exp
			digits()
		}
	}
	return i
}

func wordEnd(sql string, i int) int {
	for i < len(sql) && isWordByte(sql[i]) && !strings.HasPrefix(sql[i:], "${") {
		i++
	}
	return i
}

func isSpace(c byte) bool     { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isWordStart(c byte) bool { return c == '_' || c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isWordByte(c byte) bool  { return isWordStart(c) || isDigit(c) || c == '$' }

// tokenLength is the length of the token at offset, 0 at the end of the text.
func tokenLength(sql string, offset int) int {
	for _, t := range lex(sql) {
		if t.start <= offset && offset < t.end {
			return t.end - offset
		}
	}
	return 0
}

// significant drops white space and comments.
func significant(tokens []token) []token {
	kept := make([]token, 0, len(tokens))
	for _, t := range tokens {
		if t.kind != space && t.kind != comment {
			kept = append(kept, t)
		}
	}
	return kept
}

// isName reports whether the token can name a relation or an alias without AS.
func isName(sql string, t token) bool {
	return t.kind == quoted || t.kind == word && !isKeyword(sql[t.start:t.end])
}

// unquote gives the name that an identifier token spells.
func unquote(text string) string {
	if len(text) < 2 || text[0] != '"' {
		return text
	}
	return strings.ReplaceAll(strings.TrimSuffix(text[1:], `"`), `""`, `"`)
}

// isKeyword reports whether DuckDB forbids the word as the name of a relation: its reserved and
// type_function keywords.
func isKeyword(w string) bool {
	switch strings.ToLower(w) {
	case "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast", "check",
		"collate", "column", "constraint", "create", "default", "deferrable", "desc", "describe", "distinct", "do", "else",
		"end", "except", "false", "fetch", "for", "foreign", "from", "group", "having", "in", "initially", "intersect",
		"into", "lambda", "lateral", "leading", "limit", "not", "null", "offset", "on", "only", "or", "order", "pivot",
		"pivot_longer", "pivot_wider", "placing", "primary", "qualify", "references", "returning", "select", "show",
		"some", "summarize", "symmetric", "table", "then", "to", "trailing", "true", "union", "unique", "unpivot",
		"using", "variadic", "when", "where", "window", "with":
		return true
	case "anti", "asof", "at", "authorization", "binary", "by", "collation", "columns", "concurrently", "cross", "freeze",
		"full", "generated", "glob", "ilike", "inner", "is", "isnull", "join", "left", "like", "map", "natural",
		"notnull", "outer", "overlaps", "positional", "right", "semi", "similar", "struct", "tablesample", "try_cast",
		"unpack", "verbose":
		return true
	}
	return false
}
