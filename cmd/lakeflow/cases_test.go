package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCases runs case_<name>.txtar for every folder <name> of LAKEFLOW_CASES, with the folder's files in place of the
// script's own. It prints a line for each. scripts/cases calls it.
func TestCases(t *testing.T) {
	root := os.Getenv("LAKEFLOW_CASES")
	if root == "" {
		t.Skip("LAKEFLOW_CASES names no folder of cases")
	}
	folders, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if test := checkedElsewhere[folder.Name()]; test != nil {
			if ok := t.Run(folder.Name(), test); ok {
				fmt.Println("ok      ", folder.Name())
			} else {
				fmt.Println("FAILED  ", folder.Name()+": see the test's own output")
			}
			continue
		}
		script := filepath.Join("testdata", "script", "case_"+folder.Name()+".txtar")
		if _, err := os.Stat(script); err != nil {
			fmt.Println("no check", folder.Name())
			continue
		}
		from := os.DirFS(filepath.Join(root, folder.Name()))
		c := &caseT{}
		testscript.RunT(c, testscript.Params{
			Files:     []string{script},
			Condition: condition,
			Setup:     func(env *testscript.Env) error { return overlay(env.WorkDir, from) },
		})
		if !c.failed {
			fmt.Println("ok      ", folder.Name())
			continue
		}
		fmt.Println("FAILED  ", folder.Name()+":", c.why())
		t.Fail()
	}
}

// checkedElsewhere are the checks of cases that have no files, and that other tests already make.
var checkedElsewhere = map[string]func(*testing.T){
	"r01-full-disk-at-start":       TestFullDiskAtStart,
	"r01-query-shows-secrets":      script("pipeline_secrets"),
	"r01-query-writes":             script("query"),
	"r01-temp-directory-leftovers": TestTempDirectoryOfKilledProcesses,
	"r01-terminal-escapes":         script("terminal"),
}

func script(name string) func(*testing.T) {
	return func(t *testing.T) {
		testscript.Run(t, testscript.Params{Files: []string{filepath.Join("testdata", "script", name+".txtar")}, Condition: condition})
	}
}

// overlay copies all files, over those that are there.
func overlay(dir string, from fs.FS) error {
	return fs.WalkDir(from, ".", func(path string, entry fs.DirEntry, err error) error {
		to := filepath.Join(dir, path)
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return os.MkdirAll(to, 0o755)
		}
		content, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o644)
	})
}

// caseT runs one script and keeps what it says, for the line that is printed of it.
type caseT struct {
	log    strings.Builder
	failed bool
}

func (c *caseT) Log(args ...any) { fmt.Fprintln(&c.log, args...) }
func (c *caseT) Parallel()       {}
func (c *caseT) Verbose() bool   { return false }

func (c *caseT) FailNow() {
	c.failed = true
	runtime.Goexit()
}

func (c *caseT) Fatal(args ...any) {
	c.Log(args...)
	c.FailNow()
}

func (c *caseT) Skip(args ...any) {
	c.Log(args...)
	runtime.Goexit()
}

func (c *caseT) Run(_ string, f func(testscript.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(c)
	}()
	<-done
}

// why is the last of what the script printed before it failed.
func (c *caseT) why() string {
	lines := slices.DeleteFunc(strings.Split(c.log.String(), "\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
	last := slices.IndexFunc(lines, func(s string) bool { return strings.HasPrefix(s, "FAIL:") })
	if last < 0 {
		last = len(lines) - 1
	}
	return strings.Join(lines[max(0, last-3):last+1], " / ")
}
