package records

import (
	"fmt"
	"os"
	"path/filepath"

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
