package iceberg

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Files returns the data files of a table at a version, with the schema that the table had then.
func (l *Lake) Files(ctx context.Context, name string, at lake.Version) (*lake.Contents, error) {
	h, err := l.head(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &lake.Contents{Schema: h.state.Schema}
	s := h.meta.CurrentSnapshot()
	if at != (lake.Version{}) {
		if s, err = h.version(at); err != nil {
			return nil, err
		}
		if out.Schema, err = h.schemaOf(s); err != nil {
			return nil, err
		}
	}
	if s == nil {
		return out, nil
	}
	if err := checkDeletes(name, s); err != nil {
		return nil, err
	}
	out.Snapshot, out.Commit = s.SnapshotID, summaryInt(s, keyCommit)
	if out.Files, out.Deletes, err = contents(s); err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	return out, nil
}

// head reads a table's head, with its metadata.
func (l *Lake) head(ctx context.Context, name string) (*head, error) {
	p, err := l.pointer(ctx, name)
	if err != nil {
		return nil, err
	}
	h, err := l.readHead(p)
	if err == nil {
		_, err = h.load()
	}
	if l.moved(ctx, err) {
		return l.head(ctx, name)
	}
	return h, err
}

// chain returns the snapshots that lead to the head, oldest first. It ends where a parent has been expired.
func (h *head) chain() []*metadata.Snapshot {
	var out []*metadata.Snapshot
	for s := h.meta.CurrentSnapshot(); s != nil; {
		out = append(out, s)
		if s.ParentSnapshotID == nil {
			break
		}
		s = h.meta.SnapshotByID(*s.ParentSnapshotID)
	}
	slices.Reverse(out)
	return out
}

// version finds the snapshot of a version.
func (h *head) version(at lake.Version) (*metadata.Snapshot, error) {
	if at.Snapshot != 0 {
		if s := h.meta.SnapshotByID(at.Snapshot); s != nil {
			return s, nil
		}
		return nil, fmt.Errorf("table %s has no snapshot %d, %w; lakeflow's history of the table lists those it has", h.name, at.Snapshot, lake.ErrExpired)
	}
	var found *metadata.Snapshot
	chain := h.chain()
	for _, s := range chain {
		if at.Commit != 0 && summaryInt(s, keyCommit) > at.Commit || at.Commit == 0 && s.TimestampMs > at.AsOf.UnixMilli() {
			break // what another program wrote after it is later too
		}
		found = s
	}
	if found != nil {
		return found, nil
	}
	wanted, oldest := fmt.Sprintf("commit %d", at.Commit), "nothing was written to it yet"
	if at.Commit == 0 {
		wanted = at.AsOf.Format(time.RFC3339Nano)
	}
	if len(chain) > 0 {
		oldest = fmt.Sprintf("its oldest version is commit %d of %s", summaryInt(chain[0], keyCommit), snapshotTime(chain[0]).Format(time.RFC3339Nano))
	}
	return nil, fmt.Errorf("%w: %s at %s; %s", lake.ErrNoTable, h.name, wanted, oldest)
}

func (h *head) schemaOf(s *metadata.Snapshot) (schemas.Table, error) {
	for _, schema := range h.meta.Schemas() {
		if s.SchemaID != nil && schema.ID == *s.SchemaID {
			t, err := columns(schema.Fields())
			if err != nil {
				return nil, fmt.Errorf("table %s: %w", h.name, err)
			}
			return t, nil
		}
	}
	return h.state.Schema, nil
}

func snapshotTime(s *metadata.Snapshot) time.Time { return time.UnixMilli(s.TimestampMs).UTC() }

// liveFiles reads all files of a snapshot, with the files that may name removed rows of each.
func liveFiles(s *metadata.Snapshot) ([]lake.DataFile, error) {
	files, _, err := contents(s)
	return files, err
}

// contents reads all files of a snapshot, and those that name removed rows.
func contents(s *metadata.Snapshot) (files, deletes []lake.DataFile, err error) {
	manifests, err := manifestsOf(s)
	if err != nil {
		return nil, nil, err
	}
	removals := removals{}
	for _, m := range manifests {
		if m.ManifestContent() != iceberg.ManifestContentDeletes {
			continue
		}
		for e, err := range entriesOf(m, true) {
			if err == nil {
				err = removals.add(e)
			}
			if err != nil {
				return nil, nil, err
			}
			deletes = append(deletes, dataFile(e, nil))
		}
	}
	files, err = readFiles(manifests, removals, func(iceberg.ManifestFile) bool { return true }, func(e iceberg.ManifestEntry) bool { return true })
	return files, deletes, err
}

// removals are the files of a snapshot that name removed rows, by the partition that they are for.
type removals map[string][]iceberg.ManifestEntry

func (r removals) add(e iceberg.ManifestEntry) error {
	f := e.DataFile()
	if f.ContentType() != iceberg.EntryContentPosDeletes || f.FileFormat() != iceberg.ParquetFile {
		return fmt.Errorf("%s is a delete file that another program wrote and lakeflow does not read; compact the table there, and then run again", local(f.FilePath()))
	}
	r[groupOf(f)] = append(r[groupOf(f)], e)
	return nil
}

// of are the files that may name rows of a data file: Iceberg applies those of its partition that are not older.
func (r removals) of(e iceberg.ManifestEntry) (paths []string) {
	f := e.DataFile()
	for _, d := range r[groupOf(f)] {
		only := d.DataFile().ReferencedDataFile()
		if d.SequenceNum() >= e.SequenceNum() && (only == nil || *only == f.FilePath()) {
			paths = append(paths, local(d.DataFile().FilePath()))
		}
	}
	return paths
}

// groupOf is equal for files with the same partition values of one spec.
func groupOf(f iceberg.DataFile) string {
	values := f.Partition()
	if len(values) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprint(&b, f.SpecID())
	for _, id := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, " %d=%#v", id, values[id])
	}
	return b.String()
}

// addedFiles reads the files that a snapshot itself added.
func addedFiles(s *metadata.Snapshot) ([]lake.DataFile, error) {
	manifests, err := manifestsOf(s)
	if err != nil {
		return nil, err
	}
	return readFiles(manifests, nil, func(m iceberg.ManifestFile) bool { return m.SnapshotID() == s.SnapshotID && m.HasAddedFiles() },
		func(e iceberg.ManifestEntry) bool {
			return e.Status() == iceberg.EntryStatusADDED && e.SnapshotID() == s.SnapshotID
		})
}

// readFiles reads files with rows.
func readFiles(manifests []iceberg.ManifestFile, removed removals, manifest func(iceberg.ManifestFile) bool, entry func(iceberg.ManifestEntry) bool) ([]lake.DataFile, error) {
	var out []lake.DataFile
	for _, m := range manifests {
		if m.ManifestContent() != iceberg.ManifestContentData || !manifest(m) {
			continue
		}
		for e, err := range entriesOf(m, true) {
			if err != nil {
				return nil, err
			}
			if entry(e) {
				out = append(out, dataFile(e, removed))
			}
		}
	}
	return out, nil
}

func dataFile(e iceberg.ManifestEntry, removed removals) lake.DataFile {
	f := e.DataFile()
	return lake.DataFile{Path: local(f.FilePath()), Rows: f.Count(), Bytes: f.FileSizeBytes(), Group: groupOf(f), Deletes: removed.of(e)}
}

// Appended returns the files that were added after a commit. A stream that begins (after 0) takes what the table had
// after it was last rewritten as its first step. Snapshots of other programs count as part of lakeflow's next commit.
func (l *Lake) Appended(ctx context.Context, name string, after, maxBytes int64) (*lake.Contents, error) {
	h, err := l.head(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := checkDeletes(name, h.meta.CurrentSnapshot()); err != nil {
		return nil, err
	}
	steps, err := h.since(after)
	if err != nil {
		return nil, err
	}
	out := &lake.Contents{Schema: h.state.Schema, Commit: after}
	var size int64
	for _, step := range steps {
		for i, s := range step.snapshots {
			read := addedFiles
			if i == 0 && step.whole {
				read = liveFiles
			}
			files, err := read(s)
			if err != nil {
				return nil, fmt.Errorf("table %s: %w", name, err)
			}
			for _, f := range files {
				size += f.Bytes
			}
			out.Files = append(out.Files, files...)
			out.Snapshot = s.SnapshotID
		}
		out.Commit = step.commit
		if maxBytes > 0 && size >= maxBytes {
			break
		}
	}
	return out, nil
}

// step is the snapshots of one commit: several when other programs wrote before it. Whole says that the first of them
// begins a stream, so that everything in it counts.
type step struct {
	commit    int64
	snapshots []*metadata.Snapshot
	whole     bool
}

// since lists the commits after one. It returns ErrRewritten when one of them replaced rows that were there before, and
// ErrExpired when the snapshots of some of them are gone.
func (h *head) since(after int64) ([]step, error) {
	chain := h.chain()
	whole, err := h.begins(chain, after)
	if err != nil {
		return nil, err
	}
	var steps []step
	var next step
	for i, s := range chain {
		switch {
		case i == 0 && whole:
			next = step{snapshots: []*metadata.Snapshot{s}, whole: true}
		case rewrites(s):
			continue // the same rows in other files
		case s.Summary.Operation() != metadata.Append:
			if after == 0 {
				steps = nil
			}
			next = step{snapshots: []*metadata.Snapshot{s}, whole: true}
		default:
			next.snapshots = append(next.snapshots, s)
		}
		if next.commit = summaryInt(s, keyCommit); next.commit == 0 {
			continue
		}
		if next.commit > after {
			if next.whole && after > 0 {
				return nil, fmt.Errorf("%w: %s at commit %d", lake.ErrRewritten, h.name, next.commit)
			}
			steps = append(steps, next)
		}
		next = step{}
	}
	return steps, nil
}

// rewrites reports whether a snapshot has the rows of its parent in other files, as compaction leaves them.
func rewrites(s *metadata.Snapshot) bool { return s.Summary.Operation() == metadata.Replace }

// begins reports whether a reader that stands after a commit begins with all that the table's oldest snapshot has,
// because the history before it has been expired.
func (h *head) begins(chain []*metadata.Snapshot, after int64) (whole bool, err error) {
	if len(chain) == 0 {
		return false, nil
	}
	expired, known := h.expiredBefore(chain[0])
	switch {
	case expired == 0 && known:
		return false, nil
	case after == 0:
		return true, nil
	case !known:
		expired = math.MaxInt64
		for _, s := range chain { // a reader that has come to a snapshot that is there has seen what was before it
			if c := summaryInt(s, keyCommit); c > 0 {
				expired = c
				break
			}
		}
	}
	if after >= expired {
		return false, nil
	}
	return false, fmt.Errorf("%w: of table %s after commit %d; recompute what reads it with --full-refresh, or keep more of the past with retention.snapshots",
		lake.ErrExpired, h.name, after)
}

// History lists the snapshots that lead to the table's head, oldest first, with the files each added.
func (l *Lake) History(ctx context.Context, name string) ([]lake.Snapshot, error) {
	h, err := l.head(ctx, name)
	if err != nil {
		return nil, err
	}
	chain := h.chain()
	out := make([]lake.Snapshot, len(chain))
	for i, s := range chain {
		out[i] = lake.Snapshot{ID: s.SnapshotID, Commit: summaryInt(s, keyCommit), Time: snapshotTime(s),
			Operation: s.Summary.Operation(), AddedRows: summaryInt(s, "added-records"),
			RemovedRows: summaryInt(s, "added-position-deletes"), TotalRows: liveRows(s)}
	}
	// A snapshot that appends still has the files of those before it, so that one reading is enough for all of them.
	var adders map[int64][]string
	for i, s := range slices.Backward(chain) {
		if adders == nil || out[i+1].Operation != metadata.Append {
			if adders, err = filesByAdder(s); err != nil {
				return nil, fmt.Errorf("table %s: %w", name, err)
			}
		}
		out[i].Added = adders[s.SnapshotID]
	}
	return out, nil
}

// filesByAdder reads the files of a snapshot by the snapshot that added them.
func filesByAdder(s *metadata.Snapshot) (map[int64][]string, error) {
	paths := map[int64][]string{}
	manifests, err := manifestsOf(s)
	if err != nil {
		return nil, err
	}
	_, err = readFiles(manifests, nil, func(iceberg.ManifestFile) bool { return true }, func(e iceberg.ManifestEntry) bool {
		paths[e.SnapshotID()] = append(paths[e.SnapshotID()], local(e.DataFile().FilePath()))
		return false
	})
	return paths, err
}
