package jsonrecords

import (
	"bytes"
	"slices"
)

// quoteNaN makes texts of NaN and Infinity, which are numbers to many programs but not in JSON. It returns nil where
// there are none, and where the texts begin.
func quoteNaN(text []byte) (out []byte, at []int) {
	from := 0
	l := lexer{text: text}
	for l.pos < len(text) {
		switch c := text[l.pos]; {
		case c == '"':
			if _, ok := l.str(); !ok {
				return nil, nil
			}
		case c == 'N' || c == 'I' || c == '-':
			start := l.pos
			if l.pos++; c == '-' && (l.pos == len(text) || text[l.pos] != 'I') {
				continue
			}
			token := text[start : start+len(l.bare())+1]
			if word := string(bytes.TrimPrefix(token, []byte("-"))); word != "NaN" && word != "Infinity" || string(token) == "-NaN" {
				return nil, nil
			}
			out = append(out, text[from:start]...)
			at = append(at, len(out))
			out = append(append(append(out, '"'), token...), '"')
			from = l.pos
		default:
			l.pos++
		}
	}
	if out == nil {
		return nil, nil
	}
	return append(out, text[from:]...), at
}

// unquoteNaN is the text of a nested value without space, with the words that quoteNaN made texts of, as they were
// written.
func (r *fitting) unquoteNaN(from, to int) []byte {
	var out []byte
	l := lexer{text: r.text[:to], pos: from}
	for l.pos < to {
		start := l.pos
		switch _, nan := slices.BinarySearch(r.nans, start); {
		case r.text[start] == '"':
			inside, _ := l.str()
			if !nan {
				inside = r.text[start:l.pos]
			}
			out = append(out, inside...)
		case r.text[start] > ' ':
			out = append(out, r.text[start])
			fallthrough
		default:
			l.pos++
		}
	}
	return out
}

// hasNaN says whether there is a word that quoteNaN made a text of.
func (r *fitting) hasNaN(from, to int) bool {
	i, _ := slices.BinarySearch(r.nans, from)
	return i < len(r.nans) && r.nans[i] < to
}
