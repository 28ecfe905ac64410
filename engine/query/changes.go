package query

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// changes makes the relation of what the commits between two versions of a table, both included, did to its rows.
func (q *names) changes(ctx context.Context, table string, t sqltext.Travel) error {
	since, err := q.commit(ctx, table, t.Since, func(at, bound time.Time) bool { return !at.Before(bound) }, false)
	if err != nil {
		return err
	}
	until := q.State.Commit
	if t.Until != "" {
		if until, err = q.commit(ctx, table, t.Until, func(at, bound time.Time) bool { return !at.After(bound) }, true); err != nil {
			return err
		}
	}
	if since > until {
		return usagef("the changes of %s begin at commit %d and end at %d; write the earlier one first", table, since, until)
	}
	changes, err := q.Lake.Changes(ctx, table, since-1, until, 0)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	for _, c := range changes.Commits {
		for _, r := range c.Removed {
			if err := checkDeletes(append([]lake.DataFile{{Deletes: r.By}}, r.Files...)); err != nil {
				return fmt.Errorf("query: %w", err)
			}
		}
	}
	for _, c := range schemas.ChangeFeed() {
		if have := changes.Schema.Column(c.Name); have != nil {
			return usagef("%s has a column %s itself, and its change feed has another one of that name; read the table itself, with VERSION AS OF for what it was", table, have.Name)
		}
	}
	relation := duck.ReadChanges(changes, q.identity(table))
	return q.DB.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE VIEW main.%s AS SELECT * FROM %s", quote.Name(t.Relation), relation))
}

// commit reads a bound: the number of a commit, or a time, for which it is the first commit, or the last one, whose time
// is within the bound.
func (q *names) commit(ctx context.Context, table, bound string, within func(at, bound time.Time) bool, last bool) (int64, error) {
	if n, err := strconv.ParseInt(bound, 10, 64); err == nil {
		if n < 0 || n > q.State.Commit {
			return 0, usagef("%s has no version %d; the last commit is %d", table, n, q.State.Commit)
		}
		return max(n, 1), nil
	}
	at, err := q.version(ctx, table, sqltext.Travel{Timestamp: bound})
	if err != nil {
		return 0, err
	}
	history, err := q.Lake.History(ctx, table)
	if err != nil {
		return 0, fmt.Errorf("read the history of %s: %w", table, err)
	}
	found := int64(0)
	for _, s := range history {
		if s.Commit == 0 || !within(s.Time, at.AsOf) {
			continue
		}
		if found = s.Commit; !last {
			break
		}
	}
	if found == 0 {
		return 0, usagef("%s has no version that fits %s", table, bound)
	}
	return found, nil
}

// identity are the columns by which a removed and an added row are versions of each other: the keys that the table's
// changes are applied by.
func (q *names) identity(table string) (columns []string) {
	for _, key := range definitions.Keys(q.State.Tables[table]) {
		columns = append(columns, q.stored(table, key)...)
	}
	if len(columns) > 0 {
		columns = append(columns, q.stored(table, cdc.StartAt)...) // of type 2
	}
	return columns
}

// stored is the name of a column as the table has it, or nothing.
func (q *names) stored(table, column string) []string {
	if c := q.State.Tables[table].Schema.Column(column); c != nil {
		return []string{c.Name}
	}
	return nil
}
