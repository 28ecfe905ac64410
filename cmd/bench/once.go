package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

const onceLimit = 0.05

// exactlyOnce measures what it costs that nothing is lost or doubled. lakeflow cannot be told to do less, so the parts
// that an at-least-once engine would leave out are measured by themselves, and put beside the update that they are part
// of.
func exactlyOnce(ctx context.Context, b *bench) error {
	k, topic, _, err := b.backlogTopic(ctx)
	if err != nil {
		return err
	}
	var jobs []job
	var spaces []*space
	for _, isolation := range []string{"read_committed", "read_uncommitted"} {
		s, err := b.space("once-"+isolation, topicPipeline(k, topic+", isolation: "+isolation, orderColumns, backlogSilver, ""))
		if err != nil {
			return err
		}
		run := b.command("run", "--json", s.file)
		run.fresh = []string{s.warehouse()}
		spaces, jobs = append(spaces, s), append(jobs, run)
	}
	got, err := inTurn(ctx, b.runs, jobs...)
	if err != nil {
		return err
	}
	work, err := b.onceWork(ctx, spaces[0])
	if err != nil {
		return err
	}
	isolation := float64(got[0].cpu())/float64(got[1].cpu()) - 1
	share := work.total().Seconds()/got[0].wall().Seconds() + max(isolation, 0)
	fmt.Printf(rowFormat, "exactly once, its share of the backlog", short(work.total()), short(got[0].wall()), fmt.Sprintf("%.1f %%", 100*share), "<= 5.0 %", goal{"share", share <= onceLimit}.result(),
		fmt.Sprintf("not a run at least once, which lakeflow cannot do: what that would leave out, measured by itself, times %d commits, in the wall time of the update: positions in the commit and the state read back %s, "+
			"row counts from footers %s; and read_committed, %.1f %% more CPU than read_uncommitted. The event log, which carries the positions, would add %s to each commit if it were there for nothing else",
			work.commits, short(work.readBack), short(work.footers), 100*isolation, short(work.log)))
	for _, s := range spaces {
		if err := s.remove(); err != nil {
			return err
		}
	}
	return nil
}

// onceCost is what one commit does for exactly once.
type onceCost struct {
	commits                int64
	readBack, footers, log time.Duration
}

func (c onceCost) total() time.Duration { return time.Duration(c.commits) * (c.readBack + c.footers) }

// onceWork measures the parts with the tables, files and positions that an update has left.
func (b *bench) onceWork(ctx context.Context, s *space) (cost onceCost, err error) {
	opened, err := iceberg.Open(ctx, s.warehouse(), "orders", "orders", iceberg.Retention{})
	if err != nil {
		return cost, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	state, err := opened.State(ctx)
	if err != nil {
		return cost, err
	}
	cost.commits = state.Commit
	tables := map[string]schemas.Table{}
	var files []lake.DataFile
	for name, t := range state.Tables {
		contents, err := opened.Files(ctx, name, lake.Version{})
		if err != nil {
			return cost, err
		}
		tables[name] = t.Schema
		files = append(files, contents.Files...)
	}
	began := time.Now()
	for _, f := range files {
		if err := countRows(f); err != nil {
			return cost, err
		}
	}
	cost.footers = time.Since(began) / time.Duration(cost.commits)
	return cost, b.onceCommits(ctx, &cost, tables, state)
}

// onceCommits times commits with and without the parts.
func (b *bench) onceCommits(ctx context.Context, cost *onceCost, tables map[string]schemas.Table, state *lake.State) (err error) {
	fewer := maps.Clone(tables)
	delete(fewer, "silver")
	var lakes []*committer
	for i, t := range []map[string]schemas.Table{tables, tables, fewer} {
		c, err := b.committer(ctx, fmt.Sprint("once-", i), t)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.close()) }()
		lakes = append(lakes, c)
	}
	lakes[0].positions = state.Positions
	took, err := timed(200, func() error {
		if err := lakes[0].commit(ctx); err != nil {
			return err
		}
		_, err := lakes[0].lake.State(ctx)
		return err
	}, func() error { return lakes[1].commit(ctx) }, func() error { return lakes[2].commit(ctx) })
	if err != nil {
		return err
	}
	cost.readBack, cost.log = max(took[0]-took[1], 0), max(took[1]-took[2], 0)
	return nil
}

// countRows reads a file's footer, as the engine does after it was written.
func countRows(file lake.DataFile) error {
	f, err := os.Open(file.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := parquet.OpenFile(f, file.Bytes, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	if p.NumRows() != file.Rows {
		return fmt.Errorf("the result is wrong: %s has %d rows, and the table says %d", file.Path, p.NumRows(), file.Rows)
	}
	return nil
}
