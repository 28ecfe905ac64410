package schemas

import "strings"

// SplitName gives the schema and the name in it of a table as a pipeline calls it. The schema is empty for a table in the
// pipeline's own.
func SplitName(table string) (schema, name string) {
	if i := strings.IndexByte(table, '.'); i >= 0 {
		return table[:i], table[i+1:]
	}
	return "", table
}

// JoinName is the table's name in the pipeline; see SplitName.
func JoinName(schema, name string) string {
	if schema == "" {
		return name
	}
	return schema + "." + name
}
