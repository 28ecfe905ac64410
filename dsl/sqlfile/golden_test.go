package sqlfile

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestStatements parses in.sql of every testdata/statements/*.txtar, and compares the statements with want.txt.
func TestStatements(t *testing.T) {
	goldens(t, "testdata/statements/*.txtar", func(t *testing.T, sql string) string {
		var diags diag.List
		out := parseAll(t, sql, &diags)
		if len(diags) > 0 {
			t.Errorf("mistakes in what is right:\n%s", rendered(t, sql, diags))
		}
		return out
	})
}

// TestMistakes does so for testdata/mistakes/CODE-*.txtar, where want.txt has what the user sees, and then what is
// understood all the same.
func TestMistakes(t *testing.T) {
	goldens(t, "testdata/mistakes/*.txtar", func(t *testing.T, sql string) string {
		var diags diag.List
		out := parseAll(t, sql, &diags)
		diags.Sort()
		code, _, _ := strings.Cut(filepath.Base(t.Name()), "-")
		found := false
		for _, d := range diags {
			found = found || d.Code == code
			if d.Help == "" {
				t.Errorf("%s at %s does not say what to write instead", d.Code, d.Range)
			}
		}
		if !found {
			t.Errorf("%s was not reported", code)
		}
		return rendered(t, sql, diags) + "\n" + out
	})
}

func goldens(t *testing.T, pattern string, got func(t *testing.T, sql string) string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil || len(archive.Files) == 0 || archive.Files[0].Name != "in.sql" {
				t.Fatalf("%s does not begin with in.sql: %v", file, err)
			}
			text := got(t, string(archive.Files[0].Data))
			want := ""
			if len(archive.Files) > 1 {
				want = string(archive.Files[1].Data)
			}
			if *update {
				archive.Files = append(archive.Files[:1], txtar.File{Name: "want.txt", Data: []byte(text)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(want, text); d != "" {
				t.Errorf("%s differs; run go test ./dsl/sqlfile -update and look at the change\n%s", file, d)
			}
		})
	}
}

func parseAll(t *testing.T, sql string, diags *diag.List) string {
	var out strings.Builder
	for _, s := range Parse("in.sql", sql, diags) {
		v := reflect.ValueOf(s).Elem()
		head := s.head()
		fmt.Fprintf(&out, "%s %s", v.Type().Name(), place(head.Range))
		if head.Flawed {
			out.WriteString(" flawed")
		}
		out.WriteString("\n")
		dumpFields(&out, "  ", v)
	}
	return out.String()
}

func rendered(t *testing.T, sql string, diags diag.List) string {
	var b strings.Builder
	if err := diag.Render(&b, diags, func(string) ([]byte, error) { return []byte(sql), nil }, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func place(r diag.Range) string {
	if r.Start.Line == r.End.Line {
		return fmt.Sprintf("%d:%d-%d", r.Start.Line, r.Start.Column, r.End.Column)
	}
	return fmt.Sprintf("%d:%d-%d:%d", r.Start.Line, r.Start.Column, r.End.Line, r.End.Column)
}

// dumpFields writes what a struct holds, one part a line, without what is not written.
func dumpFields(out *strings.Builder, indent string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case f.Type == reflect.TypeFor[Head]() || !f.IsExported() || v.Field(i).IsZero():
		case f.Anonymous || f.Type == reflect.TypeFor[Clauses]():
			dumpFields(out, indent, v.Field(i))
		default:
			dump(out, indent, f.Name, v.Field(i))
		}
	}
}

func dump(out *strings.Builder, indent, name string, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case Word:
		fmt.Fprintf(out, "%s%s %q %s\n", indent, name, x.Text, place(x.Range))
	case Text:
		fmt.Fprintf(out, "%s%s %s %s\n", indent, name, strconv.Quote(x.SQL), place(x.Range))
	case diag.Range:
		fmt.Fprintf(out, "%s%s %s\n", indent, name, place(x))
	default:
		switch v.Kind() {
		case reflect.Struct:
			fmt.Fprintf(out, "%s%s\n", indent, name)
			dumpFields(out, indent+"  ", v)
		case reflect.Slice:
			for i := range v.Len() {
				dump(out, indent, name, v.Index(i))
			}
		default:
			fmt.Fprintf(out, "%s%s %v\n", indent, name, x)
		}
	}
}

// TestCodes checks that every code of the package is documented and has a case.
func TestCodes(t *testing.T) {
	doc, err := os.ReadFile("../../docs/diagnostics.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(LF05(?:[0-4]|7|8)[0-9])"`).FindAllStringSubmatch(string(src), -1) {
			used[m[1]] = true
		}
	}
	if len(used) == 0 {
		t.Fatal("found no codes in the source")
	}
	for c := range used {
		if !strings.Contains(string(doc), "\n### "+c+" ") {
			t.Errorf("%s has no section in docs/diagnostics.md", c)
		}
		if cases, _ := filepath.Glob("testdata/*/" + c + "-*"); len(cases) == 0 {
			t.Errorf("%s has no case in testdata", c)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (LF05(?:[0-4]|7|8)\d) `).FindAllStringSubmatch(string(doc), -1) {
		if !used[m[1]] {
			t.Errorf("docs/diagnostics.md describes %s, which nothing reports", m[1])
		}
	}
}
