package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/ledger"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources"
)

// eventLog is the table that is part of every commit and carries the positions.
const eventLog = "event_log"

// batch is what one commit will publish.
type batch struct {
	u         *update
	number    int64
	began     time.Time
	sources   map[string]*sources.Batch     // new records by source
	readers   map[position.Key]bool         // positions that take part in those
	snapshots map[string]*sources.Batch     // of sources that are read in full
	held      map[string]sources.Position   // what those held, at the latest when they were read
	changes   map[string]*sinks.TableChange // by table: of the pipeline's own and of the system's, dead letters, ledger and event log
	positions position.Set
	marks     []ledger.Change
	results   map[string]*TableResult
	events    []schemas.Event // of its flows
	work      bool            // something is to be committed
	more      bool            // more is waiting after it
	stages    Stages
}

func (u *update) newBatch() *batch {
	return &batch{u: u, number: u.commit + 1, began: time.Now(), sources: map[string]*sources.Batch{}, readers: map[position.Key]bool{},
		snapshots: map[string]*sources.Batch{}, held: map[string]sources.Position{}, changes: map[string]*sinks.TableChange{}, positions: position.Set{}, results: map[string]*TableResult{}}
}

// step does one batch over the streaming tables of a wave. It returns whether there may be more to do: in a triggered update until nothing is new, in a
// continuous one while more is known to wait.
func (u *update) step(ctx context.Context, wave int) (bool, error) {
	b := u.newBatch()
	if err := b.intake(ctx, wave); err != nil {
		return false, err
	}
	b.stages.Read = time.Since(b.began)
	for _, d := range u.Plan.Datasets {
		if d.Kind != plan.StreamingTable || d.Wave != wave || !u.selected[d.Name] {
			continue
		}
		if err := b.table(ctx, d); err != nil {
			b.discard()
			return false, err
		}
	}
	if !b.work {
		return false, nil
	}
	return b.more || u.opts.Follow == nil, b.commit(ctx)
}

// discard removes the files of a batch that will not be published. Those of a killed process stay behind, unnamed by any table.
func (b *batch) discard() {
	for _, c := range b.changes {
		duck.Remove(c.Add)
	}
}

// intake asks every source for its next batch, from the position of the first flow that has something new; flows at the same
// position share it, others wait for a later batch. Changed columns make the plan anew.
func (b *batch) intake(ctx context.Context, wave int) error {
	changed := false
	for _, d := range b.u.Plan.Datasets {
		if d.Kind != plan.StreamingTable || d.Wave != wave || !b.u.selected[d.Name] {
			continue
		}
		for _, f := range d.Flows {
			for _, in := range b.u.Plan.Inputs(f) {
				if b.u.Sources[in] == nil {
					continue
				}
				c, err := b.take(ctx, d, f, in)
				if err != nil {
					return err
				}
				changed = changed || c
			}
		}
	}
	failpoint.Hit("source.after-list")
	if !changed {
		return nil
	}
	p, err := b.u.Compile(ctx, b.u.known)
	if err != nil {
		return err
	}
	b.u.Plan = p
	return b.u.checkDefinitions()
}

// take reads one input of one flow and reports whether the source's columns changed.
func (b *batch) take(ctx context.Context, d *plan.Dataset, f *plan.Flow, in string) (bool, error) {
	k := b.u.key(d, f, in)
	pos := b.u.positions.At(k)
	if got := b.sources[in]; got != nil {
		for other := range b.readers {
			if other.Input == in && string(b.u.positions.At(other)) == string(pos) {
				b.readers[k] = true
				return false, nil
			}
		}
		return false, nil
	}
	var marks sources.Marks = noMarks{}
	if pos != nil {
		marks = ledger.Marks(b.u.DB, b.u.Lake, k)
	} else if other := b.u.remembered(in); other != nil {
		var err error
		if pos, err = b.u.Sources[in].Rewind(other); err != nil {
			return false, fmt.Errorf("read source %s: %w", in, err)
		}
	}
	got, err := b.u.Sources[in].Next(ctx, b.u.session(in), pos, marks)
	var disagree *sources.MarksError
	if errors.As(err, &disagree) {
		return false, fmt.Errorf("table %s reads source %s: %w; restore the warehouse from a backup, or recompute the table: %s", d.Name, in, err, b.u.command(b.u.withReaders(d.Name), nil))
	}
	if err != nil {
		return false, fmt.Errorf("read source %s: %w", in, err)
	}
	if got == nil {
		return false, nil
	}
	b.sources[in] = got
	b.readers[k] = true
	b.more = b.more || got.More
	columns := got.Columns
	if b.u.remembered(in) != nil { // readers that are further on, or further back, may know more columns
		columns = schemas.Union(b.u.known[in], columns)
	}
	changed := !columns.Equal(b.u.known[in])
	b.u.known[in] = columns
	return changed, nil
}

// noMarks is an input that was never read.
type noMarks struct{}

func (noMarks) All(context.Context) iter.Seq2[sources.Mark, error] {
	return func(func(sources.Mark, error) bool) {}
}

// table feeds one streaming table with what is new for each of its flows.
func (b *batch) table(ctx context.Context, d *plan.Dataset) error {
	for _, f := range d.Flows {
		in, err := b.gather(ctx, d, f)
		if err != nil {
			return err
		}
		if !in.any && !b.u.reset[d.Name] {
			continue
		}
		b.work = true
		if err := b.evaluate(ctx, d, f, in); err != nil {
			return err
		}
		maps.Copy(b.positions, in.positions)
		b.mark(d, f)
	}
	return nil
}

// input is what one flow reads in one batch.
type input struct {
	any       bool
	streams   map[string]string // relation of the new rows by input
	reads     []read            // of sources
	isolated  []read            // rows on which the query fails, once they are found
	positions position.Set
	files     int64 // of upstream tables
	bytes     int64
	rows      int64
}

// read is what a flow reads of a source: a batch of new records, or everything.
type read struct {
	source string
	batch  *sources.Batch
	whole  bool
}

// relationOf has the columns that the plan was made with, those that the batch lacks as NULL.
func (b *batch) relationOf(r read) string {
	want := b.u.known[r.source]
	if r.batch.Relation == "" {
		return b.u.emptySource(r.source)
	}
	if r.batch.Columns.Equal(want) {
		return r.batch.Relation
	}
	return "(SELECT " + shaped(r.batch.Columns, want) + ", " + plan.MetadataColumn + " FROM " + r.batch.Relation + ")"
}

// gather finds the new rows of each input: of a source, its batch; of a table that the flow is level with, what this
// batch staged; of a table that it lags behind, stored files.
func (b *batch) gather(ctx context.Context, d *plan.Dataset, f *plan.Flow) (*input, error) {
	in := &input{streams: map[string]string{}, positions: position.Set{}}
	for _, name := range b.u.Plan.Inputs(f) {
		k := b.u.key(d, f, name)
		if b.u.Sources[name] != nil {
			b.gatherSource(in, k, name)
			continue
		}
		up := b.u.Plan.Dataset(name)
		at := b.u.tables[name].Commit
		if !b.u.reset[name] && b.u.positions.Commit(k) < at {
			if err := b.catchUp(ctx, in, k, name); err != nil {
				return nil, err
			}
			continue
		}
		in.streams[name] = duck.Empty(up.Columns)
		if c := b.changes[name]; c != nil {
			in.any = in.any || len(c.Add) > 0
			in.streams[name] = duck.ReadFiles(c.Schema, c.Add)
			in.count(c.Add)
			in.positions[k] = position.AtCommit(b.number)
		}
	}
	return in, nil
}

func (b *batch) gatherSource(in *input, k position.Key, name string) {
	in.streams[name] = b.u.emptySource(name)
	got := b.sources[name]
	if got == nil || !b.readers[k] {
		return
	}
	r := read{source: name, batch: got}
	in.any, in.reads, in.streams[name] = true, append(in.reads, r), b.relationOf(r)
}

// maxCatchUp bounds the stored bytes that one batch of a lagging flow reads.
const maxCatchUp = 1 << 30

func (b *batch) catchUp(ctx context.Context, in *input, k position.Key, name string) error {
	c, err := b.u.Lake.Appended(ctx, name, b.u.positions.Commit(k), maxCatchUp)
	if errors.Is(err, sinks.ErrRewritten) {
		return fmt.Errorf("table %s streams from %s, whose rows were replaced; recompute it: %s --full-refresh %s", k.Table, name, b.u.opts.Again, k.Table)
	}
	if errors.Is(err, sinks.ErrExpired) {
		return fmt.Errorf("table %s streams from %s, whose history from where it stands has been expired; keep more with retention.snapshots, and recompute it: %s --full-refresh %s", k.Table, name, b.u.opts.Again, k.Table)
	}
	if err != nil {
		return fmt.Errorf("read the new rows of %s: %w", name, err)
	}
	if err := b.u.checkFiles(c.Files); err != nil {
		return fmt.Errorf("read the new rows of %s: %w", name, err)
	}
	in.any, b.more = true, true
	in.streams[name] = b.u.stored(name, c.Schema, c.Files)
	in.count(c.Files)
	in.positions[k] = position.AtCommit(c.Commit)
	return nil
}

func (in *input) count(files []sinks.DataFile) {
	for _, f := range files {
		in.files++
		in.bytes += f.Bytes
		in.rows += f.Rows
	}
}

// mark takes over positions and marks of the source batches that the flow has read.
func (b *batch) mark(d *plan.Dataset, f *plan.Flow) {
	for _, name := range b.u.Plan.Inputs(f) {
		k := b.u.key(d, f, name)
		if b.u.Sources[name] == nil {
			continue
		}
		change := ledger.Change{Key: k, Clear: b.u.reset[d.Name]}
		if got := b.sources[name]; got != nil && b.readers[k] {
			b.positions[k] = got.Position
			change.Set = got.Marks
			for _, n := range got.Notices {
				b.u.notice(d.Name, n.Message)
			}
		}
		if change.Clear || len(change.Set) > 0 {
			b.marks = append(b.marks, change)
		}
	}
}

// stage returns the batch's change of a table, begun when it is not there yet.
func (b *batch) stage(d *plan.Dataset, replace bool) *sinks.TableChange {
	if c := b.changes[d.Name]; c != nil {
		return c
	}
	stored, exists := b.u.tables[d.Name]
	reset := b.u.reset[d.Name]
	c := &sinks.TableChange{Table: d.Name, Partition: d.Partition, Base: stored.Snapshot, Recreate: reset,
		Properties: b.u.properties(d, stored), Summary: b.summary()}
	c.Schema = fit(stored, exists, d.Columns, reset)
	if (replace || reset) && exists {
		c.Mode = sinks.Replace
	}
	if reset || c.Mode == sinks.Replace { // those of a table that another program dropped, too
		b.dropLetters(d)
	}
	b.changes[d.Name] = c
	return c
}

// system returns the batch's change of a table of the system, begun when it is not there yet.
func (b *batch) system(name string, schema schemas.Table, partition []schemas.PartitionField) *sinks.TableChange {
	if c := b.changes[name]; c != nil {
		return c
	}
	stored, exists := b.u.tables[name]
	c := &sinks.TableChange{Table: name, Partition: partition, Base: stored.Snapshot, Schema: fit(stored, exists, schema, false), Summary: b.summary()}
	b.changes[name] = c
	return c
}

func (b *batch) letters() *sinks.TableChange {
	return b.system(b.u.Plan.DeadLetter, schemas.DeadLetter(), schemas.DeadLetterPartition())
}

// fit gives the columns that a table will have, with field ids.
func fit(stored sinks.TableState, exists bool, want schemas.Table, recreate bool) schemas.Table {
	merged := want
	switch {
	case exists && recreate:
		merged = schemas.Recreate(stored.Schema, want)
	case exists:
		merged, _, _ = schemas.Evolve(stored.Schema, want)
	}
	merged, _ = schemas.AssignIDs(merged, stored.LastID)
	return merged
}

func (b *batch) summary() map[string]string {
	return map[string]string{"lakeflow.update": b.u.Update}
}

// dropLetters removes the dead letters that belong to rows which are about to be replaced.
func (b *batch) dropLetters(d *plan.Dataset) {
	if _, ok := b.u.tables[b.u.Plan.DeadLetter]; !ok {
		return
	}
	c := b.letters()
	c.Mode = sinks.ReplacePartition
	c.Where = append(c.Where, map[string]string{"table": d.Name})
}

// commit publishes the batch.
func (b *batch) commit(ctx context.Context) error {
	failpoint.Hit("batch.after-balance")
	evaluated := time.Now()
	b.stages.Evaluate = evaluated.Sub(b.began) - b.stages.Read
	b.noteUnread()
	if len(b.marks) > 0 {
		if err := b.writeMarks(ctx); err != nil {
			return err
		}
	}
	if err := b.publish(ctx); err != nil {
		return err
	}
	b.stages.Commit = time.Since(evaluated)
	b.committed()
	return b.acknowledge(ctx)
}

// writeMarks stages the change of the ledger.
func (b *batch) writeMarks(ctx context.Context) error {
	failpoint.Hit("ledger.before-write")
	query, mode, err := ledger.Query(ctx, b.u.DB, b.u.Lake, b.number, b.marks)
	if err != nil {
		return err
	}
	c := b.system(ledger.Table, ledger.Schema(), nil)
	c.Mode = mode
	c.Add, _, err = b.u.DB.WriteParquet(ctx, query, duck.Layout{Dir: b.u.Lake.DataDir(ledger.Table), Schema: c.Schema})
	if err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	failpoint.Hit("ledger.after-write")
	return nil
}

// noteUnread gives every input of the tables that the batch writes a position, so that one which is missing later is known to be lost, and removes
// those of flows that a table no longer has when it is computed from the beginning.
func (b *batch) noteUnread() {
	for _, d := range b.u.Plan.Datasets {
		if b.changes[d.Name] == nil || d.Kind != plan.StreamingTable {
			continue
		}
		if b.u.reset[d.Name] {
			for k := range b.u.storedPositions {
				if k.Table == d.Name && k.Kind != position.Sink && b.positions[k] == nil {
					b.positions[k] = nil
				}
			}
		}
		for _, f := range d.Flows {
			for _, name := range b.u.Plan.Inputs(f) {
				k := b.u.key(d, f, name)
				if b.positions[k] != nil || b.u.positions[k] != nil {
					continue
				}
				b.positions[k] = position.Unread
				if k.Kind == position.Upstream {
					b.positions[k] = position.AtCommit(0)
				}
			}
		}
	}
}

// acknowledge tells the sources that want to know it how far they are read.
func (b *batch) acknowledge(ctx context.Context) error {
	for name, got := range b.sources {
		source, ok := b.u.Sources[name].(sources.Acknowledger)
		if !ok {
			continue
		}
		if err := source.Acknowledge(ctx, got.Position); err != nil {
			b.u.Observe(Progress{Kind: "notice", Message: fmt.Sprintf("source %s could not be told that batch %d is committed, which only tools outside miss: %s", name, b.number, duckerr.Text(err))})
		}
	}
	return ctx.Err()
}

// landed takes over the state that the commit left.
func (b *batch) landed(state *sinks.State) {
	for name := range b.results {
		delete(b.u.reset, name)
	}
	b.u.uncertain, b.u.events = nil, nil
	b.u.adopt(state)
	b.u.commits++
}

// committed adds what the batch did to the result of the update, and tells whoever watches.
func (b *batch) committed() {
	step := Progress{Kind: "committed", Batch: b.number, Stages: b.stages, Elapsed: time.Since(b.began)}
	for _, s := range b.u.Plan.Sources {
		if got := b.sources[s.Name]; got != nil {
			step.Sources = append(step.Sources, SourceResult{Source: s.Name, Items: got.Items, Bytes: got.Bytes, Backlog: got.Backlog, Newest: got.Newest})
		}
	}
	for _, d := range b.u.Plan.Datasets {
		r := b.results[d.Name]
		if r == nil {
			continue
		}
		if b.u.results[d.Name] == nil {
			b.u.results[d.Name] = &TableResult{Table: r.Table, Kind: r.Kind, Layer: r.Layer, Status: r.Status}
		}
		b.u.results[d.Name].add(*r)
		step.Tables = append(step.Tables, *r)
	}
	if len(step.Tables) > 0 {
		b.u.Observe(step)
	}
}

// tables are the changes to commit, in a stable order. One of a system table that adds nothing was begun for nothing.
func (b *batch) tables() []sinks.TableChange {
	var out []sinks.TableChange
	for _, name := range slices.Sorted(maps.Keys(b.changes)) {
		c := b.changes[name]
		if len(c.Add) > 0 || c.Mode != sinks.Append || b.u.Plan.Dataset(name) != nil {
			out = append(out, *c)
		}
	}
	return out
}

// publish writes the waiting events and commits them with the changes.
func (b *batch) publish(ctx context.Context) error {
	u := b.u
	u.define()
	events := slices.Concat(u.events, b.events)
	failpoint.Hit("events.before-write")
	log := b.system(eventLog, schemas.EventLog(), nil)
	var err error
	if log.Add, _, err = u.DB.WriteParquet(ctx, eventsSQL(events), duck.Layout{Dir: u.Lake.DataDir(eventLog), Schema: log.Schema}); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	failpoint.Hit("events.after-write")
	b.noteSinks()
	u.uncertain = b
	out, err := u.Lake.Commit(ctx, &sinks.Commit{Number: b.number, Epoch: u.Epoch, Tables: b.tables(), Positions: b.positions, Forget: u.given})
	if err != nil {
		return fmt.Errorf("commit batch %d: %w", b.number, err)
	}
	if out.Status == sinks.Conflict {
		u.uncertain = nil
		b.discard()
		return ErrConflict
	}
	state, err := u.Lake.State(ctx)
	if err != nil {
		return fmt.Errorf("read back batch %d: %w", b.number, err)
	}
	b.landed(state)
	return nil
}

func (b *batch) info(d *plan.Dataset, f *plan.Flow, source string) expectations.DeadLetterInfo {
	return expectations.DeadLetterInfo{Pipeline: b.u.Plan.Name, Table: d.Name, Flow: f.Name, UpdateID: b.u.Update,
		Commit: b.number, Source: source, FirstSeen: b.began}
}
