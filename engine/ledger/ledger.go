// Package ledger is the table in which a pipeline keeps what is too much for its positions: which files its flows have
// read. It is a table of the lake like the others, hidden from queries, and part of the same commits. A row is a mark;
// of several marks of one file, that of the last commit counts.
package ledger

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources"
)

// Table is the ledger's name. Names of users do not begin like this.
const Table = "__ledger"

// maxFiles is the number of files from which on the ledger is written anew instead of being added to: whoever reads it
// opens all of them.
const maxFiles = 64

// Schema returns the columns, without field ids.
func Schema() schemas.Table {
	text := schemas.Type{Kind: schemas.Varchar}
	return schemas.Table{{Name: "table", Type: text}, {Name: "flow", Type: text}, {Name: "source", Type: text}, {Name: "path", Type: text},
		{Name: "mark", Type: text}, {Name: "commit", Type: schemas.Type{Kind: schemas.BigInt}}}
}

// Change sets marks of an input, after all that it had were removed if Clear is set.
type Change struct {
	Key   position.Key // of kind Source
	Clear bool
	Set   []sources.LedgerEntry
}

// Of gives the entries of one input, read with db from the tables of the lake when they are asked for.
func Of(db *duck.DB, tables lake.Reader, k position.Key) sources.Ledger {
	return &marks{db, tables, k}
}

type marks struct {
	db   *duck.DB
	lake lake.Reader
	key  position.Key
}

// stored is the ledger's last version. Before the first mark there is none.
func stored(ctx context.Context, tables lake.Reader) (*lake.Contents, error) {
	c, err := tables.Files(ctx, Table, lake.Version{})
	if errors.Is(err, lake.ErrNoTable) {
		return &lake.Contents{}, nil
	}
	return c, err
}

// All yields the marks in the order of the paths' bytes.
func (m *marks) All(ctx context.Context) iter.Seq2[sources.LedgerEntry, error] {
	return func(yield func(sources.LedgerEntry, error) bool) {
		if err := m.each(ctx, yield); err != nil {
			yield(sources.LedgerEntry{}, fmt.Errorf("read the ledger: %w", err))
		}
	}
}

func (m *marks) each(ctx context.Context, yield func(sources.LedgerEntry, error) bool) error {
	c, err := stored(ctx, m.lake)
	if err != nil || len(c.Files) == 0 {
		return err
	}
	rows, err := m.db.Conn().QueryContext(ctx, fmt.Sprintf(`SELECT path, arg_max(mark, "commit") FROM %s WHERE "table" = $1 AND flow = $2 AND source = $3 GROUP BY path ORDER BY path`,
		duck.ReadFiles(c.Schema, c.Files)), m.key.Table, m.key.Flow, m.key.Input)
	if err != nil {
		return named(c.Files, err)
	}
	defer rows.Close()
	var mark sources.LedgerEntry
	for rows.Next() {
		if err := rows.Scan(&mark.Key, &mark.Value); err != nil {
			return named(c.Files, err)
		}
		if !yield(mark, nil) {
			return nil
		}
	}
	return named(c.Files, rows.Err())
}

// named is the error of the file that is damaged, where that is why reading failed: DuckDB does not always say which.
func named(files []lake.DataFile, err error) error {
	if err == nil {
		return nil
	}
	return cmp.Or(lake.Checked{}.Check(files), err)
}

// newEntries holds the entries of the commit that is being made.
const newEntries = "__new_entries"

// Query is the query of the rows that a commit writes to the ledger, and whether they replace all that it had. Its temp
// table lives until the next call.
func Query(ctx context.Context, db *duck.DB, tables lake.Reader, commit int64, changes []Change) (query string, mode lake.Mode, err error) {
	c, err := stored(ctx, tables)
	if err != nil {
		return "", 0, fmt.Errorf("read the ledger: %w", err)
	}
	if err := load(ctx, db, commit, changes); err != nil {
		return "", 0, fmt.Errorf("write the ledger: %w", err)
	}
	query = "SELECT * FROM " + newEntries
	var cleared []string
	for _, change := range changes {
		if change.Clear {
			cleared = append(cleared, fmt.Sprintf(`"table" = %s AND flow = %s AND source = %s`, quote.Text(change.Key.Table), quote.Text(change.Key.Flow), quote.Text(change.Key.Input)))
		}
	}
	if len(c.Files) == 0 || len(cleared) == 0 && len(c.Files) < maxFiles {
		return query, lake.Append, nil
	}
	old := "SELECT * FROM " + duck.ReadFiles(c.Schema, c.Files)
	if len(cleared) > 0 {
		old += " WHERE NOT (" + strings.Join(cleared, " OR ") + ")"
	}
	return fmt.Sprintf(`SELECT "table", flow, source, path, arg_max(mark, "commit") AS mark, max("commit") AS "commit" FROM (%s UNION ALL %s) GROUP BY ALL ORDER BY ALL`,
		old, query), lake.Replace, nil
}

// load fills the temp table of new marks.
func load(ctx context.Context, db *duck.DB, commit int64, changes []Change) error {
	create := "CREATE OR REPLACE TEMP TABLE " + newEntries + ` ("table" VARCHAR, flow VARCHAR, source VARCHAR, path VARCHAR, mark VARCHAR, "commit" BIGINT)`
	if err := db.Exec(ctx, create); err != nil {
		return err
	}
	return db.Append(newEntries, func(yield func([]driver.Value) bool) {
		for _, c := range changes {
			for _, m := range c.Set {
				if !yield([]driver.Value{c.Key.Table, c.Key.Flow, c.Key.Input, m.Key, m.Value, commit}) {
					return
				}
			}
		}
	})
}
