package definitions

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/engine/ledger"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// checkStored refuses to go on from a state that no sequence of updates and crashes can leave, and from tables that
// were defined otherwise.
func (c checker) checkStored() (forget []string, err error) {
	defined, err := c.redefined()
	if err != nil {
		return nil, err
	}
	damaged := c.checkState()
	ledgers, given := c.lostLedger()
	if err := c.report(slices.Concat(damaged, ledgers, defined)); err != nil {
		return nil, err
	}
	letters, err := c.checkLetters()
	return append(given, letters...), err
}

// checkState finds tables that another program dropped or rolled back, and positions that are gone. Each of them would
// be begun anew, or lose rows, without a word.
func (c checker) checkState() []change {
	var changes []change
	for _, d := range c.plan.Datasets {
		if !d.Refresh.Stored() || c.state.Reset(d.Name) {
			continue
		}
		stored, exists := c.state.Table(d.Name)
		text := lost("table "+d.Name, stored, exists, c.state.Recorded(d.Name))
		if text == "" && exists && d.Refresh.Resumes() {
			text = c.lostPosition(d, stored)
		}
		if text == "" && d.Merge != nil {
			text = c.lostChanges(d)
		}
		if text != "" {
			changes = append(changes, change{code: "LF0308", text: text, at: d.At, table: d})
		}
	}
	return changes
}

// lostChanges says that it is no longer known which changes a table has seen: what came late would count as new.
func (c checker) lostChanges(d *plan.Dataset) string {
	what := "the hidden table " + d.Merge.State
	stored, exists := c.state.Table(d.Merge.State)
	text := lost(what, stored, exists, c.state.Recorded(d.Merge.State))
	if text == "" && stored.Snapshot != 0 && stored.Commit == 0 {
		text = "another program has written to " + what
	}
	if text == "" {
		return ""
	}
	return text + ", so that it is not known which changes " + d.Name + " has seen"
}

// checkLetters refuses to go on without dead letters that another program dropped or rolled back, unless they are given
// up.
func (c checker) checkLetters() (forget []string, err error) {
	table := c.plan.DeadLetter
	letters, exists := c.state.Table(table)
	text := lost("the dead-letter table "+table, letters, exists, c.state.Recorded(table))
	if text == "" {
		return nil, nil
	}
	if !slices.Contains(c.choice.Accept, table) {
		return nil, fmt.Errorf("%s; restore it from a backup, or go on without the dead letters that are gone: %s", text,
			c.choice.command(nil, map[string]bool{table: true}))
	}
	return []string{table}, nil
}

// lost says that a table is not what the last commit left, or gives "".
func lost(what string, stored lake.TableState, exists bool, recorded int64) string {
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
func (c checker) lostPosition(d *plan.Dataset, stored lake.TableState) string {
	var old definition
	if stored.Snapshot == 0 || json.Unmarshal([]byte(stored.Properties[definitionKey]), &old) != nil {
		return ""
	}
	missing := func(f *plan.Flow, what string) string {
		return fmt.Sprintf("table %s has rows, but the position of its flow %s in %s is missing", d.Name, f.Name, what)
	}
	for _, f := range d.Flows {
		if f.Once && slices.Contains(old.Once, f.Name) && !c.state.Has(plan.OnceKey(d, f)) {
			return fmt.Sprintf("table %s has rows, but it is not known any more whether its flow %s, which runs once, has run", d.Name, f.Name)
		}
		for _, name := range c.plan.Inputs(f) {
			if old.Inputs[f.Name][name] == c.plan.InputKind(name) && !c.state.Has(c.plan.Key(d, f, name)) {
				return missing(f, name)
			}
		}
		for _, name := range c.plan.Changed(f) {
			if slices.Contains(old.Changes[f.Name], name) && !c.state.Has(plan.ChangesKey(d, f, name)) {
				return missing(f, "the changes of "+name)
			}
		}
	}
	return ""
}

// lostLedger finds the tables that read files, when it is no longer known which ones. Where there are none, the ledger
// is given up.
func (c checker) lostLedger() (changes []change, forget []string) {
	stored, exists := c.state.Table(ledger.Table)
	text := lost("the ledger of files that were read", stored, exists, c.state.Recorded(ledger.Table))
	if text == "" && (!exists || stored.Commit > 0) {
		return nil, nil
	}
	if text == "" {
		text = "another program has written to the ledger of files that were read"
	}
	for _, d := range c.plan.Datasets {
		reads := slices.ContainsFunc(d.Flows, func(f *plan.Flow) bool {
			return slices.ContainsFunc(c.plan.Inputs(f), func(name string) bool {
				return c.plan.InLedger(name) && c.state.At(c.plan.Key(d, f, name)) != nil
			})
		})
		if reads {
			changes = append(changes, change{code: "LF0308", text: text + ", so that it is not known what " + d.Name + " has read", at: d.At, table: d})
		}
	}
	if len(changes) == 0 {
		forget = []string{ledger.Table}
	}
	return changes, forget
}
