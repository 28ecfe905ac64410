package lakeflow_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lakeflow/lakeflow/"

// layers says what each package may import of this module, low to high. A name that ends in /* stands for the packages
// below a folder. Packages above everything (cmd, examples, tests at the root) are not listed.
var layers = []struct {
	name string
	may  []string
}{
	{"engine/failpoint", nil},
	{"dsl/diag", nil},
	{"schemas", nil},
	{"engine/graph", nil},
	{"engine/duckerr", nil},
	{"dsl/sqltext", []string{"dsl/diag"}},
	{"dsl/spark", []string{"dsl/diag", "dsl/sqltext"}},
	{"dsl/option", []string{"dsl/diag", "dsl/sqltext"}},
	{"schemas/quote", nil},
	{"expectations", []string{"schemas"}},
	{"expectations/report", []string{"dsl/diag", "dsl/sqltext", "schemas", "expectations"}},
	{"sources", []string{"dsl/diag", "schemas"}},
	{"sources/sourcetest", []string{"dsl/diag", "schemas", "sources"}},
	{"sources/values", []string{"schemas"}},
	{"sources/jsonrecords", []string{"schemas", "sources/values", "engine/duckerr"}},
	{"sources/confluent", []string{"dsl/option"}},
	{"sources/debezium", []string{"schemas", "sources", "sources/jsonrecords"}},
	{"sources/records", []string{"dsl/diag", "dsl/option", "schemas", "sources", "sources/confluent", "sources/debezium", "sources/jsonrecords", "engine/duckerr"}},
	{"sources/kafka/broker", []string{"dsl/diag", "dsl/option", "sources"}},
	{"sources/*", []string{"dsl/diag", "dsl/option", "schemas", "sources", "sources/values", "sources/jsonrecords", "sources/records", "sources/confluent", "sources/kafka/broker", "engine/failpoint",
		"engine/duckerr"}},
	{"engine/position", []string{"sources"}},
	{"sinks/lake", []string{"schemas", "engine/position"}},
	{"sinks", []string{"dsl/diag", "dsl/option", "schemas", "sources"}},
	{"sinks/sinktest", []string{"dsl/diag", "schemas", "sources", "sinks/lake", "engine/failpoint", "engine/position"}},
	{"sinks/kafka", []string{"dsl/diag", "dsl/option", "schemas", "sources", "sources/confluent", "sources/kafka/broker", "sinks", "engine/failpoint"}},
	{"sinks/iceberg/metadata", nil},
	{"sinks/iceberg", []string{"dsl/diag", "schemas", "sources", "sinks/lake", "sinks/iceberg/metadata", "engine/failpoint", "engine/position"}},
	{"dsl", []string{"dsl/option", "dsl/diag", "dsl/sqltext", "schemas", "sources", "sinks"}},
	{"dsl/sqlfile", []string{"dsl", "dsl/option", "dsl/diag", "dsl/sqltext", "dsl/spark", "schemas", "sources"}},
	{"dsl/yamlfile", []string{"dsl", "dsl/spark", "dsl/option", "dsl/diag", "dsl/sqltext", "schemas", "sources", "sinks"}},
	{"dsl/convert", []string{"dsl", "dsl/diag", "dsl/option", "dsl/yamlfile", "sources"}},
	{"dsl/load", []string{"dsl", "dsl/diag", "dsl/option", "dsl/sqlfile", "dsl/yamlfile"}},

	{"engine/syntax", nil},
	{"engine/cdc", []string{"schemas"}},
	{"engine/incremental", []string{"engine/syntax", "schemas"}},
	{"engine/plan", []string{"engine/position", "engine/syntax", "engine/cdc", "engine/incremental",
		"dsl", "dsl/diag", "dsl/spark", "dsl/sqltext", "schemas", "engine/graph", "engine/duckerr", "expectations", "sources", "sinks/lake"}},
	{"engine/duck", []string{"schemas", "sources", "sinks/lake", "engine/failpoint"}},
	{"engine/ledger", []string{"schemas", "sources", "sinks/lake", "engine/duck", "engine/position"}},
	{"engine/audit", []string{"engine/cdc", "schemas", "expectations", "sources", "sinks/lake", "engine/duck", "engine/duckerr", "engine/ledger", "engine/position"}},
	{"engine/maintain", []string{"schemas", "sinks/lake", "engine/failpoint", "engine/duck"}},
	{"engine/retry", []string{"sources"}},
	{"engine/event", []string{"schemas"}},
	{"engine/journal", []string{"schemas", "engine/incremental", "engine/plan", "engine/duckerr"}},
	{"engine/state", []string{"sources", "sinks/lake", "engine/plan", "engine/position"}},
	{"engine/definitions", []string{"dsl/diag", "schemas", "sinks/lake", "engine/plan", "engine/state", "engine/ledger"}},
	{"engine/publish", []string{"dsl/diag", "schemas", "sinks", "sinks/lake", "engine/failpoint", "engine/plan", "engine/duck", "engine/duckerr", "engine/position", "engine/retry",
		"engine/event", "engine/journal", "engine/state"}},
	{"engine/refresh", []string{"schemas", "engine/cdc", "engine/incremental", "expectations", "sources", "sinks/lake", "engine/failpoint", "engine/plan", "engine/duck", "engine/duckerr", "engine/position",
		"engine/ledger", "engine/event", "engine/journal", "engine/state", "engine/definitions"}},
	{"engine", []string{"schemas", "sources", "sinks", "sinks/lake", "engine/failpoint", "engine/plan", "engine/duck", "engine/duckerr", "engine/retry", "engine/event",
		"engine/journal", "engine/state", "engine/definitions", "engine/publish", "engine/refresh"}},
	{"engine/query", []string{"engine/cdc", "engine/definitions", "dsl", "dsl/diag", "dsl/spark", "dsl/sqltext", "schemas", "sinks/lake", "engine/plan", "engine/duck", "engine/duckerr"}},
	{"engine/project", []string{"dsl", "dsl/convert", "dsl/load", "dsl/yamlfile", "dsl/diag", "dsl/spark", "schemas/quote", "dsl/sqltext", "schemas", "expectations", "expectations/report", "sources", "sources/files", "sources/kafka",
		"sources/jsonrecords", "sinks", "sinks/lake", "sinks/iceberg", "sinks/kafka", "engine", "engine/plan", "engine/duck", "engine/duckerr", "engine/position", "engine/retry", "engine/event",
		"engine/definitions", "engine/publish", "engine/audit",
		"engine/maintain", "engine/query"}},
}

// duckdb is the driver. In lakeflow engine/duck alone imports it; cmd/bench runs plain DuckDB beside lakeflow.
const duckdb = "github.com/duckdb/duckdb-go/"

// icebergTable is iceberg-go's own implementation of tables. It brings substrait along, whose definitions are parsed
// when the process starts.
const icebergTable = "github.com/apache/iceberg-go/table"

var importDuckDB = []string{"engine/duck", "cmd/bench"}

func allowed(name string) (may []string, found bool) {
	for _, l := range layers {
		folder, below := strings.CutSuffix(l.name, "*")
		if l.name == name || below && strings.HasPrefix(name, folder) {
			return l.may, true
		}
	}
	return nil, false
}

// everybody may import what is below everything.
var everywhere = []string{"schemas/quote"}

func free(name string) bool {
	return name == "" || strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "examples/")
}

// wrongImport says why a package may not import path, or gives "".
func wrongImport(name, path string) string {
	if strings.HasPrefix(path, duckdb) && !slices.Contains(importDuckDB, name) {
		return "only engine/duck imports DuckDB"
	}
	if path == icebergTable {
		return "lakeflow has sinks/iceberg/metadata in its place"
	}
	target, ours := strings.CutPrefix(path, module)
	if !ours || free(name) {
		return ""
	}
	may, found := allowed(name)
	switch {
	case !found:
		return "the package is not in the table of layers: give it a place in layers_test.go and ARCHITECTURE.md"
	case !slices.Contains(may, target) && !slices.Contains(everywhere, target):
		return "the import does not point down the table of layers"
	}
	return ""
}

func TestImportsPointDown(t *testing.T) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	seen := 0
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, strings.TrimSuffix(module, "/")), "/")
		seen++
		if _, found := allowed(name); !found && !free(name) {
			t.Errorf("%s has no place in the table of layers", name)
		}
		for _, path := range p.Imports {
			if why := wrongImport(name, path); why != "" {
				t.Errorf("%s imports %s: %s", name, path, why)
			}
		}
	}
	if seen < 10 {
		t.Errorf("go list gave %d packages, which cannot be all", seen)
	}
}

func TestWrongImports(t *testing.T) {
	for _, c := range []struct {
		name, path string
		wrong      bool
	}{
		{"engine", module + "dsl", true},
		{"engine", module + "schemas", false},
		{"sources/files", module + "sources/kafka", true},
		{"sources/files", module + "sources/records", false},
		{"sources/records", module + "sources/kafka/broker", true},
		{"dsl", module + "sources/files", true},
		{"sources", module + "sinks", true},
		{"sinks", module + "sources", false},
		{"dsl/diag", module + "schemas", true},
		{"sinks/iceberg", "github.com/duckdb/duckdb-go/v2", true},
		{"sinks/iceberg", icebergTable, true},
		{"sinks/iceberg", module + "sinks/iceberg/metadata", false},
		{"cmd/lakeflow", "github.com/duckdb/duckdb-go/v2", true},
		{"cmd/bench", "github.com/duckdb/duckdb-go/v2", false},
		{"cmd/lakeflow", module + "engine", false},
		{"engine/query", module + "engine/project", true},
		{"nowhere", module + "schemas", true},
	} {
		if got := wrongImport(c.name, c.path); (got != "") != c.wrong {
			t.Errorf("%s imports %s: %q, want wrong: %v", c.name, c.path, got, c.wrong)
		}
	}
}

// TestInstallable makes sure that go install takes the module from outside: it refuses one with a replace directive.
func TestInstallable(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct{ Replace, Exclude []any }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Replace)+len(mod.Exclude) > 0 {
		t.Errorf("go install %scmd/lakeflow@latest does not work with %v %v in go.mod", module, mod.Replace, mod.Exclude)
	}
}
