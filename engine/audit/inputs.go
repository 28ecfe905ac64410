package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/engine/ledger"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources"
)

// checkInputs compares the rows that each flow of a table has read of the tables that it streams from with those that
// these had up to where it stands.
func (a *auditor) checkInputs(table string, accounting map[string]tableAccounting) {
	expected, upstream := map[string]int64{}, map[string][]string{}
	for _, k := range a.State.Positions.Keys() {
		if k.Kind != position.Upstream || k.Table != table {
			continue
		}
		at, since := a.State.Positions.Commit(k), accounting[k.Input].replaced()
		for commit, e := range accounting[k.Input] {
			if commit <= at && commit >= since {
				expected[k.Flow] += e.written
			}
		}
		upstream[k.Flow] = append(upstream[k.Flow], k.Input)
	}
	read, since := map[string]int64{}, accounting[table].replaced()
	for commit, e := range accounting[table] {
		for flow, n := range e.inputs {
			if commit >= since {
				read[flow] += n
			}
		}
	}
	for flow, want := range expected {
		if got := read[flow]; got != want {
			a.find(Finding{Table: table, Check: CheckInput, Expected: want, Found: got,
				Message: fmt.Sprintf("flow %s has read %s of %s, which had %d up to where it stands", flow, rows(got), strings.Join(upstream[flow], " and "), want), Remedy: a.recompute(table)})
		}
	}
}

// checkRecorded looks whether a table is at the commit that the last commit knew it to be at.
func (a *auditor) checkRecorded(table string) {
	recorded, stored := a.State.Recorded[table], a.State.Tables[table]
	if recorded > stored.Commit && stored.Commit > 0 {
		a.find(Finding{Table: table, Check: CheckTable, Expected: recorded, Found: stored.Commit,
			Message: fmt.Sprintf("the table is at commit %d, but commit %d has written to it: another program rolled it back", stored.Commit, recorded), Remedy: a.recompute(table)})
	}
}

// checkCatalog looks whether the catalog's copy of a table's head is what the metadata says.
func (a *auditor) checkCatalog(ctx context.Context, table string) {
	if err := a.Lake.Check(ctx, table); err != nil && ctx.Err() == nil {
		message, remedy, _ := strings.Cut(err.Error(), "; ")
		a.find(Finding{Table: table, Check: CheckCatalog, Message: message, Remedy: remedy})
	}
}

// hidden are the tables that are only shown when something is wrong with them.
func (a *auditor) hidden() (names []string) {
	for _, name := range append([]string{ledger.Table}, a.states()...) {
		if t := a.tables[name]; t != nil && len(t.Findings) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// audited gives the version of the ledger that is audited, which an update may have expired meanwhile.
type audited struct {
	lake.Reader
	ledger *lake.Contents
}

func (a audited) Files(context.Context, string, lake.Version) (*lake.Contents, error) {
	return a.ledger, nil
}

// checkLedger compares the ledger with itself and with the positions.
func (a *auditor) checkLedger(ctx context.Context) error {
	if a.State.Tables[ledger.Table].Commit == 0 {
		if a.State.Recorded[ledger.Table] > 0 {
			a.find(Finding{Table: ledger.Table, Check: CheckTable, Message: "the ledger of files that were read is gone from the catalog", Remedy: "restore the warehouse from a backup"})
		}
		return nil
	}
	a.checkCounts(a.read(ctx, ledger.Table))
	for _, k := range a.State.Positions.Keys() {
		at := a.State.Positions.At(k)
		if k.Kind != position.Source || at == nil || len(a.table(ledger.Table).Findings) > 0 {
			continue
		}
		var disagree *sources.LedgerError
		err := a.Verify(ctx, at, ledger.Of(a.DB, audited{a.Lake, a.loaded[ledger.Table].head}, k))
		if errors.As(err, &disagree) {
			a.find(Finding{Table: k.Table, Check: CheckLedger, Message: fmt.Sprintf("flow %s, source %s: %v", k.Flow, k.Input, err), Remedy: a.recompute(k.Table)})
		} else if err != nil {
			return fmt.Errorf("check which files %s has read: %w", k.Table, err)
		}
	}
	return nil
}
