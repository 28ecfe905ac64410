package files

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/records"
)

// debeziumFormat is that of files of change events, which stand there as JSON records do. Package records knows what
// becomes of them, as it does for topics: all are read record by record.
type debeziumFormat struct{ reader *records.Reader }

func newDebezium(cfg Config) (debeziumFormat, error) {
	c := records.Config{Value: records.Format{Format: cfg.Format}, Evolution: cfg.Evolution, Texts: cfg.Texts}
	for _, h := range cfg.Hints {
		c.Hints = append(c.Hints, sources.Hint(h))
	}
	reader, err := records.New(c)
	return debeziumFormat{reader}, err
}

// events are the records of a work's files, and the batch that they make.
type events struct {
	files []*file
	spill *records.Spill
	batch *sources.Batch // nil until it is asked for
}

func (debeziumFormat) open(context.Context, *work) error { return nil }

func (d debeziumFormat) infer(ctx context.Context, w *work) (err error) {
	if err = d.read(ctx, w); err == nil {
		w.state.Schema, err = d.reader.Columns(ctx, w.session, w.events.spill)
	}
	return err
}

func (d debeziumFormat) evolve(ctx context.Context, w *work, _ Evolution) error {
	before := w.state.Schema
	if err := d.make(ctx, w); err != nil {
		return err
	}
	w.slow = slices.Clone(w.files)
	if !w.first && !before.Equal(w.state.Schema) {
		w.out.Notices = append(w.out.Notices, w.events.batch.Notices...)
	}
	return nil
}

func (debeziumFormat) strict(*work, []*file) string { return "" }

// tolerant is given all files. When their rows could not be read a moment ago, what is wrong is set aside.
func (d debeziumFormat) tolerant(ctx context.Context, w *work, _ []*file) (good, rejects string, err error) {
	if err := d.make(ctx, w); err != nil {
		return "", "", err
	}
	for b := w.events.batch; w.parts.Proves && b.Relation != ""; b = w.events.batch {
		cause := records.Reads(ctx, w.session.Conn, b.Relation)
		if cause == nil {
			break
		}
		repaired, err := b.Repair(ctx, w.session, cause)
		switch {
		case err != nil:
			return "", "", err
		case repaired == nil:
			return "", "", cause
		}
		w.events.batch = repaired
	}
	b := w.events.batch
	rejects = `(SELECT '' AS file, 0::BIGINT AS line, 0::BIGINT AS "offset", ''::BLOB AS raw, '' AS reason, false AS whole` +
		` WHERE false)`
	if b.Rejects != "" {
		rejects = `(SELECT * EXCLUDE ("partition") FROM ` + b.Rejects + ")"
	}
	return b.Relation, rejects, nil
}

// make makes the batch of all files, and sets the columns to those with which it is read.
func (d debeziumFormat) make(ctx context.Context, w *work) error {
	if err := d.read(ctx, w); err != nil || w.events.batch != nil {
		return err
	}
	files := w.events.files
	places := records.Places{Metadata: w.metadata(files, numberOfFile), Origin: origin(files), Rescued: rescuedOf(files),
		Holder: "files",
		Describe: func(place string) string {
			at := strings.Fields(place)
			return "file " + files[numberIn(place)].path + ", line " + at[1]
		}}
	b, columns, err := d.reader.Batch(ctx, records.Input{Session: w.session, Spill: w.events.spill, Places: places,
		Columns: w.state.Schema, Temps: w.temps})
	if err != nil {
		return err
	}
	w.events.batch = b
	if len(columns) > 0 {
		w.state.Schema = columns
	}
	return nil
}

// read reads the records of all files, unless it has done so, and drops files that can't be read to their end.
func (d debeziumFormat) read(ctx context.Context, w *work) error {
	for w.events == nil || !slices.Equal(w.events.files, w.files) {
		all := records.Limits{Rows: math.MaxInt, Bytes: math.MaxInt64}
		e := &events{files: slices.Clone(w.files), spill: d.reader.Spill(w.state.Schema, w.session.TempDir, all)}
		for i, f := range e.files {
			cause, err := e.take(ctx, i)
			if err != nil {
				e.spill.Remove()
				return err
			}
			if cause != nil {
				w.drop(f, cause)
			} else if compressed(f.path) {
				w.verified(f)
			}
		}
		if err := e.spill.Close(); err != nil {
			return err
		}
		e.spill.Into(w.temps)
		w.events = e
	}
	return nil
}

// chunkRecords and chunkBytes bound what is decoded at once.
const (
	chunkRecords = 8192
	chunkBytes   = 16 << 20
)

// take writes the records of the i-th file. Cause is why it can't be read.
func (e *events) take(ctx context.Context, i int) (cause, err error) {
	var chunk []record
	size := 0
	flush := func() {
		if err == nil {
			err = e.spill.Write(ctx, len(chunk), func(k int, r *records.Record) bool {
				r.Place, r.Value, r.Refused = append(r.Place, placeOf(i, chunk[k])...), chunk[k].raw, chunk[k].reason
				return true
			})
		}
		chunk, size = chunk[:0], 0
	}
	cause = readRecords(e.files[i].path, "", jsonMixed, func(r record) bool {
		r.raw = bytes.Clone(r.raw)
		if r.raw == nil {
			r.raw = []byte{}
		}
		e.spill.Admit(len(r.raw), time.Time{})
		chunk, size = append(chunk, r), size+len(r.raw)
		if len(chunk) == chunkRecords || size > chunkBytes {
			flush()
		}
		return err == nil && ctx.Err() == nil
	})
	flush()
	if err == nil {
		err = ctx.Err()
	}
	return cause, err
}

// traceEvents reads the files' records with their offsets.
func (w *work) traceEvents(ctx context.Context, d debeziumFormat) (traced, error) {
	all := slices.Clone(w.files)
	w.position, w.events = `CAST(split_part(m, ' ', 3) AS BIGINT)`, nil
	w.parts.Proves = true // all of it is read twice
	rows, _, err := d.tolerant(ctx, w, all)
	if err != nil || len(w.files) < len(all) || w.events.spill.Raw() == "" {
		return traced{}, err
	}
	return traced{rows, fmt.Sprintf(`(SELECT %s AS place, %s AS "offset", CAST(split_part(m, ' ', 2) AS BIGINT) AS line, raw FROM %s)`,
		w.place(all, numberOfFile), w.position, w.events.spill.Raw())}, nil
}

// withMeta adds the columns that change events have behind those that are declared.
func withMeta(hints schemas.Table) schemas.Table {
	if len(hints) == 0 {
		return nil
	}
	return append(hints.Clone(), new(records.Debezium).Changes().NoData...)
}
