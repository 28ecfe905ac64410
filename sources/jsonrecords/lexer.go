package jsonrecords

import (
	"bytes"
	"encoding/json"
)

// lexer steps over JSON texts. It is lenient: what it takes for a value may be none, but it sees all of a text that is
// JSON.
type lexer struct {
	text  []byte
	pos   int
	odd   bool // there is what DuckDB takes although it is no JSON: NaN, a comma before a closing bracket
	rough bool // there is a number inside of a nested value that DuckDB would write in another way: 1.10
}

func (s *lexer) space() {
	for s.pos < len(s.text) && s.text[s.pos] <= ' ' {
		s.pos++
	}
}

// peek returns the next byte that is no space, or 0 at the end.
func (s *lexer) peek() byte {
	s.space()
	if s.pos == len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

// str steps over a string and returns what is between its quotes.
func (s *lexer) str() (inside []byte, ok bool) {
	start := s.pos + 1
	for at := start; at < len(s.text); {
		i := bytes.IndexByte(s.text[at:], '"')
		if i < 0 {
			break
		}
		end := at + i
		back := end
		for back > start && s.text[back-1] == '\\' {
			back--
		}
		if (end-back)%2 == 0 {
			s.pos = end + 1
			return s.text[start:end], true
		}
		at = end + 1
	}
	s.pos = len(s.text)
	return nil, false
}

// bare steps over a value that is neither text, object nor array, and returns it.
func (s *lexer) bare() []byte {
	start := s.pos
	for s.pos < len(s.text) {
		if c := s.text[s.pos]; c == ',' || c == '}' || c == ']' || c <= ' ' {
			break
		}
		s.pos++
	}
	token := s.text[start:s.pos]
	if len(token) > 0 && !isBare(token) {
		s.odd = true
	}
	return token
}

// isBare says whether a token looks like a number or a word of JSON.
func isBare(token []byte) bool {
	switch token[0] {
	case 't', 'f':
		return string(token) == "true" || string(token) == "false"
	case 'n':
		return string(token) == "null"
	case '-':
		return len(token) > 1 && token[1] <= '9'
	}
	return token[0] >= '0' && token[0] <= '9'
}

// key reads the name of a member and steps behind the colon.
func (s *lexer) key() (name []byte, ok bool) {
	name, ok = s.str()
	if !ok || s.peek() != ':' {
		return nil, false
	}
	s.pos++
	return name, true
}

// next steps over the text, and the comma and space that may stand before it, when it is what follows.
func (s *lexer) next(text string) bool {
	at := s.pos
	if at < len(s.text) && s.text[at] == ',' {
		at++
	}
	if at < len(s.text) && s.text[at] == ' ' {
		at++
	}
	end := at + len(text)
	if end >= len(s.text) || s.text[end] != ':' || string(s.text[at:end]) != text {
		return false
	}
	s.pos = end + 1
	return true
}

// comma steps over a comma, which is odd before a closing bracket.
func (s *lexer) comma() {
	s.pos++
	if c := s.peek(); c == '}' || c == ']' || c == ',' {
		s.odd = true
	}
}

// skip steps over an object or array whose inside does not matter.
func (s *lexer) skip() bool {
	for depth := 0; s.pos < len(s.text); {
		switch c := s.text[s.pos]; {
		case c == '"':
			if _, ok := s.str(); !ok {
				return false
			}
		case c == '{' || c == '[':
			depth++
			s.pos++
		case c == '}' || c == ']':
			s.pos++
			if depth--; depth == 0 {
				return true
			}
		case c == ',':
			s.comma()
		case c <= ' ' || c == ':':
			s.pos++
		default:
			s.rough = !plain(s.bare()) || s.rough
		}
	}
	return false
}

// anything steps over a value.
func (s *lexer) anything() bool {
	switch s.peek() {
	case 0:
		return false
	case '"':
		_, ok := s.str()
		return ok
	case '{', '[':
		return s.skip()
	}
	return len(s.bare()) > 0
}

// plain says whether DuckDB writes the number or word as it stands when it makes a text of it.
func plain(token []byte) bool {
	point := false
	for _, c := range token {
		switch c {
		case 'e', 'E':
			return token[0] > '9' // true, false
		case '.':
			point = true
		}
	}
	if string(token) == "-0" {
		return false
	}
	return !point || len(token) <= 16 && (token[len(token)-1] != '0' || bytes.HasSuffix(token, []byte(".0"))) && !tiny(token)
}

// tiny says whether a fraction is so small that it may be written with an exponent.
func tiny(token []byte) bool {
	return bytes.HasPrefix(token, []byte("0.000")) || bytes.HasPrefix(token, []byte("-0.000"))
}

// unescape is the text that stands between the quotes of a string. It is inside itself where nothing is escaped.
func unescape(inside []byte) []byte {
	if bytes.IndexByte(inside, '\\') < 0 {
		return inside
	}
	var plain string
	text := append(append(make([]byte, 0, len(inside)+2), '"'), inside...)
	if json.Unmarshal(append(text, '"'), &plain) != nil {
		return inside
	}
	return []byte(plain)
}
