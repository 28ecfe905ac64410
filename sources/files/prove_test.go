package files

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lakeflow/lakeflow/sources/records"
)

// TestRefusedParts has DuckDB refuse what was written for it: the records are written anew, each only when DuckDB has
// read it.
func TestRefusedParts(t *testing.T) {
	b := newBed(t)
	s := b.source("json", func(c *Config) { c.Hints = []Hint{{"id", "BIGINT"}, {"t", "TIMESTAMP WITH TIME ZONE"}} })
	b.put("in/a.json", `{"id":1,"t":"2024-01-01T10:00:00Z"}`+"\n"+`{"id":2,"t":"2024-01-01T10:00Z"}`+"\n"+`{"id":"03","t":null}`+"\n")
	b.put("in/b.json", `{"id":4}`+"\n")
	batch := b.next(s)
	good, err := filepath.Glob(filepath.Join(b.session.TempDir, "*good.json"))
	if err != nil || len(good) == 0 {
		t.Fatal(good, err)
	}
	for _, path := range good {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte("10:00:00Z"), []byte("noon")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, cause := b.query("SELECT * FROM " + batch.Relation)
	if cause == nil {
		t.Fatal("the damaged file was read")
	}
	batch, err = batch.Repair(context.Background(), b.session, cause)
	if err != nil || batch == nil {
		t.Fatal(batch, err)
	}
	if got, want := b.must("SELECT id, t FROM "+batch.Relation+" ORDER BY id"), "1|2024-01-01 10:00:00 +0000 UTC\n2|2024-01-01 10:00:00 +0000 UTC\n4|NULL\n"; got != want {
		t.Errorf("rows: %s, want %s", got, want)
	}
	if batch.RejectCount != 1 {
		t.Errorf("%d dead letters: %s", batch.RejectCount, b.rejects(batch))
	}
	good, _ = filepath.Glob(filepath.Join(b.session.TempDir, "*good.json"))
	for _, path := range good {
		if err := os.WriteFile(path, []byte(`{"id":1,"t":"noon"}`+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := batch.Repair(context.Background(), b.session, cause); again != nil || !errors.Is(err, records.ErrUnread) {
		t.Errorf("damaged again: %v, %v", again, err)
	}
}
