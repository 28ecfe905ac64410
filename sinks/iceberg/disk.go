package iceberg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	iceio "github.com/apache/iceberg-go/io"
)

// uri is the location of a local file as it is written into metadata. Nothing is escaped: PyIceberg and Hadoop
// take what follows file:// literally, so a % or a space in a path has to stay as it is.
func uri(path string) string { return "file://" + path }

// local is the inverse of uri.
func local(location string) string {
	if path, ok := strings.CutPrefix(location, "file://"); ok {
		return path
	}
	return strings.TrimPrefix(location, "file:")
}

// disk gives iceberg-go the local files behind locations.
type disk struct{}

func (disk) Open(name string) (iceio.File, error) { return os.Open(local(name)) }
func (disk) Remove(name string) error             { return os.Remove(local(name)) }

// output collects the files that a commit writes, so that they can be made durable together, or be removed.
type output struct {
	mu    sync.Mutex
	files []string
}

// write creates a file. It is not durable before sync.
func (o *output) write(path string, content []byte) error {
	o.mu.Lock()
	o.files = append(o.files, path)
	o.mu.Unlock()
	return os.WriteFile(path, content, 0o644)
}

// sync makes all files written so far, and the folders they are in, durable. Files are synced side by side: the
// disk merges their flushes.
func (o *output) sync(root string) error {
	o.mu.Lock()
	paths := slices.Clone(o.files)
	o.mu.Unlock()
	for _, f := range o.files {
		for dir := filepath.Dir(f); len(dir) >= len(root); dir = filepath.Dir(dir) {
			if !slices.Contains(paths, dir) {
				paths = append(paths, dir)
			}
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(paths))
	for i, p := range paths {
		wg.Go(func() { errs[i] = syncPath(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// remove deletes the files of an attempt that is known to be invisible.
func (o *output) remove() {
	for _, f := range o.files {
		_ = os.Remove(f) // what stays is never referenced
	}
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}
