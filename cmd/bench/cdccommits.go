package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Small commits of changes.
const (
	smallCommits = 1000
	smallKeys    = 1_000_000
	smallChanges = 100 // of each commit
)

// What small commits may cost when there are many.
const (
	commitsLimit = 1.3 // the last tenth to the first
	readLimit    = 1.5 // to a table that is written at once
)

// changeCommits measures whether small commits of changes become slower as they add up, and what they leave to readers.
func changeCommits(ctx context.Context, b *bench) error {
	commits := max(smallCommits/b.shrink, 20)
	c, err := b.changedTable(ctx, "cdc-commits", smallKeys/b.shrink, 1, "")
	if err != nil {
		return err
	}
	if _, err := b.command("run", "--json", c.space.file).output(ctx); err != nil {
		return err
	}
	var files strings.Builder
	for range commits {
		files.WriteString(c.copyChanges(smallChanges))
	}
	if _, err := b.floor(files.String()).output(ctx); err != nil {
		return err
	}
	pipeline := changePipeline(1, "mode: continuous\ntrigger: {interval: 50ms}", ", max_files_per_batch: 1")
	if err := os.WriteFile(c.space.file, []byte(pipeline), 0o644); err != nil {
		return err
	}
	at, err := b.commitTimes(ctx, c.space, commits)
	if err != nil {
		return err
	}
	if err := c.check(ctx); err != nil {
		return err
	}
	tenth := commits / 10
	last := at[commits-1-tenth:]
	early, late := at[tenth].Sub(at[0])/time.Duration(tenth), last[tenth].Sub(last[0])/time.Duration(tenth)
	r := float64(late) / float64(early)
	g := goal{fmt.Sprintf("<= %.2fx", commitsLimit), r <= commitsLimit}
	compared := fmt.Sprintf("the first %d: means, from commit to commit of a continuous update; "+
		"%d changes each, into %s keys", tenth, smallChanges, thousands(c.keys))
	fmt.Printf(rowFormat, fmt.Sprintf("AUTO CDC, the last %d of %s commits", tenth, thousands(commits)),
		short(late), short(early), fmt.Sprintf("%.2fx", r), g.text, g.result(), compared)
	return b.readChanged(ctx, c)
}

// commitTimes runs a continuous update until it has done so many commits, and returns when it told of each.
func (b *bench) commitTimes(ctx context.Context, s *space, commits int) (at []time.Time, err error) {
	cmd := exec.CommandContext(ctx, b.lakeflow, "run", "--listen", "127.0.0.1:0", s.file)
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var end tail
	for lines := bufio.NewScanner(io.TeeReader(log, &end)); lines.Scan(); {
		if !strings.Contains(lines.Text(), `msg="batch committed"`) {
			continue
		}
		if at = append(at, time.Now()); len(at) == commits {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				return nil, errors.Join(err, cmd.Wait())
			}
		}
	}
	if err := cmd.Wait(); err != nil || len(at) != commits {
		return nil, fmt.Errorf("%d of %d commits were seen: %w\n%s", len(at), commits, err, end)
	}
	return at, nil
}

// readChanged measures the reading of a table of many commits, beside one of the same rows that is written at once.
func (b *bench) readChanged(ctx context.Context, c *changed) error {
	fresh, err := b.space("cdc-fresh", changePipeline(1, "", ", max_files_per_batch: 100000"))
	if err != nil {
		return err
	}
	if err := linkAll(c.feed(""), fresh.feed("")); err != nil {
		return err
	}
	if _, err := b.command("run", "--json", fresh.file).output(ctx); err != nil {
		return err
	}
	read := func(s *space, sql string) job { return b.command("query", "-f", s.file, "--format", "json", sql) }
	const all = `SELECT count(*)::VARCHAR AS rows,
  bit_xor(hash(concat_ws('|', id, name, amount, country)))::VARCHAR AS hash FROM t`
	got, err := inTurn(ctx, b.shortRuns(), read(c.space, all), read(fresh, all), read(fresh, "SELECT 1"))
	if err != nil {
		return err
	}
	if a, b := got[0][0].output, got[1][0].output; a != b {
		return fmt.Errorf("the result is wrong: many commits leave %s where one leaves %s", a, b)
	}
	ours, floor := got[0].less(got[2].least()), got[1].less(got[2].least())
	printTimes("AUTO CDC, reading after many commits", ours, floor, ratioAtMost(ours, floor, readLimit),
		fmt.Sprintf("a table of the same rows written at once; all columns of all rows, less the least of SELECT 1 (%s)",
			short(got[2].least())))
	for _, s := range []*space{c.space, fresh} {
		if err := s.remove(); err != nil {
			return err
		}
	}
	return nil
}
