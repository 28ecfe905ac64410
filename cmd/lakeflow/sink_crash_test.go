package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/engine/failpoint"
)

// crashSink is added to crashPipeline; the pipeline's name and the topic are those of the test.
const crashSink = `sinks:
  out: {from: silver, kafka: {brokers: [%s], topic: %s, key: [id]}}
`

// newSinkCrash is newCrash without files, for a pipeline that publishes silver to a topic.
func newSinkCrash(t *testing.T, broker, topic string) *crash {
	t.Helper()
	c := &crash{t, filepath.Join(t.TempDir(), "pipeline.yaml")}
	pipeline := strings.Replace(crashPipeline, "name: crash", "name: "+topic, 1) + fmt.Sprintf(crashSink, broker, topic)
	if err := os.WriteFile(c.file, []byte(pipeline), 0o644); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestKilledWhilePublishing kills the process at the failpoints that matter to sinks, of the first update and of one
// that adds rows. A consumer of committed records never sees a row twice, nor one that is not in the table, and in the
// end sees all of them.
func TestKilledWhilePublishing(t *testing.T) {
	t.Run("kfake", func(t *testing.T) {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fake.Close)
		killWhilePublishing(t, fake.ListenAddrs()[0])
	})
	t.Run("real", func(t *testing.T) {
		broker, _, _ := strings.Cut(os.Getenv("LAKEFLOW_KAFKA_BROKERS"), ",")
		if broker == "" {
			t.Skip("no real Kafka to test with: run scripts/kafka up, and set LAKEFLOW_KAFKA_BROKERS to the address that it prints")
		}
		killWhilePublishing(t, broker)
	})
}

func killWhilePublishing(t *testing.T, broker string) {
	// Before the lake's transaction, a kill leaves nothing to publish, wherever it comes.
	places := slices.DeleteFunc(slices.Clone(failpoint.Names), func(name string) bool {
		place, _, _ := strings.Cut(name, ".")
		return !slices.Contains([]string{"owner", "events", "catalog", "update"}, place)
	})
	for i, name := range append(places, failpoint.Sinks...) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := fmt.Sprintf("crash%d_%d", i, time.Now().UnixNano())
			createTopic(t, broker, topic)
			c := newSinkCrash(t, broker, topic)
			for files := 3; files <= 5; files += 2 {
				c.grow(files)
				c.kill(name)
				if got := committedIDs(t, broker, topic); len(slices.Compact(slices.Clone(got))) != len(got) || len(got) > 5*files {
					t.Fatalf("killed with %d files, the topic has %v", files, got)
				}
				c.run()
				c.expect(files)
				want := make([]int, 5*files)
				for id := range want {
					want[id] = 2 * id
				}
				got := committedIDs(t, broker, topic)
				for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); { // until all partitions know that the transaction is committed
					if slices.Equal(got, want) {
						break
					}
					time.Sleep(20 * time.Millisecond)
					got = committedIDs(t, broker, topic)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("with %d files, the topic has %v", files, got)
				}
			}
		})
	}
}

func createTopic(t *testing.T, broker, topic string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 2, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// committedIDs are the ids in the committed records of a topic, in order.
func committedIDs(t *testing.T, broker, topic string) []int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	records, err := committed(ctx, broker, topic)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int
	for _, r := range records {
		var row struct{ ID int }
		if err := json.Unmarshal(r.Value, &row); err != nil || fmt.Sprint(row.ID) != string(r.Key) {
			t.Fatalf("key %s, value %s: %v", r.Key, r.Value, err)
		}
		ids = append(ids, row.ID)
	}
	slices.Sort(ids)
	return ids
}
