// Package lakeflow_test checks the structure of the house.
package lakeflow_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/lakeflow/lakeflow/"

// allowed says which of our packages each package may import; "x/..." stands for x and everything below it. What is not
// named here may not exist.
var allowed = map[string]string{
	"dsl/diag":           "",
	"engine/failpoint":   "",
	"schemas":            "",
	"engine/graph":       "",
	"dsl/sqltext":        "dsl/diag",
	"dsl":                "dsl/diag dsl/sqltext",
	"expectations":       "dsl/diag schemas sources",
	"sources":            "dsl/diag schemas",
	"sources/files":      "dsl/diag schemas sources engine/failpoint",
	"sources/sourcetest": "dsl/diag schemas sources",
	"sinks":              "dsl/diag schemas sources",
	"sinks/iceberg":      "dsl/diag schemas sources sinks engine/failpoint",
	"sinks/sinktest":     "dsl/diag schemas sources sinks",
	"engine/plan":        "dsl dsl/diag dsl/sqltext schemas engine/graph expectations sources sinks",
	"engine/duck":        "schemas sources sinks engine/failpoint",
	"engine":             "dsl/diag schemas sources sinks expectations engine/plan engine/duck engine/failpoint",
	"cmd/lakeflow":       "*",
}

// TestLayers fails when an import points up.
func TestLayers(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		name, ours := strings.CutPrefix(words[0], module)
		if !ours {
			continue // the root package holds this test alone
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s has no place in the house: add it to the table", name)
		}
		for _, imported := range words[1:] {
			target, ours := strings.CutPrefix(imported, module)
			if ours && may != "*" && !strings.Contains(" "+may+" ", " "+target+" ") {
				t.Errorf("%s imports %s, which points up", name, target)
			}
			if imported == "github.com/duckdb/duckdb-go/v2" && name != "engine/duck" {
				t.Errorf("%s imports the DuckDB driver: only engine/duck may", name)
			}
		}
	}
}
