// Package publish brings the sinks of a pipeline up to the commits of the lake. The lake commits first, and the sinks
// follow it. How far a sink is, is known to its other side; the lake remembers what it was told of that, so that the
// history which is still to be published is kept, and a sink that is up to date need not be asked.
package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/journal"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/engine/state"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// maxPublication bounds the stored bytes that are published as one; a single commit is never divided.
const maxPublication = 64 << 20

// Config is what a Publisher works with.
type Config struct {
	Sinks   map[string]sinks.Publisher // by the name of the sink
	Lake    lake.Reader
	DB      *duck.DB
	Journal *journal.Journal
	Events  event.Subscribers
	// Republish are sinks that publish all rows of their table again.
	Republish []string
	// Again is the command line with which remedies begin.
	Again string
	// Continuous is true for an update that goes on without sinks that are unavailable.
	Continuous bool
}

// Publisher publishes what commits have added to the tables of sinks. It is used by one goroutine, and asks sinks that
// are unavailable in others.
type Publisher struct {
	Config
	published map[string]int64 // the commits up to which sinks have published for sure; what is not known is missing
	begun     map[string]bool  // sinks that can go on publishing
	absent    *absences
	checked   lake.Checked
	totals    []event.Sink
}

// UnknownSinkError says that the pipeline does not have a sink.
type UnknownSinkError struct {
	Name  string
	Sinks []string // that it has
}

func (e *UnknownSinkError) Error() string {
	return fmt.Sprintf("no sink %q in this pipeline: %s", e.Name, diag.DidYouMean(e.Name, e.Sinks, "see lakeflow plan for the names"))
}

// New makes a Publisher for an update that begins with st. Sinks that are up to date now are noted: whatever their
// other sides forget, nothing can be published behind that but by this update. It returns an *UnknownSinkError when the
// pipeline lacks a sink that is to publish again.
func New(c Config, p *plan.Plan, st *state.State) (*Publisher, error) {
	if err := CheckRepublish(p, c.Republish); err != nil {
		return nil, err
	}
	c.Republish = slices.Clone(c.Republish)
	out := &Publisher{Config: c, published: map[string]int64{}, begun: map[string]bool{}, absent: newAbsences(), checked: lake.Checked{}}
	for _, s := range p.Sinks {
		if out.upToDate(st, s) {
			out.published[s.Name] = st.TableCommit(s.From)
		}
	}
	return out, nil
}

// CheckRepublish returns an *UnknownSinkError when the pipeline lacks one of these sinks.
func CheckRepublish(p *plan.Plan, republish []string) error {
	var names []string
	for _, s := range p.Sinks {
		names = append(names, s.Name)
	}
	for _, name := range republish {
		if !slices.Contains(names, name) {
			return &UnknownSinkError{Name: name, Sinks: names}
		}
	}
	return nil
}

// Publish brings the sinks of all tables that are included up to their last commit, but for those that are unavailable.
func (p *Publisher) Publish(ctx context.Context, pl *plan.Plan, st *state.State, included func(table string) bool) error {
	for _, s := range pl.Sinks {
		if !included(s.From) || p.absent.has(s.Name) {
			continue
		}
		if !p.upToDate(st, s) {
			if err := p.feed(ctx, pl, st, s); err != nil {
				delete(p.begun, s.Name)
				if err = fmt.Errorf("sink %s: %w", s.Name, err); !p.postpone(ctx, s, err) {
					return err
				}
				continue
			}
		}
		p.returned(s)
	}
	return nil
}

// Totals are what the sinks have published, by sink, in the order of their first publication.
func (p *Publisher) Totals() []event.Sink { return slices.Clone(p.totals) }

// upToDate reports whether the lake itself knows that nothing is to be published.
func (p *Publisher) upToDate(st *state.State, s *plan.Sink) bool {
	return !p.begun[s.Name] && !slices.Contains(p.Republish, s.Name) && st.CommitAt(plan.SinkKey(s)) == st.TableCommit(s.From)
}

func (p *Publisher) feed(ctx context.Context, pl *plan.Plan, st *state.State, s *plan.Sink) error {
	table, _ := st.Table(s.From)
	if !p.begun[s.Name] {
		at, err := p.begin(ctx, st, s, table)
		if err != nil {
			return err
		}
		p.begun[s.Name], p.published[s.Name] = true, at
	}
	for p.published[s.Name] < table.Commit {
		next, err := p.publishNext(ctx, pl.Dataset(s.From), s, table, p.published[s.Name])
		if err != nil {
			return err
		}
		p.Republish = slices.DeleteFunc(p.Republish, func(name string) bool { return name == s.Name })
		p.published[s.Name] = next
	}
	return nil
}

// begin finds out up to where the sink is published. What a crash left open between the lake's commit and the sink's is
// decided here.
func (p *Publisher) begin(ctx context.Context, st *state.State, s *plan.Sink, table lake.TableState) (int64, error) {
	remembered := st.CommitAt(plan.SinkKey(s))
	known, err := p.Sinks[s.Name].Begin(ctx)
	if err != nil {
		return 0, err
	}
	sure, isSure := p.published[s.Name]
	why := ""
	switch {
	case slices.Contains(p.Republish, s.Name):
		return 0, nil
	case known == nil && (isSure || remembered == 0): // what was forgotten is long ago; it would know of an attempt of this update
		return sure, nil
	case known == nil:
		why = fmt.Sprintf("it no longer knows up to where %s is published; the lake knows of commit %d", s.From, remembered)
	case known.Table != table.UUID:
		why = fmt.Sprintf("it was published from another table than this warehouse's %s", s.From)
	case known.Commit > st.Commit():
		why = fmt.Sprintf("it has rows up to commit %d, and the warehouse is at commit %d only", known.Commit, st.Commit())
	case known.Commit < remembered:
		why = fmt.Sprintf("it says that %s is published up to commit %d, but commit %d was", s.From, known.Commit, remembered)
	default:
		return known.Commit, nil
	}
	return 0, p.undecided(s, why)
}

// publishNext publishes the rows of the commits after the given one, as many as make one publication, and returns the
// last of them.
func (p *Publisher) publishNext(ctx context.Context, d *plan.Dataset, s *plan.Sink, table lake.TableState, after int64) (int64, error) {
	began := time.Now()
	var next sinks.Publication
	var err error
	if len(s.Key) == 0 {
		next, err = p.added(ctx, s, after)
	} else {
		next, err = p.changed(ctx, d, s, after)
		defer func() { _ = p.DB.Exec(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+statesTable) }() // it is replaced the next time
	}
	if err != nil {
		return 0, err
	}
	next.At.Table = table.UUID
	failpoint.Hit("sink.before-publish")
	if err := p.Sinks[s.Name].Publish(ctx, p.DB.Conn(), next); err != nil {
		return 0, err
	}
	failpoint.Hit("sink.after-publish")
	p.tell(s, next, time.Since(began))
	return next.At.Commit, nil
}

// added are the rows that the commits after one have added to a table, as many as make one publication.
func (p *Publisher) added(ctx context.Context, s *plan.Sink, after int64) (next sinks.Publication, err error) {
	c, err := p.Lake.Appended(ctx, s.From, after, maxPublication)
	if errors.Is(err, lake.ErrRewritten) {
		p.notice(s.From, fmt.Sprintf("the rows of %s were replaced: sink %s publishes all of them; what it published before stays", s.From, s.Name))
		c, err = p.Lake.Appended(ctx, s.From, 0, maxPublication)
	}
	if errors.Is(err, lake.ErrExpired) {
		return next, p.undecided(s, fmt.Sprintf("the history of %s after commit %d, where it stands, has been expired", s.From, after))
	}
	if err != nil {
		return next, fmt.Errorf("read the new rows of %s: %w", s.From, err)
	}
	next = sinks.Publication{At: sinks.Published{Commit: c.Commit}, Query: "SELECT * FROM " + duck.ReadFiles(c.Schema, c.Files), Columns: c.Schema}
	for _, f := range c.Files {
		next.Rows += f.Rows
	}
	return next, nil
}

// tell notes a publication in the journal and in the totals, and tells the subscribers.
func (p *Publisher) tell(s *plan.Sink, done sinks.Publication, took time.Duration) {
	p.Journal.Published(s.Name, s.From, done.Rows, took)
	r := event.Sink{Sink: s.Name, Table: s.From, Rows: done.Rows, Seconds: took.Seconds()}
	p.Events.Emit(event.Published{Sink: r, Commit: done.At.Commit})
	i := slices.IndexFunc(p.totals, func(have event.Sink) bool { return have.Sink == s.Name })
	if i < 0 {
		p.totals = append(p.totals, r)
		return
	}
	p.totals[i].Rows += r.Rows
	p.totals[i].Seconds += r.Seconds
}

// Positions are those that the next commit is to remember of the sinks; nil is to forget one that the pipeline no
// longer has.
func (p *Publisher) Positions(pl *plan.Plan, st *state.State) position.Set {
	changes, want := position.Set{}, map[position.Key]bool{}
	for _, s := range pl.Sinks {
		k := plan.SinkKey(s)
		want[k] = true
		at, known := p.published[s.Name]
		if !st.Has(k) || known && st.CommitAt(k) != at {
			changes[k] = position.AtCommit(at)
		}
	}
	for _, k := range st.Keys() {
		if k.Kind == position.Sink && !want[k] {
			changes[k] = nil
		}
	}
	return changes
}

func (p *Publisher) notice(table, message string) {
	p.Journal.Notice(table, message)
	p.Events.Emit(event.Notice{Table: table, Message: message})
}

// undecided says that it cannot be known which rows a sink has still to publish.
func (p *Publisher) undecided(s *plan.Sink, why string) error {
	return fmt.Errorf("%s; the tables are as they should be, and nothing more is published until you decide; to publish all rows of %s, "+
		"also those that were published before: %s --republish %s", why, s.From, p.Again, s.Name)
}
