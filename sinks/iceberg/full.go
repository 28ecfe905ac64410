package iceberg

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/lakeflow/lakeflow/sources"
)

// sqliteError is an error of SQLite, which has a number.
type sqliteError interface {
	error
	Code() int
}

// passing marks errors that go away by themselves: the catalog is locked by another program, or the disk is full.
func (l *Lake) passing(err error) error {
	var known *sources.UnavailableError
	var e sqliteError
	if errors.As(err, &known) || !errors.As(err, &e) {
		return err
	}
	switch code := e.Code(); {
	case code&0xff == sqlite3.SQLITE_BUSY, code&0xff == sqlite3.SQLITE_LOCKED: // without SQLite's extension of the code
		return &sources.UnavailableError{Err: err}
	case outOfRoom(code), perhapsOutOfRoom(code) && noRoom(l.warehouse):
		return &sources.UnavailableError{Err: &fullError{err, e}}
	}
	return err
}

// outOfRoom reports whether SQLite fails with this code only where there is no room: in a file, or to make the memory
// longer that processes share.
func outOfRoom(code int) bool {
	return code&0xff == sqlite3.SQLITE_FULL || code == sqlite3.SQLITE_IOERR_SHMSIZE
}

// perhapsOutOfRoom reports whether SQLite fails with this code for want of room too, but also when a disk is broken or
// a folder may not be written to.
func perhapsOutOfRoom(code int) bool {
	switch code {
	case sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE,
		sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMMAP, sqlite3.SQLITE_IOERR_CLOSE:
		return true
	}
	return code&0xff == sqlite3.SQLITE_CANTOPEN
}

// noRoom reports whether the disk of a folder has no room for another few pages of the catalog, or for another file.
func noRoom(dir string) bool {
	const least = 256 << 10
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return false
	}
	return s.Bavail*uint64(s.Bsize) < least || s.Files > 0 && s.Ffree == 0
}

// fullError is an error of SQLite that comes of a full disk.
type fullError struct {
	err   error
	cause sqliteError
}

func (e *fullError) Error() string {
	return strings.Replace(e.err.Error(), e.cause.Error(), fmt.Sprintf("the disk is full (SQLite's code %d)", e.cause.Code()), 1)
}

func (e *fullError) Unwrap() []error { return []error{e.err, syscall.ENOSPC} }
