package engine

import (
	"context"
	"crypto/sha256"
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
	change := b.changes[name]
	if change != nil && change.Mode == sinks.Replace {
		return duck.ReadFiles(change.Schema, change.Add), nil
	}
	contents, err := b.u.Lake.Files(ctx, name, sinks.Version{})
	if errors.Is(err, sinks.ErrNoTable) {
		contents, err = &sinks.Contents{Schema: b.u.Plan.Dataset(name).Columns}, nil
	}
	if err == nil {
		err = b.u.checkFiles(contents.Files)
	}
	if err != nil {
		return "", fmt.Errorf("read table %s: %w", name, err)
	}
	if change != nil {
		return duck.ReadFiles(change.Schema, append(contents.Files, change.Add...)), nil
	}
	return b.u.stored(name, contents.Schema, contents.Files), nil
}

// checkFiles compares files with their checksums before rows are made of them, once in an update, and not those that it wrote itself.
func (u *update) checkFiles(files []sinks.DataFile) error {
	for _, f := range files {
		if u.sound[f.Path] {
			continue
		}
		if err := duck.CheckFile(f.Path); err != nil {
			return err
		}
		u.isSound(f)
	}
	return nil
}

// maxSound bounds the memory of an update that goes on for months: what was forgotten is checked once more.
const maxSound = 50_000

func (u *update) isSound(f sinks.DataFile) {
	if len(u.sound) >= maxSound {
		clear(u.sound)
	}
	u.sound[f.Path] = true
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
	if _, err := b.holds(ctx, name, src); err != nil { // first: what comes in between is seen the next time
		return nil, err
	}
	s, err := src.Snapshot(ctx, b.u.session(name), b.u.remembered(name))
	if err != nil {
		return nil, fmt.Errorf("read source %s: %w", name, err)
	}
	b.snapshots[name] = s
	return s, nil
}

// holds says what a source that is read in full holds, and as which columns that is read.
func (b *batch) holds(ctx context.Context, name string, src sources.Source) (sources.Position, error) {
	if p := b.held[name]; p != nil {
		return p, nil
	}
	contents, err := src.Fingerprint(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at source %s: %w", name, err)
	}
	var columns strings.Builder
	for _, c := range b.u.known[name] {
		fmt.Fprintf(&columns, "%s %s,", c.Name, c.Type)
	}
	sum := sha256.Sum256([]byte(columns.String()))
	b.held[name] = sources.Position(fmt.Sprintf(`{"contents":%s,"columns":"%x"}`, contents, sum[:8]))
	return b.held[name], nil
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
