package schemas

import (
	"fmt"
	"strings"
)

// SparkSchema is a table's columns as Spark writes schemas in JSON: {"type": "struct", "fields": […]}.
func SparkSchema(t Table) any {
	fields := make([]any, len(t))
	for i, c := range t {
		metadata := map[string]string{}
		if c.Doc != "" {
			metadata["comment"] = c.Doc
		}
		fields[i] = map[string]any{"name": c.Name, "type": sparkType(c.Type), "nullable": true, "metadata": metadata}
	}
	return map[string]any{"type": "struct", "fields": fields}
}

// sparkTypes are Spark's names of types that have others in DuckDB.
var sparkTypes = map[Kind]string{BigInt: "long", Varchar: "string", Blob: "binary", UUID: "string", TimestampTZ: "timestamp", Timestamp: "timestamp_ntz", Time: "string"}

func sparkType(t Type) any {
	switch t.Kind {
	case Struct:
		return SparkSchema(t.Fields)
	case List:
		return map[string]any{"type": "array", "elementType": sparkType(*t.Elem), "containsNull": true}
	case Map:
		return map[string]any{"type": "map", "keyType": sparkType(*t.Key), "valueType": sparkType(*t.Elem), "valueContainsNull": true}
	case Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	}
	if name := sparkTypes[t.Kind]; name != "" {
		return name
	}
	return strings.ToLower(t.String())
}
