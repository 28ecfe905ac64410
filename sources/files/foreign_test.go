package files

import (
	"strings"
	"testing"
)

// TestUnsupportedFiles puts files that are well, but none that are read, beside a good one.
func TestUnsupportedFiles(t *testing.T) {
	utf16 := func(mark, text string, big bool) string {
		for _, c := range text {
			if big {
				mark += "\x00" + string(c)
			} else {
				mark += string(c) + "\x00"
			}
		}
		return mark
	}
	texts := map[string]string{"json": `{"id":7}`, "csv": "id\n7\n"}
	for format, text := range texts {
		for name, c := range map[string]struct{ content, want string }{
			"gzip":    {compress("x.gz", text), "compressed with gzip, which its name does not tell; rename it so that it ends in .gz"},
			"zstd":    {compress("x.zst", text), "compressed with zstd, which its name does not tell; rename it so that it ends in .zst"},
			"zip":     {"PK\x03\x04\x14\x00\x06\x00", "a ZIP archive, or a workbook; unpack it"},
			"bzip2":   {"BZh91AY&SY\x00\x01", "compressed with bzip2; unpack it"},
			"xz":      {"\xfd7zXZ\x00\x00\x04", "compressed with xz; unpack it"},
			"le mark": {utf16("\xff\xfe", text, false), "written in UTF-16; save it as UTF-8"},
			"be mark": {utf16("\xfe\xff", text, true), "written in UTF-16; save it as UTF-8"},
			"le":      {utf16("", text, false), "written in UTF-16; save it as UTF-8"},
			"be":      {utf16("", text, true), "written in UTF-16; save it as UTF-8"},
		} {
			t.Run(format+" "+name, func(t *testing.T) {
				b := newBed(t)
				b.put("bad."+format, c.content)
				b.put("good."+format, strings.ReplaceAll(text, "7", "8"))
				s := b.source(format, nil)
				batch := b.next(s)
				wantText(t, "rows", b.rows(batch), "8\n")
				wantText(t, "notices", notices(batch), "file_unsupported bad."+format)
				if m := batch.Notices[0].Message; !strings.HasPrefix(m, "file bad."+format+" is not supported: it is ") || !strings.Contains(m, c.want) {
					t.Error(m)
				}
				reason, err := b.query("SELECT reason, whole FROM " + batch.Rejects)
				if err != nil || batch.RejectCount != 1 || !strings.HasPrefix(reason, "the file is not supported: it is "+c.want) {
					t.Errorf("%d rejects: %s %v", batch.RejectCount, reason, err)
				}
				b.commit(batch)
				if batch := b.next(s); batch != nil {
					t.Errorf("it is looked at again: %+v", batch)
				}
				b.put("bad."+format, text)
				wantText(t, "rows once it is replaced", b.rows(b.next(s)), "7\n")
			})
		}
	}
}

// TestNotForeign has beginnings that are ordinary text.
func TestNotForeign(t *testing.T) {
	for _, head := range []string{"", "i", "id", "i\x00d,b", "PK,id\n1,2", "BZh,a\n", "\xef\xbb\xbf{}", "\x00\x00\x00\x00", "\xe4,\xf6\n"} {
		if err := unread([]byte(head)); err != nil {
			t.Errorf("%q: %v", head, err)
		}
	}
}
