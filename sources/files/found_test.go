package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/sourcetest"
)

func found(t *testing.T, b *bed, s *Source) sources.Found {
	t.Helper()
	f, err := s.Schema(t.Context(), b.session, b.pos)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestLack has folders from which no columns can be learned. What is said names what is there, and where.
func TestLack(t *testing.T) {
	many := func(n int, content string) map[string]string {
		out := map[string]string{}
		for i := range n {
			out["in/"+strings.Repeat("x", i+1)+".json"] = content
		}
		return out
	}
	for name, c := range map[string]struct {
		path, format string
		files        map[string]string
		lack, remedy string
	}{
		"no folder":      {"landin", "json", map[string]string{"landing/a.json": "{}"}, "no file matches landin: there is no file or folder DIR/landin", `did you mean landing? else correct the path, or put a file there`},
		"no root":        {"landin/x/*.json", "json", map[string]string{"landing/a.json": "{}"}, "no file matches landin/x/*.json: the folder DIR/landin/x is not there", `did you mean landing? else correct the path, or put a file there`},
		"nothing alike":  {"orders", "json", map[string]string{"x.json": "{}"}, "no file matches orders: there is no file or folder DIR/orders", "correct the path, or put a file there"},
		"empty folder":   {"in", "json", map[string]string{"in/x/": ""}, "no file matches in: DIR/in is empty", "put a file there, or correct the path"},
		"hidden":         {"in", "json", map[string]string{"in/_a.json": `{"id":1}`}, "no file matches in: DIR/in has only files that are hidden, as their names begin with . or _", "rename them, or put others there"},
		"extensions":     {"in", "json", map[string]string{"in/a.txt": "", "in/b.txt": "", "in/c.txt.gz": "", "in/README": ""}, "no file matches in: DIR/in has 4 files with other extensions (.txt 2, none 1, .txt.gz 1)", "correct the path or the format, or name the files with a glob such as in/*.txt"},
		"deep":           {"in", "csv", map[string]string{"in/x/a.txt": ""}, "no file matches in: DIR/in has 1 file with other extensions (.txt 1)", "correct the path or the format, or name the files with a glob such as in/**/*.txt"},
		"packed":         {"in", "csv", map[string]string{"in/a.csv.bz2": "", "in/b.xlsx": ""}, "no file matches in: DIR/in has 2 files with other extensions (.bz2 1, .xlsx 1)", "correct the path or the format, or unpack the files, or compress them with gzip or zstd"},
		"packed, a few":  {"in", "csv", map[string]string{"in/a.zip": "", "in/b.zip": "", "in/c.txt": ""}, "no file matches in: DIR/in has 3 files with other extensions (.zip 2, .txt 1)", "correct the path or the format, or name the files with a glob such as in/*.txt"},
		"many":           {"in", "csv", map[string]string{"in/a.a": "", "in/a.b": "", "in/a.c": "", "in/a.d": "", "in/a.e": "", "in/a.f": ""}, "no file matches in: DIR/in has 6 files with other extensions (.a 1, .b 1, .c 1, .d 1, .e 1, …)", "correct the path or the format, or name the files with a glob such as in/*.a"},
		"glob":           {"in/*.jsn", "json", map[string]string{"in/a.json": `{"id":1}`}, "no file matches in/*.jsn: DIR/in has 1 file with other names (.json 1)", "correct the path, or put a file there"},
		"literal":        {"in [1]/a.json", "json", map[string]string{"in [1]/a.json": `{"id":1}`}, "no file matches in [1]/a.json, which is a glob", `there is a file or folder of this very name: write \ before the characters * ? [ { that are part of it`},
		"one empty":      {"in", "json", map[string]string{"in/a.json": ""}, "1 file matches in; it is empty", "put a file there that holds records"},
		"all empty":      {"in/*", "csv", map[string]string{"in/a.csv": "", "in/b.csv": " \n"}, "2 files match in/*; all of them are empty", "put a file there that holds records"},
		"an empty array": {"in", "json", map[string]string{"in/a.json": "[]", "in/b.json": "\n"}, "2 files match in; all of them are empty", "put a file there that holds records"},
		"numbers":        {"in", "json", map[string]string{"in/a.json": "[1,2,3]"}, "1 file matches in; no record can be used, the first is line 1 of a.json, which is a number, not an object", recordRemedy},
		"no object":      {"in", "json", map[string]string{"in/a.json": "\n\nnope\n"}, "1 file matches in; no record can be used, the first is line 3 of a.json, which is not a whole JSON value", recordRemedy},
		"cut off":        {"in", "json", map[string]string{"in/a.json": `{"id": 1,`}, "1 file matches in; no record can be used, the first is line 1 of a.json: the file ends inside the record", recordRemedy},
		"no keys":        {"in", "json", map[string]string{"in/a.json": `{}`}, "1 file matches in; no record can be used, the first is line 1 of a.json, which is an object without keys that can be columns", recordRemedy},
		"text":           {"in", "json", map[string]string{"in/a.json": `"x"`}, "1 file matches in; no record can be used, the first is line 1 of a.json, which is a text, not an object", recordRemedy},
		"UTF-16":         {"in", "json", map[string]string{"in/a.json": "\xff\xfe{\x00}\x00"}, "1 file matches in; 1 left out, the first is a.json, which is not supported: it is written in UTF-16", "save it as UTF-8, or declare encoding: utf-16"},
		"gzip":           {"in", "json", map[string]string{"in/a.json": compress(".gz", "{}"), "in/b.json": ""}, "2 files match in; 1 left out, the first is a.json, which is not supported: it is compressed with gzip, which its name does not tell; the other one is empty", "rename it so that it ends in .gz"},
		"corrupt":        {"in", "parquet", map[string]string{"in/a.parquet": "PAR1" + strings.Repeat(" ", 64) + "PAR1"}, "1 file matches in; 1 left out, the first is a.parquet, which is corrupt: ", "replace it"},
		"cut gzip":       {"in", "json", map[string]string{"in/a.json.gz": compress(".gz", `{"id":1}`)[:9]}, "1 file matches in; 1 left out, the first is a.json.gz, which is corrupt: it ends too early", "replace it"},
		"first batch":    {"in", "json", many(4, ""), "4 files match in, the oldest 3 of which were looked at; all of them are empty", "put a file there that holds records"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			for name, content := range c.files {
				if folder, ok := strings.CutSuffix(name, "/"); ok {
					if err := os.MkdirAll(filepath.Join(b.dir, folder), 0o755); err != nil {
						t.Fatal(err)
					}
					continue
				}
				b.put(name, content)
			}
			change := func(c2 *Config) { c2.Root, c2.Path, c2.MaxFiles = b.dir, c.path, 3 }
			got := found(t, b, b.source(c.format, change))
			lack := strings.ReplaceAll(got.Lack, b.dir, "DIR")
			if len(got.Columns) > 0 || !strings.HasPrefix(lack, c.lack) || got.Remedy != c.remedy || !strings.HasSuffix(c.lack, ": ") && lack != c.lack {
				t.Errorf("%s\n%s\nwant %s\n%s", lack, got.Remedy, c.lack, c.remedy)
			}
			// With declared columns, only that nothing is there is worth a word: the rest is told by the batch.
			got = found(t, b, b.source(c.format, func(c *Config) { change(c); c.Hints = []Hint{{"id", "BIGINT"}} }))
			if nothing := strings.HasPrefix(c.lack, "no file"); len(got.Columns) != 1 || (got.Lack != "") != nothing {
				t.Errorf("with declared columns: %+v", got)
			}
		})
	}
}

// TestNothingThereLater looks at a folder again, with a position.
func TestNothingThereLater(t *testing.T) {
	b := newBed(t)
	b.put("in/a.json", `{"id":1}`)
	b.put("other/x.txt", "")
	at := func(path string) *Source {
		return b.source("json", func(c *Config) { c.Root, c.Path = b.dir, path })
	}
	b.commit(b.next(at("in")))
	for path, want := range map[string]string{"in": "", "in/*.json": "", "in/a.json": "", "i/*.json": "the folder", "in/*.jsn": "with other names (.json 1)", "other": "with other extensions (.txt 1)"} {
		if got := found(t, b, at(path)); len(got.Columns) != 1 || (want == "") != (got.Lack == "") || !strings.Contains(got.Lack, want) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	// A folder that is emptied once its files are read is in order; one that is gone is not.
	if err := os.Remove(filepath.Join(b.dir, "in/a.json")); err != nil {
		t.Fatal(err)
	}
	s := at("in")
	if got := found(t, b, s); got.Lack != "" {
		t.Errorf("an emptied folder: %+v", got)
	}
	if batch := b.next(s); batch != nil {
		t.Errorf("an emptied folder gives %+v", batch)
	}
	if err := os.Remove(filepath.Join(b.dir, "in")); err != nil {
		t.Fatal(err)
	}
	batch := b.next(s)
	if batch == nil || notices(batch) != "folder_missing "+filepath.Join(b.dir, "in") || batch.Items != 0 || batch.Relation != "" && b.rows(batch) != "" {
		t.Fatalf("a folder that is gone: %+v", batch)
	}
	b.commit(batch)
	if batch := b.next(s); batch != nil {
		t.Errorf("it is told twice: %+v", batch)
	}
	b.put("in/b.json", `{"id":2}`)
	wantText(t, "rows", b.rows(b.next(s)), "2\n")
}

// TestPassedOver counts the files of other extensions, once for each extension, and only with a batch.
func TestPassedOver(t *testing.T) {
	b := newBed(t)
	b.put("x/b.txt", "")
	b.put("a.bak", "")
	b.put("c.txt", "")
	b.put(".hidden.txt", "")
	b.put("_x/d.txt", "")
	s := b.source("json", func(c *Config) { c.Root, c.Path = filepath.Dir(b.dir), filepath.Base(b.dir) })
	if batch := b.next(s); batch != nil {
		t.Fatalf("nothing to read gives %+v", batch)
	}
	b.put("1.json", `{"id":1}`)
	batch := b.next(s)
	base := filepath.Base(b.dir)
	want := "3 files in " + base + " have other extensions (.txt 2, .bak 1) and are not read; name them with a glob such as " + base + "/**/*.txt if they are to be"
	if len(batch.Notices) != 1 || batch.Notices[0].Kind != "files_passed_over" || batch.Notices[0].Message != want {
		t.Errorf("notices: %+v", batch.Notices)
	}
	b.commit(batch)
	for name, want := range map[string]string{"d.txt": "", "e.log": "files_passed_over " + base} {
		b.put(name, "")
		b.put(name+".json", `{"id":2}`)
		batch := b.next(s)
		wantText(t, name, notices(batch), want)
		b.commit(batch)
	}
	glob := b.source("json", func(c *Config) { c.Path = filepath.Join(b.dir, "*.json") })
	b.pos, b.marks = nil, sourcetest.MemMarks{}
	if batch := b.next(glob); len(batch.Notices) > 0 {
		t.Errorf("a glob: %+v", batch.Notices)
	}
}
