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
	At      Published
	Query   string        // gives the rows, in any order
	Columns schemas.Table // of the query, in order
	Rows    int64         // that the query gives: any other number is an error, and nothing is published
}
