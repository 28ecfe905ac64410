package plan

import (
	"context"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/expectations"
)

// ruledDataset is a dataset with those of its expectations that parsed.
type ruledDataset struct {
	*dataset
	sound []*rowExpression
}

// bindRules binds the expectations of every dataset against its rows: those of several datasets in one statement,
// because that is faster, and one by one where a statement is refused, to find every mistake.
func (c *compiler) bindRules(ctx context.Context) error {
	var ruled []ruledDataset
	for _, d := range c.ordered {
		if d.failed {
			continue
		}
		sound := slices.DeleteFunc(slices.Clone(d.rules), func(x *rowExpression) bool { return x.facts == nil })
		switch {
		case len(sound) == 0:
		case d.doubtfulRows || slices.ContainsFunc(sound, func(x *rowExpression) bool { return x.flawed }):
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
	for _, d := range c.ordered {
		if !d.failed {
			d.out.Rules = c.ruleSet(d)
		}
	}
	return nil
}

func (c *compiler) bindGroup(ctx context.Context, group []ruledDataset) error {
	queries := make([]string, len(group))
	for i, d := range group {
		queries[i] = "(" + rowQuery(d.dataset, d.sound) + ")"
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
		for i, x := range d.sound {
			c.checkCondition(x, columns[i])
		}
		columns = columns[len(d.sound):]
	}
	return nil
}

func (c *compiler) bindRulesSingly(ctx context.Context, d *dataset, all []*rowExpression) error {
	for _, x := range all {
		if _, err := c.bindExpression(ctx, d, x); err != nil {
			return err
		}
	}
	return nil
}

// ruleSet is the expectations of a table, and behind them what auto_cdc asks of its changes.
func (c *compiler) ruleSet(d *dataset) expectations.RuleSet {
	rs := expectations.RuleSet{Table: d.name, DeadLetter: d.decl.DeadLetter}
	for i, e := range d.decl.Expectations {
		if e.Expect == nil {
			continue
		}
		found := d.rules[i].facts
		rs.Rules = append(rs.Rules, expectations.Rule{Name: e.Name, Expr: c.shown(e.Expect), SQL: d.rules[i].query.Text,
			Action: expectations.Action(e.Violation), Deterministic: found != nil && found.deterministic()})
	}
	if d.changes != nil {
		rs.Rules = append(rs.Rules, d.changes.rules...)
	}
	return rs
}
