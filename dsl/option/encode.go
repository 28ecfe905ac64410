package option

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Written is a type that says how a file has its value: the way back of Custom. It is nil where the value is what a
// missing key stands for.
type Written interface {
	Encode() *Value
}

// Encoder makes of structs the values that Decoder makes them of.
type Encoder struct {
	// Path gives a path as the file is to have it; absolute says whether it is one whose tag is "path". With nil paths
	// stay as they are.
	Path func(path string, absolute bool) string
}

// Encode gives the mapping of a struct, with the keys whose values are no defaults. source points to the struct.
func (e *Encoder) Encode(source any) *Value {
	from := reflect.ValueOf(source).Elem()
	standard := reflect.New(from.Type()).Elem()
	new(Decoder).defaults(standard)
	v := e.mapping(from, standard)
	if w, ok := source.(Written); ok {
		v = w.Encode()
	}
	if v == nil {
		v = &Value{Kind: KindMapping}
	}
	return v
}

// mapping gives the keys of a struct whose values are not those of another one. It is nil when there are none.
func (e *Encoder) mapping(from, standard reflect.Value) *Value {
	out := &Value{Kind: KindMapping}
	for _, f := range fields(from.Type()) {
		x, otherwise := from.Field(f.index), standard.Field(f.index)
		v := e.value(x, otherwise)
		if v == nil {
			continue
		}
		if text, ok := v.Scalar.(string); ok && e.Path != nil && strings.HasSuffix(f.resolve, "path") {
			v = TextValue(e.Path(text, f.resolve == "path"))
		}
		out.Entries = append(out.Entries, Entry{Key: f.key, Value: v})
	}
	if len(out.Entries) == 0 {
		return nil
	}
	return out
}

// value gives what a field holds, and nil where that is the default.
func (e *Encoder) value(x, standard reflect.Value) *Value {
	if x.Kind() == reflect.Pointer {
		if x.IsNil() {
			return nil
		}
		return e.any(x.Elem())
	}
	if x.CanAddr() {
		if w, ok := x.Addr().Interface().(Written); ok {
			if standard.IsValid() && reflect.DeepEqual(x.Interface(), standard.Interface()) {
				return nil
			}
			return w.Encode()
		}
	}
	switch {
	case x.Kind() == reflect.Struct:
		return e.mapping(x, standard)
	case (x.Kind() == reflect.Slice || x.Kind() == reflect.Map) && x.IsNil():
		return nil
	case standard.IsValid() && reflect.DeepEqual(x.Interface(), standard.Interface()):
		return nil
	}
	return e.any(x)
}

// any gives a value as it is, a default too.
func (e *Encoder) any(x reflect.Value) *Value {
	if x.CanAddr() {
		if w, ok := x.Addr().Interface().(Written); ok {
			return w.Encode()
		}
		if _, ok := x.Addr().Interface().(Custom); ok {
			panic(fmt.Sprintf("%s decodes itself and does not encode itself", x.Type())) // a type of this program
		}
	}
	switch x.Kind() {
	case reflect.Struct:
		if v := e.mapping(x, reflect.New(x.Type()).Elem()); v != nil {
			return v
		}
		return &Value{Kind: KindMapping}
	case reflect.Slice:
		v := &Value{Kind: KindList}
		for i := range x.Len() {
			v.Items = append(v.Items, e.any(x.Index(i)))
		}
		return v
	case reflect.Map:
		v := &Value{Kind: KindMapping}
		for _, key := range slices.SortedFunc(slices.Values(x.MapKeys()), func(a, b reflect.Value) int {
			return strings.Compare(a.String(), b.String())
		}) {
			item := reflect.New(x.Type().Elem()).Elem()
			item.Set(x.MapIndex(key))
			v.Put(key.String(), e.any(item))
		}
		return v
	case reflect.Bool:
		return BoolValue(x.Bool())
	case reflect.Int, reflect.Int64:
		return IntValue(x.Int())
	case reflect.String:
		return TextValue(x.String())
	}
	panic(fmt.Sprintf("%s cannot be encoded", x.Type())) // a type of this program
}

// TextValue makes a text that is not of a file.
func TextValue(text string) *Value { return &Value{Kind: KindText, Scalar: text, Written: text} }

// IntValue makes a whole number.
func IntValue(n int64) *Value {
	return &Value{Kind: KindInt, Scalar: n, Written: strconv.FormatInt(n, 10)}
}

// BoolValue makes true or false.
func BoolValue(b bool) *Value {
	return &Value{Kind: KindBool, Scalar: b, Written: strconv.FormatBool(b)}
}

// ListValue makes a list of texts.
func ListValue(texts ...string) *Value {
	v := &Value{Kind: KindList}
	for _, text := range texts {
		v.Items = append(v.Items, TextValue(text))
	}
	return v
}

// Put adds a key to a mapping. Without a value it does nothing.
func (v *Value) Put(key string, value *Value) {
	if value != nil {
		v.Entries = append(v.Entries, Entry{Key: key, Value: value})
	}
}

// Encode implements Written.
func (t *Text) Encode() *Value { return TextValue(t.Text) }

// Encode implements Written.
func (t *Texts) Encode() *Value {
	switch {
	case *t == nil:
		return nil
	case len(*t) == 1:
		return TextValue((*t)[0])
	}
	return ListValue(*t...)
}

// Encode implements Written.
func (s *Size) Encode() *Value {
	if *s == 0 {
		return nil
	}
	return IntValue(int64(*s))
}

// Encode implements Written.
func (t *Duration) Encode() *Value {
	if *t == 0 {
		return nil
	}
	return TextValue(ShortDuration(time.Duration(*t)))
}

// ShortDuration spells a length of time without units that count none: 1h, not 1h0m0s.
func ShortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Rebase gives the paths of a file in one folder as a file in another one has them, both absolute. Paths that begin with
// a ${reference} stay as they are, and so do absolute ones outside of the first folder.
func Rebase(from, to string) func(path string, absolute bool) string {
	return func(path string, absolute bool) string {
		switch {
		case strings.HasPrefix(path, "${"):
			return path
		case absolute || filepath.IsAbs(path):
			inside, err := filepath.Rel(from, path)
			if err != nil || !filepath.IsLocal(inside) {
				return path
			}
			path = inside
		}
		if strings.HasPrefix(path, "${") { // what was made absolute as if it were relative
			return path
		}
		way, err := filepath.Rel(to, from)
		switch {
		case err != nil:
			return filepath.Join(from, path)
		case !absolute && strings.ContainsAny(way, signs):
			if !strings.ContainsAny(path, signs) {
				path = literal.Replace(path)
			}
			way = literal.Replace(way)
		}
		return filepath.Join(way, path)
	}
}

// signs are what makes a pattern of a path that stays relative, and literal writes them so that they make none.
const signs = "*?[{"

var literal = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`, "{", `\{`, "}", `\}`)
