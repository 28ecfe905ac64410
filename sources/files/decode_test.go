package files

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	units "unicode/utf16"

	"golang.org/x/text/transform"
	"pgregory.net/rapid"
)

// TestUndecodable reads what is no character of the encoding, and what only looks like that.
func TestUndecodable(t *testing.T) {
	const no = "the record has characters that are not valid in the file's encoding"
	for _, c := range []struct{ encoding, csv, rows, rejects string }{
		{"windows-1252", "a,b\nx\x81y,1\n\x80,2\n\x8d,3\n\x9f\x8f,4\n", "€|2\n", "x\x81y,1|" + no + "\n\x8d,3|" + no + "\nŸ\x8f,4|" + no + "\n"},
		{"latin-1", "a,b\nx\x81y,1\n\x9f,2\n", "x\u0081y|1\n\u009f|2\n", ""},
		{"utf-16", wide("\ufeffa,b\n\ufffd,1\n😀,2\nx") + "\x00\xd8" + wide(",3\n") + "\x00\xdc" + wide(",4\né,5\n") + "\x00", "\ufffd|1\n😀|2\né|5\n",
			"x\xed\xa0\x80,3|" + no + "\n\xed\xb0\x80,4|" + no + "\n\xff|the record has 1 fields where there are 2 columns\n"},
	} {
		b := newBed(t)
		b.put("a.csv", c.csv)
		batch := b.next(b.source("csv", func(cfg *Config) { cfg.CSV = CSV{Header: new(true), Encoding: c.encoding} }))
		wantText(t, c.encoding, b.rows(batch), c.rows)
		if batch.RejectCount > 0 || c.rejects != "" {
			wantText(t, c.encoding, b.must("SELECT raw, reason FROM "+batch.Rejects+` ORDER BY "offset"`), c.rejects)
		}
	}
	for encoding, content := range map[string]string{
		"windows-1252": "{\"a\":\"\x81\"}\n{\"a\":\"\x80\"}\n",
		"utf-16":       wide("{\"a\":\"") + "\x00\xd8" + wide("\"}\n{\"a\":\"€\"}\n"),
	} {
		b := newBed(t)
		b.put("a.json", content)
		batch := b.next(b.source("json", func(cfg *Config) { cfg.JSON.Encoding = encoding }))
		wantText(t, encoding, b.rows(batch), "€\n")
		wantText(t, encoding, b.must("SELECT reason FROM "+batch.Rejects), no+"\n")
	}
	b := newBed(t)
	b.put("a.csv", "id,x\x81\n1,2\n")
	b.put("b.csv", "id,x\n1,2\n")
	batch := b.next(b.source("csv", func(cfg *Config) { cfg.CSV = CSV{Header: new(true), Encoding: "windows-1252"} }))
	wantText(t, "rejects", b.must("SELECT reason FROM "+batch.Rejects), "the file is not supported: its header has characters that are not valid in windows-1252: x?; "+
		"declare the encoding that it is written in, or correct the name\n")
}

// TestUTF16 decodes texts of any kind as unicode/utf16 does, which makes U+FFFD of halves.
func TestUTF16(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.SampledFrom([]string{"", "\xff\xfe", "\xfe\xff"}).Draw(rt, "order")
		parts := rapid.SliceOf(rapid.SampledFrom([]string{"a\x00", "\x00a", "\x00\xd8", "\xd8\x00", "\x00\xdc", "\xdc\x00", "\xac\x20", "\xfd\xff", "\x00\x00"})).Draw(rt, "parts")
		text := []byte(order + strings.Join(parts, "") + rapid.SampledFrom([]string{"", "\x01"}).Draw(rt, "rest"))
		var order16 binary.ByteOrder = binary.LittleEndian
		if order == "\xfe\xff" {
			order16 = binary.BigEndian
		}
		var all []uint16
		for i := len(order); i+1 < len(text); i += 2 {
			all = append(all, order16.Uint16(text[i:]))
		}
		want := string(units.Decode(all))
		if len(text)%2 > 0 {
			want += "\ufffd"
		}
		got, err := io.ReadAll(transform.NewReader(iotest.OneByteReader(bytes.NewReader(text)), decoders["utf-16"]()))
		if err != nil {
			rt.Fatal(err)
		}
		got = bytes.TrimPrefix(got, bom)
		for _, half := range []string{"\xed\xa0\x80", "\xed\xa3\x98", "\xed\xb0\x80", "\xed\xb3\x9c", "\xff"} {
			got = bytes.ReplaceAll(got, []byte(half), []byte("\ufffd"))
		}
		if string(got) != want {
			rt.Fatalf("%x: %q, want %q", text, got, want)
		}
	})
}

// TestOffsetsOfEncodings finds the records that are refused in the files as they are.
func TestOffsetsOfEncodings(t *testing.T) {
	for _, c := range []struct{ encoding, mark string }{{"latin-1", ""}, {"windows-1252", ""}, {"utf-16", "\xff\xfe"}, {"utf-16", ""}} {
		encode := func(text string) string {
			if c.encoding == "utf-16" {
				return wide(text)
			}
			var out []byte
			for _, r := range strings.ReplaceAll(text, "😀", "") {
				out = append(out, byte(r))
			}
			return string(out)
		}
		for _, f := range []struct{ format, first, bad string }{
			{"csv", "a;b\né;1\n\n\"ü\nü😀\";2\n", "ö;y;z"}, {"json", "{\"a\":\"ü\"}\n\n{\"a\":\"é😀\"}\n", "{\"ö\""}, {"json", "[{\"a\":\"ü\"},\n{\"a\":\"é😀\"},\n", "{\"ö\" }"},
		} {
			b := newBed(t)
			text := c.mark + encode(f.first)
			want := fmt.Sprintln(len(text))
			b.put("a."+f.format, text+encode(f.bad+map[byte]string{'[': ",\n{\"a\":\"\"}]"}[f.first[0]]+"\n"))
			batch := b.next(b.source(f.format, func(cfg *Config) {
				cfg.CSV, cfg.JSON.Encoding = CSV{Header: new(true), Encoding: c.encoding, Delimiter: ";"}, c.encoding
			}))
			b.rows(batch)
			if got := b.must(`SELECT "offset" FROM ` + batch.Rejects); got != want {
				t.Errorf("%s %s: %s, want %sof %q", c.encoding, f.format, got, want, text)
			}
		}
	}
}

// TestOriginsForget asks for an offset that is too long ago, and for the next one.
func TestOriginsForget(t *testing.T) {
	text := strings.Repeat("é", 3*maxRecord) + "ü;"
	o := &origins{in: strings.NewReader(text), size: sizes["utf-16"]}
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{o}); err != nil {
		t.Fatal(err)
	}
	if got := o.of(0); got != -1 {
		t.Errorf("the beginning is at %d", got)
	}
	if got := o.of(int64(len(text) - 1)); got != 2*(3*maxRecord+1) {
		t.Errorf("the end is at %d", got)
	}
}
