package refresh

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// relations makes every relation that the flow's query names, upstream views first.
func (b *Batch) relations(ctx context.Context, f *plan.Flow, in *input) error {
	if err := b.DB.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+streamSchema+"; CREATE SCHEMA IF NOT EXISTS "+changesSchema); err != nil {
		return err
	}
	return b.views(ctx, f, in, passes{f.UsesMetadata, len(f.Provenance) > 0})
}

// passes are what relations have beside the columns that * gives.
type passes struct{ metadata, provenance bool }

func (b *Batch) views(ctx context.Context, f *plan.Flow, in *input, pass passes) error {
	create := func(schema string, names []string) error {
		for _, name := range names {
			query, err := b.relation(ctx, schema, name, in, pass)
			if err != nil {
				return err
			}
			if err := b.DB.Exec(ctx, createView(schema, name, query)); err != nil {
				return fmt.Errorf("prepare %s: %w", name, err)
			}
		}
		return nil
	}
	if err := create("main", f.Reads); err != nil {
		return err
	}
	if err := create(changesSchema, f.Changes); err != nil {
		return err
	}
	return create(streamSchema, f.Streams)
}

// streamSchema holds the relations that are the new rows of a dataset, changesSchema those that are what was changed in
// a table.
const (
	streamSchema  = `"__stream"`
	changesSchema = `"__changes"`
)

// createView is the statement that makes the relation of a name that a query reads.
func createView(schema, name, query string) string {
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s.%s AS %s", schema, quote.Name(name), query)
}

// relation is the query of one relation: a view's own, a source's, or the files of a table.
func (b *Batch) relation(ctx context.Context, schema, name string, in *input, pass passes) (string, error) {
	if schema == changesSchema {
		return "SELECT * FROM " + in.feeds[name], nil
	}
	if d := b.plan.Dataset(name); d != nil && !d.Refresh.Stored() {
		f := d.Flows[0]
		pass.metadata = pass.metadata || f.UsesMetadata
		pass.provenance = pass.provenance && len(f.Provenance) > 0
		if err := b.views(ctx, f, in, pass); err != nil {
			return "", err
		}
		if pass.provenance {
			return f.Traced + "\n", nil
		}
		return f.SQL + "\n", nil
	}
	from := in.streams[name]
	if schema == "main" {
		var err error
		if from, err = b.wholeRelation(ctx, name); err != nil {
			return "", err
		}
	}
	var without []string
	if _, isSource := b.Sources[name]; isSource && !pass.metadata {
		without = append(without, plan.MetadataColumn)
	}
	if !pass.provenance {
		without = append(without, names(b.provenanceOf(name))...)
	}
	if len(without) == 0 {
		return "SELECT * FROM " + from, nil
	}
	return "SELECT * EXCLUDE (" + strings.Join(without, ", ") + ") FROM " + from, nil
}

// wholeRelation is everything that a source or table holds, what this batch staged included.
func (b *Batch) wholeRelation(ctx context.Context, name string) (string, error) {
	if b.Sources[name] != nil {
		snap, err := b.snapshot(ctx, name)
		if err != nil {
			return "", err
		}
		return b.relationOf(read{source: name, batch: snap, whole: true}), nil
	}
	change := b.draft.changes[name]
	if change != nil {
		files, err := b.filesAfter(ctx, change)
		return b.readRows(name, change.Schema, files), err
	}
	contents, err := b.stored(ctx, name)
	if err != nil {
		return "", err
	}
	if contents.Schema == nil {
		contents.Schema = b.plan.Dataset(name).Columns
	}
	return b.storedRelation(name, contents), nil
}

// filesAfter are the files of a table as the batch leaves it so far.
func (b *Batch) filesAfter(ctx context.Context, change *lake.TableChange) ([]lake.DataFile, error) {
	if change.Mode == lake.Replace {
		return change.After(nil), nil
	}
	contents, err := b.stored(ctx, change.Table)
	if err != nil {
		return nil, err
	}
	return change.After(contents.Files), nil
}

// stored is what a table holds, empty and without a schema when it is not there yet.
func (b *Batch) stored(ctx context.Context, table string) (*lake.Contents, error) {
	contents, err := b.Lake.Files(ctx, table, lake.Version{})
	if errors.Is(err, lake.ErrNoTable) {
		return &lake.Contents{}, nil
	}
	if err == nil {
		err = b.checked.Check(contents.Files)
	}
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", table, err)
	}
	return contents, nil
}

// storedRelation reads a table's files with the columns that the plan gives it: those that its next commit will add are
// NULL.
func (b *Batch) storedRelation(table string, c *lake.Contents) string {
	files := b.readRows(table, c.Schema, c.Files)
	next, changes, _ := schemas.Evolve(c.Schema, b.plan.Dataset(table).Columns)
	if len(changes) == 0 || next == nil {
		return files
	}
	return "(SELECT " + strings.Join(append([]string{duck.Shaped(c.Schema, next)}, names(b.provenanceOf(table))...), ", ") + " FROM " + files + ")"
}

// relationOf has the columns that the plan was made with, those that the batch lacks as NULL.
func (b *Batch) relationOf(r read) string {
	want := b.intake.Columns[r.source]
	if r.batch.Relation == "" {
		return b.emptySource(r.source)
	}
	if r.batch.Columns.Equal(want) {
		return r.batch.Relation
	}
	behind := append([]string{plan.MetadataColumn}, names(schemas.Provenance(true))...)
	return "(SELECT " + duck.Shaped(r.batch.Columns, want) + ", " + strings.Join(behind, ", ") + " FROM " + r.batch.Relation + ")"
}
