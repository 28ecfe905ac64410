package iceberg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Stored lists the live files of a table.
func (l *Lake) Stored(ctx context.Context, name string) (*lake.Stored, error) {
	h, err := l.head(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &lake.Stored{Schema: h.state.Schema, Partition: slices.Clone(h.state.Partition)}
	s := h.meta.CurrentSnapshot()
	if s == nil {
		return out, nil
	}
	if err := checkDeletes(name, s); err != nil {
		return nil, err
	}
	if out.Files, out.Deletes, err = storedFiles(s, h.meta.PartitionSpec()); err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	return out, nil
}

// storedFiles are the files of a snapshot that a rewrite may replace, those with rows apart from those that name removed
// ones.
func storedFiles(s *metadata.Snapshot, spec iceberg.PartitionSpec) (files, deletes []lake.StoredFile, err error) {
	manifests, err := manifestsOf(s)
	if err != nil {
		return nil, nil, err
	}
	removed := removals{}
	var entries []iceberg.ManifestEntry
	for _, m := range manifests {
		for e, err := range entriesOf(m, true) {
			switch {
			case err != nil:
				return nil, nil, err
			case m.ManifestContent() == iceberg.ManifestContentData:
				if int(m.PartitionSpecID()) == spec.ID() {
					entries = append(entries, e)
				}
				continue
			}
			if err := removed.add(e); err != nil {
				return nil, nil, err
			}
			deletes = append(deletes, storedFile(e, spec))
		}
	}
	for _, e := range entries {
		f := storedFile(e, spec)
		f.Deletes = removed.of(e)
		files = append(files, f)
	}
	return files, deletes, nil
}

func storedFile(e iceberg.ManifestEntry, spec iceberg.PartitionSpec) lake.StoredFile {
	f := e.DataFile()
	return lake.StoredFile{Path: local(f.FilePath()), Rows: f.Count(), Bytes: f.FileSizeBytes(), Partition: partitionKey(spec, f)}
}

// partitionKey is equal for files with the same partition values.
func partitionKey(spec iceberg.PartitionSpec, f iceberg.DataFile) string {
	var b strings.Builder
	values := f.Partition()
	for _, field := range spec.Fields() {
		text := "null"
		if v := values[field.FieldID]; v != nil {
			text = strconv.Quote(fmt.Sprintf("%v", v))
		}
		fmt.Fprintf(&b, "%s=%s ", field.Name, text)
	}
	return strings.TrimSuffix(b.String(), " ")
}

// Rewrite replaces files of a table by others that have the same rows, as a snapshot of its own with Iceberg's
// operation replace. Positions, and the number of the table's last commit, stay as they are.
func (l *Lake) Rewrite(ctx context.Context, r *lake.Rewrite) (lake.Status, error) {
	l.commits.Lock()
	defer l.commits.Unlock()
	status, err := l.rewrite(ctx, r)
	if err != nil {
		return 0, fmt.Errorf("rewrite files of table %s: %w", r.Table, err)
	}
	return status, nil
}

func (l *Lake) rewrite(ctx context.Context, r *lake.Rewrite) (lake.Status, error) {
	db, err := l.catalog(ctx, false)
	if err != nil {
		return 0, err
	}
	if db == nil || r.Epoch < 1 || len(r.Remove) == 0 {
		return 0, errors.New("it needs an epoch, and files; call Acquire first")
	}
	heads, err := l.readHeads(ctx, db)
	if err != nil {
		return 0, err
	}
	rec, err := l.record(ctx, db, heads)
	if err != nil {
		return 0, err
	}
	base := heads[r.Table]
	if base == nil || base.state.Snapshot == 0 {
		return lake.Conflict, nil
	}
	files := &output{}
	st, err := l.stageRewrite(r, base, files)
	if err == nil {
		err = st.expire(l.retention.snapshots(), rec.positions.Passed())
	}
	if err == nil {
		err = l.writeMetadata(files, st)
	}
	if err != nil {
		files.remove()
		if errors.Is(err, errConflict) {
			return lake.Conflict, nil
		}
		return 0, err
	}
	failpoint.Hit("maintain.before-rewrite")
	status, err := l.publish(ctx, db, r.Epoch, []*staged{st}, files)
	failpoint.Hit("maintain.after-rewrite")
	return status, err
}

// writeMetadata writes the metadata of changes whose manifests are written, and makes everything durable.
func (l *Lake) writeMetadata(files *output, changes ...*staged) error {
	for _, st := range changes {
		if err := st.writeMetadata(filepath.Join(l.tableDir(st.change.Table), "metadata"), files); err != nil {
			return err
		}
	}
	return files.sync(l.warehouse)
}

// stageRewrite writes the manifests of a rewrite. It returns errConflict when a file to remove is not there any more.
func (l *Lake) stageRewrite(r *lake.Rewrite, base *head, out *output) (*staged, error) {
	st, err := stagedFrom(base, &lake.TableChange{Table: r.Table, Add: r.Add, Remove: r.AddDeletes})
	if err != nil {
		return nil, err
	}
	parent := st.meta.CurrentSnapshot()
	if err := checkDeletes(r.Table, parent); err != nil {
		return nil, err
	}
	tg, err := st.target()
	if err != nil {
		return nil, err
	}
	files, err := st.dataFiles(tg)
	if err != nil {
		return nil, err
	}
	remove := make(map[string]bool, len(r.Remove))
	for _, path := range r.Remove {
		remove[lake.URI(path)] = true
	}
	p := newProducer(filepath.Join(l.tableDir(r.Table), "metadata"), out, st.draft)
	known := make(map[string]bool, len(r.Deletes))
	for _, path := range r.Deletes {
		known[lake.URI(path)] = true
	}
	more := false // rows were removed since
	drop := func(f iceberg.DataFile) (bool, error) {
		more = more || names(f) && !known[f.FilePath()]
		return remove[f.FilePath()], nil
	}
	if err := p.carry(parent, drop); err != nil {
		return nil, err
	}
	if more || len(p.removed) != len(remove) {
		return nil, errConflict
	}
	named, err := st.deleteFiles(parent, files)
	if err != nil {
		return nil, err
	}
	files = append(files, named...)
	if err := sameRows(tg.spec, p.removed, files); err != nil {
		return nil, err
	}
	props := maps.Clone(map[string]string(parent.Summary))
	maps.DeleteFunc(props, func(key, _ string) bool { return !strings.HasPrefix(key, "lakeflow.") })
	return st, st.add(p, parent, files, metadata.Replace, props)
}

// stagedFrom begins a change of a table that keeps its shape.
func stagedFrom(base *head, c *lake.TableChange) (*staged, error) {
	meta, err := base.load()
	if err != nil {
		return nil, err
	}
	d, err := meta.Draft(base.location)
	if err != nil {
		return nil, err
	}
	return &staged{change: c, base: base, meta: meta, draft: d}, nil
}

// sameRows refuses a rewrite that would lose, add or move rows, or that names files which are not there.
func sameRows(spec iceberg.PartitionSpec, removed, added []iceberg.DataFile) error {
	before, after := count(removed), count(added)
	for _, f := range removed {
		if int(f.SpecID()) != spec.ID() {
			return fmt.Errorf("%s was written with another partition spec", f.FilePath())
		}
	}
	for _, f := range added {
		values := f.Partition()
		if !slices.ContainsFunc(removed, func(old iceberg.DataFile) bool { return hasPartition(old.Partition(), values) }) {
			return fmt.Errorf("%s has the partition values %v, which none of the files has that it replaces", f.FilePath(), values)
		}
		info, err := os.Stat(local(f.FilePath()))
		if err != nil {
			return err
		}
		if info.Size() != f.FileSizeBytes() {
			return fmt.Errorf("%s has %d bytes instead of %d", f.FilePath(), info.Size(), f.FileSizeBytes())
		}
	}
	if have, had := after.rows-after.named, before.rows-before.named; have != had {
		return fmt.Errorf("the new files have %d rows, those that they replace have %d", have, had)
	}
	return nil
}

// Expire drops, from the metadata of all tables, the snapshots that neither the retention nor a stream needs, and
// returns how many by table. Commits do the same for the tables that they add to; this is for all at once.
func (l *Lake) Expire(ctx context.Context, epoch int64) (map[string]int, error) {
	l.commits.Lock()
	defer l.commits.Unlock()
	gone, err := l.expireAll(ctx, func(ctx context.Context, changes []*staged) error {
		db, err := l.catalog(ctx, false)
		if err != nil {
			return err
		}
		files := &output{}
		if err := l.writeMetadata(files, changes...); err != nil {
			files.remove()
			return err
		}
		failpoint.Hit("maintain.before-expire")
		status, err := l.publish(ctx, db, epoch, changes, files)
		failpoint.Hit("maintain.after-expire")
		if err == nil && status != lake.Committed {
			err = errors.New("the tables changed meanwhile, or another writer took over; run again")
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("expire snapshots: %w", err)
	}
	return gone, nil
}

// Expirable counts the snapshots that Expire would drop now, by table.
func (l *Lake) Expirable(ctx context.Context) (map[string]int, error) {
	return l.expireAll(ctx, func(context.Context, []*staged) error { return nil })
}

// expireAll makes the changes that drop snapshots and hands them to publish.
func (l *Lake) expireAll(ctx context.Context, publish func(context.Context, []*staged) error) (map[string]int, error) {
	gone := map[string]int{}
	db, err := l.catalog(ctx, false)
	if db == nil {
		return gone, err
	}
	heads, err := l.readHeads(ctx, db)
	if err != nil {
		return nil, err
	}
	rec, err := l.record(ctx, db, heads)
	if err != nil {
		return nil, err
	}
	var changes []*staged
	read := rec.positions.Passed()
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		if heads[name].state.Commit == 0 {
			continue // lakeflow did not write it
		}
		st, err := stagedFrom(heads[name], &lake.TableChange{Table: name})
		if err != nil {
			return nil, err
		}
		if err := st.expire(l.retention.snapshots(), read); err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
		if st.draft.Changed() {
			changes = append(changes, st)
			gone[name] = st.gone
		}
	}
	if len(changes) == 0 {
		return gone, nil
	}
	return gone, publish(ctx, changes)
}
