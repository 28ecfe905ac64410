package jsonrecords

import (
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// literal quotes a text for SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// quoted quotes a name for SQL.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literals is a list of texts, which may be empty.
func literals(texts []string) string {
	items := make([]string, len(texts))
	for i, t := range texts {
		items[i] = literal(t)
	}
	return "[" + strings.Join(items, ", ") + "]::VARCHAR[]"
}

// structOf is the table as a struct type.
func structOf(t schemas.Table) schemas.Type {
	return schemas.Type{Kind: schemas.Struct, Fields: t}
}
