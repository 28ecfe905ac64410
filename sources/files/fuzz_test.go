package files

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// awkward are records and files that once went wrong, or may.
var awkward = []string{
	`{"id":2,"a\u0000b":1}`, `{"o":{"a\u0000b":1}}`, `{"l":[{"a\u0000b":1}]}`, `{"__violations":1}`, `{"_metadata":1,"_rescued_data":{}}`, `{"":1}`, `{"o":{"":{}}}`,
	`{"user.name":"a","user":{"name":"b","id":1}}`, `{"l.element":1,"l":[1]}`, `{"m.key":1,"l":[[{"a":1}]],"l.element.element":2}`, `{"Ä":1}` + "\n" + `{"ä":2}`, `{"K":1,"k":2}`, `{"ID":3}`,
	`{"` + strings.Repeat("k", 10_000) + `":1}`, "{\"\xff\":1}", `{"\ud800":1}`, `{"a":"\udc00"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\u0000"}`, "{\"a\":\"\x00\"}", "\x00", "{\"a\":1}\x00{\"a\":2}",
	`{"a":NaN,"b":-Infinity}`, `{"a":1e999,"b":-0,"c":1.10,"d":12345678901234567890123456789012345678901234567890}`, `{"a":1,}`, `{"a":[1,]}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`,
	"{\n  \"id\": 7,\n  \"o\": {\n    \"x\": 1\n  }\n}", `{"id":8}{"id":9}`, `[{"id":10},{"id":"x"}]`, `[[{"id":1}]]`, `[`, `]`, `{`, `}`, `"`, `"{`, `// {"id":1}`, `{"id":[{}]}`, `{"id":{"id":{}}}`, `null`, `[null]`,
	"\xef\xbb\xbf{\"id\":1}", `{"id":"1"}`, `{"id":true}`, `{"id":1.5}`, `{"id":"2024-01-01"}`, `{"o":[]}`, `{"o":{"x":[]}}`, `{"o":"x"}`, `{"d":"2024-01-01T00:00:00.123456789Z"}`, `{"id":1,"id":2}`, `{"x":{},"X":[]}`,
	`{"__lakeflow_file":1}`, `{"__lakeflow_rescued":"x","__lakeflow_row":1}`, `{"raw":1,"path":2,"file":3,"rescued":4,"v":5,"t":6,"n":7}`, `{"select":1,"a b":2,"quote\"'":3,"new\nline":4,"\\":5,"é":6}`,
	strings.Repeat("[", 1200), `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, `{"a":` + strings.Repeat(`{"b":`, 30) + "1" + strings.Repeat("}", 31),
}

// FuzzJSON reads a file of anything beside sound ones, by one of the modes: the sound records are rows, each of the
// others is a row or a reject, and the next batch goes on.
func FuzzJSON(f *testing.F) {
	for _, text := range awkward {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		modes := []Evolution{AddNewColumns, Rescue, AddNewColumns, None}
		readBeside(t, modes[len(text)%len(modes)], strings.Count(text, `"`)%4 < 2, text)
	})
}

// readBeside reads a text as a file of the first batch, or of a later one.
func readBeside(t *testing.T, evolution Evolution, first bool, text string) {
	b := newBed(t)
	s := b.source("json", mode(evolution))
	said := fmt.Sprintf("%s, first %t, %.300q", evolution, first, text)
	b.put("a.json", `{"sound":"a","id":1}`+"\n"+`{"sound":"b","id":2}`)
	if !first {
		batch := b.next(s)
		b.rows(batch)
		b.commit(batch)
	}
	b.put("b.json", `{"sound":"c","id":3}`+"\n")
	b.put("c.json", text)
	batch := b.next(s)
	b.rows(batch)
	want := "a\nb\nc\n"
	if !first {
		want = "c\n"
	}
	wantText(t, said, b.must("SELECT sound FROM "+batch.Relation+" WHERE sound IN ('a', 'b', 'c') AND _metadata.file_name <> 'c.json' ORDER BY 1"), want)
	rows := strings.Count(b.must("SELECT 1 FROM "+batch.Relation+" WHERE _metadata.file_name = 'c.json'"), "\n")
	rejects := 0
	if batch.RejectCount > 0 {
		rejects = strings.Count(b.must("SELECT 1 FROM "+batch.Rejects+" WHERE file LIKE '%/c.json'"), "\n")
	}
	if least := atLeast(text); rows+rejects < least || least > 0 && rows+rejects == 0 {
		t.Errorf("%s: %d rows and %d rejects of at least %d records", said, rows, rejects, least)
	}
	b.commit(batch)
	b.put("d.json", `{"sound":"d"}`)
	wantText(t, said, b.next(s).Columns.SQLColumns(), batch.Columns.SQLColumns())
	batch = b.next(s)
	b.rows(batch)
	wantText(t, said, b.must("SELECT sound FROM "+batch.Relation), "d\n")
}

// atLeast is how many records a text surely has: JSON values on lines of their own, or one where there is anything
// else.
func atLeast(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if line = strings.Trim(line, " \t\r\n"); line == "" {
			continue
		}
		if n++; line[0] != '{' || !json.Valid([]byte(line)) {
			n--
			if strings.ContainsFunc(text, func(r rune) bool { return r > ' ' && r != '[' && r != ']' && r != '\ufeff' }) {
				n = 1
			}
			return n
		}
	}
	return n
}

// TestAwkwardTogether has all of it in one folder.
func TestAwkwardTogether(t *testing.T) {
	for _, evolution := range []Evolution{AddNewColumns, Rescue, None} {
		b := newBed(t)
		s := b.source("json", mode(evolution))
		for i, text := range awkward {
			b.put(fmt.Sprintf("%03d.json", i), text)
		}
		b.put("sound.json", `{"sound":1}`)
		batch := b.next(s)
		b.rows(batch)
		wantText(t, string(evolution), b.must("SELECT sound FROM "+batch.Relation+" WHERE sound IS NOT NULL"), "1\n")
		if evolution == AddNewColumns && batch.RejectCount < 30 {
			t.Errorf("%d rejects", batch.RejectCount)
		}
	}
}
