package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/engine/event"
)

const awayPipeline = `name: away
mode: continuous
parameters: {brokers: "127.0.0.1:1"}
trigger: {interval: 20ms}
sources:
  feed: {kafka: {brokers: ["${brokers}"], topic: orders}}
tables:
  bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
`

// A continuous update that begins before its brokers answers from the beginning: it lives, and says why it is not
// ready. Then the broker comes, and a record.
func TestStatusBeforeTheBrokers(t *testing.T) {
	t.Parallel()
	file, broker, address := filepath.Join(t.TempDir(), "pipeline.yaml"), freeAddress(t), freeAddress(t)
	put(t, file, awayPipeline)
	run := exec.Command("lakeflow", "run", file, "--param", "brokers="+broker, "--listen", address)
	run.Stderr = &strings.Builder{}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Process.Kill() })

	awaitAnswer(t, "http://"+address+"/healthz", http.StatusOK, "ok")
	awaitAnswer(t, "http://"+address+"/readyz", http.StatusServiceUnavailable, "source feed: ")
	awaitAnswer(t, "http://"+address+"/readyz", http.StatusServiceUnavailable, "connection refused")
	awaitAnswer(t, "http://"+address+"/metrics", http.StatusOK, "lakeflow_batches_total 0")

	serveFake(t, broker, "orders")
	awaitAnswer(t, "http://"+address+"/readyz", http.StatusServiceUnavailable, "hold no records yet")
	produceTo(t, broker, "orders", `{"id":1}`)
	awaitAnswer(t, "http://"+address+"/readyz", http.StatusOK, "ok")
	waitFor(t, file, "SELECT sum(id) AS x FROM bronze", "1")
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, run.Stderr)
	}
}

// SIGTERM ends a continuous update in order before it has begun, too.
func TestSignalBeforeTheBrokers(t *testing.T) {
	t.Parallel()
	file, broker, address := filepath.Join(t.TempDir(), "pipeline.yaml"), freeAddress(t), freeAddress(t)
	put(t, file, awayPipeline)
	run := exec.Command("lakeflow", "run", file, "--param", "brokers="+broker, "--listen", address, "--json")
	var out strings.Builder
	run.Stdout = &out
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Process.Kill() })
	awaitAnswer(t, "http://"+address+"/readyz", http.StatusServiceUnavailable, "source feed: ")
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Error(err)
	}
	var result struct{ Status, Error string }
	if err := json.Unmarshal([]byte(out.String()), &result); err != nil || result.Status != "canceled" || result.Error != "" {
		t.Errorf("%v: %s", err, &out)
	}
}

// What waits in a source gets older while no batch succeeds. It is 0 when nothing waits, or when the source was asked
// and gave nothing.
func TestLagGrows(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	s, err := serveStatus(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	s.count(event.Committed{Sources: []event.Source{{Source: "behind", Backlog: 7, Newest: time.Now().Add(-time.Hour)}, {Source: "done", Newest: time.Now().Add(-time.Hour)}}})
	lag := func(name string) float64 {
		t.Helper()
		m := regexp.MustCompile(`(?m)^lakeflow_source_lag_seconds\{source="` + name + `"\} (.*)$`).FindStringSubmatch(get(t, "http://"+address+"/metrics"))
		if m == nil {
			t.Fatalf("no lag of %s", name)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := lag("behind")
	time.Sleep(10 * time.Millisecond)
	if second := lag("behind"); first < 3600 || second <= first || lag("done") != 0 {
		t.Errorf("the lag was %v s, then %v s, and %v s of the source that is read", first, second, lag("done"))
	}
	if text := get(t, "http://"+address+"/metrics"); !strings.Contains(text, `lakeflow_source_lag_records{source="behind"} 7`) {
		t.Errorf("the metrics do not tell of 7 records:\n%s", text)
	}
	s.count(event.Idle{})
	if n := lag("behind"); n < 3600 {
		t.Errorf("after the batch the lag is %v s", n)
	}
	s.count(event.Idle{})
	if n := lag("behind"); n != 0 {
		t.Errorf("after a look that found nothing the lag is %v s", n)
	}
	s.count(event.SinkUnavailable{Message: "sink out: gone"})
	for _, e := range []event.Event{event.Committed{}, event.Idle{Unavailable: "sink out: gone"}} { // the tables go on
		s.count(e)
		awaitAnswer(t, "http://"+address+"/readyz", http.StatusServiceUnavailable, "a sink is away: sink out: gone")
	}
	s.count(event.SinkAvailable{})
	awaitAnswer(t, "http://"+address+"/readyz", http.StatusOK, "ok")
}

// awaitAnswer asks until the status and a part of the answer are these.
func awaitAnswer(t *testing.T, url string, status int, part string) {
	t.Helper()
	last := "none"
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		response, err := http.Get(url)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode == status && strings.Contains(string(body), part) {
			return
		}
		last = response.Status + ": " + string(body)
	}
	t.Fatalf("%s: want %d with %q, the last answer was %s", url, status, part, last)
}

// serveFake starts a broker at an address, with topics of one partition.
func serveFake(t *testing.T, address string, topics ...string) {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(n), kfake.SeedTopics(1, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
}

func produceTo(t *testing.T, broker, topic, value string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
