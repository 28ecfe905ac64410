// Package cdc applies streams of changes to tables, as Databricks' AUTO CDC (APPLY CHANGES) does, and full snapshots
// (ApplySnapshots). It is SQL over a *sql.Conn and knows nothing of files, lakes and plans: it is given relations, and
// tells which of their rows go and which ones come.
//
// What the target of changes holds depends on the set of changes alone. It does not depend on the order in which they came, on how
// often each came, nor on how they were cut into batches:
//
//   - Changes of a key whose sequences are equal count as one change. It is a delete if one of them is. Else it is an
//     upsert of the greatest row: rows are compared column by column in the order of Columns, NULL below every value.
//     A column of IgnoreNulls has no part in that; it has the greatest of its own values.
//   - The changes of a key are applied one after the other, in the order of their sequences. An upsert sets all columns,
//     but where it is NULL those of IgnoreNulls keep their value. A delete removes the row and forgets its values.
//   - A truncate (type 1) of sequence T is a delete of every key, before the changes of sequence T.
//   - Type 2 has a row for each version of a key. An upsert opens one when there is none, or when one of the Tracked
//     columns changes; else it sets the columns of the version that it falls into. A version ends where the next
//     one or a delete begins. The versions without an end are the rows that type 1 would have.
//
// Texts are compared by their bytes, NaN is above every number, -0.0 below 0.0, and NULL inside of a list or
// struct above every value, as in DuckDB. Keys are equal where DuckDB's = says so: -0.0 is the key 0.0. In lists and
// structs of IgnoreNulls -0.0 becomes 0.0, as it does wherever DuckDB sorts them.
package cdc

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
)

// Spec is how the changes of one target are applied.
type Spec struct {
	Keys        []string      // columns of Columns, at least one
	Columns     schemas.Table // what the target keeps of a change, keys included, without __START_AT and __END_AT
	Sequence    schemas.Type  // of the sequence: any type that has an order, or a STRUCT of several
	IgnoreNulls []string      // columns that keep their value where the change has NULL
	Truncates   bool          // there may be truncates; type 1 only
	History     bool          // SCD type 2
	Tracked     []string      // History: columns whose change opens a version; where there is none, only the first upsert does
	Snapshots   bool          // the target follows full snapshots (see ApplySnapshots), and Sequence is their version
}

// Relations are table expressions; Target and State are read more than once. These have the columns of Spec.Target and
// Spec.State and, to say which rows go, __file BIGINT and __row BIGINT. Changes has Columns, "__sequence" of
// type Sequence, and "__op": upsert, delete, or truncate (with Spec.Truncates). Keys and sequences are never NULL there,
// but the keys of a truncate, which are all NULL.
type Relations struct{ Changes, Target, State string }

// Result is what a batch of changes does. Its SELECTs read TEMP tables of the connection, until Drop.
type Result struct {
	RemoveTarget, RemoveState string // SELECTs of __file and __row, without repetitions
	AddTarget, AddState       string // SELECTs of the columns of Spec.Target and Spec.State, in their order

	// Changes is the number of changes that were given: Applied + Superseded + Ignored.
	Changes int64
	// Applied are changes that set what is stored now: the row, or a column of IgnoreNulls, or that something is deleted.
	// Of type 2 these are all that are part of the history.
	Applied int64
	// Superseded are changes that lost against another one, of this batch or an earlier one.
	Superseded int64
	// Ignored are repetitions of a change of the same batch, or of the one that had set what was stored. The state of
	// type 1 does not know older changes again: their repetitions are superseded.
	Ignored int64
	// TooLate are those of Superseded that are rows of snapshots older than the newest one before.
	TooLate int64

	Upserted int64 // rows of AddTarget
	Deleted  int64 // rows of RemoveTarget that no row of AddTarget replaces, of the same key (and __START_AT)

	tables []string
}

// The columns that the package adds. Those of users do not begin with two underscores.
const (
	StartAt    = "__START_AT"
	EndAt      = "__END_AT"
	sequence   = "__sequence"
	deletedAt  = "__deleted_at"
	rowHash    = "__hash"
	lastDelete = "__last_delete"
	deleted    = "__deleted"
)

// Target returns the columns of the target table: Columns, and for History __START_AT and __END_AT.
func (s Spec) Target() schemas.Table {
	t := s.Columns.Clone()
	if s.History {
		t = append(t, schemas.Column{Name: StartAt, Type: s.Sequence}, schemas.Column{Name: EndAt, Type: s.Sequence})
	}
	return t.Clone()
}

// State returns the columns of the hidden state table.
//
// Type 1 has a row for each key: the sequence of its last change, and when a delete was applied; without
// IgnoreNulls a hash of the last row, so that repetitions are known without a look at the target; with IgnoreNulls
// the sequence of the last delete, and the one that each of the columns got its value from. A row
// without key holds the sequence of the last truncate.
//
// Type 2 has a row for each change, of which those with the key and sequence of another have become one.
//
// That of snapshots has what is needed to apply more rows of the newest version: see snapshotState.
func (s Spec) State() schemas.Table {
	c, err := s.resolve()
	if err != nil {
		return nil
	}
	if s.Snapshots {
		return s.snapshotState()
	}
	column := func(name string, t schemas.Type) schemas.Column { return schemas.Column{Name: name, Type: t} }
	if s.History {
		t := append(s.Columns.Clone(), column(sequence, s.Sequence), column(deleted, schemas.Type{Kind: schemas.Boolean}))
		return t.Clone()
	}
	t := append(c.keys.Clone(), column(sequence, s.Sequence), column(deletedAt, schemas.Type{Kind: schemas.TimestampTZ}))
	if len(c.ignored) == 0 {
		return append(t, column(rowHash, schemas.Type{Kind: schemas.BigInt})).Clone()
	}
	t = append(t, column(lastDelete, s.Sequence))
	for _, i := range c.ignored {
		t = append(t, column(sequenceOf(i.Name), s.Sequence))
	}
	return t.Clone()
}

// sequenceOf names the column of the state that holds the sequence from which a column of IgnoreNulls has its value.
func sequenceOf(name string) string { return "__sequence_" + name }

// columns are those of a Spec by their roles.
type columns struct {
	all     schemas.Table
	keys    schemas.Table
	ignored schemas.Table // those of IgnoreNulls; keys are never NULL and are not among them
	rest    schemas.Table // all others, keys included
	tracked schemas.Table
}

func (s Spec) resolve() (columns, error) {
	c := columns{all: s.Columns}
	var err error
	pick := func(what string, names []string) (t schemas.Table) {
		for _, name := range names {
			switch found := s.Columns.Column(name); {
			case found == nil:
				err = errors.Join(err, fmt.Errorf("%s: there is no column %s; name one of the target's columns", what, name))
			case t.Column(name) == nil:
				t = append(t, *found)
			}
		}
		return t
	}
	c.keys, c.tracked = pick("keys", s.Keys), pick("tracked columns", s.Tracked)
	if len(s.Keys) == 0 {
		err = errors.Join(err, errors.New("keys: name at least one column"))
	}
	ignored := pick("columns that ignore NULL", s.IgnoreNulls)
	for _, col := range s.Columns {
		if ignored.Column(col.Name) != nil && c.keys.Column(col.Name) == nil {
			c.ignored = append(c.ignored, col)
		} else {
			c.rest = append(c.rest, col)
		}
	}
	return c, err
}

// Apply computes what one batch of changes does. The results are TEMP tables whose names begin with prefix; the caller
// drops them, Apply itself does so only when it fails. now is when the batch is applied. Deletes of type 1 are
// remembered until a batch whose now is keepTombstones after that of the delete: changes that come even later,
// but are older than the delete, bring the key back. Type 2 forgets nothing, as any change may turn out to be
// between two others.
func (s Spec) Apply(
	ctx context.Context, conn *sql.Conn, r Relations, prefix string, now time.Time, keepTombstones time.Duration,
) (*Result, error) {
	c, err := s.resolve()
	if err != nil {
		return nil, err
	}
	b := &batch{columns: c, spec: s, conn: conn, relations: r, prefix: prefix, result: &Result{}}
	err = b.rankChanges(ctx)
	switch {
	case err != nil:
	case s.History:
		err = b.applyHistory(ctx)
	default:
		err = b.applyUpserts(ctx, now, keepTombstones)
	}
	if err != nil {
		return nil, errors.Join(err, b.result.Drop(context.WithoutCancel(ctx), conn))
	}
	return b.result, nil
}

// Drop removes the TEMP tables that the result is in.
func (r *Result) Drop(ctx context.Context, conn *sql.Conn) error {
	var err error
	for _, t := range r.tables {
		_, e := conn.ExecContext(ctx, "DROP TABLE IF EXISTS "+t)
		err = errors.Join(err, e)
	}
	return err
}
