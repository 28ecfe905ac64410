package iceberg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// tempPrefix begins the names of the folders that processes keep temporary files in, below the warehouse. A process
// holds a lock on its folder for as long as it lives.
const tempPrefix = ".tmp-"

// tempName is the whole name of such a folder in a TempDirectory, where there may be others: lakeflow's mark and the
// update's id.
var tempName = regexp.MustCompile(`^lakeflow-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// TempFolder is where the process of an update keeps its temporary files. The caller makes it, and holds a shared lock
// on it.
func (l *Lake) TempFolder(update string) string {
	if l.TempDirectory != "" {
		return filepath.Join(l.TempDirectory, "lakeflow-"+update)
	}
	return filepath.Join(l.warehouse, tempPrefix+update)
}

// Orphans lists files that no snapshot needs, and temp folders of processes that have ended.
func (l *Lake) Orphans(ctx context.Context, olderThan time.Duration) ([]lake.Orphan, error) {
	s := &sweep{lake: l, before: l.cutoff(olderThan)}
	err := s.run(ctx)
	return s.found, err
}

// RemoveOrphans removes what Orphans lists, and empty folders. It is for the writer.
func (l *Lake) RemoveOrphans(ctx context.Context, olderThan time.Duration) ([]lake.Orphan, error) {
	l.mu.Lock()
	writer := l.lock != nil
	l.mu.Unlock()
	if !writer {
		return nil, errors.New("remove orphan files: only the pipeline's writer may do it; call Acquire first")
	}
	s := &sweep{lake: l, before: l.cutoff(olderThan), remove: true}
	err := s.run(ctx)
	return s.found, err
}

// cutoff is the time before which a file that nothing needs was written by no batch that is under way.
func (l *Lake) cutoff(olderThan time.Duration) time.Time {
	before := time.Now().Add(-max(olderThan, 0))
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.quiet[0].IsZero() && l.quiet[0].Before(before) {
		return l.quiet[0]
	}
	return before
}

// sweep looks for orphans once.
type sweep struct {
	lake   *Lake
	before time.Time
	remove bool
	found  []lake.Orphan
}

func (s *sweep) run(ctx context.Context) error {
	db, err := s.lake.catalog(ctx, false)
	if db == nil {
		return err
	}
	heads, err := s.lake.readHeads(ctx, db)
	if err != nil {
		return fmt.Errorf("look for orphan files: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		if err := s.table(ctx, heads[name]); err != nil {
			return fmt.Errorf("look for orphan files of table %s: %w", name, err)
		}
	}
	err = s.tempFolders(s.lake.warehouse, func(name string) bool { return strings.HasPrefix(name, tempPrefix) })
	if err == nil && s.lake.TempDirectory != "" {
		err = s.tempFolders(s.lake.TempDirectory, tempName.MatchString)
	}
	if err != nil {
		return fmt.Errorf("look for temp folders: %w", err)
	}
	return nil
}

// table looks into the folders of one table, if lakeflow writes it and it is where lakeflow puts tables.
func (s *sweep) table(ctx context.Context, h *head) error {
	meta, err := h.load()
	if err != nil {
		return err
	}
	dir := s.lake.tableDir(h.name)
	if h.state.Commit == 0 || meta.Location != lake.URI(dir) {
		return nil
	}
	used, err := needed(ctx, meta)
	if err != nil {
		return err
	}
	used[local(h.location)] = true
	if _, err := s.folder(ctx, h.name, s.lake.DataDir(h.name), used, ".parquet"); err != nil {
		return err
	}
	_, err = s.folder(ctx, h.name, filepath.Join(dir, "metadata"), used, ".avro", ".metadata.json")
	return err
}

// needed are the files that any snapshot of the table needs, and its metadata files.
func needed(ctx context.Context, meta *metadata.Table) (map[string]bool, error) {
	used := map[string]bool{}
	for _, file := range slices.Concat(meta.PreviousFiles(), meta.StatisticsFiles()) {
		used[local(file)] = true
	}
	for _, snapshot := range meta.Snapshots() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		used[local(snapshot.ManifestList)] = true
		manifests, err := manifestsOf(snapshot)
		if err != nil {
			return nil, err
		}
		for _, m := range manifests {
			path := local(m.FilePath())
			if used[path] {
				continue
			}
			used[path] = true
			if err := use(used, m); err != nil {
				return nil, err
			}
		}
	}
	return used, nil
}

func use(used map[string]bool, m iceberg.ManifestFile) error {
	for e, err := range entriesOf(m, true) {
		if err != nil {
			return err
		}
		used[local(e.DataFile().FilePath())] = true
	}
	return nil
}

// folder removes the files of a folder and of those below it that have one of the endings, are old and not used, and
// reports whether the folder is then empty. Links are not followed.
func (s *sweep) folder(ctx context.Context, table, dir string, used map[string]bool, endings ...string) (empty bool, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	empty = true
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		path := filepath.Join(dir, e.Name())
		gone := false
		if e.IsDir() {
			gone, err = s.subfolder(ctx, table, path, used, endings)
		} else if e.Type().IsRegular() && !used[path] && slices.ContainsFunc(endings, func(end string) bool { return strings.HasSuffix(path, end) }) {
			gone, err = s.file(table, path)
		}
		if err != nil {
			return false, err
		}
		empty = empty && gone
	}
	return empty, nil
}

// subfolder looks into a folder, and removes it if it is empty and was so for long.
func (s *sweep) subfolder(ctx context.Context, table, dir string, used map[string]bool, endings []string) (gone bool, err error) {
	info, err := os.Lstat(dir) // before files in it are removed, which makes it younger
	if err != nil {
		return errors.Is(err, fs.ErrNotExist), ignoreGone(err)
	}
	empty, err := s.folder(ctx, table, dir, used, endings...)
	if err != nil || !empty || !info.ModTime().Before(s.before) {
		return false, err
	}
	return !s.remove || os.Remove(dir) == nil, nil // it may have got a file
}

// file removes an orphan that is old enough.
func (s *sweep) file(table, path string) (gone bool, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist), ignoreGone(err)
	}
	if !info.ModTime().Before(s.before) {
		return false, nil
	}
	if s.remove {
		failpoint.Hit("maintain.before-remove")
		if err := os.Remove(path); err != nil {
			return false, ignoreGone(err)
		}
		failpoint.Hit("maintain.after-remove")
	}
	s.found = append(s.found, lake.Orphan{Table: table, Path: path, Bytes: info.Size()})
	return true, nil
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// tempFolders removes the temp folders of processes that have ended.
func (s *sweep) tempFolders(dir string, ours func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreGone(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.IsDir() || !ours(e.Name()) {
			continue
		}
		if err := s.tempFolder(path); err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) tempFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return ignoreGone(err)
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil || !info.ModTime().Before(s.before) {
		return err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil // its process lives
	}
	o := lake.Orphan{Path: path}
	err = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return ignoreGone(err)
		}
		if info, err := e.Info(); err == nil && e.Type().IsRegular() {
			o.Bytes += info.Size()
		}
		return nil
	})
	if err == nil && s.remove {
		err = os.RemoveAll(path)
	}
	if err == nil {
		s.found = append(s.found, o)
	}
	return err
}
