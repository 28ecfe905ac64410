package files

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/lakeflow/lakeflow/sources"
)

var errLedgerRead = errors.New("the ledger is read")

// unreadMarks fail when they are read.
type unreadMarks struct{}

func (unreadMarks) All(context.Context) iter.Seq2[sources.LedgerEntry, error] {
	return func(yield func(sources.LedgerEntry, error) bool) { yield(sources.LedgerEntry{}, errLedgerRead) }
}

// TestUnchangedFolder expects that the ledger is left alone as long as all files are as they were read, and only then.
func TestUnchangedFolder(t *testing.T) {
	read := func(b *bed, s *Source) bool {
		t.Helper()
		batch, err := s.Next(context.Background(), b.session, b.pos, unreadMarks{})
		if batch != nil || err != nil && !errors.Is(err, errLedgerRead) {
			t.Fatalf("batch %+v, error %v", batch, err)
		}
		return err != nil
	}
	begin := func(change func(*Config)) (*bed, *Source) {
		b := newBed(t)
		b.put("a.json", `{"id": 1}`)
		b.put("sub/b.json", `{"id": 2}`)
		b.put("torn.json.gz", "not gzip")
		s := b.source("json", change)
		b.commit(b.next(s))
		return b, s
	}
	b, s := begin(nil)
	if read(b, s) {
		t.Error("the ledger is read although nothing changed")
	}
	for name, change := range map[string]func(b *bed) error{
		"new":     func(b *bed) error { b.put("c.json", `{"id": 3}`); return nil },
		"changed": func(b *bed) error { b.put("a.json", `{"id": 4}`); return nil },
		"mended":  func(b *bed) error { b.put("torn.json.gz", ""); return nil },
		"gone":    func(b *bed) error { return os.Remove(filepath.Join(b.dir, "a.json")) },
		"renamed": func(b *bed) error { return os.Rename(filepath.Join(b.dir, "a.json"), filepath.Join(b.dir, "z.json")) },
	} {
		b, s := begin(nil)
		if err := change(b); err != nil {
			t.Fatal(err)
		}
		if !read(b, s) {
			t.Errorf("%s: the ledger is not read", name)
		}
	}
	if b, s := begin(func(c *Config) { c.AllowOverwrites = true }); !read(b, s) {
		t.Error("with overwrites a mark can ask for an unchanged file, so the ledger must be read")
	}
}
