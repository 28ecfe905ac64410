package engine

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/engine/ledger"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks"
)

// checkStored refuses to go on from a state that no sequence of updates and crashes can leave, and from tables that were defined otherwise.
func (u *update) checkStored() error {
	defined, err := u.redefined()
	if err != nil {
		return err
	}
	if err := u.report(append(u.checkState(), defined...)); err != nil {
		return err
	}
	return u.checkLetters()
}

// checkState finds tables that another program dropped or rolled back, and positions that are gone. Each of them would be begun anew, or lose rows,
// without a word.
func (u *update) checkState() []change {
	var changes []change
	for _, d := range u.Plan.Datasets {
		if d.Kind == plan.View || u.reset[d.Name] {
			continue
		}
		stored, exists := u.tables[d.Name]
		text := lost("table "+d.Name, stored, exists, u.State.Recorded[d.Name])
		if text == "" && exists && d.Kind == plan.StreamingTable {
			text = u.lostPosition(d, stored)
		}
		if text != "" {
			changes = append(changes, change{code: "LF0308", text: text, at: d.At, table: d})
		}
	}
	return append(changes, u.lostLedger()...)
}

// checkLetters refuses to go on without dead letters that another program dropped or rolled back, unless they are given up.
func (u *update) checkLetters() error {
	letters, exists := u.tables[u.Plan.DeadLetter]
	text := lost("the dead-letter table "+u.Plan.DeadLetter, letters, exists, u.State.Recorded[u.Plan.DeadLetter])
	if text == "" {
		return nil
	}
	if !slices.Contains(u.opts.Accept, u.Plan.DeadLetter) {
		return fmt.Errorf("%s; restore it from a backup, or go on without the dead letters that are gone: %s", text, u.command(nil, map[string]bool{u.Plan.DeadLetter: true}))
	}
	u.given = append(u.given, u.Plan.DeadLetter)
	return nil
}

// lost says that a table is not what the last commit left, or gives "".
func lost(what string, stored sinks.TableState, exists bool, recorded int64) string {
	switch {
	case recorded == 0 || stored.Commit >= recorded:
		return ""
	case !exists:
		return fmt.Sprintf("%s, last written by commit %d, is gone from the catalog: another program dropped or renamed it", what, recorded)
	case stored.Snapshot != 0 && stored.Commit == 0:
		return "" // another program has written to it, which is found by itself
	}
	return fmt.Sprintf("%s is at commit %d, but commit %d has written to it: another program rolled it back", what, stored.Commit, recorded)
}

// lostPosition says that a table has rows of an input, but that it is not known how far the input was read.
func (u *update) lostPosition(d *plan.Dataset, stored sinks.TableState) string {
	var old definition
	if stored.Snapshot == 0 || json.Unmarshal([]byte(stored.Properties[definitionKey]), &old) != nil {
		return ""
	}
	for _, f := range d.Flows {
		for _, name := range u.Plan.Inputs(f) {
			if old.Inputs[f.Name][name] == u.kindOf(name) && u.positions[u.key(d, f, name)] == nil {
				return fmt.Sprintf("table %s has rows, but the position of its flow %s in %s is missing", d.Name, f.Name, name)
			}
		}
	}
	return ""
}

// lostLedger finds the tables that read files, when it is no longer known which ones.
func (u *update) lostLedger() []change {
	stored, exists := u.tables[ledger.Table]
	text := lost("the ledger of files that were read", stored, exists, u.State.Recorded[ledger.Table])
	if text == "" && (!exists || stored.Commit > 0) {
		return nil
	}
	if text == "" {
		text = "another program has written to the ledger of files that were read"
	}
	var changes []change
	for _, d := range u.Plan.Datasets {
		reads := slices.ContainsFunc(d.Flows, func(f *plan.Flow) bool {
			return slices.ContainsFunc(u.Plan.Inputs(f), func(name string) bool {
				return u.kindOf(name) == "files" && u.positions.At(position.Key{Kind: position.Source, Table: d.Name, Flow: f.Name, Input: name}) != nil
			})
		})
		if reads {
			changes = append(changes, change{code: "LF0308", text: text + ", so that it is not known what " + d.Name + " has read", at: d.At, table: d})
		}
	}
	if len(changes) == 0 {
		u.given = append(u.given, ledger.Table)
	}
	return changes
}
