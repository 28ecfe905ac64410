package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
)

// definitionKey is the table property that remembers how a table was defined when it was last written.
const definitionKey = "lakeflow.definition"

// commentKey is the table property that holds the table's description, as Spark and Trino have it.
const commentKey = "comment"

// properties are what is remembered of a table beside its rows.
func (u *update) properties(d *plan.Dataset, stored sinks.TableState) map[string]string {
	props := map[string]string{definitionKey: u.definition(d).String()}
	if _, described := stored.Properties[commentKey]; described || d.Description != "" {
		props[commentKey] = d.Description
	}
	return props
}

// described reports whether a stored table has the descriptions of the plan.
func described(d *plan.Dataset, stored sinks.TableState) bool {
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
	Inputs    map[string]map[string]string `json:"inputs,omitempty"`
	Partition []schemas.PartitionField     `json:"partition,omitempty"`
}

func (u *update) definition(d *plan.Dataset) definition {
	def := definition{Kind: string(d.Kind), Flows: map[string]string{}, Shapes: map[string]plan.Shape{}, Inputs: map[string]map[string]string{}, Partition: d.Partition}
	for _, f := range d.Flows {
		def.Flows[f.Name] = f.Fingerprint
		if d.Kind == plan.StreamingTable {
			def.Shapes[f.Name], def.Inputs[f.Name] = f.Shape, map[string]string{}
			for _, name := range u.Plan.Inputs(f) {
				def.Inputs[f.Name][name] = u.kindOf(name)
			}
		}
	}
	return def
}

// kindOf is the connector of a source, or table.
func (u *update) kindOf(input string) string {
	i := slices.IndexFunc(u.Plan.Sources, func(s *plan.Source) bool { return s.Name == input })
	if i < 0 {
		return "table"
	}
	return u.Plan.Sources[i].Kind
}

func (d definition) String() string {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // a struct of strings marshals
	}
	return string(b)
}

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

// CheckDefinitions compares a plan with what is stored, as an update does that begins, and starts none. What Run would refuse with is its error, a diag.List where
// a definition changed.
func CheckDefinitions(p *plan.Plan, state *sinks.State, opts Options) error {
	return prepare(Env{Plan: p, State: state}, opts).check()
}

// checkDefinitions compares every table with what is stored. Added columns and safe widenings pass; everything else
// stops with what changed and the command that accepts all of it.
func (u *update) checkDefinitions() error {
	changes, err := u.redefined()
	if err != nil {
		return err
	}
	return u.report(changes)
}

func (u *update) redefined() ([]change, error) {
	var changes []change
	for _, d := range u.Plan.Datasets {
		stored, ok := u.tables[d.Name]
		if !ok || d.Kind == plan.View || u.reset[d.Name] {
			continue
		}
		var old definition
		if err := json.Unmarshal([]byte(stored.Properties[definitionKey]), &old); err != nil {
			return nil, fmt.Errorf("table %s exists but was not made by this pipeline (no readable %s): choose another table name or target.schema", d.Name, definitionKey)
		}
		changes = append(changes, u.compare(d, stored, old)...)
	}
	return changes, nil
}

func (u *update) compare(d *plan.Dataset, stored sinks.TableState, old definition) []change {
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
	_, added, incompatible := schemas.Evolve(stored.Schema, d.Columns)
	if len(incompatible) > 0 {
		return append(changes, one("LF0303", "table %s does not fit its stored columns: %s", d.Name, texts(incompatible)))
	}
	if d.Kind == plan.StreamingTable && !slices.Contains(u.opts.Accept, d.Name) {
		changes = append(changes, u.compareFlows(d, old, len(added) > 0)...)
	}
	return changes
}

// compareFlows looks for queries that changed in more than columns that were added, and for flows that are gone.
func (u *update) compareFlows(d *plan.Dataset, old definition, grown bool) []change {
	how := " changed since its rows were written"
	if grown {
		how = " changed, in more than new columns, since its rows were written"
	}
	var changes []change
	now := u.definition(d)
	for _, f := range d.Flows {
		was, ok := old.Flows[f.Name]
		if !ok {
			continue
		}
		begun := u.exchanged(d, f, old.Inputs[f.Name], now.Inputs[f.Name])
		if len(begun) == 0 && (was == f.Fingerprint || f.Shape.Extends(old.Shapes[f.Name])) {
			continue
		}
		text := "the query of " + f.Name
		if was == f.Fingerprint {
			text = "what " + f.Name + " streams from"
		} else if u.seesViews(f) {
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

// exchanged are the inputs that a flow would read from their beginning, where it no longer reads one that it did, or reads it through another connector: they
// may be the same by another name.
func (u *update) exchanged(d *plan.Dataset, f *plan.Flow, old, now map[string]string) []string {
	gone := false
	for name, kind := range old {
		gone = gone || now[name] != kind
	}
	var begun []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was, known := old[name]; gone && (known && was != now[name] || u.positions.At(u.key(d, f, name)) == nil) {
			begun = append(begun, name)
		}
	}
	return begun
}

func (u *update) seesViews(f *plan.Flow) bool {
	return slices.ContainsFunc(slices.Concat(f.Streams, f.Reads), func(name string) bool {
		d := u.Plan.Dataset(name)
		return d != nil && d.Kind == plan.View
	})
}

// report turns changes into diagnostics whose remedy, one command, is good for all of them.
func (u *update) report(changes []change) error {
	all, lost, kept := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range changes {
		all[c.table.Name] = true
		if !c.keep {
			lost[c.table.Name] = true
		}
	}
	u.addReaders(all)
	u.addReaders(lost)
	for _, c := range changes {
		if !lost[c.table.Name] {
			kept[c.table.Name] = true
		}
	}
	var list diag.List
	for _, c := range changes {
		full := u.command(all, nil)
		if kept[c.table.Name] {
			keep := "keep the rows and apply the change to new ones"
			if len(c.begun) > 0 {
				names := strings.Join(c.begun, " and ")
				keep = fmt.Sprintf("keep the rows and add all that %s has, from the beginning, which is there twice then if it is what was read under another name", names)
			}
			list.Errorf(c.code, c.at, fmt.Sprintf("recompute from the beginning: %s; or %s: %s", full, keep, u.command(lost, kept)), "%s", c.text)
		} else {
			list.Errorf(c.code, c.at, "accept it, which recomputes from the beginning: "+full, "%s", c.text)
		}
	}
	list.Sort()
	return list.Err()
}

// command is the command line that goes on with these tables recomputed and those kept, beside what was asked for already.
func (u *update) command(full, accept map[string]bool) string {
	full, accept = maps.Clone(full), maps.Clone(accept)
	for _, name := range u.opts.FullRefresh {
		full[name] = true
	}
	if accept == nil {
		accept = map[string]bool{}
	}
	for _, name := range u.opts.Accept {
		if !full[name] {
			accept[name] = true
		}
	}
	text := u.opts.Again
	for _, flag := range []struct {
		name   string
		tables map[string]bool
	}{{"--full-refresh", full}, {"--accept", accept}} {
		if len(flag.tables) > 0 {
			text += " " + flag.name + " " + strings.Join(slices.Sorted(maps.Keys(flag.tables)), ",")
		}
	}
	return text
}

// withReaders is a table and those that stream from it.
func (u *update) withReaders(table string) map[string]bool {
	all := map[string]bool{table: true}
	u.addReaders(all)
	return all
}

// addReaders adds the stored tables that stream from one of tables, directly or not: they cannot keep rows made from rows that are replaced.
func (u *update) addReaders(tables map[string]bool) {
	for _, d := range u.Plan.Datasets { // upstream comes first
		if _, stored := u.tables[d.Name]; !stored || d.Kind != plan.StreamingTable {
			continue
		}
		for _, f := range d.Flows {
			if slices.ContainsFunc(u.Plan.Inputs(f), func(in string) bool { return tables[in] }) {
				tables[d.Name] = true
			}
		}
	}
}

// checkResets refuses a full refresh that would pull the rows from under a table that streams from it.
func (u *update) checkResets() error {
	all := maps.Clone(u.reset)
	u.addReaders(all)
	var list diag.List
	for _, d := range u.Plan.Datasets {
		if all[d.Name] && !u.reset[d.Name] {
			list.Errorf("LF0306", d.At, "recompute them together: "+u.command(all, nil), "table %s streams from a table whose rows are to be recomputed", d.Name)
		}
	}
	return list.Err()
}

func texts(changes []schemas.Change) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		parts[i] = c.String()
	}
	return strings.Join(parts, "; ")
}
