package iceberg

import (
	"strconv"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
)

// historyHead is a table whose snapshots 1, 2, … have these commit numbers; 0 stands for another program's, a negative one for a rewrite of files after
// that commit.
func historyHead(t *testing.T, commits ...int64) *head {
	t.Helper()
	b, err := newTable(&sinks.TableChange{Table: "t", Schema: schemas.Table{{Name: "id", ID: 1, Type: schemas.Type{Kind: schemas.BigInt}}}}, "file:///t")
	if err != nil {
		t.Fatal(err)
	}
	for i, commit := range commits {
		props, operation := map[string]string{}, table.OpAppend
		if commit < 0 {
			commit, operation = -commit, table.OpReplace
		}
		if commit > 0 {
			props[keyCommit] = strconv.FormatInt(commit, 10)
		}
		schema := 0
		s := &table.Snapshot{SnapshotID: int64(i + 1), SequenceNumber: int64(i + 1), TimestampMs: time.Now().UnixMilli() + int64(i), ManifestList: "file:///m", SchemaID: &schema,
			Summary: &table.Summary{Operation: operation, Properties: props}}
		if i > 0 {
			parent := int64(i)
			s.ParentSnapshotID = &parent
		}
		if err := b.AddSnapshot(s); err != nil {
			t.Fatal(err)
		}
		if err := b.SetSnapshotRef(table.MainBranch, s.SnapshotID, table.BranchRef); err != nil {
			t.Fatal(err)
		}
	}
	meta, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return &head{name: "t", meta: meta}
}

// A commit's version has what other programs wrote before the next commit, and nothing from after it.
func TestVersionsOfCommits(t *testing.T) {
	h := historyHead(t, 1, 2, 0, 4, 0)
	for commit, want := range map[int64]int64{1: 1, 2: 3, 3: 3, 4: 5, 9: 5} {
		s, err := h.version(sinks.Version{Commit: commit})
		if err != nil || s.SnapshotID != want {
			t.Errorf("commit %d is snapshot %v, want %d (%v)", commit, s, want, err)
		}
	}
}
