package metadata

import (
	"errors"
	"fmt"

	"github.com/apache/iceberg-go"
)

// clocks is by how many milliseconds the clocks of two writers may differ: the logs need not be in better order.
const clocks = 60_000

// check refuses metadata that contradicts itself.
func (t *Table) check() error {
	for _, check := range []func() error{
		t.checkSchemas, t.checkSpecs, t.checkSortOrder, t.checkSnapshots, t.checkRefs, t.checkLogs,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// unique refuses a list in which an id stands twice, and reports whether the wanted one is there.
func unique[T any, ID comparable](what string, objects list[T], id func(T) ID, wanted ID) (found bool, err error) {
	seen := make(map[ID]bool, len(objects))
	for _, k := range objects {
		n := id(k.value)
		if seen[n] {
			return false, fmt.Errorf("%s %v is there twice", what, n)
		}
		seen[n] = true
	}
	return seen[wanted], nil
}

func (t *Table) checkSchemas() error {
	found, err := unique("schema", t.schemas, func(s *iceberg.Schema) int { return s.ID }, t.CurrentSchemaID)
	if err == nil && !found {
		err = fmt.Errorf("current-schema-id is %d, and there is no such schema", t.CurrentSchemaID)
	}
	return err
}

func (t *Table) checkSpecs() error {
	found, err := unique("partition spec", t.specs, func(s iceberg.PartitionSpec) int { return s.ID() }, t.DefaultSpecID)
	if err == nil && !found {
		err = fmt.Errorf("default-spec-id is %d, and there is no such partition spec", t.DefaultSpecID)
	}
	return err
}

// checkSortOrder makes sure that the default sort order is there, and so are its columns. Order 0 stands for none.
func (t *Table) checkSortOrder() error {
	found, err := unique("sort order", t.orders, func(o sortOrder) int { return o.ID }, t.defaultOrderID)
	if err != nil || t.defaultOrderID == 0 {
		return err
	}
	if !found {
		return fmt.Errorf("default-sort-order-id is %d, and there is no such sort order", t.defaultOrderID)
	}
	for _, o := range t.orders {
		if o.value.ID != t.defaultOrderID {
			continue
		}
		for _, f := range o.value.Fields {
			if _, ok := t.CurrentSchema().FindColumnName(f.SourceID); f.SourceID != 0 && !ok {
				return fmt.Errorf("its sort order %d has column %d, which the schema has not", o.value.ID, f.SourceID)
			}
		}
	}
	return nil
}

func (t *Table) checkSnapshots() error {
	if _, err := unique("snapshot", t.snapshots, func(s *Snapshot) int64 { return s.SnapshotID }, 0); err != nil {
		return err
	}
	for _, s := range t.Snapshots() {
		if s.SnapshotID == 0 || s.TimestampMs == 0 {
			return errors.New("a snapshot has no snapshot-id or no timestamp-ms")
		}
		if t.FormatVersion > 1 && s.SequenceNumber > t.LastSequenceNumber {
			return fmt.Errorf("snapshot %d has sequence number %d, but last-sequence-number is %d",
				s.SnapshotID, s.SequenceNumber, t.LastSequenceNumber)
		}
	}
	return nil
}

// checkRefs makes sure that branches and tags name snapshots that are there, and that main is the current one.
func (t *Table) checkRefs() error {
	for name, r := range t.refs {
		if t.snapshotsByID[r.value.SnapshotID] == nil {
			return fmt.Errorf("%s is snapshot %d, which is not there", name, r.value.SnapshotID)
		}
	}
	main, ok := t.refs[MainBranch]
	switch {
	case ok && t.currentID == nil:
		return fmt.Errorf("main is snapshot %d, but there is no current-snapshot-id", main.value.SnapshotID)
	case ok && main.value.SnapshotID != *t.currentID:
		return fmt.Errorf("main is snapshot %d, but current-snapshot-id is %d", main.value.SnapshotID, *t.currentID)
	}
	return nil
}

// checkLogs makes sure that no log goes back in time. Snapshots of the log may be missing: not all programs that expire
// them remove them from the log too.
func (t *Table) checkLogs() error {
	inOrder := func(log string, last, next int64) error {
		if next < last-clocks {
			return fmt.Errorf("%s goes back in time, from %d to %d", log, last, next)
		}
		return nil
	}
	var last int64
	for _, e := range t.snapshotLog {
		if err := inOrder("snapshot-log", last, e.value.TimestampMs); err != nil {
			return err
		}
		last = e.value.TimestampMs
	}
	if err := inOrder("last-updated-ms", last, t.LastUpdatedMs); err != nil {
		return err
	}
	last = 0
	for _, e := range t.metadataLog {
		if err := inOrder("metadata-log", last, e.value.TimestampMs); err != nil {
			return err
		}
		last = e.value.TimestampMs
	}
	return inOrder("last-updated-ms", last, t.LastUpdatedMs)
}
