package sqlfile

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/tools/txtar"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// examples are the statements of all goldens.
func examples(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*/*.txtar") // of pipelines the first file
	if err != nil || len(files) == 0 {
		t.Fatal("no goldens", err)
	}
	var out []string
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(archive.Files[0].Data))
	}
	return out
}

// FuzzParse holds what is true of every input: each text of a statement stands where its range says, statements follow
// each other, what has no mistake is whole, and every mistake has a place in the file and a remedy.
func FuzzParse(f *testing.F) {
	for _, sql := range examples(f) {
		f.Add(sql)
	}
	f.Fuzz(checkParse)
}

func checkParse(t *testing.T, sql string) {
	if !utf8.ValidString(sql) { // which is refused before, and has no columns
		b := newBuilder(Options{}, "p", &diag.List{})
		b.file("in.sql", sql)
		b.pipeline(Project{"demo", "demo", "/demo"})
		return
	}
	var diags diag.List
	lines := strings.Split(sql, "\n")
	last := diag.Pos{Line: 1, Column: 1}
	flawed := false
	for _, s := range Parse("in.sql", sql, &diags) {
		at := s.head().Range
		if before(at.Start, last) {
			t.Errorf("the statement at %s begins before %v", at, last)
		}
		last = at.End
		flawed = flawed || s.head().Flawed
		checkPlaces(t, lines, reflect.ValueOf(s).Elem(), at)
	}
	if flawed && !diags.HasErrors() {
		t.Error("a statement is flawed, and nothing tells why")
	}
	b := newBuilder(Options{Configuration: map[string]string{"a": "b", "n": "1\n2"}}, "p", &diags)
	b.file("in.sql", sql)
	b.pipeline(Project{"demo", "demo", "/demo"})
	for _, d := range diags {
		if d.Range.File == "in.sql" {
			inside(t, lines, d.Range)
		}
		if d.Help == "" || d.Message == "" {
			t.Errorf("%s says too little: %+v", d.Code, d)
		}
	}
}

func before(a, b diag.Pos) bool { return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column }

// inside checks that a range is one of the file.
func inside(t *testing.T, lines []string, r diag.Range) {
	ok := func(p diag.Pos) bool {
		return p.Line >= 1 && p.Line <= len(lines) && p.Column >= 1 && p.Column <= len([]rune(lines[p.Line-1]))+1
	}
	if !ok(r.Start) || !ok(r.End) || before(r.End, r.Start) {
		t.Errorf("no range of the file: %#v\n%s", r, strings.Join(lines, "\n"))
	}
}

// checkPlaces checks the ranges of all parts of a statement.
func checkPlaces(t *testing.T, lines []string, v reflect.Value, within diag.Range) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			checkPlaces(t, lines, v.Elem(), within)
		}
	case reflect.Slice:
		for i := range v.Len() {
			checkPlaces(t, lines, v.Index(i), within)
		}
	case reflect.Struct:
		switch x := v.Interface().(type) {
		case diag.Range:
			if !x.IsZero() {
				inside(t, lines, x)
				if before(x.Start, within.Start) || before(within.End, x.End) {
					t.Errorf("%+v is not within %+v", x, within)
				}
			}
		case Text:
			if got := cut(lines, x.Range); got != x.SQL && x.SQL != "" && !strings.Contains(strings.Join(lines, "\n"),
				magicMark) {
				t.Errorf("%q stands at %s, not %q", got, x.Range, x.SQL)
			}
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				checkPlaces(t, lines, v.Field(i), within)
			}
		}
	}
}

// cut is the text of a range.
func cut(lines []string, r diag.Range) string {
	if r.Start.Line < 1 || r.End.Line > len(lines) {
		return "?"
	}
	of := append([]string(nil), lines[r.Start.Line-1:r.End.Line]...)
	end := []rune(of[len(of)-1])
	of[len(of)-1] = string(end[:min(r.End.Column-1, len(end))])
	start := []rune(of[0])
	of[0] = string(start[min(r.Start.Column-1, len(start)):])
	return strings.Join(of, "\n")
}

// TestPlaces checks the same of every beginning of the goldens, as a file is while it is typed.
func TestPlaces(t *testing.T) {
	for _, sql := range examples(t) {
		for i := 0; i < len(sql); i += 7 {
			checkParse(t, sql[:i])
		}
	}
}

// TestHostile guards against inputs that take a time which grows with the square of their size: seconds for these, of
// which none should take more than some hundredths.
func TestHostile(t *testing.T) {
	const size = 64 << 10
	for _, part := range []string{"(", ")", "'", "/*\n", "'\n", "`", "<", ";",
		"\n-- MAGIC %sql\n-- COMMAND ----------\n", "\n-- MAGIC %sql", "a ", "a.", "- ", ",",
		"CREATE OR ", "CREATE VIEW a AS SELECT 1\n", "APPLY CHANGES INTO t ", "KEYS (", "SEQUENCE B ", "ON VIOLATION (", "EXPECT ((", "x CONSTRAINT y EXPECT (",
		"COMENT ", "CONSTRAINT a EXPECT (b),", "COLUMNS a,", "ARRAY<", "SET a = b\n", "${a", "USE CATALOG a\n"} {
		for _, head := range []string{"", "CREATE STREAMING TABLE a (", "APPLY CHANGES INTO t FROM "} {
			start := time.Now()
			Parse("in.sql", head+strings.Repeat(part, size/len(part)), &diag.List{})
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%q and then %q takes %v", head, part, took)
			}
		}
	}
}

// BenchmarkProject parses a project of 200 statements in 20 files.
func BenchmarkProject(b *testing.B) {
	var file strings.Builder
	for i := range 10 {
		fmt.Fprintf(&file, `-- Databricks notebook source
CREATE OR REFRESH STREAMING TABLE silver.orders_%d (
  order_id BIGINT NOT NULL COMMENT 'the key', customer_id BIGINT, amount DECIMAL(12,
	2), address STRUCT<street: STRING, city: STRING>,
  CONSTRAINT valid_id EXPECT (order_id IS NOT NULL) ON VIOLATION DROP ROW,
  CONSTRAINT valid_amount EXPECT (amount >= 0 AND amount < 1000000) ON VIOLATION FAIL UPDATE
)
CLUSTER BY (customer_id) COMMENT "cleaned" TBLPROPERTIES ('quality' = 'silver', 'pipelines.reset.allowed' = 'false')
AS SELECT o.order_id, c.customer_id, CAST(o.amount AS DECIMAL(12, 2)) AS amount, o.address
  FROM STREAM(bronze.orders) o LEFT JOIN bronze.customers c ON o.customer_id = c.id -- a comment
  WHERE o.amount IS NOT NULL;

-- COMMAND ----------

CREATE FLOW customers_%d AS AUTO CDC INTO silver.customers FROM STREAM(bronze.changes) KEYS (customer_id)
  APPLY AS DELETE WHEN operation = "DELETE" SEQUENCE BY changed_at COLUMNS * EXCEPT (operation,
	changed_at) STORED AS SCD TYPE 2

-- COMMAND ----------

`, i, i)
	}
	if n := len(Parse("in.sql", file.String(), &diag.List{})); n != 10*2 {
		b.Fatalf("%d statements", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		for range 10 {
			Parse("in.sql", file.String(), &diag.List{})
		}
	}
}
