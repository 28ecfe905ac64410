package records

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/debezium"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// events decodes values of the format debezium: those with a schema have columns of known types, as avro has, and what
// is inferred of the others stands beside them.
type events struct {
	debezium.Decoder
	mu     sync.Mutex
	shapes map[*debezium.Schema]*shape
}

func newEvents() *events { return &events{shapes: map[*debezium.Schema]*shape{}} }

// shape is that of a schema, always the same one. Schemas have no number: one with more columns is taken for newer.
func (e *events) shape(s *debezium.Schema) *shape {
	if s == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shapes[s] == nil {
		e.shapes[s] = &shape{order: len(s.Columns), columns: s.Columns}
	}
	return e.shapes[s]
}

// event decodes a change event.
func (d *decoder) event(rec *Record, out *decoded) {
	value := rec.Value
	switch {
	case value != nil && len(value) == 0:
		out.reason = reasonEmpty
		return
	case !utf8.Valid(value):
		out.reason = reasonUTF8
		return
	case jsonrecords.NestsDeeper(value, jsonrecords.MaxNested):
		out.reason = reasonDeep
		return
	case bytes.IndexByte(value, '\n') >= 0 || bytes.IndexByte(value, '\r') >= 0:
		d.compact.Reset()
		if json.Compact(&d.compact, value) == nil {
			value = d.compact.Bytes()
		}
	}
	if d.named == nil {
		d.named = debezium.Keys(rec.Key)
	}
	row := d.events.Decode(d.buf[:0], rec.Key, value)
	out.own, out.ignored, out.reason, out.shape = true, row.Ignored, row.Refused, d.events.shape(row.Schema)
	if row.Text != nil {
		d.buf, out.text = row.Text, row.Text
		d.scan(out)
	}
}

// Debezium are the options of sources of change events.
type Debezium struct {
	option.Node `yaml:"-"`
	Key         []option.Text `yaml:"key" jsonschema_description:"Columns of the table's key, where the records have none."`
}

// Check checks the options of a source, whose format is debezium or not.
func (d *Debezium) Check(format bool, at diag.Range, diags *diag.List) {
	switch {
	case !format:
		diags.Errorf("LF0115", at, "remove it, or write format: debezium", "debezium options have no effect on records of another format")
	case d.Read("key") && len(d.Key) == 0:
		diags.Errorf("LF0114", d.At("key"), "write the columns of the table's key: [id]", "debezium names no key")
	}
	for i, x := range d.Key {
		name := x.Wanted(diags, "write the name of a column", "the name of a column is empty")
		if name != "" && slices.ContainsFunc(d.Key[:i], func(o option.Text) bool { return strings.EqualFold(o.Text, name) }) {
			diags.Errorf("LF0107", x.At, "remove one of them", "the column %q is named twice", name)
		}
	}
}

// Changes says how the rows of a source are applied to a table.
func (d *Debezium) Changes() *sources.Changes {
	c := debezium.Changes()
	for _, x := range d.Key {
		c.Keys = append(c.Keys, x.Text)
	}
	c.KeysRemedy = "add debezium: {key: [id]} to the options of the source, with the columns of the table's key"
	return &c
}

// wire are the columns as they stand in lines: formats with schemas write bytes as texts.
func (r *Reader) wire(t schemas.Table) schemas.Table {
	if r.values == nil && r.events == nil {
		return t
	}
	return textual(schemas.Type{Kind: schemas.Struct, Fields: t}).Fields
}

// Keys are the columns in the key of the first record that has one, where the format is debezium.
func (s *Spill) Keys() []string {
	for _, w := range s.writers {
		if len(w.decoder.named) > 0 {
			return w.decoder.named
		}
	}
	return nil
}

// Ignored is how many records of those admitted brought no row, and are no mistake.
func (s *Spill) Ignored() (n int) {
	for _, w := range s.writers {
		n += w.decoder.ignored
	}
	return n
}
