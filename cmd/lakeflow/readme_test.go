package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The commands of the README do what it says, on a fresh copy of the examples, and its pipeline makes the table that it
// shows.
func TestReadme(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, file := range []string{"pipeline.yaml", "sql/silver_flights.sql", "data/flights-20k.json", "data/airports.csv", "data/birdstrikes.csv"} {
		content, err := os.ReadFile(filepath.Join("../../examples/flights", file))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "examples/flights", file), string(content))
	}
	inDir(t, dir, "lakeflow", "run", "examples/flights/pipeline.yaml")
	inDir(t, dir, "sh", "-ec", block(t, string(page), "sh"))
	sessions := strings.Split(block(t, string(page), "console"), "$ ")[1:]
	if len(sessions) != 2 {
		t.Fatalf("%d sessions, want 2", len(sessions))
	}
	for _, s := range sessions {
		command, want, _ := strings.Cut(s, "\n")
		if got := output(t, dir, command); got != want {
			t.Errorf("%s gives\n%s\nthe README says\n%s", command, got, want)
		}
	}

	// The short pipeline makes the same routes.
	writeFile(t, filepath.Join(dir, "examples/flights/short.yaml"), strings.Replace(block(t, string(page), "yaml"), "name: flights\n", "name: short\n", 1))
	inDir(t, dir, "lakeflow", "run", "examples/flights/short.yaml")
	command, want, _ := strings.Cut(sessions[0], "\n")
	if got := output(t, dir, strings.Replace(command, "pipeline.yaml", "short.yaml", 1)); got != want {
		t.Errorf("the short pipeline gives\n%s\nwant\n%s", got, want)
	}
}

// block is the first block of this language on a page.
func block(t *testing.T, page, language string) string {
	t.Helper()
	m := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$").FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no block of %s", language)
	}
	return m[1]
}

func output(t *testing.T, dir, command string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", command)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return string(out)
}
