package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/parquet-go/parquet-go"

	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// goodRecord is a record that fits, for DuckDB to convert. Nothing is optional: parquet-go writes an empty text for some NULLs, when
// NULL, value, NULL, NULL follow each other.
type goodRecord struct {
	Path    string `parquet:"path,dict"`
	Raw     string `parquet:"raw"`
	Rescued string `parquet:"rescued"`
}

// badRecord is a record that can't be taken.
type badRecord struct {
	Path   string `parquet:"file,dict"`
	Line   int64  `parquet:"line"`
	Offset int64  `parquet:"offset"`
	Raw    []byte `parquet:"raw"` // cut at maxRaw
	Reason string `parquet:"reason"`
}

// tolerant reads the records of the files one by one. Good records are converted by the same DuckDB code as in read_json.
func (jsonFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	fitter := jsonrecords.NewFitter(w.session.Conn, w.state.Schema, jsonrecords.FitOptions{
		Rescues: w.rescues(), Ignores: w.src.cfg.Evolution == None, Nulls: w.src.cfg.JSON.NullValues})
	workers := make([]*fitting, min(runtime.GOMAXPROCS(0), len(files)))
	errs, causes := make([]error, len(workers)), make([]error, len(files))
	var next atomic.Int64
	var running sync.WaitGroup
	for i := range workers {
		workers[i] = &fitting{ctx: ctx, w: w, fitter: fitter.Clone(), goodPath: w.temp("good.parquet"), badPath: w.temp("bad.parquet")}
		running.Go(func() {
			errs[i] = workers[i].run(func() (*file, *error) {
				n := int(next.Add(1)) - 1
				if n >= len(files) {
					return nil, nil
				}
				return files[n], &causes[n]
			})
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", "", fmt.Errorf("check records: %w", err)
	}
	for i, cause := range causes {
		if cause != nil {
			w.drop(files[i], cause)
		}
	}
	files = slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return !slices.Contains(w.files, f) })
	if len(files) == 0 {
		return "", "", nil
	}
	good, rejects = relations(w, files, workers)
	return good, rejects, nil
}

// relations are those of the records that the workers wrote.
func relations(w *work, files []*file, workers []*fitting) (good, rejects string) {
	var goods, bads []string
	for _, f := range workers {
		goods, bads = append(goods, located(f.goodPath)), append(bads, located(f.badPath))
	}
	const read = "(SELECT * FROM read_parquet([%s]) WHERE %s IN (SELECT unnest(%s)))"
	good = fmt.Sprintf(read, strings.Join(goods, ", "), "path", pathTexts(files))
	rejects = fmt.Sprintf(read, strings.Join(bads, ", "), "file", pathTexts(files))
	good = "(" + jsonrecords.Rows(good, w.state.Schema, w.rescues(), w.metadata(files, "list_position("+pathTexts(files)+", path) - 1")) + ")"
	return good, `(SELECT file, line, "offset", raw, reason, false AS whole FROM ` + rejects + `)`
}

// fitting writes the records of some files to two Parquet files.
type fitting struct {
	ctx               context.Context
	w                 *work
	fitter            *jsonrecords.Fitter
	goodPath, badPath string

	good  *parquet.GenericWriter[goodRecord]
	bad   *parquet.GenericWriter[badRecord]
	file  *file
	place string // of the file, as a member of a JSON object
	block []record
	bytes int // of the block
	group int // bytes of the row group
}

// blockRecords and blockBytes bound what is fitted at once, groupBytes the memory of a row group.
const (
	blockRecords = 1024
	blockBytes   = 4 << 20
	groupBytes   = 32 << 20
)

// run reads the files that next hands out, until it returns nil.
func (f *fitting) run(next func() (*file, *error)) (err error) {
	good, err := os.Create(f.goodPath)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, good.Close()) }()
	bad, err := os.Create(f.badPath)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bad.Close()) }()
	f.good = parquet.NewGenericWriter[goodRecord](good, parquet.Compression(&parquet.Snappy))
	f.bad = parquet.NewGenericWriter[badRecord](bad, parquet.Compression(&parquet.Snappy))
	for file, cause := next(); file != nil; file, cause = next() {
		var failed error
		if failed, *cause = f.read(file); failed != nil {
			return failed
		}
	}
	return errors.Join(f.good.Close(), f.bad.Close())
}

// read reads one file. Cause is why that is not possible.
func (f *fitting) read(file *file) (failed, cause error) {
	path, err := json.Marshal(file.path)
	if err != nil {
		return err, nil
	}
	f.file, f.place = file, `,"_file_path":`+string(path)+"}"
	cause = readRecords(file.path, f.w.src.cfg.JSON.Encoding, jsonMixed, func(r record) bool {
		if r.reason != "" {
			r.raw = r.raw[:min(len(r.raw), maxRaw)]
		}
		r.raw = slices.Clone(r.raw)
		f.block = append(f.block, r)
		if f.bytes += len(r.raw); len(f.block) == blockRecords || f.bytes > blockBytes {
			failed = f.flush()
		}
		return failed == nil
	})
	if failed == nil {
		failed = f.flush()
	}
	return failed, cause
}

// flush fits and writes the block.
func (f *fitting) flush() error {
	var texts [][]byte
	for _, r := range f.block {
		if r.reason == "" {
			texts = append(texts, r.raw)
		}
	}
	fitted, err := f.fitter.Fit(f.ctx, texts)
	if err != nil {
		return err
	}
	var goods []goodRecord
	var bads []badRecord
	for _, r := range f.block {
		if r.reason == "" {
			fit := fitted[0]
			fitted = fitted[1:]
			if fit.Reason == "" {
				goods = append(goods, f.row(fit))
				continue
			}
			r.reason = fit.Reason
		}
		bads = append(bads, badRecord{f.file.path, r.line, r.offset, r.raw[:min(len(r.raw), maxRaw)], r.reason})
	}
	_, err1 := f.good.Write(goods)
	_, err2 := f.bad.Write(bads)
	err = errors.Join(err1, err2)
	if f.group += f.bytes; f.group > groupBytes && err == nil {
		err = errors.Join(f.good.Flush(), f.bad.Flush())
		f.group = 0
	}
	clear(f.block)
	f.block, f.bytes = f.block[:0], 0
	return err
}

func (f *fitting) row(fit jsonrecords.Fitted) goodRecord {
	row := goodRecord{Path: f.file.path, Raw: string(fit.Text)}
	if fit.Rescued != "" {
		row.Rescued = "{" + fit.Rescued + f.place
	}
	return row
}
