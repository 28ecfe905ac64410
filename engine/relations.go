package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources"
)

// key names an input that a flow streams from.
func (u *update) key(d *plan.Dataset, f *plan.Flow, input string) position.Key {
	k := position.Key{Kind: position.Upstream, Table: d.Name, Flow: f.Name, Input: input}
	if u.kindOf(input) != "table" {
		k.Kind = position.Source
	}
	return k
}

// wholeKey names an input that a flow reads in full.
func wholeKey(d *plan.Dataset, f *plan.Flow, input string) position.Key {
	return position.Key{Kind: position.Whole, Table: d.Name, Flow: f.Name, Input: input}
}

// inputs are the sources and tables that a flow reads through STREAM, views resolved.
func (u *update) inputs(f *plan.Flow) []string { return u.leaves(f, true, nil) }

// whole are the sources and tables that a flow reads in full, views resolved.
func (u *update) whole(f *plan.Flow) []string { return u.leaves(f, false, nil) }

func (u *update) leaves(f *plan.Flow, stream bool, found []string) []string {
	add := func(name string) {
		for _, n := range found {
			if n == name {
				return
			}
		}
		found = append(found, name)
	}
	visit := func(names []string, leaf bool) {
		for _, name := range names {
			if d := u.Plan.Dataset(name); d != nil && d.Kind == plan.View {
				for _, vf := range d.Flows {
					found = u.leaves(vf, stream, found)
				}
			} else if leaf {
				add(name)
			}
		}
	}
	visit(f.Streams, stream)
	visit(f.Reads, !stream)
	return found
}

// relations makes every relation that the flow's query names, upstream views first.
func (b *batch) relations(ctx context.Context, f *plan.Flow, streams map[string]string) error {
	if err := b.u.DB.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+streamSchema); err != nil {
		return err
	}
	return b.views(ctx, f, streams, f.UsesMetadata)
}

func (b *batch) views(ctx context.Context, f *plan.Flow, streams map[string]string, metadata bool) error {
	create := func(schema string, names []string) error {
		for _, name := range names {
			query, err := b.relation(ctx, schema, name, streams, metadata)
			if err != nil {
				return err
			}
			if err := b.u.DB.Exec(ctx, createView(schema, name, query)); err != nil {
				return fmt.Errorf("prepare %s: %w", name, err)
			}
		}
		return nil
	}
	if err := create("main", f.Reads); err != nil {
		return err
	}
	return create(streamSchema, f.Streams)
}

// streamSchema holds the relations that are the new rows of a dataset.
const streamSchema = `"__stream"`

// createView is the statement that makes the relation of a name that a query reads.
func createView(schema, name, query string) string {
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s.%s AS %s", schema, duck.Ident(name), query)
}

// relation is the query of one relation: a view's own, a source's, or the files of a table.
func (b *batch) relation(ctx context.Context, schema, name string, streams map[string]string, metadata bool) (string, error) {
	if d := b.u.Plan.Dataset(name); d != nil && d.Kind == plan.View {
		if err := b.views(ctx, d.Flows[0], streams, d.Flows[0].UsesMetadata || metadata); err != nil {
			return "", err
		}
		return d.Flows[0].SQL + "\n", nil
	}
	from := streams[name]
	if schema == "main" {
		var err error
		if from, err = b.wholeRelation(ctx, name); err != nil {
			return "", err
		}
	}
	columns := "*"
	if _, isSource := b.u.Sources[name]; isSource && !metadata {
		columns = "* EXCLUDE (" + plan.MetadataColumn + ")"
	}
	return "SELECT " + columns + " FROM " + from, nil
}

// wholeRelation is everything that a source or table holds, what this batch staged included.
func (b *batch) wholeRelation(ctx context.Context, name string) (string, error) {
	if src, ok := b.u.Sources[name]; ok {
		snap, err := b.snapshot(ctx, name, src)
		if err != nil {
			return "", err
		}
		return b.relationOf(read{source: name, batch: snap, whole: true}), nil
	}
	st := b.staged[name]
	if st != nil && st.change.Mode == sinks.Replace {
		return duck.ReadFiles(st.change.Schema, st.change.Add), nil
	}
	contents, err := b.u.Lake.Files(ctx, name, sinks.Version{})
	if errors.Is(err, sinks.ErrNoTable) {
		contents, err = &sinks.Contents{Schema: b.u.Plan.Dataset(name).Columns}, nil
	}
	if err != nil {
		return "", fmt.Errorf("read table %s: %w", name, err)
	}
	if st != nil {
		return duck.ReadFiles(st.change.Schema, append(contents.Files, st.change.Add...)), nil
	}
	return b.u.stored(name, contents.Schema, contents.Files), nil
}

// stored reads a table's files with the columns that the plan gives it: those that its next commit will add are NULL.
func (u *update) stored(table string, schema schemas.Table, files []sinks.DataFile) string {
	next, changes, _ := schemas.Evolve(schema, u.Plan.Dataset(table).Columns)
	if len(changes) == 0 || next == nil {
		return duck.ReadFiles(schema, files)
	}
	return "(SELECT " + shaped(schema, next) + " FROM " + duck.ReadFiles(schema, files) + ")"
}

// shaped is the select list that gives the columns of want from a relation that has those of have.
func shaped(have, want schemas.Table) string {
	items := make([]string, len(want))
	for i, c := range want {
		name := duck.Ident(c.Name)
		switch old := have.Column(c.Name); {
		case old == nil:
			items[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", c.Type, name)
		case old.Type.Equal(c.Type):
			items[i] = name
		default:
			items[i] = fmt.Sprintf("CAST(%s AS %s) AS %s", name, c.Type, name)
		}
	}
	return strings.Join(items, ", ")
}

func (b *batch) snapshot(ctx context.Context, name string, src sources.Source) (*sources.Batch, error) {
	if s := b.snapshots[name]; s != nil {
		return s, nil
	}
	s, err := src.Snapshot(ctx, b.u.session(name), b.u.remembered(name))
	if err != nil {
		return nil, fmt.Errorf("read source %s: %w", name, err)
	}
	b.snapshots[name] = s
	return s, nil
}

// remembered is the position of a flow that streams from the source: it holds the columns that the plan was made with.
func (u *update) remembered(source string) sources.Position {
	for _, d := range u.Plan.Datasets {
		for _, f := range d.Flows {
			if p := u.positions.At(u.key(d, f, source)); p != nil {
				return p
			}
		}
	}
	return nil
}

// emptySource is a source's relation without rows.
func (u *update) emptySource(name string) string {
	metadata := ""
	for _, s := range u.Plan.Sources {
		if s.Name == name {
			metadata = s.Metadata
		}
	}
	return "(SELECT *, CAST(NULL AS " + metadata + ") AS " + plan.MetadataColumn + " FROM " + duck.Empty(u.known[name]) + ")"
}

func (u *update) session(source string) sources.Session {
	return sources.Session{Conn: u.DB.Conn(), Prefix: "__src_" + source + "_", TempDir: u.DB.TempDir()}
}
