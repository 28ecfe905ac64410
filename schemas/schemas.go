// Package schemas holds the types of columns, the schemas of tables and the rules by which they may
// change. It knows neither DuckDB nor Iceberg: a Type is written and read in DuckDB's spelling, and
// each lake maps it to its own.
package schemas

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
}

// Column is a named, typed column of a table or field of a struct. ID is the Iceberg field id, unique within a
// table over all nested fields, and 0 where none was given yet.
type Column struct {
	Name string
	Type Type
	ID   int
	// ElemID and KeyID are the field ids of a list's element, or a map's value and key.
	ElemID, KeyID int
	Doc           string
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
