package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lakeflow/lakeflow/dsl/yamlfile"
	"github.com/lakeflow/lakeflow/engine/project"
	"github.com/lakeflow/lakeflow/schemas"
)

const referencePage = "../../docs/reference.md"

func readReference(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// Every key of the pipeline file has a row with its default, and every word that a key takes is named.
func TestReferenceHasEveryKey(t *testing.T) {
	page := readReference(t)
	text, err := yamlfile.JSONSchema(project.Connectors())
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	keys := 0
	eachProperty(schema, func(name string, p map[string]any) {
		keys++
		rows := regexp.MustCompile("(?m)^\\| `"+name+"` .*$").FindAllString(page, -1)
		if len(rows) == 0 {
			t.Errorf("the key %s has no row", name)
		}
		if value, ok := p["default"]; ok {
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			want := "`" + strings.Trim(string(text), `"`) + "`"
			if !slices.ContainsFunc(rows, func(row string) bool { return strings.Contains(row, want) }) {
				t.Errorf("no row of the key %s has its default %s: %q", name, want, rows)
			}
		}
		words, _ := p["enum"].([]any)
		for _, word := range words {
			if !strings.Contains(page, fmt.Sprintf("`%v`", word)) {
				t.Errorf("the word %v of the key %s is not explained", word, name)
			}
		}
	})
	if keys < 30 {
		t.Fatalf("only %d keys were found in the schema", keys)
	}
}

// eachProperty calls do with every property in a JSON schema.
func eachProperty(v any, do func(name string, p map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		if properties, ok := v["properties"].(map[string]any); ok {
			for name, p := range properties {
				if p, ok := p.(map[string]any); ok {
					do(name, p)
				}
			}
		}
		for _, child := range v {
			eachProperty(child, do)
		}
	case []any:
		for _, child := range v {
			eachProperty(child, do)
		}
	}
}

// Every command and every flag of it is there, and so is every exit code.
func TestReferenceHasEveryCommand(t *testing.T) {
	page := readReference(t)
	root := newRoot()
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		use := strings.TrimPrefix(strings.TrimSuffix(cmd.UseLine(), " [flags]"), "lakeflow ")
		if cmd.Runnable() && !cmd.HasSubCommands() && !strings.Contains(page, "| `"+use) {
			t.Errorf("the command %q has no row", use)
		}
		rows := regexp.MustCompile("(?m)^\\| `"+regexp.QuoteMeta(strings.Fields(use)[0])+"[ `].*$").FindAllString(page, -1)
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !slices.ContainsFunc(rows, func(row string) bool { return regexp.MustCompile("--" + f.Name + "[` ]").MatchString(row) }) &&
				!slices.ContainsFunc(rows, func(row string) bool { return f.Shorthand != "" && strings.Contains(row, "`-"+f.Shorthand+"`") }) {
				t.Errorf("the flag --%s of %s is not in its row", f.Name, cmd.Name())
			}
		})
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	for _, cmd := range root.Commands() {
		visit(cmd)
	}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(page, "`--"+f.Name) {
			t.Errorf("the flag --%s is not explained", f.Name)
		}
	})
	for _, m := range regexp.MustCompile(`(?m)^  (\d+) `).FindAllStringSubmatch(root.Long, -1) {
		if !strings.Contains(page, "| "+m[1]+" |") {
			t.Errorf("exit code %s is not explained", m[1])
		}
	}
}

// Every column of the system tables is there.
func TestReferenceHasEveryColumn(t *testing.T) {
	_, page, _ := strings.Cut(readReference(t), "\n## System tables\n")
	for _, table := range []schemas.Table{schemas.EventLog(), schemas.DeadLetter()} {
		for _, c := range table {
			if !strings.Contains(page, "`"+c.Name+"`") {
				t.Errorf("the column %s is not explained", c.Name)
			}
		}
	}
}

// Parts of a pipeline that the page leaves out where they do not matter.
var fragments = map[string]string{
	"name": "name: fragment\n",
	"sources": `sources:
  orders_feed:
    files: {path: data/orders, format: json}
    schema: {id: BIGINT, customer: VARCHAR, amount: "DECIMAL(12,2)"}
`,
	"tables": "tables:\n  t: {kind: streaming_table, sql: SELECT * FROM STREAM orders_feed}\n",
}

// Every example is run: the first pipeline with all commands and queries in their order, the others are validated.
func TestReferenceExamplesRun(t *testing.T) {
	page := readReference(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "data/orders/1.json"), `{"id":1,"customer":"Ada","amount":12.5}
{"id":2,"customer":"Bo","amount":-3}
`)
	writeFile(t, filepath.Join(dir, "eventhubs.connection"), "Endpoint=sb://my-namespace/")
	writeFile(t, filepath.Join(dir, "client.secret"), "secret")
	count := map[string]int{}
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		language, code := m[1], m[2]
		if strings.HasPrefix(code, "apiVersion:") {
			language = "kubernetes"
		}
		count[language]++
		switch language {
		case "ini":
			asService(t, dir, unitCommand(t, code), "http://127.0.0.1:9464/healthz", "http://127.0.0.1:9464/readyz")
		case "kubernetes":
			args, probes := podCommand(t, code)
			asService(t, dir, args, probes[0], probes[1])
		case "yaml":
			file := "pipeline.yaml"
			if count[language] > 1 {
				file, code = "fragment.yaml", whole(code)
			}
			writeFile(t, filepath.Join(dir, file), code)
			inDir(t, dir, "lakeflow", "validate", file)
		case "sh":
			inDir(t, dir, "sh", "-ec", code)
		case "sql":
			inDir(t, dir, "lakeflow", "query", code)
		default:
			t.Errorf("a block of %s is not run by anything", language)
		}
	}
	if count["yaml"] < 5 || count["sh"] < 2 || count["sql"] < 2 || count["ini"] != 1 || count["kubernetes"] != 1 {
		t.Errorf("too few examples were found: %v", count)
	}
}

// unitCommand is what a systemd unit starts, without the program.
func unitCommand(t *testing.T, unit string) []string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/lakeflow (.*)$`).FindStringSubmatch(unit)
	if m == nil {
		t.Fatalf("the unit does not start lakeflow:\n%s", unit)
	}
	return strings.Fields(m[1])
}

// podCommand is what a Deployment starts and asks.
func podCommand(t *testing.T, manifest string) (args, probes []string) {
	t.Helper()
	type probe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	}
	var d struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Args  []string
						Ports []struct {
							Name string
							Port int `yaml:"containerPort"`
						}
						Liveness  probe `yaml:"livenessProbe"`
						Readiness probe `yaml:"readinessProbe"`
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(manifest), &d); err != nil {
		t.Fatal(err)
	}
	c := d.Spec.Template.Spec.Containers[0]
	for _, p := range []probe{c.Liveness, c.Readiness} {
		if p.HTTPGet.Port != c.Ports[0].Name {
			t.Errorf("a probe asks the port %q", p.HTTPGet.Port)
		}
		probes = append(probes, fmt.Sprintf("http://127.0.0.1:%d%s", c.Ports[0].Port, p.HTTPGet.Path))
	}
	return c.Args, probes
}

// asService runs lakeflow as a service does, on a pipeline whose brokers are away: it lives, is not ready, and ends in order. Its address is one of the machine's own, so
// it is replaced.
func asService(t *testing.T, dir string, args []string, alive, ready string) {
	t.Helper()
	put(t, filepath.Join(dir, "service", "pipeline.yaml"), awayPipeline)
	address := freeAddress(t)
	args = slices.Clone(args)
	for i, a := range args {
		switch a {
		case "/srv/orders/pipeline.yaml":
			args[i] = filepath.Join(dir, "service", "pipeline.yaml")
		case ":9464":
			args[i] = address
		}
	}
	if !slices.Contains(args, "--listen") {
		args = append(args, "--listen", address)
	}
	run := exec.Command("lakeflow", args...)
	run.Stderr = &strings.Builder{}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = run.Process.Kill() }()
	awaitAnswer(t, strings.Replace(alive, "127.0.0.1:9464", address, 1), http.StatusOK, "ok")
	awaitAnswer(t, strings.Replace(ready, "127.0.0.1:9464", address, 1), http.StatusServiceUnavailable, "waiting for the next attempt: source feed: ")
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, run.Stderr)
	}
}

var brokerList = regexp.MustCompile(`brokers: \[[^\]]*\]`)

// whole adds what a part of a pipeline needs to be one. Its brokers are none: pipelines are checked without them.
func whole(code string) string {
	code = brokerList.ReplaceAllString(code, "brokers: [127.0.0.1:1]")
	for _, key := range []string{"name", "sources", "tables"} {
		if !regexp.MustCompile("(?m)^" + key + ":").MatchString(code) {
			code += fragments[key]
		}
	}
	return code
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func inDir(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
