package diag

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible is a text as it may be sent to a terminal: what would steer it, or turn the direction of what is read, is
// spelled out, as \x1b and \u202e. So are bytes that are no UTF-8. Line breaks and tabs stay.
func Visible(text string) string {
	if !strings.ContainsFunc(text, steers) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case steers(c) && c < 0x100:
			fmt.Fprintf(&b, `\x%02x`, c)
		case steers(c):
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteString(text[i : i+size])
		}
		i += size
	}
	return b.String()
}

// VisibleJSON is a JSON text whose strings are escaped where Visible spells something out. To a reader of JSON it is
// the same.
func VisibleJSON(text string) string {
	hides := func(c rune) bool { return c >= 0x7f && steers(c) } // JSON itself escapes the others
	if !strings.ContainsFunc(text, hides) {
		return text
	}
	var b strings.Builder
	for _, c := range text {
		if hides(c) {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// VisibleLine is a text as Visible has it, with a space in the place of each line break and tab.
func VisibleLine(text string) string {
	return Visible(strings.Map(func(c rune) rune {
		if c == '\n' || c == '\r' || c == '\t' {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar))))
}

// steers reports whether a terminal does something else with a character than show it.
func steers(c rune) bool {
	switch {
	case c == '\n' || c == '\t':
		return false
	case c >= 0x202a && c <= 0x202e, c >= 0x2066 && c <= 0x2069, c == 0x200e, c == 0x200f, c == 0x061c:
		return true
	}
	return unicode.IsControl(c) || c == 0x2028 || c == 0x2029
}
