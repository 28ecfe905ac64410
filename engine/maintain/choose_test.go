package maintain

import (
	"fmt"
	"testing"

	"github.com/lakeflow/lakeflow/sinks/lake"
)

func sized(sizes ...int64) []lake.StoredFile {
	var files []lake.StoredFile
	for i, n := range sizes {
		files = append(files, lake.StoredFile{Path: fmt.Sprint(i), Bytes: n, Rows: n})
	}
	return files
}

func sizes(groups [][]lake.StoredFile) string {
	var out [][]int64
	for _, g := range groups {
		var of []int64
		for _, f := range g {
			of = append(of, f.Bytes)
		}
		out = append(out, of)
	}
	return fmt.Sprint(out)
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		files []lake.StoredFile
		slack int
		want  string
	}{
		{nil, 0, "[]"},
		{sized(1), 0, "[]"},
		{sized(1, 1), 0, "[]"}, // twice the ideal number
		{sized(1, 1, 1), 0, "[[1 1 1]]"},
		{sized(1, 1, 1), 1, "[]"},
		{sized(60, 60, 60), 0, "[]"},                // more than half the target each
		{sized(49, 49, 49, 49, 49), 0, "[]"},        // five of three ideal ones
		{sized(40, 1, 1, 1), 0, "[[1 1 1]]"},        // the large one stays
		{sized(40, 20, 10, 1), 0, "[[1 10 20]]"},    // two are left
		{sized(40, 20, 5, 1, 1), 0, "[[1 1 5 20]]"}, // forced down to two
		{sized(40, 20, 5, 1, 1), 2, "[[1 1]]"},      // with slack, only what fits together
		{sized(40, 2, 1, 1), 1, "[[1 1 2]]"},
		{sized(40, 40, 40, 40, 40, 40, 40), 0, "[[40 40] [40 40] [40 40]]"},
		{sized(99, 99, 99, 1, 1, 1, 1, 1, 1), 0, "[[1 1 1 1 1 1]]"},
	} {
		if got := sizes(choose(c.files, 100, c.slack)); got != c.want {
			t.Errorf("%s with slack %d: %s, want %s", sizes([][]lake.StoredFile{c.files}), c.slack, got, c.want)
		}
	}
}

// TestContinuous adds a small file at a time and compacts whenever there is something to choose: the number of files
// stays within bounds and no byte is rewritten often.
func TestContinuous(t *testing.T) {
	const target, batches = 512_000, 40_000 // as if files of 50 KB were added, in units of a KB
	var files []lake.StoredFile
	var rewritten, total int64
	for i := range batches {
		size := int64(30 + i%41)
		total += size
		files = append(files, lake.StoredFile{Path: fmt.Sprint(i), Bytes: size})
		for _, g := range choose(files, target, tail) {
			gone := map[string]bool{}
			var sum int64
			for _, f := range g {
				gone[f.Path] = true
				sum += f.Bytes
			}
			rewritten += sum
			left := []lake.StoredFile{{Path: fmt.Sprint("c", i, g[0].Path), Bytes: sum}}
			for _, f := range files {
				if !gone[f.Path] {
					left = append(left, f)
				}
			}
			files = left
		}
		if most := 2*ideal(total, target) + tail; len(files) > most {
			t.Fatalf("%d files after %d batches, at most %d are wanted", len(files), i+1, most)
		}
	}
	t.Logf("%d files of %d ideal ones, each byte rewritten %.1f times", len(files), ideal(total, target), float64(rewritten)/float64(total))
	if rewritten > 12*total {
		t.Errorf("each byte was rewritten %.1f times", float64(rewritten)/float64(total))
	}
}
