package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine/failpoint"
)

// relocatePlaces are the failpoints that relocating passes.
func relocatePlaces() []string {
	places := []string{"owner.before-acquire", "owner.after-acquire", "catalog.after-pointers", "catalog.before-commit"}
	return append(places, failpoint.Relocation...)
}

// TestKilledInRelocate kills an update that relocates a warehouse which was moved. The tables are the old ones then, which
// are not read here, or the new ones, and the next update brings the rest.
func TestKilledInRelocate(t *testing.T) {
	t.Parallel()
	c := newCrash(t, 2)
	for i, name := range relocatePlaces() {
		c.moveTo(filepath.Join(t.TempDir(), "moved"))
		c.grow(i + 3)
		c.kill(name, 1)
		if name == "relocate.after-tx" {
			c.expect(i+2, 0)
		} else if out, err := lakeflow("", "audit", c.file); err == nil || !strings.Contains(out, "was moved here from") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		c.run(0)
		c.expect(i+3, 0)
		do(t, "audit", c.file)
	}
	if out := do(t, "relocate", c.file); !strings.Contains(out, "nothing to relocate") {
		t.Error(out)
	}
}

// moveTo moves the folder of the pipeline.
func (c *crash) moveTo(dir string) {
	c.t.Helper()
	if err := os.Rename(filepath.Dir(c.file), dir); err != nil {
		c.t.Fatal(err)
	}
	c.file = filepath.Join(dir, filepath.Base(c.file))
}

// TestKilledInRelocateOfCopy kills lakeflow relocate. The original stays as it is, and so does the copy until it is one of
// its own.
func TestKilledInRelocateOfCopy(t *testing.T) {
	t.Parallel()
	c := newCrash(t, 2)
	original := filepath.Dir(c.file)
	for _, name := range relocatePlaces() {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(original)); err != nil {
			t.Fatal(err)
		}
		copied := &crash{t, filepath.Join(dir, "pipeline.yaml")}
		out, err := lakeflow("LAKEFLOW_FAILPOINT="+name, "relocate", copied.file)
		if !killed(err) {
			t.Fatalf("%s was not passed: %v\n%s", name, err, out)
		}
		copied.grow(3)
		if name != "relocate.after-tx" {
			copied.run(exitRuntime)
			if out := do(t, "relocate", copied.file); !strings.Contains(out, "written anew") {
				t.Error(out)
			}
		}
		copied.run(0)
		copied.expect(3, 0)
		do(t, "audit", copied.file)
		do(t, "maintain", copied.file, "--older-than", "0s")
		do(t, "audit", copied.file)
		c.expect(2, 0)
	}
	do(t, "audit", c.file)
	c.grow(3)
	c.run(0)
	c.expect(3, 0)
}
