package iceberg

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// historyHead is a table whose snapshots 1, 2, … have these commit numbers; 0 stands for another program's, a negative
// one for a rewrite of files after that commit.
func historyHead(t *testing.T, commits ...int64) *head {
	t.Helper()
	d, err := newTable(&lake.TableChange{Table: "t", Schema: schemas.Table{{Name: "id", ID: 1, Type: schemas.Type{Kind: schemas.BigInt}}}}, "file:///t")
	if err != nil {
		t.Fatal(err)
	}
	for i, commit := range commits {
		props, operation := map[string]string{}, metadata.Append
		if commit < 0 {
			commit, operation = -commit, metadata.Replace
		}
		if commit > 0 {
			props[keyCommit] = strconv.FormatInt(commit, 10)
		}
		schema := 0
		s := &metadata.Snapshot{SnapshotID: int64(i + 1), SequenceNumber: int64(i + 1), TimestampMs: time.Now().UnixMilli() + int64(i), ManifestList: "file:///m", SchemaID: &schema,
			Summary: metadata.NewSummary(operation, props)}
		if i > 0 {
			parent := int64(i)
			s.ParentSnapshotID = &parent
		}
		if err := d.AddSnapshot(s); err != nil {
			t.Fatal(err)
		}
	}
	meta, err := d.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return &head{name: "t", meta: meta}
}

// A table that a newer program upgraded is not called damaged.
func TestNewerFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "00001-a.metadata.json")
	if err := os.WriteFile(path, []byte(`{"format-version": 4}`), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := readMetadata("t", lake.URI(path))
	if err == nil || !strings.Contains(err.Error(), "format version 4") || strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
}

// A commit's version has what other programs wrote before the next commit, and nothing from after it.
func TestVersionsOfCommits(t *testing.T) {
	h := historyHead(t, 1, 2, 0, 4, 0)
	for commit, want := range map[int64]int64{1: 1, 2: 3, 3: 3, 4: 5, 9: 5} {
		s, err := h.version(lake.Version{Commit: commit})
		if err != nil || s.SnapshotID != want {
			t.Errorf("commit %d is snapshot %v, want %d (%v)", commit, s, want, err)
		}
	}
}
