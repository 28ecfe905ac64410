package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/schemas"
)

// TestEventLogPage runs the page's queries over the log of a pipeline, and looks for every column, field of origin and
// event type on it.
func TestEventLogPage(t *testing.T) {
	data, err := os.ReadFile("../../docs/event-log.md")
	if err != nil {
		t.Fatal(err)
	}
	page, dir := string(data), t.TempDir()
	for _, c := range schemas.EventLog() {
		names := []string{c.Name}
		if c.Name == "origin" {
			for _, f := range c.Type.Fields {
				names = append(names, f.Name)
			}
		}
		for _, name := range names {
			if !strings.Contains(page, "`"+name+"`") {
				t.Errorf("%s is not explained", name)
			}
		}
	}
	writeFile(t, filepath.Join(dir, "data/1.json"), `{"id":1}`+"\n")
	writeFile(t, filepath.Join(dir, "pipeline.yaml"), `name: fragment
sources:
  feed: {files: {path: data, format: json}}
tables:
  orders:
    kind: streaming_table
    sql: SELECT * FROM STREAM feed
    expectations: {valid: {expect: id > 0}}
`)
	inDir(t, dir, "lakeflow", "run")
	blocks := regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(page, -1)
	for _, m := range blocks {
		if m[1] == "sh" {
			inDir(t, dir, "sh", "-ec", m[2])
		} else {
			inDir(t, dir, "lakeflow", "query", "--dialect", "spark", m[2])
		}
	}
	if len(blocks) < 7 {
		t.Errorf("%d examples", len(blocks))
	}
}
