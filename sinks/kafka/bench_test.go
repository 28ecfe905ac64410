package kafka

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks"
)

// benchRows is a commit of an update that catches up: its rows have about 170 bytes as JSON.
const benchRows = 500_000

// BenchmarkPublish publishes rows of a Parquet file to real brokers where there are some, else to kfake. The CPU is
// that of the whole process, with kfake in it.
func BenchmarkPublish(b *testing.B) {
	for name, change := range map[string]func(*Config){"json": func(*Config) {}, "json keyed": func(c *Config) { c.Key = []string{"customer"} }, "avro": nil} {
		b.Run(name, func(b *testing.B) { benchPublish(b, change) })
	}
}

func benchPublish(b *testing.B, change func(*Config)) {
	t := benchBed(b)
	if change == nil {
		change = avroSink(newFakeRegistry(b))
	}
	p := benchPublication(b, t)
	s := t.begun(0, change)
	t.publish(s, numbers(1, 0, 1)) // so that everything is connected
	for b.Loop() {
		cpu, began := cpuTime(), time.Now()
		p.At.Commit++
		t.publish(s, p)
		b.ReportMetric(benchRows/time.Since(began).Seconds(), "rows/s")
		b.ReportMetric(benchRows/(cpuTime()-cpu).Seconds(), "rows/cpu-s")
	}
}

func benchBed(b *testing.B) *bed {
	if list := os.Getenv(brokersVariable); list != "" {
		return openBed(b, strings.Split(list, ","), 8)
	}
	return newBed(b, 8)
}

func benchPublication(b *testing.B, t *bed) sinks.Publication {
	file := filepath.Join(t.dir, "rows.parquet")
	query := fmt.Sprintf(`SELECT i AS id, 'customer-' || (i %% 10000) AS customer, (i * 37 %% 100000)::DECIMAL(12,2) AS amount, 'a note of some length about order ' || i AS note,
		TIMESTAMP '2024-05-01' + to_seconds(i) AS ordered_at, i %% 3 = 0 AS paid FROM range(%d) AS t(i)`, benchRows)
	if _, err := t.conn.ExecContext(b.Context(), "COPY ("+query+") TO "+quote.Text(file)+" (FORMAT parquet, COMPRESSION zstd)"); err != nil {
		b.Fatal(err)
	}
	return publication(1, benchRows, "SELECT * FROM read_parquet("+quote.Text(file)+")", "id BIGINT", "customer VARCHAR", "amount DECIMAL(12,2)", "note VARCHAR", "ordered_at TIMESTAMP", "paid BOOLEAN")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSmall publishes a hundred rows at a time, as a continuous update does.
func BenchmarkSmall(b *testing.B) {
	t := benchBed(b)
	s := t.begun(0, nil)
	t.publish(s, numbers(1, 0, 1))
	for commit := int64(2); b.Loop(); commit++ {
		t.publish(s, numbers(commit, 0, 100))
	}
}
