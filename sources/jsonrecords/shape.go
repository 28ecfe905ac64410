package jsonrecords

import (
	"bytes"
	"encoding/json"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/values"
)

const (
	// deepest is how deep columns are inferred; what is deeper is a text. DuckDB takes twice as long for each level
	// when it writes lists of lists to Parquet.
	deepest = 16
	// mostFields is how many keys a nested object may have to be a STRUCT.
	mostFields = 200
	// mostNodes bounds the memory of a shape. It is above MaxColumns, as objects with many keys become maps.
	mostNodes = 2 * MaxColumns
)

// Shape is what JSON records have in common: their keys, in the order in which they appear, and what their values are.
// It is used by one goroutine at a time; shapes of several files are merged. The zero Shape has seen nothing.
type Shape struct {
	// Nulls are texts that stand for NULL where a column is no text. It is set before the first record.
	Nulls []string
	// NoTimes says that dates and times are texts like others. It is set before the first record.
	NoTimes bool

	root  node
	nodes int
}

// node is what was seen at one place of the records.
type node struct {
	guess values.Guess
	seen  seen
	names []string
	index map[string]int // names by their name without regard to letter case
	inner []*node
	quote []string // the names as they stand in texts, as in Tree
	elem  *node    // of arrays, or of the values of an object that has too many keys to be a STRUCT
	wide  bool     // the object has too many keys
}

type seen uint8

const (
	scalar  seen = 1 << iota
	object       // {}
	array        // []
	nulls        // a text that stands for NULL
	rough        // a number that DuckDB would write in another way when it makes a text of it
	respelt      // keys that differ from a known one in letter case
	dropped      // keys that were left out, because there were too many
)

const kinds = scalar | object | array

// mixed says that only a text can hold what was seen.
func (n *node) mixed() bool { k := n.seen & kinds; return k&(k-1) != 0 }

// Empty says that no record with a key was added.
func (s *Shape) Empty() bool { return len(s.root.names) == 0 }

// Add takes in one record, unless it is not one valid object. What it returns is as Found, without Unknown.
func (s *Shape) Add(text []byte) Found {
	w := shaper{lexer: lexer{text: text}, shape: s}
	if w.peek() != '{' {
		return Found{Odd: true}
	}
	if w.known(&s.root, 0) && !w.news {
		w.space()
		return Found{Odd: w.odd, Whole: w.pos == len(text)}
	}
	w = shaper{lexer: lexer{text: text}, shape: s}
	whole := w.peek() == '{' && w.skip()
	w.space()
	whole = whole && w.pos == len(text)
	if !whole || Valid(text) != nil || !s.room(text) {
		return Found{Odd: true, Whole: whole}
	}
	w = shaper{lexer: lexer{text: text}, shape: s, adds: true}
	w.known(&s.root, 0)
	return Found{Odd: w.odd, Whole: whole}
}

// Valid says why a text can't be taken as JSON: a sentence as error, or nil.
func Valid(text []byte) error {
	if !json.Valid(text) {
		if quoted, _ := quoteNaN(text); quoted == nil || !json.Valid(quoted) {
			return errInvalid
		}
	}
	if halfSurrogate(text) {
		return errSurrogate
	}
	return nil
}

// room says whether the shape can take all new columns of a record: else none of them.
func (s *Shape) room(text []byte) bool {
	count := 0
	eachKey(text, func(name []byte) {
		if _, known := s.root.index[fold(string(unescape(name)))]; !known {
			count++
		}
	})
	return len(s.root.names)+count <= MaxColumns
}

// CountKeys counts the members of an object.
func CountKeys(text []byte) int {
	count := 0
	eachKey(text, func([]byte) { count++ })
	return count
}

// eachKey calls do with the names of an object's members as they stand between their quotes.
func eachKey(text []byte, do func(name []byte)) {
	l := lexer{text: text}
	if l.peek() != '{' {
		return
	}
	l.pos++
	for {
		switch l.peek() {
		case ',':
			l.pos++
			continue
		case '"':
		default:
			return
		}
		name, ok := l.key()
		if !ok || !l.anything() {
			return
		}
		do(name)
	}
}

// shaper goes through one record. Without adds it stops at the first news.
type shaper struct {
	lexer
	shape *Shape
	adds  bool
	news  bool
}

// mark notes what was seen, and says whether to go on.
func (w *shaper) mark(n *node, what seen) bool {
	if n.seen&what == what {
		return true
	}
	if !w.adds {
		w.news = true
		return false
	}
	n.seen |= what
	return true
}

// known goes through a value.
func (w *shaper) known(n *node, depth int) bool {
	switch c := w.peek(); {
	case c == 0:
		return false
	case c == '"':
		inside, ok := w.str()
		return ok && w.content(n, inside)
	case c != '{' && c != '[':
		return w.word(n, w.bare())
	case n.mixed() || depth > deepest:
		w.rough = false
		ok := w.skip() && (!w.rough || w.mark(n, rough))
		if depth > deepest && ok {
			return w.scalar(n, (*values.Guess).Mixed)
		}
		return ok
	case c == '{':
		return w.mark(n, object) && w.members(n, depth)
	}
	if !w.mark(n, array) {
		return false
	}
	return w.items(n, depth)
}

func (w *shaper) content(n *node, inside []byte) bool {
	for _, null := range w.shape.Nulls {
		if string(unescape(inside)) == null {
			return w.mark(n, nulls)
		}
	}
	if w.shape.NoTimes {
		return w.scalar(n, (*values.Guess).Mixed)
	}
	return w.scalar(n, func(g *values.Guess) { g.JSONText(unescape(inside)) })
}

func (w *shaper) word(n *node, token []byte) bool {
	if len(token) == 0 {
		return false
	}
	switch token[0] {
	case 'n', 'N', 'I', 'i':
		return string(token) == "null" || w.scalar(n, func(g *values.Guess) { g.Number([]byte("0.5")) })
	case 't', 'f':
		return w.scalar(n, (*values.Guess).Bool)
	}
	if token[0] == '-' && len(token) > 1 && token[1] > '9' {
		return w.scalar(n, func(g *values.Guess) { g.Number([]byte("0.5")) })
	}
	if !plain(token) && !w.mark(n, rough) {
		return false
	}
	return w.scalar(n, func(g *values.Guess) { g.Number(token) })
}

// scalar looks whether the guess changes.
func (w *shaper) scalar(n *node, add func(*values.Guess)) bool {
	g := n.guess
	add(&g)
	if g != n.guess && !w.adds {
		w.news = true
		return false
	}
	n.guess = g
	return w.mark(n, scalar)
}

func (w *shaper) items(n *node, depth int) bool {
	w.pos++
	for {
		switch w.peek() {
		case ']':
			w.pos++
			return true
		case ',':
			w.comma()
			continue
		}
		if n.elem == nil {
			if !w.adds {
				w.news = true
				return false
			}
			n.elem = w.shape.node()
		}
		before := w.pos
		if !w.known(n.elem, depth+1) || w.pos == before {
			return false
		}
	}
}

func (w *shaper) members(n *node, depth int) bool {
	w.pos++
	guess := 0
	for {
		if guess < len(n.quote) && n.quote[guess] != "" && w.next(n.quote[guess]) {
			guess++
			if !w.known(n.inner[guess-1], depth+1) {
				return false
			}
			continue
		}
		switch w.peek() {
		case '}':
			w.pos++
			return true
		case ',':
			w.comma()
			continue
		case '"':
		default:
			return false
		}
		name, ok := w.key()
		if !ok || !w.member(n, unescape(name), depth, &guess) {
			return false
		}
	}
}

func (w *shaper) member(n *node, key []byte, depth int, guess *int) bool {
	if n.wide {
		return w.known(n.elem, depth+1)
	}
	i, ok := n.index[fold(string(key))]
	if !ok {
		if !w.adds {
			w.news = true
			return false
		}
		if i = w.shape.field(n, string(key), depth); i < 0 {
			if n.wide {
				return w.known(n.elem, depth+1)
			}
			n.seen |= dropped
			return w.anything()
		}
	}
	if n.names[i] != string(key) && !w.mark(n, respelt) {
		return false
	}
	*guess = i + 1
	return w.known(n.inner[i], depth+1)
}

// node makes a new one.
func (s *Shape) node() *node {
	s.nodes++
	return &node{}
}

// field adds a key. It returns -1 when there is no room for it, or when n has become wide.
func (s *Shape) field(n *node, key string, depth int) int {
	if depth > 0 && len(n.names) >= mostFields {
		s.widen(n)
		return -1
	}
	if s.nodes >= mostNodes || depth == 0 && len(n.names) >= MaxColumns {
		return -1
	}
	return n.field(key, s.node())
}

func (n *node) field(key string, inner *node) int {
	if n.index == nil {
		n.index = map[string]int{}
	}
	i := len(n.names)
	n.index[fold(key)] = i
	n.names, n.inner, n.quote = append(n.names, key), append(n.inner, inner), append(n.quote, quotedKey(key))
	return i
}

// widen makes one of all fields.
func (s *Shape) widen(n *node) {
	all := &node{}
	for _, f := range n.inner {
		s.merge(all, f, 1)
	}
	if n.elem != nil { // an array was there, too: a text
		s.merge(all, n.elem, 1)
	}
	n.wide, n.elem = true, all
	n.names, n.inner, n.quote, n.index = nil, nil, nil, nil
	s.count()
}

// count counts the nodes anew.
func (s *Shape) count() { s.nodes = s.root.count() }

func (n *node) count() int {
	total := 1
	for _, f := range n.inner {
		total += f.count()
	}
	if n.elem != nil {
		total += n.elem.count()
	}
	return total
}

// Merge adds what another shape has seen, after what this one has. The other one is not changed.
func (s *Shape) Merge(o *Shape) { s.merge(&s.root, &o.root, 0) }

func (s *Shape) merge(n, o *node, depth int) {
	n.guess.Merge(o.guess)
	n.seen |= o.seen
	if o.wide && !n.wide {
		s.widen(n)
	}
	for i, name := range o.names {
		if n.wide {
			s.merge(n.elem, o.inner[i], depth+1)
			continue
		}
		at, known := n.index[fold(name)]
		if !known {
			if at = s.field(n, name, depth); at < 0 {
				if n.wide {
					s.merge(n.elem, o.inner[i], depth+1)
				} else {
					n.seen |= dropped
				}
				continue
			}
		}
		s.merge(n.inner[at], o.inner[i], depth+1)
	}
	if o.elem != nil {
		if n.elem == nil {
			n.elem = s.node()
		}
		s.merge(n.elem, o.elem, depth+1)
	}
}

// typeOf is the type of what was seen.
func (n *node) typeOf(depth int) schemas.Type {
	text := schemas.Type{Kind: schemas.Varchar}
	switch n.seen & kinds {
	case scalar:
		return n.guess.Type()
	case array:
		if depth >= deepest {
			return text
		}
		elem := text
		if n.elem != nil {
			elem = n.elem.typeOf(depth + 1)
		}
		return schemas.Type{Kind: schemas.List, Elem: &elem}
	case object:
		if depth >= deepest {
			return text
		}
		return n.objectType(depth)
	}
	return text
}

func (n *node) objectType(depth int) schemas.Type {
	fields, rest := schemas.Table(nil), &node{}
	for i, name := range n.names {
		if nameable(name) == "" {
			fields = append(fields, schemas.Column{Name: name, Type: n.inner[i].typeOf(depth + 1)})
		}
	}
	if len(fields) > 0 {
		return structOf(fields)
	}
	if n.wide {
		rest = n.elem
	} else {
		for _, f := range n.inner {
			new(Shape).merge(rest, f, 1)
		}
	}
	key, elem := schemas.Type{Kind: schemas.Varchar}, rest.typeOf(depth+1)
	return schemas.Type{Kind: schemas.Map, Key: &key, Elem: &elem}
}

// columns are the columns of the records, all that were seen.
func (s *Shape) columns() schemas.Table {
	var t schemas.Table
	for i, name := range s.root.names {
		t = append(t, schemas.Column{Name: name, Type: s.root.inner[i].typeOf(1)})
	}
	return t
}

// Fits says whether records of this shape can be read as t by DuckDB alone: all their keys are columns or fields, in
// this spelling, and no value would be written in another way. Whether values fit types that were not inferred of them
// does not matter.
func (s *Shape) Fits(t schemas.Table) bool { return s.root.fits(structOf(t)) }

func (n *node) fits(t schemas.Type) bool {
	if n.seen&dropped != 0 || t.Kind != schemas.Varchar && n.seen&nulls != 0 {
		return false
	}
	switch t.Kind {
	case schemas.Varchar:
		return !n.rough()
	case schemas.Struct:
		if n.wide || n.seen&respelt != 0 {
			return false
		}
		for i, name := range n.names {
			at := find(t.Fields, name)
			if at < 0 || !n.inner[i].fits(t.Fields[at].Type) {
				return false
			}
		}
		return true
	case schemas.List:
		return n.elem == nil || n.elem.fits(*t.Elem)
	case schemas.Map:
		if n.wide {
			return n.elem.fits(*t.Elem)
		}
		for _, f := range n.inner {
			if !f.fits(*t.Elem) {
				return false
			}
		}
	}
	return true
}

// rough says whether there is a rough number anywhere.
func (n *node) rough() bool {
	if n.seen&rough != 0 || n.elem != nil && n.elem.rough() {
		return true
	}
	for _, f := range n.inner {
		if f.rough() {
			return true
		}
	}
	return false
}

// halfSurrogate says whether a text has the escape of one half of a surrogate pair alone, which stands for no
// character.
func halfSurrogate(text []byte) bool {
	high := -1 // where the second half must follow
	for at := 0; ; {
		i := bytes.IndexByte(text[at:], '\\')
		if i < 0 || at+i+1 >= len(text) {
			return high >= 0
		}
		at += i
		half := byte(0)
		if text[at+1] == 'u' && at+6 <= len(text) && text[at+2]|0x20 == 'd' {
			half = text[at+3] | 0x20
		}
		low := half >= 'c' && half <= 'f'
		if high >= 0 && (at != high || !low) || high < 0 && low {
			return true
		}
		high = -1
		if at += 2; half == '8' || half == '9' || half == 'a' || half == 'b' {
			high = at + 4
		}
	}
}
