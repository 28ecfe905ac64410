package iceberg

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// The keys of snapshot summaries.
const (
	keyCommit    = "lakeflow.commit"    // of every snapshot: the number of the commit
	keyPipeline  = "lakeflow.pipeline"  // of event_log's snapshots, as the others below
	keyPositions = "lakeflow.positions" // what position.Set.Encode gives
	keyTables    = "lakeflow.tables"    // a JSON object: table to the commit that wrote to it last
	keyOwner     = "lakeflow.owner"     // the epoch of the writer
)

// head is a table as the catalog has it. What State needs is kept in the catalog beside the pointer, so that a run that
// finds nothing to do need not read the table's whole history; the metadata itself is read when it is needed.
type head struct {
	name     string
	location string
	state    lake.TableState
	summary  map[string]string // lakeflow's entries of the head snapshot
	repaired string            // what was damaged and read from elsewhere; empty when nothing was

	mu   sync.Mutex
	meta *metadata.Table // nil until load
}

// storedHead is a head in the table lakeflow_heads. It is derived from the metadata file, which never changes, and is
// left unread when another version of lakeflow wrote it.
type storedHead struct {
	Version int
	State   lake.TableState
	Summary map[string]string
}

const storedHeadVersion = 3

// store makes a row of lakeflow_heads: a checksum over the location and the head, and the head.
func (h *head) store() (string, error) {
	text, err := json.Marshal(storedHead{storedHeadVersion, h.state, h.summary})
	if err != nil {
		return "", fmt.Errorf("store head of %s: %w", h.name, err)
	}
	return headSum(h.location, string(text)) + " " + string(text), nil
}

func headSum(location, text string) string {
	sum := sha256.Sum256([]byte(location + "\x00" + text))
	return hex.EncodeToString(sum[:])
}

// restore makes a head of what store gave. It returns nil when the metadata file is to be read, because nothing is
// stored, or another version of lakeflow wrote it; damaged says that it is not what was written.
func restore(name, location, stored string) (h *head, damaged bool) {
	if stored == "" {
		return nil, false
	}
	sum, text, _ := strings.Cut(stored, " ")
	if sum != headSum(location, text) {
		return nil, true
	}
	var s storedHead
	if json.Unmarshal([]byte(text), &s) != nil || s.Version != storedHeadVersion || s.State.Name != name {
		return nil, false
	}
	return &head{name: name, location: location, state: s.State, summary: s.Summary}, false
}

// load reads the table's metadata, once.
func (h *head) load() (*metadata.Table, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.meta != nil {
		return h.meta, nil
	}
	meta, err := readMetadata(h.name, h.location)
	if err != nil {
		return nil, err
	}
	h.meta = meta
	return meta, nil
}

func readMetadata(name, location string) (*metadata.Table, error) {
	content, err := readChecked(local(location))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, lostMetadata(name, location)
	}
	var meta *metadata.Table
	if err == nil {
		meta, err = parseMetadata(content)
	}
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, damaged("metadata file", location, err))
	}
	return meta, nil
}

func parseMetadata(content []byte) (meta *metadata.Table, err error) {
	defer caught(&err)
	return metadata.Parse(content)
}

// lostError says that the metadata file that a pointer names is not there. Commits remove the metadata files of long
// ago, so a pointer that was read before them is to be read again.
type lostError struct{ table, location string }

func (e *lostError) Error() string {
	return fmt.Sprintf("table %s: %v", e.table, damaged("metadata file", e.location, fs.ErrNotExist))
}

func lostMetadata(name, location string) error { return &lostError{name, location} }

// moved reports whether err came from a pointer that has moved since it was read.
func (l *Lake) moved(ctx context.Context, err error) bool {
	var lost *lostError
	if !errors.As(err, &lost) {
		return false
	}
	p, err := l.pointer(ctx, lost.table)
	if err == nil && p.location == lost.location && l.thaw() {
		p, err = l.pointer(ctx, lost.table)
	}
	return err == nil && p.location != lost.location
}

// State reads the tables of the pipeline and, from event_log's head, the commit number and the positions.
func (l *Lake) State(ctx context.Context) (*lake.State, error) {
	state, err := l.state(ctx)
	return state, l.passing(err)
}

func (l *Lake) state(ctx context.Context) (*lake.State, error) {
	db, err := l.catalog(ctx, false)
	if err != nil {
		return nil, err
	}
	if db == nil {
		if err := l.checkFolder(ctx, nil); err != nil {
			return nil, err
		}
		return &lake.State{Positions: position.Set{}, Tables: map[string]lake.TableState{}}, nil
	}
	heads, err := l.readHeads(ctx, db)
	if err != nil {
		return nil, err
	}
	rec, err := l.record(ctx, db, heads)
	if err != nil {
		return nil, err
	}
	state := &lake.State{Commit: rec.commit, Positions: rec.positions, Recorded: rec.tables, Tables: make(map[string]lake.TableState, len(heads))}
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		h := heads[name]
		state.Tables[name] = h.state
		if h.repaired != "" {
			state.Repaired = append(state.Repaired, h.repaired)
			h.repaired = ""
		}
	}
	return state, nil
}

// readHeads reads the heads of all tables.
func (l *Lake) readHeads(ctx context.Context, db *sql.DB) (map[string]*head, error) {
	pointers, err := l.pointers(ctx, db)
	if err != nil {
		return nil, err
	}
	heads := make(map[string]*head, len(pointers))
	for _, p := range pointers {
		if heads[p.table], err = l.readHead(p); err != nil {
			if l.moved(ctx, err) {
				return l.readHeads(ctx, db)
			}
			return nil, err
		}
	}
	return heads, nil
}

// readHead returns the head behind a pointer: the one read before, the one kept in the catalog, or else from the
// metadata file.
func (l *Lake) readHead(p pointer) (*head, error) {
	l.mu.Lock()
	h := l.heads[p.table]
	l.mu.Unlock()
	if h != nil && h.location == p.location {
		return h, nil
	}
	h, broken := restore(p.table, p.location, p.stored)
	if h != nil {
		if _, err := os.Stat(local(p.location)); errors.Is(err, fs.ErrNotExist) {
			return nil, lostMetadata(p.table, p.location)
		}
		l.keep(h)
		return h, nil
	}
	meta, err := readMetadata(p.table, p.location)
	if err != nil {
		return nil, err
	}
	if h, err = newHead(p.table, p.location, meta); err != nil {
		return nil, err
	}
	if broken {
		h.repaired = fmt.Sprintf("what %s keeps of table %s is damaged; it was read from %s, which has the same", l.catalogFile(), p.table, local(p.location))
	}
	l.keep(h)
	return h, nil
}

func (l *Lake) keep(h *head) {
	l.mu.Lock()
	l.heads[h.name] = h
	l.mu.Unlock()
}

func newHead(name, location string, meta *metadata.Table) (*head, error) {
	schema, err := columns(meta.CurrentSchema().Fields())
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	partition, err := partitionFields(meta.PartitionSpec(), meta.CurrentSchema())
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	state := lake.TableState{Name: name, UUID: meta.UUID.String(), Schema: schema, Partition: partition, Properties: maps.Clone(meta.Properties()), LastID: meta.LastColumnID}
	entries := map[string]string{}
	if s := meta.CurrentSnapshot(); s != nil {
		for _, key := range []string{keyCommit, keyPipeline, keyPositions, keyTables, keyOwner} {
			if v := summary(s, key); v != "" {
				entries[key] = v
			}
		}
		state.Snapshot, state.Commit = s.SnapshotID, summaryInt(s, keyCommit)
		state.Rows = liveRows(s)
		state.Bytes, state.Files, state.Deletes = summaryInt(s, "total-files-size"), summaryInt(s, "total-data-files"), summaryInt(s, "total-delete-files")
	}
	return &head{name: name, location: location, state: state, summary: entries, meta: meta}, nil
}

// liveRows are the rows of a snapshot without those that were removed.
func liveRows(s *metadata.Snapshot) int64 {
	return summaryInt(s, "total-records") - summaryInt(s, "total-position-deletes")
}

// summary reads one entry of a snapshot's summary, empty when it is not there.
func summary(s *metadata.Snapshot, key string) string {
	if s == nil {
		return ""
	}
	return s.Summary[key]
}

// summaryInt reads a number, 0 when it is not there.
func summaryInt(s *metadata.Snapshot, key string) int64 { return number(summary(s, key)) }

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// record is what event_log's head says of the last commit.
type record struct {
	commit, owner int64
	positions     position.Set
	tables        map[string]int64 // the commits that wrote to them last
}

// record reads the commit record, and refuses states that no sequence of commits and crashes can leave.
func (l *Lake) record(ctx context.Context, db *sql.DB, heads map[string]*head) (*record, error) {
	log := heads[EventLog]
	if log == nil {
		return &record{positions: position.Set{}, tables: map[string]int64{}}, l.checkUnborn(ctx, db, heads)
	}
	rec := &record{commit: number(log.summary[keyCommit]), owner: number(log.summary[keyOwner])}
	if rec.commit <= 0 || log.summary[keyPositions] == "" {
		return nil, fmt.Errorf("the last snapshot of %s.%s has no %s: another program has written to it; roll the table back to its last snapshot that has one",
			l.namespace, EventLog, keyCommit)
	}
	if p := log.summary[keyPipeline]; p != l.pipeline {
		return nil, fmt.Errorf("schema %s belongs to pipeline %s, not to %s; give each pipeline a target schema of its own", l.namespace, p, l.pipeline)
	}
	if strings.HasPrefix(log.summary[keyPositions], "{") {
		return nil, fmt.Errorf("the warehouse %s was written by an earlier version of lakeflow, whose positions this one does not read; go on with that version, or begin anew in another warehouse", l.warehouse)
	}
	var err error
	if rec.positions, err = position.Decode(log.summary[keyPositions]); err == nil {
		err = json.Unmarshal([]byte(log.summary[keyTables]), &rec.tables)
	}
	if err != nil {
		return nil, fmt.Errorf("the positions of commit %d in %s cannot be read (%w); restore the warehouse from a backup", rec.commit, local(log.location), err)
	}
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		if c := heads[name].state.Commit; c > rec.commit {
			return nil, fmt.Errorf("table %s is at commit %d, but %s at commit %d: the catalog mixes two states; restore the warehouse from a backup",
				name, c, EventLog, rec.commit)
		}
	}
	for k, p := range rec.positions {
		if at, err := position.Commit(p); err == nil && k.Kind.Ordered() && at > rec.commit {
			return nil, fmt.Errorf("the position of %s is at commit %d, but the last commit is %d; restore the warehouse from a backup", k, at, rec.commit)
		}
	}
	return rec, nil
}

// checkUnborn makes sure that a pipeline without event_log has never committed.
func (l *Lake) checkUnborn(ctx context.Context, db *sql.DB, heads map[string]*head) error {
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		if heads[name].state.Commit > 0 {
			return l.lostLog(fmt.Sprintf("table %s has commit %d", name, heads[name].state.Commit))
		}
	}
	var location string
	log := "/" + l.namespace + "/" + EventLog + "/metadata/" // wherever the warehouse was then
	err := db.QueryRowContext(ctx, "SELECT metadata_location FROM lakeflow_heads WHERE instr(metadata_location, ?) > 0 LIMIT 1", log).Scan(&location)
	switch {
	case err == nil:
		return l.lostLog("the catalog remembers tables that were there, for example " + local(location))
	case !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("read catalog: %w", err)
	}
	return l.checkFolder(ctx, db)
}

func (l *Lake) lostLog(evidence string) error {
	return fmt.Errorf("pipeline %s has no table %s.%s, but %s: the table was dropped; restore %s from a backup, or remove the warehouse folder %s to begin anew",
		l.pipeline, l.namespace, EventLog, evidence, l.catalogFile(), l.warehouse)
}
