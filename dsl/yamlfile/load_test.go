package yamlfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/files"
)

// withoutPlaces leaves ranges out of a comparison, and compares queries by their text for DuckDB.
var withoutPlaces = cmp.Options{
	cmpopts.IgnoreTypes(option.Node{}, &dsl.Secrets{}),
	cmp.Transformer("text", func(q *sqltext.Query) string {
		if q == nil {
			return ""
		}
		return q.Text
	}),
}

func TestExample(t *testing.T) {
	p, diags, err := Load("testdata/example/pipeline.yaml", Options{Connectors: connectors})
	if err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	dir, err := filepath.Abs("testdata/example")
	if err != nil {
		t.Fatal(err)
	}
	query := func(s string) *sqltext.Query { return &sqltext.Query{Text: s} }
	parquet := dsl.Parquet{Compression: "zstd", RowGroupSize: 122880}
	want := &dsl.Pipeline{
		File: "testdata/example/pipeline.yaml", Dir: dir, Name: "flights",
		Target:     dsl.Target{Warehouse: filepath.Join(dir, "warehouse"), Schema: "flights"},
		Parameters: []dsl.Parameter{{Name: "max_delay", Value: int64(1440)}},
		Sources: []*dsl.Source{{Name: "flights_feed", Evolution: sources.AddNewColumns, Connector: "files",
			Options: &files.Options{Rescued: "_rescued_data", Path: "data/flights/*.json", Format: "json", MaxFiles: 1000, MaxBytes: 1 << 30,
				CSV: files.CSV{Encoding: "utf-8", DecimalSeparator: ".", Unnamed: "column"}, JSON: files.JSON{Encoding: "utf-8"}},
			Schema: []dsl.ColumnHint{{Name: "date", Type: "VARCHAR"}, {Name: "delay", Type: "INTEGER"}}}},
		Tables: []*dsl.Table{
			{Name: "bronze_flights", Kind: dsl.StreamingTable, Layer: "bronze", DeadLetter: true, Refresh: dsl.RefreshAuto, Parquet: parquet,
				Flows: []*dsl.Flow{{Name: "bronze_flights", SQL: query(`SELECT *, _metadata.file_path AS source_file FROM "__stream".flights_feed`)}}},
			{Name: "silver_flights", Kind: dsl.StreamingTable, Layer: "silver", DeadLetter: true, Refresh: dsl.RefreshAuto, Parquet: parquet,
				Flows: []*dsl.Flow{{Name: "silver_flights", SQL: query("-- One row per flight.\nSELECT origin, destination, delay, distance,\n" +
					"       strptime(date, '%Y-%m-%d') AS departed_at\nFROM \"__stream\".bronze_flights AS b\nWHERE delay < 1440\n")}},
				PartitionBy: []dsl.PartitionBy{{Column: "departed_at", Transform: "month"}},
				Expectations: []dsl.Expectation{
					{Name: "known_delay", Expect: query("delay BETWEEN -120 AND 1440"), Violation: dsl.Drop},
					{Name: "has_route", Expect: query("origin IS NOT NULL AND destination <> origin"), Violation: dsl.Fail},
					{Name: "short_hop", Expect: query("distance > 50"), Violation: dsl.Warn},
				}},
			{Name: "gold_routes", Kind: dsl.MaterializedView, Layer: "gold", DeadLetter: true, Refresh: dsl.RefreshAuto, Parquet: parquet,
				Flows: []*dsl.Flow{{Name: "gold_routes", SQL: query("SELECT origin, destination, count(*) AS flights, avg(delay) AS mean_delay FROM silver_flights GROUP BY ALL")}}},
		},
		DeadLetter: dsl.DeadLetter{Table: "dead_letter"},
		Mode:       dsl.Triggered, Trigger: dsl.Trigger{Interval: time.Second, MaxRows: 500_000, MaxBytes: 64 << 20}, Retention: dsl.Retention{Snapshots: 100},
	}
	if d := cmp.Diff(want, p, withoutPlaces); d != "" {
		t.Error(d)
	}
	if got := p.Tables[0].Flows[0].SQL.Streams; len(got) != 1 || got[0].Name != "flights_feed" || !p.Tables[0].Flows[0].SQL.UsesMetadata {
		t.Error(got)
	}
}

// load reads a pipeline from a text; the file is p.yaml in a new folder.
func load(t testing.TB, content string, opts Options) (*dsl.Pipeline, diag.List) {
	t.Helper()
	if opts.Env == nil {
		opts.Env = func(string) (string, bool) { return "", false }
	}
	opts.Connectors = connectors
	var diags diag.List
	p := parse("p.yaml", t.TempDir(), content, opts, &diags)
	diags.Sort()
	return p, diags
}

func TestEverything(t *testing.T) {
	p, diags := load(t, `
name: all
mode: continuous
trigger: {interval: 50ms, max_rows: 1000, max_bytes: 1MiB}
retention: {snapshots: 7}
description: "from ${env:REGION}, up to ${n} and ${f} (${yes})"
target: {warehouse: "/abs/${env:REGION}", schema: other}
parameters:
  n: 5
  f: 1.5
  yes: true
  none: null
  zip: 01234
  hex: 0x1F
  token: "x-${env:REGION}"
sources:
  feed:
    files:
      path: in
      format: csv
      max_files_per_batch: 7
      max_bytes_per_batch: 64MB
      allow_overwrites: true
      csv: {header: false, delimiter: ";", quote: "", escape: '\', null_values: NA, skip: 2}
    schema_evolution: rescue
tables:
  z: &base
    kind: streaming_table
    flows:
      two: {sql: "SELECT ${token} FROM STREAM feed"}
      one: {sql: SELECT 1}
    partition_by: [country, '"odd ""name"""', "bucket(16, id)", "TRUNCATE( 4 , name )", hour(ts)]
    dead_letter: false
    parquet: {compression: snappy, row_group_size: 10_000}
  a:
    <<: *base
    kind: view
    flows: {}
    partition_by: []
dead_letter: {table: rejects}
duckdb: {memory_limit: 512MB, temp_directory: tmp, threads: 3}
`, Options{
		Params: map[string]string{"n": "9", "zip": "00000"},
		Env:    func(name string) (string, bool) { return "north", name == "REGION" },
	})
	var codes []string
	for _, d := range diags {
		codes = append(codes, d.Code)
	}
	// The view has what a view cannot have, by the merge.
	if d := cmp.Diff([]string{"LF0110", "LF0110", "LF0111", "LF0114", "LF0110"}, codes, cmpopts.SortSlices(func(a, b string) bool { return a < b })); d != "" {
		t.Error(d, diags)
	}
	if p.Description != "from ***, up to 9 and 1.5 (true)" || p.Target.Warehouse != "/abs/north" || p.Target.Schema != "other" {
		t.Errorf("%q %+v", p.Description, p.Target)
	}
	values := map[string]any{}
	for _, x := range p.Parameters {
		values[x.Name] = x.Value
	}
	if d := cmp.Diff(map[string]any{"n": int64(9), "f": 1.5, "yes": true, "none": nil, "zip": "00000", "hex": int64(31), "token": "x-north"}, values); d != "" {
		t.Error(d)
	}
	f, empty, slash, two := false, "", `\`, 2
	if d := cmp.Diff([]*dsl.Source{{Name: "feed", Evolution: sources.Rescue, Connector: "files", Options: &files.Options{Rescued: "_rescued_data", Path: "in", Format: "csv", MaxFiles: 7,
		MaxBytes: 64_000_000, AllowOverwrites: true, JSON: files.JSON{Encoding: "utf-8"},
		CSV: files.CSV{Header: &f, Delimiter: ";", Quote: &empty, Escape: &slash, NullValues: []string{"NA"}, Skip: &two, Encoding: "utf-8", DecimalSeparator: ".", Unnamed: "column"}}}}, p.Sources, withoutPlaces); d != "" {
		t.Error(d)
	}
	z := p.Tables[0]
	if d := cmp.Diff(&dsl.Table{Name: "z", Kind: dsl.StreamingTable, Refresh: dsl.RefreshAuto,
		Flows: []*dsl.Flow{{Name: "two", SQL: &sqltext.Query{Text: `SELECT 'x-north' FROM "__stream".feed`}}, {Name: "one", SQL: &sqltext.Query{Text: "SELECT 1"}}},
		PartitionBy: []dsl.PartitionBy{{Column: "country", Transform: "identity"}, {Column: `odd "name"`, Transform: "identity"},
			{Column: "id", Transform: "bucket", Arg: 16}, {Column: "name", Transform: "truncate", Arg: 4}, {Column: "ts", Transform: "hour"}},
		Parquet: dsl.Parquet{Compression: "snappy", RowGroupSize: 10000}}, z, withoutPlaces); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(dsl.DuckDB{MemoryLimit: "512MB", TempDirectory: filepath.Join(p.Dir, "tmp"), Threads: 3}, p.DuckDB, withoutPlaces); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(dsl.Trigger{Interval: 50 * time.Millisecond, MaxRows: 1000, MaxBytes: 1 << 20}, p.Trigger, withoutPlaces); d != "" || p.Mode != dsl.Continuous || p.Retention.Snapshots != 7 {
		t.Error(d, p.Mode, p.Retention)
	}
	if p.DeadLetter.Table != "rejects" || p.Tables[1].Name != "a" || p.Tables[1].Kind != dsl.View {
		t.Error(p.DeadLetter, p.Tables[1])
	}
}

// TestPlaces looks for words of SQL in every style of YAML, and follows each back to the file.
func TestPlaces(t *testing.T) {
	content := strings.ReplaceAll(`name: demo
parameters: {p: 1}
tables:
  literal:
    kind: view
    sql: |
      SELECT é,

        word1 -- rest
      FROM word2 WHERE x = ${p} AND word3
  folded:
    kind: view
    sql: >-
      SELECT é,

        word4

      FROM word5
      WHERE word6
  plain:
    kind: view
    sql: SELECT é, ${p} word7
       FROM word8

      WHERE word9
  single: {kind: view, sql: 'SELECT ''é'', word10,
     word11 FROM   word12'}
  double: {kind: view, sql: "SELECT \"é\", \x41 AS \u00e9, word13 \
     word14 \n\tword15
     word16"}
  indented:
    kind: view
    sql: |2
        SELECT word17
       FROM word18
  last: {kind: view, sql: SELECT word19 FROM word20}
`, "\n", "\r\n")
	p, diags := load(t, "\ufeff"+content, Options{})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	lines := strings.Split(content, "\n")
	found := 0
	for _, table := range p.Tables {
		q := table.Flows[0].SQL
		for i := range 21 {
			word := fmt.Sprintf("word%d", i)
			at := strings.Index(q.Text, word)
			if at < 0 || strings.Trim(q.Text[at+len(word):][:min(1, len(q.Text)-at-len(word))], "0123456789") == "" && len(q.Text) > at+len(word) {
				continue // not there, or a part of word10
			}
			found++
			r := q.At(at, 0)
			if line := []rune(lines[r.Start.Line-1]); string(line[r.Start.Column-1:r.End.Column-1]) != word && !strings.HasPrefix(q.Text[at+len(word):], "\n") {
				t.Errorf("%s in table %s is at %v, where %q stands", word, table.Name, r, string(line))
			}
		}
	}
	if found < 20 {
		t.Errorf("found only %d words", found)
	}
}

func TestMissingFile(t *testing.T) {
	_, _, err := Load(filepath.Join(t.TempDir(), "nope.yaml"), Options{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestSecretFile(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"p.yaml": "name: demo\nparameters: {token: '${file:token}'}\ntables: {one: {kind: view, sql: 'SELECT ${token}'}}\n", "token": "a'b\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, diags, err := Load(filepath.Join(dir, "p.yaml"), Options{})
	if err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	if got := p.Tables[0].Flows[0].SQL.Text; got != "SELECT 'a''b'" {
		t.Error(got)
	}
}

// TestHostile gives the loader what makes YAML readers hang, blow up or panic.
func TestHostile(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, option.MaxFile/len(s)) }
	numbered := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < option.MaxFile-100; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	inputs := map[string]string{
		"brackets": fill("["), "braces": fill("{a: "), "dashes": fill("- "), "questions": fill("? "), "colons": fill("a: "), "anchors": fill("&a "),
		"tags": fill("!!x "), "aliases": fill("*a "), "quotes": fill(`"a" `), "literal blanks": "a: |\n" + fill("\n"), "spaced blanks": "a: |\n x\n" + fill("  \n"),
		"short blanks": fill("a: |\n" + strings.Repeat("\n", maxBlank-1)), "folded blanks": fill("a: >\n x" + strings.Repeat("\n", maxBlank-1) + "\n y\n"),
		"keys": numbered("k%d: v\n"), "nested keys": "a:\n" + numbered("  k%d: v\n"), "merges": "a: &a {b: 1}\n" + numbered("k%d: {<<: *a}\n"),
		"cr": fill("\r"), "tabs": fill("\t"), "commas": fill(","), "escapes": `a: "` + fill(`\x`), "documents": fill("---\n"), "pipes": fill("|\n"),
		"comments": fill("# x\n"), "indent": numbered("a%d:\n "), "long line": "a: " + fill("x "), "dollars": "a: " + fill("${"), "self": "a: &a [*a]\n", "refs": "name: " + fill("${x}"),
		"sql": "name: a\ntables: {a: {kind: view, sql: \"" + fill("${x} ")[:option.MaxFile-100] + "\"}}", "brackets in sql": "name: a\ntables: {a: {kind: view, sql: '" + fill("(${")[:option.MaxFile-100] + "'}}", "one line": "name: a\ntables: {" + strings.Repeat("ééééééééééééééé: 1, ", 16000) + "}",
		"unknown keys": "name: a\ntables: {}\n" + strings.Repeat("x: 1\n", 1000) + numbered("k%d: v\n")[:200_000],
	}
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, diags := load(t, in[:min(len(in), option.MaxFile)], Options{})
			if len(diags) == 0 {
				t.Error("no mistake found")
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			} else {
				t.Logf("%v: %d mistakes, the first %s", took, len(diags), diags[0].Code)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/diagnostics/*/pipeline.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/example/pipeline.yaml") {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	dir := f.TempDir()
	env := func(name string) (string, bool) { return "x", len(name) < 3 }
	f.Fuzz(func(t *testing.T, content string) {
		var diags diag.List
		p := parse("p.yaml", dir, content, Options{Connectors: connectors, Env: env, Params: map[string]string{"n": "1"}}, &diags)
		lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\ufeff", "").Replace(content), "\n")
		for _, d := range diags {
			r := d.Range
			if d.Code == "" || d.Message == "" || d.Help == "" || r.File == "" {
				t.Fatalf("not a complete diagnostic: %+v", d)
			}
			if r.File != "p.yaml" || r.Start.Line == 0 {
				continue
			}
			if r.Start.Line > len(lines) || r.Start.Column < 1 || r.Start.Column > len(lines[r.Start.Line-1])+1 || r.End.Line < r.Start.Line {
				t.Fatalf("%v is not in the file: %+v", r, d)
			}
		}
		if p == nil && !diags.HasErrors() {
			t.Fatal("neither a pipeline nor a mistake")
		}
		if err := diag.Render(io.Discard, diags, func(string) ([]byte, error) { return []byte(content), nil }, true); err != nil {
			t.Fatal(err)
		}
		if p == nil || diags.HasErrors() {
			return
		}
		if p.Name == "" || len(p.Tables) == 0 || slices.ContainsFunc(p.Tables, func(t *dsl.Table) bool { return len(t.Flows) == 0 || t.Kind == "" }) {
			t.Fatalf("incomplete without a mistake: %+v", p)
		}
	})
}

func BenchmarkLoad200Tables(b *testing.B) {
	var s strings.Builder
	s.WriteString("name: big\nparameters: {limit: 5}\nsources:\n  feed: {files: {path: data, format: json}}\ntables:\n")
	for i := range 200 {
		fmt.Fprintf(&s, "  t%d:\n    kind: streaming_table\n    layer: silver\n    description: table %d\n    sql: |\n      SELECT id, amount, country,\n"+
			"             strptime(date, '%%Y') AS ts\n      FROM STREAM feed AS f\n      JOIN t%d ON t%d.id = f.id\n      WHERE amount > ${limit}\n"+
			"    partition_by: [month(ts), country]\n    expectations:\n      a: {expect: amount > 0 AND amount < ${limit}, on_violation: drop}\n      b: country IS NOT NULL\n", i, i, max(i-1, 0), max(i-1, 0))
	}
	b.SetBytes(int64(s.Len()))
	for b.Loop() {
		if _, diags := load(b, s.String(), Options{}); len(diags) > 0 {
			b.Fatal(diags)
		}
	}
}
