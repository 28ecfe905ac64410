package project

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/failpoint"
)

// changedTables read what is changed in the tables of mergePipeline, and changedSinks publish it.
const (
	changedTables = `  audit: {kind: streaming_table, sql: "SELECT * FROM STREAM CHANGES(latest)"}
  versions: {kind: streaming_table, sql: "SELECT * FROM STREAM CHANGES(history)"}
  counted: {kind: streaming_table, sql: "SELECT * FROM STREAM CHANGES(towns)"}
  busy: {kind: materialized_view, refresh_policy: full, sql: "SELECT town, count(*) AS n, max(id) AS last FROM latest GROUP BY ALL HAVING count(*) > 4"}
  bustled: {kind: streaming_table, sql: "SELECT * FROM STREAM CHANGES(busy)"}
  copy:
    kind: streaming_table
    auto_cdc: {from: STREAM CHANGES(latest), keys: [id], sequence_by: _commit_version, apply_as_delete: _change_type = 'delete', columns: [id, town]}
  towns_copy:
    kind: streaming_table
    auto_cdc: {from: STREAM CHANGES(towns), keys: [town], sequence_by: [_commit_version, _change_type], apply_as_delete: _change_type = 'delete', columns: [town, n]}
`
	changedSinks = `sinks:
  latest_out: {from: latest, kafka: {brokers: [%[1]q], topic: latest}}
  history_out: {from: history, kafka: {brokers: [%[1]q], topic: history}}
  busy_out: {from: busy, kafka: {brokers: [%[1]q], topic: busy, key: [town]}}
  towns_out: {from: towns, kafka: {brokers: [%[1]q], topic: towns, key: [town]}}
`
)

// replayed is a query of the rows in which a table and its change feed, replayed from the beginning, differ, and of changes
// that are there twice.
func replayed(table, feed, columns string) string {
	return fmt.Sprintf(`SELECT count(*) AS n FROM (
		SELECT %[3]s, sum(change) AS change FROM (SELECT %[3]s, CASE WHEN _change_type IN ('insert', 'update_postimage') THEN 1 ELSE -1 END AS change FROM %[2]s
			UNION ALL SELECT %[3]s, -1 AS change FROM %[1]s) GROUP BY ALL HAVING sum(change) <> 0
		UNION ALL SELECT %[3]s, count(*) AS change FROM %[2]s GROUP BY %[3]s, _commit_version, _change_type HAVING count(*) > 1)`, table, feed, columns)
}

// compacted are the last values of the keys of a topic, without those whose last record says that they are gone.
func compacted(t *testing.T, broker, topic string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListCommittedOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	left, last := map[int32]int64{}, map[string][]byte{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				last[string(r.Key)] = r.Value
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	var rows []string
	for key, value := range last {
		if value == nil {
			continue
		}
		rows = append(rows, key+" "+string(value))
	}
	slices.Sort(rows)
	return rows
}

// TestKilledInChanges kills updates that change rows, read what was changed and publish it, at any place, maintains and
// recomputes tables on the way, and compares: the feeds that were read, replayed, are the tables; applied by key, they are
// too; and so are the topics, compacted.
func TestKilledInChanges(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "latest", "history", "towns", "busy"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	broker := fake.ListenAddrs()[0]
	c := newChanging(t, 7)
	put(t, c.file, mergePipeline+changedTables+fmt.Sprintf(changedSinks, broker))
	places := slices.Concat(failpoint.Names, failpoint.Sinks, failpoint.Sinks)
	killed, rounds := 0, 4
	if n, err := strconv.Atoi(os.Getenv("LAKEFLOW_CASES")); err == nil {
		rounds = n
	}
	for round := range rounds {
		for range 1 + c.rng.IntN(4) {
			c.grow()
		}
		opts := engine.Options{}
		if round%4 == 3 {
			opts.Selection = definitions.Selection{FullRefresh: [][]string{{"latest"}, {"towns", "busy"}, {"history", "latest"}}[c.rng.IntN(3)]}
		}
		if c.tryKill(places[c.rng.IntN(len(places))], 1+c.rng.IntN(4), opts) {
			killed++
			c.run(opts)
		}
		if c.rng.IntN(3) == 0 {
			mustMaintain(t, c.file, time.Hour)
		}
		c.expect()
		c.same(broker)
	}
	if killed < rounds/2 {
		t.Errorf("only %d of %d updates were killed", killed, rounds)
	}
	c.audit()
}

// same compares the tables with what was read and published of their changes.
func (c *changing) same(broker string) {
	c.t.Helper()
	const differ = "SELECT count(*) AS n FROM ((FROM %[1]s EXCEPT ALL FROM %[2]s) UNION ALL (FROM %[2]s EXCEPT ALL FROM %[1]s))"
	for _, q := range []string{replayed("latest", "audit", "id, town"), replayed("towns", "counted", "town, n"), replayed("busy", "bustled", "town, n, last"),
		replayed("history", "versions", `id, town, "__START_AT", "__END_AT"`),
		fmt.Sprintf(differ, "latest", "copy"), fmt.Sprintf(differ, "towns", "towns_copy")} {
		if got := c.look(q); got != "0" {
			c.t.Fatalf("%s rows differ: %s", got, q)
		}
	}
	for table, key := range map[string]string{"latest": "CAST(id AS VARCHAR)", "towns": "town", "busy": "town", "history": `CAST(to_json({'id': id, '__START_AT': "__START_AT"}) AS VARCHAR)`} {
		want := strings.Split(c.look(fmt.Sprintf("SELECT coalesce(string_agg(%s || ' ' || CAST(to_json(t) AS VARCHAR), chr(10)), '') FROM %s AS t", key, table)), "\n")
		want = slices.DeleteFunc(want, func(row string) bool { return row == "" })
		slices.Sort(want)
		if got := compacted(c.t, broker, table); !slices.Equal(got, want) {
			c.t.Fatalf("topic %s has\n%s\nwant\n%s", table, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
