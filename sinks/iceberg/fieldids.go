package iceberg

import (
	"errors"
	"fmt"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// successor is the schema that a table with the columns of old, and field ids up to last, has after a change. Columns
// keep their ids; new ones get those that the caller wrote its files with, or fresh ones where it gave none. A new
// table has no old columns.
func successor(old schemas.Table, last int, c *lake.TableChange) (schemas.Table, error) {
	var next schemas.Table
	if old == nil || c.Recreate {
		next = schemas.Recreate(old, c.Schema)
	} else {
		merged, _, incompatible := schemas.Evolve(old, c.Schema)
		if len(incompatible) > 0 {
			errs := make([]error, len(incompatible))
			for i, ch := range incompatible {
				errs[i] = errors.New(ch.Text)
			}
			return nil, fmt.Errorf("%w; a full refresh accepts the change", errors.Join(errs...))
		}
		next = merged
	}
	a := adopter{last: last, highest: last, recreate: c.Recreate, seen: map[int]bool{}}
	a.columns(next, c.Schema)
	if a.wrong != "" {
		return nil, fmt.Errorf("column %s: its field id does not continue those of the table; this is a mistake in lakeflow, please report it", a.wrong)
	}
	next, _ = schemas.AssignIDs(next, a.highest)
	return next, nil
}

// adopter takes over the field ids of a given schema where they are new.
type adopter struct {
	last     int // ids up to here are taken
	highest  int
	recreate bool
	seen     map[int]bool
	wrong    string
}

func (a *adopter) columns(next, given schemas.Table) {
	for i := range next {
		c := &next[i]
		g := given.Column(c.Name)
		if g == nil {
			continue
		}
		a.id(&c.ID, g.ID, c.Name)
		a.typ(&c.Type, &g.Type, c.Name)
	}
}

func (a *adopter) typ(next, given *schemas.Type, name string) {
	switch next.Kind {
	case schemas.Struct:
		a.columns(next.Fields, given.Fields)
	case schemas.List:
		a.id(&next.ElemID, given.ElemID, name)
		a.typ(next.Elem, given.Elem, name)
	case schemas.Map:
		a.id(&next.KeyID, given.KeyID, name)
		a.id(&next.ElemID, given.ElemID, name)
		a.typ(next.Key, given.Key, name)
		a.typ(next.Elem, given.Elem, name)
	}
}

func (a *adopter) id(next *int, given int, name string) {
	if given == 0 {
		return
	}
	kept := given == *next
	fresh := given > a.last && (*next == 0 || a.recreate)
	if !kept && !fresh || a.seen[given] {
		a.wrong = name
	}
	a.seen[given] = true
	*next = given
	a.highest = max(a.highest, given)
}
