package files

import (
	"fmt"
	"os"
	"testing"
)

// event is a change event without a schema.
func event(lsn int, row string) string {
	return fmt.Sprintf(`{"op":"c","after":%s,"source":{"lsn":%d}}`, row, lsn) + "\n"
}

// TestEvents reads change events of files that are whole and one that is not, over several lines and in folders with
// values, with one that only DuckDB finds out not to fit.
func TestEvents(t *testing.T) {
	b := newBed(t)
	b.put("year=2024/a.json", event(1, `{"id":1,"day":"2024-02-28"}`)+"{\n \"op\": \"d\",\n \"before\": {\"id\": 2},\n \"source\": {\"lsn\": 2}}\n"+`{"ts_ms":1}`)
	b.put("year=2025/b.json", event(3, `{"id":3,"day":"2025-02-30"}`)+event(4, `{"id":4,"year":1999}`))
	whole := compress(".gz", event(5, `{"id":5}`))
	b.put("year=2025/c.json.gz", whole[:len(whole)-3])
	s := b.source("debezium", func(c *Config) { c.Hints = []Hint{{"day", "DATE"}} })
	found, err := s.Schema(t.Context(), b.session, nil)
	if err != nil {
		t.Fatal(err)
	}
	const columns = `"id" BIGINT, "day" DATE, "_op" VARCHAR, "_sequence" VARCHAR, "_source_ts" TIMESTAMP WITH TIME ZONE, "year" BIGINT`
	wantText(t, "schema", found.Columns.SQLColumns(), columns)
	batch := b.next(s)
	wantText(t, "columns", batch.Columns.SQLColumns(), columns)
	b.rows(batch) // which repairs it
	wantText(t, "rows", b.must("SELECT id, CAST(day AS VARCHAR), _op, year, _metadata.file_name FROM "+batch.Relation+" ORDER BY id"), "1|2024-02-28|c|2024|a.json\n2|NULL|d|2024|a.json\n4|NULL|c|1999|b.json\n")
	wantText(t, "rejects", b.must(`SELECT parse_filename(file), line, "offset", whole, reason FROM `+batch.Rejects+" ORDER BY ALL"),
		`b.json|1|0|false|column day: "2025-02-30" is not DATE`+"\nc.json.gz|0|-1|true|the file is corrupt: it ends too early\n")
	if batch.Items != 2 || batch.Ignored != 1 || len(batch.Ledger) != 3 {
		t.Errorf("%d items, %d ignored, %d marks", batch.Items, batch.Ignored, len(batch.Ledger))
	}
	b.commit(batch)
	b.put("year=2025/c.json.gz", whole)
	batch = b.next(s)
	wantText(t, "replaced", b.must("SELECT id, year FROM "+batch.Relation), "5|2025\n")
	b.commit(batch)
	if b.next(s) != nil {
		t.Error("there is more")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(b.session.TempDir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}
