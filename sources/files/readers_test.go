package files

import (
	"context"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/option"
)

// all reads everything that is there, commits it, and returns the columns, rows and rejects.
func (b *bed) all(s *Source, query string) (columns, rows, rejects string) {
	b.t.Helper()
	batch := b.next(s)
	if batch == nil {
		return "", "", ""
	}
	for batch.Relation != "" {
		_, err := b.query("SELECT * FROM " + batch.Relation)
		if err == nil {
			break
		}
		repaired, failed := batch.Repair(context.Background(), b.session, err)
		if failed != nil || repaired == nil {
			b.t.Fatal(err, failed)
		}
		batch = repaired
	}
	if batch.Relation != "" {
		rows = b.want(strings.ReplaceAll(query, "$", batch.Relation))
	}
	if batch.Rejects != "" {
		rejects = b.want(`SELECT line, "offset", reason FROM ` + batch.Rejects + " ORDER BY ALL")
	}
	b.commit(batch)
	return strings.ReplaceAll(batch.Columns.SQLColumns(), `"`, ""), rows, rejects
}

func (b *bed) want(query string) string {
	b.t.Helper()
	out, err := b.query(query)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

func TestTextLines(t *testing.T) {
	b := newBed(t)
	b.put("a.log", "\xef\xbb\xbfone\n\n  two \"x,y\r\nlast")
	b.put("sub/b.txt.gz", compress("b.txt.gz", "packed\n"))
	b.put("c.txt", "good\nbad \xff\nrest\n")
	s := b.source("text", nil)
	columns, rows, rejects := b.all(s, `SELECT _metadata.file_name, "value" FROM $ ORDER BY ALL`)
	equal(t, "columns", columns, "value VARCHAR")
	equal(t, "rows", rows, "a.log|\na.log|  two \"x,y\na.log|last\na.log|one\nb.txt.gz|packed\nc.txt|good\nc.txt|rest")
	equal(t, "rejects", rejects, `2|5|the line is not valid UTF-8: there is a byte that is no character behind "bad "`)
	b.put("d.txt", "later\n")
	_, rows, _ = b.all(s, `SELECT "value" FROM $`)
	equal(t, "rows of a later batch", rows, "later")
}

func TestTextDropsBrokenFile(t *testing.T) {
	b := newBed(t)
	whole := compress("x.gz", strings.Repeat("a line that is long enough\n", 20_000))
	b.put("a.txt.gz", whole[:len(whole)/2])
	b.put("b.txt", "fine\n")
	_, rows, _ := b.all(b.source("text", nil), `SELECT "value", _metadata.file_name FROM $`)
	equal(t, "rows", rows, "fine|b.txt")
}

func TestBinary(t *testing.T) {
	b := newBed(t)
	b.put("a.bin", "abc")
	b.put("b.gz", "")
	columns, rows, _ := b.all(b.source("binary", nil),
		`SELECT right(path, 5), "modificationTime" = _metadata.file_modification_time, length, content, _metadata.file_block_start, _metadata.file_block_length FROM $ ORDER BY path`)
	equal(t, "columns", columns, `path VARCHAR, modificationTime TIMESTAMP WITH TIME ZONE, length BIGINT, content BLOB`)
	equal(t, "rows", rows, "a.bin|true|3|abc|0|3\n/b.gz|true|0||0|0")
}

func TestNamePattern(t *testing.T) {
	for _, c := range []struct{ path, names, want string }{
		{"", "*", "a.json b.data d/c.json d/e/f.json"},
		{"", "*.json", "a.json d/c.json d/e/f.json"},
		{"/*", "*.json", "a.json d/c.json d/e/f.json"},
		{"/*", "c*", "d/c.json"},
		{"/d/*", "*", "d/c.json d/e/f.json"},
		{"/*/e", "*", "d/e/f.json"},
		{"/{a,b}*", "*", "a.json b.data"},
	} {
		t.Run(strings.Map(func(r rune) rune {
			if strings.ContainsRune("{},*/", r) {
				return '_'
			}
			return r
		}, c.path+" "+c.names), func(t *testing.T) {
			b := newBed(t)
			for _, name := range []string{"a.json", "b.data", "d/c.json", "d/e/f.json", "_hidden/x.json", "d/.x.json"} {
				b.put(name, `{"n":"`+name+`"}`)
			}
			s := b.source("json", func(c2 *Config) { c2.Path, c2.Names = b.dir+c.path, c.names })
			_, rows, _ := b.all(s, "SELECT string_agg(n, ' ' ORDER BY n) FROM $")
			equal(t, "files", rows, c.want)
		})
	}
}

func TestModified(t *testing.T) {
	b := newBed(t)
	for _, name := range []string{"a", "b", "c"} { // at 00:00:01, 00:00:02 and 00:00:03
		b.put(name+".json", `{"n":"`+name+`"}`)
	}
	s := b.source("json", func(c *Config) {
		c.ModifiedAfter, c.ModifiedBefore = &option.Text{Text: "2024-01-01T00:00:01Z"}, &option.Text{Text: "2024-01-01 00:00:03"}
	})
	_, rows, _ := b.all(s, "SELECT n FROM $")
	equal(t, "files between the times", rows, "b")
	if _, err := New(Config{Options: Options{Path: b.dir, Format: "json", ModifiedAfter: &option.Text{Text: "soon"}}}); err == nil {
		t.Error("soon is a time")
	}
}

func TestDeclaredColumns(t *testing.T) {
	hints := []Hint{{"b", "INTEGER"}, {"a", "VARCHAR"}, {"s", "STRUCT(x INTEGER)"}}
	for _, c := range []struct {
		name, format, content, later string
		mode                         Evolution
		columns, rows, laterRows     string
	}{
		{"json", "json", `{"a":1,"b":2,"c":3,"s":{"x":1,"y":2}}`, `{"B":4,"d":5}`, None, "b INTEGER, a VARCHAR, s STRUCT(x INTEGER)", "2|1|1", "4|NULL|NULL"},
		{"json rescue", "json", `{"a":"z","b":"no","c":3}`, `{"d":5}`, Rescue, "b INTEGER, a VARCHAR, s STRUCT(x INTEGER), _rescued_data VARCHAR", "NULL|z|NULL", "NULL|NULL|NULL"},
		{"csv", "csv", "a,c,b\nz,1,2\n", "b,e\n3,4\n", None, "b INTEGER, a VARCHAR, s STRUCT(x INTEGER)", "2|z|NULL", "3|NULL|NULL"},
		{"add", "json", `{"a":"z","e":1}`, `{"f":true}`, AddNewColumns, "b INTEGER, a VARCHAR, s STRUCT(x INTEGER), e BIGINT", "NULL|z|NULL", "NULL|NULL|NULL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			b.put("1."+c.format, c.content)
			s := b.source(c.format, func(cfg *Config) { cfg.Hints, cfg.Declared, cfg.Evolution = hints, true, c.mode })
			found, err := s.Schema(context.Background(), b.session, nil)
			if err != nil || len(found.Columns) < 3 {
				t.Error(found.Columns, err)
			}
			columns, rows, _ := b.all(s, "SELECT b, a, s.x FROM $")
			equal(t, "columns", columns, c.columns)
			equal(t, "rows", rows, c.rows)
			b.put("2."+c.format, c.later)
			_, rows, _ = b.all(s, "SELECT b, a, s.x FROM $")
			equal(t, "later rows", rows, c.laterRows)
		})
	}
	t.Run("fail", func(t *testing.T) {
		b := newBed(t)
		b.put("1.json", `{"c":1}`)
		s := b.source("json", func(cfg *Config) { cfg.Hints, cfg.Declared, cfg.Evolution = hints, true, Fail })
		if _, err := s.Next(context.Background(), b.session, nil, b.marks); err == nil || !strings.Contains(err.Error(), "c") {
			t.Error("a column that is not declared was taken:", err)
		}
	})
	t.Run("folders", func(t *testing.T) {
		b := newBed(t)
		b.put("year=2024/1.json", `{"a":"z","c":1}`)
		s := b.source("json", func(cfg *Config) { cfg.Hints, cfg.Declared, cfg.Evolution = hints[:2], true, None })
		columns, rows, _ := b.all(s, "SELECT a, year FROM $")
		equal(t, "columns", columns, "b INTEGER, a VARCHAR, year BIGINT")
		equal(t, "rows", rows, "z|2024")
		b.put("year=2025/2.json", `{"a":"y","c":1}`)
		columns, rows, _ = b.all(s, "SELECT a, year FROM $")
		equal(t, "later columns", columns, "b INTEGER, a VARCHAR, year BIGINT")
		equal(t, "later rows", rows, "y|2025")
	})
	t.Run("nothing there", func(t *testing.T) {
		b := newBed(t)
		s := b.source("json", func(cfg *Config) { cfg.Hints, cfg.Declared, cfg.Evolution = hints, true, None })
		if found, err := s.Schema(context.Background(), b.session, nil); err != nil || len(found.Columns) != 3 || found.Lack == "" {
			t.Error(found, err)
		}
	})
}

func TestUnnamedColumns(t *testing.T) {
	no := false
	b := newBed(t)
	b.put("1.csv", "x,1\ny,2\n")
	s := b.source("csv", func(c *Config) { c.CSV.Header, c.CSV.Unnamed = &no, "_c" })
	columns, rows, _ := b.all(s, "SELECT _c0, _c1 FROM $")
	equal(t, "columns", columns, "_c0 VARCHAR, _c1 BIGINT")
	equal(t, "rows", rows, "x|1\ny|2")
}

func TestNoTimes(t *testing.T) {
	no := false
	b := newBed(t)
	b.put("1.json", `{"d":"2024-01-31","t":"2024-01-31T10:00:00Z","s":{"d":"2024-01-31"},"n":1}`)
	s := b.source("json", func(c *Config) { c.JSON.InferTimes = &no })
	columns, rows, _ := b.all(s, "SELECT d, t, s.d FROM $")
	equal(t, "columns", columns, "d VARCHAR, t VARCHAR, s STRUCT(d VARCHAR), n BIGINT")
	equal(t, "rows", rows, "2024-01-31|2024-01-31T10:00:00Z|2024-01-31")
}
