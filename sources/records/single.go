package records

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// Single is a record that is read by itself. Nothing is optional: parquet-go writes an empty text for some NULLs, when
// NULL, value, NULL, NULL follow each other.
type Single struct {
	Place   string `parquet:"m"`
	HasKey  bool   `parquet:"has_k"`
	Key     string `parquet:"k"`
	Headers string `parquet:"h"`      // as in lines
	Value   []byte `parquet:"value"`  // JSON, or what may be JSON to DuckDB
	Fits    bool   `parquet:"fits"`   // Value is as DuckDB reads it: null, which stands for none, or what was looked at before
	Own     bool   `parquet:"own"`    // Found is the value as it was found: not the same as Value
	Found   []byte `parquet:"found"`  // cut at maxRaw
	Reason  string `parquet:"reason"` // why the record can't be taken; empty: it may be
}

// bad is a record that can't be taken.
type bad struct {
	Place  string `parquet:"m"`
	Raw    []byte `parquet:"raw"` // cut at maxRaw
	Reason string `parquet:"reason"`
}

// Rows writes a Parquet file.
type Rows[R any] struct {
	file    *os.File
	parquet *parquet.GenericWriter[R]
	rows    []R
	pending int // bytes of the row group
}

// groupBytes bounds the memory of one row group.
const groupBytes = 32 << 20

// NewRows begins a file, which is closed by Close.
func NewRows[R any](f *os.File) *Rows[R] {
	writer := parquet.NewGenericWriter[R](f, parquet.Compression(&parquet.Snappy))
	return &Rows[R]{file: f, parquet: writer, rows: make([]R, 0, 256)}
}

// Add takes a row of so many bytes.
func (w *Rows[R]) Add(r R, size int) error {
	w.rows = append(w.rows, r)
	if w.pending += size; w.pending > groupBytes {
		w.pending = 0
		return errors.Join(w.flush(), w.parquet.Flush())
	}
	if len(w.rows) == cap(w.rows) {
		return w.flush()
	}
	return nil
}

func (w *Rows[R]) flush() error {
	_, err := w.parquet.Write(w.rows)
	clear(w.rows) // let go of the texts
	w.rows = w.rows[:0]
	return err
}

// Close ends the file.
func (w *Rows[R]) Close() error {
	return errors.Join(w.flush(), w.parquet.Close(), w.file.Close())
}

// readSingles calls do with the records of a Parquet file until it returns false. Values are good until do returns.
func readSingles(path string, do func(s Single) (bool, error)) (more bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	reader := parquet.NewGenericReader[Single](f)
	defer func() { err = errors.Join(err, reader.Close(), f.Close()) }()
	rows := make([]Single, 16)
	for {
		n, err := reader.Read(rows)
		for _, s := range rows[:n] {
			s.Place, s.Key = strings.Clone(s.Place), strings.Clone(s.Key)
			s.Headers, s.Reason, s.Found = strings.Clone(s.Headers), strings.Clone(s.Reason), bytes.Clone(s.Found)
			if more, err := do(s); err != nil || !more {
				return false, err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, err
		}
	}
}
