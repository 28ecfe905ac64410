package project

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/failpoint"
)

// kill does some work on a project and kills it at a failpoint, as SIGKILL would: the warehouse is left as it was at
// that moment, at the same place, and nobody holds anything in it. Copied is the whole folder, the catalog with its
// journals and the times of all files too, while what is under way waits in failpoint.Hit; then the work is cancelled,
// and what it does until it has noticed is thrown away. It reports whether the place was passed. The error is that of
// work that ended by itself.
func kill(t *testing.T, name string, nth int, file string, opts Options, work func(context.Context, *Project) error) (bool, error) {
	t.Helper()
	warehouse := filepath.Join(filepath.Dir(file), "warehouse")
	left := filepath.Join(filepath.Dir(file), "killed")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var passed bool
	var failure error
	restore := failpoint.At(name, nth, func() {
		passed, failure = true, copyFolder(left, warehouse)
		cancel()
	})
	p, err := Open(ctx, file, opts)
	if err == nil {
		err = errors.Join(work(ctx, p), p.Close())
	}
	restore()
	if !passed {
		return false, err
	}
	if failure = errors.Join(failure, os.RemoveAll(warehouse), os.Rename(left, warehouse)); failure != nil {
		t.Fatal(failure)
	}
	return true, nil
}

// copyFolder copies a folder with the times of what is in it. One that is not there is empty.
func copyFolder(to, from string) error {
	folders := map[string]time.Time{} // they get their times when nothing is written into them any more
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		target := to + strings.TrimPrefix(path, from)
		if errors.Is(err, fs.ErrNotExist) && path == from {
			return os.MkdirAll(to, 0o755)
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if e.IsDir() {
			folders[target] = info.ModTime()
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(target, content, info.Mode()), os.Chtimes(target, time.Time{}, info.ModTime()))
	})
	for path, at := range folders {
		err = errors.Join(err, os.Chtimes(path, time.Time{}, at))
	}
	return err
}
