package plan

import (
	"strings"
	"unicode/utf8"
)

// tokenLength is the length of the identifier (quoted or not, with its dotted parts), string or number at an offset of
// a query, and of one character where there is none of these.
func tokenLength(s string, offset int) int {
	end := offset
	for {
		next := partEnd(s, end)
		if next == end {
			break
		}
		end = next
		if end+1 >= len(s) || s[end] != '.' || partEnd(s, end+1) == end+1 {
			break
		}
		end++
	}
	if end == offset && offset < len(s) {
		_, size := utf8.DecodeRuneInString(s[offset:])
		return size
	}
	return end - offset
}

// partEnd is the end of the undotted name, string or number that begins at offset, or offset.
func partEnd(s string, offset int) int {
	if offset >= len(s) {
		return offset
	}
	if q := s[offset]; q == '"' || q == '\'' {
		for i := offset + 1; i < len(s); i++ {
			if s[i] != q {
				continue
			}
			if i+1 < len(s) && s[i+1] == q {
				i++
				continue
			}
			return i + 1
		}
		return len(s)
	}
	end := offset
	for end < len(s) && nameByte(s[end]) {
		end++
	}
	return end
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= utf8.RuneSelf
}

// wordBefore is the name, keyword or number that ends in front of offset, white space aside.
func wordBefore(s string, offset int) string {
	end := len(strings.TrimRight(s[:offset], " \t\r\n"))
	start := end
	for start > 0 && nameByte(s[start-1]) {
		start--
	}
	return s[start:end]
}

// findName returns the offset of a name in a query as a whole word, without regard to case, or -1.
func findName(s, name string) int {
	if name == "" {
		return -1
	}
	low, want := asciiLower(s), asciiLower(name)
	for from := 0; ; {
		i := strings.Index(low[from:], want)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(want)
		if (i == 0 || !nameByte(low[i-1])) && (end == len(low) || !nameByte(low[end])) {
			return i
		}
		from = i + 1
	}
}

// ident quotes an identifier.
func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
