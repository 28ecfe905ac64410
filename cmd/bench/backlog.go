package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

const (
	backlogRows  = 5_000_000
	backlogFiles = 16 // of about 64 MiB, which is what a batch reads by default
)

// backlogMemory is what an update without state may take.
const backlogMemory = 600_000_000

// backlogFeed is a folder of the records as lines of JSON, in chunks of about the size of a batch.
func (b *bench) backlogFeed(ctx context.Context) (string, error) {
	return b.generated("backlog", func(dir string) error { return b.writeOrders(ctx, dir, "json", backlogRows, backlogFiles) })
}

// backlogTopic is a topic with these records. It is filled once for all workloads.
func (b *bench) backlogTopic(ctx context.Context) (k *broker, topic, feed string, err error) {
	if feed, err = b.backlogFeed(ctx); err != nil {
		return nil, "", "", err
	}
	if k, err = b.broker(ctx); err != nil || b.filled != "" {
		return k, b.filled, feed, err
	}
	if topic, err = k.topic(ctx, "backlog"); err != nil {
		return nil, "", "", err
	}
	fmt.Fprintln(os.Stderr, "filling a topic with 5,000,000 records")
	if _, err = (job{program: b.self, args: []string{"fill", k.addresses, topic, feed}}).output(ctx); err == nil {
		b.filled = topic
	}
	return k, topic, feed, err
}

// topicPipeline is bronze and silver over a topic.
func topicPipeline(k *broker, topic, columns, silver, settings string) string {
	brokers := strings.Split(k.addresses, ",")
	for i := range brokers {
		brokers[i] = quote.Text(brokers[i])
	}
	return fmt.Sprintf(`name: orders
%s
sources:
  feed:
    kafka: {brokers: [%s], topic: %s}
    schema: %s
tables:
  bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
  silver: {kind: streaming_table, sql: %s}
`, settings, strings.Join(brokers, ", "), topic, columns, quote.Text(silver))
}

const backlogFilter = " WHERE quantity > 0 AND email IS NOT NULL"

var backlogSilver = fmt.Sprintf(silverSQL, "STREAM bronze") + backlogFilter

// backlogFloor is the same work as two COPYs for each chunk.
func backlogFloor(s *space, feed string) string {
	const copyTo = "COPY (%s) TO %s (FORMAT parquet, COMPRESSION zstd);\n"
	var sql strings.Builder
	sql.WriteString("SET preserve_insertion_order = false;\n")
	for i := range backlogFiles {
		chunk := filepath.Join(feed, fmt.Sprintf("orders-%02d.json", i))
		bronze, silver := quote.Text(s.floor(fmt.Sprintf("bronze-%02d.parquet", i))), quote.Text(s.floor(fmt.Sprintf("silver-%02d.parquet", i)))
		fmt.Fprintf(&sql, copyTo, fmt.Sprintf("SELECT * FROM read_json(%s%s)", quote.Text(chunk), readOptions()), bronze)
		fmt.Fprintf(&sql, copyTo, fmt.Sprintf(silverSQL, bronze)+backlogFilter, silver)
	}
	return sql.String()
}

// backlog measures how fast a topic that waits is read into bronze and silver.
func backlog(ctx context.Context, b *bench) error {
	k, topic, feed, err := b.backlogTopic(ctx)
	if err != nil {
		return err
	}
	s, err := b.space("backlog", topicPipeline(k, topic, orderColumns, backlogSilver, ""))
	if err != nil {
		return err
	}
	run := b.command("run", "--json", s.file)
	run.fresh = []string{s.warehouse()}
	consume := job{program: b.self, args: []string{"consume", k.addresses, topic, fmt.Sprint(backlogRows)}}
	got, err := inTurn(ctx, b.runs, run, consume, b.floor(backlogFloor(s, feed)))
	if err != nil {
		return err
	}
	if err := b.checkBacklog(ctx, s); err != nil {
		return err
	}
	printBacklog(got[0], got[1], got[2], k.what)
	return s.remove()
}

// checkBacklog compares counts, and sums of the key, with what was produced.
func (b *bench) checkBacklog(ctx context.Context, s *space) error {
	const summary = `SELECT (SELECT [count(*), count(DISTINCT order_id), sum(order_id)] FROM %s) AS bronze, (SELECT [count(*), sum(order_id)] FROM %s) AS silver`
	return b.same(ctx, s, fmt.Sprintf(summary, "bronze", "silver"),
		fmt.Sprintf(summary, fmt.Sprintf("range(%d) AS t(order_id)", backlogRows), quote.Text(s.floor("silver-*.parquet"))))
}

func printBacklog(ours, consume, duckdb samples, broker string) {
	floor, slower := consume, "consuming with franz-go"
	if duckdb.wall() > consume.wall() {
		floor, slower = duckdb, "DuckDB writing the same twice in batches"
	}
	const least = 0.85
	speed := 1 / ratio(ours, floor)
	rate := func(s samples) float64 { return backlogRows / s.wall().Seconds() / 1e6 }
	g := goal{fmt.Sprintf(">= %.2fx", least), speed >= least}
	fmt.Printf(rowFormat, "backlog of 5,000,000 records of a topic", ours, floor, fmt.Sprintf("%.2fx", speed), g.text, g.result(), fmt.Sprintf(
		"throughput, with %s, to the slower of two: %s; lakeflow %.2f, franz-go %.2f, DuckDB %.2f million records/s; CPU %s, %s and %s; lakeflow %.2f million records per CPU second without the broker",
		broker, slower, rate(ours), rate(consume), rate(duckdb), short(ours.cpu()), short(consume.cpu()), short(duckdb.cpu()), backlogRows/ours.cpu().Seconds()/1e6))
	printMemory("backlog, peak memory of all runs", ours, duckdb, backlogMemory, "DuckDB writing the same twice in batches")
}
