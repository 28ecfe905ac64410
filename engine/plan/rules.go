package plan

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// ruledDataset is a dataset with the positions of its expectations that parsed.
type ruledDataset struct {
	*dataset
	sound []int
}

// bindRules binds the expectations of every dataset against its columns: those of several datasets in one statement,
// because that is faster, and one by one where a statement is refused, to find every mistake.
func (c *compiler) bindRules(ctx context.Context) error {
	var ruled []ruledDataset
	for _, d := range c.ordered {
		if d.failed {
			continue
		}
		d.out.Rules = c.ruleSet(d.decl, d.rules)
		var sound []int
		for i, rule := range d.rules {
			if rule != nil {
				sound = append(sound, i)
			}
		}
		switch {
		case len(sound) == 0:
		case d.doubtful || slices.ContainsFunc(sound, func(i int) bool { return d.decl.Expectations[i].Flawed }):
			if err := c.bindRulesSingly(ctx, d, sound); err != nil {
				return err
			}
		default:
			ruled = append(ruled, ruledDataset{d, sound})
		}
	}
	const chunk = 10 // binding many relations side by side costs more than it saves
	for group := range slices.Chunk(ruled, chunk) {
		if err := c.bindGroup(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) bindGroup(ctx context.Context, group []ruledDataset) error {
	queries := make([]string, len(group))
	for i, d := range group {
		queries[i] = "(" + ruleQuery(d.dataset, d.sound) + ")"
	}
	columns, err := c.describe(ctx, describePrefix+"FROM "+strings.Join(queries, ", "))
	if err != nil && readDuckError(err) == nil {
		return err
	}
	for _, d := range group {
		if err != nil {
			if err := c.bindRulesSingly(ctx, d.dataset, d.sound); err != nil {
				return err
			}
			continue
		}
		c.checkRuleTypes(d.dataset, d.sound, columns[:len(d.sound)])
		columns = columns[len(d.sound):]
	}
	return nil
}

func (c *compiler) bindRulesSingly(ctx context.Context, d *dataset, all []int) error {
	for _, i := range all {
		e := d.decl.Expectations[i]
		statement := ruleQuery(d, []int{i})
		known, err := c.bindText(ctx, binding{query: e.Expect, sql: e.Expect.Text, before: describePrefix + ruleQueryPrefix,
			after: statement[len(ruleQueryPrefix)+len(e.Expect.Text):], code: codeRuleBind, what: ruleTitle(e.Name), doubtful: d.doubtful || e.Flawed})
		if err != nil {
			return err
		}
		if known.ok && !known.doubtful {
			c.checkRuleTypes(d, []int{i}, known.columns)
		}
	}
	return nil
}

func (c *compiler) checkRuleTypes(d *dataset, rules []int, columns []column) {
	for k, i := range rules {
		if e := d.decl.Expectations[i]; columns[k].duckType != "BOOLEAN" {
			c.diags.Errorf(codeRuleType, at(e.Expect, -1, 0), "compare it with something, as in delay > 0 or origin IS NOT NULL",
				"%s is %s, not a boolean", ruleTitle(e.Name), typeWithArticle(columns[k].duckType))
		}
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

const ruleQueryPrefix = "SELECT TRY((\n"

// ruleQuery selects the rules from an empty row of the dataset's stored types, inside TRY, as they will run: what
// DuckDB does not take there must not pass. The line breaks end a comment. The names keep a rule from seeing one of
// another dataset in the same statement, where DuckDB would take it for a lateral join.
func ruleQuery(d *dataset, rules []int) string {
	var b strings.Builder
	b.WriteString(ruleQueryPrefix)
	for k, i := range rules {
		if k > 0 {
			b.WriteString(", TRY((\n")
		}
		fmt.Fprintf(&b, "%s\n)) AS %s", d.decl.Expectations[i].Expect.Text, ident(fmt.Sprint(expectations.MaskPrefix, " ", i)))
	}
	b.WriteString(" FROM (" + emptyRow(d.columns) + ")")
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

// ruleSet is the expectations of a table. Their texts are as the user wrote them, but for parameters, which are shown
// by their values.
func (c *compiler) ruleSet(t *dsl.Table, parsed []*facts) expectations.RuleSet {
	rs := expectations.RuleSet{Table: t.Name, DeadLetter: t.DeadLetter}
	for i, e := range t.Expectations {
		if e.Expect == nil {
			continue
		}
		expr := strings.TrimSpace(e.Expect.Raw)
		if strings.Contains(expr, "${") {
			expr = c.secrets.Hide(strings.TrimSpace(e.Expect.Text))
		}
		rs.Rules = append(rs.Rules, expectations.Rule{Name: e.Name, Expr: expr, SQL: e.Expect.Text,
			Action: expectations.Action(e.Violation), Deterministic: parsed[i] != nil && parsed[i].deterministic()})
	}
	return rs
}
