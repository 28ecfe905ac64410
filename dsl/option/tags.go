package option

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// field is one key of a struct, as its tags say.
type field struct {
	index    int
	key      string
	required bool
	enum     []string
	standard string // the default
	resolve  string // what is replaced in the text: see the package's documentation
}

// fields are the keys of a struct. Its tags are read once: a pipeline has hundreds of things of one type.
func (d *Decoder) fields(t reflect.Type) []field {
	known, ok := d.known[t]
	if !ok {
		known = fields(t)
		if d.known == nil {
			d.known = map[reflect.Type][]field{}
		}
		d.known[t] = known
	}
	return known
}

func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		f := field{index: i, key: tag.Get("yaml"), standard: tag.Get("default"), resolve: tag.Get("option")}
		if f.key == "" || f.key == "-" {
			continue
		}
		for part := range strings.SplitSeq(tag.Get("jsonschema"), ",") {
			if word, ok := strings.CutPrefix(part, "enum="); ok {
				f.enum = append(f.enum, word)
			}
			if value, ok := strings.CutPrefix(part, "default="); ok {
				f.standard = value
			}
			f.required = f.required || part == "required"
		}
		out = append(out, f)
	}
	return out
}

// defaults puts the defaults of the tags into a struct and those below it. Fields that are pointers or lists stay nil.
func (d *Decoder) defaults(into reflect.Value) {
	if _, custom := into.Addr().Interface().(Custom); custom || into.Kind() != reflect.Struct {
		return
	}
	for _, f := range d.fields(into.Type()) {
		x := into.Field(f.index)
		if x.Kind() == reflect.Struct {
			d.defaults(x)
		} else if f.standard != "" {
			f.setDefault(x)
		}
	}
}

func (f field) setDefault(x reflect.Value) {
	err := error(nil)
	if t, ok := x.Addr().Interface().(encoding.TextUnmarshaler); ok {
		err = t.UnmarshalText([]byte(f.standard))
	} else {
		switch x.Kind() {
		case reflect.String:
			x.SetString(f.standard)
		case reflect.Bool:
			x.SetBool(f.standard == "true")
		case reflect.Int, reflect.Int64:
			var n int64
			n, err = strconv.ParseInt(f.standard, 10, 64)
			x.SetInt(n)
		}
	}
	if err != nil {
		panic(fmt.Sprintf("the default of %s: %v", f.key, err)) // a tag of this program
	}
}
