package project

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine"
)

// TestCorpus compiles the pipelines in LAKEFLOW_SQL_CORPUS, a folder of folders with the SQL of others, and runs them,
// over inputs made up for them: it prints of how many tables the queries are understood by DuckDB's binder, and why not
// of the others. Nobody has their data, so what a query names is a column of its inputs until something is wrong with that.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("LAKEFLOW_SQL_CORPUS")
	if dir == "" {
		t.Skip("LAKEFLOW_SQL_CORPUS names no folder")
	}
	var all outcome
	seen := map[string]bool{}
	for _, folder := range must(os.ReadDir(dir))(t) {
		if !folder.IsDir() {
			continue
		}
		var sum outcome
		for _, u := range units(t, filepath.Join(dir, folder.Name())) {
			if text := fmt.Sprint(u.texts); !seen[text] {
				seen[text] = true
				for _, u := range u.apart() {
					sum.add(u.try(t))
				}
			}
		}
		fmt.Printf("%s: %v\n%s", folder.Name(), sum, strings.Join(sum.reasons, ""))
		all.add(sum)
	}
	fmt.Printf("in all: %v\n", all)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// outcome counts tables and views with queries, and pipelines.
type outcome struct {
	queries, bound   int
	units, runs, ran int
	templates        int // units with placeholders, which are no SQL
	reasons          []string
}

func (o *outcome) add(p outcome) {
	o.queries, o.bound = o.queries+p.queries, o.bound+p.bound
	o.units, o.runs, o.ran = o.units+p.units, o.runs+p.runs, o.ran+p.ran
	o.templates += p.templates
	o.reasons = append(o.reasons, p.reasons...)
}

func (o outcome) String() string {
	return fmt.Sprintf("%d pipelines and %d templates; %d of %d queries bound; %d of %d pipelines that compile as a whole ran",
		o.units, o.templates, o.bound, o.queries, o.ran, o.runs)
}

// unit is what is one pipeline: a folder's files, a file alone, or a block of a document.
type unit struct {
	name  string
	texts map[string]string // by the name of the file
}

var (
	sqlBlock  = regexp.MustCompile("(?s)```sql\n(.*?)```")
	pipelines = regexp.MustCompile(`(?i)streaming\s+(live\s+)?table|materialized\s+view|live\s+(table|view)|apply\s+changes|create\s+flow|auto\s+cdc`)
)

// units are the pipelines in a folder. Files of one folder that declare the same table are not one pipeline.
func units(t *testing.T, root string) []unit {
	var all []unit
	folders := map[string]unit{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		ext := filepath.Ext(path)
		if err != nil || e.IsDir() || ext != ".sql" && ext != ".md" {
			return err
		}
		text := string(must(os.ReadFile(path))(t))
		shown, _ := filepath.Rel(root, path)
		switch {
		case !pipelines.MatchString(text):
		case ext == ".md":
			for i, m := range sqlBlock.FindAllStringSubmatch(text, -1) {
				if pipelines.MatchString(m[1]) {
					all = append(all, unit{fmt.Sprintf("%s#%d", shown, i+1), map[string]string{"block.sql": m[1]}})
				}
			}
		default:
			u, ok := folders[filepath.Dir(shown)]
			if !ok {
				u = unit{filepath.Dir(shown), map[string]string{}}
				folders[u.name] = u
			}
			u.texts[e.Name()] = text
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		all = append(all, folders[name])
	}
	return all
}

var (
	declares = regexp.MustCompile("(?i)create\\s[^;()]*?(?:table|view)\\s+(?:if\\s+not\\s+exists\\s+)?([\\w.`]+)")
	ends     = regexp.MustCompile(`;\s*\n`)
	template = regexp.MustCompile(`(?m)\.\.\.|<\w[\w ,|-]*>|^\s*\[|\[\s*OR\s+REFRESH|^\{`)
)

// apart is the pipeline, or its files or statements, where one name is declared twice.
func (u unit) apart() (all []unit) {
	if !u.repeats() {
		return []unit{u}
	}
	for _, file := range slices.Sorted(maps.Keys(u.texts)) {
		text := u.texts[file]
		if len(u.texts) > 1 {
			all = append(all, unit{filepath.Join(u.name, file), map[string]string{file: text}}.apart()...)
			continue
		}
		for i, statement := range ends.Split(text, -1) {
			if pipelines.MatchString(statement) {
				all = append(all, unit{fmt.Sprintf("%s:%d", u.name, i+1), map[string]string{file: statement + ";"}})
			}
		}
	}
	return all
}

func (u unit) repeats() bool {
	seen := map[string]bool{}
	for _, text := range u.texts {
		for _, m := range declares.FindAllStringSubmatch(text, -1) {
			name := strings.ToLower(m[1])
			if seen[name] {
				return true
			}
			seen[name] = true
		}
	}
	return false
}

func (u unit) template() bool {
	for _, text := range u.texts {
		if template.MatchString(text) {
			return true
		}
	}
	return false
}

// try compiles the pipeline over inputs that get what its mistakes ask for, until nothing changes, and runs it.
func (u unit) try(t *testing.T) outcome {
	if u.template() {
		return outcome{templates: 1}
	}
	dir := filepath.Join(t.TempDir(), "pipeline")
	for file, text := range u.texts {
		put(t, filepath.Join(dir, file), strings.ReplaceAll(text, "\r\n", "\n"))
	}
	w := newWorld(t, dir)
	var p *dsl.Pipeline
	var diags diag.List
	for range 150 {
		p, diags = w.compile()
		if p == nil || !w.learn(p, diags) {
			break
		}
	}
	return u.judge(w, p, diags)
}

// judge counts what is bound, and runs what is wholly bound.
func (u unit) judge(w *world, p *dsl.Pipeline, diags diag.List) outcome {
	out := outcome{units: 1}
	say := func(format string, args ...any) {
		out.reasons = append(out.reasons, fmt.Sprintf("  %s: %s\n", u.name, fmt.Sprintf(format, args...)))
	}
	wrong := map[string]bool{}
	for _, d := range diags {
		if d.Severity != diag.Error {
			continue
		}
		say("%s %s: %s", d.Code, strings.TrimPrefix(d.Range.String(), w.dir+"/"), d.Message)
		if p != nil {
			wrong[tableAt(p, d.Range)] = true
		}
	}
	if p == nil {
		return out
	}
	for grown := true; grown; { // what reads a table that is wrong was not looked at
		grown = false
		for _, t := range p.Tables {
			for _, name := range w.reads(p, t) {
				if wrong[name] && !wrong[t.Name] {
					wrong[t.Name], grown = true, true
				}
			}
		}
	}
	for _, t := range p.Tables {
		if len(t.Flows) == 0 {
			continue
		}
		out.queries++
		if !wrong[t.Name] {
			out.bound++
		}
	}
	if diags.HasErrors() || len(p.Tables) == 0 || w.hasTopics(p) {
		return out
	}
	out.runs = 1
	if err := w.run(); err != nil {
		say("run: %v", err)
	} else {
		out.ran = 1
	}
	return out
}

// tableAt is the name of the table whose statement has the place: the last one that begins before it.
func tableAt(p *dsl.Pipeline, at diag.Range) string {
	var found *dsl.Table
	for _, t := range p.Tables {
		for _, begin := range append([]diag.Range{t.Range}, flowRanges(t)...) {
			if begin.File == at.File && !after(begin.Start, at.Start) && (found == nil || !after(placeIn(found, at), begin.Start)) {
				found = t
			}
		}
	}
	if found == nil {
		return ""
	}
	return found.Name
}

func flowRanges(t *dsl.Table) (all []diag.Range) {
	for _, f := range t.Flows {
		all = append(all, f.Range)
	}
	return all
}

// placeIn is the last of the table's beginnings before a place.
func placeIn(t *dsl.Table, at diag.Range) (last diag.Pos) {
	for _, begin := range append([]diag.Range{t.Range}, flowRanges(t)...) {
		if begin.File == at.File && !after(begin.Start, at.Start) && after(begin.Start, last) {
			last = begin.Start
		}
	}
	return last
}

func after(a, b diag.Pos) bool {
	return a.Line > b.Line || a.Line == b.Line && a.Column > b.Column
}

// run runs the pipeline.
func (w *world) run() error {
	ctx := context.Background()
	p, err := Open(ctx, w.dir, Options{Purpose: Write})
	if err != nil {
		return err
	}
	_, err = p.Run(ctx, engine.Options{})
	return errors.Join(err, p.Close())
}

// compile is the pipeline, as far as it is one, with its mistakes.
func (w *world) compile() (*dsl.Pipeline, diag.List) {
	w.write()
	pipeline, diags, err := Options{}.load(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	if pipeline == nil {
		return nil, diags
	}
	w.fill(pipeline)
	p, err := Open(context.Background(), w.dir, Options{Purpose: Look})
	var found diag.List
	if err != nil && !errors.As(err, &found) {
		w.t.Logf("%s: %v", w.dir, err)
		diags.Errorf("error", diag.Range{File: w.dir}, "", "%v", err)
		return pipeline, diags
	}
	if err == nil {
		found = p.warnings
		if err := p.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	return pipeline, found
}

func openDuckDB(t *testing.T) *sql.DB {
	db := must(sql.Open("duckdb", ""))(t)
	t.Cleanup(func() { db.Close() })
	return db
}
