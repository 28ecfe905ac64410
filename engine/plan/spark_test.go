package plan

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestSparkFunctions compares the table with the functions that DuckDB has: help for one that is there would never be
// seen.
func TestSparkFunctions(t *testing.T) {
	b, err := os.ReadFile("testdata/functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields(string(b))
	for name := range sparkFunctions {
		if slices.Contains(known, name) && name != "current_timestamp" && name != "current_date" {
			t.Errorf("DuckDB has %s", name)
		}
	}
}
