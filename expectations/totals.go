package expectations

import "github.com/lakeflow/lakeflow/schemas"

// Totals are a verdict in numbers that can be kept and added: what rules say of all rows of a table follows from what
// they said before, and from what they say of the rows that came and of those that went.
type Totals struct {
	Rows    int64   `json:"rows"`    // kept and dropped ones
	Dropped int64   `json:"dropped"` // those that violate a drop rule
	Failed  []int64 `json:"failed"`  // those that violate a rule, in the order of the rules
}

// Totals are those of the verdict.
func (v Verdict) Totals() Totals {
	t := Totals{Rows: v.Rows, Dropped: v.Dropped, Failed: make([]int64, len(v.Results))}
	for k, r := range v.Results {
		t.Failed[k] = r.Failed
	}
	return t
}

// After are the totals when some rows have come and others have gone. All are of the same rules.
func (t Totals) After(came, gone Totals) Totals {
	after := Totals{Rows: t.Rows + came.Rows - gone.Rows, Dropped: t.Dropped + came.Dropped - gone.Dropped,
		Failed: make([]int64, len(t.Failed))}
	for k, n := range t.Failed {
		after.Failed[k] = n + came.Failed[k] - gone.Failed[k]
	}
	return after
}

// Of reports whether the totals can be those of the rules.
func (t Totals) Of(rs RuleSet) bool {
	possible := len(t.Failed) == len(rs.Rules) && t.Dropped >= 0 && t.Dropped <= t.Rows
	for _, n := range t.Failed {
		possible = possible && n >= 0 && n <= t.Rows
	}
	return possible
}

// Verdict is what totals of the rules say.
func (rs RuleSet) Verdict(t Totals) Verdict {
	v := Verdict{Rows: t.Rows, Kept: t.Rows - t.Dropped, Dropped: t.Dropped,
		Results: make([]schemas.ExpectationResult, len(rs.Rules))}
	for k, r := range rs.Rules {
		v.Results[k] = schemas.ExpectationResult{Name: r.Name, Dataset: rs.Table, Action: string(r.Action),
			Expression: r.Expr, Passed: t.Rows - t.Failed[k], Failed: t.Failed[k]}
		if r.Action == Fail && t.Failed[k] > 0 {
			v.Failing = append(v.Failing, v.Results[k])
		}
	}
	return v
}
