package jsonrecords

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// WithHints gives hinted columns their type, by the name as it is written in the records if only its letter case differs. Hinted
// columns that the records do not have follow at the end.
func WithHints(t, hints schemas.Table) schemas.Table {
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

// The names of the columns that a source adds.
const (
	MetadataColumn = "_metadata"
	RescuedColumn  = "_rescued_data"
)

// own are beginnings of names that lakeflow's own queries use.
var own = []string{"__violations", "__json", "__lakeflow_"}

// Reserved names can't be columns of records: the source itself adds such a column, or SQL can't name it.
func Reserved(name string) bool {
	name = strings.ToLower(name)
	return name == "" || name == MetadataColumn || name == RescuedColumn || slices.ContainsFunc(own, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// Extend adds to known what inferred has beyond it, also inside structs, and returns the names of what it added. Names that
// differ from a known one only in case are left out: DuckDB takes them for the same.
func Extend(known, inferred schemas.Table) (extended schemas.Table, added []string) {
	return extend(known, inferred, "")
}

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
		if prefix == "" && Reserved(c.Name) || c.Name == "" {
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

// structOf is the table as a struct type.
func structOf(t schemas.Table) schemas.Type {
	return schemas.Type{Kind: schemas.Struct, Fields: t}
}
