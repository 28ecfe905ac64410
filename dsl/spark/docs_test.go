package spark_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// TestCodes checks that the codes of this package are documented, and reported in a golden.
func TestCodes(t *testing.T) {
	source, err := os.ReadFile("query.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/diagnostics.md")
	if err != nil {
		t.Fatal(err)
	}
	goldens := ""
	for _, name := range []string{"clauses", "mistakes", "modes"} {
		data, err := os.ReadFile("testdata/translate/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		goldens += string(data)
	}
	codes := regexp.MustCompile(`"(LF06\d\d)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) < 6 {
		t.Errorf("%d codes", len(codes))
	}
	for _, c := range codes {
		if !strings.Contains(string(doc), "\n### "+c[1]+" ") {
			t.Errorf("%s has no section in docs/diagnostics.md", c[1])
		}
		if !strings.Contains(goldens, " "+c[1]+" ") {
			t.Errorf("%s is in no golden", c[1])
		}
	}
}

// TestFunctions makes every macro, and asks for each function what it says of itself.
func TestFunctions(t *testing.T) {
	conn := open(t)
	counts := map[spark.How]int{}
	var macros []string
	for _, f := range spark.Functions() {
		counts[f.How]++
		if f.How == spark.Macro {
			macros = append(macros, f.Name)
		}
		if f.How == spark.Refused && f.Reason == "" || f.How != spark.Refused && f.How != spark.Special && len(f.Forms) == 0 {
			t.Errorf("%s is %s, with forms %v and reason %q", f.Name, f.How, f.Forms, f.Reason)
		}
	}
	if _, err := conn.ExecContext(t.Context(), spark.Create(macros, 0)); err != nil {
		t.Error(err)
	}
	t.Log(counts)
}

// TestSparkFunctions asks for every function of Spark: none is unknown. What has no call of its own is left out.
func TestSparkFunctions(t *testing.T) {
	data, err := os.ReadFile("testdata/functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(data))
	if len(names) < 400 {
		t.Fatalf("%d functions", len(names))
	}
	for _, name := range names {
		if strings.Contains(" and or not in like ilike between case when cast div mod range ", " "+name+" ") {
			continue
		}
		var diags diag.List
		spark.Translate("SELECT "+name+"()", sqltext.WholeFile("q.sql"), spark.Pipeline{}, &diags)
		for _, d := range diags {
			if strings.HasPrefix(d.Message, "there is no function") {
				t.Errorf("%s: %s", name, d.Message)
			}
		}
	}
}
