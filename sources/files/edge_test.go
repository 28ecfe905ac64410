package files

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources"
)

// notices are the batch's notices as "kind subject", sorted.
func notices(batch *sources.Batch) string {
	var out []string
	for _, n := range batch.Notices {
		out = append(out, n.Kind+" "+n.Subject)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func mode(e Evolution) func(*Config) { return func(c *Config) { c.Evolution = e } }

func TestChangedFile(t *testing.T) {
	b := newBed(t)
	b.put("a.json", `{"a":1}`)
	s := b.source("json", nil)
	b.commit(b.next(s))
	b.put("a.json", `{"a":2}`)
	batch := b.next(s)
	if batch == nil || batch.Relation != "" || batch.Items != 0 || notices(batch) != "file_changed a.json" {
		t.Fatalf("batch of a changed file: %+v", batch)
	}
	b.commit(batch)
	if batch := b.next(s); batch != nil {
		t.Errorf("the change is reported twice: %+v", batch)
	}
	b.put("b.json", `{"a":3}`)
	b.put("a.json", `{"a":4}`)
	batch = b.next(s)
	wantText(t, "notices", notices(batch), "file_changed a.json")
	wantText(t, "rows", b.rows(batch), "3\n")
	b.commit(batch)

	over := b.source("json", func(c *Config) { c.AllowOverwrites = true })
	batch = b.next(over)
	wantText(t, "rows with allow_overwrites", b.rows(batch), "4\n")
	b.commit(batch)
	if batch := b.next(over); batch != nil {
		t.Errorf("read twice: %+v", batch)
	}
	b.put("a.json", `{"a":5}`)
	wantText(t, "rows after another change", b.rows(b.next(over)), "5\n")
}

func TestOrderAndLimits(t *testing.T) {
	b := newBed(t)
	for _, name := range []string{"z.json", "b.json", "a.json", "y.json"} {
		b.put(name, `{"f":"`+name+`"}`)
	}
	same := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"a.json", "b.json"} {
		if err := os.Chtimes(filepath.Join(b.dir, name), same, same); err != nil {
			t.Fatal(err)
		}
	}
	s := b.source("json", func(c *Config) { c.MaxBytes = 30 }) // one file has 14 bytes
	var got []string
	for batch := b.next(s); batch != nil; batch = b.next(s) {
		got = append(got, sorted(b.rows(batch)))
		if more := len(got) == 1; batch.More != more || (batch.Backlog == 2) != more || batch.Bytes != 28 {
			t.Errorf("batch %d: more %t, backlog %d, bytes %d", len(got), batch.More, batch.Backlog, batch.Bytes)
		}
		b.commit(batch)
	}
	wantText(t, "order", strings.Join(got, "-"), "a.json\nb.json\n-y.json\nz.json\n")
	one := b.source("json", func(c *Config) { c.MaxBytes = 1 })
	b.marks, b.pos = map[string]string{}, nil
	if batch := b.next(one); batch.Items != 1 {
		t.Errorf("a file larger than the limit: %+v", batch)
	}
}

func TestCorruptAndVanished(t *testing.T) {
	gz := compress("x.gz", strings.Repeat(`{"a":1}`+"\n", 100000))
	zst := compress("x.zst", strings.Repeat(`{"a":1}`+"\n", 100000))
	b := newBed(t)
	b.put("1.json", `{"a":1}`)
	b.put("2.json.gz", "no gzip at all")
	b.put("3.json.gz", gz[:len(gz)-9])
	b.put("4.json.zst", zst[:len(zst)/2])
	b.put("5.json.gz", gz[:len(gz)-6]+"xx"+gz[len(gz)-4:])
	b.put("6.json", `{"a":2}`)
	b.put("7.json", `{"a":3}`)
	for _, evolution := range []Evolution{AddNewColumns, None, Rescue} {
		b.marks, b.pos = map[string]string{}, nil
		b.put("7.json", `{"a":3}`)
		s := b.source("json", mode(evolution))
		batch := b.next(s)
		if err := os.Remove(filepath.Join(b.dir, "7.json")); err != nil {
			t.Fatal(err)
		}
		rows := sorted(b.rows(batch))
		want := "1\n2\n"
		if evolution == Rescue {
			want = "1|NULL\n2|NULL\n"
		}
		wantText(t, string(evolution)+" rows", rows, want)
		wantText(t, "notices", notices(batch), "file_corrupt 3.json.gz, file_corrupt 4.json.zst, file_corrupt 5.json.gz, file_unsupported 2.json.gz, file_vanished 7.json")
		wantText(t, "rejects", b.must("SELECT parse_filename(file), line, raw, reason, whole FROM "+batch.Rejects+" ORDER BY 1"), strings.Join([]string{
			"2.json.gz|0|NULL|the file is not supported: it is not compressed with gzip, as its name tells; take .gz off its name, or compress it|true",
			"3.json.gz|0|NULL|the file is corrupt: it ends too early|true",
			"4.json.zst|0|NULL|the file is corrupt: it ends too early|true",
			"5.json.gz|0|NULL|the file is corrupt: its checksum is wrong|true", ""}, "\n"))
		if batch.Items != 2 || len(batch.Ledger) != 6 {
			t.Errorf("%s: %d items, marks %v", evolution, batch.Items, batch.Ledger)
		}
		b.commit(batch)
		if batch := b.next(s); batch != nil {
			t.Errorf("corrupt files are tried again: %+v", batch)
		}
	}
	b.put("3.json.gz", compress("x.gz", `{"a":33}`))
	wantText(t, "a corrupt file that was replaced", b.rows(b.next(b.source("json", nil))), "33\n")
}

func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("root may read everything: the permission is checked with a name that SQL can't carry instead")
	}
	b := newBed(t)
	b.put("bad\xffname.json", `{"a":1}`)
	b.put("good.json", `{"a":2}`)
	s := b.source("json", func(c *Config) { c.MaxFiles = 1 })
	batch := b.next(s)
	if batch.Items != 0 || len(batch.Ledger) != 0 || notices(batch) != "file_unreadable bad\xffname.json" {
		t.Errorf("batch: %+v", batch)
	}
	b.commit(batch)
	batch = b.next(s)
	wantText(t, "rows", b.rows(batch), "2\n")
	b.commit(batch)
	if batch := b.next(s); batch != nil {
		t.Errorf("reported twice: %+v", batch)
	}
}

func TestJSONEvolution(t *testing.T) {
	setup := func(e Evolution) (*bed, *Source) {
		b := newBed(t)
		b.put("1.json", `{"a":1,"s":{"p":1},"l":[{"x":1}]}`)
		s := b.source("json", mode(e))
		batch := b.next(s)
		b.rows(batch)
		b.commit(batch)
		b.put("2.json", strings.Repeat(`{"a":2,"s":{"p":2},"l":[]}`+"\n", 30000)+`{"a":3,"new":"2024-01-02","s":{"p":3,"q":true},"l":[{"x":1,"y":{"k":1}}]}`+"\n"+
			`{"a":4,"A":5}`+"\n"+`{"a":5,"_metadata":1}`+"\n"+`{"A":6,"S":{"P":6}}`)
		return b, s
	}
	t.Run("add_new_columns", func(t *testing.T) {
		b, s := setup(AddNewColumns)
		batch := b.next(s)
		wantText(t, "columns", batch.Columns.SQLColumns(), `"a" BIGINT, "s" STRUCT(p BIGINT, q BOOLEAN), "l" STRUCT(x BIGINT, y STRUCT(k BIGINT))[], "new" DATE`)
		wantText(t, "notices", notices(batch), "column_added l.y, column_added new, column_added s.q, column_ignored _metadata")
		wantText(t, "row", b.must("SELECT * EXCLUDE (_metadata, __lakeflow_place, __lakeflow_partition, __lakeflow_position, new), new::VARCHAR FROM "+batch.Relation+" WHERE a = 3"),
			"3|map[p:3 q:true]|[map[x:1 y:map[k:1]]]|2024-01-02\n")
		wantText(t, "keys spelled otherwise", b.must("SELECT a, s.p FROM "+batch.Relation+" WHERE a > 3"), "6|6\n")
		wantText(t, "rejects", b.must("SELECT line, reason FROM "+batch.Rejects+" ORDER BY line"),
			`30002|the record has the keys "a" and "A", which differ in letter case only`+"\n"+
				`30003|the key "_metadata" can't be a column: lakeflow uses this name itself; schema_evolution: add_new_columns_and_rescue keeps the values of such keys, none ignores them`+"\n")
		b.commit(batch)
		b.put("3.json", `{"a":4}`)
		batch = b.next(s)
		wantText(t, "columns stay", batch.Columns.SQLColumns(), `"a" BIGINT, "s" STRUCT(p BIGINT, q BOOLEAN), "l" STRUCT(x BIGINT, y STRUCT(k BIGINT))[], "new" DATE`)
	})
	t.Run("rescue", func(t *testing.T) {
		b, s := setup(Rescue)
		b.put("3.json", `{"a":"x","s":{"p":[],"z~/":1},"l":[{"x":"bad"}]}`+"\n"+`{"a":7,"s":5}`)
		batch := b.next(s)
		wantText(t, "columns", batch.Columns.SQLColumns(), `"a" BIGINT, "s" STRUCT(p BIGINT), "l" STRUCT(x BIGINT)[], "_rescued_data" VARCHAR`)
		b.rows(batch)
		wantText(t, "rescued", b.must("SELECT a, s, l, replace(_rescued_data, "+quote.Text(b.dir)+", 'DIR') FROM "+batch.Relation+" WHERE _rescued_data IS NOT NULL ORDER BY a"), strings.Join([]string{
			`3|map[p:3]|[map[x:1]]|{"new":"2024-01-02","s":{"q":true},"l":[{"x":1,"y":{"k":1}}],"_file_path":"DIR/2.json"}`,
			`4|NULL|NULL|{"A":5,"_file_path":"DIR/2.json"}`,
			`5|NULL|NULL|{"_metadata":1,"_file_path":"DIR/2.json"}`,
			`7|NULL|NULL|{"s":5,"_file_path":"DIR/3.json"}`,
			`NULL|map[p:<nil>]|[map[x:<nil>]]|{"a":"x","s":{"z~/":1,"p":[]},"l":[{"x":"bad"}],"_file_path":"DIR/3.json"}`, ""}, "\n"))
		wantText(t, "all rows", b.must("SELECT count(*) FROM "+batch.Relation), "30006\n")
		if batch.RejectCount != 0 {
			t.Errorf("rejects: %s", b.rejects(batch))
		}
	})
	t.Run("none", func(t *testing.T) {
		b, s := setup(None)
		batch := b.next(s)
		wantText(t, "columns", batch.Columns.SQLColumns(), `"a" BIGINT, "s" STRUCT(p BIGINT), "l" STRUCT(x BIGINT)[]`)
		wantText(t, "rows", b.must("SELECT count(*) FROM "+batch.Relation), "30003\n")
		wantText(t, "notices", notices(batch), "")
	})
	t.Run("fail", func(t *testing.T) {
		b, s := setup(Fail)
		_, err := s.Next(context.Background(), b.session, b.pos, b.marks)
		want := "file " + filepath.Join(b.dir, "2.json") + ` has the column "new", which the source does not have: declare it under schema:`
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v; want %s…", err, want)
		}
	})
}

func TestBlankFilesTeachNothing(t *testing.T) {
	b := newBed(t)
	b.put("1.json", "\n")
	b.put("2.json", "[]")
	b.put("3.json.gz", "")
	b.put("4.json", "{}\n{}")
	s := b.source("json", mode(Fail))
	batch := b.next(s)
	if batch.Relation != "" || len(batch.Ledger) != 4 || batch.RejectCount != 0 {
		t.Errorf("batch: %+v", batch)
	}
	b.commit(batch)
	b.put("5.json", `{"a":1}`)
	wantText(t, "rows", b.rows(b.next(s)), "1\n")
}

func TestSparseRecords(t *testing.T) {
	b := newBed(t)
	var lines, want []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf(`{"k%03d": %d}`, i, i))
		want = append(want, fmt.Sprintf(`"k%03d" BIGINT`, i))
	}
	b.put("a.json", strings.Join(lines, "\n"))
	batch := b.next(b.source("json", nil))
	wantText(t, "columns", batch.Columns.SQLColumns(), strings.Join(want, ", "))
}

func TestCSV(t *testing.T) {
	b := newBed(t)
	b.put("1.csv", "id,day,at,note\r\n1,2024-01-31,2024-01-31T10:00:00+02:00,\"a, \"\"b\"\"\nc\"\r\n2,,,\r\n")
	b.put("2.csv", "\xef\xbb\xbfNOTE,extra,id\nx,true,3\n")
	b.put("3.csv", "")
	b.put("4.csv", "id,day\n")
	s := b.source("csv", nil)
	batch := b.next(s)
	wantText(t, "columns", batch.Columns.SQLColumns(), `"id" BIGINT, "day" DATE, "at" TIMESTAMP WITH TIME ZONE, "note" VARCHAR, "extra" BOOLEAN`)
	wantText(t, "rows", sorted(b.rows(batch)), sorted("1|2024-01-31|2024-01-31 08:00:00+00|a, \"b\"\nc|NULL\n2|NULL|NULL|NULL|NULL\n3|NULL|NULL|x|true\n"))
	b.commit(batch)
	b.put("5.csv", "id,day,more\n5,2024-02-01,\"say \"\"x\"\"\"\nx,2024-02-01,y\n6,2024-13-01,z\n7,2024-02-01\n8,2024-02-01,\"q\nr\"\n9,2024-02-01,\xfe\xff\n10,2024-02-01,a\x00b\n")
	batch = b.next(s)
	wantText(t, "new column", notices(batch), "column_added more")
	wantText(t, "good rows", sorted(b.rows(batch)), sorted("10|2024-02-01|NULL|NULL|NULL|a\x00b\n5|2024-02-01|NULL|NULL|NULL|say \"x\"\n8|2024-02-01|NULL|NULL|NULL|q\nr\n"))
	wantText(t, "rejects", b.must(`SELECT line, "offset", raw, reason FROM `+batch.Rejects+" ORDER BY line"), strings.Join([]string{
		`3|37|x,2024-02-01,y|column id: "x" is not BIGINT`,
		`4|52|6,2024-13-01,z|column day: "2024-13-01" is not DATE`,
		"5|67|7,2024-02-01|the record has 2 fields where there are 3 columns",
		"8|99|9,2024-02-01,\xfe\xff|the record is not valid UTF-8: there is the byte 0xFE at offset 112 of the file; if the files are written so, declare csv: {encoding: latin-1}, or windows-1252", ""}, "\n"))
}

func TestFirstBatchAfterSchema(t *testing.T) {
	b := newBed(t)
	b.put("a.json", `{"a":1,"A":2}`+"\n"+`{"a":}`+"\n"+`{"a":3}`)
	s := b.source("json", nil)
	if schema, err := s.Schema(context.Background(), b.session, nil); err != nil || schema.Columns.SQLColumns() != `"a" BIGINT` {
		t.Fatalf("schema %s, %v", schema.Columns.SQLColumns(), err)
	}
	batch := b.next(s)
	wantText(t, "rows", b.rows(batch), "3\n")
	wantText(t, "notices", notices(batch), "")
	wantText(t, "rejects", b.must("SELECT line FROM "+batch.Rejects+" ORDER BY 1"), "1\n2\n")
}

func TestMetadataAfterEmptyFiles(t *testing.T) {
	b := newBed(t)
	b.put("1.csv", "id,v\n")
	b.put("2.csv", "id,v\n1,a\n")
	b.put("3.csv", "id,v\n")
	b.put("4.csv", "id,v\n2,b\nx,y,z\n")
	batch := b.next(b.source("csv", func(c *Config) { c.Hints = []Hint{{"id", "INTEGER"}} }))
	b.rows(batch)
	wantText(t, "rows", b.must("SELECT id, _metadata.file_name FROM "+batch.Relation+" ORDER BY id"), "1|2.csv\n2|4.csv\n")
	wantText(t, "rejects", b.must("SELECT parse_filename(file), line, raw FROM "+batch.Rejects), "4.csv|3|x,y,z\n")
}

func TestLinkOutOfTheFolder(t *testing.T) {
	b := newBed(t)
	outside := filepath.Join(t.TempDir(), "data.json")
	if err := os.WriteFile(outside, []byte(`{"a":1}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(b.dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	b.put("in.json", `{"a":2}`)
	if err := os.Symlink("in.json", filepath.Join(b.dir, "again.json")); err != nil {
		t.Fatal(err)
	}
	s := b.source("json", nil)
	batch := b.next(s)
	wantText(t, "rows", b.rows(batch), "2\n2\n")
	wantText(t, "notices", notices(batch), "file_unreadable link.json")
	b.commit(batch)
	if batch := b.next(s); batch != nil {
		t.Errorf("reported twice: %+v", batch)
	}
}

// TestDateFormats has what strptime makes another date of, or none.
func TestDateFormats(t *testing.T) {
	b := newBed(t)
	no := false
	for i, c := range []struct{ typ, format, text, want string }{
		{"DATE", "%d.%m.%Y", "01.02.2024", "2024-02-01"}, {"DATE", "%d.%m.%Y", "1.2.2024", "2024-02-01"}, {"DATE", "%d.%m.%Y", "01.02.24", ""}, {"DATE", "%d.%m.%Y", "01.02.0024", "0024-02-01"},
		{"DATE", "%d%m%Y", "010224", ""}, {"DATE", "%d.%m.%y", "01.02.24", "2024-02-01"}, {"DATE", "%d.%m.%y", "01.02.2024", ""}, {"DATE", "%d.%m.%Y", "epoch", ""},
		{"DATE", "%d.%m.%Y", "-infinity", ""}, {"DATE", "%d.%m.%Y %H:%M", "01.02.2024 00:00", "2024-02-01"}, {"DATE", "%d.%m.%Y %H:%M", "01.02.2024 10:00", ""},
		{"TIMESTAMP", "%d.%m.%Y %H:%M", "01.02.2024 10:00", "2024-02-01 10:00:00"}, {"TIMESTAMP", "%d.%m.%Y %H:%M", "01.02.24 10:00", ""}, {"TIMESTAMP", "%d.%m.%Y", "Epoch", ""},
		{"TIMESTAMP", "%d.%m.%Y %H:%M:%S.%n", "01.02.2024 10:00:00.123456789", ""}, {"TIMESTAMP", "%d.%m.%Y %H:%M:%S.%n", "01.02.2024 10:00:00.123456000", "2024-02-01 10:00:00.123456"},
		{"TIMESTAMP WITH TIME ZONE", "%d.%m.%Y %H:%M %z", "01.02.2024 10:00 +0200", "2024-02-01 08:00:00+00"}, {"TIMESTAMP WITH TIME ZONE", "%d.%m.%Y %H:%M %z", "01.02.24 10:00 +0200", ""},
		{"TIMESTAMP", "%d.%m.%Y %H:%M %z", "01.02.2024 10:00 +0200", ""}, {"TIMESTAMP", "%d.%m.%Y %H:%M %z", "01.02.2024 10:00 +0000", "2024-02-01 10:00:00"},
		{"TIMESTAMP", "%%z%d.%m.%Y %H:%M %Z", "%z01.02.2024 10:00 UTC", "2024-02-01 10:00:00"}, {"TIMESTAMP", "%d.%m.%Y %H:%M %Z", "01.02.2024 10:00 Asia/Tokyo", ""},
		{"TIME", "%H.%M", "10:00", "10:00:00"}, {"TIME", "%H.%M", "10.00", ""},
	} {
		dir := fmt.Sprint(i)
		b.marks, b.pos = map[string]string{}, nil
		b.put(dir+"/a.csv", c.text+"\n")
		s := b.source("csv", func(cfg *Config) {
			cfg.Path, cfg.Hints = filepath.Join(b.dir, dir), []Hint{{"d", c.typ}}
			cfg.CSV = CSV{Header: &no, Delimiter: ";", DateFormat: c.format, TimestampFormat: c.format}
		})
		batch := b.next(s)
		b.rows(batch)
		if got := strings.TrimSpace(b.must("SELECT CAST(d AS VARCHAR) FROM " + batch.Relation)); got != c.want || (got == "") != (batch.RejectCount == 1) {
			t.Errorf("%s %s %q: %q and %d rejects, want %q", c.typ, c.format, c.text, got, batch.RejectCount, c.want)
		}
	}
	b.marks, b.pos = map[string]string{}, nil
	b.put("inferred/a.csv", "a;b;c\n01.02.2024;01.02.24;epoch\n")
	batch := b.next(b.source("csv", func(cfg *Config) { cfg.Path, cfg.CSV.DateFormat = filepath.Join(b.dir, "inferred"), "%d.%m.%Y" }))
	wantText(t, "columns", batch.Columns.SQLColumns(), `"a" DATE, "b" VARCHAR, "c" VARCHAR`)
	b.marks, b.pos = map[string]string{}, nil
	b.put("zoned/a.csv", "a\n01.02.2024 10:00 +0200\n")
	batch = b.next(b.source("csv", func(cfg *Config) {
		cfg.Path, cfg.CSV.TimestampFormat = filepath.Join(b.dir, "zoned"), "%d.%m.%Y %H:%M %z"
	}))
	wantText(t, "columns", batch.Columns.SQLColumns(), `"a" TIMESTAMP WITH TIME ZONE`)
	wantText(t, "rows", b.rows(batch), "2024-02-01 08:00:00+00\n")
}

// TestOwnNames has columns that are called like lakeflow's own: they are not read, with a notice, or rescued. The column
// of what is rescued is one's own only where something is.
func TestOwnNames(t *testing.T) {
	for mode, want := range map[Evolution]string{
		AddNewColumns: "1|x\n", None: "1|x\n", Fail: "1|x\n",
		Rescue: `1|{"_metadata":"m","__lakeflow_row_1":"r","_rescued_data":"x","_file_path":"DIR/a.csv"}` + "\n",
	} {
		b := newBed(t)
		b.put("a.csv", "_metadata,id,__lakeflow_row,_rescued_data\nm,1,r,x\n")
		batch := b.next(b.source("csv", func(c *Config) { c.Evolution = mode }))
		wantText(t, string(mode), strings.ReplaceAll(b.rows(batch), b.dir, "DIR"), want)
		said := "column_ignored __lakeflow_row_1, column_ignored _metadata"
		if mode == Rescue {
			said = ""
		}
		wantText(t, string(mode), notices(batch), said)
	}
}

// TestMisnamed has files that are not what their names, or the declared encoding, tell.
func TestMisnamed(t *testing.T) {
	utf16 := func(text string) string {
		var out []byte
		for _, c := range text {
			out = append(out, byte(c), byte(c>>8))
		}
		return string(out)
	}
	const noGzip, noUTF16 = "it is not compressed with gzip, as its name tells", "it is not written in UTF-16, as encoding: utf-16 says"
	for _, c := range []struct{ format, encoding, name, content, want string }{
		{"json", "", "a.json.gz", `{"id":1}`, noGzip}, {"json", "", "a.json.gz", "x", noGzip}, {"csv", "", "a.csv.gz", "id\n1\n", noGzip}, {"json", "", "a.json.gz", "\x1f", "it ends too early"},
		{"json", "", "a.json.zst", "{}", "it is not compressed with zstd, as its name tells"}, {"csv", "", "a.csv.zst", compress(".zst", "id\n1\n"), ""}, {"csv", "", "a.csv.gz", "", ""},
		{"csv", "utf-16", "a.csv", "id,name\n2,y\n", noUTF16}, {"csv", "utf-16", "a.csv", "\ufeffid,name\n2,é\n", noUTF16}, {"json", "utf-16", "a.json", `{"id":1}`, noUTF16},
		{"csv", "utf-16", "a.csv", utf16("id\n1\n"), ""}, {"csv", "utf-16", "a.csv", utf16("\ufeff数\n字\n"), ""}, {"csv", "utf-16", "a.csv.gz", compress(".gz", utf16("id\n1\n")), ""},
		{"json", "utf-16", "a.json.gz", compress(".gz", utf16(`{"id":1}`)), ""},
	} {
		b := newBed(t)
		b.put(c.name, c.content)
		batch := b.next(b.source(c.format, func(cfg *Config) { cfg.CSV.Encoding, cfg.JSON.Encoding = c.encoding, c.encoding }))
		if len(batch.Notices) > 1 || len(batch.Notices) == 1 != (c.want != "") || c.want != "" && !strings.Contains(batch.Notices[0].Message, c.want) {
			t.Errorf("%s %s %q: %+v, want %q", c.format, c.name, c.content, batch.Notices, c.want)
		}
	}
}

// TestDeclaredSpelling publishes a column as schema spells it.
func TestDeclaredSpelling(t *testing.T) {
	for _, format := range []string{"csv", "parquet"} {
		b := newBed(t)
		for i, name := range []string{"ID", "id"} {
			path := b.put(fmt.Sprintf("%d.%s", i, format), fmt.Sprintf("v,%s\n1,%d\n", name, i))
			if format == "parquet" {
				b.must(fmt.Sprintf("COPY (SELECT 1 AS v, %d AS %s) TO '%s' (FORMAT parquet)", i, name, path))
			}
		}
		batch := b.next(b.source(format, func(c *Config) { c.Hints = []Hint{{"Id", "INTEGER"}} }))
		wantText(t, format, batch.Columns[1].Name, "Id")
		wantText(t, format, b.rows(batch), "1|0\n1|1\n")
	}
}

func TestCSVModesAndOptions(t *testing.T) {
	b := newBed(t)
	b.put("1.csv", "id;day\n1;01/31/2024\n2;02/01/2024\n")
	s := b.source("csv", func(c *Config) { c.Evolution, c.CSV.DateFormat = Rescue, "%m/%d/%Y" })
	batch := b.next(s)
	wantText(t, "declared date format", b.rows(batch), "1|2024-01-31|NULL\n2|2024-02-01|NULL\n")
	b.commit(batch)
	b.put("2.csv", "id;day;filename;file_index\n3;31/31/2024;f;5\nx;02/03/2024;;\n5;1;2;3;4;5;6\n")
	batch = b.next(s)
	wantText(t, "rescued", strings.ReplaceAll(b.rows(batch), b.dir, "DIR"), strings.Join([]string{
		`3|NULL|{"day":"31/31/2024","filename":"f","file_index":"5","_file_path":"DIR/2.csv"}`,
		`NULL|2024-02-03|{"id":"x","_file_path":"DIR/2.csv"}`, ""}, "\n"))
	wantText(t, "rejects", b.must("SELECT line, raw FROM "+batch.Rejects), "4|5;1;2;3;4;5;6\n")

	n := newBed(t)
	n.put("x.tsv", "1\tNA\t'it''s'\n2\tb\tc\n")
	no, quote := false, "'"
	s = n.source("csv", func(c *Config) {
		c.Hints = []Hint{{"id", "INTEGER"}, {"v", "VARCHAR"}}
		c.CSV = CSV{Header: &no, Delimiter: "\t", Quote: &quote, Escape: &quote, NullValues: []string{"NA"}}
		c.Path = filepath.Join(n.dir, "*.tsv")
	})
	batch = n.next(s)
	wantText(t, "columns", batch.Columns.SQLColumns(), `"id" INTEGER, "v" VARCHAR, "column2" VARCHAR`)
	wantText(t, "rows", n.rows(batch), "1|NULL|it's\n2|b|c\n")

	f := newBed(t)
	f.put("1.csv", "a\n1\n")
	s = f.source("csv", mode(Fail))
	f.commit(f.next(s))
	f.put("2.csv", "a,b\n1,2\n")
	if _, err := s.Next(context.Background(), f.session, f.pos, f.marks); err == nil || !strings.Contains(err.Error(), `2.csv has the column "b"`) {
		t.Errorf("error %v", err)
	}
}

func TestParquet(t *testing.T) {
	b := newBed(t)
	write := func(name, query string) {
		path := b.put(name, "")
		b.must("COPY (" + query + ") TO " + quote.Text(path) + " (FORMAT parquet)")
		b.put(name, read(t, path))
	}
	write("1.parquet", "SELECT 1::TINYINT AS a, {'p': 1} AS s, 'x' AS file_index")
	s := b.source("parquet", nil)
	batch := b.next(s)
	wantText(t, "columns", batch.Columns.SQLColumns(), `"a" INTEGER, "s" STRUCT(p INTEGER), "file_index" VARCHAR`)
	wantText(t, "type", b.must("SELECT typeof(a), _metadata.file_name FROM "+batch.Relation), "INTEGER|1.parquet\n")
	b.commit(batch)
	write("2.parquet", "SELECT i AS a, {'p': i, 'q': 'y'} AS s, DATE '2024-01-01' AS d FROM unnest(['2', 'x', '3']) AS t(i)")
	b.put("3.parquet", "PAR1 no more PAR1")
	bytes := read(t, filepath.Join(b.dir, "1.parquet"))
	broken := []byte(bytes)
	copy(broken[4:20], strings.Repeat("\xff", 16))
	b.put("4.parquet", string(broken))
	batch = b.next(s)
	wantText(t, "columns", batch.Columns.SQLColumns(), `"a" INTEGER, "s" STRUCT(p INTEGER, q VARCHAR), "file_index" VARCHAR, "d" DATE`)
	wantText(t, "rows", sorted(b.rows(batch)), sorted("2|{'p': 2, 'q': y}|NULL|2024-01-01\n3|{'p': 3, 'q': y}|NULL|2024-01-01\n"))
	wantText(t, "notices", notices(batch), "column_added d, column_added s.q, file_corrupt 3.parquet, file_corrupt 4.parquet")
	wantText(t, "rejects", b.must("SELECT parse_filename(file), line, raw, whole FROM "+batch.Rejects+" ORDER BY ALL"),
		`2.parquet|2|{"a":"x","s":{"p":"x","q":"y"},"d":"2024-01-01"}|false`+"\n3.parquet|0|NULL|true\n4.parquet|0|NULL|true\n")

	r := b.source("parquet", mode(Rescue))
	b.marks, b.pos = map[string]string{}, nil
	if err := os.Remove(filepath.Join(b.dir, "4.parquet")); err != nil {
		t.Fatal(err)
	}
	one := b.source("parquet", func(c *Config) { c.Evolution, c.MaxFiles = Rescue, 1 })
	b.commit(b.next(one))
	batch = b.next(r)
	wantText(t, "rescued", strings.ReplaceAll(sorted(b.rows(batch)), b.dir, "DIR"), sorted(strings.Join([]string{
		`2|{'p': 2}|NULL|{"s":{"p":"2","q":"y"},"d":"2024-01-01","_file_path":"DIR/2.parquet"}`,
		`3|{'p': 3}|NULL|{"s":{"p":"3","q":"y"},"d":"2024-01-01","_file_path":"DIR/2.parquet"}`,
		`NULL|NULL|NULL|{"a":"x","s":{"p":"x","q":"y"},"s":{"p":"x","q":"y"},"d":"2024-01-01","_file_path":"DIR/2.parquet"}`, ""}, "\n")))
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestPaths(t *testing.T) {
	b := newBed(t)
	for _, name := range []string{"x/1.json", "x/y/2.json", "x/y/z/3.json", "x/.h/4.json", "x/_t/5.json", "6.json", "x/7.log", "k=1/8.json"} {
		b.put(name, `{"n":"`+name+`"}`)
	}
	if err := os.Symlink(filepath.Join(b.dir, "x/7.log"), filepath.Join(b.dir, "x/link.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(b.dir, "gone"), filepath.Join(b.dir, "x/dangling.json")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want, folder string }{
		{"", "6.json k=1/8.json x/1.json x/link.json x/y/2.json x/y/z/3.json", ""},
		{"*.json", "6.json", ""},
		{"x/*", "1.json 7.log link.json", "x"},
		{"x/**/*.json", "1.json link.json y/2.json y/z/3.json", "x"},
		{"**/y/*.json", "x/y/2.json", ""},
		{"{x,k=1}/*.json", "k=1/8.json x/1.json x/link.json", ""},
		{"x/y/2.json", "2.json", "x/y"},
		{"nothing/here", "", "nothing/here"},
	} {
		s := b.source("json", func(c2 *Config) { c2.Path = filepath.Join(b.dir, c.path) })
		if got := s.Folders(); len(got) != 1 || got[0] != filepath.Join(b.dir, c.folder) {
			t.Errorf("%s: folders %v", c.path, got)
		}
		b.marks, b.pos = map[string]string{}, nil
		var keys []string
		if batch := b.next(s); batch != nil {
			if n := len(strings.Fields(b.rows(batch))); n != batch.Items {
				t.Errorf("%s: %d rows of %d files", c.path, n, batch.Items)
			}
			for _, m := range batch.Ledger {
				keys = append(keys, m.Key)
			}
		}
		slices.Sort(keys)
		if got := strings.Join(keys, " "); got != c.want {
			t.Errorf("%s: %s; want %s", c.path, got, c.want)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Options: Options{Path: "/x", Format: "xml"}}, `format "xml" is unknown`},
		{Config{Options: Options{Path: "x", Format: "json"}}, "must be absolute"},
		{Config{Options: Options{Path: "/x/[", Format: "json"}}, "not a valid glob"},
		{Config{Options: Options{Path: "/x", Format: "json"}, Evolution: "sometimes"}, `schema_evolution "sometimes" is unknown`},
		{Config{Options: Options{Path: "/x", Format: "json"}, Hints: []Hint{{"a", "NOSUCH"}}}, "column a: type NOSUCH"},
		{Config{Options: Options{Path: "/x", Format: "json"}, Hints: []Hint{{"_metadata", "INTEGER"}}}, "taken"},
		{Config{Options: Options{Path: "/x", Format: "json"}, Hints: []Hint{{"a", "INTEGER"}, {"a", "DATE"}}}, "taken"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v; want %s", c.cfg, err, c.want)
		}
	}
}

func TestDamagedState(t *testing.T) {
	b := newBed(t)
	b.put("a.json", `{"a":1}`)
	s := b.source("json", nil)
	for _, pos := range []string{`{`, `{"schema":[{"name":"a","type":"NOSUCH"}]}`} {
		if _, err := s.Next(context.Background(), b.session, sources.Position(pos), b.marks); err == nil || !strings.Contains(err.Error(), "position is damaged") {
			t.Errorf("position %s: %v", pos, err)
		}
	}
	b.marks["a.json"] = "1 x"
	if _, err := s.Next(context.Background(), b.session, nil, b.marks); err == nil || !strings.Contains(err.Error(), "ledger is damaged") {
		t.Errorf("damaged mark: %v", err)
	}
}

// TestShortFirstRecord pads the first record of files without a header, too.
func TestShortFirstRecord(t *testing.T) {
	b := newBed(t)
	b.put("a/k=5/a.csv", "one field\n4,5,6\n7,8,9\n1,2,3,4\n")
	s := b.source("csv", func(cfg *Config) {
		cfg.Path, cfg.Hints = filepath.Join(b.dir, "a"), []Hint{{"a", "VARCHAR"}, {"b", "BIGINT"}, {"c", "BIGINT"}, {"k", "BIGINT"}}
		cfg.CSV = CSV{Header: new(bool), NullPadding: true, Delimiter: ","}
	})
	batch := b.next(s)
	wantText(t, "rows", b.rows(batch), "one field|NULL|NULL|5\n4|5|6|5\n7|8|9|5\n")
	wantText(t, "rejects", b.rejects(batch), "a.csv|4|22|1,2,3,4|the record has 4 fields where there are 3 columns|false\n")
	b.marks, b.pos = map[string]string{}, nil
	b.put("b/1.csv", "1,2,3\n")
	s = b.source("csv", func(cfg *Config) {
		cfg.Path, cfg.CSV = filepath.Join(b.dir, "b"), CSV{Header: new(bool), NullPadding: true, Delimiter: ","}
	})
	batch = b.next(s)
	b.rows(batch)
	b.commit(batch)
	b.put("b/2.csv", "4,5\n6,7,8\n")
	wantText(t, "of inferred columns", b.rows(b.next(s)), "4|5|NULL\n6|7|8\n")
}
