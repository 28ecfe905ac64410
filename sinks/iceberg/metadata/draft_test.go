package metadata_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
)

// next is a snapshot that can follow the draft's current one.
func next(d *metadata.Draft) *metadata.Snapshot {
	schema := d.CurrentSchemaID
	s := &metadata.Snapshot{
		SnapshotID:     d.LastSequenceNumber + 6,
		SequenceNumber: d.LastSequenceNumber + 1,
		TimestampMs:    d.LastUpdatedMs + 100_000,
		ManifestList:   "file:///w/t/metadata/list.avro",
		SchemaID:       &schema,
		Summary:        metadata.NewSummary(metadata.Append, map[string]string{"k": "<&é"}),
	}
	if parent := d.CurrentSnapshot(); parent != nil {
		s.ParentSnapshotID = &parent.SnapshotID
	}
	return s
}

func schema(names ...string) *iceberg.Schema {
	var fields []iceberg.NestedField
	for i, name := range names {
		fields = append(fields, iceberg.NestedField{ID: i + 1, Name: name, Type: iceberg.PrimitiveTypes.Date})
	}
	return iceberg.NewSchema(0, fields...)
}

func spec(t *testing.T, s *iceberg.Schema, column int, transform iceberg.Transform) iceberg.PartitionSpec {
	t.Helper()
	name := fmt.Sprint("p", column, transform)
	out, err := iceberg.NewPartitionSpecOpts(iceberg.AddPartitionFieldBySourceID(column, name, transform, s, nil))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// version makes the next version of a table.
func version(t *testing.T, table *metadata.Table, changes ...func(*metadata.Draft) error) *metadata.Table {
	t.Helper()
	d, err := table.Draft(fmt.Sprint("file:///w/t/metadata/", len(table.PreviousFiles())))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		if err := change(d); err != nil {
			t.Fatal(err)
		}
	}
	out, err := d.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func snapshot(d *metadata.Draft) error { return d.AddSnapshot(next(d)) }

func create(t *testing.T, properties map[string]string) *metadata.Table {
	t.Helper()
	s := schema("a", "b")
	d, err := metadata.Create("file:///w/t", s, spec(t, s, 1, iceberg.DayTransform{}), properties)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Changed() {
		t.Error("a new table counts as unchanged")
	}
	table, err := d.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestSchemasAndSpecsKeepTheirIDs(t *testing.T) {
	table := create(t, nil)
	wider := schema("a", "b", "c")
	table = version(t, table, func(d *metadata.Draft) error { return d.SetSchema(wider) },
		func(d *metadata.Draft) error {
			return d.SetPartitionSpec(spec(t, wider, 3, iceberg.MonthTransform{}))
		})
	if table.CurrentSchemaID != 1 || table.DefaultSpecID != 1 || table.LastColumnID != 3 || len(table.Schemas()) != 2 {
		t.Errorf("schema %d, spec %d, last column %d", table.CurrentSchemaID, table.DefaultSpecID, table.LastColumnID)
	}
	current := table.PartitionSpec()
	if f := current.Field(0); f.FieldID != 1001 || f.SourceID() != 3 {
		t.Errorf("the new partition field is %v", f)
	}
	table = version(t, table, func(d *metadata.Draft) error { return d.SetSchema(schema("a", "b")) },
		func(d *metadata.Draft) error {
			return d.SetPartitionSpec(spec(t, wider, 1, iceberg.DayTransform{}))
		})
	if table.CurrentSchemaID != 0 || table.DefaultSpecID != 0 || table.LastColumnID != 3 || len(table.Schemas()) != 2 {
		t.Errorf("the first ones are not used again: schema %d of %d, spec %d",
			table.CurrentSchemaID, len(table.Schemas()), table.DefaultSpecID)
	}
	table = version(t, table, func(d *metadata.Draft) error { return d.RemoveSchemas([]int{1}) })
	if len(table.Schemas()) != 1 {
		t.Errorf("%d schemas", len(table.Schemas()))
	}
	d, err := table.Draft("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveSchemas([]int{0}); err == nil {
		t.Error("the current schema is removed")
	}
	if err := d.SetSchema(schema("a", "b", "b")); err == nil {
		t.Error("a schema has two columns of one name")
	}
}

func TestSnapshotsMustFollow(t *testing.T) {
	table := version(t, create(t, nil), snapshot, snapshot)
	for want, spoil := range map[string]func(*metadata.Snapshot){
		"not positive":      func(s *metadata.Snapshot) { s.SnapshotID = 0 },
		"one with this id":  func(s *metadata.Snapshot) { s.SnapshotID = *s.ParentSnapshotID },
		"does not follow":   func(s *metadata.Snapshot) { s.SequenceNumber-- },
		"last change":       func(s *metadata.Snapshot) { s.TimestampMs -= 200_000 },
		"not the current":   func(s *metadata.Snapshot) { s.ParentSnapshotID = nil },
		"the current snap":  func(s *metadata.Snapshot) { *s.ParentSnapshotID-- },
		"no manifest list":  func(s *metadata.Snapshot) { s.ManifestList = "" },
		"schema is not":     func(s *metadata.Snapshot) { *s.SchemaID = 9 },
		"its schema is not": func(s *metadata.Snapshot) { s.SchemaID = nil },
	} {
		d, err := table.Draft("x")
		if err != nil {
			t.Fatal(err)
		}
		s := next(d)
		parent := *s.ParentSnapshotID
		s.ParentSnapshotID = &parent
		spoil(s)
		if err := d.AddSnapshot(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
		if d.Changed() {
			t.Errorf("%s: a snapshot that was refused changes the table", want)
		}
	}
}

// The log must not name snapshots that are gone, nor have a gap where some were.
func TestLogsAreTrimmed(t *testing.T) {
	table := create(t, map[string]string{"write.metadata.previous-versions-max": "2"})
	table = version(t, table, snapshot, snapshot, snapshot, snapshot)
	ids := func() (log []int64) {
		var doc struct {
			Log []struct {
				ID int64 `json:"snapshot-id"`
			} `json:"snapshot-log"`
		}
		if err := json.Unmarshal(encode(t, table), &doc); err != nil {
			t.Fatal(err)
		}
		for _, e := range doc.Log {
			log = append(log, e.ID)
		}
		return log
	}
	if diff := cmp.Diff([]int64{6, 7, 8, 9}, ids()); diff != "" {
		t.Error(diff)
	}
	table = version(t, table, func(d *metadata.Draft) error { return d.RemoveSnapshots([]int64{7}) })
	if diff := cmp.Diff([]int64{8, 9}, ids()); diff != "" || len(table.Snapshots()) != 3 || table.SnapshotByID(7) != nil {
		t.Error(diff, table.Snapshots())
	}
	table = version(t, table, snapshot)
	if diff := cmp.Diff([]string{"file:///w/t/metadata/1", "file:///w/t/metadata/2"}, table.PreviousFiles()); diff != "" {
		t.Error(diff)
	}
	table = version(t, table)
	if got := len(table.PreviousFiles()); got != 2 || table.PreviousFiles()[1] != "file:///w/t/metadata/2" {
		t.Errorf("a version that changes nothing is logged: %v", table.PreviousFiles())
	}
	d, err := table.Draft("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveSnapshots([]int64{10}); err == nil || !strings.Contains(err.Error(), "it is main") {
		t.Errorf("the current snapshot is removed: %v", err)
	}
}

func TestRemovedSnapshotsLoseTheirStatistics(t *testing.T) {
	untagged := strings.Replace(foreign, `"audit": {"snapshot-id": 11`, `"audit": {"snapshot-id": 12`, 1)
	before := parse(t, untagged)
	after := version(t, before, func(d *metadata.Draft) error { return d.RemoveSnapshots([]int64{11}) })
	if diff := cmp.Diff([]string{"file:///w/t/s"}, after.StatisticsFiles()); diff != "" {
		t.Error(diff)
	}
	if len(before.StatisticsFiles()) != 2 || before.SnapshotByID(11) == nil || len(before.Snapshots()) != 2 {
		t.Error("the draft has changed the version that it was made from")
	}
	if now := time.Now().UnixMilli(); after.LastUpdatedMs < now-60_000 || after.LastUpdatedMs > now {
		t.Errorf("last updated at %d", after.LastUpdatedMs)
	}
	ahead := parse(t, strings.Replace(untagged, `"last-updated-ms": 17`, `"last-updated-ms": 99`, 1))
	after = version(t, ahead, func(d *metadata.Draft) error { return d.RemoveSnapshots([]int64{11}) })
	if after.LastUpdatedMs != ahead.LastUpdatedMs {
		t.Errorf("a clock that was set back makes the table older: %d", after.LastUpdatedMs)
	}
}

// TestReadByPyIceberg compares what is written with how an independent reader understands it.
func TestReadByPyIceberg(t *testing.T) {
	const read = `import sys
from pyiceberg.table.metadata import TableMetadataUtil
for line in sys.stdin:
    print(TableMetadataUtil.parse_raw(line).model_dump_json())`
	if out, err := exec.Command("python3", "-c", "import pyiceberg").CombinedOutput(); err != nil {
		t.Skipf(`PyIceberg is missing; run: pip install "pyiceberg[sql-sqlite,pyarrow]" (%v %s)`, err, out)
	}
	wider := schema("a", "b", "c")
	empty := create(t, map[string]string{"comment": "<é> \u2028 \x00"})
	grown := version(t, empty, snapshot, snapshot, func(d *metadata.Draft) error { return d.SetSchema(wider) },
		func(d *metadata.Draft) error { return d.SetPartitionSpec(spec(t, wider, 3, iceberg.MonthTransform{})) }, snapshot)
	old := version(t, grown, func(d *metadata.Draft) error {
		d.RemoveProperties([]string{"comment"})
		return d.RemoveSnapshots([]int64{6})
	})
	tables := [][]byte{encode(t, empty), encode(t, grown), encode(t, old)}
	cmd := exec.Command("python3", "-c", read)
	cmd.Stdin = bytes.NewReader(bytes.Join(tables, []byte("\n")))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) != len(tables) {
		t.Fatalf("it gives %d tables", len(lines))
	}
	for i, line := range lines {
		want, got := document(t, tables[i]), document(t, line)
		for key := range got {
			if _, there := want[key]; !there {
				delete(got, key) // PyIceberg writes empty lists for what is not there
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("table %d, -written +as PyIceberg reads it:\n%s", i, diff)
		}
	}
}
