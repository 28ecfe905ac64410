package failpoint

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestMain is also the child process: it passes the places that its arguments name and says which ones it survived.
func TestMain(m *testing.M) {
	if os.Getenv("FAILPOINT_CHILD") == "" {
		os.Exit(m.Run())
	}
	for _, name := range strings.Split(os.Getenv("FAILPOINT_CHILD"), ",") {
		Hit(name)
		fmt.Println(name)
	}
}

func TestHit(t *testing.T) {
	for _, c := range []struct {
		target, places string
		survived       []string
		killed         bool
	}{
		{"", "a,b", []string{"a", "b"}, false},
		{"b", "a,b,a", []string{"a"}, true},
		{"b#1", "a,b,a", []string{"a"}, true},
		{"b#2", "b,a,b,c", []string{"b", "a"}, true},
		{"b#3", "b,b,a", []string{"b", "b", "a"}, false},
		{"c", "a,b", []string{"a", "b"}, false},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "FAILPOINT_CHILD="+c.places, "LAKEFLOW_FAILPOINT="+c.target)
		out, err := cmd.Output()
		var exit *exec.ExitError
		killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		if got := strings.Fields(string(out)); !slices.Equal(got, c.survived) || killed != c.killed || (err != nil && !killed) {
			t.Errorf("%q over %s: survived %v, killed %v, %v", c.target, c.places, got, killed, err)
		}
	}
}

func TestAt(t *testing.T) {
	var called []string
	hit := func(names ...string) {
		for _, name := range names {
			Hit(name)
			called = append(called, name)
		}
	}
	restore := At("b", 2, func() { called = append(called, "do") })
	hit("a", "b", "b", "b")
	restore()
	restore = At("a", 1, func() { called = append(called, "again") })
	hit("a")
	restore()
	hit("a")
	restore = At("", 2, func() { called = append(called, "any") })
	hit("a", "b")
	restore()
	if got, want := strings.Join(called, " "), "a b do b b again a a a any b"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNames(t *testing.T) {
	if len(Names) < 15 {
		t.Errorf("only %d places", len(Names))
	}
	for i, name := range Names {
		if slices.Index(Names, name) != i || !strings.Contains(name, ".") || strings.Contains(name, "#") {
			t.Errorf("%q is there twice, or is no name", name)
		}
	}
}
