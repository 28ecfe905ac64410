package schemas

import (
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

// AssignIDs returns a copy of t in which every column, struct field, list element, map key and value has an Iceberg
// field id. Those without one get the numbers after last; the highest number given is returned, or last when
// none was needed.
func AssignIDs(t Table, last int) (Table, int) {
	t = t.Clone()
	assignColumns(t, &last)
	return t, last
}

// assignColumns numbers the columns of one level before it descends, as Iceberg's own writers do.
func assignColumns(t Table, last *int) {
	for i := range t {
		assign(&t[i].ID, last)
	}
	for i := range t {
		assignType(&t[i].Type, last)
	}
}

func assignType(t *Type, last *int) {
	switch t.Kind {
	case Struct:
		assignColumns(t.Fields, last)
	case List:
		assign(&t.ElemID, last)
		assignType(t.Elem, last)
	case Map:
		assign(&t.KeyID, last)
		assign(&t.ElemID, last)
		assignType(t.Key, last)
		assignType(t.Elem, last)
	}
}

func assign(id, last *int) {
	if *id == 0 {
		*last++
		*id = *last
	}
}

// FieldIDsSQL returns the value of COPY's FIELD_IDS option, which makes DuckDB write the field ids into the Parquet
// file. Every column must have its ids.
func FieldIDsSQL(t Table) string {
	var b strings.Builder
	b.WriteByte('{')
	writeFieldIDs(&b, t)
	b.WriteByte('}')
	return b.String()
}

func writeFieldIDs(b *strings.Builder, t Table) {
	for i, c := range t {
		if i > 0 {
			b.WriteString(", ")
		}
		writeFieldID(b, c.Name, c.ID, c.Type)
	}
}

func writeFieldID(b *strings.Builder, name string, id int, t Type) {
	b.WriteString(quote.Name(name))
	b.WriteString(": ")
	number := strconv.Itoa(id)
	if t.Kind < Struct {
		b.WriteString(number)
		return
	}
	b.WriteString("{__duckdb_field_id: " + number + ", ")
	switch t.Kind {
	case Struct:
		writeFieldIDs(b, t.Fields)
	case List:
		writeFieldID(b, "element", t.ElemID, *t.Elem)
	case Map:
		writeFieldID(b, "key", t.KeyID, *t.Key)
		b.WriteString(", ")
		writeFieldID(b, "value", t.ElemID, *t.Elem)
	}
	b.WriteByte('}')
}

// ReadSchemaSQL returns the value of read_parquet's schema parameter, with which DuckDB finds columns by field id:
// columns that a file lacks are NULL, and narrower ones are widened.
func ReadSchemaSQL(t Table) string {
	var b strings.Builder
	b.WriteString("MAP {")
	for i, c := range t {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(c.ID) + ": {name: " + quote.Text(c.Name) + ", type: " + quote.Text(c.Type.String()) + ", default_value: NULL}")
	}
	b.WriteByte('}')
	return b.String()
}
