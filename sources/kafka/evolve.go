package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// evolve compares the records' columns with the schema as the mode demands.
func (w *work) evolve(ctx context.Context, mode Evolution) error {
	switch {
	case mode.Ignores() || w.src.plain() != nil || len(w.state.schema) == 0:
		return nil
	case w.src.formats.values != nil:
		return w.evolveTyped(mode)
	case mode.Adds():
		return w.addColumns(ctx)
	case mode == Rescue:
		return nil // findOdd finds them
	}
	var refused error
	err := w.eachDeviation(ctx, func(at place, value []byte, unknown []string) bool {
		if refused == nil && jsonrecords.Valid(value) == nil {
			refused = w.newColumn(at, unknown[0])
		}
		return refused == nil
	})
	return errors.Join(refused, err)
}

// place is where a record stands.
type place struct {
	topic, partition int32
	offset           int64
}

// newColumn is the error that schema_evolution: fail ends with.
func (w *work) newColumn(at place, column string) error {
	return fmt.Errorf("topic %s, partition %d, offset %d: the record has the column %q, which the source does not have: declare it under schema:, or set schema_evolution:"+
		" add_new_columns to add it, rescue to keep its values in %s, none to ignore it", w.seg.topics[at.topic], at.partition, at.offset, column, jsonrecords.RescuedColumn)
}

// eachDeviation calls do with every record that has unknown keys, until it returns false for that file.
func (w *work) eachDeviation(ctx context.Context, do func(at place, value []byte, unknown []string) bool) error {
	root := jsonrecords.NewTree(w.state.schema)
	known := w.seg.schema.Equal(w.state.schema) && !w.src.cfg.Evolution.Ignores() // then it was seen as the records came
	var scanner jsonrecords.Scanner
	for _, l := range w.seg.files() {
		if known && !l.unknown {
			continue
		}
		err := w.eachValue(ctx, l, func(head, value []byte) (bool, error) {
			unknown := scanner.Scan(value, root).Unknown
			if len(unknown) == 0 {
				return true, nil
			}
			p, err := parseHead(head)
			return do(place{p.Topic, p.Partition, p.Offset}, value, unknown), err
		})
		if err != nil {
			return err
		}
	}
	return w.eachOdd(func(r rawRecord) (bool, error) {
		if r.Reason != "" {
			return true, nil
		}
		unknown := scanner.Scan([]byte(r.Raw), root).Unknown
		return len(unknown) == 0 || do(place{r.Topic, r.Partition, r.Offset}, []byte(r.Raw), unknown), nil
	})
}

// findOdd finds files with records that DuckDB can't read strictly, or would cut: they are read record by record. Files
// that came with this schema have none but those with unknown keys.
func (w *work) findOdd(ctx context.Context) error {
	switch {
	case w.src.plain() != nil || len(w.state.schema) == 0:
		return nil
	case w.src.formats.values != nil:
		w.findOddTyped()
		return nil
	}
	same, ignores := w.seg.schema.Equal(w.state.schema), w.src.cfg.Evolution.Ignores()
	root := jsonrecords.NewTree(w.state.schema)
	files := w.seg.files()
	odd := make([]bool, len(files))
	err := each(files, func(i int, l *lines) error {
		if same {
			odd[i] = l.unknown && !ignores
			return nil
		}
		scanner := jsonrecords.Scanner{KeysDoNotMatter: ignores}
		return w.eachValue(ctx, l, func(_, value []byte) (bool, error) {
			found := scanner.Scan(value, root)
			odd[i] = found.Odd || len(found.Unknown) > 0
			return !odd[i], nil
		})
	})
	for i, l := range files {
		if odd[i] {
			w.slow = append(w.slow, l)
		}
	}
	return err
}

// findOddTyped finds files with records of schemas whose columns are not all there, in this spelling and with types
// that hold all values.
func (w *work) findOddTyped() {
	for _, l := range w.seg.files() {
		if slices.ContainsFunc(l.shapes, func(s *shape) bool { return !w.holds(s.columns) }) {
			w.slow = append(w.slow, l)
		}
	}
}

// holds says whether the source's columns hold all values of these.
func (w *work) holds(columns schemas.Table) bool {
	for _, c := range columns {
		k := w.state.schema.Column(c.Name)
		if k == nil && w.src.cfg.Evolution.Ignores() {
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
func (w *work) addColumns(ctx context.Context) error {
	shape, err := w.shape(ctx, w.state.schema)
	if err != nil {
		return err
	}
	w.grow(shape)
	return nil
}

// grow adds the columns that a shape has.
func (w *work) grow(shape *jsonrecords.Shape) {
	g := jsonrecords.Grow(w.state.schema, shape, w.src.cfg.Texts)
	w.added(g.Columns, g.Added)
	if !w.src.rescues() {
		g.Tell(w.src.cfg.Evolution.Ignores(), func(key, message string) { w.notice("column_ignored", key, message) })
	}
}

// shape is that of all records, or, where columns are known, of those with keys that are unknown.
func (w *work) shape(ctx context.Context, known schemas.Table) (*jsonrecords.Shape, error) {
	var root *jsonrecords.Tree
	if known != nil {
		root = jsonrecords.NewTree(known)
	}
	files := w.seg.files()
	shapes := make([]jsonrecords.Shape, len(files)+1)
	learners := make([]*jsonrecords.Learner, len(shapes))
	fitter := jsonrecords.NewFitter(w.session.Conn, known, jsonrecords.FitOptions{Rescues: w.src.rescues(), Ignores: true})
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
	same := known != nil && w.seg.schema.Equal(known)
	err := each(files, func(i int, l *lines) error {
		if same && !l.unknown {
			return nil
		}
		var scanner jsonrecords.Scanner
		err := w.eachValue(ctx, l, func(_, value []byte) (bool, error) {
			return true, add(&scanner, learners[i], value)
		})
		return errors.Join(err, learners[i].Flush(ctx))
	})
	if err != nil {
		return nil, err
	}
	var scanner jsonrecords.Scanner
	err = w.eachOdd(func(r rawRecord) (bool, error) {
		if r.Reason != "" {
			return true, nil
		}
		return true, add(&scanner, learners[len(files)], []byte(r.Raw))
	})
	err = errors.Join(err, learners[len(files)].Flush(ctx))
	total := &jsonrecords.Shape{}
	for i := range shapes {
		total.Merge(&shapes[i])
	}
	return total, err
}

// added reports new columns, once the schema has them.
func (w *work) added(t schemas.Table, names []string) {
	w.state.schema = t
	if w.first {
		return
	}
	for _, name := range names {
		w.notice("column_added", name, "column "+shown(name)+" is new in the records and was added")
	}
}

// evolveTyped compares the schemas that the records were written with.
func (w *work) evolveTyped(mode Evolution) error {
	for _, s := range w.shapes() {
		schema, added := extend(w.state.schema, s.columns)
		schema = jsonrecords.WithHints(schema, w.src.hints)
		if schema.Equal(w.state.schema) {
			continue
		}
		switch {
		case mode.Adds():
			w.added(schema, added)
		case mode == Fail:
			if len(added) == 0 {
				added = []string{"with another type"}
			}
			return fmt.Errorf("schema %d of the registry has the column %q, which the source does not have: declare it under schema:, or set schema_evolution: add_new_columns to add it,"+
				" rescue to keep its values in %s, none to ignore it", s.order, added[0], jsonrecords.RescuedColumn)
		}
	}
	return nil
}

// extend is jsonrecords.Extend for columns whose types are known: types of known columns are widened where all their
// values stay the same.
func extend(known, columns schemas.Table) (schemas.Table, []string) {
	out, added, _ := jsonrecords.Extend(known, columns)
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
