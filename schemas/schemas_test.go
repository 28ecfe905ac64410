package schemas_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/schemas"
)

func duck(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// rows returns the result of a query as text, one line per row.
func rows(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rs, err := db.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rs.Close()
	names, _ := rs.Columns()
	var lines []string
	for rs.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rs.Scan(into...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintln(values...)))
	}
	if rs.Err() != nil {
		t.Fatalf("%s: %v", query, rs.Err())
	}
	return strings.Join(lines, "\n")
}

func parse(t *testing.T, text string) schemas.Type {
	t.Helper()
	typ, err := schemas.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// table reads "name TYPE" pairs.
func table(t *testing.T, pairs ...string) schemas.Table {
	t.Helper()
	var out schemas.Table
	for _, pair := range pairs {
		name, typ, _ := strings.Cut(pair, " ")
		out = append(out, schemas.Column{Name: name, Type: parse(t, typ)})
	}
	return out
}

func TestTypesAgreeWithDuckDB(t *testing.T) {
	db := duck(t)
	// DuckDB's text of a type is parsed, printed, given back to DuckDB, and must be the same type there.
	for _, typ := range []string{
		"BOOLEAN", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL(9,2)", "DECIMAL(38,0)", "DATE", "TIME", "TIMESTAMP",
		"TIMESTAMP WITH TIME ZONE", "VARCHAR", "BLOB", "UUID", "INTEGER[]", "INTEGER[][]",
		`STRUCT(a INTEGER, "b c" VARCHAR)`, `STRUCT("x""y" DATE, "select" TIME, "é" UUID)[]`,
		"MAP(VARCHAR, STRUCT(q TIMESTAMP WITH TIME ZONE[]))", "MAP(INTEGER, MAP(VARCHAR, DECIMAL(4,1)))[]",
		"int", "text", "timestamptz", "double precision", "decimal", "numeric(5)", "timestamp without time zone", "varchar(20)",
	} {
		described := rows(t, db, "SELECT typeof(CAST(NULL AS "+typ+"))")
		parsed := parse(t, described)
		if got := rows(t, db, "SELECT typeof(CAST(NULL AS "+parsed.String()+"))"); got != described {
			t.Errorf("%s: DuckDB has %s, after a round trip %s", typ, described, got)
		}
		if direct := parse(t, typ); !direct.Equal(parsed) {
			t.Errorf("%s is read as %s, DuckDB says %s", typ, direct, parsed)
		}
	}
	if got := parse(t, "INTEGER[3]").String(); got != "INTEGER[]" {
		t.Errorf("an array became %s", got)
	}
}

func TestEveryKeywordAsFieldName(t *testing.T) {
	db := duck(t)
	for word := range strings.SplitSeq(rows(t, db, "SELECT keyword_name FROM duckdb_keywords()"), "\n") {
		typ := schemas.Type{Kind: schemas.Struct, Fields: table(t, word+" INTEGER")}
		described := rows(t, db, "SELECT typeof(CAST(NULL AS "+typ.String()+"))")
		if !parse(t, described).Equal(typ) {
			t.Errorf("%s: %s became %s", word, typ, described)
		}
	}
}

func TestStorable(t *testing.T) {
	db := duck(t)
	for typ, want := range map[string]string{
		"TINYINT": "INTEGER", "SMALLINT": "INTEGER", "UTINYINT": "INTEGER", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT",
		"UBIGINT": "DECIMAL(20,0)", "HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "DECIMAL(38,0)", "TIMESTAMP_S": "TIMESTAMP",
		"TIMESTAMP_MS": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP", "JSON": "VARCHAR", "ENUM('a', 'b'')', 'c')": "VARCHAR",
		"BIT": "VARCHAR", "VARCHAR": "VARCHAR", `"NULL"`: "VARCHAR", `"NULL"[]`: "VARCHAR[]", "UTINYINT[2][]": "INTEGER[][]",
		"MAP(ENUM('x'), STRUCT(a JSON, b TINYINT[]))": "MAP(VARCHAR, STRUCT(a VARCHAR, b INTEGER[]))",
	} {
		described := typ
		if !strings.Contains(typ, "NULL") {
			described = rows(t, db, "SELECT typeof(CAST(NULL AS "+typ+"))")
		}
		got, err := schemas.Storable(described)
		if err != nil || got.String() != want {
			t.Errorf("%s (%s) is stored as %s, want %s, error %v", typ, described, got, want, err)
		}
	}
	for _, typ := range []string{"INTERVAL", "TIME WITH TIME ZONE", "UNION(a INTEGER)", "GEOMETRY", "BIGNUM", "VARIANT", "STRUCT(a INTERVAL[])", "MAP(INTEGER, UNION(b DATE))"} {
		described := rows(t, db, "SELECT typeof(CAST(NULL AS "+typ+"))")
		if _, err := schemas.Storable(described); err == nil || !strings.Contains(err.Error(), "cast it to") && !strings.Contains(err.Error(), "union_extract") {
			t.Errorf("%s: error %v says not what to do", described, err)
		}
	}
	if _, err := schemas.Storable("STRUCT(INTEGER, VARCHAR)"); err == nil || !strings.Contains(err.Error(), "without field names") {
		t.Errorf("unnamed struct: %v", err)
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{"", "INTEGER[", "STRUCT", "STRUCT(", "STRUCT(a", "STRUCT(a INTEGER", "STRUCT(a INTEGER, A DATE)", "MAP(INTEGER)", "MAP(INTEGER, DATE",
		"DECIMAL(39,0)", "DECIMAL(4,5)", "DECIMAL(x)", "INTEGER x", `STRUCT("a INTEGER)`, "TINYINT", "NOTHING", "STRUCT()", strings.Repeat("STRUCT(a ", 200) + "INTEGER" + strings.Repeat(")", 200)} {
		if typ, err := schemas.Parse(text); err == nil {
			t.Errorf("%q is read as %s", text, typ)
		}
	}
}

func TestEvolve(t *testing.T) {
	old, last := schemas.AssignIDs(table(t, "a INTEGER", "s STRUCT(x INTEGER, l FLOAT[])", "m MAP(VARCHAR, STRUCT(q INTEGER))", "d DECIMAL(9,2)"), 0)
	merged, changes, bad := schemas.Evolve(old, table(t, "n DATE", "D DECIMAL(18,2)", "s STRUCT(y DATE, l DOUBLE[], x BIGINT)", "A BIGINT", "m MAP(VARCHAR, STRUCT(q BIGINT, r UUID))"))
	if bad != nil {
		t.Fatal(bad)
	}
	want := table(t, "a BIGINT", "s STRUCT(x BIGINT, l DOUBLE[], y DATE)", "m MAP(VARCHAR, STRUCT(q BIGINT, r UUID))", "d DECIMAL(18,2)", "n DATE")
	if !merged.Equal(want) {
		t.Errorf("merged %s, want %s", merged.SQLColumns(), want.SQLColumns())
	}
	var texts []string
	for _, c := range changes {
		texts = append(texts, c.Text)
	}
	if diff := cmp.Diff([]string{"column a: widened from INTEGER to BIGINT", "column s.x: widened from INTEGER to BIGINT",
		"column s.l.element: widened from FLOAT to DOUBLE", "column s.y: added as DATE", "column m.value.q: widened from INTEGER to BIGINT",
		"column m.value.r: added as UUID", "column d: widened from DECIMAL(9,2) to DECIMAL(18,2)", "column n: added as DATE"}, texts); diff != "" {
		t.Error(diff)
	}
	numbered, newLast := schemas.AssignIDs(merged, last)
	if got, want := schemas.FieldIDsSQL(numbered[:2]), `{"a": 1, "s": {__duckdb_field_id: 2, "x": 5, "l": {__duckdb_field_id: 6, element: 7}, "y": 12}}`; newLast != 13 || strings.ReplaceAll(got, `"element"`, "element") != want {
		t.Errorf("ids after evolution: last %d, %s", newLast, got)
	}
	for pair, text := range map[string]string{
		"BIGINT>VARCHAR": "column delay: BIGINT cannot become VARCHAR", "BIGINT>INTEGER": "column delay: BIGINT cannot become INTEGER",
		"BIGINT>DOUBLE": "column delay: BIGINT cannot become DOUBLE", "DECIMAL(9,2)>DECIMAL(8,2)": "column delay: DECIMAL(9,2) cannot become DECIMAL(8,2)",
		"DECIMAL(9,2)>DECIMAL(10,3)":           "column delay: DECIMAL(9,2) cannot become DECIMAL(10,3)",
		"MAP(INTEGER, DATE)>MAP(BIGINT, DATE)": "column delay: MAP(INTEGER, DATE) cannot become MAP(BIGINT, DATE)",
		"STRUCT(a DATE)>STRUCT(b DATE)":        "column delay.a is missing from the new definition",
		"DATE[]>DATE":                          "column delay: DATE[] cannot become DATE",
	} {
		from, to, _ := strings.Cut(pair, ">")
		merged, _, bad := schemas.Evolve(table(t, "delay "+from), table(t, "delay "+to))
		if merged != nil || len(bad) != 1 || bad[0].Text != text {
			t.Errorf("%s: %v %v", pair, merged, bad)
		}
	}
	if _, _, bad := schemas.Evolve(table(t, "a DATE", "b DATE"), table(t, "a DATE")); len(bad) != 1 || bad[0].Path != "b" || bad[0].New.Kind != 0 {
		t.Errorf("removed column: %v", bad)
	}
}

func TestRecreateKeepsOnlyIDsThatFit(t *testing.T) {
	old, last := schemas.AssignIDs(table(t, "a INTEGER", "b VARCHAR", "s STRUCT(x INTEGER)", "l DATE[]"), 0)
	next, _ := schemas.AssignIDs(schemas.Recreate(old, table(t, "l DATE[]", "S STRUCT(x BIGINT)", "b VARCHAR", "n DATE")), last)
	got := schemas.FieldIDsSQL(next)
	if want := `{"l": {__duckdb_field_id: 4, "element": 6}, "S": {__duckdb_field_id: 7, "x": 9}, "b": 2, "n": 8}`; got != want {
		t.Errorf("ids %s, want %s", got, want)
	}
	if old[0].ID != 1 || old[3].Type.ElemID != 6 {
		t.Errorf("the old schema was changed: %s", schemas.FieldIDsSQL(old))
	}
}

func TestFieldIDsInParquet(t *testing.T) {
	db := duck(t)
	file := filepath.Join(t.TempDir(), "f.parquet")
	typed, last := schemas.AssignIDs(table(t, "a INTEGER", "q\"uoted DATE", "s STRUCT(x INTEGER, y STRUCT(z BLOB))", "l INTEGER[][]", "m MAP(VARCHAR, STRUCT(k INTEGER)[])"), 10)
	if last != 24 {
		t.Errorf("last id %d", last)
	}
	rows(t, db, "CREATE TABLE t ("+typed.SQLColumns()+")")
	rows(t, db, "COPY t TO '"+file+"' (FORMAT parquet, FIELD_IDS "+schemas.FieldIDsSQL(typed)+")")
	got := rows(t, db, "SELECT name, field_id FROM parquet_schema('"+file+"') WHERE field_id IS NOT NULL")
	want := "a 11\nq\"uoted 12\ns 13\nx 16\ny 17\nz 18\nl 14\nelement 19\nelement 20\nm 15\nkey 21\nvalue 22\nelement 23\nk 24"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadSchemaReadsOlderFiles(t *testing.T) {
	db := duck(t)
	dir := t.TempDir()
	first, last := schemas.AssignIDs(table(t, "a INTEGER", "it's FLOAT", "s STRUCT(x INTEGER)", "l STRUCT(q INTEGER)[]", "d DECIMAL(4,1)"), 0)
	merged, _, bad := schemas.Evolve(first, table(t, "a BIGINT", "it's DOUBLE", "s STRUCT(x BIGINT, y VARCHAR)", "l STRUCT(q BIGINT, r DATE)[]", "d DECIMAL(20,1)", "n VARCHAR"))
	if bad != nil {
		t.Fatal(bad)
	}
	second, _ := schemas.AssignIDs(merged, last)
	one, two := filepath.Join(dir, "1.parquet"), filepath.Join(dir, "2.parquet")
	copyTo := func(query, file string, ids schemas.Table) {
		rows(t, db, "COPY ("+query+") TO '"+file+"' (FORMAT parquet, FIELD_IDS "+schemas.FieldIDsSQL(ids)+")")
	}
	copyTo(`SELECT 1::INTEGER a, 1.5::FLOAT "it's", {'x': 1} s, [{'q': 1}] l, 2.5::DECIMAL(4,1) d`, one, first)
	// The second file has its columns in another order and another name: only ids may count.
	copyTo(`SELECT 'new' other, 5000000000 a, 2.5::DOUBLE "it's", {'x': 5000000000, 'y': 'b'} s, [{'q': 2::BIGINT, 'r': DATE '2024-02-03'}] l, 12345678901.5::DECIMAL(20,1) d`, two,
		append(schemas.Table{{Name: "other", Type: second[5].Type, ID: second[5].ID}}, second[:5]...))
	got := rows(t, db, fmt.Sprintf("SELECT COLUMNS(*)::VARCHAR FROM read_parquet(['%s', '%s'], schema=%s)", one, two, schemas.ReadSchemaSQL(second)))
	want := "1 1.5 {'x': 1, 'y': NULL} [{'q': 1, 'r': NULL}] 2.5 <nil>\n" +
		"5000000000 2.5 {'x': 5000000000, 'y': b} [{'q': 2, 'r': 2024-02-03}] 12345678901.5 new"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	described := rows(t, db, fmt.Sprintf("SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet(['%s'], schema=%s))", one, schemas.ReadSchemaSQL(second)))
	for i, line := range strings.Split(described, "\n") {
		if name, typ, _ := strings.Cut(line, " "); name != second[i].Name || !parse(t, typ).Equal(second[i].Type) {
			t.Errorf("column %d is read as %s", i, line)
		}
	}
}

func TestEventsCastToTheirTable(t *testing.T) {
	db := duck(t)
	events := []schemas.Event{{
		ID: "e1", Sequence: schemas.Sequence{DataPlane: schemas.DataPlaneID{Instance: "u1", SeqNo: 7}, ControlPlane: 8},
		Origin:    schemas.Origin{PipelineName: "p", UpdateID: "u1", FlowName: "f", BatchID: 3},
		Timestamp: time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.FixedZone("x", 3600)), Message: "it's\n\"done\"", Level: "ERROR", Maturity: "STABLE",
		Error:   &schemas.EventError{Fatal: true, Exceptions: []schemas.Exception{{ClassName: "engine", Message: "no"}}},
		Details: `{"flow_progress":{"status":"FAILED"}}`, EventType: "flow_progress",
	}, {ID: "e2", Timestamp: time.Unix(0, 0).UTC(), Details: "{}"}}
	var lines []byte
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, line...), '\n')
	}
	file := filepath.Join(t.TempDir(), "events.json")
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, c := range schemas.EventLog() {
		columns = append(columns, fmt.Sprintf("%q: '%s'", c.Name, c.Type))
	}
	from := fmt.Sprintf("FROM read_json('%s', format='newline_delimited', columns={%s})", file, strings.Join(columns, ", "))
	got := rows(t, db, `SELECT id, sequence.data_plane_id.instance, sequence.data_plane_id.seq_no, sequence.control_plane_seq_no, origin.pipeline_name, origin.batch_id,
		origin.host IS NULL, epoch_us("timestamp"), message, level, maturity_level, error.fatal, error.exceptions[1].message,
		details->>'$.flow_progress.status', event_type `+from+" ORDER BY id")
	want := "e1 u1 7 8 p 3 true 1714975689123456 it's\n\"done\" ERROR STABLE true no FAILED flow_progress\n" +
		"e2  0 0  <nil> true 0    <nil> <nil> <nil>"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	rows(t, db, "CREATE TABLE dl ("+schemas.DeadLetter().SQLColumns()+")")
	if got := rows(t, db, `SELECT count(*) FROM (DESCRIBE dl) WHERE column_name IN ('table', 'commit', 'row', 'offset', 'partition', 'violated')`); got != "6" {
		t.Errorf("dead letter has %s of its columns", got)
	}
}

func TestUnion(t *testing.T) {
	parse := func(text string) schemas.Table {
		t.Helper()
		typ, err := schemas.Parse("STRUCT(" + text + ")")
		if err != nil {
			t.Fatal(err)
		}
		return typ.Fields
	}
	for _, c := range []struct{ a, b, want string }{
		{"a INTEGER", "b VARCHAR", "a INTEGER, b VARCHAR"},
		{"a BIGINT, b VARCHAR", "B VARCHAR, a INTEGER", "a BIGINT, b VARCHAR"},
		{"a INTEGER", "a BIGINT", "a BIGINT"},
		{"a INTEGER", "a VARCHAR", "a VARCHAR"},
		{"s STRUCT(x INTEGER)", "s STRUCT(y INTEGER), t BOOLEAN", "s STRUCT(x INTEGER, y INTEGER), t BOOLEAN"},
		{"l STRUCT(x INTEGER)[]", "l STRUCT(y INTEGER)[]", "l STRUCT(x INTEGER, y INTEGER)[]"},
	} {
		if got := schemas.Union(parse(c.a), parse(c.b)); !got.Equal(parse(c.want)) {
			t.Errorf("(%s) and (%s) give (%s), want (%s)", c.a, c.b, got.SQLColumns(), c.want)
		}
	}
}
