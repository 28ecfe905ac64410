package sources

import (
	"crypto/sha256"
	"encoding/binary"
)

// Location is a file or topic that a source reads.
type Location struct {
	ID   int64  // PlaceID of it
	Name string // of the topic, or the path of the file, as in RejectColumns
}

// PlaceID is the number by which rows remember a file or topic of a source. The path of a file is relative to the
// source's root, so that the number is the same wherever the root is.
func PlaceID(source, name string) int64 {
	sum := sha256.Sum256([]byte(source + "\x00" + name))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}
