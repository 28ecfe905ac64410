package records

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/lakeflow/lakeflow/sources"
)

// Temps are the temporary files of a batch, which are removed with it.
type Temps struct {
	paths  []string
	serial int
}

// New names a new file in the session's folder.
func (t *Temps) New(s sources.Session, name string) string {
	t.serial++
	path := filepath.Join(s.TempDir, fmt.Sprintf("%s%p_%d_%s", s.Prefix, t, t.serial, name))
	t.paths = append(t.paths, path)
	return path
}

// Remove removes the files.
func (t *Temps) Remove() {
	for _, p := range t.paths {
		_ = os.Remove(p) // the folder is emptied anyway when the update ends
	}
	t.paths = nil
}

// Each calls do for all of them, as many at a time as there are processors.
func Each[T any](all []T, do func(i int, one T) error) error {
	errs := make([]error, len(all))
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				errs[i] = do(i, all[i])
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// Shown is a name as messages have it: quoted when it is empty or has characters that do not print.
func Shown(name string) string {
	if q := strconv.Quote(name); name == "" || len(q) != len(name)+2 {
		return q
	}
	return name
}
