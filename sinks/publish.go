package sinks

import (
	"context"
	"database/sql"

	"github.com/lakeflow/lakeflow/schemas"
)

// Publisher carries the new rows of one table out of the lake, to where they cannot be taken back: a topic. It follows
// the commits of the lake, and what it has published is known to the other side alone, in the same transaction as the
// rows. But for Reach, implementations are used by one goroutine at a time.
type Publisher interface {
	// Begin makes the caller the only one who publishes, ends what a dead predecessor left open, and returns up to
	// where everything is published: nil when the other side knows of nothing.
	Begin(ctx context.Context) (*Published, error)
	// Publish adds rows, and that everything up to p.At is published, or nothing of it. After an error it is not known
	// which: Begin tells.
	Publish(ctx context.Context, conn *sql.Conn, p Publication) error
	// Reach asks whether the other side answers. It may be called beside the other methods.
	Reach(ctx context.Context) error
	// Close releases what the publisher holds.
	Close() error
}

// Published says up to where the rows of a table are published.
type Published struct {
	Table  string // the UUID of the table
	Commit int64
}

// Publication is rows of one or more whole commits of a table.
type Publication struct {
	At Published
	// Query gives the rows: those that were added, in any order, or, with Key, what became of the rows of each key, in an
	// order that is to be kept for each key.
	Query   string
	Columns schemas.Table // of the query, in order
	Rows    int64         // that the query gives: any other number is an error, and nothing is published
	// Key are the columns that tell the rows of a table apart whose rows change. The query then has a further column,
	// RemovedColumn, and none of its rows has NULL in all columns of Key.
	Key []string
}

// RemovedColumn is true where a commit has left no row with the values that the columns of the key have, and false where
// the row is what it has left. It stands behind the columns of a Publication with a Key.
const RemovedColumn = schemas.OwnPrefix + "removed"
