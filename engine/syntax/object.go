package syntax

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// object is an object of DuckDB's JSON with all that is in it, in DuckDB's order. A decoder into maps would lose that
// order and the digits of large numbers; this one copies nothing, so that it costs a quarter.
type object struct {
	fields []field
	// class and kind are the fields class and type, by which DuckDB says what an object is.
	class, kind string
	at          int
}

type field struct {
	name  string
	value value
}

// value is an object, a scalar as DuckDB wrote it, or else a list.
type value struct {
	object *object
	scalar string
	list   []value
}

// get is a field, or the empty value.
func (o *object) get(name string) value {
	if o == nil {
		return value{}
	}
	for _, f := range o.fields {
		if f.name == name {
			return f.value
		}
	}
	return value{}
}

func (o *object) has(name string) bool {
	for _, f := range o.fields {
		if f.name == name {
			return true
		}
	}
	return false
}

// with is a copy in which a field has another value.
func (o *object) with(name string, v value) *object {
	clone := *o
	clone.fields = nil
	for _, f := range o.fields {
		if f.name != name {
			clone.fields = append(clone.fields, f)
		}
	}
	clone.fields = append(clone.fields, field{name, v})
	return &clone
}

func (v value) null() bool {
	return v.object == nil && (v.scalar == "null" || v.scalar == "" && v.list == nil)
}

// text is what a string says; it is empty for other values.
func (v value) text() string {
	if len(v.scalar) < 2 || v.scalar[0] != '"' {
		return ""
	}
	if strings.IndexByte(v.scalar, '\\') < 0 {
		return v.scalar[1 : len(v.scalar)-1]
	}
	var s string
	_ = json.Unmarshal([]byte(v.scalar), &s) // what is no string says nothing
	return s
}

// texts are what the strings of a list say.
func (v value) texts() []string {
	var all []string
	for _, e := range v.list {
		all = append(all, e.text())
	}
	return all
}

// offset is a place, or -1: DuckDB writes 2^64-1 for "none".
func (v value) offset() int {
	if at, err := strconv.Atoi(v.scalar); err == nil {
		return at
	}
	return -1
}

const location = "query_location"

// empty reports whether a value says nothing: places do not count.
func (v value) empty() bool {
	switch {
	case v.object != nil:
		for _, f := range v.object.fields {
			if f.name != location && !f.value.empty() {
				return false
			}
		}
		return true
	case v.scalar != "":
		return v.scalar == "null" || v.scalar == "false" || v.scalar == `""`
	}
	return len(v.list) == 0
}

// first is the smallest place in a value, or -1.
func (v value) first() int {
	best := -1
	least := func(at int) {
		if at >= 0 && (best < 0 || at < best) {
			best = at
		}
	}
	if v.object != nil {
		least(v.object.at)
		for _, f := range v.object.fields {
			least(f.value.first())
		}
	}
	for _, e := range v.list {
		least(e.first())
	}
	return best
}

// append writes the value as JSON.
func (v value) append(b []byte) []byte {
	switch {
	case v.object != nil:
		b = append(b, '{')
		for i, f := range v.object.fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, '"'), f.name...), `":`...)
			b = f.value.append(b)
		}
		return append(b, '}')
	case v.scalar != "":
		return append(b, v.scalar...)
	}
	b = append(b, '[')
	for i, e := range v.list {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.append(b)
	}
	return append(b, ']')
}

// decode reads a JSON text.
func decode(text string) (value, error) {
	r := reader{text: text}
	v, ok := r.value()
	if !ok {
		return value{}, fmt.Errorf("read DuckDB's syntax tree: it is no JSON at offset %d", r.at)
	}
	return v, nil
}

// reader reads JSON as DuckDB writes it: valid, and without white space.
type reader struct {
	text string
	at   int
}

func (r *reader) value() (value, bool) {
	switch {
	case r.skip('{'):
		return r.object()
	case r.skip('['):
		return r.list()
	}
	s, ok := r.scalar()
	return value{scalar: s}, ok
}

func (r *reader) object() (value, bool) {
	o := &object{at: -1, fields: make([]field, 0, 8)}
	for !r.skip('}') {
		if len(o.fields) > 0 && !r.skip(',') {
			return value{}, false
		}
		name, ok := r.scalar()
		if !ok || len(name) < 2 || !r.skip(':') {
			return value{}, false
		}
		name = name[1 : len(name)-1]
		v, ok := r.value()
		if !ok {
			return value{}, false
		}
		o.fields = append(o.fields, field{name, v})
		switch name {
		case "class":
			o.class = v.text()
		case "type":
			o.kind = v.text()
		case location:
			o.at = v.offset()
		}
	}
	return value{object: o}, true
}

func (r *reader) list() (value, bool) {
	list := []value{}
	for !r.skip(']') {
		if len(list) > 0 && !r.skip(',') {
			return value{}, false
		}
		v, ok := r.value()
		if !ok {
			return value{}, false
		}
		list = append(list, v)
	}
	return value{list: list}, true
}

// scalar reads a string, a number or a word.
func (r *reader) scalar() (string, bool) {
	start := r.at
	if !r.skip('"') {
		if n := strings.IndexAny(r.text[start:], ",]}"); n > 0 {
			r.at += n
			return r.text[start:r.at], true
		}
		return "", false
	}
	for ; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '\\':
			r.at++
		case '"':
			r.at++
			return r.text[start:r.at], true
		}
	}
	return "", false
}

func (r *reader) skip(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func textValue(s string) value {
	b, _ := json.Marshal(s) // a string has JSON
	return value{scalar: string(b)}
}
