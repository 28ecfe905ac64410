package files

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/sourcetest"
)

// bed is a folder of files, a database and the commits that were made.
type bed struct {
	t       testing.TB
	dir     string
	session sources.Session
	pos     sources.Position
	marks   sourcetest.MemMarks
	clock   time.Time
}

func newBed(t testing.TB, settings ...string) *bed {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bed{t: t, dir: t.TempDir(), session: sources.Session{Conn: conn, Prefix: "__src1_", TempDir: t.TempDir()}, marks: sourcetest.MemMarks{},
		clock: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, setting := range append(settings, "TimeZone = 'UTC'", "errors_as_json = true", "allowed_directories = ["+quote.Text(b.dir)+", "+quote.Text(b.session.TempDir)+"]",
		"enable_external_access = false",
		"enable_external_file_cache = false", // several sources of a test give their temporary files the same names
		"lock_configuration = true") {
		if _, err := conn.ExecContext(context.Background(), "SET "+setting); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// put writes a file, each a second younger than the one before.
func (b *bed) put(name, content string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.clock = b.clock.Add(time.Second)
	if err := os.Chtimes(path, b.clock, b.clock); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func (b *bed) source(format string, change func(*Config)) *Source {
	b.t.Helper()
	cfg := Config{Options: Options{Path: b.dir, Format: format}}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return s
}

func (b *bed) next(s *Source) *sources.Batch {
	b.t.Helper()
	batch, err := s.Next(context.Background(), b.session, b.pos, b.marks)
	if err != nil {
		b.t.Fatal(err)
	}
	return batch
}

func (b *bed) commit(batch *sources.Batch) {
	b.pos = batch.Position
	b.marks.Apply(batch)
}

// query returns rows as lines of cells.
func (b *bed) query(query string) (string, error) {
	rows, err := b.session.Conn.QueryContext(context.Background(), query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for rows.Next() {
		cells := make([]any, len(cols))
		dest := make([]any, len(cols))
		for i := range cells {
			dest[i] = &cells[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return "", err
		}
		for i, c := range cells {
			if i > 0 {
				out.WriteString("|")
			}
			switch c := c.(type) {
			case nil:
				out.WriteString("NULL")
			case []byte:
				out.Write(c)
			default:
				fmt.Fprint(&out, c)
			}
		}
		out.WriteString("\n")
	}
	return out.String(), rows.Err()
}

func (b *bed) must(query string) string {
	b.t.Helper()
	out, err := b.query(query)
	if err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	return out
}

// rows evaluates the batch's columns as the engine does: again after a repair.
func (b *bed) rows(batch *sources.Batch) string {
	b.t.Helper()
	for range 5 {
		if batch.Relation == "" {
			return ""
		}
		cols := make([]string, len(batch.Columns))
		for i, c := range batch.Columns {
			cols[i] = fmt.Sprintf("CAST(%s AS VARCHAR)", quote.Name(c.Name))
		}
		out, err := b.query("SELECT " + strings.Join(cols, ", ") + " FROM " + batch.Relation)
		if err == nil {
			return out
		}
		repaired, rerr := batch.Repair(context.Background(), b.session, err)
		if rerr != nil {
			b.t.Fatal(rerr)
		}
		if repaired == nil {
			b.t.Fatalf("not repaired: %v", err)
		}
		*batch = *repaired
	}
	b.t.Fatal("repaired too often")
	return ""
}

func (b *bed) rejects(batch *sources.Batch) string {
	b.t.Helper()
	if batch.RejectCount == 0 {
		return ""
	}
	return b.must(`SELECT parse_filename(file), line, "offset", raw, reason, whole FROM ` + batch.Rejects + ` ORDER BY ALL`)
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%swant:\n%s", what, got, want)
	}
}

func TestJSONLines(t *testing.T) {
	b := newBed(t)
	b.put("a.json", `{"a":1,"b":"x","s":{"p":1,"q":[1,2]}}`+"\n\n"+`{"a":2,"t":"2024-05-01T12:00:00Z"}`+"\n")
	b.put("sub/it's [1]*.jsonl", `{"a":3,"n":null}`)
	b.put("_skip.json", `{"zz":3}`)
	b.put("c.csv", `a`)
	b.put("blank.json", "\n\n")
	s := b.source("json", nil)
	schema, err := s.Schema(context.Background(), b.session, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "schema", schema.Columns.SQLColumns(), `"a" BIGINT, "b" VARCHAR, "s" STRUCT(p BIGINT, q BIGINT[]), "t" TIMESTAMP WITH TIME ZONE, "n" VARCHAR`)
	batch := b.next(s)
	wantText(t, "rows", b.rows(batch), "1|x|{'p': 1, 'q': [1, 2]}|NULL|NULL\n2|NULL|NULL|2024-05-01 12:00:00+00|NULL\n3|NULL|NULL|NULL|NULL\n")
	wantText(t, "meta", b.must("SELECT a, _metadata.file_name, _metadata.file_path, _metadata.file_size, _metadata.file_modification_time::varchar FROM "+batch.Relation+" WHERE a >= 2"),
		"2|a.json|"+b.dir+"/a.json|74|2024-01-01 00:00:01+00\n3|it's [1]*.jsonl|"+b.dir+"/sub/it's [1]*.jsonl|16|2024-01-01 00:00:02+00\n")
	if batch.Items != 3 || len(batch.Ledger) != 3 || batch.More || !strings.HasPrefix(notices(batch), "files_passed_over ") {
		t.Errorf("batch: %+v", batch)
	}
	b.commit(batch)
	if batch := b.next(s); batch != nil {
		t.Errorf("batch after everything was read: %+v", batch)
	}
}

func TestJSONRepair(t *testing.T) {
	b := newBed(t)
	b.put("a.json", `{"a":1,"b":"x"}`+"\n"+`{"a":2,`+"\n"+`{"a":"x","b":"y"}`+"\n"+"{\"a\":1,\"b\":\"\xff\"}\n"+`5`+"\n"+`{"a":1,"a":2}`+"\n"+`{"a":7}`)
	b.put("b.json", `{"a":8}`)
	b.put("c.json", "[{\"a\":9},\n {\"a\":[]}, {\"a\":01}, null, {\"b\":\"]\"}")
	s := b.source("json", func(c *Config) { c.Hints = []Hint{{"a", "INTEGER"}} })
	batch := b.next(s)
	wantText(t, "rows", sorted(b.rows(batch)), "1|x\n7|NULL\n8|NULL\n9|NULL\nNULL|]\n")
	wantText(t, "rejects", b.rejects(batch), strings.Join([]string{
		`a.json|2|16|{"a":2,|the record is not closed|false`,
		`a.json|3|24|{"a":"x","b":"y"}|column a: "x" is not INTEGER|false`,
		"a.json|4|42|{\"a\":1,\"b\":\"\xff\"}|the record is not valid UTF-8: there is the byte 0xFF at offset 54 of the file; if the files are written so, declare json: {encoding: latin-1}, or windows-1252|false",
		`a.json|5|58|5|the record is not a JSON object but a number|false`,
		`a.json|6|60|{"a":1,"a":2}|a key occurs twice in the record|false`,
		`c.json|2|11|{"a":[]}|column a: [] is not INTEGER|false`,
		`c.json|2|21|{"a":01}|the record is not valid JSON|false`,
		`c.json|2|31|null|the record is not a JSON object but null|false`,
		`c.json|2|46||the file ends inside the array|false`,
	}, "\n")+"\n")
	if batch.RejectCount != 9 || batch.Items != 3 || len(batch.Ledger) != 3 {
		t.Errorf("batch: %+v", batch)
	}
}

func sorted(rows string) string {
	lines := strings.SplitAfter(rows, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}
