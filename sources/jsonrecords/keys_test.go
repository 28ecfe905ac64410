package jsonrecords

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/schemas"
)

func tableOf(t testing.TB, text string) schemas.Table {
	t.Helper()
	typ, err := schemas.Parse("STRUCT(" + text + ")")
	if err != nil {
		t.Fatal(err)
	}
	return typ.Fields
}

func TestScanner(t *testing.T) {
	root := NewTree(tableOf(t, `a BIGINT, b VARCHAR, s STRUCT(p BIGINT, t STRUCT(q BIGINT)), l STRUCT(x BIGINT)[], m MAP(VARCHAR, STRUCT(y BIGINT)), n BIGINT[], "k""\" BIGINT`))
	for _, c := range []struct{ text, want string }{
		{`{"a":1,"b":"x"}`, ""},
		{`{"b":"{\"z\":1}\\","a":[{"z":1}]}`, ""},
		{` { "z" : 1 , "a" : { "z" : 1 } } `, "z"},
		{`{"s":{"p":1,"t":{"q":1,"z":2},"y":"}"},"w":null}`, "s.t.z s.y w"},
		{`{"l":[{"x":1},{"x":1,"z":[]},null,5,[{"u":1}]]}`, "l.z"},
		{`{"m":{"any":{"y":1,"z":1},"other":{}}}`, "m.z"},
		{`{"n":[{"z":1}],"s":[{"z":1}],"l":{"z":1},"a":{"z":[{}]}}`, ""},
		{`{"A":1,"S":{"P":1,"Z":1},"ſ":{"Y":1}}`, "s.Z s.Y"},
		{`{"\u0061":1,"k\"\\":1,"\u007a":1}`, "z"},
		{`{"a":NaN,"z":1,}`, "z"},
		{`{"a":1`, ""}, {`{"a`, ""}, {`{"a":"`, ""}, {``, ""}, {`[`, ""}, {`{"a":1}{"z":1}`, ""}, {`{5:1}`, ""}, {`{"l":[}]`, ""}, {`{"a":{"x":`, ""}, {`5`, ""}, {`[{"z":1}]`, ""},
	} {
		var s Scanner
		if got := strings.Join(s.Scan([]byte(c.text), root).Unknown, " "); got != c.want {
			t.Errorf("%s: %q; want %q", c.text, got, c.want)
		}
	}
}

// TestScannerFractions lets those fractions become a DOUBLE on the way to a DECIMAL that come through it.
func TestScannerFractions(t *testing.T) {
	root := NewTree(tableOf(t, `w DECIMAL(12,2), d DECIMAL(18,6), e DECIMAL(38,18), l STRUCT(m MAP(VARCHAR, DECIMAL(18,6)))[]`))
	for text, odd := range map[string]bool{`{"w":1234567890.12}`: false, `{"d":123456789.5}`: false, `{"d":-12345678.123456}`: false, `{"d":77224226787.995}`: true, `{"d":77224226787}`: false,
		`{"e":0.5}`: true, `{"l":[{"m":{"k":77224226787.995}}]}`: true, `{"l":[{"m":{"k":7722.995}}]}`: false} {
		var s Scanner
		if got := s.Scan([]byte(text), root); got.Odd != odd {
			t.Errorf("%s: odd is %v", text, got.Odd)
		}
	}
}

// FuzzScanner compares with encoding/json: the scanner must see every key of a valid text, and end on any other.
func FuzzScanner(f *testing.F) {
	for _, text := range []string{`{"a":1,"z":{"b":2},"s":{"p":1,"q":[]}}`, `{"s":{"\u0070":"\\\""}, "l":[{"x":1,"y":[{}]}]}`, `{"a":`, `[{"a":1}]`} {
		f.Add(text)
	}
	table := tableOf(f, `a BIGINT, s STRUCT(p BIGINT), l STRUCT(x BIGINT)[]`)
	f.Fuzz(func(t *testing.T, text string) {
		var s Scanner
		got := slices.Clone(s.Scan([]byte(text), NewTree(table)).Unknown)
		var v any
		if !utf8.ValidString(text) || json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		want := map[string]bool{}
		strangers(v, structOf(table), "", want)
		for key := range want { // of a key that occurs twice, encoding/json shows the last value only
			if !slices.Contains(got, key) {
				t.Errorf("%s: %q; want %q", text, got, key)
			}
		}
	})
}

func strangers(v any, t schemas.Type, label string, out map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		if t.Kind != schemas.Struct {
			return
		}
		for key, inner := range v {
			if i := slices.IndexFunc(t.Fields, func(c schemas.Column) bool { return strings.EqualFold(c.Name, key) }); i >= 0 {
				strangers(inner, t.Fields[i].Type, strings.TrimPrefix(label+"."+key, "."), out)
			} else {
				out[strings.TrimPrefix(label+"."+key, ".")] = true
			}
		}
	case []any:
		if t.Kind == schemas.List {
			for _, e := range v {
				strangers(e, *t.Elem, label, out)
			}
		}
	}
}
