package report

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// Field is a column of a dead letter's row.
type Field struct {
	Name  string
	Value string // JSON
	Bad   bool   // a rule that the row broke names the column
}

// Fields are the columns of a row that is a JSON object, in their order. Those are marked that one of the expressions
// names: the rules that the row broke. It is nil when the row is none.
func Fields(row []byte, expressions []string) []Field {
	d := json.NewDecoder(bytes.NewReader(row))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var named []string
	for _, e := range expressions {
		named = append(named, sqltext.Names(e)...)
	}
	var fields []Field
	for d.More() {
		key, err := d.Token()
		name, ok := key.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil
		}
		fields = append(fields, Field{name, string(value), slices.Contains(named, strings.ToLower(name))})
	}
	return fields
}

// bad is what the row has in the columns that its rules name.
func (e Example) bad() string {
	var parts []string
	for _, f := range Fields(e.Row, e.Expressions) {
		if f.Bad {
			parts = append(parts, f.Name+" = "+f.Value)
		}
	}
	return strings.Join(parts, ", ")
}

// Fields are the columns of the row, for the HTML.
func (e Example) Fields() []Field { return Fields(e.Row, e.Expressions) }
