// Package failpoint kills the process at a named place, so that tests can check what a crash there
// leaves behind; tests in the same process have it call them instead. It does nothing unless
// LAKEFLOW_FAILPOINT is set or At was called.
package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Names lists every place that Hit is called with, in the order an update passes them. The crash
// tests walk it; a test fails when a name here is never hit.
var Names = []string{
	"owner.before-acquire", "owner.after-acquire",
	"source.after-list", "source.after-batch",
	"file.before-write", "file.after-write", "file.after-sync",
	"batch.before-balance", "batch.after-balance",
	"events.before-write", "events.after-write",
	"commit.before-manifests", "commit.after-manifests",
	"commit.before-metadata", "commit.after-metadata",
	"catalog.before-tx", "catalog.after-pointers", "ledger.before-write", "ledger.after-write",
	"catalog.before-commit", "catalog.after-commit",
	"view.before-refresh", "view.after-refresh",
	"update.before-done",
}

// Maintenance lists the places that lakeflow maintain passes, beside those of Names that begin with owner, file and
// catalog.
var Maintenance = []string{
	"maintain.before-files", "maintain.after-files", "maintain.before-rewrite", "maintain.after-rewrite",
	"maintain.before-expire", "maintain.after-expire", "maintain.before-remove", "maintain.after-remove",
}

// Relocation lists the places that lakeflow relocate passes, beside some of Names.
var Relocation = []string{"relocate.before-tx", "relocate.after-tx"}

// Sinks lists the places that publishing to a sink passes.
var Sinks = []string{"sink.before-publish", "sink.before-end-txn", "sink.after-publish"}

// target is parsed once: the name to stop at, and the 1-based pass to stop on.
var target = sync.OnceValues(func() (string, int) {
	name, nth, found := strings.Cut(os.Getenv("LAKEFLOW_FAILPOINT"), "#")
	n, err := strconv.Atoi(nth)
	if !found || err != nil {
		n = 1
	}
	return name, n
})

var (
	mu     sync.Mutex
	passed int
)

// watch is what At waits for.
type watch struct {
	mu   sync.Mutex
	name string
	left int // passes until do is called
	do   func()
}

var watched atomic.Pointer[watch]

// At has the nth pass of a place in this process, of any place when name is empty, call do, until restore is called,
// which must be. There is one such watch at a time. While do runs, all of Hit's callers wait, at whatever place, so do
// must not get to one.
func At(name string, nth int, do func()) (restore func()) {
	w := &watch{name: name, left: nth, do: do}
	if !watched.CompareAndSwap(nil, w) {
		panic("failpoint: At is called twice")
	}
	return func() { watched.Store(nil) }
}

func (w *watch) hit(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.name != "" && name != w.name {
		return
	}
	if w.left--; w.left == 0 {
		w.do()
	}
}

// Hit sends SIGKILL to the process when LAKEFLOW_FAILPOINT is "name" or "name#n" and this is the
// n-th pass. Safe for concurrent use.
func Hit(name string) {
	if w := watched.Load(); w != nil {
		w.hit(name)
	}
	want, nth := target()
	if want != name {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	if passed++; passed == nth {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way; do not run one more instruction of the update
	}
}
