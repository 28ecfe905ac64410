// Package quote writes names and texts as SQL has them. It is the only place that does.
package quote

import "strings"

// Name quotes the name of a column, table or schema.
func Name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// Text quotes a string.
func Text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
