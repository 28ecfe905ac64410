package sourcetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// Harness is what a connector gives to have its sources tested.
type Harness struct {
	// Session opens a DuckDB session that lives as long as the test.
	Session func(t *testing.T) sources.Session
	// Open makes an empty place to read from and a source over it that hands out at most perBatch items at a time. The
	// type of id is declared where that is needed. The source is closed by the suite.
	Open func(t *testing.T, perBatch int) Place
}

// Place is something that a source reads, and the ways in which a test adds to it.
type Place struct {
	Source sources.Source
	// Add adds one item (a file, a segment of a topic) whose records have the columns id, which is BIGINT, and name,
	// which is VARCHAR: n records with the ids from first, and bad more records that can't be read as such.
	Add func(t *testing.T, first, n, bad int)
}

// Run tests that a source keeps the contract.
func Run(t *testing.T, h Harness) {
	t.Run("Empty", h.empty)
	t.Run("EveryRecordOnceInAnyCut", h.cuts)
	t.Run("SamePositionSameBatch", h.repeatable)
	t.Run("EqualPositionsReadTheSame", h.equalPositions)
	t.Run("RejectsAndRowsAreAll", h.rejects)
	t.Run("RepairLeavesOthersFaultsAlone", h.othersFault)
	t.Run("Snapshot", h.snapshot)
	t.Run("Schema", h.schema)
	t.Run("Cancelled", h.cancelled)
	t.Run("Close", h.close)
}

// reading is one reader with its commits.
type reading struct {
	t       *testing.T
	session sources.Session
	place   Place
	pos     sources.Position
	marks   MemMarks
}

func (h Harness) start(t *testing.T, perBatch int) *reading {
	t.Helper()
	p := h.Open(t, perBatch)
	t.Cleanup(func() {
		if err := p.Source.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &reading{t: t, session: h.Session(t), place: p, marks: MemMarks{}}
}

func (r *reading) next() *sources.Batch {
	r.t.Helper()
	b, err := r.place.Source.Next(r.t.Context(), r.session, r.pos, r.marks)
	if err != nil {
		r.t.Fatalf("next: %v", err)
	}
	return b
}

// commit keeps the batch's position, which must survive being stored, and its marks.
func (r *reading) commit(b *sources.Batch) {
	r.t.Helper()
	var stored bytes.Buffer
	if err := json.Compact(&stored, b.Position); err != nil {
		r.t.Fatalf("the position %q is not JSON: %v", b.Position, err)
	}
	r.pos = bytes.Clone(stored.Bytes())
	r.marks.Apply(b)
}

// ids evaluates the batch as the engine does, again after each repair.
func (r *reading) ids(b *sources.Batch) []int64 {
	r.t.Helper()
	for range 10 {
		if b.Relation == "" {
			return nil
		}
		ids, err := r.column("SELECT id FROM " + b.Relation)
		if err == nil {
			r.checkColumns(b)
			return ids
		}
		if b.Repair == nil {
			r.t.Fatalf("read the batch, which can't be repaired: %v", err)
		}
		switch repaired, rerr := b.Repair(r.t.Context(), r.session, err); {
		case rerr != nil:
			r.t.Fatalf("repair: %v", rerr)
		case repaired == nil:
			r.t.Fatalf("the source says it is not to blame for: %v", err)
		case repaired == b:
			r.t.Fatal("repair changed the batch instead of making another")
		default:
			*b = *repaired
		}
	}
	r.t.Fatal("still not readable after ten repairs")
	return nil
}

func (r *reading) column(query string) ([]int64, error) {
	rows, err := r.session.Conn.QueryContext(r.t.Context(), query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	slices.Sort(out)
	return out, rows.Err()
}

// checkColumns compares the relation with what the batch says of it.
func (r *reading) checkColumns(b *sources.Batch) {
	r.t.Helper()
	if got := r.describe("SELECT * EXCLUDE (_metadata, __lakeflow_place, __lakeflow_partition, __lakeflow_position) FROM " + b.Relation); !got.Equal(b.Columns) {
		r.t.Errorf("the relation has the columns %s; the batch says %s", got.SQLColumns(), b.Columns.SQLColumns())
	}
	rows, err := r.session.Conn.QueryContext(r.t.Context(), "SELECT _metadata FROM "+b.Relation+" LIMIT 1")
	if err != nil {
		r.t.Errorf("_metadata: %v", err)
		return
	}
	if err := rows.Close(); err != nil {
		r.t.Error(err)
	}
	if b.RejectCount > 0 {
		if got := r.describe("SELECT * FROM " + b.Rejects).SQLColumns(); got != r.describeRejects() {
			r.t.Errorf("Rejects has the columns %s", got)
		}
	}
}

func (r *reading) describeRejects() string {
	r.t.Helper()
	if _, err := r.session.Conn.ExecContext(r.t.Context(), "CREATE OR REPLACE TEMP TABLE "+r.session.Prefix+"want ("+sources.RejectColumns+")"); err != nil {
		r.t.Fatal(err)
	}
	return r.describe("SELECT * FROM " + r.session.Prefix + "want").SQLColumns()
}

func (r *reading) describe(query string) schemas.Table {
	r.t.Helper()
	rows, err := r.session.Conn.QueryContext(r.t.Context(), "SELECT column_name, column_type FROM (DESCRIBE "+query+")")
	if err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var t schemas.Table
	for rows.Next() {
		var name, typ string
		if err := rows.Scan(&name, &typ); err != nil {
			r.t.Fatal(err)
		}
		parsed, err := schemas.Parse(typ)
		if err != nil {
			r.t.Fatal(err)
		}
		t = append(t, schemas.Column{Name: name, Type: parsed})
	}
	return t
}

// rejected counts the batch's rejects and checks its figure.
func (r *reading) rejected(b *sources.Batch) int64 {
	r.t.Helper()
	if b.RejectCount == 0 {
		return 0
	}
	n, err := r.column("SELECT count(*) FROM " + b.Rejects + " WHERE file <> '' AND reason <> ''")
	if err != nil || n[0] != b.RejectCount {
		r.t.Errorf("%d rejects with file and reason, %v; the batch says %d", n, err, b.RejectCount)
	}
	return b.RejectCount
}

// drain reads and commits until nothing is new.
func (r *reading) drain() (ids []int64, rejects int64, batches int) {
	r.t.Helper()
	for {
		b := r.next()
		if b == nil {
			slices.Sort(ids)
			return ids, rejects, batches
		}
		if batches++; batches > 1000 {
			r.t.Fatal("no end of batches")
		}
		ids = append(ids, r.ids(b)...)
		rejects += r.rejected(b)
		r.commit(b)
	}
}

func upTo(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i)
	}
	return out
}

func (h Harness) empty(t *testing.T) {
	r := h.start(t, 10)
	if b := r.next(); b != nil {
		t.Errorf("an empty source gave a batch: %+v", b)
	}
	switch found, err := r.place.Source.Schema(t.Context(), r.session, nil); {
	case err != nil:
		t.Errorf("schema of an empty source: %v", err)
	case len(found.Columns) == 0 && found.Lack == "", (found.Lack == "") != (found.Remedy == ""):
		t.Errorf("an empty source says %+v", found)
	}
	if folders := r.place.Source.Folders(); slices.Contains(folders, "") {
		t.Errorf("folders: %q", folders)
	}
}

func (h Harness) cuts(t *testing.T) {
	const items, each = 7, 5
	for _, per := range []int{1, 2, 3, 7, 100} {
		t.Run(fmt.Sprint(per), func(t *testing.T) {
			r := h.start(t, per)
			for i := range items {
				r.place.Add(t, i*each, each, 0)
			}
			ids, rejects, batches := r.drain()
			if want := upTo(items * each); !slices.Equal(ids, want) || rejects != 0 {
				t.Errorf("read %v and %d rejects; want %v", ids, rejects, want)
			}
			if least := (items + per - 1) / per; batches < least {
				t.Errorf("%d batches for %d items at %d each", batches, items, per)
			}
			r.place.Add(t, 1000, 1, 0)
			if ids, _, _ := r.drain(); !slices.Equal(ids, []int64{1000}) {
				t.Errorf("after one more item: %v", ids)
			}
		})
	}
}

func (h Harness) repeatable(t *testing.T) {
	r := h.start(t, 2)
	for i := range 4 {
		r.place.Add(t, i*3, 3, i%2)
	}
	for range 2 {
		first := r.next()
		ids, rejects := r.ids(first), r.rejected(first)
		again := r.next()
		if got := r.ids(again); !slices.Equal(got, ids) || r.rejected(again) != rejects || !bytes.Equal(again.Position, first.Position) {
			t.Errorf("the same position gave %v, then %v", ids, got)
		}
		r.commit(again)
	}
	if b := r.next(); b != nil {
		t.Errorf("a batch after the last: %+v", b)
	}
}

// equalPositions lets two readers go over the same items in other steps: they meet at the end, and only there.
func (h Harness) equalPositions(t *testing.T) {
	r := h.start(t, 1)
	for i := range 3 {
		r.place.Add(t, i*3, 3, i%2)
	}
	var seen []sources.Position
	for b := r.next(); b != nil; b = r.next() {
		r.ids(b)
		r.commit(b)
		for _, p := range seen {
			if bytes.Equal(p, r.pos) {
				t.Errorf("position %s comes twice, though more was read", p)
			}
		}
		seen = append(seen, r.pos)
	}
	whole := &reading{t: t, session: r.session, place: r.place, marks: MemMarks{}}
	whole.drain()
	if !bytes.Equal(whole.pos, r.pos) {
		t.Errorf("two readers of the same items stand at %s and %s", whole.pos, r.pos)
	}
}

func (h Harness) rejects(t *testing.T) {
	for _, per := range []int{1, 2, 100} {
		r := h.start(t, per)
		const items, each = 4, 6
		for i := range items {
			r.place.Add(t, i*each, each, i)
		}
		ids, rejects, _ := r.drain()
		if want := upTo(items * each); !slices.Equal(ids, want) || rejects != 0+1+2+3 {
			t.Errorf("at %d items per batch: read %v and %d rejects; want %v and 6", per, ids, rejects, want)
		}
	}
}

func (h Harness) othersFault(t *testing.T) {
	r := h.start(t, 10)
	r.place.Add(t, 0, 5, 0)
	b := r.next()
	if b.Repair == nil {
		return
	}
	_, cause := r.column("SELECT CAST('x' || name AS BIGINT) FROM " + b.Relation)
	if cause == nil {
		t.Fatal("the query should have failed")
	}
	for _, cause := range []error{cause, errors.New("out of memory")} {
		if repaired, err := b.Repair(t.Context(), r.session, cause); repaired != nil || err != nil {
			t.Errorf("repair after %v: %v, %v", cause, repaired, err)
		}
	}
	if ids := r.ids(b); !slices.Equal(ids, upTo(5)) {
		t.Errorf("read %v", ids)
	}
}

func (h Harness) snapshot(t *testing.T) {
	r := h.start(t, 2)
	print := func() sources.Position {
		t.Helper()
		p, err := r.place.Source.Fingerprint(t.Context())
		if err != nil || !json.Valid(p) {
			t.Fatalf("fingerprint %s: %v", p, err)
		}
		return p
	}
	empty := print()
	snap := func() (*sources.Batch, []int64) {
		t.Helper()
		b, err := r.place.Source.Snapshot(t.Context(), r.session, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b, r.ids(b)
	}
	for i := range 5 {
		r.place.Add(t, i*2, 2, i%2)
	}
	first, ids := snap()
	if !slices.Equal(ids, upTo(10)) || r.rejected(first) != 2 {
		t.Errorf("read %v and %d rejects", ids, first.RejectCount)
	}
	before := print()
	r.drain()
	_, ids = snap()
	if again := print(); bytes.Equal(empty, before) || !bytes.Equal(before, again) || !slices.Equal(ids, upTo(10)) {
		t.Errorf("nothing changed, but the fingerprint did: %s, then %s", before, again)
	}
	r.place.Add(t, 10, 1, 0)
	_, ids = snap()
	if more := print(); bytes.Equal(before, more) || !slices.Equal(ids, upTo(11)) {
		t.Errorf("after one more item: %v, fingerprint %s", ids, more)
	}
}

func (h Harness) schema(t *testing.T) {
	r := h.start(t, 10)
	r.place.Add(t, 0, 3, 0)
	before, err := r.place.Source.Schema(t.Context(), r.session, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := r.next()
	r.commit(b)
	after, err := r.place.Source.Schema(t.Context(), r.session, r.pos)
	if err != nil {
		t.Fatal(err)
	}
	if !before.Columns.Equal(b.Columns) || !after.Columns.Equal(b.Columns) || before.Lack+after.Lack != "" || b.Columns.Column("id") == nil || b.Columns.Column("name") == nil {
		t.Errorf("schema before: %s\nbatch: %s\nafter: %s", before.Columns.SQLColumns(), b.Columns.SQLColumns(), after.Columns.SQLColumns())
	}
}

func (h Harness) cancelled(t *testing.T) {
	r := h.start(t, 10)
	r.place.Add(t, 0, 3, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if b, err := r.place.Source.Next(ctx, r.session, nil, r.marks); err == nil {
		t.Errorf("a cancelled context gave %+v", b)
	}
	if ids, _, _ := r.drain(); !slices.Equal(ids, upTo(3)) {
		t.Errorf("read %v afterwards", ids)
	}
}

func (h Harness) close(t *testing.T) {
	r := h.start(t, 10)
	r.place.Add(t, 0, 3, 1)
	r.ids(r.next())
	if err := r.place.Source.Close(); err != nil {
		t.Error(err)
	}
}
