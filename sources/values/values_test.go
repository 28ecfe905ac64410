package values

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/schemas"
)

// fits are texts and types: + becomes that type as it is written, - does not.
var fits = strings.ReplaceAll(`
BIGINT + 0|5|-5|5.0|5.|1e3|1.5e1|9223372036854775807|-9223372036854775808| 5 |-0
BIGINT - 5.5|02134|00|+5|9223372036854775808|true|abc||1.55e1|1_000|0x10|5 5|1e30|-007|.5|-.5|1e-400|1.0e-400|1e-3200|12345678901234567e-1|9007199254740993.5e0
INTEGER + 2147483647|-1
INTEGER - 2147483648|0.5|3000000000|.5|1e-400|2147483647.4e0
DECIMAL(5,2) + 1|1.5|1.50|1.500|-999.99|0.01|.5|1e2|100
DECIMAL(5,2) - 1e-400|.005|1.2345678901234567e1|1.505|1000|012.5|1e9|1e-3|nan|+1|0.001
DECIMAL(38,0) + 12345678901234567890123456789012345678
DECIMAL(38,0) + 1e37|.0|-.0|5.|123456789012345678e3
DECIMAL(38,0) - - |.|-|1e-3200|123456789012345678901234567890123456789|1.5|.5|-.5|.50|1.0e-400|999999999999999999999007199254740993e-30
DECIMAL(18,6) + 1.6663523406e+11|77224226787.995|.000001
DECIMAL(18,6) - -1.6663523406704756E+12|1e12|1000000000000|.0000001|77224226787.9950001
DECIMAL(4,4) + .1234|0.1|0
DECIMAL(4,4) - 1|.12345
DOUBLE + 0|600000000000000000E-300|1.5|9007199254740992|0.1|1e300|1.7976931348623157e308|0.12345678901234566|0.30000000000000004|2.5e-1|123456789012345670e-3|4.9406564584124654e-324|5e-324|2.2250738585072014e-308|1.234567890123456e300|100000000000000000000|NaN|-inf|.5|-0.0|12345.678900000000000000000000|0.000
DOUBLE - 0.12345678901234567|9999999999999999.5|9007199254740993e0|1.234567e-320|0.01e-330|9007199254740993|9007199254740993.0|1<zeros>|0.<zeros>1|1e400|1e-400|0.123456789012345678|abc|007|+1.5|1_0
FLOAT + 0.1|16777216|1.5|3.4028235e38|1e-45|1.17549435e-38|1.00000001e-1|0.3333333
FLOAT - 16777217|0.123456789|1e-46|1.2345e-44|1<zeros>|16777217.0|1677721.73|0.1234567891|1e39
BOOLEAN + true|false|TRUE|t|no|1
BOOLEAN - 7|maybe|2|1.0
DATE + 2024-01-31|2024-01-31 00:00:00|2024-02-29
DATE - 999999-01-01 10:00:00|2024-01-3110000-01-01 (BC)|infinity|epoch|2024-01-31x|2024-01-31 10:00:00|01/02/2024|2023-02-29|2024-01-31T00:00:00+02:00
TIMESTAMP + 2024-01-31T10:00:00|2024-01-31 10:00|2024-01-31|2024-01-31T10:00:00Z|2024-01-31 10:00:00.123456|2024-01-31 10:00:00.123456000
TIMESTAMP - infinity|epoch|2024-01-31T10:00:00+02:00|2024-01-31 10:00:00.1234567|noon|2024-01-31T25:00:00
TIMESTAMP WITH TIME ZONE + 2024-01-31T10:00:00+02:00|2024-01-31T10:00:00Z|2024-01-31 10:00:00|2024-01-31T10:00:00-05|2024-01-31T10:00Z|2024-01-31 10:00+02:00|2024-01-31T10:00-05
TIMESTAMP WITH TIME ZONE - infinity|2024-01-31T10:00:00.1234567Z|later
TIME + 10:30:00|10:30:00.5
TIME - 25:00:00|10:30:00.1234567|10:30:00+02:00
UUID + 123e4567-e89b-12d3-a456-426614174000|123E4567-E89B-12D3-A456-426614174000
UUID - 123e4567e89b12d3a456426614174000|{123e4567-e89b-12d3-a456-426614174000}|guest
VARCHAR + x| x ||02134
BIGINT[] + [1, 2]|[]|[1,NULL]
BIGINT[] - [1, 2.5]|[x]|5|[02]
STRUCT(a BIGINT, b VARCHAR) + {'a': 1, 'b': x}|{"a":1,"b":"x"}
MAP(VARCHAR, BIGINT) + {x=1, y=2}|{}
MAP(VARCHAR, BIGINT) - {x=1, x=2}|{NULL=1}|{x=1
MAP(VARCHAR, BIGINT)[] - [{x=1, x=2}]
STRUCT(a BIGINT, b VARCHAR) - {'a': 1.5, 'b': x}|{"a":"y","b":"x"}
`, "<zeros>", strings.Repeat("0", 400))

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

func isLossy(t *testing.T, conn *sql.Conn, text string, typ schemas.Type) bool {
	t.Helper()
	var out bool
	query := fmt.Sprintf("SELECT %s FROM (SELECT ?::VARCHAR AS v)", Lossy("v", typ))
	if err := conn.QueryRowContext(context.Background(), query, text).Scan(&out); err != nil {
		t.Fatalf("%q %s: %v\n%s", text, typ, err, query)
	}
	return out
}

func TestLossy(t *testing.T) {
	conn := connect(t)
	var null bool
	if err := conn.QueryRowContext(context.Background(), "SELECT "+Lossy("NULL::VARCHAR", schemas.Type{Kind: schemas.Double})).Scan(&null); err != nil || null {
		t.Errorf("NULL is lossy: %v, %v", null, err)
	}
	for line := range strings.Lines(strings.TrimSpace(fits)) {
		name, texts, want := "", "", false
		if i := strings.Index(line, " + "); i > 0 {
			name, texts = line[:i], line[i+3:]
		} else {
			i = strings.Index(line, " - ")
			name, texts, want = line[:i], line[i+3:], true
		}
		typ, err := schemas.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.SplitSeq(strings.TrimSuffix(texts, "\n"), "|") {
			if got := isLossy(t, conn, text, typ); got != want {
				t.Errorf("%q as %s: lossy is %v", text, name, got)
			}
			if want && Fits([]byte(text), typ) {
				t.Errorf("%q fits %s for the quick look", text, name)
			}
		}
	}
}

// TestQuickLook makes texts of pieces of numbers and times: what the quick look lets through, SQL must find in order,
// and it must for the type that is inferred.
func TestQuickLook(t *testing.T) {
	conn := connect(t)
	pieces := []string{"0", "1", "9", "12", "007", "-", "+", ".", "e", "E", "5", "00000", "123456789", "2024-01-31", "T", " ", "10:00:00", ":30", "Z", "+02:00", "true", "x", ".5", ".123456", "789"}
	names := []string{"BIGINT", "INTEGER", "DECIMAL(9,3)", "DOUBLE", "FLOAT", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIME"}
	random := rand.New(rand.NewPCG(1, 2))
	let := 0
	for range 4000 {
		text := ""
		for range 1 + random.IntN(4) {
			text += pieces[random.IntN(len(pieces))]
		}
		typ, err := schemas.Parse(names[random.IntN(len(names))])
		if err != nil {
			t.Fatal(err)
		}
		if Fits([]byte(text), typ) {
			let++
			if isLossy(t, conn, text, typ) {
				t.Errorf("%q as %s", text, typ)
			}
		}
		var g Guess
		g.Text([]byte(text))
		if isLossy(t, conn, text, g.Type()) {
			t.Errorf("%q is taken for %s", text, g.Type())
		}
	}
	if let < 200 {
		t.Errorf("only %d texts fit their types", let)
	}
}

func TestGuess(t *testing.T) {
	for _, c := range []struct{ texts, want string }{
		{"true|false", "BOOLEAN"}, {"True", "VARCHAR"}, {"t|f", "VARCHAR"}, {"Yes|No", "VARCHAR"}, {"0|1", "BIGINT"}, {"1|-5", "BIGINT"}, {"02134|1", "VARCHAR"}, {"+5", "VARCHAR"},
		{"9223372036854775807", "BIGINT"}, {"9223372036854775808|1", "DECIMAL(38,0)"}, {strings.Repeat("1", 40), "VARCHAR"}, {"1|2.5", "DOUBLE"}, {"9007199254740993|0.5", "VARCHAR"},
		{"0.123456789012345678", "VARCHAR"}, {"1e5", "VARCHAR"}, {"1.5e10|1e-5", "DOUBLE"}, {".5", "DOUBLE"}, {"5.", "VARCHAR"}, {"-0", "DOUBLE"}, {"9007199254740993.0", "VARCHAR"}, {"2024-01-31", "DATE"}, {"2024-02-30", "VARCHAR"}, {"01/02/2024", "VARCHAR"},
		{"2024-01-31T10:00:00|2024-01-31 10:00", "TIMESTAMP"}, {"2024-01-31|2024-01-31 10:00", "VARCHAR"}, {"2024-01-31T10:00:00Z|2024-01-31T10:00:00+02:00", "TIMESTAMP WITH TIME ZONE"},
		{"2024-01-31T10:00:00Z|2024-01-31T10:00:00", "VARCHAR"}, {"10:00:00", "VARCHAR"}, {"123e4567-e89b-12d3-a456-426614174000", "VARCHAR"}, {"true|1", "VARCHAR"}, {"NaN", "VARCHAR"}, {"1 ", "BIGINT"},
	} {
		var g Guess
		for i, text := range strings.Split(c.texts, "|") {
			var one Guess
			one.Text([]byte(text))
			if i%2 == 0 {
				g.Merge(one)
			} else {
				g.Text([]byte(text))
			}
		}
		if got := g.Type().String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.texts, got, c.want)
		}
	}
	var g Guess
	if g.Seen() || g.Type().Kind != schemas.Varchar {
		t.Errorf("nothing: %s", g.Type())
	}
	g.Number([]byte("1e5"))
	g.Number([]byte("3"))
	if g.Type().Kind != schemas.Double {
		t.Errorf("JSON numbers: %s", g.Type())
	}
	g.JSONText([]byte("5"))
	if g.Type().Kind != schemas.Varchar {
		t.Errorf("a number and a text: %s", g.Type())
	}
}
