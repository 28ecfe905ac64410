package plan

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
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
	trees, err := c.serialize(ctx, texts)
	if err != nil {
		return err
	}
	next := 0
	take := func() (string, string) { next++; return texts[next-1], trees[next-1] }
	for _, d := range c.datasets {
		for _, f := range d.flows {
			text, tree := take()
			if err := c.parsedFlow(ctx, f, text, tree); err != nil {
				return err
			}
		}
		d.rules = make([]*syntax, len(d.decl.Expectations))
		for i, e := range d.decl.Expectations {
			if e.Expect == nil {
				continue
			}
			text, tree := take()
			if err := c.parsedRule(d, i, text, tree); err != nil {
				return err
			}
		}
	}
	return nil
}

// serialize returns DuckDB's syntax trees of the texts. Texts are bound as parameters, a few hundred to a statement.
func (c *compiler) serialize(ctx context.Context, texts []string) ([]string, error) {
	const chunk = 500
	trees := make([]string, 0, len(texts))
	for start := 0; start < len(texts); start += chunk {
		part := texts[start:min(start+chunk, len(texts))]
		args := make([]any, len(part))
		for i, t := range part {
			args[i] = t
		}
		query := "SELECT CAST(json_serialize_sql(q) AS VARCHAR) FROM (SELECT unnest([?" + strings.Repeat(",?", len(part)-1) + "]) AS q)"
		rows, err := c.tx.QueryContext(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		trees, err = scanTexts(rows, trees)
		if err != nil {
			return nil, err
		}
	}
	if len(trees) != len(texts) {
		return nil, fmt.Errorf("DuckDB gave %d syntax trees for %d queries", len(trees), len(texts))
	}
	return trees, nil
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

func (c *compiler) parsedFlow(ctx context.Context, f *flow, text, tree string) error {
	syn, failed, statements, err := readSyntax(text, tree)
	if err != nil {
		return err
	}
	q := f.decl.SQL
	switch {
	case f.decl.Flawed && (failed != nil || syn == nil || syn.show || syn.parameters):
	case failed != nil:
		c.refused(q, 0, failed)
	case statements == 0:
		c.diags.Errorf(codeNotSelect, at(q, -1, 0), "write one SELECT", "the query of %s is empty", f.ds.name)
	case statements > 1:
		c.diags.Errorf(codeNotSelect, at(q, -1, 0), "write one SELECT; a table that is fed by several queries has them under flows:",
			"the query of %s has %d statements", f.ds.name, statements)
	case syn.show:
		c.diags.Errorf(codeNotSelect, at(q, -1, 0), "write a SELECT", "the query of %s is not a SELECT", f.ds.name)
	case syn.parameters:
		c.diags.Errorf(codePlaceholder, placeholder(q), "write ${name} and declare it under parameters:", "a query has no ? or $1 placeholders")
	default:
		f.syn = syn
		f.out.Fingerprint, f.out.Shape = syn.fingerprint, syn.shape
		for _, x := range syn.casts {
			f.out.casts[x.at] = true
		}
		if strings.Contains(f.sql, ";") {
			return c.blankSemicolons(ctx, f)
		}
	}
	f.ds.failed = f.ds.failed || f.syn == nil
	return nil
}

// blankSemicolons overwrites the semicolons that end the query, so that it can stand in brackets. A semicolon that is part of the query,
// in a string or a name, is told by the syntax tree, which changes without it; those in comments may go too.
func (c *compiler) blankSemicolons(ctx context.Context, f *flow) error {
	for end := len(f.sql); ; {
		i := strings.LastIndexByte(f.sql[:end], ';')
		if i < 0 {
			return nil
		}
		without := f.sql[:i] + " " + f.sql[i+1:]
		trees, err := c.serialize(ctx, []string{without})
		if err != nil {
			return err
		}
		syn, _, _, err := readSyntax(without, trees[0])
		if err != nil {
			return err
		}
		if syn == nil || syn.fingerprint != f.syn.fingerprint {
			return nil
		}
		f.sql, end = without, i
	}
}

// refused reports that DuckDB does not parse a query; prefix is the length of what was put in front of it.
func (c *compiler) refused(q *sqltext.Query, prefix int, e *parseError) {
	code := codeSyntax
	if prefix > 0 {
		code = codeRuleSyntax
	}
	if e.Type != "parser" {
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
	offset := byteOffset(q.Text, e.position()-prefix)
	if offset >= len(strings.TrimRight(q.Text, " \t\r\n")) {
		offset = len(strings.TrimRight(q.Text, " \t\r\n"))
		c.diags.Errorf(code, q.At(offset, 0), "finish it: a parenthesis may be open, or an expression missing", "the SQL ends too early")
		return
	}
	c.diags.Errorf(code, token(q, offset), syntaxHelp(q.Text, offset), "SQL %s", e.Message)
}

// byteOffset turns an offset in characters, which DuckDB's parser counts, into one in bytes, which its binder counts.
func byteOffset(text string, characters int) int {
	for i := range text {
		if characters <= 0 {
			return i
		}
		characters--
	}
	return len(text)
}

// reservedNames are words that people call columns by and that SQL keeps for itself.
const reservedNames = " at authorization check collation column columns constraint default desc end foreign freeze group limit map offset only order placing" +
	" positional primary references show similar some struct symmetric table to unique when window "

// syntaxHelp guesses at the cause of a syntax error: a keyword that is misspelled or meant as a name, here or one word earlier,
// where DuckDB took it for an alias or the beginning of a clause.
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
func (c *compiler) parsedRule(d *dataset, i int, text, tree string) error {
	syn, failed, statements, err := readSyntax(text, tree)
	if err != nil {
		return err
	}
	e := d.decl.Expectations[i]
	q := e.Expect
	if failed != nil {
		if !e.Flawed {
			c.refused(q, len(rulePrefix), failed)
		}
		return nil
	}
	const form = "write one boolean expression over the row's columns, as behind WHERE"
	if statements != 1 || !oneExpression(syn) {
		c.diags.Errorf(codeRuleForm, at(q, -1, 0), form, "%s is not one expression", ruleTitle(e.Name))
		return nil
	}
	if what, help, offset := ruleRefusal(syn); what != "" {
		c.diags.Errorf(codeRuleForm, token(q, offset-len(rulePrefix)), help, "%s %s", ruleTitle(e.Name), what)
		return nil
	}
	d.rules[i] = syn
	return nil
}

// oneExpression reports whether SELECT <rule> parsed as just that, so that the rule holds nothing that ends the expression.
func oneExpression(s *syntax) bool {
	if len(s.items) != 1 || s.show || !s.bare {
		return false
	}
	item, _ := s.items[0].(map[string]any)
	return text(item["alias"]) == "" && item["class"] != "STAR"
}

const ruleHelp = "compute it as a column of the query, and compare that column here"

// ruleRefusal says what in an expectation cannot be decided from one row, what to write instead, and where it stands.
func ruleRefusal(s *syntax) (what, help string, offset int) {
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
