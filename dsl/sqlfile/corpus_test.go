package sqlfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// TestCorpus parses all files of LAKEFLOW_SQL_CORPUS, a folder of folders with pipelines, and prints what is understood
// of each and what is not: the SQL files, and the blocks of SQL in Markdown that have statements of pipelines.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("LAKEFLOW_SQL_CORPUS")
	if dir == "" {
		t.Skip("LAKEFLOW_SQL_CORPUS names no folder")
	}
	folders, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if folder.IsDir() {
			corpusOf(t, filepath.Join(dir, folder.Name()))
		}
	}
}

var (
	blocks    = regexp.MustCompile("(?s)```sql\n(.*?)```")
	pipelines = regexp.MustCompile(`(?i)streaming\s+(live\s+)?table|materialized\s+view|live\s+(table|view)|apply\s+changes|create\s+flow|auto\s+cdc`)
)

func corpusOf(t *testing.T, dir string) {
	var files, parsed, failed, other int
	var reasons strings.Builder
	read := func(file, text string) {
		if !pipelines.MatchString(text) {
			return
		}
		files++
		var diags diag.List
		for _, s := range Parse(file, text, &diags) {
			if s.head().Flawed {
				failed++
			} else {
				parsed++
			}
		}
		for _, d := range diags {
			if d.Code == "LF0503" {
				other++
				continue
			}
			fmt.Fprintf(&reasons, "  %s %s: %s\n", d.Code, d.Range, d.Message)
		}
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		ext := filepath.Ext(path)
		if err != nil || e.IsDir() || ext != ".sql" && ext != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		shown, _ := filepath.Rel(dir, path)
		if ext == ".sql" {
			read(shown, strings.ReplaceAll(string(text), "\r\n", "\n"))
			return nil
		}
		for i, m := range blocks.FindAllStringSubmatch(string(text), -1) {
			read(fmt.Sprintf("%s#%d", shown, i+1), m[1])
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	pipeline, diags, err := loadFolder(dir, Options{})
	if err != nil {
		t.Error(err)
	}
	built := map[string]int{}
	for _, d := range diags {
		if d.Code >= "LF0520" {
			built[d.Code]++
		}
	}
	fmt.Printf("%s: %d tables and views of the SQL files, if they were one pipeline; %v\n", filepath.Base(dir), len(pipeline.Tables), built)
	fmt.Printf("%s: %d files, %d statements: %d parsed, %d failed; %d of other kinds\n%s", filepath.Base(dir), files,
		parsed+failed, parsed, failed, other, &reasons)
}
