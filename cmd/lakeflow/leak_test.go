package main

import (
	"context"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// TestNothingIsLeft runs updates in this process, good, failing and cancelled ones, and queries. None may leave a
// goroutine or an open file.
func TestNothingIsLeft(t *testing.T) {
	c := newCrash(t, 0)
	c.grow(4)
	run := func(ctx context.Context, args ...string) {
		root := newRoot()
		root.SetArgs(append(args, c.file))
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		_ = root.ExecuteContext(ctx) // some fail on purpose
	}
	cancelled, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	once := func() {
		run(t.Context(), "run", "--param", "limit=20")
		run(cancelled, "run")
		run(t.Context(), "run")
		run(t.Context(), "run", "--full-refresh-all")
		run(t.Context(), "run", "--refresh", "nothing")
		run(t.Context(), "audit")
		run(t.Context(), "report")
		queryTables(t, c.file, "csv", "SELECT count(*) FROM silver")
	}
	once() // libraries begin some goroutines once
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for range 3 {
		once()
	}
	// What has ended may need a moment until it is gone.
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && (runtime.NumGoroutine() > goroutines || openFiles(t) > files); {
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		var stacks strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1) // a builder takes everything
		t.Errorf("%d goroutines became %d:\n%s", goroutines, n, stacks.String())
	}
	if n := openFiles(t); n > files {
		t.Errorf("%d open files became %d", files, n)
	}
}

// openFiles counts the files that this process has open, where the system tells.
func openFiles(t *testing.T) int {
	t.Helper()
	found, err := os.ReadDir("/proc/self/fd")
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}
