package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// chaosBroker is a real Apache Kafka that is killed and paused now and then, and cut off.
type chaosBroker struct {
	t       *testing.T
	port    int
	network *chaosNetwork
	guard   *guard
}

var kafkaScript = filepath.Join("..", "..", "scripts", "kafka")

// startBroker starts a broker with an empty log on ports of its own, behind a network. It is taken down when the test
// ends.
func startBroker(t *testing.T) *chaosBroker {
	t.Helper()
	for _, program := range []string{"java", "mvn", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing, which scripts/kafka needs; on Debian: apt-get install openjdk-17-jre-headless maven openssl", program)
		}
	}
	b := &chaosBroker{t: t, port: freePorts(t, 6)} // five are the broker's
	b.guard = startGuard(b)
	b.network = startNetwork(t, b.address(5), b.address(0))
	b.script("up")
	return b
}

// freePorts finds ports beside each other that are free. They are below those that the system gives to connections, so
// that nobody takes them while the broker is away.
func freePorts(t *testing.T, count int) int {
	t.Helper()
	for range 100 {
		first, found := 20000+rand.IntN(10000), 0
		for ; found < count; found++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+found))
			if err != nil {
				break
			}
			_ = l.Close()
		}
		if found == count {
			return first
		}
	}
	t.Fatalf("no %d free ports beside each other", count)
	return 0
}

// script calls scripts/kafka.
func (b *chaosBroker) script(command string) {
	b.t.Helper()
	cmd := b.command(kafkaScript, command)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("scripts/kafka %s: %v\n%s", command, err, &stderr)
	}
}

// command is one that calls scripts/kafka, for this broker.
func (b *chaosBroker) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("KAFKA_PORT=%d", b.port), "KAFKA_ADVERTISED="+b.address(5), "KAFKA_HEAP=512m")
	return cmd
}

// address is that of one of the ports.
func (b *chaosBroker) address(number int) string { return fmt.Sprintf("127.0.0.1:%d", b.port+number) }

func (b *chaosBroker) client(opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.network.address)}, opts...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	return cl
}

func (b *chaosBroker) create(topics ...string) {
	b.t.Helper()
	cl := b.client()
	defer cl.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), chaosPatience)
	defer cancel()
	created, err := kadm.NewClient(cl).CreateTopics(ctx, chaosPartitions, 1, nil, topics...)
	if err = errors.Join(err, created.Error()); err != nil {
		b.t.Fatalf("create topics: %v", err)
	}
}

// fate says what must become of a record.
type fate int

const (
	kept      fate = iota // a row of bronze and silver
	filtered              // a row of bronze that silver's WHERE leaves out
	negative              // a row of bronze, and a dead letter of silver by its rule
	tombstone             // the same, because it has no value
	poison                // the same, because silver's query fails on it
	broken                // a dead letter of bronze
	fates
)

// chaosRecord is the record with the number n of one run. Everything about it follows from the number.
type chaosRecord struct {
	n         int64
	hash      string
	amount    int64
	partition int32
	fate      fate
}

func newRecord(seed uint64, n int64) chaosRecord {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%d", seed, n))
	r := chaosRecord{n: n, hash: hex.EncodeToString(sum[:8]), amount: 1 + int64(sum[8]), partition: int32(sum[9] % chaosPartitions)}
	switch dice := int(sum[10])<<8 | int(sum[11]); {
	case dice%1999 == 0:
		r.fate = poison
	case dice%16 == 1:
		r.fate = filtered
	case dice%16 == 2:
		r.fate, r.amount = negative, -r.amount
	case dice%32 == 3:
		r.fate = broken
	case dice%32 == 4:
		r.fate = tombstone
	}
	return r
}

func (r chaosRecord) key() string { return strconv.FormatInt(r.n, 10) }

// value is what is produced; nil for a tombstone.
func (r chaosRecord) value() []byte {
	note := "5"
	if r.fate == poison {
		note = "poison"
	}
	value := fmt.Appendf(nil, `{"n":%d,"h":%q,"amount":%d,"skip":%t,"note":%q}`, r.n, r.hash, r.amount, r.fate == filtered, note)
	switch {
	case r.fate == tombstone:
		return nil
	case r.fate != broken:
		return value
	}
	switch r.n % 4 {
	case 0:
		return value[:len(value)-2]
	case 1:
		return fmt.Appendf(nil, `{"n":"number %d"}`, r.n)
	case 2:
		return fmt.Appendf(nil, "\xff%d", r.n)
	}
	return []byte{}
}

// chaosProducer writes one numbered record after the other, each exactly once, however long the brokers are away.
type chaosProducer struct {
	cl       *kgo.Client
	seed     uint64
	stop     chan struct{}
	ended    chan struct{}
	acked    atomic.Int64
	mu       sync.Mutex
	failed   error
	produced [chaosPartitions][]int64 // numbers by partition: the place in the list is the offset
	total    int64
}

func startProducer(b *chaosBroker, seed uint64) *chaosProducer {
	// Records are retried without an end by default, and numbered within their partitions, so that the broker drops
	// what it has already.
	p := &chaosProducer{seed: seed, stop: make(chan struct{}), ended: make(chan struct{}), cl: b.client(kgo.DefaultProduceTopic(chaosTopic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1), kgo.StopProducerOnDataLossDetected(), kgo.MaxBufferedRecords(1<<20))}
	go func() {
		defer close(p.ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
				for range chaosRate / 100 {
					p.produce()
				}
			}
		}
	}()
	return p
}

func (p *chaosProducer) produce() {
	r := newRecord(p.seed, p.total)
	p.mu.Lock()
	p.total++
	offset := int64(len(p.produced[r.partition]))
	p.produced[r.partition] = append(p.produced[r.partition], r.n) // before anybody can read it
	p.mu.Unlock()
	p.cl.Produce(context.Background(), &kgo.Record{Partition: r.partition, Key: []byte(r.key()), Value: r.value()}, func(got *kgo.Record, err error) {
		if err == nil && got.Offset >= 0 && got.Offset != offset {
			err = fmt.Errorf("it has the offset %d, want %d", got.Offset, offset)
		}
		if err != nil {
			p.mu.Lock()
			p.failed = errors.Join(p.failed, fmt.Errorf("produce record %d: %w", r.n, err))
			p.mu.Unlock()
		}
		p.acked.Add(1)
	})
}

// finish stops producing and waits until every record is acknowledged.
func (p *chaosProducer) finish(t *testing.T) {
	t.Helper()
	close(p.stop)
	<-p.ended
	ctx, cancel := context.WithTimeout(t.Context(), chaosPatience)
	defer cancel()
	if err := errors.Join(p.cl.Flush(ctx), p.failed); err != nil || p.acked.Load() != p.total {
		t.Fatalf("%d of %d records were acknowledged: %v", p.acked.Load(), p.total, err)
	}
	p.cl.Close()
}

// records are those of a partition from one offset to before another.
func (p *chaosProducer) records(partition int32, from, to int64) ([]chaosRecord, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if to > int64(len(p.produced[partition])) {
		return nil, fmt.Errorf("partition %d is read up to offset %d, but has %d records", partition, to, len(p.produced[partition]))
	}
	var out []chaosRecord
	for _, n := range p.produced[partition][from:to] {
		out = append(out, newRecord(p.seed, n))
	}
	return out, nil
}

// consume hands over all committed records that a topic holds.
func (b *chaosBroker) consume(topic string, take func(*kgo.Record)) {
	b.t.Helper()
	cl := b.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer cl.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), chaosPatience)
	defer cancel()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		b.t.Fatalf("find the end of topic %s: %v", topic, err)
	}
	waiting := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			waiting[o.Partition] = o.Offset
		}
	})
	for len(waiting) > 0 {
		got := cl.PollFetches(ctx)
		if err := got.Err(); err != nil {
			b.t.Fatalf("read topic %s, with partitions left up to %v: %v", topic, waiting, err)
		}
		got.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				take(r)
			}
			if r.Offset+1 >= waiting[r.Partition] {
				delete(waiting, r.Partition)
			}
		})
	}
}

// numberOf is the number in a row that is written as JSON, as dead letters are.
func numberOf(row []byte) (int64, error) {
	var r struct{ K string }
	if err := json.Unmarshal(row, &r); err != nil {
		return 0, fmt.Errorf("%s: %w", row, err)
	}
	return strconv.ParseInt(r.K, 10, 64)
}
