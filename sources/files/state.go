package files

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// state is what a Position holds: what was learned about the files. How far they were read is in the marks.
type state struct {
	// Schema is nil until something was inferred or hinted.
	Schema schemas.Table
	CSV    *dialect
	// Read is a hash over the marks: inputs with equal positions have read the same files.
	Read readHash
	// Snapshot is the fingerprint of a snapshot's files.
	Snapshot string
}

// position is state as JSON.
type position struct {
	Schema   []column `json:"schema,omitempty"`
	CSV      *dialect `json:"csv,omitempty"`
	Read     readHash `json:"read,omitzero"`
	Snapshot string   `json:"snapshot,omitempty"`
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
	st.CSV, st.Read = pos.CSV, pos.Read
	for _, c := range pos.Schema {
		t, err := schemas.Parse(c.Type)
		if err != nil {
			return st, fmt.Errorf("the stored position is damaged: column %s: %w", c.Name, err)
		}
		st.Schema = append(st.Schema, schemas.Column{Name: c.Name, Type: t})
	}
	if st.Schema != nil {
		st.Schema = withHints(st.Schema, s.hints)
	}
	return st, nil
}

func (st state) encode() (sources.Position, error) {
	pos := position{CSV: st.CSV, Read: st.Read, Snapshot: st.Snapshot}
	for _, c := range st.Schema {
		pos.Schema = append(pos.Schema, column{c.Name, c.Type.String()})
	}
	return json.Marshal(pos)
}

// withHints gives hinted columns their type, by the name as it is written in the files if only its letter case differs. Hinted
// columns that the files do not have follow at the end.
func withHints(t, hints schemas.Table) schemas.Table {
	t = t.Clone()
	for _, h := range hints {
		if i := find(t, h.Name); i >= 0 {
			t[i].Type = h.Type
		} else if c := t.Column(h.Name); c != nil {
			c.Type = h.Type
		} else {
			t = append(t, h)
		}
	}
	return t
}

// find returns the index of the column of exactly this name, or -1.
func find(t schemas.Table, name string) int {
	return slices.IndexFunc(t, func(c schemas.Column) bool { return c.Name == name })
}

// reserved names can't be columns of the files: the source itself adds such a column, or SQL can't name it.
func reserved(name string) bool {
	return name == "" || strings.EqualFold(name, metadataColumn) || strings.EqualFold(name, rescuedColumn)
}

// extend adds to known what inferred has beyond it, also inside structs, and returns the names of what it added. Names that
// differ from a known one only in case are left out: DuckDB takes them for the same.
func extend(known, inferred schemas.Table, prefix string) (schemas.Table, []string) {
	known = known.Clone()
	var added []string
	for _, c := range inferred {
		if k := known.Column(c.Name); k != nil {
			if k.Name == c.Name {
				var more []string
				k.Type, more = extendType(k.Type, c.Type, prefix+c.Name)
				added = append(added, more...)
			}
			continue
		}
		if prefix == "" && reserved(c.Name) || c.Name == "" {
			continue
		}
		known = append(known, c)
		added = append(added, prefix+c.Name)
	}
	return known, added
}

func extendType(known, inferred schemas.Type, name string) (schemas.Type, []string) {
	if known.Kind != inferred.Kind {
		return known, nil
	}
	switch known.Kind {
	case schemas.Struct:
		fields, added := extend(known.Fields, inferred.Fields, name+".")
		known.Fields = fields
		return known, added
	case schemas.List, schemas.Map:
		elem, added := extendType(*known.Elem, *inferred.Elem, name)
		known.Elem = &elem
		return known, added
	}
	return known, nil
}
