package schemas

import (
	"fmt"
	"strings"
)

// Change is one difference between two schemas.
type Change struct {
	Path     string // of the column or nested field: a, s.x, l.element
	Old, New Type   // Kind 0 where there is none: an added or a removed column
	Text     string // "column delay: BIGINT cannot become VARCHAR"
}

func (c Change) String() string { return c.Text }

// Evolve merges the schema that a table has with the one that it is to have. Columns are matched by name, without
// regard to case; those of old come first, keep their ids and order, and new ones follow. changes are the additions
// and safe widenings that lead from old to merged; incompatible are the differences that no reader of the
// files written so far could bridge, and merged is nil when there are any.
func Evolve(old, new Table) (merged Table, changes, incompatible []Change) {
	var e evolution
	merged = e.columns("", old, new)
	if len(e.incompatible) > 0 {
		return nil, e.changes, e.incompatible
	}
	return merged, e.changes, nil
}

// Union has the columns of both tables, nested ones too, those of a first. A column of two types gets the wider one,
// else that of b. It has no field ids of its own.
func Union(a, b Table) Table {
	out := a.Clone()
	for i := range out {
		if c := b.Column(out[i].Name); c != nil {
			out[i].Type = union(out[i].Type, c.Type.clone())
		}
	}
	for _, c := range b.Clone() {
		if a.Column(c.Name) == nil {
			out = append(out, c)
		}
	}
	return out
}

func union(a, b Type) Type {
	switch {
	case a.Kind == Struct && b.Kind == Struct:
		a.Fields = Union(a.Fields, b.Fields)
		return a
	case a.Kind == List && b.Kind == List, a.Kind == Map && b.Kind == Map && a.Key.Equal(*b.Key):
		elem := union(*a.Elem, *b.Elem)
		a.Elem = &elem
		return a
	case widens(b, a):
		return a
	}
	return b
}

type evolution struct{ changes, incompatible []Change }

func (e *evolution) columns(prefix string, old, new Table) Table {
	merged := old.Clone()
	for i := range merged {
		c := &merged[i]
		path := prefix + c.Name
		other := new.Column(c.Name)
		if other == nil {
			e.refuse(path, c.Type, Type{}, "is missing from the new definition")
			continue
		}
		c.Type = e.merge(path, c.Type, other.Type)
		c.Doc = other.Doc
	}
	for _, c := range new.Clone() {
		if old.Column(c.Name) == nil {
			clearIDs(&c)
			merged = append(merged, c)
			e.changes = append(e.changes, Change{prefix + c.Name, Type{}, c.Type,
				fmt.Sprintf("column %s: added as %s", prefix+c.Name, c.Type)})
		}
	}
	return merged
}

func (e *evolution) merge(path string, old, new Type) Type {
	switch {
	case old.Kind == Struct && new.Kind == Struct:
		old.Fields = e.columns(path+".", old.Fields, new.Fields)
		return old
	case old.Kind == List && new.Kind == List:
		elem := e.merge(path+".element", *old.Elem, *new.Elem)
		old.Elem = &elem
		return old
	case old.Kind == Map && new.Kind == Map && old.Key.Equal(*new.Key):
		value := e.merge(path+".value", *old.Elem, *new.Elem)
		old.Elem = &value
		return old
	case old.Equal(new):
		return old
	case widens(old, new):
		e.changes = append(e.changes, Change{path, old, new, fmt.Sprintf("column %s: widened from %s to %s", path, old, new)})
		return new
	}
	e.refuse(path, old, new, fmt.Sprintf("%s cannot become %s", old, new))
	return old
}

func (e *evolution) refuse(path string, old, new Type, what string) {
	text := "column " + path + ": " + what
	if strings.HasPrefix(what, "is ") {
		text = "column " + path + " " + what
	}
	e.incompatible = append(e.incompatible, Change{path, old, new, text})
}

// widens reports whether every reader sees old values as the same values of new. The rules are Iceberg's.
func widens(old, new Type) bool {
	switch {
	case old.Kind == Integer && new.Kind == BigInt, old.Kind == Float && new.Kind == Double:
		return true
	case old.Kind == Decimal && new.Kind == Decimal:
		return old.Scale == new.Scale && old.Precision < new.Precision
	}
	return false
}

func clearIDs(c *Column) {
	c.ID = 0
	clearTypeIDs(&c.Type)
}

func clearTypeIDs(t *Type) {
	t.ElemID, t.KeyID = 0, 0
	for i := range t.Fields {
		clearIDs(&t.Fields[i])
	}
	if t.Elem != nil {
		clearTypeIDs(t.Elem)
	}
	if t.Key != nil {
		clearTypeIDs(t.Key)
	}
}

// Recreate returns new with the ids of old where a column has the same name and type; the ids of all others are 0.
// It is for tables whose rows are all written anew, where any change is fine.
func Recreate(old, new Table) Table {
	next := new.Clone()
	for i := range next {
		if c := old.Column(next[i].Name); c != nil && c.Type.Equal(next[i].Type) {
			next[i].ID, next[i].Type = c.ID, c.Type.clone()
		} else {
			clearIDs(&next[i])
		}
	}
	return next
}
