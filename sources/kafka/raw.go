package kafka

import (
	"errors"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
)

// rawRecord is a record for DuckDB to look at by itself. Nothing is optional: parquet-go writes an empty text for some
// NULLs, when NULL, value, NULL, NULL follow each other.
type rawRecord struct {
	Topic     int32  `parquet:"n"`
	Partition int32  `parquet:"p"`
	Offset    int64  `parquet:"o"`
	Time      int64  `parquet:"t"`
	TimeType  int32  `parquet:"y"`
	HasKey    bool   `parquet:"has_k"`
	Key       string `parquet:"k"`
	Headers   string `parquet:"h"`
	Raw       string `parquet:"raw"`    // the value as JSON, or text, or base64 where the format is bytes
	Own       bool   `parquet:"own"`    // Orig is the value as it was found: not the same as Raw
	Orig      []byte `parquet:"orig"`   // cut at maxRaw
	Reason    string `parquet:"reason"` // why the record can't be taken; empty: it may be
}

// rawWriter writes a Parquet file of records.
type rawWriter struct {
	file    *os.File
	parquet *parquet.GenericWriter[rawRecord]
	rows    []rawRecord
	pending int // bytes of the row group
}

// rawBytes bounds the memory of one row group.
const rawBytes = 32 << 20

func newRawWriter(f *os.File) *rawWriter {
	return &rawWriter{file: f, parquet: parquet.NewGenericWriter[rawRecord](f, parquet.Compression(&parquet.Snappy)), rows: make([]rawRecord, 0, 256)}
}

func (w *rawWriter) add(r rawRecord) error {
	w.rows = append(w.rows, r)
	w.pending += len(r.Raw) + len(r.Orig)
	if w.pending > rawBytes {
		w.pending = 0
		return errors.Join(w.flush(), w.parquet.Flush())
	}
	if len(w.rows) == cap(w.rows) {
		return w.flush()
	}
	return nil
}

func (w *rawWriter) flush() error {
	_, err := w.parquet.Write(w.rows)
	clear(w.rows) // let go of the texts
	w.rows = w.rows[:0]
	return err
}

func (w *rawWriter) close() error {
	return errors.Join(w.flush(), w.parquet.Close(), w.file.Close())
}

// readRaw calls do with the records of a Parquet file until it returns false.
func readRaw(path string, do func(r rawRecord) (bool, error)) (more bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	reader := parquet.NewGenericReader[rawRecord](f)
	defer func() { err = errors.Join(err, reader.Close(), f.Close()) }()
	rows := make([]rawRecord, 16)
	for {
		n, err := reader.Read(rows)
		for _, r := range rows[:n] {
			if more, err := do(r); err != nil || !more {
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
