package kafka

import (
	"cmp"
	"context"
	"database/sql"
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
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/goleak"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/duckdb/duckdb-go/v2.(*conn).close"))
}

// brokersVariable names real brokers to run the tests against, beside kfake: see scripts/kafka.
const brokersVariable = "LAKEFLOW_KAFKA_BROKERS"

// bed is a topic, and a database with what is published.
type bed struct {
	t       testing.TB
	fake    *kfake.Cluster // nil with real brokers
	brokers []string
	topic   string
	admin   *kadm.Client
	conn    *sql.Conn
	dir     string
	open    bool // a transaction that nobody ends: what is behind it is not waited for
}

var topicNumber atomic.Int64

// onBrokers runs a test against kfake, as it is and as brokers were whose transactions producers have to open, and
// against real ones where there are some.
func onBrokers(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Run("kfake", func(t *testing.T) { test(t, newBed(t, 3)) })
	t.Run("old", func(t *testing.T) { test(t, newBed(t, 3, kfake.MaxVersions(kversion.V3_0_0()))) })
	t.Run("real", func(t *testing.T) {
		list := os.Getenv(brokersVariable)
		if list == "" {
			t.Skip("no real Kafka to test with: run scripts/kafka up, and set " + brokersVariable + " to the address that it prints")
		}
		test(t, openBed(t, strings.Split(list, ","), 3))
	})
}

func newBed(t testing.TB, partitions int32, opts ...kfake.Opt) *bed {
	t.Helper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	b := openBed(t, fake.ListenAddrs(), partitions)
	b.fake = fake
	return b
}

func openBed(t testing.TB, brokers []string, partitions int32) *bed {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	b := &bed{t: t, brokers: brokers, admin: kadm.NewClient(cl), topic: fmt.Sprintf("t%d-%d", time.Now().UnixNano(), topicNumber.Add(1)), dir: t.TempDir()}
	b.openDuck()
	if resp, err := b.admin.CreateTopic(context.Background(), partitions, 1, nil, b.topic); err != nil || resp.Err != nil {
		t.Fatal(err, resp.Err)
	}
	b.await("the topic", func(ctx context.Context) bool {
		ends, err := b.admin.ListEndOffsets(ctx, b.topic)
		return err == nil && ends.Error() == nil && len(ends[b.topic]) == int(partitions)
	})
	return b
}

// await asks until it is so. Brokers answer a change before all of it is done.
func (b *bed) await(what string, so func(ctx context.Context) bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for !so(ctx) {
		if ctx.Err() != nil {
			b.t.Fatalf("%s is not there after a minute", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// openDuck opens a database as the engine does: SQL reaches nothing but the temporary folder.
func (b *bed) openDuck() {
	b.t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		b.t.Fatal(err)
	}
	if b.conn, err = db.Conn(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := b.conn.Close(); err != nil {
			b.t.Error(err)
		}
		if err := db.Close(); err != nil {
			b.t.Error(err)
		}
	})
	for _, setting := range []string{"TimeZone = 'UTC'", "errors_as_json = true", "preserve_insertion_order = false", "allowed_directories = [" + quote.Text(b.dir) + "]",
		"enable_external_access = false", "lock_configuration = true"} {
		if _, err := b.conn.ExecContext(context.Background(), "SET "+setting); err != nil {
			b.t.Fatal(err)
		}
	}
}

// sink is named after the topic: real brokers remember it.
func (b *bed) sink(change func(*Config)) *Sink {
	b.t.Helper()
	cfg := Config{Name: "out", Pipeline: b.topic, Brokers: b.brokers, Topic: b.topic, TempDir: b.dir}
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

// begun is a sink after Begin, which must find the commit; 0: none.
func (b *bed) begun(want int64, change func(*Config)) *Sink {
	b.t.Helper()
	s := b.sink(change)
	b.begin(s, want)
	return s
}

func (b *bed) begin(s *Sink, want int64) {
	b.t.Helper()
	at, err := s.Begin(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	if want == 0 && at != nil || want != 0 && (at == nil || *at != sinks.Published{Table: tableID, Commit: want}) {
		b.t.Fatalf("published is %+v, want commit %d", at, want)
	}
}

const tableID = "3b241101-e2bb-4255-8caf-4136c566a962"

// numbers publishes the ids from first up to, and without, end, with a customer of every tenth.
func numbers(commit, first, end int64) sinks.Publication {
	return publication(commit, end-first, fmt.Sprintf("SELECT i AS id, 'c' || (i // 10) AS customer FROM range(%d, %d) AS t(i)", first, end), "id BIGINT", "customer VARCHAR")
}

func publication(commit, rows int64, query string, columns ...string) sinks.Publication {
	p := sinks.Publication{At: sinks.Published{Table: tableID, Commit: commit}, Query: query, Rows: rows}
	for _, c := range columns {
		name, typ, _ := strings.Cut(c, " ")
		parsed, err := schemas.Parse(typ)
		if err != nil {
			panic(err)
		}
		p.Columns = append(p.Columns, schemas.Column{Name: name, Type: parsed})
	}
	return p
}

func (b *bed) publish(s *Sink, p sinks.Publication) {
	b.t.Helper()
	if err := s.Publish(context.Background(), b.conn, p); err != nil {
		b.t.Fatal(err)
	}
}

// records reads the topic with a consumer of its own, up to what is stable now.
func (b *bed) records() []*kgo.Record {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ends := b.stable()
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.brokers...), kgo.ConsumeTopics(b.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	var out []*kgo.Record
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			b.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return out
}

// stable are the offsets up to which everything is decided. A commit takes a moment to get to the partitions.
func (b *bed) stable() kadm.ListedOffsets {
	b.t.Helper()
	var stable kadm.ListedOffsets
	b.await("the end of a transaction", func(ctx context.Context) bool {
		all, err := b.admin.ListEndOffsets(ctx, b.topic)
		if err == nil {
			stable, err = b.admin.ListCommittedOffsets(ctx, b.topic)
		}
		if err = cmp.Or(err, all.Error(), stable.Error()); err != nil {
			b.t.Fatal(err)
		}
		decided := true
		stable.Each(func(o kadm.ListedOffset) { decided = decided && o.Offset == all[o.Topic][o.Partition].Offset })
		return decided || b.open
	})
	return stable
}

// values are the values of the topic, sorted.
func (b *bed) values() []string {
	b.t.Helper()
	var out []string
	for _, r := range b.records() {
		out = append(out, string(r.Value))
	}
	slices.Sort(out)
	return out
}

func (b *bed) check(what, got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}
