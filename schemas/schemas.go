// Package schemas holds the types of columns, the schemas of tables and the rules by which they may
// change. It knows neither DuckDB nor Iceberg: a Type is written and read in DuckDB's spelling, and
// each lake maps it to its own.
package schemas

import (
	"strings"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

// Kind is the outermost constructor of a Type. Only types that every lake can store exist; Storable
// says what a wider DuckDB type becomes.
type Kind int

// The kinds, with DuckDB's spelling.
const (
	Boolean     Kind = iota + 1 // BOOLEAN
	Integer                     // INTEGER, 32 bit
	BigInt                      // BIGINT, 64 bit
	Float                       // FLOAT, 32 bit
	Double                      // DOUBLE, 64 bit
	Decimal                     // DECIMAL(p,s)
	Date                        // DATE
	Time                        // TIME, microseconds
	Timestamp                   // TIMESTAMP, microseconds, no zone
	TimestampTZ                 // TIMESTAMP WITH TIME ZONE, microseconds, UTC
	Varchar                     // VARCHAR
	Blob                        // BLOB
	UUID                        // UUID
	Struct                      // STRUCT(a INTEGER, b VARCHAR)
	List                        // T[]
	Map                         // MAP(K, V)
)

// Type is the type of a column. Types are compared with Equal.
type Type struct {
	Kind             Kind
	Precision, Scale int      // Decimal
	Fields           []Column // Struct
	Elem             *Type    // List: element; Map: value
	Key              *Type    // Map
	// ElemID and KeyID are the Iceberg field ids of a list's element, or of a map's value and key; 0
	// where none was given yet.
	ElemID, KeyID int
}

// Column is a named, typed column of a table or field of a struct. ID is the Iceberg field id, unique within a
// table over all nested fields, and 0 where none was given yet.
type Column struct {
	Name string
	Type Type
	ID   int
	Doc  string
}

// Table is the ordered columns of a table.
type Table []Column

// PartitionField is one field of a table's partition spec: a transform of a column.
type PartitionField struct {
	Column    string // source column
	Transform string // identity, year, month, day, hour, bucket, truncate
	Arg       int    // bucket count or truncate width
	Name      string // name of the partition field: departed_at_month
}

// Equal reports whether two types are the same. Field ids and docs do not matter; the names of
// struct fields do, without regard to case, and so does their order.
func (t Type) Equal(u Type) bool {
	if t.Kind != u.Kind || t.Precision != u.Precision || t.Scale != u.Scale {
		return false
	}
	switch t.Kind {
	case Struct:
		return Table(t.Fields).Equal(u.Fields)
	case List:
		return t.Elem.Equal(*u.Elem)
	case Map:
		return t.Key.Equal(*u.Key) && t.Elem.Equal(*u.Elem)
	}
	return true
}

// Equal reports whether two tables have the same columns in the same order. Field ids and docs do
// not matter.
func (t Table) Equal(u Table) bool {
	if len(t) != len(u) {
		return false
	}
	for i := range t {
		if !strings.EqualFold(t[i].Name, u[i].Name) || !t[i].Type.Equal(u[i].Type) {
			return false
		}
	}
	return true
}

// Names returns the names of the columns, in order.
func (t Table) Names() []string {
	names := make([]string, len(t))
	for i, c := range t {
		names[i] = c.Name
	}
	return names
}

// Column finds a column by name, without regard to case, as DuckDB does. It returns nil when there is none; the result
// points into t.
func (t Table) Column(name string) *Column {
	for i := range t {
		if strings.EqualFold(t[i].Name, name) {
			return &t[i]
		}
	}
	return nil
}

// SQLColumns returns the columns as CREATE TABLE wants them: "a" BIGINT, "b c" VARCHAR.
func (t Table) SQLColumns() string {
	var b strings.Builder
	for i, c := range t {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote.Name(c.Name))
		b.WriteByte(' ')
		b.WriteString(c.Type.String())
	}
	return b.String()
}

// Clone returns a copy that shares no memory with t.
func (t Table) Clone() Table {
	if t == nil {
		return nil
	}
	out := make(Table, len(t))
	for i, c := range t {
		c.Type = c.Type.clone()
		out[i] = c
	}
	return out
}

func (t Type) clone() Type {
	t.Fields = Table(t.Fields).Clone()
	if t.Elem != nil {
		elem := t.Elem.clone()
		t.Elem = &elem
	}
	if t.Key != nil {
		key := t.Key.clone()
		t.Key = &key
	}
	return t
}
