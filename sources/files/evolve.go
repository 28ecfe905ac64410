package files

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// infer finds the columns of all records of the first batch. Evolve adds what hinted columns do not have.
func (jsonFormat) infer(ctx context.Context, w *work) error {
	w.looked = &look{w: w, tree: jsonrecords.NewTree(w.src.hints), mode: AddNewColumns, first: true}
	if err := w.looked.files(ctx); err != nil {
		return err
	}
	w.state.Schema = jsonrecords.Grow(nil, w.looked.shape, w.src.cfg.Texts, w.own()).Columns
	if len(w.state.Schema) == 0 {
		w.looked.decide(w.src.hints)
	}
	return nil
}

// evolve looks at the keys of every record.
func (j jsonFormat) evolve(ctx context.Context, w *work, mode Evolution) error {
	l := w.looked
	switch {
	case l != nil:
		w.looked = nil
		w.grow(l.shape)
		if slices.ContainsFunc(w.src.hints, func(h schemas.Column) bool { return w.state.Schema.Column(h.Name).Name != h.Name }) {
			return j.compare(ctx, w) // spelled as in the records, which were compared with another name
		}
	case w.first:
		return nil // it is known from Schema
	default:
		l = &look{w: w, tree: jsonrecords.NewTree(w.state.Schema), mode: mode}
		if err := l.files(ctx); err != nil {
			return err
		}
		if mode.Adds() {
			w.grow(l.shape)
		}
	}
	l.decide(w.state.Schema)
	return nil
}

// grow adds the columns that a shape has.
func (w *work) grow(shape *jsonrecords.Shape) {
	g := jsonrecords.Grow(w.state.Schema, shape, w.src.cfg.Texts, w.own())
	w.added(g.Columns, g.Added)
	if !w.rescues() {
		g.Tell(w.src.cfg.Evolution.Ignores(), func(key, message string) { w.notice("column_ignored", key, message) })
	}
}

// compare finds the files that can't be read strictly.
func (jsonFormat) compare(ctx context.Context, w *work) error {
	mode := Rescue
	if w.src.cfg.Evolution.Ignores() {
		mode = None
	}
	look := &look{w: w, tree: jsonrecords.NewTree(w.state.Schema), mode: mode}
	if err := look.files(ctx); err != nil {
		return err
	}
	look.decide(w.state.Schema)
	return nil
}

// newColumn is the error that schema_evolution: fail ends with.
func newColumn(path, column string) error {
	return records.NewColumn("file "+path, column, "remove the file, ")
}

// look goes through the records of the work's files.
type look struct {
	w       *work
	tree    *jsonrecords.Tree // of the known columns
	fitter  *jsonrecords.Fitter
	mode    Evolution
	first   bool // all columns are wanted
	seen    []*seen
	shape   *jsonrecords.Shape    // of all files
	refused atomic.Pointer[error] // by the mode fail
}

// seen is what was found out about a file.
type seen struct {
	file  *file
	shape jsonrecords.Shape // of the records that may have new columns
	odd   bool              // DuckDB can't read the file strictly, or would take what is too long, or a part of a value
	whole bool              // it was read to its end
	again bool              // its records stand in another way than was thought
	cause error             // why it can't be read

	learner *jsonrecords.Learner
	failed  error // of the learner
}

// firstRecords of a file are taken for the order of columns that are all declared.
const firstRecords = 100

// files looks at all files, and drops those that can't be read.
func (l *look) files(ctx context.Context) error {
	files := slices.Clone(l.w.files)
	l.seen = make([]*seen, len(files))
	l.fitter = jsonrecords.NewFitter(l.w.session.Conn, l.tree.Columns(), jsonrecords.FitOptions{Rescues: l.w.rescues(), Ignores: true, Nulls: l.w.src.cfg.JSON.NullValues})
	eachFile(files, func(i int, f *file) { l.seen[i] = l.file(ctx, f) })
	if err := ctx.Err(); err != nil {
		return err
	}
	if refused := l.refused.Load(); refused != nil {
		return *refused
	}
	l.shape = &jsonrecords.Shape{Nulls: l.w.src.cfg.JSON.NullValues, NoTimes: l.w.src.cfg.JSON.noTimes()}
	for _, s := range l.seen {
		if s.failed != nil {
			return s.failed
		}
		if s.cause != nil {
			l.w.drop(s.file, s.cause)
			continue
		}
		if s.whole && compressed(s.file.path) {
			l.w.verified(s.file)
		}
		l.shape.Merge(&s.shape)
	}
	return nil
}

// decide notes which files are to be read record by record, once the columns are known.
func (l *look) decide(t schemas.Table) {
	for _, s := range l.seen {
		if s.odd || !s.shape.Fits(t) {
			l.w.slow = append(l.w.slow, s.file)
		}
	}
}

// file looks at the records of one file.
func (l *look) file(ctx context.Context, f *file) *seen {
	for {
		s := &seen{file: f, whole: true, odd: f.kind == jsonMixed}
		s.shape.Nulls, s.shape.NoTimes = l.w.src.cfg.JSON.NullValues, l.w.src.cfg.JSON.noTimes()
		s.learner = jsonrecords.NewLearner(&s.shape, l.fitter.Clone())
		scanner := jsonrecords.Scanner{KeysDoNotMatter: l.mode.Ignores() && !l.first}
		n := 0
		s.cause = readRecords(f.path, l.w.src.cfg.JSON.Encoding, f.kind, func(r record) bool {
			n++
			s.whole = ctx.Err() == nil && l.record(ctx, s, &scanner, r, l.first && n <= firstRecords)
			return s.whole
		})
		if s.failed == nil && !s.again {
			s.failed = s.learner.Flush(ctx)
		}
		if !s.again {
			return s
		}
		f.kind = jsonMixed
	}
}

// record looks at one record, and says whether to go on.
func (l *look) record(ctx context.Context, s *seen, scanner *jsonrecords.Scanner, r record, always bool) bool {
	mixed := s.file.kind == jsonMixed
	if r.reason != "" {
		s.odd, s.again = true, !mixed && r.misplaced()
		return !s.again
	}
	var found jsonrecords.Found
	if l.tree.Empty() {
		found = s.shape.Add(r.raw)
	} else {
		found = scanner.Scan(r.raw, l.tree)
		if len(found.Unknown) > 0 || always {
			found.Odd = l.unknown(ctx, s, r, found) || found.Odd
		}
	}
	s.again = !mixed && !found.Whole && r.opens()
	s.odd = s.odd || found.Odd
	if l.refused.Load() != nil {
		return false
	}
	learns := l.first || l.mode.Adds() || l.mode == Fail
	return !s.again && s.failed == nil && (learns || !s.odd)
}

// unknown handles a record with new columns, and says whether it is to be read by itself.
func (l *look) unknown(ctx context.Context, s *seen, r record, found jsonrecords.Found) (odd bool) {
	switch {
	case l.first || l.mode.Adds():
		added, err := s.learner.Add(ctx, r.raw, found.Odd)
		s.failed = errors.Join(s.failed, err)
		return added.Odd && len(found.Unknown) > 0
	case l.mode == Fail:
		if jsonrecords.Valid(r.raw) == nil {
			err := newColumn(s.file.path, found.Unknown[0])
			l.refused.CompareAndSwap(nil, &err)
		}
	}
	return true
}
