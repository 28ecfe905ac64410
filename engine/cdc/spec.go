// Package cdc says what change rows make of a table by key.
package cdc

import "github.com/lakeflow/lakeflow/schemas"

// Spec is how change rows are applied to a table.
type Spec struct {
	Keys []string
	// Columns are what the target keeps of a change, keys included; __START_AT and __END_AT are not among them.
	Columns     schemas.Table
	Sequence    schemas.Type // of the sequence: any orderable type, or a STRUCT of several
	IgnoreNulls []string
	History     bool // SCD type 2
	Tracked     []string
}

// Target are the columns of the table.
func (s Spec) Target() schemas.Table {
	target := s.Columns.Clone()
	if s.History {
		for _, name := range []string{"__START_AT", "__END_AT"} {
			target = append(target, schemas.Column{Name: name, Type: s.Sequence})
		}
	}
	return target
}

// State are the columns of the hidden table beside it.
func (s Spec) State() schemas.Table { return nil }
