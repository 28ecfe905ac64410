package sqlfile

import (
	"strings"

	"github.com/lakeflow/lakeflow/dsl/spark"
)

// identifier is the name that IDENTIFIER(…) stands for, if that is what tokens begin with, and how many of them it is.
func (b *builder) identifier(s *scope, t Text, tokens []spark.Token) (name string, length int) {
	if !tokens[0].Is(t.SQL, "IDENTIFIER") {
		return "", 0
	}
	before, open, depth := len(*b.diags), 0, 0
	for i, token := range tokens[1:] {
		switch {
		case token.Is(t.SQL, "("):
			if depth++; open == 0 {
				open = i + 1
			}
		case token.Is(t.SQL, ")"):
			depth--
		case token.Is(t.SQL, "IDENTIFIER"), open == 0 && len(spark.Significant([]spark.Token{token})) > 0:
			return "", 0
		}
		if open > 0 && depth == 0 {
			name, ok := constant(b.text(s, t.part(tokens[open].End, token.Start)))
			if !ok { // what is wrong in it is reported where the query is read
				*b.diags = (*b.diags)[:before]
				return "", 0
			}
			return s.quoted(name), i + 2
		}
	}
	return "", 0
}

// quoted is a name with dots in the quotes of the file's dialect.
func (s *scope) quoted(name string) string {
	if strings.ContainsAny(name, "`\"") { // it has them
		return name
	}
	parts := strings.Split(name, ".")
	for i, part := range parts {
		if parts[i] = quoted(part); s.duckdb {
			parts[i] = `"` + part + `"`
		}
	}
	return strings.Join(parts, ".")
}

// constant is the text that texts give which are joined by || or CONCAT. Anything else is no constant.
func constant(sql string) (string, bool) {
	tokens := spark.Significant(spark.Lex(sql))
	between := "||"
	if n := len(tokens); n > 3 && tokens[0].Is(sql, "CONCAT") && tokens[1].Is(sql, "(") && tokens[n-1].Is(sql, ")") {
		tokens, between = tokens[2:n-1], ","
	}
	var out strings.Builder
	for i, token := range tokens {
		switch {
		case i%2 == 0 && token.Kind == spark.String:
			out.WriteString(spark.Unquote(token.Text(sql)))
		case i%2 == 0 || !token.Is(sql, between):
			return "", false
		}
	}
	return out.String(), len(tokens)%2 == 1
}
