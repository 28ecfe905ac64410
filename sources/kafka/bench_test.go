package kafka

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sources"
)

// order is a record of 208 bytes like those of an order feed.
func order(i int) []byte {
	return fmt.Appendf(nil, `{"order_id":%d,"customer_id":%d,"status":"shipped","amount":%d.25,"currency":"EUR","ordered_at":"2024-05-%02dT12:00:00Z","country":"DE","note":%q,"qty":%d}`,
		1_000_000+i, 10_000+i%1000, 100+i%500, 1+i%28, strings.Repeat("x", 43), i%10)
}

var orderColumns = []sources.Hint{{Name: "order_id", Type: "BIGINT"}, {Name: "customer_id", Type: "BIGINT"}, {Name: "status", Type: "VARCHAR"}, {Name: "amount", Type: "DOUBLE"}, {Name: "currency", Type: "VARCHAR"}, {Name: "ordered_at", Type: "TIMESTAMPTZ"}, {Name: "country", Type: "VARCHAR"}, {Name: "note", Type: "VARCHAR"}, {Name: "qty", Type: "BIGINT"}}

// BenchmarkRead reads a backlog of 400,000 records in 8 partitions: only fetched, fetched and written to lines, and
// decoded by DuckDB too. The broker is kfake, in the same process.
func BenchmarkRead(b *testing.B) {
	const partitions, n = 8, 400_000
	bed := newBed(b, partitions)
	for from := 0; from < n; from += 20_000 {
		var records []*kgo.Record
		for i := from; i < from+20_000; i++ {
			records = append(records, &kgo.Record{Partition: int32(i / 100 % partitions), Value: order(i)})
		}
		bed.put(records...)
	}
	var began time.Duration
	rate := func(b *testing.B) {
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		b.ReportMetric(n*float64(b.N)/(cpu()-began).Seconds(), "records/CPU-s")
	}
	b.Run("consume only", func(b *testing.B) {
		began = cpu()
		for b.Loop() {
			cl, err := kgo.NewClient(kgo.SeedBrokers(bed.brokers...), kgo.ConsumeTopics(bed.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			if err != nil {
				b.Fatal(err)
			}
			for got := 0; got < n; {
				got += cl.PollFetches(context.Background()).NumRecords()
			}
			cl.Close()
		}
		rate(b)
	})
	warm, err := New(Config{Brokers: bed.brokers, Topics: []string{bed.topic}, Hints: orderColumns})
	if err != nil {
		b.Fatal(err)
	}
	first, err := warm.Next(context.Background(), bed.session, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	begin, err := warm.Rewind(first.Position) // the columns are known, as they are but for the first batch
	if err != nil {
		b.Fatal(err)
	}
	if err := warm.Close(); err != nil {
		b.Fatal(err)
	}
	for _, query := range []string{"", "SELECT count(*) FROM ", "SELECT bit_xor(hash(COLUMNS(* EXCLUDE (_metadata, __lakeflow_place, __lakeflow_partition, __lakeflow_position)))) FROM ", "SELECT bit_xor(hash(COLUMNS(*))) FROM "} {
		b.Run("read/"+query, func(b *testing.B) {
			began = cpu()
			for b.Loop() {
				s, err := New(Config{Brokers: bed.brokers, Topics: []string{bed.topic}, Hints: orderColumns})
				if err != nil {
					b.Fatal(err)
				}
				rows := 0
				for bed.pos = begin; ; {
					batch, err := s.Next(context.Background(), bed.session, bed.pos, nil)
					if err != nil {
						b.Fatal(err)
					}
					if batch == nil {
						break
					}
					if query != "" {
						if _, err := bed.query(query + batch.Relation); err != nil {
							b.Fatal(err)
						}
					}
					rows += batch.Items
					bed.pos = batch.Position
				}
				if rows != n {
					b.Fatalf("%d records", rows)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			rate(b)
		})
	}
}

// cpu is the time that all processors have spent on this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
