package sqlfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
)

// TestLoad loads the .sql files of every testdata/pipelines/*.txtar, with the configuration of the lines of its conf,
// and compares the pipeline, and what the user sees, with want.txt.
func TestLoad(t *testing.T) {
	files, err := filepath.Glob("testdata/pipelines/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "demo")
			opts, want := Options{Configuration: map[string]string{}, Known: strings.Fields("changes more raw s x y z"),
				External: map[string]*dsl.Source{"samples.nyctaxi.trips": {Name: "samples.nyctaxi.trips"}}}, ""
			kept := archive.Files[:0:0]
			for _, f := range archive.Files {
				switch f.Name {
				case "want.txt":
					want = string(f.Data)
					continue
				case "conf":
					for line := range strings.SplitSeq(strings.TrimSpace(string(f.Data)), "\n") {
						key, value, _ := strings.Cut(line, "=")
						opts.Configuration[key] = value
					}
				default:
					write(t, filepath.Join(dir, f.Name), string(f.Data))
				}
				kept = append(kept, f)
			}
			p, diags, err := loadFolder(dir, opts)
			if err != nil {
				t.Fatal(err)
			}
			code, _, _ := strings.Cut(filepath.Base(file), "-")
			if strings.HasPrefix(code, "LF") && !strings.Contains(fmt.Sprint(codes(diags)), code) {
				t.Errorf("%s was not reported", code)
			}
			got := shown(t, dir, diags) + dumpPipeline(p)
			if *update {
				archive.Files = append(kept, txtar.File{Name: "want.txt", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s differs; run go test ./dsl/sqlfile -update and look at the change\n%s", file, d)
			}
		})
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func codes(diags diag.List) []string {
	var out []string
	for _, d := range diags {
		out = append(out, d.Code)
	}
	return out
}

// shown is what the user sees, with names of files from dir on.
func shown(t *testing.T, dir string, diags diag.List) string {
	var b strings.Builder
	for _, d := range diags {
		if d.Help == "" {
			t.Errorf("%s at %s does not say what to write instead", d.Code, d.Range)
		}
	}
	if err := diag.Render(&b, diags, os.ReadFile, false); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), dir+string(filepath.Separator), ""), dir, "demo")
}

func dumpPipeline(p *dsl.Pipeline) string {
	var b strings.Builder
	fmt.Fprintf(&b, "pipeline %s, schema %s\n", p.Name, p.Target.Schema)
	for _, t := range p.Tables {
		fmt.Fprintf(&b, "%s %s", t.Kind, t.Name)
		for _, s := range []string{t.Layer, t.Description} {
			if s != "" {
				fmt.Fprintf(&b, ", %s", s)
			}
		}
		if t.Refresh != dsl.RefreshAuto {
			fmt.Fprintf(&b, ", refresh %s", t.Refresh)
		}
		if t.NoReset {
			b.WriteString(", no reset")
		}
		if t.Flawed {
			b.WriteString(", flawed")
		}
		b.WriteString("\n")
		for _, c := range t.Columns {
			fmt.Fprintf(&b, "  column %s %s: %s\n", c.Name, c.Type, c.Description)
		}
		for _, x := range t.Ignored {
			fmt.Fprintf(&b, "  without effect %s: %s\n", x.Name, x.Value)
		}
		for _, x := range t.PartitionBy {
			fmt.Fprintf(&b, "  partition %s %s %d\n", x.Transform, x.Column, x.Arg)
		}
		for _, e := range t.Expectations {
			fmt.Fprintf(&b, "  expect %s, %s: %s\n", e.Name, e.Violation, e.Expect.Text)
		}
		for _, f := range t.Flows {
			once := ""
			if f.Once {
				once = ", once"
			}
			fmt.Fprintf(&b, "  flow %s%s: %s\n", f.Name, once, f.SQL.Text)
		}
		dumpAutoCDC(&b, t.AutoCDC)
	}
	return b.String()
}

func dumpAutoCDC(b *strings.Builder, c *dsl.AutoCDC) {
	if c == nil {
		return
	}
	names := func(names []dsl.ColumnName) string {
		var out []string
		for _, n := range names {
			out = append(out, n.Name)
		}
		return strings.Join(out, ", ")
	}
	fmt.Fprintf(b, "  changes by %s, type %d, deletes remembered for %v\n", names(c.Keys), c.SCDType,
		c.TombstoneRetention)
	if c.Snapshot != nil {
		b.WriteString("    from snapshots\n")
	}
	for _, e := range c.SequenceBy {
		fmt.Fprintf(b, "    sequence by %s\n", e.SQL.Text)
	}
	if e := c.ApplyAsDelete; e != nil {
		fmt.Fprintf(b, "    delete when %s\n", e.SQL.Text)
	}
	if e := c.ApplyAsTruncate; e != nil {
		fmt.Fprintf(b, "    truncate when %s\n", e.SQL.Text)
	}
	for _, x := range []struct {
		what string
		some *dsl.Columns
	}{{"ignore null updates", c.IgnoreNullUpdates}, {"columns", c.Columns}, {"track history on", c.TrackHistoryOn}} {
		if x.some != nil {
			fmt.Fprintf(b, "    %s: %s, all but those: %v\n", x.what, names(x.some.Names), x.some.Except)
		}
	}
}

// TestQueryPlaces finds words of queries in the file, around values that stand for keys and behind words that are not
// in the file.
func TestQueryPlaces(t *testing.T) {
	dir := t.TempDir()
	const sql = `SET where = 'Köln'; SET tab = Köln; SET col = a, b;
CREATE VIEW v AS SELECT ${col}, /* ${none} */ ${ col } AS ` + "`ä`" + `,
  ${where} FROM  -- ${none}
    ` + "`${tab}_t`" + ` WHERE last;
CREATE STREAMING TABLE t;
APPLY CHANGES INTO t
FROM STREAM s KEYS (id) WHERE
  x = ${where} AND y SEQUENCE BY STRUCT( a , concat(b,
  c));
`
	write(t, filepath.Join(dir, "a.sql"), sql)
	p, _, err := loadFolder(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(sql, "\n")
	find := func(at diag.Range) string { return cut(lines, at) }
	view, table := p.Tables[0].Flows[0].SQL, p.Tables[1]
	if want := "SELECT a, b, /* ${none} */ a, b AS `ä`,\n  'Köln' FROM  -- ${none}\n    `Köln_t` WHERE last"; view.Raw != want {
		t.Errorf("the query is %q", view.Raw)
	}
	for word, line := range map[string]int{"last": 4} {
		at := view.At(strings.Index(view.Text, word), len(word))
		if got := find(at); got != word || at.Start.Line != line {
			t.Errorf("%q is found at %s, where %q stands", word, at, got)
		}
	}
	if at := view.At(strings.Index(view.Text, "b,"), 1); at.Start != (diag.Pos{Line: 2, Column: 25}) {
		t.Errorf("the value is found at %s", at)
	}
	changes := table.Flows[0].SQL
	for _, word := range []string{"s", "x", "AND", "y"} {
		i := strings.Index(changes.Text, word+" ")
		if word == "y" {
			i = strings.LastIndex(changes.Text, word)
		}
		if got := find(changes.At(i, len(word))); got != word {
			t.Errorf("%q is found where %q stands: %s", word, got, changes.Text)
		}
	}
	var sequence []string
	for _, e := range table.AutoCDC.SequenceBy {
		sequence = append(sequence, find(e.Range))
	}
	if d := cmp.Diff([]string{"a", "concat(b,\n  c)"}, sequence); d != "" {
		t.Error(d)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.sql": "\ufeffCREATE VIEW a\r\nAS SELECT 1;\r\n", "b.SQL": "CREATE VIEW b AS SELECT 1", "c.txt": "no", "deep/er/d.sql": "CREATE VIEW d AS SELECT 1",
		"latin.sql": "CREATE VIEW e AS\nSELECT '\xe4'", "nul.sql": "x\x00", "large.sql": "-- " + strings.Repeat("x",
			1<<20),
	} {
		write(t, filepath.Join(dir, name), text)
	}
	p, diags, err := loadFolder(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, table := range p.Tables {
		names = append(names, table.Name)
	}
	if d := cmp.Diff([]string{"a", "b", "d"}, names); d != "" {
		t.Error(d)
	}
	if got := fmt.Sprint(codes(diags)); got != "[LF0001 LF0002 LF0002]" || diags[1].Range.Start != (diag.Pos{Line: 2,
		Column: 9}) {
		t.Errorf("%v", diags)
	}
	if _, _, err := loadFolder(filepath.Join(dir, "gone"), Options{}); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

// loadFolder loads the files of a folder.
func loadFolder(dir string, opts Options) (*dsl.Pipeline, diag.List, error) {
	files, err := Files(dir)
	if err != nil {
		return nil, nil, err
	}
	return Load(files, Project{filepath.Base(dir), dir, dir}, opts)
}
