package kafka

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// readSlow reads the files of w.slow, and the records that can't stand in lines, record by record: it sets w.good and
// w.rejects.
func (w *work) readSlow(ctx context.Context) error {
	odd := w.seg.odd()
	if len(odd)+len(w.slow) == 0 {
		return nil
	}
	columns := w.onWire()
	fits := w.src.plain() == nil && len(w.state.schema) > 0
	fitter := jsonrecords.NewFitter(w.session.Conn, columns, jsonrecords.FitOptions{Rescues: w.src.rescues(), Ignores: w.src.cfg.Evolution.Ignores()})
	inputs := make([]input, 0, len(odd)+len(w.slow))
	for _, l := range w.slow {
		inputs = append(inputs, func(do func(rawRecord) error) error {
			return readLines(l.path, func(line []byte) (bool, error) {
				r, err := rawOf(line)
				return true, errors.Join(err, do(r))
			})
		})
	}
	for _, path := range odd {
		inputs = append(inputs, func(do func(rawRecord) error) error {
			_, err := readRaw(path, func(r rawRecord) (bool, error) { return true, do(r) })
			return err
		})
	}
	var goods, bads []string
	sorters := make([]*sorter, len(inputs))
	for i := range inputs {
		s := &sorter{ctx: ctx, fitter: fitter.Clone(), fits: fits, topics: w.seg.topics, goodPath: w.temp("good.json"), badPath: w.temp("bad.parquet")}
		if w.proves && fits {
			s.proof = w.temp("proof.json")
		}
		goods, bads, sorters[i] = append(goods, s.goodPath), append(bads, s.badPath), s
	}
	if err := each(sorters, func(i int, s *sorter) error { return s.run(inputs[i]) }); err != nil {
		return fmt.Errorf("check records: %w", err)
	}
	longest := 0
	for _, s := range sorters {
		longest = max(longest, s.longest)
	}
	return w.relate(ctx, goods, bads, longest)
}

// relate makes relations of the files of good and bad records.
func (w *work) relate(ctx context.Context, goods, bads []string, longest int) error {
	w.rejects = fmt.Sprintf(`(SELECT %s AS file, 0::BIGINT AS line, o AS "offset", CASE WHEN own THEN orig ELSE encode(raw) END AS raw, reason, false AS whole, p AS "partition" FROM read_parquet(%s))`,
		w.topic(), located(bads...))
	if err := w.session.Conn.QueryRowContext(ctx, "SELECT count(*) FROM "+w.rejects).Scan(&w.out.RejectCount); err != nil {
		return fmt.Errorf("count rejects: %w", err)
	}
	w.good = w.read(goods, longest)
	return nil
}

// input calls do with every record.
type input func(do func(rawRecord) error) error

// sorter writes good records as lines, and the others to a Parquet file.
type sorter struct {
	ctx               context.Context
	fitter            *jsonrecords.Fitter
	fits              bool // the values are objects, to be fitted to columns
	topics            []string
	goodPath, badPath string
	proof             string // a file for values that DuckDB is to read before they are taken; empty: it need not

	good    *bufio.Writer
	bad     *rawWriter
	block   []rawRecord
	bytes   int // of the block
	line    []byte
	longest int // of the lines
}

// blockRecords and blockBytes bound what is fitted at once.
const (
	blockRecords = 1024
	blockBytes   = 4 << 20
)

func (s *sorter) run(records input) error {
	good, err := os.Create(s.goodPath)
	if err != nil {
		return err
	}
	bad, err := os.Create(s.badPath)
	if err != nil {
		return errors.Join(err, good.Close())
	}
	s.good, s.bad = bufio.NewWriterSize(good, flushBytes), newRawWriter(bad)
	err = records(func(r rawRecord) error {
		r.Raw, r.Key, r.Headers, r.Orig = strings.Clone(r.Raw), strings.Clone(r.Key), strings.Clone(r.Headers), slices.Clone(r.Orig)
		s.block = append(s.block, r)
		if s.bytes += len(r.Raw) + len(r.Orig); len(s.block) < blockRecords && s.bytes < blockBytes {
			return s.ctx.Err()
		}
		return s.flush()
	})
	if err == nil {
		err = s.flush()
	}
	return errors.Join(err, s.good.Flush(), good.Close(), s.bad.close())
}

// flush fits and writes the block.
func (s *sorter) flush() error {
	var texts [][]byte
	for _, r := range s.block {
		if s.toFit(r) {
			texts = append(texts, []byte(r.Raw))
		}
	}
	fitted, err := s.fitter.Fit(s.ctx, texts)
	if err == nil && s.proof != "" {
		err = s.fitter.Prove(s.ctx, fitted, s.proof)
	}
	for _, r := range s.block {
		if err != nil {
			break
		}
		rescued := ""
		if s.toFit(r) {
			fit := fitted[0]
			fitted = fitted[1:]
			if r.Reason = fit.Reason; r.Reason == "" {
				r.Raw = string(fit.Text)
				rescued = s.rescued(r, fit.Rescued)
			}
		}
		if r.Reason == "" {
			s.line = appendFitted(s.line[:0], r, rescued)
			s.longest = max(s.longest, len(s.line))
			_, err = s.good.Write(s.line)
			continue
		}
		r.Raw = r.Raw[:cut(r.Raw, maxRaw)]
		err = s.bad.add(r)
	}
	clear(s.block)
	s.block, s.bytes = s.block[:0], 0
	return err
}

// toFit says whether the record is to be fitted to columns. The value of a tombstone is null, which becomes a row of
// NULLs.
func (s *sorter) toFit(r rawRecord) bool { return s.fits && r.Reason == "" && r.Raw != string(null) }

// rescued adds where the record is from.
func (s *sorter) rescued(r rawRecord, members string) string {
	if members == "" {
		return ""
	}
	topic, err := json.Marshal(s.topics[r.Topic])
	if err != nil {
		topic = null // a text has no other
	}
	return fmt.Sprintf(`{%s,"_topic":%s,"_partition":%d,"_offset":%d}`, members, topic, r.Partition, r.Offset)
}

// cut is where to cut a text that may be too long: between characters.
func cut(text string, most int) int {
	if len(text) <= most {
		return len(text)
	}
	for most > 0 && text[most]&0xc0 == 0x80 {
		most--
	}
	return most
}
