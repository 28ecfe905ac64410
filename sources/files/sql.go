package files

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

// globEscape makes DuckDB take the path by its letters.
var globEscape = strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]")

// paths is the list of files for a reader.
func paths(files []*file) string {
	items := make([]string, len(files))
	for i, f := range files {
		items[i] = literal(globEscape.Replace(f.path))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// union puts relations with the same columns one behind the other.
func union(relations []string) string {
	if len(relations) <= 1 {
		return strings.Join(relations, "")
	}
	return "(SELECT * FROM " + strings.Join(relations, " UNION ALL SELECT * FROM ") + ")"
}

// structOf is the table as a struct type.
func structOf(t schemas.Table) schemas.Type {
	return schemas.Type{Kind: schemas.Struct, Fields: t}
}

// readerColumns are the columns for read_json and read_csv: {'a': 'BIGINT'}.
func readerColumns(t schemas.Table) string {
	items := make([]string, len(t))
	for i, c := range t {
		items[i] = literal(c.Name) + ": " + literal(c.Type.String())
	}
	return "{" + strings.Join(items, ", ") + "}"
}
