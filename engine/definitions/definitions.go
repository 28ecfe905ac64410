// Package definitions compares what a pipeline says of its tables with what they were written with, and with what the
// last commit left.
package definitions

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/state"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// definitionKey is the table property that remembers how a table was defined when it was last written.
const definitionKey = "lakeflow.definition"

// commentKey is the table property that holds the table's description, as Spark and Trino have it.
const commentKey = "comment"

// takenKey is the table property that remembers which statements of a view DuckDB has taken.
const takenKey = "lakeflow.incremental"

// Taken is what a stored view remembers of its technique; see plan.Incremental.
func Taken(stored lake.TableState) string { return stored.Properties[takenKey] }

// Properties are what is remembered of a table beside its rows.
func Properties(p *plan.Plan, d *plan.Dataset, stored lake.TableState) map[string]string {
	props := map[string]string{definitionKey: of(p, d).String()}
	if _, described := stored.Properties[commentKey]; described || d.Description != "" {
		props[commentKey] = d.Description
	}
	if v := d.Incremental; v != nil && v.Technique != nil && v.Taken != "" {
		props[takenKey] = v.Taken
	}
	return props
}

// Equal reports whether a stored table was written with the definition that the plan has of it.
func Equal(p *plan.Plan, d *plan.Dataset, stored lake.TableState) bool {
	return stored.Properties[definitionKey] == of(p, d).String()
}

// Described reports whether a stored table has the descriptions of the plan.
func Described(d *plan.Dataset, stored lake.TableState) bool {
	for _, c := range d.Columns {
		if have := stored.Schema.Column(c.Name); have != nil && have.Doc != c.Doc {
			return false
		}
	}
	return stored.Properties[commentKey] == d.Description
}

// definition is what must not change behind a table's back.
type definition struct {
	Kind  string            `json:"kind"`
	Flows map[string]string `json:"flows"` // fingerprints
	// Shapes tell what of the queries of a streaming table may change, by flow.
	Shapes map[string]plan.Shape `json:"shapes,omitempty"`
	// Inputs are what flows of streaming tables stream from: by flow and name, the connector of a source, or table.
	Inputs map[string]map[string]string `json:"inputs,omitempty"`
	// Changes are the tables of which they read the changes, by flow.
	Changes map[string][]string `json:"changes,omitempty"`
	// Once are the flows that run once.
	Once      []string                 `json:"once,omitempty"`
	Partition []schemas.PartitionField `json:"partition,omitempty"`
	// Types are the declared types of columns.
	Types   map[string]string `json:"types,omitempty"`
	AutoCDC map[string]string `json:"auto_cdc,omitempty"` // its parts
}

func of(p *plan.Plan, d *plan.Dataset) definition {
	def := definition{Kind: string(d.Kind), Flows: map[string]string{}, Shapes: map[string]plan.Shape{}, Inputs: map[string]map[string]string{}, Partition: d.Partition, Types: d.Types}
	if d.Merge != nil {
		def.AutoCDC = d.Merge.Declared
	}
	for _, f := range d.Flows {
		def.Flows[f.Name] = f.Fingerprint
		if f.Once {
			def.Once = append(def.Once, f.Name)
		}
		if d.Refresh.Resumes() {
			def.Shapes[f.Name], def.Inputs[f.Name] = f.Shape, map[string]string{}
			for _, name := range p.Inputs(f) {
				def.Inputs[f.Name][name] = p.InputKind(name)
			}
			if changed := p.Changed(f); len(changed) > 0 {
				if def.Changes == nil {
					def.Changes = map[string][]string{}
				}
				def.Changes[f.Name] = changed
			}
		}
	}
	return def
}

func (d definition) String() string {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // a struct of strings marshals
	}
	return string(b)
}

// Keys are the columns that the changes of a stored table are applied by, in lower case; nil for another table.
func Keys(stored lake.TableState) (keys []string) {
	var d definition
	if json.Unmarshal([]byte(stored.Properties[definitionKey]), &d) != nil {
		return nil // it is no table of lakeflow's
	}
	for _, quoted := range quotedName.FindAllString(d.AutoCDC["keys"], -1) {
		keys = append(keys, strings.ReplaceAll(quoted[1:len(quoted)-1], `""`, `"`))
	}
	return keys
}

var quotedName = regexp.MustCompile(`"(?:[^"]|"")*"`)

// change is a definition that differs from what its table was written with.
type change struct {
	code, text string
	at         diag.Range
	table      *plan.Dataset
	// keep is true when the rows can stay: the change then applies to new rows only.
	keep bool
	// begun are the inputs that the query did not read before: it would read them from their beginning.
	begun []string
}

// checker compares a plan with a state.
type checker struct {
	plan   *plan.Plan
	state  *state.State
	choice Choice
}

// Check compares a plan with the state that an update begins with. What the update would refuse is its error, a
// diag.List where it is about the definitions or positions of tables. It returns the tables of the system whose lost
// rows are given up.
func Check(p *plan.Plan, st *state.State, choice Choice) (forget []string, err error) {
	c := checker{p, st, choice}
	if err := c.checkResets(); err != nil {
		return nil, err
	}
	return c.checkStored()
}

// CheckChanged compares every table of a plan that was made anew with what is stored. Added columns and safe widenings
// pass; everything else stops with what changed and the command that accepts all of it.
func CheckChanged(p *plan.Plan, st *state.State, choice Choice) error {
	c := checker{p, st, choice}
	changes, err := c.redefined()
	if err != nil {
		return err
	}
	return c.report(changes)
}

func (c checker) redefined() ([]change, error) {
	var changes []change
	for _, d := range c.plan.Datasets {
		stored, ok := c.state.Table(d.Name)
		if !ok || !d.Refresh.Stored() || c.state.Reset(d.Name) {
			continue
		}
		var old definition
		if err := json.Unmarshal([]byte(stored.Properties[definitionKey]), &old); err != nil {
			return nil, fmt.Errorf("table %s exists but was not made by this pipeline (no readable %s): choose another table name or target.schema", d.Name, definitionKey)
		}
		changes = append(changes, c.compare(d, stored, old)...)
	}
	return changes, nil
}

func (c checker) compare(d *plan.Dataset, stored lake.TableState, old definition) []change {
	one := func(code, format string, args ...any) change {
		return change{code: code, text: fmt.Sprintf(format, args...), at: d.At, table: d}
	}
	if stored.Snapshot != 0 && stored.Commit == 0 {
		return []change{one("LF0307", "another program has written to table %s: its rows are no longer accounted for", d.Name)}
	}
	if old.Kind != string(d.Kind) {
		return []change{one("LF0301", "table %s was a %s and is now a %s", d.Name, old.Kind, d.Kind)}
	}
	var changes []change
	if !slices.Equal(old.Partition, d.Partition) {
		changes = append(changes, one("LF0302", "table %s is partitioned differently than its stored files", d.Name))
	}
	if text := changedMerge(d, old.AutoCDC); text != "" {
		changes = append(changes, one("LF0309", "%s", text))
		if d.Merge != nil {
			changes[len(changes)-1].at = d.Merge.At
		}
	}
	_, added, incompatible := schemas.Evolve(stored.Schema, d.Columns)
	if len(incompatible) > 0 {
		return append(changes, one("LF0303", "table %s does not fit its stored columns: %s", d.Name, texts(incompatible)))
	}
	if d.Refresh.Resumes() && !slices.Contains(c.choice.Accept, d.Name) {
		changes = append(changes, c.compareFlows(d, old, len(added) > 0)...)
	}
	return changes
}

// changedMerge says that the rows of a table were made of its changes in another way, or gives "".
func changedMerge(d *plan.Dataset, old map[string]string) string {
	switch {
	case d.Merge == nil && old == nil:
		return ""
	case d.Merge == nil:
		return "table " + d.Name + " had auto_cdc when its rows were written, and has none now"
	case old == nil:
		return "table " + d.Name + " had no auto_cdc when its rows were written"
	}
	all := maps.Clone(old)
	maps.Copy(all, d.Merge.Declared)
	maps.DeleteFunc(all, func(part, _ string) bool { return old[part] == d.Merge.Declared[part] })
	if len(all) == 0 {
		return ""
	}
	parts := strings.Join(slices.Sorted(maps.Keys(all)), ", ")
	return "auto_cdc of table " + d.Name + " changed since its rows were written: " + parts
}

// compareFlows looks for queries that changed in more than columns that were added, and for flows that are gone.
func (c checker) compareFlows(d *plan.Dataset, old definition, grown bool) []change {
	how := " changed since its rows were written"
	if grown {
		how = " changed, in more than new columns, since its rows were written"
	}
	var changes []change
	now := of(c.plan, d)
	for _, f := range d.Flows {
		was, ok := old.Flows[f.Name]
		if !ok || f.Once && slices.Contains(old.Once, f.Name) { // it has run, or is still to run
			continue
		}
		begun := c.exchanged(d, f, old.Inputs[f.Name], now.Inputs[f.Name])
		if len(begun) == 0 && (was == f.Fingerprint || f.Shape.Extends(old.Shapes[f.Name])) {
			continue
		}
		text := "the query of " + f.Name
		if was == f.Fingerprint {
			text = "what " + f.Name + " streams from"
		} else if c.seesViews(f) {
			text += ", or of a view that it reads,"
		}
		changes = append(changes, change{code: "LF0304", text: text + how, at: f.At, table: d, keep: true, begun: begun})
	}
	for _, name := range slices.Sorted(maps.Keys(old.Flows)) {
		if _, ok := now.Flows[name]; !ok {
			changes = append(changes, change{code: "LF0305", text: fmt.Sprintf("flow %s of table %s is gone; its rows are still in the table", name, d.Name), at: d.At, table: d, keep: true})
		}
	}
	return changes
}

// exchanged are the inputs that a flow would read from their beginning, where it no longer reads one that it did, or
// reads it through another connector: they may be the same by another name.
func (c checker) exchanged(d *plan.Dataset, f *plan.Flow, old, now map[string]string) []string {
	gone := false
	for name, kind := range old {
		gone = gone || now[name] != kind
	}
	var begun []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was, known := old[name]; gone && (known && was != now[name] || c.state.At(c.plan.Key(d, f, name)) == nil) {
			begun = append(begun, name)
		}
	}
	return begun
}

func (c checker) seesViews(f *plan.Flow) bool {
	return slices.ContainsFunc(slices.Concat(f.Streams, f.Reads), func(name string) bool {
		d := c.plan.Dataset(name)
		return d != nil && !d.Refresh.Stored()
	})
}

// report turns changes into diagnostics whose remedy, one command, is good for all of them.
func (c checker) report(changes []change) error {
	all, lost, kept := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, ch := range changes {
		all[ch.table.Name] = true
		if !ch.keep {
			lost[ch.table.Name] = true
		}
	}
	c.addReaders(all)
	c.addReaders(lost)
	for _, ch := range changes {
		if !lost[ch.table.Name] {
			kept[ch.table.Name] = true
		}
	}
	var list diag.List
	for _, ch := range changes {
		full := c.choice.command(all, nil) + c.protected(all)
		if kept[ch.table.Name] {
			keep := "keep the rows and apply the change to new ones"
			if len(ch.begun) > 0 {
				names := strings.Join(ch.begun, " and ")
				keep = fmt.Sprintf("keep the rows and add all that %s has, from the beginning, which is there twice then if it is what was read under another name", names)
			}
			list.Errorf(ch.code, ch.at, fmt.Sprintf("recompute from the beginning: %s; or %s: %s", full, keep, c.choice.command(lost, kept)), "%s", ch.text)
		} else {
			list.Errorf(ch.code, ch.at, "recompute the rows from the beginning: "+full, "%s", ch.text)
		}
	}
	list.Sort()
	return list.Err()
}

// Recompute is the command line that computes a table from the beginning, and those that stream from it.
func Recompute(p *plan.Plan, st *state.State, choice Choice, table string) string {
	all := map[string]bool{table: true}
	checker{p, st, choice}.addReaders(all)
	return choice.command(all, nil)
}

// addReaders adds the stored tables that stream from one of tables, directly or not: they cannot keep rows made from
// rows that are replaced.
func (c checker) addReaders(tables map[string]bool) {
	for _, d := range c.plan.Datasets { // upstream comes first
		if _, stored := c.state.Table(d.Name); !stored || !d.Refresh.Resumes() {
			continue
		}
		for _, f := range d.Flows {
			if slices.ContainsFunc(c.plan.Inputs(f), func(in string) bool { return tables[in] }) {
				tables[d.Name] = true
			}
		}
	}
}

// checkResets refuses a full refresh that would pull the rows from under a table that streams from it.
func (c checker) checkResets() error {
	all := c.state.Resets()
	c.addReaders(all)
	var list diag.List
	for _, d := range c.plan.Datasets {
		if all[d.Name] && !c.state.Reset(d.Name) && d.NoReset {
			list.Errorf("LF0306", d.At, "remove reset: false (pipelines.reset.allowed) of "+d.Name+", or recompute other tables only",
				"table %s streams from a table whose rows are to be recomputed, and keeps its own in a full refresh", d.Name)
			continue
		}
		if all[d.Name] && !c.state.Reset(d.Name) {
			list.Errorf("LF0306", d.At, "recompute them together: "+c.choice.command(all, nil)+c.protected(all), "table %s streams from a table whose rows are to be recomputed", d.Name)
		}
	}
	return list.Err()
}

// protected says which of tables refuse to be computed from the beginning.
func (c checker) protected(tables map[string]bool) string {
	var names []string
	for _, d := range c.plan.Datasets {
		if tables[d.Name] && d.NoReset {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", without reset: false (pipelines.reset.allowed) of " + strings.Join(names, " and ")
}

func texts(changes []schemas.Change) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		parts[i] = c.String()
	}
	return strings.Join(parts, "; ")
}
