package journal

import (
	"encoding/json"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// SQL is a query that gives events as rows of the event log.
func SQL(events []schemas.Event) string {
	text, err := json.Marshal(events)
	if err != nil {
		panic(err) // events hold nothing that JSON cannot
	}
	shape, err := json.Marshal([]any{shapeOf(schemas.Type{Kind: schemas.Struct, Fields: schemas.EventLog()})})
	if err != nil {
		panic(err) // made of strings
	}
	return "SELECT unnest(from_json(" + quote.Text(string(text)) + ", " + quote.Text(string(shape)) + "), max_depth := 2)"
}

// shapeOf is a type as DuckDB's from_json wants it: objects and arrays with type names in them.
func shapeOf(t schemas.Type) any {
	switch t.Kind {
	case schemas.Struct:
		fields := map[string]any{}
		for _, f := range t.Fields {
			fields[f.Name] = shapeOf(f.Type)
		}
		return fields
	case schemas.List:
		return []any{shapeOf(*t.Elem)}
	}
	return t.String()
}
