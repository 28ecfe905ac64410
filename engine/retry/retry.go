// Package retry knows which errors go away by themselves, and how long to wait for that.
package retry

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/lakeflow/lakeflow/sources"
)

// Transient reports whether an error may go away by itself: a broker that cannot be reached, a busy catalog, a full
// disk. SQLite's and DuckDB's errors are known by their texts only.
func Transient(err error) bool {
	var unavailable *sources.UnavailableError
	return errors.As(err, &unavailable) || errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "No space left on device") ||
		strings.Contains(err.Error(), "database or disk is full")
}

// The pauses between attempts grow from the first to the last.
const (
	first = 100 * time.Millisecond
	last  = 30 * time.Second
)

// Backoff gives the pauses between attempts. The zero value begins with the shortest.
type Backoff struct{ pause time.Duration }

// Next is the pause before the next attempt, twice as long as the one before.
func (b *Backoff) Next() time.Duration {
	b.pause = min(max(2*b.pause, first), last)
	return b.pause
}

// Reset begins with the shortest pause again.
func (b *Backoff) Reset() { b.pause = 0 }
