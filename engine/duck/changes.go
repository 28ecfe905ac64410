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
		parts = append(parts, paired(c.Schema, gone, come, "delete", "update_preimage", stamp, identity),
			paired(c.Schema, come, gone, "insert", "update_postimage", stamp, identity))
	}
	return union(feed, parts...)
}

// paired are the rows of a relation, called by one name where the other relation has a row of the same identity, and by
// another where it has none. Rows that the other relation has just so are left out.
func paired(schema schemas.Table, rows, others, alone, pair, stamp string, identity []string) string {
	all := make([]string, len(schema))
	for i, c := range schema {
		all[i] = c.Name
	}
	return fmt.Sprintf("(SELECT *, CASE WHEN EXISTS (FROM %s AS o WHERE %s) THEN '%s' ELSE '%s' END AS _change_type, %s FROM (FROM %s AS r WHERE NOT EXISTS (FROM %[1]s AS o WHERE %[7]s)) AS r)",
		others, same(identity), pair, alone, stamp, rows, same(all))
}

// same is the condition that rows o and r have the same values in columns.
func same(columns []string) string {
	conditions := make([]string, len(columns))
	for i, name := range columns {
		conditions[i] = fmt.Sprintf("o.%[1]s IS NOT DISTINCT FROM r.%[1]s", quote.Name(name))
	}
	return strings.Join(conditions, " AND ")
}
