package files

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// evolve looks at the keys of every record.
func (j jsonFormat) evolve(ctx context.Context, w *work, mode Evolution) error {
	switch mode {
	case None:
		return j.eachDeviation(ctx, w, nil, func(*file, record, []string) bool { return true })
	case AddNewColumns:
		return j.addColumns(ctx, w)
	case Rescue:
		var slow []*file
		defer func() { w.slow = append(w.slow, slow...) }()
		return j.eachDeviation(ctx, w, nil, func(f *file, _ record, _ []string) bool {
			slow = append(slow, f)
			return false
		})
	}
	var refused error
	err := j.eachDeviation(ctx, w, nil, func(f *file, r record, unknown []string) bool {
		if refused == nil && json.Valid(r.raw) {
			refused = newColumn(f.path, unknown[0])
		}
		return refused == nil
	})
	return errors.Join(refused, err)
}

// newColumn is the error that schema_evolution: fail ends with.
func newColumn(path, column string) error {
	return fmt.Errorf("file %s has the column %q, which the source does not have: declare it under schema:, remove the file, or set schema_evolution:"+
		" add_new_columns to add it, rescue to keep its values in %s, none to ignore it", path, column, jsonrecords.RescuedColumn)
}

// eachDeviation calls do, never twice at once, with every record that has unknown keys, until it returns false for that file. Files that can't be read
// are dropped.
func (jsonFormat) eachDeviation(ctx context.Context, w *work, ignored map[string]bool, do func(f *file, r record, unknown []string) bool) error {
	root := jsonrecords.NewTree(w.state.Schema, "", ignored)
	files := slices.Clone(w.files)
	causes := make([]error, len(files))
	whole, odd := make([]bool, len(files)), make([]bool, len(files))
	var one sync.Mutex
	eachFile(files, func(i int, f *file) {
		var scanner jsonrecords.Scanner
		whole[i] = true
		causes[i] = readRecords(f.path, f.kind, func(r record) bool {
			if r.reason != "" {
				odd[i] = true
				return ctx.Err() == nil
			}
			found := scanner.Scan(r.raw, root)
			odd[i] = odd[i] || found.Lossy
			if len(found.Unknown) == 0 {
				return true
			}
			one.Lock()
			defer one.Unlock()
			whole[i] = ctx.Err() == nil && do(f, r, found.Unknown)
			return whole[i]
		})
	})
	for i, f := range files {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case causes[i] != nil:
			w.drop(f, causes[i])
		case whole[i] && compressed(f.path):
			w.verified(f)
		}
		if odd[i] {
			w.slow = append(w.slow, f) // a strict read would fail, or take what is too long, or a part of a value
		}
	}
	return nil
}

// addColumns extends the schema until no record has a key that it lacks. Every round adds a column or ignores a key.
func (j jsonFormat) addColumns(ctx context.Context, w *work) error {
	ignored := map[string]bool{}
	for {
		path := w.temp("new.json")
		unknown, err := j.collect(ctx, w, path, ignored)
		if err != nil || len(unknown) == 0 {
			return err
		}
		t, err := w.describeSample(ctx, path)
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		schema, added := jsonrecords.Extend(w.state.Schema, t)
		w.added(schema, added)
		if len(added) > 0 {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(unknown)) {
			ignored[key] = true
			if len(t) > 0 { // else none of the records is valid: they will be refused
				w.notice("column_ignored", key, "column "+shown(key)+" of the files is not read: its name is that of another column but for the letter case, or one that lakeflow uses itself")
			}
		}
	}
}

// collect writes records with unknown keys to a file of JSON lines, up to a limit, and returns the keys.
func (j jsonFormat) collect(ctx context.Context, w *work, path string, ignored map[string]bool) (unknown map[string]bool, err error) {
	out, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	buf := bufio.NewWriter(out)
	defer func() { err = errors.Join(err, buf.Flush(), out.Close()) }()
	unknown, maybe := map[string]bool{}, map[string]bool{}
	valid, doubtful := sampleRecords, sampleRecords/10 // DuckDB takes some texts that Go does not: trailing commas, NaN
	err = j.eachDeviation(ctx, w, ignored, func(_ *file, r record, keys []string) bool {
		left, into := &valid, unknown
		if !json.Valid(r.raw) {
			left, into = &doubtful, maybe
		}
		if *left == 0 {
			return valid > 0
		}
		*left--
		for _, key := range keys {
			into[key] = true
		}
		// The line ends of an array's element stand between its values: in a string they would be invalid.
		_, _ = buf.Write(bytes.Map(spaceLineEnds, r.raw)) // Flush reports it
		_ = buf.WriteByte('\n')
		return true
	})
	if len(unknown) == 0 {
		unknown = maybe
	}
	return unknown, err
}

func spaceLineEnds(r rune) rune {
	if r == '\n' || r == '\r' {
		return ' '
	}
	return r
}
