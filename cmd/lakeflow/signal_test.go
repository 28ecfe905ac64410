package main

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to hold a lock on the catalog
)

const signalPipeline = `name: long
sources:
  feed:
    files: {path: data, format: json, max_files_per_batch: 1}
    schema: {id: BIGINT}
tables:
  bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
  silver: {kind: streaming_table, sql: SELECT id FROM STREAM bronze}
`

// signalFixture writes a pipeline whose update does as many batches: of a file each, with one record, ids from 0.
func signalFixture(t *testing.T, batches int) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range batches {
		if err := os.WriteFile(filepath.Join(dir, "data", fmt.Sprintf("%03d.json", i)), fmt.Appendf(nil, "{\"id\":%d}\n", i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "pipeline.yaml")
	if err := os.WriteFile(file, []byte(signalPipeline), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// startRun starts an update as a process of its own and waits until its first batch is published.
func startRun(t *testing.T, file string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command("lakeflow", "run", file)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	stderr := bufio.NewReader(pipe)
	if line, err := stderr.ReadString('\n'); err != nil || !strings.Contains(line, "batch=1 ") {
		t.Fatalf("the first line is %q, %v", line, err)
	}
	return cmd, stderr
}

// A signal ends the update after the batch that was published; the next one goes on from there.
func TestSignalEndsTheUpdate(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			file := signalFixture(t, 64) // more than it has done before its signal comes, also where the test is slow
			cmd, stderr := startRun(t, file)
			// Twice at once, as timeout(1) does: it is still one request to end.
			for range 2 {
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
			rest, err := io.ReadAll(stderr)
			if err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 130 {
				t.Errorf("exit code %d, want 130\n%s", code, rest)
			}
			if !strings.Contains(string(rest), "interrupted: the batches before it are published (") || !strings.Contains(string(rest), "run again") {
				t.Errorf("the message does not say what was published:\n%s", rest)
			}
			if n := sums(t, file); strings.HasPrefix(n, "64,") {
				t.Error("the update was not interrupted: all rows are there")
			}
			put(t, file, strings.Replace(signalPipeline, "batch: 1}", "batch: 1000}", 1))
			if out, err := lakeflow("", "run", file); err != nil {
				t.Fatalf("run after the signal: %v\n%s", err, out)
			}
			if got, want := sums(t, file), "64,2016,64,2016"; got != want {
				t.Errorf("the tables hold %s, want %s", got, want)
			}
			left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "warehouse", ".tmp*"))
			if err != nil || len(left) > 0 {
				t.Errorf("temp folders are left: %v %v", left, err)
			}
		})
	}
}

// sums are the numbers of rows and the sums of ids of both tables.
func sums(t *testing.T, file string) string {
	t.Helper()
	out, err := lakeflow("", "query", "-f", file, "--format", "csv",
		"SELECT b.*, s.* FROM (SELECT count(*) AS n, sum(id) AS ids FROM bronze) AS b, (SELECT count(*) AS m, sum(id) AS idt FROM silver) AS s")
	if err != nil {
		t.Fatalf("query: %v\n%s", err, out)
	}
	lines := strings.Fields(out)
	return lines[len(lines)-1]
}

// While the end of an update is held up, a second signal ends the process at once; nothing is lost by that either.
func TestSecondSignalEndsTheProcess(t *testing.T) {
	file := signalFixture(t, 64) // more than it has done before its signal comes, also where the test is slow
	cmd, stderr := startRun(t, file)
	unlock := lockCatalog(t, file)
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	// Two signals are enough; on a slow machine the first may be noticed when the second is there, so that they count
	// as one.
	for waiting := true; waiting; {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case <-ended:
			waiting = false
		case <-time.After(time.Second): // longer than two signals may lie apart to count as one
		}
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("the second signal did not end the process: %v", cmd.ProcessState)
	}
	unlock()
	put(t, file, strings.Replace(signalPipeline, "batch: 1}", "batch: 1000}", 1))
	if out, err := lakeflow("", "run", file); err != nil {
		t.Fatalf("run after the signals: %v\n%s", err, out)
	}
	if got, want := sums(t, file), "64,2016,64,2016"; got != want {
		t.Errorf("the tables hold %s, want %s", got, want)
	}
}

// lockCatalog keeps the update from committing until the returned function is called.
func lockCatalog(t *testing.T, file string) func() {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(filepath.Dir(file), "warehouse", "catalog.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
