package sqlfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/google/go-cmp/cmp"
	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/files"
	"github.com/lakeflow/lakeflow/sources/kafka"
)

var connectors = dsl.Connectors{Sources: []sources.Factory{files.Factory(), kafka.Factory()}}

// readAll makes sources of the relations of queries, each of which feeds the table that stands before it: name: SELECT.
func readAll(sql, dir string, opts Options, diags *diag.List) *builder {
	opts.Connectors = connectors
	b := newBuilder(opts, Project{"demo", "demo", dir}, diags)
	line := 1
	for _, part := range strings.SplitAfter(sql, ";\n") {
		table, query, ok := strings.Cut(part, ":\n")
		if ok {
			at := sqltext.Origin{File: "in.sql", Marks: []sqltext.Mark{{Pos: diag.Pos{Line: line + 1, Column: 1}}}}
			for _, r := range spark.Translate(strings.TrimSuffix(query, "\n"), at, spark.Pipeline{}, diags).Relations {
				b.reader(table, r)
			}
		}
		line += strings.Count(part, "\n")
	}
	return b
}

// TestReaders makes sources of the queries in in.sql of every testdata/readers/*.txtar, with the paths and brokers of
// the lines of its conf, and compares what the user sees, and the sources, with want.txt.
func TestReaders(t *testing.T) {
	cases, err := filepath.Glob("testdata/readers/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]string{}
			for _, f := range archive.Files {
				parts[f.Name] = string(f.Data)
			}
			opts := Options{Paths: map[string]string{}, Brokers: map[string][]string{}}
			for line := range strings.SplitSeq(parts["conf"], "\n") {
				if key, to, ok := strings.Cut(line, " = "); ok && strings.HasPrefix(key, "topic ") {
					opts.Brokers[strings.TrimPrefix(key, "topic ")] = strings.Fields(to)
				} else if ok {
					opts.Paths[key] = to
				}
			}
			var diags diag.List
			b := readAll(parts["in.sql"], t.TempDir(), opts, &diags)
			b.nameReaders()
			diags.Sort()
			code, _, _ := strings.Cut(filepath.Base(file), "-")
			if strings.HasPrefix(code, "LF") && !strings.Contains(fmt.Sprint(codes(diags)), code) {
				t.Errorf("%s was not reported", code)
			}
			got := rendered(t, parts["in.sql"], diags) + dumpReaders(b)
			if *update {
				kept := archive.Files[:0:0]
				for _, f := range archive.Files {
					if f.Name != "want.txt" {
						kept = append(kept, f)
					}
				}
				archive.Files = append(kept, txtar.File{Name: "want.txt", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(parts["want.txt"], got); d != "" {
				t.Errorf("%s differs; run go test ./dsl/sqlfile -update and look at the change\n%s", file, d)
			}
		})
	}
}

func dumpReaders(b *builder) string {
	var out strings.Builder
	for _, s := range b.readers.all {
		fmt.Fprintf(&out, "%s: %s %s", s.Name, s.Connector, s.Evolution)
		for _, flag := range []struct {
			name string
			set  bool
		}{{"texts", s.Texts}, {"declared", s.Declared}, {"flawed", s.Flawed}} {
			if flag.set {
				out.WriteString(" " + flag.name)
			}
		}
		out.WriteString("\n")
		for line := range strings.SplitSeq(s.others, "\n") {
			if strings.Contains(line, "=") || strings.Contains(line, " ") && !strings.HasSuffix(line, string(s.Evolution)) {
				out.WriteString("  " + line + "\n")
			}
		}
	}
	return out.String()
}
