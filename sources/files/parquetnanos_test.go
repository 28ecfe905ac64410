package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"github.com/lakeflow/lakeflow/sources"
)

const nanoTime = "'2024-01-01 00:00:00.123456789'::TIMESTAMP_NS"

// TestNanosecondsNested expects times inside of nested columns to be cut with a notice, and to keep their digits as
// texts: in a column that is a text as a whole or in part, in the record of a dead letter and in what is rescued.
func TestNanosecondsNested(t *testing.T) {
	query := "SELECT 1 AS id, {'t': " + nanoTime + ", 'n': 1} AS s, [" + nanoTime + ", NULL] AS l, MAP {'k': " + nanoTime + "} AS m, " + nanoTime + " AS t" +
		" UNION ALL SELECT 2, {'t': '2024-01-01 00:00:00.123456'::TIMESTAMP_NS, 'n': 2}, NULL, NULL, NULL"
	for _, c := range []struct{ schema, rows, said string }{
		{"", "1|{'t': '2024-01-01 00:00:00.123456', 'n': 1}|['2024-01-01 00:00:00.123456', NULL]|{k='2024-01-01 00:00:00.123456'}|2024-01-01 00:00:00.123456",
			"1 value of column s|1 value of column l|1 value of column m|1 value of column t"},
		{"s VARCHAR, l VARCHAR, m VARCHAR, t VARCHAR",
			`1|{"t":"2024-01-01 00:00:00.123456789","n":1}|["2024-01-01 00:00:00.123456789",null]|{"k":"2024-01-01 00:00:00.123456789"}|2024-01-01 00:00:00.123456789`, ""},
		{"s STRUCT(t VARCHAR, n VARCHAR), l VARCHAR[], m MAP(VARCHAR, VARCHAR)",
			"1|{'t': '2024-01-01 00:00:00.123456789', 'n': 1}|['2024-01-01 00:00:00.123456789', NULL]|{k='2024-01-01 00:00:00.123456789'}|2024-01-01 00:00:00.123456", "1 value of column t"},
	} {
		b := newBed(t)
		b.write("a.parquet", query)
		batch := b.next(b.source("parquet", func(cfg *Config) {
			if c.schema != "" {
				cfg.Hints = parseHints(c.schema)
			}
		}))
		wantText(t, c.schema, strings.ReplaceAll(b.must("SELECT id, CAST(COLUMNS(['s', 'l', 'm', 't']) AS VARCHAR) FROM (SELECT id, s, l, m, t FROM "+batch.Relation+") WHERE id = 1"), "\n", ""), c.rows)
		wantText(t, c.schema, cuts(batch.Notices), c.said)
	}
	b := newBed(t)
	b.write("a.parquet", query)
	batch := b.next(b.source("parquet", func(c *Config) { c.Hints = []Hint{{"l", "BIGINT[]"}} }))
	b.rows(batch)
	if rejects := b.rejects(batch); strings.Count(rejects, "00.123456789") != 4 {
		t.Errorf("dead letters: %s", rejects)
	}
}

func TestNanosecondsRescued(t *testing.T) {
	b := newBed(t)
	s := b.source("parquet", func(c *Config) { c.Evolution, c.Hints = Rescue, []Hint{{"id", "BIGINT"}} })
	b.write("0.parquet", "SELECT 0 AS id")
	b.commit(b.next(s))
	b.write("a.parquet", "SELECT 1 AS id, "+nanoTime+" AS n, ["+nanoTime+"] AS l")
	batch := b.next(s)
	if rows := b.rows(batch); strings.Count(rows, "00.123456789") != 2 {
		t.Errorf("rows: %s", rows)
	}
	wantText(t, "said", cuts(batch.Notices), "")
}

// TestUnseenNanoseconds expects a notice of times that DuckDB itself cuts, however they are nested.
func TestUnseenNanoseconds(t *testing.T) {
	type row struct {
		ID   int64              `parquet:"id"`
		Zone time.Time          `parquet:"zone,timestamp(nanosecond)"`
		Old  deprecated.Int96   `parquet:"old"`
		In   []deprecated.Int96 `parquet:"in,list"`
		None *time.Time         `parquet:"none,optional,timestamp(nanosecond)"`
	}
	at := func(nanos int) (time.Time, deprecated.Int96) {
		return time.Date(2024, 1, 1, 0, 0, 0, nanos, time.UTC), deprecated.Int96{uint32(nanos), 0, 2460311}
	}
	odd, oddOld := at(123456789)
	even, evenOld := at(123456000)
	b := newBed(t)
	path := filepath.Join(b.dir, "a.parquet")
	rows := []row{{1, odd, oddOld, []deprecated.Int96{oddOld, evenOld, oddOld}, nil}, {2, even, evenOld, nil, &even}}
	if err := parquet.WriteFile(path, rows); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, b.clock, b.clock); err != nil {
		t.Fatal(err)
	}
	batch := b.next(b.source("parquet", nil))
	wantText(t, "said", cuts(batch.Notices), "1 value of column zone|1 value of column old|2 values of column in")
	wantText(t, "rows", b.must("SELECT id, zone::VARCHAR, old::VARCHAR FROM "+batch.Relation), "1|2024-01-01 00:00:00.123456+00|2024-01-01 00:00:00.123456\n2|2024-01-01 00:00:00.123456+00|2024-01-01 00:00:00.123456\n")
}

// cuts are the counts in notices of digits that were cut.
func cuts(notices []sources.Notice) string {
	var out []string
	for _, n := range notices {
		if _, said, ok := strings.Cut(n.Message, ": "); ok && n.Kind == "digits_cut" {
			said, _, _ = strings.Cut(said, " ha")
			out = append(out, said)
		}
	}
	return strings.Join(out, "|")
}
