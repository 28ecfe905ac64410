package kafka

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/avro"

	"github.com/lakeflow/lakeflow/schemas"
)

// lineFile is a file as DuckDB writes it.
func lineFile(t *testing.T, text string) *rowFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return &rowFile{File: f, keyed: true}
}

// lines are rows of which some are longer than a block, and all are longer than what is read ahead.
func lines(rows int) string {
	var text strings.Builder
	for i := range rows {
		long := 0
		if i%3000 == 1500 {
			long = 3 * blockBytes
		}
		fmt.Fprintf(&text, "{\"k\":\"k%d\",\"v\":{\"id\":%d,\"s\":\"%s\"}}\n", i, i, strings.Repeat("x", 300+long))
	}
	return text.String()
}

// encoders are sinks with keys, of both formats.
func encoders(t *testing.T) map[string]*Sink {
	t.Helper()
	columns := schemas.Table{{Name: "id", Type: schemas.Type{Kind: schemas.BigInt}}, {Name: "s", Type: schemas.Type{Kind: schemas.Varchar}}}
	a, err := newAvro("t", columns)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Sink{"json": {cfg: Config{Topic: "t", Key: []string{"k"}}}, "avro": {cfg: Config{Topic: "t", Key: []string{"k"}}, avro: a}}
}

// TestOrder makes records of many blocks: they are as many as the lines, and in their order.
func TestOrder(t *testing.T) {
	const rows = 20_000
	text := lines(rows)
	if len(text) < 2*aheadBytes {
		t.Fatalf("%d bytes are not enough", len(text))
	}
	for name, s := range encoders(t) {
		t.Run(name, func(t *testing.T) {
			next := 0
			for records, err := range s.records(lineFile(t, text), 7) {
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range records {
					prefix := fmt.Sprintf(`{"id":%d,`, next)
					if s.avro != nil {
						prefix = string(avroID(t, s.avro.schema, next))
					}
					if string(r.Key) != fmt.Sprint("k", next) || !strings.HasPrefix(string(r.Value), prefix) || string(r.Headers[0].Value) != "7" {
						t.Fatalf("record %d has key %s and value %.40q, want %q", next, r.Key, r.Value, prefix)
					}
					next++
				}
			}
			if next != rows {
				t.Errorf("%d records", next)
			}
		})
	}
}

// avroID is how a row with this id begins.
func avroID(t *testing.T, schema *avro.Schema, id int) []byte {
	t.Helper()
	out, err := schema.Encode(map[string]any{"id": id, "s": nil})
	if err != nil {
		t.Fatal(err)
	}
	return out[:len(out)-1]
}

// TestRecordsEnd leaves the loop early, and meets lines that are broken. What goes on then is found by TestMain.
func TestRecordsEnd(t *testing.T) {
	text := lines(8_000)
	for name, s := range encoders(t) {
		for range s.records(lineFile(t, text), 1) {
			break
		}
		for _, c := range []struct {
			text string
			want string
			is   error
		}{{text + "{}\n" + text, "a line has no key", nil}, {text[:len(text)-1], "read the rows", io.ErrUnexpectedEOF}} {
			var last error
			for _, err := range s.records(lineFile(t, c.text), 1) {
				if last != nil {
					t.Errorf("%s: more behind %v", name, last)
				}
				last = err
			}
			if last == nil || !strings.Contains(last.Error(), c.want) || c.is != nil && !errors.Is(last, c.is) {
				t.Errorf("%s: error %v, want one with %q", name, last, c.want)
			}
		}
	}
}
