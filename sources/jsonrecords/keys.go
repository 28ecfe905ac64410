// Package jsonrecords reads JSON records of a source by the rules that all sources share: which columns they have, what
// is new in them, which of their values fit, and what is kept of the others.
package jsonrecords

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/values"
)

// Tree is what is known of the keys in JSON values of a type, and of the values. It is not changed once it is made.
type Tree struct {
	label  string // prefix of the keys in messages: "s."
	typ    schemas.Type
	index  map[string]int // of a struct: fields by name
	folded map[string]int // and by their name without regard to letter case
	names  []string
	quoted []string // the names as they stand in a text, or empty where they are escaped there
	inner  []*Tree
	elem   *Tree // of a list or map
}

// NewTree makes the tree of a record with these columns.
func NewTree(t schemas.Table) *Tree { return newTree(structOf(t), "") }

// Columns are the columns that the tree was made of.
func (k *Tree) Columns() schemas.Table { return k.typ.Fields }

// Empty says that no column is known.
func (k *Tree) Empty() bool { return len(k.names) == 0 }

func newTree(t schemas.Type, path string) *Tree {
	k := &Tree{typ: t}
	switch t.Kind {
	case schemas.Struct:
		if path != "" {
			k.label = path + "."
		}
		k.index, k.folded = make(map[string]int, len(t.Fields)), make(map[string]int, len(t.Fields))
		for i, c := range t.Fields {
			k.index[c.Name], k.folded[fold(c.Name)] = i, i
			k.names, k.quoted = append(k.names, c.Name), append(k.quoted, quotedKey(c.Name))
			k.inner = append(k.inner, newTree(c.Type, k.label+c.Name))
		}
	case schemas.List, schemas.Map:
		k.elem = newTree(*t.Elem, path)
	}
	return k
}

// quotedKey is a key as it most likely stands in a text; empty when it is escaped there.
func quotedKey(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r == '"' || r == '\\' || r < ' ' }) {
		return ""
	}
	return `"` + name + `"`
}

// fold is the same for names that strings.EqualFold takes for equal.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r < unicode.MaxASCII:
			return r
		}
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

// find is the field that a key stands for: that of its name, or else the one that differs in letter case only. It is -1
// when there is none.
func (k *Tree) find(key []byte) (i int, exact bool) {
	if i, ok := k.index[string(key)]; ok {
		return i, true
	}
	if i, ok := k.folded[fold(string(key))]; ok {
		return i, false
	}
	return -1, false
}

// Scanner compares JSON texts with what is known of them.
type Scanner struct {
	KeysDoNotMatter bool // nothing is unknown

	lexer
	unknown []string // of this text
}

// Found is what Scan finds out about a text.
type Found struct {
	Unknown []string // keys, good until the next call
	// Odd says that the record has to be read by itself: DuckDB may refuse it or read it otherwise than it is meant. A
	// value may not fit its column, a key may be spelled otherwise.
	Odd bool
	// Whole says that the text is one object by its brackets and quotes. Such a text can stand inside another JSON
	// text: that is valid if, and only if, both are.
	Whole bool
}

// Scan looks at one record.
func (s *Scanner) Scan(text []byte, root *Tree) Found {
	s.lexer, s.unknown = lexer{text: text}, s.unknown[:0]
	if s.peek() != '{' {
		return Found{Odd: true}
	}
	whole := s.value(root)
	s.space()
	return Found{s.unknown, s.odd, whole && s.pos == len(text)}
}

// value steps over a value and looks at the keys in it. It returns false when the text ends or makes no sense.
func (s *Scanner) value(k *Tree) bool {
	c := s.peek()
	if k == nil {
		return s.anything()
	}
	switch c {
	case 0:
		return false
	case '"':
		inside, ok := s.str()
		if k.typ.Kind != schemas.Varchar && !fitsText(inside, k.typ) {
			s.odd = true
		}
		return ok
	case '{', '[':
		return s.nested(k, c)
	}
	if token := s.bare(); !fitsBare(token, k.typ) {
		s.odd = true
	}
	return true
}

func (s *Scanner) nested(k *Tree, c byte) bool {
	switch kind := k.typ.Kind; {
	case kind == schemas.Varchar:
		s.rough = false
		ok := s.skip()
		s.odd = s.odd || s.rough
		return ok
	case kind == schemas.Struct && c == '{':
		return s.members(k)
	case kind == schemas.Map && c == '{':
		return s.entries(k)
	case kind == schemas.List && c == '[':
		return s.items(k.elem)
	}
	s.odd = true
	return s.skip()
}

// fitsText is a quick look at what stands between the quotes of a string.
func fitsText(inside []byte, t schemas.Type) bool {
	switch t.Kind {
	case schemas.Varchar, schemas.Blob:
		return true
	case schemas.Struct, schemas.List, schemas.Map:
		return false
	}
	return bytes.IndexByte(inside, '\\') < 0 && values.Fits(inside, t)
}

// fitsBare is a quick look at a number or a word.
func fitsBare(token []byte, t schemas.Type) bool {
	if len(token) == 0 || token[0] == 'n' {
		return true // null; what else it may be is odd already
	}
	word := token[0] == 't' || token[0] == 'f'
	switch t.Kind {
	case schemas.Varchar:
		return plain(token)
	case schemas.Boolean:
		return word
	case schemas.Struct, schemas.List, schemas.Map, schemas.Blob:
		return false
	case schemas.Decimal: // fractions become a DOUBLE on the way, of which 15 digits are sure
		point := bytes.IndexByte(token, '.')
		return !word && values.Fits(token, t) && (point < 0 || point+t.Scale <= 15)
	}
	return !word && values.Fits(token, t)
}

// members looks at a struct. Most objects have the known keys in the known order: the next one is guessed before it is
// looked up.
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
			s.comma()
			continue
		case '"':
		default:
			return false
		}
		name, ok := s.key()
		if !ok || !s.value(s.lookUp(k, name, &guess)) {
			return false
		}
	}
}

func (s *Scanner) lookUp(k *Tree, name []byte, guess *int) *Tree {
	key := unescape(name)
	i, exact := k.find(key)
	if i < 0 {
		if !s.KeysDoNotMatter {
			s.unknown = append(s.unknown, k.label+string(key))
		}
		return nil
	}
	s.odd = s.odd || !exact
	*guess = i + 1
	return k.inner[i]
}

// entries looks at a map.
func (s *Scanner) entries(k *Tree) bool {
	s.pos++
	keys := make(map[string]bool)
	for {
		switch s.peek() {
		case '}':
			s.pos++
			return true
		case ',':
			s.comma()
			continue
		case '"':
		default:
			return false
		}
		name, ok := s.key()
		if !ok {
			return false
		}
		key := string(unescape(name))
		if keys[key] || len(keys) == 1 && spelledInWays(*k.typ.Key) || !fitsText(name, *k.typ.Key) {
			s.odd = true
		}
		keys[key] = true
		if !s.value(k.elem) {
			return false
		}
	}
}

func (s *Scanner) items(k *Tree) bool {
	s.pos++
	for {
		switch s.peek() {
		case ']':
			s.pos++
			return true
		case ',':
			s.comma()
			continue
		}
		before := s.pos
		if !s.value(k) || s.pos == before {
			return false
		}
	}
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
