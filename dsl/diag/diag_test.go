package diag

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func at(file string, line, col, endCol int) Range {
	return Range{File: file, Start: Pos{line, col}, End: Pos{line, endCol}}
}

func TestRender(t *testing.T) {
	files := map[string]string{
		"p.yaml": "\ufeffname: x\r\n\ttabels:\r\n日本: é\n" + strings.Repeat("x", 300) + "\n\x1b[31mred\n",
	}
	src := func(f string) ([]byte, error) {
		if s, ok := files[f]; ok {
			return []byte(s), nil
		}
		return nil, errors.New("gone")
	}
	tests := []struct {
		name string
		in   Diagnostic
		want string
	}{
		{"tab", Diagnostic{Code: "LF0001", Range: at("p.yaml", 2, 2, 8), Message: "bad", Help: "good"},
			"error[LF0001]: bad\n --> p.yaml:2:2\n  |\n2 |     tabels:\n  |     ^~~~~~\n  = help: good\n"},
		{"wide", Diagnostic{Code: "LF0001", Range: at("p.yaml", 3, 5, 6), Message: "bad", Severity: Warning},
			"warning[LF0001]: bad\n --> p.yaml:3:5\n  |\n3 | 日本: é\n  |       ^\n"},
		{"wide under", Diagnostic{Code: "LF0001", Range: at("p.yaml", 3, 1, 3), Message: "bad"},
			"error[LF0001]: bad\n --> p.yaml:3:1\n  |\n3 | 日本: é\n  | ^~~~\n"},
		{"first line, past its end", Diagnostic{Code: "LF0001", Range: at("p.yaml", 1, 40, 50), Message: "bad"},
			"error[LF0001]: bad\n --> p.yaml:1:40\n  |\n1 | name: x\n  |        ^\n"},
		{"control codes", Diagnostic{Code: "LF0001", Range: at("p.yaml", 5, 6, 9), Message: "a\x1b\nb"},
			"error[LF0001]: a\\x1b b\n --> p.yaml:5:6\n  |\n5 | \\x1b[31mred\n  |         ^~~\n"},
		{"no such line", Diagnostic{Code: "LF0001", Range: at("p.yaml", 99, 1, 2), Message: "bad"},
			"error[LF0001]: bad\n  --> p.yaml:99:1\n"},
		{"no such file", Diagnostic{Code: "LF0001", Range: at("q.yaml", 1, 1, 2), Message: "bad"},
			"error[LF0001]: bad\n --> q.yaml:1:1\n"},
		{"no place", Diagnostic{Code: "LF0001", Range: Range{File: "--param"}, Message: "bad", Help: "good"},
			"error[LF0001]: bad\n --> --param\n  = help: good\n"},
		{"two lines", Diagnostic{Code: "LF0001", Range: Range{"p.yaml", Pos{2, 2}, Pos{3, 2}}, Message: "bad"},
			"error[LF0001]: bad\n --> p.yaml:2:2\n  |\n2 |     tabels:\n  |     ^~~~~~~\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := Render(&b, List{tt.in}, src, false); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, b.String()); d != "" {
				t.Error(d)
			}
		})
	}
	t.Run("long line", func(t *testing.T) {
		var b strings.Builder
		if err := Render(&b, List{{Code: "LF0001", Range: at("p.yaml", 4, 200, 203), Message: "bad"}}, src, false); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		if n := len([]rune(lines[3])); n > 170 {
			t.Errorf("the line is %d characters long", n)
		}
		if got := strings.Count(lines[4], "^") + strings.Count(lines[4], "~"); got != 3 {
			t.Errorf("underlined %d characters, want 3: %q", got, lines[4])
		}
	})
	t.Run("color", func(t *testing.T) {
		var b strings.Builder
		if err := Render(&b, List{{Code: "LF0001", Message: "bad"}}, src, true); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(b.String(), "\x1b[1;31merror[LF0001]\x1b[0m") {
			t.Errorf("%q", b.String())
		}
	})
}

// TestRenderStopsAfterFifty guards against a screenful that hides what matters: errors go first, the rest is counted.
func TestRenderStopsAfterFifty(t *testing.T) {
	var l List
	for i := range 40 {
		l.Warnf("LF0900", at("p.yaml", 2*i+1, 1, 2), "", "warning %d", i)
		l.Errorf("LF0901", at("p.yaml", 2*i+2, 1, 2), "", "error %d", i)
	}
	var b strings.Builder
	if err := Render(&b, l, nil, false); err != nil {
		t.Fatal(err)
	}
	if e, w := strings.Count(b.String(), "error["), strings.Count(b.String(), "warning["); e != 40 || w != 10 {
		t.Errorf("%d errors and %d warnings are shown, want 40 and 10", e, w)
	}
	if !strings.HasSuffix(b.String(), "\n... and 30 more; lakeflow validate --format json shows all of them\n") {
		t.Errorf("the end is %q", b.String()[b.Len()-100:])
	}
	b.Reset()
	if err := Render(&b, l[:50], nil, false); err != nil || strings.Contains(b.String(), "more;") || strings.Count(b.String(), "[LF") != 50 {
		t.Errorf("fifty are not shown whole: %v", err)
	}
}

func TestSort(t *testing.T) {
	l := List{
		{Code: "LF0002", Range: at("b", 1, 1, 2)},
		{Code: "LF0002", Range: at("a", 2, 1, 2)},
		{Code: "LF0001", Range: at("a", 1, 5, 6)},
		{Code: "LF0002", Range: at("b", 1, 1, 2)},
		{Code: "LF0003", Range: at("a", 1, 2, 3)},
	}
	l.Sort()
	var got []string
	for _, d := range l {
		got = append(got, d.Code+" "+d.Range.String())
	}
	want := []string{"LF0003 a:1:2", "LF0001 a:1:5", "LF0002 a:2:1", "LF0002 b:1:1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSuggest(t *testing.T) {
	keys := []string{"sources", "tables", "target", "name", "description"}
	for word, want := range map[string]string{
		"tabels": "tables", "TABLES": "tables", "source": "sources", "nmae": "name", "nam": "name",
		"zzz": "", "": "", "x": "", "descriptoin": "description", strings.Repeat("a", 1000): "",
	} {
		if got := Suggest(word, keys); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", word, got, want)
		}
	}
}
