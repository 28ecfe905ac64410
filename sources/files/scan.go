package files

import (
	"errors"
	"os"

	"github.com/parquet-go/parquet-go"
)

// rawRecord is a record as it stands in a file, for DuckDB to look at. Raw is what may be JSON; records that are known to be
// no good have Bad and Reason instead. Nothing is optional: parquet-go writes an empty text for some NULLs, when
// NULL, value, NULL, NULL follow each other.
type rawRecord struct {
	Path   string `parquet:"path,dict"`
	Line   int64  `parquet:"line"`
	Offset int64  `parquet:"offset"`
	Raw    string `parquet:"raw"`
	Bad    []byte `parquet:"bad"`
	Reason string `parquet:"reason"`
}

// flushBytes bounds the memory of one row group.
const flushBytes = 32 << 20

// writeRecords makes a Parquet file of what fill writes.
func writeRecords(path string, fill func(write func(record, *file) error) error) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	pw := parquet.NewGenericWriter[rawRecord](out, parquet.Compression(&parquet.Snappy))
	rows := make([]rawRecord, 0, 1024)
	pending := 0
	flush := func() error {
		_, err := pw.Write(rows)
		rows = rows[:0]
		return err
	}
	err = fill(func(r record, f *file) error {
		row := rawRecord{Path: f.path, Line: r.line, Offset: r.offset, Reason: r.reason}
		if r.reason == "" {
			row.Raw = string(r.raw)
		} else {
			row.Bad = append([]byte{}, r.raw[:min(len(r.raw), maxRaw)]...)
		}
		rows = append(rows, row)
		pending += len(r.raw)
		if len(rows) == cap(rows) || pending > flushBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		if pending > flushBytes {
			pending = 0
			return pw.Flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	return errors.Join(err, pw.Close())
}
