package files

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	units "unicode/utf16"
)

// TestCutAnywhere cuts compressed files of two members at every byte: nothing of them is taken, but where the first
// member is all that is there.
func TestCutAnywhere(t *testing.T) {
	for _, c := range []struct{ format, encoding, first, second string }{
		{"csv", "", "id,name\n1,a\n", "2,b\n3,c\n"},
		{"csv", "latin-1", "id,name\n1,a\n", "2,\xe9\n3,c\n"},
		{"csv", "utf-16", wide("\ufeffid\n1\n"), wide("2\n")},
		{"json", "", `{"id":1}` + "\n", `{"id":2}` + "\n"},
		{"json", "latin-1", `[{"id":1}`, `,{"id":2}]`},
		{"json", "utf-16", wide("\ufeff" + `{"id":1}`), wide(`{"id":2}`)},
	} {
		for _, ext := range []string{".gz", ".zst"} {
			t.Run(strings.Join([]string{c.format, c.encoding, ext}, " "), func(t *testing.T) {
				b := newBed(t)
				first, second := compress(ext, c.first), compress(ext, c.second)
				all := first + second
				for n := 1; n < len(all); n++ {
					if n != len(first) {
						b.put(fmt.Sprintf("cut%03d.%s%s", n, c.format, ext), all[:n])
					}
				}
				b.put("whole."+c.format+ext, all)
				s := b.source(c.format, func(cfg *Config) {
					cfg.Path = filepath.Join(b.dir, "*")
					cfg.Hints = []Hint{{"id", "VARCHAR"}}
					cfg.CSV, cfg.JSON = CSV{Header: new(true), Encoding: c.encoding}, JSON{Encoding: c.encoding}
				})
				batch := b.next(s)
				b.rows(batch)
				wantText(t, "files with rows", b.must("SELECT DISTINCT _metadata.file_name FROM "+batch.Relation), "whole."+c.format+ext+"\n")
				wantText(t, "reasons", b.must("SELECT reason, whole, count(*) FROM "+batch.Rejects+" GROUP BY ALL"),
					fmt.Sprintf("the file is corrupt: it ends too early|true|%d\n", len(all)-2))
				if len(batch.Ledger) != len(all)-1 {
					t.Errorf("%d marks for %d files", len(batch.Ledger), len(all)-1)
				}
			})
		}
	}
}

// wide is a text in UTF-16.
func wide(text string) string {
	var out []byte
	for _, unit := range units.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return string(out)
}
