package refresh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources"
)

// goneRelation holds the rows that a view loses, with their places.
const goneRelation = "__gone_rows"

// errLetters says that a view cannot follow.
var errLetters = errors.New("its dead letters are not those of the rows that it dropped")

// judgedChange judges the rows that a view with expectations gains and loses, and writes what is left of them. After an
// error nothing of it is left; it is a *ViolationError when rows violate a fail rule.
func (b *Batch) judgedChange(ctx context.Context, d *plan.Dataset, r *incremental.Result, view, state place,
	computed string) (out outcome, err error) {
	defer func() {
		for _, table := range []string{rowsRelation, goneRelation, brokenRelation, droppedRelation} {
			if e := b.DB.Exec(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+table); err == nil {
				err = e
			}
		}
		if err != nil {
			out.discard()
		}
	}()
	if err := b.makeChange(ctx, d, r, computed); err != nil {
		return out, err
	}
	before, _ := b.totals(d)
	gone, err := b.judgeChange(ctx, d, before, &out)
	if err != nil {
		return out, err
	}
	var dropped []lake.DataFile
	if out.verdict.Dropped > 0 {
		if out.letters, dropped, err = b.setAside(ctx, d, d.Flows[0], &input{}, out.verdict.Dropped); err != nil {
			return out, err
		}
	}
	out.written, err = b.writeChanges(ctx, d, view, state, changeQueries(d, r, len(view.files)))
	out.state.add = append(out.state.add, dropped...)
	if err != nil {
		return out, err
	}
	out.changes.Applied = rowsOf(out.rows)
	ids := idsOfGone(d, state, len(view.files))
	out.stay, out.someGo, err = b.lettersThatStay(ctx, d, before.Dropped, ids, gone.Dropped)
	return out, err
}

// judgeChange judges the rows that a view gains, all of its rows after that, and those that it loses, which it returns.
func (b *Batch) judgeChange(ctx context.Context, d *plan.Dataset, before expectations.Totals,
	out *outcome) (gone expectations.Verdict, err error) {
	f := d.Flows[0]
	lost := "(SELECT " + strings.Join(names(d.Columns), ", ") + " FROM " + goneRelation + ")"
	if gone, err = b.verdict(ctx, d, nil, lost); err != nil {
		return gone, err
	}
	if out.verdict, err = b.verdict(ctx, d, f.Provenance, rowsRelation); err != nil {
		return gone, err
	}
	all := d.Rules.Verdict(before.After(out.verdict.Totals(), gone.Totals()))
	out.all = &all
	if len(all.Failing) > 0 {
		return gone, b.sample(ctx, d, f, all)
	}
	return gone, nil
}

// makeChange makes rowsRelation of the rows that a view gains, and goneRelation of those that it loses.
func (b *Batch) makeChange(ctx context.Context, d *plan.Dataset, r *incremental.Result, computed string) error {
	came, gone := duck.Empty(d.StoredColumns()), computed+" LIMIT 0"
	if r.AddView != "" {
		came = "(" + r.AddView + "\n)"
	}
	if r.RemoveView != "" {
		gone = fmt.Sprintf("%s AS v SEMI JOIN (%s\n) AS g USING (%s, %s)", computed, r.RemoveView,
			quote.Name(duck.FileColumn), quote.Name(duck.RowColumn))
	}
	const create = "CREATE OR REPLACE TEMP TABLE %s AS FROM %s; CREATE OR REPLACE TEMP TABLE %s AS FROM %s"
	return b.DB.Exec(ctx, fmt.Sprintf(create, rowsRelation, came, goneRelation, gone))
}

// changeQueries are the places of the rows that go of a view of so many files and of its state, and the rows that come.
// A row that the rules dropped is in the state.
func changeQueries(d *plan.Dataset, r *incremental.Result, files int) rowQueries {
	file, row := quote.Name(duck.FileColumn), quote.Name(duck.RowColumn)
	q := rowQueries{removeState: r.RemoveState, add: d.Rules.KeptSQL(rowsRelation)}
	if r.RemoveView != "" {
		q.remove = fmt.Sprintf("SELECT %[1]s, %[2]s FROM %[3]s WHERE %[1]s < %[4]d", file, row, goneRelation, files)
	}
	if r.RemoveView != "" && keepsDropped(d) {
		dropped := fmt.Sprintf("SELECT %[1]s - %[2]d AS %[1]s, %[3]s FROM %[4]s WHERE %[1]s >= %[2]d",
			file, files, row, goneRelation)
		if q.removeState != "" {
			dropped = "(" + q.removeState + ") UNION ALL " + dropped
		}
		q.removeState = dropped
	}
	if r.AddState != "" {
		q.addState = stateRows(d, d.Incremental.State, r.AddState)
	}
	return q
}

// idsOfGone is a relation with the ids of the dropped rows that go.
func idsOfGone(d *plan.Dataset, state place, files int) string {
	id, file, row := quote.Name(plan.DroppedColumn), quote.Name(duck.FileColumn), quote.Name(duck.RowColumn)
	if !keepsDropped(d) {
		return "(SELECT CAST(NULL AS VARCHAR) AS " + id + " LIMIT 0)"
	}
	return fmt.Sprintf("(SELECT s.%[1]s FROM %[2]s AS s SEMI JOIN %[3]s AS g ON (s.%[4]s + %[5]d = g.%[4]s AND s.%[6]s = g.%[6]s))",
		id, state.relation, goneRelation, file, files, row)
}

// verdict judges the rows of a relation. What is needed of those that break a rule is left in brokenRelation.
func (b *Batch) verdict(ctx context.Context, d *plan.Dataset, provenance schemas.Table,
	relation string) (v expectations.Verdict, err error) {
	broken := d.Rules.BrokenSQL(relation, provenance...)
	if err := b.DB.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+brokenRelation+" AS "+broken); err != nil {
		return v, err
	}
	counts, err := d.Rules.Count(ctx, b.DB.Conn(), relation, brokenRelation)
	return d.Rules.Judge(counts), err
}

// totals are what the expectations of a view say of all its rows, as of its last refresh.
func (b *Batch) totals(d *plan.Dataset) (t expectations.Totals, known bool) {
	at := b.state.At(plan.TotalsKey(d, d.Flows[0]))
	known = at != nil && json.Unmarshal(at, &t) == nil && t.Of(d.Rules)
	return t, known
}

// noteTotals has the commit remember what the expectations of a view say of all its rows.
func (b *Batch) noteTotals(d *plan.Dataset, v expectations.Verdict) error {
	at, err := json.Marshal(v.Totals())
	b.draft.positions[plan.TotalsKey(d, d.Flows[0])] = sources.Position(at)
	return err
}

// rulesPosition is what the dropped rows and the totals of a materialized view depend on.
func (b *Batch) rulesPosition(d *plan.Dataset) (sources.Position, error) {
	letters := ""
	if d.Rules.DeadLetter {
		letters = b.plan.DeadLetter
	}
	at, err := json.Marshal(struct {
		Rules   string `json:"rules"`
		Letters string `json:"dead_letters"`
		Follows bool   `json:"follows"`
	}{d.Rules.Hash(), letters, d.Refresh == plan.Follow})
	return sources.Position(at), err
}
