package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
)

// definitionKey is the table property that remembers how a table was defined when it was last written.
const definitionKey = "lakeflow.definition"

// definition is what must not change behind a table's back.
type definition struct {
	Kind      string                   `json:"kind"`
	Flows     map[string]string        `json:"flows"` // fingerprints
	Partition []schemas.PartitionField `json:"partition,omitempty"`
}

func define(d *plan.Dataset) definition {
	def := definition{Kind: string(d.Kind), Flows: map[string]string{}, Partition: d.Partition}
	for _, f := range d.Flows {
		def.Flows[f.Name] = f.Fingerprint
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

// checkDefinitions compares every table with what is stored. Added columns and safe widenings pass; everything else
// stops with what changed and the flag that accepts it.
func (u *update) checkDefinitions() error {
	var list diag.List
	for _, d := range u.Plan.Datasets {
		stored, ok := u.tables[d.Name]
		if !ok || d.Kind == plan.View || u.reset[d.Name] {
			continue
		}
		var old definition
		if err := json.Unmarshal([]byte(stored.Properties[definitionKey]), &old); err != nil {
			return fmt.Errorf("table %s exists but was not made by this pipeline (no readable %s): choose another table name or target.schema", d.Name, definitionKey)
		}
		full := fmt.Sprintf("accept it with --full-refresh %s, which recomputes the table from the beginning", d.Name)
		if stored.Snapshot != 0 && stored.Commit == 0 {
			list.Errorf("LF0307", d.At, full, "another program has written to table %s: its rows are no longer accounted for", d.Name)
			continue
		}
		if old.Kind != string(d.Kind) {
			list.Errorf("LF0301", d.At, full, "table %s was a %s and is now a %s", d.Name, old.Kind, d.Kind)
			continue
		}
		if !slices.Equal(old.Partition, d.Partition) {
			list.Errorf("LF0302", d.At, full, "table %s is partitioned differently than its stored files", d.Name)
		}
		_, changes, incompatible := schemas.Evolve(stored.Schema, d.Columns)
		if len(incompatible) > 0 {
			list.Errorf("LF0303", d.At, full, "table %s does not fit its stored columns: %s", d.Name, texts(incompatible))
			continue
		}
		if d.Kind == plan.StreamingTable && len(changes) == 0 && !slices.Contains(u.opts.Accept, d.Name) {
			u.checkQueries(&list, d, old)
		}
	}
	return list.Err()
}

func (u *update) checkQueries(list *diag.List, d *plan.Dataset, old definition) {
	help := fmt.Sprintf("recompute the table with --full-refresh %[1]s, or keep its rows and apply the change to new rows with --accept %[1]s", d.Name)
	now := define(d)
	for _, f := range d.Flows {
		if was, ok := old.Flows[f.Name]; ok && was != f.Fingerprint {
			list.Errorf("LF0304", f.At, help, "the query of %s changed since its rows were written", f.Name)
		}
	}
	for name := range old.Flows {
		if _, ok := now.Flows[name]; !ok {
			list.Errorf("LF0305", d.At, help, "flow %s of table %s is gone; its rows are still in the table", name, d.Name)
		}
	}
}

// checkResets refuses a full refresh that would pull the rows from under a table that streams from it.
func (u *update) checkResets() error {
	var list diag.List
	for _, d := range u.Plan.Datasets {
		if d.Kind != plan.StreamingTable || u.reset[d.Name] {
			continue
		}
		for _, f := range d.Flows {
			for _, in := range u.inputs(f) {
				if _, exists := u.tables[d.Name]; exists && u.reset[in] {
					list.Errorf("LF0306", d.At, fmt.Sprintf("refresh both: --full-refresh %s,%s", in, d.Name),
						"table %s streams from %s, whose rows are to be recomputed", d.Name, in)
				}
			}
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
