package sqltext

import "strings"

// Names are the names in an expression as it is written: words, keywords and functions included, in lower case, and
// what stands in double quotes. Whoever looks for columns finds them among these.
func Names(expr string) []string {
	var names []string
	for _, t := range lex(expr) {
		text := expr[t.start:t.end]
		switch t.kind {
		case word:
			names = append(names, strings.ToLower(text))
		case quoted:
			names = append(names, strings.ToLower(unquote(text)))
		}
	}
	return names
}
