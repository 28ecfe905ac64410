package records

import (
	"context"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// Input is what a batch is made of.
type Input struct {
	Session sources.Session
	Spill   *Spill // closed, and there as long as the batch is
	Places  Places
	Columns schemas.Table // that the position remembers; nil when none are known yet
	Temps   *Temps        // gets the files that the batch adds
	Notices []sources.Notice
}

// Batch makes a batch of spilled records, and returns it with the columns that are to be remembered, for the position and
// the next Spill; none where the format says all. Position, Backlog and More are the caller's to fill in.
func (r *Reader) Batch(ctx context.Context, in Input) (*sources.Batch, schemas.Table, error) {
	b := &batch{Reader: r, in: in, known: in.Columns, out: &sources.Batch{Notices: slices.Clone(in.Notices)}}
	if err := b.build(ctx); err != nil {
		return nil, nil, err
	}
	if r.plain() != nil {
		return b.out, nil, nil
	}
	return b.out, b.known, nil
}

// Columns finds the columns of spilled records when none are known yet.
func (r *Reader) Columns(ctx context.Context, s sources.Session, spilled *Spill) (schemas.Table, error) {
	b := &batch{Reader: r, in: Input{Session: s, Spill: spilled}, out: &sources.Batch{}}
	err := b.learn(ctx)
	return b.known, err
}

// batch is one batch in the making.
type batch struct {
	*Reader
	in    Input
	known schemas.Table // the columns
	out   *sources.Batch
	first bool // the columns are found by this batch
	slow  []*file
	parts Parts[*file]
}

// build learns or evolves the columns and fills b.out.
func (b *batch) build(ctx context.Context) error {
	if b.in.Spill.rows == 0 {
		return b.finish(ctx)
	}
	if err := b.learn(ctx); err != nil {
		return err
	}
	if !b.first {
		if err := b.evolve(ctx, b.cfg.Evolution); err != nil {
			return err
		}
	}
	b.slow = b.in.Spill.odd()
	if err := b.findOdd(ctx); err != nil {
		return err
	}
	if err := b.readSlow(ctx, b.slow); err != nil {
		return err
	}
	b.out.Repair = b.repair
	return b.finish(ctx)
}

// learn finds the columns when none are known. All columns of the first batch are taken, also by the mode that refuses
// later ones.
func (b *batch) learn(ctx context.Context) error {
	if b.known != nil || b.in.Spill.rows == 0 {
		return nil
	}
	if b.cfg.Declared && len(b.hints) > 0 && b.events == nil { // others are as in a later batch
		b.known = b.hints.Clone()
		return nil
	}
	b.first = true
	b.known = schemas.Table{}
	if b.events != nil {
		return b.learnEvents(ctx)
	}
	if b.values == nil {
		shape, err := b.shape(ctx, nil)
		if err != nil {
			return err
		}
		b.known = jsonrecords.Grow(nil, shape, b.cfg.Texts, b.own()).Columns
		if len(b.known) > 0 {
			b.known = jsonrecords.WithHints(b.known, b.hints)
			b.grow(shape)
			return nil
		}
	} else {
		for _, s := range b.shapes() {
			b.known, _ = extend(b.known, s.columns, b.own())
		}
	}
	found := len(b.known) > 0
	b.known = jsonrecords.WithHints(b.known, b.hints)
	if e := b.cfg.Evolution; !found || !e.Adds() && e != sources.Fail {
		return nil
	}
	return b.evolve(ctx, sources.AddNewColumns)
}

// finish fills the batch from what is known now. It is called again after a repair.
func (b *batch) finish(ctx context.Context) error {
	out := b.out
	out.Items, out.Bytes, out.Newest = b.in.Spill.rows, b.in.Spill.bytes, b.in.Spill.newest
	out.Ignored = int64(b.in.Spill.Ignored())
	out.Columns = b.Visible(b.known)
	out.Relation = b.relation()
	if err := SetRejects(ctx, b.in.Session.Conn, out, b.parts.Rejects()); err != nil {
		return err
	}
	if out.Relation == "" && int64(out.Items)-out.Ignored > out.RejectCount {
		return fmt.Errorf("the first %d records of the %s have no values, so that its columns can't be known; write them"+
			" under schema", out.Items, b.in.Places.Holder)
	}
	return nil
}

func (b *batch) relation() string {
	if len(b.known) == 0 {
		return ""
	}
	return b.parts.Relation(b.in.Spill.files(), b.strict)
}

// strict reads files of lines and fails when a record does not fit.
func (b *batch) strict(files []*file) string {
	if len(files) == 0 || len(b.known) == 0 {
		return ""
	}
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.path
	}
	return b.lines().relation(paths, maxLine)
}

func (b *batch) lines() lines {
	l := lines{columns: b.known, rescues: b.rescues(), places: b.in.Places, typed: b.values != nil || b.events != nil}
	if b.plain() != nil {
		l.plain, l.row = b.cfg.Value.Format, b.cfg.Row
	}
	return l
}

// looksInto says whether values are objects, whose members are columns.
func (b *batch) looksInto() bool { return b.plain() == nil && len(b.known) > 0 }

// readSlow reads files record by record.
func (b *batch) readSlow(ctx context.Context, files []*file) error {
	if len(files) == 0 {
		return nil
	}
	lines := b.lines()
	temp := func(name string) string { return b.in.Temps.New(b.in.Session, name) }
	fit := Fit{Temp: temp, Line: appendFitted, Rescued: b.in.Places.Rescued}
	if b.looksInto() {
		options := jsonrecords.FitOptions{Rescues: b.rescues(), Ignores: b.cfg.Evolution.Ignores()}
		fit.Fitter = jsonrecords.NewFitter(b.in.Session.Conn, lines.onWire(), options)
		fit.Prove = b.parts.Proves
	}
	fitted, err := fit.Run(ctx, len(files), func(i int, add func(Single) error) error { return files[i].each(add) })
	if err != nil {
		return err
	}
	good := ""
	if len(b.known) > 0 {
		good = lines.relation(fitted.Goods, fitted.Longest)
	}
	b.parts.Add(files, good, fitted.Rejects(b.in.Places.Origin, "true"))
	return nil
}

// each calls do with every record of the file.
func (f *file) each(do func(Single) error) error {
	if f.odd {
		_, err := readSingles(f.path, func(s Single) (bool, error) { return true, do(s) })
		return err
	}
	return readLines(f.path, func(line []byte) (bool, error) {
		s, err := singleOf(line)
		if err != nil {
			return false, err
		}
		return true, do(s)
	})
}

// repair gives a batch without the records that can't be read strictly, or nil when it is not they that made reading
// fail.
func (b *batch) repair(ctx context.Context, session sources.Session, cause error) (*sources.Batch, error) {
	b.in.Session = session
	return Repair(&b.out, func() (bool, error) { return b.setAside(ctx, cause) })
}

// setAside finds the files that can't be read strictly and reads them record by record.
func (b *batch) setAside(ctx context.Context, cause error) (bool, error) {
	if duckerr.World(cause) {
		return false, nil
	}
	failing, err := b.parts.Failing(ctx, b.in.Session.Conn, b.in.Spill.files(), b.strict)
	if err == nil && len(failing) == 0 && b.looksInto() {
		failing, err = b.parts.Refused(ctx, b.in.Session.Conn)
	}
	if err != nil || len(failing) == 0 {
		return false, err
	}
	if err := b.readSlow(ctx, failing); err != nil {
		return false, Unrepaired(cause, err)
	}
	return true, b.finish(ctx)
}

func (b *batch) notice(kind, subject, message string) {
	b.out.Notices = append(b.out.Notices, sources.Notice{Kind: kind, Subject: subject, Message: message})
}

// shapes are the schemas that the records were written with, in a stable order.
func (b *batch) shapes() []*shape {
	var out []*shape
	for _, writer := range b.in.Spill.writers {
		for _, s := range writer.shapes {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *shape) int { return a.order - b.order })
	return out
}
