package convert

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/dsl/load"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/yamlfile"
)

// Each key of a converted file says something: without it, the file has a mistake or declares another pipeline. So the
// comparison of round trips finds what Pipeline leaves out.
func TestEveryKeyCounts(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../yamlfile/testdata/example")); err != nil {
		t.Fatal(err)
	}
	want, diags := read(t, filepath.Join(dir, "pipeline.yaml"), load.Options{})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	c := &converter{p: want, encoder: option.Encoder{Path: option.Rebase(dir, dir)}, files: map[string]string{}}
	root := c.pipeline(dir)
	keys := 0
	var without func(v *option.Value, path string)
	without = func(v *option.Value, path string) {
		all := v.Entries
		for i, e := range all {
			v.Entries = append(append([]option.Entry{}, all[:i]...), all[i+1:]...)
			keys++
			text, err := yamlfile.Write(root)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, converted), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			got, diags := read(t, filepath.Join(dir, converted), load.Options{})
			if len(diags) == 0 && cmp.Equal(described(want), described(got), same) {
				t.Errorf("%s.%s says nothing", path, e.Key)
			}
			v.Entries = all
			without(e.Value, path+"."+e.Key)
		}
	}
	without(root, "")
	if keys < 30 {
		t.Errorf("only %d keys were left out", keys)
	}
}
