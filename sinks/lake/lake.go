// Package lake is the contract between the engine and where it stores tables: a Lake of versioned tables
// that are committed together. What leaves the lake goes to a sink.
package lake

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
)

// Lake is a set of versioned tables with one commit for all. Implementations are safe for
// concurrent reads; Commit is called by one goroutine at a time.
type Lake interface {
	// State reads what the last commit left: which tables there are, the positions, the commit number. It
	// creates nothing.
	State(ctx context.Context) (*State, error)
	// Acquire makes the caller the pipeline's only writer and returns the epoch that its commits must carry. It
	// returns *HeldError when another live process holds it.
	Acquire(ctx context.Context, holder Holder) (epoch int64, err error)
	// Commit publishes everything in c or nothing.
	Commit(ctx context.Context, c *Commit) (Outcome, error)
	// Close releases the writer's place and all handles.
	Close() error
}

// Reader gives the contents of tables. The embedded lake is both a Lake and a Reader.
type Reader interface {
	// Files returns the data files of a table at a version. An unknown table gives ErrNoTable, an unknown snapshot
	// ErrExpired.
	Files(ctx context.Context, table string, at Version) (*Contents, error)
	// Appended returns the files that commits after number after added, in the order of the commits, stopping after the
	// commit that passes maxBytes (0: no limit); Contents.Commit is the last commit taken. It returns ErrRewritten when
	// the table's rows were replaced by a commit after it (its very first write is no replacement), because then "new
	// rows" has no meaning, and ErrExpired when the history after it is gone. after 0 is the beginning: what the table
	// had after its last rewrite comes first.
	Appended(ctx context.Context, table string, after int64, maxBytes int64) (*Contents, error)
	// Changes returns what each commit after number after, up to and with number until (0: the last one), did to the rows
	// of a table, in the order of the commits, stopping after the commit that passes maxBytes (0: no limit). after 0 is
	// the beginning. It returns ErrExpired when the history after it is gone, and ErrRewritten when rows were removed whose
	// columns the table does not have any more.
	Changes(ctx context.Context, table string, after, until, maxBytes int64) (*Changes, error)
	// History lists the snapshots of a table, oldest first.
	History(ctx context.Context, table string) ([]Snapshot, error)
	// Check compares what is kept of a table outside of its metadata with that. It says what differs, in one sentence
	// with a remedy.
	Check(ctx context.Context, table string) error
	// DataDir is the folder into which data files of the table are to be written.
	DataDir(table string) string
}

// Maintainer tidies a lake up without changing a row of it. Rewrite, Expire and RemoveOrphans are for the pipeline's
// writer; they may be called while it commits.
type Maintainer interface {
	// Stored lists the live files of a table that can be rewritten: those with its present partition fields. An unknown
	// table gives ErrNoTable.
	Stored(ctx context.Context, table string) (*Stored, error)
	// Rewrite replaces files of a table by others with the same rows, in a commit of its own. What State says of
	// commits and positions stays as it is, and Appended does not see it. It loses every race: Conflict means that a
	// commit removed one of the files, or that another writer took over. A rewrite whose row counts do not agree is
	// refused with an error.
	Rewrite(ctx context.Context, r *Rewrite) (Status, error)
	// Expire drops the snapshots of all tables that are beyond the retention, and returns how many by table. Those that
	// a stream still needs stay, within limits.
	Expire(ctx context.Context, epoch int64) (map[string]int, error)
	// Expirable counts what Expire would drop.
	Expirable(ctx context.Context) (map[string]int, error)
	// Orphans lists files that no snapshot needs and that were written, or were last needed, longer ago than a grace
	// time. What a batch under way may have written is not among them. Other files of the warehouse, and tables that
	// lakeflow did not write, are left alone.
	Orphans(ctx context.Context, olderThan time.Duration) ([]Orphan, error)
	// RemoveOrphans removes what Orphans lists, and folders that are empty, and returns what it removed.
	RemoveOrphans(ctx context.Context, olderThan time.Duration) ([]Orphan, error)
	// Relocate is what there is to do about a MovedError: it makes the tables, with all their snapshots, name the files
	// where they are now, all or none. The tables of a copy get other UUIDs. Without such an error it does nothing.
	Relocate(ctx context.Context, epoch int64) (*Relocation, error)
}

// Relocation is what Relocate did. Tables is empty when there was nothing to do.
type Relocation struct {
	From, To string // folders of the lake
	Copied   bool
	Tables   []string
	Files    int // that were written anew: of metadata, and those that name removed rows
}

// Stored is what a table consists of, for whoever rewrites files.
type Stored struct {
	Schema    schemas.Table
	Partition []schemas.PartitionField
	Files     []StoredFile
	// Deletes are the files that name removed rows; see DeleteSchema.
	Deletes []StoredFile
}

// StoredFile is a live file of a table.
type StoredFile struct {
	Path      string // absolute
	Rows      int64
	Bytes     int64
	Partition string // equal for files with the same partition values
	// Deletes are the paths of the files that may name rows of this one.
	Deletes []string
}

// Rewrite replaces files of one table.
type Rewrite struct {
	Table string
	Epoch int64
	// Remove are paths, of files with rows and of files that name removed ones.
	Remove []string
	// Add has the rows of all files of Remove but those that were removed, with the table's present schema, in partitions
	// that these have. AddDeletes names what the files of Remove name of rows that stay where they are.
	Add        []DataFile
	AddDeletes []DeleteFile
	// Deletes are the paths of all files that named removed rows when the work began. When there are others now, rows
	// were removed since, and the rewrite loses.
	Deletes []string
}

// Orphan is a file that nothing needs, or a temp folder of a process that has ended.
type Orphan struct {
	Table string // empty for temp folders
	Path  string
	Bytes int64
}

// Version selects what to read: the head (zero value), a snapshot id, a commit number, or the head at a time.
type Version struct {
	Snapshot int64
	Commit   int64
	AsOf     time.Time
}

// Holder says who a writer is; it is shown to whoever comes second.
type Holder struct {
	Update  string    `json:"update"`
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Started time.Time `json:"started"`
}

// HeldError says that another process is the pipeline's writer.
type HeldError struct{ Holder Holder }

func (e *HeldError) Error() string {
	return "another update is running: " + e.Holder.Update + ", process " + strconv.Itoa(e.Holder.PID) + " on " + e.Holder.Host +
		", since " + e.Holder.Started.Format(time.RFC3339) + "; wait for it to end, or stop it"
}

// MovedError says that the tables name files in another folder than the one that the lake was opened in: it was moved,
// or copied. Nothing was read or written.
type MovedError struct {
	From, To string // folders of the lake
	Copied   bool   // there is still a lake in From
}

func (e *MovedError) Error() string {
	if e.Copied {
		return "the warehouse " + e.To + " is a copy of " + e.From + ", which is still there and whose files its tables name; " +
			"nothing was read or changed. Go on with the original, or make the copy a warehouse of its own with lakeflow relocate"
	}
	return "the warehouse " + e.To + " was moved here from " + e.From + ", where its tables still look for their files; " +
		"nothing was read or changed. lakeflow relocate makes them look here, and so does the next lakeflow run"
}

var (
	// ErrNoTable says that a table does not exist yet.
	ErrNoTable = errors.New("no such table")
	// ErrRewritten says that a table's contents were replaced, so it cannot be read from where a stream stood.
	ErrRewritten = errors.New("table was rewritten")
	// ErrExpired says that a stream stood still for so long that the history it needs is gone.
	ErrExpired = errors.New("the history was expired")
)

// State is what the last commit left.
type State struct {
	// Commit is the number of the last commit; 0 before the first.
	Commit    int64
	Positions position.Set
	// Tables that exist, by name.
	Tables map[string]TableState
	// Recorded is, by table, the commit that wrote to it last, as the last commit knew it. A table that is not there
	// any more, or is at an earlier commit, was dropped or rolled back by another program.
	Recorded map[string]int64
	// Repaired says what was damaged and could be read from elsewhere, in sentences.
	Repaired []string
}

// TableState is the head of a table.
type TableState struct {
	Name      string
	UUID      string        // as long as the table is not dropped
	Schema    schemas.Table // with field ids
	Partition []schemas.PartitionField
	// Properties of the table; lakeflow.definition holds what the engine remembers of the table's definition.
	Properties map[string]string
	LastID     int   // highest field id ever given in this table
	Snapshot   int64 // 0: the table exists but was never written
	Commit     int64 // lakeflow.commit of the head snapshot
	Rows       int64 // without those that were removed
	Bytes      int64
	Files      int64
	Deletes    int64 // files that name removed rows
}

// Snapshot is one version of a table.
type Snapshot struct {
	ID        int64
	Commit    int64 // lakeflow.commit, 0 for snapshots of other writers
	Time      time.Time
	Operation string // append, overwrite, delete, replace
	AddedRows int64
	// RemovedRows are those that were removed one by one. A snapshot that replaces all rows has none.
	RemovedRows int64
	TotalRows   int64
	Added       []string // paths of files that this snapshot added; filled by History
}

// Contents is what a reader of a table's version needs: the files and the schema to read them with, by field id.
type Contents struct {
	Schema   schemas.Table
	Snapshot int64
	Commit   int64 // lakeflow.commit of that snapshot
	Files    []DataFile
	Deletes  []DataFile // that name removed rows of Files; see DeleteSchema
}

// DataFile is one Parquet file. Written files carry statistics; files read back from a table need not.
type DataFile struct {
	Path  string // absolute
	Rows  int64  // those that were removed included
	Bytes int64
	// Deletes are the paths of the files that may name rows of this one that were removed, see DeleteSchema; only files
	// that are read have them.
	Deletes []string
	// Group is equal for files of one partition, be they all read or all written.
	Group string
	// Partition values by partition field name, as text (DuckDB's spelling of the transformed value); nil is NULL.
	Partition map[string]*string
	// Columns: statistics by dotted column path, as DuckDB's COPY … RETURN_STATS gives them.
	Columns map[string]ColumnStats
}

// DeleteFile is a Parquet file with the columns of DeleteSchema, in the order of both: each of its rows names one live
// row of a table that is to be removed. It names rows of one partition only (Iceberg: position deletes).
type DeleteFile struct {
	DataFile
	Of []string // the files whose rows it names, each once
}

// DeleteSchema are the columns of a DeleteFile: where the row is, as the lake's metadata spells the path (see URI), and
// its number in the file, from 0. The field ids are those that the Iceberg specification reserves.
func DeleteSchema() schemas.Table {
	return schemas.Table{
		{Name: "file_path", Type: schemas.Type{Kind: schemas.Varchar}, ID: 2147483546},
		{Name: "pos", Type: schemas.Type{Kind: schemas.BigInt}, ID: 2147483545},
	}
}

// URI is the location of a local file as metadata and delete files spell it. Nothing is escaped: PyIceberg and Hadoop
// take what follows file:// literally, so a % or a space in a path has to stay as it is.
func URI(path string) string { return "file://" + path }

// Changes are the rows that commits removed and added.
type Changes struct {
	Schema schemas.Table // the present one, that all rows can be read with
	// After is the last commit before them that the table's history has, 0 for its beginning. It is not the one that was
	// asked for where that did nothing to the table, or was rolled back by another program.
	After   int64
	Commits []CommitChanges
}

// CommitChanges are those of one commit.
type CommitChanges struct {
	Commit  int64
	Time    time.Time
	Added   []DataFile
	Removed []Removed
}

// Removed are rows that a commit removed: those that the files of By name, of Files as they were before, or, without By,
// all rows of Files.
type Removed struct {
	Files []DataFile
	By    []string
	Rows  int64
}

// ColumnStats are the statistics of one column of one file; Min and Max are DuckDB's text of the value.
type ColumnStats struct {
	Min, Max             string
	HasMin, HasMax       bool
	Nulls, Values, Bytes int64
	HasNaN               bool
}

// Mode says what a change does to the rows a table had.
type Mode int

const (
	// Append keeps them.
	Append Mode = iota
	// Replace removes them all.
	Replace
	// ReplacePartition removes those whose partition values equal one of Where; Add may hold files of any partition.
	ReplacePartition
)

// TableChange is what a commit does to one table. A table that does not exist is created.
type TableChange struct {
	Table string
	// Schema the table must have after the commit, with the field ids that the files of Add were written with: those of
	// the existing columns (TableState.Schema), new ones from TableState.LastID + 1 on (schemas.AssignIDs). Without
	// Recreate, only additions and safe widenings are accepted.
	Schema     schemas.Table
	Partition  []schemas.PartitionField
	Properties map[string]string
	Mode       Mode
	Where      []map[string]string // ReplacePartition: rows of partitions equal to any of these (field -> value) are removed
	Recreate   bool                // any schema or partition change is accepted (full refresh)
	Add        []DataFile
	// Remove names rows to remove, of Add, or, with Mode Append, those that the table has at Base. The commit conflicts
	// when a file that has them was rewritten meanwhile.
	Remove []DeleteFile
	// Base is the snapshot the change was computed from: 0 for a new table. The commit conflicts when the head moved.
	Base int64
	// Summary entries of the snapshot.
	Summary map[string]string
}

// After are the files of the table once the change is made, of those that it had before.
func (c *TableChange) After(before []DataFile) []DataFile {
	var files []DataFile
	if c.Mode != Replace {
		files = append(files, before...)
	}
	files = append(files, c.Add...)
	for i := range files {
		for _, d := range c.Remove {
			if slices.Contains(d.Of, files[i].Path) {
				files[i].Deletes = append(slices.Clip(files[i].Deletes), d.Path)
			}
		}
	}
	return files
}

// Commit is everything that one batch publishes.
type Commit struct {
	Number int64 // State.Commit + 1
	Epoch  int64
	Tables []TableChange
	// Positions to merge into the state; a nil value removes the key.
	Positions position.Set
	// Forget are tables whose Recorded commit no longer counts: somebody has decided to do without what was lost.
	Forget []string
}

// Outcome of a commit.
type Outcome struct {
	Status Status
	// Snapshots are the new heads by table.
	Snapshots map[string]int64
}

// Status of a commit.
type Status int

const (
	// Committed: everything is visible.
	Committed Status = iota + 1
	// AlreadyCommitted: a commit with this number and epoch is there already (the answer of an earlier attempt was
	// lost).
	AlreadyCommitted
	// Conflict: somebody else moved a table or the commit number, or took the writer's place. Nothing is visible.
	Conflict
)
