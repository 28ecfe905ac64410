package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

const (
	chaosTopic      = "numbers"
	chaosPublished  = "published"
	chaosPartitions = 4
	chaosRate       = 1000 // records per second
)

// chaosPipeline keeps few snapshots, and refreshes its view beside the batches. %[1]s is the broker.
const chaosPipeline = `name: chaos
mode: continuous
trigger: {interval: 20ms, max_rows: 5000}
retention: {snapshots: %[2]d}
duckdb: {threads: 1, memory_limit: 512MiB}
sources:
  feed:
    kafka: {brokers: ["%[1]s"], topic: numbers, key: {format: string}, group: chaos}
    schema: {n: BIGINT, h: VARCHAR, amount: BIGINT, skip: BOOLEAN, note: VARCHAR}
tables:
  bronze:
    kind: streaming_table
    sql: SELECT n, h, amount, skip, note, _metadata.key AS k, _metadata.partition AS p, _metadata.offset AS o FROM STREAM feed
  silver:
    kind: streaming_table
    sql: SELECT n, h, amount, CAST(note AS INTEGER) AS note, k FROM STREAM bronze WHERE skip IS NOT TRUE
    expectations:
      positive: {expect: amount > 0, on_violation: drop}
      even: amount %% 2 = 0
  gold:
    kind: materialized_view
    refresh_every: 200ms
    sql: SELECT amount %% 10 AS digit, count(*) AS rows, CAST(sum(amount) AS BIGINT) AS amount, CAST(sum(n) AS BIGINT) AS numbers FROM silver GROUP BY ALL
sinks:
  out:
    from: silver
    kafka: {brokers: ["%[1]s"], topic: published, key: [k]}
`

// chaos is a pipeline that is killed again and again while records come in and the broker dies, too.
type chaos struct {
	t        *testing.T
	rng      *rand.Rand
	dir      string
	file     string
	tidy     string // the same pipeline, that keeps fewer snapshots
	broker   *chaosBroker
	producer *chaosProducer
	lake     *iceberg.Lake
	log      *os.File
	last     *lake.State
	counted  [chaosPartitions]int64 // offsets up to which fates are counted
	fates    [fates]int64           // of the records that bronze has read
	kills    map[string]int         // of lakeflow, by SIGKILL
	others   map[string]int         // what was done besides
	points   []string               // failpoints to come
	life     time.Duration          // within which an update is killed, mostly; it commits something within half of it
}

// TestChaos feeds a continuous update numbered records from a real Apache Kafka, and kills it with SIGKILL at random
// moments and at every failpoint. Now and then the broker is killed, the update is ended in order, or a second one is
// started beside it. After each kill the tables must hold exactly what the positions say was read; at the end
// everything is compared with what was produced, and so is what a reader of the sink's topic sees. LAKEFLOW_CHAOS_KILLS
// is the number of kills, LAKEFLOW_CHAOS_SEED repeats a run.
func TestChaos(t *testing.T) {
	wanted := os.Getenv("LAKEFLOW_CHAOS_KILLS")
	if wanted == "" {
		t.Skip("it takes minutes and needs Apache Kafka: run make chaos, or set LAKEFLOW_CHAOS_KILLS to a number of kills; see scripts/kafka")
	}
	kills, err := strconv.Atoi(wanted)
	if err != nil {
		t.Fatalf("LAKEFLOW_CHAOS_KILLS=%s is no number", wanted)
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("LAKEFLOW_CHAOS_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("LAKEFLOW_CHAOS_SEED=%s is no number", s)
		}
	}
	began := time.Now()
	c := newChaos(t, seed)
	c.warmUp()
	for i := 0; c.killed() < kills; i++ {
		c.episode(i)
	}
	c.producer.finish(t)
	c.drain()
	c.compare()
	c.report(time.Since(began))
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	dir, err := os.MkdirTemp("", "lakeflow-chaos-")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("repeat it with LAKEFLOW_CHAOS_SEED=%d; when it is interrupted it leaves %s", seed, dir)
	c := &chaos{t: t, rng: rand.New(rand.NewPCG(seed, 0)), dir: dir, file: filepath.Join(dir, "pipeline.yaml"), tidy: filepath.Join(dir, "tidy.yaml"), kills: map[string]int{}, others: map[string]int{}}
	t.Cleanup(c.clean)
	if c.log, err = os.Create(filepath.Join(dir, "runs.log")); err != nil {
		t.Fatal(err)
	}
	c.broker = startBroker(t)
	c.broker.create(chaosTopic, chaosPublished)
	put(t, c.file, fmt.Sprintf(chaosPipeline, c.broker.network.address, 10))
	put(t, c.tidy, fmt.Sprintf(chaosPipeline, c.broker.network.address, 3))
	if c.lake, err = iceberg.Open(t.Context(), filepath.Join(dir, "warehouse"), "chaos", "chaos", iceberg.Retention{}); err != nil {
		t.Fatal(err)
	}
	if c.last, err = c.lake.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.producer = startProducer(c.broker, seed)
	return c
}

// clean removes the warehouse, unless something in it is wrong.
func (c *chaos) clean() {
	if c.lake != nil {
		_ = c.lake.Close()
	}
	_ = c.log.Close()
	if c.t.Failed() {
		c.t.Logf("the warehouse, the pipeline and what the processes said (runs.log) are in %s", c.dir)
		return
	}
	if err := os.RemoveAll(c.dir); err != nil {
		c.t.Error(err)
	}
}

// killed counts the kills by SIGKILL of lakeflow so far.
func (c *chaos) killed() int {
	sum := 0
	for _, n := range c.kills {
		sum += n
	}
	return sum
}

// episode is one life of the update, or a few. The number says which.
func (c *chaos) episode(i int) {
	script, network := c.broker.script, c.broker.network
	switch {
	case i%20 == 7:
		c.outage("broker killed", c.upTo(1500*time.Millisecond), func() { script("kill") }, func() { script("start") })
	case i == 17: // longer than a broker may take to answer
		c.outage("broker paused", 12*time.Second, func() { script("pause") }, func() { script("resume") })
	case i%40 == 17:
		c.outage("broker paused", c.upTo(4*time.Second), func() { script("pause") }, func() { script("resume") })
	case i%20 == 4:
		c.outage("network cut", c.upTo(1500*time.Millisecond), network.cut, network.open)
	case i%20 == 14:
		c.outage("network lost answers", c.upTo(1500*time.Millisecond), network.silence, func() { network.cut(); network.open() })
	case i%25 == 12:
		c.secondRun()
	case i%30 == 18:
		c.term("")
	case i%2 == 0:
		c.atMoment()
	default:
		c.atPoint()
	}
}

// warmUp makes commits, so that lakeflow maintain has something to tidy up, and finds out how fast this machine is.
func (c *chaos) warmUp() {
	began := time.Now()
	r := c.update("")
	r.progress()
	c.life = max(time.Second, 2*time.Since(began))
	for c.last.Commit < 10 {
		r.progress()
	}
	r.kill()
}

// upTo is a random time.
func (c *chaos) upTo(most time.Duration) time.Duration {
	return time.Duration(c.rng.Int64N(int64(most)))
}

// atMoment kills the update whatever it is doing. It begins to merge files after a second.
func (c *chaos) atMoment() {
	r := c.update("")
	most := c.life
	if c.rng.IntN(10) == 0 {
		most = 3 * c.life
	}
	r.live(c.upTo(most))
	r.kill()
}

// failpoints are those that a pipeline passes which reads topics: it has no ledger of files.
func failpoints() []string {
	all := slices.Concat(failpoint.Names, failpoint.Maintenance, failpoint.Sinks)
	return slices.DeleteFunc(all, func(name string) bool { return strings.HasPrefix(name, "ledger.") })
}

// atPoint kills a process at the next failpoint.
func (c *chaos) atPoint() {
	if len(c.points) == 0 {
		c.points = failpoints()
		c.rng.Shuffle(len(c.points), func(i, j int) { c.points[i], c.points[j] = c.points[j], c.points[i] })
	}
	name := c.points[0]
	c.points = c.points[1:]
	place, what, _ := strings.Cut(name, ".")
	switch {
	case place == "view" || place == "update": // passed when it ends
		c.term(name)
	case strings.HasSuffix(what, "-expire") || strings.HasSuffix(what, "-remove"):
		r := c.update("") // makes something to tidy up
		r.progress()
		r.kill()
		pass := 1
		if strings.HasSuffix(what, "-remove") { // each kill leaves some files
			pass += c.rng.IntN(1 + c.killed()/2)
		}
		c.start(fmt.Sprintf("%s#%d", name, pass), "maintain", c.tidy, "--older-than", "0s").dieAt(name)
	case place == "owner" || place == "maintain": // passed once, or seldom
		c.update(name).dieAt(name)
	default:
		c.update(fmt.Sprintf("%s#%d", name, 1+c.rng.IntN(6))).dieAt(name)
	}
}

// term ends an update in order, or kills it at a failpoint that it passes then.
func (c *chaos) term(point string) {
	r := c.update(point)
	r.progress()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	if point != "" {
		r.dieAt(point)
		return
	}
	c.others["SIGTERM"]++
	if err := r.wait(); err != nil {
		c.t.Fatalf("after SIGTERM: %v\n%s", err, c.said())
	}
	c.look()
}

// secondRun starts an update beside a living one.
func (c *chaos) secondRun() {
	r := c.update("")
	r.progress()
	out, err := lakeflow("", "run", c.file, "--listen", "127.0.0.1:0")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitRuntime || !strings.Contains(out, "another update is running: ") || !strings.Contains(out, fmt.Sprintf("process %d on", r.cmd.Process.Pid)) {
		c.t.Fatalf("a second update beside process %d: %v\n%s", r.cmd.Process.Pid, err, out)
	}
	c.others["second run"]++
	r.progress()
	r.kill()
}

// outage takes the broker away while an update runs, and gives it back. The update must outlive that, and go on; in
// half of the cases it is killed meanwhile, and another one begins before its broker is there.
func (c *chaos) outage(kind string, lasts time.Duration, begin, end func()) {
	r := c.update("")
	r.live(c.upTo(time.Second))
	_, _ = fmt.Fprintf(c.log, "\n== %s %s\n", time.Now().Format(time.TimeOnly), kind)
	begin()
	c.others[kind]++
	r.live(lasts)
	if c.rng.IntN(2) == 0 {
		r.kill()
		r = c.update("")
		r.live(c.upTo(time.Second))
	}
	end()
	_, _ = fmt.Fprintf(c.log, "\n== %s no longer %s\n", time.Now().Format(time.TimeOnly), kind)
	r.progress()
	r.kill()
}

// drain runs the pipeline until everything is read, and ends it in order.
func (c *chaos) drain() {
	r := c.update("")
	for deadline := time.Now().Add(chaosPatience); ; {
		r.live(50 * time.Millisecond)
		c.look()
		if slices.EqualFunc(c.counted[:], c.producer.produced[:], func(read int64, produced []int64) bool { return read == int64(len(produced)) }) {
			break
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("only the offsets %v are read\n%s", c.counted, c.said())
		}
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	if err := r.wait(); err != nil {
		c.t.Fatalf("after SIGTERM: %v\n%s", err, c.said())
	}
	c.look()
}

// report prints what was done.
func (c *chaos) report(took time.Duration) {
	var lines []string
	for _, kinds := range []map[string]int{c.kills, c.others} {
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			lines = append(lines, fmt.Sprintf("  %-28s %5d", kind, kinds[kind]))
		}
	}
	for _, name := range failpoints() {
		if c.kills["at "+name] == 0 && c.killed() >= 200 {
			c.t.Errorf("nothing was killed at %s", name)
		}
	}
	for _, kind := range []string{"broker killed", "broker paused", "network cut", "network lost answers", "second run", "SIGTERM"} {
		if c.others[kind] == 0 && c.killed() >= 200 {
			c.t.Errorf("there was no %s", kind)
		}
	}
	c.t.Logf("%d kills of lakeflow in %s; %d records, %d commits, differences 0; by kind, and what was done besides:\n%s", c.killed(), took.Round(time.Second), c.producer.total, c.last.Commit, strings.Join(lines, "\n"))
}
