package duck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// ChangeColumns are the columns that a change feed has beside those of its table, called as in Delta Lake's.
func ChangeColumns() schemas.Table {
	return schemas.Table{
		{Name: "_change_type", Type: schemas.Type{Kind: schemas.Varchar}}, // insert, delete, update_preimage, update_postimage
		{Name: "_commit_version", Type: schemas.Type{Kind: schemas.BigInt}},
		{Name: "_commit_timestamp", Type: schemas.Type{Kind: schemas.TimestampTZ}},
	}
}

// ReadChanges is the table expression of the rows that commits removed and added, with ChangeColumns. A row that is
// removed and one that is added by the same commit, and that have the same values in the columns of identity, are an
// update; without identity there are only inserts and deletes.
func ReadChanges(c *lake.Changes, identity []string) string {
	feed := slices.Concat(c.Schema, ChangeColumns())
	var parts []string
	for _, commit := range c.Commits {
		removed := make([]string, len(commit.Removed))
		for i, r := range commit.Removed {
			removed[i] = ReadRemoved(c.Schema, r)
		}
		stamp := fmt.Sprintf("CAST(%d AS BIGINT) AS _commit_version, CAST('%s' AS TIMESTAMPTZ) AS _commit_timestamp",
			commit.Commit, commit.Time.UTC().Format("2006-01-02 15:04:05.999999+00"))
		gone, come := union(c.Schema, removed...), ReadFiles(c.Schema, commit.Added)
		if len(commit.Removed) == 0 || len(commit.Added) == 0 || len(identity) == 0 {
			parts = append(parts, fmt.Sprintf("(SELECT *, 'delete' AS _change_type, %s FROM %s)", stamp, gone),
				fmt.Sprintf("(SELECT *, 'insert' AS _change_type, %s FROM %s)", stamp, come))
			continue
		}
		parts = append(parts, paired(gone, come, "delete", "update_preimage", stamp, identity), paired(come, gone, "insert", "update_postimage", stamp, identity))
	}
	return union(feed, parts...)
}

// paired are the rows of a relation, called by one name where the other relation has a row of the same identity, and by
// another where it has none.
func paired(rows, others, alone, pair, stamp string, identity []string) string {
	same := make([]string, len(identity))
	for i, name := range identity {
		same[i] = fmt.Sprintf("o.%[1]s IS NOT DISTINCT FROM r.%[1]s", quote.Name(name))
	}
	return fmt.Sprintf("(SELECT *, CASE WHEN EXISTS (FROM %s AS o WHERE %s) THEN '%s' ELSE '%s' END AS _change_type, %s FROM %s AS r)",
		others, strings.Join(same, " AND "), pair, alone, stamp, rows)
}
