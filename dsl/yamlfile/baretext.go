package yamlfile

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// SQL is full of what means something else to YAML inside { }: commas end a text there, brackets and quotes begin other
// things. The place where the YAML library stumbles over that says little, so the text that was meant is looked for,
// reported, and left out: the rest of the file is checked all the same.

// bareText is a text that needs quotes.
type bareText struct {
	key        string
	start, end int // offsets in the file
}

var (
	keyBefore = regexp.MustCompile(`(^|[{,])[ \t]*("[^"]*"|'[^']*'|[A-Za-z_][A-Za-z0-9_.-]*):[ \t]+`)
	keyBehind = regexp.MustCompile(`^,[ \t]*("[^"]*"|'[^']*'|[A-Za-z_][A-Za-z0-9_.-]*):([ \t]|$)`)
)

// bareText finds the text around an offset that YAML does not take as one. It looks at one line.
func (r *reader) bareText(offset int) (bareText, bool) {
	begin := r.src.lines[r.src.pos(offset).Line-1]
	line := r.src.text[begin:r.src.lineEnd(begin)]
	for from := 0; ; {
		m := keyBefore.FindStringSubmatchIndex(line[from:])
		if m == nil {
			return bareText{}, false
		}
		key, start := line[from+m[4]:from+m[5]], from+m[1]
		flow := m[3] > m[2] || strings.HasSuffix(strings.TrimRight(line, " \t"), ",")
		end, needs := textEnd(line[start:], flow)
		at := offset - begin
		if needs && at >= from+m[4] && at <= start+end {
			return bareText{strings.Trim(key, `"'`), begin + start, begin + start + end}, true
		}
		from = start + end
	}
}

// textEnd is where a text that begins a line ends, judged as SQL, and reports whether YAML takes it for something else.
// flow says that it stands inside { }.
func textEnd(line string, flow bool) (end int, needs bool) {
	if line == "" || strings.ContainsRune("[{&*!|>#", rune(line[0])) {
		return 0, false
	}
	if q := line[0]; q == '\'' || q == '"' {
		n := partLength(line)
		rest := strings.TrimLeft(line[n:], " \t")
		if n > 1 && (rest == "" || rest[0] == '#' || flow && strings.ContainsRune(",}]", rune(rest[0]))) {
			return n, false
		}
	}
	depth := 0
	for end < len(line) {
		c := line[end]
		switch {
		case c == '\'' || c == '"':
			n := partLength(line[end:])
			if n == 0 {
				return end + 1, false // it goes on somewhere
			}
			end += n
			continue
		case c == '(' || c == '[' || c == '{':
			depth++
		case flow && depth == 0 && (c == '}' || keyBehind.MatchString(line[end:]) || c == ',' && strings.TrimSpace(line[end+1:]) == ""):
			return trimmed(line[:end]), needsQuotes(line[:end])
		case c == ')' || c == ']' || c == '}':
			depth--
		}
		end++
	}
	return trimmed(line), !flow && (line[0] == '\'' || line[0] == '"')
}

func trimmed(s string) int { return len(strings.TrimRight(s, " \t")) }

func needsQuotes(s string) bool { return strings.ContainsAny(s, `,'"[]{}`) }

// partLength is the length of the quoted text that s begins with, or 0 where it does not end.
func partLength(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			continue
		}
		if i+1 < len(s) && s[i+1] == s[0] {
			i++
			continue
		}
		return i + 1
	}
	return 0
}

// leaveOut reports a text that needs quotes.
func (r *reader) leaveOut(u bareText) {
	written := r.src.text[u.start:u.end]
	help := "put quotes around it, or write it on a line of its own below |"
	if len(written) <= 200 {
		help = "quote it: " + u.key + ": " + quotedYAML(written)
	}
	r.fail("LF0009", r.src.span(r.file, u.start, u.end), help, "YAML does not take the text of %q as one: a comma, quote or bracket ends it", u.key)
	r.broken = append(r.broken, u)
}

// quotedYAML is a text in the quotes that change the least of it.
func quotedYAML(s string) string {
	if !strings.ContainsAny(s, `"\`) {
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// without is the file with the texts that were left out empty. Columns stay what they are.
func (r *reader) without() string {
	text := r.src.text
	sorted := slices.SortedFunc(slices.Values(r.broken), func(a, b bareText) int { return b.start - a.start })
	for _, u := range sorted {
		blank := strings.Repeat(" ", max(utf8.RuneCountInString(text[u.start:u.end])-2, 0))
		text = text[:u.start] + `""` + blank + text[u.end:]
	}
	return text
}

// isBroken reports whether a value that begins at an offset was left out.
func (r *reader) isBroken(offset int) bool {
	return slices.ContainsFunc(r.broken, func(u bareText) bool { return u.start == offset })
}

// splitText finds a text that commas have cut into keys without values, which it leaves out of the pairs of a mapping
// inside { }.
func (r *reader) splitText(values []*ast.MappingValueNode) []*ast.MappingValueNode {
	var kept []*ast.MappingValueNode
	for _, v := range values {
		key := v.Key.GetToken()
		at := r.src.offset(key.Position.Line, key.Position.Column)
		inside := func(u bareText) bool { return at >= u.start && at < u.end }
		if slices.ContainsFunc(r.broken, inside) {
			continue
		}
		_, lone := v.Value.(*ast.NullNode)
		if lone && key.Indicator != token.QuotedScalarIndicator {
			if u, ok := r.bareText(at); ok && inside(u) {
				r.leaveOut(u)
				continue
			}
		}
		kept = append(kept, v)
	}
	return kept
}

// mistaken reports a syntax error that is about a text which needs quotes.
func (r *reader) mistaken(at diag.Range) bool {
	u, ok := r.bareText(r.src.offset(at.Start.Line, at.Start.Column))
	if !ok || r.isBroken(u.start) {
		return false
	}
	r.leaveOut(u)
	return true
}
