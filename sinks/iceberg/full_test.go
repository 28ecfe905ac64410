package iceberg

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/lakeflow/lakeflow/sources"
)

type fakeSQLite struct{ code int }

func (e fakeSQLite) Error() string { return fmt.Sprintf("disk I/O error (%d)", e.code) }
func (e fakeSQLite) Code() int     { return e.code }

func TestFullDiskIsKnown(t *testing.T) {
	l := &Lake{warehouse: t.TempDir()}
	for code, want := range map[int]string{
		13:   "full", // FULL
		4874: "full", // IOERR_SHMSIZE
		778:  "",     // IOERR_WRITE: of a disk that has room
		1034: "",     // IOERR_FSYNC
		14:   "",     // CANTOPEN
		266:  "",     // IOERR_READ
		5:    "busy",
		517:  "busy", // BUSY_SNAPSHOT
		6:    "busy", // LOCKED
		11:   "",     // CORRUPT
	} {
		err := l.passing(fmt.Errorf("create x: %w", fakeSQLite{code}))
		var away *sources.UnavailableError
		full := errors.Is(err, syscall.ENOSPC)
		if errors.As(err, &away) != (want != "") || full != (want == "full") {
			t.Errorf("%d: %v", code, err)
		}
		if full && err.Error() != fmt.Sprintf("create x: the disk is full (SQLite's code %d)", code) {
			t.Errorf("%d: %v", code, err)
		}
		if again := l.passing(err); again != err {
			t.Errorf("%d is wrapped again: %v", code, again)
		}
	}
	if err := l.passing(errors.New("x")); err.Error() != "x" || l.passing(nil) != nil {
		t.Error(err)
	}
}

// On a disk without room the codes that say little mean that it is full.
func TestNoRoom(t *testing.T) {
	const none = "/proc" // a file system without blocks
	if !noRoom(none) {
		t.Skipf("%s has room here", none)
	}
	l := &Lake{warehouse: none}
	for _, code := range []int{778, 1034, 1290, 1546, 4618, 5386, 14, 270} {
		if err := l.passing(fakeSQLite{code}); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full") {
			t.Errorf("%d: %v", code, err)
		}
	}
	for _, code := range []int{266, 11, 1} {
		if err := l.passing(fakeSQLite{code}); errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%d: %v", code, err)
		}
	}
}
