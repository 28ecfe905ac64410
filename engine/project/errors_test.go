package project

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// Errors of the disk say what to do next.
func TestAdvice(t *testing.T) {
	path := func(cause error) error {
		return fmt.Errorf("write manifest: %w", &fs.PathError{Op: "write", Path: "x", Err: cause})
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{path(syscall.ENOSPC), "the disk is full"},
		{errors.New(`Could not write file "x": No space left on device`), "the disk is full"},
		{errors.New("database or disk is full (13)"), "the disk is full"},
		{path(syscall.EROFS), "must be able to read the sources and to write to the warehouse"},
		{path(syscall.EACCES), "must be able to read the sources and to write to the warehouse"},
		{path(syscall.ENOENT), ""},
	} {
		_, advice, _ := strings.Cut(advised(c.err).Error(), "\n  ")
		if (c.want == "") != (advice == "") || !strings.Contains(advice, c.want) {
			t.Errorf("%v: advice %q, want %q", c.err, advice, c.want)
		}
	}
}
