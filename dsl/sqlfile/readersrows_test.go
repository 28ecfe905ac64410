package sqlfile

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/sources"
)

// read reads files, name and content by turns, as a reader of a query does: the columns of *, and the rows by a SELECT
// of what is written in DuckDB's SQL.
func read(t *testing.T, reader, what string, content ...string) (columns, rows string) {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i+1 < len(content); i += 2 {
		path := filepath.Join(dir, content[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	var diags diag.List
	b := readAll("x:\nSELECT * FROM "+reader+";\n", dir, Options{}, &diags)
	if diags.HasErrors() || len(b.readers.all) != 1 {
		t.Fatal(diags)
	}
	src := b.nameReaders()[0]
	setup := sources.Setup{Name: src.Name, Dir: dir, Evolution: src.Evolution, Texts: src.Texts, Declared: src.Declared}
	for _, h := range src.Schema {
		setup.Hints = append(setup.Hints, sources.Hint{Name: h.Name, Type: h.Type})
	}
	s, err := src.Options.New(setup)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "SET TimeZone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	session := sources.Session{Conn: conn, Prefix: "__x_", TempDir: t.TempDir()}
	batch, err := s.Snapshot(t.Context(), session, nil)
	if err != nil {
		t.Fatal(err)
	}
	batch = repaired(t, session, batch)
	rows = rowsOf(t, conn, fmt.Sprintf("SELECT %s FROM %s ORDER BY ALL", what, batch.Relation))
	return strings.ReplaceAll(batch.Columns.SQLColumns(), `"`, ""), rows
}

func repaired(t *testing.T, session sources.Session, batch *sources.Batch) *sources.Batch {
	for {
		_, err := session.Conn.ExecContext(t.Context(), "SELECT * FROM "+batch.Relation)
		if err == nil {
			return batch
		}
		next, failed := batch.Repair(t.Context(), session, err)
		if failed != nil || next == nil {
			t.Fatal(err, failed)
		}
		batch = next
	}
}

func rowsOf(t *testing.T, conn *sql.Conn, query string) string {
	t.Helper()
	rows, err := conn.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(query, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		cells, dest := make([]any, len(names)), make([]any, len(names))
		for i := range cells {
			dest[i] = &cells[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(cells))
		for i, c := range cells {
			if texts[i] = fmt.Sprint(c); c == nil {
				texts[i] = "NULL"
			}
		}
		out = append(out, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

// TestReaderRows compares rows with values that were written by hand, after what the documentation of Databricks says.
func TestReaderRows(t *testing.T) {
	for _, c := range []struct {
		name, reader, what string
		files              []string
		columns, rows      string
	}{
		{"csv without header", "read_files('in', format => 'csv', header => false)", "_c0, _c1, _rescued_data",
			[]string{"in/a.csv", "x,1\ny,2\n"}, "_c0 VARCHAR, _c1 BIGINT, _rescued_data VARCHAR", "x|1|NULL\ny|2|NULL"},
		{"csv header and types", "read_files('in/*.csv', header => true)", "id, d::VARCHAR, n, ok",
			[]string{"in/a.csv", "id,d,n,ok\n1,2024-01-31,1.5,true\n2,,,\n"}, "id BIGINT, d DATE, n DOUBLE, ok BOOLEAN, _rescued_data VARCHAR", "1|2024-01-31|1.5|true\n2|NULL|NULL|NULL"},
		{"cloud_files are texts", "cloud_files('in', 'csv', map('header', 'true'))", "id, d",
			[]string{"in/a.csv", "id,d\n01,2024-01-31\n"}, "id VARCHAR, d VARCHAR, _rescued_data VARCHAR", "01|2024-01-31"},
		{"cloud_files of json are texts", "cloud_files('in', 'json')", "id, s",
			[]string{"in/a.json", `{"id":1,"s":{"x":1}}`}, "id VARCHAR, s VARCHAR, _rescued_data VARCHAR", `1|{"x":1}`},
		{"cloud_files with types", "cloud_files('in', 'json', map('cloudFiles.inferColumnTypes', 'true'))", "id, s.x",
			[]string{"in/a.json", `{"id":1,"s":{"x":1}}`}, "id BIGINT, s STRUCT(x BIGINT), _rescued_data VARCHAR", "1|1"},
		{"json keeps texts of dates", "read_files('in', format => 'json')", "d, n",
			[]string{"in/a.json", `{"d":"2024-01-31","n":1}`}, "d VARCHAR, n BIGINT, _rescued_data VARCHAR", "2024-01-31|1"},
		{"json inferTimestamp", "read_files('in', format => 'json', inferTimestamp => true)", "t::VARCHAR",
			[]string{"in/a.json", `{"t":"2024-01-31T10:00:00"}`}, "t TIMESTAMP, _rescued_data VARCHAR", "2024-01-31 10:00:00"},
		{"json arrays over several lines", "read_files('in', format => 'json', multiLine => true)", "a",
			[]string{"in/a.json", "[\n{\n\"a\":\n1},\n{\"a\":2}\n]", "in/b.json", "{\n  \"a\": 3\n}\n"}, "a BIGINT, _rescued_data VARCHAR", "1\n2\n3"},
		{"csv quoted line ends", "read_files('in', format => 'csv', header => true, multiLine => true)", "a, b",
			[]string{"in/a.csv", "a,b\n\"x\ny\",1\n"}, "a VARCHAR, b BIGINT, _rescued_data VARCHAR", "x\ny|1"},
		{"csv escape", "read_files('in', format => 'csv', header => true)", "a, b",
			[]string{"in/a.csv", "a,b\n\"x\\\"y\",1\n\"x\\\"z\",2\n"}, "a VARCHAR, b BIGINT, _rescued_data VARCHAR", `x"y|1` + "\n" + `x"z|2`},
		{"csv dialect", "read_files('in', format => 'csv', header => true, sep => '|', quote => \"'\", nullValue => 'NA', comment => '#', skipRows => 1)", "a, b",
			[]string{"in/a.csv", "title\na|b\n# no\n'x|y'|NA\nz|2\n"}, "a VARCHAR, b BIGINT, _rescued_data VARCHAR", "x|y|NULL\nz|2"},
		{"csv dates", "read_files('in', format => 'csv', header => true, dateFormat => 'dd/MM/yyyy', timestampFormat => 'dd/MM/yyyy HH:mm')", "d::VARCHAR, t::VARCHAR",
			[]string{"in/a.csv", "d,t\n31/01/2024,31/01/2024 10:30\n"}, "d DATE, t TIMESTAMP, _rescued_data VARCHAR", "2024-01-31|2024-01-31 10:30:00"},
		{"csv encoding", "read_files('in', format => 'csv', header => true, encoding => 'ISO-8859-1')", "a",
			[]string{"in/a.csv", "a\ncaf\xe9\n"}, "a VARCHAR, _rescued_data VARCHAR", "café"},
		{"csv short records", "read_files('in', format => 'csv', header => true)", "a, b",
			[]string{"in/a.csv", "a,b\n1,2\n3\n"}, "a BIGINT, b BIGINT, _rescued_data VARCHAR", "1|2\n3|NULL"},
		{"csv short records dropped", "read_files('in', format => 'csv', header => true, mode => 'DROPMALFORMED')", "a, b",
			[]string{"in/a.csv", "a,b\n1,2\n3\n"}, "a BIGINT, b BIGINT, _rescued_data VARCHAR", "1|2"},
		{"folders and names", "read_files('in', format => 'json', pathGlobFilter => 'x*')", "a, year, region",
			[]string{"in/year=2024/region=eu/x1.data", `{"a":1}`, "in/year=2024/region=us/x2.json", `{"a":2}`, "in/year=2024/region=eu/y.json", `{"a":3}`},
			"a BIGINT, year BIGINT, region VARCHAR, _rescued_data VARCHAR", "1|2024|eu\n2|2024|us"},
		{"folders left out", "read_files('in', format => 'json', recursiveFileLookup => true)", "a",
			[]string{"in/year=2024/x.json", `{"a":1}`}, "a BIGINT, _rescued_data VARCHAR", "1"},
		{"folders listed", "read_files('in', format => 'json', partitionColumns => 'region')", "a, region",
			[]string{"in/year=2024/region=eu/x.json", `{"a":1}`}, "a BIGINT, region VARCHAR, _rescued_data VARCHAR", "1|eu"},
		{"glob of folders", "read_files('in/*/', format => 'json')", "a",
			[]string{"in/x/1.json", `{"a":1}`, "in/y/z/2.json", `{"a":2}`, "in/3.json", `{"a":3}`, "in/y/_SUCCESS", ""}, "a BIGINT, _rescued_data VARCHAR", "1\n2\n3"},
		{"modified", "read_files('in', format => 'json', modifiedAfter => '2024-05-01T09:59:59Z', modifiedBefore => '2024-05-01T10:00:01Z')", "a",
			[]string{"in/x.json", `{"a":1}`}, "a BIGINT, _rescued_data VARCHAR", "1"},
		{"schema", "read_files('in', format => 'json', schema => 'b INT, s STRUCT<x: DATE>')", "b, s.x::VARCHAR",
			[]string{"in/x.json", `{"a":1,"b":2,"s":{"x":"2024-01-31","y":1}}`}, "b INTEGER, s STRUCT(x DATE)", "2|2024-01-31"},
		{"schema and rescue", "read_files('in', format => 'json', schema => 'b INT', rescuedDataColumn => '_rescued_data')", "b, json_extract_string(_rescued_data, '$.a')",
			[]string{"in/x.json", `{"a":1,"b":2}`}, "b INTEGER, _rescued_data VARCHAR", "2|1"},
		{"schema of csv without header", "read_files('in', format => 'csv', schema => 'id BIGINT, name STRING')", "id, name",
			[]string{"in/x.csv", "1,a\n2,b\n"}, "id BIGINT, name VARCHAR", "1|a\n2|b"},
		{"hints", "read_files('in', format => 'json', schemaHints => 'id STRING, m MAP<STRING, INT>')", "id, m['k'], n",
			[]string{"in/x.json", `{"id":1,"m":{"k":7},"n":2}`}, "id VARCHAR, m MAP(VARCHAR, INTEGER), n BIGINT, _rescued_data VARCHAR", "1|7|2"},
		{"types that do not fit are rescued", "read_files('in', format => 'json', schemaHints => 'a INT')", "a, json_extract_string(_rescued_data, '$.a')",
			[]string{"in/x.json", `{"a":"x"}`}, "a INTEGER, _rescued_data VARCHAR", "NULL|x"},
		{"header where columns are inferred", "read_files('in', format => 'csv')", "a, b", []string{"in/a.csv", "a,b\n1,x\n"}, "a BIGINT, b VARCHAR, _rescued_data VARCHAR", "1|x"},
		{"rescued column of another name", "read_files('in', format => 'csv', header => true, schema => 'a INT', rescuedDataColumn => '_rescued')", "a, json_extract_string(_rescued, '$.b')",
			[]string{"in/a.csv", "a,b\n1,x\n"}, "a INTEGER, _rescued VARCHAR", "1|x"},
		{"mode none", "read_files('in', format => 'json', schemaEvolutionMode => 'none')", "a",
			[]string{"in/x.json", `{"a":1}`}, "a BIGINT", "1"},
		{"text", "read_files('in', format => 'text')", "value",
			[]string{"in/a.any", "one\n\ntwo\n"}, "value VARCHAR", "\none\ntwo"},
		{"binary", "read_files('in', format => 'binaryFile')", "right(path, 8), \"modificationTime\"::VARCHAR, length, content::VARCHAR",
			[]string{"in/a.any", "abc"}, "path VARCHAR, modificationTime TIMESTAMP WITH TIME ZONE, length BIGINT, content BLOB", "in/a.any|2024-05-01 10:00:00+00|3|abc"},
		{"csv by path", "csv.`in/a.csv`", "_c0, _c1", []string{"in/a.csv", "a,b\n1,2\n"}, "_c0 VARCHAR, _c1 VARCHAR", "1|2\na|b"},
		{"json by path", "json.`in`", "a", []string{"in/a.json", `{"a":1}`}, "a BIGINT", "1"},
		{"text by path", "text.`in/a.txt`", "value", []string{"in/a.txt", "x"}, "value VARCHAR", "x"},
		{"metadata", "json.`in`", "_metadata.file_name, _metadata.file_size, _metadata.file_modification_time::VARCHAR, _metadata.file_block_start, _metadata.file_block_length, right(_metadata.file_path, 9)",
			[]string{"in/a.json", `{"a":1}`}, "a BIGINT", "a.json|7|2024-05-01 10:00:00+00|0|7|in/a.json"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			columns, rows := read(t, c.reader, c.what, c.files...)
			if columns != c.columns {
				t.Errorf("columns %s\nwant    %s", columns, c.columns)
			}
			if rows != c.rows {
				t.Errorf("rows\n%s\nwant\n%s", rows, c.rows)
			}
		})
	}
}
