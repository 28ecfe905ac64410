package files

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// status is what became of a file as it was at the time and size of its mark.
type status byte

const (
	taken   status = 'r' // read
	corrupt status = 'c' // could not be read, or is not supported; tried again when it changes
	changed status = 'o' // overwritten after it was read, reported and not read again
)

// mark is the value of a file's mark: "size mtime status" in decimal nanoseconds.
type mark struct {
	size, mtime int64
	status      status
}

func (m mark) String() string {
	b := make([]byte, 0, 48)
	b = strconv.AppendInt(b, m.size, 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, m.mtime, 10)
	return string(append(b, ' ', byte(m.status)))
}

func parseMark(text string) (mark, error) {
	size, rest, _ := strings.Cut(text, " ")
	mtime, st, ok := strings.Cut(rest, " ")
	var m mark
	var err1, err2 error
	m.size, err1 = strconv.ParseInt(size, 10, 64)
	m.mtime, err2 = strconv.ParseInt(mtime, 10, 64)
	if !ok || err1 != nil || err2 != nil || len(st) != 1 {
		return m, fmt.Errorf("%q is not size, time and status; the ledger is damaged", text)
	}
	m.status = status(st[0])
	return m, nil
}

// readHash is the exclusive or of one hash for each mark, so that it does not depend on the order in which files were
// read. The status of a mark is left out: it is settled after the records are read.
type readHash [16]byte

// toggle adds a mark, or takes it out again.
func (h *readHash) toggle(rel string, m mark) {
	text := make([]byte, 0, 256)
	text = append(strconv.AppendInt(text, m.size, 10), ' ')
	text = append(strconv.AppendInt(text, m.mtime, 10), ' ')
	one := sha256.Sum256(append(text, rel...))
	for i := range h {
		h[i] ^= one[i]
	}
}

// MarshalText writes the hash in hexadecimal digits.
func (h readHash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *readHash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("%q is not a hash of %d bytes", text, len(h))
	}
	_, err := hex.Decode(h[:], text)
	return err
}
