package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sinks/iceberg"
)

// beat is how often the producer makes records, and lookEvery how often the watcher looks at the lake.
const (
	beat      = 5 * time.Millisecond
	lookEvery = 5 * time.Millisecond
)

// runProduce makes records at a steady rate, numbered from 0 on, each with the time of its making in microseconds.
// Arguments: brokers, topic, records per second, seconds.
func runProduce(ctx context.Context, args []string, _ io.Reader, _ io.Writer) error {
	rate, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	cl, err := producer(args[0], kgo.ProducerLinger(beat), kgo.MaxBufferedRecords(rate))
	if err != nil {
		return err
	}
	defer cl.Close()
	var failure error
	began := time.Now()
	for i, n := 0, rate*seconds; i < n; {
		time.Sleep(beat)
		due := min(n, int(time.Since(began).Seconds()*float64(rate)))
		for now := time.Now().UnixMicro(); i < due; i++ {
			cl.Produce(ctx, &kgo.Record{Topic: args[1], Partition: int32(i % partitions), Value: freshRecord(i, now)}, func(_ *kgo.Record, err error) {
				if err != nil {
					failure = err // callbacks come one at a time, and Flush waits for them
				}
			})
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	return failure
}

// freshRecord is a record of about 208 bytes.
func freshRecord(i int, sent int64) []byte {
	status := [...]string{"pending", "paid", "shipped", "cancelled", "returned"}
	return fmt.Appendf(make([]byte, 0, 224), `{"id":%d,"sent":%d,"customer_id":"cust-%06d","channel":"web","status":"%s","sku":"SKU-%05d","quantity":%d,"unit_price":%d.25,"country":"DE","email":"user%d@example.com"}`,
		i, sent, i*7919%100_000, status[i%5], i*31%5000, 1+i%9, 5+i*17%997, i%100_000)
}

// sightings are what the watcher has seen.
type sightings struct {
	Commits int
	Rows    int64
	Took    []int64 // by milliseconds: how many records took so long; the last one is those that took longer
}

// at is the time within which a part of the records was seen.
func (s sightings) at(part float64) time.Duration {
	all := s.counted()
	left := all
	for ms, n := range s.Took {
		if left -= n; float64(left) <= (1-part)*float64(all) {
			return time.Duration(ms+1) * time.Millisecond
		}
	}
	return 0
}

func (s sightings) counted() (n int64) {
	for _, took := range s.Took {
		n += took
	}
	return n
}

// runWatch reads the new files of silver as commits publish them, until it has seen all records, and writes the
// sightings as JSON. Arguments: warehouse, number of records, time limit.
func runWatch(ctx context.Context, args []string, _ io.Reader, out io.Writer) (err error) {
	want, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	limit, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	lake, err := iceberg.Open(ctx, args[0], "orders", "orders", iceberg.Retention{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lake.Close()) }()
	w := &watcher{lake: lake, seen: sightings{Took: make([]int64, 60_000)}}
	for w.seen.Rows < want {
		if err := w.look(ctx); err != nil {
			return fmt.Errorf("after %d of %d records: %w", w.seen.Rows, want, err)
		}
		time.Sleep(lookEvery)
	}
	if w.seen.Rows > want {
		return fmt.Errorf("%d records were seen where %d were produced", w.seen.Rows, want)
	}
	return json.NewEncoder(out).Encode(w.seen)
}

// watcher is another process's view of the lake.
type watcher struct {
	lake   *iceberg.Lake
	commit int64
	first  int64 // when the first record was made
	seen   sightings
}

// look reads what the commits since the last look added.
func (w *watcher) look(ctx context.Context) error {
	state, err := w.lake.State(ctx)
	if err != nil || state.Tables["silver"].Commit <= w.commit {
		return err
	}
	added, err := w.lake.Appended(ctx, "silver", w.commit, 0)
	if err != nil {
		return err
	}
	for _, f := range added.Files {
		if err := w.read(f.Path); err != nil {
			return fmt.Errorf("read %s: %w", f.Path, err)
		}
	}
	w.commit = added.Commit
	w.seen.Commits++
	return nil
}

// read notes how long the records of a file took until they were read.
func (w *watcher) read(path string) error {
	sent, err := readSent(path)
	if err != nil {
		return err
	}
	now := time.Now().UnixMicro()
	if w.first == 0 && len(sent) > 0 {
		w.first = sent[0]
	}
	w.seen.Rows += int64(len(sent))
	for _, at := range sent {
		if at >= w.first+warmUp.Microseconds() {
			w.seen.Took[min(max(now-at, 0)/1000, int64(len(w.seen.Took)-1))]++
		}
	}
	return nil
}

// readSent reads the column sent of a Parquet file.
func readSent(path string) (sent []int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return nil, err
	}
	column, ok := file.Schema().Lookup("sent")
	if !ok {
		return nil, errors.New("there is no column sent")
	}
	values := make([]parquet.Value, 1024)
	for _, group := range file.RowGroups() {
		rows := parquet.NewColumnChunkValueReader(group.ColumnChunks()[column.ColumnIndex])
		for {
			n, err := rows.ReadValues(values)
			for _, v := range values[:n] {
				sent = append(sent, v.Int64())
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return sent, nil
}
