package files

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/parquet-go/parquet-go"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// badRecord is a record that can't be taken.
type badRecord struct {
	File   int64  `parquet:"n"`
	Line   int64  `parquet:"line"`
	Offset int64  `parquet:"offset"`
	Raw    []byte `parquet:"raw"` // cut at maxRaw
	Reason string `parquet:"reason"`
}

// tolerant reads the records of the files one by one. Good records are converted by the same DuckDB code as in
// read_json.
func (jsonFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	workers, err := w.fit(ctx, files)
	if err != nil || !slices.ContainsFunc(files, func(f *file) bool { return slices.Contains(w.files, f) }) {
		return "", "", err
	}
	good, rejects = w.fitted(files, workers)
	return good, rejects, nil
}

// fit has the records of the files written by several workers, and drops files that can't be read to their end.
func (w *work) fit(ctx context.Context, files []*file) ([]*fitting, error) {
	fitter := jsonrecords.NewFitter(w.session.Conn, w.state.Schema, jsonrecords.FitOptions{
		Rescues: w.rescues(), Ignores: w.src.cfg.Evolution.Ignores(), Nulls: w.src.cfg.JSON.NullValues})
	workers := make([]*fitting, min(runtime.GOMAXPROCS(0), len(files)))
	errs, causes := make([]error, len(workers)), make([]error, len(files))
	var next atomic.Int64
	var running sync.WaitGroup
	for i := range workers {
		workers[i] = &fitting{ctx: ctx, w: w, fitter: fitter.Clone(), goodPath: w.temp("good.json"), badPath: w.temp("bad.parquet")}
		if w.proves {
			workers[i].proof = w.temp("proof.json")
		}
		running.Go(func() {
			errs[i] = workers[i].run(func() (int, bool) {
				n := int(next.Add(1)) - 1
				return n, n < len(files)
			}, files, causes)
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("check records: %w", err)
	}
	for i, cause := range causes {
		if cause != nil {
			w.drop(files[i], cause)
		}
	}
	return workers, nil
}

// Members of a line that is a record with where it is from.
const (
	fileMember    = "__lakeflow_file" // the number of the file
	rescuedMember = "__lakeflow_rescued"
)

// fitted are the relations of the records that the workers wrote. The files' numbers are their places in all.
func (w *work) fitted(all []*file, workers []*fitting) (good, rejects string) {
	var goods, bads, kept []string
	longest := maxRecord
	for _, f := range workers {
		goods, bads = append(goods, located(f.goodPath)), append(bads, located(f.badPath))
		longest = max(longest, f.longest)
	}
	for i, f := range all {
		if slices.Contains(w.files, f) {
			kept = append(kept, strconv.Itoa(i))
		}
	}
	columns := append(w.state.Schema.Clone(), schemas.Column{Name: fileMember, Type: schemas.Type{Kind: schemas.BigInt}}, schemas.Column{Name: rescuedMember, Type: schemas.Type{Kind: schemas.Varchar}})
	columns = w.tracedMembers(columns)
	rescued := ""
	if w.rescues() {
		rescued = rescuedMember + " AS " + jsonrecords.RescuedColumn + ", "
	}
	wanted := strings.Join(kept, ", ")
	if len(w.state.Schema) > 0 {
		good = fmt.Sprintf("(SELECT %s, %s%s FROM read_json([%s], format='newline_delimited', records=true, columns=%s, hive_partitioning=false, maximum_object_size=%d)"+
			" AS __lakeflow_row WHERE %s IN (%s))", names(w.state.Schema), rescued, w.metadata(all, fileMember), strings.Join(goods, ", "), readerColumns(columns), longest+1024, fileMember, wanted)
	}
	rejects = fmt.Sprintf(`(SELECT %s[n + 1] AS file, line, "offset", raw, reason, false AS whole FROM read_parquet([%s]) WHERE n IN (%s))`, pathTexts(all), strings.Join(bads, ", "), wanted)
	return good, rejects
}

// fitting writes the records of some files: the good ones as lines, the others to a Parquet file.
type fitting struct {
	ctx               context.Context
	w                 *work
	fitter            *jsonrecords.Fitter
	goodPath, badPath string
	proof             string // a file for records that DuckDB is to read before they are taken; empty: it need not

	good    *bufio.Writer
	bad     *parquet.GenericWriter[badRecord]
	number  int    // of the file
	place   string // of the file, as the last member of a JSON object
	block   []record
	bytes   int // of the block
	group   int // bytes of the row group
	line    []byte
	longest int // of the lines
}

// blockRecords and blockBytes bound what is fitted at once, groupBytes the memory of a row group.
const (
	blockRecords = 1024
	blockBytes   = 4 << 20
	groupBytes   = 32 << 20
)

// run reads the files whose numbers next hands out, and fills in why they can't be read.
func (f *fitting) run(next func() (n int, more bool), files []*file, causes []error) (err error) {
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
	f.good = bufio.NewWriterSize(good, 256<<10)
	f.bad = parquet.NewGenericWriter[badRecord](bad, parquet.Compression(&parquet.Snappy))
	for n, more := next(); more; n, more = next() {
		var failed error
		if failed, causes[n] = f.read(n, files[n]); failed != nil {
			return failed
		}
	}
	return errors.Join(f.good.Flush(), f.bad.Close())
}

// read reads one file. Cause is why that is not possible.
func (f *fitting) read(number int, file *file) (failed, cause error) {
	path, err := json.Marshal(file.path)
	if err != nil {
		return err, nil
	}
	f.number, f.place = number, `,"_file_path":`+string(path)+"}"
	if f.w.tracing[file] {
		return nil, f.copyLines(file)
	}
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
	if err == nil && f.proof != "" {
		err = f.fitter.Prove(f.ctx, fitted, f.proof)
	}
	if err != nil {
		return err
	}
	var bads []badRecord
	for _, r := range f.block {
		if r.reason == "" {
			fit := fitted[0]
			fitted = fitted[1:]
			if fit.Reason == "" {
				f.write(fit, r)
				continue
			}
			r.reason = fit.Reason
		}
		bads = append(bads, badRecord{int64(f.number), r.line, r.offset, r.raw[:min(len(r.raw), maxRaw)], r.reason})
	}
	_, err = f.bad.Write(bads)
	if f.group += f.bytes; f.group > groupBytes && err == nil {
		err = f.bad.Flush()
		f.group = 0
	}
	clear(f.block)
	f.block, f.bytes = f.block[:0], 0
	return err
}

// write writes a good record as a line: its members behind those that say where it is from.
func (f *fitting) write(fit jsonrecords.Fitted, r record) {
	b := append(f.line[:0], `{"`+fileMember+`":`...)
	b = f.w.appendPlace(strconv.AppendInt(b, int64(f.number), 10), r)
	if fit.Rescued != "" {
		b = append(b, `,"`+rescuedMember+`":`...)
		b = jsonrecords.AppendText(b, []byte("{"+fit.Rescued+f.place))
	}
	if members := fit.Text[1:]; members[0] == '}' {
		b = append(b, '}') // an object without members
	} else {
		b = append(append(b, ','), members...)
	}
	b = append(b, '\n')
	_, _ = f.good.Write(b) // Flush reports it
	f.line, f.longest = b, max(f.longest, len(b))
}
