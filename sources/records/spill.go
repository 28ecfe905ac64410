package records

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

const (
	// lineBytes is when a new file of lines is begun. One that has a bad record is read record by record, so it should
	// not be large.
	lineBytes = 16 << 20
	// maxLine is above what a record may have to stand in a file of lines: DuckDB takes lines of 16 MiB.
	maxLine = 15 << 20
	// maxRaw is how much is kept of a record that could not be read.
	maxRaw = 1 << 20
	// grain is how many records make it worth while to divide them among the processors.
	grain = 512
)

// Limits bound a batch: keys and values have so many bytes, but one record is always taken.
type Limits struct {
	Rows  int
	Bytes int64
}

// Spill is the records of one batch: files of JSON lines, one line for each record, and Parquet files of records that
// can't stand there. It is filled by one goroutine at a time.
type Spill struct {
	limits  Limits
	rows    int
	bytes   int64
	newest  time.Time     // of the records; zero when they have no times
	tight   bool          // the next record has no room
	columns schemas.Table // that records were compared with as they came
	writers []*writer
	dir     string
}

// Spill begins a spill, whose files appear in dir as they are needed. Columns are those known so far; records are
// compared with them as they come.
func (r *Reader) Spill(columns schemas.Table, dir string, l Limits) *Spill {
	if columns == nil {
		columns = r.declared()
	}
	s := &Spill{limits: l, columns: columns, dir: dir}
	tree := jsonrecords.NewTree(r.wire(columns))
	for range runtime.GOMAXPROCS(0) {
		s.writers = append(s.writers, &writer{dir: dir, decoder: r.decoder(tree)})
	}
	return s
}

// Rows is how many records were admitted.
func (s *Spill) Rows() int { return s.rows }

// Full says whether no more records are admitted.
func (s *Spill) Full() bool { return s.rows >= s.limits.Rows || s.bytes >= s.limits.Bytes || s.tight }

// Admit counts a record that is to be written, of so many bytes and of this time, which is zero when it has none. It is
// false, and the spill full, when there is no room for it.
func (s *Spill) Admit(size int, at time.Time) bool {
	if s.rows > 0 && s.bytes+int64(size) > s.limits.Bytes {
		s.tight = true
		return false
	}
	s.rows, s.bytes = s.rows+1, s.bytes+int64(size)
	if at.After(s.newest) {
		s.newest = at
	}
	return true
}

// Write writes n records. Record fills in the i-th, whose Place and Headers it appends to, or says that there is none;
// it is called from several goroutines. An error is about the disk, or the schema registry.
func (s *Spill) Write(ctx context.Context, n int, record func(i int, r *Record) bool) error {
	workers := min(len(s.writers), (n+grain-1)/grain)
	return Each(s.writers[:workers], func(i int, w *writer) error {
		return w.write(ctx, i*n/workers, (i+1)*n/workers, record)
	})
}

// Each calls do for all of them, as many at a time as there are processors.
func Each[T any](all []T, do func(i int, one T) error) error {
	errs := make([]error, len(all))
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				errs[i] = do(i, all[i])
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// Close writes what is buffered and closes the files.
func (s *Spill) Close() error {
	var errs []error
	for _, w := range s.writers {
		errs = append(errs, w.close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("write records to the temporary folder: %w", err)
	}
	return nil
}

// Remove removes the files, closed or not.
func (s *Spill) Remove() {
	_ = s.Close() // nobody wants them
	for _, f := range s.files() {
		_ = os.Remove(f.path) // the folder is emptied anyway when the update ends
	}
}

// Into has the files, which are closed, removed with others.
func (s *Spill) Into(t *Temps) {
	for _, f := range s.files() {
		t.paths = append(t.paths, f.path)
	}
}

// Raw is a table expression of the records that were decoded: m, and raw BLOB, as they were before. Empty for none.
func (s *Spill) Raw() string {
	var relations, lines, odd []string
	for _, f := range s.files() {
		if f.odd {
			odd = append(odd, f.path)
		} else {
			lines = append(lines, f.path)
		}
	}
	if len(lines) > 0 {
		relations = append(relations, fmt.Sprintf(`(SELECT m, from_base64(r) AS raw FROM read_json(%s, format='newline_delimited', hive_partitioning=false,`+
			` maximum_object_size=%d, columns={'m': 'VARCHAR', 'r': 'VARCHAR'}))`, Located(lines...), 4*maxLine))
	}
	if len(odd) > 0 {
		relations = append(relations, fmt.Sprintf("(SELECT m, found AS raw FROM read_parquet(%s) WHERE own)", Located(odd...)))
	}
	return Union(relations)
}

// In says whether the files are still in the folder: it is emptied when its update ends.
func (s *Spill) In(dir string) bool {
	return s.dir == dir && !slices.ContainsFunc(s.files(), func(f *file) bool {
		_, err := os.Stat(f.path)
		return err != nil
	})
}

// files are the files of all writers.
func (s *Spill) files() []*file {
	var out []*file
	for _, w := range s.writers {
		out = append(out, w.files...)
	}
	return out
}

// lines are the files of lines.
func (s *Spill) lines() []*file {
	return slices.DeleteFunc(s.files(), func(f *file) bool { return f.odd })
}

// odd are the files of records that can't stand in lines.
func (s *Spill) odd() []*file {
	return slices.DeleteFunc(s.files(), func(f *file) bool { return !f.odd })
}

// file is one file of lines, or of odd records.
type file struct {
	path    string
	odd     bool
	size    int      // of lines
	unknown bool     // lines have keys that the schema lacks
	shapes  []*shape // that lines were written with
}

func (f *file) String() string { return f.path }

// writer writes its share of a spill's records. It is used by one goroutine at a time.
type writer struct {
	dir     string
	decoder *decoder
	record  Record
	shapes  []*shape // of all records
	files   []*file
	lines   *file    // the last one
	file    *os.File // of lines
	buf     []byte
	odd     *Rows[Single]
}

const flushBytes = 256 << 10

func (w *writer) write(ctx context.Context, from, to int, record func(i int, r *Record) bool) error {
	for i := from; i < to; i++ {
		rec := &w.record
		rec.Place, rec.Headers, rec.Refused = rec.Place[:0], rec.Headers[:0], ""
		if !record(i, rec) {
			continue
		}
		d, err := w.decoder.record(ctx, rec)
		if err != nil {
			return err
		}
		if d.ignored {
			w.decoder.ignored++
			continue
		}
		if d.shape != nil && !slices.Contains(w.shapes, d.shape) {
			w.shapes = append(w.shapes, d.shape)
		}
		if d.reason != "" || d.odd {
			err = w.writeOdd(w.decoder.single(rec, d))
		} else {
			err = w.writeLine(rec, d)
		}
		if err != nil {
			return fmt.Errorf("write records to the temporary folder: %w", err)
		}
	}
	return nil
}

func (w *writer) writeLine(rec *Record, d decoded) error {
	if w.lines == nil || w.lines.size > lineBytes {
		if err := w.beginLines(); err != nil {
			return err
		}
	}
	l := w.lines
	before := len(w.buf)
	w.buf = appendLine(w.buf, rec, d)
	l.size += len(w.buf) - before
	l.unknown = l.unknown || d.unknown
	if d.shape != nil && !slices.Contains(l.shapes, d.shape) {
		l.shapes = append(l.shapes, d.shape)
	}
	if len(w.buf) > flushBytes {
		return w.flush()
	}
	return nil
}

func (w *writer) beginLines() (err error) {
	if err := w.endLines(); err != nil {
		return err
	}
	if w.file, err = os.CreateTemp(w.dir, "records_*.json"); err != nil {
		return err
	}
	w.lines = &file{path: w.file.Name()}
	w.files = append(w.files, w.lines)
	return nil
}

func (w *writer) flush() error {
	_, err := w.file.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *writer) endLines() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.flush(), w.file.Close())
	w.file = nil
	return err
}

func (w *writer) writeOdd(s Single) error {
	if w.odd == nil {
		f, err := os.CreateTemp(w.dir, "records_*.parquet")
		if err != nil {
			return err
		}
		w.files = append(w.files, &file{path: f.Name(), odd: true})
		w.odd = NewRows[Single](f)
	}
	return w.odd.Add(s, len(s.Value)+len(s.Found))
}

func (w *writer) close() error {
	err := w.endLines()
	if w.odd != nil {
		err = errors.Join(err, w.odd.Close())
		w.odd = nil
	}
	return err
}
