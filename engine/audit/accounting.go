package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// entry is what the event log says that one commit did to one table, over all flows.
type entry struct {
	written, removed int64
	// inputs are, by flow, the rows that it read of upstream tables.
	inputs  map[string]int64
	letters int64 // that are kept in letterTable
	// rules are the hashes of the expectations that were applied, queries the fingerprints of what gave the rows, by
	// flow.
	rules, queries map[string]string
	// letterTable is empty when the table kept no dead letters.
	letterTable string
	replace     bool
	// view is what a view that followed its inputs had after the commit, nil for others.
	view *schemas.ViewCounts
	// verdicts are the figures of the expectations, by flow.
	verdicts map[string][]schemas.ExpectationResult
}

// last is the entry of the last commit, nil when there is none.
func (b tableAccounting) last() *entry {
	commits := b.commits()
	if len(commits) == 0 {
		return nil
	}
	return b[commits[len(commits)-1]]
}

// after is the number of rows of the table after the commit.
func (e entry) after(total int64) int64 {
	if e.replace {
		total = 0
	}
	return total + e.written - e.removed
}

// tableAccounting are the entries of one table by commit.
type tableAccounting map[int64]*entry

func (b tableAccounting) commits() []int64 { return slices.Sorted(maps.Keys(b)) }

// replaced is the last commit that removed the rows from before it, 0 when there was none.
func (b tableAccounting) replaced() int64 {
	var last int64
	for commit, e := range b {
		if e.replace {
			last = max(last, commit)
		}
	}
	return last
}

// accounting reads the accounting of all commits from the event log, by table. It is nil, with a finding, when files of
// the log are damaged: then there is nothing to compare with.
func (a *auditor) accounting(ctx context.Context, log *stored) (map[string]tableAccounting, error) {
	if log.broken || len(log.readable()) < len(log.head.Files) {
		a.find(Finding{Table: eventLog, Check: CheckBooks, Message: "the row accounting cannot be read, so nothing was compared with it", Remedy: a.restore(eventLog)})
		return nil, nil
	}
	rows, err := a.DB.Conn().QueryContext(ctx, fmt.Sprintf(`SELECT origin.dataset_name, origin.flow_name, origin.update_id, details FROM %s
		WHERE event_type = 'flow_progress' AND contains(details, '"lakeflow"') ORDER BY origin.batch_id, sequence.data_plane_id.seq_no`,
		duck.ReadFiles(log.head.Schema, log.head.Files)))
	if err != nil {
		return nil, fmt.Errorf("read the event log: %s", duckerr.FirstLine(err))
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	accounting := map[string]tableAccounting{}
	for rows.Next() {
		var table, flow, update, details string
		if err := rows.Scan(&table, &flow, &update, &details); err != nil {
			return nil, fmt.Errorf("read the event log: %w", err)
		}
		var d struct {
			Progress schemas.FlowProgress `json:"flow_progress"`
		}
		if err := json.Unmarshal([]byte(details), &d); err != nil {
			a.find(Finding{Table: table, Check: CheckBooks, Message: fmt.Sprintf("an event of update %s cannot be read: %v", update, err), Remedy: a.restore(eventLog)})
			continue
		}
		if d.Progress.Lakeflow != nil {
			a.enter(accounting, table, flow, &d.Progress)
		}
	}
	return accounting, rows.Err()
}

// enter adds the accounting of one flow, and checks that it agrees with itself.
func (a *auditor) enter(accounting map[string]tableAccounting, table, flow string, p *schemas.FlowProgress) {
	acc := p.Lakeflow
	if accounting[table] == nil {
		accounting[table] = tableAccounting{}
	}
	e := accounting[table][acc.Commit]
	if e == nil {
		e = &entry{inputs: map[string]int64{}, rules: map[string]string{}, queries: map[string]string{}, verdicts: map[string][]schemas.ExpectationResult{}}
		accounting[table][acc.Commit] = e
	}
	e.written += acc.Written
	if acc.Changes != nil {
		e.removed += acc.Changes.Removed
	}
	e.inputs[flow] += acc.InputRows
	e.rules[flow], e.queries[flow] = acc.RuleSet, acc.Query
	e.replace = e.replace || acc.Mode == "replace"
	e.view = acc.View
	if acc.Table != "" {
		e.letterTable = acc.Table
		e.letters += acc.DeadLettered + acc.Unreadable
	}
	if !acc.Balances() {
		a.find(unbalanced(table, flow, acc, a.recompute(table)))
	}
	if p.DataQuality == nil {
		return
	}
	e.verdicts[flow] = p.DataQuality.Expectations
	evaluated := acc.QueryRows
	if acc.View != nil {
		evaluated = acc.View.Rows
	}
	for _, r := range p.DataQuality.Expectations {
		if r.Passed+r.Failed != evaluated {
			a.find(Finding{Table: table, Commit: acc.Commit, Check: CheckRule, Expected: evaluated, Found: r.Passed + r.Failed,
				Message: fmt.Sprintf("flow %s: the query gave %s, but expectation %s was evaluated on %d", flow, rows(evaluated), r.Name, r.Passed+r.Failed),
				Remedy:  a.recompute(table)})
		}
	}
}

// unbalanced says that rows of a flow are not accounted for.
func unbalanced(table, flow string, acc *schemas.Accounting, remedy string) Finding {
	went, where := acc.Written, fmt.Sprintf("%d written", acc.Written)
	if c := acc.Changes; c != nil {
		went, where = c.Applied+c.Superseded+c.Ignored, fmt.Sprintf("%d applied, %d superseded, %d ignored", c.Applied, c.Superseded, c.Ignored)
	}
	went += acc.DeadLettered + acc.Discarded
	return Finding{Table: table, Commit: acc.Commit, Check: CheckBalance, Expected: acc.QueryRows, Found: went, Remedy: remedy,
		Message: fmt.Sprintf("flow %s: the query gave %s; %s, %d dead-lettered and %d discarded make %d", flow, rows(acc.QueryRows), where,
			acc.DeadLettered, acc.Discarded, went)}
}

// checkAccounting compares the table's snapshots with the accounting of their commits.
func (a *auditor) checkAccounting(t *stored, accounting tableAccounting) {
	if t.broken {
		return
	}
	var total int64
	commits := accounting.commits()
	var next int
	replaced := accounting.replaced()
	until := func(commit int64) { // takes the commits that left no snapshot
		for ; next < len(commits) && commits[next] < commit; next++ {
			e := accounting[commits[next]]
			if !e.replace && commits[next] < replaced { // another program took it back, and the table was recomputed since
				a.table(t.name).Commits++
				total = e.after(total)
				continue
			}
			total = a.checkUnstored(t, commits[next], e, total)
		}
	}
	for _, s := range t.history {
		if s.Commit == 0 { // has a finding of its own; from here on its rows are expected
			total = s.TotalRows
			continue
		}
		if rewrites(s) {
			continue // has the rows of a commit that was compared, or expired
		}
		until(s.Commit)
		if next == len(commits) || commits[next] != s.Commit {
			a.find(Finding{Table: t.name, Commit: s.Commit, Check: CheckBooks, Found: s.AddedRows,
				Message: fmt.Sprintf("the commit added %s, for which the event log has no accounting", rows(s.AddedRows)), Remedy: a.recompute(t.name)})
			total = s.TotalRows
			continue
		}
		e := accounting[s.Commit]
		next++
		a.table(t.name).Commits++
		total = a.checkCommit(t, s, e, total)
	}
	until(a.State.Commit + 1)
	if found := t.recorded(t.head.Files) - t.removed; found != total {
		a.find(Finding{Table: t.name, Check: CheckTotal, Expected: total, Found: found,
			Message: fmt.Sprintf("all commits together wrote %s, the table has %d", rows(total), found), Remedy: a.recompute(t.name)})
	}
}

// checkUnstored looks at a commit that has no snapshot of the table: it wrote nothing, or the snapshot was expired.
func (a *auditor) checkUnstored(t *stored, commit int64, e *entry, total int64) int64 {
	after := e.after(total)
	if len(t.history) > 0 && (commit < t.history[0].Commit || commit == t.history[0].Commit && rewrites(t.history[0])) {
		return after
	}
	a.table(t.name).Commits++
	if e.written > 0 || after != total {
		a.find(Finding{Table: t.name, Commit: commit, Check: CheckRows, Expected: e.written,
			Message: fmt.Sprintf("the commit wrote %s, but the table has no snapshot of it", rows(e.written)), Remedy: a.recompute(t.name)})
		return total
	}
	return after
}

// checkCommit compares one snapshot with its accounting, and returns the rows of the table after it: those that were
// counted, so that what is off is found once.
func (a *auditor) checkCommit(t *stored, s lake.Snapshot, e *entry, total int64) int64 {
	added, known := t.added(s)
	if !known {
		added = s.AddedRows
	}
	if added != e.written {
		a.find(Finding{Table: t.name, Commit: s.Commit, Check: CheckRows, Expected: e.written, Found: added,
			Message: fmt.Sprintf("the commit wrote %s, its files have %d", rows(e.written), added), Remedy: a.recompute(t.name)})
	}
	if s.RemovedRows != e.removed {
		a.find(Finding{Table: t.name, Commit: s.Commit, Check: CheckRows, Expected: e.removed, Found: s.RemovedRows,
			Message: fmt.Sprintf("the commit removed %s, Iceberg's added-position-deletes says %d", rows(e.removed), s.RemovedRows), Remedy: a.recompute(t.name)})
	}
	total = entry{written: added, removed: s.RemovedRows, replace: e.replace}.after(total)
	if v := e.view; v != nil && v.Rows-v.Dropped != total {
		a.find(Finding{Table: t.name, Commit: s.Commit, Check: CheckRule, Expected: total, Found: v.Rows - v.Dropped, Remedy: a.recompute(t.name),
			Message: fmt.Sprintf("after the commit the table had %s, but its expectations had kept %d", rows(total), v.Rows-v.Dropped)})
	}
	if s.TotalRows != total {
		a.find(Finding{Table: t.name, Commit: s.Commit, Check: CheckIceberg, Expected: total, Found: s.TotalRows,
			Message: fmt.Sprintf("after the commit the table had %s, Iceberg's total-records says %d", rows(total), s.TotalRows), Remedy: a.recompute(t.name)})
	}
	return total
}

// added is the number of rows that a snapshot added. A damaged file counts as what was written to it: it has a finding
// of its own. It is not known when a damaged file is one that only earlier versions need.
func (t *stored) added(s lake.Snapshot) (n int64, known bool) {
	for _, path := range s.Added {
		if t.trouble[path] == "" {
			n += t.counted[path]
		} else if recorded, ok := t.rows[path]; ok {
			n += recorded
		} else {
			return 0, false
		}
	}
	return n, true
}

// recorded counts files, damaged ones as what was written to them.
func (t *stored) recorded(files []lake.DataFile) (n int64) {
	for _, f := range files {
		if t.trouble[f.Path] == "" {
			n += t.counted[f.Path]
		} else {
			n += f.Rows
		}
	}
	return n
}
