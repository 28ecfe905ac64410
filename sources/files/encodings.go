package files

import (
	surrogates "unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"
)

// encodings are those that DuckDB does not read: their files are read record by record. What is no character in them becomes a byte that UTF-8 does not have,
// so that its record is found to be no good.
var encodings = map[string]func() transform.Transformer{
	"utf-16":       func() transform.Transformer { return &utf16Decoder{} },
	"latin-1":      func() transform.Transformer { return charmap.ISO8859_1.NewDecoder() },
	"windows-1252": func() transform.Transformer { return decoder1252{} },
}

// noCharacter stands for what can't be decoded.
const noCharacter = 0xff

// utf16Decoder decodes UTF-16, which is little-endian unless a byte order mark says otherwise.
type utf16Decoder struct {
	begun, big bool
}

func (d *utf16Decoder) Reset() { *d = utf16Decoder{} }

// Transform implements transform.Transformer.
func (d *utf16Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	if !d.begun {
		if len(src) < 2 && !atEOF {
			return 0, 0, transform.ErrShortSrc
		}
		d.begun = true
		if len(src) >= 2 && (src[0] == 0xfe && src[1] == 0xff || src[0] == 0xff && src[1] == 0xfe) {
			d.big, nSrc = src[0] == 0xfe, 2
		}
	}
	for nSrc < len(src) {
		r, size := d.next(src[nSrc:], atEOF)
		switch {
		case size == 0:
			return nDst, nSrc, transform.ErrShortSrc
		case nDst+utf8.UTFMax > len(dst):
			return nDst, nSrc, transform.ErrShortDst
		case r < 0:
			dst[nDst] = noCharacter
			nDst++
		default:
			nDst += utf8.EncodeRune(dst[nDst:], r)
		}
		nSrc += size
	}
	return nDst, nSrc, nil
}

// next is the first character of the text, or -1 where there is none, and its size, which is 0 when more of the text is needed.
func (d *utf16Decoder) next(src []byte, atEOF bool) (r rune, size int) {
	switch {
	case len(src) < 2 && !atEOF:
		return 0, 0
	case len(src) < 2:
		return -1, 1
	}
	r = d.unit(src)
	switch {
	case !surrogates.IsSurrogate(r):
		return r, 2
	case len(src) < 4 && !atEOF:
		return 0, 0
	case len(src) < 4:
		return -1, 2
	}
	if r = surrogates.DecodeRune(r, d.unit(src[2:])); r == utf8.RuneError {
		return -1, 2
	}
	return r, 4
}

func (d *utf16Decoder) unit(src []byte) rune {
	if d.big {
		return rune(src[0])<<8 | rune(src[1])
	}
	return rune(src[1])<<8 | rune(src[0])
}

// decoder1252 decodes windows-1252, in which five bytes are no characters.
type decoder1252 struct{ transform.NopResetter }

// Transform implements transform.Transformer.
func (decoder1252) Transform(dst, src []byte, _ bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if nDst+utf8.UTFMax > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		if r := charmap.Windows1252.DecodeByte(src[nSrc]); r == utf8.RuneError {
			dst[nDst] = noCharacter
			nDst++
		} else {
			nDst += utf8.EncodeRune(dst[nDst:], r)
		}
		nSrc++
	}
	return nDst, nSrc, nil
}
