package option

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// Text is a text with its place, of a list for example. What it refers to is replaced. As a pointer it is nil, and in a
// list left out, when something is wrong with it.
type Text struct {
	Text string
	At   diag.Range
}

// Decode implements Custom.
func (t *Text) Decode(d *Decoder, v *Value, at diag.Range, path string) bool {
	t.At = at
	if !d.value(reflect.ValueOf(&t.Text).Elem(), v, at, path) {
		return false
	}
	if d.Resolver == nil {
		return true
	}
	before := len(*d.Diags)
	t.Text = d.Resolver.Text(t.Text, at)
	return len(*d.Diags) == before
}

// JSONSchema describes the type in the schema of the file.
func (Text) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "string"} }

// Wanted is the text, which may not be empty.
func (t Text) Wanted(diags *diag.List, help, empty string) string {
	if t.Text == "" {
		diags.Errorf("LF0114", t.At, help, "%s", empty)
	}
	return t.Text
}

// Texts is a text, or a list of them, as they are written.
type Texts []string

// Decode implements Custom.
func (t *Texts) Decode(d *Decoder, v *Value, at diag.Range, path string) bool {
	if v.Kind == KindList {
		return d.value(reflect.ValueOf((*[]string)(t)).Elem(), v, at, path)
	}
	var one string
	ok := d.value(reflect.ValueOf(&one).Elem(), v, at, path)
	*t = Texts{one}
	return ok
}

// JSONSchema describes the type in the schema of the file.
func (Texts) JSONSchema() *jsonschema.Schema {
	text := &jsonschema.Schema{Type: "string"}
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, {Type: "array", Items: text}}}
}

// Size is a number of bytes, written as a number or with a unit.
type Size int64

// UnmarshalText reads a size, as in 64MB.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n < 1 || n > 1<<62 {
		return errors.New("not a size")
	}
	*s = Size(n)
	return nil
}

// Decode implements Custom.
func (s *Size) Decode(d *Decoder, v *Value, at diag.Range, path string) bool {
	return d.measure(s, v, at, path, "LF0113", "write a number with a unit, as in 64MB or 1GiB", "%q is not a size")
}

// JSONSchema describes the type in the schema of the file.
func (Size) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Description: "Bytes, or a text with a unit.", Examples: []any{"64MB", "1GiB"},
		OneOf: []*jsonschema.Schema{{Type: "integer", Minimum: "1"}, {Type: "string"}}}
}

// Duration is a length of time, written with its unit.
type Duration time.Duration

// UnmarshalText reads a duration, as in 30s.
func (t *Duration) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil || d < time.Millisecond {
		return errors.New("not a length of time")
	}
	*t = Duration(d)
	return nil
}

// Decode implements Custom.
func (t *Duration) Decode(d *Decoder, v *Value, at diag.Range, path string) bool {
	return d.measure(t, v, at, path, "LF0150", "write a number with a unit, of at least 1ms, as in 500ms, 30s or 1h", "%q is not a length of time")
}

// JSONSchema describes the type in the schema of the file.
func (Duration) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Description: "A number with a unit: ms, s, m or h.", Examples: []any{"500ms", "30s", "1h30m"}}
}

// measure decodes a number with a unit. Without a text it stays what it is.
func (d *Decoder) measure(into interface{ UnmarshalText([]byte) error }, v *Value, at diag.Range, path, code, help, format string) bool {
	written := v.Written
	if v.Kind != KindInt && v.Kind != KindFloat && !d.value(reflect.ValueOf(&written).Elem(), v, at, path) {
		return false
	}
	text := written
	if d.Resolver != nil {
		text = d.Resolver.Resolving().Text(written, at) // a number has no spelling to keep
	}
	if strings.TrimSpace(text) == "" {
		return true
	}
	if into.UnmarshalText([]byte(text)) != nil {
		d.Diags.Errorf(code, at, help, format, written)
		return false
	}
	return true
}

// Positive reports a number that is not from 1 to 2147483647.
func Positive(n int64, at diag.Range, diags *diag.List) bool {
	if n < 1 || n > math.MaxInt32 {
		diags.Errorf("LF0112", at, "write a whole number of at least 1, or remove the key for the default", "%s is out of range", strconv.FormatInt(n, 10))
		return false
	}
	return true
}

// ExactlyOne says in the JSON schema of a struct that exactly one of the keys is given.
func ExactlyOne(s *jsonschema.Schema, keys ...string) {
	for _, key := range keys {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{key}})
	}
}
