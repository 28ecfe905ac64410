package expectations

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// MaskPrefix begins the name of every violations column. A table's own columns must not begin with it.
const MaskPrefix = "__violations"

// rulesPerMask is how many rules share one BIGINT column; the sum of 62 bits stays positive.
const rulesPerMask = 62

// Predicate is the rule as a boolean expression over the output row: TRUE when the row satisfies it, NULL when the
// rule's SQL raises an error.
func (r Rule) Predicate() string { return "TRY(" + r.boolean() + ")" }

// boolean may raise an error. The line breaks end a comment in the rule's last line.
func (r Rule) boolean() string { return "CAST((\n" + r.SQL + "\n) AS BOOLEAN)" }

// KeptSQL selects the rows of a relation that violate no drop rule. The relation is any text that may follow FROM.
func (rs RuleSet) KeptSQL(relation string) string {
	query := "SELECT * FROM " + relation
	if keeps := rs.Keeps(); keeps != "true" {
		query += " WHERE " + keeps
	}
	return query
}

// Keeps is the condition that rows which violate no drop rule satisfy: true for those, and false for others.
func (rs RuleSet) Keeps() string {
	var all []string
	for _, r := range rs.Rules {
		if r.Action == Drop {
			all = append(all, r.Predicate()+" IS TRUE")
		}
	}
	if len(all) == 0 {
		return "true"
	}
	return strings.Join(all, " AND ")
}

// DroppedSQL selects the others: the rows that violate a drop rule.
func (rs RuleSet) DroppedSQL(relation string) string {
	return "SELECT * FROM " + relation + " WHERE NOT (" + rs.Keeps() + ")"
}

// BrokenSQL selects the rows of a relation that violate a rule, as what is needed of them: the violations columns, as
// "__json" the row itself where it is dropped, and the columns that are no part of the row but say where it is from.
// Most rows violate nothing, and one expression over all rules tells.
func (rs RuleSet) BrokenSQL(relation string, provenance ...schemas.Column) string {
	return rs.broken(relation, Drop, provenance)
}

// Broken are the quoted names of the columns that BrokenSQL gives of every row, without those of where it is from.
func (rs RuleSet) Broken() []string { return append(rs.maskNames(), `"__json"`) }

// broken keeps the row itself where a rule with the action is violated.
func (rs RuleSet) broken(relation string, keep Action, provenance schemas.Table) string {
	masks := rs.maskNames()
	for _, c := range provenance {
		masks = append(masks, quote.Name(c.Name))
	}
	names := strings.Join(masks, ", ")
	if len(rs.Rules) == 0 {
		return `SELECT CAST(NULL AS VARCHAR) AS "__json" WHERE FALSE`
	}
	all := make([]string, len(rs.Rules))
	for i, r := range rs.Rules {
		all[i] = r.boolean()
	}
	return fmt.Sprintf(`SELECT %[1]s, CASE WHEN %[2]s THEN CAST(to_json(struct_pack(*COLUMNS(* EXCLUDE (%[1]s)))) AS VARCHAR) END AS "__json"
FROM (SELECT *, %[3]s FROM %[4]s WHERE (TRY(%[5]s) IS TRUE) IS FALSE)`,
		names, rs.violates(keep), strings.Join(rs.masks(), ",\n "), relation, strings.Join(all, " AND "))
}

// masks are the violations columns: one BIGINT for every 62 rules, in which bit k is set when the row violates the k-th
// of its rules. Sums of CASE were the fastest form, and TRY costs next to nothing while rows raise no errors.
func (rs RuleSet) masks() []string {
	var masks []string
	for start := 0; start < len(rs.Rules); start += rulesPerMask {
		end := min(start+rulesPerMask, len(rs.Rules))
		terms := make([]string, 0, end-start)
		for k, r := range rs.Rules[start:end] {
			terms = append(terms, fmt.Sprintf("(CASE WHEN %s IS TRUE THEN 0 ELSE %d END)", r.Predicate(), int64(1)<<k))
		}
		masks = append(masks, "CAST("+strings.Join(terms, "\n + ")+" AS BIGINT) AS "+quote.Name(maskName(len(masks))))
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
		names = append(names, quote.Name(maskName(i)))
	}
	return names
}

// violates is a predicate over the violations columns, never NULL: the row violates a rule with the action. It is FALSE
// when there is none.
func (rs RuleSet) violates(a Action) string {
	var tests []string
	for i, bits := range rs.bits(a) {
		if bits != 0 {
			tests = append(tests, fmt.Sprintf("(%s & %d) <> 0", quote.Name(maskName(i)), bits))
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
