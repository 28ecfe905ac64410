// Package metadata reads and writes the table metadata files of Apache Iceberg, and makes the next version of one
// from the last. The rules are those of the specification, https://iceberg.apache.org/spec/#table-metadata.
//
// It knows the fields that lakeflow needs. All others, of the file and of the objects in it, are written back as they
// were read: other programs may have put them there, and lakeflow only adds entries to lists or removes them.
package metadata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"
)

// Version is the format version of the tables that are written. Those from oldest to newest are read: they differ in
// fields that a reader of snapshots and schemas can leave alone.
const (
	Version = 2
	oldest  = 1
	newest  = 3
)

// VersionError says that a table has a format version that cannot be read or not be written.
type VersionError struct {
	Version int
	Write   bool
}

func (e *VersionError) Error() string {
	if e.Write {
		return fmt.Sprintf("it has Iceberg's format version %d, to which another program changed it, and lakeflow writes "+
			"version %d only; restore the warehouse from a backup that is older than the change", e.Version, Version)
	}
	return fmt.Sprintf("it has Iceberg's format version %d, and this version of lakeflow reads %d to %d",
		e.Version, oldest, newest)
}

// Table is what a metadata file says. It does not change once it was read or finished.
type Table struct {
	FormatVersion      int
	UUID               uuid.UUID
	Location           string
	LastSequenceNumber int64
	LastUpdatedMs      int64
	LastColumnID       int
	CurrentSchemaID    int
	DefaultSpecID      int

	lastPartitionID int
	defaultOrderID  int
	properties      map[string]string
	currentID       *int64
	schemas         list[*iceberg.Schema]
	specs           list[iceberg.PartitionSpec]
	orders          list[sortOrder]
	snapshots       list[*Snapshot]
	snapshotLog     list[snapshotLogEntry]
	metadataLog     list[metadataLogEntry]
	refs            map[string]kept[ref]
	statistics      list[statisticsFile]
	partitionStats  list[statisticsFile]
	rest            map[string]json.RawMessage // fields that are not known
	snapshotsByID   map[int64]*Snapshot
}

// MainBranch is the branch whose snapshot is the table's current one.
const MainBranch = "main"

type (
	sortOrder struct {
		ID     int         `json:"order-id"`
		Fields []sortField `json:"fields"`
	}
	sortField struct {
		SourceID int `json:"source-id"`
	}
	snapshotLogEntry struct {
		SnapshotID  int64 `json:"snapshot-id"`
		TimestampMs int64 `json:"timestamp-ms"`
	}
	metadataLogEntry struct {
		File        string `json:"metadata-file"`
		TimestampMs int64  `json:"timestamp-ms"`
	}
	ref struct {
		SnapshotID int64  `json:"snapshot-id"`
		Type       string `json:"type"`
	}
	statisticsFile struct {
		SnapshotID int64  `json:"snapshot-id"`
		Path       string `json:"statistics-path"`
	}
)

// kept is an object with the text that it was read from or is written as, which may have fields that are not known.
type kept[T any] struct {
	value T
	text  json.RawMessage
}

func keep[T any](value T) (kept[T], error) {
	text, err := json.Marshal(value)
	return kept[T]{value, text}, err
}

func (k *kept[T]) UnmarshalJSON(text []byte) error {
	if isNull(text) {
		return errors.New("there is null in the place of an object")
	}
	k.text = slices.Clone(text)
	return json.Unmarshal(text, &k.value)
}

func (k kept[T]) MarshalJSON() ([]byte, error) { return k.text, nil }

// list is a list of such objects.
type list[T any] []kept[T]

// UnmarshalJSON does what json.Unmarshal does with a list, without looking through a text once more to find the ends of
// its items.
func (l *list[T]) UnmarshalJSON(text []byte) error {
	if len(text) == 0 || text[0] != '[' {
		return errors.New("it is no list")
	}
	for _, item := range items(text) {
		var k kept[T]
		if err := k.UnmarshalJSON(item); err != nil {
			return err
		}
		*l = append(*l, k)
	}
	return nil
}

// items cuts a JSON list, which is known to be valid, at the commas between its items.
func items(text []byte) (cut [][]byte) {
	depth, start := 0, 1
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		if depth == 0 || depth == 1 && text[i] == ',' {
			if item := bytes.TrimSpace(text[start:i]); len(item) > 0 {
				cut = append(cut, item)
			}
			start = i + 1
		}
	}
	return cut
}

// write does what json.Marshal does, without looking through texts that were looked through when they were made.
func (l *list[T]) write(out *bytes.Buffer) {
	out.WriteByte('[')
	for i, k := range *l {
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(k.text)
	}
	out.WriteByte(']')
}

func isNull(text json.RawMessage) bool { return string(bytes.TrimSpace(text)) == "null" }

// field is one key of a metadata file.
type field struct {
	key   string
	value any // a pointer to where it is kept
	since int // the format version from on which it is required; 0: it is optional
}

// fields are those that are known, in the specification's order.
func (t *Table) fields() []field {
	return []field{
		{"format-version", &t.FormatVersion, 1},
		{"table-uuid", &t.UUID, 2},
		{"location", &t.Location, 1},
		{"last-sequence-number", &t.LastSequenceNumber, 2},
		{"last-updated-ms", &t.LastUpdatedMs, 1},
		{"last-column-id", &t.LastColumnID, 1},
		{"schemas", &t.schemas, 1}, // in version 1 only of writers from before 2021 they may be missing
		{"current-schema-id", &t.CurrentSchemaID, 1},
		{"partition-specs", &t.specs, 1},
		{"default-spec-id", &t.DefaultSpecID, 1},
		{"last-partition-id", &t.lastPartitionID, 2},
		{"properties", &t.properties, 0},
		{"current-snapshot-id", &t.currentID, 0},
		{"snapshots", &t.snapshots, 0},
		{"snapshot-log", &t.snapshotLog, 0},
		{"metadata-log", &t.metadataLog, 0},
		{"sort-orders", &t.orders, 2},
		{"default-sort-order-id", &t.defaultOrderID, 2},
		{"refs", &t.refs, 0},
		{"statistics", &t.statistics, 0},
		{"partition-statistics", &t.partitionStats, 0},
	}
}

// Parse reads the content of a metadata file, and refuses what contradicts itself.
func Parse(content []byte) (*Table, error) {
	t := &Table{}
	if err := json.Unmarshal(content, &t.rest); err != nil {
		return nil, err
	}
	if err := t.take("format-version", &t.FormatVersion, true); err != nil {
		return nil, err
	}
	if t.FormatVersion < oldest || t.FormatVersion > newest {
		return nil, &VersionError{Version: t.FormatVersion}
	}
	for _, f := range t.fields()[1:] {
		if err := t.take(f.key, f.value, f.since > 0 && f.since <= t.FormatVersion); err != nil {
			return nil, err
		}
	}
	if t.currentID != nil && *t.currentID == -1 { // as old writers spell that there is none
		t.currentID = nil
	}
	if t.refs == nil {
		t.refs = map[string]kept[ref]{}
	}
	if _, ok := t.refs[MainBranch]; !ok && t.currentID != nil {
		if err := t.setMain(*t.currentID); err != nil {
			return nil, err
		}
	}
	if t.properties == nil {
		t.properties = map[string]string{}
	}
	t.index()
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

// take moves a known field from the rest to its place.
func (t *Table) take(key string, value any, required bool) error {
	text, there := t.rest[key]
	delete(t.rest, key)
	if !there || isNull(text) {
		if required {
			return fmt.Errorf("it has no %s", key)
		}
		return nil
	}
	var err error
	if l, ok := value.(json.Unmarshaler); ok {
		err = l.UnmarshalJSON(text) // it is valid
	} else {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// index makes the snapshots be found by their ids.
func (t *Table) index() {
	t.snapshotsByID = make(map[int64]*Snapshot, len(t.snapshots))
	for _, s := range t.snapshots {
		t.snapshotsByID[s.value.SnapshotID] = s.value
	}
}

// Encode makes the content of a metadata file.
func (t *Table) Encode() ([]byte, error) {
	var out bytes.Buffer
	separator := "{"
	put := func(key string, value any) error {
		name, nameErr := json.Marshal(key)
		fmt.Fprintf(&out, "%s%s:", separator, name)
		separator = ","
		if objects, ok := value.(interface{ write(*bytes.Buffer) }); ok {
			objects.write(&out)
			return nameErr
		}
		text, err := json.Marshal(value)
		out.Write(text)
		return errors.Join(nameErr, err)
	}
	for _, f := range t.fields() {
		if f.since == 0 && empty(f.value) {
			continue
		}
		if err := put(f.key, f.value); err != nil {
			return nil, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(t.rest)) {
		if err := put(key, t.rest[key]); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// empty reports whether an optional field has nothing to say.
func empty(value any) bool {
	switch v := reflect.ValueOf(value).Elem(); v.Kind() {
	case reflect.Map, reflect.Slice:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

// Schemas are all schemas that the table has had and that a snapshot may have been written with.
func (t *Table) Schemas() []*iceberg.Schema { return values(t.schemas) }

// CurrentSchema is the schema of the table.
func (t *Table) CurrentSchema() *iceberg.Schema {
	i := slices.IndexFunc(t.schemas, func(s kept[*iceberg.Schema]) bool { return s.value.ID == t.CurrentSchemaID })
	return t.schemas[i].value
}

// PartitionSpec is the spec that the table's files are written with.
func (t *Table) PartitionSpec() iceberg.PartitionSpec {
	spec, _ := t.PartitionSpecByID(t.DefaultSpecID)
	return spec
}

// PartitionSpecByID finds a spec that files of the table may have been written with.
func (t *Table) PartitionSpecByID(id int) (spec iceberg.PartitionSpec, ok bool) {
	for _, s := range t.specs {
		if s.value.ID() == id {
			return s.value, true
		}
	}
	return iceberg.PartitionSpec{}, false
}

// Properties are the table's properties; the caller must not change them.
func (t *Table) Properties() map[string]string { return t.properties }

// Snapshots are all snapshots, in the order in which they were added.
func (t *Table) Snapshots() []*Snapshot { return values(t.snapshots) }

// SnapshotByID returns nil for a snapshot that the table does not have.
func (t *Table) SnapshotByID(id int64) *Snapshot { return t.snapshotsByID[id] }

// CurrentSnapshot is nil when nothing was written to the table yet.
func (t *Table) CurrentSnapshot() *Snapshot {
	if t.currentID == nil {
		return nil
	}
	return t.snapshotsByID[*t.currentID]
}

// Refs are the snapshots that branches and tags name.
func (t *Table) Refs() map[string]int64 {
	ids := make(map[string]int64, len(t.refs))
	for name, r := range t.refs {
		ids[name] = r.value.SnapshotID
	}
	return ids
}

// PreviousFiles are the locations of the metadata files that the log has, oldest first.
func (t *Table) PreviousFiles() []string {
	files := make([]string, len(t.metadataLog))
	for i, entry := range t.metadataLog {
		files[i] = entry.value.File
	}
	return files
}

// StatisticsFiles are the locations of all files with statistics of the table or its partitions.
func (t *Table) StatisticsFiles() []string {
	var files []string
	for _, f := range slices.Concat(t.statistics, t.partitionStats) {
		files = append(files, f.value.Path)
	}
	return files
}

func values[T any](objects list[T]) []T {
	out := make([]T, len(objects))
	for i, k := range objects {
		out[i] = k.value
	}
	return out
}
