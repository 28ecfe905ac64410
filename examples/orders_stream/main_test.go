package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The stream is started three times, and ended once in the middle by a signal: every order is in the tables once, or is
// a dead letter, and what is printed at the end works.
func TestStream(t *testing.T) {
	bin, root := t.TempDir(), t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/lakeflow/lakeflow/cmd/lakeflow", ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	pipeline, err := os.ReadFile("pipeline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "examples", "orders_stream")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pipeline.yaml"), pipeline, 0o644); err != nil {
		t.Fatal(err)
	}

	var next int64 = 1
	for _, args := range [][]string{{"--seconds", "2"}, {}, {"--seconds", "1"}} {
		first, last, out := stream(t, root, args...)
		if first != next || last <= first || len(args) > 0 && !strings.Contains(out, "; 0 wait in the topic") {
			t.Fatalf("orders %d to %d were sent after order %d:\n%s", first, last, next-1, out)
		}
		next = last + 1
		_, commands, _ := strings.Cut(out, "\nNext:\n")
		for line := range strings.Lines(commands) {
			if command, ok := strings.CutPrefix(line, "  "); ok {
				shell(t, root, command)
			}
		}
	}

	count := map[string]int{}
	for id := range next - 1 {
		_, fault := newOrder(id+1, time.Now())
		count[fault]++
	}
	unreadable, dropped := count[cut]+count[misspelled], count[refund]+count[elsewhere]
	bronze := int(next) - 1 - unreadable
	if unreadable == 0 || dropped == 0 || count[late] == 0 || count[nobody] == 0 {
		t.Errorf("nothing is wrong with the orders: %v", count)
	}
	const query = `SELECT (SELECT count(DISTINCT order_id) || ' ' || count(*) FROM bronze_orders) || ' ' || (SELECT count(*) FROM silver_orders) || ' ' ||
  (SELECT count(*) FROM dead_letter WHERE error IS NOT NULL) || ' ' || (SELECT count(*) FROM dead_letter WHERE error IS NULL) || ' ' ||
  (SELECT sum(orders) FROM gold_orders_per_minute) || ' ' || (SELECT count(*) FROM silver_orders WHERE customer IS NULL) AS x`
	out := strings.Fields(shell(t, root, `lakeflow query -f examples/orders_stream/pipeline.yaml --format csv "`+query+`"`))
	want := fmt.Sprint(bronze, bronze, bronze-dropped, unreadable, dropped, bronze-dropped, count[nobody])
	if got := strings.Join(out[1:], " "); got != want {
		t.Errorf("the tables have %s, want %s", got, want)
	}

	// Another broker knows nothing of these positions.
	if out, err := example(root, "--brokers", "127.0.0.1:1").CombinedOutput(); err == nil || !strings.Contains(string(out), "rm -r examples/orders_stream/state") {
		t.Errorf("%v\n%s", err, out)
	}
}

func example(root string, args ...string) *exec.Cmd {
	cmd := exec.Command("orders_stream", append([]string{"--rate", "500"}, args...)...)
	cmd.Dir = root
	return cmd
}

// stream starts the example and gives the numbers of the orders that it sent. Without arguments it is ended by a signal
// after some batches.
func stream(t *testing.T, root string, args ...string) (first, last int64, out string) {
	t.Helper()
	cmd := example(root, args...)
	var stdout strings.Builder
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var log strings.Builder
	batches := 0
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&log, lines.Text())
		if strings.Contains(lines.Text(), "batch committed") {
			if batches++; batches == 3 && len(args) == 0 {
				if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &log)
	}
	m := regexp.MustCompile(`sent: \d+ orders, numbers (\d+) to (\d+)`).FindStringSubmatch(stdout.String())
	if m == nil {
		t.Fatalf("nothing was sent:\n%s%s", &stdout, &log)
	}
	first, _ = strconv.ParseInt(m[1], 10, 64)
	last, _ = strconv.ParseInt(m[2], 10, 64)
	return first, last, stdout.String()
}

func shell(t *testing.T, root, command string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", command)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}
