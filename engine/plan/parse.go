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

// rulePrefix goes in front of an expectation to make it a query.
const rulePrefix = "SELECT "

// parse has DuckDB parse every query and expectation, all in one statement.
func (c *compiler) parse(ctx context.Context) error {
	var texts []string
	for _, d := range c.datasets {
		for _, f := range d.flows {
			texts = append(texts, f.decl.SQL.Text)
		}
		for _, e := range d.decl.Expectations {
			if e.Expect != nil {
				texts = append(texts, rulePrefix+e.Expect.Text)
			}
		}
	}
	parsed, err := syntax.ParseAll(ctx, c.tx, texts)
	if err != nil {
		return err
	}
	next := 0
	take := func() (string, syntax.Parsed) { next++; return texts[next-1], parsed[next-1] }
	for _, d := range c.datasets {
		for _, f := range d.flows {
			text, parsed := take()
			if err := c.parsedFlow(ctx, f, text, parsed); err != nil {
				return err
			}
		}
		d.rules = make([]*facts, len(d.decl.Expectations))
		for i, e := range d.decl.Expectations {
			if e.Expect == nil {
				continue
			}
			text, parsed := take()
			c.parsedRule(d, i, text, parsed)
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
	q := f.decl.SQL
	switch {
	case f.decl.Flawed && (found == nil || found.show || found.parameters):
	case parsed.Refused != nil:
		c.refused(q, 0, parsed.Refused)
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

// refused reports that DuckDB does not parse a query; prefix is the length of what was put in front of it.
func (c *compiler) refused(q *sqltext.Query, prefix int, e *syntax.Refusal) {
	code := codeSyntax
	if prefix > 0 {
		code = codeRuleSyntax
	}
	if !e.Syntax {
		help, what := "write one SELECT", "only a SELECT can feed a table"
		switch {
		case findName(q.Text, "pivot") >= 0:
			help, what = "name the values that become columns: PIVOT … ON x IN ('a', 'b') …", "a PIVOT without its values has no fixed columns"
		case strings.Contains(e.Message, "parameters"):
			code, what, help = codePlaceholder, "a query has no ? or $1 placeholders", "write ${name} and declare it under parameters:"
		case prefix > 0:
			what, help = "an expectation is one boolean expression", "write it as behind WHERE: delay BETWEEN 0 AND 60"
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
		c.diags.Errorf(code, q.At(offset, 0), "finish it: a parenthesis may be open, or an expression missing", "the SQL ends too early")
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

// parsedRule checks that an expectation is one expression over one row.
func (c *compiler) parsedRule(d *dataset, i int, text string, parsed syntax.Parsed) {
	e := d.decl.Expectations[i]
	q := e.Expect
	if parsed.Refused != nil {
		if !e.Flawed {
			c.refused(q, len(rulePrefix), parsed.Refused)
		}
		return
	}
	const form = "write one boolean expression over the row's columns, as behind WHERE"
	var found *facts
	if statement, ok := parsed.Only(); ok {
		found = factsOf(text, statement)
	}
	if found == nil || !found.oneExpression() {
		c.diags.Errorf(codeRuleForm, at(q, -1, 0), form, "%s is not one expression", ruleTitle(e.Name))
		return
	}
	if what, help, offset := ruleRefusal(found); what != "" {
		c.diags.Errorf(codeRuleForm, token(q, offset-len(rulePrefix)), help, "%s %s", ruleTitle(e.Name), what)
		return
	}
	d.rules[i] = found
}

// oneExpression reports whether SELECT <rule> parsed as just that, so that the rule holds nothing that ends the
// expression.
func (s *facts) oneExpression() bool {
	if len(s.items) != 1 || s.show || !s.bare {
		return false
	}
	_, star := s.items[0].(syntax.Star)
	return !star && s.items[0].Alias() == ""
}

const ruleHelp = "compute it as a column of the query, and compare that column here"

// ruleRefusal says what in an expectation cannot be decided from one row, what to write instead, and where it stands.
func ruleRefusal(s *facts) (what, help string, offset int) {
	switch {
	case len(s.listAny) > 0:
		return "compares with ANY or ALL of a list, which DuckDB takes for a subquery", "write value IN list, or list_bool_and(list_transform(list, lambda x: …))", s.listAny[0]
	case len(s.subquery) > 0:
		return "has a subquery; a rule sees one row", ruleHelp, s.subquery[0]
	case len(s.windows) > 0:
		return "has a window function; a rule sees one row", ruleHelp, s.windows[0]
	case len(s.stars) > 0:
		return "has * or COLUMNS(), which stand for many columns; a rule gives one value", "name the columns, joined by AND", s.stars[0]
	case s.parameters:
		return "has a ? or $1 placeholder", "write ${name} and declare it under parameters:", -1
	}
	for _, f := range s.calls {
		switch class := functionClass(f.name); {
		case class == aggregate:
			return "has the aggregate " + strings.TrimSuffix(f.name, "_star") + "(); a rule sees one row", ruleHelp, f.at
		case class == volatile:
			return "calls " + f.name + "(), which gives another value every time", ruleHelp, f.at
		case f.name == "unnest":
			return "calls unnest(), which makes rows; a rule gives one value", ruleHelp, f.at
		case listed(barredFunctions, f.name):
			return "calls " + f.name + "(), which gives more than a value of the row", callHelp(f.name), f.at
		}
	}
	return "", "", 0
}
