package jsonrecords

// Member is a member of an object: its name without escapes, and its value as it stands.
type Member struct{ Name, Value []byte }

// Members appends the members of the object that a text is, in their order. It is false where the text is none; what
// values hold is not looked at: see Valid. They are good as long as the text.
func Members(to []Member, text []byte) ([]Member, bool) {
	l := lexer{text: text}
	if l.peek() != '{' {
		return to, false
	}
	l.pos++
	for more := l.peek() != '}'; more; {
		if l.peek() != '"' {
			return to, false
		}
		name, ok := l.key()
		if !ok {
			return to, false
		}
		l.space()
		start := l.pos
		if !l.anything() {
			return to, false
		}
		to = append(to, Member{unescape(name), text[start:l.pos]})
		switch l.peek() {
		case ',':
			l.pos++
		case '}':
			more = false
		default:
			return to, false
		}
	}
	l.pos++
	l.space()
	return to, l.pos == len(text)
}
