package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// job is a child process that can be run again and again.
type job struct {
	program string
	args    []string
	stdin   string
	fresh   []string // folders that are removed before each run
	// prepare makes what the next run needs, and may change the job for it; it is not measured.
	prepare func(ctx context.Context, j *job) error
}

// cost is what one run of a child process took, as the operating system accounts for it.
type cost struct {
	wall, cpu time.Duration
	memory    int64 // peak resident bytes
	output    string
}

// command is a run of the lakeflow that is measured.
func (b *bench) command(args ...string) job { return job{program: b.lakeflow, args: args} }

// floor is this program running SQL on plain DuckDB.
func (b *bench) floor(sql string) job {
	return job{program: b.self, args: []string{floorCommand}, stdin: sql}
}

// run runs the job once.
func (j job) run(ctx context.Context) (cost, error) {
	for _, dir := range j.fresh {
		if err := os.RemoveAll(dir); err != nil {
			return cost{}, fmt.Errorf("start afresh: %w", err)
		}
	}
	if j.prepare != nil {
		if err := j.prepare(ctx, &j); err != nil {
			return cost{}, fmt.Errorf("prepare a run: %w", err)
		}
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, j.program, j.args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(j.stdin), &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		text := stderr.String()
		return cost{}, fmt.Errorf("%s %s: %w\n%s", j.program, strings.Join(j.args, " "), err, text[:min(len(text), 2000)])
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	c := cost{wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory: int64(usage.Maxrss),
		output: stdout.String()}
	if runtime.GOOS != "darwin" { // elsewhere the unit is KiB
		c.memory <<= 10
	}
	return c, nil
}

// output runs the job outside of any measurement and returns what it wrote.
func (j job) output(ctx context.Context) (string, error) {
	c, err := j.run(ctx)
	return c.output, err
}

// samples are the counted runs of one job.
type samples []cost

// inTurn runs the jobs one after the other, again and again, so that a change of the machine's speed meets all of them.
// The first round, which also fills the page cache, does not count.
func inTurn(ctx context.Context, rounds int, jobs ...job) ([]samples, error) {
	out := make([]samples, len(jobs))
	for round := range rounds + 1 {
		for i, j := range jobs {
			c, err := j.run(ctx)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				out[i] = append(out[i], c)
			}
		}
	}
	return out, nil
}

func (s samples) sorted(of func(cost) time.Duration) []time.Duration {
	var all []time.Duration
	for _, c := range s {
		all = append(all, of(c))
	}
	slices.Sort(all)
	return all
}

// wall and cpu are medians; of an even number of runs the lower of the middle two.
func (s samples) wall() time.Duration { return s.sorted(wallOf)[(len(s)-1)/2] }
func (s samples) cpu() time.Duration  { return s.sorted(cpuOf)[(len(s)-1)/2] }

// less are the samples without a part of their wall time, such as that of an update that finds nothing new.
func (s samples) less(part time.Duration) samples {
	rest := slices.Clone(s)
	for i := range rest {
		rest[i].wall = max(rest[i].wall-part, time.Microsecond)
	}
	return rest
}

func (s samples) least() time.Duration { return s.sorted(wallOf)[0] }

func (s samples) memory() int64 {
	var most int64
	for _, c := range s {
		most = max(most, c.memory)
	}
	return most
}

func wallOf(c cost) time.Duration { return c.wall }
func cpuOf(c cost) time.Duration  { return c.cpu }
