package schemas

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestName is the longest name of a schema, or of a table in it, in bytes: that of a folder.
const longestName = 255

// GoodName reports whether a schema, or a table in it, can have a name: letters of any script, digits, _ and -, and
// nothing else than one of them but - at its beginning.
func GoodName(name string) bool {
	if len(name) > longestName || strings.HasPrefix(name, "-") || !utf8.ValidString(name) {
		return false
	}
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return c != '_' && c != '-' && !unicode.In(c, unicode.L, unicode.M, unicode.Nd)
	})
}

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

// LocalName is what a pipeline with a schema of its own calls a table that somebody may have named with that schema.
func LocalName(own, table string) string {
	if schema, name := SplitName(table); schema != "" && strings.EqualFold(schema, own) {
		return name
	}
	return table
}
