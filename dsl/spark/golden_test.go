package spark_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

var update = flag.Bool("update", false, "write what is given for what is wanted")

// TestGolden translates the *.sql of every archive in testdata/translate, and compares with the file of the same name
// that ends in .want: the text for DuckDB, what the query reads, and mistakes with their places.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/translate/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal(archives, err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			wanted := map[string][]byte{}
			for _, f := range a.Files {
				wanted[f.Name] = f.Data
			}
			out := &txtar.Archive{Comment: a.Comment}
			for _, f := range a.Files {
				base, ok := strings.CutSuffix(f.Name, ".sql")
				if !ok {
					continue
				}
				got := []byte(describe(string(f.Data), base))
				if !*update && !bytes.Equal(got, wanted[base+".want"]) {
					t.Errorf("%s:\n%s\nwant\n%s", f.Name, got, wanted[base+".want"])
				}
				out.Files = append(out.Files, f, txtar.File{Name: base + ".want", Data: got})
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// describe is what comes of a query. Its name tells of a zone, and of a session that is not in ANSI mode.
func describe(sql, name string) string {
	var diags diag.List
	in := spark.Pipeline{Parameters: map[string]string{"catalog": "main", "n": "10", "name": "x'y"}, Functions: map[string]bool{"risk_score": true}}
	in.Legacy = strings.Contains(name, "legacy")
	switch {
	case strings.Contains(name, "no_zone"):
		in.TimeZone = "Europe/Berlino"
	case strings.Contains(name, "zone"):
		in.TimeZone = "Europe/Berlin"
	}
	q := spark.Translate(strings.TrimSuffix(sql, "\n"), sqltext.WholeFile("q.sql"), in, &diags)
	var b strings.Builder
	if !diags.HasErrors() {
		fmt.Fprintln(&b, q.Text)
	}
	for _, t := range q.Tables {
		fmt.Fprintf(&b, "-- table %s, stream %v, at %s\n", strings.Join(t.Path, " / "), t.Stream, t.Range)
	}
	for _, r := range q.Relations {
		fmt.Fprintf(&b, "-- relation %s: %s, stream %v, at %s to %d:%d\n", r.Name, r.Function, r.Stream, r.Range, r.Range.End.Line, r.Range.End.Column)
		for _, a := range r.Args {
			fmt.Fprintf(&b, "--   %s = %q, constant %v, at %s\n", a.Name, a.Value, a.Const, a.Range)
			for _, o := range a.Options {
				fmt.Fprintf(&b, "--     %s = %q\n", o.Name, o.Value)
			}
		}
	}
	for _, p := range q.Params {
		fmt.Fprintf(&b, "-- parameter %s at %s\n", p.Name, p.Range)
	}
	if q.UsesMetadata {
		fmt.Fprintln(&b, "-- uses _metadata")
	}
	for _, d := range diags {
		fmt.Fprintf(&b, "-- %s %s at %s to %d:%d: %s; %s\n", d.Severity, d.Code, d.Range, d.Range.End.Line, d.Range.End.Column, d.Message, d.Help)
	}
	return b.String()
}

// TestPlaces follows pieces of DuckDB's text back to the user's.
func TestPlaces(t *testing.T) {
	raw := "SELECT a, upper(nam) AS n,\n  price * ${n} + `odd name`\nFROM STREAM(live.orders) AS o"
	var diags diag.List
	q := spark.Translate(raw, sqltext.WholeFile("q.sql"), spark.Pipeline{Parameters: map[string]string{"n": "10"}}, &diags)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for word, want := range map[string]string{"nam": "1:17-20", `"odd name"`: "2:18-28", "10": "2:11-15", "orders": "3:18-24", "upper": "1:11-16", "price": "2:3-8"} {
		offset := strings.Index(q.Text, word)
		r := q.At(offset, len(word))
		if got := fmt.Sprintf("%d:%d-%d", r.Start.Line, r.Start.Column, r.End.Column); offset < 0 || got != want {
			t.Errorf("%s is at %s, want %s, in %s", word, got, want, q.Text)
		}
	}
}
