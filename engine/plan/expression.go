package plan

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// rowExpression is an expression over one row: an expectation, or a part of auto_cdc.
type rowExpression struct {
	query  *sqltext.Query
	title  string // in messages: expectation known_delay
	value  bool   // it gives a value of some type; others are conditions
	flawed bool
	facts  *facts // nil when it does not parse, or cannot be decided from one row
}

// expressionPrefix goes in front of an expression to make it a query.
const expressionPrefix = "SELECT "

// expressions are those over the rows that the flows of the dataset give.
func (d *dataset) expressions() []*rowExpression {
	var all []*rowExpression
	for _, x := range d.rules {
		if x.query != nil {
			all = append(all, x)
		}
	}
	return append(all, d.changes.expressions()...)
}

// form says how the expression is written.
func (x *rowExpression) form() string {
	if x.value {
		return "write one expression over the row's columns, as behind SELECT; several are a list: [a, b]"
	}
	return "write one boolean expression over the row's columns, as behind WHERE"
}

// parsedExpression checks that it is one expression over one row.
func (c *compiler) parsedExpression(x *rowExpression, text string, parsed syntax.Parsed) {
	if parsed.Refused != nil {
		if !x.flawed {
			c.refused(x.query, x, parsed.Refused)
		}
		return
	}
	var found *facts
	if statement, ok := parsed.Only(); ok {
		found = factsOf(text, statement)
	}
	if found == nil || !found.oneExpression() {
		c.diags.Errorf(codeRuleForm, at(x.query, -1, 0), x.form(), "%s is not one expression", x.title)
		return
	}
	if what, help, offset := rowRefusal(found); what != "" {
		c.diags.Errorf(codeRuleForm, token(x.query, offset-len(expressionPrefix)), help, "%s %s", x.title, what)
		return
	}
	x.facts = found
}

// oneExpression reports whether SELECT <expression> parsed as just that, so that it holds nothing that ends it.
func (s *facts) oneExpression() bool {
	if len(s.items) != 1 || s.show || !s.bare {
		return false
	}
	_, star := s.items[0].(syntax.Star)
	return !star && s.items[0].Alias() == ""
}

const rowHelp = "compute it as a column of the query, and use that column here"

// rowRefusal says what in an expression cannot be decided from one row, what to write instead, and where it stands.
func rowRefusal(s *facts) (what, help string, offset int) {
	switch {
	case len(s.listAny) > 0:
		return "compares with ANY or ALL of a list, which DuckDB takes for a subquery", "write value IN list, or list_bool_and(list_transform(list, lambda x: …))", s.listAny[0]
	case len(s.subquery) > 0:
		return "has a subquery; it sees one row", rowHelp, s.subquery[0]
	case len(s.windows) > 0:
		return "has a window function; it sees one row", rowHelp, s.windows[0]
	case len(s.stars) > 0:
		return "has * or COLUMNS(), which stand for many columns; it gives one value", "name the columns, joined by AND", s.stars[0]
	case s.parameters:
		return "has a ? or $1 placeholder", "write ${name} and declare it under parameters:", -1
	}
	for _, f := range s.calls {
		switch class := functionClass(f.name); {
		case class == aggregate:
			return "has the aggregate " + strings.TrimSuffix(f.name, "_star") + "(); it sees one row", rowHelp, f.at
		case class == volatile:
			return "calls " + f.name + "(), which gives another value every time", rowHelp, f.at
		case f.name == "unnest":
			return "calls unnest(), which makes rows; it gives one value", rowHelp, f.at
		case listed(barredFunctions, f.name):
			return "calls " + f.name + "(), which gives more than a value of the row", callHelp(f.name), f.at
		}
	}
	return "", "", 0
}

const rowQueryPrefix = "SELECT TRY((\n"

// rowQuery selects the expressions from an empty row of the flows' stored types, inside TRY, as rules run: what DuckDB
// does not take there must not pass. The line breaks end a comment. The names keep a rule from seeing one of another
// dataset in the same statement, where DuckDB would take it for a lateral join.
func rowQuery(d *dataset, all []*rowExpression) string {
	var b strings.Builder
	b.WriteString(rowQueryPrefix)
	for k, x := range all {
		if k > 0 {
			b.WriteString(", TRY((\n")
		}
		fmt.Fprintf(&b, "%s\n)) AS %s", x.query.Text, ident(fmt.Sprint(expectations.MaskPrefix, " ", k)))
	}
	b.WriteString(" FROM (" + emptyRow(d.rows) + ")")
	return b.String()
}

// emptyRow is a query of one row of NULLs.
func emptyRow(t schemas.Table) string {
	cells := make([]string, len(t))
	for i, col := range t {
		cells[i] = "CAST(NULL AS " + col.Type.String() + ") AS " + ident(col.Name)
	}
	return "SELECT " + strings.Join(cells, ", ")
}

// bindExpression binds one expression, and reports what is wrong with it.
func (c *compiler) bindExpression(ctx context.Context, d *dataset, x *rowExpression) (bound, error) {
	known, err := c.bindText(ctx, x.binding(c, d))
	if err == nil && known.ok && !known.doubtful {
		c.checkCondition(x, known.columns[0])
	}
	return known, err
}

// binding is the expression to be bound to the rows of a dataset.
func (x *rowExpression) binding(c *compiler, d *dataset) binding {
	statement := rowQuery(d, []*rowExpression{x})
	return binding{query: x.query, sql: x.query.Text, before: describePrefix + rowQueryPrefix,
		after: statement[len(rowQueryPrefix)+len(x.query.Text):], code: codeRuleBind, what: x.title, doubtful: d.doubtfulRows || x.flawed,
		again: func(ctx context.Context, q *sqltext.Query) (binding, error) {
			parsed, err := syntax.ParseAll(ctx, c.tx, []string{expressionPrefix + q.Text})
			if err != nil {
				return binding{}, err
			}
			x.query, x.facts = q, nil
			c.parsedExpression(x, expressionPrefix+q.Text, parsed[0])
			if x.facts == nil {
				return binding{}, fmt.Errorf("%s: DuckDB does not parse what it was translated to: %s", x.title, q.Text)
			}
			return x.binding(c, d), nil
		}}
}

// checkCondition reports a condition that is none.
func (c *compiler) checkCondition(x *rowExpression, result column) {
	if !x.value && result.duckType != "BOOLEAN" {
		c.diags.Errorf(codeRuleType, at(x.query, -1, 0), "compare it with something, as in delay > 0 or origin IS NOT NULL",
			"%s is %s, not a boolean", x.title, typeWithArticle(result.duckType))
	}
}

// ruleTitle names an expectation in a message.
func ruleTitle(name string) string {
	if tokenLength(name, 0) < len(name) || strings.ContainsAny(name, `."'`) {
		name = strconv.Quote(name)
	}
	return "expectation " + name
}

func typeWithArticle(duckType string) string {
	if duckType == `"NULL"` {
		return "NULL"
	}
	if strings.ContainsRune("AEIOU", rune(duckType[0])) {
		return "an " + duckType
	}
	return "a " + duckType
}

// shown is the expression as the user wrote it, but for parameters, which are shown by their values.
func (c *compiler) shown(q *sqltext.Query) string {
	if strings.Contains(q.Raw, "${") {
		return c.secrets.Hide(strings.TrimSpace(q.Text))
	}
	return strings.TrimSpace(q.Raw)
}
