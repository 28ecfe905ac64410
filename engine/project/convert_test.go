package project_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/lakeflow/lakeflow/engine/project"
)

// planOf is the plan of a pipeline as JSON without places, or false where it does not compile.
func planOf(t *testing.T, file string) (any, bool) {
	t.Helper()
	p, err := project.Open(t.Context(), file, project.Options{Purpose: project.Look})
	if err != nil {
		return err.Error(), false
	}
	defer p.Close()
	made, err := p.Explain(t.Context())
	if err != nil {
		return err.Error(), false
	}
	var text bytes.Buffer
	if err := made.JSON(&text); err != nil {
		t.Fatal(err)
	}
	var plan any
	if err := json.Unmarshal(text.Bytes(), &plan); err != nil {
		t.Fatal(err)
	}
	return withoutPlaces(plan), true
}

// withoutPlaces removes where things stand, and white space around queries.
func withoutPlaces(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range []string{"file", "line", "column"} {
			if _, ok := v["issue_type"]; ok {
				delete(v, key)
			}
		}
		for key, x := range v {
			v[key] = withoutPlaces(x)
		}
	case []any:
		for i, x := range v {
			v[i] = withoutPlaces(x)
		}
	case string:
		return strings.TrimRight(v, " \n;")
	}
	return v
}

// Pipelines of examples and scripts, converted into another folder, have the plans that they had, fingerprints of
// queries included.
func TestConvertedPlans(t *testing.T) {
	var files []string
	for _, dir := range []string{"../../examples/flights", "../../examples/customers_cdc", "../../examples/strict", "../../cmd/lakeflow/template"} {
		to := filepath.Join(t.TempDir(), "demo")
		if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.Join(to, "pipeline.yaml"))
	}
	scripts, err := filepath.Glob("../../cmd/lakeflow/testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		files = append(files, fromScript(t, script)...)
	}
	compared := 0
	for _, file := range files {
		want, ok := planOf(t, file)
		if !ok {
			continue
		}
		compared++
		folder := filepath.Join(t.TempDir(), "elsewhere")
		made, err := project.Convert(file, project.Options{}, folder)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for name, text := range made.Files {
			path := filepath.Join(folder, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, ok := planOf(t, filepath.Join(folder, "pipeline.yaml"))
		if d := cmp.Diff(want, got); !ok || d != "" {
			t.Errorf("%s: %v %s\n%s", file, got, d, made.Files["pipeline.yaml"])
		}
	}
	t.Logf("%d plans", compared)
	if compared < 90 {
		t.Errorf("only %d plans were compared", compared)
	}
}

// fromScript writes the files of a script, and gives one pipeline of it that reads files of the script.
func fromScript(t *testing.T, script string) []string {
	archive, err := txtar.ParseFile(script)
	if err != nil {
		t.Fatal(err)
	}
	dir, found := t.TempDir(), ""
	for _, f := range archive.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		if text := string(f.Data); filepath.Base(f.Name) == "pipeline.yaml" && !strings.Contains(text, "kafka") && found == "" {
			found = path
		}
	}
	if found == "" {
		return nil
	}
	return []string{found}
}
