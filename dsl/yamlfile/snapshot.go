package yamlfile

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/option"
)

const metadataColumn = "_metadata"

// snapshotFlow makes the flow of a table that follows snapshots: its rows are those of one source, table or view, with
// _metadata where the version is made of it.
func (b *builder) snapshotFlow(table string, x *specAutoCDC) []*dsl.Flow {
	b.besides(table, "from_snapshot", "keep one of them: changes and snapshots are not applied to the same table", x.Node,
		"from", "sql")
	text := ""
	if x.FromSnapshot != nil {
		text = strings.TrimSpace(x.FromSnapshot.raw)
	}
	prefix := fromPrefix
	if b.versionUsesMetadata(x) {
		prefix = "SELECT * EXCLUDE (" + metadataColumn + "), " + metadataColumn + " FROM "
		if b.spark {
			prefix = strings.Replace(prefix, "EXCLUDE", "EXCEPT", 1)
		}
	}
	s := x.FromSnapshot
	switch {
	case text == "": // which is reported
	case !b.isStream(s.raw):
		b.diags.Errorf("LF0164", s.at, "declare a view with the query, and take the snapshots from it",
			"from_snapshot is one source, table or view, as in STREAM daily_exports or export")
		return nil
	default:
		s = &specSQL{prefix + s.raw, behind(len(prefix), s.origin), s.at}
	}
	q, flawed := b.query(s, table)
	if q == nil {
		return nil
	}
	n := x.Node
	n.Flawed = flawed
	return []*dsl.Flow{{Node: n, Name: table, SQL: q}}
}

func (b *builder) versionUsesMetadata(x *specAutoCDC) bool {
	return x.SnapshotVersion != nil && strings.Contains(strings.ToLower(x.SnapshotVersion.raw), metadataColumn)
}

// snapshot says that the rows are snapshots. It reports what is said of changes, which they are not.
func (b *builder) snapshot(x *specAutoCDC, out *dsl.AutoCDC) {
	if !x.Has("from_snapshot") {
		if x.Has("snapshot_version") {
			b.diags.Errorf("LF0165", x.Fields["snapshot_version"],
				"write from_snapshot: in the place of from, or sequence_by: for changes",
				"snapshot_version tells snapshots apart, and there is no from_snapshot")
		}
		return
	}
	for _, no := range []struct{ key, why, help string }{
		{"sequence_by", "sequence_by orders the changes of a row, and snapshots have a version",
			"write snapshot_version: in its place"},
		{"apply_as_delete", "a snapshot has no deletes: the rows that it lacks are deleted",
			"leave it out; rows that do not count are left out by a view with WHERE, which from_snapshot then names"},
		{"apply_as_truncate", "a snapshot has no truncates: the rows that it lacks are deleted", "leave it out"},
		{"ignore_null_updates", "a NULL in a snapshot is a value",
			"leave it out; what a NULL stands for is written into a view, which from_snapshot then names"},
		{"tombstone_retention", "tombstone_retention is about changes that come late, and older snapshots are not applied",
			"leave it out"},
	} {
		if at, ok := x.Fields[no.key]; ok {
			b.diags.Errorf("LF0165", at, no.help, "%s", no.why)
		}
	}
	out.Snapshot = &dsl.Snapshot{Node: option.Node{Range: x.Fields["from_snapshot"]},
		Version: b.expression(x.SnapshotVersion, "snapshot_version")}
	named := func(n dsl.ColumnName) bool { return strings.EqualFold(n.Name, metadataColumn) }
	if !b.versionUsesMetadata(x) || out.Columns != nil && (!out.Columns.Except || slices.ContainsFunc(out.Columns.Names, named)) {
		return
	}
	if out.Columns == nil {
		out.Columns = &dsl.Columns{Node: out.Node, Except: true}
	}
	out.Columns.Names = append(out.Columns.Names, dsl.ColumnName{Node: out.Columns.Node, Name: metadataColumn})
}
