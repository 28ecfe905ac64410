package report

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

// ExampleRows is how many example rows a report has of each group of dead letters.
const ExampleRows = 5

// DeadLetters is a group of dead letters of one update: those of one table that broke one drop or fail rule, or that
// could not be read.
type DeadLetters struct {
	Table      string    `json:"table"`
	Rule       string    `json:"rule"` // empty: records that could not be read
	Action     string    `json:"action"`
	Expression string    `json:"expression"`
	Status     string    `json:"status"` // open or failed_update
	Rows       int64     `json:"rows"`
	Examples   []Example `json:"examples"`
}

// Example is one dead letter.
type Example struct {
	ID       string   `json:"id"`
	Violated []string `json:"violated"` // names of all the rules that the row broke
	// Expressions are theirs.
	Expressions []string        `json:"expressions,omitempty"`
	Row         json.RawMessage `json:"row"`           // null where it could not be read
	Raw         string          `json:"raw,omitempty"` // the unreadable record, at most 2,000 characters of it
	Error       string          `json:"error,omitempty"`
	Source      string          `json:"source,omitempty"`
	File        string          `json:"file,omitempty"`
	Line        int64           `json:"line,omitempty"`
	FirstSeen   time.Time       `json:"first_seen"`
}

// DeadLettersSQL reads a report's DeadLetters from the dead-letter table: one column, each row of it the JSON of one
// DeadLetters, ordered by table, status and number of rows. The relation is any text that may follow FROM.
func DeadLettersSQL(relation, updateID string) string {
	return fmt.Sprintf(`WITH letter AS (
  SELECT * FROM %s WHERE update_id = %s
), broken AS (
  SELECT unnest(list_filter(violated, lambda rule: rule.action <> 'warn')) AS broke, * FROM letter
  UNION ALL
  SELECT NULL AS broke, * FROM letter WHERE len(violated) = 0
), grouped AS (
  SELECT "table", broke.name AS rule, broke.action AS action, max(broke.expression) AS expression, status, count(*) AS "rows",
    arg_min({'id': id, 'violated': list_transform(violated, lambda rule: rule.name),
      'expressions': list_transform(violated, lambda rule: rule.expression), 'row': TRY_CAST("row" AS JSON),
      'raw': left(coalesce(TRY(decode(raw)), CAST(raw AS VARCHAR)), 2000), 'error': error, 'source': source,
      'file': file, 'line': line, 'first_seen': strftime(first_seen AT TIME ZONE 'UTC', '%%Y-%%m-%%dT%%H:%%M:%%S.%%fZ')}, id, %d) AS examples
  FROM broken GROUP BY ALL
)
SELECT CAST(to_json(grouped) AS VARCHAR) FROM grouped ORDER BY "table", status, "rows" DESC, rule`, relation, quote.Text(updateID), ExampleRows)
}
