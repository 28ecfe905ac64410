package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
)

// rowsRelation holds the rows of the flow that is being evaluated, brokenRelation what is needed of those that violate a rule.
const (
	rowsRelation   = "__rows"
	brokenRelation = "__broken"
)

// maxRepairs bounds how often a source may set records aside before a failing read counts as an error.
const maxRepairs = 5

// warnPartitions is the number of partitions in one batch above which the user is warned of small files.
const warnPartitions = 300

// evaluate runs a flow's query over its input, applies the expectations, stages files and dead letters, and checks that every
// row is accounted for. Records that cannot be read are set aside by their source, and the query is run again.
func (b *batch) evaluate(ctx context.Context, d *plan.Dataset, f *plan.Flow, in *input) error {
	began := time.Now()
	b.u.Observe(Progress{Kind: "evaluating", Table: d.Name, Batch: b.number, Elapsed: began.Sub(b.u.started)})
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
			repaired, rerr = b.isolate(ctx, f, in, err)
		}
		if rerr != nil {
			return rerr
		}
		if !repaired {
			return b.u.inFlow(d, f, err)
		}
	}
}

// readWhole adds the sources that the flow reads in full.
func (b *batch) readWhole(ctx context.Context, f *plan.Flow, in *input) error {
	for _, name := range b.u.Plan.Whole(f) {
		src, ok := b.u.Sources[name]
		if !ok {
			continue
		}
		snap, err := b.snapshot(ctx, name, src)
		if err != nil {
			return err
		}
		in.reads = append(in.reads, read{name, snap, true})
	}
	return nil
}

// repair asks the sources of the flow whether their records are to blame for the error.
func (b *batch) repair(ctx context.Context, in *input, cause error, attempt int) (bool, error) {
	var violation *ViolationError
	if errors.As(cause, &violation) || attempt >= maxRepairs || ctx.Err() != nil {
		return false, nil
	}
	for _, r := range in.reads {
		if r.batch.Repair == nil || r.batch.Relation == "" {
			continue
		}
		ok, err := r.batch.Repair(ctx, b.u.session(r.source), cause)
		if err != nil {
			return false, fmt.Errorf("set aside unreadable records of %s: %w", r.source, err)
		}
		if ok {
			if !r.whole {
				in.streams[r.source] = b.relationOf(r)
			}
			return true, nil
		}
	}
	return false, nil
}

// rowsStatement makes the rows of a flow: as a table when the query must not be evaluated again for counts, rows and dead letters, else
// as a view.
func rowsStatement(d *plan.Dataset, f *plan.Flow) string {
	return "CREATE OR REPLACE TEMP " + rowsKind(d, f) + " " + rowsRelation + " AS " + f.Project + "\n"
}

func rowsKind(d *plan.Dataset, f *plan.Flow) string {
	if f.Rescan || len(d.Rules.Rules) == 0 {
		return "VIEW"
	}
	return "TABLE"
}

// outcome is what an evaluation of a flow has written.
type outcome struct {
	rows, letters []sinks.DataFile
	verdict       expectations.Verdict
}

func (o *outcome) discard() {
	duck.Remove(o.rows)
	duck.Remove(o.letters)
}

// attempt evaluates the query once and writes its rows and dead letters. After an error, nothing of it is left.
func (b *batch) attempt(ctx context.Context, d *plan.Dataset, f *plan.Flow, in *input) (out outcome, err error) {
	if err := b.relations(ctx, f, in.streams); err != nil {
		return out, err
	}
	if err := b.u.DB.Exec(ctx, rowsStatement(d, f)); err != nil {
		return out, err
	}
	defer func() {
		drop := "DROP " + rowsKind(d, f) + " " + rowsRelation + "; DROP TABLE IF EXISTS " + brokenRelation
		if e := b.u.DB.Exec(context.WithoutCancel(ctx), drop); err == nil {
			err = e
		}
		if err != nil {
			out.discard()
		}
	}()
	if len(d.Rules.Rules) == 0 {
		var n int64
		out.rows, n, err = b.writeRows(ctx, d, "SELECT * FROM "+rowsRelation)
		out.verdict = d.Rules.Judge([]expectations.Count{{Rows: n}})
		return out, err
	}
	if out.verdict, err = b.judge(ctx, d, f); err != nil {
		return out, err
	}
	if out.rows, _, err = b.writeRows(ctx, d, d.Rules.KeptSQL(rowsRelation)); err != nil {
		return out, err
	}
	if out.verdict.Dropped > 0 && d.Rules.DeadLetter {
		out.letters, err = b.writeLetters(ctx, d, d.Rules.DeadLetterSQL(brokenRelation, b.info(d, f, "")))
	}
	return out, err
}

// writeRows writes the rows of a query to the table's folder.
func (b *batch) writeRows(ctx context.Context, d *plan.Dataset, query string) ([]sinks.DataFile, int64, error) {
	schema := b.stage(d, d.Kind == plan.MaterializedView).Schema
	files, n, err := b.u.DB.WriteParquet(ctx, "SELECT "+shaped(d.Columns, schema)+" FROM ("+query+"\n)", duck.Layout{Dir: b.u.Lake.DataDir(d.Name), Schema: schema,
		Partition: d.Partition, Compression: d.Parquet.Compression, RowGroupSize: d.Parquet.RowGroupSize})
	for _, f := range files {
		b.u.isSound(f)
	}
	return files, n, err
}

// judge counts the rows by the rules they violate. A violated fail rule becomes a ViolationError with its sample staged.
func (b *batch) judge(ctx context.Context, d *plan.Dataset, f *plan.Flow) (expectations.Verdict, error) {
	if err := b.u.DB.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+brokenRelation+" AS "+d.Rules.BrokenSQL(rowsRelation)); err != nil {
		return expectations.Verdict{}, err
	}
	counts, err := d.Rules.Count(ctx, b.u.DB.Conn(), rowsRelation, brokenRelation)
	if err != nil {
		return expectations.Verdict{}, err
	}
	v := d.Rules.Judge(counts)
	if len(v.Failing) > 0 {
		return v, b.sample(ctx, d, f, v)
	}
	return v, nil
}

// sample keeps some of the rows that stopped the update: everything else of the batch is forgotten, and the sample is
// committed with the event that tells why.
func (b *batch) sample(ctx context.Context, d *plan.Dataset, f *plan.Flow, v expectations.Verdict) error {
	if d.Rules.DeadLetter {
		var err error
		if b.u.sample, err = b.writeLetters(ctx, d, d.Rules.SampleSQL(rowsRelation, b.info(d, f, ""), expectations.SampleRows)); err != nil {
			return fmt.Errorf("keep a sample of the offending rows: %w", err)
		}
	}
	b.u.event("flow_progress", d.Name, f.Name, "ERROR", "expectation failed", schemas.FlowProgress{Status: "FAILED",
		DataQuality: &schemas.DataQuality{Expectations: v.Results}})
	return &ViolationError{Table: d.Name, Flow: f.Name, Rules: v.Failing}
}

// writeLetters writes dead letters of one table to files.
func (b *batch) writeLetters(ctx context.Context, d *plan.Dataset, query string) ([]sinks.DataFile, error) {
	c := b.letters()
	files, _, err := b.u.DB.WriteParquet(ctx, query, duck.Layout{Dir: b.u.Lake.DataDir(c.Table), Schema: c.Schema, Partition: c.Partition})
	if err != nil {
		return nil, fmt.Errorf("write dead letters of %s: %w", d.Name, err)
	}
	return files, nil
}

func rowsOf(files []sinks.DataFile) (n int64) {
	for _, f := range files {
		n += f.Rows
	}
	return n
}

// account stages the files and the unreadable records, and refuses the batch unless every row went somewhere.
func (b *batch) account(ctx context.Context, d *plan.Dataset, f *plan.Flow, in *input, out outcome, began time.Time) (err error) {
	defer func() {
		if err != nil {
			out.discard()
		}
	}()
	v := out.verdict
	a := schemas.Accounting{Commit: b.number, Mode: "append", InputFiles: in.files, InputBytes: in.bytes, InputRows: in.rows, QueryRows: v.Rows,
		RuleSet: d.Rules.Hash(), Files: int64(len(out.rows)), DeadLettered: rowsOf(out.letters)}
	if d.Kind == plan.MaterializedView || b.u.reset[d.Name] {
		a.Mode = "replace"
	}
	partitions := map[string]bool{}
	var bytes int64
	for _, file := range out.rows {
		a.Written += file.Rows
		bytes += file.Bytes
		partitions[fmt.Sprint(partitionKey(file.Partition))] = true
	}
	if len(partitions) > warnPartitions {
		b.u.notice(d.Name, fmt.Sprintf("the batch wrote %d partitions of %s: many small files; choose a coarser partition_by", len(partitions), d.Name))
	}
	if d.Rules.DeadLetter {
		a.Table = b.u.Plan.DeadLetter
	} else {
		a.Discarded = v.Dropped
	}
	for _, r := range slices.Concat(in.reads, in.isolated) {
		files, err := b.rejects(ctx, d, f, r)
		if err != nil {
			return err
		}
		out.letters = append(out.letters, files.letters...)
		a.Unreadable += files.count
		if !r.whole {
			a.InputFiles += int64(r.batch.Items)
			a.InputBytes += r.batch.Bytes
		}
	}
	failpoint.Hit("batch.before-balance")
	if !a.Balances() {
		return fmt.Errorf("table %s, flow %s: the rows do not balance: the query gave %d, %d were written, %d dead-lettered, %d discarded; nothing is published: please report this",
			d.Name, f.Name, a.QueryRows, a.Written, a.DeadLettered, a.Discarded)
	}
	c := b.stage(d, false)
	c.Add = append(c.Add, out.rows...)
	if len(out.letters) > 0 {
		letters := b.letters()
		letters.Add = append(letters.Add, out.letters...)
	}
	took := time.Since(began)
	b.record(d, a, v, bytes, took)
	b.flowEvent(d, f, a, v, bytes, took)
	return nil
}

// rejected are the records of a source that could not be read.
type rejected struct {
	count   int64
	letters []sinks.DataFile
}

// rejects writes the records of a source that could not be read. They never became rows of the query, so they are counted apart. Those of
// a source that is read whole are new only when the source changed since the flow last ran.
func (b *batch) rejects(ctx context.Context, d *plan.Dataset, f *plan.Flow, r read) (out rejected, err error) {
	if r.whole {
		k := wholeKey(d, f, r.source)
		b.positions[k] = b.held[r.source]
		if d.Kind == plan.StreamingTable && bytes.Equal(b.u.positions[k], b.held[r.source]) {
			return out, nil
		}
	}
	out.count = r.batch.RejectCount
	if out.count == 0 || !d.Rules.DeadLetter {
		return out, nil
	}
	if out.letters, err = b.writeLetters(ctx, d, expectations.RejectSQL(r.batch.Rejects, b.info(d, f, r.source))); err != nil {
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

func (b *batch) record(d *plan.Dataset, a schemas.Accounting, v expectations.Verdict, bytes int64, took time.Duration) {
	if b.results[d.Name] == nil {
		b.results[d.Name] = &TableResult{Table: d.Name, Kind: string(d.Kind), Layer: d.Layer, Status: "updated"}
	}
	b.results[d.Name].add(TableResult{Written: a.Written, DeadLettered: a.DeadLettered, Discarded: a.Discarded, Unreadable: a.Unreadable,
		Files: a.Files, Bytes: bytes, Seconds: took.Seconds(), Rules: v.Results})
}

// inFlow says where an error happened. A violated expectation says so itself.
func (u *update) inFlow(d *plan.Dataset, f *plan.Flow, err error) error {
	var violation *ViolationError
	if errors.As(err, &violation) {
		return err
	}
	statements := []plan.Statement{{Flow: f, Text: rowsStatement(d, f)}}
	for _, v := range u.Plan.Datasets {
		if v.Kind == plan.View && u.sees(f, v.Name) {
			for _, schema := range []string{"main", streamSchema} {
				statements = append(statements, plan.Statement{Flow: v.Flows[0], Text: createView(schema, v.Name, v.Flows[0].SQL+"\n")})
			}
		}
	}
	return f.RunError(d.Name, err, statements...)
}

// sees reports whether a flow reads a view, by itself or through other views.
func (u *update) sees(f *plan.Flow, view string) bool {
	for _, name := range slices.Concat(f.Streams, f.Reads) {
		d := u.Plan.Dataset(name)
		if name == view || d != nil && d.Kind == plan.View && u.sees(d.Flows[0], view) {
			return true
		}
	}
	return false
}
