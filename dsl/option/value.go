package option

import (
	"slices"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// Kind is what a value of a file is.
type Kind int

// The kinds of values. Those up to KindText are scalars.
const (
	KindNull Kind = iota
	KindBool
	KindInt
	KindFloat
	KindText
	KindMapping
	KindList
)

func (k Kind) String() string {
	return [...]string{"empty", "true or false", "a whole number", "a number", "a text", "a mapping", "a list"}[k]
}

// Value is a value of a file with its place. Values are shared where the file repeats one by reference.
type Value struct {
	Kind    Kind
	Scalar  any            // bool, int64, float64, string
	At      diag.Range     // of a scalar; where a mapping or list begins
	Written string         // a scalar as it stands in the file, without quotes
	Origin  sqltext.Origin // of a scalar's text
	Entries []Entry        // of a mapping
	Items   []*Value       // of a list
	Size    int            // values below and including this one, those that are shared counted each time
	Broken  bool           // it is not what was meant, which is reported
}

// Entry is a key of a mapping with its value.
type Entry struct {
	Key   string
	At    diag.Range
	Value *Value
}

// Place is where to show the entry: its value, or the key of a value that spans lines or is missing.
func (e Entry) Place() diag.Range {
	if e.Value.Kind < KindMapping && e.Value.Kind != KindNull {
		return e.Value.At
	}
	return e.At
}

// has reports whether a mapping has a key.
func (v *Value) has(key string) bool {
	return slices.ContainsFunc(v.Entries, func(e Entry) bool { return e.Key == key })
}
