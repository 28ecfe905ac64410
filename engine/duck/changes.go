package duck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// ReadChanges is the table expression of the rows that commits removed and added, with the columns of
// schemas.ChangeFeed. A row that is removed and added again by the same commit is none of them. A row that is removed and
// one that is added by the same commit, and that have the same values in the columns of identity, are an update; without
// identity there are only inserts and deletes.
func ReadChanges(c *lake.Changes, identity []string) string {
	var parts []string
	for _, commit := range c.Commits {
		removed := make([]string, len(commit.Removed))
		for i, r := range commit.Removed {
			removed[i] = ReadRemoved(c.Schema, r)
		}
		stamp := fmt.Sprintf("CAST(%d AS BIGINT) AS _commit_version, CAST('%s' AS TIMESTAMPTZ) AS _commit_timestamp",
			commit.Commit, commit.Time.UTC().Format("2006-01-02 15:04:05.999999+00"))
		gone, come := union(c.Schema, removed...), ReadFiles(c.Schema, commit.Added)
		if len(commit.Removed) == 0 || len(commit.Added) == 0 {
			parts = append(parts, fmt.Sprintf("(SELECT *, 'delete' AS _change_type, %s FROM %s)", stamp, gone),
				fmt.Sprintf("(SELECT *, 'insert' AS _change_type, %s FROM %s)", stamp, come))
			continue
		}
		parts = append(parts, fmt.Sprintf(`(WITH __gone AS MATERIALIZED (FROM %s), __come AS MATERIALIZED (FROM %s),
			__removed AS (FROM __gone EXCEPT ALL FROM __come), __added AS (FROM __come EXCEPT ALL FROM __gone)
			SELECT r.*, %s AS _change_type, %s FROM __removed AS r UNION ALL SELECT r.*, %s AS _change_type, %[4]s FROM __added AS r)`,
			gone, come, changeType("__added", identity, "update_preimage", "delete"), stamp,
			changeType("__removed", identity, "update_postimage", "insert")))
	}
	return union(slices.Concat(c.Schema, schemas.ChangeFeed()), parts...)
}

// changeType calls a row r by one name where another relation has a row of the same identity, and by another where it has
// none.
func changeType(others string, identity []string, pair, alone string) string {
	if len(identity) == 0 {
		return quote.Text(alone)
	}
	conditions := make([]string, len(identity))
	for i, name := range identity {
		conditions[i] = fmt.Sprintf("o.%[1]s IS NOT DISTINCT FROM r.%[1]s", quote.Name(name))
	}
	return fmt.Sprintf("CASE WHEN EXISTS (FROM %s AS o WHERE %s) THEN '%s' ELSE '%s' END", others, strings.Join(conditions, " AND "), pair, alone)
}
