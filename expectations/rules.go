// Package expectations turns data-quality rules into SQL, SQL's counts into verdicts, violating rows into dead letters,
// and stored figures into the quality report. It touches no database: it writes SQL and reads numbers.
package expectations

import "slices"

// Action is what happens to a row that violates a rule.
type Action string

// The actions, as in Delta Live Tables.
const (
	Warn Action = "warn" // keep the row, count it
	Drop Action = "drop" // do not write it; it goes to the dead letters
	Fail Action = "fail" // stop the update and publish nothing of the batch
)

// Rule is one expectation. A row satisfies it only when SQL is TRUE; NULL is a violation, and so is an error (a cast,
// an overflow) while it is evaluated. SQL is something that DuckDB takes inside TRY: no subquery, no volatile function.
type Rule struct {
	Name   string
	Expr   string // as the user wrote it, with the values of parameters
	SQL    string // for DuckDB: parameters bound
	Action Action
	// Deterministic is true when a row that satisfies the rule always will: nothing in it depends on the time.
	Deterministic bool
}

// RuleSet is the rules of one table, in the order of the file.
type RuleSet struct {
	Table string
	Rules []Rule
	// DeadLetter is false when dropped rows are to be discarded and only counted.
	DeadLetter bool
}

// Has reports whether there is a rule with the action.
func (rs RuleSet) Has(a Action) bool {
	return slices.ContainsFunc(rs.Rules, func(r Rule) bool { return r.Action == a })
}
