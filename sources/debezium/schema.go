package debezium

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// Schema is the Connect schema of an envelope: the columns of its rows, and how values become those of columns. Types
// become columns of the same meaning:
//
//	int8, int16, int32; int64               INTEGER; BIGINT
//	float32; float64; boolean; string       FLOAT; DOUBLE; BOOLEAN; VARCHAR
//	bytes                                   BLOB
//	connect Decimal                         DECIMAL of its precision and scale; VARCHAR above 38 digits
//	io.debezium.data.VariableScaleDecimal   VARCHAR: every value has its own scale
//	connect and io.debezium.time Date       DATE
//	connect Timestamp, io.debezium.time
//	Timestamp and MicroTimestamp            TIMESTAMP
//	… Time and MicroTime                    TIME
//	NanoTimestamp, NanoTime, MicroDuration  BIGINT
//	ZonedTimestamp                          TIMESTAMP WITH TIME ZONE
//	io.debezium.data.Uuid                   UUID
//	array; map; struct                      LIST; MAP; STRUCT
//	ZonedTime, Json, Enum and other names   what their type is
type Schema struct {
	Columns schemas.Table // of the table, then Meta
	fields  []field
	reason  string // why it is of no use, in one sentence
}

// field is one column, or field of a struct.
type field struct {
	name     string
	optional bool
	convert  convert
}

// connectSchema is a schema as JsonConverter writes it.
type connectSchema struct {
	Type       string            `json:"type"`
	Name       string            `json:"name"`
	Field      string            `json:"field"`
	Optional   bool              `json:"optional"`
	Parameters map[string]string `json:"parameters"`
	Fields     []connectSchema   `json:"fields"`
	Items      *connectSchema    `json:"items"`
	Keys       *connectSchema    `json:"keys"`
	Values     *connectSchema    `json:"values"`
}

func parseSchema(text []byte) *Schema {
	var envelope connectSchema
	if err := json.Unmarshal(text, &envelope); err != nil {
		return &Schema{reason: "the schema of the record is none of Connect's"}
	}
	for _, part := range envelope.Fields {
		if part.Field != "after" {
			continue
		}
		if part.Type != "struct" || len(part.Fields) == 0 {
			return &Schema{reason: "after is no row by the schema of the record, but a " + part.Type}
		}
		t, fields := structOf(part.Fields)
		if len(t) < len(part.Fields) {
			return &Schema{reason: "two columns have the same name by the schema of the record, or it is nested too deep"}
		}
		return &Schema{Columns: append(t, Meta...), fields: fields}
	}
	return &Schema{reason: "the schema of the record has no after"}
}

// structOf are the columns of fields. Of names that differ in case only the first is taken: they are one to DuckDB.
func structOf(nodes []connectSchema) (t schemas.Table, fields []field) {
	for _, n := range nodes {
		if t.Column(n.Field) != nil {
			continue
		}
		typ, convert := n.column()
		t = append(t, schemas.Column{Name: n.Field, Type: typ})
		fields = append(fields, field{n.Field, n.Optional, convert})
	}
	return t, fields
}

// append appends a row's columns, with what their members in the object lack as NULL, and a comma. Where the row must
// be whole, what lacks there is an error; what the schema lacks always is. It follows the name of the object.
func (s *Schema) append(out []byte, members object, whole bool) ([]byte, error) {
	out = append(out, '{')
	var err error
	used := 0
	for i, f := range s.fields {
		var raw []byte
		if i < len(members) && string(members[i].Name) == f.name { // as they use to stand
			raw = members[i].Value
		} else {
			raw = members.get(f.name)
		}
		switch {
		case raw != nil:
			used++
		case whole && !f.optional:
			return out, fmt.Errorf(": the column %s is missing", f.name)
		}
		out = append(jsonrecords.AppendText(out, []byte(f.name)), ':')
		if out, err = f.append(out, raw); err != nil {
			return out, fmt.Errorf(": column %s: %w", f.name, err)
		}
		out = append(out, ',')
	}
	if used == len(members) {
		return out, nil
	}
	for _, m := range members {
		if s.Columns.Column(string(m.Name)) == nil {
			return out, fmt.Errorf(": its schema has no column %s", m.Name)
		}
	}
	return out, errors.New(": a column occurs twice in it")
}

func (f field) append(out []byte, raw json.RawMessage) ([]byte, error) {
	if absent(raw) {
		return append(out, "null"...), nil
	}
	return f.convert(out, raw)
}
