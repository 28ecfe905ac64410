package duck

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// columns makes a schema with field ids out of "name TYPE" texts.
func columns(t testing.TB, cols ...string) schemas.Table {
	t.Helper()
	var table schemas.Table
	for _, c := range cols {
		name, typ, _ := strings.Cut(c, " ")
		parsed, err := schemas.Parse(typ)
		if err != nil {
			t.Fatal(err)
		}
		table = append(table, schemas.Column{Name: name, Type: parsed})
	}
	table, _ = schemas.AssignIDs(table, 0)
	return table
}

func mustWrite(t testing.TB, db *DB, query string, l Layout) []lake.DataFile {
	t.Helper()
	files, copied, err := db.WriteParquet(context.Background(), query, l)
	if err != nil {
		t.Fatal(err)
	}
	var rows int64
	for _, f := range files {
		rows += f.Rows
	}
	if copied != rows {
		t.Errorf("DuckDB says it wrote %d rows, the files have %d", copied, rows)
	}
	return files
}

// rowsOf reads a relation: one text per row, values parted by |, sorted.
func rowsOf(t testing.TB, db *DB, relation string) []string {
	t.Helper()
	rows, err := db.Conn().QueryContext(context.Background(),
		"SELECT array_to_string([coalesce(v, 'NULL') FOR v IN [*COLUMNS(lambda c: true)]], '|') FROM (SELECT CAST(COLUMNS(*) AS VARCHAR) FROM "+relation+")")
	if err != nil {
		t.Fatalf("%v: %s", err, relation)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// counted is what Go counts of the values of one column.
type counted struct {
	nulls int64
	texts []string // those that are not NULL
}

func (c *counted) add(v *rapid.T, label, text string) string {
	if rapid.IntRange(0, 4).Draw(v, label+" null") == 0 {
		c.nulls++
		return "NULL"
	}
	c.texts = append(c.texts, text)
	return quote.Text(text)
}

// TestStatisticsAreTrue compares the statistics of files with what Go counts of the values.
func TestStatisticsAreTrue(t *testing.T) {
	db, dir := open(t, Config{})
	schema := columns(t, "i BIGINT", "d DOUBLE", "s VARCHAR", "n STRUCT(x INTEGER)")
	rapid.Check(t, func(t *rapid.T) {
		var rows []string
		var i, d, s, x counted
		hasNaN := false
		for range rapid.IntRange(1, 20).Draw(t, "rows") {
			number := rapid.OneOf(rapid.Float64(), rapid.Just(math.NaN())).Draw(t, "d")
			float := d.add(t, "d", strconv.FormatFloat(number, 'g', -1, 64))
			hasNaN = hasNaN || math.IsNaN(number) && float != "NULL"
			rows = append(rows, fmt.Sprintf("(CAST(%s AS BIGINT), CAST(%s AS DOUBLE), CAST(%s AS VARCHAR), {'x': CAST(%s AS INTEGER)})",
				i.add(t, "i", fmt.Sprint(rapid.Int64().Draw(t, "i"))), float,
				s.add(t, "s", strings.ReplaceAll(rapid.StringN(0, 6, -1).Draw(t, "s"), "\x00", "")), x.add(t, "x", fmt.Sprint(rapid.Int32().Draw(t, "x")))))
		}
		files, copied, err := db.WriteParquet(context.Background(), "SELECT * FROM (VALUES "+strings.Join(rows, ", ")+") v(i, d, s, n)", Layout{Dir: dir, Schema: schema})
		if err != nil || len(files) != 1 || copied != int64(len(rows)) || files[0].Rows != copied {
			t.Fatalf("%d rows became %d in %+v, %v", len(rows), copied, files, err)
		}
		if info, err := os.Stat(files[0].Path); err != nil || info.Size() != files[0].Bytes {
			t.Fatalf("the file has %d bytes, not %d: %v", info.Size(), files[0].Bytes, err)
		}
		stats := files[0].Columns
		for path, c := range map[string]counted{`"i"`: i, `"d"`: d, `"s"`: s, `"n"."x"`: x} {
			got := stats[path]
			if got.Nulls != c.nulls || got.Values != int64(len(rows)) || got.Bytes <= 0 || got.HasMin != got.HasMax {
				t.Fatalf("%s: %+v, want %d values and %d nulls", path, got, len(rows), c.nulls)
			}
			if len(c.texts) == 0 && got.HasMin {
				t.Fatalf("%s has only NULL, but %+v", path, got)
			}
		}
		if stats[`"d"`].HasNaN != hasNaN {
			t.Fatalf("d: %+v, want NaN %v", stats[`"d"`], hasNaN)
		}
		bounds(t, stats[`"i"`], i.texts, compareNumbers)
		bounds(t, stats[`"n"."x"`], x.texts, compareNumbers)
		bounds(t, stats[`"s"`], s.texts, strings.Compare)
		if !hasNaN {
			bounds(t, stats[`"d"`], d.texts, compareNumbers)
		}
	})
}

func bounds(t *rapid.T, got lake.ColumnStats, texts []string, compare func(a, b string) int) {
	if len(texts) == 0 {
		return
	}
	low, high := slices.MinFunc(texts, compare), slices.MaxFunc(texts, compare)
	if !got.HasMin || compare(got.Min, low) != 0 || compare(got.Max, high) != 0 {
		t.Fatalf("bounds %+v, want %q and %q", got, low, high)
	}
}

func compareNumbers(a, b string) int {
	x, _, errX := big.ParseFloat(a, 10, 200, big.ToNearestEven)
	y, _, errY := big.ParseFloat(b, 10, 200, big.ToNearestEven)
	if errX != nil || errY != nil {
		return -1 // a bound that is no number is equal to nothing
	}
	return x.Cmp(y)
}

func TestRowGroups(t *testing.T) {
	db, dir := open(t, Config{})
	files := mustWrite(t, db, "SELECT i FROM range(20000) r(i)", Layout{Dir: dir, Schema: columns(t, "i BIGINT"), RowGroupSize: 4096, Compression: "none"})
	if len(files) != 1 || files[0].Rows != 20000 || files[0].Columns[`"i"`].Min != "0" || files[0].Columns[`"i"`].Max != "19999" {
		t.Fatalf("%+v", files)
	}
	f, err := os.Open(files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := parquet.OpenFile(f, files[0].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	meta := p.Metadata()
	if len(meta.RowGroups) != 5 || meta.RowGroups[0].Columns[0].MetaData.Codec.String() != "UNCOMPRESSED" || meta.Schema[1].FieldID != 1 {
		t.Errorf("%d row groups, codec %v, field id %d", len(meta.RowGroups), meta.RowGroups[0].Columns[0].MetaData.Codec, meta.Schema[1].FieldID)
	}
}

// allFiles are the names of all files below a folder.
func allFiles(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestHiddenFiles reads values of all types back from files of tables that lakeflow alone reads.
func TestHiddenFiles(t *testing.T) {
	db, dir := open(t, Config{})
	schema := columns(t, "o BOOLEAN", "i INTEGER", "b BIGINT", "f FLOAT", "d DOUBLE", "de DECIMAL(38,10)", "v VARCHAR", "x BLOB", "da DATE",
		"ti TIME", "ts TIMESTAMP", "tz TIMESTAMP WITH TIME ZONE", "u UUID", "l VARCHAR[]", "s STRUCT(a BIGINT, b DOUBLE)", "m MAP(VARCHAR, BIGINT)")
	row := func(o, i, b, f, d, de, v, x, da, ti, ts, tz, u, l, s, m string) string {
		values := []string{o, i, b, f, d, de, v, x, da, ti, ts, tz, u, l, s, m}
		for n, c := range schema {
			values[n] = "CAST(" + values[n] + " AS " + c.Type.String() + ") AS " + c.Name
		}
		return "SELECT " + strings.Join(values, ", ")
	}
	query := row("i % 2 = 0", "hash(i) >> 33", "hash(i) >> 1", "i * 0.1", "sqrt(i)", "i / 7", "'text ' || i", "encode('bytes ' || i % 9)",
		"DATE '2020-01-01' + i::INTEGER", "TIME '00:00:00.000001' + to_seconds(i)", "TIMESTAMP '1969-12-31' + to_seconds(i * 37)",
		"TIMESTAMPTZ '2024-02-29 00:00:00.5+00' - to_seconds(i)", "md5(i::VARCHAR)", "['a', NULL, i::VARCHAR]", "{'a': -i, 'b': 1 / i}",
		"MAP {'k' || i: i, 'z': NULL}") + " FROM range(1, 20000) r(i) UNION ALL "
	for n, extreme := range []string{
		row("NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"),
		row("true", "-2147483648", "-9223372036854775808", "'-0.0'", "'-inf'", "'-9999999999999999999999999999.9999999999'", "''", "''::BLOB",
			"'-infinity'", "'00:00:00'", "'-infinity'", "'-infinity'", "'00000000-0000-0000-0000-000000000000'", "[]", "{'a': NULL, 'b': NULL}", "MAP {}"),
		row("false", "2147483647", "9223372036854775807", "'nan'", "'nan'", "'9999999999999999999999999999.9999999999'", "repeat('ü', 100000)",
			"'\\x00\\xFF'::BLOB", "'infinity'", "'23:59:59.999999'", "'infinity'", "'infinity'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "['', repeat('x', 70000)]",
			"{'a': -9223372036854775808, 'b': '-0.0'}", "MAP {'': 0}"),
	} {
		if n > 0 {
			query += " UNION ALL "
		}
		query += extreme
	}
	query = "(" + query + ")"
	files := mustWrite(t, db, "SELECT * FROM "+query, Layout{Dir: filepath.Join(dir, "data"), Schema: schema, Hidden: true})
	texts := func(relation string) string {
		return "(SELECT COLUMNS(*)::VARCHAR FROM " + relation + ")" // which tell -0.0 from 0.0
	}
	if n := differences(t, db, texts(query), texts(ReadFiles(schema, files))); n != 0 {
		t.Errorf("%d rows differ", n)
	}
}

func TestNoRowsNoFile(t *testing.T) {
	db, dir := open(t, Config{})
	schema := columns(t, "i INTEGER", "k VARCHAR")
	for _, partition := range [][]schemas.PartitionField{nil, {{Column: "k", Transform: "identity", Name: "k"}}} {
		files := mustWrite(t, db, "SELECT 1 AS i, 'a' AS k WHERE false", Layout{Dir: filepath.Join(dir, "data"), Schema: schema, Partition: partition})
		if left := allFiles(t, dir); len(files) != 0 || len(left) != 0 {
			t.Errorf("partition %v: files %v, on disk %v", partition, files, left)
		}
	}
}

// TestFailedQuery: an error in the middle of the rows is returned, and no file is handed out.
func TestFailedQuery(t *testing.T) {
	db, dir := open(t, Config{})
	files, _, err := db.WriteParquet(context.Background(), "SELECT CAST(CASE WHEN i = 150000 THEN 'x' ELSE '1' END AS INTEGER) AS i FROM range(200000) r(i)",
		Layout{Dir: dir, Schema: columns(t, "i INTEGER")})
	if err == nil || len(files) != 0 || !strings.Contains(err.Error(), "Conversion") {
		t.Errorf("files %v, error %v", files, err)
	}
	mustWrite(t, db, "SELECT 1 AS i", Layout{Dir: dir, Schema: columns(t, "i INTEGER")}) // the session goes on
}

// oddKeys are partition values that folder names are bad at.
var oddKeys = []string{"", "a/b", "../../up", ".", "..", "100%", "%2F", "x=y", "é", "日本", "😀", "it's", `"q"`, `back\slash`, "line\nbreak", " space ", "NULL",
	"__HIVE_DEFAULT_PARTITION__", "a:b*c?", "CON", strings.Repeat("k", 200), "A", "a"}

func TestOddPartitions(t *testing.T) {
	db, dir := open(t, Config{})
	checkPartitions(t, db, filepath.Join(dir, "data"), oddKeys)
}

// TestLongPartition: a folder's name has an end, a value has none.
func TestLongPartition(t *testing.T) {
	db, dir := open(t, Config{})
	for _, key := range []string{strings.Repeat("k", 5000), strings.Repeat("é/", 300), longKey + strings.Repeat("0", 32)} {
		checkPartitions(t, db, filepath.Join(dir, "data"), []string{key, "short", key + "2"})
	}
}

// checkPartitions writes two rows for each key and two for NULL, and expects every row in the one file whose partition
// value is its key.
func checkPartitions(t *testing.T, db *DB, dir string, keys []string) {
	t.Helper()
	schema := columns(t, "i INTEGER", "k VARCHAR")
	var rows []string
	want := map[string][]string{"NULL value": {"-1|NULL", "-2|NULL"}}
	for i, k := range keys {
		rows = append(rows, fmt.Sprintf("(%d, %s), (%d, %[2]s)", i, quote.Text(k), i+1000))
		want[k] = []string{fmt.Sprintf("%d|%s", i, k), fmt.Sprintf("%d|%s", i+1000, k)}
		slices.Sort(want[k])
	}
	files, _, err := db.WriteParquet(context.Background(), "SELECT * FROM (VALUES (-1, NULL), (-2, NULL), "+strings.Join(rows, ", ")+") v(i, k)",
		Layout{Dir: dir, Schema: schema, Partition: []schemas.PartitionField{{Column: "k", Transform: "identity", Name: "part"}}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, f := range files {
		key := "NULL value"
		if p := f.Partition["part"]; p != nil {
			key = *p
		}
		got[key] = append(got[key], rowsOf(t, db, ReadFiles(schema, []lake.DataFile{f}))...)
		if !strings.HasPrefix(f.Path, dir+"/") || len(f.Partition) != 1 {
			t.Errorf("file %s, partition %v", f.Path, f.Partition)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLongBlobPartition(t *testing.T) {
	db, dir := open(t, Config{})
	files := mustWrite(t, db, "SELECT repeat('\\x01'::BLOB, n) AS b FROM (VALUES (2), (300)) v(n)",
		Layout{Dir: dir, Schema: columns(t, "b BLOB"), Partition: []schemas.PartitionField{{Column: "b", Transform: "identity", Name: "b"}}})
	var values []string
	for _, f := range files {
		values = append(values, *f.Partition["b"])
	}
	slices.Sort(values)
	if want := []string{`\x01\x01`, strings.Repeat(`\x01`, 300)}; !slices.Equal(values, want) {
		t.Errorf("partitions %q", values)
	}
}

// TestReadByFieldID reads files of a table that has since got columns, wider types and other names.
func TestReadByFieldID(t *testing.T) {
	db, dir := open(t, Config{})
	old := columns(t, "a INTEGER", "b VARCHAR", "s STRUCT(x INTEGER)", "l STRUCT(q FLOAT)[]", "m MAP(VARCHAR, INTEGER)", "de DECIMAL(5,2)")
	files := mustWrite(t, db, "SELECT 1 AS a, 'b' AS b, {'x': 1} AS s, [{'q': 1.5}] AS l, MAP {'k': 7} AS m, 1.25 AS de", Layout{Dir: dir, Schema: old})
	now := columns(t, "z VARCHAR", "a BIGINT", "renamed VARCHAR", "s STRUCT(x BIGINT, y VARCHAR)", "l STRUCT(q DOUBLE, r INTEGER)[]", "m MAP(VARCHAR, BIGINT)", "de DECIMAL(10,2)")
	for i := range old { // all but z keep the ids that they have in the file
		now[i+1].ID, now[i+1].Type = old[i].ID, withIDs(now[i+1].Type, old[i].Type)
	}
	now[0].ID = 0
	now, _ = schemas.AssignIDs(now, 100)
	got := rowsOf(t, db, ReadFiles(now, files))
	if want := []string{"NULL|1|b|{'x': 1, 'y': NULL}|[{'q': 1.5, 'r': NULL}]|{k=7}|1.25"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	more := mustWrite(t, db, "SELECT 'z' AS z, 5000000000 AS a, 'r' AS renamed, {'x': 5000000000, 'y': 'y'} AS s, CAST([] AS STRUCT(q DOUBLE, r INTEGER)[]) AS l, CAST(MAP {} AS MAP(VARCHAR, BIGINT)) AS m, 12345678.25 AS de", Layout{Dir: dir, Schema: now})
	got = rowsOf(t, db, ReadFiles(now, append(more, files...)))
	want := []string{"NULL|1|b|{'x': 1, 'y': NULL}|[{'q': 1.5, 'r': NULL}]|{k=7}|1.25", "z|5000000000|r|{'x': 5000000000, 'y': y}|[]|{}|12345678.25"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := rowsOf(t, db, ReadFiles(now, nil)); len(got) != 0 {
		t.Errorf("no files give %v", got)
	}
}

// withIDs gives a type the field ids of an older form of it, and 0 to new fields.
func withIDs(now, old schemas.Type) schemas.Type {
	for i := range now.Fields {
		now.Fields[i].ID = 0
		if c := schemas.Table(old.Fields).Column(now.Fields[i].Name); c != nil {
			now.Fields[i].ID = c.ID
		}
	}
	now.ElemID, now.KeyID = old.ElemID, old.KeyID
	if now.Elem != nil {
		elem := withIDs(*now.Elem, *old.Elem)
		now.Elem = &elem
	}
	return now
}

// TestDigits tells that numbers of more than 38 digits are refused, wherever they are, and that those of 38 are not.
func TestDigits(t *testing.T) {
	db, dir := open(t, Config{})
	many := strings.Repeat("9", 37)
	for typ, value := range map[string]string{
		"DECIMAL(38,0)": "s", `STRUCT(a INTEGER, "b c" DECIMAL(38,0))`: `{'a': 1, 'b c': s}`, "DECIMAL(38,0)[]": "[1, s]",
		"DECIMAL(38,0)[][]": "[[s]]", "MAP(VARCHAR, DECIMAL(38,0))": "MAP {'k': s}", "MAP(DECIMAL(38,0), VARCHAR)": "MAP {s: 'v'}",
	} {
		for _, n := range []string{"6" + many, "-6" + many} {
			for _, rows := range []int{1, 2} {
				query := fmt.Sprintf("SELECT %s AS x FROM (SELECT sum(n) AS s FROM (SELECT CAST(%s AS DECIMAL(38,0)) AS n FROM range(%d)))", value, n, rows)
				l := Layout{Dir: filepath.Join(dir, uuid.NewString()), Schema: columns(t, "x "+typ)}
				_, _, err := db.WriteParquet(t.Context(), query, l)
				left, _ := filepath.Glob(filepath.Join(l.Dir, "*", "*"))
				refused := err != nil && strings.Contains(err.Error(), "column x has the number ")
				if (rows == 2) != refused || (rows == 2) != (len(left) == 0) {
					t.Errorf("%d times %s as %s: %v, files %s", rows, n, typ, err, left)
				}
			}
		}
	}
}
