package schemas

import "strings"

// EscapeGlob writes a path so that DuckDB's readers, which take paths for globs, take it by its letters. DuckDB has no
// way to say a backslash beside other special characters but a class of three: there a path may stand for several
// files, whose names differ from its own in having [ or ] instead. AmbiguousGlob tells of such paths.
func EscapeGlob(path string) string {
	switch {
	case !strings.ContainsAny(path, special):
		return path // no glob: a backslash is one
	case AmbiguousGlob(path):
		return strings.ReplaceAll(escapes.Replace(path), `\`, "[[-]]")
	}
	return escapes.Replace(path)
}

// AmbiguousGlob says that what EscapeGlob gives may stand for other files, too.
func AmbiguousGlob(path string) bool {
	return strings.ContainsAny(path, special) && strings.Contains(path, `\`)
}

// special are the characters that make DuckDB look for files that match.
const special = "*?["

var escapes = strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]")
