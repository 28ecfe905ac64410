package maintain

import (
	"cmp"
	"slices"

	"github.com/lakeflow/lakeflow/sinks/lake"
)

// targetSize is how large a data file is to be: as the engine cuts them.
const targetSize = 512 << 20

// tail is how many files of a partition may wait for more of their kind beyond twice the ideal number while a pipeline
// runs. Merging fewer of them more often would rewrite every row more often.
const tail = 16

// choose picks the files of one partition that are to be rewritten, in groups of which each becomes a file of about the
// target size. It picks none as long as the partition has at most twice the ideal number of files, and slack more.
//
// Small files are merged smallest first, and a file is only taken along when those before it have as many bytes
// together: so the sizes that are left behind at least double from file to file, and a row is rewritten a few times in
// all, however many batches come. Without slack, larger files are taken too until twice the ideal number is reached.
// Files of at least half the target are never rewritten.
func choose(files []lake.StoredFile, target int64, slack int) [][]lake.StoredFile {
	var total int64
	var small []lake.StoredFile
	for _, f := range files {
		total += f.Bytes
		if f.Bytes < target/2 {
			small = append(small, f)
		}
	}
	most := 2*ideal(total, target) + slack
	if len(files) <= most || len(small) < 2 {
		return nil
	}
	slices.SortFunc(small, func(a, b lake.StoredFile) int {
		return cmp.Or(cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Path, b.Path))
	})
	take := 0
	var taken int64
	for i, f := range small {
		left := len(files) - i + int(taken/target) + 1 // were the files up to here merged
		if i >= 2 && f.Bytes > taken && left <= most {
			break
		}
		take, taken = i+1, taken+f.Bytes
	}
	return cut(small[:take], target)
}

// ideal is the number of files that so many bytes need.
func ideal(bytes, target int64) int { return int(max(1, (bytes+target-1)/target)) }

// cut divides files into groups of at most about the target size. A group of one is left out: rewriting it changes
// nothing.
func cut(files []lake.StoredFile, target int64) [][]lake.StoredFile {
	var groups [][]lake.StoredFile
	var group []lake.StoredFile
	var size int64
	end := func() {
		if len(group) > 1 {
			groups = append(groups, group)
		}
		group, size = nil, 0
	}
	for _, f := range files {
		if size > 0 && size+f.Bytes > target {
			end()
		}
		group, size = append(group, f), size+f.Bytes
	}
	end()
	return groups
}
