package files

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

// TestStrictAndTolerantAgree reads generated records twice: each in a file of its own, which is read strictly where
// that is possible, and all in one file with a record that makes it be read record by record. Rows and rejects must be
// the same.
func TestStrictAndTolerantAgree(t *testing.T) {
	b := newBed(t)
	types := "a BIGINT, i INTEGER, b VARCHAR, d DATE, t TIMESTAMP, z TIMESTAMP WITH TIME ZONE, f DOUBLE, o BOOLEAN, n DECIMAL(5,2), u UUID, x BLOB, m TIME," +
		" s STRUCT(p INTEGER, q STRUCT(r DATE, v VARCHAR)), l INTEGER[], ls STRUCT(p INTEGER)[], mp MAP(VARCHAR, INTEGER), md MAP(DATE, VARCHAR), ll INTEGER[][]"
	hints := parseHints(types)
	names := []string{"a", "i", "b", "d", "t", "z", "f", "o", "n", "u", "x", "m", "s", "l", "ls", "mp", "md", "ll", "other", "A", "Mp"}
	scalar := rapid.SampledFrom([]string{`1`, `-0`, `1.10`, `1e2`, `12345678.125`, `9007199254740993`, `1.5`, `"7"`, `" 3 "`, `true`, `null`, `"x"`, `""`, `99999999999999999999`, `1e400`, `NaN`, `"2024-01-01"`, `"2024-01-01T10:00:00Z"`,
		`"2024-01-01 10:00:00+02"`, `"2024-02-30"`, `"12:00:00"`, `123456`, `0.125`, `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`, `"\\x41"`, `"\u0000"`, `"é\n\"q"`, `01`, `"\ud800"`, `-1`, `2147483648`, `"NaN"`, `"null"`})
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		if depth == 0 {
			return scalar
		}
		list := rapid.Custom(func(t *rapid.T) string {
			return "[" + strings.Join(rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "list"), ", ") + "]"
		})
		object := rapid.Custom(func(t *rapid.T) string {
			keys := rapid.SliceOfN(rapid.SampledFrom([]string{"p", "q", "r", "v", "2024-01-01", "P"}), 0, 3).Draw(t, "keys")
			for i, k := range keys {
				keys[i] = fmt.Sprintf("%q: %s", k, value(depth-1).Draw(t, "value"))
			}
			return "{" + strings.Join(keys, ", ") + "}"
		})
		return rapid.OneOf(scalar, scalar, list, object)
	}
	line := rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 19).Draw(t, "odd") == 0 {
			// Objects that are not closed may go on in the next line: how such files are divided is tested by itself.
			return rapid.SampledFrom([]string{"5", "null", "[1]", "{} x", "\xff", "{\"b\":\"\xff\"}", "{'a':1}", `{"a":1,}`, `{"a":1}{"a":2}`}).Draw(t, "junk")
		}
		keys := rapid.SliceOfN(rapid.SampledFrom(names), 0, 4).Draw(t, "columns")
		for i, k := range keys {
			keys[i] = fmt.Sprintf("%q:%s", k, value(3).Draw(t, "value"))
		}
		return "{" + strings.Join(keys, ",") + "}"
	})
	s := b.source("json", func(c *Config) { c.Hints, c.Evolution = hints, None })
	var err error
	if b.pos, err = (state{Schema: s.hints}).encode(); err != nil { // nothing is inferred
		t.Fatal(err)
	}
	read := func(content string) (rows string, rejects int64) {
		b.marks = map[string]string{}
		b.put("a.json", content)
		batch := b.next(s)
		if batch == nil {
			return "", 0
		}
		b.rows(batch) // repairs
		return b.must("SELECT " + allAsText(hints) + " FROM " + batch.Relation), batch.RejectCount
	}
	empty, _ := read("{}")
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(line, 1, 8).Draw(rt, "lines")
		const poison = "{\"a\":1,\"A\":1}\n"
		var want strings.Builder
		var refused int64
		for _, l := range lines {
			rows, rejects := read("{}\n" + l) // a file that begins with [ is an array
			want.WriteString(rows)
			refused += rejects
		}
		empty := strings.Repeat(empty, len(lines)-1) // of the {}
		rows, rejects := read("{}\n" + poison + strings.Join(lines, "\n"))
		if sorted(rows+empty) != sorted(want.String()) || rejects-1 != refused {
			rt.Fatalf("rows:\n%s\nand %d rejects; each record by itself gives:\n%s\nand %d", sorted(rows+empty), rejects-1, sorted(want.String()), refused)
		}
	})
}

// parseHints splits "a BIGINT, s STRUCT(p INTEGER, q DATE)".
func parseHints(text string) (hints []Hint) {
	depth, start := 0, 0
	for i, c := range text + "," {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			name, typ, _ := strings.Cut(strings.TrimSpace(text[start:i]), " ")
			hints = append(hints, Hint{name, typ})
			start = i + 1
		}
	}
	return hints
}

func allAsText(hints []Hint) string {
	items := make([]string, len(hints))
	for i, h := range hints {
		items[i] = fmt.Sprintf("CAST(%s AS VARCHAR)", quote.Name(h.Name))
	}
	return strings.Join(items, ", ")
}
