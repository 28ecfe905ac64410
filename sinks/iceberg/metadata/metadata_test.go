package metadata_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
)

// foreign is a table of another program, which says more than lakeflow knows, everywhere.
const foreign = `{
	"format-version": 2, "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1", "location": "file:///w/t",
	"last-sequence-number": 7, "last-updated-ms": 1700000200000, "last-column-id": 9, "x-top": {"n": 9007199254740993},
	"schemas": [{"type": "struct", "schema-id": 3, "identifier-field-ids": [1], "x-schema": true, "fields": [
		{"id": 1, "name": "id", "required": true, "type": "long", "x-field": [1]},
		{"id": 2, "name": "at", "required": false, "type": "date"}]}],
	"current-schema-id": 3,
	"partition-specs": [{"spec-id": 2, "x-spec": "s", "fields": [
		{"source-id": 2, "field-id": 1004, "name": "at_day", "transform": "day", "x-part": 1}]}],
	"default-spec-id": 2, "last-partition-id": 1007,
	"properties": {"owner": "them"},
	"current-snapshot-id": 12,
	"snapshots": [
		{"snapshot-id": 11, "sequence-number": 6, "timestamp-ms": 1700000000000, "manifest-list": "file:///w/t/a",
			"summary": {"operation": "append", "x": "y"}, "schema-id": 3, "x-snapshot": null},
		{"snapshot-id": 12, "parent-snapshot-id": 11, "sequence-number": 7, "timestamp-ms": 1700000100000,
			"manifest-list": "file:///w/t/b", "summary": {"operation": "delete"}, "schema-id": 3}],
	"snapshot-log": [
		{"snapshot-id": 11, "timestamp-ms": 1700000000000, "x-log": 1}, {"snapshot-id": 12, "timestamp-ms": 1700000100000}],
	"metadata-log": [{"metadata-file": "file:///w/t/old", "timestamp-ms": 1700000000000, "x-file": "f"}],
	"sort-orders": [{"order-id": 0, "fields": []}, {"order-id": 4, "x-order": 2.50, "fields": [
		{"transform": "identity", "source-id": 2, "direction": "asc", "null-order": "nulls-first"}]}],
	"default-sort-order-id": 4,
	"refs": {"main": {"snapshot-id": 12, "type": "branch", "min-snapshots-to-keep": 5},
		"audit": {"snapshot-id": 11, "type": "tag", "max-ref-age-ms": 10}},
	"statistics": [{"snapshot-id": 12, "statistics-path": "file:///w/t/s", "file-size-in-bytes": 1,
		"file-footer-size-in-bytes": 1, "blob-metadata": [{"type": "x"}]}],
	"partition-statistics": [{"snapshot-id": 11, "statistics-path": "file:///w/t/p", "file-size-in-bytes": 1}]
}`

func parse(t *testing.T, text string) *metadata.Table {
	t.Helper()
	table, err := metadata.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func encode(t *testing.T, table *metadata.Table) []byte {
	t.Helper()
	text, err := table.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// document decodes a file with the digits of its numbers.
func document(t *testing.T, text []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return doc
}

func TestWhatIsReadIsWritten(t *testing.T) {
	got := document(t, encode(t, parse(t, foreign)))
	if diff := cmp.Diff(document(t, []byte(foreign)), got); diff != "" {
		t.Errorf("-read +written:\n%s", diff)
	}
}

// What other programs say of a table stays, whatever else is changed.
func TestUnknownFieldsSurviveChanges(t *testing.T) {
	d, err := parse(t, foreign).Draft("file:///w/t/v1")
	if err != nil {
		t.Fatal(err)
	}
	d.SetProperties(map[string]string{"a": "b"})
	if err := d.AddSnapshot(next(d)); err != nil {
		t.Fatal(err)
	}
	table, err := d.Finish()
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) json.Number { return json.Number(s) }
	want, got := document(t, []byte(foreign)), document(t, encode(t, table))
	added := got["snapshots"].([]any)[2].(map[string]any)
	if added["parent-snapshot-id"] != number("12") || added["sequence-number"] != number("8") {
		t.Errorf("the new snapshot is %v", added)
	}
	want["properties"].(map[string]any)["a"] = "b"
	want["snapshots"] = append(want["snapshots"].([]any), added)
	want["snapshot-log"] = append(want["snapshot-log"].([]any),
		map[string]any{"snapshot-id": number("13"), "timestamp-ms": number("1700000300000")})
	want["metadata-log"] = append(want["metadata-log"].([]any),
		map[string]any{"metadata-file": "file:///w/t/v1", "timestamp-ms": number("1700000200000")})
	want["refs"].(map[string]any)["main"].(map[string]any)["snapshot-id"] = number("13")
	want["current-snapshot-id"], want["last-sequence-number"] = number("13"), number("8")
	want["last-updated-ms"] = number("1700000300000")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-wanted +written:\n%s", diff)
	}
}

func TestContradictionsAreRefused(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"location": "file:///w/t",`, ``, "no location"},
		{`"location": "file:///w/t"`, `"location": null`, "no location"},
		{`"last-sequence-number": 7,`, ``, "no last-sequence-number"},
		{`"9c12d441`, `"9c12d44`, "table-uuid"},
		{`"current-schema-id": 3`, `"current-schema-id": 4`, "current-schema-id is 4"},
		{`"default-spec-id": 2`, `"default-spec-id": 0`, "default-spec-id is 0"},
		{`"default-sort-order-id": 4`, `"default-sort-order-id": 1`, "default-sort-order-id is 1"},
		{`"source-id": 2, "direction"`, `"source-id": 8, "direction"`, "sort order 4 has column 8"},
		{`"snapshot-id": 12, "parent`, `"snapshot-id": 11, "parent`, "snapshot 11 is there twice"},
		{`"last-sequence-number": 7`, `"last-sequence-number": 6`, "snapshot 12 has sequence number 7"},
		{`"current-snapshot-id": 12`, `"current-snapshot-id": 11`, "main is snapshot 12, but current-snapshot-id is 11"},
		{`"current-snapshot-id": 12,`, `"current-snapshot-id": -1,`, "there is no current-snapshot-id"},
		{`"audit": {"snapshot-id": 11`, `"audit": {"snapshot-id": 9`, "audit is snapshot 9"},
		{`"last-updated-ms": 1700000200000`, `"last-updated-ms": 1700000000000`, "goes back in time"},
		{`{"snapshot-id": 12, "timestamp-ms": 17`, `{"snapshot-id": 12, "timestamp-ms": 16`, "snapshot-log goes back in time"},
		{`"schemas": [`, `"schemas": [null, `, "schemas: there is null"},
		{`{"snapshot-id": 11, "sequence-number"`, `{"sequence-number"`, "no snapshot-id"},
		{`"properties": {`, `"properties": [{`, "invalid character"},
	} {
		text := strings.Replace(foreign, c.old, c.new, 1)
		if text == foreign {
			t.Fatalf("%s is not in the table", c.old)
		}
		if _, err := metadata.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in the place of %s: %v, want %s", c.new, c.old, err, c.want)
		}
	}
	if _, err := metadata.Parse([]byte(foreign[:len(foreign)/2])); err == nil {
		t.Error("half a file is read")
	}
}

// Tables of the versions before and after can be read, not written to.
func TestFormatVersions(t *testing.T) {
	version := func(v string) string {
		return strings.Replace(foreign, `"format-version": 2`, `"format-version": `+v, 1)
	}
	oldest := strings.Replace(version("1"), `"last-sequence-number": 7,`, ``, 1)
	for _, text := range []string{oldest, version("1"), version("3")} {
		table := parse(t, text)
		if s := table.CurrentSnapshot(); s == nil || s.SnapshotID != 12 {
			t.Errorf("version %d: the current snapshot is %v", table.FormatVersion, s)
		}
		var unknown *metadata.VersionError
		if _, err := table.Draft("file:///w/t/v1"); !errors.As(err, &unknown) ||
			!strings.Contains(err.Error(), "version 2 only") {
			t.Errorf("version %d is written: %v", table.FormatVersion, err)
		}
	}
	for _, v := range []string{"0", "4", "-1"} {
		if _, err := metadata.Parse([]byte(version(v))); err == nil || !strings.Contains(err.Error(), "format version "+v) {
			t.Errorf("version %s: %v", v, err)
		}
	}
}

func TestWhatReadersNeed(t *testing.T) {
	table := parse(t, foreign)
	if diff := cmp.Diff(map[string]int64{"main": 12, "audit": 11}, table.Refs()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"file:///w/t/s", "file:///w/t/p"}, table.StatisticsFiles()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"file:///w/t/old"}, table.PreviousFiles()); diff != "" {
		t.Error(diff)
	}
	s := table.SnapshotByID(11)
	if s.Summary["x"] != "y" || s.Summary.Operation() != metadata.Append || table.SnapshotByID(10) != nil {
		t.Error(s)
	}
	if op := (metadata.Summary{"x": "y"}).Operation(); op != metadata.Overwrite {
		t.Errorf("a summary without an operation is taken for %q", op)
	}
	if op := metadata.Summary(nil).Operation(); op != "" {
		t.Errorf("no summary is taken for %q", op)
	}
	old := strings.Replace(foreign, `"main": {"snapshot-id": 12, "type": "branch", "min-snapshots-to-keep": 5},`, ``, 1)
	if got := parse(t, old).Refs()["main"]; got != 12 {
		t.Errorf("without the branch, main is %d", got)
	}
}
