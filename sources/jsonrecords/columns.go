package jsonrecords

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/schemas"
)

// MaxColumns is how many columns, and fields inside of them, a source of JSON may have. Of each column of a table
// DuckDB holds 256 KiB at least.
const MaxColumns = 1000

// maxName is how many characters the name of a column may have.
const maxName = 255

// nameable says why a key can't be the name of a column or field; it is empty when it can.
func nameable(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case strings.ContainsRune(name, 0):
		return "it has a NUL character"
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Sprintf("it is longer than %d characters", maxName)
	}
	return ""
}

// columnSet is the columns of a source, and the fields inside of them, by the names that Iceberg has for them: the
// names on the way, with points between.
type columnSet struct {
	paths map[string]bool
	count int
	own   Own
}

func newColumnSet(t schemas.Table, own Own) *columnSet {
	s := &columnSet{paths: map[string]bool{}, own: own}
	for _, c := range t {
		s.know(c.Name, c.Type)
	}
	return s
}

func (s *columnSet) know(path string, t schemas.Type) {
	s.count++
	s.paths[fold(path)] = true
	for _, f := range t.Fields {
		s.know(path+"."+f.Name, f.Type)
	}
	s.within(path, t, func(path string, t schemas.Type) bool {
		s.know(path, t)
		s.count-- // it has no name of its own
		return true
	})
}

// within calls do for the elements of a list, or the keys and values of a map, until it returns false.
func (s *columnSet) within(path string, t schemas.Type, do func(path string, t schemas.Type) bool) bool {
	switch t.Kind {
	case schemas.List:
		return do(path+".element", *t.Elem)
	case schemas.Map:
		return do(path+".key", *t.Key) && do(path+".value", *t.Elem)
	}
	return true
}

// refusal says why a new column or field can't be added; it is empty when it can.
func (s *columnSet) refusal(label, name string) string {
	switch why := nameable(name); {
	case why != "":
		return why
	case label == "" && s.own.Reserved(name):
		return "lakeflow uses this name itself"
	case s.paths[fold(label+name)]:
		return "Iceberg has this name for another column, or for a field of one"
	case s.count >= MaxColumns:
		return fmt.Sprintf("the source would have more than %d columns and fields", MaxColumns)
	}
	return ""
}

// admit adds a new column or field with what is in it, but for fields that can't be added. It returns false when
// nothing is left.
func (s *columnSet) admit(label string, c schemas.Column, fieldPath string) (schemas.Column, bool) {
	if s.refusal(label, c.Name) != "" {
		return c, false
	}
	s.count++
	ok := s.admitType(fieldPath, &c.Type)
	return c, ok
}

func (s *columnSet) admitType(path string, t *schemas.Type) bool {
	s.paths[fold(path)] = true
	switch t.Kind {
	case schemas.Struct:
		var fields []schemas.Column
		for _, f := range t.Fields {
			if f, ok := s.admit(path+".", f, path+"."+f.Name); ok {
				fields = append(fields, f)
			}
		}
		t.Fields = fields
		return len(fields) > 0
	case schemas.List:
		elem := *t.Elem
		t.Elem = &elem
		return s.admitType(path+".element", t.Elem)
	case schemas.Map:
		elem := *t.Elem
		t.Elem = &elem
		s.paths[fold(path+".key")] = true
		return s.admitType(path+".value", t.Elem)
	}
	return true
}

// Growth is what Grow made of known columns.
type Growth struct {
	Columns schemas.Table
	Added   []string
	Refused []Refusal
}

// Refusal is a key that can't be a column or field, and why.
type Refusal struct{ Key, Why string }

// Grow adds to the known columns what records of the shape have beyond them, also inside structs. Keys that can't be
// columns are left out; those that differ from a known one in letter case only are that one. With texts, new columns
// are VARCHAR.
func Grow(known schemas.Table, s *Shape, texts bool, own Own) Growth {
	g := &grower{set: newColumnSet(known, own), texts: texts}
	g.out.Columns = g.grow(known, s.columns(), "", "")
	return g.out
}

type grower struct {
	set   *columnSet
	texts bool
	out   Growth
}

// grow adds to a struct. Label is its name in messages, path that in Iceberg, both with a point behind.
func (g *grower) grow(known, seen schemas.Table, label, path string) schemas.Table {
	known = known.Clone()
	at := make(map[string]int, len(known))
	for i := range known {
		at[fold(known[i].Name)] = i
	}
	admitted := make([]schemas.Column, len(seen))
	for _, dotted := range []bool{false, true} { // of a.b and the field b of a, the field is rather what is meant
		for i, c := range seen {
			if _, ok := at[fold(c.Name)]; ok || strings.Contains(c.Name, ".") != dotted {
				continue
			}
			if g.texts && label == "" {
				c.Type = schemas.Type{Kind: schemas.Varchar}
			}
			if c, ok := g.set.admit(path, c, path+c.Name); ok {
				admitted[i] = c
			} else {
				g.out.Refused = append(g.out.Refused, Refusal{label + c.Name, cmp.Or(g.set.refusal(path, c.Name), "none of its fields can be one")})
			}
		}
	}
	for i, c := range seen {
		if at, ok := at[fold(c.Name)]; ok {
			known[at].Type = g.growType(known[at].Type, c.Type, label+known[at].Name, path+known[at].Name)
		} else if admitted[i].Name != "" {
			known = append(known, admitted[i])
			g.out.Added = append(g.out.Added, label+c.Name)
		}
	}
	return known
}

func (g *grower) growType(known, seen schemas.Type, label, path string) schemas.Type {
	if known.Kind != seen.Kind {
		return known
	}
	switch known.Kind {
	case schemas.Struct:
		known.Fields = g.grow(known.Fields, seen.Fields, label+".", path+".")
	case schemas.List:
		elem := g.growType(*known.Elem, *seen.Elem, label, path+".element")
		known.Elem = &elem
	case schemas.Map:
		elem := g.growType(*known.Elem, *seen.Elem, label, path+".value")
		known.Elem = &elem
	}
	return known
}

// mostTold is how many keys that can't be columns there are notices of.
const mostTold = 5

// Tell calls notice for keys that were refused, with what a notice says of them. Ignores is as in FitOptions.
func (g Growth) Tell(ignores bool, notice func(key, message string)) {
	becomes := "records with it are dead letters"
	if ignores {
		becomes = "it is ignored"
	}
	for i, r := range g.Refused {
		if i == mostTold {
			notice(r.Key, fmt.Sprintf("%d more keys can't be columns", len(g.Refused)-i))
			return
		}
		notice(r.Key, "the key "+shortQuote(r.Key)+" can't be a column: "+r.Why+"; "+becomes)
	}
}

// stranger is the reason why a record with a key that is no column is not taken.
func (s *columnSet) stranger(label, path, name string) string {
	why := s.refusal(path, name)
	if why == "" {
		why = fmt.Sprintf("the record would bring the source over %d columns and fields", MaxColumns)
	}
	return "the key " + shortQuote(label+name) + " can't be a column: " + why + "; schema_evolution: add_new_columns_and_rescue keeps the values of such keys, none ignores them"
}

// shortQuote quotes a text for a message.
func shortQuote(text string) string {
	const most = 100
	if n := utf8.RuneCountInString(text); n > most {
		return fmt.Sprintf("%s… (%d characters)", strconv.Quote(string([]rune(text)[:most])), n)
	}
	return strconv.Quote(text)
}
