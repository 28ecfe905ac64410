package publish

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

const (
	// statesTable holds what commits have left of the keys that they touched.
	statesTable = "__published"
	// commitColumn is the number of the commit there.
	commitColumn = "__lakeflow_commit"
)

// changed is what the commits after one have left of each key that they touched in a table, as many commits as make one
// publication: the row, or that there is none any more.
func (p *Publisher) changed(ctx context.Context, d *plan.Dataset, s *plan.Sink, after int64) (next sinks.Publication, err error) {
	c, asTheyAre, err := lake.Feed(ctx, p.Lake, s.From, after, maxPublication)
	if errors.Is(err, lake.ErrExpired) {
		return next, p.undecided(s, fmt.Sprintf("the history of %s after commit %d, where it stands, has been expired", s.From, after))
	}
	if errors.Is(err, lake.ErrRewritten) {
		return next, p.undecided(s, fmt.Sprintf("it is not known any more what was changed in %s since commit %d, where it stands (%v)", s.From, after, err))
	}
	if err == nil && len(c.Commits) == 0 {
		err = fmt.Errorf("its history has none after commit %d", after)
	}
	if err != nil {
		return next, fmt.Errorf("read the changes of %s: %w", s.From, err)
	}
	if asTheyAre && slices.Contains(p.Republish, s.Name) {
		p.notice(s.From, fmt.Sprintf("what was changed in %s from its beginning is not known any more: sink %s publishes its rows as they are; "+
			"keys that it published before and that are gone stay in the topic", s.From, s.Name))
	}
	for _, commit := range c.Commits {
		if err := p.checked.Check(commit.Files()); err != nil {
			return next, fmt.Errorf("read the changes of %s: %w", s.From, err)
		}
	}
	if err := p.states(ctx, d, s, c); err != nil {
		return next, fmt.Errorf("read the changes of %s: %w", s.From, err)
	}
	next = sinks.Publication{At: sinks.Published{Commit: c.Commits[len(c.Commits)-1].Commit}, Columns: c.Schema, Key: s.Key,
		Query: fmt.Sprintf("SELECT * EXCLUDE (%[1]s) FROM %[2]s ORDER BY %[1]s", commitColumn, statesTable)}
	return next, p.DB.Conn().QueryRowContext(ctx, "SELECT count(*) FROM "+statesTable).Scan(&next.Rows)
}

// states makes the table of what each commit has left of the keys that it touched.
func (p *Publisher) states(ctx context.Context, d *plan.Dataset, s *plan.Sink, c *lake.Changes) error {
	columns, key := columnList(c.Schema.Names()), columnList(s.Key)
	query := fmt.Sprintf(`SELECT %[1]s, %[2]s, _commit_version AS %[3]s FROM (SELECT *, _change_type = 'delete' AS %[2]s FROM %[4]s)
		WINDOW each AS (PARTITION BY _commit_version, %[5]s) QUALIFY NOT %[2]s OR bool_and(%[2]s) OVER each AND row_number() OVER each = 1`,
		columns, sinks.RemovedColumn, commitColumn, duck.ReadChanges(c, nil), key)
	if err := p.DB.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+statesTable+" AS "+query); err != nil {
		return err
	}
	if identity := d.Identity(); len(identity) > 0 && !slices.ContainsFunc(identity, func(name string) bool { return !listed(s.Key, name) }) {
		return nil // no two rows have the same
	}
	return p.checkKeys(ctx, s)
}

// checkKeys refuses rows that the key does not tell apart, which would take each other's place, and take each other back.
func (p *Publisher) checkKeys(ctx context.Context, s *plan.Sink) error {
	contents, err := p.Lake.Files(ctx, s.From, lake.Version{})
	if err == nil {
		err = p.checked.Check(contents.Files)
	}
	if err != nil {
		return err
	}
	var nulls, same []string
	for _, name := range s.Key {
		nulls = append(nulls, quote.Name(name)+" IS NULL")
		same = append(same, fmt.Sprintf("k.%[1]s IS NOT DISTINCT FROM r.%[1]s", quote.Name(name)))
	}
	key := columnList(s.Key)
	for _, wrong := range []struct{ query, problem, remedy string }{
		{fmt.Sprintf("SELECT %s FROM %s WHERE %s", key, statesTable, strings.Join(nulls, " AND ")),
			"have no key", "leave them out of the table, or have its query put a value in the place of NULL, as with coalesce"},
		{fmt.Sprintf("SELECT %s FROM %s WHERE NOT %s GROUP BY %[1]s, %[4]s HAVING count(*) > 1", key, statesTable, sinks.RemovedColumn, commitColumn),
			"have the same key", "write columns that tell the rows apart under key"},
		{fmt.Sprintf("SELECT %s FROM %s AS r WHERE EXISTS (FROM %s AS k WHERE %s) GROUP BY ALL HAVING count(*) > 1", key,
			duck.ReadFiles(contents.Schema, contents.Files), statesTable, strings.Join(same, " AND ")),
			"have the same key", "write columns that tell the rows apart under key"},
	} {
		var example string
		err := p.DB.Conn().QueryRowContext(ctx, fmt.Sprintf("SELECT CAST(to_json(t) AS VARCHAR) FROM (%s LIMIT 1) AS t", wrong.query)).Scan(&example)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("rows %s: %s; %s; nothing of them was published", wrong.problem, example, wrong.remedy)
	}
	return nil
}

func listed(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

func columnList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote.Name(name)
	}
	return strings.Join(quoted, ", ")
}
