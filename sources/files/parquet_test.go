package files

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources"
)

// write makes a Parquet file of a query.
func (b *bed) write(name, query string) {
	b.t.Helper()
	path := b.put(name, "")
	b.must(fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet)", query, quote.Text(path)))
	if err := os.Chtimes(path, b.clock, b.clock); err != nil {
		b.t.Fatal(err)
	}
}

// TestParquetUnites makes one batch of two files with one column of two types, in both orders.
func TestParquetUnites(t *testing.T) {
	for _, c := range []struct{ a, b, typ, rows string }{
		{"5::BIGINT", "5.5::DOUBLE", "DOUBLE", "5.0 5.5"},
		{"5::INTEGER", "6000000000::BIGINT", "BIGINT", "5 6000000000"},
		{"5::SMALLINT", "7::UINTEGER", "BIGINT", "5 7"},
		{"1.5::FLOAT", "2.5::DOUBLE", "DOUBLE", "1.5 2.5"},
		{"1.25::DECIMAL(5,2)", "1.2345::DECIMAL(9,4)", "DECIMAL(9,4)", "1.2345 1.2500"},
		{"12345.6::DECIMAL(6,1)", "1.2345::DECIMAL(5,4)", "DECIMAL(9,4)", "1.2345 12345.6000"},
		{"7::BIGINT", "1.25::DECIMAL(5,2)", "DECIMAL(21,2)", "1.25 7.00"},
		{"7::DECIMAL(38,0)", "1.25::DECIMAL(5,2)", "VARCHAR", "1.25 7"},
		{"18446744073709551615::UBIGINT", "-7::BIGINT", "DECIMAL(20,0)", "-7 18446744073709551615"},
		{"5::BIGINT", "'x'::VARCHAR", "VARCHAR", "5 x"},
		{"DATE '2024-01-31'", "TIMESTAMP '2024-01-31 10:00:00'", "VARCHAR", "2024-01-31 2024-01-31 10:00:00"},
		{"true", "'x'", "VARCHAR", "true x"},
		{"encode('é')", "'x'", "VARCHAR", "x é"},
		{"{'p':1::INTEGER}", "{'q':'x','p':2::BIGINT}", "STRUCT(p BIGINT, q VARCHAR)", "{'p': 1, 'q': NULL} {'p': 2, 'q': x}"},
		{"[1::BIGINT]", "[1.5::DOUBLE]", "DOUBLE[]", "[1.0] [1.5]"},
		{"[{'p':1::BIGINT}]", "[{'p':'x'}]", "STRUCT(p VARCHAR)[]", "[{'p': 1}] [{'p': x}]"},
		{"MAP{'a':1::BIGINT}", "MAP{'a':'x'}", "MAP(VARCHAR, VARCHAR)", "{a=1} {a=x}"},
		{"MAP{1::INTEGER:1}", "MAP{2::BIGINT:2}", "MAP(BIGINT, INTEGER)", "{1=1} {2=2}"},
		{"{'p':1}", "'x'", "VARCHAR", `x {"p":1}`},
		{"[1,NULL]", "'x'", "VARCHAR", "[1,null] x"},
		{"{'p':1}::VARIANT", "'x'", "VARCHAR", `x {"p":1}`},
		{"{'p':'a, b'}::VARIANT", "{'p':[1,NULL]}::VARIANT", "VARCHAR", `{"p":"a, b"} {"p":[1,null]}`},
		{"{'v':INTERVAL 1 DAY}", "{'v':2}", "VARCHAR", `{"v":"1 day"} {"v":2}`},
		{"INTERVAL 1 DAY", "INTERVAL 2 DAY", "VARCHAR", "1 day 2 days"},
		{"TIMETZ '10:00:00+00'", "TIME '11:00:00'", "TIME", "10:00:00 11:00:00"},
		{"'POINT(1 2)'::GEOMETRY", "'x'", "VARCHAR", "POINT (1 2) x"},
		{"'[1, 2]'::JSON", "'x'", "VARCHAR", "[1, 2] x"},
	} {
		for range 2 {
			b := newBed(t)
			b.write("1.parquet", "SELECT "+c.a+" AS v")
			b.write("2.parquet", "SELECT "+c.b+" AS v")
			batch := b.next(b.source("parquet", nil))
			typ := batch.Columns[0].Type.String()
			if c.typ != typ && strings.ReplaceAll(typ, "STRUCT(q VARCHAR, p BIGINT)", "STRUCT(p BIGINT, q VARCHAR)") != c.typ {
				t.Errorf("%s and %s: %s; want %s", c.a, c.b, typ, c.typ)
			}
			rows := strings.Split(strings.TrimSuffix(b.rows(batch), "\n"), "\n")
			slices.Sort(rows)
			if got := strings.Join(rows, " "); got != c.rows && !strings.HasPrefix(typ, "STRUCT(q") {
				t.Errorf("%s and %s: %s; want %s", c.a, c.b, got, c.rows)
			}
			if batch.RejectCount != 0 {
				t.Errorf("%s and %s: %s", c.a, c.b, b.rejects(batch))
			}
			c.a, c.b = c.b, c.a
		}
	}
}

// TestParquetNarrows reads values into a column of another type: what is the same there is a row, the other values are
// rejects, or rescued.
func TestParquetNarrows(t *testing.T) {
	for _, c := range []struct{ to, from, good, bad string }{
		{"FLOAT", "DOUBLE", "1.5 nan 16777216.0", "0.1 16777217.0 1e300"},
		{"BIGINT", "DOUBLE", "5.0 -0.0", "5.5 1e19 nan inf"},
		{"INTEGER", "BIGINT", "5 2147483647", "2147483648"},
		{"BOOLEAN", "BIGINT", "1 0", "7"},
		{"DECIMAL(5,2)", "DECIMAL(9,4)", "2.1200 -1.5000", "2.1234 1000.0000"},
		{"DECIMAL(5,2)", "DOUBLE", "2.12 0.1", "2.1234 1000.0"},
		{"DECIMAL(5,2)", "BIGINT", "999", "1000"},
		{"DATE", "TIMESTAMP", "2024-01-31_00:00:00", "2024-01-31_10:00:00"},
		{"TIMESTAMP", "DATE", "2024-01-31", ""},
		{"TIMESTAMP", "TIMESTAMPTZ", "2024-01-31_10:00:00+00", ""},
		{"BIGINT", "VARCHAR", "7 -5 5.0", "007 +7 x 5.5"},
		{"DOUBLE", "VARCHAR", "7 5.50 1e5", "007 x 9007199254740993"},
		{"TIMESTAMP", "VARCHAR", "2024-01-31T10:00:00 2024-01-31T10:00:00Z", "2024-01-31T10:00:00+02:00 x"},
		{"DOUBLE", "BIGINT", "9007199254740992", "9007199254740993 9223372036854775807"},
		{"BIGINT", "UBIGINT", "9223372036854775807", "9223372036854775808"},
		{"DOUBLE", "DECIMAL(38,0)", "7", "12345678901234567890123456789012345678"},
		{"UUID", "VARCHAR", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "x"},
		{"VARCHAR", "BLOB", "abc", `\xFF`},
		{"DATE", "BIGINT", "", "5"},
		{"STRUCT(p BIGINT)", "VARCHAR", "", "x"},
		{"BIGINT[]", "BIGINT", "", "5"},
		{"BIGINT", "BIGINT[]", "", "[5]"},
		{"INTEGER[]", "BIGINT[]", "[5] []", "[2147483648]"},
		{"STRUCT(p INTEGER)", "STRUCT(p DOUBLE, q INTEGER)", "{'p':5.0,'q':1}", "{'p':5.5,'q':1}"},
		{"STRUCT(p STRUCT(q DATE)[])", "STRUCT(p STRUCT(q TIMESTAMP)[])", "{'p':[{'q':'2024-01-31_00:00:00'},NULL]}", "{'p':[{'q':'2024-01-31_00:00:00'},{'q':'2024-01-31_10:00:00'}]}"},
		{"MAP(VARCHAR,INTEGER)", "MAP(VARCHAR,BIGINT)", "{a=5}", "{a=2147483648}"},
		{"MAP(INTEGER,VARCHAR)", "MAP(BIGINT,VARCHAR)", "{5=a}", "{2147483648=a}"},
	} {
		values := func(texts string) []string { return strings.Fields(texts) }
		for _, evolution := range []Evolution{None, Rescue} {
			b := newBed(t)
			cast := fmt.Sprintf("CAST(replace(v, '_', ' ') AS %s)", c.from)
			all := append(values(c.good), values(c.bad)...)
			b.write("1.parquet", fmt.Sprintf("SELECT %s AS v, i FROM (SELECT unnest(%s) AS v, unnest(range(%d)) AS i)", cast, list(all), len(all)))
			b.write("2.parquet", fmt.Sprintf("SELECT CAST(NULL AS %s) AS v, 1000::BIGINT AS i", c.to))
			s := b.source("parquet", func(cfg *Config) { cfg.Hints, cfg.Evolution = []Hint{{"v", c.to}, {"i", "BIGINT"}}, evolution })
			batch := b.next(s)
			b.rows(batch)
			if evolution == Rescue {
				got := b.must("SELECT i, v IS NULL, _rescued_data LIKE '{\"v\":%' FROM " + batch.Relation + " ORDER BY i")
				want := ""
				for i := range all {
					bad := i >= len(values(c.good))
					rescued := bad || strings.Contains(c.from, "q INTEGER")
					want += fmt.Sprintf("%d|%t|%s\n", i, bad, map[bool]string{true: "true", false: "NULL"}[rescued])
				}
				wantText(t, c.from+" to "+c.to+", rescued", got, want+"1000|true|NULL\n")
				continue
			}
			got := b.must("SELECT i FROM " + batch.Relation + " WHERE v IS NOT NULL ORDER BY i")
			want := ""
			for i := range values(c.good) {
				want += fmt.Sprintln(i)
			}
			wantText(t, c.from+" to "+c.to, got, want)
			if int(batch.RejectCount) != len(values(c.bad)) {
				t.Errorf("%s to %s: %d rejects:\n%s", c.from, c.to, batch.RejectCount, b.rejects(batch))
			}
		}
	}
}

// list is a list of texts in SQL.
func list(texts []string) string {
	items := make([]string, len(texts))
	for i, text := range texts {
		items[i] = quote.Text(text)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// TestFitFastPath expects that columns of the same or a wider type are not looked at.
func TestFitFastPath(t *testing.T) {
	for _, c := range [][2]string{{"BIGINT", "BIGINT"}, {"INTEGER", "BIGINT"}, {"INTEGER", "DECIMAL(12,2)"}, {"DECIMAL(5,2)", "DECIMAL(7,3)"}, {"FLOAT", "DOUBLE"}, {"BIGINT", "VARCHAR"},
		{"STRUCT(a INTEGER, b VARCHAR[])", "STRUCT(b VARCHAR[], a BIGINT)"}, {"MAP(VARCHAR, FLOAT)", "MAP(VARCHAR, DOUBLE)"}} {
		from, err1 := schemas.Parse(c[0])
		to, err2 := schemas.Parse(c[1])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if look := new(fit).lost("x", from, to); look != "" {
			t.Errorf("%s to %s: %s", c[0], c[1], look)
		}
	}
}

// known puts a file of testdata into the folder.
func (b *bed) known(name string) {
	b.t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		b.t.Fatal(err)
	}
	b.put(name, string(content))
}

// TestParquetNullType reads a column of Arrow's null type, which has no type yet.
func TestParquetNullType(t *testing.T) {
	b := newBed(t)
	b.known("null.parquet")
	s := b.source("parquet", nil)
	batch := b.next(s)
	wantText(t, "alone", batch.Columns.SQLColumns(), `"id" BIGINT, "note" VARCHAR`)
	before := b.rows(batch)
	b.commit(batch)
	b.known("text.parquet")
	b.write("number.parquet", "SELECT 7::BIGINT AS id, 5.5::DOUBLE AS note")
	batch = b.next(s)
	rows := b.rows(batch)
	if !strings.Contains(rows, "late") || !strings.Contains(rows, "7|5.5\n") || batch.RejectCount != 0 {
		t.Errorf("later: %s %s", rows, b.rejects(batch))
	}

	b = newBed(t)
	b.known("null.parquet")
	b.write("number.parquet", "SELECT 7::BIGINT AS id, 5.5::DOUBLE AS note")
	batch = b.next(b.source("parquet", nil))
	wantText(t, "with others", batch.Columns.SQLColumns(), `"id" BIGINT, "note" DOUBLE`)
	wantText(t, "rows", sorted(b.rows(batch)), sorted(before+"7|5.5\n"))

	b = newBed(t)
	b.write("first.parquet", "SELECT 7::BIGINT AS id")
	s = b.source("parquet", nil)
	batch = b.next(s)
	b.commit(batch)
	b.known("null.parquet")
	batch = b.next(s)
	wantText(t, "added", batch.Columns.SQLColumns()+" "+notices(batch), `"id" BIGINT, "note" VARCHAR column_added note`)
	wantText(t, "rows", b.rows(batch), before)
}

// TestParquetNulls finds the leaves of the null type inside nested columns.
func TestParquetNulls(t *testing.T) {
	leaf := func(logical string) node { return node{logical: logical} }
	group := func(n int) node { return node{children: n} }
	for _, c := range []struct {
		typ, want string
		nodes     []node
	}{
		{"INTEGER[]", "INVALID[]", []node{group(1), group(1), leaf("NullType()|")}},
		{"STRUCT(a INTEGER, b INTEGER)", "STRUCT(a INTEGER, b INVALID)", []node{group(2), leaf("|"), leaf("NullType()|")}},
		{"MAP(VARCHAR, STRUCT(x INTEGER[]))", "MAP(VARCHAR, STRUCT(x INVALID[]))",
			[]node{group(1), group(2), leaf("|"), group(1), group(1), group(1), leaf("NullType()|")}},
		{"VARCHAR", "VARCHAR", []node{group(2), leaf("|"), leaf("NullType()|")}},
	} {
		typ, err := schemas.Parse(c.typ)
		if err != nil {
			t.Fatal(err)
		}
		if got := withNulls(typ, c.nodes); got.String() != c.want || typ.String() != c.typ {
			t.Errorf("%s: %s; want %s", c.typ, got, c.want)
		}
	}
}

// TestParquetUnsupported sets files aside that DuckDB would read as something else.
func TestParquetUnsupported(t *testing.T) {
	b := newBed(t)
	b.known("decimal39.parquet")
	b.known("decimal40.parquet")
	b.write("good.parquet", "SELECT 1 AS id")
	batch := b.next(b.source("parquet", nil))
	wantText(t, "rows", b.rows(batch), "1\n")
	wantText(t, "notices", notices(batch), "file_unsupported decimal39.parquet, file_unsupported decimal40.parquet")
	if rejects := b.rejects(batch); !strings.Contains(rejects, "its column v is a DECIMAL of 40 digits; write it with at most 38 digits, or as text") {
		t.Error(rejects)
	}
}

// TestParquetVariant reads a shredded VARIANT as JSON.
func TestParquetVariant(t *testing.T) {
	b := newBed(t)
	b.known("variant.parquet")
	wantText(t, "rows", b.rows(b.next(b.source("parquet", nil))), `1|{"n":1,"sku":"a, b","tags":["x",null]}`+"\n"+`2|[1,"two"]`+"\n")
}

// TestParquetNanoseconds counts values that lose digits, by column and file, and keeps all of them in a text.
func TestParquetNanoseconds(t *testing.T) {
	b := newBed(t)
	at := "SELECT unnest([TIMESTAMP_NS '2024-01-31 10:00:00.123456789', TIMESTAMP_NS '2024-01-31 10:00:00.123456', NULL]) AS at, TIME_NS '10:00:00.123456789' AS clock"
	b.write("a.parquet", at)
	b.write("b.parquet", "SELECT TIMESTAMP_NS '2024-01-31 10:00:00.1' AS at, TIME_NS '10:00:00' AS clock")
	batch := b.next(b.source("parquet", nil))
	wantText(t, "rows", sorted(b.rows(batch)), sorted("2024-01-31 10:00:00.123456|10:00:00.123456\n2024-01-31 10:00:00.123456|10:00:00.123456\n"+
		"NULL|10:00:00.123456\n2024-01-31 10:00:00.1|10:00:00\n"))
	var texts []string
	for _, n := range batch.Notices {
		texts = append(texts, n.Kind+" "+n.Message)
	}
	wantText(t, "notices", strings.Join(texts, "\n"), "digits_cut file a.parquet: 1 value of column at has more than six digits of a second; the rest was cut off; declare the column VARCHAR to keep them\n"+
		"digits_cut file a.parquet: 3 values of column clock have more than six digits of a second; the rest was cut off; declare the column VARCHAR to keep them")
	b.marks, b.pos = map[string]string{}, nil
	batch = b.next(b.source("parquet", func(c *Config) { c.Hints = []Hint{{"at", "VARCHAR"}, {"clock", "VARCHAR"}} }))
	wantText(t, "as text", notices(batch)+b.must("SELECT max(r.at), max(r.clock) FROM "+batch.Relation+" AS r"), "2024-01-31 10:00:00.123456789|10:00:00.123456789\n")
}

// TestParquetNames reads what SQL can name and reports the rest.
func TestParquetNames(t *testing.T) {
	names := []string{"id", "ID", "a.b", "s", "__violations", "_metadata", "", "nul\x00", "id_1", "quote\"'", "file_index", "file_row_number", "é"}
	for _, evolution := range []Evolution{AddNewColumns, Rescue} {
		b := newBed(t)
		b.put("a.parquet", columnsFile(t, names))
		batch := b.next(b.source("parquet", mode(evolution)))
		rows := b.rows(batch)
		if evolution == Rescue {
			if !strings.Contains(rows, `"ID":2`) || !strings.Contains(rows, `"_metadata":6`) {
				t.Errorf("rescued: %s", rows)
			}
			continue
		}
		wantText(t, "columns", strings.Join(batch.Columns.Names(), ","), `id,a.b,s,id_1,quote"',file_index,file_row_number,é`)
		wantText(t, "rows", rows, "1|3|4|9|10|11|12|13\n")
		wantText(t, "notices", notices(batch), "column_ignored , column_ignored ID, column_ignored __violations, column_ignored _metadata, column_ignored nul\x00")
	}
}

// columnsFile is a Parquet file with one row: 1, 2, … in columns of these names.
func columnsFile(t *testing.T, names []string) string {
	t.Helper()
	var out bytes.Buffer
	group, place := parquet.Group{}, map[string]int{}
	for i, name := range names {
		group[name], place[name] = parquet.Int(64), i
	}
	fields := group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int { return place[a.Name()] - place[b.Name()] })
	w := parquet.NewWriter(&out, parquet.NewSchema("root", ordered{group, fields}))
	row := make(parquet.Row, len(names))
	for i := range names {
		row[i] = parquet.Int64Value(int64(i+1)).Level(0, 0, i)
	}
	if _, err := w.WriteRows([]parquet.Row{row}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// ordered is a group with its fields in another order than that of their names.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

func (o ordered) Fields() []parquet.Field { return o.fields }

// TestParquetTooManyColumns sets files aside that have, or together would make, too many columns.
func TestParquetTooManyColumns(t *testing.T) {
	names := func(prefix string, n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf("%s%d", prefix, i)
		}
		return out
	}
	b := newBed(t)
	b.put("1.parquet", columnsFile(t, names("a", 5)))
	b.put("2.parquet", columnsFile(t, names("x", 10000)))
	b.put("3.parquet", columnsFile(t, names("b", mostFields-4)))
	s := b.source("parquet", nil)
	batch := b.next(s)
	wantText(t, "rows", b.rows(batch), "1|2|3|4|5\n")
	wantText(t, "notices", notices(batch), "file_unsupported 2.parquet, file_unsupported 3.parquet")
	b.commit(batch)
	b.put("4.parquet", columnsFile(t, names("c", mostFields-4)))
	batch = b.next(s)
	wantText(t, "later", notices(batch), "file_unsupported 4.parquet")
	if rejects := b.rejects(batch); !strings.Contains(rejects, "with it the source has 2001 columns and fields, and 2000 are the most") {
		t.Error(rejects)
	}
}

// TestParquetOutOfMemory expects that a sound file that does not fit into the memory is not set aside, and is read once
// there is more.
func TestParquetOutOfMemory(t *testing.T) {
	b := newBed(t, "memory_limit = '60MB'", "threads = 1", "max_temp_directory_size = '0GB'")
	big := newBed(t)
	big.write("a.parquet", "SELECT i AS id, repeat('ab', 500000 + i) AS note FROM range(120) r(i)")
	content, err := os.ReadFile(filepath.Join(big.dir, "a.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	b.put("a.parquet", string(content))
	for _, hints := range [][]Hint{nil, {{"id", "INTEGER"}}} { // with and without a look at the values
		s := b.source("parquet", func(c *Config) { c.Hints = hints })
		batch := b.next(s)
		_, cause := b.query("SELECT max(note || 'x'), max(id) FROM " + batch.Relation)
		if cause == nil || !strings.Contains(cause.Error(), "Out of Memory") {
			t.Fatalf("the file does fit: %v", cause)
		}
		for _, cause := range []error{cause, errors.New("something else")} {
			repaired, err := batch.Repair(t.Context(), b.session, cause)
			if repaired != nil || len(batch.Notices) != 0 || batch.RejectCount != 0 || err != nil && !strings.Contains(err.Error(), "Out of Memory") {
				t.Errorf("repair: %v, %v, %v", repaired, err, batch.Notices)
			}
		}
	}
}

// TestSystemErrors expects that a file is tried again that the system does not let us read.
func TestSystemErrors(t *testing.T) {
	b := newBed(t)
	b.put("a.json", `{"a":1}`)
	s := b.source("json", nil)
	w := &work{src: s, out: &sources.Batch{}, files: []*file{{entry: entry{rel: "a.json"}}}}
	w.drop(w.files[0], fmt.Errorf("decompress: %w", &fs.PathError{Op: "read", Path: "a.json", Err: syscall.EIO}))
	if notices(w.out) != "file_unreadable a.json" || len(w.out.Ledger) != 0 || len(w.refused) != 0 {
		t.Errorf("%+v", w.out)
	}
}

// TestParquetEncrypted tells encrypted files from corrupt ones.
func TestParquetEncrypted(t *testing.T) {
	b := newBed(t)
	b.put("a.parquet", "PARE"+strings.Repeat("x", 20)+"\x04\x00\x00\x00PARE")
	b.write("b.parquet", "SELECT 1 AS id")
	batch := b.next(b.source("parquet", nil))
	wantText(t, "rows", b.rows(batch), "1\n")
	wantText(t, "notices", notices(batch), "file_unsupported a.parquet")
}

// TestParquetDeep sets a file aside whose columns nest so deep that DuckDB would run out of stack.
func TestParquetDeep(t *testing.T) {
	b := newBed(t)
	node := parquet.Node(parquet.Int(64))
	for range deepestColumn {
		node = parquet.Group{"x": node}
	}
	var out bytes.Buffer
	if err := parquet.NewWriter(&out, parquet.NewSchema("root", parquet.Group{"x": node})).Close(); err != nil {
		t.Fatal(err)
	}
	b.put("a.parquet", out.String())
	b.write("b.parquet", "SELECT 1 AS id")
	batch := b.next(b.source("parquet", nil))
	wantText(t, "rows", b.rows(batch), "1\n")
	wantText(t, "notices", notices(batch), "file_unsupported a.parquet")
}

// TestParquetEmpty reads files without rows, without row groups and without columns.
func TestParquetEmpty(t *testing.T) {
	b := newBed(t)
	b.write("rows.parquet", "SELECT 1 AS id WHERE false")
	var none, bare bytes.Buffer
	if err := parquet.NewWriter(&none, parquet.NewSchema("root", parquet.Group{"id": parquet.Int(64)})).Close(); err != nil {
		t.Fatal(err)
	}
	if err := parquet.NewWriter(&bare, parquet.NewSchema("root", parquet.Group{})).Close(); err != nil {
		t.Fatal(err)
	}
	b.put("groups.parquet", none.String())
	b.put("columns.parquet", bare.String())
	b.write("one.parquet", "SELECT 7::BIGINT AS id")
	batch := b.next(b.source("parquet", nil))
	wantText(t, "rows", batch.Columns.SQLColumns()+" "+b.rows(batch), "\"id\" BIGINT 7\n")
	wantText(t, "notices", notices(batch), "file_unsupported columns.parquet")
}

// TestNamesInside leaves columns out whose names Iceberg has for what is inside of others.
func TestNamesInside(t *testing.T) {
	for _, c := range []struct{ first, second, columns, ignored string }{
		{`1 AS "a.b", {'b': 2} AS a`, "", `"a" STRUCT(b INTEGER)`, "a.b"},
		{`{'B': 2} AS a, 1 AS "A.b", 3 AS c`, "", `"a" STRUCT(B INTEGER), "c" INTEGER`, "A.b"},
		{`[1] AS l, 2 AS "l.element"`, "", `"l" INTEGER[]`, "l.element"},
		{`MAP{'a': 1} AS m, 2 AS "m.key", 3 AS "m.value"`, "", `"m" MAP(VARCHAR, INTEGER)`, "m.key m.value"},
		{`{'x.y': 1, 'x': {'y': 2}, 'z': 3} AS s`, "", `"s" STRUCT(x STRUCT(y INTEGER), z INTEGER)`, "s.x.y"},
		{`[{'x.y': 1, 'x': {'y': 2}}] AS s`, "", `"s" STRUCT(x STRUCT(y INTEGER))[]`, "s.x.y"},
		{`{'b': 2} AS a`, `{'b': 2} AS a, 1 AS "a.b"`, `"a" STRUCT(b INTEGER)`, "a.b"},
		{`1 AS "a.b"`, `{'b': 2, 'c': 3} AS a, 1 AS "a.b"`, `"a.b" INTEGER, "a" STRUCT(c INTEGER)`, "a.b"},
		{`1 AS "a.b"`, `{'b': 2} AS a, 1 AS "a.b"`, `"a.b" INTEGER`, "a.b"},
	} {
		for _, evolution := range []Evolution{AddNewColumns, Rescue} {
			b := newBed(t)
			b.write("1.parquet", "SELECT "+c.first)
			s := b.source("parquet", mode(evolution))
			batch := b.next(s)
			if c.second != "" {
				b.rows(batch)
				b.commit(batch)
				b.write("2.parquet", "SELECT "+c.second)
				batch = b.next(s)
			}
			rows := b.rows(batch)
			if evolution == Rescue {
				for _, name := range strings.Fields(c.ignored) {
					if last := name[strings.LastIndexByte(name, '.')+1:]; !strings.Contains(rows, last) || !strings.Contains(rows, `_file_path`) {
						t.Errorf("%s: %s is not rescued: %s", c.first, name, rows)
					}
				}
				continue
			}
			wantText(t, c.first, batch.Columns.SQLColumns(), c.columns)
			wantText(t, c.first, strings.ReplaceAll(strings.ReplaceAll(notices(batch), "column_ignored ", ""), ",", ""), map[bool]string{true: "column_added a "}[strings.Contains(c.columns, "(c ")]+c.ignored)
		}
	}
	b := newBed(t)
	b.put("a.csv", "a.b,c\n1,2\n")
	batch := b.next(b.source("csv", func(c *Config) { c.Hints = []Hint{{"a", "STRUCT(b BIGINT)"}} }))
	wantText(t, "csv", batch.Columns.SQLColumns()+" "+notices(batch), `"c" BIGINT, "a" STRUCT(b BIGINT) column_ignored a.b`)
	wantText(t, "csv", b.rows(batch), "2|NULL\n")
}

// TestParquetUnnamedField sets a file aside with a struct that DuckDB takes for one without names.
func TestParquetUnnamedField(t *testing.T) {
	b := newBed(t)
	var out bytes.Buffer
	if err := parquet.NewWriter(&out, parquet.NewSchema("root", parquet.Group{"s": parquet.Group{"": parquet.Int(64), "a": parquet.Int(64)}})).Close(); err != nil {
		t.Fatal(err)
	}
	b.put("a.parquet", out.String())
	b.write("b.parquet", "SELECT 1 AS id")
	batch := b.next(b.source("parquet", nil))
	wantText(t, "rows", b.rows(batch), "1\n")
	wantText(t, "notices", notices(batch), "file_unsupported a.parquet")
}

// TestParquetBlobFilter finds bytes by their value where the file has a Bloom filter of them.
func TestParquetBlobFilter(t *testing.T) {
	b := newBed(t)
	b.write("a.parquet", `SELECT encode(chr(9) || '"x' || (i % 5) || '"') AS b FROM range(1000) AS r(i)`)
	batch := b.next(b.source("parquet", nil))
	wantText(t, "found", b.must(`SELECT count(*) FROM `+batch.Relation+` WHERE b = encode(chr(9) || '"x1"')`), "200\n")
}
