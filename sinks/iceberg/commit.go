package iceberg

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Commit publishes everything in c or nothing. An error means that nothing is visible, unless it says otherwise.
func (l *Lake) Commit(ctx context.Context, c *lake.Commit) (lake.Outcome, error) {
	if err := checkCommit(c); err != nil {
		return lake.Outcome{}, fmt.Errorf("commit %d: %w", c.Number, err)
	}
	l.commits.Lock()
	defer l.commits.Unlock()
	out, err := l.commit(ctx, c)
	if err != nil {
		return lake.Outcome{}, l.passing(fmt.Errorf("commit %d: %w", c.Number, err))
	}
	return out, nil
}

// checkCommit refuses commits that are mistakes in the program.
func checkCommit(c *lake.Commit) error {
	if c.Number < 1 || c.Epoch < 1 {
		return errors.New("it needs a number and an epoch; call Acquire first")
	}
	seen := map[string]bool{}
	logged := false
	for _, t := range c.Tables {
		if !isTable(t.Table) {
			return fmt.Errorf("%q cannot be a table's name", t.Table)
		}
		if seen[t.Table] {
			return fmt.Errorf("table %s is changed twice", t.Table)
		}
		seen[t.Table] = true
		logged = logged || t.Table == EventLog && t.Mode == lake.Append && len(t.Add) > 0
	}
	if !logged {
		return fmt.Errorf("it adds nothing to %s, which holds the commit record", EventLog)
	}
	return nil
}

func (l *Lake) commit(ctx context.Context, c *lake.Commit) (lake.Outcome, error) {
	db, err := l.catalog(ctx, false)
	if err != nil {
		return lake.Outcome{}, err
	}
	if db == nil {
		return lake.Outcome{}, errors.New("the warehouse has no catalog; call Acquire first")
	}
	heads, err := l.readHeads(ctx, db)
	if err != nil {
		return lake.Outcome{}, err
	}
	rec, err := l.record(ctx, db, heads)
	if err != nil {
		return lake.Outcome{}, err
	}
	if rec.commit != c.Number-1 {
		return l.answer(c, rec, heads), nil
	}
	for _, t := range c.Tables {
		same, err := heads[t.Table].hasRowsOf(t.Base)
		if err != nil {
			return lake.Outcome{}, err
		}
		if !same {
			return lake.Outcome{Status: lake.Conflict}, nil
		}
		if heads[t.Table] == nil {
			if err := l.claimable(ctx, db, t.Table); err != nil {
				return lake.Outcome{}, err
			}
		}
	}
	files := &output{}
	changes, err := l.stageAll(c, rec, heads, files)
	if err != nil {
		files.remove()
		if errors.Is(err, errConflict) {
			return lake.Outcome{Status: lake.Conflict}, nil
		}
		return lake.Outcome{}, err
	}
	status, err := l.publish(ctx, db, c.Epoch, changes, files)
	if err != nil || status != lake.Committed {
		return lake.Outcome{Status: status}, err
	}
	l.ended()
	out := lake.Outcome{Status: status, Snapshots: make(map[string]int64, len(changes))}
	for _, st := range changes {
		h := st.base
		if st.next != nil {
			h = st.next
		}
		out.Snapshots[st.change.Table] = snapshotOf(h)
	}
	return out, nil
}

// answer answers a commit whose number does not follow the last one's.
func (l *Lake) answer(c *lake.Commit, rec *record, heads map[string]*head) lake.Outcome {
	if rec.commit == c.Number && rec.owner == c.Epoch {
		out := lake.Outcome{Status: lake.AlreadyCommitted, Snapshots: map[string]int64{}}
		for _, t := range c.Tables {
			out.Snapshots[t.Table] = snapshotOf(heads[t.Table])
		}
		return out
	}
	return lake.Outcome{Status: lake.Conflict}
}

func snapshotOf(h *head) int64 {
	if h == nil {
		return 0
	}
	return h.state.Snapshot
}

// hasRowsOf reports whether a table has the rows of a snapshot: it is the head, or what came after it only rewrote
// files.
func (h *head) hasRowsOf(snapshot int64) (bool, error) {
	if snapshotOf(h) == snapshot {
		return true, nil
	}
	if h == nil || snapshot == 0 {
		return false, nil
	}
	meta, err := h.load()
	if err != nil {
		return false, err
	}
	s := meta.CurrentSnapshot()
	for s != nil && s.SnapshotID != snapshot && rewrites(s) && summaryInt(s, keyCommit) > 0 && s.ParentSnapshotID != nil {
		if *s.ParentSnapshotID == snapshot {
			return true, nil
		}
		s = meta.SnapshotByID(*s.ParentSnapshotID)
	}
	return false, nil
}

// stageAll writes all files of the commit, tables side by side, and makes them durable.
func (l *Lake) stageAll(c *lake.Commit, rec *record, heads map[string]*head, out *output) ([]*staged, error) {
	failpoint.Hit("commit.before-manifests")
	changes := make([]*staged, len(c.Tables))
	positions := rec.positions.Merged(c.Positions)
	read := positions.Passed()
	stage := func(i int, t *lake.TableChange, props map[string]string) (err error) {
		if changes[i], err = l.stage(t, heads[t.Table], props, out); err != nil || changes[i].snapshot == nil {
			return err
		}
		return changes[i].expire(l.retention.snapshots(), read)
	}
	log := -1
	err := eachTable(c, func(i int, t *lake.TableChange) error {
		if t.Table == EventLog {
			log = i
			return nil
		}
		return stage(i, t, summaryProps(c, t))
	})
	if err != nil {
		return nil, err
	}
	props, err := l.commitRecord(c, rec, positions, changes) // it says which tables the commit has written to
	if err == nil {
		err = stage(log, &c.Tables[log], props)
	}
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", EventLog, err)
	}
	failpoint.Hit("commit.after-manifests")
	failpoint.Hit("commit.before-metadata")
	err = eachTable(c, func(i int, t *lake.TableChange) error {
		return changes[i].writeMetadata(filepath.Join(l.tableDir(t.Table), "metadata"), out)
	})
	if err != nil {
		return nil, err
	}
	if err := out.sync(l.warehouse); err != nil {
		return nil, err
	}
	failpoint.Hit("commit.after-metadata")
	return changes, nil
}

// eachTable calls f for every table side by side.
func eachTable(c *lake.Commit, f func(i int, t *lake.TableChange) error) error {
	errs := make([]error, len(c.Tables))
	var wg sync.WaitGroup
	for i := range c.Tables {
		wg.Go(func() {
			if err := f(i, &c.Tables[i]); err != nil {
				errs[i] = fmt.Errorf("table %s: %w", c.Tables[i].Table, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func summaryProps(c *lake.Commit, t *lake.TableChange) map[string]string {
	props := maps.Clone(t.Summary)
	if props == nil {
		props = map[string]string{}
	}
	props[keyCommit] = strconv.FormatInt(c.Number, 10)
	return props
}

// commitRecord is the summary of event_log's snapshot.
func (l *Lake) commitRecord(c *lake.Commit, rec *record, positions position.Set, changes []*staged) (map[string]string, error) {
	at := maps.Clone(rec.tables)
	for _, name := range c.Forget {
		delete(at, name)
	}
	for _, st := range changes {
		if st != nil && st.snapshot != nil {
			at[st.change.Table] = c.Number
		}
	}
	tables, err := json.Marshal(at)
	if err != nil {
		return nil, fmt.Errorf("write the commit record: %w", err)
	}
	text, err := positions.Encode()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(c.Tables, func(t lake.TableChange) bool { return t.Table == EventLog })
	props := summaryProps(c, &c.Tables[i])
	props[keyPipeline], props[keyPositions], props[keyTables], props[keyOwner] = l.pipeline, text, string(tables), strconv.FormatInt(c.Epoch, 10)
	return props, nil
}

// errConflict says, inside the transaction, that somebody else was there.
var errConflict = errors.New("conflict")

// publish makes the staged changes visible with one transaction: all or none. Their files are removed when they do not
// become visible.
func (l *Lake) publish(ctx context.Context, db *sql.DB, epoch int64, changes []*staged, files *output) (lake.Status, error) {
	failpoint.Hit("catalog.before-tx")
	err := l.transact(ctx, db, epoch, func(tx *sql.Tx) error {
		for _, st := range changes {
			if err := l.movePointer(ctx, tx, st); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		failpoint.Hit("catalog.after-commit")
	}
	if err != nil && !errors.Is(err, errConflict) {
		// Whether the transaction took place is not known: the catalog is asked.
		visible, readErr := l.visible(context.WithoutCancel(ctx), changes)
		if readErr != nil {
			return 0, fmt.Errorf("%w; whether it took place is unknown (%w), and is found out by the next run", err, readErr)
		}
		if visible {
			err = nil
		}
	}
	if err != nil {
		files.remove()
		if errors.Is(err, errConflict) {
			return lake.Conflict, nil
		}
		return 0, err
	}
	for _, st := range changes {
		if st.next != nil {
			l.keep(st.next)
			removeOldMetadata(st)
		}
	}
	return lake.Committed, nil
}

// visible reports whether the catalog points to what this attempt wrote: for one table, since they move together.
func (l *Lake) visible(ctx context.Context, changes []*staged) (bool, error) {
	i := slices.IndexFunc(changes, func(st *staged) bool { return st.next != nil })
	p, err := l.pointer(ctx, changes[i].change.Table)
	if errors.Is(err, lake.ErrNoTable) {
		return false, nil
	}
	return err == nil && changes[i].next.location == p.location, err
}

// transact moves metadata pointers in one transaction. It returns errConflict when the owner is not the one that the
// move was made for, or when move does.
func (l *Lake) transact(ctx context.Context, db *sql.DB, epoch int64, move func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	var owner int64
	err = tx.QueryRowContext(ctx, "SELECT epoch FROM lakeflow_owner WHERE pipeline = ?", l.pipeline).Scan(&owner)
	if errors.Is(err, sql.ErrNoRows) || err == nil && owner != epoch {
		return errConflict
	}
	if err != nil {
		return fmt.Errorf("read owner: %w", err)
	}
	if err := move(tx); err != nil {
		return err
	}
	failpoint.Hit("catalog.after-pointers")
	failpoint.Hit("catalog.before-commit")
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// movePointer points the catalog to the table's new metadata, if it still points to the metadata that the change was
// made for.
func (l *Lake) movePointer(ctx context.Context, tx *sql.Tx, st *staged) error {
	var result sql.Result
	var err error
	namespace, name := l.split(st.change.Table)
	if st.base == nil {
		result, err = tx.ExecContext(ctx, `INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, previous_metadata_location, iceberg_type)
			VALUES (?, ?, ?, ?, NULL, 'TABLE') ON CONFLICT DO NOTHING`, catalogName, namespace, name, st.next.location)
	} else {
		location := st.base.location
		if st.next != nil {
			location = st.next.location
		}
		result, err = tx.ExecContext(ctx, `UPDATE iceberg_tables SET
				previous_metadata_location = CASE WHEN metadata_location = ?1 THEN previous_metadata_location ELSE metadata_location END, metadata_location = ?1
			WHERE catalog_name = ?2 AND table_namespace = ?3 AND table_name = ?4 AND metadata_location = ?5`,
			location, catalogName, namespace, name, st.base.location)
	}
	if err != nil {
		return fmt.Errorf("move table %s: %w", st.change.Table, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errConflict
	}
	if st.base == nil {
		if err := l.claim(ctx, tx, namespace, name); err != nil {
			return err
		}
	}
	return storeHead(ctx, tx, st)
}

// storeHead keeps the head of a table that moved beside its pointer.
func storeHead(ctx context.Context, tx *sql.Tx, st *staged) error {
	if st.next == nil {
		return nil
	}
	if st.base != nil {
		if _, err := tx.ExecContext(ctx, "DELETE FROM lakeflow_heads WHERE metadata_location = ?", st.base.location); err != nil {
			return fmt.Errorf("store head: %w", err)
		}
	}
	return insertHead(ctx, tx, st.next)
}

func insertHead(ctx context.Context, tx *sql.Tx, h *head) error {
	text, err := h.store()
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO lakeflow_heads (metadata_location, head) VALUES (?, ?)", h.location, text); err != nil {
		return fmt.Errorf("store head: %w", err)
	}
	return nil
}

// removeOldMetadata deletes the metadata files that the new one's log has dropped. The one before stays readable for
// whoever has just looked it up; a file that cannot be removed only takes up space.
func removeOldMetadata(st *staged) {
	if st.base == nil {
		return
	}
	kept := map[string]bool{}
	for _, file := range st.next.meta.PreviousFiles() {
		kept[file] = true
	}
	for _, file := range st.meta.PreviousFiles() {
		if !kept[file] {
			_ = os.Remove(local(file))
		}
	}
}
