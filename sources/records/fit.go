package records

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// Fit reads records one by one: those that can be taken become lines, the others rows of Parquet files.
type Fit struct {
	Temp   func(name string) string // names a new file, which is removed with the batch
	Fitter *jsonrecords.Fitter      // makes values fit the columns; nil: they are not looked into
	// Line appends the line of a record: its value as DuckDB is to read it, and an object of what was rescued of it, or
	// nothing.
	Line func(b []byte, s Single, value []byte, rescued string) []byte
	// Rescued are the members that the object of what was rescued ends with: see Places.
	Rescued func(place string) string
	Prove   bool // a value is only taken once DuckDB has read it
}

// Fitted are the files of lines and of records that could not be taken.
type Fitted struct {
	Goods   []string
	Longest int // of the lines, in bytes
	bads    []string
}

// Run takes the records of n inputs, several inputs at a time: each calls add with those of the i-th. Values may change
// once add has returned, but for Found.
func (f Fit) Run(ctx context.Context, n int, each func(i int, add func(Single) error) error) (*Fitted, error) {
	out := &Fitted{}
	numbers := make(chan int, n)
	for i := range n {
		numbers <- i
	}
	close(numbers)
	sorters := make([]*sorter, min(runtime.GOMAXPROCS(0), n))
	for i := range sorters {
		s := &sorter{ctx: ctx, Fit: f, goodPath: f.Temp("good.json"), badPath: f.Temp("bad.parquet")}
		if f.Fitter != nil {
			s.Fitter = f.Fitter.Clone()
		}
		if f.Prove {
			s.proof = f.Temp("proof.json")
		}
		out.Goods, out.bads, sorters[i] = append(out.Goods, s.goodPath), append(out.bads, s.badPath), s
	}
	err := Each(sorters, func(_ int, s *sorter) error {
		return s.run(func() error {
			for i := range numbers {
				if err := each(i, s.add); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("check records: %w", err)
	}
	for _, s := range sorters {
		out.Longest = max(out.Longest, s.longest)
	}
	return out, nil
}

// sorter writes good records as lines, and the others to a Parquet file.
type sorter struct {
	Fit
	ctx               context.Context
	goodPath, badPath string
	proof             string // a file for values that DuckDB is to read before they are taken; empty: it need not

	good    *bufio.Writer
	bad     *Rows[bad]
	block   []Single
	bytes   int // of the block
	line    []byte
	longest int // of the lines
}

// blockRecords and blockBytes bound what is fitted at once.
const (
	blockRecords = 1024
	blockBytes   = 4 << 20
)

func (s *sorter) run(records func() error) error {
	good, err := os.Create(s.goodPath)
	if err != nil {
		return err
	}
	refused, err := os.Create(s.badPath)
	if err != nil {
		return errors.Join(err, good.Close())
	}
	s.good, s.bad = bufio.NewWriterSize(good, flushBytes), NewRows[bad](refused)
	err = records()
	if err == nil {
		err = s.flush()
	}
	return errors.Join(err, s.good.Flush(), good.Close(), s.bad.Close())
}

func (s *sorter) add(r Single) error {
	if r.Reason != "" { // and so it goes to the others as it is
		r.Value = r.Value[:min(len(r.Value), maxRaw)]
	}
	r.Value = bytes.Clone(r.Value)
	s.block = append(s.block, r)
	if s.bytes += len(r.Value) + len(r.Found); len(s.block) < blockRecords && s.bytes < blockBytes {
		return s.ctx.Err()
	}
	return s.flush()
}

// flush fits and writes the block.
func (s *sorter) flush() error {
	var texts [][]byte
	for _, r := range s.block {
		if s.toFit(r) {
			texts = append(texts, r.Value)
		}
	}
	var fitted []jsonrecords.Fitted
	var err error
	if len(texts) > 0 {
		fitted, err = s.Fitter.Fit(s.ctx, texts)
	}
	if err == nil && s.proof != "" && len(texts) > 0 {
		err = s.Fitter.Prove(s.ctx, fitted, s.proof)
	}
	for _, r := range s.block {
		if err != nil {
			break
		}
		fit := jsonrecords.Fitted{Text: r.Value, Reason: r.Reason}
		if s.toFit(r) {
			fit, fitted = fitted[0], fitted[1:]
		}
		err = s.write(r, fit)
	}
	clear(s.block)
	s.block, s.bytes = s.block[:0], 0
	return err
}

// write writes a record by what became of it.
func (s *sorter) write(r Single, fit jsonrecords.Fitted) error {
	if fit.Reason == "" {
		rescued := ""
		if fit.Rescued != "" {
			rescued = "{" + fit.Rescued + "," + s.Rescued(r.Place) + "}"
		}
		s.line = s.Line(s.line[:0], r, fit.Text, rescued)
		s.longest = max(s.longest, len(s.line))
		_, err := s.good.Write(s.line)
		return err
	}
	raw := r.Value
	if r.Own {
		raw = r.Found
	}
	raw = raw[:min(len(raw), maxRaw)]
	return s.bad.Add(bad{r.Place, raw, fit.Reason}, len(raw))
}

// toFit says whether the record is to be fitted to columns.
func (s *sorter) toFit(r Single) bool { return s.Fitter != nil && r.Reason == "" && !r.Fits }
