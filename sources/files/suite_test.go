package files

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/sourcetest"
)

// TestSuite runs the contract's tests over every way of writing records.
func TestSuite(t *testing.T) {
	type writer func(b *bed, name string, first, n, bad int)
	text := func(ext, head, good, bad, sep, tail string) writer {
		return func(b *bed, name string, first, n, nbad int) {
			var lines []string
			for i := range n {
				lines = append(lines, fmt.Sprintf(good, first+i, first+i))
				if i < nbad {
					lines = append(lines, bad)
				}
			}
			b.put(name+ext, compress(ext, head+strings.Join(lines, sep)+tail))
		}
	}
	object := `{"id":%d,"name":"n%d"}`
	event := `{"op":"c","before":null,"after":{"id":%d,"name":"n%d"},"source":{"lsn":1}}`
	parquet := func(b *bed, name string, first, n, nbad int) {
		typ := "BIGINT"
		if nbad > 0 {
			typ = "VARCHAR"
		}
		path := b.put(name+".parquet", "")
		b.must(fmt.Sprintf("COPY (SELECT CAST(i AS %s) AS id, 'n' || i AS name FROM range(%d, %d) AS t(i) UNION ALL SELECT CAST('bad' AS %s), 'n' FROM range(%d)) TO '%s' (FORMAT parquet)",
			typ, first, first+n, typ, nbad, path))
	}
	for _, c := range []struct {
		name, format string
		write        writer
	}{
		{"lines", "json", text(".json", "", object, `{"id":`, "\n", "\n")},
		{"lines gz", "json", text(".json.gz", "", object, `{"id":"x"}`, "\n", "")},
		{"lines zst", "json", text(".ndjson.zst", "\n\n", object, "{\"name\":\"\x00\"}", "\r\n", "")},
		{"array", "json", text(".json", "[", object, `{"id":{}}`, ",\n", "]")},
		{"change events", "debezium", text(".json", "", event, `{"op":"c","after":{"id":"x"},"source":{"lsn":1}}`, "\n", "\n")},
		{"change events gz", "debezium", text(".json.gz", "[", event, `{"op":"x"}`, ",", "]")},
		{"csv", "csv", text(".csv", "id,name\n", "%d,n%d", "x,y,z", "\n", "\n")},
		{"csv gz", "csv", text(".csv.gz", "name;id\n", "%[2]d;%[1]d", "y;x", "\n", "")},
		{"parquet", "parquet", parquet},
	} {
		t.Run(c.name, func(t *testing.T) {
			var session sources.Session
			sourcetest.Run(t, sourcetest.Harness{
				Session: func(t *testing.T) sources.Session { return session },
				Open: func(t *testing.T, perBatch int) sourcetest.Place {
					b := newBed(t)
					session = b.session
					items := 0
					s, err := New(Config{Options: Options{Path: b.dir, Format: c.format, MaxFiles: perBatch}, Hints: []Hint{{"id", "BIGINT"}}})
					if err != nil {
						t.Fatal(err)
					}
					return sourcetest.Place{Source: s, Add: func(t *testing.T, first, n, bad int) {
						items++
						c.write(b, fmt.Sprintf("f%03d", items), first, n, bad)
					}}
				},
			})
		})
	}
}

// compress packs the content as the file's extension says.
func compress(name, content string) string {
	var buf bytes.Buffer
	var w io.WriteCloser
	switch {
	case strings.HasSuffix(name, ".gz"):
		w = gzip.NewWriter(&buf)
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewWriter(&buf)
		if err != nil {
			panic(err)
		}
		w = z
	default:
		return content
	}
	if _, err := io.WriteString(w, content); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.String()
}
