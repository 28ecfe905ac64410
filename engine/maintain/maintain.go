// Package maintain tidies a lake up: it merges small data files, drops old snapshots and removes files that nothing
// needs. No row, position or commit number changes, and whoever reads the tables meanwhile does not notice.
package maintain

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Lake is what is tidied up.
type Lake interface {
	lake.Lake
	lake.Reader
	lake.Maintainer
}

// Input is what the work is done with. The caller is the pipeline's writer, owns everything in it, and closes it.
type Input struct {
	Lake  Lake
	Epoch int64
	// DB writes the merged files. Nobody else uses it meanwhile; it may read and write the warehouse.
	DB *duck.DB
	// Layouts by table; only Compression and RowGroupSize are looked at.
	Layouts map[string]duck.Layout
	// OlderThan is the grace time of files that nothing needs: whoever began to read them has so long to finish.
	OlderThan time.Duration
	// Dry finds out what there is to do and does nothing; then neither Epoch nor DB is needed.
	Dry bool
	// Changing are tables of which the pipeline removes single rows. A rewrite of their files and a batch that removes
	// rows of them cannot both take place, so that Compact leaves them to Fold.
	Changing map[string]bool
}

// Report says what was done, or what there is to do.
type Report struct {
	Dry    bool    `json:"dry_run"`
	Tables []Table `json:"tables"`
	// Temps are folders of processes that were killed.
	Temps     int   `json:"temp_folders"`
	TempBytes int64 `json:"temp_bytes"`
	// Freed are the bytes of everything that was removed.
	Freed int64 `json:"bytes_freed"`
}

// Table is one table's part of the report.
type Table struct {
	Name        string `json:"table"`
	FilesBefore int64  `json:"files_before"`
	FilesAfter  int64  `json:"files_after"`
	Merged      int    `json:"files_merged"` // how many of the files before are in others now
	Snapshots   int    `json:"snapshots_expired"`
	Orphans     int    `json:"orphans"`
	Freed       int64  `json:"bytes_freed"`
}

// Run expires snapshots, merges small files and removes orphans, in this order.
func Run(ctx context.Context, in Input) (*Report, error) {
	state, err := in.Lake.State(ctx)
	if err != nil {
		return nil, err
	}
	expired, err := in.expire(ctx)
	if err != nil {
		return nil, err
	}
	r := &Report{Dry: in.Dry, Tables: []Table{}}
	for _, name := range slices.Sorted(maps.Keys(state.Tables)) {
		t := state.Tables[name]
		if t.Commit == 0 {
			continue // lakeflow did not write it
		}
		c, err := in.table(ctx, name, 0)
		if err != nil {
			return nil, err
		}
		r.Tables = append(r.Tables, Table{Name: name, FilesBefore: t.Files, FilesAfter: t.Files - int64(c.Merged-c.Made), Merged: c.Merged, Snapshots: expired[name]})
	}
	return r, in.orphans(ctx, r)
}

func (in *Input) expire(ctx context.Context) (map[string]int, error) {
	if in.Dry {
		return in.Lake.Expirable(ctx)
	}
	return in.Lake.Expire(ctx, in.Epoch)
}

func (in *Input) orphans(ctx context.Context, r *Report) error {
	look := in.Lake.RemoveOrphans
	if in.Dry {
		look = in.Lake.Orphans
	}
	found, err := look(ctx, in.OlderThan)
	for _, o := range found {
		r.Freed += o.Bytes
		i := slices.IndexFunc(r.Tables, func(t Table) bool { return t.Name == o.Table })
		if i < 0 {
			r.Temps++
			r.TempBytes += o.Bytes
			continue
		}
		r.Tables[i].Orphans++
		r.Tables[i].Freed += o.Bytes
	}
	return err
}

// Compaction counts files.
type Compaction struct {
	Merged int // were merged
	Made   int // were made of them
	Folded int // named removed rows, and are not needed any more
}

// Compact merges small files while a pipeline runs. It leaves some of them to wait for more, so that each row is
// rewritten a few times only, whatever the number of batches; there is nothing to do as long as a partition has no more
// than twice the ideal number of files and a handful. It may run beside the pipeline's batches, with a DB of its own,
// and loses every race against them.
func Compact(ctx context.Context, in Input) (Compaction, error) {
	var sum Compaction
	state, err := in.Lake.State(ctx)
	if err != nil {
		return sum, err
	}
	for _, name := range slices.Sorted(maps.Keys(state.Tables)) {
		if t := state.Tables[name]; t.Commit == 0 || in.Changing[name] || t.Files <= int64(2+tail) {
			continue
		}
		c, err := in.table(ctx, name, tail)
		if err != nil {
			return sum, err
		}
		sum.Merged += c.Merged
		sum.Made += c.Made
		sum.Folded += c.Folded
	}
	return sum, nil
}

// Fold is Compact for the tables of Changing, for the pipeline itself to call between its commits. It also bounds what
// readers pay for removed rows: no file keeps more of them than a share, and no partition more than a handful of files
// that name them. It reports whether anything was done.
func Fold(ctx context.Context, in Input, state *lake.State) (bool, error) {
	done := false
	for _, name := range slices.Sorted(maps.Keys(in.Changing)) {
		if t := state.Tables[name]; t.Commit == 0 || t.Files <= int64(2+tail) && t.Deletes <= tail {
			continue
		}
		c, err := in.table(ctx, name, tail)
		if err != nil {
			return done, err
		}
		done = done || c != Compaction{}
	}
	return done, nil
}

// table merges the files of one table, partition by partition, and commits whenever about one target size is written.
func (in *Input) table(ctx context.Context, name string, slack int) (Compaction, error) {
	var sum Compaction
	stored, err := in.Lake.Stored(ctx, name)
	if err != nil {
		return sum, err
	}
	w := &rewriting{in: in, table: name, stored: stored, live: stored.Deletes}
	if len(stored.Deletes) > 0 && !in.Dry {
		if w.removed, err = removedRows(ctx, in.DB, stored.Deletes); err != nil {
			return sum, fmt.Errorf("look at the removed rows of table %s: %w", name, err)
		}
	}
	for _, p := range partitionsOf(stored) {
		groups := w.worn(p.files, choose(p.files, targetSize, slack))
		if in.Dry {
			for _, group := range groups {
				sum.Merged, sum.Made = sum.Merged+len(group), sum.Made+1
			}
			continue
		}
		if err := w.partition(ctx, p, groups, slack); err != nil {
			w.discard()
			return w.done, fmt.Errorf("merge files of table %s: %w", name, err)
		}
	}
	if in.Dry {
		return sum, nil
	}
	err = w.commit(ctx)
	return w.done, err
}

// rewriting collects merged files of one table for a commit.
type rewriting struct {
	in      *Input
	table   string
	stored  *lake.Stored
	live    []lake.StoredFile // that name removed rows now
	removed map[string]int64  // rows of a file, by path
	next    lake.Rewrite
	size    int64
	done    Compaction
}

// partition rewrites groups of files of one partition. A file that names removed rows names those of several files; so
// where one of these is rewritten, it is too, and where there are many.
func (w *rewriting) partition(ctx context.Context, p partition, groups [][]lake.StoredFile, slack int) error {
	if len(p.deletes) == 0 {
		for _, group := range groups {
			if err := w.merge(ctx, group); err != nil {
				return err
			}
			if w.size >= targetSize {
				if err := w.commit(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	}
	rewritten := map[string]bool{}
	stale := len(p.deletes) > 1+slack
	for _, group := range groups {
		before := len(w.next.Remove)
		if err := w.merge(ctx, group); err != nil {
			return err
		}
		for _, path := range w.next.Remove[before:] {
			rewritten[path] = true
			stale = stale || w.removed[path] > 0
		}
	}
	if !stale {
		return nil
	}
	if err := w.renameRows(ctx, p, rewritten); err != nil {
		return err
	}
	return w.commit(ctx)
}

// merge writes the rows of a group of files into as few as possible, without those that were removed.
func (w *rewriting) merge(ctx context.Context, group []lake.StoredFile) error {
	failpoint.Hit("maintain.before-files")
	files := make([]lake.DataFile, len(group))
	var rows, removed int64
	for i, f := range group {
		for _, path := range append([]string{f.Path}, f.Deletes...) {
			if err := lake.CheckFile(path); err != nil { // what is damaged must not get a new checksum
				return err
			}
		}
		files[i] = lake.DataFile{Path: f.Path, Rows: f.Rows, Bytes: f.Bytes, Deletes: f.Deletes}
		rows += f.Rows - w.removed[f.Path]
		removed += w.removed[f.Path]
	}
	layout := w.in.Layouts[w.table]
	layout.Hidden = schemas.Hidden(w.table)
	schema, err := w.in.DB.WithProvenance(ctx, w.stored.Schema, files)
	if err != nil {
		return err
	}
	layout.Dir, layout.Schema, layout.Partition = w.in.Lake.DataDir(w.table), schema, w.stored.Partition
	made, copied, err := w.in.DB.WriteParquet(ctx, "SELECT * FROM "+duck.ReadFiles(schema, files), layout)
	if err != nil {
		return err
	}
	failpoint.Hit("maintain.after-files")
	if copied != rows || len(made) >= len(group) && removed == 0 {
		duck.Remove(made)
		if copied != rows {
			return fmt.Errorf("%d rows are read from files that have %d; run lakeflow audit, which names the damaged file", copied, rows)
		}
		return nil // it would be no better
	}
	w.next.Add = append(w.next.Add, made...)
	for _, f := range group {
		w.next.Remove = append(w.next.Remove, f.Path)
		w.size += f.Bytes
	}
	return nil
}

// commit publishes what was merged. Where the pipeline has replaced the files meanwhile, there is nothing left to do.
func (w *rewriting) commit(ctx context.Context) error {
	if len(w.next.Remove) == 0 {
		return nil
	}
	r := w.next
	r.Table, r.Epoch = w.table, w.in.Epoch
	for _, f := range w.live {
		r.Deletes = append(r.Deletes, f.Path)
	}
	status, err := w.in.Lake.Rewrite(ctx, &r)
	if err != nil {
		w.next, w.size = lake.Rewrite{}, 0 // the files stay: the commit may have taken place after all
		return err
	}
	if status != lake.Committed {
		w.discard()
		return nil
	}
	stay := slices.DeleteFunc(slices.Clone(w.live), func(f lake.StoredFile) bool { return slices.Contains(r.Remove, f.Path) })
	folded := len(w.live) - len(stay)
	for _, f := range r.AddDeletes {
		stay = append(stay, lake.StoredFile{Path: f.Path})
	}
	w.live = stay
	w.done.Folded += folded
	w.done.Merged += len(r.Remove) - folded
	w.done.Made += len(r.Add)
	w.next, w.size = lake.Rewrite{}, 0
	return nil
}

// discard removes files that will not be published.
func (w *rewriting) discard() {
	duck.Remove(w.next.Add)
	for _, f := range w.next.AddDeletes {
		duck.Remove([]lake.DataFile{f.DataFile})
	}
	w.next, w.size = lake.Rewrite{}, 0
}
