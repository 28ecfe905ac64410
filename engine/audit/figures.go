package audit

import (
	"context"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/schemas"
)

// brokenRows is what is needed of the rows that violate a rule.
const brokenRows = `"__audit_broken"`

// recount counts how many rows of a table that run has made violate each rule of a view. There is nothing to count for
// other tables, whose figures are of single batches.
func (c *computation) recount(ctx context.Context, name string) ([]int64, error) {
	rules := c.table.Rules
	if c.table.Appends || len(rules.Rules) == 0 {
		return nil, nil
	}
	err := c.exec(ctx, "DROP TABLE IF EXISTS "+brokenRows, "CREATE OR REPLACE TEMP TABLE %s AS %s", brokenRows,
		rules.BrokenSQL(name))
	if err != nil {
		return nil, err
	}
	counts, err := rules.Count(ctx, c.DB.Conn(), name, brokenRows)
	if err != nil {
		return nil, err
	}
	return rules.Judge(counts).Totals().Failed, nil
}

// differing are the figures of a view's expectations that are not what was counted again, by rule. Those of rules that
// depend on the time are left out.
func differing(c Computed, last *entry, failed []int64) (found []Finding) {
	if failed == nil || last == nil {
		return nil
	}
	noted := last.verdicts[c.Flows[0].Name]
	for i, r := range c.Rules.Rules {
		at := slices.IndexFunc(noted, func(x schemas.ExpectationResult) bool { return x.Name == r.Name })
		if at < 0 || !r.Deterministic || noted[at].Failed == failed[i] {
			continue
		}
		found = append(found, Finding{Table: c.Name, Check: CheckRecompute, Expected: failed[i], Found: noted[at].Failed,
			Message: fmt.Sprintf("computed again, %s violate expectation %s; the event log says %d",
				rows(failed[i]), r.Name, noted[at].Failed)})
	}
	return found
}
