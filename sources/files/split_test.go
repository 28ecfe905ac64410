package files

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
)

func TestElements(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`[]`, ""},
		{` [ ] `, ""},
		{`[{"a":1}]`, `1@1 {"a":1}`},
		{"[\n {\"a\":[1,{\"b\":2}]} , 5,\n\"x,]\\\"\\\\\" ]\n", `1@3 {"a":[1,{"b":2}]};2@23 5;3@26 "x,]\"\\"`},
		{`[1,,2]`, `1@1 1;2@3 !an element of the array is missing;3@4 2`},
		{`[1,]`, `1@1 1;2@3 !an element of the array is missing`},
		{`[1,{"a":`, `1@1 1;2@3 !the file ends inside the array {"a":`},
		{`[1,`, `1@1 1;2@3 !the file ends inside the array`},
		{`[1] x`, `1@1 1;2@4 !something follows the end of the array x`},
		{`[{"a":1}}, 2]`, `1@1 {"a":1};2@9 !something follows the end of the array , 2]`},
	} {
		for name, in := range map[string]*bufio.Reader{
			"at once":      bufio.NewReader(strings.NewReader(c.text)),
			"byte by byte": bufio.NewReader(iotest.OneByteReader(strings.NewReader(c.text))),
		} {
			var got []string
			err := (&elements{in: in, yield: func(r record) bool {
				text := fmt.Sprintf("%d@%d ", r.line, r.offset)
				if r.reason != "" {
					text += "!" + r.reason + " "
				}
				got = append(got, strings.TrimSpace(text+string(r.raw)))
				return true
			}}).read()
			if text := strings.Join(got, ";"); err != nil || text != c.want {
				t.Errorf("%s, %s: %s, %v; want %s", c.text, name, text, err, c.want)
			}
		}
	}
}

// FuzzElements compares the split of valid arrays with encoding/json's.
func FuzzElements(f *testing.F) {
	for _, text := range []string{`[]`, `[{"a":"]"},[1,[2]],"\""]`, `[1,`, `[] x`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got []string
		if err := (&elements{in: bufio.NewReader(strings.NewReader(text)), yield: func(r record) bool {
			got = append(got, string(r.raw)+r.reason)
			return true
		}}).read(); err != nil {
			t.Fatal(err)
		}
		var want []json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil || strings.TrimSpace(text) == "null" {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %q; want %q", text, got, want)
		}
		for i := range want {
			if got[i] != string(want[i]) {
				t.Errorf("%s: %q; want %q", text, got, want)
			}
		}
	})
}

func TestLongRecords(t *testing.T) {
	b := newBed(t)
	long := `{"a":1,"b":"` + strings.Repeat("é", maxRecord/2) + `"}`
	b.put("a.json", `{"a":0}`+"\n"+long+"\n"+`{"a":2,"b":"`+strings.Repeat("x", 3<<20)+`"}`)
	b.put("b.json", `[{"a":3},`+long+`,{"a":4}]`)
	s := b.source("json", nil)
	batch := b.next(s)
	b.rows(batch)
	wantText(t, "rows", b.must("SELECT a, length(b) FROM "+batch.Relation+" ORDER BY a"), "0|NULL\n2|3145728\n3|NULL\n4|NULL\n")
	wantText(t, "rejects", b.must(`SELECT parse_filename(file), line, "offset", octet_length(raw), reason FROM `+batch.Rejects+" ORDER BY 1"),
		"a.json|2|8|1048576|the record is longer than 16 MiB\nb.json|1|9|1048576|the record is longer than 16 MiB\n")
}
