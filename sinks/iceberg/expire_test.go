package iceberg

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// expireHead makes the change that a commit with this retention makes to a head, and returns the head after it.
func expireHead(t *testing.T, h *head, keep int, passed map[string]int64) *head {
	t.Helper()
	st, err := stagedFrom(h, &lake.TableChange{Table: h.name})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.expire(keep, passed); err != nil {
		t.Fatal(err)
	}
	meta, err := st.draft.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return &head{name: h.name, meta: meta}
}

func snapshots(h *head) string {
	var ids []string
	for _, s := range h.chain() {
		ids = append(ids, fmt.Sprint(s.SnapshotID))
	}
	return strings.Join(ids, " ")
}

// Commit 0 stands for another program's snapshot, a negative one for a rewrite after that commit.
func TestExpire(t *testing.T) {
	for _, c := range []struct {
		commits []int64
		keep    int
		read    int64 // 0: nobody streams from the table
		want    string
		lost    []int64 // commits after which the history is gone
		whole   []int64 // and those after which it is there
	}{
		{[]int64{1, 2, 3}, 5, 0, "1 2 3", nil, []int64{1, 2, 3}},
		{[]int64{1, 2, 3, 4}, 2, 0, "3 4", []int64{1}, []int64{2, 3, 4}},
		{[]int64{10, 20, 30}, 1, 0, "3", []int64{1, 10, 19}, []int64{20, 25, 30}},
		{[]int64{1, 2, 3, 4}, 2, 1, "2 3 4", nil, []int64{1, 2, 3, 4}},
		{[]int64{1, 2, 3, 4}, 2, 9, "3 4", []int64{1}, []int64{2, 3}},
		{[]int64{1, 2, 0, 4}, 1, 0, "4", []int64{1, 2, 3}, []int64{4}}, // the other program's rows count as part of commit 4
		{[]int64{1, 2, 0, 4}, 1, 2, "3 4", []int64{1}, []int64{2, 4}},
		{[]int64{1, 2, 0, 4}, 1, 4, "4", []int64{2}, []int64{4}},
		{[]int64{1, 2, -2, 3}, 1, 0, "3 4", []int64{1}, []int64{2, 3}}, // what rewrote files goes with the commit before it
		{[]int64{1, 2, -2, 3, 4}, 2, 0, "3 4 5", []int64{1}, []int64{2, 3}},
		{[]int64{1, 2, 3, -3}, 2, 0, "3 4", []int64{1}, []int64{2, 3}},
		{[]int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 1, 1, "3 4 5 6 7 8 9 10 11 12", []int64{1}, []int64{2, 3}},
	} {
		passed := map[string]int64{"other": 1}
		if c.read > 0 {
			passed["t"] = c.read
		}
		h := expireHead(t, historyHead(t, c.commits...), c.keep, passed)
		if got := snapshots(h); got != c.want {
			t.Errorf("%v, keeping %d, read up to %d: snapshots %s, want %s", c.commits, c.keep, c.read, got, c.want)
		}
		for _, after := range c.lost {
			if _, err := h.since(after); !errors.Is(err, lake.ErrExpired) {
				t.Errorf("%v, keeping %d: after commit %d: %v", c.commits, c.keep, after, err)
			}
		}
		for _, after := range c.whole {
			if _, err := h.since(after); err != nil {
				t.Errorf("%v, keeping %d: after commit %d: %v", c.commits, c.keep, after, err)
			}
		}
		if steps, err := h.since(0); err != nil || len(steps) == 0 || len(c.lost) > 0 && !steps[0].whole {
			t.Errorf("%v, keeping %d: a stream that begins: %v, %v", c.commits, c.keep, steps, err)
		}
	}
}

// Of a table whose rows change, the last version that was read is kept for the rows that the next one removes.
func TestExpireBeforeChanges(t *testing.T) {
	for _, c := range []struct {
		commits []int64
		removes int // the snapshot that removes rows
		read    int64
		want    string
	}{
		{[]int64{1, 2, 3}, 3, 2, "2 3"},
		{[]int64{1, 2, 3}, 3, 3, "3"},
		{[]int64{1, 2, 3, 4}, 3, 2, "2 3 4"},
		{[]int64{1, 2, 3, 4}, 3, 3, "4"},
		{[]int64{1, 2, -2, 4}, 4, 2, "3 4"}, // what rewrote the files has the rows too
		{[]int64{1, 2, 0, 4}, 3, 2, "2 3 4"},
		{[]int64{1, 2, 3, 4}, 0, 2, "3 4"},
	} {
		h := historyHead(t, c.commits...)
		if s := h.meta.SnapshotByID(int64(c.removes)); s != nil {
			s.Summary = metadata.NewSummary(metadata.Overwrite, map[string]string{keyCommit: fmt.Sprint(c.commits[c.removes-1])})
		}
		h = expireHead(t, h, 1, map[string]int64{"t": c.read})
		if got := snapshots(h); got != c.want {
			t.Errorf("%v, read up to %d: snapshots %s, want %s", c.commits, c.read, got, c.want)
		}
		if err := h.changesKept(h.chain(), c.read); err != nil {
			t.Errorf("%v, read up to %d: %v", c.commits, c.read, err)
		}
	}
}

// What another program expired is not known, so that a stream must have seen a snapshot that is there.
func TestExpiredByOthers(t *testing.T) {
	h := expireHead(t, historyHead(t, 1, 2, 3, 4), 2, nil)
	d, err := h.meta.Draft("file:///t/metadata/v1.metadata.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveSnapshots([]int64{3}); err != nil {
		t.Fatal(err)
	}
	meta, err := d.Finish()
	if err != nil {
		t.Fatal(err)
	}
	h = &head{name: "t", meta: meta}
	if _, err := h.since(3); !errors.Is(err, lake.ErrExpired) {
		t.Error(err)
	}
	if steps, err := h.since(4); err != nil || len(steps) > 0 {
		t.Error(steps, err)
	}
}

// A snapshot that another program has tagged stays, and so does its schema; others go.
func TestExpireKeepsTags(t *testing.T) {
	h := historyHead(t, 1, 2, 3, 4)
	content, err := h.meta.Encode()
	if err != nil {
		t.Fatal(err)
	}
	tagged := strings.Replace(string(content), `"refs":{`, `"refs":{"audited":{"snapshot-id":2,"type":"tag"},`, 1)
	meta, err := metadata.Parse([]byte(tagged))
	if err != nil {
		t.Fatal(err)
	}
	h = expireHead(t, &head{name: "t", meta: meta}, 1, nil)
	if got := snapshots(h); got != "4" || h.meta.SnapshotByID(2) == nil || h.meta.SnapshotByID(1) != nil || h.meta.SnapshotByID(3) != nil {
		t.Errorf("snapshots %s of %v", got, h.meta.Snapshots())
	}
}

// Schemas that no snapshot has any more go.
func TestExpireSchemas(t *testing.T) {
	h := historyHead(t, 1, 2)
	for i := range 3 {
		d, err := h.meta.Draft("file:///t/metadata/v1.metadata.json")
		if err != nil {
			t.Fatal(err)
		}
		columns := schemas.Table{{Name: "id", ID: 1, Type: schemas.Type{Kind: schemas.BigInt}}}
		for j := range i + 1 {
			columns = append(columns, schemas.Column{Name: fmt.Sprint("c", j), ID: 2 + j, Type: schemas.Type{Kind: schemas.Varchar}})
		}
		schema, parent := i+1, int64(i+2)
		s := &metadata.Snapshot{SnapshotID: parent + 1, ParentSnapshotID: &parent, SequenceNumber: parent + 1, TimestampMs: time.Now().UnixMilli() + parent, ManifestList: "file:///m", SchemaID: &schema,
			Summary: metadata.NewSummary(metadata.Append, map[string]string{keyCommit: fmt.Sprint(parent + 1)})}
		if err := errors.Join(d.SetSchema(icebergSchema(columns)), d.AddSnapshot(s)); err != nil {
			t.Fatal(err)
		}
		meta, err := d.Finish()
		if err != nil {
			t.Fatal(err)
		}
		h = &head{name: "t", meta: meta}
	}
	h = expireHead(t, h, 2, nil)
	if got := len(h.meta.Schemas()); got != 2 || snapshots(h) != "4 5" {
		t.Errorf("%d schemas, snapshots %s", got, snapshots(h))
	}
	for _, s := range h.chain() {
		if columns, err := h.schemaOf(s); err != nil || len(columns) != int(s.SnapshotID)-1 {
			t.Errorf("snapshot %d has the columns %v, %v", s.SnapshotID, columns, err)
		}
	}
}

// A reader whose pointer is so old that its metadata file was removed looks again.
func TestPointerMovesUnderReader(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(t.Context(), dir, "main", "p", Retention{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	epoch, err := l.Acquire(t.Context(), lake.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	columns, _ := schemas.AssignIDs(schemas.Table{{Name: "id", Type: schemas.Type{Kind: schemas.BigInt}}}, 0)
	out, err := l.Commit(t.Context(), &lake.Commit{Number: 1, Epoch: epoch, Tables: []lake.TableChange{{Table: EventLog, Schema: columns,
		Add: []lake.DataFile{{Path: filepath.Join(dir, "x.parquet"), Rows: 1}}}}})
	if err != nil || out.Status != lake.Committed {
		t.Fatal(out, err)
	}
	p, err := l.pointer(t.Context(), EventLog)
	if err != nil {
		t.Fatal(err)
	}
	if !l.moved(t.Context(), lostMetadata(EventLog, lake.URI(filepath.Join(dir, "long-gone.metadata.json")))) {
		t.Error("a pointer that moved is not looked up again")
	}
	if l.moved(t.Context(), lostMetadata(EventLog, p.location)) || l.moved(t.Context(), os.ErrNotExist) || l.moved(t.Context(), nil) {
		t.Error("a file that is lost is looked for for ever")
	}
}

// A reader that may not write beside the catalog opens it as a file that never changes. Its pointers may be so old that their
// metadata files were removed: it opens the catalog again.
func TestFrozenCatalog(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(t.Context(), dir, "main", "p", Retention{Snapshots: 1})
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := l.Acquire(t.Context(), lake.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	columns, _ := schemas.AssignIDs(schemas.Table{{Name: "id", Type: schemas.Type{Kind: schemas.BigInt}}}, 0)
	commit := func(n int64) {
		before, err := l.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := &lake.Commit{Number: n, Epoch: epoch, Tables: []lake.TableChange{{Table: EventLog, Schema: columns, Base: before.Tables[EventLog].Snapshot,
			Add: []lake.DataFile{{Path: filepath.Join(dir, fmt.Sprint(n, ".parquet")), Rows: 1}}}}}
		if out, err := l.Commit(t.Context(), c); err != nil || out.Status != lake.Committed {
			t.Fatal(out, err)
		}
	}
	commit(1)
	if _, err := l.db.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), dir, "main", "p", Retention{})
	if err != nil {
		t.Fatal(err)
	}
	frozen := "file://" + filepath.Join(dir, "catalog.db") + "?immutable=1"
	if r.db, err = sql.Open("sqlite", frozen); err != nil {
		t.Fatal(err)
	}
	r.frozen = true
	if s, err := r.State(t.Context()); err != nil || s.Commit != 1 {
		t.Fatal(s, err)
	}
	for n := int64(2); n < 30; n++ {
		commit(n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r.heads = map[string]*head{}
	if err := r.Check(t.Context(), EventLog); err != nil {
		t.Error(err)
	}
	if s, err := r.State(t.Context()); err != nil || s.Commit != 29 {
		t.Error(s, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
