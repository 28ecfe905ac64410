package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
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

// segment is the records of one batch: files of JSON lines, one line for each record, and Parquet files of records that
// can't stand there. It is filled by the reader and owned by the source once it is handed out.
type segment struct {
	from, next offsets
	rows       int
	bytes      int64
	newest     time.Time     // of the records' timestamps; zero when they have none
	tight      bool          // the next record has no room
	schema     schemas.Table // that records were compared with as they came
	topics     []string      // lines have the index
	index      map[string]int
	writers    []*writer
	dir        string
}

// newSegment begins a segment. Its files appear in dir as they are needed.
func newSegment(s *Source, from offsets, dir string) *segment {
	seg := &segment{index: map[string]int{}, from: from.clone(), next: from.clone(), schema: s.schema(), dir: dir}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		seg.name(name)
	}
	tree := jsonrecords.NewTree(seg.schema)
	for range runtime.GOMAXPROCS(0) {
		seg.writers = append(seg.writers, &writer{seg: seg, decoder: s.formats.decoder(tree, s.cfg.Evolution)})
	}
	return seg
}

// name gives a topic its index.
func (s *segment) name(topic string) {
	if _, known := s.index[topic]; !known {
		s.index[topic] = len(s.topics)
		s.topics = append(s.topics, topic)
	}
}

// extend adds a partition that came up after the segment was begun.
func (s *segment) extend(topic, id string, p int32, at point) {
	s.name(topic)
	s.next.add(topic, id, p, at)
}

// full says whether a batch must not become larger.
func (s *segment) full(c Config) bool { return s.rows >= c.MaxRows || s.bytes >= c.MaxBytes || s.tight }

// add takes as many records as the limits allow, and returns how many.
func (s *segment) add(ctx context.Context, c Config, items []item) (int, error) {
	n := 0
	for ; n < len(items) && !s.full(c); n++ {
		if it := items[n]; !it.passed {
			size := int64(len(it.Key) + len(it.Value))
			if s.rows > 0 && s.bytes+size > c.MaxBytes {
				s.tight = true
				break
			}
			s.rows, s.bytes = s.rows+1, s.bytes+size
			if it.Timestamp.After(s.newest) && it.Attrs.TimestampType() >= 0 {
				s.newest = it.Timestamp
			}
		}
	}
	if err := s.write(ctx, items[:n]); err != nil {
		return n, err
	}
	for _, it := range items[:n] {
		s.next.set(it.Topic, it.Partition, point{it.Offset + 1, it.LeaderEpoch})
	}
	return n, nil
}

// write divides the records among the writers.
func (s *segment) write(ctx context.Context, items []item) error {
	workers := min(len(s.writers), (len(items)+grain-1)/grain)
	errs := make([]error, workers)
	var running sync.WaitGroup
	for i := range workers {
		part := items[i*len(items)/workers : (i+1)*len(items)/workers]
		running.Go(func() { errs[i] = s.writers[i].write(ctx, part) })
	}
	running.Wait()
	return errors.Join(errs...)
}

// close writes what is buffered and closes the files.
func (s *segment) close() error {
	var errs []error
	for _, w := range s.writers {
		errs = append(errs, w.close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("write records to the temporary folder: %w", err)
	}
	return nil
}

// remove removes the files, closed or not.
func (s *segment) remove() {
	_ = s.close() // nobody wants them
	for _, w := range s.writers {
		for _, l := range w.lines {
			_ = os.Remove(l.path) // the folder is emptied anyway when the update ends
		}
		if w.oddPath != "" {
			_ = os.Remove(w.oddPath)
		}
	}
}

// lines is one file of lines.
type lines struct {
	path    string
	size    int
	unknown bool     // records have keys that the schema lacks
	shapes  []*shape // that the records were written with
}

// writer writes its share of a segment's records. It is used by one goroutine at a time.
type writer struct {
	seg     *segment
	decoder *decoder
	shapes  []*shape // of all records
	lines   []*lines
	file    *os.File // the last of lines
	buf     []byte
	oddPath string
	odd     *rawWriter
}

const flushBytes = 256 << 10

func (w *writer) write(ctx context.Context, items []item) error {
	for _, it := range items {
		if it.passed {
			continue
		}
		n := w.seg.index[it.Topic]
		d, err := w.decoder.record(ctx, it.Record)
		if err != nil {
			return err
		}
		if d.shape != nil && !slices.Contains(w.shapes, d.shape) {
			w.shapes = append(w.shapes, d.shape)
		}
		if d.reason != "" || d.odd {
			err = w.writeOdd(w.decoder.raw(n, it.Record, d))
		} else {
			err = w.writeLine(n, it, d)
		}
		if err != nil {
			return fmt.Errorf("write records to the temporary folder: %w", err)
		}
	}
	return nil
}

func (w *writer) writeLine(topic int, it item, d decoded) error {
	if len(w.lines) == 0 || w.lines[len(w.lines)-1].size > lineBytes {
		if err := w.beginLines(); err != nil {
			return err
		}
	}
	l := w.lines[len(w.lines)-1]
	before := len(w.buf)
	w.buf = appendLine(w.buf, topic, it.Record, d)
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
	if w.file, err = os.CreateTemp(w.seg.dir, "kafka_*.json"); err != nil {
		return err
	}
	w.lines = append(w.lines, &lines{path: w.file.Name()})
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

func (w *writer) writeOdd(r rawRecord) (err error) {
	if w.odd == nil {
		f, err := os.CreateTemp(w.seg.dir, "kafka_*.parquet")
		if err != nil {
			return err
		}
		w.oddPath, w.odd = f.Name(), newRawWriter(f)
	}
	return w.odd.add(r)
}

func (w *writer) close() error {
	err := w.endLines()
	if w.odd != nil {
		err = errors.Join(err, w.odd.close())
		w.odd = nil
	}
	return err
}

// files are the files of lines of all writers.
func (s *segment) files() []*lines {
	var out []*lines
	for _, w := range s.writers {
		out = append(out, w.lines...)
	}
	return out
}

// odd are the Parquet files of records that can't stand in lines.
func (s *segment) odd() []string {
	var out []string
	for _, w := range s.writers {
		if w.oddPath != "" {
			out = append(out, w.oddPath)
		}
	}
	return out
}

// there says whether the files are still in the folder: it is emptied when its update ends.
func (s *segment) there(dir string) bool {
	paths := s.odd()
	for _, l := range s.files() {
		paths = append(paths, l.path)
	}
	return s.dir == dir && !slices.ContainsFunc(paths, func(p string) bool {
		_, err := os.Stat(p)
		return err != nil
	})
}
