package iceberg

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Relocate writes the metadata of all tables that moved with the warehouse anew, with all their snapshots, and the files
// that name removed rows, and moves all pointers in one transaction. The old ones stay as they are, and are orphans then.
func (l *Lake) Relocate(ctx context.Context, epoch int64) (*lake.Relocation, error) {
	l.commits.Lock()
	defer l.commits.Unlock()
	done, err := l.relocate(ctx, epoch)
	if err != nil {
		return nil, l.passing(fmt.Errorf("relocate the warehouse: %w", err))
	}
	return done, nil
}

func (l *Lake) relocate(ctx context.Context, epoch int64) (*lake.Relocation, error) {
	done := &lake.Relocation{To: l.warehouse}
	db, err := l.catalog(ctx, false)
	if db == nil {
		return done, err
	}
	pointers, err := l.allPointers(ctx, db)
	if err != nil {
		return nil, err
	}
	var moved *lake.MovedError
	if err := l.placed(pointers...); !errors.As(err, &moved) {
		return done, err
	}
	m := &move{lake: l, copied: moved.Copied, manifests: map[string]placedManifest{}, named: map[string]placedFile{},
		from: moved.From + "/", to: l.warehouse + "/", namespaces: map[string]bool{l.namespace: true}}
	for _, p := range pointers {
		namespace, _ := l.split(p.table)
		m.namespaces[namespace] = true
	}
	if err := m.write(ctx, pointers); err != nil {
		m.out.remove()
		return nil, err
	}
	if err := m.publish(ctx, db, epoch); err != nil {
		return nil, err
	}
	done.From, done.Copied, done.Files = moved.From, moved.Copied, len(m.out.files)
	for _, t := range m.tables {
		done.Tables = append(done.Tables, t.old.name)
	}
	slices.Sort(done.Tables)
	return done, nil
}

// move is the way of a pipeline's tables from one warehouse to another. Both folders end in a slash.
type move struct {
	lake       *Lake
	from, to   string
	namespaces map[string]bool // that have tables of the pipeline
	copied     bool

	tables    []*movedTable
	manifests map[string]placedManifest // by old location
	named     map[string]placedFile     // those that name removed rows, by old location
	out       output
}

// movedTable is a table before and after. The location of old is the new place of the old file.
type movedTable struct {
	pointer   string // the old location, as the catalog has it
	content   []byte // of the old metadata file
	old, next *head
}

// placedFile is a file that was written anew.
type placedFile struct {
	location string
	length   int64
}

// placedManifest is a manifest that was written anew, with its entries before and after.
type placedManifest struct {
	placedFile
	old, now []entry
}

// here is the new place of a location. What is not in the old folders of the namespaces stays where it is.
func (m *move) here(location string) string {
	path := local(location)
	rest, ok := strings.CutPrefix(path, m.from)
	namespace, _, _ := strings.Cut(rest, "/")
	if !ok || !m.namespaces[namespace] {
		return location
	}
	return strings.TrimSuffix(location, path) + m.to + rest
}

// write writes the new metadata of all tables. Before that it looks whether everything is there.
func (m *move) write(ctx context.Context, pointers []pointer) error {
	for _, p := range pointers {
		if m.here(p.location) == p.location {
			continue
		}
		t, err := m.read(p)
		if err == nil {
			err = m.checkFiles(t.old.meta.CurrentSnapshot())
		}
		if err != nil {
			return fmt.Errorf("table %s: %w", p.table, err)
		}
		m.tables = append(m.tables, t)
	}
	for _, t := range m.tables {
		if err := m.table(ctx, t); err != nil {
			return fmt.Errorf("table %s: %w", t.old.name, err)
		}
	}
	return m.out.sync(m.lake.warehouse)
}

// read reads a table's old metadata file.
func (m *move) read(p pointer) (*movedTable, error) {
	location := m.here(p.location)
	content, err := readChecked(local(location))
	var meta *metadata.Table
	if err == nil {
		meta, err = parseMetadata(content)
	}
	if err != nil {
		return nil, damaged("metadata file", location, err)
	}
	h, err := newHead(p.table, location, meta)
	return &movedTable{pointer: p.location, content: content, old: h}, err
}

// checkFiles makes sure that the data files of a snapshot are at their new places.
func (m *move) checkFiles(s *metadata.Snapshot) error {
	if s == nil {
		return nil
	}
	manifests, err := m.manifestsOf(s)
	if err != nil {
		return err
	}
	for _, f := range manifests {
		for e, err := range entriesOf(m.placed(f), true) {
			if err != nil {
				return err
			}
			path, size := local(m.here(e.DataFile().FilePath())), e.DataFile().FileSizeBytes()
			info, err := os.Stat(path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return fmt.Errorf("its data file %s is missing: not all of the warehouse has come here; "+
					"bring the file, and try again", path)
			case err != nil:
				return err
			case info.Size() != size:
				return fmt.Errorf("its data file %s has %d bytes instead of %d: it has not come here as it was; "+
					"bring the file again", path, info.Size(), size)
			}
		}
	}
	return nil
}

// manifestsOf reads the old manifest list of a snapshot, at its new place.
func (m *move) manifestsOf(s *metadata.Snapshot) ([]iceberg.ManifestFile, error) {
	if s.ManifestList == "" {
		return nil, fmt.Errorf("snapshot %d has no manifest list, as in Iceberg's first version: another program wrote it; "+
			"move the warehouse back, and rewrite the table there", s.SnapshotID)
	}
	here := *s
	here.ManifestList = m.here(s.ManifestList)
	return manifestsOf(&here)
}

// placed is an old manifest at its new place.
func (m *move) placed(f iceberg.ManifestFile) iceberg.ManifestFile {
	return relabeled(f, m.here(f.FilePath()), f.Length(), f.Partitions())
}

// table writes the new metadata of one table.
func (m *move) table(ctx context.Context, t *movedTable) error {
	lists, sizes := map[string]string{}, map[string]growth{}
	for _, s := range t.old.meta.Snapshots() {
		if err := ctx.Err(); err != nil {
			return err
		}
		list, grown, err := m.list(s)
		if err != nil {
			return fmt.Errorf("snapshot %d: %w", s.SnapshotID, err)
		}
		lists[s.ManifestList], sizes[s.ManifestList] = list, grown
	}
	content, err := m.metadata(t.content, lists, sizes)
	if err != nil {
		return damaged("metadata file", t.old.location, err)
	}
	meta, err := parseMetadata(content)
	if err != nil {
		return fmt.Errorf("read the new metadata: %w", err)
	}
	version := (&staged{base: t.old}).version()
	name := fmt.Sprintf("%05d-%s.metadata.json", version, contentID(content))
	path := filepath.Join(m.lake.tableDir(t.old.name), "metadata", name)
	if err := m.out.write(path, content); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	if t.next, err = newHead(t.old.name, lake.URI(path), meta); err != nil {
		return err
	}
	want := t.old.state
	want.UUID = t.next.state.UUID
	if s := t.old.meta.CurrentSnapshot(); s != nil {
		want.Bytes += sizes[s.ManifestList].total
	}
	if !reflect.DeepEqual(want, t.next.state) || !maps.Equal(t.old.summary, t.next.summary) ||
		len(meta.Snapshots()) != len(lists) {
		return errors.New("the new metadata does not say what the old one does")
	}
	return nil
}

// metadata is a table's metadata file with other locations. Its log of older files is empty.
func (m *move) metadata(content []byte, lists map[string]string, sizes map[string]growth) ([]byte, error) {
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	replace := func(objects any, key string, place func(string) string) {
		list, _ := objects.([]any)
		for _, o := range list {
			object, _ := o.(map[string]any)
			if location, ok := object[key].(string); ok {
				object[key] = place(location)
			}
		}
	}
	replace([]any{doc}, "location", m.here)
	snapshots, _ := doc["snapshots"].([]any)
	for _, s := range snapshots {
		snapshot, _ := s.(map[string]any)
		list, _ := snapshot["manifest-list"].(string)
		summary, _ := snapshot["summary"].(map[string]any)
		sizes[list].apply(summary)
	}
	replace(doc["snapshots"], "manifest-list", func(old string) string { return lists[old] })
	replace(doc["statistics"], "statistics-path", m.here)
	replace(doc["partition-statistics"], "statistics-path", m.here)
	doc["metadata-log"] = []any{}
	if m.copied { // whoever knows the original by its UUID shall not take the copy for it
		doc["table-uuid"] = uuid.NewString()
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(doc)
	return out.Bytes(), err
}

// list writes the new manifest list of a snapshot, and the manifests in it, and returns its location, and by how much
// the files of the snapshot have grown.
func (m *move) list(s *metadata.Snapshot) (location string, grown growth, err error) {
	old, err := m.manifestsOf(s)
	if err != nil {
		return "", grown, err
	}
	for _, f := range old {
		if err := m.manifest(f); err != nil {
			return "", grown, err
		}
		placed := m.manifests[f.FilePath()]
		for i := range placed.old {
			grown.add(s.SnapshotID, placed.old[i], placed.now[i])
		}
	}
	file, err := m.rewrite(m.here(s.ManifestList), func(record map[string]any) error {
		location, _ := record["manifest_path"].(string)
		placed, ok := m.manifests[location]
		if !ok {
			return fmt.Errorf("it has a manifest %q, which was not read", location)
		}
		record["manifest_path"], record["manifest_length"] = placed.location, placed.length
		return nil
	})
	if err != nil {
		return "", grown, damaged("manifest list", m.here(s.ManifestList), err)
	}
	next := *s
	next.ManifestList = file.location
	now, err := manifestsOf(&next)
	if err != nil {
		return "", grown, err
	}
	same := func(old, now iceberg.ManifestFile) bool {
		placed := m.manifests[old.FilePath()]
		return reflect.DeepEqual(relabeled(old, placed.location, placed.length, old.Partitions()),
			relabeled(now, now.FilePath(), now.Length(), now.Partitions()))
	}
	if !slices.EqualFunc(old, now, same) {
		return "", grown, errors.New("the new manifest list does not say what the old one does")
	}
	return file.location, grown, nil
}

// manifest writes one manifest anew, unless that was done for another snapshot.
func (m *move) manifest(f iceberg.ManifestFile) error {
	if _, done := m.manifests[f.FilePath()]; done {
		return nil
	}
	old, err := allEntries(m.placed(f))
	if err != nil {
		return err
	}
	if err := m.deletes(f, old); err != nil {
		return err
	}
	file, err := m.rewrite(m.here(f.FilePath()), func(record map[string]any) error {
		data, _ := record["data_file"].(map[string]any)
		return m.place(data)
	})
	if err != nil {
		return damaged("manifest", m.here(f.FilePath()), err)
	}
	now, err := allEntries(relabeled(f, file.location, file.length, f.Partitions()))
	if err != nil {
		return err
	}
	want := make([]entry, len(old))
	for i := range old {
		want[i] = m.placedEntry(old[i])
	}
	if !slices.EqualFunc(want, now, func(a, b entry) bool { return reflect.DeepEqual(a, b) }) {
		return fmt.Errorf("the new manifest %s does not say what the old one does", local(file.location))
	}
	m.manifests[f.FilePath()] = placedManifest{file, old, now}
	return nil
}

// rewrite writes an Avro file anew, beside the old one.
func (m *move) rewrite(old string, change func(record map[string]any) error) (placedFile, error) {
	content, err := readChecked(local(old))
	if err != nil {
		return placedFile{}, err
	}
	next, err := rewriteAvro(content, change)
	if err != nil {
		return placedFile{}, err
	}
	name := strings.TrimSuffix(filepath.Base(local(old)), ".avro")
	if id := contentIDs.FindString(local(old)); id != "" {
		name = strings.TrimSuffix(name, "-"+id[:36])
	}
	path := filepath.Join(filepath.Dir(local(old)), name+"-"+contentID(next)+".avro")
	return placedFile{lake.URI(path), int64(len(next))}, m.out.write(path, next)
}

// entry is what a manifest says of one file.
type entry struct {
	Status                                     iceberg.ManifestEntryStatus
	Snapshot, Sequence                         int64
	FileSequence                               *int64
	Content                                    iceberg.ManifestEntryContent
	Path                                       string
	Referenced                                 *string
	Format                                     iceberg.FileFormat
	Partition                                  map[int]any
	Rows, Bytes                                int64
	Sizes, Values, Nulls, NaNs, DistinctValues map[int]int64
	Lower, Upper                               map[int][]byte
	Key                                        []byte
	Splits                                     []int64
	Order                                      *int
	Spec                                       int32
}

// allEntries reads all entries of a manifest, in a form that can be compared.
func allEntries(f iceberg.ManifestFile) ([]entry, error) {
	var out []entry
	for e, err := range entriesOf(f, false) {
		if err != nil {
			return nil, err
		}
		d := e.DataFile()
		out = append(out, entry{e.Status(), e.SnapshotID(), e.SequenceNum(), e.FileSequenceNum(), d.ContentType(),
			d.FilePath(), d.ReferencedDataFile(), d.FileFormat(), d.Partition(), d.Count(), d.FileSizeBytes(), d.ColumnSizes(), d.ValueCounts(), d.NullValueCounts(),
			d.NaNValueCounts(), d.DistinctValueCounts(), d.LowerBoundValues(), d.UpperBoundValues(),
			d.KeyMetadata(), d.SplitOffsets(), d.SortOrderID(), d.SpecID()})
	}
	return out, nil
}

// publish points the catalog to the new metadata.
func (m *move) publish(ctx context.Context, db *sql.DB, epoch int64) error {
	failpoint.Hit("relocate.before-tx")
	err := m.lake.transact(ctx, db, epoch, func(tx *sql.Tx) error { return m.movePointers(ctx, tx) })
	if err != nil && !errors.Is(err, errConflict) {
		// Whether the transaction took place is not known: the catalog is asked.
		p, readErr := m.lake.anyPointer(context.WithoutCancel(ctx), m.tables[0].old.name)
		if readErr != nil {
			return fmt.Errorf("%w; whether it took place is unknown (%w): run again", err, readErr)
		}
		if p.location == m.tables[0].next.location {
			err = nil
		}
	}
	if err != nil {
		m.out.remove()
		if errors.Is(err, errConflict) {
			return errors.New("the tables changed meanwhile, or another writer took over; run again")
		}
		return err
	}
	failpoint.Hit("relocate.after-tx")
	for _, t := range m.tables {
		m.lake.keep(t.next)
	}
	return nil
}

// movePointers moves the pointers of all tables, and forgets what the catalog keeps of their old folders.
func (m *move) movePointers(ctx context.Context, tx *sql.Tx) error {
	for _, t := range m.tables {
		namespace, name := m.lake.split(t.old.name)
		_, err := tx.ExecContext(ctx, `DELETE FROM lakeflow_heads
			WHERE substr(metadata_location, 1, length(?1)) = ?1`, lake.URI(filepath.Join(m.from, namespace, name)+"/"))
		if err != nil {
			return fmt.Errorf("forget heads: %w", err)
		}
		result, err := tx.ExecContext(ctx, `UPDATE iceberg_tables
			SET metadata_location = ?1, previous_metadata_location = NULL
			WHERE catalog_name = ?2 AND table_namespace = ?3 AND table_name = ?4 AND metadata_location = ?5`,
			t.next.location, catalogName, namespace, name, t.pointer)
		if err != nil {
			return fmt.Errorf("move table %s: %w", t.old.name, err)
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			return errConflict
		}
		if t.next.state.Commit == 0 {
			continue // another program wrote it last
		}
		if err := insertHead(ctx, tx, t.next); err != nil {
			return err
		}
	}
	return nil
}
