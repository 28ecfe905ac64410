package expectations

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// The statuses of a dead letter.
const (
	StatusOpen         = "open"          // the row was not written; its commit says so
	StatusFailedUpdate = "failed_update" // one of the rows that stopped an update; nothing of its batch was published
)

// SampleRows is how many offending rows of a stopped update are worth keeping.
const SampleRows = 20

// DeadLetterInfo is what the dead letters of one flow in one batch have in common.
type DeadLetterInfo struct {
	Pipeline, Table, Flow, UpdateID string
	Commit                          int64
	Source                          string // of rejects; empty when unknown
	FirstSeen                       time.Time
	Provenance                      *Provenance // of rows; nil when it is not known
	// ID is the column of the relation that has the ids, quoted; they are random where it is empty.
	ID string
}

// Provenance is how the rows of a relation say where they are from.
type Provenance struct {
	Columns schemas.Table // those of schemas.Provenance that the rows have
	Places  string        // a relation with the columns place BIGINT, source VARCHAR, file VARCHAR: what is known of them
	// Records is a relation with the columns place BIGINT, "offset" BIGINT, line BIGINT, raw BLOB, the offset of which is
	// the position of a row; empty when they are not known.
	Records string
}

// DeadLetterSQL selects the dead letters of a relation with the rows of BrokenSQL: one per row that violates a drop
// rule, naming every rule that the row broke. The result has exactly the columns of schemas.DeadLetter. That a row has
// one dead letter is the commit's doing.
func (rs RuleSet) DeadLetterSQL(broken string, d DeadLetterInfo) string {
	return rs.deadLetters("(SELECT * FROM "+broken+" WHERE "+rs.violates(Drop)+")", d, StatusOpen)
}

// SampleSQL selects up to n of a relation's rows that violate a fail rule, as dead letters with the status
// failed_update.
func (rs RuleSet) SampleSQL(relation string, d DeadLetterInfo, n int) string {
	return rs.deadLetters(fmt.Sprintf("(SELECT * FROM (%s) WHERE %s LIMIT %d)", rs.broken(relation, Fail, d.Provenance.columns()), rs.violates(Fail), n), d, StatusFailedUpdate)
}

func (rs RuleSet) deadLetters(broken string, d DeadLetterInfo, status string) string {
	v := d.values(status)
	v["violated"] = rs.violated()
	v["row"] = finiteJSON
	v["rule_set_hash"] = quote.Text(rs.Hash())
	if d.Provenance == nil {
		return selectDeadLetter(v) + "\nFROM " + broken
	}
	v["source"], v["file"] = "known.source", "known.file"
	for column, letter := range map[string]string{schemas.PartitionColumn: "partition", schemas.PositionColumn: "offset"} {
		if d.Provenance.Columns.Column(column) != nil {
			v[letter] = "CASE WHEN known.file IS NOT NULL THEN " + column + " END"
		}
	}
	from := "\nFROM " + broken + " AS broken LEFT JOIN " + d.Provenance.Places + " AS known ON broken." + schemas.PlaceColumn + " = known.place"
	if d.Provenance.Records != "" {
		v["offset"], v["line"], v["raw"] = `record."offset"`, "record.line", "record.raw"
		from += "\nLEFT JOIN " + d.Provenance.Records + " AS record ON known.place = record.place AND broken." + schemas.PositionColumn + ` = record."offset"`
	}
	return selectDeadLetter(v) + from
}

func (p *Provenance) columns() schemas.Table {
	if p == nil {
		return nil
	}
	return p.Columns
}

// finiteJSON is the row's text with NaN and the infinities, which DuckDB writes bare though JSON has no such
// numbers, turned into strings. The text is cut into strings, which are kept, and what is between them.
const finiteJSON = `CASE WHEN contains("__json", 'NaN') OR contains("__json", 'Infinity') THEN
  array_to_string(list_transform(regexp_extract_all("__json", '(?s)"(?:[^"\\]|\\.)*"|[^"]+'),
    lambda part: CASE WHEN starts_with(part, '"') THEN part ELSE regexp_replace(part, '-?(?:NaN|Infinity)', '"\0"', 'g') END), '')
  ELSE "__json" END`

// violated is the list of the rules whose bits are set.
func (rs RuleSet) violated() string {
	items := make([]string, len(rs.Rules))
	for k, r := range rs.Rules {
		items[k] = fmt.Sprintf("CASE WHEN (%s & %d) <> 0 THEN {'name': %s, 'expression': %s, 'action': %s} END",
			quote.Name(maskName(k/rulesPerMask)), int64(1)<<(k%rulesPerMask), quote.Text(r.Name), quote.Text(r.Expr), quote.Text(string(r.Action)))
	}
	return "list_filter([" + strings.Join(items, ",\n  ") + "], lambda rule: rule IS NOT NULL)"
}

// RejectSQL selects the dead letters of records that could not be read, from a relation with the columns file VARCHAR,
// line BIGINT, "offset" BIGINT, raw BLOB, reason VARCHAR, whole BOOLEAN, "partition" INTEGER, as in
// sources.RejectColumns. A line of 0 and an offset of -1 mean unknown. A reject is about a record of the file, so it
// has no rules and no row.
func RejectSQL(relation string, d DeadLetterInfo) string {
	v := d.values(StatusOpen)
	v["violated"] = "[]"
	v["error"] = `CASE WHEN "whole" THEN 'the whole file was left out: ' ELSE '' END || "reason"`
	v["raw"] = `"raw"`
	v["file"] = `"file"`
	v["line"] = `nullif("line", 0)`
	v["offset"] = `CASE WHEN "offset" >= 0 THEN "offset" END`
	v["partition"] = `"partition"`
	return selectDeadLetter(v) + "\nFROM " + relation
}

// values are the columns that all dead letters of d share.
func (d DeadLetterInfo) values(status string) map[string]string {
	source := "NULL"
	if d.Source != "" {
		source = quote.Text(d.Source)
	}
	return map[string]string{
		"id":         cmp.Or(d.ID, "uuid()"),
		"pipeline":   quote.Text(d.Pipeline),
		"table":      quote.Text(d.Table),
		"flow":       quote.Text(d.Flow),
		"update_id":  quote.Text(d.UpdateID),
		"commit":     fmt.Sprint(d.Commit),
		"source":     source,
		"first_seen": quote.Text(d.FirstSeen.UTC().Format("2006-01-02 15:04:05.999999+00")),
		"status":     quote.Text(status),
	}
}

// selectDeadLetter begins a SELECT with the columns of the dead-letter table, in its order and types; those without a
// value are NULL.
func selectDeadLetter(values map[string]string) string {
	var b strings.Builder
	b.WriteString("SELECT")
	for i, c := range schemas.DeadLetter() {
		value, ok := values[c.Name]
		if !ok {
			value = "NULL"
		}
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n CAST(%s AS %s) AS %s", value, c.Type, quote.Name(c.Name))
	}
	return b.String()
}
