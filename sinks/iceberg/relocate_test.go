package iceberg_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sinks/sinktest"
)

// variousTables are what the tables of variousLake are called.
var variousTables = []string{"changed", "event_log", "gone", "many", "money", "other.nested", "parts", "view"}

// variousLake is a lake with partition values of every transform and type, nested and evolved columns, tables whose
// rows were replaced, merged or removed one by one, one that is empty, expired snapshots, and positions. It is closed.
func variousLake(t *testing.T) *sinktest.Fixture {
	t.Helper()
	f := sinktest.NewFixture(t, func(t *testing.T, warehouse string) sinktest.Lake {
		opened, err := iceberg.Open(t.Context(), warehouse, "main", "p", iceberg.Retention{Snapshots: 6})
		if err != nil {
			t.Fatal(err)
		}
		return opened
	})
	partitioned(f)
	money := f.Change("money", []string{"id INTEGER", "big DECIMAL(38,10)"}, "SELECT 1 id, -1e-10::DECIMAL(38,10) big")
	value := "-0.0000000001"
	money.Partition = []schemas.PartitionField{{Column: "big", Transform: "identity", Name: "big"}}
	money.Add[0].Partition = map[string]*string{"big": &value}
	f.Do(f.Commit(money), lake.Committed)
	f.Append("other.nested", []string{"id INTEGER", "s STRUCT(x INTEGER)", "l STRUCT(q FLOAT)[]", "m MAP(VARCHAR, DATE)"},
		"SELECT 1 id, {'x': 1} s, [{'q': 1.5}] l, MAP {'k': DATE '2024-01-01'} m")
	f.Append("other.nested", []string{"id BIGINT", "s STRUCT(x BIGINT, y VARCHAR)", "l STRUCT(q DOUBLE, r INTEGER)[]", "m MAP(VARCHAR, DATE)", "n BLOB", "f DOUBLE"},
		"SELECT 5000000000 id, {'x': 2, 'y': 'b'} s, [{'q': 2.5, 'r': 3}] l, NULL m, '\\x01'::BLOB n, 0.5::DOUBLE f")
	for i, query := range []string{"SELECT 1 id", "SELECT 2 id", "", "SELECT 4 id", "SELECT 5 id"} {
		c := f.Change("view", []string{"id INTEGER"}, query)
		if i < 3 {
			c.Mode = lake.Replace
		}
		c.Properties = map[string]string{"lakeflow.definition": `{"sql": "a < b & 'c'", "n": 12345678901234567890}`}
		commit := f.Commit(c)
		commit.Positions = position.Set{sinktest.At("view"): json.RawMessage(fmt.Sprint(i))}
		f.Do(commit, lake.Committed)
	}
	gone := f.Change("gone", []string{"id INTEGER"}, "")
	f.Do(f.Commit(gone), lake.Committed)
	merge(f, "view")
	changedRows(f)
	for i := range 17 { // manifests are merged, and snapshots expire
		f.Append("many", []string{"id BIGINT"}, fmt.Sprintf("SELECT %d id", i))
	}
	if _, err := f.Lake.Expire(t.Context(), f.Epoch); err != nil {
		t.Fatal(err)
	}
	if err := f.Lake.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

// partitioned writes the table parts: a file with values and one of NULLs, then another in their place, then both
// kinds.
func partitioned(f *sinktest.Fixture) {
	cols := []string{"id INTEGER", "k VARCHAR", "ts TIMESTAMP", "de DECIMAL(9,2)", "big DECIMAL(38,10)", "u UUID", "dt DATE", "b BLOB", "t2 TIMESTAMP WITH TIME ZONE", "bo BOOLEAN", "tm TIME", "ts3 TIMESTAMP"}
	fields := []schemas.PartitionField{
		{Column: "k", Transform: "identity", Name: "k"}, {Column: "ts", Transform: "year", Name: "ts_year"}, {Column: "ts3", Transform: "month", Name: "ts_month"},
		{Column: "t2", Transform: "hour", Name: "t2_hour"}, {Column: "dt", Transform: "day", Name: "dt_day"}, {Column: "dt", Transform: "identity", Name: "dt"},
		{Column: "de", Transform: "identity", Name: "de"}, {Column: "u", Transform: "identity", Name: "u"},
		{Column: "id", Transform: "bucket", Arg: 8, Name: "id_bucket"}, {Column: "k", Transform: "truncate", Arg: 1, Name: "k_trunc"}, {Column: "b", Transform: "identity", Name: "b"},
		{Column: "bo", Transform: "identity", Name: "bo"}, {Column: "tm", Transform: "identity", Name: "tm"}, {Column: "ts", Transform: "identity", Name: "ts"},
	}
	rows := []struct {
		query  string
		values []string // empty: all NULL
	}{
		{"SELECT 34 id, 'a/%20=é' k, TIMESTAMP '1969-12-31 23:30:00' ts, -1.50 de, -1e-10::DECIMAL(38,10) big, '00000000-0000-0000-0000-00000000000a'::UUID u, " +
			"DATE '1969-12-31' dt, '\\x01x\\x5C'::BLOB b, ts AS t2, ts AS ts3, true bo, TIME '23:59:59.999999' tm",
			[]string{"a/%20=é", "-1", "-1", "-1", "-1", "1969-12-31", "-1.50", "00000000-0000-0000-0000-00000000000a", "3", "a", "\\x01x\\x5C", "true", "23:59:59.999999", "1969-12-31 23:30:00"}},
		{"SELECT 35 id, NULL k, NULL ts, NULL de, NULL big, NULL u, NULL dt, NULL b, NULL t2, NULL ts3, NULL bo, NULL tm", nil},
		{"SELECT 7 id, '' k, TIMESTAMP '2024-01-02 03:04:05' ts, 7.25 de, 9999999999999999999999999999.9999999999 big, 'ffffffff-0000-0000-0000-00000000000a'::UUID u, " +
			"DATE '2024-01-02' dt, ''::BLOB b, ts AS t2, ts AS ts3, false bo, TIME '00:00:00' tm",
			[]string{"", "54", "648", "473355", "19724", "2024-01-02", "7.25", "ffffffff-0000-0000-0000-00000000000a", "5", "", "", "false", "00:00:00", "2024-01-02 03:04:05"}},
	}
	commit := func(mode lake.Mode, where []map[string]string, which ...int) {
		c := f.Change("parts", cols, "")
		c.Partition, c.Mode, c.Where = fields, mode, where
		for _, i := range which {
			file := f.Write("parts", c.Schema, rows[i].query)
			file.Partition = map[string]*string{}
			for j, field := range fields {
				file.Partition[field.Name] = nil
				if rows[i].values != nil {
					file.Partition[field.Name] = &rows[i].values[j]
				}
			}
			if rows[i].values == nil {
				bucket := "0"
				file.Partition["id_bucket"] = &bucket
			}
			c.Add = append(c.Add, file)
		}
		f.Do(f.Commit(c), lake.Committed)
	}
	commit(lake.Append, nil, 0, 1)
	commit(lake.ReplacePartition, []map[string]string{{"de": "-1.50", "dt_day": "-1"}}, 2)
	commit(lake.Append, nil, 0)
}

// changedRows writes the table changed, and removes rows of several files and partitions, some of them with their files.
func changedRows(f *sinktest.Fixture) {
	cols := []string{"id INTEGER", "k VARCHAR"}
	for i := range 3 {
		c := f.Change("changed", cols, "")
		c.Partition = []schemas.PartitionField{{Column: "k", Transform: "identity", Name: "k"}}
		for _, k := range []string{"a", "NULL"} {
			value, quoted := &k, "'"+k+"'"
			if k == "NULL" {
				value, quoted = nil, k
			}
			file := f.Write("changed", c.Schema, fmt.Sprintf("SELECT %d + unnest(range(10)) AS id, CAST(%s AS VARCHAR) AS k", 10*i, quoted))
			file.Partition = map[string]*string{"k": value}
			c.Add = append(c.Add, file)
		}
		f.Do(f.Commit(c), lake.Committed)
	}
	f.Do(f.Commit(f.Remove("changed", "id % 7 = 3", "")), lake.Committed)
	f.Do(f.Commit(f.Remove("changed", "id BETWEEN 8 AND 22 AND k IS NULL", "")), lake.Committed)
	c := f.Change("changed", cols, "")
	c.Partition = f.State().Tables["changed"].Partition
	c.Mode, c.Where = lake.ReplacePartition, []map[string]string{{"k": "a"}}
	f.Do(f.Commit(c), lake.Committed)
}

// merge replaces the files of a table by one.
func merge(f *sinktest.Fixture, table string) {
	f.T.Helper()
	stored, err := f.Lake.Stored(f.T.Context(), table)
	if err != nil {
		f.T.Fatal(err)
	}
	var paths, quoted []string
	for _, file := range stored.Files {
		paths, quoted = append(paths, file.Path), append(quoted, "'"+file.Path+"'")
	}
	file := f.Write(table, stored.Schema, "SELECT * FROM read_parquet(["+strings.Join(quoted, ",")+"])")
	status, err := f.Lake.Rewrite(f.T.Context(), &lake.Rewrite{Table: table, Epoch: f.Epoch, Remove: paths, Add: []lake.DataFile{file}})
	if err != nil || status != lake.Committed || len(paths) < 2 {
		f.T.Fatalf("merge %d files: %v, %v", len(paths), status, err)
	}
}

// story is everything that the lake tells of its tables, with $ in place of its folder, and the UUIDs of the tables.
func story(t *testing.T, f *sinktest.Fixture, opened sinktest.Lake) (text string, ids []string) {
	t.Helper()
	var b strings.Builder
	note := func(what string, v any, err error) {
		told, _ := json.MarshalIndent(v, "", " ")
		if err != nil {
			told = []byte(err.Error())
		}
		fmt.Fprintf(&b, "%s: %s\n", what, told)
	}
	state, err := opened.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range variousTables {
		table := state.Tables[name]
		ids, table.UUID = append(ids, table.UUID), ""
		checkSizes(t, opened, table)
		table.Bytes = 0
		state.Tables[name] = table
		if err := opened.Check(t.Context(), name); err != nil {
			t.Error(err)
		}
		history, err := opened.History(t.Context(), name)
		note(name+" history", history, err)
		for i, s := range history {
			files, err := opened.Files(t.Context(), name, lake.Version{Snapshot: s.ID})
			if i == 0 || i == len(history)-1 || name == "changed" {
				note(name+" rows", f.Rows(files), nil)
			}
			for i := range files.Deletes { // they name other paths, and have other bytes
				files.Deletes[i].Bytes = 0
			}
			note(name+" files", files, err)
		}
		for after := range state.Commit + 1 {
			files, err := opened.Appended(t.Context(), name, after, 1)
			note(fmt.Sprint(name, " appended after ", after), files, err)
		}
		stored, err := opened.Stored(t.Context(), name)
		for i := range stored.Deletes {
			stored.Deletes[i].Bytes = 0
		}
		note(name+" stored", stored, err)
	}
	note("state", state, nil)
	expirable, err := opened.Expirable(t.Context())
	note("expirable", expirable, err)
	text = strings.ReplaceAll(b.String(), f.Warehouse, "$")
	return regexp.MustCompile(`-crc32c-[0-9a-f]{8}`).ReplaceAllString(text, ""), ids
}

// checkSizes expects that all files of a table are as large as the metadata says, each and together.
func checkSizes(t *testing.T, opened sinktest.Lake, table lake.TableState) {
	t.Helper()
	if table.Snapshot == 0 {
		return
	}
	files, err := opened.Files(t.Context(), table.Name, lake.Version{})
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, file := range slices.Concat(files.Files, files.Deletes) {
		info, err := os.Stat(file.Path)
		if err != nil || info.Size() != file.Bytes {
			t.Errorf("%s has %d bytes, %v", file.Path, file.Bytes, err)
		}
		if err := lake.CheckFile(file.Path); err != nil {
			t.Error(err)
		}
		sum += file.Bytes
	}
	if sum != table.Bytes {
		t.Errorf("table %s has %d bytes, its files %d", table.Name, table.Bytes, sum)
	}
}

// contents are the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, path := range glob(t, dir, "") {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(path, dir)] = string(content)
	}
	return files
}

// strayed expects that a lake that was moved is neither read nor written, and that nothing in its folder changes.
func strayed(t *testing.T, opened sinktest.Lake, want lake.MovedError) {
	t.Helper()
	before := contents(t, want.To)
	var moved *lake.MovedError
	log, data := iceberg.EventLog, []lake.DataFile{{Path: "/x.parquet", Rows: 1}}
	rewrite := &lake.Rewrite{Table: log, Epoch: 1, Remove: []string{"/y"}, Add: data}
	commit := &lake.Commit{Number: 1, Epoch: 1, Tables: []lake.TableChange{{Table: log, Add: data}}}
	for what, err := range map[string]error{
		"placed":    opened.(*iceberg.Lake).Placed(t.Context()),
		"state":     second(opened.State(t.Context())),
		"files":     second(opened.Files(t.Context(), log, lake.Version{})),
		"history":   second(opened.History(t.Context(), log)),
		"appended":  second(opened.Appended(t.Context(), log, 0, 0)),
		"check":     opened.Check(t.Context(), log),
		"stored":    second(opened.Stored(t.Context(), log)),
		"expirable": second(opened.Expirable(t.Context())),
		"orphans":   second(opened.Orphans(t.Context(), 0)),
		"expire":    second(opened.Expire(t.Context(), 1)),
		"rewrite":   second(opened.Rewrite(t.Context(), rewrite)),
		"commit":    second(opened.Commit(t.Context(), commit)),
	} {
		if !errors.As(err, &moved) {
			t.Errorf("%s: %v", what, err)
		} else if *moved != want {
			t.Errorf("%s: %+v, want %+v", what, moved, want)
		}
	}
	if diff := cmp.Diff(before, contents(t, want.To)); diff != "" {
		t.Errorf("the folder changed: %s", diff)
	}
}

func second[T any](_ T, err error) error { return err }

// relocated becomes the writer and relocates.
func relocated(t *testing.T, f *sinktest.Fixture) *lake.Relocation {
	t.Helper()
	f.Acquire()
	r, err := f.Lake.Relocate(t.Context(), f.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRelocateMoved(t *testing.T) {
	f := variousLake(t)
	want, ids := story(t, f, f.Reopen())
	for i := range 3 { // the last move is one back
		from := f.Warehouse
		f.Warehouse = filepath.Join(t.TempDir(), "else where%2F", fmt.Sprint(i))
		if err := errors.Join(os.MkdirAll(filepath.Dir(f.Warehouse), 0o755), os.Rename(from, f.Warehouse)); err != nil {
			t.Fatal(err)
		}
		f.Lake = f.Reopen()
		strayed(t, f.Lake, lake.MovedError{From: from, To: f.Warehouse})
		r := relocated(t, f)
		if diff := cmp.Diff(&lake.Relocation{From: from, To: f.Warehouse, Tables: variousTables, Files: r.Files}, r); diff != "" || r.Files < 30 {
			t.Errorf("relocation %+v: %s", r, diff)
		}
		for what, opened := range map[string]sinktest.Lake{"the one that relocated": f.Lake, "another": f.Reopen()} {
			got, now := story(t, f, opened)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s tells another story: %s", what, diff)
			}
			if diff := cmp.Diff(ids, now); diff != "" {
				t.Errorf("UUIDs: %s", diff)
			}
		}
		if r := relocated(t, f); len(r.Tables) > 0 {
			t.Errorf("there was something to do again: %+v", r)
		}
		if err := f.Lake.Close(); err != nil {
			t.Fatal(err)
		}
	}
	maintained(t, f, want)
}

// maintained expects that a lake goes on after it was relocated, and that nothing of the old metadata stays.
func maintained(t *testing.T, f *sinktest.Fixture, want string) {
	t.Helper()
	f.Lake, f.Epoch = f.Reopen(), 0
	f.Acquire()
	orphans, err := f.Lake.RemoveOrphans(t.Context(), 0)
	if err != nil || len(orphans) < 30 {
		t.Errorf("%d orphans, %v", len(orphans), err)
	}
	if got, _ := story(t, f, f.Lake); got != want {
		t.Errorf("without the old metadata: %s", cmp.Diff(want, got))
	}
	before := f.Read("view", lake.Version{})
	f.Append("view", []string{"id INTEGER"}, "SELECT 9 id")
	f.Expect("view", before+"\n9")
	merge(f, "view")
	f.Expect("view", before+"\n9")
}

func TestRelocateCopy(t *testing.T) {
	f := variousLake(t)
	want, ids := story(t, f, f.Reopen())
	original := f.Warehouse
	before := contents(t, original)
	f.Warehouse = filepath.Join(original, "..", "copy")
	if err := os.CopyFS(f.Warehouse, os.DirFS(original)); err != nil {
		t.Fatal(err)
	}
	f.Lake = f.Reopen()
	strayed(t, f.Lake, lake.MovedError{From: original, To: f.Warehouse, Copied: true})
	if r := relocated(t, f); !r.Copied || r.From != original || len(r.Tables) != len(variousTables) {
		t.Errorf("relocation %+v", r)
	}
	if err := os.Rename(original, original+".away"); err != nil { // nothing of it is read
		t.Fatal(err)
	}
	got, now := story(t, f, f.Reopen())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the copy tells another story: %s", diff)
	}
	for i, id := range now {
		if id == ids[i] || id == "" || i > 0 && id == now[i-1] {
			t.Errorf("table %s has the UUID %s, and had %s", variousTables[i], id, ids[i])
		}
	}
	if err := f.Lake.Close(); err != nil {
		t.Fatal(err)
	}
	maintained(t, f, want)
	if diff := cmp.Diff(before, contents(t, original+".away")); diff != "" {
		t.Errorf("the original changed: %s", diff)
	}
}

func TestRelocateReadByPyIceberg(t *testing.T) {
	needPyIceberg(t)
	f := variousLake(t)
	_, want := pyRead(t, f.Warehouse, "money", "parts", "other.nested", "view", "changed")
	from := f.Warehouse
	f.Warehouse += "/../to é"
	f.Warehouse = filepath.Clean(f.Warehouse)
	if err := os.Rename(from, f.Warehouse); err != nil {
		t.Fatal(err)
	}
	f.Lake = f.Reopen()
	relocated(t, f)
	_, got := pyRead(t, f.Warehouse, "money", "parts", "other.nested", "view", "changed")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("PyIceberg reads something else: %s", diff)
	}
	if len(got["parts"].Partitions) != 3 || len(got["view"].Rows) != 2 {
		t.Errorf("PyIceberg reads partitions %v, rows %v", got["parts"].Partitions, got["view"].Rows)
	}
}

func TestRelocateNeedsEverything(t *testing.T) {
	for name, c := range map[string]struct {
		suffix string
		spoil  func(path string) error
		says   string
	}{
		"data file missing": {".parquet", os.Remove, "is missing: not all of the warehouse has come here"},
		"data file cut":     {".parquet", func(path string) error { return os.Truncate(path, 10) }, "has 10 bytes instead of"},
		"manifest damaged":  {"-m0-", func(path string) error { return os.Truncate(path, 10) }, "bytes instead of"},
		"list damaged":      {"snap-", func(path string) error { return os.Truncate(path, 10) }, "checksum"},
		"metadata missing":  {".metadata.json", os.Remove, "is missing; restore this file"},
	} {
		t.Run(name, func(t *testing.T) {
			f := written(t)
			from := f.Warehouse
			f.Warehouse = filepath.Join(t.TempDir(), "to")
			if err := os.Rename(from, f.Warehouse); err != nil {
				t.Fatal(err)
			}
			var spoiled string
			for _, path := range glob(t, filepath.Join(f.Warehouse, "main", "t"), "") {
				if strings.Contains(path, c.suffix) {
					spoiled = path
					if err := c.spoil(path); err != nil {
						t.Fatal(err)
					}
				}
			}
			f.Lake = f.Reopen()
			f.Acquire()
			before := len(glob(t, filepath.Join(f.Warehouse, "main"), ""))
			_, err := f.Lake.Relocate(t.Context(), f.Epoch)
			if err == nil || spoiled == "" || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), spoiled) {
				t.Errorf("%s: %v", spoiled, err)
			}
			if after := len(glob(t, filepath.Join(f.Warehouse, "main"), "")); after != before {
				t.Errorf("%d files became %d", before, after)
			}
			strayed(t, f.Lake, lake.MovedError{From: from, To: f.Warehouse})
		})
	}
}

func TestRelocateLosesItsPlace(t *testing.T) {
	f := written(t)
	from := f.Warehouse
	f.Warehouse = filepath.Join(t.TempDir(), "to")
	if err := os.Rename(from, f.Warehouse); err != nil {
		t.Fatal(err)
	}
	f.Lake = f.Reopen()
	f.Acquire()
	before := len(glob(t, f.Warehouse, ".avro"))
	if _, err := f.Lake.Relocate(t.Context(), f.Epoch+1); err == nil || !strings.Contains(err.Error(), "another writer took over") {
		t.Errorf("error %v", err)
	}
	if after := len(glob(t, f.Warehouse, ".avro")); after != before {
		t.Errorf("%d files became %d", before, after)
	}
	strayed(t, f.Lake, lake.MovedError{From: from, To: f.Warehouse})
}

// A warehouse has one name. By another its files cannot be told from those of a copy.
func TestWarehouseByAnotherName(t *testing.T) {
	f := written(t)
	real := f.Warehouse
	f.Warehouse = filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, f.Warehouse); err != nil {
		t.Fatal(err)
	}
	f.Lake = f.Reopen()
	_, err := f.Lake.State(t.Context())
	var moved *lake.MovedError
	if err == nil || errors.As(err, &moved) || !strings.Contains(err.Error(), "another name of the warehouse "+real) ||
		!strings.HasSuffix(err.Error(), "target: {warehouse: "+real+"}") {
		t.Errorf("error %v", err)
	}
	f.Acquire()
	if _, again := f.Lake.Relocate(t.Context(), f.Epoch); again == nil || !strings.HasSuffix(again.Error(), err.Error()) {
		t.Errorf("relocate: %v", again)
	}
}

// Tables of other programs may be anywhere, and stay where they are.
func TestRelocateLeavesOthersTables(t *testing.T) {
	f := written(t)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.CopyFS(filepath.Join(other, "main", "t"), os.DirFS(filepath.Join(f.Warehouse, "main", "t"))); err != nil {
		t.Fatal(err)
	}
	catalogExec(t, f, fmt.Sprintf(`INSERT INTO iceberg_tables SELECT catalog_name, table_namespace, 'theirs', replace(metadata_location, '%s/main', '%s/main'), NULL, 'TABLE'
		FROM iceberg_tables WHERE table_name = 't'`, f.Warehouse, other))
	if _, err := f.Reopen().State(t.Context()); err != nil {
		t.Fatal(err)
	}
	from := f.Warehouse
	f.Warehouse = filepath.Join(t.TempDir(), "to")
	if err := os.Rename(from, f.Warehouse); err != nil {
		t.Fatal(err)
	}
	f.Lake = f.Reopen()
	if r := relocated(t, f); len(r.Tables) != 2 {
		t.Errorf("relocation %+v", r)
	}
	if s := f.State(); len(s.Tables) != 3 || s.Tables["theirs"].Rows != 1 {
		t.Errorf("tables %v", s.Tables)
	}
}
