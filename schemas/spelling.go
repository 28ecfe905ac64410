package schemas

import (
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

// String returns the type in DuckDB's spelling, as DESCRIBE prints it. Parse reads it back.
func (t Type) String() string {
	switch t.Kind {
	case Boolean:
		return "BOOLEAN"
	case Integer:
		return "INTEGER"
	case BigInt:
		return "BIGINT"
	case Float:
		return "FLOAT"
	case Double:
		return "DOUBLE"
	case Decimal:
		return "DECIMAL(" + strconv.Itoa(t.Precision) + "," + strconv.Itoa(t.Scale) + ")"
	case Date:
		return "DATE"
	case Time:
		return "TIME"
	case Timestamp:
		return "TIMESTAMP"
	case TimestampTZ:
		return "TIMESTAMP WITH TIME ZONE"
	case Varchar:
		return "VARCHAR"
	case Blob:
		return "BLOB"
	case UUID:
		return "UUID"
	case Struct:
		fields := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = identifier(f.Name) + " " + f.Type.String()
		}
		return "STRUCT(" + strings.Join(fields, ", ") + ")"
	case List:
		return t.Elem.String() + "[]"
	case Map:
		return "MAP(" + t.Key.String() + ", " + t.Elem.String() + ")"
	}
	return "INVALID"
}

// keywords are the words that DuckDB does not take as a bare column name: its keywords that are not
// of the category "unreserved". A test compares them with duckdb_keywords().
const keywords = " all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create" +
	" default deferrable desc describe distinct do else end except false fetch for foreign from group having in initially" +
	" intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer pivot_wider placing" +
	" primary qualify references returning select show some summarize symmetric table then to trailing true union unique" +
	" unpivot using variadic when where window with" +
	" between bigint bit boolean char character coalesce dec decimal exists extract float grouping grouping_id inout int" +
	" integer interval national nchar none nullif numeric out overlay position precision real row setof smallint substring" +
	" time timestamp treat trim values varchar xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse" +
	" xmlpi xmlroot xmlserialize xmltable" +
	" anti asof at authorization binary by collation columns concurrently cross freeze full generated glob ilike inner is" +
	" isnull join left like map natural notnull outer overlaps positional right semi similar struct tablesample try_cast" +
	" unpack verbose "

// identifier returns the name as DuckDB prints it in a type: quoted only where it must be.
func identifier(name string) string {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return quote.Name(name)
		}
	}
	if name == "" || strings.Contains(keywords, " "+strings.ToLower(name)+" ") {
		return quote.Name(name)
	}
	return name
}
