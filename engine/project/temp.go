package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
)

// tempFolder is this process's temp folder.
type tempFolder struct {
	path     string
	scratch  bool     // it is outside of the warehouse, and to be removed
	occupied *os.File // it is in the warehouse or the declared folder, and locked
}

// make makes the folder, once: below the declared one, else in the warehouse. Who only looks must not be what creates
// the warehouse, so before the first update it is in the system's, as it is when the warehouse may only be read.
func (t *tempFolder) make(lake *iceberg.Lake, p *dsl.Pipeline, update string) (err error) {
	if t.path != "" {
		return nil
	}
	declared := p.DuckDB.TempDirectory
	if declared != "" && lake != nil {
		if err := os.MkdirAll(declared, 0o755); err != nil {
			return fmt.Errorf("make temp folder: %w", err)
		}
	}
	if lake != nil && (declared != "" || unix.Access(p.Target.Warehouse, unix.W_OK) == nil) {
		return t.occupy(lake.TempFolder(update))
	}
	if t.path, err = os.MkdirTemp("", "lakeflow-"); err != nil {
		return fmt.Errorf("make temp folder: %w", err)
	}
	t.scratch = true
	return nil
}

// occupy makes a temp folder and locks it: lakeflow maintain removes the folders whose process has ended, which frees
// the lock. Should it take this one for such a folder, before it is locked, another one is made.
func (t *tempFolder) occupy(dir string) error {
	for {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("make temp folder: %w", err)
		}
		f, err := os.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("lock temp folder: %w", err)
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_SH)
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENOLCK) { // without locks nobody can take it for a dead one
			return errors.Join(fmt.Errorf("lock temp folder: %w", err), f.Close())
		}
		if _, err := os.Lstat(dir); err == nil {
			t.path, t.occupied = dir, f
			return nil
		}
		_ = f.Close() // it was only read
	}
}

// close removes the folder. Nobody uses it any more.
func (t *tempFolder) close() error {
	if t.occupied != nil {
		_ = os.Remove(t.path) // DuckDB's end has removed it, if it was begun
		return t.occupied.Close()
	}
	if t.scratch {
		return os.RemoveAll(t.path)
	}
	return nil
}
