package incremental

import (
	"context"
	"fmt"
)

// The shares of a view's rows or groups above which it costs no less to compute all of them. BenchmarkShare measures
// what they are of, in processor time: at these it is about as much for the changes as for everything.
const (
	groupShare   = 0.5  // groups whose partial values change
	anewShare    = 0.25 // groups that lost a minimum, maximum or sum of floating-point numbers, which the input is read for
	genericShare = 0.4  // groups that are computed from the input
	rowShare     = 0.08 // rows that are looked for in the view by all of their values
)

// FewRows are computed from changes however few there are in all: it costs next to nothing.
const FewRows = 10_000

// few has the view be computed in full where the rows of a relation are more than a share of all.
func (b *batch) few(ctx context.Context, what, rows string, all int64, share float64) error {
	var n int64
	if err := b.read(ctx, "SELECT count(*) "+rows, &n); err != nil {
		return err
	}
	if all > 0 && n > FewRows && float64(n) > share*float64(all) {
		b.result.Code = TooCostly
		b.result.Recompute = fmt.Sprintf("%d of its %s may have changed, of %d", n, what, all)
	}
	return nil
}
