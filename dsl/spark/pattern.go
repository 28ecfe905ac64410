package spark

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

type (
	diagRange = diag.Range
	diagList  = diag.List
)

// dateLetters are the letters of Spark's patterns, by how often they stand there, with DuckDB's. A pattern that reads
// dates takes fewer digits than it writes.
var dateLetters = map[string]string{
	"y": "%-Y", "yyyy": "%Y", "yy": "%y", "u": "%-Y", "uuuu": "%Y", "M": "%-m", "MM": "%m", "MMM": "%b", "MMMM": "%B", "L": "%-m", "LL": "%m", "LLL": "%b", "LLLL": "%B",
	"d": "%-d", "dd": "%d", "D": "%-j", "DDD": "%j", "E": "%a", "EE": "%a", "EEE": "%a", "EEEE": "%A", "H": "%-H", "HH": "%H", "h": "%-I", "hh": "%I", "m": "%-M", "mm": "%M",
	"s": "%-S", "ss": "%S", "a": "%p", "SSS": "%g", "SSSSSS": "%f", "SSSSSSSSS": "%n",
	"XXX": "%z", "xxx": "%z", "Z": "%z", "XX": "%z", "xx": "%z", "z": "%Z",
}

// datePattern translates a pattern of Spark into one of DuckDB's strftime and strptime.
func datePattern(pattern string, parsing bool) (string, error) {
	var b strings.Builder
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			end := strings.IndexByte(pattern[i+1:], '\'')
			if end < 0 {
				return "", fmt.Errorf("the quote has no end")
			}
			text := pattern[i+1 : i+1+end]
			if text == "" {
				text = "'"
			}
			b.WriteString(strings.ReplaceAll(text, "%", "%%"))
			i += end + 2
		case c == '%':
			b.WriteString("%%")
			i++
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			n := i
			for n < len(pattern) && pattern[n] == c {
				n++
			}
			duck, ok := dateLetters[pattern[i:n]]
			if !ok || !parsing && strings.ContainsAny(pattern[i:n], "XxZz") {
				return "", fmt.Errorf("%s is not supported", pattern[i:n])
			}
			if parsing {
				duck = strings.Replace(duck, "%-", "%", 1)
			}
			b.WriteString(duck)
			i = n
		case strings.IndexByte("[]{}#", c) >= 0:
			return "", fmt.Errorf("%c is not supported", c)
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), nil
}

var (
	lookaround = regexp.MustCompile(`\(\?(<?[=!]|>)`)
	possessive = regexp.MustCompile(`[^\\][*+?}]\+`)
	backward   = regexp.MustCompile(`\\[1-9]`)
)

// regex writes a regular expression. Java's that RE2 has not are reported or, where it means the same, rewritten.
func (w *writer) regex(x expr) {
	l, ok := x.(*literal)
	if !ok || l.kind != textLiteral {
		w.coerced(x, text)
		return
	}
	pattern := l.value
	switch {
	case lookaround.MatchString(pattern):
		w.fail(codeUnsupported, l.span, "match more and take a group out of it", "the regular expression looks around, which RE2 cannot")
	case backward.MatchString(pattern):
		w.fail(codeUnsupported, l.span, "write the pattern without it", "the regular expression refers back to a group, which RE2 cannot")
	case strings.Contains(pattern, "&&"):
		w.fail(codeUnsupported, l.span, "write the characters that are left; for the text && write &{2}", "the regular expression intersects classes with &&, which RE2 cannot")
	case possessive.MatchString(pattern):
		w.fail(codeUnsupported, l.span, "leave the second + out", "the regular expression has a possessive quantifier, which RE2 has not")
	}
	pattern = strings.ReplaceAll(pattern, "(?<", "(?P<")
	if _, err := regexp.Compile(pattern); err != nil {
		w.fail(codeArguments, l.span, "see https://github.com/google/re2/wiki/Syntax", "the regular expression cannot be read: %s", err)
	}
	w.put(quoteText(pattern), l.span)
}

var group = regexp.MustCompile(`\\.|\$[0-9]|\$\{[^}]*\}|\\`)

// replacement writes what regexp_replace puts in the place of a match: $1 becomes \1.
func (w *writer) replacement(x expr) {
	l, ok := x.(*literal)
	if !ok || l.kind != textLiteral {
		w.put("regexp_replace(", x.at())
		w.coerced(x, text)
		w.put(`, '\$([0-9])', '\\\1', 'g')`, x.at())
		return
	}
	text := group.ReplaceAllStringFunc(l.value, func(s string) string {
		switch {
		case strings.HasPrefix(s, "${"):
			w.fail(codeUnsupported, l.span, "number the groups: $1", "groups with names are not supported here")
		case s[0] == '$':
			return `\` + s[1:]
		case s == `\\` || s == `\`:
			return `\\`
		}
		return s[1:]
	})
	w.put(quoteText(text), l.span)
}

// plainPattern is a regular expression that stands for one text only.
func plainPattern(pattern string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		if c == '\\' {
			if i+1 == len(pattern) || strings.IndexByte(`\.[]{}()*+?^$|-/,;: `, pattern[i+1]) < 0 {
				return "", false
			}
			i++
			c = pattern[i]
		} else if strings.IndexByte(`.[]{}()*+?^$|`, c) >= 0 {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), b.Len() > 0
}
