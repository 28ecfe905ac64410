// Package iceberg is the embedded lake: Apache Iceberg tables in a local warehouse folder, with an SQLite catalog in
// the JDBC layout that PyIceberg's and Spark's catalogs read, under the catalog name "lakeflow".
//
// Every commit moves all its tables, the marks of its inputs and the commit number in one SQLite transaction. The
// commit number, the positions and the owner stand in the summary of event_log's snapshot, so they cannot part from the
// tables. Files are written and synced before that transaction; files of an attempt that did not get there are never
// referenced.
package iceberg

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// EventLog is the table of the pipeline's own namespace whose head is the commit record: every commit must add to it.
const EventLog = "event_log"

// Lake is one pipeline's view of a warehouse. Tables of the pipeline's own namespace are called by their names, those of
// others by both: bronze.orders, see schemas.SplitName. It implements lake.Lake and lake.Reader, reads the catalog anew
// on each call and is safe for concurrent use, except for Commit.
type Lake struct {
	warehouse, namespace, pipeline string // warehouse is absolute
	retention                      Retention
	// TempDirectory is where processes keep their temp folders, when that is not in the warehouse; set it before the
	// lake is used.
	TempDirectory string

	commits sync.Mutex // held by whoever moves tables

	mu    sync.Mutex
	quiet [2]time.Time     // ends of the last two commits, or when this process became the writer
	db    *sql.DB          // nil until the catalog exists
	lock  *os.File         // held while this process is the writer
	heads map[string]*head // by table, as read last
	// frozen is true while db shows the catalog as it was when it was opened; former are those of before.
	frozen bool
	former []*sql.DB
}

// Open returns the lake of a pipeline. It reads and creates nothing: a warehouse that does not exist is an empty lake.
// The caller closes it.
func Open(_ context.Context, warehouse, namespace, pipeline string, keep Retention) (*Lake, error) {
	root, err := filepath.Abs(warehouse)
	if err != nil {
		return nil, fmt.Errorf("open warehouse: %w", err)
	}
	if !isFolder(namespace) {
		return nil, fmt.Errorf("open warehouse: %q cannot be a schema; use letters, digits and _", namespace)
	}
	return &Lake{warehouse: root, namespace: namespace, pipeline: pipeline, retention: keep, heads: map[string]*head{}}, nil
}

// DataDir is the folder for the data files of a table. It need not exist yet.
func (l *Lake) DataDir(table string) string { return filepath.Join(l.tableDir(table), "data") }

func (l *Lake) tableDir(table string) string {
	namespace, name := l.split(table)
	return filepath.Join(l.warehouse, namespace, name)
}

// Acquire makes this process the pipeline's writer, creating the warehouse and its catalog. The place is held by a lock
// that the kernel frees when the process ends, however it ends; the epoch fences off a writer that lost it.
func (l *Lake) Acquire(ctx context.Context, holder lake.Holder) (int64, error) {
	failpoint.Hit("owner.before-acquire")
	if err := l.takeLock(holder); err != nil {
		return 0, err
	}
	db, err := l.catalog(ctx, true)
	if err != nil {
		return 0, err
	}
	if err := l.checkFolder(ctx, db); err != nil {
		return 0, err
	}
	text, err := json.Marshal(holder)
	if err != nil {
		return 0, fmt.Errorf("acquire pipeline %s: %w", l.pipeline, err)
	}
	var epoch int64
	err = db.QueryRowContext(ctx, `INSERT INTO lakeflow_owner (pipeline, epoch, holder) VALUES (?, 1, ?)
		ON CONFLICT (pipeline) DO UPDATE SET epoch = epoch + 1, holder = excluded.holder RETURNING epoch`, l.pipeline, string(text)).Scan(&epoch)
	if err != nil {
		return 0, l.passing(fmt.Errorf("acquire pipeline %s: %w", l.pipeline, err))
	}
	failpoint.Hit("owner.after-acquire")
	l.ended()
	l.ended()
	return epoch, nil
}

// ended notes that a commit has ended. While a batch is committed, the next one may already be written, but not the one
// after it.
func (l *Lake) ended() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quiet[0], l.quiet[1] = l.quiet[1], time.Now()
}

// takeLock locks the pipeline's lock file and writes the holder into it. The file stays when the lock is given up:
// removing it would let two processes lock two files of the same name.
func (l *Lake) takeLock(holder lake.Holder) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock != nil {
		return nil
	}
	dir := filepath.Join(l.warehouse, l.namespace)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make warehouse: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "."+url.PathEscape(l.pipeline)+".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("lock pipeline %s: %w", l.pipeline, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer f.Close()
		held := &lake.HeldError{}
		_ = json.NewDecoder(f).Decode(&held.Holder) // the winner may be just about to write it
		return held
	}
	if err == nil {
		err = writeHolder(f, holder)
	}
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("lock pipeline %s: %w", l.pipeline, err)
	}
	l.lock = f
	return nil
}

func writeHolder(f *os.File, holder lake.Holder) error {
	text, err := json.Marshal(holder)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(text, '\n'), 0)
	return err
}

// Close gives up the writer's place and closes the catalog.
func (l *Lake) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	if l.db != nil {
		errs = append(errs, l.db.Close())
		l.db = nil
	}
	for _, db := range l.former {
		errs = append(errs, db.Close())
	}
	l.former = nil
	if l.lock != nil {
		errs = append(errs, l.lock.Close()) // frees the lock
		l.lock = nil
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close warehouse: %w", err)
	}
	return nil
}
