package files

import (
	"path/filepath"
	"testing"
)

// TestRootIsNoPattern has sources in folders whose names are globs, beside folders that these would match.
func TestRootIsNoPattern(t *testing.T) {
	for _, folder := range []string{"jobs [2024]", "team {x,y}", "a*b?c", `back\slash`, `it's "q"`, `w[e]ird\{n*}'`} {
		for _, path := range []string{"in", "in/*.json", "in/a.json", "../" + "in/**/*.json", "./in"} {
			b := newBed(t)
			at := filepath.Join(b.dir, folder)
			if path[:2] == ".." {
				at = filepath.Join(at, "below")
			}
			for _, other := range []string{"jobs 2", "team x", "team y", "aXbYc", "backslash"} {
				b.put(other+"/in/a.json", `{"id":9}`)
			}
			b.put(folder+"/in/a.json", `{"id":1}`)
			s := b.source("json", func(c *Config) { c.Root, c.Path = at, path })
			batch := b.next(s)
			if batch == nil {
				t.Errorf("%s, %s: no batch", folder, path)
				continue
			}
			wantText(t, folder+", "+path, b.rows(batch), "1\n")
		}
	}
}

// TestEscapedPath has paths in which brackets are part of names.
func TestEscapedPath(t *testing.T) {
	for path, want := range map[string]string{
		"jobs [[]2024]/*.json": "1\n", `jobs \[2024\]/*.json`: "1\n", "jobs [[]2024]": "1\n", "jobs [[]2024]/a.json": "1\n", `jobs \[2024]`: "1\n",
		"jobs [2024]/*.json": "2\n", `t\{x,y\}/*`: "3\n", "t{x,y}/*": "4\n", `t\{x,y\}`: "3\n", "star[*]": "5\n", `star\*/a.json`: "5\n", "star[*]/[a]*": "5\n",
		`back\slash`: "6\n", `back\\slash/*`: "6\n",
	} {
		b := newBed(t)
		for folder, record := range map[string]string{"jobs [2024]": `{"id":1}`, "jobs 2": `{"id":2}`, "t{x,y}": `{"id":3}`, "tx": `{"id":4}`, "star*": `{"id":5}`, "stars": `{"id":0}`, `back\slash`: `{"id":6}`} {
			b.put(folder+"/a.json", record)
		}
		if batch := b.next(b.source("json", func(c *Config) { c.Root, c.Path = b.dir, path })); batch == nil {
			t.Errorf("%s: no batch", path)
		} else {
			wantText(t, path, b.rows(batch), want)
		}
	}
}

// TestAmbiguousPath has two files that DuckDB cannot tell apart, and one that it can.
func TestAmbiguousPath(t *testing.T) {
	b := newBed(t)
	b.put(`s*\x.json`, `{"id":1}`)
	b.put(`s*[x.json`, `{"id":2}`)
	b.put(`t*\x.json`, `{"id":3}`)
	batch := b.next(b.source("json", nil))
	wantText(t, "rows", sorted(b.rows(batch)), "2\n3\n")
	wantText(t, "notices", notices(batch), `file_unreadable s*\x.json`)
}

// TestInternalNames has columns that are called like what the queries over the files call theirs. No row may be lost:
// the record of JSON is a reject, and the column of CSV is not read.
func TestInternalNames(t *testing.T) {
	for format, c := range map[string]struct{ content, rows, rejects string }{
		"json": {"{\"id\":1,\"__lakeflow_row\":1,\"__LAKEFLOW_all\":2}\n{\"id\":2}\n", "2\n", "1|false\n"},
		"csv":  {"id,__lakeflow_row,__lakeflow_all,__lakeflow_file\n1,2,3,4\n2,,,\n", "1\n2\n", ""},
	} {
		b := newBed(t)
		b.put("a."+format, c.content)
		b.put("b."+format, "")
		batch := b.next(b.source(format, nil))
		wantText(t, format, b.rows(batch), c.rows)
		if c.rejects == "" {
			wantText(t, format, batch.Rejects, "")
		} else {
			wantText(t, format, b.must("SELECT line, whole FROM "+batch.Rejects), c.rejects)
		}
	}
}
