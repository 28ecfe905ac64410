package metadata

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"
)

// Draft is the next version of a table's metadata, until it is finished. It can be read as a Table meanwhile.
type Draft struct {
	Table
	previous *kept[metadataLogEntry] // the version before; nil when there is none
	changed  bool
}

// Create begins a table.
func Create(location string, schema *iceberg.Schema, spec iceberg.PartitionSpec,
	properties map[string]string) (*Draft, error) {
	unsorted, err := keep(sortOrder{Fields: []sortField{}})
	if err != nil {
		return nil, err
	}
	d := &Draft{Table: Table{
		FormatVersion:   Version,
		UUID:            uuid.New(),
		Location:        location,
		lastPartitionID: iceberg.PartitionDataIDStart - 1,
		properties:      map[string]string{},
		orders:          list[sortOrder]{unsorted},
		refs:            map[string]kept[ref]{},
		snapshotsByID:   map[int64]*Snapshot{},
	}}
	maps.Copy(d.properties, properties)
	if err := d.SetSchema(schema); err != nil {
		return nil, err
	}
	return d, d.SetPartitionSpec(spec)
}

// Draft begins the next version of the metadata in a file.
func (t *Table) Draft(file string) (*Draft, error) {
	if t.FormatVersion != Version {
		return nil, &VersionError{Version: t.FormatVersion, Write: true}
	}
	previous, err := keep(metadataLogEntry{file, t.LastUpdatedMs})
	if err != nil {
		return nil, err
	}
	d := &Draft{Table: *t, previous: &previous}
	d.schemas, d.specs, d.snapshots = slices.Clone(t.schemas), slices.Clone(t.specs), slices.Clone(t.snapshots)
	d.snapshotLog, d.metadataLog = slices.Clone(t.snapshotLog), slices.Clone(t.metadataLog)
	d.statistics, d.partitionStats = slices.Clone(t.statistics), slices.Clone(t.partitionStats)
	d.refs, d.properties, d.snapshotsByID = maps.Clone(t.refs), maps.Clone(t.properties), maps.Clone(t.snapshotsByID)
	return d, nil
}

// Changed reports whether the draft says anything that the version before does not.
func (d *Draft) Changed() bool { return d.previous == nil || d.changed }

// SetSchema makes a schema the current one, under the id of an equal one that is there, or a new id.
func (d *Draft) SetSchema(schema *iceberg.Schema) error {
	d.changed = true
	next := 0
	for _, s := range d.schemas {
		if s.value.Equals(schema) {
			d.CurrentSchemaID = s.value.ID
			return nil
		}
		next = max(next, s.value.ID+1)
	}
	if _, err := iceberg.IndexNameByID(schema); err != nil { // ids and names are unique
		return err
	}
	schema.ID = next
	added, err := keep(schema)
	if err != nil {
		return err
	}
	d.schemas, d.CurrentSchemaID = append(d.schemas, added), next
	d.LastColumnID = max(d.LastColumnID, schema.HighestFieldID())
	return nil
}

// SetPartitionSpec makes a spec the default one, under the id of an equal one that is there, or a new id. New fields
// get ids that no field has had.
func (d *Draft) SetPartitionSpec(spec iceberg.PartitionSpec) error {
	d.changed = true
	next, last := 0, d.lastPartitionID
	for _, s := range d.specs {
		if samePartition(s.value, spec) {
			d.DefaultSpecID = s.value.ID()
			return nil
		}
		next, last = max(next, s.value.ID()+1), max(last, s.value.LastAssignedFieldID())
	}
	bound, err := spec.BindToSchema(d.CurrentSchema(), &last, &next)
	if err != nil {
		return err
	}
	added, err := keep(bound)
	if err != nil {
		return err
	}
	d.specs, d.DefaultSpecID = append(d.specs, added), next
	d.lastPartitionID = max(last, bound.LastAssignedFieldID())
	return nil
}

// samePartition compares specs without their ids and those of their fields.
func samePartition(a, b iceberg.PartitionSpec) bool {
	if a.NumFields() != b.NumFields() {
		return false
	}
	for i, f := range a.Fields() {
		if g := b.Field(i); f.Name != g.Name || !slices.Equal(f.SourceIDs, g.SourceIDs) || !f.Transform.Equals(g.Transform) {
			return false
		}
	}
	return true
}

// SetProperties sets some properties and leaves the others.
func (d *Draft) SetProperties(set map[string]string) {
	d.changed = d.changed || len(set) > 0
	maps.Copy(d.properties, set)
}

// RemoveProperties removes properties.
func (d *Draft) RemoveProperties(keys []string) {
	d.changed = d.changed || len(keys) > 0
	for _, key := range keys {
		delete(d.properties, key)
	}
}

// AddSnapshot makes a new snapshot the table's current one. Its parent must be the one before.
func (d *Draft) AddSnapshot(s *Snapshot) error {
	if err := d.follows(s); err != nil {
		return fmt.Errorf("add snapshot %d: %w", s.SnapshotID, err)
	}
	added, err := keep(s)
	if err != nil {
		return err
	}
	at := max(d.LastUpdatedMs, s.TimestampMs)
	entry, err := keep(snapshotLogEntry{s.SnapshotID, at})
	if err != nil {
		return err
	}
	d.snapshots, d.snapshotLog = append(d.snapshots, added), append(d.snapshotLog, entry)
	d.snapshotsByID[s.SnapshotID] = s
	d.LastUpdatedMs, d.LastSequenceNumber, d.currentID, d.changed = at, s.SequenceNumber, &s.SnapshotID, true
	return d.setMain(s.SnapshotID)
}

// follows says why a snapshot cannot be the next one.
func (d *Draft) follows(s *Snapshot) error {
	parent := d.CurrentSnapshot()
	switch {
	case s.SnapshotID <= 0:
		return errors.New("the id is not positive")
	case d.snapshotsByID[s.SnapshotID] != nil:
		return errors.New("there is one with this id")
	case s.SequenceNumber <= d.LastSequenceNumber:
		return fmt.Errorf("its sequence number %d does not follow %d", s.SequenceNumber, d.LastSequenceNumber)
	case s.TimestampMs < d.LastUpdatedMs-clocks:
		return fmt.Errorf("its time %d is before the table's last change at %d", s.TimestampMs, d.LastUpdatedMs)
	case parent == nil && s.ParentSnapshotID != nil,
		parent != nil && (s.ParentSnapshotID == nil || *s.ParentSnapshotID != parent.SnapshotID):
		return errors.New("its parent is not the current snapshot")
	case s.ManifestList == "":
		return errors.New("it has no manifest list")
	}
	ofSnapshot := func(k kept[*iceberg.Schema]) bool { return s.SchemaID != nil && k.value.ID == *s.SchemaID }
	if !slices.ContainsFunc(d.schemas, ofSnapshot) {
		return errors.New("its schema is not there")
	}
	return nil
}

// setMain points the main branch to a snapshot, and leaves what else is said of the branch.
func (t *Table) setMain(id int64) error {
	fields := map[string]json.RawMessage{}
	if main, ok := t.refs[MainBranch]; ok {
		if err := json.Unmarshal(main.text, &fields); err != nil {
			return err
		}
	}
	fields["snapshot-id"], fields["type"] = json.RawMessage(strconv.FormatInt(id, 10)), json.RawMessage(`"branch"`)
	text, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	t.refs[MainBranch] = kept[ref]{ref{SnapshotID: id, Type: "branch"}, text}
	return nil
}

// RemoveSnapshots removes snapshots, with their statistics. The log keeps what came after them: a gap would tell of
// a history that was not.
func (d *Draft) RemoveSnapshots(ids []int64) error {
	gone := make(map[int64]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
		delete(d.snapshotsByID, id)
	}
	for name, r := range d.refs {
		if gone[r.value.SnapshotID] {
			return fmt.Errorf("remove snapshot %d: it is %s", r.value.SnapshotID, name)
		}
	}
	d.changed = d.changed || len(ids) > 0
	d.snapshots = slices.DeleteFunc(d.snapshots, func(s kept[*Snapshot]) bool { return gone[s.value.SnapshotID] })
	ofGone := func(f kept[statisticsFile]) bool { return gone[f.value.SnapshotID] }
	d.statistics = slices.DeleteFunc(d.statistics, ofGone)
	d.partitionStats = slices.DeleteFunc(d.partitionStats, ofGone)
	return nil
}

// RemoveSchemas removes schemas that no snapshot has any more.
func (d *Draft) RemoveSchemas(ids []int) error {
	if slices.Contains(ids, d.CurrentSchemaID) {
		return fmt.Errorf("remove schema %d: it is the current one", d.CurrentSchemaID)
	}
	d.changed = d.changed || len(ids) > 0
	d.schemas = slices.DeleteFunc(d.schemas, func(s kept[*iceberg.Schema]) bool { return slices.Contains(ids, s.value.ID) })
	return nil
}

// Finish completes the draft and returns the new version.
func (d *Draft) Finish() (*Table, error) {
	t := d.Table
	var before int64
	if d.previous != nil {
		before = d.previous.value.TimestampMs
	}
	if t.LastUpdatedMs == before { // else it is the time of the new snapshot
		t.LastUpdatedMs = max(before, time.Now().UnixMilli()) // a clock may have been set back
	}
	for i, e := range slices.Backward(t.snapshotLog) {
		if t.snapshotsByID[e.value.SnapshotID] == nil {
			t.snapshotLog = t.snapshotLog[i+1:]
			break
		}
	}
	if d.previous != nil && d.changed {
		t.metadataLog = append(slices.Clone(t.metadataLog), *d.previous)
		t.metadataLog = t.metadataLog[max(0, len(t.metadataLog)-d.previousVersions()):]
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	return &t, nil
}

// previousVersions is how many older metadata files the log names.
func (d *Draft) previousVersions() int {
	const byDefault = 100
	n, err := strconv.Atoi(d.properties["write.metadata.previous-versions-max"])
	if err != nil {
		return byDefault
	}
	return max(n, 1)
}
