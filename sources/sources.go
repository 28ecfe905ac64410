// Package sources is the contract between the engine and what it reads from: files, and later Kafka and change feeds.
// A source hands out bounded batches of new records from a position; it never decides what has been
// read, because positions live in the lake's commits.
package sources

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
)

// Position is how far an input has been read, as the source encodes it (JSON, small: it is stored in every commit). A
// nil Position is the beginning. Readers at equal positions have read the same records, so one batch serves them all.
type Position = json.RawMessage

// LedgerEntry is one durable fact about an input that is too many to sit in the position: for files, that
// one path was read. Entries are written by the same commit as the tables.
type LedgerEntry struct {
	Key   string // for files: the path relative to the source's root
	Value string // for files: size, modification time, outcome
}

// Ledger reads the entries that the last commit left, in key order.
type Ledger interface {
	// All yields every entry of the input. It may be called from any goroutine and is read once.
	All(ctx context.Context) iter.Seq2[LedgerEntry, error]
}

// LedgerError says that the entries of an input are not those that its position was made with: some were lost, added or
// changed.
type LedgerError struct{ Want, Have string }

func (e *LedgerError) Error() string {
	return fmt.Sprintf("the ledger does not agree with the position: a hash over what was read is %s, and %s over what the ledger says was read", e.Want, e.Have)
}

// Session is what a source works with while it makes a batch.
type Session struct {
	// Conn is a DuckDB connection of the engine's sandboxed database. The source may create TEMP objects on it whose
	// names begin with Prefix, and must not close it. One goroutine uses it at a time.
	Conn *sql.Conn
	// Prefix is unique among the inputs of an update: "__src3_".
	Prefix string
	// TempDir is a folder that DuckDB may read and write, emptied when the update ends.
	TempDir string
}

// Source reads one declared source. Implementations are used by one goroutine at a time. A batch of Next is good until
// the next call of Next, one of Snapshot until the next call of Snapshot: then its temporary files are removed.
type Source interface {
	// Schema returns the columns that the source's relation has: those remembered in the position, else inferred from
	// what is there now, with the declared hints applied; and what it found, where that is not what one expects of a
	// source.
	Schema(ctx context.Context, s Session, from Position) (Found, error)
	// Next returns the next batch after from, bounded by the source's limits, or nil when nothing new is there.
	Next(ctx context.Context, s Session, from Position, read Ledger) (*Batch, error)
	// Rewind returns a position at the beginning that remembers the columns that p remembers: where a further reader of
	// the source starts.
	Rewind(p Position) (Position, error)
	// Fingerprint says cheaply what the source holds now: equal fingerprints mean equal contents. No record is read for
	// it.
	Fingerprint(ctx context.Context) (Position, error)
	// Snapshot returns everything that is there now as one relation, for queries that read the
	// source without STREAM. Its Position has no meaning.
	Snapshot(ctx context.Context, s Session, from Position) (*Batch, error)
	// Places are the files or topics that were read up to a position. Of what was read by Snapshot they may be missing.
	Places(ctx context.Context, at Position, read Ledger) ([]Location, error)
	// Folders are the local folders that DuckDB must be allowed to read.
	Folders() []string
	// Close releases what the source holds.
	Close() error
}

// Found is what a source saw when it was asked for its columns.
type Found struct {
	// Columns without _metadata. Empty when nothing is there yet to infer from and no hints are declared.
	Columns schemas.Table
	// Keys are the columns that tell the rows apart which the source's rows are changes of; nil where they are not known,
	// or the rows are no changes.
	Keys []string
	// Lack says what is missing, in a clause: "no file matches landing/*.json: the folder /data/landing is not there".
	// It is set when there are no Columns, and also with columns when the source looks in a place where nothing is.
	// Remedy is what to do about it, in the imperative.
	Lack, Remedy string
}

// Acknowledger is a source that wants to know how far the commits are.
type Acknowledger interface {
	// Acknowledge is called after the commit of a batch with its position. It is for tools outside: nothing depends on
	// it.
	Acknowledge(ctx context.Context, at Position) error
}

// Waiter is a source that knows when a full batch is there.
type Waiter interface {
	// Wait returns then, when reading has failed, or when ctx is done. It may be called while a batch is in use.
	Wait(ctx context.Context)
}

// Remote is a source that is reached over a network.
type Remote interface {
	// Reach asks the other side for what Schema and Next ask it first. It may be called beside the methods of other
	// sources.
	Reach(ctx context.Context) error
}

// UnavailableError says that a source, or a lake, cannot be reached at the moment: a broker is away, a catalog is busy.
// A continuous update waits and tries again.
type UnavailableError struct{ Err error }

func (e *UnavailableError) Error() string { return e.Err.Error() }

func (e *UnavailableError) Unwrap() error { return e.Err }

// Batch is a bounded set of new records, as SQL over the session. The engine evaluates Relation while the
// batch lives, and drops it after the commit.
type Batch struct {
	// Relation is a DuckDB table expression, to be put behind FROM. It has the columns of Columns, in order, then
	// _metadata, a struct, and those of schemas.Provenance with positions, which are NULL where nothing is known. Reading it may fail when a record can't be parsed: see Repair. It is empty when the
	// batch brings no records but Ledger, Rejects or Notices to commit; Repair can give such a one too.
	Relation string
	// Columns of the relation. They differ from the last position's when the source's schema evolved.
	Columns schemas.Table
	// Places are the files or topics that the rows of Relation are from.
	Places []Location
	// Position is where the input stands once this batch is committed.
	Position Position
	// Ledger are the entries to be written with the commit; they replace those with the same key.
	Ledger []LedgerEntry
	// Rejects is a DuckDB table expression of the records, and whole files, that could not be read, known so far:
	// RejectColumns, in order. Empty when RejectCount is 0.
	Rejects     string
	RejectCount int64
	// Notices are things the user should know: a file changed after it was read, a column was added.
	Notices []Notice
	// Items and Bytes say how much the batch reads: files and their sizes. More is true when the next batch
	// should follow at once; Backlog says how many items are waiting, if known, and BacklogBytes the sizes of files.
	Items   int
	Bytes   int64
	More    bool
	Backlog int
	// BacklogBytes is 0 where items are records.
	BacklogBytes int64
	// Ignored is how many records bring no row and are no mistake, as they are no data.
	Ignored int64
	// Newest is the time of the newest record of the batch, as the source tells it; zero when it does not.
	Newest time.Time
	// Trace reads the records of some places again, as many as that is worth, to tell which record each row is made of.
	// It returns nil when it cannot be told; it is nil where it never can, or where Relation tells it.
	Trace func(ctx context.Context, s Session, places map[int64]bool) (*Traced, error)
	// Repair is called when reading Relation failed with cause. It finds out which records are to blame, and returns a
	// batch that takes the place of this one: with those in Rejects, a Relation that leaves them out, and the Ledger,
	// Notices, Items and Bytes that follow from that. This one is not changed. It returns nil when the source is not to
	// blame. Nil when the source cannot fail that way.
	Repair func(ctx context.Context, s Session, cause error) (*Batch, error)
}

// Traced are rows with their records, good as long as their batch.
type Traced struct {
	// Relation has the rows of some of the places of Batch.Relation, all of each, and the same columns; their positions
	// are the byte offsets of the records in their files.
	Relation string
	// Records is a table expression of these places' records: place BIGINT, "offset" BIGINT, line BIGINT, raw BLOB, with
	// the meaning that they have in RejectColumns.
	Records string
}

// RejectColumns are the columns of Batch.Rejects, one row per record or file that could not be read: file is the path,
// or topic; line is the 1-based line (or array element, or row), 0 when the whole file is meant or there are no lines;
// offset is the byte offset of the record, or its offset in a partition, -1 when unknown; raw is the record as found,
// cut at 1 MiB; reason is one sentence; whole is true when nothing of the file was taken; partition is the topic's,
// NULL for files.
const RejectColumns = `file VARCHAR, line BIGINT, "offset" BIGINT, raw BLOB, reason VARCHAR, whole BOOLEAN, "partition" INTEGER`

// Notice is something about the input that the user should know and that stops nothing. Kind is a stable word:
// file_changed, file_vanished, file_corrupt, file_unsupported (it is well, but written in a way that is not read),
// digits_cut, column_added, column_ignored, file_unreadable (a permission is missing: it is tried again next time),
// files_passed_over (they have other extensions), folder_missing.
type Notice struct {
	Kind    string
	Subject string // the file or column
	Message string
}
