// Package jsonrecords reads JSON records of a source by the rules that all sources share: which columns they have, what is new in them, which
// of their values fit, and what is kept of the others. It writes SQL for DuckDB, and scans texts.
package jsonrecords

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
)

// Tree is what is known of the keys in JSON values of a type. Nil is a value whose inside does not matter.
type Tree struct {
	label  string           // prefix of the keys in messages: "s."
	fields map[string]*Tree // of a struct
	order  []string         // the fields as the records most likely have them
	inner  []*Tree          // fields in that order
	quoted []string         // the names in that order as they stand in a text, or empty where they are escaped there
	elem   *Tree            // of a list or map; fields is nil
	object bool             // a struct
	narrow schemas.Kind     // of a single value that DuckDB would convert with a loss; 0 for others
}

// NewTree makes the tree of a struct; label is "" for the record itself. Ignored keys, by label, are taken for known.
func NewTree(t schemas.Table, label string, ignored map[string]bool) *Tree {
	k := &Tree{label: label, fields: map[string]*Tree{}, object: true}
	for _, c := range t {
		k.fields[c.Name] = treeIn(c.Type, label+c.Name, ignored)
		k.order, k.inner = append(k.order, c.Name), append(k.inner, k.fields[c.Name])
		quoted := ""
		if !strings.ContainsAny(c.Name, `"\`) {
			quoted = `"` + c.Name + `"`
		}
		k.quoted = append(k.quoted, quoted)
	}
	for key := range ignored {
		if name, ok := strings.CutPrefix(key, label); ok {
			if _, known := k.fields[name]; !known {
				k.fields[name] = nil
			}
		}
	}
	return k
}

func treeIn(t schemas.Type, label string, ignored map[string]bool) *Tree {
	switch t.Kind {
	case schemas.Struct:
		return NewTree(t.Fields, label+".", ignored)
	case schemas.List, schemas.Map:
		if elem := treeIn(*t.Elem, label, ignored); elem != nil {
			return &Tree{elem: elem}
		}
	case schemas.Integer, schemas.BigInt, schemas.Date, schemas.Timestamp:
		return &Tree{narrow: t.Kind}
	}
	return nil
}

// loses says whether DuckDB may drop a part of the text when it makes a value of it: the digits behind the point, the time of the
// day, the zone. Whether it does is decided when the record is read by itself.
func (k *Tree) loses(text []byte) bool {
	switch k.narrow {
	case schemas.Integer, schemas.BigInt:
		i := slices.IndexFunc(text, func(c byte) bool { return c == '.' || c == 'e' || c == 'E' })
		return i >= 0 && (text[i] != '.' || len(bytes.Trim(text[i+1:], "0 \t\r\n")) > 0)
	case schemas.Date:
		return len(text) > len(time.DateOnly)
	case schemas.Timestamp:
		i := len(time.DateOnly)
		if len(text) <= i {
			return false
		}
		sign := slices.IndexFunc(text[i:], func(c byte) bool { return c == '+' || c == '-' })
		return sign >= 0 && len(bytes.Trim(text[i+sign+1:], "0:")) > 0
	}
	return false
}

// Scanner finds unknown keys in JSON texts. It is lenient: what it takes for a value may be none, but it sees every key of a
// text that is JSON.
type Scanner struct {
	KeysDoNotMatter bool // nothing is unknown

	text    []byte
	pos     int
	unknown []string // of this text
	lossy   bool     // a value of this text does not fit its column entirely
}

// Found is what Scan finds out about a text.
type Found struct {
	Unknown []string // keys, good until the next call
	// Lossy says that a value does not fit its column entirely: DuckDB would cut it.
	Lossy bool
	// Whole says that the text is one object by its brackets and quotes. Such a text can stand inside another JSON text: that is
	// valid if, and only if, both are.
	Whole bool
}

// Scan looks at one record.
func (s *Scanner) Scan(text []byte, root *Tree) Found {
	s.text, s.pos, s.unknown, s.lossy = text, 0, s.unknown[:0], false
	if s.peek() != '{' {
		return Found{}
	}
	whole := s.value(root)
	s.space()
	return Found{s.unknown, s.lossy, whole && s.pos == len(text)}
}

func (s *Scanner) space() {
	for s.pos < len(s.text) && s.text[s.pos] <= ' ' {
		s.pos++
	}
}

// peek returns the next byte that is no space, or 0 at the end.
func (s *Scanner) peek() byte {
	s.space()
	if s.pos == len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

// value steps over a value and looks at the keys in it. It returns false when the text ends or makes no sense.
func (s *Scanner) value(k *Tree) bool {
	switch s.peek() {
	case 0:
		return false
	case '"':
		inside, ok := s.str()
		if k != nil && k.loses(inside) {
			s.lossy = true
		}
		return ok
	case '{':
		if k == nil || k.narrow != 0 {
			return s.skip()
		}
		return s.members(k)
	case '[':
		if k == nil || k.object || k.narrow != 0 {
			return s.skip()
		}
		return s.items(k.elem)
	}
	start := s.pos
	for s.pos < len(s.text) && s.text[s.pos] != ',' && s.text[s.pos] != '}' && s.text[s.pos] != ']' {
		s.pos++
	}
	if k != nil && k.loses(s.text[start:s.pos]) {
		s.lossy = true
	}
	return true
}

// str steps over a string and returns what is between its quotes.
func (s *Scanner) str() (inside []byte, ok bool) {
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

// next steps over the text, and the comma and space that may stand before it, when it is what follows.
func (s *Scanner) next(text string) bool {
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

// members looks at an object. Most objects have the known keys in the known order: the next one is guessed before it is looked up.
func (s *Scanner) members(k *Tree) bool {
	s.pos++
	guess := 0
	for {
		if guess < len(k.quoted) && k.quoted[guess] != "" && s.next(k.quoted[guess]) {
			guess++
			if !s.value(k.inner[guess-1]) {
				return false
			}
			continue
		}
		switch s.peek() {
		case '}':
			s.pos++
			return true
		case ',':
			s.pos++
			continue
		case '"':
		default:
			return false
		}
		name, ok := s.str()
		if !ok || s.peek() != ':' {
			return false
		}
		s.pos++
		var inner *Tree
		if k.object {
			inner = s.lookUp(k, name, &guess)
		} else {
			inner = k.elem
		}
		if !s.value(inner) {
			return false
		}
	}
}

func (s *Scanner) lookUp(k *Tree, name []byte, guess *int) *Tree {
	key := string(name)
	if bytes.IndexByte(name, '\\') >= 0 {
		var plain string
		if json.Unmarshal([]byte(`"`+key+`"`), &plain) == nil {
			key = plain
		}
	}
	inner, known := k.fields[key]
	if !known && !s.KeysDoNotMatter {
		s.unknown = append(s.unknown, k.label+key)
	}
	if !known {
		return nil
	}
	if i := slices.Index(k.order, key); i >= 0 {
		*guess = i + 1
	}
	return inner
}

func (s *Scanner) items(k *Tree) bool {
	s.pos++
	for {
		switch s.peek() {
		case ']':
			s.pos++
			return true
		case ',':
			s.pos++
			continue
		}
		before := s.pos
		if !s.value(k) || s.pos == before {
			return false
		}
	}
}

// skip steps over an object or array whose inside does not matter.
func (s *Scanner) skip() bool {
	for depth := 0; s.pos < len(s.text); {
		switch s.text[s.pos] {
		case '"':
			if _, ok := s.str(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.pos++
				return true
			}
		}
		s.pos++
	}
	return false
}

// MaxNested is how many levels a record may have. More would overflow DuckDB's stack.
const MaxNested = 1000

// NestsDeeper says whether brackets outside of strings open more than most levels.
func NestsDeeper(raw []byte, most int) bool {
	if len(raw) <= most || bytes.Count(raw, []byte{'['})+bytes.Count(raw, []byte{'{'}) <= most {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > most {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}
