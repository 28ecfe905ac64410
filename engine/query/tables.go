// Package query answers SQL over the published tables of a lake and the views of its pipeline. It only reads:
// statements that do more are refused, and so are files and DuckDB's own lists, which tell where files are.
package query

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Lake is what is read.
type Lake interface {
	lake.Lake
	lake.Reader
}

// Tables are the tables of a lake as one commit left them. The caller owns everything in it. It is used by one
// goroutine at a time.
type Tables struct {
	Pipeline *dsl.Pipeline
	Lake     Lake
	// State is as of the commit that is read. When that is expired while its files are looked up, it becomes the last
	// one.
	State *lake.State
	// DB reads the files; the folder of the lake is open to it.
	DB *duck.DB
	// Again is the command of an update.
	Again string
}

const eventLog = "event_log"

// systemTables are the tables that every pipeline has, also before anything is written to them.
func (t *Tables) systemTables() map[string]schemas.Table {
	return map[string]schemas.Table{eventLog: schemas.EventLog(), t.Pipeline.DeadLetter.Table: schemas.DeadLetter()}
}

// Relations are tables by name, all of them without names, as table expressions for DB. What is not stored is left out.
// All are as one commit left them: that of State, or, when a commit of an update has expired it meanwhile, the last one
// now.
func (t *Tables) Relations(ctx context.Context, names ...string) (map[string]string, error) {
	const attempts = 50
	for n := 1; ; n++ {
		stored, err := t.relationsNow(ctx, names)
		if !errors.Is(err, lake.ErrNoTable) {
			return stored, err
		}
		state, failure := t.Lake.State(ctx)
		switch {
		case failure != nil:
			return nil, failure
		case state.Commit == t.State.Commit:
			return nil, err
		case n == attempts:
			return nil, fmt.Errorf("%w; versions expire faster than they are looked up: raise retention.snapshots", err)
		}
		t.State = state
	}
}

// relationsNow is Relations as of the commit that is known. The error is lake.ErrNoTable when that was expired.
func (t *Tables) relationsNow(ctx context.Context, names []string) (map[string]string, error) {
	out := map[string]string{}
	for name, stored := range t.State.Tables {
		if len(names) > 0 && !slices.Contains(names, name) || len(names) == 0 && schemas.Hidden(name) {
			continue
		}
		if stored.Snapshot == 0 {
			out[name] = duck.Empty(stored.Schema)
			continue
		}
		contents, err := t.Lake.Files(ctx, name, lake.Version{Commit: t.State.Commit})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if err := checkDeletes(contents.Files); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		columns := contents.Schema
		if name == eventLog {
			columns = asWrittenNow(columns, stored.LastID)
		}
		out[name] = t.shown(name, duck.ReadFiles(columns, contents.Files))
	}
	return out, nil
}

// asWrittenNow are the columns of an event log with those that have come to it since it was written to last.
func asWrittenNow(stored schemas.Table, lastID int) schemas.Table {
	columns, _, incompatible := schemas.Evolve(stored, schemas.EventLog())
	if len(incompatible) > 0 {
		return stored // another program has changed it
	}
	columns, _ = schemas.AssignIDs(columns, lastID)
	return columns
}

// checkDeletes compares the files that name removed rows with their checksums: where one of them is another file, rows
// that were removed would be there again. They are small.
func checkDeletes(files []lake.DataFile) error {
	checked := map[string]bool{}
	for _, f := range files {
		for _, path := range f.Deletes {
			if checked[path] {
				continue
			}
			if err := lake.CheckFile(path); err != nil {
				return err
			}
			checked[path] = true
		}
	}
	return nil
}

// shown is a table as it may be shown: paths of files, messages about them, and rows that have such a path in a column,
// may have secrets in them, where the pipeline file has one in the path of a source.
func (t *Tables) shown(name, relation string) string {
	file, message := t.Pipeline.Secrets.HideSQL(`"file"`), t.Pipeline.Secrets.HideSQL(`"error"`)
	if name != t.Pipeline.DeadLetter.Table || file == `"file"` {
		return relation
	}
	return fmt.Sprintf(`(SELECT * REPLACE (%s AS "file", %s AS "error", %s AS "row") FROM %s)`, file, message,
		t.Pipeline.Secrets.HideSQL(`"row"`), relation)
}
