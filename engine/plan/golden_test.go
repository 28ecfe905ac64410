package plan_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/yamlfile"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
	kafkasink "github.com/lakeflow/lakeflow/sinks/kafka"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/files"
	"github.com/lakeflow/lakeflow/sources/kafka"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// connectors are those of the goldens.
var connectors = dsl.Connectors{Sources: []sources.Factory{files.Factory(), kafka.Factory()}, Sinks: []sinks.Factory{kafkasink.Factory()}}

// load extracts the files of an archive and loads its pipeline.yaml. A source has the columns of its schema.
func load(t *testing.T, files []txtar.File) (plan.Input, func(string) ([]byte, error)) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, diags, err := yamlfile.Load(filepath.Join(dir, "pipeline.yaml"), yamlfile.Options{Connectors: connectors})
	if err != nil {
		t.Fatal(err)
	}
	if diags.HasErrors() {
		t.Fatalf("the pipeline file itself has mistakes: %v", []diag.Diagnostic(diags))
	}
	in := plan.Input{Pipeline: p, Conn: connect(t), SourceColumns: map[string]schemas.Table{}, Unreached: map[string]string{}, Found: map[string]sources.Found{}}
	for _, s := range p.Sources {
		var specs []string
		for _, c := range s.Schema {
			specs = append(specs, c.Name+" "+c.Type)
		}
		if len(specs) > 0 {
			if said := s.Options.Traits().Changes; said != nil {
				for _, c := range said.NoData {
					specs = append(specs, c.Name+" "+c.Type.String())
				}
			}
			in.SourceColumns[s.Name] = columns(t, specs...)
		}
	}
	for _, f := range files {
		if f.Name == "unreached" { // the names of sources
			for _, name := range strings.Fields(string(f.Data)) {
				in.Unreached[name] = "ask localhost:9092 for topics: connection refused"
			}
		}
		if f.Name == "found" { // source: what it lacks; remedy
			for line := range strings.Lines(string(f.Data)) {
				name, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
				lack, remedy, _ := strings.Cut(text, "; ")
				in.Found[name] = sources.Found{Lack: lack, Remedy: remedy}
			}
		}
	}
	for _, f := range files {
		declared(t, p, f)
	}
	read := func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return os.ReadFile(name)
	}
	return in, read
}

// declared adds what pipeline SQL declares of a pipeline, and YAML has no words for: what of a table has no effect, and views
// whose query runs once.
func declared(t *testing.T, p *dsl.Pipeline, f txtar.File) {
	t.Helper()
	if f.Name != "ignored" && f.Name != "once" {
		return
	}
	for line := range strings.Lines(string(f.Data)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		i := slices.IndexFunc(p.Tables, func(x *dsl.Table) bool { return x.Name == name })
		if i < 0 {
			t.Fatalf("%s: there is no table %s", f.Name, name)
		}
		table := p.Tables[i]
		if f.Name == "once" {
			table.Flows[0].Once = true
			continue
		}
		at := strings.LastIndex(rest, " ")
		table.Ignored = append(table.Ignored, dsl.Ignored{Node: table.Node, Name: rest[:at], Value: rest[at+1:]})
	}
}

// portable takes the test's folder out of a text.
func portable(in plan.Input, text string) string {
	return strings.ReplaceAll(text, in.Pipeline.Dir+string(filepath.Separator), "")
}

// golden compares the archive's file with got, or replaces it.
func golden(t *testing.T, path string, archive *txtar.Archive, name, got string) {
	t.Helper()
	for i, f := range archive.Files {
		if f.Name != name {
			continue
		}
		if *update {
			archive.Files[i].Data = []byte(got)
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		if diff := cmp.Diff(string(f.Data), got); diff != "" {
			t.Errorf("%s: %s (-want +got; -update rewrites it):\n%s", path, name, diff)
		}
		return
	}
	t.Fatalf("%s has no file %s", path, name)
}

// TestDiagnostics compiles a pipeline for every code and compares what the user would see.
func TestDiagnostics(t *testing.T) {
	paths, err := filepath.Glob("testdata/diagnostics/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		code := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(code, func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in, read := load(t, archive.Files)
			p, diags, err := plan.Compile(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			if missing := diags.HasErrors() || code == "LF0244"; missing == (p != nil) {
				t.Errorf("plan %v with errors %v", p != nil, diags.HasErrors())
			}
			found := false
			for _, d := range diags {
				found = found || d.Code == code
				if d.Range.Start.Line == 0 || d.Help == "" {
					t.Errorf("%s has no place or no help: %+v", d.Code, d)
				}
			}
			if !found {
				t.Errorf("no diagnostic %s", code)
			}
			var out bytes.Buffer
			if err := diag.Render(&out, diags, read, false); err != nil {
				t.Fatal(err)
			}
			golden(t, path, archive, "want", portable(in, out.String()))
		})
	}
}

// TestEveryCodeHasAGolden reads the codes from the source: each has its archive and its entry in the reference.
func TestEveryCodeHasAGolden(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	reference, err := os.ReadFile("../../docs/diagnostics.md")
	if err != nil {
		t.Fatal(err)
	}
	sink, err := os.ReadFile("../../sinks/kafka/options.go") // which checks the columns that it publishes
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`"(LF02\d{2})"`).FindAllSubmatch(append(source, sink...), -1)
	if len(codes) == 0 {
		t.Fatal("no codes found")
	}
	for _, m := range codes {
		if _, err := os.Stat("testdata/diagnostics/" + string(m[1]) + ".txtar"); err != nil {
			t.Error(err)
		}
		if !bytes.Contains(reference, m[1]) {
			t.Errorf("docs/diagnostics.md does not explain %s", m[1])
		}
	}
}

// TestPlanOutput compares every rendering of a pipeline of six tables, of one that reads topics for ever, of one that
// applies changes, and of one that declares types and flows that run once.
func TestPlanOutput(t *testing.T) {
	for _, path := range []string{"testdata/flights.txtar", "testdata/stream.txtar", "testdata/changes.txtar", "testdata/feed.txtar", "testdata/declared.txtar"} {
		t.Run(path, func(t *testing.T) { planOutput(t, path) })
	}
}

func planOutput(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in, _ := load(t, archive.Files)
	p, diags, err := plan.Compile(context.Background(), in)
	if err != nil || len(diags) > 0 {
		t.Fatal([]diag.Diagnostic(diags), err)
	}
	if err := p.Explain(context.Background(), in.Conn); err != nil {
		t.Fatal(err)
	}
	for name, render := range map[string]func(*bytes.Buffer) error{
		"want.txt":  func(b *bytes.Buffer) error { return p.Text(b) },
		"want.json": func(b *bytes.Buffer) error { return p.JSON(b) },
		"want.mmd":  func(b *bytes.Buffer) error { return p.Mermaid(b) },
		"want.dot":  func(b *bytes.Buffer) error { return p.DOT(b) },
	} {
		var out bytes.Buffer
		if err := render(&out); err != nil {
			t.Fatal(err)
		}
		golden(t, path, archive, name, portable(in, out.String()))
	}
}
