package files

import (
	"encoding/json"
	"fmt"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// state is what a Position holds: what was learned about the files. How far they were read is in the marks.
type state struct {
	// Schema is nil until something was inferred or hinted.
	Schema schemas.Table
	CSV    *dialect
	// Partitions are the columns of Schema that come from the names of folders.
	Partitions []string
	// Read is a hash over the marks: inputs with equal positions have read the same files.
	Read readHash
}

// position is state as JSON.
type position struct {
	Schema []column `json:"schema,omitempty"`
	CSV    *dialect `json:"csv,omitempty"`
	// Partitions are names of columns.
	Partitions []string `json:"partitions,omitempty"`
	Read       readHash `json:"read,omitzero"`
}

type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// decodeState reads a position; hints that were declared since then win over what was inferred.
func decodeState(p sources.Position, s *Source) (state, error) {
	var pos position
	var st state
	if len(p) > 0 && string(p) != "null" {
		if err := json.Unmarshal(p, &pos); err != nil {
			return st, fmt.Errorf("the stored position is damaged: %w", err)
		}
	}
	st.CSV, st.Partitions, st.Read = pos.CSV, pos.Partitions, pos.Read
	for _, c := range pos.Schema {
		t, err := schemas.Parse(c.Type)
		if err != nil {
			return st, fmt.Errorf("the stored position is damaged: column %s: %w", c.Name, err)
		}
		st.Schema = append(st.Schema, schemas.Column{Name: c.Name, Type: t})
	}
	if st.Schema != nil {
		st.Schema = jsonrecords.WithHints(st.Schema, s.hints)
	}
	return st, nil
}

func (st state) encode() (sources.Position, error) {
	pos := position{CSV: st.CSV, Partitions: st.Partitions, Read: st.Read}
	for _, c := range st.Schema {
		pos.Schema = append(pos.Schema, column{c.Name, c.Type.String()})
	}
	return json.Marshal(pos)
}
