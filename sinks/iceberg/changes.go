package iceberg

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/apache/iceberg-go"

	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Changes returns what each commit after one, up to and with another, did to the rows of a table. Snapshots of other
// programs count as part of lakeflow's next commit.
func (l *Lake) Changes(ctx context.Context, name string, after, until, maxBytes int64) (*lake.Changes, error) {
	h, err := l.head(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := checkDeletes(name, h.meta.CurrentSnapshot()); err != nil {
		return nil, err
	}
	if until == 0 {
		until = math.MaxInt64
	}
	chain := h.chain()
	if err := h.changesKept(chain, after); err != nil {
		return nil, err
	}
	out := &lake.Changes{Schema: h.state.Schema}
	if len(chain) > 0 {
		out.After, _ = h.expiredBefore(chain[0])
	}
	var next commitChanges
	var size int64
	for i, s := range chain {
		commit := summaryInt(s, keyCommit)
		if commit <= after {
			out.After = max(out.After, commit)
		}
		switch {
		case rewrites(s):
			continue // the same rows in other files
		case commit > 0 && commit <= after:
			next = commitChanges{}
			continue // known already
		}
		if commit > until || maxBytes > 0 && size >= maxBytes {
			break
		}
		var parent *metadata.Snapshot
		if i > 0 {
			parent = chain[i-1]
		}
		n, err := next.take(s, parent)
		if err == nil && len(next.Removed) > 0 {
			err = h.keepsColumns(parent)
		}
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
		size += n
		if commit > 0 {
			next.Commit, next.Time = commit, snapshotTime(s)
			out.Commits = append(out.Commits, lake.CommitChanges(next))
			next = commitChanges{}
		}
	}
	return out, nil
}

// commitChanges are collected from the snapshots of one commit.
type commitChanges lake.CommitChanges

// changesKept returns ErrExpired when it cannot be told any more what each commit after one did: the snapshots of some
// are gone, or the one before a snapshot that removed rows, which alone has them.
func (h *head) changesKept(chain []*metadata.Snapshot, after int64) error {
	whole, err := h.begins(chain, after)
	if err != nil || len(chain) == 0 {
		return err
	}
	first := chain[0]
	known := first.Summary.Operation() == metadata.Append || first.ParentSnapshotID == nil
	if whole || !known && !rewrites(first) && summaryInt(first, keyCommit) > after {
		return fmt.Errorf("%w: of table %s after commit %d; keep more of the past with retention.snapshots", lake.ErrExpired, h.name, after)
	}
	return nil
}

// keepsColumns returns ErrRewritten when the table has lost or replaced columns since a snapshot: its rows cannot be read as
// they were.
func (h *head) keepsColumns(s *metadata.Snapshot) error {
	if s == nil {
		return nil
	}
	old, err := h.schemaOf(s)
	if err != nil {
		return err
	}
	for _, c := range old {
		if now := h.state.Schema.Column(c.Name); now == nil || now.ID != c.ID {
			return fmt.Errorf("%w: its column %s is another one now", lake.ErrRewritten, c.Name)
		}
	}
	return nil
}

// take adds what a snapshot did, and returns how many bytes of files that is.
func (c *commitChanges) take(s, parent *metadata.Snapshot) (size int64, err error) {
	added, err := addedFiles(s)
	if err != nil {
		return 0, err
	}
	c.Added = append(c.Added, added...)
	if parent != nil && s.Summary.Operation() != metadata.Append {
		removed, err := removedRows(s, parent, added)
		if err != nil {
			return 0, err
		}
		c.Removed = append(c.Removed, removed...)
	}
	for _, f := range added {
		size += f.Bytes
	}
	for _, r := range c.Removed {
		for _, f := range r.Files {
			size += f.Bytes
		}
	}
	return size, nil
}

// removedRows are the rows of its parent that a snapshot removed, in whole files and by their positions, and those that it
// has itself added and removed.
func removedRows(s, parent *metadata.Snapshot, added []lake.DataFile) (out []lake.Removed, err error) {
	manifests, err := manifestsOf(s)
	if err != nil {
		return nil, err
	}
	dropped := map[string]bool{}
	by := map[string]*lake.Removed{} // by partition
	for _, m := range manifests {
		if m.SnapshotID() != s.SnapshotID {
			continue
		}
		for e, err := range entriesOf(m, false) {
			if err != nil {
				return nil, err
			}
			f := e.DataFile()
			switch {
			case e.SnapshotID() != s.SnapshotID:
			case e.Status() == iceberg.EntryStatusDELETED && !names(f):
				dropped[local(f.FilePath())] = true
			case e.Status() == iceberg.EntryStatusADDED && names(f):
				r := by[groupOf(f)]
				if r == nil {
					r = &lake.Removed{}
					by[groupOf(f)] = r
				}
				r.By, r.Rows = append(r.By, local(f.FilePath())), r.Rows+f.Count()
			}
		}
	}
	before, err := liveFiles(parent)
	if err != nil {
		return nil, err
	}
	whole := lake.Removed{}
	for _, f := range added {
		if r := by[f.Group]; r != nil {
			r.Files = append(r.Files, f)
		}
	}
	for _, f := range before {
		if r := by[f.Group]; dropped[f.Path] {
			whole.Files, whole.Rows = append(whole.Files, f), whole.Rows+f.Rows
		} else if r != nil {
			r.Files = append(r.Files, f)
		}
	}
	if len(whole.Files) > 0 {
		out = append(out, whole)
	}
	for _, group := range slices.Sorted(maps.Keys(by)) {
		out = append(out, *by[group])
	}
	return out, nil
}
