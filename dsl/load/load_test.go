package load_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/load"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/files"
)

var update = flag.Bool("update", false, "write what is there now into the golden files")

// TestLoad loads what the first line of each testdata/*.txtar names, with the flags behind it, and compares the
// pipeline, and what the user sees, with want.txt.
func TestLoad(t *testing.T) {
	all, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(all) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range all {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir, want := t.TempDir(), ""
			t.Chdir(dir)
			kept := archive.Files[:0:0]
			for _, f := range archive.Files {
				if f.Name == "want.txt" {
					want = string(f.Data)
					continue
				}
				kept = append(kept, f)
				if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			path, opts := arguments(string(archive.Comment))
			got := loaded(t, dir, path, opts)
			if code, _, _ := strings.Cut(filepath.Base(file), "-"); strings.HasPrefix(code, "LF") && !strings.Contains(got, code) {
				t.Errorf("%s was not reported", code)
			}
			if *update {
				archive.Files = append(kept, txtar.File{Name: "want.txt", Data: []byte(got)})
				if err := os.WriteFile(filepath.Join(wd, file), txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s differs; run go test ./dsl/load -update and look at the change\n%s", file, d)
			}
		})
	}
}

var wd, _ = os.Getwd()

func arguments(line string) (string, load.Options) {
	opts := load.Options{Connectors: dsl.Connectors{Sources: []sources.Factory{files.Factory()}}, Params: map[string]string{}}
	words := strings.Fields(line)
	for i := 1; i+1 < len(words); i += 2 {
		switch words[i] {
		case "--target":
			opts.Target = words[i+1]
		case "--resource":
			opts.Resource = words[i+1]
		case "--overlay":
			opts.Overlay = words[i+1]
		case "--param":
			key, value, _ := strings.Cut(words[i+1], "=")
			opts.Params[key] = value
		}
	}
	return words[0], opts
}

func loaded(t *testing.T, dir, path string, opts load.Options) string {
	t.Helper()
	p, diags, err := load.Load(path, opts)
	var b strings.Builder
	if err := diag.Render(&b, diags, os.ReadFile, false); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	if p != nil {
		fmt.Fprintf(&b, "%s, schema %s, catalog %q, %s, in %s, of %s\n", p.Name, p.Target.Schema, p.SQL.Catalog, p.Mode, p.Target.Warehouse, p.File)
		for _, s := range p.Sources {
			fmt.Fprintf(&b, "source %s, %s\n", s.Name, s.Connector)
		}
		for _, f := range p.Functions {
			fmt.Fprintf(&b, "function %s(%s): %s\n", f.Name, strings.Join(f.Parameters, ", "), f.SQL.Text)
		}
		for _, table := range p.Tables {
			fmt.Fprintf(&b, "%s %s", table.Kind, table.Name)
			for _, f := range table.Flows {
				fmt.Fprintf(&b, ": %s", f.SQL.Text)
			}
			b.WriteString("\n")
		}
	}
	return strings.ReplaceAll(b.String(), dir, "DIR")
}

// TestCodes looks for a section and a case of every code.
func TestCodes(t *testing.T) {
	doc, err := os.ReadFile("../../docs/diagnostics.md")
	if err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, file := range []string{"load.go", "sql.go", "spark.go", "bundle.go"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(LF05[0-9]{2})"`).FindAllStringSubmatch(string(src), -1) {
			used = append(used, m[1])
		}
	}
	slices.Sort(used)
	used = slices.Compact(used)
	if len(used) < 5 {
		t.Fatal("found no codes in the source")
	}
	for _, code := range used {
		if !strings.Contains(string(doc), "\n### "+code+" ") {
			t.Errorf("%s has no section in docs/diagnostics.md", code)
		}
		if cases, _ := filepath.Glob("testdata/" + code + "-*"); len(cases) == 0 {
			t.Errorf("%s has no case in testdata", code)
		}
	}
}
