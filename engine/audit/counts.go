package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// checkCounts compares a table with itself: the counts in Iceberg's summaries with its files, and who wrote to it.
func (a *auditor) checkCounts(t *stored) {
	var before int64
	for i, s := range t.history {
		if i == 0 && rewrites(s) {
			before = s.TotalRows // of its parent, which was expired
		}
		if rewrites(s) && s.Commit > 0 && s.TotalRows != before {
			a.find(Finding{Table: t.name, Commit: s.Commit, Check: CheckIceberg, Expected: before, Found: s.TotalRows,
				Message: fmt.Sprintf("merging files changed the number of rows from %d to %d", before, s.TotalRows), Remedy: a.restore(t.name)})
		}
		// Another program may rewrite files, but not rows.
		if s.Commit == 0 && (!rewrites(s) || s.TotalRows != before) {
			a.find(Finding{Table: t.name, Check: CheckForeign, Expected: before, Found: s.TotalRows,
				Message: fmt.Sprintf("another program wrote to the table at %s (snapshot %d, %s): it had %s before and %d after", s.Time.Format("2006-01-02 15:04:05 UTC"),
					s.ID, s.Operation, rows(before), s.TotalRows),
				Remedy: fmt.Sprintf("keep other programs from writing to the pipeline's tables, and recompute its rows: %s", a.refresh(t.name))})
		}
		if found, known := t.added(s); known && found != s.AddedRows {
			a.find(Finding{Table: t.name, Commit: s.Commit, Check: CheckIceberg, Expected: s.AddedRows, Found: found,
				Message: fmt.Sprintf("Iceberg's added-records says %d, the files of snapshot %d have %s", s.AddedRows, s.ID, rows(found)), Remedy: a.restore(t.name)})
		}
		before = s.TotalRows
	}
	if found := t.recorded(t.head.Files) - t.removed; found != before {
		a.find(Finding{Table: t.name, Check: CheckIceberg, Expected: before, Found: found,
			Message: fmt.Sprintf("Iceberg's summary says that the table has %s, its files have %d", rows(before), found), Remedy: a.restore(t.name)})
	}
}

// checkLog makes sure that every commit left its events.
func (a *auditor) checkLog(t *stored) {
	if t.broken {
		return
	}
	a.checkCounts(t)
	var last int64
	for _, s := range t.history {
		if s.Commit == 0 {
			continue
		}
		if rewrites(s) {
			last = s.Commit
			continue
		}
		a.table(eventLog).Commits++
		if last > 0 && s.Commit != last+1 {
			a.lost(last+1, s.Commit-1)
		}
		last = s.Commit
	}
	if last != a.State.Commit {
		a.lost(last+1, a.State.Commit)
	}
}

// rewrites reports whether a snapshot has the rows of the one before it in other files.
func rewrites(s lake.Snapshot) bool { return s.Operation == "replace" }

func (a *auditor) lost(from, to int64) {
	a.find(Finding{Table: eventLog, Commit: from, Check: CheckBooks, Expected: to - from + 1,
		Message: fmt.Sprintf("the event log has no snapshot of commits %d to %d", from, to), Remedy: a.restore(eventLog)})
}

// letterCounts are the numbers of dead letters by table, commit and dead-letter table. Unknown is set when some of them
// cannot be read.
type letterCounts struct {
	rows    map[string]map[int64]map[string]int64
	unknown bool
}

// letters counts the dead letters in every dead-letter table that the pipeline declares or once wrote to.
func (a *auditor) letters(ctx context.Context, accounting map[string]tableAccounting) (letterCounts, error) {
	counts := letterCounts{rows: map[string]map[int64]map[string]int64{}}
	add := func(name string) {
		if _, ok := a.State.Tables[name]; ok && !slices.Contains(a.keepers, name) {
			a.keepers = append(a.keepers, name)
		}
	}
	add(a.DeadLetter)
	for _, b := range accounting {
		for _, e := range b {
			add(e.letterTable)
		}
	}
	slices.Sort(a.keepers)
	for _, name := range a.keepers {
		t := a.read(ctx, name)
		if t.broken || len(t.readable()) < len(t.head.Files) {
			counts.unknown = true
		}
		if t.broken {
			continue
		}
		a.checkCounts(t)
		for _, s := range t.history {
			if !rewrites(s) {
				a.table(name).Commits++
			}
		}
		if err := a.countLetters(ctx, t, counts.rows); err != nil {
			return counts, fmt.Errorf("count the dead letters in %s: %s", name, duckerr.FirstLine(err))
		}
	}
	return counts, nil
}

// countLetters leaves out the samples of failed updates: their rows are still in the source.
func (a *auditor) countLetters(ctx context.Context, t *stored, counts map[string]map[int64]map[string]int64) error {
	rows, err := a.DB.Conn().QueryContext(ctx, fmt.Sprintf(`SELECT "table", "commit", count(*) FROM %s WHERE status <> '%s' GROUP BY ALL`,
		duck.ReadFiles(t.head.Schema, t.readable()), expectations.StatusFailedUpdate))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	for rows.Next() {
		var table string
		var commit, n int64
		if err := rows.Scan(&table, &commit, &n); err != nil {
			return err
		}
		if counts[table] == nil {
			counts[table] = map[int64]map[string]int64{}
		}
		if counts[table][commit] == nil {
			counts[table][commit] = map[string]int64{}
		}
		counts[table][commit][t.name] = n
	}
	return rows.Err()
}

// checkLetters compares the dead letters of a table with the accounting. A commit that replaced the table's rows
// removed the dead letters of the commits before it, as far as they are in the dead-letter table of that time.
func (a *auditor) checkLetters(table string, accounting tableAccounting, counts letterCounts) {
	found := counts.rows[table]
	for _, byKeeper := range found {
		for _, n := range byKeeper {
			a.table(table).DeadLetters += n
		}
	}
	if counts.unknown {
		return
	}
	replaced := accounting.replaced()
	for commit, byKeeper := range found {
		if accounting[commit] == nil {
			a.wrongLetters(table, commit, 0, sum(byKeeper))
		}
	}
	last := accounting.last()
	follows := last != nil && last.view != nil
	if follows && last.letterTable != "" { // rows that it dropped go again, with their dead letters
		var all int64
		for _, byKeeper := range found {
			all += byKeeper[last.letterTable]
		}
		if all != last.view.Dropped {
			a.wrongLetters(table, accounting.commits()[len(accounting)-1], last.view.Dropped, all)
		}
	}
	for commit, e := range accounting {
		want, got := e.letters, sum(found[commit])
		if commit < replaced {
			// The dead-letter table of that time is not in the accounting of a table that keeps none.
			if e.letterTable != cmp.Or(accounting[replaced].letterTable, a.DeadLetter) {
				continue
			}
			want = 0
		}
		if got > want || got < want && !(follows && commit >= replaced) {
			a.wrongLetters(table, commit, want, got)
		}
	}
}

func (a *auditor) wrongLetters(table string, commit, want, got int64) {
	a.find(Finding{Table: table, Commit: commit, Check: CheckDeadLetters, Expected: want, Found: got,
		Message: fmt.Sprintf("%d dead letters are expected, %d are stored", want, got), Remedy: a.recompute(table)})
}

func sum(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
