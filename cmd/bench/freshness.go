package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	freshRate = 50_000 // records per second
	// warmUp is how long the first records do not count: DuckDB and the brokers' connections are cold.
	warmUp = 5 * time.Second
	// catchUp is how long the last records may take before the workload fails.
	catchUp = time.Minute
)

// What freshness and memory must reach.
const (
	freshMedian = 150 * time.Millisecond
	freshTail   = 500 * time.Millisecond
	freshSpread = 4.0
	flatMemory  = 1.10
)

// freshColumns are those of the records that runProduce makes.
const freshColumns = "{id: BIGINT, sent: BIGINT, customer_id: VARCHAR, channel: VARCHAR, status: VARCHAR, sku: VARCHAR, quantity: BIGINT, unit_price: DOUBLE, country: VARCHAR, email: VARCHAR}"

// freshness measures how long a record takes from its making to another process that reads it out of a table, while
// records come all the time.
func freshness(ctx context.Context, b *bench) error {
	k, err := b.broker(ctx)
	if err != nil {
		return err
	}
	topic, err := k.topic(ctx, "fresh")
	if err != nil {
		return err
	}
	s, err := b.space("freshness", topicPipeline(k, topic, freshColumns, "SELECT *, quantity * unit_price AS amount FROM STREAM bronze",
		"mode: continuous\ntrigger: {interval: 50ms}"))
	if err != nil {
		return err
	}
	u, err := b.follow(ctx, s)
	if err != nil {
		return err
	}
	seen, err := b.flow(ctx, u, k, topic, s)
	if err = errors.Join(err, u.stop()); err != nil {
		return err
	}
	if err := b.checkFresh(ctx, s, b.freshRows()); err != nil {
		return err
	}
	u.print(seen, b.seconds, k.what)
	return s.remove()
}

func (b *bench) freshRows() int64 { return int64(b.seconds) * freshRate }

// flow produces records and returns what the watcher has seen of them.
func (b *bench) flow(ctx context.Context, u *following, k *broker, topic string, s *space) (seen sightings, err error) {
	watch, err := start(ctx, b.self, "watch", s.warehouse(), fmt.Sprint(b.freshRows()), fmt.Sprint(time.Duration(b.seconds)*time.Second+catchUp))
	if err != nil {
		return seen, err
	}
	produce, err := start(ctx, b.self, "produce", k.addresses, topic, fmt.Sprint(freshRate), fmt.Sprint(b.seconds))
	if err != nil {
		return seen, errors.Join(err, watch.stop())
	}
	end := u.sample()
	text, err := watch.line()
	end()
	if err = errors.Join(err, produce.wait()); err != nil {
		return seen, err
	}
	return seen, errors.Join(json.Unmarshal([]byte(text), &seen), watch.wait())
}

// checkFresh makes sure that every record is there once.
func (b *bench) checkFresh(ctx context.Context, s *space, n int64) error {
	const summary = "SELECT (SELECT [count(*), count(DISTINCT id), sum(id)] FROM %s) AS bronze, (SELECT [count(*), count(DISTINCT id), sum(id)] FROM %s) AS silver"
	want := fmt.Sprintf("range(%d) AS t(id)", n)
	return b.same(ctx, s, fmt.Sprintf(summary, "bronze", "silver"), fmt.Sprintf(summary, want, want))
}

// following is a continuous update that is measured.
type following struct {
	*process
	metrics string // the address
	last    map[string]float64
	memory  []int64 // resident bytes, once a second
}

// follow starts a continuous update and waits until it is ready.
func (b *bench) follow(ctx context.Context, s *space) (*following, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	p, err := start(ctx, b.lakeflow, "run", "--listen", address, s.file)
	if err != nil {
		return nil, err
	}
	u := &following{process: p, metrics: "http://" + address + "/metrics"}
	for range 300 {
		resp, err := http.Get("http://" + address + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return u, nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, errors.Join(errors.New("the update does not become ready"), u.stop())
}

// sample begins to look at the metrics once a second, until end is called.
func (u *following) sample() (end func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(time.Second); ; {
			if err := u.read(); err == nil { // a process that died is noticed by its exit code
				u.memory = append(u.memory, int64(u.last["process_resident_memory_bytes"]))
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func (u *following) read() error {
	resp, err := http.Get(u.metrics)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	found := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			found[name] = v
		}
	}
	u.last = found
	return nil
}

// stage is the mean time of a part of a batch.
func (u *following) stage(name string) time.Duration {
	labels := `{stage="` + name + `"}`
	return time.Duration(u.last["lakeflow_batch_stage_seconds_sum"+labels] / u.last["lakeflow_batch_stage_seconds_count"+labels] * float64(time.Second))
}

func (u *following) print(seen sightings, seconds int, broker string) {
	p50, p99 := seen.at(0.5), seen.at(0.99)
	row := func(what string, d time.Duration, g goal, compared string) {
		fmt.Printf(rowFormat, what, short(d), "", "", g.text, g.result(), compared)
	}
	row(fmt.Sprintf("freshness at %d records/s for %d s, median", freshRate, seconds), p50, atMost(p50, freshMedian), fmt.Sprintf(
		"of all records but those of the first %v: from before the producer sends one to when another process has read it out of silver's files, with %s, small files merged beside it", warmUp, broker))
	row("freshness, 99th percentile", p99, atMost(p99, freshTail), fmt.Sprintf("the same; the slowest took %s; %d commits were seen; a batch took %s to read, %s to evaluate, %s to commit; CPU %.0f %%",
		short(seen.at(1)), seen.Commits, short(u.stage("read")), short(u.stage("evaluate")), short(u.stage("commit")), 100*u.last["process_cpu_seconds_total"]/float64(seconds)))
	spread := float64(p99) / float64(p50)
	fmt.Printf(rowFormat, "freshness, 99th percentile to median", "", "", fmt.Sprintf("%.2fx", spread), "<= 4.00x", goal{"4", spread <= freshSpread}.result(), "the same")
	peak := slices.Max(u.memory)
	fmt.Printf(rowFormat, "freshness, peak memory", megabytes(peak), "", "", "<= "+megabytes(backlogMemory), goal{"600", peak <= backlogMemory}.result(), "resident, looked at once a second")
	if len(u.memory) < 120 {
		return
	}
	early, late := median(u.memory[60:75]), median(u.memory[len(u.memory)-15:])
	growth := float64(late) / float64(early)
	fmt.Printf(rowFormat, fmt.Sprintf("memory after %d s", len(u.memory)), megabytes(late), megabytes(early), fmt.Sprintf("%.2fx", growth), "<= 1.10x", goal{"flat", growth <= flatMemory}.result(),
		"resident, medians of 15 s: at the end, and at the begin of the second minute; by tenths of the time: "+tenths(u.memory))
}

func median(values []int64) int64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// tenths are the memory at ten times.
func tenths(memory []int64) string {
	var out []string
	for i := range 10 {
		out = append(out, megabytes(memory[(i+1)*len(memory)/10-1]))
	}
	return strings.Join(out, ", ")
}
