package plan

import (
	"context"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// bindRules binds the expectations of every dataset against its columns: all of them in one statement, and one by one
// when that is refused, to find every mistake.
func (c *compiler) bindRules(ctx context.Context) error {
	for _, d := range c.ordered {
		if d.failed {
			continue
		}
		d.out.Rules = ruleSet(d.decl)
		var all []int
		for i := range d.decl.Expectations {
			if d.rules[i] != nil {
				all = append(all, i)
			}
		}
		if len(all) == 0 {
			continue
		}
		columns, err := c.describe(ctx, ruleQuery(d, all))
		switch {
		case err == nil:
			c.checkRuleTypes(d, all, columns)
		case readDuckError(err) == nil:
			return err
		default:
			if err := c.bindRulesSingly(ctx, d, all); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *compiler) bindRulesSingly(ctx context.Context, d *dataset, all []int) error {
	for _, i := range all {
		one := []int{i}
		columns, err := c.describe(ctx, ruleQuery(d, one))
		if err != nil {
			e := d.decl.Expectations[i]
			if err := c.bindError(err, e.Expect, len(ruleQueryPrefix), codeRuleBind, "expectation "+e.Name); err != nil {
				return err
			}
			continue
		}
		c.checkRuleTypes(d, one, columns)
	}
	return nil
}

func (c *compiler) checkRuleTypes(d *dataset, rules []int, columns []column) {
	for k, i := range rules {
		if e := d.decl.Expectations[i]; k < len(columns) && columns[k].duckType != "BOOLEAN" {
			c.diags.Errorf(codeRuleType, at(e.Expect, -1, 0), "compare it with something, as in delay > 0 or origin IS NOT NULL",
				"expectation %s is %s, not a boolean", e.Name, typeWithArticle(columns[k].duckType))
		}
	}
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

const ruleQueryPrefix = "DESCRIBE SELECT (\n"

// ruleQuery selects the rules from an empty row of the dataset's stored types. The line breaks end a comment.
func ruleQuery(d *dataset, rules []int) string {
	var b strings.Builder
	b.WriteString(ruleQueryPrefix)
	for k, i := range rules {
		if k > 0 {
			b.WriteString("\n), (\n")
		}
		b.WriteString(d.decl.Expectations[i].Expect.Text)
	}
	b.WriteString("\n) FROM (" + emptyRow(d.columns) + ")")
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

// ruleSet is a dataset's expectations as the engine takes them.
func ruleSet(t *dsl.Table) expectations.RuleSet {
	rs := expectations.RuleSet{Table: t.Name, DeadLetter: t.DeadLetter}
	for _, e := range t.Expectations {
		if e.Expect == nil {
			continue
		}
		rs.Rules = append(rs.Rules, expectations.Rule{Name: e.Name, Expr: strings.TrimSpace(e.Expect.Raw), SQL: e.Expect.Text,
			Action: expectations.Action(e.Violation)})
	}
	return rs
}
