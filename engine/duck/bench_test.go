package duck

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkWriteFewRows writes one row, as most commits do to the event log: what a file costs before its rows do.
func BenchmarkWriteFewRows(b *testing.B) {
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprintf("%d columns", n), func(b *testing.B) {
			db, dir := open(b, Config{})
			var cols, values []string
			for i := range n {
				cols = append(cols, fmt.Sprintf("c%d VARCHAR", i))
				values = append(values, fmt.Sprintf("'v' AS c%d", i))
			}
			l := Layout{Dir: filepath.Join(dir, "data"), Schema: columns(b, cols...)}
			query := "SELECT " + strings.Join(values, ", ")
			for b.Loop() {
				mustWrite(b, db, query, l)
			}
		})
	}
}
