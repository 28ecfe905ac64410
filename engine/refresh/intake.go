package refresh

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/ledger"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/engine/state"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// Intake is what a batch reads of the sources that flows stream from.
type Intake struct {
	// Columns are those of all sources; with those that the new records brought, if Grown is set: the plan is then to
	// be made anew.
	Columns map[string]schemas.Table
	Grown   bool

	began   time.Time
	batches map[string]*sources.Batch // new records by source
	readers map[position.Key]bool     // positions that take part in those
	more    bool                      // more records wait
}

// Nothing is the intake of a batch that reads no new records.
func (e *Evaluator) Nothing(columns map[string]schemas.Table) *Intake {
	return &Intake{Columns: columns, began: time.Now(), batches: map[string]*sources.Batch{}, readers: map[position.Key]bool{}}
}

// Read asks every source that tables of a wave stream from for its next batch, from the position of the first flow that
// has something new; flows at the same position share it, others wait for a later batch. columns are those that the
// plan was made with.
func (e *Evaluator) Read(ctx context.Context, p *plan.Plan, st *state.State, wave int, columns map[string]schemas.Table) (*Intake, error) {
	in := e.Nothing(maps.Clone(columns))
	for _, d := range p.InWave(wave, plan.Append, plan.Merge) {
		if !e.Choice.Includes(d.Name) {
			continue
		}
		for _, f := range d.Flows {
			for _, source := range p.Inputs(f) {
				if e.Sources[source] == nil {
					continue
				}
				if err := e.take(ctx, in, reader{p, st, p.Key(d, f, source)}); err != nil {
					return nil, err
				}
			}
		}
	}
	failpoint.Hit("source.after-list")
	return in, nil
}

// reader is a flow that streams from a source.
type reader struct {
	plan  *plan.Plan
	state *state.State
	key   position.Key
}

// take reads the next batch of a reader's source, unless another reader has.
func (e *Evaluator) take(ctx context.Context, in *Intake, r reader) error {
	name := r.key.Input
	at := r.state.At(r.key)
	if in.batches[name] != nil {
		for other := range in.readers {
			if other.Input == name && string(r.state.At(other)) == string(at) {
				in.readers[r.key] = true
				break
			}
		}
		return nil
	}
	got, err := e.next(ctx, r, at)
	if err != nil || got == nil {
		return err
	}
	in.batches[name] = got
	in.readers[r.key] = true
	in.more = in.more || got.More
	columns := got.Columns
	if r.state.Remembered(r.plan, name) != nil { // readers that are further on, or further back, may know more columns
		columns = schemas.Union(in.Columns[name], columns)
	}
	in.Grown = in.Grown || !columns.Equal(in.Columns[name])
	in.Columns[name] = columns
	return nil
}

func (e *Evaluator) next(ctx context.Context, r reader, at sources.Position) (*sources.Batch, error) {
	name := r.key.Input
	source := e.Sources[name]
	var read sources.Ledger = noMarks{}
	if at != nil {
		read = ledger.Of(e.DB, e.Lake, r.key)
	} else if other := r.state.Remembered(r.plan, name); other != nil {
		var err error
		if at, err = source.Rewind(other); err != nil {
			return nil, fmt.Errorf("read source %s: %w", name, err)
		}
	}
	got, err := source.Next(ctx, e.session(name), at, read)
	var disagree *sources.LedgerError
	if errors.As(err, &disagree) {
		return nil, fmt.Errorf("table %s reads source %s: %w; restore the warehouse from a backup, or recompute the table: %s", r.key.Table, name, err,
			definitions.Recompute(r.plan, r.state, e.Choice, r.key.Table))
	}
	if err != nil {
		return nil, fmt.Errorf("read source %s: %w", name, err)
	}
	return got, nil
}

// noMarks is an input that was never read.
type noMarks struct{}

func (noMarks) All(context.Context) iter.Seq2[sources.LedgerEntry, error] {
	return func(func(sources.LedgerEntry, error) bool) {}
}

func (e *Evaluator) session(source string) sources.Session {
	return sources.Session{Conn: e.DB.Conn(), Prefix: "__src_" + source + "_", TempDir: e.DB.TempDir()}
}

// SourcesRead are the sources of which the batch has read new records, in the plan's order.
func (b *Batch) SourcesRead() (read []event.Source) {
	for _, s := range b.plan.Sources {
		if got := b.intake.batches[s.Name]; got != nil {
			read = append(read, event.Source{Source: s.Name, Items: got.Items, Bytes: got.Bytes, Backlog: got.Backlog, Newest: got.Newest})
		}
	}
	return read
}

// Acknowledge tells the sources that want to know it how far they are read, once the batch is committed. It returns by
// source why one could not be told, which only tools outside miss.
func (b *Batch) Acknowledge(ctx context.Context) map[string]error {
	failed := map[string]error{}
	for name, got := range b.intake.batches {
		if source, ok := b.Sources[name].(sources.Acknowledger); ok {
			if err := source.Acknowledge(ctx, got.Position); err != nil {
				failed[name] = err
			}
		}
	}
	return failed
}

// wholeSources are the sources that a batch reads in full.
type wholeSources struct {
	batches      map[string]*sources.Batch
	fingerprints map[string]sources.Position // at the latest of when they were read
}

func newWholeSources() *wholeSources {
	return &wholeSources{batches: map[string]*sources.Batch{}, fingerprints: map[string]sources.Position{}}
}

// snapshot is everything that a source holds, read once in a batch.
func (b *Batch) snapshot(ctx context.Context, name string) (*sources.Batch, error) {
	if s := b.whole.batches[name]; s != nil {
		return s, nil
	}
	if _, err := b.fingerprint(ctx, name); err != nil { // first: what comes in between is seen the next time
		return nil, err
	}
	s, err := b.Sources[name].Snapshot(ctx, b.session(name), b.state.Remembered(b.plan, name))
	if err != nil {
		return nil, fmt.Errorf("read source %s: %w", name, err)
	}
	b.whole.batches[name] = s
	return s, nil
}

// fingerprint says what a source that is read in full holds, and as which columns that is read.
func (b *Batch) fingerprint(ctx context.Context, name string) (sources.Position, error) {
	if p := b.whole.fingerprints[name]; p != nil {
		return p, nil
	}
	contents, err := b.Sources[name].Fingerprint(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at source %s: %w", name, err)
	}
	var columns strings.Builder
	for _, c := range b.intake.Columns[name] {
		fmt.Fprintf(&columns, "%s %s,", c.Name, c.Type)
	}
	sum := sha256.Sum256([]byte(columns.String()))
	b.whole.fingerprints[name] = sources.Position(fmt.Sprintf(`{"contents":%s,"columns":"%x"}`, contents, sum[:8]))
	return b.whole.fingerprints[name], nil
}

// repaired takes a batch of a source in the place of one of which records had to be set aside.
func (b *Batch) repaired(r read, with *sources.Batch) read {
	if r.whole {
		b.whole.batches[r.source] = with
	} else {
		b.intake.batches[r.source] = with
	}
	r.batch = with
	return r
}

// emptySource is a source's relation without rows.
func (b *Batch) emptySource(name string) string {
	metadata := ""
	for _, s := range b.plan.Sources {
		if s.Name == name {
			metadata = s.Metadata
		}
	}
	return "(SELECT *, CAST(NULL AS " + metadata + ") AS " + plan.MetadataColumn + ", " +
		duck.Shaped(nil, schemas.Provenance(true)) + " FROM " + duck.Empty(b.intake.Columns[name]) + ")"
}
