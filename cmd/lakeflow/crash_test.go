package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lakeflow/lakeflow/engine/failpoint"
)

const crashPipeline = `name: crash
sources:
  feed:
    files: {path: data, format: json, max_files_per_batch: 2}
    schema: {id: BIGINT, amount: BIGINT}
tables:
  bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
  silver:
    kind: streaming_table
    sql: SELECT id, amount FROM STREAM bronze
    expectations:
      even: {expect: amount % 2 = 0, on_violation: drop}
  gold: {kind: materialized_view, sql: "SELECT count(*) AS n, sum(id) AS ids FROM silver"}
`

// TestKilledAnywhere kills the process with SIGKILL at every failpoint, in its first and its second pass, runs again, and expects
// exactly the rows, dead letters and figures that one clean run gives.
func TestKilledAnywhere(t *testing.T) {
	const want = "30,870,30,30,30,870,870"
	const sums = `SELECT (SELECT count(*) FROM silver) AS a, (SELECT sum(id) FROM silver) AS b,
		(SELECT count(DISTINCT id) FROM silver) AS c, (SELECT count(DISTINCT row) FROM dead_letter) AS d,
		(SELECT count(*) FROM dead_letter) AS e, (SELECT sum(ids) FROM gold) AS f,
		(SELECT sum(id) - 900 FROM bronze) AS g`
	for _, name := range failpoint.Names {
		for pass := 1; pass <= 2; pass++ {
			t.Run(fmt.Sprintf("%s#%d", name, pass), func(t *testing.T) {
				t.Parallel()
				file := crashFixture(t)
				out, err := lakeflow(fmt.Sprintf("LAKEFLOW_FAILPOINT=%s#%d", name, pass), "run", file)
				if pass == 1 && !killed(err) {
					t.Fatalf("the failpoint was not passed: %v\n%s", err, out)
				}
				if out, err := lakeflow("", "run", file); err != nil {
					t.Fatalf("run after the kill: %v\n%s", err, out)
				}
				got, err := lakeflow("", "query", "--pipeline", file, "--format", "csv", sums)
				if err != nil {
					t.Fatalf("query: %v\n%s", err, got)
				}
				lines := strings.Fields(strings.TrimSpace(got))
				if last := lines[len(lines)-1]; last != want {
					t.Errorf("after the kill the tables hold %s, want %s", last, want)
				}
			})
		}
	}
}

// crashFixture writes six files of ten records, ids 0 to 59: even amounts have even ids.
func crashFixture(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	for f := range 6 {
		var b strings.Builder
		for i := f * 10; i < f*10+10; i++ {
			fmt.Fprintf(&b, "{\"id\":%d,\"amount\":%d}\n", i, i)
		}
		if err := os.WriteFile(filepath.Join(dir, "data", fmt.Sprintf("%d.json", f)), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "pipeline.yaml")
	if err := os.WriteFile(file, []byte(crashPipeline), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// lakeflow runs the program as a process of its own.
func lakeflow(env string, args ...string) (string, error) {
	cmd := exec.Command("lakeflow", args...)
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func killed(err error) bool {
	exit, ok := err.(*exec.ExitError)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
