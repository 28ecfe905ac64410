package records_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/avro"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/confluent"
	"github.com/lakeflow/lakeflow/sources/records"
	"github.com/lakeflow/lakeflow/sources/sourcetest"
)

const (
	avroItem  = `{"type":"record","name":"R","fields":[{"name":"id","type":"long"},{"name":"name","type":"string"}]}`
	protoItem = `syntax = "proto3"; message Item { int64 id = 1; string name = 2; }`
)

// format is a way to write records with the columns id and name.
type format struct {
	name  string
	value records.Format
	good  func(id int, name string) []byte
	bad   []string
}

func formats() []format {
	schema := avro.MustParse(avroItem)
	return []format{
		{"json", records.Format{}, func(id int, name string) []byte { return fmt.Appendf(nil, `{"id":%d,"name":%q}`, id, name) },
			[]string{`{"id":`, `{"id":"x"}`, "\xff", "[1]", "null", ""}},
		{"avro", records.Format{Format: "avro", Schema: avroItem}, func(id int, name string) []byte {
			b, err := schema.Encode(map[string]any{"id": int64(id), "name": name})
			if err != nil {
				panic(err)
			}
			return b
		}, []string{"\x02", "\x02\x02", ""}},
		{"protobuf", records.Format{Format: "protobuf", Schema: protoItem}, func(id int, name string) []byte {
			b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(id))
			return protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), name)
		}, []string{"\x08", "\x12\x05a", "\xff"}},
	}
}

// TestSuite runs the contract's tests over a feed in every format that has columns.
func TestSuite(t *testing.T) {
	events := []format{
		{"debezium", debeziumValues, func(id int, name string) []byte {
			return []byte(insert(id, fmt.Sprintf(`{"id":%d,"name":%q}`, id, name)))
		},
			[]string{`{"op":`, `{"op":"x"}`, insert(1, `{"id":"x"}`), `null`, ``}},
		{"debezium with schemas", debeziumValues, func(id int, name string) []byte {
			return []byte(typedInsert(id, fmt.Sprintf(`{"id":%d,"name":%q}`, id, name), connect("id", "int64"), connect("name", "string")))
		}, []string{`{"schema":{},"payload":7}`, typedInsert(1, `{"id":1.5}`, connect("id", "int64"))}},
	}
	for _, f := range append(formats(), events...) {
		t.Run(f.name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Harness{
				Session: func(t *testing.T) sources.Session { return openDuck(t) },
				Open: func(t *testing.T, perBatch int) sourcetest.Place {
					r, err := records.New(records.Config{Value: f.value, Hints: []sources.Hint{{Name: "id", Type: "BIGINT"}}})
					if err != nil {
						t.Fatal(err)
					}
					s := &feed{records: r, limits: records.Limits{Rows: 1 << 62, Bytes: int64(perBatch)}}
					return sourcetest.Place{Source: s, Add: func(_ *testing.T, first, n, bad int) {
						for i := range n {
							s.log = append(s.log, message{subject: "s", value: f.good(first+i, fmt.Sprint("n", first+i))})
							if i < bad {
								s.log = append(s.log, message{subject: "s", value: []byte(f.bad[i%len(f.bad)])})
							}
						}
						s.log[len(s.log)-1].size = 1 // limits count items
					}}
				},
			})
		})
	}
}

// TestFormats reads a record of every format with a place, a key and headers that are hard to write, among records that
// can't be taken, and one without a value.
func TestFormats(t *testing.T) {
	const subject = "orders.\"é\\ \x01'"
	plain := func(id int, name string) []byte { return fmt.Appendf(nil, "%d:%s", id, name) }
	for _, f := range append(formats(), format{"string", records.Format{Format: "string"}, plain, []string{"\xff", "a\xc3"}},
		format{"bytes", records.Format{Format: "bytes"}, plain, nil}) {
		t.Run(f.name, func(t *testing.T) {
			cfg := records.Config{Value: f.value}
			if f.name == "json" {
				cfg.Hints = []sources.Hint{{Name: "id", Type: "BIGINT"}}
			}
			b := newBed(t, cfg)
			headers := []records.Header{{Key: `h"`, Value: []byte{0, 255}}, {Key: "none"}}
			b.feed.log = append(b.feed.log, message{subject: subject, key: []byte("k\xff"), value: f.good(7, "é\"\n\\"), headers: headers}, message{subject: subject, key: []byte("gone")})
			for _, v := range f.bad {
				b.feed.log = append(b.feed.log, message{subject: subject, value: []byte(v)})
			}
			columns, want := "id, name", "7 é\"\n\\"
			switch f.name {
			case "string":
				columns, want = `"value"`, "7:é\"\n\\"
			case "bytes":
				columns, want = `decode("value")`, "7:é\"\n\\"
			}
			where := ", _metadata.sequence, _metadata.subject = " + quoted(subject) + `, hex(_metadata."key"), CAST(_metadata.headers AS VARCHAR)`
			batch := b.next()
			rows := b.rows(batch, columns+where)
			nils := strings.Repeat("<nil> ", strings.Count(columns, ",")+1)
			lines := want + ` 0 true 6BFF [{'key': 'h"', 'value': \x00\xFF}, {'key': none, 'value': NULL}]` + "\n" + nils + "1 true 676F6E65 []"
			b.check("rows", rows, lines)
			if batch.RejectCount != int64(len(f.bad)) || batch.Items != len(f.bad)+2 {
				t.Errorf("%d rejects of %d: %s", batch.RejectCount, batch.Items, b.rejects(batch, "reason"))
			}
			for i, v := range f.bad {
				got, err := b.query(fmt.Sprintf(`SELECT file = %s, line, hex(raw), whole, "partition", reason <> '' FROM %s WHERE "offset" = %d`, quoted(subject), batch.Rejects, i+2))
				if want := fmt.Sprintf("true 0 %X false <nil> true", v); err != nil || got != want {
					t.Errorf("reject %d: %s, %v; want %s", i, got, err, want)
				}
			}
		})
	}
}

// quoted is a text in SQL.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// TestEvolution reads records with a new key, and then one that does not fit, by every mode.
func TestEvolution(t *testing.T) {
	const place = `,"_subject":"s","_sequence":`
	for mode, c := range map[sources.Evolution]struct{ rows, columns, notices, rejects, refused string }{
		sources.AddNewColumns: {rows: "2 {\"x\":1}\n3 <nil>", columns: `"a" BIGINT, "b" STRUCT(x BIGINT)`, notices: "column b is new in the records and was added",
			rejects: "3 column a: \"x\" is not BIGINT"},
		sources.AddAndRescue: {rows: "2 {\"x\":1} <nil>\n3 <nil> <nil>\n<nil> <nil> {\"a\":\"x\"" + place + "3}", columns: `"a" BIGINT, "b" STRUCT(x BIGINT), "_rescued_data" VARCHAR`,
			notices: "column b is new in the records and was added"},
		sources.Rescue: {rows: "2 {\"b\":{\"x\":1}" + place + "1}\n3 <nil>\n<nil> {\"a\":\"x\"" + place + "3}", columns: `"a" BIGINT, "_rescued_data" VARCHAR`},
		sources.None:   {rows: "2\n3", columns: `"a" BIGINT`, rejects: "3 column a: \"x\" is not BIGINT"},
		sources.Fail: {refused: `subject s, message 1: the record has the column "b", which the source does not have: declare it under schema:, or set schema_evolution: add_new_columns to add it,` +
			` rescue to keep its values in _rescued_data, none to ignore it`},
	} {
		t.Run(string(mode), func(t *testing.T) {
			b := newBed(t, records.Config{Evolution: mode})
			b.put(`{"a":1}`)
			batch := b.next()
			b.check("first", b.rows(batch, "a"), "1")
			b.pos = batch.Position
			b.put(`{"a":2,"b":{"x":1}}`, `{"a":3}`, `{"a":"x"}`)
			batch, err := b.feed.Next(t.Context(), b.session, b.pos, nil)
			if c.refused != "" {
				if err == nil || err.Error() != c.refused {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			columns := "* EXCLUDE (_metadata, __lakeflow_place, __lakeflow_partition, __lakeflow_position)"
			if mode.Adds() {
				columns += " REPLACE (CAST(to_json(b) AS VARCHAR) AS b)"
			}
			b.check("rows", b.rows(batch, columns), c.rows)
			b.check("columns", batch.Columns.SQLColumns(), c.columns)
			b.check("rejects", b.rejects(batch, `"offset", reason`), c.rejects)
			var notices []string
			for _, n := range batch.Notices {
				notices = append(notices, n.Message)
			}
			b.check("notices", strings.Join(notices, "\n"), c.notices)
			found, err := b.feed.Schema(t.Context(), b.session, batch.Position)
			if err != nil || found.Columns.SQLColumns() != c.columns {
				t.Errorf("remembered: %s, %v", found.Columns.SQLColumns(), err)
			}
		})
	}
}

// TestRegistry reads records of two schemas of a registry, by every mode.
func TestRegistry(t *testing.T) {
	versions := []string{`{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`,
		`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"bytes"}]}`}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var id int
		if _, err := fmt.Sscanf(req.URL.Path, "/schemas/ids/%d", &id); err != nil || id > len(versions) {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"schema": versions[id-1]})
	}))
	defer server.Close()
	wire := func(id int, v map[string]any) string {
		value, err := avro.MustParse(versions[min(id, 2)-1]).Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), value...))
	}
	for mode, c := range map[sources.Evolution]struct{ rows, columns, refused string }{
		sources.AddNewColumns: {rows: "1 <nil>\n2 00FF", columns: `"a" INTEGER, "b" BLOB`},
		sources.AddAndRescue:  {rows: "1 <nil>\n2 00FF", columns: `"a" INTEGER, "b" BLOB, "_rescued_data" VARCHAR`},
		sources.Rescue:        {rows: "1 <nil>\n2 {\"b\":\"\\\\x00ff\",\"_subject\":\"s\",\"_sequence\":2}", columns: `"a" INTEGER, "_rescued_data" VARCHAR`},
		sources.None:          {rows: "1\n2", columns: `"a" INTEGER`},
		sources.Fail:          {refused: `schema 2 of the registry has the column "b", which the source does not have`},
	} {
		t.Run(string(mode), func(t *testing.T) {
			b := newBed(t, records.Config{Value: records.Format{Format: "avro"}, Registry: confluent.Registry{URL: server.URL}, Evolution: mode})
			b.put(wire(1, map[string]any{"a": int32(0)}))
			b.pos = b.next().Position
			b.put(wire(1, map[string]any{"a": int32(1)}), wire(2, map[string]any{"a": int32(2), "b": []byte{0, 255}}), wire(3, map[string]any{"a": int32(3), "b": []byte{}}))
			batch, err := b.feed.Next(t.Context(), b.session, b.pos, nil)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			columns := map[bool]string{true: "a, hex(b)", false: "* EXCLUDE (_metadata, __lakeflow_place, __lakeflow_partition, __lakeflow_position)"}[mode.Adds()]
			b.check("rows", b.rows(batch, columns), c.rows)
			b.check("columns", batch.Columns.SQLColumns(), c.columns)
			b.check("rejects", b.rejects(batch, `"offset", reason`), "3 the value has the schema id 3, which the registry does not have")
		})
	}
}

// TestKeys refuses records for their keys, and keeps their values.
func TestKeys(t *testing.T) {
	for _, c := range []struct{ format, rows, rejects string }{
		{"bytes", "0 \\xFF\n1 {\\x22k\\x22:1}\n2 <nil>", ""},
		{"string", "1 {\"k\":1}\n2 <nil>", "0 the key is not valid UTF-8 {\\x22a\\x22:0}"},
		{"json", "1 {\"k\":1}\n2 <nil>", "0 the key is not valid UTF-8 {\\x22a\\x22:0}"},
	} {
		b := newBed(t, records.Config{Key: records.Format{Format: c.format}})
		for i, key := range [][]byte{{255}, []byte(`{"k":1}`), nil} {
			b.feed.log = append(b.feed.log, message{subject: "s", key: key, value: fmt.Appendf(nil, `{"a":%d}`, i)})
		}
		batch := b.next()
		b.check(c.format, b.rows(batch, `a, CAST(_metadata."key" AS VARCHAR)`), c.rows)
		b.check("rejects", b.rejects(batch, `"offset", reason, CAST(raw AS VARCHAR)`), c.rejects)
	}
}

// TestSizes spills many records into several files, with some that can't stand in lines, and sets aside what is wrong in
// any of them. Every record is a row or a reject.
func TestSizes(t *testing.T) {
	b := newBed(t, records.Config{Hints: []sources.Hint{{Name: "id", Type: "BIGINT"}, {Name: "text", Type: "VARCHAR"}}})
	const n = 3000
	rejects := 0
	for i := range n {
		switch {
		case i%1000 == 500:
			b.put(fmt.Sprintf(`{"id":%d,"text":%q}`, i, strings.Repeat("é", 9<<20))) // longer than DuckDB takes a line
		case i%700 == 3:
			b.put(fmt.Sprintf(`{"id":"no %d"}`, i))
			rejects++
		case i%700 == 4:
			b.put(fmt.Sprintf(`{"id":%d,"id":1,"text":%q}`, i, strings.Repeat("x", 2<<20)))
			rejects++
		default:
			b.put(fmt.Sprintf(`{"id":%d,"text":%q}`, i, strings.Repeat("x", 20<<10)))
		}
	}
	batch := b.next()
	b.check("rows", b.rows(batch, `count(*), count(DISTINCT id), bool_and(id = _metadata.sequence), count(*) FILTER (length("text") = 9 << 20)`), fmt.Sprintf("%d %d true 3", n-rejects, n-rejects))
	got, err := b.query(`SELECT "offset" % 700, count(*), max(octet_length(raw)) <= 1048576 FROM ` + batch.Rejects + " GROUP BY ALL ORDER BY ALL")
	if err != nil || got != "3 5 true\n4 5 true" || batch.RejectCount != int64(rejects) {
		t.Errorf("rejects: %s, %v", got, err)
	}
}

// damage changes the batch's files of a name, so that reading it fails, and returns how.
func (b *bed) damage(batch *sources.Batch, name, old, changed string) error {
	b.Helper()
	paths, err := filepath.Glob(filepath.Join(b.session.TempDir, name))
	if err != nil || len(paths) == 0 {
		b.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte(old), []byte(changed)), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	_, err = b.query("SELECT * FROM " + batch.Relation)
	if err == nil {
		b.Fatal("the damaged file was read")
	}
	return err
}

// TestSetAside has DuckDB refuse a line that was found to be in order.
func TestSetAside(t *testing.T) {
	b := newBed(t, records.Config{Hints: []sources.Hint{{Name: "id", Type: "BIGINT"}}})
	b.put(`{"id":1}`, `{"id":2}`, `{"id":"3"}`)
	batch := b.next()
	before := *batch
	repaired, err := batch.Repair(t.Context(), b.session, b.damage(batch, "records_*.json", `{"id":2}`, `{"id":"x"}`))
	if err != nil || repaired == nil {
		t.Fatal(repaired, err)
	}
	b.check("rows", b.rows(repaired, "id, _metadata.sequence"), "1 0\n3 2")
	b.check("rejects", b.rejects(repaired, `"offset", reason`), `1 column id: "x" is not BIGINT`)
	if batch.Relation != before.Relation || batch.RejectCount != 0 || batch.Rejects != "" || !bytes.Equal(repaired.Position, batch.Position) {
		t.Errorf("the repaired batch was changed: %+v, then %+v", before, *batch)
	}
}

// TestRefused has DuckDB refuse what was written for it: the records are written anew, each only when DuckDB has read
// it.
func TestRefused(t *testing.T) {
	b := newBed(t, records.Config{Hints: []sources.Hint{{Name: "id", Type: "BIGINT"}, {Name: "t", Type: "TIMESTAMP WITH TIME ZONE"}}})
	b.put(`{"id":1,"t":"2024-01-01T10:00Z"}`, `{"id":"2","t":null}`, `{"id":3,"t":"yesterday"}`)
	batch := b.next()
	b.check("rejects", b.rejects(batch, `"offset", reason`), `2 column t: "yesterday" is not TIMESTAMP WITH TIME ZONE`)
	repaired, err := batch.Repair(t.Context(), b.session, b.damage(batch, "*good.json", "10:00", "noon"))
	if err != nil || repaired == nil {
		t.Fatal(repaired, err)
	}
	b.check("rows", b.rows(repaired, "id, CAST(t AS VARCHAR)"), "1 2024-01-01 10:00:00+00\n2 <nil>")
	b.check("rejects", b.rejects(repaired, `"offset"`), "2")
	if again, err := repaired.Repair(t.Context(), b.session, b.damage(repaired, "*good.json", "10:00", "noon")); again != nil || !errors.Is(err, records.ErrUnread) {
		t.Errorf("damaged again: %v, %v", again, err)
	}
}

// TestNoColumns can't know columns, and does not lose the records by going on.
func TestNoColumns(t *testing.T) {
	b := newBed(t, records.Config{})
	b.put(`{}`, `null`)
	if batch, err := b.feed.Next(t.Context(), b.session, nil, nil); err == nil ||
		err.Error() != "the first 2 records of the feed have no values, so that its columns can't be known; write them under schema" {
		t.Errorf("batch %+v, error %v", batch, err)
	}
	b.open(records.Config{Hints: []sources.Hint{{Name: "a", Type: "BIGINT"}}})
	batch := b.next()
	b.check("declared", b.rows(batch, "a"), "<nil>")
	b.check("rejects", b.rejects(batch, `"offset", reason`), "1 the record is not a JSON object but null")
}
