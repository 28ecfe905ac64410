package files

import (
	"cmp"
	"slices"

	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// track is the way through a value that may be broken, and through what may be the records behind it. It goes through
// each byte once: a record that is tried later, at one of the openings, is closed where that says, or goes on where the
// track has stopped. All places are offsets in the file.
type track struct {
	walk
	below    int // brackets that were open before those of walk
	reached  int64
	lines    []lineHead // that may begin a record, in order
	openings []opening
	pending  []int // openings that are not closed, by their number
	dropped  int   // openings that were there before the first one
	heads    bool  // the line is the last of lines
	depth    int   // brackets that were open at its beginning
}

// lineHead is the beginning of a line, and how far it is indented.
type lineHead struct {
	at     int64
	indent int
}

// opening is a bracket that opens what may be a record.
type opening struct {
	at, closed int64 // closed: where its like is, or 0
	depth      int   // brackets that were open before it
}

// follow is the track of the value at buf[0], and where to go on with it: behind it when it was followed to its end.
func (s *splitter) follow() (t *track, n int, closed bool) {
	if t = s.ahead; t != nil {
		i, known := slices.BinarySearchFunc(t.openings, s.offset, func(o opening, at int64) int { return cmp.Compare(o.at, at) })
		switch {
		case known && t.openings[i].closed > 0:
			return t, int(t.openings[i].closed-s.offset) + 1, true
		case known:
			t.begin(i)
			return t, int(t.reached - s.offset), false
		}
	}
	if t = s.spare; t == nil {
		t = &track{}
	}
	s.spare = nil
	*t = track{walk: walk{open: t.walk.open[:0]}, lines: t.lines[:0], openings: t.openings[:0], pending: t.pending[:0]}
	return t, 0, false
}

// begin makes a record of what opens there and is not closed.
func (t *track) begin(i int) {
	t.walk.open = t.walk.open[t.openings[i].depth-t.below:]
	t.below = t.openings[i].depth
	t.openings = t.openings[i:]
	t.dropped += i
	for t.pending[0] < t.dropped {
		t.pending = t.pending[1:]
	}
}

// leave keeps the track that was followed to buf[n] for what comes, unless it is done with, or another goes farther.
func (s *splitter) leave(t *track, n int, done bool) {
	t.reached = s.offset + int64(n)
	switch {
	case t == s.ahead:
	case done:
		s.spare = t
	case s.ahead == nil || s.ahead.reached <= t.reached:
		s.ahead = t
	}
}

// step follows the track over buf[n].
func (t *track) step(s *splitter, n int) effect {
	c, before := s.buf[n], len(t.walk.open)
	e := t.walk.step(c)
	switch now := len(t.walk.open); {
	case c == '\n':
		indent, ok := s.headAt(n + 1)
		if t.heads = ok && s.buf[n+1+indent] != ']'; ok {
			t.lines = append(t.lines, lineHead{s.offset + int64(n) + 1, indent})
			t.depth = t.below + now
		}
	case now > before && t.heads && t.below+before == t.depth:
		t.pending = append(t.pending, t.dropped+len(t.openings))
		t.openings = append(t.openings, opening{at: s.offset + int64(n), depth: t.depth})
	case now < before:
		if last := len(t.pending) - 1; last >= 0 {
			if o := &t.openings[t.pending[last]-t.dropped]; o.depth == t.below+now {
				o.closed = s.offset + int64(n)
				t.pending = t.pending[:last]
			}
		}
	}
	return e
}

// nextLine is where, up to buf[n], a line begins that may begin another record than the one at buf[0]; -1 when there is
// none.
func (t *track) nextLine(s *splitter, n int) int {
	i, _ := slices.BinarySearchFunc(t.lines, s.offset+1, func(l lineHead, at int64) int { return cmp.Compare(l.at, at) })
	for ; i < len(t.lines) && t.lines[i].at <= s.offset+int64(n); i++ {
		if t.lines[i].indent <= s.indent {
			return int(t.lines[i].at - s.offset)
		}
	}
	return -1
}

// effect is what a byte means for a value.
type effect int

const (
	goesOn effect = iota
	ends          // it is the last one
	breaks        // it can't be there
	nests         // it opens too many levels
)

// walk follows the brackets and strings of one value. It knows of the grammar just what tells soon that a bracket is
// missing: texts end on their line, brackets are closed by their like, and values are opened where one can stand.
type walk struct {
	open    []byte // brackets
	quoted  bool
	escaped bool
	last    byte // the last one that is no space, outside of strings
}

func (w *walk) step(c byte) effect {
	if w.quoted {
		switch {
		case c == '\n':
			return breaks
		case w.escaped:
			w.escaped = false
		case c == '\\':
			w.escaped = true
		case c == '"':
			w.quoted = false
		}
		return goesOn
	}
	switch c {
	case ' ', '\t', '\r', '\n':
		return goesOn
	case '"':
		w.quoted = true
	case '{', '[':
		if !w.mayOpen() {
			return breaks
		}
		if len(w.open) == jsonrecords.MaxNested {
			return nests
		}
		w.open = append(w.open, c)
	case '}', ']':
		if w.open[len(w.open)-1] != c-2 {
			return breaks
		}
		if w.open = w.open[:len(w.open)-1]; len(w.open) == 0 {
			return ends
		}
	}
	w.last = c
	return goesOn
}

// mayOpen says whether a value can begin here.
func (w *walk) mayOpen() bool {
	if len(w.open) == 0 {
		return true
	}
	return w.last == ':' || w.open[len(w.open)-1] == '[' && (w.last == '[' || w.last == ',')
}
