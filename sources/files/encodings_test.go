package files

import (
	"encoding/binary"
	"testing"
	surrogates "unicode/utf16"
)

// inUTF16 is the text in UTF-16, as units without a mark. \x00 stands for half of a character.
func inUTF16(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, u := range surrogates.Encode([]rune(text)) {
		if u == 0 {
			u = 0xd800
		}
		out = order.AppendUint16(out, u)
	}
	return string(out)
}

// TestNotDecoded sets records aside that have what is no character in the file's encoding, and no others: U+FFFD is
// one.
func TestNotDecoded(t *testing.T) {
	for _, c := range []struct{ format, encoding, content, rows string }{
		{"json", "windows-1252", "{\"a\":\"Zo\xeb \x80\"}\n{\"a\":\"x\x9dy\"}\n{\"a\":\"z\"}\n", "Zoë €\nz\n"},
		{"csv", "windows-1252", "a,b\nZo\xeb \x80,1\nx\x9dy,2\nz,3\n", "Zoë €|1\nz|3\n"},
		{"json", "utf-16", inUTF16(binary.LittleEndian, "{\"a\":\"Zoë 🚀\ufffd\"}\n{\"a\":\"x\x00y\"}\n{\"a\":\"z\"}\n"), "Zoë 🚀\ufffd\nz\n"},
		{"json", "utf-16", "\xfe\xff" + inUTF16(binary.BigEndian, "[{\"a\":\"Zoë 🚀\ufffd\"},\n{\"a\":\"x\x00y\"},\n{\"a\":\"z\"}]"), "Zoë 🚀\ufffd\nz\n"},
		{"csv", "utf-16", "\xff\xfe" + inUTF16(binary.LittleEndian, "a,b\nZoë 🚀\ufffd,1\nx\x00y,2\nz,3\n"), "Zoë 🚀\ufffd|1\nz|3\n"},
	} {
		b := newBed(t)
		b.put("a."+c.format, c.content)
		batch := b.next(b.source(c.format, func(cfg *Config) { cfg.JSON.Encoding, cfg.CSV.Encoding = c.encoding, c.encoding }))
		wantText(t, c.format+" "+c.encoding, b.rows(batch), c.rows)
		wantText(t, "reasons", b.must("SELECT reason FROM "+batch.Rejects), notDecoded+"\n")
	}
}
