package iceberg_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sinks/sinktest"
)

// A file of a table's metadata that is gone, cut off or overwritten is named, and nothing is read past it.
func TestDamagedMetadataIsNamed(t *testing.T) {
	f := sinktest.NewFixture(t, open)
	for i := range 3 {
		f.Append("t", []string{"id INTEGER"}, fmt.Sprintf("SELECT %d id", i))
	}
	newest := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(strings.ReplaceAll(f.Warehouse, "[", "\\["), "main", "t", "metadata", pattern))
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		latest, latestTime := "", int64(0)
		for _, path := range found {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.ModTime().UnixNano() >= latestTime {
				latest, latestTime = path, info.ModTime().UnixNano()
			}
		}
		return latest
	}
	for what, path := range map[string]string{"metadata file": newest("*.metadata.json"), "manifest list": newest("snap-*.avro"), "manifest": newest("*-m0-*.avro")} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		expect := func(damage, word string, err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), what+" "+path+" "+word) || !strings.Contains(err.Error(), "restore this file from a backup") {
				t.Errorf("%s %s: error %v", what, damage, err)
			}
		}
		write := func(content []byte) {
			t.Helper()
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		expect("deleted", "is missing", useTable(f))
		write(bytes.Repeat([]byte("garbage\n"), len(content)/8+1)[:len(content)])
		expect("overwritten", "is damaged", useTable(f))
		write(append([]byte("garbage!"), content...))
		expect("begun anew", "is damaged", useTable(f))
		for n := 0; n < len(content); n += 1 + len(content)/40 {
			write(content[:n])
			expect(fmt.Sprintf("of %d bytes", n), "is damaged", useTable(f))
		}
		write(content[:len(content)-1])
		expect("without its last byte", "is damaged", useTable(f))
		for n := 0; n < len(content); n += 1 + len(content)/60 { // some of these change nothing that can be told; none may end the process
			changed := bytes.Clone(content)
			changed[n] ^= 0xff
			write(changed)
			if err := useTable(f); err != nil && !strings.Contains(err.Error(), "table t") {
				t.Errorf("%s with byte %d changed: error %v", what, n, err)
			}
		}
		write(content)
		if err := useTable(f); err != nil {
			t.Errorf("%s restored: %v", what, err)
		}
	}
	f.Expect("t", "0\n1\n2")
}

// useTable reads a table in the ways that queries, updates and audits do, with nothing in memory, and gives the first
// error.
func useTable(f *sinktest.Fixture) error {
	opened := f.Reopen()
	defer opened.Close()
	ctx := context.Background()
	if _, err := opened.State(ctx); err != nil {
		return err
	}
	if _, err := opened.Files(ctx, "t", lake.Version{}); err != nil {
		return err
	}
	if _, err := opened.Appended(ctx, "t", 0, 0); err != nil {
		return err
	}
	_, err := opened.History(ctx, "t")
	return err
}
