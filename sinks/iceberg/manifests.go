package iceberg

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// mergeCount manifests of about the same number of files are merged into one, so that a table of many small commits
// stays quick to open. The merged ones are merged again when there are mergeCount of them: each entry is rewritten a
// few times in all, and no commit reads the whole table. Those of mergeAbove bytes are large enough.
const (
	mergeCount = 16
	mergeAbove = 4 << 20
)

// producer writes the manifests and the manifest list of one new snapshot. It is written on iceberg-go's manifest
// writers, not on its Transaction, because that one percent-encodes the paths that it makes, and PyIceberg does not
// decode them.
type producer struct {
	dir    string // of the metadata
	out    *output
	meta   *metadata.Draft // with the schema and specs that the snapshot needs
	seq    int64           // the sequence number of the snapshot
	id     int64
	prefix string // of file names
	count  int

	added, removed  []iceberg.DataFile // with rows, and those that name removed rows
	manifests, kept []iceberg.ManifestFile
	replaced        int // manifests of the parent that are not taken over as they are
}

// keyReplaced is Iceberg's own entry for how many of the parent's manifests the snapshot has no more.
const keyReplaced = "manifests-replaced"

func newProducer(dir string, out *output, meta *metadata.Draft) *producer {
	id := uuid.New()
	return &producer{dir: dir, out: out, meta: meta, seq: meta.LastSequenceNumber + 1, id: snapshotID(id, meta), prefix: id.String()}
}

// snapshotID makes a positive number that no snapshot of the table has.
func snapshotID(id uuid.UUID, meta *metadata.Draft) int64 {
	for {
		n := binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])
		n &= math.MaxInt64
		if n > 0 && meta.SnapshotByID(int64(n)) == nil {
			return int64(n)
		}
		id = uuid.New()
	}
}

// carry takes over the parent's files, except those that drop names; those become deleted entries. A nil drop keeps
// all, and reads no manifest.
func (p *producer) carry(parent *metadata.Snapshot, drop func(iceberg.DataFile) (bool, error)) error {
	if parent == nil {
		return nil
	}
	manifests, err := manifestsOf(parent)
	if err != nil {
		return err
	}
	deleted := map[family][]iceberg.ManifestEntry{}
	for _, m := range manifests {
		if !m.HasAddedFiles() && !m.HasExistingFiles() {
			p.replaced++
			continue // tells only what the parent deleted
		}
		if drop == nil {
			p.kept = append(p.kept, m)
			continue
		}
		gone, err := p.filter(m, drop)
		if err != nil {
			return err
		}
		deleted[familyOf(m)] = append(deleted[familyOf(m)], gone...)
	}
	for _, of := range slices.SortedFunc(maps.Keys(deleted), family.compare) {
		if err := p.write(of, deleted[of], (*iceberg.ManifestWriter).Delete); err != nil {
			return err
		}
	}
	return nil
}

// family is what the entries of one manifest have in common: their partition spec, and whether the files have rows or
// name removed ones.
type family struct {
	spec    int32
	content iceberg.ManifestContent
}

func familyOf(m iceberg.ManifestFile) family { return family{m.PartitionSpecID(), m.ManifestContent()} }

func (f family) compare(g family) int {
	return cmp.Or(cmp.Compare(f.spec, g.spec), cmp.Compare(f.content, g.content))
}

// filter keeps what is left of a manifest and returns the entries that were dropped, marked as deleted by this
// snapshot.
func (p *producer) filter(m iceberg.ManifestFile, drop func(iceberg.DataFile) (bool, error)) ([]iceberg.ManifestEntry, error) {
	var gone, left []iceberg.ManifestEntry
	for e, err := range entriesOf(m, true) {
		if err != nil {
			return nil, err
		}
		yes, err := drop(e.DataFile())
		if err != nil {
			return nil, err
		}
		if !yes {
			left = append(left, e)
			continue
		}
		seq := e.SequenceNum()
		gone = append(gone, iceberg.NewManifestEntry(iceberg.EntryStatusDELETED, &p.id, &seq, e.FileSequenceNum(), e.DataFile()))
		p.removed = append(p.removed, e.DataFile())
	}
	if len(gone) == 0 {
		p.kept = append(p.kept, m)
		return nil, nil
	}
	p.replaced++
	return gone, p.write(familyOf(m), left, (*iceberg.ManifestWriter).Existing)
}

// add writes the manifests of the new files.
func (p *producer) add(files []iceberg.DataFile) error {
	entries := map[family][]iceberg.ManifestEntry{}
	for _, f := range files {
		of := family{f.SpecID(), iceberg.ManifestContentData}
		if names(f) {
			of.content = iceberg.ManifestContentDeletes
		}
		entries[of] = append(entries[of], iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &p.id, nil, nil, f))
	}
	p.added = append(p.added, files...)
	for _, of := range slices.SortedFunc(maps.Keys(entries), family.compare) {
		if err := p.write(of, entries[of], (*iceberg.ManifestWriter).Add); err != nil {
			return err
		}
	}
	return nil
}

// names reports whether a file names removed rows, instead of having rows.
func names(f iceberg.DataFile) bool { return f.ContentType() != iceberg.EntryContentData }

// tier is what is merged with each other: manifests of one family whose numbers of files have about the same magnitude.
type tier struct {
	family
	magnitude int
}

func tierOf(m iceberg.ManifestFile) tier {
	t := tier{family: familyOf(m)}
	for n := m.AddedDataFiles() + m.ExistingDataFiles(); n >= mergeCount; n /= mergeCount {
		t.magnitude++
	}
	return t
}

// merge replaces many manifests of one tier that were carried over with one.
func (p *producer) merge() error {
	tiers := map[tier][]iceberg.ManifestFile{}
	for _, m := range p.kept {
		if m.Length() < mergeAbove {
			tiers[tierOf(m)] = append(tiers[tierOf(m)], m)
		}
	}
	for _, t := range slices.SortedFunc(maps.Keys(tiers), func(a, b tier) int {
		return cmp.Or(a.compare(b.family), cmp.Compare(a.magnitude, b.magnitude))
	}) {
		if len(tiers[t]) < mergeCount {
			continue
		}
		if err := p.mergeAll(t.family, tiers[t]); err != nil {
			return err
		}
	}
	return nil
}

// mergeAll replaces manifests of one family with one.
func (p *producer) mergeAll(of family, manifests []iceberg.ManifestFile) error {
	var entries []iceberg.ManifestEntry
	for _, m := range manifests {
		for e, err := range entriesOf(m, true) {
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
	}
	p.replaced += len(manifests)
	p.kept = slices.DeleteFunc(p.kept, func(m iceberg.ManifestFile) bool { return slices.Contains(manifests, m) })
	return p.write(of, entries, (*iceberg.ManifestWriter).Existing)
}

// write makes one manifest; without entries it makes none.
func (p *producer) write(of family, entries []iceberg.ManifestEntry, put func(*iceberg.ManifestWriter, iceberg.ManifestEntry) error) error {
	if len(entries) == 0 {
		return nil
	}
	spec, ok := p.meta.PartitionSpecByID(int(of.spec))
	if !ok {
		return fmt.Errorf("write manifest: the table has no partition spec %d", of.spec)
	}
	var buf bytes.Buffer
	w, err := iceberg.NewManifestWriter(metadata.Version, &buf, spec, p.meta.CurrentSchema(), p.id, iceberg.WithManifestWriterContent(of.content))
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	for _, e := range entries {
		if err := put(w, e); err != nil {
			return fmt.Errorf("write manifest: %s: %w", e.DataFile().FilePath(), err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	path := filepath.Join(p.dir, p.prefix+"-m"+strconv.Itoa(p.count)+"-"+contentID(buf.Bytes())+".avro")
	p.count++
	m, err := w.ToManifestFile(lake.URI(path), int64(buf.Len()))
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := p.out.write(path, buf.Bytes()); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	p.manifests = append(p.manifests, withEmptyBounds(m))
	return nil
}

// withEmptyBounds writes the bound of an empty text or binary as such. iceberg-go gives a nil slice, which becomes no
// bound at all, and readers take partitions with NULL and without a bound for nothing but NULL.
func withEmptyBounds(m iceberg.ManifestFile) iceberg.ManifestFile {
	fields := m.Partitions()
	empty := func(b *[]byte) *[]byte {
		if b != nil && *b == nil {
			return &[]byte{}
		}
		return b
	}
	for i := range fields {
		fields[i].LowerBound, fields[i].UpperBound = empty(fields[i].LowerBound), empty(fields[i].UpperBound)
	}
	return relabeled(m, m.FilePath(), m.Length(), fields)
}

// relabeled is what a manifest list says of a manifest, for one that is in another place.
func relabeled(m iceberg.ManifestFile, location string, length int64, fields []iceberg.FieldSummary) iceberg.ManifestFile {
	return iceberg.NewManifestFile(m.Version(), location, length, m.PartitionSpecID(), m.SnapshotID()).
		SequenceNum(m.SequenceNum(), m.MinSequenceNum()).Content(m.ManifestContent()).
		AddedFiles(m.AddedDataFiles()).ExistingFiles(m.ExistingDataFiles()).DeletedFiles(m.DeletedDataFiles()).
		AddedRows(m.AddedRows()).ExistingRows(m.ExistingRows()).DeletedRows(m.DeletedRows()).
		Partitions(fields).Build()
}

// finish writes the manifest list and returns the snapshot.
func (p *producer) finish(parent *metadata.Snapshot, operation string, props map[string]string) (*metadata.Snapshot, error) {
	schemaID := p.meta.CurrentSchemaID
	s := &metadata.Snapshot{SnapshotID: p.id, SequenceNumber: p.seq, SchemaID: &schemaID,
		Summary: metadata.NewSummary(operation, p.summary(parent, props))}
	if parent != nil {
		s.ParentSnapshotID = &parent.SnapshotID
	}
	var buf bytes.Buffer
	err := iceberg.WriteManifestList(metadata.Version, &buf, p.id, s.ParentSnapshotID, &p.seq, 0, append(p.manifests, p.kept...))
	if err != nil {
		return nil, fmt.Errorf("write manifest list: %w", err)
	}
	path := filepath.Join(p.dir, fmt.Sprintf("snap-%d-%s.avro", p.id, contentID(buf.Bytes())))
	if err := p.out.write(path, buf.Bytes()); err != nil {
		return nil, fmt.Errorf("write manifest list: %w", err)
	}
	s.ManifestList = lake.URI(path)
	return s, nil
}

// tally counts files.
type tally struct{ files, deletes, rows, named, bytes int64 }

func count(files []iceberg.DataFile) (t tally) {
	for _, f := range files {
		t.bytes += f.FileSizeBytes()
		if names(f) {
			t.deletes, t.named = t.deletes+1, t.named+f.Count()
		} else {
			t.files, t.rows = t.files+1, t.rows+f.Count()
		}
	}
	return t
}

// summary counts what the snapshot adds and removes, and what the table then has.
func (p *producer) summary(parent *metadata.Snapshot, props map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, props)
	set := func(key string, n int64) {
		if n != 0 {
			out[key] = strconv.FormatInt(n, 10)
		}
	}
	added, removed := count(p.added), count(p.removed)
	set("added-data-files", added.files)
	set("added-records", added.rows)
	set("added-files-size", added.bytes)
	set("deleted-data-files", removed.files)
	set("deleted-records", removed.rows)
	set("removed-files-size", removed.bytes)
	set("added-delete-files", added.deletes)
	set("added-position-delete-files", added.deletes)
	set("added-position-deletes", added.named)
	set("removed-delete-files", removed.deletes)
	set("removed-position-delete-files", removed.deletes)
	set("removed-position-deletes", removed.named)
	set(keyReplaced, int64(p.replaced))
	total := func(key string, n int64) { out[key] = strconv.FormatInt(summaryInt(parent, key)+n, 10) }
	total("total-data-files", added.files-removed.files)
	total("total-records", added.rows-removed.rows)
	total("total-files-size", added.bytes-removed.bytes)
	total("total-delete-files", added.deletes-removed.deletes)
	total("total-position-deletes", added.named-removed.named)
	out["total-equality-deletes"] = "0"
	return out
}

// checkDeletes refuses tables from which another engine deleted rows by their values: lakeflow reads what was deleted by
// position alone.
func checkDeletes(name string, s *metadata.Snapshot) error {
	if s != nil && summaryInt(s, "total-equality-deletes") > 0 {
		return fmt.Errorf("table %s has equality deletes, which another program wrote; compact it there, and then run again", name)
	}
	return nil
}

// drop says which files a change removes: nil for none.
func drop(c *lake.TableChange, tg *target) (func(iceberg.DataFile) (bool, error), error) {
	switch c.Mode {
	case lake.Replace:
		return func(iceberg.DataFile) (bool, error) { return true, nil }, nil
	case lake.ReplacePartition:
		var wanted []map[int]any
		for _, where := range c.Where {
			want, err := tg.wherePartition(where)
			if err != nil {
				return nil, err
			}
			wanted = append(wanted, want)
		}
		return func(f iceberg.DataFile) (bool, error) {
			if int(f.SpecID()) != tg.spec.ID() {
				return false, fmt.Errorf("replace a partition: %s was written with another partition spec; a full refresh rewrites it", f.FilePath())
			}
			values := f.Partition()
			return slices.ContainsFunc(wanted, func(want map[int]any) bool { return hasPartition(values, want) }), nil
		}, nil
	}
	return nil, nil
}
