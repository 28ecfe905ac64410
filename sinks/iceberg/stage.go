package iceberg

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// tableProperties are set on every table. Old metadata files are of no use, because the snapshots are in the new ones.
func tableProperties() map[string]string {
	return map[string]string{
		"write.metadata.previous-versions-max":       "20",
		"write.metadata.delete-after-commit.enabled": "true",
	}
}

// staged is one table's part of a commit: new files are written, the catalog does not know them yet.
type staged struct {
	change *lake.TableChange
	base   *head           // nil for a new table
	meta   *metadata.Table // of base
	// draft has base with the change applied; snapshot is nil when the change adds and removes nothing.
	draft    *metadata.Draft
	snapshot *metadata.Snapshot
	next     *head                   // nil when nothing changed
	gone     int                     // how many snapshots are expired
	retired  [][2]*metadata.Snapshot // those of the head's history, each with its successor
}

// stage applies a change to the table's metadata and writes its manifests.
func (l *Lake) stage(c *lake.TableChange, base *head, props map[string]string, out *output) (*staged, error) {
	st := &staged{change: c, base: base}
	if base != nil {
		meta, err := base.load()
		if err != nil {
			return nil, err
		}
		st.meta = meta
	}
	dir := filepath.Join(l.tableDir(c.Table), "metadata")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make metadata folder: %w", err)
	}
	if err := st.shape(lake.URI(l.tableDir(c.Table))); err != nil {
		return nil, err
	}
	if err := st.produce(newProducer(dir, out, st.draft), props); err != nil {
		return nil, err
	}
	return st, nil
}

// shape creates the table, or brings its schema, partition spec and properties to what the change wants.
func (st *staged) shape(location string) error {
	var err error
	if st.base == nil {
		st.draft, err = newTable(st.change, location)
		return err
	}
	if st.draft, err = st.meta.Draft(st.base.location); err != nil {
		return err
	}
	old := &st.base.state
	next, err := successor(old.Schema, old.LastID, st.change)
	if err != nil {
		return err
	}
	schema := icebergSchema(next)
	if !st.meta.CurrentSchema().Equals(schema) {
		if err := st.draft.SetSchema(schema); err != nil {
			return fmt.Errorf("change schema: %w", err)
		}
	}
	if err := st.repartition(next); err != nil {
		return err
	}
	changed := map[string]string{}
	var gone []string
	for k, v := range st.change.Properties {
		switch have, there := old.Properties[k]; {
		case v == "" && there:
			gone = append(gone, k)
		case have != v:
			changed[k] = v
		}
	}
	st.draft.SetProperties(changed)
	st.draft.RemoveProperties(gone)
	return nil
}

// repartition gives the table another partition spec where the change has one.
func (st *staged) repartition(next schemas.Table) error {
	old, c := &st.base.state, st.change
	same := samePartition(old.Partition, c.Partition)
	if !same && !c.Recreate {
		return fmt.Errorf("the partitions changed from %s to %s; a full refresh accepts the change",
			describePartition(old.Partition), describePartition(c.Partition))
	}
	if same && sameSources(st.meta.PartitionSpec(), c.Partition, next) {
		return nil
	}
	spec, err := partitionSpec(c.Partition, next, st.draft.CurrentSchema())
	if err != nil {
		return err
	}
	if err := st.draft.SetPartitionSpec(spec); err != nil {
		return fmt.Errorf("change partitions: %w", err)
	}
	return nil
}

// sameSources reports whether the spec's source columns are still the ones of those names: a recreated column has a new
// id.
func sameSources(spec iceberg.PartitionSpec, fields []schemas.PartitionField, t schemas.Table) bool {
	for i, f := range spec.Fields() {
		if c := t.Column(fields[i].Column); c == nil || c.ID != f.SourceID() {
			return false
		}
	}
	return true
}

// newTable starts the metadata of a table that does not exist.
func newTable(c *lake.TableChange, location string) (*metadata.Draft, error) {
	next, err := successor(nil, 0, c)
	if err != nil {
		return nil, err
	}
	schema := icebergSchema(next)
	spec, err := partitionSpec(c.Partition, next, schema)
	if err != nil {
		return nil, err
	}
	props := tableProperties()
	maps.Copy(props, c.Properties)
	d, err := metadata.Create(location, schema, spec, props)
	if err != nil {
		return nil, fmt.Errorf("create table: %w", err)
	}
	return d, nil
}

// produce writes the manifests of the change and adds the snapshot.
func (st *staged) produce(p *producer, props map[string]string) error {
	var parent *metadata.Snapshot
	if st.base != nil {
		parent = st.meta.CurrentSnapshot()
	}
	if err := checkDeletes(st.change.Table, parent); err != nil {
		return err
	}
	if len(st.change.Add)+len(st.change.Remove) == 0 && (parent == nil || st.change.Mode == lake.Append) {
		return nil
	}
	tg, err := st.target()
	if err != nil {
		return err
	}
	files, err := st.dataFiles(tg)
	if err != nil {
		return err
	}
	dropped, err := drop(st.change, tg)
	if err != nil {
		return err
	}
	if err := p.carry(parent, dropped); err != nil {
		return err
	}
	named, err := st.deleteFiles(parent, files)
	if err != nil {
		return err
	}
	operation := metadata.Append
	switch {
	case len(files)+len(p.removed)+len(named) == 0:
		return nil
	case len(files)+len(p.removed) == 0:
		operation = metadata.Delete
	case len(p.removed)+len(named) > 0:
		operation = metadata.Overwrite
	}
	return st.add(p, parent, append(files, named...), operation, props)
}

// deleteFiles makes the manifest's records of the files that name rows to remove, of files that are there or are added.
// It returns errConflict when a file whose rows they name is not there any more.
func (st *staged) deleteFiles(parent *metadata.Snapshot, added []iceberg.DataFile) ([]iceberg.DataFile, error) {
	if len(st.change.Remove) == 0 {
		return nil, nil
	}
	fresh := map[string]iceberg.DataFile{}
	for _, f := range added {
		fresh[f.FilePath()] = f
	}
	stored := map[string]bool{}
	for _, d := range st.change.Remove {
		for _, path := range d.Of {
			if fresh[lake.URI(path)] == nil {
				stored[lake.URI(path)] = true
			}
		}
	}
	if len(stored) > 0 && st.change.Mode != lake.Append {
		return nil, errors.New("rows are removed by name and all at once in one change")
	}
	of, err := filesNamed(parent, stored)
	if err != nil {
		return nil, err
	}
	maps.Copy(of, fresh)
	out := make([]iceberg.DataFile, len(st.change.Remove))
	for i, d := range st.change.Remove {
		if out[i], err = st.deleteFile(d, of); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// filesNamed finds the live files of these locations.
func filesNamed(s *metadata.Snapshot, locations map[string]bool) (map[string]iceberg.DataFile, error) {
	found := map[string]iceberg.DataFile{}
	switch {
	case len(locations) == 0:
		return found, nil
	case s == nil:
		return nil, errConflict
	}
	manifests, err := manifestsOf(s)
	if err != nil {
		return nil, err
	}
	for _, m := range slices.Backward(manifests) { // what changes most is in the oldest and in the newest
		if len(found) == len(locations) || m.ManifestContent() != iceberg.ManifestContentData {
			continue
		}
		for e, err := range entriesOf(m, true) {
			if err != nil {
				return nil, err
			}
			if f := e.DataFile(); locations[f.FilePath()] {
				found[f.FilePath()] = f
			}
		}
	}
	if len(found) < len(locations) {
		return nil, errConflict
	}
	return found, nil
}

// deleteFile makes the record of one file. It belongs to the partition of the files whose rows it names.
func (st *staged) deleteFile(d lake.DeleteFile, of map[string]iceberg.DataFile) (iceberg.DataFile, error) {
	if len(d.Of) == 0 || d.Rows == 0 {
		return nil, fmt.Errorf("delete file %s: it is not said whose rows it names", d.Path)
	}
	first := of[lake.URI(d.Of[0])]
	lower, upper := first.FilePath(), first.FilePath()
	for _, path := range d.Of {
		f := of[lake.URI(path)]
		if groupOf(f) != groupOf(first) {
			return nil, fmt.Errorf("delete file %s: it names rows of more than one partition", d.Path)
		}
		lower, upper = min(lower, f.FilePath()), max(upper, f.FilePath())
	}
	spec, ok := st.draft.PartitionSpecByID(int(first.SpecID()))
	if !ok {
		return nil, fmt.Errorf("delete file %s: the table has no partition spec %d", d.Path, first.SpecID())
	}
	b, err := iceberg.NewDataFileBuilder(spec, iceberg.EntryContentPosDeletes, lake.URI(d.Path), iceberg.ParquetFile, literals(first.Partition()), nil, nil, d.Rows, d.Bytes)
	if err != nil {
		return nil, fmt.Errorf("delete file %s: %w", d.Path, err)
	}
	id := lake.DeleteSchema().Column("file_path").ID
	b.LowerBoundValues(map[int][]byte{id: []byte(lower)}).UpperBoundValues(map[int][]byte{id: []byte(upper)})
	if len(d.Of) == 1 {
		b.ReferencedDataFile(first.FilePath())
	}
	return b.Build(), nil
}

// literals are partition values as a manifest is written with them, of those that were read from one.
func literals(values map[int]any) map[int]any {
	for id, v := range values {
		if d, ok := v.(iceberg.DecimalLiteral); ok {
			values[id] = iceberg.Decimal(d)
		}
	}
	return values
}

// add writes the manifests and adds the snapshot.
func (st *staged) add(p *producer, parent *metadata.Snapshot, files []iceberg.DataFile, operation string, props map[string]string) error {
	err := errors.Join(p.merge(), p.add(files))
	if err != nil {
		return err
	}
	if st.snapshot, err = p.finish(parent, operation, props); err != nil {
		return err
	}
	st.snapshot.TimestampMs = time.Now().UnixMilli()
	if st.base != nil { // a clock that was set back must not turn the history around
		st.snapshot.TimestampMs = max(st.snapshot.TimestampMs, st.meta.LastUpdatedMs)
	}
	return st.draft.AddSnapshot(st.snapshot)
}

// target is the schema and the partition spec after the change.
func (st *staged) target() (*target, error) {
	schema := st.draft.CurrentSchema()
	t, err := columns(schema.Fields())
	if err != nil {
		return nil, err
	}
	return newTarget(t, schema, st.draft.PartitionSpec()), nil
}

func (st *staged) dataFiles(tg *target) ([]iceberg.DataFile, error) {
	files := make([]iceberg.DataFile, len(st.change.Add))
	for i, f := range st.change.Add {
		if !filepath.IsAbs(f.Path) {
			return nil, fmt.Errorf("data file %s: the path is not absolute", f.Path)
		}
		built, err := tg.build(f)
		if err != nil {
			return nil, err
		}
		files[i] = built
	}
	return files, nil
}

// writeMetadata writes the table's new metadata file. It leaves next nil when the change changes nothing.
func (st *staged) writeMetadata(dir string, out *output) error {
	if st.base != nil && !st.draft.Changed() {
		return nil
	}
	if err := st.renew(); err != nil {
		return err
	}
	meta, err := st.draft.Finish()
	if err != nil {
		return fmt.Errorf("build metadata: %w", err)
	}
	content, err := meta.Encode()
	if err != nil {
		return fmt.Errorf("build metadata: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%05d-%s.metadata.json", st.version(), contentID(content)))
	if err := out.write(path, content); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	st.next, err = newHead(st.change.Table, lake.URI(path), meta)
	return err
}

// version numbers the metadata files of a table; it only helps people who look into the folder.
func (st *staged) version() int {
	if st.base == nil {
		return 0
	}
	number, _, _ := strings.Cut(filepath.Base(local(st.base.location)), "-")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 1 // written by another program
	}
	return n + 1
}
