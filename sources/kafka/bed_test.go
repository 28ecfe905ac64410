package kafka

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/duckdb/duckdb-go/v2.(*conn).close"))
}

// brokersVariable names real brokers to run the tests against, beside kfake: see scripts/kafka.
const brokersVariable = "LAKEFLOW_KAFKA_BROKERS"

// bed is a topic, a database and the commits that were made.
type bed struct {
	t       *testing.T
	fake    *kfake.Cluster // nil with real brokers
	brokers []string
	topic   string
	cl      *kgo.Client
	session sources.Session
	pos     sources.Position
}

var topicNumber atomic.Int64

// onBrokers runs a test against kfake, and against real brokers where there are some.
func onBrokers(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Run("kfake", func(t *testing.T) { test(t, newBed(t, 1)) })
	t.Run("real", func(t *testing.T) { test(t, newRealBed(t, 1)) })
}

func newBed(t testing.TB, partitions int32, opts ...kfake.Opt) *bed {
	t.Helper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "200000000"})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	b := openBed(t, fake.ListenAddrs())
	b.fake = fake
	b.create(b.topic, partitions)
	return b
}

func newRealBed(t *testing.T, partitions int32) *bed {
	t.Helper()
	list := os.Getenv(brokersVariable)
	if list == "" {
		t.Skip("no real Kafka to test with: run scripts/kafka up, and set " + brokersVariable + " to the address that it prints")
	}
	b := openBed(t, strings.Split(list, ","))
	b.create(b.topic, partitions)
	return b
}

func openBed(t testing.TB, brokers []string) *bed {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(150_000_000), kgo.BrokerMaxWriteBytes(300_000_000), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	b := &bed{brokers: brokers, cl: cl, topic: fmt.Sprintf("t%d-%d", time.Now().UnixNano(), topicNumber.Add(1)), session: openDuck(t)}
	b.t, _ = t.(*testing.T)
	return b
}

// openDuck opens a database as the engine does: SQL reaches nothing but the temporary folder.
func openDuck(t testing.TB) sources.Session {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := sources.Session{Conn: conn, Prefix: "__src1_", TempDir: t.TempDir()}
	for _, setting := range []string{"TimeZone = 'UTC'", "errors_as_json = true", "preserve_insertion_order = false", "allowed_directories = [" + quote.Text(s.TempDir) + "]",
		"enable_external_access = false", "lock_configuration = true"} {
		if _, err := conn.ExecContext(context.Background(), "SET "+setting); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// create makes a topic that takes large records, and keeps those that claim to be years old.
func (b *bed) create(topic string, partitions int32) {
	size, keep := "200000000", "-1"
	resp, err := kadm.NewClient(b.cl).CreateTopic(context.Background(), partitions, 1, map[string]*string{"max.message.bytes": &size, "retention.ms": &keep}, topic)
	if err != nil || resp.Err != nil {
		panic(fmt.Sprint(err, resp.Err))
	}
	b.cl.ForceMetadataRefresh()
}

// put produces records and waits until they are there.
func (b *bed) put(records ...*kgo.Record) {
	for _, r := range records {
		if r.Topic == "" {
			r.Topic = b.topic
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		panic(err)
	}
}

// grow adds a partition, which is to have a number, and waits until it can be written to.
func (b *bed) grow(number int32) {
	b.t.Helper()
	if resp, err := kadm.NewClient(b.cl).CreatePartitions(b.t.Context(), 1, b.topic); err != nil || resp.Error() != nil {
		b.t.Fatal(err, resp.Error())
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		b.cl.ForceMetadataRefresh()
		if leader, _, err := b.cl.PartitionLeader(b.topic, number); leader >= 0 && err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("partition %d does not come up", number)
		}
	}
}

// settle waits until the transactions that have ended are seen: the brokers write their marks after they have answered.
func (b *bed) settle() {
	b.t.Helper()
	adm := kadm.NewClient(b.cl)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		ends, err := adm.ListEndOffsets(b.t.Context(), b.topic)
		decided, derr := adm.ListCommittedOffsets(b.t.Context(), b.topic)
		if err = errors.Join(err, derr, ends.Error(), decided.Error()); err != nil {
			b.t.Fatal(err)
		}
		if decided[b.topic][0].Offset == ends[b.topic][0].Offset {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("a transaction is undecided: %+v of %+v", decided, ends)
		}
	}
}

// values produces values to partition 0.
func (b *bed) values(values ...string) {
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Value: []byte(v)}
	}
	b.put(records...)
}

func (b *bed) source(change func(*Config)) *Source {
	b.t.Helper()
	cfg := Config{Name: "feed", Brokers: b.brokers, Topics: []string{b.topic}}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return s
}

func (b *bed) next(s *Source) *sources.Batch {
	b.t.Helper()
	batch, err := s.Next(b.t.Context(), b.session, b.pos, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return batch
}

// query returns rows as lines of cells.
func (b *bed) query(query string) (string, error) {
	rows, err := b.session.Conn.QueryContext(context.Background(), query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var out []string
	for rows.Next() {
		cells, at := make([]any, len(cols)), make([]any, len(cols))
		for i := range cells {
			at[i] = &cells[i]
		}
		if err := rows.Scan(at...); err != nil {
			return "", err
		}
		var line []string
		for _, c := range cells {
			line = append(line, fmt.Sprint(c))
		}
		out = append(out, strings.Join(line, " | "))
	}
	return strings.Join(out, "\n"), rows.Err()
}

// rows evaluates columns of a batch, repaired if need be, ordered by them.
func (b *bed) rows(batch *sources.Batch, columns string) string {
	b.t.Helper()
	for range 5 {
		if batch.Relation == "" {
			return ""
		}
		out, err := b.query("SELECT " + columns + " FROM " + batch.Relation + " ORDER BY ALL")
		if err == nil {
			return out
		}
		repaired, rerr := batch.Repair(b.t.Context(), b.session, err)
		if repaired == nil || rerr != nil {
			b.t.Fatalf("read the batch: %v; repair: %v", err, rerr)
		}
		*batch = *repaired
	}
	b.t.Fatal("still not readable")
	return ""
}

// rejects are the batch's, with columns, ordered by offset.
func (b *bed) rejects(batch *sources.Batch, columns string) string {
	b.t.Helper()
	if batch.RejectCount == 0 {
		return ""
	}
	out, err := b.query("SELECT " + columns + " FROM " + batch.Rejects + ` ORDER BY "offset"`)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// drain reads and commits until nothing is new, and returns the rows of all batches, sorted.
func (b *bed) drain(s *Source, columns string) (rows, rejects []string) {
	b.t.Helper()
	for range 1000 {
		batch := b.next(s)
		if batch == nil {
			slices.Sort(rows)
			return rows, rejects
		}
		if got := b.rows(batch, columns); got != "" {
			rows = append(rows, strings.Split(got, "\n")...)
		}
		if got := b.rejects(batch, `"offset", reason`); got != "" {
			rejects = append(rejects, strings.Split(got, "\n")...)
		}
		b.pos = batch.Position
	}
	b.t.Fatal("no end of batches")
	return nil, nil
}

func (b *bed) check(what, got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}
