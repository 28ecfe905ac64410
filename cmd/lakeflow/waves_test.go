package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/duck"
)

// TestRandomGraphs runs random graphs of streaming tables, lookups and materialized views over several updates, cut
// into batches at random, and compares every table with what its definition gives when the tables are computed one
// after the other, without batches. LAKEFLOW_SEED repeats one.
func TestRandomGraphs(t *testing.T) {
	t.Parallel()
	first, n := uint64(time.Now().UnixNano()), 2
	if s, err := strconv.ParseUint(os.Getenv("LAKEFLOW_SEED"), 10, 64); err == nil {
		first, n = s, 1
	}
	for i := range n {
		seed := first + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			g := newRandomGraph(t, seed)
			for update := range 3 {
				g.arrive(update)
				do(t, "run", g.file)
				g.compute()
				g.compare(update)
			}
		})
	}
}

// randomTable is a table of a random graph. Its query has $new where the new rows are read, and names what it reads in
// full as it is.
type randomTable struct {
	name, query, stream string
	view                bool
}

type randomGraph struct {
	t      *testing.T
	rng    *rand.Rand
	file   string
	tables []randomTable // in the order in which they can be computed
	model  *duck.DB      // has a table for each of them, and new_<name> for what the last update added
	next   int
}

var randomSources = []string{"a", "b"}

func newRandomGraph(t *testing.T, seed uint64) *randomGraph {
	t.Helper()
	model, err := duck.Open(t.Context(), duck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = model.Close() })
	g := &randomGraph{t: t, rng: rand.New(rand.NewPCG(seed, 0)), file: filepath.Join(t.TempDir(), "pipeline.yaml"), model: model}
	for _, s := range randomSources {
		g.exec("CREATE TABLE new_" + s + " (id BIGINT, v BIGINT)")
	}
	var streams, wholes []string
	streams = append(streams, randomSources...)
	for i := range 4 + g.rng.IntN(6) {
		table := g.table(fmt.Sprint("t", i), streams, wholes)
		if !table.view {
			streams = append(streams, table.name)
		}
		wholes = append(wholes, table.name)
		g.tables = append(g.tables, table)
		g.exec("CREATE TABLE " + table.name + " (id BIGINT, v BIGINT)")
	}
	put(t, g.file, g.pipeline())
	return g
}

// table makes a table that reads some of those before it.
func (g *randomGraph) table(name string, streams, wholes []string) randomTable {
	pick := func(names []string) string { return names[g.rng.IntN(len(names))] }
	c := g.rng.IntN(100)
	switch kind := g.rng.IntN(4); {
	case kind == 0 && len(wholes) > 0:
		return randomTable{name: name, view: true, query: fmt.Sprintf("SELECT id %% 5 AS id, CAST(sum(v + %d) %% 1000003 AS BIGINT) AS v FROM %s GROUP BY ALL", c, pick(wholes))}
	case kind == 1 && len(wholes) > 1:
		return randomTable{name: name, view: true, query: fmt.Sprintf("SELECT x.id, CAST(count(*) * %d + sum(y.v) %% 1009 AS BIGINT) AS v FROM %s x JOIN %s y ON x.id %% 7 = y.id %% 7 GROUP BY ALL", c, pick(wholes), pick(wholes))}
	case kind == 2 && len(wholes) > 0:
		return randomTable{name: name, stream: pick(streams), query: fmt.Sprintf(`SELECT s.id, CAST((s.v * 31 + coalesce(w.v, %d)) %% 1000003 AS BIGINT) AS v
			FROM $new s LEFT JOIN (SELECT id %% 3 AS k, count(*) * 7 + sum(v) AS v FROM %s GROUP BY ALL) w ON s.id %% 3 = w.k`, c, pick(wholes))}
	}
	return randomTable{name: name, stream: pick(streams), query: fmt.Sprintf("SELECT id, (v * 3 + %d) %% 1000003 AS v FROM $new WHERE v %% 5 <> %d", c, c%5)}
}

// text is a table's query where its new rows are read from a relation.
func (r randomTable) text(stream string) string {
	return strings.ReplaceAll(r.query, "$new", stream)
}

// pipeline is the file, with the tables in any order.
func (g *randomGraph) pipeline() string {
	var b strings.Builder
	b.WriteString("name: graph\nsources:\n")
	for _, s := range randomSources {
		fmt.Fprintf(&b, "  %s: {files: {path: data/%[1]s, format: json, max_files_per_batch: %d}, schema: {id: BIGINT, v: BIGINT}}\n", s, 1+g.rng.IntN(3))
	}
	b.WriteString("tables:\n")
	for _, i := range g.rng.Perm(len(g.tables)) {
		r := g.tables[i]
		kind := "streaming_table"
		if r.view {
			kind = "materialized_view"
		}
		fmt.Fprintf(&b, "  %s:\n    kind: %s\n    sql: |\n      %s\n", r.name, kind, strings.ReplaceAll(r.text("STREAM "+r.stream), "\n", "\n      "))
	}
	return b.String()
}

// arrive gives the sources some more files.
func (g *randomGraph) arrive(update int) {
	g.t.Helper()
	for _, s := range randomSources {
		g.exec("DELETE FROM new_" + s)
		for f := range g.rng.IntN(5) {
			var rows strings.Builder
			for range 1 + g.rng.IntN(4) {
				v := g.rng.IntN(1000)
				fmt.Fprintf(&rows, "{\"id\":%d,\"v\":%d}\n", g.next, v)
				g.exec(fmt.Sprintf("INSERT INTO new_%s VALUES (%d, %d)", s, g.next, v))
				g.next++
			}
			put(g.t, filepath.Join(filepath.Dir(g.file), "data", s, fmt.Sprintf("%d-%d.json", update, f)), rows.String())
		}
	}
}

// compute brings the model up to date, table by table.
func (g *randomGraph) compute() {
	for _, r := range g.tables {
		g.exec("CREATE OR REPLACE TABLE new_" + r.name + " AS " + r.text("new_"+r.stream))
		if r.view {
			g.exec("DELETE FROM " + r.name)
		}
		g.exec("INSERT INTO " + r.name + " SELECT id, v FROM new_" + r.name)
	}
}

func (g *randomGraph) compare(update int) {
	g.t.Helper()
	for _, r := range g.tables {
		query := "SELECT coalesce(string_agg(id || ':' || v, ' ' ORDER BY id, v), '') AS rows FROM " + r.name
		var want string
		if err := g.model.Conn().QueryRowContext(context.Background(), query).Scan(&want); err != nil {
			g.t.Fatal(err)
		}
		got := strings.TrimSuffix(strings.TrimPrefix(queryTables(g.t, g.file, "csv", query), "rows\n"), "\n")
		if strings.Trim(got, `"`) != want {
			g.t.Fatalf("after update %d, %s has\n%s\nwant\n%s\n%s", update, r.name, got, want, g.pipeline())
		}
	}
}

func (g *randomGraph) exec(query string) {
	g.t.Helper()
	if err := g.model.Exec(context.Background(), query); err != nil {
		g.t.Fatalf("%s: %v", query, err)
	}
}
