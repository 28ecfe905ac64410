package yamlfile

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/sinks"
	kafkasink "github.com/lakeflow/lakeflow/sinks/kafka"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/files"
	"github.com/lakeflow/lakeflow/sources/kafka"
)

// connectors are those that the goldens and the stored schema have.
var connectors = dsl.Connectors{Sources: []sources.Factory{files.Factory(), kafka.Factory()}, Sinks: []sinks.Factory{kafkasink.Factory()}}

var update = flag.Bool("update", false, "rewrite the golden files and the JSON schema")

// golden compares got with the file, or rewrites it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run go test ./dsl/yamlfile -update", err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs; run go test ./dsl/yamlfile -update and look at the change\n%s", file, d)
	}
}

func render(t *testing.T, l diag.List) string {
	t.Helper()
	var b strings.Builder
	if err := diag.Render(&b, l, os.ReadFile, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDiagnostics loads every testdata/diagnostics/<code>-<name>/pipeline.yaml, with --param from the lines of params,
// and compares what the user sees.
func TestDiagnostics(t *testing.T) {
	dirs, err := filepath.Glob("testdata/diagnostics/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no cases", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			opts := Options{Connectors: connectors, Params: map[string]string{}, Env: func(string) (string, bool) { return "", false }}
			if params, err := os.ReadFile(filepath.Join(dir, "params")); err == nil {
				for line := range strings.SplitSeq(strings.TrimSpace(string(params)), "\n") {
					key, value, _ := strings.Cut(line, "=")
					opts.Params[key] = value
				}
			}
			_, diags, err := Load(filepath.ToSlash(filepath.Join(dir, "pipeline.yaml")), opts)
			if err != nil {
				t.Fatal(err)
			}
			code, _, _ := strings.Cut(filepath.Base(dir), "-")
			if !slices.ContainsFunc(diags, func(d diag.Diagnostic) bool { return d.Code == code }) {
				t.Errorf("%s was not reported", code)
			}
			for _, d := range diags {
				if d.Help == "" {
					t.Errorf("%s at %s does not say what to write instead", d.Code, d.Range)
				}
			}
			golden(t, filepath.Join(dir, "want.txt"), render(t, diags))
		})
	}
}

// TestCodes checks that every code in the source is documented, and has a golden or, where that would be a
// large file, a test of its own.
func TestCodes(t *testing.T) {
	doc, err := os.ReadFile("../../docs/diagnostics.md")
	if err != nil {
		t.Fatal(err)
	}
	var code []string
	for _, folder := range []string{".", "../option", "../sqltext", "../../sources/*", "../../sources/kafka/broker", "../../sinks/kafka"} {
		found, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		code = append(code, found...)
	}
	pattern := regexp.MustCompile(`"(LF0[01][0-9]{2})"`)
	used := map[string]bool{}
	for _, file := range code {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pattern.FindAllStringSubmatch(string(src), -1) {
			used[m[1]] = true
		}
	}
	if len(used) < 30 {
		t.Fatalf("found only %d codes in the source", len(used))
	}
	for c := range used {
		if !strings.Contains(string(doc), "\n### "+c+" ") {
			t.Errorf("%s has no section in docs/diagnostics.md", c)
		}
		if cases, _ := filepath.Glob("testdata/diagnostics/" + c + "-*"); len(cases) == 0 && c != "LF0001" {
			t.Errorf("%s has no case in testdata/diagnostics", c)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (LF0[01]\d\d) `).FindAllStringSubmatch(string(doc), -1) {
		if !used[m[1]] {
			t.Errorf("docs/diagnostics.md describes %s, which nothing reports", m[1])
		}
	}
}

func TestTooLarge(t *testing.T) {
	dir := t.TempDir()
	big := strings.Repeat("# padding\n", option.MaxFile/10+1)
	for name, content := range map[string]string{
		"big.yaml":  "name: demo\n" + big,
		"sql.yaml":  "name: demo\ntables: {one: {kind: view, sql_file: big.sql}}\n",
		"big.sql":   "SELECT 1\n" + strings.ReplaceAll(big, "#", "--"),
		"edge.yaml": ("name: demo\ntables: {one: {kind: view, sql: SELECT 1}}\n" + big)[:option.MaxFile],
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"big.yaml": "big.yaml", "sql.yaml": "big.sql"} {
		_, diags, err := Load(filepath.Join(dir, name), Options{Connectors: connectors})
		if err != nil {
			t.Fatal(err)
		}
		if len(diags) != 1 || diags[0].Code != "LF0001" || filepath.Base(diags[0].Range.File) != want {
			t.Errorf("%s: %v", name, diags)
		}
	}
	if _, diags, err := Load(filepath.Join(dir, "edge.yaml"), Options{Connectors: connectors}); err != nil || len(diags) > 0 {
		t.Errorf("a file of exactly 1 MiB: %v, %v", diags, err)
	}
}

func TestJSONSchemaIsCurrent(t *testing.T) {
	got, err := JSONSchema(connectors)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../../schemas/pipeline.schema.json", string(got))
}
