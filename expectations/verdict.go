package expectations

import (
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// Count is how many rows have the same violations.
type Count struct {
	Masks []int64 // one per violations column
	Rows  int64
}

// Verdict is what the rules say about a batch's rows.
type Verdict struct {
	// Rows is Kept + Dropped. A row that violates several drop rules is dropped once.
	Rows, Kept, Dropped int64
	// Results has every rule, in order, whatever its action.
	Results []schemas.ExpectationResult
	// Failing are the results of the fail rules that rows violate. When there are any, nothing of the batch may be published.
	Failing []schemas.ExpectationResult
}

// CountsSQL counts a relation's rows by their violations: the violations columns, then "rows". The relation, which is any text that
// may follow FROM, has the columns that Wrap adds.
func (rs RuleSet) CountsSQL(relation string) string {
	if len(rs.Rules) == 0 {
		return `SELECT count(*) AS "rows" FROM ` + relation
	}
	names := strings.Join(rs.maskNames(), ", ")
	return fmt.Sprintf(`SELECT %s, count(*) AS "rows" FROM %s GROUP BY %s`, names, relation, names)
}

// Judge turns the rows of CountsSQL into a verdict. The same violations may be counted in several parts.
func (rs RuleSet) Judge(counts []Count) Verdict {
	v := Verdict{Results: make([]schemas.ExpectationResult, len(rs.Rules))}
	for k, r := range rs.Rules {
		v.Results[k] = schemas.ExpectationResult{Name: r.Name, Dataset: rs.Table, Action: string(r.Action), Expression: r.Expr}
	}
	drop := rs.bits(Drop)
	for _, c := range counts {
		v.Rows += c.Rows
		if anyBit(c.Masks, drop) {
			v.Dropped += c.Rows
		}
		for k := range rs.Rules {
			if c.Masks[k/rulesPerMask]>>(k%rulesPerMask)&1 == 1 {
				v.Results[k].Failed += c.Rows
			}
		}
	}
	v.Kept = v.Rows - v.Dropped
	for k := range v.Results {
		v.Results[k].Passed = v.Rows - v.Results[k].Failed
		if rs.Rules[k].Action == Fail && v.Results[k].Failed > 0 {
			v.Failing = append(v.Failing, v.Results[k])
		}
	}
	return v
}

func anyBit(masks, bits []int64) bool {
	for i, m := range masks {
		if m&bits[i] != 0 {
			return true
		}
	}
	return false
}
