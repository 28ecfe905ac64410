package project

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/sources"
)

// declaredOptions keep what a source is made with.
type declaredOptions struct {
	sources.Options
	made sources.Setup
}

func (o *declaredOptions) New(s sources.Setup) (sources.Source, error) {
	o.made = s
	return nil, nil
}

// Everything that the pipeline file says of a source, beside its options, gets to its connector.
func TestSetup(t *testing.T) {
	p := &dsl.Pipeline{Dir: "/dir", Mode: dsl.Continuous, Trigger: dsl.Trigger{MaxRows: 100_000, MaxBytes: 64_000_000}, Target: dsl.Target{Warehouse: "/w"},
		DuckDB: dsl.DuckDB{TempDirectory: "/t"}}
	want := sources.Setup{Name: "feed", Dir: "/dir", Hints: []sources.Hint{{Name: "id", Type: "BIGINT"}}, Evolution: sources.None, Texts: true,
		MaxRows: 100_000, MaxBytes: 64_000_000, Outside: []string{"/w", "/t"}}
	writing, looking := want, want
	writing.Continuous, writing.AcceptGap, looking.Timeout = true, true, 2*time.Second
	for _, c := range []struct {
		opts Options
		want sources.Setup
	}{{Options{Purpose: Write, AcceptGaps: []string{"feed"}}, writing}, {Options{Purpose: Look}, looking}} {
		var o declaredOptions
		s := &dsl.Source{Name: "feed", Options: &o, Schema: []dsl.ColumnHint{{Name: "id", Type: "BIGINT"}}, Evolution: sources.None, Texts: true}
		connections := newConnections(p)
		if _, err := connections.newSource(s, c.opts); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, o.made); d != "" {
			t.Error(d)
		}
	}
}
