package records

import (
	"context"
	"errors"
	"slices"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/debezium"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// learnEvents takes the columns of schemas, and infers those of records without one.
func (b *batch) learnEvents(ctx context.Context) error {
	for _, s := range b.shapes() {
		b.known, _ = extend(b.known, s.columns, b.own())
	}
	if len(b.known) == 0 {
		shape, err := b.shape(ctx, nil)
		if err != nil {
			return err
		}
		b.known = jsonrecords.Grow(nil, shape, b.cfg.Texts, b.own()).Columns
	}
	if b.known = jsonrecords.WithHints(b.known, b.hints); len(b.known) == 0 {
		return nil
	}
	b.known = jsonrecords.WithHints(b.known, debezium.Meta)
	if e := b.cfg.Evolution; !e.Adds() && e != sources.Fail {
		return nil
	}
	return b.evolve(ctx, sources.AddNewColumns)
}

// evolve compares the records' columns with the schema as the mode demands.
func (b *batch) evolve(ctx context.Context, mode sources.Evolution) error {
	switch {
	case mode.Ignores() || b.plain() != nil || len(b.known) == 0:
		return nil
	case b.values != nil:
		return b.evolveTyped(mode)
	case b.events != nil:
		if err := b.evolveTyped(mode); err != nil {
			return err
		}
	}
	switch {
	case mode.Adds():
		return b.addColumns(ctx)
	case mode == sources.Rescue:
		return nil // findOdd finds them
	}
	var refused error
	err := b.eachDeviation(ctx, func(place string, value []byte, unknown []string) bool {
		if refused == nil && jsonrecords.Valid(value) == nil {
			refused = NewColumn(b.in.Places.Describe(place)+": the record", unknown[0], "")
		}
		return refused == nil
	})
	return errors.Join(refused, err)
}

// eachDeviation calls do with every record that has unknown keys, until it returns false for that file.
func (b *batch) eachDeviation(ctx context.Context, do func(place string, value []byte, unknown []string) bool) error {
	root := jsonrecords.NewTree(b.wire(b.known))
	known := b.in.Spill.columns.Equal(b.known) && !b.cfg.Evolution.Ignores() // then it was seen as the records came
	var scanner jsonrecords.Scanner
	for _, l := range b.in.Spill.lines() {
		if known && !l.unknown {
			continue
		}
		err := b.eachValue(ctx, l, func(head, value []byte) (bool, error) {
			unknown := scanner.Scan(value, root).Unknown
			if len(unknown) == 0 {
				return true, nil
			}
			p, err := parseHead(head)
			return err == nil && do(p.Place, value, unknown), err
		})
		if err != nil {
			return err
		}
	}
	return b.eachOdd(func(s Single) (bool, error) {
		if s.Reason != "" {
			return true, nil
		}
		unknown := scanner.Scan(s.Value, root).Unknown
		return len(unknown) == 0 || do(s.Place, s.Value, unknown), nil
	})
}

// findOdd finds files with records that DuckDB can't read strictly, or would cut: they are read record by record. Files
// that came with this schema have none but those with unknown keys.
func (b *batch) findOdd(ctx context.Context) error {
	switch {
	case b.plain() != nil || len(b.known) == 0:
		return nil
	case b.values != nil:
		b.findOddTyped()
		return nil
	}
	same, ignores := b.in.Spill.columns.Equal(b.known), b.cfg.Evolution.Ignores()
	root := jsonrecords.NewTree(b.wire(b.known))
	files := b.in.Spill.lines()
	odd := make([]bool, len(files))
	err := Each(files, func(i int, l *file) error {
		if same {
			odd[i] = l.unknown && !ignores
			return nil
		}
		scanner := jsonrecords.Scanner{KeysDoNotMatter: ignores}
		return b.eachValue(ctx, l, func(_, value []byte) (bool, error) {
			found := scanner.Scan(value, root)
			odd[i] = found.Odd || len(found.Unknown) > 0
			return !odd[i], nil
		})
	})
	for i, l := range files {
		if odd[i] {
			b.slow = append(b.slow, l)
		}
	}
	return err
}

// findOddTyped finds files with records of schemas whose columns are not all there, in this spelling and with types
// that hold all values.
func (b *batch) findOddTyped() {
	for _, l := range b.in.Spill.lines() {
		if slices.ContainsFunc(l.shapes, func(s *shape) bool { return !b.holds(s.columns) }) {
			b.slow = append(b.slow, l)
		}
	}
}

// holds says whether the source's columns hold all values of these.
func (b *batch) holds(columns schemas.Table) bool {
	for _, c := range columns {
		k := b.known.Column(c.Name)
		if k == nil && b.cfg.Evolution.Ignores() {
			continue
		}
		if k == nil || k.Name != c.Name {
			return false
		}
		wide, _, refused := schemas.Evolve(schemas.Table{c}, schemas.Table{*k})
		if len(refused) > 0 || !wide.Equal(schemas.Table{*k}) {
			return false
		}
	}
	return true
}

// addColumns extends the schema by what the records with unknown keys have.
func (b *batch) addColumns(ctx context.Context) error {
	shape, err := b.shape(ctx, b.known)
	if err != nil {
		return err
	}
	b.grow(shape)
	return nil
}

// grow adds the columns that a shape has.
func (b *batch) grow(shape *jsonrecords.Shape) {
	g := jsonrecords.Grow(b.known, shape, b.cfg.Texts, b.own())
	b.added(g.Columns, g.Added)
	if !b.rescues() {
		g.Tell(b.cfg.Evolution.Ignores(), func(key, message string) { b.notice("column_ignored", key, message) })
	}
}

// shape is that of all records, or, where columns are known, of those with keys that are unknown.
func (b *batch) shape(ctx context.Context, known schemas.Table) (*jsonrecords.Shape, error) {
	var root *jsonrecords.Tree
	if known != nil {
		root = jsonrecords.NewTree(b.wire(known))
	}
	files := b.in.Spill.lines()
	shapes := make([]jsonrecords.Shape, len(files)+1)
	learners := make([]*jsonrecords.Learner, len(shapes))
	fitter := jsonrecords.NewFitter(b.in.Session.Conn, b.wire(known), jsonrecords.FitOptions{Rescues: b.rescues(), Ignores: true})
	for i := range shapes {
		learners[i] = jsonrecords.NewLearner(&shapes[i], fitter.Clone())
	}
	add := func(scanner *jsonrecords.Scanner, to *jsonrecords.Learner, value []byte) error {
		found := jsonrecords.Found{}
		if root != nil {
			if found = scanner.Scan(value, root); len(found.Unknown) == 0 {
				return nil
			}
		}
		_, err := to.Add(ctx, value, found.Odd)
		return err
	}
	same := known != nil && b.in.Spill.columns.Equal(known)
	err := Each(files, func(i int, l *file) error {
		if same && !l.unknown {
			return nil
		}
		var scanner jsonrecords.Scanner
		err := b.eachValue(ctx, l, func(_, value []byte) (bool, error) {
			return true, add(&scanner, learners[i], value)
		})
		return errors.Join(err, learners[i].Flush(ctx))
	})
	if err != nil {
		return nil, err
	}
	var scanner jsonrecords.Scanner
	err = b.eachOdd(func(s Single) (bool, error) {
		if s.Reason != "" {
			return true, nil
		}
		return true, add(&scanner, learners[len(files)], s.Value)
	})
	err = errors.Join(err, learners[len(files)].Flush(ctx))
	total := &jsonrecords.Shape{}
	for i := range shapes {
		total.Merge(&shapes[i])
	}
	return total, err
}

// added reports new columns, once the schema has them.
func (b *batch) added(t schemas.Table, names []string) {
	b.known = t
	if b.first {
		return
	}
	b.out.Notices = append(b.out.Notices, Added("records", names)...)
}

// eachValue calls do with what stands before the value of every line, and the value.
func (b *batch) eachValue(ctx context.Context, l *file, do func(head, value []byte) (bool, error)) error {
	return readLines(l.path, func(line []byte) (bool, error) {
		head, value, err := splitLine(line)
		if err != nil || ctx.Err() != nil {
			return false, errors.Join(err, ctx.Err())
		}
		return do(head, value)
	})
}

// eachOdd calls do with the records that can't stand in lines.
func (b *batch) eachOdd(do func(s Single) (bool, error)) error {
	for _, f := range b.in.Spill.odd() {
		more, err := readSingles(f.path, do)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// evolveTyped compares the schemas that the records were written with.
func (b *batch) evolveTyped(mode sources.Evolution) error {
	for _, s := range b.shapes() {
		schema, added := extend(b.known, s.columns, b.own())
		schema = jsonrecords.WithHints(schema, b.hints)
		if schema.Equal(b.known) {
			continue
		}
		switch {
		case mode.Adds():
			b.added(schema, added)
		case mode == sources.Fail:
			if len(added) == 0 {
				added = []string{"with another type"}
			}
			return NewColumn(s.String(), added[0], "")
		}
	}
	return nil
}

// extend is jsonrecords.Extend for columns whose types are known: types of known columns are widened where all their
// values stay the same.
func extend(known, columns schemas.Table, own jsonrecords.Own) (schemas.Table, []string) {
	out, added, _ := jsonrecords.Extend(known, columns, own)
	for _, c := range columns {
		k := out.Column(c.Name)
		if k == nil || k.Name != c.Name || k.Type.Equal(c.Type) {
			continue
		}
		if wide, _, refused := schemas.Evolve(schemas.Table{*k}, schemas.Table{c}); len(refused) == 0 && len(wide) == 1 {
			k.Type = wide[0].Type
		}
	}
	return out, added
}
