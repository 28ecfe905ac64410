package kafka

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// work is one batch in the making.
type work struct {
	src      *Source
	session  sources.Session
	state    state
	seg      *segment
	out      *sources.Batch
	temps    *[]string // files to remove with the batch
	snapshot bool
	first    bool     // the schema is found by this work
	slow     []*lines // files that are read record by record
	proves   bool     // what is read record by record is only taken once DuckDB has read it
	good     string   // the relation of what is read record by record
	rejects  string
	serial   int
}

// build learns or evolves the schema and fills w.out.
func (w *work) build(ctx context.Context) error {
	if !w.snapshot {
		w.out.Notices = append(w.out.Notices, w.src.notices...)
	}
	if w.seg.rows == 0 {
		return w.finish()
	}
	if err := w.learn(ctx); err != nil {
		return err
	}
	if !w.first {
		if err := w.evolve(ctx, w.src.cfg.Evolution); err != nil {
			return err
		}
	}
	if err := w.findOdd(ctx); err != nil {
		return err
	}
	if err := w.readSlow(ctx); err != nil {
		return err
	}
	w.out.Repair = w.repair
	return w.finish()
}

// learn finds the columns when none are remembered. All columns of the first batch are taken, also by the mode that
// refuses later ones.
func (w *work) learn(ctx context.Context) error {
	if w.state.schema != nil || w.seg.rows == 0 {
		return nil
	}
	w.first = true
	w.state.schema = schemas.Table{}
	if w.src.formats.values == nil {
		shape, err := w.shape(ctx, nil)
		if err != nil {
			return err
		}
		w.state.schema = jsonrecords.Grow(nil, shape, w.src.cfg.Texts).Columns
		if len(w.state.schema) > 0 {
			w.state.schema = jsonrecords.WithHints(w.state.schema, w.src.hints)
			w.grow(shape)
			return nil
		}
	} else {
		for _, s := range w.shapes() {
			w.state.schema, _ = extend(w.state.schema, s.columns)
		}
	}
	found := len(w.state.schema) > 0
	w.state.schema = jsonrecords.WithHints(w.state.schema, w.src.hints)
	if e := w.src.cfg.Evolution; !found || !e.Adds() && e != Fail {
		return nil
	}
	return w.evolve(ctx, AddNewColumns)
}

func (w *work) eachValue(ctx context.Context, l *lines, do func(head, value []byte) (bool, error)) error {
	return readLines(l.path, func(line []byte) (bool, error) {
		head, value, err := splitLine(line)
		if err != nil || ctx.Err() != nil {
			return false, errors.Join(err, ctx.Err())
		}
		return do(head, value)
	})
}

// eachOdd calls do with the records that can't stand in lines.
func (w *work) eachOdd(do func(r rawRecord) (bool, error)) error {
	for _, path := range w.seg.odd() {
		more, err := readRaw(path, do)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// shapes are the schemas that the records were written with, in a stable order.
func (w *work) shapes() []*shape {
	var out []*shape
	for _, writer := range w.seg.writers {
		for _, s := range writer.shapes {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *shape) int { return a.order - b.order })
	return out
}

// finish fills the batch from what is known now. It is called again after a repair.
func (w *work) finish() (err error) {
	b := w.out
	b.Items, b.Bytes, b.Newest = w.seg.rows, w.seg.bytes, w.seg.newest
	remembered := w.state
	remembered.topics = w.seg.next
	if w.snapshot {
		remembered.topics = nil
	}
	if w.src.plain() != nil || len(remembered.schema) == 0 {
		remembered.schema = nil
	}
	if b.Position, err = remembered.encode(); err != nil {
		return err
	}
	columns := w.state.schema
	if len(columns) == 0 {
		columns = jsonrecords.WithHints(nil, w.src.hints)
	}
	b.Columns, b.Places = w.src.visible(columns), w.src.locations(w.seg.topics)
	b.Relation = w.relation()
	b.Rejects = ""
	if b.RejectCount > 0 {
		b.Rejects = w.rejects
	}
	if b.Relation == "" && int64(b.Items) > b.RejectCount {
		return fmt.Errorf("the first %d records of the topic have no values, so that its columns can't be known; write them under schema", b.Items)
	}
	return nil
}

// relation puts together the files that are read strictly and what is read record by record.
func (w *work) relation() string {
	if len(w.state.schema) == 0 {
		return ""
	}
	var relations []string
	if w.good != "" {
		relations = append(relations, w.good)
	}
	strict := slices.DeleteFunc(w.seg.files(), func(l *lines) bool { return slices.Contains(w.slow, l) })
	if len(strict) > 0 {
		relations = append(relations, w.strict(strict))
	}
	return union(relations)
}

// repair gives a batch without the records that can't be read strictly, or nil when it is not they that made reading
// fail.
func (w *work) repair(ctx context.Context, session sources.Session, cause error) (*sources.Batch, error) {
	before := w.out
	next := *before
	next.Ledger, next.Notices = slices.Clone(before.Ledger), slices.Clone(before.Notices)
	w.out = &next
	repaired, err := w.setAside(ctx, session, cause)
	if !repaired || err != nil {
		w.out = before
		return nil, err
	}
	return &next, nil
}

// setAside finds the files that can't be read strictly and reads them record by record.
func (w *work) setAside(ctx context.Context, session sources.Session, cause error) (bool, error) {
	w.session = session
	var failing []*lines
	for _, l := range w.seg.files() {
		if slices.Contains(w.slow, l) {
			continue
		}
		if len(w.state.schema) > 0 && w.reads(ctx, w.strict([]*lines{l})) != nil {
			failing = append(failing, l)
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
	if len(failing) == 0 {
		refused, err := w.refusesGood(ctx)
		if err != nil || !refused {
			return false, err
		}
		w.proves = true
	}
	w.slow = append(w.slow, failing...)
	if err := w.readSlow(ctx); err != nil {
		return false, fmt.Errorf("set bad records aside after %q: %w", duckerr.Text(cause), err)
	}
	return true, w.finish()
}

// errUnread ends an update when DuckDB refuses what it has read before.
var errUnread = errors.New("what was written to the temporary folder can't be read back; see to the disk, or report it if it goes on")

// refusesGood says whether DuckDB refuses the records that were written for it one by one.
func (w *work) refusesGood(ctx context.Context) (bool, error) {
	if w.good == "" || w.src.plain() != nil || len(w.state.schema) == 0 {
		return false, nil
	}
	switch err := w.reads(ctx, w.good); {
	case err == nil:
		return false, nil
	case ctx.Err() != nil || duckerr.World(err):
		return false, errors.Join(ctx.Err(), err)
	case w.proves:
		return false, errUnread
	}
	return true, nil
}

// reads evaluates all columns of the relation.
func (w *work) reads(ctx context.Context, relation string) error {
	var hash any
	return w.session.Conn.QueryRowContext(ctx, "SELECT bit_xor(hash(__lakeflow_all)) FROM "+relation+" AS __lakeflow_all").Scan(&hash)
}

// temp names a new temporary file that lives as long as the batch.
func (w *work) temp(name string) string {
	w.serial++
	path := filepath.Join(w.session.TempDir, fmt.Sprintf("%s%p_%d_%s", w.session.Prefix, w, w.serial, name))
	*w.temps = append(*w.temps, path)
	return path
}

func (w *work) notice(kind, subject, message string) {
	w.out.Notices = append(w.out.Notices, sources.Notice{Kind: kind, Subject: subject, Message: message})
}

// each calls do for all of them at once.
func each[T any](files []T, do func(i int, l T) error) error {
	errs := make([]error, len(files))
	var running sync.WaitGroup
	for i, l := range files {
		running.Go(func() { errs[i] = do(i, l) })
	}
	running.Wait()
	return errors.Join(errs...)
}

// shown is a name as messages have it: quoted when it has characters that do not print.
func shown(name string) string {
	if q := strconv.Quote(name); len(q) != len(name)+2 {
		return q
	}
	return name
}
