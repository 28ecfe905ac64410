package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// evolve compares the records' columns with the schema as the mode demands.
func (w *work) evolve(ctx context.Context, mode Evolution) error {
	switch {
	case mode == None || w.src.plain() != nil || len(w.state.schema) == 0:
		return nil
	case w.src.formats.values != nil:
		return w.evolveTyped(mode)
	case mode == AddNewColumns:
		return w.addColumns(ctx)
	case mode == Rescue:
		return w.eachDeviation(ctx, nil, func(l *lines, _ place, _ []byte, _ []string) bool {
			if l != nil { // else it is read by itself anyway
				w.slow = append(w.slow, l)
			}
			return false
		})
	}
	var refused error
	err := w.eachDeviation(ctx, nil, func(_ *lines, at place, value []byte, unknown []string) bool {
		if refused == nil && json.Valid(value) {
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

// eachDeviation calls do with every record that has unknown keys, until it returns false for that file. Records that can't stand in lines have no file.
func (w *work) eachDeviation(ctx context.Context, ignored map[string]bool, do func(l *lines, at place, value []byte, unknown []string) bool) error {
	root := jsonrecords.NewTree(w.state.schema, "", ignored)
	known := w.seg.schema.Equal(w.state.schema) && w.src.cfg.Evolution != None // then it was seen as the records came
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
			return do(l, place{p.Topic, p.Partition, p.Offset}, value, unknown), err
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
		return len(unknown) == 0 || do(nil, place{r.Topic, r.Partition, r.Offset}, []byte(r.Raw), unknown), nil
	})
}

// findLossy finds files with values that DuckDB would cut: they are read record by record. Files that came with this schema have none.
func (w *work) findLossy(ctx context.Context) error {
	if w.src.cfg.Value.Format != "json" || w.seg.schema.Equal(w.state.schema) {
		return nil
	}
	root := jsonrecords.NewTree(w.state.schema, "", nil)
	for _, l := range w.seg.files() {
		var scanner jsonrecords.Scanner
		if err := w.eachValue(ctx, l, func(_, value []byte) (bool, error) {
			if !scanner.Scan(value, root).Lossy {
				return true, nil
			}
			w.slow = append(w.slow, l)
			return false, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// addColumns extends the schema until no record has a key that it lacks. Every round adds a column or ignores a key.
func (w *work) addColumns(ctx context.Context) error {
	ignored := map[string]bool{}
	for {
		path := w.temp("new.json")
		unknown, longest, err := w.collect(ctx, path, ignored)
		if err != nil || len(unknown) == 0 {
			return err
		}
		t, err := jsonrecords.Infer(ctx, w.session.Conn, path, longest)
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		schema, added := jsonrecords.Extend(w.state.schema, t)
		w.added(schema, added)
		if len(added) > 0 {
			continue
		}
		for _, key := range sortedKeys(unknown) {
			ignored[key] = true
			if len(t) > 0 { // else none of the records is valid: they will be refused
				w.ignored(key)
			}
		}
	}
}

func (w *work) ignored(key string) {
	w.notice("column_ignored", key, "column "+shown(key)+" of the records is not read: its name is that of another column but for the letter case, or one that lakeflow uses itself")
}

// collect writes records with unknown keys to a file of JSON lines, up to a limit, and returns the keys, and the size of the longest record.
func (w *work) collect(ctx context.Context, path string, ignored map[string]bool) (unknown map[string]bool, longest int, err error) {
	unknown = map[string]bool{}
	maybe := map[string]bool{}
	valid, doubtful := sampleRecords, sampleRecords/10 // DuckDB takes some texts that Go does not: trailing commas, NaN
	longest, err = w.writeValues(path, func(write func(value []byte)) error {
		return w.eachDeviation(ctx, ignored, func(_ *lines, _ place, value []byte, keys []string) bool {
			left, into := &valid, unknown
			if !json.Valid(value) {
				left, into = &doubtful, maybe
			}
			if *left == 0 {
				return valid > 0
			}
			*left--
			for _, key := range keys {
				into[key] = true
			}
			write(value)
			return true
		})
	})
	if len(unknown) == 0 {
		unknown = maybe
	}
	return unknown, longest, err
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
		switch mode {
		case AddNewColumns:
			w.added(schema, added)
		case Fail:
			if len(added) == 0 {
				added = []string{"with another type"}
			}
			return fmt.Errorf("schema %d of the registry has the column %q, which the source does not have: declare it under schema:, or set schema_evolution: add_new_columns to add it,"+
				" rescue to keep its values in %s, none to ignore it", s.order, added[0], jsonrecords.RescuedColumn)
		case Rescue:
			for _, l := range w.seg.files() {
				if slices.Contains(l.shapes, s) && !slices.Contains(w.slow, l) {
					w.slow = append(w.slow, l)
				}
			}
		}
	}
	return nil
}

// extend is jsonrecords.Extend for columns whose types are known: types of known columns are widened where all their values stay the same.
func extend(known, columns schemas.Table) (schemas.Table, []string) {
	out, added := jsonrecords.Extend(known, columns)
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
