package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const followPipeline = `name: follow
mode: continuous
trigger: {interval: 20ms}
sources:
  feed:
    files: {path: data, format: json}
    schema: {id: BIGINT}
tables:
  bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
  silver:
    kind: streaming_table
    sql: SELECT id FROM STREAM bronze
    expectations:
      even: {expect: id % 2 = 0, on_violation: drop}
  gold: {kind: materialized_view, sql: SELECT count(*) AS n FROM silver}
  hourly: {kind: materialized_view, refresh_every: 1h, sql: SELECT sum(id) AS ids FROM silver}
`

// TestContinuous feeds a running update, reads what it publishes and tells from other processes, kills it, starts it
// again, and ends it in order.
func TestContinuous(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	put(t, file, followPipeline)
	put(t, filepath.Join(dir, "data", "0.json"), `{"id":0}`)
	address := freeAddress(t)
	run := startContinuous(t, file, address)
	waitFor(t, file, "SELECT count(*) AS n FROM silver", "1")
	for i := 1; i < 10; i++ {
		if i == 5 { // whatever it is doing
			_ = run.Process.Kill()
			_ = run.Wait()
			run = startContinuous(t, file, address)
		}
		put(t, filepath.Join(dir, "data", fmt.Sprintf("%d.json", i)), fmt.Sprintf(`{"id":%d}`, i))
		time.Sleep(30 * time.Millisecond)
	}
	waitFor(t, file, "SELECT n FROM gold", "5")
	metrics := get(t, "http://"+address+"/metrics")
	for _, name := range []string{`lakeflow_rows_written_total{table="bronze"}`, `lakeflow_rows_dead_lettered_total{table="silver"}`,
		`lakeflow_rule_failures_total{rule="even",table="silver"}`, `lakeflow_source_lag_records{source="feed"} 0`, `lakeflow_batch_stage_seconds_count{stage="commit"}`} {
		if !strings.Contains(metrics, name) {
			t.Errorf("the metrics have no %s:\n%s", name, metrics)
		}
	}
	if got := get(t, "http://"+address+"/readyz"); got != "ok\n" {
		t.Errorf("/readyz says %q", got)
	}
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, run.Stderr)
	}
	// The last thing it does is to bring the views up to date.
	waitFor(t, file, "SELECT ids || ':' || (SELECT count(*) FROM bronze) || ':' || (SELECT count(*) FROM dead_letter) AS x FROM hourly", "20:10:5")
	if out, err := lakeflow("", "audit", file); err != nil {
		t.Errorf("audit: %v\n%s", err, out)
	}
}

// A catalog that another program has locked is waited for: the update is not ready meanwhile, and goes on by itself.
func TestCatalogBusy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	put(t, file, followPipeline)
	put(t, filepath.Join(dir, "data", "0.json"), `{"id":0}`)
	address := freeAddress(t)
	run := startContinuous(t, file, address)
	waitFor(t, file, "SELECT count(*) AS n FROM silver", "1")
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "warehouse", "catalog.db")+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "data", "2.json"), `{"id":2}`)
	ready := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			response, err := http.Get("http://" + address + "/readyz")
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("/readyz is %d, want %d", response.StatusCode, want)
			}
		}
	}
	ready(http.StatusServiceUnavailable)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	ready(http.StatusOK)
	waitFor(t, file, "SELECT count(*) || ':' || sum(id) AS x FROM silver", "2:2")
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, run.Stderr)
	}
}

// A second continuous update needs an address of its own, and says so.
func TestListenInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(t.TempDir(), "pipeline.yaml")
	put(t, file, followPipeline)
	out, err := lakeflow("", "run", file, "--listen", l.Addr().String())
	if err == nil || !strings.Contains(out, "choose another address with --listen") {
		t.Errorf("%v\n%s", err, out)
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	// A reader must not see half a file.
	if err := os.WriteFile(file+".part", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".part", file); err != nil {
		t.Fatal(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func startContinuous(t *testing.T, file, address string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("lakeflow", "run", file, "--listen", address)
	cmd.Stderr = &strings.Builder{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// waitFor asks until the tables give the answer.
func waitFor(t *testing.T, file, query, want string) {
	t.Helper()
	var out string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		out, _ = lakeflow("", "query", "-f", file, "--format", "csv", query)
		if lines := strings.Fields(out); len(lines) > 0 && lines[len(lines)-1] == want {
			return
		}
	}
	t.Fatalf("%s: want %s, but the last answer was %s", query, want, out)
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestPoisonedRecord feeds a continuous update records on which a query fails: they become dead letters, alone, and all
// others go on.
func TestPoisonedRecord(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	put(t, file, `name: poison
mode: continuous
trigger: {interval: 20ms}
sources:
  feed:
    files: {path: data, format: json}
    schema: {id: BIGINT, text: VARCHAR}
tables:
  bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
  silver: {kind: streaming_table, sql: "SELECT id, CAST(text AS INTEGER) AS number FROM STREAM bronze"}
  direct: {kind: streaming_table, sql: "SELECT id, CAST(text AS INTEGER) AS number FROM STREAM feed"}
  typed:
    kind: streaming_table
    sql: SELECT text AS number, id FROM STREAM bronze
    columns: {id: {type: BIGINT}, number: {type: SMALLINT}}
`)
	var records strings.Builder
	for i := range 500 {
		text := fmt.Sprint(i)
		if i == 77 || i == 78 || i == 499 {
			text = "poison"
		}
		fmt.Fprintf(&records, "{\"id\":%d,\"text\":\"%s\"}\n", i, text)
	}
	put(t, filepath.Join(dir, "data", "a.json"), records.String())
	run := startContinuous(t, file, freeAddress(t))
	waitFor(t, file, "SELECT count(*) || ':' || sum(number) || ':' || (SELECT count(*) FROM bronze) || ':' || (SELECT count(*) FROM direct) || ':' || (SELECT sum(number) FROM typed) AS x FROM silver",
		fmt.Sprintf("497:%d:500:497:%[1]d", 499*500/2-77-78-499))
	waitFor(t, file, `SELECT string_agg("table" || (decode(raw)::JSON->>'id') || (file IS NOT NULL), ';' ORDER BY "table", line, decode(raw)) AS x FROM dead_letter WHERE contains(error, 'the query fails on it')`,
		"direct499true;direct77true;direct78true;silver499false;silver77false;silver78false;typed499false;typed77false;typed78false")
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, run.Stderr)
	}
	if out, err := lakeflow("", "audit", file); err != nil {
		t.Errorf("audit: %v\n%s", err, out)
	}
}

// TestContinuousMergesSmallFiles feeds a continuous update many small batches: the tables have fewer files than there
// were commits, and all rows.
func TestContinuousMergesSmallFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	put(t, file, followPipeline)
	run := startContinuous(t, file, freeAddress(t))
	n := 0
	for began, commits, files, out := time.Now(), 0, 0, ""; commits <= 20 || files > commits*2/3; n++ {
		put(t, filepath.Join(dir, "data", fmt.Sprintf("%d.json", n)), fmt.Sprintf(`{"id":%d}`, n))
		time.Sleep(100 * time.Millisecond) // a slow machine takes several files at once
		if n%10 == 0 {
			commits, files = bronzeFiles(t, file, &out)
		}
		if time.Since(began) > 3*time.Minute {
			t.Fatalf("%d commits have %d files:\n%s", commits, files, out)
		}
	}
	waitFor(t, file, "SELECT count(*) || ':' || sum(id) AS x FROM bronze", fmt.Sprintf("%d:%d", n, n*(n-1)/2))
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, run.Stderr)
	}
}

// bronzeFiles asks the audit, which must agree while the update runs.
func bronzeFiles(t *testing.T, file string, out *string) (commits, files int) {
	t.Helper()
	var err error
	if *out, err = lakeflow("", "audit", file, "--format", "json"); err != nil {
		t.Fatalf("audit: %v\n%s", err, *out)
	}
	var report struct {
		Tables []struct {
			Table          string
			Commits, Files int
		}
	}
	if err := json.Unmarshal([]byte(*out), &report); err != nil {
		t.Fatalf("%v: %s", err, *out)
	}
	for _, x := range report.Tables {
		if x.Table == "bronze" {
			return x.Commits, x.Files
		}
	}
	return 0, 0
}
