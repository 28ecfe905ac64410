package project

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// relocatePlaces are the failpoints that relocating passes.
func relocatePlaces() []string {
	places := []string{"owner.before-acquire", "owner.after-acquire", "catalog.after-pointers", "catalog.before-commit"}
	return append(places, failpoint.Relocation...)
}

// moveTo moves the folder of the pipeline.
func (c *crash) moveTo(dir string) {
	c.t.Helper()
	if err := os.Rename(filepath.Dir(c.file), dir); err != nil {
		c.t.Fatal(err)
	}
	c.file = filepath.Join(dir, filepath.Base(c.file))
}

// relocate relocates the warehouse, and gives what was done.
func (c *crash) relocate() *lake.Relocation {
	c.t.Helper()
	p, err := Open(c.t.Context(), c.file, Options{Purpose: Move})
	if err != nil {
		c.t.Fatal(err)
	}
	done, err := p.Relocate(c.t.Context())
	if err := errors.Join(err, p.Close()); err != nil {
		c.t.Fatal(err)
	}
	return done
}

// misplaced expects that the project is not opened, because its tables are not where they say.
func (c *crash) misplaced(opts Options, copied bool) {
	c.t.Helper()
	var moved *lake.MovedError
	p, err := Open(c.t.Context(), c.file, opts)
	if err == nil {
		_ = p.Close()
	}
	if !errors.As(err, &moved) || moved.Copied != copied || !strings.Contains(err.Error(), "lakeflow relocate ") {
		c.t.Fatalf("a warehouse that was moved or copied gives %v", err)
	}
}

// TestKilledInRelocate kills an update that relocates a warehouse which was moved. The tables are the old ones then,
// which are not read here, or the new ones, and the next update brings the rest.
func TestKilledInRelocate(t *testing.T) {
	c := newCrash(t, 2)
	for i, name := range relocatePlaces() {
		c.moveTo(filepath.Join(t.TempDir(), "moved"))
		c.grow(i + 3)
		c.kill(name, 1, engine.Options{})
		if name == "relocate.after-tx" {
			c.expect(i+2, 0)
		} else {
			c.misplaced(Options{}, false)
		}
		c.run(engine.Options{})
		c.expect(i+3, 0)
		c.audit()
	}
	if done := c.relocate(); done != nil {
		t.Errorf("there is nothing to relocate, and done is %+v", done)
	}
}

// TestKilledInRelocateOfCopy kills the relocation of a copy. The original stays as it is, and so does the copy until it
// is one of its own.
func TestKilledInRelocateOfCopy(t *testing.T) {
	c := newCrash(t, 2)
	original := filepath.Dir(c.file)
	for _, name := range relocatePlaces() {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(original)); err != nil {
			t.Fatal(err)
		}
		copied := &crash{t, filepath.Join(dir, "pipeline.yaml")}
		killed, err := kill(t, name, 1, copied.file, Options{Purpose: Move}, func(ctx context.Context, p *Project) error {
			_, err := p.Relocate(ctx)
			return err
		})
		if err != nil || !killed {
			t.Fatalf("%s was not passed: %v", name, err)
		}
		copied.grow(3)
		if name != "relocate.after-tx" {
			copied.misplaced(Options{Purpose: Write}, true)
			if done := copied.relocate(); done == nil || len(done.Tables) == 0 {
				t.Errorf("%s: what was copied is not relocated: %+v", name, done)
			}
		}
		copied.run(engine.Options{})
		copied.expect(3, 0)
		copied.audit()
		mustMaintain(t, copied.file, 0)
		copied.audit()
		c.expect(2, 0)
	}
	c.audit()
	c.grow(3)
	c.run(engine.Options{})
	c.expect(3, 0)
}

// TestKilledInRelocateOfChanges does the same with tables of which rows were removed: the files that name these are
// written anew.
func TestKilledInRelocateOfChanges(t *testing.T) {
	c := newChanging(t, 7)
	for range 4 {
		c.grow()
		c.run(engine.Options{})
	}
	for _, name := range relocatePlaces() {
		c.moveTo(filepath.Join(t.TempDir(), "moved"))
		c.kill(name, 1, engine.Options{})
		c.run(engine.Options{})
		c.expect()
		c.grow()
		c.run(engine.Options{})
		c.expect()
		c.audit()
	}
}
