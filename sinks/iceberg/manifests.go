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

	added, removed  []iceberg.DataFile
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
	deleted := map[int32][]iceberg.ManifestEntry{}
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
		deleted[m.PartitionSpecID()] = append(deleted[m.PartitionSpecID()], gone...)
	}
	for _, spec := range slices.Sorted(maps.Keys(deleted)) {
		if err := p.write(spec, deleted[spec], (*iceberg.ManifestWriter).Delete); err != nil {
			return err
		}
	}
	return nil
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
	return gone, p.write(m.PartitionSpecID(), left, (*iceberg.ManifestWriter).Existing)
}

// add writes the manifest of the new files.
func (p *producer) add(spec iceberg.PartitionSpec, files []iceberg.DataFile) error {
	entries := make([]iceberg.ManifestEntry, len(files))
	for i, f := range files {
		entries[i] = iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &p.id, nil, nil, f)
	}
	p.added = append(p.added, files...)
	return p.write(int32(spec.ID()), entries, (*iceberg.ManifestWriter).Add)
}

// tier is what is merged with each other: manifests of one spec whose numbers of files have about the same magnitude.
type tier struct {
	spec      int32
	magnitude int
}

func tierOf(m iceberg.ManifestFile) tier {
	t := tier{spec: m.PartitionSpecID()}
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
		return cmp.Or(cmp.Compare(a.spec, b.spec), cmp.Compare(a.magnitude, b.magnitude))
	}) {
		if len(tiers[t]) < mergeCount {
			continue
		}
		if err := p.mergeAll(t.spec, tiers[t]); err != nil {
			return err
		}
	}
	return nil
}

// mergeAll replaces manifests of one spec with one.
func (p *producer) mergeAll(spec int32, manifests []iceberg.ManifestFile) error {
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
	return p.write(spec, entries, (*iceberg.ManifestWriter).Existing)
}

// write makes one manifest; without entries it makes none.
func (p *producer) write(specID int32, entries []iceberg.ManifestEntry, put func(*iceberg.ManifestWriter, iceberg.ManifestEntry) error) error {
	if len(entries) == 0 {
		return nil
	}
	spec, ok := p.meta.PartitionSpecByID(int(specID))
	if !ok {
		return fmt.Errorf("write manifest: the table has no partition spec %d", specID)
	}
	var buf bytes.Buffer
	w, err := iceberg.NewManifestWriter(metadata.Version, &buf, spec, p.meta.CurrentSchema(), p.id)
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
	m, err := w.ToManifestFile(uri(path), int64(buf.Len()))
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
	s.ManifestList = uri(path)
	return s, nil
}

// summary counts what the snapshot adds and removes, and what the table then has.
func (p *producer) summary(parent *metadata.Snapshot, props map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, props)
	count := func(files []iceberg.DataFile) (rows, size int64) {
		for _, f := range files {
			rows += f.Count()
			size += f.FileSizeBytes()
		}
		return rows, size
	}
	set := func(key string, n int64) {
		if n != 0 {
			out[key] = strconv.FormatInt(n, 10)
		}
	}
	addedRows, addedSize := count(p.added)
	removedRows, removedSize := count(p.removed)
	set("added-data-files", int64(len(p.added)))
	set("added-records", addedRows)
	set("added-files-size", addedSize)
	set("deleted-data-files", int64(len(p.removed)))
	set("deleted-records", removedRows)
	set("removed-files-size", removedSize)
	set(keyReplaced, int64(p.replaced))
	total := func(key string, n int64) { out[key] = strconv.FormatInt(summaryInt(parent, key)+n, 10) }
	total("total-data-files", int64(len(p.added)-len(p.removed)))
	total("total-records", addedRows-removedRows)
	total("total-files-size", addedSize-removedSize)
	for _, key := range []string{"total-delete-files", "total-position-deletes", "total-equality-deletes"} {
		out[key] = "0"
	}
	return out
}

// checkDeletes refuses tables in which another engine deleted rows: their files cannot be read as they are.
func checkDeletes(name string, s *metadata.Snapshot) error {
	if s != nil && summaryInt(s, "total-delete-files") > 0 {
		return fmt.Errorf("table %s has delete files, which another program wrote; compact it there, and then run again", name)
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
