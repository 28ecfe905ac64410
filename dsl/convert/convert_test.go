package convert

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/tools/txtar"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/load"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/sinks"
	kafkasink "github.com/lakeflow/lakeflow/sinks/kafka"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/files"
	"github.com/lakeflow/lakeflow/sources/kafka"
)

var connectors = dsl.Connectors{Sources: []sources.Factory{files.Factory(), kafka.Factory()}, Sinks: []sinks.Factory{kafkasink.Factory()}}

// project is a pipeline in a folder of its own.
type project struct {
	name, path string
	params     map[string]string
}

// projects are the pipelines of the repository: those of the examples, of scripts, and of the tests of what reads them.
func projects(t *testing.T) []project {
	var all []project
	files := func(pattern string) []string {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		return found
	}
	for _, pattern := range []string{"../../examples/*/pipeline.yaml", "../yamlfile/testdata/example/pipeline.yaml", "../../cmd/lakeflow/template/pipeline.yaml"} {
		for _, file := range files(pattern) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Dir(file))); err != nil {
				t.Fatal(err)
			}
			all = append(all, project{file, filepath.Join(dir, filepath.Base(file)), nil})
		}
	}
	for _, pattern := range []string{"../../cmd/lakeflow/testdata/script/*.txtar", "../sqlfile/testdata/pipelines/*.txtar", "../../engine/plan/testdata/*.txtar", "../../engine/plan/testdata/*/*.txtar"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			all = append(all, unpack(t, file)...)
		}
	}
	return all
}

// unpack writes the files of an archive, and finds the pipelines among them.
func unpack(t *testing.T, file string) []project {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "demo")
	var found []project
	params, sql := map[string]string{}, false
	for _, name := range []string{"broker.txt", "brokers.txt", "in.txt"} { // which scripts write
		archive.Files = append([]txtar.File{{Name: name, Data: []byte("s3cret.example:9092\n")}}, archive.Files...)
	}
	for _, f := range archive.Files {
		if f.Name == "conf" {
			for line := range strings.SplitSeq(strings.TrimSpace(string(f.Data)), "\n") {
				key, value, _ := strings.Cut(line, "=")
				params[key] = value
			}
			continue
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Name, ".yaml") {
			found = append(found, project{file + "/" + f.Name, path, nil})
		}
		sql = sql || strings.HasSuffix(f.Name, ".sql")
	}
	if sql && len(found) == 0 {
		found = append(found, project{file, dir, params})
	}
	return found
}

// query is what DuckDB is given of a query.
func query(q *sqltext.Query) string {
	if q == nil {
		return ""
	}
	return strings.TrimRight(q.Text, " \n;")
}

// same are the options for comparing pipelines by what they say, wherever it stands.
var same = cmp.Options{
	cmpopts.IgnoreTypes(option.Node{}, diag.Range{}, &dsl.Secrets{}),
	cmpopts.IgnoreFields(dsl.Pipeline{}, "File", "SQL"), // what .sql files declare is in the file
	cmpopts.IgnoreFields(dsl.Table{}, "Ignored"),        // which is lost
	cmpopts.EquateEmpty(), cmpopts.EquateNaNs(),
	cmp.Transformer("query", query),
	cmp.Exporter(func(reflect.Type) bool { return true }),
}

// described leaves out columns of which nothing is said.
func described(p *dsl.Pipeline) *dsl.Pipeline {
	for _, t := range p.Tables {
		if !slices.ContainsFunc(t.Columns, func(c dsl.Column) bool { return c.Type != "" }) {
			t.Columns = slices.DeleteFunc(t.Columns, func(c dsl.Column) bool { return c.Description == "" })
		}
	}
	return p
}

func read(t *testing.T, path string, opts load.Options) (*dsl.Pipeline, diag.List) {
	t.Helper()
	opts.Connectors = connectors
	p, diags, err := load.Load(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p, slices.DeleteFunc(diags, func(d diag.Diagnostic) bool { return d.Severity == diag.Warning })
}

// converted is the name of the pipeline file that tests write.
const converted = "converted.yaml"

// convertTo writes a converted pipeline into a folder, and gives what it lost.
func convertTo(t *testing.T, x project, folder string) diag.List {
	t.Helper()
	kept, _ := read(t, x.path, load.Options{Params: x.params, Keep: true})
	made, err := Pipeline(kept, folder)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range made.Files {
		if name == FileName {
			name = converted
		}
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return made.Lost
}

// Every pipeline without mistakes, converted and read again, says the same.
func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"X", "TOKEN", "SECRET", "PASSWORD", "KAFKA_PASSWORD"} {
		t.Setenv(name, "s3cret-"+name)
	}
	read1, kinds := 0, map[string]int{}
	for _, x := range projects(t) {
		want, diags := read(t, x.path, load.Options{Params: x.params})
		if want == nil || len(diags) > 0 {
			continue
		}
		read1++
		kinds[filepath.Ext(x.path)]++
		t.Run(x.name, func(t *testing.T) {
			folder := want.Dir
			if filepath.Ext(x.path) == ".sql" {
				folder = filepath.Dir(x.path)
			}
			lost := convertTo(t, x, folder)
			text, err := os.ReadFile(filepath.Join(folder, converted))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "s3cret") {
				t.Errorf("the file shows secrets:\n%s", text)
			}
			got, diags := read(t, filepath.Join(folder, converted), load.Options{})
			if len(diags) > 0 {
				t.Fatalf("%v\n%s", diags, text)
			}
			if d := cmp.Diff(described(want), described(got), same); d != "" {
				t.Errorf("%s\n%s\n%v", d, text, lost)
			}
		})
	}
	t.Logf("%d pipelines: %v", read1, kinds)
	if kinds[".yaml"] < 300 || kinds[""] < 2 {
		t.Errorf("only %v pipelines were converted", kinds)
	}
}
