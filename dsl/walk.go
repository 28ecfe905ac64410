package dsl

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// walker decodes nodes into the spec structs of spec.go and reports every mistake that it meets. The
// structs' tags say all it needs: yaml the key, jsonschema whether it is required and its enum, jsonschema_description for people.
type walker struct {
	diags *diag.List
}

// custom is a type that decodes itself: one that is not simply a mapping, list or scalar.
type custom interface {
	decode(w *walker, n *node, at diag.Range, path string) bool
}

// value decodes n into v and reports whether n has the right type. at is the place to show when n itself has none worth
// showing; path names the value in messages. A pointer stays nil when the type is wrong.
func (w *walker) value(v reflect.Value, n *node, at diag.Range, path string) bool {
	if n.broken {
		return false
	}
	if c, ok := v.Addr().Interface().(custom); ok {
		return c.decode(w, n, at, path)
	}
	kind := map[reflect.Kind]nodeKind{reflect.Struct: mapping, reflect.Map: mapping, reflect.Slice: sequence,
		reflect.String: text, reflect.Bool: boolean, reflect.Int64: integer}[v.Kind()]
	if v.Kind() == reflect.Struct {
		v.FieldByName("Node").Set(reflect.ValueOf(Node{Range: at}))
	}
	if v.Kind() != reflect.Pointer && !w.want(n, kind, at, path) {
		return false
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if !w.value(p.Elem(), n, at, path) {
			return false
		}
		v.Set(p)
	case reflect.Struct:
		w.mapping(v, n, at, path)
	case reflect.Map:
		w.named(v, n, path)
	case reflect.Slice:
		w.list(v, n, path)
	case reflect.String:
		v.SetString(n.value.(string))
	case reflect.Bool:
		v.SetBool(n.value.(bool))
	case reflect.Int64:
		v.SetInt(n.value.(int64))
	}
	return true
}

// list decodes a sequence, leaving out items of the wrong type. One without items is empty, not nil.
func (w *walker) list(v reflect.Value, n *node, path string) {
	v.Set(reflect.MakeSlice(v.Type(), 0, len(n.items)))
	for i, item := range n.items {
		x := reflect.New(v.Type().Elem()).Elem()
		if w.value(x, item, item.at, fmt.Sprintf("%s[%d]", path, i)) {
			v.Set(reflect.Append(v, x))
		}
	}
}

// want reports a value of another type than the wanted one.
func (w *walker) want(n *node, kind nodeKind, at diag.Range, path string) bool {
	if n.kind == kind {
		return true
	}
	help := map[nodeKind]string{
		boolean: "write true or false", integer: "write a number without quotes", mapping: "write key: value lines below it",
		sequence: "write [a, b], or lines that begin with -", text: "write a text",
	}[kind]
	switch {
	case n.kind == null:
		help += ", or remove the key"
	case kind == text && n.kind <= float:
		help = "quote it: " + strconv.Quote(n.written)
	case kind == sequence && n.kind == text:
		help = "put it in brackets: [" + strconv.Quote(n.written) + "]"
	}
	if n.kind < mapping && n.kind != null {
		at = n.at
	}
	w.diags.Errorf("LF0102", at, help, "%s must be %s, not %s", path, kind, n.kind)
	return false
}

// field is one key of a spec struct.
type field struct {
	index    int
	key      string
	required bool
	enum     []string
}

func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := field{index: i, key: t.Field(i).Tag.Get("yaml")}
		if f.key == "-" {
			continue
		}
		for part := range strings.SplitSeq(t.Field(i).Tag.Get("jsonschema"), ",") {
			if word, ok := strings.CutPrefix(part, "enum="); ok {
				f.enum = append(f.enum, word)
			}
			f.required = f.required || part == "required"
		}
		out = append(out, f)
	}
	return out
}

// mapping decodes n into a struct that embeds Node.
func (w *walker) mapping(v reflect.Value, n *node, at diag.Range, path string) {
	known := fields(v.Type())
	keys := make([]string, len(known))
	for i, f := range known {
		keys[i] = f.key
	}
	self := Node{Range: at, Fields: map[string]diag.Range{}}
	for _, e := range n.entries {
		i := slices.Index(keys, e.key)
		if i < 0 {
			help := diag.DidYouMean(e.key, keys, "see the reference of the pipeline file")
			w.diags.Errorf("LF0101", e.at, help, "unknown key %q%s", e.key, inside(path))
			// One that was meant to be a key is read as that key, so that what is missing or wrong behind it is no riddle.
			if i = slices.Index(keys, diag.Suggest(e.key, keys)); i < 0 || n.has(keys[i]) {
				continue
			}
			e.key = keys[i]
			if _, twice := self.Fields[e.key]; twice {
				continue
			}
		}
		where := e.at
		if e.value.kind < mapping && e.value.kind != null {
			where = e.value.at
		}
		self.Fields[e.key] = where
		w.value(v.Field(known[i].index), e.value, where, dot(path, e.key))
		if e.value.kind == text && !e.value.broken {
			w.enum(v.Field(known[i].index), known[i], where, dot(path, e.key))
		}
	}
	for _, f := range known {
		if _, ok := self.Fields[f.key]; f.required && !ok {
			help := "add " + f.key + ":"
			if len(f.enum) > 0 {
				help += " with one of: " + strings.Join(f.enum, ", ")
			}
			w.diags.Errorf("LF0103", at, help, "the key %q is missing%s", f.key, inside(path))
		}
	}
	v.FieldByName("Node").Set(reflect.ValueOf(self))
}

// enum reports a word that is not one of the field's; the field gets the one that was meant, as far as that is clear.
func (w *walker) enum(v reflect.Value, f field, at diag.Range, path string) {
	word := v.String()
	if len(f.enum) == 0 || slices.Contains(f.enum, word) {
		return
	}
	v.SetString(diag.Suggest(word, f.enum))
	w.diags.Errorf("LF0105", at, diag.DidYouMean(word, f.enum, ""), "%s cannot be %q", path, word)
}

// named decodes a mapping of names to things.
func (w *walker) named(v reflect.Value, n *node, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range n.entries {
		item, before := reflect.New(v.Type().Elem()).Elem(), len(*w.diags)
		ok := w.value(item, e.value, e.at, dot(path, e.key))
		if !ok || flawed((*w.diags)[before:]) {
			flaw(item)
		}
		v.SetMapIndex(reflect.ValueOf(e.key), item)
	}
}

func dot(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func inside(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

// flawed reports whether mistakes may change what a thing gives. Keys that are not known, words that are clear in spite of their spelling, and names do not.
func flawed(mistakes diag.List) bool {
	return slices.ContainsFunc(mistakes, func(d diag.Diagnostic) bool {
		switch d.Code {
		case "LF0101", "LF0104", "LF0106", "LF0115":
			return false
		case "LF0105":
			return !strings.HasPrefix(d.Help, "did you mean")
		}
		return d.Severity == diag.Error
	})
}

// flaw marks a thing that is declared under a name.
func flaw(item reflect.Value) {
	if item.Kind() != reflect.Struct {
		return
	}
	if node := item.FieldByName("Node"); node.IsValid() {
		node.FieldByName("Flawed").SetBool(true)
	}
}
