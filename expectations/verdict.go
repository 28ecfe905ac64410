package expectations

import (
	"context"
	"database/sql"
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
	// Failing are the results of the fail rules that rows violate. When there are any, nothing of the batch may be
	// published.
	Failing []schemas.ExpectationResult
}

// Count counts a relation's rows by their violations; broken is a relation with the rows of BrokenSQL.
func (rs RuleSet) Count(ctx context.Context, conn *sql.Conn, relation, broken string) ([]Count, error) {
	rows, err := conn.QueryContext(ctx, rs.countSQL(relation, broken))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var counts []Count
	for rows.Next() {
		c := Count{Masks: make([]int64, len(rs.maskNames()))}
		into := make([]any, 0, len(c.Masks)+1)
		for i := range c.Masks {
			into = append(into, &c.Masks[i])
		}
		if err := rows.Scan(append(into, &c.Rows)...); err != nil {
			return nil, fmt.Errorf("count violations: %w", err)
		}
		counts = append(counts, c)
	}
	return counts, rows.Err()
}

// countSQL gives the violations columns and how many rows have them; the rows without any come last.
func (rs RuleSet) countSQL(relation, broken string) string {
	names := rs.maskNames()
	if len(names) == 0 {
		return "SELECT count(*) FROM " + relation
	}
	list := strings.Join(names, ", ")
	return fmt.Sprintf("SELECT %[1]s, count(*) FROM %[2]s GROUP BY %[1]s UNION ALL SELECT %[3]s(SELECT count(*) FROM %[4]s) - (SELECT count(*) FROM %[2]s)",
		list, broken, strings.Repeat("0, ", len(names)), relation)
}

// Judge turns the rows of CountsSQL into a verdict. The same violations may be counted in several parts.
func (rs RuleSet) Judge(counts []Count) Verdict {
	t := Totals{Failed: make([]int64, len(rs.Rules))}
	drop := rs.bits(Drop)
	for _, c := range counts {
		t.Rows += c.Rows
		if anyBit(c.Masks, drop) {
			t.Dropped += c.Rows
		}
		for k := range rs.Rules {
			if c.Masks[k/rulesPerMask]>>(k%rulesPerMask)&1 == 1 {
				t.Failed[k] += c.Rows
			}
		}
	}
	return rs.Verdict(t)
}

func anyBit(masks, bits []int64) bool {
	for i, m := range masks {
		if m&bits[i] != 0 {
			return true
		}
	}
	return false
}
