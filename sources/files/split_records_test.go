package files

import (
	"bufio"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// splitRecords are the records of a text: "line@offset text", with the reason before the text where there is one.
func splitRecords(in *bufio.Reader) (string, error) {
	var got []string
	err := (&splitter{in: in, line: 1, yield: func(r record) bool {
		text := fmt.Sprintf("%d@%d ", r.line, r.offset)
		if r.reason != "" {
			text += "!" + r.reason + " "
		}
		got = append(got, strings.TrimSpace(text+string(r.raw)))
		return true
	}}).read()
	return strings.Join(got, ";"), err
}

func TestSplitter(t *testing.T) {
	const pretty = "{\n  \"a\": 1,\n  \"l\": [\n    {\n      \"x\": \"}{\"\n    }\n  ]\n}\n"
	for _, c := range []struct{ text, want string }{
		{"", ""}, {" \r\n\t", ""},
		{`{"a":1}{"a":2} {"a":3}`, `1@0 {"a":1};1@7 {"a":2};1@15 {"a":3}`},
		{"{\"a\":1}\r\n\r\n{\"a\":2}\r\n", `1@0 {"a":1};3@11 {"a":2}`},
		{pretty + pretty, "1@0 " + strings.TrimSpace(pretty) + fmt.Sprintf(";9@%d ", len(pretty)) + strings.TrimSpace(pretty)},
		{`[{"a":1}, {"a":2}]` + "\n" + `[{"a":3}]` + "\n" + `{"a":4}`, `1@1 {"a":1};1@10 {"a":2};2@20 {"a":3};3@29 {"a":4}`},
		{"[\n  {\"a\":1},\n  {\"a\":2\n  {\"a\":3}\n]\n", "2@4 {\"a\":1};3@15 !the record is not closed {\"a\":2;4@24 {\"a\":3}"},
		{"[]\n[ ]", ""},
		{`[1,,"x,]\"",[2]]`, `1@1 1;1@3 !an element of the array is missing;1@4 "x,]\"";1@12 [2]`},
		{`[,1]`, `1@1 !an element of the array is missing;1@2 1`},
		{`[1,]`, `1@1 1;1@3 !an element of the array is missing`},
		{`[{"a":1},`, `1@1 {"a":1};1@9 !the file ends inside the array`},
		{`[{"a":1},{"a":`, `1@1 {"a":1};1@9 !the file ends inside the array {"a":`},
		{"{\"a\":1\n{\"a\":2}", "1@0 !the record is not closed {\"a\":1;2@7 {\"a\":2}"},
		{"{\"a\":\n{\"a\":2}\n{\"a\":3}", "1@0 !the record is not closed {\"a\":;2@6 {\"a\":2};3@14 {\"a\":3}"},
		{"{\"a\":[1,\n{\"a\":2}\n{\"a\":3}", "1@0 !the record is not closed {\"a\":[1,;2@9 {\"a\":2};3@17 {\"a\":3}"},
		{"{\"a\":\"x\n{\"a\":2}", "1@0 !the record is not closed {\"a\":\"x;2@8 {\"a\":2}"},
		{"{\"a\":1}\n{\"a\":", "1@0 {\"a\":1};2@8 !the file ends inside the record {\"a\":"},
		{`{"a":1{"a":2}`, `1@0 !the record is not closed {"a":1;1@6 {"a":2}`},
		{`{"a":[1}{"a":2}`, `1@0 !the record is not closed {"a":[1};1@8 {"a":2}`},
		{`{"a":1}}]{"a":2}`, `1@0 {"a":1};1@7 !the record is not valid JSON }];1@9 {"a":2}`},
		{"nope {\"a\":0}\n{\"a\":1}", "1@0 nope {\"a\":0};2@13 {\"a\":1}"},
		{"// {\n{\"a\":1}", "1@0 // {;2@5 {\"a\":1}"},
		{strings.Repeat("{", 5000) + "\n{\"a\":2}", "1@0 !the record is not closed " + strings.Repeat("{", 5000) + ";2@5001 {\"a\":2}"},
		{`{{"{"{"a":2}`, `1@0 !the record is not closed {{"{";1@5 {"a":2}`},
		{`[1,,, ,,{}]`, `1@1 1;1@3 !an element of the array is missing;1@8 {}`},
		{`[1,,,]`, `1@1 1;1@3 !an element of the array is missing;1@5 !an element of the array is missing`},
		{"5\n\"x\"\nnull\n{}", "1@0 5;2@2 \"x\";3@6 null;4@11 {}"},
		{"{\n \"a\": 1,,\n \"l\": [\n  {\"x\":1}\n ]\n}\n{\"a\":2}", "1@0 {\n \"a\": 1,,\n \"l\": [\n  {\"x\":1}\n ]\n};7@35 {\"a\":2}"},
	} {
		for name, in := range map[string]*bufio.Reader{
			"at once":      bufio.NewReader(strings.NewReader(c.text)),
			"byte by byte": bufio.NewReader(iotest.OneByteReader(strings.NewReader(c.text))),
		} {
			if got, err := splitRecords(in); err != nil || got != c.want {
				t.Errorf("%q, %s:\n%s, %v; want\n%s", c.text, name, got, err, c.want)
			}
		}
	}
}

// FuzzSplitter writes broken records between sound ones on lines of their own: each costs itself, and the sound ones
// are there.
func FuzzSplitter(f *testing.F) {
	for _, text := range []string{`{"a":`, `[{"a":1},{`, `"{`, `}]`, `{"a":[}`, `{"a":"\`, `nope`, "{\n\"a\": [\n", `{"a":{"b":[{"c":`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, broken string) {
		got, err := splitRecords(bufio.NewReader(strings.NewReader(`{"first":1}` + "\n" + broken + "\n" + `{"last":1}` + "\n" + `{"last":2}` + "\n" + `{"last":3}`)))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got, `1@0 {"first":1}`) {
			t.Errorf("%q: %s", broken, got)
		}
		if !strings.Contains(got+";", ` {"last":3};`) {
			t.Errorf("%q: the last record is not there: %s", broken, got)
		}
	})
}

// TestSplitterIsLinear has inputs that a splitter which goes back could take for ever with.
func TestSplitterIsLinear(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, piece := range []string{"{\n", "[\n", "{\"a\":\n", "{\"a\":[\n", "[{\"a\":[\n{", "\"", "{\"a\":\"", "}\n", "[1,\n", "{\"a\":{},\n",
		"{", "[{", "{\"", "{\"a\":[{", "{]", ",", "[,", "{\"a\":[1,\n", "{\"a\":[1,\n{},\n{},{\"a\":[2,\n"} {
		for _, before := range []string{"", "[\n"} {
			text := before + strings.Repeat(piece, 100_000+random.IntN(10))
			began := time.Now()
			if _, err := splitRecords(bufio.NewReader(strings.NewReader(text))); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("%s of %q: %s", before, piece, took)
			}
		}
	}
}

// TestSplitterRemembers expects the same records from a splitter that forgets how far it has looked ahead, and takes
// long.
func TestSplitterRemembers(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	pieces := []string{"{\"a\":1}", "{\"a\":[1,", "{", "}", "[", "]", "\n", "\n", "\n", ",", ",\n", " ", "\n  ", "\"", "1", "{\"a\":{\"b\":", "[{}],", "{},"}
	for range 5000 {
		text := ""
		if random.IntN(2) == 0 {
			text = "["
		}
		for range 1 + random.IntN(20) {
			text += pieces[random.IntN(len(pieces))]
		}
		var got [2][]string
		for i := range got {
			s := &splitter{in: bufio.NewReader(strings.NewReader(text)), line: 1}
			s.yield = func(r record) bool {
				if got[i] = append(got[i], fmt.Sprintf("%d@%d %q %s", r.line, r.offset, r.raw, r.reason)); i == 1 {
					s.ahead = nil
				}
				return true
			}
			if err := s.read(); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got[0], got[1]) {
			t.Fatalf("%q:\n%s; want\n%s", text, strings.Join(got[0], "\n"), strings.Join(got[1], "\n"))
		}
	}
}

// TestBrokenElements has an array in which elements are not closed, each of which costs itself, however many there are.
func TestBrokenElements(t *testing.T) {
	var text strings.Builder
	want := map[string]int{}
	text.WriteString("[\n")
	for i := range 200_000 {
		if i%150 == 16 {
			text.WriteString(`{"id":1,"tags":["x",` + "\n")
			want[notClosed]++
			continue
		}
		text.WriteString(`{"id":1,"tags":["x"],"p":"` + strings.Repeat("y", 50) + `"},` + "\n")
		want[""]++
	}
	text.WriteString("{}\n]\n")
	want[""]++
	got := map[string]int{}
	began := time.Now()
	err := (&splitter{in: bufio.NewReader(strings.NewReader(text.String())), line: 1, yield: func(r record) bool { got[r.reason]++; return true }}).read()
	if took := time.Since(began); err != nil || !maps.Equal(got, want) || took > 30*time.Second {
		t.Errorf("%v, %v, %s; want %v", got, err, took, want)
	}
}
