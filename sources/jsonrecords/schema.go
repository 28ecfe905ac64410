package jsonrecords

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// WithHints gives hinted columns their type, by the name as it is written in the records if only its letter case
// differs. Hinted columns that the records do not have follow at the end.
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

// Own are the columns that a source adds itself: with Rescues also that of what was rescued.
type Own struct{ Rescues bool }

// Reserved names can't be columns of records: the source itself adds such a column, or SQL can't name it.
func (o Own) Reserved(name string) bool {
	name = strings.ToLower(name)
	return name == "" || name == MetadataColumn || o.Rescues && name == RescuedColumn || slices.ContainsFunc(own, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// Extend adds to known what inferred has beyond it, also inside structs, and returns the names of what it added. Names
// that differ from a known one only in case are left out: DuckDB takes them for the same. So are those that clash with
// another: Iceberg has the name a.b for the field b of a as well.
func Extend(known, inferred schemas.Table, own Own) (extended schemas.Table, added, clashes []string) {
	e := extension{set: newColumnSet(known, own)}
	return e.table(known, inferred, "", ""), e.added, e.clashes
}

type extension struct {
	set            *columnSet
	added, clashes []string
}

// table extends the columns, or the fields of a struct. Label is its name in messages, path that in Iceberg, both with
// a point behind.
func (e *extension) table(known, inferred schemas.Table, label, path string) schemas.Table {
	known = known.Clone()
	fresh := func(c schemas.Column) bool {
		return known.Column(c.Name) == nil && (label != "" || !e.set.own.Reserved(c.Name)) && c.Name != ""
	}
	clash := make([]bool, len(inferred))
	inferred = inferred.Clone()
	for _, dotted := range []bool{false, true} { // as grow
		for i := range inferred {
			if c := &inferred[i]; fresh(*c) && strings.Contains(c.Name, ".") == dotted {
				clash[i] = !e.admit(c, label, path)
			}
		}
	}
	for i, c := range inferred {
		if k := known.Column(c.Name); k != nil {
			if k.Name == c.Name {
				e.extend(&k.Type, c.Type, label+c.Name, path+c.Name)
			}
		} else if fresh(c) && !clash[i] {
			known = append(known, c)
			e.added = append(e.added, label+c.Name)
		}
	}
	return known
}

func (e *extension) extend(known *schemas.Type, inferred schemas.Type, label, path string) {
	if known.Kind != inferred.Kind {
		return
	}
	switch known.Kind {
	case schemas.Struct:
		known.Fields = e.table(known.Fields, inferred.Fields, label+".", path+".")
	case schemas.List, schemas.Map:
		step := ".element"
		if known.Kind == schemas.Map {
			step = ".value"
		}
		elem := *known.Elem
		e.extend(&elem, *inferred.Elem, label, path+step)
		known.Elem = &elem
	}
}

// admit takes the fields out of a new column that clash, and reports whether anything is left.
func (e *extension) admit(c *schemas.Column, label, path string) bool {
	if e.set.paths[fold(path+c.Name)] {
		e.clashes = append(e.clashes, label+c.Name)
		return false
	}
	e.set.paths[fold(path+c.Name)] = true
	return e.admitType(&c.Type, label+c.Name, path+c.Name)
}

func (e *extension) admitType(t *schemas.Type, label, path string) bool {
	ok := true
	if t.Kind == schemas.Struct {
		fields := t.Fields
		kept := make([]bool, len(fields))
		for _, dotted := range []bool{false, true} {
			for i := range fields {
				if strings.Contains(fields[i].Name, ".") == dotted {
					kept[i] = e.admit(&fields[i], label+".", path+".")
				}
			}
		}
		t.Fields = nil
		for i, f := range fields {
			if kept[i] {
				t.Fields = append(t.Fields, f)
			}
		}
		ok = len(t.Fields) > 0 || len(fields) == 0
	}
	e.set.within(path, *t, func(path string, inner schemas.Type) bool {
		e.set.paths[fold(path)] = true
		ok = e.admitType(&inner, label, path) && ok
		switch path[strings.LastIndexByte(path, '.'):] {
		case ".key":
			t.Key = &inner
		default:
			t.Elem = &inner
		}
		return true
	})
	return ok
}

// structOf is the table as a struct type.
func structOf(t schemas.Table) schemas.Type {
	return schemas.Type{Kind: schemas.Struct, Fields: t}
}
