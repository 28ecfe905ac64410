package refresh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// gatherChanges finds what the commits after a flow's position have changed in a table. They are those of earlier waves:
// the number of a commit, which its changes have, is known when it is done.
func (b *Batch) gatherChanges(ctx context.Context, in *input, k position.Key) error {
	name := k.Input
	columns := b.plan.Dataset(name).Columns
	if b.state.Reset(name) || b.state.CommitAt(k) >= b.state.TableCommit(name) {
		in.feeds[name] = duck.Empty(slices.Concat(columns, schemas.ChangeFeed()))
		return nil
	}
	c, err := b.changeFeed(ctx, k)
	if err != nil {
		return err
	}
	for _, commit := range c.Commits {
		files := commit.Files()
		in.files += int64(len(files))
		in.bytes += bytesOf(files)
		in.positions[k] = position.AtCommit(commit.Commit)
	}
	in.any, b.more = true, true
	in.feeds[name] = fmt.Sprintf("(SELECT %s, %s FROM %s)", duck.Shaped(c.Schema, columns), strings.Join(names(schemas.ChangeFeed()), ", "),
		duck.ReadChanges(c, b.plan.Dataset(name).Identity()))
	return nil
}

// changeFeed reads which changes are next, and checks the files that have them.
func (b *Batch) changeFeed(ctx context.Context, k position.Key) (*lake.Changes, error) {
	recompute := fmt.Sprintf("recompute it from the rows as they are: %s --full-refresh %s", b.Choice.Again, k.Table)
	c, begins, err := lake.Feed(ctx, b.Lake, k.Input, b.state.CommitAt(k), maxCatchUp)
	switch {
	case errors.Is(err, lake.ErrRewritten):
		return nil, fmt.Errorf("table %s reads the changes of %s, of which it is not known any more what was changed since commit %d (%w); %s",
			k.Table, k.Input, b.state.CommitAt(k), err, recompute)
	case errors.Is(err, lake.ErrExpired):
		return nil, fmt.Errorf("table %s reads the changes of %s, whose history after commit %d has been expired; keep more with retention.snapshots, and %s",
			k.Table, k.Input, b.state.CommitAt(k), recompute)
	case err != nil:
		return nil, fmt.Errorf("read what has changed in %s: %w", k.Input, err)
	}
	if begins {
		b.notice(k.Table, fmt.Sprintf("what was changed in %s from its beginning is not known any more: %s begins with its rows as they are, as inserts", k.Input, k.Table))
	}
	if len(c.Commits) == 0 {
		return nil, fmt.Errorf("the history of %s has no commit after %d, but commit %d has written to it: please report this", k.Input, b.state.CommitAt(k), b.state.TableCommit(k.Input))
	}
	for _, commit := range c.Commits {
		if err := b.checked.Check(commit.Files()); err != nil {
			return nil, fmt.Errorf("read what has changed in %s: %w", k.Input, err)
		}
	}
	return c, nil
}
