package kafka

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks"
)

// rowFile is the rows of a publication, one JSON text in each line. DuckDB writes it with all its threads and little
// memory, which a result of as many rows would need.
type rowFile struct {
	*os.File
	keyed bool   // lines have a key and a value
	rest  []byte // what was read behind the last whole line
	ended bool
}

// blockBytes is how much of the file is read and made into records at once: short enough that all cores soon have some.
const blockBytes = 256 << 10

// write evaluates the publication's query into a file.
func (s *Sink) write(ctx context.Context, conn *sql.Conn, p sinks.Publication) (*rowFile, error) {
	if s.cfg.Format == "avro" {
		var err error
		if s.avro, err = s.avroOf(ctx, p.Columns); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(s.cfg.TempDir, "sink-"+s.cfg.Name+".json")
	done, err := conn.ExecContext(ctx, "COPY ("+s.query(p)+") TO "+quote.Text(path)+" (FORMAT json)")
	if err != nil {
		_ = os.Remove(path)
		return nil, fmt.Errorf("read the rows: %w", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the rows: %w", err)
	}
	f := &rowFile{File: file, keyed: len(s.key(p)) > 0}
	if rows, err := done.RowsAffected(); err != nil || rows != p.Rows {
		f.remove()
		if err == nil {
			err = countError(rows, p)
		}
		return nil, err
	}
	return f, nil
}

// key are the columns that make the keys of a publication's records.
func (s *Sink) key(p sinks.Publication) []string {
	if len(p.Key) > 0 {
		return p.Key
	}
	return s.cfg.Key
}

// query gives a row for each line: the columns of the value, or k and v with a key. The value of a key whose row is gone
// is NULL.
func (s *Sink) query(p sinks.Publication) string {
	cell := jsonCell
	if s.cfg.Format == "avro" {
		cell = avroCell
	}
	key, list := s.key(p), make([]string, len(p.Columns))
	for i, c := range p.Columns {
		value := cell("r."+quote.Name(c.Name), c.Type, 0)
		if list[i] = value + " AS " + quote.Name(c.Name); len(key) > 0 {
			list[i] = quote.Name(c.Name) + " := " + value
		}
	}
	columns := strings.Join(list, ", ")
	if len(key) > 0 {
		value := "struct_pack(" + columns + ")"
		if len(p.Key) > 0 {
			value = "CASE WHEN NOT r." + sinks.RemovedColumn + " THEN " + value + " END"
		}
		columns = keyText(key, p.Columns) + " AS k, " + value + " AS v"
	}
	return "SELECT " + columns + " FROM (" + p.Query + ") AS r"
}

// keyText is SQL for the key: the text of a column, or a JSON object of several. It is NULL where all of them are.
func keyText(names []string, columns schemas.Table) string {
	var fields, nulls []string
	for _, name := range names {
		x := "r." + quote.Name(name)
		t := schemas.Type{Kind: schemas.Varchar}
		if c := columns.Column(name); c != nil {
			t = c.Type
		}
		if len(names) == 1 {
			return textCell(x, t)
		}
		fields = append(fields, quote.Name(name)+" := "+jsonCell(x, t, 0))
		nulls = append(nulls, x+" IS NULL")
	}
	return "CASE WHEN NOT (" + strings.Join(nulls, " AND ") + ") THEN CAST(to_json(struct_pack(" + strings.Join(fields, ", ") + ")) AS VARCHAR) END"
}

// lines returns the next whole lines, about blockBytes of them and at least one, which stay good. The error is io.EOF
// behind the last one.
func (f *rowFile) lines() ([]byte, error) {
	for !f.ended {
		block := make([]byte, max(blockBytes, 2*len(f.rest)))
		copy(block, f.rest)
		n, err := io.ReadFull(f.File, block[len(f.rest):])
		block = block[:len(f.rest)+n]
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			f.ended = true
		} else if err != nil {
			return nil, err
		}
		end := bytes.LastIndexByte(block, '\n') + 1
		if f.rest = block[end:]; end > 0 {
			return block[:end], nil
		}
	}
	if len(f.rest) > 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return nil, io.EOF
}

func (f *rowFile) remove() {
	_ = f.Close()           // it was only read
	_ = os.Remove(f.Name()) // the folder is emptied anyway when the update ends
}
