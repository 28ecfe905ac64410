package files

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// How much is looked at to find the columns of the first batch: files, records in all, and at least so many of each file.
const (
	sampleFiles   = 32
	sampleRecords = 20480
	sampleLeast   = 640
)

// sample picks files evenly over the batch.
func sample(files []*file) []*file {
	if len(files) <= sampleFiles {
		return slices.Clone(files)
	}
	out := make([]*file, sampleFiles)
	for i := range out {
		out[i] = files[i*(len(files)-1)/(sampleFiles-1)]
	}
	return out
}

// infer writes a sample of the records to a file and lets DuckDB look at it, unless all its keys are declared.
func (j jsonFormat) infer(ctx context.Context, w *work) error {
	for {
		files := sample(w.files)
		path, keys, err := w.writeSample(files)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(files, func(f *file) bool { return !slices.Contains(w.files, f) }) {
			if w.state.Schema = declared(keys, w.src.hints); w.state.Schema != nil {
				break
			}
			t, err := w.describeSample(ctx, path)
			if err != nil {
				return err
			}
			w.state.Schema, _ = jsonrecords.Extend(nil, t)
			break
		}
		// A file of the sample was dropped: take another one.
	}
	return nil
}

// declared are the columns of these keys, or nil when one of them is not hinted.
func declared(keys []string, hints schemas.Table) schemas.Table {
	var t schemas.Table
	for _, key := range keys {
		i := slices.IndexFunc(hints, func(h schemas.Column) bool { return h.Name == key })
		if i < 0 {
			return nil
		}
		t = append(t, hints[i])
	}
	return t
}

// writeSample copies the first records of the files, one per line. It drops files that can't be read. Where columns are hinted it returns
// the keys of the records, in the order in which they appear.
func (w *work) writeSample(files []*file) (path string, keys []string, err error) {
	path = w.temp("sample.json")
	out, err := os.Create(path)
	if err != nil {
		return "", nil, err
	}
	buf := bufio.NewWriterSize(out, 1<<16)
	defer func() { err = errors.Join(err, buf.Flush(), out.Close()) }()
	limit := max(sampleRecords/max(len(files), 1), sampleLeast)
	var compact bytes.Buffer
	var scanner jsonrecords.Scanner
	seen, root := map[string]bool{}, jsonrecords.NewTree(nil, "", nil)
	for _, f := range files {
		n := 0
		err := readRecords(f.path, f.kind, func(r record) bool {
			compact.Reset()
			if r.reason == "" && r.raw[0] == '{' && json.Compact(&compact, r.raw) == nil && compact.Len() > len("{}") {
				_, _ = buf.Write(append(compact.Bytes(), '\n')) // Flush reports it
				if len(w.src.hints) > 0 {
					for _, key := range scanner.Scan(r.raw, root).Unknown {
						if !seen[key] {
							seen[key], keys = true, append(keys, key)
						}
					}
				}
			}
			n++
			return n < limit
		})
		if err != nil {
			w.drop(f, err)
		}
	}
	return path, keys, nil
}

// describeSample infers the columns of a file of JSON lines.
func (w *work) describeSample(ctx context.Context, path string) (schemas.Table, error) {
	return jsonrecords.Infer(ctx, w.session.Conn, path, maxRecord)
}
