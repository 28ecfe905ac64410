package jsonrecords

import (
	"context"
	"database/sql"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/schemas"
)

// pieces are what values are made of, by what the type is like.
var pieces = map[string][]string{
	"number": {"0", "1", "9", "12", "99", "007", "-", "-", "+", ".", ".", "e", "E", "5", "00000", "123456789", "9223372036854775807", "99999999999999999999",
		"9007199254740993", "e30", "e-30", "E+5", "e308", "e-320", "0.1", ".5", "5.", " ", "NaN", "Infinity", "inf", "0x", "_", "1e400"},
	"moment": {"2024-01-31", "2024-02-30", "0001-01-01", "9999-12-31", "1582-10-10", "24-1-1", "2024/01/31", "T", "T", " ", " ", "10:00", "10:00:00", "23:59:60", "24:00:00", "7:05",
		":30", ".5", ".123456", ".1234567", ".", "Z", "z", "+02:00", "-05", "+0530", "+15:59", "+16:00", "-00:00", " UTC", " Europe/Berlin", " (BC)", "infinity", "epoch", "now", "10000-01-01", "x"},
	"word": {"true", "false", "t", "f", "TRUE", "yes", "no", "1", "0", " ", "on", "maybe"},
	"uuid": {"123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000", "{", "}", "123e4567", "-", "00000000-0000-0000-0000-000000000000"},
	"text": {"x", " ", "é", "\U0001F600", `\x41`, "\\", "'", `"`, "\t", "\u0000", "{}", "[1]", "null", "NULL", "a\nb"},
}

// likes says which pieces go with a type.
func likes(t schemas.Type) string {
	switch t.Kind {
	case schemas.Boolean:
		return "word"
	case schemas.Date, schemas.Timestamp, schemas.TimestampTZ, schemas.Time:
		return "moment"
	case schemas.UUID:
		return "uuid"
	case schemas.Varchar, schemas.Blob:
		return "text"
	}
	return "number"
}

// randomValue is a JSON value that may be one of the type.
func randomValue(r *rand.Rand, t schemas.Type) string {
	switch n := r.IntN(20); {
	case n == 0:
		return "null"
	case n == 1:
		return []string{"true", "false", "{}", "[]", `{"a":1}`, "[1,2.50]", `""`, "NaN", "-Infinity", "-0", "1.10"}[r.IntN(11)]
	}
	switch t.Kind {
	case schemas.List:
		var items []string
		for range r.IntN(3) {
			items = append(items, randomValue(r, *t.Elem))
		}
		return "[" + strings.Join(items, ",") + "]"
	case schemas.Map:
		var items []string
		for range r.IntN(3) {
			items = append(items, string(AppendText(nil, []byte(randomText(r, *t.Key))))+":"+randomValue(r, *t.Elem))
		}
		return "{" + strings.Join(items, ",") + "}"
	case schemas.Struct:
		var items []string
		for _, f := range t.Fields {
			items = append(items, `"`+f.Name+`":`+randomValue(r, f.Type))
		}
		return "{" + strings.Join(items, ",") + "}"
	}
	text := randomText(r, t)
	if likes(t) == "number" && r.IntN(2) == 0 {
		return text
	}
	return string(AppendText(nil, []byte(text)))
}

func randomText(r *rand.Rand, t schemas.Type) string {
	of := pieces[likes(t)]
	if r.IntN(30) == 0 {
		of = pieces[[]string{"number", "moment", "word", "text"}[r.IntN(4)]]
	}
	text := ""
	if of[0] == "2024-01-31" && r.IntN(3) > 0 { // a likely one
		parts := [][]string{{"2024-01-31", "2024-1-1", "0002-01-01", "9998-12-31"}, {"T", " "}, {"10:00", "10:00:00", "10:00:00.5", "23:59:59.123456", "7:05:00"}, {"", "", "Z", "+02:00", "-05", " UTC", "+15:59"}}
		if t.Kind == schemas.Time {
			parts = parts[2:]
		} else if t.Kind == schemas.Date && r.IntN(2) == 0 {
			parts = parts[:1]
		}
		for _, p := range parts {
			text += p[r.IntN(len(p))]
		}
		return text
	}
	for range 1 + r.IntN(4) {
		text += of[r.IntN(len(of))]
	}
	return text
}

const readerTypes = `BIGINT|INTEGER|DECIMAL(9,3)|DECIMAL(38,0)|DECIMAL(38,18)|DECIMAL(4,4)|DOUBLE|FLOAT|BOOLEAN|DATE|TIME|TIMESTAMP|TIMESTAMP WITH TIME ZONE|UUID|VARCHAR|BLOB|` +
	`TIMESTAMP WITH TIME ZONE[]|STRUCT(a TIMESTAMP WITH TIME ZONE, b DECIMAL(9,3), c DATE)|MAP(VARCHAR, DOUBLE)|MAP(DATE, TIMESTAMP)|MAP(BIGINT, BOOLEAN)|MAP(DOUBLE, FLOAT)|` +
	`MAP(TIMESTAMP WITH TIME ZONE, TIME)|STRUCT(a BIGINT[], b MAP(UUID, BLOB))[]|DECIMAL(38,2)[][]`

// TestReaderTakesWhatFits makes values of every type and expects DuckDB's reader to take those that the quick look lets
// through as they stand, and those that were fitted, and to read the value that was written.
func TestReaderTakesWhatFits(t *testing.T) {
	conn := connect(t)
	path := filepath.Join(t.TempDir(), "r.json")
	r := rand.New(rand.NewPCG(3, 4))
	for name := range strings.SplitSeq(readerTypes, "|") {
		typ, err := schemas.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		table := schemas.Table{{Name: "v", Type: typ}}
		values, texts := make([]string, 3000), make([][]byte, 3000)
		for i := range values {
			values[i] = randomValue(r, typ)
			texts[i] = []byte(`{"v":` + values[i] + `}`)
		}
		fitted, err := NewFitter(conn, table, FitOptions{}).Fit(context.Background(), texts)
		if err != nil {
			t.Fatal(err)
		}
		tree := NewTree(table)
		var lines, from []string
		quick := 0
		for i, text := range texts {
			var s Scanner
			found := s.Scan(text, tree)
			let := found.Whole && !found.Odd && Valid(text) == nil && strings.IndexByte(string(text), 0) < 0
			if let && fitted[i].Reason != "" {
				t.Errorf("%s: %s is let through, and refused: %s", name, values[i], fitted[i].Reason)
			}
			if let {
				quick++
				lines, from = append(lines, string(text)), append(from, values[i])
			}
			if fitted[i].Reason == "" {
				lines, from = append(lines, string(fitted[i].Text)), append(from, values[i])
			}
		}
		t.Logf("%s: %d of %d values are lines, %d of them as they stand", name, len(lines)-quick, len(values), quick)
		if quick < 20 && typ.Kind != schemas.Blob {
			t.Errorf("%s: only %d values were let through", name, quick)
		}
		for i, got := range readLines(t, conn, path, table, lines) {
			if got == refusedLine {
				t.Errorf("%s: %s is taken, and DuckDB refuses %s", name, from[i], lines[i])
			} else if why := differs(typ, from[i], got); why != "" {
				t.Errorf("%s: %s becomes %s: %s (of %s)", name, from[i], got, why, lines[i])
			}
		}
	}
}

const refusedLine = "(refused)"

// readLines is what DuckDB's reader makes of each line, as text.
func readLines(t *testing.T, conn *sql.Conn, path string, table schemas.Table, lines []string) []string {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.QueryContext(context.Background(), fmt.Sprintf("SELECT CAST(v AS VARCHAR) FROM read_json('%s', format='newline_delimited', records=true, columns={'v': '%s'})",
		path, table[0].Type))
	var out []string
	if err == nil {
		defer rows.Close()
		for rows.Next() {
			var v sql.NullString
			if err = rows.Scan(&v); err != nil {
				break
			}
			if !v.Valid {
				v.String = "NULL"
			}
			out = append(out, v.String)
		}
		if err == nil {
			err = rows.Err()
		}
	}
	switch {
	case err == nil && len(out) == len(lines):
		return out
	case len(lines) == 1:
		return []string{refusedLine}
	}
	half := len(lines) / 2
	return append(readLines(t, conn, path, table, lines[:half]), readLines(t, conn, path, table, lines[half:])...)
}

// differs says how the value that was read is another than the one that was written.
func differs(typ schemas.Type, written, read string) string {
	written = strings.TrimSpace(written)
	text := written
	if strings.HasPrefix(written, `"`) {
		text = string(unescape([]byte(written[1 : len(written)-1])))
	}
	switch typ.Kind {
	case schemas.BigInt, schemas.Integer, schemas.Decimal:
		a, ok1 := new(big.Rat).SetString(strings.TrimSpace(text))
		b, ok2 := new(big.Rat).SetString(read)
		if written != "null" && (!ok1 || !ok2 || a.Cmp(b) != 0) {
			return "another number"
		}
	case schemas.Double, schemas.Float:
		bits := 64
		if typ.Kind == schemas.Float {
			bits = 32
		}
		if strings.HasSuffix(strings.ToLower(strings.TrimSpace(text)), "nan") && strings.HasSuffix(read, "nan") {
			return ""
		}
		a, err1 := strconv.ParseFloat(strings.TrimSpace(text), bits)
		b, err2 := strconv.ParseFloat(read, bits)
		if written != "null" && (err1 != nil || err2 != nil || a != b) {
			return fmt.Sprint("another number ", err1, err2)
		}
	case schemas.Date, schemas.Timestamp, schemas.TimestampTZ:
		a, ok1 := moment(strings.TrimSpace(text))
		b, ok2 := moment(read)
		if ok1 && (!ok2 || !a.Equal(b)) {
			return "another time"
		}
	case schemas.Varchar:
		if strings.HasPrefix(written, `"`) && text != read {
			return "another text"
		}
	}
	return ""
}

// moment reads a time in the common forms; without a zone it is that of UTC.
func moment(text string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z07"} {
		if t, err := time.Parse(layout, strings.Replace(text, " ", "T", 1)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func connect(t *testing.T) *sql.Conn {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); _ = db.Close() })
	if _, err := conn.ExecContext(context.Background(), "SET TimeZone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	return conn
}
