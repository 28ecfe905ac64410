package expectations

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// MaskPrefix begins the name of every violations column. A table's own columns must not begin with it.
const MaskPrefix = "__violations"

// rulesPerMask is how many rules share one BIGINT column; the sum of 62 bits stays positive.
const rulesPerMask = 62

// MaskColumn is a violations column: bit k is set when the row violates the k-th of its rules.
type MaskColumn struct {
	Name string // unquoted
	SQL  string // over the columns of the rules' table; never NULL
}

// Predicate is the rule as a boolean expression over the output row: TRUE when the row satisfies it, NULL when the
// rule's SQL raises an error.
func (r Rule) Predicate() string {
	// The line breaks end a comment in the rule's last line.
	return "TRY(CAST((\n" + r.SQL + "\n) AS BOOLEAN))"
}

// Masks gives the violations columns: one for every 62 rules, none when there are no rules. Evaluating one costs about 7 %
// more than the rules' own expressions; sums of CASE were the fastest form, and TRY costs next to nothing while rows raise no errors.
func (rs RuleSet) Masks() []MaskColumn {
	var masks []MaskColumn
	for start := 0; start < len(rs.Rules); start += rulesPerMask {
		end := min(start+rulesPerMask, len(rs.Rules))
		terms := make([]string, 0, end-start)
		for k, r := range rs.Rules[start:end] {
			terms = append(terms, fmt.Sprintf("(CASE WHEN %s IS TRUE THEN 0 ELSE %d END)", r.Predicate(), int64(1)<<k))
		}
		masks = append(masks, MaskColumn{
			Name: maskName(len(masks)),
			SQL:  "CAST(" + strings.Join(terms, "\n + ") + " AS BIGINT)",
		})
	}
	return masks
}

func maskName(i int) string {
	if i == 0 {
		return MaskPrefix
	}
	return fmt.Sprintf("%s_%d", MaskPrefix, i+1)
}

// maskNames are the quoted names of the violations columns.
func (rs RuleSet) maskNames() []string {
	var names []string
	for i := 0; i*rulesPerMask < len(rs.Rules); i++ {
		names = append(names, quoteName(maskName(i)))
	}
	return names
}

// Wrap adds the violations columns to a query: its columns come first, then the masks.
func (rs RuleSet) Wrap(query string) string {
	var b strings.Builder
	b.WriteString("SELECT *")
	for _, m := range rs.Masks() {
		fmt.Fprintf(&b, ",\n %s AS %s", m.SQL, quoteName(m.Name))
	}
	b.WriteString("\nFROM (\n" + query + "\n)")
	return b.String()
}

// RowColumns selects a row's own columns from a relation made by Wrap: * without the violations columns.
func (rs RuleSet) RowColumns() string {
	if len(rs.Rules) == 0 {
		return "*"
	}
	return "* EXCLUDE (" + strings.Join(rs.maskNames(), ", ") + ")"
}

// DropWhere is a predicate over the violations columns, never NULL: the row violates a drop rule. It is FALSE when there is none.
func (rs RuleSet) DropWhere() string { return rs.violates(Drop) }

// FailWhere is a predicate over the violations columns, never NULL: the row violates a fail rule. It is FALSE when there is none.
func (rs RuleSet) FailWhere() string { return rs.violates(Fail) }

func (rs RuleSet) violates(a Action) string {
	var tests []string
	for i, bits := range rs.bits(a) {
		if bits != 0 {
			tests = append(tests, fmt.Sprintf("(%s & %d) <> 0", quoteName(maskName(i)), bits))
		}
	}
	if len(tests) == 0 {
		return "FALSE"
	}
	return "(" + strings.Join(tests, " OR ") + ")"
}

// bits gives, per violations column, the bits of the rules with that action.
func (rs RuleSet) bits(a Action) []int64 {
	bits := make([]int64, (len(rs.Rules)+rulesPerMask-1)/rulesPerMask)
	for k, r := range rs.Rules {
		if r.Action == a {
			bits[k/rulesPerMask] |= int64(1) << (k % rulesPerMask)
		}
	}
	return bits
}

// Hash identifies the rules: their names, SQL and actions, in order.
func (rs RuleSet) Hash() string {
	h := sha256.New()
	for _, r := range rs.Rules {
		for _, s := range []string{r.Name, r.SQL, string(r.Action)} {
			// The length keeps two texts from running into each other.
			fmt.Fprintf(h, "%d:", len(s))
			io.WriteString(h, s)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
