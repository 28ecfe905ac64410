package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const fullDiskPipeline = `name: full
target: {warehouse: disk/warehouse}
sources:
  feed:
    files: {path: data, format: json, max_files_per_batch: 1}
tables:
  bronze: {kind: streaming_table, sql: "SELECT id, text FROM STREAM feed", parquet: {compression: none}}
`

// fullDiskScript runs on a disk of its own: first a small one, then one that is large enough.
const fullDiskScript = `
mount -t tmpfs -o size=1500k none disk
code=0; lakeflow run pipeline.yaml 2> first.txt > first.out || code=$?
echo "first $code"
mount -o remount,size=64m disk
lakeflow run pipeline.yaml 2> second.txt > second.out
lakeflow audit pipeline.yaml > audit.txt
lakeflow query --format csv 'SELECT count(*) AS n, count(DISTINCT id) AS m FROM bronze'
cat first.txt
`

// A disk that is full stops the update with advice; with more room the next update goes on, and every row is there
// once.
func TestFullDisk(t *testing.T) {
	if out, err := exec.Command("unshare", "-mr", "true").CombinedOutput(); err != nil {
		t.Skipf("unshare cannot make a disk of its own here: %v %s", err, out)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "pipeline.yaml"), fullDiskPipeline)
	writeFile(t, filepath.Join(dir, "disk/none"), "")
	for f := range 10 {
		var b strings.Builder
		for i := range 500 {
			fmt.Fprintf(&b, "{\"id\":%d,\"text\":\"%s\"}\n", f*500+i, strings.Repeat(fmt.Sprint(f*500+i, ","), 120))
		}
		writeFile(t, filepath.Join(dir, fmt.Sprintf("data/%d.json", f)), b.String())
	}
	cmd := exec.Command("unshare", "-mr", "sh", "-ec", fullDiskScript)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"first 1\n", "\n5000,5000\n", "batch=1 ", "the disk is full; nothing is lost: make room and run again"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

const fullAtStartPipeline = `name: full
target: {warehouse: disk/warehouse}
sources:
  feed: {files: {path: data, format: json}}
tables:
  bronze: {kind: streaming_table, sql: SELECT id FROM STREAM feed}
`

// fullAtStartScript begins updates on a disk that something else has filled to its last byte.
const fullAtStartScript = `
mount -t tmpfs -o size=4m none disk
lakeflow run once.yaml
mv more data/b.json
head -c 8M /dev/zero > disk/filler || true
code=0; lakeflow run once.yaml > once.txt 2>&1 || code=$?
echo "once $code"
cat once.txt
lakeflow run follow.yaml --listen 127.0.0.1:0 > follow.txt 2>&1 &
pid=$!
trap 'cat follow.txt' EXIT
until grep -q 'waiting for the next attempt.*the disk is full' follow.txt; do kill -0 $pid; sleep 0.05; done
rm disk/filler
until grep -q 'batch committed' follow.txt; do kill -0 $pid; sleep 0.05; done
kill -TERM $pid
wait $pid
lakeflow audit once.yaml
lakeflow query -f once.yaml --format csv 'SELECT count(*) AS n, count(DISTINCT id) AS m FROM bronze'
`

// A continuous update that begins on a full disk waits for room, as one does that is under way; another one says what
// is wrong.
func TestFullDiskAtStart(t *testing.T) {
	if out, err := exec.Command("unshare", "-mr", "true").CombinedOutput(); err != nil {
		t.Skipf("unshare cannot make a disk of its own here: %v %s", err, out)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "once.yaml"), fullAtStartPipeline)
	writeFile(t, filepath.Join(dir, "follow.yaml"), fullAtStartPipeline+"mode: continuous\ntrigger: {interval: 50ms}\n")
	writeFile(t, filepath.Join(dir, "disk/none"), "")
	writeFile(t, filepath.Join(dir, "data/a.json"), "{\"id\":1}\n")
	writeFile(t, filepath.Join(dir, "more"), "{\"id\":2}\n{\"id\":3}\n")
	cmd := exec.Command("unshare", "-mr", "sh", "-ec", fullAtStartScript)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"once 1\n", "\n3,3\n", "the disk is full; nothing is lost: make room and run again", "batch committed"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "I/O error") {
		t.Errorf("the disk is not broken, it is full:\n%s", out)
	}
}
