package files

import (
	"encoding/binary"
	"io"
	units "unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"
)

// decoders are those of the encodings that DuckDB does not read: their files are read record by record. What is no
// character of the encoding becomes bytes that are no UTF-8, so that its record is refused.
var decoders = map[string]func() transform.Transformer{
	"utf-16":       func() transform.Transformer { return &utf16Decoder{order: binary.LittleEndian} },
	"latin-1":      func() transform.Transformer { return byteDecoder{charmap.ISO8859_1} },
	"windows-1252": func() transform.Transformer { return byteDecoder{charmap.Windows1252} },
}

// byteDecoder decodes an encoding of one byte to a character, in which ASCII is as it is. A byte that is no character
// stays as it is.
type byteDecoder struct{ chars *charmap.Charmap }

func (byteDecoder) Reset() {}

func (d byteDecoder) Transform(dst, src []byte, _ bool) (written, read int, err error) {
	for ; read < len(src); read++ {
		if written+utf8.UTFMax > len(dst) {
			return written, read, transform.ErrShortDst
		}
		if r := d.chars.DecodeByte(src[read]); r != utf8.RuneError {
			written += utf8.EncodeRune(dst[written:], r)
		} else {
			dst[written] = src[read]
			written++
		}
	}
	return written, read, nil
}

// utf16Decoder decodes UTF-16 in the order that a byte order mark says, which becomes one of UTF-8. Half a surrogate
// pair becomes three bytes as if it were a character, and a single byte at the end 0xff.
type utf16Decoder struct {
	order binary.ByteOrder
	begun bool
}

// Reset keeps the order: it is called before the first text.
func (*utf16Decoder) Reset() {}

func (d *utf16Decoder) Transform(dst, src []byte, atEOF bool) (written, read int, err error) {
	for read < len(src) {
		rest := src[read:]
		switch {
		case written+utf8.UTFMax > len(dst):
			return written, read, transform.ErrShortDst
		case len(rest) == 1 && atEOF:
			dst[written] = 0xff
			return written + 1, read + 1, nil
		case len(rest) == 1:
			return written, read, transform.ErrShortSrc
		case !d.begun && rest[0] == 0xfe && rest[1] == 0xff:
			d.order = binary.BigEndian
		}
		d.begun = true
		unit := rune(d.order.Uint16(rest))
		if !units.IsSurrogate(unit) {
			written += utf8.EncodeRune(dst[written:], unit)
			read += 2
			continue
		}
		if len(rest) < 4 && !atEOF {
			return written, read, transform.ErrShortSrc
		}
		if len(rest) >= 4 {
			if r := units.DecodeRune(unit, rune(d.order.Uint16(rest[2:]))); r != utf8.RuneError {
				written += utf8.EncodeRune(dst[written:], r)
				read += 4
				continue
			}
		}
		written += copy(dst[written:], []byte{0xe0 | byte(unit>>12), 0x80 | byte(unit>>6)&0x3f, 0x80 | byte(unit)&0x3f})
		read += 2
	}
	return written, read, nil
}

// sizes tell how many bytes of the file a decoded text was.
var sizes = map[string]func(text []byte) int64{
	"utf-16": func(text []byte) (n int64) {
		for _, c := range text {
			switch {
			case c < 0x80, c >= 0xc0 && c < 0xf0:
				n += 2
			case c == 0xff:
				n++
			case c >= 0xf0:
				n += 4
			}
		}
		return n
	},
	"latin-1":      func(text []byte) int64 { return int64(utf8.RuneCount(text)) },
	"windows-1252": func(text []byte) int64 { return int64(utf8.RuneCount(text)) },
}

// origins tells where in the file stands what was decoded. It keeps the text that was read since it was last asked, as
// far as it is not too long.
type origins struct {
	in         io.Reader
	size       func(text []byte) int64
	text       []byte
	at, source int64 // of text[0], decoded and in the file
}

func (o *origins) Read(p []byte) (int, error) {
	n, err := o.in.Read(p)
	o.text = append(o.text, p[:n]...)
	if len(o.text) > 4*maxRecord {
		o.step(2 * maxRecord)
	}
	return n, err
}

func (o *origins) step(n int) {
	o.source += o.size(o.text[:n])
	o.at += int64(n)
	o.text = o.text[n:]
}

// of returns the offset in the file of what is at an offset of the decoded text, which is not before the one that was
// last asked for; -1 when that is too long ago.
func (o *origins) of(offset int64) int64 {
	if offset < o.at {
		return -1
	}
	o.step(int(offset - o.at))
	return o.source
}
