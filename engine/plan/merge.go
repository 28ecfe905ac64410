package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// AutoCDC is how the rows that a dataset's flows give, which are changes, are applied to it by key.
type AutoCDC struct {
	Spec  cdc.Spec
	State string        // the hidden table beside it
	Keep  time.Duration // how long deletes are remembered
	// Changes is a select list over the rows of a flow that gives Spec.Columns, the sequence as "__sequence", and as
	// "__op" what the change does: truncate, delete or upsert. Keys of a truncate are NULL; no others are, and no
	// sequence is, in rows that satisfy the dataset's rules. Of snapshots it gives no "__op", and where they are Timed no
	// "__sequence".
	Changes string
	Whole   bool          // the rows of each refresh are one snapshot: the flow reads no stream
	Timed   bool          // its version is the time at which it was read
	Rows    schemas.Table // the columns of the flows' rows, which rules see
	// Declared is what auto_cdc says, by its keys: fingerprints of expressions, lists of columns. Where a part of it is
	// another one, the rows of the table would be others.
	Declared map[string]string
	// SequenceBy, which for snapshots is their version, DeleteWhen and TruncateWhen are expressions as the user wrote them, for people.
	SequenceBy               []string
	DeleteWhen, TruncateWhen string
	// Filled are the keys of auto_cdc that the file leaves out, and that FilledBy knows: a source, by its connector, or a table.
	Filled   []string
	FilledBy string
	// Feed is true for the change feed of a table: the rows have its columns, see schemas.ChangeFeed. What leaves a key
	// in the same commit that brings another row of it is no change of its own.
	Feed bool
	At   diag.Range
}

// SCDType is 1 for a table of the rows as they are now, 2 for one of all their versions.
func (m *AutoCDC) SCDType() int {
	if m.Spec.History {
		return 2
	}
	return 1
}

// ChangesOf is the relation of the changes that a query's rows stand for. Of a table's change feed, what leaves a key in
// the same commit that brings another row of it is left out: the key is not deleted in between.
func (m *AutoCDC) ChangesOf(query string) string {
	if !m.Feed {
		return fmt.Sprintf("(SELECT %s FROM (%s\n))", m.Changes, query)
	}
	keys := make([]string, len(m.Spec.Keys))
	for i, key := range m.Spec.Keys {
		keys[i] = ident(key)
	}
	return fmt.Sprintf(`(SELECT * EXCLUDE ("__commit") FROM (SELECT %s, _commit_version AS "__commit" FROM (%s
))
QUALIFY "__op" <> 'delete' OR NOT bool_or("__op" = 'upsert') OVER (PARTITION BY %s, "__commit"))`, m.Changes, query, strings.Join(keys, ", "))
}

// changes is a declared auto_cdc on its way through the passes.
type changes struct {
	decl             *dsl.AutoCDC
	sequence         []*rowExpression
	remove, truncate *rowExpression      // nil where there is none
	parts            []schemas.Column    // of the sequence
	rules            []expectations.Rule // that it brings
	streams          bool                // the flows read streams
	filled           []string            // keys of auto_cdc that the file leaves out, and a source or table has filled in
	filledBy         string              // its name
	feed             bool                // they are the change feed of a table
}

func newChanges(decl *dsl.AutoCDC) *changes {
	if decl == nil {
		return nil
	}
	expression := func(e *dsl.Expression, key string, value bool) *rowExpression {
		if e == nil || e.SQL == nil {
			return nil
		}
		return &rowExpression{query: e.SQL, title: key, value: value, flawed: e.Flawed}
	}
	m := &changes{decl: decl, remove: expression(decl.ApplyAsDelete, "apply_as_delete", false),
		truncate: expression(decl.ApplyAsTruncate, "apply_as_truncate", false)}
	for _, e := range decl.SequenceBy {
		if x := expression(e, "sequence_by", true); x != nil {
			m.sequence = append(m.sequence, x)
		}
	}
	if decl.Snapshot != nil {
		m.sequence = nil
		if x := expression(decl.Snapshot.Version, "snapshot_version", true); x != nil {
			m.sequence = []*rowExpression{x}
		}
	}
	return m
}

// expressions are all of them, in the order of the reference.
func (m *changes) expressions() []*rowExpression {
	if m == nil {
		return nil
	}
	all := slices.Clone(m.sequence)
	for _, x := range []*rowExpression{m.remove, m.truncate} {
		if x != nil {
			all = append(all, x)
		}
	}
	return all
}

// declared is what an edit changes.
func (m *changes) declared() map[string]string {
	d := map[string]string{"scd_type": fmt.Sprint(m.decl.SCDType)}
	set := func(key string, all ...*rowExpression) {
		var prints []any
		for _, x := range all {
			if x != nil && x.facts != nil {
				prints = append(prints, x.facts.fingerprint)
			}
		}
		if len(prints) > 0 {
			d[key] = syntax.Fingerprint(prints...)
		}
	}
	if m.decl.Snapshot == nil {
		set("sequence_by", m.sequence...)
	} else {
		d["from_snapshot"] = "whole"
		if m.streams {
			d["from_snapshot"] = "stream"
		}
		set("snapshot_version", m.sequence...)
	}
	set("apply_as_delete", m.remove)
	set("apply_as_truncate", m.truncate)
	d["keys"] = nameList(m.decl.Keys)
	for key, some := range map[string]*dsl.Columns{"columns": m.decl.Columns, "track_history_on": m.decl.TrackHistoryOn} {
		if some != nil && !(some.Except && len(some.Names) == 0) { // which is the default
			d[key] = someColumns(some)
		}
	}
	if some := m.decl.IgnoreNullUpdates; some != nil {
		d["ignore_null_updates"] = someColumns(some)
	}
	return d
}

func someColumns(s *dsl.Columns) string {
	switch {
	case !s.Except:
		return nameList(s.Names)
	case len(s.Names) == 0:
		return "*"
	}
	return "* EXCEPT (" + nameList(s.Names) + ")"
}

// nameList are names as SQL tells them apart, in an order of their own.
func nameList(names []dsl.ColumnName) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(strings.ToLower(n.Name))
	}
	slices.Sort(quoted)
	return strings.Join(quoted, ", ")
}

// inBrackets is the expression's text for DuckDB. The line breaks end a comment.
func (x *rowExpression) inBrackets() string { return "(\n" + x.query.Text + "\n)" }

// list is the select list of the changes.
func (m *changes) list(spec cdc.Spec) string {
	var cells []string
	for _, col := range spec.Columns {
		cell := ident(col.Name)
		if m.truncate != nil && slices.Contains(spec.Keys, col.Name) {
			cell = "CASE WHEN TRY" + m.truncate.inBrackets() + " THEN NULL ELSE " + cell + " END AS " + cell
		}
		cells = append(cells, cell)
	}
	// Rows of which one of them fails have broken a rule, and are not among these; but DuckDB may evaluate them all.
	if !m.timed() {
		cells = append(cells, "TRY("+m.sequenceSQL()+`) AS "__sequence"`)
	}
	if m.decl.Snapshot == nil {
		cells = append(cells, "TRY("+m.op()+`) AS "__op"`)
	}
	return strings.Join(cells, ", ")
}

// timed reports whether the time of the update is the version of a snapshot.
func (m *changes) timed() bool { return m.decl.Snapshot != nil && m.decl.Snapshot.Version == nil }

// sequenceSQL gives the sequence of a row: a STRUCT where it is made of several parts.
func (m *changes) sequenceSQL() string {
	parts := m.sequenceParts()
	if len(parts) == 1 {
		return parts[0]
	}
	for i, part := range parts {
		parts[i] = ident(m.parts[i].Name) + " := " + part
	}
	return "struct_pack(" + strings.Join(parts, ", ") + ")"
}

func (m *changes) sequenceParts() []string {
	parts := make([]string, len(m.sequence))
	for i, x := range m.sequence {
		parts[i] = "CAST(" + x.inBrackets() + " AS " + m.parts[i].Type.String() + ")"
	}
	return parts
}

// op says what a change does.
func (m *changes) op() string {
	cases := ""
	if m.feed { // a row that is another one now, perhaps of another key
		cases += " WHEN _change_type = 'update_preimage' THEN 'delete'"
	}
	if m.truncate != nil {
		cases += " WHEN " + m.truncate.inBrackets() + " THEN 'truncate'"
	}
	if m.remove != nil {
		cases += " WHEN " + m.remove.inBrackets() + " THEN 'delete'"
	}
	if cases == "" {
		return "'upsert'"
	}
	return "CASE" + cases + " ELSE 'upsert' END"
}
