package files

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestJSONEncodings reads files of other encodings when they are declared, and names what to declare when they are not.
func TestJSONEncodings(t *testing.T) {
	utf16 := func(text string) string {
		var out strings.Builder
		out.WriteString("\xff\xfe")
		for _, r := range text {
			out.Write([]byte{byte(r), byte(r >> 8)})
		}
		return out.String()
	}
	for encoding, content := range map[string]string{
		"utf-16":       utf16("{\"id\":1,\"name\":\"Zoë\"}\n{\"id\":2}"),
		"latin-1":      "{\"id\":1,\"name\":\"Zo\xeb\"}\n{\"id\":2}",
		"windows-1252": "[{\"id\":1,\"name\":\"Zo\xeb\"},{\"id\":2}]",
	} {
		b := newBed(t)
		b.put("a.json.gz", compress("a.gz", content))
		batch := b.next(b.source("json", func(c *Config) { c.JSON.Encoding = encoding }))
		wantText(t, encoding, b.rows(batch), "1|Zoë\n2|NULL\n")
		b = newBed(t)
		b.put("a.json", `{"id":0}`)
		b.put("b.json", content)
		batch = b.next(b.source("json", nil))
		b.rows(batch)
		if reasons := b.must("SELECT reason FROM " + batch.Rejects); !strings.Contains(reasons, "encoding: ") {
			t.Errorf("%s, not declared: %s", encoding, reasons)
		}
	}
}

// TestJSONNulls has texts that stand for NULL, from the first record on.
func TestJSONNulls(t *testing.T) {
	b := newBed(t)
	b.put("a.json", `{"n":"","d":"n/a","s":{"x":""},"l":["",2],"v":""}`+"\n"+`{"n":1,"d":"2024-01-01","s":{"x":1.5},"l":[1],"v":"x"}`)
	batch := b.next(b.source("json", func(c *Config) { c.JSON.NullValues = []string{"", "n/a"} }))
	wantText(t, "columns", batch.Columns.SQLColumns(), `"n" BIGINT, "d" DATE, "s" STRUCT(x DOUBLE), "l" BIGINT[], "v" VARCHAR`)
	wantText(t, "rows", sorted(b.rows(batch)), sorted("NULL|NULL|{'x': NULL}|[NULL, 2]|\n1|2024-01-01|{'x': 1.5}|[1]|x\n"))
}

// TestJSONForms reads the same records however they stand in a file, compressed or not.
func TestJSONForms(t *testing.T) {
	const want = "1|x{\\n}\"\n2|NULL\n3|NULL\n"
	for _, content := range []string{
		`{"id":1,"t":"x{\\n}\""}` + "\n" + `{"id":2}` + "\n" + `{"id":3}`,
		`{"id":1,"t":"x{\\n}\""}{"id":2}{"id":3}`,
		`[{"id":1,"t":"x{\\n}\""}]` + "\r\n" + `[{"id":2},{"id":3}]`,
		"{\n  \"id\": 1,\n  \"t\": \"x{\\\\n}\\\"\"\n}\n{\n  \"id\": 2\n}\n{\"id\":3}\n",
		"\xef\xbb\xbf[\n{\n\"id\": 1,\n\"t\": \"x{\\\\n}\\\"\"\n},\n{\"id\":2}]\n{\"id\":3}",
	} {
		for _, ext := range []string{"", ".gz", ".zst"} {
			b := newBed(t)
			b.put("a.json"+ext, compress(ext, content))
			batch := b.next(b.source("json", nil))
			wantText(t, fmt.Sprintf("%q%s", content, ext), sorted(b.rows(batch)), want)
			wantText(t, content, b.rejects(batch), "")
		}
	}
}

// TestJSONManyKeys has more keys than a source may have columns: the records with them are rejects, and the others
// rows. Inside of an object they are a map.
func TestJSONManyKeys(t *testing.T) {
	keys := func(n int) string {
		var out strings.Builder
		for i := range n {
			fmt.Fprintf(&out, `,"k%d":%d`, i, i)
		}
		return out.String()
	}
	b := newBed(t)
	b.put("a.json", `{"id":1}`+"\n"+`{"id":2`+keys(20_000)+"}\n"+`{"id":3,"m":{"x":1`+keys(20_000)+"}}\n")
	s := b.source("json", nil)
	batch := b.next(s)
	wantText(t, "columns", batch.Columns.SQLColumns(), `"id" BIGINT, "m" MAP(VARCHAR, BIGINT)`)
	b.rows(batch)
	wantText(t, "rows", b.must("SELECT id, cardinality(m), m['k7'] FROM "+batch.Relation+" ORDER BY id"), "1|NULL|NULL\n3|20001|7\n")
	wantText(t, "rejects", b.must("SELECT line, reason LIKE '%more than 1000 columns%' OR reason LIKE '%over 1000 columns%' FROM "+batch.Rejects), "2|true\n")
	b.commit(batch)
	b.put("b.json", `{"id":4`+keys(20_000)+"}\n"+`{"id":5,"more":1}`)
	batch = b.next(s)
	wantText(t, "later columns", batch.Columns.SQLColumns(), `"id" BIGINT, "m" MAP(VARCHAR, BIGINT), "more" BIGINT`)
	b.rows(batch)
	wantText(t, "later rows", b.must("SELECT id, more FROM "+batch.Relation), "5|1\n")
	b = newBed(t)
	b.put("a.json", "{\"id\":1"+keys(20_000)+"}")
	found, err := b.source("json", nil).Schema(context.Background(), b.session, nil)
	if err != nil || !strings.Contains(found.Lack, "line 1 of a.json, which has 20001 keys, but a source may have 1000 columns") {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestJSONFidelity has values that would change on the way: of the exact ones rows, of the others rejects.
func TestJSONFidelity(t *testing.T) {
	b := newBed(t)
	b.put("a.json", strings.Join([]string{`{"n":9007199254740993.0}`, `{"m":1234567890123456.1234567890}`, `{"v":1.10}`, `{"v":{"x":1.10}}`, `{"o":"yes"}`, `{"n":"1e2"}`, `{"mp":{"a":1,"b":2}}`,
		`{"n":1.5}`, `{"m":0.12345678901}`, `{"f":0.1234567890123456789}`, `{"f":9007199254740993}`, `{"r":16777217}`, `{"t":"2024-01-01T00:00:00.123456789"}`, `{"t":"2024-01-01T00:00:00+02:00"}`,
		`{"o":7}`, `{"u":"x"}`, `{"d":"2024-01-01 10:00"}`, `{"mp":{"a":1,"a":2}}`, `{"n":true}`}, "\n"))
	batch := b.next(b.source("json", func(c *Config) {
		c.Hints = []Hint{{"n", "BIGINT"}, {"m", "DECIMAL(38,10)"}, {"v", "VARCHAR"}, {"o", "BOOLEAN"}, {"f", "DOUBLE"}, {"r", "FLOAT"}, {"t", "TIMESTAMP"}, {"u", "UUID"}, {"d", "DATE"}, {"mp", "MAP(VARCHAR, BIGINT)"}}
	}))
	b.rows(batch)
	wantText(t, "rows", b.must("SELECT coalesce(n::VARCHAR, m::VARCHAR, v, o::VARCHAR, mp::VARCHAR, 'lost') FROM "+batch.Relation),
		"9007199254740993\n1234567890123456.1234567890\n1.10\n{\"x\":1.10}\ntrue\n100\n{a=1, b=2}\n")
	wantText(t, "rejects", b.must("SELECT string_agg(line, ' ' ORDER BY line) FROM "+batch.Rejects), "8 9 10 11 12 13 14 15 16 17 18 19\n")
}

// TestJSONNull expects a null that stands in the place of a record to be a dead letter, however the records stand and
// whether the columns are known.
func TestJSONNull(t *testing.T) {
	const reason = "|null|the record is not a JSON object but null|false\n"
	for content, where := range map[string]string{
		`{"id":1}` + "\nnull\n" + `{"id":2}`: "2|9", "null\n" + `{"id":1} {"id":2}`: "1|0", `[{"id":1},null,{"id":2}]`: "1|10", "[{\"id\":1},\n null, {\"id\":2}]": "2|12", "null": "1|0",
	} {
		for _, known := range []bool{false, true} {
			b := newBed(t)
			s := b.source("json", nil)
			if known {
				b.put("0.json", `{"id":0}`)
				b.commit(b.next(s))
			}
			b.put("a.json", content)
			batch := b.next(s)
			want := "1\n2\n"
			if content == "null" {
				want = ""
			}
			wantText(t, content, b.rows(batch), want)
			wantText(t, content, b.rejects(batch), "a.json|"+where+reason)
		}
	}
}

// TestJSONRefusedTeachNothing expects columns and types from records that are taken only.
func TestJSONRefusedTeachNothing(t *testing.T) {
	for _, declared := range []bool{false, true} {
		b := newBed(t)
		s := b.source("json", func(c *Config) {
			if c.MaxFiles = 1; declared {
				c.Hints = []Hint{{"id", "BIGINT"}}
			}
		})
		b.put("a.json", `{"id":1}`)
		if declared { // also in the first batch
			b.put("a.json", `{"id":1}`+"\n"+`{"id":"y","m":1}`)
		}
		b.commit(b.next(s))
		b.put("b.json", `{"id":"x","n":1}`)
		batch := b.next(s)
		wantText(t, "columns", batch.Columns.SQLColumns(), `"id" BIGINT`)
		wantText(t, "notices", notices(batch), "")
		wantText(t, "rejects", b.rejects(batch), `b.json|1|0|{"id":"x","n":1}|column id: "x" is not BIGINT|false`+"\n")
		b.commit(batch)
		b.put("c.json", `{"id":"3","n":"y"}`+"\n"+`{"id":"x","n":1,"o":1}`)
		batch = b.next(s)
		wantText(t, "rows", b.rows(batch), "3|y\n")
		wantText(t, "columns", batch.Columns.SQLColumns(), `"id" BIGINT, "n" VARCHAR`)
		wantText(t, "notices", notices(batch), "column_added n")
	}
}
