package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// chaosPatience is how long anything may take that must happen. An update may pause for half a minute between two
// attempts.
const chaosPatience = 5 * time.Minute

// chaosRun is a process of lakeflow.
type chaosRun struct {
	c      *chaos
	cmd    *exec.Cmd
	ended  chan struct{}
	err    error // of its end
	commit int64 // the last one before it began
}

// update starts a continuous update, which dies at a failpoint if one is given.
func (c *chaos) update(point string) *chaosRun {
	c.t.Helper()
	return c.start(point, "run", c.file, "--listen", "127.0.0.1:0")
}

func (c *chaos) start(point string, args ...string) *chaosRun {
	c.t.Helper()
	_, _ = fmt.Fprintf(c.log, "\n== %s kill %d, commit %d: %s %s\n", time.Now().Format(time.TimeOnly), c.killed(), c.last.Commit, args[0], point)
	r := &chaosRun{c: c, cmd: exec.Command("lakeflow", args...), ended: make(chan struct{}), commit: c.last.Commit}
	r.cmd.Env = append(os.Environ(), "LAKEFLOW_FAILPOINT="+point)
	r.cmd.Stdout, r.cmd.Stderr = c.log, c.log
	if err := r.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	if err := c.broker.guard.watch(r.cmd); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		r.err = r.cmd.Wait()
		_ = c.broker.guard.forget() // where it is gone, watch tells
		close(r.ended)
	}()
	return r
}

// said is what the last processes wrote.
func (c *chaos) said() string {
	text, err := os.ReadFile(c.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-8000):])
}

// live waits, while the process must not end.
func (r *chaosRun) live(d time.Duration) {
	r.c.t.Helper()
	select {
	case <-r.ended:
		r.c.t.Fatalf("it ended by itself: %v\n%s", r.err, r.c.said())
	case <-time.After(d):
	}
}

// progress waits until the process has committed.
func (r *chaosRun) progress() {
	r.c.t.Helper()
	from := r.c.look().Commit
	for deadline := time.Now().Add(chaosPatience); r.c.look().Commit <= max(from, r.commit); r.live(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.c.t.Fatalf("nothing was committed for %s\n%s", chaosPatience, r.c.said())
		}
	}
}

// wait returns how the process ended.
func (r *chaosRun) wait() error {
	r.c.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(chaosPatience):
		_ = r.cmd.Process.Signal(syscall.SIGQUIT) // it tells where it hangs
		<-r.ended
		r.c.t.Fatalf("it did not end within %s\n%s", chaosPatience, r.c.said())
	}
	return r.err
}

// dieAt waits for the failpoint to kill the process.
func (r *chaosRun) dieAt(point string) {
	r.c.t.Helper()
	if err := r.wait(); !killed(err) {
		r.c.t.Fatalf("%s was not passed: %v\n%s", point, err, r.c.said())
	}
	r.c.kills["at "+point]++
	r.c.look()
}

func (r *chaosRun) kill() {
	r.c.t.Helper()
	if err := r.cmd.Process.Kill(); err != nil {
		r.c.t.Fatal(err)
	}
	if err := r.wait(); !killed(err) {
		r.c.t.Fatalf("it ended before it was killed: %v\n%s", err, r.c.said())
	}
	r.c.kills["random moment"]++
	r.c.look()
}

// offsets are how far a position of the topic is, by partition.
func (c *chaos) offsets(position []byte) (at [chaosPartitions]int64) {
	c.t.Helper()
	if position == nil {
		return at
	}
	var p struct {
		Topics map[string]struct{ Partitions map[int32][2]int64 }
	}
	if err := json.Unmarshal(position, &p); err != nil {
		c.t.Fatalf("position %s: %v", position, err)
	}
	for partition, point := range p.Topics[chaosTopic].Partitions {
		at[partition] = point[0]
	}
	return at
}

// look reads what the lake says of itself: positions only grow, and the tables have exactly as many rows as the records
// make that were read.
func (c *chaos) look() *lake.State {
	c.t.Helper()
	state, err := c.lake.State(c.t.Context())
	if err != nil {
		c.t.Fatalf("read the state: %v", err)
	}
	if state.Commit < c.last.Commit {
		c.t.Fatalf("commit %d came after %d", state.Commit, c.last.Commit)
	}
	for key, old := range c.last.Positions {
		ordered := key.Kind.Ordered()
		if ordered && state.Positions.Commit(key) < c.last.Positions.Commit(key) {
			c.t.Fatalf("the position %s went back from %s to %s", key, old, state.Positions[key])
		}
	}
	for partition, to := range c.offsets(state.Positions[position.Key{Kind: position.Source, Table: "bronze", Flow: "bronze", Input: "feed"}]) {
		from := c.counted[partition]
		if to < from {
			c.t.Fatalf("the position went back from offset %d of partition %d to %d", from, partition, to)
		}
		records, err := c.producer.records(int32(partition), from, to)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, r := range records {
			c.fates[r.fate]++
		}
		c.counted[partition] = to
	}
	c.last = state
	bad := c.fates[negative] + c.fates[tombstone] + c.fates[poison]
	for table, want := range map[string]int64{"bronze": c.fates[kept] + c.fates[filtered] + bad, "silver": c.fates[kept], "dead_letter": bad + c.fates[broken]} {
		if got := state.Tables[table].Rows; got != want {
			c.t.Fatalf("at commit %d %s has %d rows, and the offsets %v that were read make %d; records by fate: %v", state.Commit, table, got, c.counted, want, c.fates)
		}
	}
	return state
}
