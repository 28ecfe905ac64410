package option

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// Decoder decodes values into structs and reports every mistake that it meets.
type Decoder struct {
	Diags *diag.List
	// Resolver replaces what texts refer to. With nil they stay as they are.
	Resolver *Resolver
	// Open are keys that structs of a type take beside those of their fields. Their values are not decoded: a field
	// Rest map[string]Entry gets them.
	Open map[reflect.Type][]string

	known map[reflect.Type][]field // what the tags of the structs say that were met so far
}

// Custom is a type that decodes itself: one that is not simply a mapping, list or scalar. It reports whether the value
// has the right type. at is the place to show when the value itself has none worth showing; path names the value in
// messages.
type Custom interface {
	Decode(d *Decoder, v *Value, at diag.Range, path string) bool
}

// Decode decodes a value into what target points to, with the defaults of keys that are missing, and reports whether
// the value has the right type.
func (d *Decoder) Decode(target any, v *Value, at diag.Range, path string) bool {
	into := reflect.ValueOf(target).Elem()
	d.defaults(into)
	return d.value(into, v, at, path)
}

// value decodes v into a field. A pointer stays nil when the type is wrong.
func (d *Decoder) value(into reflect.Value, v *Value, at diag.Range, path string) bool {
	if v.Broken {
		return false
	}
	if c, ok := into.Addr().Interface().(Custom); ok {
		return c.Decode(d, v, at, path)
	}
	kind := map[reflect.Kind]Kind{reflect.Struct: KindMapping, reflect.Map: KindMapping, reflect.Slice: KindList,
		reflect.String: KindText, reflect.Bool: KindBool, reflect.Int: KindInt, reflect.Int64: KindInt}[into.Kind()]
	if into.Kind() == reflect.Struct {
		into.FieldByName("Node").Set(reflect.ValueOf(Node{Range: at}))
	}
	if into.Kind() != reflect.Pointer && !d.want(v, kind, at, path) {
		return false
	}
	switch into.Kind() {
	case reflect.Pointer:
		p := reflect.New(into.Type().Elem())
		if !d.value(p.Elem(), v, at, path) {
			return false
		}
		into.Set(p)
	case reflect.Struct:
		d.mapping(into, v, at, path)
	case reflect.Map:
		d.named(into, v, path)
	case reflect.Slice:
		return d.list(into, v, path)
	case reflect.String:
		into.SetString(v.Scalar.(string))
	case reflect.Bool:
		into.SetBool(v.Scalar.(bool))
	case reflect.Int, reflect.Int64:
		into.SetInt(v.Scalar.(int64))
	}
	return true
}

// list decodes a sequence, leaving out items of the wrong type, and reports whether there were none. One without items
// is empty, not nil.
func (d *Decoder) list(into reflect.Value, v *Value, path string) bool {
	into.Set(reflect.MakeSlice(into.Type(), 0, len(v.Items)))
	for i, item := range v.Items {
		x := reflect.New(into.Type().Elem()).Elem()
		if d.value(x, item, item.At, fmt.Sprintf("%s[%d]", path, i)) {
			into.Set(reflect.Append(into, x))
		}
	}
	return into.Len() == len(v.Items)
}

// want reports a value of another type than the wanted one.
func (d *Decoder) want(v *Value, kind Kind, at diag.Range, path string) bool {
	if v.Kind == kind {
		return true
	}
	help := map[Kind]string{
		KindBool: "write true or false", KindInt: "write a number without quotes", KindMapping: "write key: value lines below it",
		KindList: "write [a, b], or lines that begin with -", KindText: "write a text",
	}[kind]
	switch {
	case v.Kind == KindNull:
		help += ", or remove the key"
	case kind == KindText && v.Kind <= KindFloat:
		help = "quote it: " + strconv.Quote(v.Written)
	case kind == KindList && v.Kind == KindText:
		help = "put it in brackets: [" + strconv.Quote(v.Written) + "]"
	}
	if v.Kind < KindMapping && v.Kind != KindNull {
		at = v.At
	}
	d.Diags.Errorf("LF0102", at, help, "%s must be %s, not %s", path, kind, v.Kind)
	return false
}

// Mapping decodes a mapping into the struct that target points to. It is for a Custom struct, which Decode would call
// again.
func (d *Decoder) Mapping(target any, v *Value, at diag.Range, path string) {
	d.mapping(reflect.ValueOf(target).Elem(), v, at, path)
}

// mapping decodes v into a struct that embeds Node.
func (d *Decoder) mapping(into reflect.Value, v *Value, at diag.Range, path string) {
	known, open := d.fields(into.Type()), d.Open[into.Type()]
	keys := slices.Clone(open)
	for _, f := range known {
		keys = append(keys, f.key)
	}
	self, rest := Node{Range: at, Fields: map[string]diag.Range{}, wrong: map[string]bool{}}, map[string]Entry{}
	for _, e := range v.Entries {
		i := slices.Index(keys, e.Key)
		if i < 0 {
			help := diag.DidYouMean(e.Key, keys, "write one of: "+strings.Join(keys, ", "))
			d.Diags.Errorf("LF0101", e.At, help, "unknown key %q%s", e.Key, inside(path))
			// One that was meant to be a key is read as that key, so that what is missing or wrong behind it is no
			// riddle.
			if i = slices.Index(keys, diag.Suggest(e.Key, keys)); i < 0 || v.has(keys[i]) {
				continue
			}
			e.Key = keys[i]
			if self.Has(e.Key) {
				continue
			}
		}
		self.Fields[e.Key] = e.Place()
		if i < len(open) {
			rest[e.Key] = e
		} else if !d.field(into, known[i-len(open)], e, dot(path, e.Key)) {
			self.wrong[e.Key] = true
		}
	}
	for _, f := range known {
		if f.required && !self.Has(f.key) {
			d.missing(f, at, path)
		}
	}
	into.FieldByName("Node").Set(reflect.ValueOf(self))
	if open != nil {
		into.FieldByName("Rest").Set(reflect.ValueOf(rest))
	}
}

// field decodes the value of one key, and reports whether it could be read.
func (d *Decoder) field(into reflect.Value, f field, e Entry, path string) bool {
	at, x := e.Place(), into.Field(f.index)
	if !d.value(x, e.Value, at, path) {
		return false
	}
	if e.Value.Kind != KindText || x.Kind() == reflect.Struct {
		return true
	}
	d.enum(x, f, at, path)
	if d.Resolver == nil || f.resolve == "" {
		return true
	}
	if x.Kind() == reflect.Pointer {
		x = x.Elem()
	}
	before := len(*d.Diags)
	switch f.resolve {
	case "text":
		x.SetString(d.Resolver.Text(x.String(), at))
	case "path":
		x.SetString(d.Resolver.Path(x.String(), at))
	case "local path":
		x.SetString(d.Resolver.LocalPath(x.String(), at))
	}
	return len(*d.Diags) == before
}

// Missing reports that a key of a thing is not there.
func (d *Decoder) Missing(key string, at diag.Range, path string) {
	d.missing(field{key: key}, at, path)
}

func (d *Decoder) missing(f field, at diag.Range, path string) {
	help := "add " + f.key + ":"
	if len(f.enum) > 0 {
		help += " with one of: " + strings.Join(f.enum, ", ")
	}
	d.Diags.Errorf("LF0103", at, help, "the key %q is missing%s", f.key, inside(path))
}

// enum reports a word that is not one of the field's; the field gets the one that was meant, as far as that is clear.
func (d *Decoder) enum(into reflect.Value, f field, at diag.Range, path string) {
	if len(f.enum) == 0 {
		return
	}
	word := into.String()
	if slices.Contains(f.enum, word) {
		return
	}
	into.SetString(diag.Suggest(word, f.enum))
	d.Diags.Errorf("LF0105", at, diag.DidYouMean(word, f.enum, ""), "%s cannot be %q", path, word)
}

// named decodes a mapping of names to things.
func (d *Decoder) named(into reflect.Value, v *Value, path string) {
	into.Set(reflect.MakeMap(into.Type()))
	for _, e := range v.Entries {
		item, before := reflect.New(into.Type().Elem()).Elem(), len(*d.Diags)
		d.defaults(item)
		ok := d.value(item, e.Value, e.At, dot(path, e.Key))
		if !ok || Flawed((*d.Diags)[before:]) {
			flaw(item)
		}
		into.SetMapIndex(reflect.ValueOf(e.Key), item)
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

// Flawed reports whether mistakes may change what a thing gives. Keys that are not known, words that are clear in spite
// of their spelling, names, and how often something is done do not.
func Flawed(mistakes diag.List) bool {
	return slices.ContainsFunc(mistakes, func(d diag.Diagnostic) bool {
		switch d.Code {
		case "LF0101", "LF0104", "LF0106", "LF0115", "LF0150":
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
