// Package sourcetest holds the tests that every source passes, and what tests of sources need.
package sourcetest

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/lakeflow/lakeflow/sources"
)

// MemMarks are marks in memory: what the ledger is to the engine.
type MemMarks map[string]string

// Apply does what a commit of the batch does with its marks.
func (m MemMarks) Apply(b *sources.Batch) {
	for _, mark := range b.Ledger {
		m[mark.Key] = mark.Value
	}
}

// All yields the marks in key order.
func (m MemMarks) All(ctx context.Context) iter.Seq2[sources.LedgerEntry, error] {
	return func(yield func(sources.LedgerEntry, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if err := ctx.Err(); err != nil {
				yield(sources.LedgerEntry{}, err)
				return
			}
			if !yield(sources.LedgerEntry{Key: key, Value: m[key]}, nil) {
				return
			}
		}
	}
}
