package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// committer commits to a lake of its own, as a batch does: the cost of the lake alone. The files are made up; the lake
// does not look into them.
type committer struct {
	lake      lake.Lake
	space     *space
	tables    map[string]schemas.Table
	positions position.Set
	number    int64
	epoch     int64
	heads     map[string]int64
}

// committer opens an empty lake.
func (b *bench) committer(ctx context.Context, name string, tables map[string]schemas.Table) (*committer, error) {
	s, err := b.space(name, "")
	if err != nil {
		return nil, err
	}
	opened, err := iceberg.Open(ctx, s.warehouse(), "bench", "bench", iceberg.Retention{})
	if err != nil {
		return nil, err
	}
	c := &committer{lake: opened, space: s, tables: tables, heads: map[string]int64{}}
	if c.epoch, err = opened.Acquire(ctx, lake.Holder{}); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return c, nil
}

// close closes the lake and removes it.
func (c *committer) close() error { return errors.Join(c.lake.Close(), c.space.remove()) }

// commit adds a file to every table.
func (c *committer) commit(ctx context.Context) error {
	c.number++
	commit := &lake.Commit{Number: c.number, Epoch: c.epoch, Positions: c.positions}
	for name, schema := range c.tables {
		columns := map[string]lake.ColumnStats{}
		for _, col := range schema {
			if col.Type.Kind == schemas.Varchar {
				columns[`"`+col.Name+`"`] = lake.ColumnStats{Min: "a", Max: "z", HasMin: true, HasMax: true, Values: 1000, Bytes: 10_000}
			}
		}
		commit.Tables = append(commit.Tables, lake.TableChange{Table: name, Schema: schema, Base: c.heads[name], Add: []lake.DataFile{
			{Path: filepath.Join(c.space.warehouse(), name, fmt.Sprintf("%d.parquet", c.number)), Rows: 1000, Bytes: 100_000, Columns: columns}}})
	}
	out, err := c.lake.Commit(ctx, commit)
	if err == nil && out.Status != lake.Committed {
		err = fmt.Errorf("commit %d did not take place", c.number)
	}
	c.heads = out.Snapshots
	return err
}

// timed returns the medians of what the functions take, called in turn.
func timed(rounds int, each ...func() error) ([]time.Duration, error) {
	took := make([][]time.Duration, len(each))
	for range rounds {
		for i, f := range each {
			began := time.Now()
			if err := f(); err != nil {
				return nil, err
			}
			took[i] = append(took[i], time.Since(began))
		}
	}
	medians := make([]time.Duration, len(each))
	for i := range took {
		slices.Sort(took[i])
		medians[i] = took[i][rounds/2]
	}
	return medians, nil
}

// What commits may cost when there are many.
const (
	youngCommits = 100
	oldCommits   = 10_000
	growthLimit  = 1.5
)

// growth measures whether commits become slower as they add up.
func growth(ctx context.Context, b *bench) (err error) {
	log, _ := schemas.AssignIDs(schemas.EventLog(), 0)
	var lakes []*committer
	for _, before := range []int{youngCommits, oldCommits} {
		c, err := b.committer(ctx, fmt.Sprint("growth-", before), map[string]schemas.Table{"silver": log, iceberg.EventLog: log})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.close()) }()
		for range before {
			if err := c.commit(ctx); err != nil {
				return err
			}
		}
		lakes = append(lakes, c)
	}
	took, err := timed(100, func() error { return lakes[1].commit(ctx) }, func() error { return lakes[0].commit(ctx) })
	if err != nil {
		return err
	}
	state, err := lakes[1].lake.State(ctx)
	if err != nil {
		return err
	}
	if rows, want := state.Tables["silver"].Rows, 1000*lakes[1].number; rows != want {
		return fmt.Errorf("the result is wrong: silver has %d rows where %d were committed", rows, want)
	}
	r := float64(took[0]) / float64(took[1])
	fmt.Printf(rowFormat, "the 10,000th commit", short(took[0]), short(took[1]), fmt.Sprintf("%.2fx", r), fmt.Sprintf("<= %.2fx", growthLimit), goal{"grows", r <= growthLimit}.result(),
		"the 100th: medians of 100 commits of two tables from there on, in turn, syncs included, without the writing of data files")
	return nil
}
