package plan

import "github.com/lakeflow/lakeflow/dsl"

// what is ordered by the sequence.
func (m *changes) what() string {
	if m.decl.Snapshot != nil {
		return "snapshot"
	}
	return "change"
}

// checkSnapshots finds out whether snapshots come as a stream, in which only a version tells them apart.
func (c *compiler) checkSnapshots(d *dataset) {
	m := d.changes
	for _, f := range d.flows {
		for _, r := range f.refs {
			if !r.stream {
				continue
			}
			m.streams = true
			if m.timed() && !m.decl.Snapshot.Flawed {
				help := "add snapshot_version: with what tells them apart and orders them, as in _metadata.file_name"
				if r.dataset == nil || r.dataset.decl.Kind != dsl.View {
					help += "; or read " + r.name + " whole: from_snapshot: " + r.name
				}
				c.diags.Errorf(codeNoVersion, r.at, help,
					"%s takes snapshots from a stream, and nothing says which rows are one snapshot", d.name)
				return
			}
		}
	}
}

// followsSnapshots reports whether the dataset is a table that follows snapshots, which need not be a stream.
func (d *dataset) followsSnapshots() bool { return d.changes != nil && d.changes.decl.Snapshot != nil }

// snapshotSource is a word for where snapshots come from, empty for changes.
func (m *AutoCDC) snapshotSource() string {
	switch {
	case !m.Spec.Snapshots:
		return ""
	case m.Whole:
		return "whole"
	}
	return "stream"
}

// versionText says what the version of a snapshot is.
func (m *AutoCDC) versionText() string {
	if m.Timed {
		return "the time of the update"
	}
	return m.SequenceBy[0]
}
