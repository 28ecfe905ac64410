package sqltext_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

func TestStream(t *testing.T) {
	s, c := `"__stream".`, `"__changes".`
	tests := []struct {
		in, want string // want "" means unchanged
		streams  []string
	}{
		{"SELECT * FROM STREAM orders", "SELECT * FROM " + s + "orders", []string{"orders"}},
		{"select * from stream(orders) o", "select * from " + s + "orders o", []string{"orders"}},
		{"FROM STREAM  ( LIVE . orders ) AS o", "FROM " + s + "orders AS o", []string{"orders"}},
		{"FROM STREAM cat.sch.orders", "FROM " + s + "cat.sch.orders", []string{"cat.sch.orders"}},
		{`FROM STREAM LIVE."my ""x"""`, `FROM ` + s + `"my ""x"""`, []string{`my "x"`}},
		{"FROM STREAM /* new */ a -- c\nJOIN b", "FROM " + s + "a -- c\nJOIN b", []string{"a"}},
		{"SELECT a.x FROM STREAM a JOIN STREAM(b) ON a.x = b.x", "SELECT a.x FROM " + s + "a JOIN " + s + "b ON a.x = b.x", []string{"a", "b"}},
		{"FROM x, STREAM a, STREAM b", "FROM x, " + s + "a, " + s + "b", []string{"a", "b"}},
		{"FROM x JOIN y ON f(x, y), STREAM a", "FROM x JOIN y ON f(x, y), " + s + "a", []string{"a"}},
		{"FROM (STREAM a JOIN STREAM b USING (id))", "FROM (" + s + "a JOIN " + s + "b USING (id))", []string{"a", "b"}},
		{"FROM ((SELECT 1, stream FROM STREAM a)) t, STREAM b", "FROM ((SELECT 1, stream FROM " + s + "a)) t, " + s + "b", []string{"a", "b"}},
		{"WITH s AS (FROM STREAM a) SELECT * FROM s UNION ALL SELECT * FROM STREAM b", "WITH s AS (FROM " + s + "a) SELECT * FROM s UNION ALL SELECT * FROM " + s + "b", []string{"a", "b"}},
		{"SELECT exists(FROM STREAM a)", "SELECT exists(FROM " + s + "a)", []string{"a"}},
		{"SELECT extract(year FROM (SELECT d FROM STREAM a))", "SELECT extract(year FROM (SELECT d FROM " + s + "a))", []string{"a"}},
		{"FROM LATERAL STREAM a", "FROM LATERAL " + s + "a", []string{"a"}},
		{"SELECT 1FROM STREAM a", "SELECT 1FROM " + s + "a", []string{"a"}},
		{"FROM STREAM \"select\"", "FROM " + s + "\"select\"", []string{"select"}},

		{"FROM STREAM CHANGES(a)", "FROM " + c + "a", []string{"a"}},
		{"FROM stream changes (a) AS x, STREAM(b)", "FROM " + c + "a AS x, " + s + "b", []string{"a", "b"}},
		{"FROM STREAM(CHANGES(a)) x JOIN b", "FROM " + c + "a x JOIN b", []string{"a"}},
		{"FROM STREAM ( CHANGES ( sch.\"my a\" ) ) JOIN STREAM CHANGES(b) ON true", "FROM " + c + "sch.\"my a\" JOIN " + c + "b ON true", []string{"sch.my a", "b"}},
		{"FROM STREAM changes, STREAM(changes) AS x", "FROM " + s + "changes, " + s + "changes AS x", []string{"changes", "changes"}},
		{"SELECT changes(a) FROM STREAM changes.a", "SELECT changes(a) FROM " + s + "changes.a", []string{"changes.a"}},

		{"SELECT stream FROM t", "", nil},
		{"SELECT stream x FROM t", "", nil},
		{"SELECT a, stream b FROM t", "", nil},
		{"SELECT x.stream a FROM x.stream a", "", nil},
		{"SELECT * FROM stream", "", nil},
		{"SELECT * FROM stream AS s", "", nil},
		{"SELECT * FROM stream WHERE a", "", nil},
		{"SELECT * FROM stream LEFT JOIN t ON true", "", nil},
		{"SELECT * FROM stream, t", "", nil},
		{"SELECT * FROM \"stream\" orders", "", nil},
		{"SELECT * FROM t WHERE f(a, stream b)", "", nil},
		{"SELECT * FROM t ORDER BY a, stream desc", "", nil},
		{"SELECT * FROM t GROUP BY a, stream b", "", nil},
		{"SELECT trim(FROM stream x) FROM t", "", nil},
		{"SELECT extract(year FROM stream y)", "", nil},
		{"SELECT a IS DISTINCT FROM stream x, a IS NOT DISTINCT FROM stream y FROM t", "", nil},
		{"SELECT 'FROM STREAM a', $$ FROM STREAM b $$ -- FROM STREAM c", "SELECT 'FROM STREAM a', $$ FROM STREAM b $$ -- FROM STREAM c\n", nil},
		{"SELECT E'it\\'s FROM STREAM a', \"FROM STREAM a\" /* /* FROM STREAM a */ FROM STREAM a */", "", nil},
		{"SELECT {'a': 1, 'from': stream}, [1, stream] FROM t", "", nil},
		{"SELECT 1; ; ", "SELECT 1  ", nil},
		{"SELECT ';'", "", nil},
	}
	for _, tt := range tests {
		var diags diag.List
		q := sqltext.New(tt.in, sqltext.WholeFile("q.sql"), nil, &diags)
		want := tt.want
		if want == "" {
			want = tt.in
		}
		if q.Text != want {
			t.Errorf("%s\n got %s\nwant %s", tt.in, q.Text, want)
		}
		var names []string
		for _, r := range q.Streams {
			names = append(names, r.Name)
		}
		if d := cmp.Diff(tt.streams, names); d != "" {
			t.Errorf("%s: streams: %s", tt.in, d)
		}
		if len(diags) > 0 {
			t.Errorf("%s: %v", tt.in, diags)
		}
	}
}

func TestParameters(t *testing.T) {
	params := map[string]any{
		"null": nil, "yes": true, "no": false, "n": int64(1440), "neg": int64(-5), "f": 1.5, "whole": 2.0, "tiny": 1e-300,
		"negf": -0.5, "nan": math.NaN(), "s": "it's ${n} -- $$", "empty": "",
	}
	for in, want := range map[string]string{
		"SELECT ${null}, ${yes}, ${no}":        "SELECT NULL, TRUE, FALSE",
		"SELECT ${n}+${ f }":                   "SELECT 1440+1.5e+00",
		"SELECT 3-${neg}, 3 -${negf}":          "SELECT 3-(-5), 3 -(-5e-01)",
		"SELECT ${whole}, ${tiny}":             "SELECT 2e+00, 1e-300",
		"SELECT ${nan}":                        "SELECT CAST('NaN' AS DOUBLE)",
		"SELECT ${s}, ${empty}":                "SELECT 'it''s ${n} -- $$', ''",
		"SELECT 1 -- ${nope}\n, 2 /* ${no} */": "SELECT 1 -- ${nope}\n, 2 /* ${no} */",
		"SELECT x[${n}:${n}]":                  "SELECT x[1440:1440]",
		"FROM STREAM a WHERE x > ${n}":         `FROM "__stream".a WHERE x > 1440`,
		"SELECT '${not a name}', '$', '${'":    "SELECT '${not a name}', '$', '${'",
	} {
		var diags diag.List
		q := sqltext.New(in, sqltext.WholeFile("q.sql"), params, &diags)
		if q.Text != want || len(diags) > 0 {
			t.Errorf("%s\n got %s\nwant %s\n%v", in, q.Text, want, diags)
		}
	}
	for in, code := range map[string]string{
		"SELECT ${m}": "LF0120", "SELECT a${n}": "LF0121", "SELECT ${n}a": "LF0121", "SELECT 1${n}": "LF0121", "SELECT t.${n}": "LF0121",
		"SELECT ${n}'a'": "LF0121", "SELECT 'a'${s}": "LF0121", "SELECT E${s}": "LF0121", "SELECT $${n}": "LF0121", "SELECT ${n}${n}": "LF0121",
		"SELECT '${n}'": "LF0122", "SELECT \"a${n}\"": "LF0122", "SELECT $x$ ${n} $x$": "LF0122", "SELECT E'${n}'": "LF0122",
		"SELECT ${}": "LF0123", "SELECT ${a-b}": "LF0123", "SELECT ${n": "LF0123", "SELECT ${n\n}": "LF0123",
		"SELECT ${env:X}": "LF0124", "SELECT '${file:x}'": "LF0124",
	} {
		var diags diag.List
		sqltext.New(in, sqltext.WholeFile("q.sql"), params, &diags)
		if len(diags) == 0 || diags[0].Code != code {
			t.Errorf("%s: got %v, want %s", in, diags, code)
		}
	}
}

func TestMetadata(t *testing.T) {
	for in, want := range map[string]bool{
		"SELECT _metadata.file_path FROM t": true, "SELECT \"_METADATA\" FROM t": true, "SELECT t._Metadata FROM t": true,
		"SELECT '_metadata'": false, "SELECT my_metadata -- _metadata": false,
	} {
		if got := sqltext.New(in, sqltext.WholeFile("q.sql"), nil, new(diag.List)).UsesMetadata; got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}

func TestAt(t *testing.T) {
	raw := "SELECT é, x\nFROM STREAM(LIVE.orders) o\nWHERE nope > ${limit} AND y"
	q := sqltext.New(raw, sqltext.WholeFile("q.sql"), map[string]any{"limit": "a long text"}, new(diag.List))
	pos := func(line, from, to int) diag.Range {
		return diag.Range{File: "q.sql", Start: diag.Pos{Line: line, Column: from}, End: diag.Pos{Line: line, Column: to}}
	}
	tests := []struct {
		find   string
		length int
		want   diag.Range
	}{
		{"SELECT", 0, pos(1, 1, 7)},
		{"x\n", 1, pos(1, 11, 12)},
		{`"__stream"`, 0, pos(2, 6, 18)},
		{`__stream`, 8, pos(2, 6, 18)},
		{"orders", 0, pos(2, 18, 24)},
		{"o\nWHERE", 1, pos(2, 26, 27)},
		{"nope", 0, pos(3, 7, 11)},
		{"nope", 4, pos(3, 7, 11)},
		{"long", 4, pos(3, 14, 22)},
		{"y", 0, pos(3, 27, 28)},
	}
	for _, tt := range tests {
		at := strings.LastIndex(q.Text, tt.find)
		if d := cmp.Diff(tt.want, q.At(at, tt.length)); d != "" {
			t.Errorf("%q: %s", tt.find, d)
		}
	}
	if d := cmp.Diff(pos(3, 28, 28), q.At(len(q.Text)+10, 5)); d != "" {
		t.Error("past the end:", d)
	}
	if d := cmp.Diff(pos(2, 18, 24), q.Streams[0].Range); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(pos(3, 14, 22), q.Params[0].Range); d != "" {
		t.Error(d)
	}
}

func TestTimeTravel(t *testing.T) {
	tests := []struct {
		in, want string
		travels  []sqltext.Travel
	}{
		{"SELECT * FROM orders", "SELECT * FROM orders", nil},
		{"SELECT orders.x FROM orders VERSION AS OF 3 WHERE x", `SELECT orders.x FROM "orders@version=3" AS orders WHERE x`,
			[]sqltext.Travel{{Name: "orders", Version: "3", Relation: "orders@version=3"}}},
		{"from a.b.orders for version as of 3 o", `from "a.b.orders@version=3" o`,
			[]sqltext.Travel{{Name: "a.b.orders", Version: "3", Relation: "a.b.orders@version=3"}}},
		{`FROM "my ""t" FOR SYSTEM_VERSION AS OF 'v1' AS x`, `FROM "my ""t@version=v1" AS x`,
			[]sqltext.Travel{{Name: `my "t`, Version: "v1", Relation: `my "t@version=v1`}}},
		{"FROM o TIMESTAMP AS OF '2025-01-31 12:00'; ", `FROM "o@timestamp=2025-01-31 12:00" AS o; `,
			[]sqltext.Travel{{Name: "o", Timestamp: "2025-01-31 12:00", Relation: "o@timestamp=2025-01-31 12:00"}}},
		{"FROM o FOR SYSTEM_TIME AS OF TIMESTAMP '2025-01-31' x", `FROM "o@timestamp=2025-01-31" x`,
			[]sqltext.Travel{{Name: "o", Timestamp: "2025-01-31", Relation: "o@timestamp=2025-01-31"}}},
		{"FROM o VERSION AS OF 1 a JOIN o VERSION AS OF 1 b ON a.x = b.x, p VERSION AS OF 2", `FROM "o@version=1" a JOIN "o@version=1" b ON a.x = b.x, "p@version=2" AS p`,
			[]sqltext.Travel{{Name: "o", Version: "1", Relation: "o@version=1"}, {Name: "p", Version: "2", Relation: "p@version=2"}}},
		{"SELECT 'FROM o VERSION AS OF 1', version AS of FROM t", "SELECT 'FROM o VERSION AS OF 1', version AS of FROM t", nil},
		{"SELECT * FROM t version", "SELECT * FROM t version", nil},
		{"FROM o VERSION AS OF 1 LEFT JOIN p ON true", `FROM "o@version=1" AS o LEFT JOIN p ON true`,
			[]sqltext.Travel{{Name: "o", Version: "1", Relation: "o@version=1"}}},
		{"SELECT * FROM table_changes('s.o', 3, 7) c JOIN TABLE_CHANGES ( 'o','2025-01-31' ) USING (x)", `SELECT * FROM "s.o@changes=3..7" c JOIN "o@changes=2025-01-31.." USING (x)`,
			[]sqltext.Travel{{Name: "s.o", Since: "3", Until: "7", Relation: "s.o@changes=3..7"}, {Name: "o", Since: "2025-01-31", Relation: "o@changes=2025-01-31.."}}},
		{"SELECT table_changes(1) FROM table_changes", "SELECT table_changes(1) FROM table_changes", nil},
		{"SELECT e.id FROM event_log('04c78631') e, Event_Log(\"04c78631\")", "SELECT e.id FROM event_log e, event_log", nil},
		{"FROM event_log(TABLE(a.b.orders)) WHERE x", "FROM event_log WHERE x", []sqltext.Travel{{Name: "event_log", Relation: "event_log", Of: "a.b.orders"}}},
		{"SELECT event_log('x') FROM event_log", "SELECT event_log('x') FROM event_log", nil},
	}
	for _, tt := range tests {
		got, travels, _, err := sqltext.TimeTravel(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%s\n got %s (%v)\nwant %s", tt.in, got, err, tt.want)
		}
		if d := cmp.Diff(tt.travels, travels); d != "" {
			t.Errorf("%s: %s", tt.in, d)
		}
	}
	for _, in := range []string{"FROM o VERSION AS OF", "FROM o VERSION AS OF x", "FROM o TIMESTAMP AS OF 3", "FROM o TIMESTAMP AS OF ''", "FROM o VERSION AS OF 'x"} {
		if _, _, _, err := sqltext.TimeTravel(in); err == nil || !strings.Contains(err.Error(), "write o ") {
			t.Errorf("%s: %v", in, err)
		}
	}
	for _, in := range []string{"FROM table_changes()", "FROM table_changes(o, 1)", "FROM table_changes('o')", "FROM table_changes('o', 1, 2, 3)", "FROM table_changes('o', 1"} {
		if _, _, _, err := sqltext.TimeTravel(in); err == nil || !strings.Contains(err.Error(), "table_changes('orders', 3, 7)") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// TestTimeTravelBack finds the place of what stands in a rewritten query.
func TestTimeTravelBack(t *testing.T) {
	raw := "SELECT a FROM event_log('some id') e JOIN orders VERSION AS OF 3 USING (b) WHERE c"
	text, _, back, err := sqltext.TimeTravel(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"a FROM", "e JOIN", "USING (b)", "WHERE c"} {
		if got, want := back(strings.Index(text, part)), strings.Index(raw, part); got != want {
			t.Errorf("%s is at %d, want %d", part, got, want)
		}
	}
	for at, want := range map[string]string{"event_log e": "event_log('", "3\"": "orders VERSION"} {
		if got := back(strings.Index(text, at)); got != strings.Index(raw, want) {
			t.Errorf("%s is at %d, want %d", at, got, strings.Index(raw, want))
		}
	}
	for _, in := range []string{"FROM event_log()", "FROM event_log(1)", "FROM event_log(TABLE())", "FROM event_log(TABLE(a)", "FROM event_log('x', 'y')", "FROM event_log(t)"} {
		if _, _, _, err := sqltext.TimeTravel(in); err == nil || !strings.Contains(err.Error(), "event_log(TABLE(orders))") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// checkQuery holds for every query: see the messages.
func checkQuery(t interface {
	Fatalf(string, ...any)
}, raw string, q *sqltext.Query) {
	lines := strings.Split(raw, "\n")
	at := 0
	for offset := range len(q.Text) + 1 {
		r := q.At(offset, 1)
		if r.Start.Line < 1 || r.Start.Line > len(lines) || r.Start.Column < 1 || r.Start.Column > len(lines[r.Start.Line-1])+1 {
			t.Fatalf("offset %d of %q maps to %v, outside of %q", offset, q.Text, r, raw)
		}
		if r.End.Line < r.Start.Line || r.End.Line == r.Start.Line && r.End.Column < r.Start.Column {
			t.Fatalf("offset %d of %q maps to the empty range %v", offset, q.Text, r)
		}
		if now := r.Start.Line*1_000_000 + r.Start.Column; now < at {
			t.Fatalf("offset %d of %q goes back to %v", offset, q.Text, r)
		} else {
			at = now
		}
	}
}

func FuzzNew(f *testing.F) {
	for _, s := range []string{"SELECT * FROM STREAM orders", "FROM STREAM(LIVE.\"a\"), b WHERE x > ${n}", "'${n}' \"${n}\" $a$ ${n} $a$ -- ${n}",
		"/* /* */ ${", "SELECT ${n}${env:x};; -- é", "E'\\", "$é$", "1e+5.e", "FROM STREAM (", "FROM STREAM a."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var diags diag.List
		q := sqltext.New(raw, sqltext.WholeFile("q.sql"), map[string]any{"n": int64(-1), "s": "it's"}, &diags)
		checkQuery(t, raw, q)
		if len(q.Streams)+len(q.Params) == 0 && !strings.Contains(raw, ";") && !strings.Contains(raw, "${") && strings.TrimSuffix(q.Text, "\n") != strings.TrimSuffix(raw, "\n") {
			t.Fatalf("%q became %q", raw, q.Text)
		}
		again := sqltext.New(q.Text, sqltext.WholeFile("q.sql"), nil, new(diag.List))
		if len(diags) == 0 && len(q.Params) == 0 && again.Text != q.Text && !strings.Contains(raw, ";") {
			t.Fatalf("%q is rewritten to %q, and that to %q", raw, q.Text, again.Text)
		}
	})
}

func FuzzTimeTravel(f *testing.F) {
	for _, s := range []string{"FROM o VERSION AS OF 1", "FROM \"o\" FOR TIMESTAMP AS OF '2025' x, p", "FROM a.b VERSION AS OF 'x' JOIN (c)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		text, travels, back, err := sqltext.TimeTravel(raw)
		switch {
		case err != nil && text != "":
			t.Fatalf("both a text and an error for %q", raw)
		case err == nil && len(travels) == 0 && text != raw && !strings.Contains(strings.ToLower(raw), "event_log"):
			t.Fatalf("%q became %q", raw, text)
		}
		for offset, last := 0, 0; err == nil && offset <= len(text); offset++ {
			at := back(offset)
			if at < last || at > len(raw) {
				t.Fatalf("offset %d of %q is %d of %q, after %d", offset, text, at, raw, last)
			}
			last = at
		}
		for _, tr := range travels {
			if tr.Of == "" && tr.Since == "" && (tr.Version == "") == (tr.Timestamp == "") || !strings.Contains(text, strings.ReplaceAll(tr.Relation, `"`, `""`)) {
				t.Fatalf("%q: %+v in %q", raw, tr, text)
			}
		}
	})
}

// TestAnyQuery builds queries of known parts, so that what becomes of each part is known as well.
func TestAnyQuery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gap := rapid.SampledFrom([]string{" ", "\n", " /* FROM STREAM no ${p} */ ", " -- STREAM, '\n", "\t"})
		name := rapid.SampledFrom([]string{"a", "é", `"b c"`, "LIVE.a", "x . y"})
		literal := rapid.SampledFrom([]string{"1", "'it''s, STREAM'", "$$ FROM STREAM a $$", "stream", "f(stream, 1)", "x.stream", `"STREAM"`})
		var raw, want strings.Builder
		both := func(s string) { raw.WriteString(s); want.WriteString(s) }
		streams := 0
		for range rapid.IntRange(1, 4).Draw(t, "selects") {
			both("SELECT" + gap.Draw(t, "g") + literal.Draw(t, "l"))
			for range rapid.IntRange(0, 3).Draw(t, "columns") {
				both("," + literal.Draw(t, "l"))
			}
			both(gap.Draw(t, "g") + "FROM" + gap.Draw(t, "g"))
			for i := range rapid.IntRange(1, 3).Draw(t, "relations") {
				if i > 0 {
					both(rapid.SampledFrom([]string{",", " JOIN ", " LEFT JOIN "}).Draw(t, "join"))
				}
				n := name.Draw(t, "n")
				if !rapid.Bool().Draw(t, "stream") {
					both(n)
					continue
				}
				streams++
				if rapid.Bool().Draw(t, "brackets") {
					raw.WriteString("stream(" + n + ")")
				} else {
					raw.WriteString("STREAM" + gap.Draw(t, "g") + n)
				}
				want.WriteString(`"__stream".` + strings.TrimPrefix(n, "LIVE."))
			}
			both(" WHERE x > ")
			raw.WriteString("${p}")
			want.WriteString("'it''s'")
			both(" UNION ALL ")
		}
		both("SELECT 1")
		var diags diag.List
		q := sqltext.New(raw.String(), sqltext.WholeFile("q.sql"), map[string]any{"p": "it's"}, &diags)
		if q.Text != want.String() || len(q.Streams) != streams || len(diags) > 0 {
			t.Fatalf("%s\n got %s\nwant %s\n%v", raw.String(), q.Text, want.String(), diags)
		}
		checkQuery(t, raw.String(), q)
	})
}
