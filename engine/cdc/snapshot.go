package cdc

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
)

// keptKey marks in the state the keys that the newest version keeps.
const keptKey = "__kept"

// ApplySnapshots makes a target follow full snapshots, as Databricks' APPLY CHANGES FROM SNAPSHOT does. Relations.Changes
// has Columns and "__op": upsert is a row of a snapshot, keep a row of which nothing but the key is believed. Its
// "__sequence" is the version: it tells the snapshots apart and orders them. With taken, all rows, and be there none, are
// one snapshot that was taken at that time, and there is no "__sequence"; the version is the time in UTC, or just above
// the newest one where the clock was set back.
//
// Spec has Snapshots and no IgnoreNulls.
//
//   - A version that is newer than the newest one before makes the target equal to its rows: what it lacks is deleted,
//     but for the keys that it keeps. Of several rows with the same key the greatest counts (see Apply). A key that is
//     kept stays as it was, be that with a row or without one. Several versions are applied in their order, each to
//     what the one before it has left.
//   - More rows of the newest version add to it: the target is then as if they had come with the others.
//   - An older version is superseded: nothing of it is applied.
//   - Type 2 has a row for each version of a key, as that of Apply, with the versions of snapshots for sequences.
//
// Of a Result, Changes are the upserts. Those are applied that made the target another one when their version was
// applied, and ignored that found their row there. Superseded are rows that lost against a greater one of the same key
// and version, and those of older versions, which are TooLate.
func (s Spec) ApplySnapshots(
	ctx context.Context, conn *sql.Conn, r Relations, prefix string, taken time.Time,
) (*Result, error) {
	c, err := s.resolve()
	if err == nil && len(c.ignored) > 0 {
		err = errors.New("a NULL in a snapshot is a value: leave the columns that ignore NULL out")
	}
	if err != nil {
		return nil, err
	}
	b := &snapshots{batch: batch{columns: c, spec: s, conn: conn, relations: r, prefix: prefix, result: &Result{}}, taken: taken}
	if err := b.apply(ctx); err != nil {
		return nil, errors.Join(err, b.result.Drop(context.WithoutCancel(ctx), conn))
	}
	return b.result, nil
}

// snapshotState returns the columns of the hidden state of snapshots: a row without key has the newest version as its
// sequence. The others are the rows that this version has changed or deleted, as they were before it, and the keys that
// it kept: what is needed to apply more rows of it.
func (s Spec) snapshotState() schemas.Table {
	t := s.Columns.Clone()
	if s.History {
		t = append(t, schemas.Column{Name: StartAt, Type: s.Sequence})
	}
	return append(t, schemas.Column{Name: sequence, Type: s.Sequence},
		schemas.Column{Name: keptKey, Type: schemas.Type{Kind: schemas.Boolean}}).Clone()
}

// snapshots is one call of ApplySnapshots. Versions have numbers: 0 is the newest one of before, and those after it
// have 1 to last. TEMP tables:
//
//	newest    the newest version before, and where the state has it; one row, or none
//	versions  the versions that are applied, with their numbers
//	late      the keys of the rows of version 0
//	images    of these keys: what the state has
//	current   the rows of the target without an end; only those of late when there is nothing newer
//	quiet     keys that have one row in each version after 0, that of the target
//	ranked    what was given for another key and version; __n is 1 for the row that counts
//	steps     of these keys, what becomes of them in the order of versions
//	old       the rows of the target that may go
//	outcome   what the target is to have in their place; __same where it has it
type snapshots struct {
	batch
	taken time.Time
	given string // what was given, as a relation: with the version as __v, and __ok for upserts
	last  int64
	late  bool // there are rows of version 0
}

func (b *snapshots) apply(ctx context.Context) error {
	for _, step := range []func(context.Context, map[string]string) error{
		b.number, b.readTarget, b.findQuiet, b.rank, b.makeSteps, b.compare, b.count,
	} {
		if err := step(ctx, b.parts()); err != nil {
			return err
		}
	}
	b.selectSnapshots(b.parts())
	return nil
}
