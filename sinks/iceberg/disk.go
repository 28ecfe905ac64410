package iceberg

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// local is the inverse of lake.URI.
func local(location string) string {
	if path, ok := strings.CutPrefix(location, "file://"); ok {
		return path
	}
	return strings.TrimPrefix(location, "file:")
}

// contentID is a hash over a file's content in the shape of a UUID of version 8, which RFC 9562 leaves to whoever makes
// it: other programs name their files with random ones, of version 4 or 7. Metadata files carry it in their names, so
// that whoever names a file also says what is in it.
func contentID(content []byte) string {
	sum := sha256.Sum256(content)
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// contentIDs finds the hash in a file's name.
var contentIDs = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?:\.metadata\.json|\.avro)$`)

// errContent says that a file is not what was written.
var errContent = errors.New("its content does not agree with the checksum in its name")

// readChecked reads a metadata file, manifest list or manifest. A file that another program wrote has no hash to
// compare with.
func readChecked(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if id := contentIDs.FindString(path); id != "" && id[:36] != contentID(content) {
		return nil, errContent
	}
	return content, nil
}

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
	dirs := map[string]bool{}
	for _, f := range paths {
		for dir := filepath.Dir(f); len(dir) >= len(root) && !dirs[dir]; dir = filepath.Dir(dir) {
			dirs[dir] = true
		}
	}
	paths = slices.AppendSeq(paths, maps.Keys(dirs))
	errs := make([]error, len(paths))
	for first := 0; first < len(paths); first += maxSyncs {
		var wg sync.WaitGroup
		for i := first; i < min(first+maxSyncs, len(paths)); i++ {
			wg.Go(func() { errs[i] = syncPath(paths[i]) })
		}
		wg.Wait()
	}
	return errors.Join(errs...)
}

// maxSyncs is how many files are open at a time to be synced.
const maxSyncs = 128

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
