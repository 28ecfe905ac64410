package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
)

// The lake commits first, and the sinks follow it. How far a sink is, is known to its other side; the lake remembers what it was told of that, so that the
// history which is still to be published is kept, and a sink that is level need not be asked.

// sinkKey names a sink in the stored positions.
func sinkKey(s *plan.Sink) position.Key {
	return position.Key{Kind: position.Sink, Table: s.From, Input: s.Name}
}

// maxPublication bounds the stored bytes that are published as one; a single commit is never divided.
const maxPublication = 64 << 20

// publishSinks brings every sink up to the last commit of its table, but for those that are away.
func (u *update) publishSinks(ctx context.Context) error {
	for _, s := range u.Plan.Sinks {
		if !u.selected[s.From] || u.away(s) {
			continue
		}
		if !u.level(s) {
			if err := u.feed(ctx, s); err != nil {
				delete(u.begun, s.Name)
				if err = fmt.Errorf("sink %s: %w", s.Name, err); !u.postpone(ctx, s, err) {
					return err
				}
				continue
			}
		}
		u.returned(s)
	}
	return nil
}

// levelSinks notes, when the update begins, the sinks that are level: whatever their other sides forget, nothing can be published behind that but by this update.
func (u *update) levelSinks() {
	for _, s := range u.Plan.Sinks {
		if u.level(s) {
			u.published[s.Name] = u.tables[s.From].Commit
		}
	}
}

// level reports whether the lake itself knows that nothing is to be published.
func (u *update) level(s *plan.Sink) bool {
	return !u.begun[s.Name] && !slices.Contains(u.opts.Republish, s.Name) && u.positions.Commit(sinkKey(s)) == u.tables[s.From].Commit
}

func (u *update) feed(ctx context.Context, s *plan.Sink) error {
	table := u.tables[s.From]
	if !u.begun[s.Name] {
		at, err := u.settle(ctx, s, table)
		if err != nil {
			return err
		}
		u.begun[s.Name], u.published[s.Name] = true, at
	}
	for u.published[s.Name] < table.Commit {
		next, err := u.publishNext(ctx, s, table, u.published[s.Name])
		if err != nil {
			return err
		}
		u.opts.Republish = slices.DeleteFunc(u.opts.Republish, func(name string) bool { return name == s.Name })
		u.published[s.Name] = next
	}
	return nil
}

// settle finds out up to where the sink is published. What a crash left open between the lake's commit and the sink's is decided here.
func (u *update) settle(ctx context.Context, s *plan.Sink, table sinks.TableState) (int64, error) {
	remembered := u.positions.Commit(sinkKey(s))
	known, err := u.Sinks[s.Name].Begin(ctx)
	if err != nil {
		return 0, err
	}
	sure, isSure := u.published[s.Name]
	why := ""
	switch {
	case slices.Contains(u.opts.Republish, s.Name):
		return 0, nil
	case known == nil && (isSure || remembered == 0): // what was forgotten is long ago; it would know of an attempt of this update
		return sure, nil
	case known == nil:
		why = fmt.Sprintf("it no longer knows up to where %s is published; the lake knows of commit %d", s.From, remembered)
	case known.Table != table.UUID:
		why = fmt.Sprintf("it was published from another table than this warehouse's %s", s.From)
	case known.Commit > u.commit:
		why = fmt.Sprintf("it has rows up to commit %d, and the warehouse is at commit %d only", known.Commit, u.commit)
	case known.Commit < remembered:
		why = fmt.Sprintf("it says that %s is published up to commit %d, but commit %d was", s.From, known.Commit, remembered)
	default:
		return known.Commit, nil
	}
	return 0, u.undecided(s, why)
}

// publishNext publishes the rows of the commits after the given one, as many as make one publication, and returns the last of them.
func (u *update) publishNext(ctx context.Context, s *plan.Sink, table sinks.TableState, after int64) (int64, error) {
	began := time.Now()
	c, err := u.Lake.Appended(ctx, s.From, after, maxPublication)
	if errors.Is(err, sinks.ErrRewritten) {
		u.notice(s.From, fmt.Sprintf("the rows of %s were replaced: sink %s publishes all of them; what it published before stays", s.From, s.Name))
		c, err = u.Lake.Appended(ctx, s.From, 0, maxPublication)
	}
	if errors.Is(err, sinks.ErrExpired) {
		return 0, u.undecided(s, fmt.Sprintf("the history of %s after commit %d, where it stands, has been expired", s.From, after))
	}
	if err != nil {
		return 0, fmt.Errorf("read the new rows of %s: %w", s.From, err)
	}
	p := sinks.Publication{At: sinks.Published{Table: table.UUID, Commit: c.Commit}, Query: "SELECT * FROM " + duck.ReadFiles(c.Schema, c.Files), Columns: c.Schema}
	for _, f := range c.Files {
		p.Rows += f.Rows
	}
	failpoint.Hit("sink.before-publish")
	if err := u.Sinks[s.Name].Publish(ctx, u.DB.Conn(), p); err != nil {
		return 0, err
	}
	failpoint.Hit("sink.after-publish")
	u.didPublish(s, p, time.Since(began))
	return c.Commit, nil
}

func (u *update) didPublish(s *plan.Sink, p sinks.Publication, took time.Duration) {
	u.event("flow_progress", s.From, s.Name, "METRICS", s.Name+" published "+countRows(p.Rows),
		schemas.FlowProgress{Status: "RUNNING", Metrics: &schemas.FlowMetrics{OutputRows: p.Rows, ExecutorMS: took.Milliseconds()}})
	r := SinkResult{Sink: s.Name, Table: s.From, Rows: p.Rows, Seconds: took.Seconds()}
	u.Observe(Progress{Kind: "published", Table: s.From, Batch: p.At.Commit, Sinks: []SinkResult{r}, Elapsed: took})
	i := slices.IndexFunc(u.sinks, func(have SinkResult) bool { return have.Sink == s.Name })
	if i < 0 {
		u.sinks = append(u.sinks, r)
		return
	}
	u.sinks[i].Rows += r.Rows
	u.sinks[i].Seconds += r.Seconds
}

// noteSinks has the commit remember how far the sinks are, and forget those that the pipeline no longer has.
func (b *batch) noteSinks() {
	want := map[position.Key]bool{}
	for _, s := range b.u.Plan.Sinks {
		k := sinkKey(s)
		want[k] = true
		at, known := b.u.published[s.Name]
		if b.u.positions[k] == nil || known && b.u.positions.Commit(k) != at {
			b.positions[k] = position.AtCommit(at)
		}
	}
	for k := range b.u.positions {
		if k.Kind == position.Sink && !want[k] {
			b.positions[k] = nil
		}
	}
}

// undecided says that it cannot be known which rows a sink has still to publish.
func (u *update) undecided(s *plan.Sink, why string) error {
	return fmt.Errorf("%s; the tables are as they should be, and nothing more is published until you decide; to publish all rows of %s, also those that were published before: %s --republish %s",
		why, s.From, u.opts.Again, s.Name)
}
