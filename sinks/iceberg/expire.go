package iceberg

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
)

// Retention says how much of the past the tables of a lake keep.
type Retention struct {
	// Snapshots that each table keeps; 0 means 100. Those that a stream has not read yet are kept too, up to ten times
	// as many.
	Snapshots int
}

const (
	defaultSnapshots = 100
	streamFactor     = 10
)

func (r Retention) snapshots() int {
	if r.Snapshots > 0 {
		return r.Snapshots
	}
	return defaultSnapshots
}

// keyExpired is the table property that says which snapshot was expired last, and the commit up to which a reader must
// have read the table to miss nothing.
const keyExpired = "lakeflow.expired"

// expire drops the snapshots that are beyond the retention and that no stream needs, and what of the metadata only they
// used.
func (st *staged) expire(keep int, passed map[string]int64) error {
	read, streamed := passed[st.change.Table]
	if !streamed {
		read = math.MaxInt64
	}
	head := st.snapshot
	if head == nil && st.meta != nil {
		head = st.meta.CurrentSnapshot()
	}
	oldest, gone, commit := st.cut(head, keep, read)
	if gone == nil {
		return nil
	}
	ids := st.expired(oldest)
	if len(ids) == 0 {
		return nil
	}
	if err := st.draft.RemoveSnapshots(ids); err != nil {
		return fmt.Errorf("expire snapshots: %w", err)
	}
	st.gone = len(ids)
	st.draft.SetProperties(map[string]string{keyExpired: fmt.Sprint(gone.SnapshotID, " ", commit)})
	return st.removeSchemas()
}

// cut finds the oldest snapshot to keep, the newest to expire, which is its parent, and the commit that a reader must
// have read to do without that. The last one that it has read stays where the next one removes rows: only that one has
// them. A snapshot of another program counts as part of the next commit; one that only rewrote files goes with the commit
// before it.
func (st *staged) cut(head *metadata.Snapshot, keep int, read int64) (oldest, gone *metadata.Snapshot, commit int64) {
	commit = math.MaxInt64
	for kept := 0; head != nil; kept++ {
		c := summaryInt(head, keyCommit)
		last := oldest != nil && commit > read && oldest.Summary.Operation() != metadata.Append && !rewrites(oldest)
		if c > 0 && !rewrites(head) {
			commit = c
		}
		switch {
		case kept >= streamFactor*keep && rewrites(head) && c > 0:
			return oldest, head, c
		case kept >= streamFactor*keep || kept >= keep && commit <= read && !rewrites(head) && !last:
			return oldest, head, commit
		}
		oldest = head
		if head.ParentSnapshotID == nil {
			break
		}
		head = st.draft.SnapshotByID(*head.ParentSnapshotID) // it may have been expired
	}
	return nil, nil, 0
}

// expired lists the snapshots that go when oldest is the oldest to stay: those before it, but none that a branch or tag
// of another program names.
func (st *staged) expired(oldest *metadata.Snapshot) []int64 {
	stay := map[int64]bool{}
	for _, id := range st.meta.Refs() {
		stay[id] = true
	}
	var ids []int64
	chain := map[int64]bool{}
	for next := oldest; next.ParentSnapshotID != nil; {
		s := st.draft.SnapshotByID(*next.ParentSnapshotID)
		if s == nil {
			break
		}
		chain[s.SnapshotID] = true
		if !stay[s.SnapshotID] {
			ids = append(ids, s.SnapshotID)
			st.retired = append(st.retired, [2]*metadata.Snapshot{s, next})
		}
		next = s
	}
	for _, s := range st.meta.Snapshots() { // left behind when another program rolled the table back
		if !chain[s.SnapshotID] && !stay[s.SnapshotID] && s.TimestampMs < oldest.TimestampMs {
			ids = append(ids, s.SnapshotID)
		}
	}
	return ids
}

// removeSchemas drops the schemas that no snapshot has any more.
func (st *staged) removeSchemas() error {
	if len(st.meta.Schemas()) == 1 {
		return nil
	}
	used := map[int]bool{st.draft.CurrentSchemaID: true}
	for _, s := range st.meta.Snapshots() {
		if st.draft.SnapshotByID(s.SnapshotID) != nil && s.SchemaID != nil {
			used[*s.SchemaID] = true
		}
	}
	var ids []int
	for _, s := range st.meta.Schemas() {
		if !used[s.ID] {
			ids = append(ids, s.ID)
		}
	}
	if err := st.draft.RemoveSchemas(ids); err != nil {
		return fmt.Errorf("expire schemas: %w", err)
	}
	return nil
}

// renew makes the files that only expired snapshots need as young as if they were written now, so that whoever is
// reading them has the grace time of RemoveOrphans to finish.
func (st *staged) renew() error {
	for _, pair := range st.retired {
		if err := renew(pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// renew renews the files that s needs and its successor next does not.
func renew(s, next *metadata.Snapshot) error {
	now := time.Now()
	touch := func(location string) { _ = os.Chtimes(local(location), now, now) } // a file that is gone needs no grace
	touch(s.ManifestList)
	if next.Summary.Operation() == metadata.Append && summaryInt(next, keyReplaced) == 0 {
		return nil // it has everything that s has
	}
	kept, err := manifestsOf(next)
	if err != nil {
		return err
	}
	had, err := manifestsOf(s)
	if err != nil {
		return err
	}
	still := map[string]bool{}
	for _, m := range kept {
		still[m.FilePath()] = true
		if m.SnapshotID() != next.SnapshotID || m.DeletedDataFiles() == 0 {
			continue
		}
		for e, err := range entriesOf(m, false) {
			if err != nil {
				return err
			}
			if e.Status() == iceberg.EntryStatusDELETED {
				touch(e.DataFile().FilePath())
			}
		}
	}
	for _, m := range had {
		if !still[m.FilePath()] {
			touch(m.FilePath())
		}
	}
	return nil
}

// expiredBefore returns the commit that a reader must have read to follow the table's history: 0 when it is whole. It
// is not known (ok is false) when another program expired the oldest snapshots.
func (h *head) expiredBefore(oldest *metadata.Snapshot) (commit int64, ok bool) {
	if oldest.ParentSnapshotID == nil {
		return 0, true
	}
	id, text, _ := strings.Cut(h.meta.Properties()[keyExpired], " ")
	return number(text), id == strconv.FormatInt(*oldest.ParentSnapshotID, 10)
}
