package files

import (
	"bufio"
	"bytes"
	"path/filepath"
)

// unsupportedError says that a file is well, but written in a way that is not read. It is not called corrupt: to write
// it anew as it is would not help.
type unsupportedError struct {
	why    string // "it is encrypted"
	remedy string // what to do instead: "write it without encryption"
}

func (e *unsupportedError) Error() string { return e.why + "; " + e.remedy }

// packings are the beginnings of files that are compressed, whatever their names say.
var packings = []struct{ head, why, remedy string }{
	{"\x1f\x8b\x08", "it is compressed with gzip, which its name does not tell", "rename it so that it ends in .gz"},
	{"\x28\xb5\x2f\xfd", "it is compressed with zstd, which its name does not tell", "rename it so that it ends in .zst"},
	{"PK\x03\x04", "it is a ZIP archive, or a workbook", "unpack it, or save the sheet as CSV"},
	{"\xfd7zXZ\x00", "it is compressed with xz", "unpack it, or compress it with gzip or zstd"},
	{"BZh91AY&SY", "it is compressed with bzip2", "unpack it, or compress it with gzip or zstd"},
}

// foreignHead is how much of a file's beginning unread needs to see.
const foreignHead = 10

// unread looks at the beginning of a text, and says why it is none that is read; nil when it may be.
func unread(head []byte) error {
	for _, p := range packings {
		if bytes.HasPrefix(head, []byte(p.head)) {
			return &unsupportedError{p.why, p.remedy}
		}
	}
	if utf16(head) {
		return &unsupportedError{"it is written in UTF-16", "save it as UTF-8, or declare encoding: utf-16"}
	}
	return nil
}

// utf16 tells UTF-16 by its byte order mark, or by ASCII with a zero byte to each character.
func utf16(head []byte) bool {
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return true
	}
	if len(head) < 4 {
		return false
	}
	zero := [4]bool{head[0] == 0, head[1] == 0, head[2] == 0, head[3] == 0}
	return zero == [4]bool{false, true, false, true} || zero == [4]bool{true, false, true, false}
}

// utf16Head is how much of a file's beginning mayBeUTF16 needs to see.
const utf16Head = 4096

// mayBeUTF16 says whether a text has a byte order mark or the zero bytes of UTF-16, in which line ends and brackets
// have one.
func mayBeUTF16(head []byte) bool {
	return len(head) == 0 || utf16(head) || bytes.IndexByte(head, 0) >= 0
}

// misnamed says why a file cannot be what its name tells: one that is not compressed, whatever else it is.
func misnamed(raw *bufio.Reader, path string) error {
	var name, magic string
	head, _ := raw.Peek(4)
	ext := filepath.Ext(path)
	switch ext {
	case ".gz":
		name, magic = "gzip", "\x1f\x8b"
	case ".zst":
		name, magic = "zstd", "\x28\xb5\x2f\xfd"
		if len(head) == 4 && head[0]&0xf0 == 0x50 { // a frame that is passed over
			magic = string(head[:1]) + "\x2a\x4d\x18"
		}
	}
	if n := min(len(head), len(magic)); string(head[:n]) == magic[:n] {
		return nil
	}
	return &unsupportedError{"it is not compressed with " + name + ", as its name tells", "take " + ext + " off its name, or compress it"}
}
