package plan

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/syntax"
)

// parse has DuckDB parse every query, expression over a row and function, all in one statement.
func (c *compiler) parse(ctx context.Context) error {
	var texts []string
	for _, x := range c.functions {
		texts = append(texts, expressionPrefix+x.query.Text)
	}
	for _, d := range c.datasets {
		for _, f := range d.flows {
			texts = append(texts, f.query.Text)
		}
		for _, x := range d.expressions() {
			texts = append(texts, expressionPrefix+x.query.Text)
		}
	}
	parsed, err := syntax.ParseAll(ctx, c.tx, texts)
	if err != nil {
		return err
	}
	next := 0
	take := func() (string, syntax.Parsed) { next++; return texts[next-1], parsed[next-1] }
	for _, x := range c.functions {
		text, parsed := take()
		c.parsedExpression(x, text, parsed)
	}
	for _, d := range c.datasets {
		for _, f := range d.flows {
			text, parsed := take()
			if err := c.parsedFlow(ctx, f, text, parsed); err != nil {
				return err
			}
		}
		for _, x := range d.expressions() {
			text, parsed := take()
			c.parsedExpression(x, text, parsed)
		}
	}
	return nil
}

func scanTexts(rows *sql.Rows, to []string) ([]string, error) {
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		to = append(to, s)
	}
	return to, rows.Err()
}

func (c *compiler) parsedFlow(ctx context.Context, f *flow, text string, parsed syntax.Parsed) error {
	var found *facts
	if statement, ok := parsed.Only(); ok {
		found = factsOf(text, statement)
	}
	q := f.query
	switch {
	case f.decl.Flawed && (found == nil || found.show || found.parameters):
	case parsed.Refused != nil:
		c.refused(q, nil, parsed.Refused)
	case len(parsed.Statements) == 0:
		c.diags.Errorf(codeNotSelect, at(q, -1, 0), "write one SELECT", "the query of %s is empty", f.ds.name)
	case found == nil:
		c.diags.Errorf(codeNotSelect, at(q, -1, 0), "write one SELECT; a table that is fed by several queries has them under flows:",
			"the query of %s has %d statements", f.ds.name, len(parsed.Statements))
	case found.show:
		c.diags.Errorf(codeNotSelect, at(q, -1, 0), "write a SELECT", "the query of %s is not a SELECT", f.ds.name)
	case found.parameters:
		c.diags.Errorf(codePlaceholder, placeholder(q), "write ${name} and declare it under parameters:", "a query has no ? or $1 placeholders")
	default:
		f.facts = found
		f.out.Fingerprint, f.out.Shape = found.fingerprint, found.shape
		for _, x := range found.casts {
			f.out.casts[x.At()] = true
		}
		if strings.Contains(f.sql, ";") {
			return c.blankSemicolons(ctx, f)
		}
	}
	f.ds.failed = f.ds.failed || f.facts == nil
	return nil
}

// blankSemicolons overwrites the semicolons that end the query, so that it can stand in brackets. A semicolon that is
// part of the query, in a string or a name, is told by the syntax tree, which changes without it; those in comments may
// go too.
func (c *compiler) blankSemicolons(ctx context.Context, f *flow) error {
	for end := len(f.sql); ; {
		i := strings.LastIndexByte(f.sql[:end], ';')
		if i < 0 {
			return nil
		}
		without := f.sql[:i] + " " + f.sql[i+1:]
		parsed, err := syntax.Parse(ctx, c.tx, without)
		if err != nil {
			return err
		}
		if statement, ok := parsed.Only(); !ok || statement.Fingerprint() != f.facts.fingerprint {
			return nil
		}
		f.sql, end = without, i
	}
}

// refused reports that DuckDB does not parse a query, or the expression x.
func (c *compiler) refused(q *sqltext.Query, x *rowExpression, e *syntax.Refusal) {
	code, prefix := codeSyntax, 0
	if x != nil {
		code, prefix = codeRuleSyntax, len(expressionPrefix)
	}
	if !e.Syntax {
		help, what := "write one SELECT", "only a SELECT can feed a table"
		switch {
		case findName(q.Text, "pivot") >= 0:
			help, what = "name the values that become columns: PIVOT … ON x IN ('a', 'b') …", "a PIVOT without its values has no fixed columns"
		case strings.Contains(e.Message, "parameters"):
			code, what, help = codePlaceholder, "a query has no ? or $1 placeholders", "write ${name} and declare it under parameters:"
		case x != nil:
			what, help = x.title+" is not one expression", x.form()
		}
		if code == codeSyntax {
			code = codeNotSelect
		}
		c.diags.Errorf(code, at(q, -1, 0), help, "%s", what)
		return
	}
	offset := max(e.At-prefix, 0)
	if offset >= len(strings.TrimRight(q.Text, " \t\r\n")) {
		offset = len(strings.TrimRight(q.Text, " \t\r\n"))
		help := "finish it: a parenthesis may be open, or an expression missing"
		if word := strings.TrimSpace(q.Text); listed(reservedNames, strings.ToLower(word)) {
			help = "if " + word + " is a column, quote it: " + ident(word)
		}
		c.diags.Errorf(code, q.At(offset, 0), help, "the SQL ends too early")
		return
	}
	c.diags.Errorf(code, token(q, offset), syntaxHelp(q.Text, offset), "SQL %s", e.Message)
}

// reservedNames are words that people call columns by and that SQL keeps for itself.
const reservedNames = " at authorization check collation column columns constraint default desc end foreign freeze group limit map offset only order placing" +
	" positional primary references show similar some struct symmetric table to unique when window "

// syntaxHelp guesses at the cause of a syntax error: a keyword that is misspelled or meant as a name, here or one word
// earlier, where DuckDB took it for an alias or the beginning of a clause.
func syntaxHelp(text string, offset int) string {
	if offset < 0 || offset >= len(text) {
		return sqlReference
	}
	if help := sparkForm(text, offset); help != "" {
		return help
	}
	keywords := []string{"SELECT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "QUALIFY", "UNION", "JOIN", "LIMIT", "WITH", "VALUES"}
	word := text[offset : offset+tokenLength(text, offset)]
	before := wordBefore(text, offset)
	ends := !nameByte(word[0]) || strings.EqualFold(word, "FROM") || strings.EqualFold(word, "AS")
	for _, w := range []string{before, word} {
		if strings.Contains(reservedNames, " "+strings.ToLower(w)+" ") && (ends || w == word) {
			return "if " + w + " is a column, quote it: " + ident(w)
		}
		if near := diag.Suggest(w, keywords); near != "" && !strings.EqualFold(near, w) {
			return "did you mean " + near + " instead of " + w + "?"
		}
	}
	if word == "," || word == ")" || slices.Contains(keywords, strings.ToUpper(word)) {
		return "something is missing, or too much, in front of it"
	}
	return "a comma, an operator or a quote may be missing in front of it"
}

// placeholder is the place of the first ? or $ in a query.
func placeholder(q *sqltext.Query) diag.Range {
	if i := strings.IndexAny(q.Text, "?$"); i >= 0 {
		return q.At(i, 1)
	}
	return at(q, -1, 0)
}
