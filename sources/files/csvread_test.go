package files

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var plainCSV = dialect{Delimiter: ",", Quote: `"`, Escape: `"`}

// records reads a text, and returns a line for each record: its place, fields and reason. It checks that raw texts are
// where they are said to be, and that nothing but line ends and blank lines is between them.
func recordsOf(t rapid.TB, text string, d dialect, want int) []string {
	t.Helper()
	r := newCSVReader(bufio.NewReaderSize(strings.NewReader(text), 16), d)
	r.want = want
	var out []string
	at := 0
	for {
		rec, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		if rec == nil {
			break
		}
		from := int(rec.offset)
		if from < at || d.Comment == "" && strings.Trim(text[at:from], " \t\r\n\ufeff") != "" {
			t.Fatalf("%q is passed over before record %d of %q", text[at:max(from, at)], len(out), text)
		}
		at = from + len(rec.raw)
		if text[from:at] != string(rec.raw) {
			t.Fatalf("record %d is %q, and %q stands at %d", len(out), rec.raw, text[from:at], from)
		}
		if line := 1 + r.breaks([]byte(text[:from])); line != int(rec.line) {
			t.Fatalf("record %q is said to be in line %d, and is in %d", rec.raw, rec.line, line)
		}
		what := fmt.Sprintf("%d:", rec.line)
		for _, f := range rec.fields {
			what += fmt.Sprintf("[%s]", f)
		}
		if rec.reason != "" {
			what += "!" + string(rec.raw)
		}
		out = append(out, what)
	}
	if d.Comment == "" && strings.Trim(text[at:], " \t\r\n\ufeff") != "" {
		t.Fatalf("%q is left at the end", text[at:])
	}
	return out
}

func TestCSVRecords(t *testing.T) {
	backslash := dialect{Delimiter: "||", Quote: "'", Escape: `\`}
	for _, c := range []struct {
		text string
		d    dialect
		n    int
		want string
	}{
		{"1,a\n2,b", plainCSV, 2, "1:[1][a] 2:[2][b]"},
		{"\ufeff1,a\r\n\r\n  \n2,\"b\"\r\n", plainCSV, 2, "1:[1][a] 4:[2][b]"},
		{"1,\"a\nb, \"\"c\"\"\"\n2,", plainCSV, 2, "1:[1][a\nb, \"c\"] 3:[2][]"},
		{"1,a\"b\n2,\"\"\n", plainCSV, 2, "1:[1][a\"b] 2:[2][]"},
		// What breaks the rules costs its own line.
		{"1,\"a\n2,b\n3,c\n", plainCSV, 2, "1:!1,\"a 2:[2][b] 3:[3][c]"},
		{"1,\"a\n2,b\n3,\"c\n4,d", plainCSV, 2, "1:!1,\"a 2:[2][b] 3:!3,\"c 4:[4][d]"},
		{"1,\"a\" b\n2,b\n", plainCSV, 2, "1:!1,\"a\" b 2:[2][b]"},
		{"1,\"a\" b,\"c\" d\n2,b,c\n", plainCSV, 3, "1:!1,\"a\" b,\"c\" d 2:[2][b][c]"},
		{"1,a,b\n2\n3,c\n", plainCSV, 2, "1:!1,a,b 2:!2 3:[3][c]"},
		{"1,\"x\ny\",2\n3,c\n", plainCSV, 2, "1:!1,\"x\ny\",2 3:[3][c]"},
		// A field that is closed properly is one, whatever its lines look like, unless each of them is a record and the
		// whole is none.
		{"1,\"x\n2,b\ny\",2\n3,c\n", plainCSV, 2, "1:!1,\"x 2:[2][b] 3:!y\",2 4:[3][c]"},
		{"1,\"x\n2,b\ny\",2,3\n3,c\n", plainCSV, 2, "1:!1,\"x\n2,b\ny\",2,3 4:[3][c]"},
		{"1,\"a,5\n7,mid,9\n2,b\",5\n3,c,6\n", plainCSV, 3, "1:[1][a,5\n7,mid,9\n2,b][5] 4:[3][c][6]"},
		{"1,\"a\n7,mid,9\nb\",5,6\n3,c,6\n", plainCSV, 3, "1:!1,\"a\n7,mid,9\nb\",5,6 4:[3][c][6]"},
		{"1,\xff\n2,b\n", plainCSV, 2, "1:!1,\xff 2:[2][b]"},
		{"1,\",a\n2,b,c\n3,\",d\n4,e,f\n", plainCSV, 3, "1:[1][,a\n2,b,c\n3,][d] 4:[4][e][f]"},
		{"1,\"see:\n2,b,c\n\",d\n4,e,f\n", plainCSV, 3, "1:[1][see:\n2,b,c\n][d] 4:[4][e][f]"},
		// Line ends of several kinds.
		{"1,a\r2,b\r", plainCSV, 2, "1:[1][a] 2:[2][b]"},
		{"1,a\r2,b\n3,c\r\n4,d\re\n", plainCSV, 2, "1:[1][a] 1:[2][b] 2:[3][c] 3:[4][d\re]"},
		{"1,a\rb\rc,d\n", plainCSV, 2, "1:[1][a] 1:[b\rc][d]"},
		// Other dialects.
		{"1||'a||\\'b\\\\'||c\n", backslash, 3, "1:[1][a||'b\\][c]"},
		{"1;\"a;b\";c\n", dialect{Delimiter: ";"}, 4, "1:[1][\"a][b\"][c]"},
		{"# x,\"\n1,a\n#2,b\n", dialect{Delimiter: ",", Quote: `"`, Escape: `"`, Comment: "#"}, 2, "2:[1][a]"},
		{"1,a\n2\n3,b,c\n", dialect{Delimiter: ",", Quote: `"`, Escape: `"`, NullPadding: true}, 2, "1:[1][a] 2:[2] 3:!3,b,c"},
	} {
		if got := strings.Join(recordsOf(t, c.text, c.d, c.n), " "); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// fieldText makes fields with everything that matters to a reader of CSV.
var fieldText = rapid.Custom(func(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "1", " ", ",", `"`, `""`, "\n", "\r\n", "x\ny", ";", "'", `\`, "é", "02", "2024-01-31", "true", "#"}), 0, 5).Draw(t, "field"), "")
})

// TestCSVAgrees writes records with encoding/csv and reads them with our reader, and through a source: what DuckDB
// reads, and what is read record by record. All must find the same.
func TestCSVAgrees(t *testing.T) {
	b := newBed(t)
	rapid.Check(t, func(rt *rapid.T) {
		table := rapid.SliceOfN(rapid.SliceOfN(fieldText, 3, 3), 1, 8).Draw(rt, "records")
		var buf bytes.Buffer
		cw := csv.NewWriter(&buf)
		var want []string
		for i, fields := range table {
			row := append([]string{fmt.Sprint(i)}, fields...)
			if err := cw.Write(row); err != nil {
				rt.Fatal(err)
			}
			for k := range row {
				if row[k] == "" {
					row[k] = "NULL"
				}
			}
			want = append(want, strings.Join(row, "|"))
		}
		cw.Flush()
		text := "id,x,y,z\n" + buf.String()
		got := recordsOf(rt, text, plainCSV, 4)
		for _, line := range got {
			if strings.Contains(line, ":!") {
				rt.Fatalf("refused: %s of %q", line, text)
			}
		}
		if len(got) != len(table)+1 {
			rt.Fatalf("%d records where there are %d", len(got), len(table)+1)
		}
		for _, change := range []string{"", "\n\r\n"} { // line ends of two kinds are left to our reader
			b.marks, b.pos = map[string]string{}, nil
			b.put("a.csv", text+change)
			s, err := New(Config{Options: Options{Path: b.dir, Format: "csv", CSV: CSV{Header: new(true), Delimiter: ",", Quote: new(`"`), Escape: new(`"`), Skip: new(int)}}, Texts: true})
			if err != nil {
				rt.Fatal(err)
			}
			batch := b.next(s)
			if rows := sorted(b.rows(batch)); rows != sorted(strings.Join(want, "\n")+"\n") || batch.RejectCount > 0 {
				rt.Fatalf("rows\n%s\nwant\n%s\nof %q", rows, sorted(strings.Join(want, "\n")+"\n"), text)
			}
		}
	})
}

// TestCSVLosesNothing reads texts of any kind: every line that has something in it is in a row or a reject.
func TestCSVLosesNothing(t *testing.T) {
	b := newBed(t)
	pieces := rapid.SampledFrom([]string{"1", "2", "a", ",", ",", ",", `"`, `"`, "\n", "\n", "\r", "\r\n", " ", "x", "\x00", "\xff", "é", "5.5", "true", "\t", ";"})
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfN(pieces, 1, 60).Draw(rt, "text"), "")
		d := plainCSV
		all := len(recordsOf(rt, "n,a\n"+text, d, 2)) - 1
		b.marks, b.pos = map[string]string{}, nil
		b.put("a.csv", "n,a\n"+text)
		b.put("good.csv", "n,a\n7,good\n")
		s, err := New(Config{Options: Options{Path: b.dir, Format: "csv", CSV: CSV{Header: new(true), Delimiter: ",", Quote: new(`"`), Escape: new(`"`), Skip: new(int)}}, Hints: []Hint{{"n", "BIGINT"}, {"a", "VARCHAR"}}})
		if err != nil {
			rt.Fatal(err)
		}
		batch := b.next(s)
		b.rows(batch) // repairs
		rows := b.must("SELECT count(*) FROM " + batch.Relation)
		if want := fmt.Sprintf("%d\n", int64(all)+1-batch.RejectCount); rows != want {
			rt.Fatalf("%s rows and %d rejects of %d records in %q", strings.TrimSpace(rows), batch.RejectCount, all+1, text)
		}
	})
}

// TestStrayQuoteCostsItsLine writes sound records, with cells in quotes and line ends of several kinds, around one line
// with a quote that is never closed.
func TestStrayQuoteCostsItsLine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		end := rapid.SampledFrom([]string{"\n", "\r\n"})
		usual := end.Draw(rt, "end")
		cell := rapid.SampledFrom([]string{"a", `"x"`, `"line1` + "\n" + `line2"`, `"b,c"`, `"say ""x"""`, "", `""`, "15 cm"})
		n := rapid.IntRange(1, 8).Draw(rt, "records")
		stray := rapid.IntRange(0, n-1).Draw(rt, "stray")
		text, want := "", 0
		for i := range n {
			last := cell.Draw(rt, "last")
			if i == stray {
				last = `"open`
			} else {
				want++
			}
			ending := usual
			if rapid.IntRange(0, 4).Draw(rt, "other end") == 0 {
				ending = end.Draw(rt, "this end")
			}
			text += fmt.Sprintf("%d,%s,%s%s", i, cell.Draw(rt, "cell"), last, ending)
		}
		got := recordsOf(rt, text, plainCSV, 3)
		bad := 0
		for _, line := range got {
			if strings.Contains(line, ":!") {
				bad++
			}
		}
		if bad > 2 || len(got)-bad < want { // the stray one may begin on the second line of its record
			rt.Fatalf("%d sound records of %d: %v of %q", len(got)-bad, want, got, text)
		}
	})
}

// TestTextThatHoldsATable reads a field whose lines look like records: they are none.
func TestTextThatHoldsATable(t *testing.T) {
	b := newBed(t)
	b.put("a.csv", "id,text,n\n1,\"a,5\n7,mid,9\n2,b\",5\n3,c,6\n")
	batch := b.next(b.source("csv", nil))
	wantText(t, "rows", b.rows(batch), "1|a,5\n7,mid,9\n2,b|5\n3|c|6\n")
	wantText(t, "rejects", b.rejects(batch), "")
}

// TestOtherEndsBehindTheWindow has line ends of other kinds behind the part of the file that tells which are used.
func TestOtherEndsBehindTheWindow(t *testing.T) {
	long := strings.Repeat("x", windowStep)
	got := recordsOf(t, "a\r"+long+"\ry\nz\r\nu\r\r\n\n\"v\nw\r\n\"\n"+long+long+"\r\nlast", plainCSV, 1)
	want := []string{"1:[a]", "2:[" + long + "]", "3:[y]", "4:[z]", "5:[u]", "8:[v\nw\r\n]", "11:[" + long + long + "]", "12:[last]"}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.ReplaceAll(strings.Join(got, " "), long, "LONG"))
	}
}

// TestManyEmptyLines keeps a file from DuckDB that takes them for one long line.
func TestManyEmptyLines(t *testing.T) {
	b := newBed(t)
	b.put("a.csv", "a,b\n1,2\n"+strings.Repeat("\n", 40<<20)+"3,4\n")
	batch := b.next(b.source("csv", nil))
	wantText(t, "rows, without a repair", b.must("SELECT a, b FROM "+batch.Relation), "1|2\n3|4\n")
}
