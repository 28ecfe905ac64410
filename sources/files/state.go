package files

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/records"
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
	Schema []records.Column `json:"schema,omitempty"`
	CSV    *dialect         `json:"csv,omitempty"`
	// Partitions are names of columns.
	Partitions []string `json:"partitions,omitempty"`
	Read       readHash `json:"read,omitzero"`
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
	var err error
	st.Schema, err = records.Recall(pos.Schema, s.hints, s.own())
	if s.cfg.Declared && !s.cfg.Evolution.Adds() {
		st.Schema = slices.DeleteFunc(st.Schema, func(c schemas.Column) bool {
			return s.hints.Column(c.Name) == nil && !slices.Contains(st.Partitions, c.Name)
		})
	}
	return st, err
}

func (st state) encode() (sources.Position, error) {
	return json.Marshal(position{Schema: records.Remember(st.Schema), CSV: st.CSV, Partitions: st.Partitions, Read: st.Read})
}
