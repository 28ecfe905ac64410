package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Readers beside a continuous update that keeps one snapshot only: whatever it expires while they look for it, they
// answer, as of one commit.
func TestReadersBesideExpiry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	put(t, file, strings.ReplaceAll(followPipeline, "interval: 20ms}", "interval: 1ms}\nretention: {snapshots: 1}"))
	put(t, filepath.Join(dir, "data", "0.json"), "{\"id\":0}\n{\"id\":1}\n")
	run := startContinuous(t, file, freeAddress(t))
	waitFor(t, file, "SELECT count(*) AS n FROM silver", "1")

	stop, fed := make(chan struct{}), make(chan error)
	n := 2
	go func() {
		for {
			select {
			case <-stop:
				fed <- nil
				return
			case <-time.After(10 * time.Millisecond):
				name := filepath.Join(dir, "data", fmt.Sprint(n))
				if err := errors.Join(os.WriteFile(name, fmt.Appendf(nil, `{"id":%d}`, n), 0o644), os.Rename(name, name+".json")); err != nil {
					fed <- err
					return
				}
				n++
			}
		}
	}()
	commands := [][]string{
		{"query", "-f", file, "--format", "csv", "SELECT (SELECT count(*) FROM bronze) = (SELECT count(*) FROM silver) + (SELECT count(*) FROM dead_letter) AS x"},
		{"report", file},
		{"dead-letters", "list", "-f", file},
		{"audit", file},
	}
	for i := range 40 {
		var out bytes.Buffer
		root := newRoot()
		root.SetArgs(commands[i%len(commands)])
		root.SetOut(&out)
		root.SetErr(&out)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", commands[i%len(commands)][0], err)
		} else if i%len(commands) == 0 && out.String() != "x\ntrue\n" {
			t.Errorf("a query does not see one commit: %q", &out)
		}
	}
	close(stop)
	if err := <-fed; err != nil {
		t.Fatal(err)
	}
	waitFor(t, file, "SELECT count(*) AS n FROM bronze", fmt.Sprint(n))
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, run.Stderr)
	}
}
