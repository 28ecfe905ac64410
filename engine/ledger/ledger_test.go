package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/ledger"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources"
)

// fakeLake has the files of the ledger.
type fakeLake struct {
	lake.Reader // not used
	t           testing.TB
	db          *duck.DB
	dir         string
	schema      schemas.Table
	files       []lake.DataFile
	commit      int64
}

func newLake(t testing.TB) *fakeLake {
	dir := t.TempDir()
	db, err := duck.Open(t.Context(), duck.Config{Folders: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	l := &fakeLake{t: t, db: db, dir: filepath.Join(dir, "data")}
	l.schema, _ = schemas.AssignIDs(ledger.Schema(), 0)
	return l
}

func (l *fakeLake) Files(context.Context, string, lake.Version) (*lake.Contents, error) {
	if l.files == nil {
		return nil, lake.ErrNoTable
	}
	return &lake.Contents{Schema: l.schema, Files: l.files}, nil
}

func (l *fakeLake) change(changes ...ledger.Change) lake.Mode {
	l.t.Helper()
	l.commit++
	query, mode, err := ledger.Query(l.t.Context(), l.db, l, l.commit, changes)
	if err != nil {
		l.t.Fatal(err)
	}
	files, _, err := l.db.WriteParquet(l.t.Context(), query, duck.Layout{Dir: l.dir, Schema: l.schema})
	if err != nil {
		l.t.Fatal(err)
	}
	if mode == lake.Replace {
		l.files = []lake.DataFile{}
	}
	l.files = append(l.files, files...)
	return mode
}

func (l *fakeLake) expect(k position.Key, want string) {
	l.t.Helper()
	var got []string
	for m, err := range ledger.Of(l.db, l, k).All(l.t.Context()) {
		if err != nil {
			l.t.Fatal(err)
		}
		got = append(got, m.Key+"="+m.Value)
	}
	if strings.Join(got, " ") != want {
		l.t.Errorf("marks of %s: %q, want %q", k, got, want)
	}
}

func input(table string) position.Key {
	return position.Key{Kind: position.Source, Table: table, Flow: table, Input: "s"}
}

func marks(pairs ...string) (out []sources.LedgerEntry) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, sources.LedgerEntry{Key: pairs[i], Value: pairs[i+1]})
	}
	return out
}

func TestMarks(t *testing.T) {
	l := newLake(t)
	a, b := input("a"), input(`b's "t"`)
	l.expect(a, "")
	l.change(ledger.Change{Key: a, Set: marks("z", "1", "B", "2", "é x'", "3")}, ledger.Change{Key: b, Set: marks("z", "9")})
	l.expect(a, "B=2 z=1 é x'=3")
	l.expect(b, "z=9")
	l.change(ledger.Change{Key: a, Set: marks("z", "new", "c", "")})
	l.expect(a, "B=2 c= z=new é x'=3")
	if mode := l.change(ledger.Change{Key: b, Clear: true, Set: marks("k", "1")}); mode != lake.Replace {
		t.Errorf("clearing gave mode %v", mode)
	}
	l.expect(a, "B=2 c= z=new é x'=3")
	l.expect(b, "k=1")
	l.change(ledger.Change{Key: a, Clear: true}, ledger.Change{Key: b, Clear: true})
	l.expect(a, "")
	l.expect(b, "")
	for range ledger.Of(l.db, l, b).All(t.Context()) {
		break // a reader may stop early
	}
}

// A file that cannot be read is named, whatever byte of it is another one.
func TestDamagedFile(t *testing.T) {
	l := newLake(t)
	k := input("t")
	l.change(ledger.Change{Key: k, Set: marks("a", "1", "b", "2")})
	path := l.files[0].Path
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i := rand.IntN(5); i < len(content); i += 5 {
		damaged := bytes.Clone(content)
		damaged[i] ^= 16
		if err := os.WriteFile(path, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, err := range ledger.Of(l.db, l, k).All(t.Context()) {
			if err == nil {
				continue // what reads it compares a hash of all marks
			}
			failed++
			if !strings.Contains(err.Error(), path) {
				t.Errorf("byte %d: %v", i, err)
			}
		}
	}
	if failed == 0 {
		t.Error("no damage was an error")
	}
}

// Many commits leave few files.
func TestFolds(t *testing.T) {
	l := newLake(t)
	k := input("t")
	var want []string
	for i := range 150 {
		path := fmt.Sprintf("%03d", i)
		l.change(ledger.Change{Key: k, Set: marks(path, "v")})
		want = append(want, path+"=v")
		if len(l.files) > 65 {
			t.Fatalf("%d files after %d commits", len(l.files), i+1)
		}
	}
	l.expect(k, strings.Join(want, " "))
}

// BenchmarkMarks reads a ledger of a million files.
func BenchmarkMarks(b *testing.B) {
	l := newLake(b)
	k := input("t")
	all := make([]sources.LedgerEntry, 1_000_000)
	for i := range all {
		all[i] = sources.LedgerEntry{Key: fmt.Sprintf("2024/01/file-%07d.json.gz", i), Value: "12345 1700000000000000000 r"}
	}
	l.change(ledger.Change{Key: k, Set: all})
	for b.Loop() {
		n := 0
		for _, err := range ledger.Of(l.db, l, k).All(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != len(all) {
			b.Fatal(n)
		}
	}
}
