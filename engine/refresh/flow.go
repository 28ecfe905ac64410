package refresh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/journal"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// rowsRelation holds the rows of the flow that is being evaluated, brokenRelation what is needed of those that violate
// a rule.
const (
	rowsRelation   = "__rows"
	brokenRelation = "__broken"
)

// maxRepairs bounds how often a source may set records aside before a failing read counts as an error.
const maxRepairs = 5

// warnPartitions is the number of partitions in one batch above which the user is warned of small files.
const warnPartitions = 300

// evaluate runs a flow's query over its input, applies the expectations, stages files and dead letters, and checks that
// every row is accounted for. Records that cannot be read are set aside by their source, and the query is run again.
func (b *Batch) evaluate(ctx context.Context, d *plan.Dataset, f *plan.Flow, in *input) error {
	began := time.Now()
	b.Events.Emit(event.Evaluating{Table: d.Name, Batch: b.draft.number, Elapsed: began.Sub(b.Evaluator.began)})
	failpoint.Hit("source.after-batch")
	if err := b.readWhole(ctx, f, in); err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		out, err := b.attempt(ctx, d, f, in)
		if err == nil {
			return b.account(ctx, d, f, in, out, began)
		}
		repaired, rerr := b.repair(ctx, in, err, attempt)
		if rerr == nil && !repaired {
			repaired, rerr = b.bisect(ctx, f, in, err)
		}
		if rerr != nil {
			return rerr
		}
		if !repaired {
			return b.inFlow(d, f, err)
		}
	}
}

// readWhole adds the sources that the flow reads in full.
func (b *Batch) readWhole(ctx context.Context, f *plan.Flow, in *input) error {
	for _, name := range b.plan.Whole(f) {
		if b.Sources[name] == nil {
			continue
		}
		snap, err := b.snapshot(ctx, name)
		if err != nil {
			return err
		}
		in.reads = append(in.reads, read{name, snap, true})
	}
	return nil
}

// repair asks the sources of the flow whether their records are to blame for the error.
func (b *Batch) repair(ctx context.Context, in *input, cause error, attempt int) (bool, error) {
	var violation *ViolationError
	if errors.As(cause, &violation) || attempt >= maxRepairs || ctx.Err() != nil {
		return false, nil
	}
	for i, r := range in.reads {
		if r.batch.Repair == nil || r.batch.Relation == "" {
			continue
		}
		with, err := r.batch.Repair(ctx, b.session(r.source), cause)
		if err != nil {
			return false, fmt.Errorf("set aside unreadable records of %s: %w", r.source, err)
		}
		if with == nil {
			continue
		}
		in.reads[i] = b.repaired(r, with)
		if !r.whole {
			in.streams[r.source] = b.relationOf(in.reads[i])
		}
		return true, nil
	}
	return false, nil
}

// rowsStatement makes the rows of a flow: as a table when the query must not be evaluated again for counts, rows and
// dead letters, else as a view.
func rowsStatement(d *plan.Dataset, f *plan.Flow) string {
	query := f.Project
	if len(f.Provenance) > 0 {
		query = f.TracedProject
	}
	return "CREATE OR REPLACE TEMP " + rowsKind(d, f) + " " + rowsRelation + " AS " + query + "\n"
}

func rowsKind(d *plan.Dataset, f *plan.Flow) string {
	if f.Rescan || len(d.Rules.Rules) == 0 {
		return "VIEW"
	}
	return "TABLE"
}

// outcome is what an evaluation of a flow has written.
type outcome struct {
	written
	letters []lake.DataFile
	verdict expectations.Verdict // of the rows that the flow gave
	// all is the verdict of all rows of a view that followed its inputs, nil where verdict is that.
	all *expectations.Verdict
	// stay are the dead letters that take the place of all that the table had, where someGo.
	stay   []lake.DataFile
	someGo bool
}

func (o *outcome) discard() {
	o.written.discard()
	duck.Remove(o.letters)
	duck.Remove(o.stay)
}

// whole is the verdict that people are told.
func (o *outcome) whole() expectations.Verdict {
	if o.all != nil {
		return *o.all
	}
	return o.verdict
}

// written is what the rows of a flow that broke no drop rule have made of its table.
type written struct {
	rows              []lake.DataFile // that the table gains
	remove            []lake.DeleteFile
	state             rowChange // of what the table keeps hidden
	changes           *schemas.ChangeCounts
	upserted, deleted int64
	tooLate           int64 // rows of snapshots older than the newest one
	unusable          bool  // a snapshot was read of which no row can be applied
}

// rowChange are rows that a table gains and loses.
type rowChange struct {
	add    []lake.DataFile
	remove []lake.DeleteFile
}

func (r rowChange) stage(c *lake.TableChange) {
	c.Add = append(c.Add, r.add...)
	c.Remove = append(c.Remove, r.remove...)
}

func (w *written) discard() {
	duck.Remove(w.rows)
	duck.Remove(w.state.add)
	removeAll(w.remove)
	removeAll(w.state.remove)
}

// removeAll deletes files that name rows and that no table will name.
func removeAll(files []lake.DeleteFile) {
	for _, f := range files {
		duck.Remove([]lake.DataFile{f.DataFile})
	}
}

// attempt evaluates the query once and writes its rows and dead letters. After an error, nothing of it is left.
func (b *Batch) attempt(ctx context.Context, d *plan.Dataset, f *plan.Flow, in *input) (out outcome, err error) {
	if err := b.relations(ctx, f, in); err != nil {
		return out, err
	}
	if err := b.DB.Exec(ctx, rowsStatement(d, f)); err != nil {
		return out, err
	}
	defer func() {
		drop := "DROP " + rowsKind(d, f) + " " + rowsRelation + "; DROP TABLE IF EXISTS " + brokenRelation + "; DROP TABLE IF EXISTS " + droppedRelation
		if e := b.DB.Exec(context.WithoutCancel(ctx), drop); err == nil {
			err = e
		}
		if err != nil {
			out.discard()
		}
	}()
	if len(d.Rules.Rules) == 0 {
		var n int64
		out.written, n, err = b.write(ctx, d, f, "SELECT * FROM "+rowsRelation, 0)
		out.verdict = d.Rules.Judge([]expectations.Count{{Rows: n}})
		return out, err
	}
	if out.verdict, err = b.judge(ctx, d, f); err != nil {
		return out, err
	}
	if out.written, _, err = b.write(ctx, d, f, d.Rules.KeptSQL(rowsRelation), out.verdict.Kept); err != nil {
		return out, err
	}
	if out.verdict.Dropped > 0 && (d.Rules.DeadLetter || keepsDropped(d)) {
		var state []lake.DataFile
		out.letters, state, err = b.setAside(ctx, d, f, in, out.verdict.Dropped)
		out.state.add = append(out.state.add, state...)
	}
	return out, err
}

// write stores the rows of a flow's query, as the table is refreshed.
func (b *Batch) write(ctx context.Context, d *plan.Dataset, f *plan.Flow, query string, rows int64) (w written, n int64, err error) {
	if d.Refresh == plan.Merge {
		return b.mergeRows(ctx, d, query, rows)
	}
	w.rows, n, err = b.writeRows(ctx, d, query, rows, f.Provenance...)
	return w, n, err
}

// writeRows writes the rows of a query to the table's folder; how many they are is 0 when it is not known. Behind the
// table's columns the query may have hidden ones.
func (b *Batch) writeRows(ctx context.Context, d *plan.Dataset, query string, rows int64, hidden ...schemas.Column) ([]lake.DataFile, int64, error) {
	schema := schemas.WithProvenance(b.draft.stageRows(d).Schema, d.Provenance)
	have := slices.Concat(d.Columns, schemas.Table(hidden))
	files, n, err := b.DB.WriteParquet(ctx, "SELECT "+duck.Shaped(have, schema)+" FROM ("+query+"\n)",
		duck.Layout{Dir: b.Lake.DataDir(d.Name), Schema: schema, Partition: d.Partition, Compression: d.Parquet.Compression,
			RowGroupSize: d.Parquet.RowGroupSize, MaxRows: rows})
	for _, f := range files {
		b.checked.Add(f.Path)
	}
	return files, n, err
}

// judge counts the rows by the rules they violate. A violated fail rule becomes a ViolationError with its sample
// staged.
func (b *Batch) judge(ctx context.Context, d *plan.Dataset, f *plan.Flow) (expectations.Verdict, error) {
	v, err := b.verdict(ctx, d, f.Provenance, rowsRelation)
	if err != nil {
		return v, err
	}
	if len(v.Failing) > 0 {
		return v, b.sample(ctx, d, f, v)
	}
	return v, nil
}

// sample keeps some of the rows that stopped the update: everything else of the batch is forgotten, and the sample is
// committed with the event that tells why.
func (b *Batch) sample(ctx context.Context, d *plan.Dataset, f *plan.Flow, v expectations.Verdict) error {
	violation := &ViolationError{Table: d.Name, Flow: f.Name, Rules: v.Failing}
	if d.Rules.DeadLetter {
		info := b.info(d, f, "")
		var err error
		if info.Provenance, err = b.places(ctx, f); err == nil {
			violation.Sample, err = b.writeLetters(ctx, d, d.Rules.SampleSQL(rowsRelation, info, expectations.SampleRows), expectations.SampleRows)
		}
		if err != nil {
			return fmt.Errorf("keep a sample of the offending rows: %w", err)
		}
	}
	b.Journal.Violated(d.Name, f.Name, v.Results, violation)
	return violation
}

// writeLetters writes dead letters of one table to files; how many they are at most is 0 when it is not known.
func (b *Batch) writeLetters(ctx context.Context, d *plan.Dataset, query string, rows int64) ([]lake.DataFile, error) {
	c := b.draft.letters()
	files, _, err := b.DB.WriteParquet(ctx, query, duck.Layout{Dir: b.Lake.DataDir(c.Table), Schema: c.Schema, Partition: c.Partition, MaxRows: rows})
	if err != nil {
		return nil, fmt.Errorf("write dead letters of %s: %w", d.Name, err)
	}
	return files, nil
}

func rowsOf(files []lake.DataFile) (n int64) {
	for _, f := range files {
		n += f.Rows
	}
	return n
}

// account stages the files and the unreadable records, and refuses the batch unless every row went somewhere.
func (b *Batch) account(ctx context.Context, d *plan.Dataset, f *plan.Flow, in *input, out outcome, began time.Time) (err error) {
	defer func() {
		if err != nil {
			out.discard()
		}
	}()
	a := b.accounting(d, f, in, out)
	for _, r := range slices.Concat(in.reads, in.poison) {
		files, err := b.rejects(ctx, d, f, r)
		if err != nil {
			return err
		}
		out.letters = append(out.letters, files.letters...)
		a.Unreadable += files.count
		if !r.whole {
			a.InputFiles += int64(r.batch.Items)
			a.Ignored += r.batch.Ignored
			a.InputBytes += r.batch.Bytes
		}
	}
	failpoint.Hit("batch.before-balance")
	if !a.Balances() {
		changes := ""
		if c := a.Changes; c != nil {
			changes = fmt.Sprintf(", %d changes applied, %d superseded, %d ignored", c.Applied, c.Superseded, c.Ignored)
		}
		return fmt.Errorf("table %s, flow %s: the rows do not balance: the query gave %d, %d were written, %d dead-lettered, %d discarded%s; nothing is published: please report this",
			d.Name, f.Name, a.QueryRows, a.Written, a.DeadLettered, a.Discarded, changes)
	}
	c := b.draft.stage(d)
	rowChange{out.rows, out.remove}.stage(c)
	if hidden := b.draft.hidden(d); hidden != nil {
		out.state.stage(hidden)
	}
	if out.someGo {
		b.draft.replaceLetters(d.Name)
	}
	b.AddDeadLetters(slices.Concat(out.stay, out.letters))
	if d.Refresh == plan.Follow && len(d.Rules.Rules) > 0 {
		if err := b.noteTotals(d, out.whole()); err != nil {
			return err
		}
	}
	b.noteSnapshots(d, out.written)
	b.record(d, f, a, in, out, time.Since(began))
	return nil
}

// accounting says where the rows of an evaluation went.
func (b *Batch) accounting(d *plan.Dataset, f *plan.Flow, in *input, out outcome) schemas.Accounting {
	a := schemas.Accounting{Commit: b.draft.number, Mode: "append", InputFiles: in.files, InputBytes: in.bytes, InputRows: in.rows, QueryRows: out.verdict.Rows,
		Changes: out.changes, RuleSet: d.Rules.Hash(), Query: f.Fingerprint, Files: int64(len(out.rows)), Written: rowsOf(out.rows), DeadLettered: rowsOf(out.letters)}
	switch {
	case b.draft.begins(d):
		a.Mode = "replace"
	case out.changes != nil:
		a.Mode = "merge"
	}
	if d.Rules.DeadLetter {
		a.Table = b.plan.DeadLetter
	} else {
		a.Discarded = out.verdict.Dropped
	}
	if out.all != nil {
		a.View = &schemas.ViewCounts{Rows: out.all.Rows, Dropped: out.all.Dropped}
	}
	partitions := map[string]bool{}
	for _, file := range out.rows {
		partitions[fmt.Sprint(partitionKey(file.Partition))] = true
	}
	if len(partitions) > warnPartitions {
		b.notice(d.Name, fmt.Sprintf("the batch wrote %d partitions of %s: many small files; choose a coarser partition_by", len(partitions), d.Name))
	}
	return a
}

// rejected are the records of a source that could not be read.
type rejected struct {
	count   int64
	letters []lake.DataFile
}

// rejects writes the records of a source that could not be read. They never became rows of the query, so they are
// counted apart. Those of a source that is read whole are new only when the source changed since the flow last ran.
func (b *Batch) rejects(ctx context.Context, d *plan.Dataset, f *plan.Flow, r read) (out rejected, err error) {
	if r.whole {
		k, holds := plan.WholeKey(d, f, r.source), b.whole.fingerprints[r.source]
		b.draft.positions[k] = holds
		if d.Refresh.Resumes() && bytes.Equal(b.state.At(k), holds) {
			return out, nil
		}
	}
	out.count = r.batch.RejectCount
	if out.count == 0 || !d.Rules.DeadLetter {
		return out, nil
	}
	if out.letters, err = b.writeLetters(ctx, d, expectations.RejectSQL(r.batch.Rejects, b.info(d, f, r.source)), out.count); err != nil {
		return out, err
	}
	if n := rowsOf(out.letters); n != out.count {
		duck.Remove(out.letters)
		return out, fmt.Errorf("source %s: %d records could not be read, but %d dead letters were written; nothing is published: please report this", r.source, out.count, n)
	}
	return out, nil
}

func partitionKey(p map[string]*string) map[string]string {
	out := map[string]string{}
	for k, v := range p {
		if v != nil {
			out[k] = *v
		}
	}
	return out
}

// record notes what a flow did, in the batch's results and events.
func (b *Batch) record(d *plan.Dataset, f *plan.Flow, a schemas.Accounting, in *input, out outcome, took time.Duration) {
	did := event.Table{Table: d.Name, Kind: string(d.Kind), Layer: d.Layer, Status: "updated", Written: a.Written, DeadLettered: a.DeadLettered,
		Discarded: a.Discarded, Unreadable: a.Unreadable, Files: a.Files, Bytes: bytesOf(out.rows), Seconds: took.Seconds(), Rules: out.whole().Results}
	if a.Changes != nil {
		did.Removed = a.Changes.Removed
	}
	if have := b.results[d.Name]; have != nil {
		have.Add(did)
	} else {
		did.Rules = slices.Clone(did.Rules)
		b.results[d.Name] = &did
	}
	b.draft.events = append(b.draft.events, b.Journal.Flow(d.Name, f.Name, d.Name+" wrote "+journal.Rows(a.Written), schemas.FlowProgress{
		Status:      "RUNNING",
		Metrics:     out.metrics(a.Written, did.Bytes, took, b.backlogs(in)),
		DataQuality: &schemas.DataQuality{DroppedRecords: out.whole().Dropped, Expectations: out.whole().Results},
		Lakeflow:    &a,
	}))
}

func (o *outcome) metrics(rows, bytes int64, took time.Duration, waiting []schemas.SourceMetrics) *schemas.FlowMetrics {
	m := &schemas.FlowMetrics{OutputRows: rows, OutputBytes: bytes, ExecutorMS: took.Milliseconds(), Upserted: o.upserted, Deleted: o.deleted, Sources: waiting}
	for _, s := range waiting {
		m.Backlog.Add(s.Backlog)
	}
	return m
}

// backlogs are what waits in the sources that a flow has read a batch of.
func (b *Batch) backlogs(in *input) (waiting []schemas.SourceMetrics) {
	for _, r := range in.reads {
		if r.whole {
			continue
		}
		m, n := schemas.SourceMetrics{Source: r.source}, int64(r.batch.Backlog)
		if slices.ContainsFunc(b.plan.Sources, func(s *plan.Source) bool { return s.Name == r.source && s.Ledger }) {
			m.Files, m.Bytes = &n, &r.batch.BacklogBytes
		} else {
			m.Records = &n
		}
		waiting = append(waiting, m)
	}
	return waiting
}

func bytesOf(files []lake.DataFile) (n int64) {
	for _, f := range files {
		n += f.Bytes
	}
	return n
}

func (b *Batch) info(d *plan.Dataset, f *plan.Flow, source string) expectations.DeadLetterInfo {
	return expectations.DeadLetterInfo{Pipeline: b.plan.Name, Table: d.Name, Flow: f.Name, UpdateID: b.Update,
		Commit: b.draft.number, Source: source, FirstSeen: b.intake.began}
}

// inFlow says where an error happened. A violated expectation says so itself.
func (b *Batch) inFlow(d *plan.Dataset, f *plan.Flow, err error) error {
	var violation *ViolationError
	if errors.As(err, &violation) {
		return err
	}
	statements := []plan.Statement{{Flow: f, Text: rowsStatement(d, f)}}
	for _, v := range b.plan.Datasets {
		if !v.Refresh.Stored() && b.plan.Sees(f, v.Name) {
			query := v.Flows[0].SQL
			if len(f.Provenance) > 0 && len(v.Flows[0].Provenance) > 0 {
				query = v.Flows[0].Traced
			}
			for _, schema := range []string{"main", streamSchema} {
				statements = append(statements, plan.Statement{Flow: v.Flows[0], Text: createView(schema, v.Name, query+"\n")})
			}
		}
	}
	return f.RunError(d.Name, err, statements...)
}
