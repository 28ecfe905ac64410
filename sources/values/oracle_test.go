package values

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
)

// oracle is the value of a text, found out without DuckDB and without this package; ok is false where it does not know.
func oracle(text string, t schemas.Type) (value string, ok bool) {
	switch t.Kind {
	case schemas.BigInt, schemas.Integer, schemas.Decimal:
		_, fine := new(big.Rat).SetString(text)
		return text, fine && !strings.ContainsAny(text, "/_x")
	case schemas.Double, schemas.Float:
		f, err := strconv.ParseFloat(text, map[schemas.Kind]int{schemas.Double: 64, schemas.Float: 32}[t.Kind])
		return strconv.FormatFloat(f, 'g', -1, 64), err == nil
	case schemas.Date:
		return moment(text, "2006-01-02", "2006-01-02")
	case schemas.Timestamp:
		return moment(text, "2006-01-02 15:04:05.000000", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02")
	case schemas.TimestampTZ:
		return moment(text, "2006-01-02 15:04:05.000000", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z07",
			"2006-01-02T15:04:05", "2006-01-02T15:04")
	case schemas.Time:
		return moment(text, "15:04:05.000000", "15:04:05", "15:04")
	case schemas.Blob:
		return hex.EncodeToString([]byte(text)), true
	}
	return text, t.Kind == schemas.Boolean || t.Kind == schemas.UUID || t.Kind == schemas.Varchar
}

func moment(text, out string, layouts ...string) (string, bool) {
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC().Format(out), true
		}
	}
	return "", false
}

// shown is the SQL of a value as the oracle writes it.
func shown(v string, t schemas.Type) string {
	switch t.Kind {
	case schemas.Timestamp:
		return "strftime(" + v + ", '%Y-%m-%d %H:%M:%S.%f')"
	case schemas.TimestampTZ:
		return "strftime(" + v + " AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f')"
	case schemas.Time:
		return "strftime(DATE '2024-01-01' + " + v + ", '%H:%M:%S.%f')"
	case schemas.Blob:
		return "lower(hex(" + v + "))"
	}
	return "CAST(" + v + " AS VARCHAR)"
}

// randomText makes a text that may be one of the type, of pieces that stand where they belong most of the time.
func randomText(r *rand.Rand, t schemas.Type) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	maybe := func(text string) string { return pick("", text) }
	digits := func(most int) string {
		var b strings.Builder
		for range 1 + r.IntN(most) {
			b.WriteByte(byte('0' + r.IntN(10)))
		}
		return b.String()
	}
	two := func(below int) string {
		return pick(fmt.Sprintf("%02d", r.IntN(below+2)), fmt.Sprintf("%02d", r.IntN(below)), fmt.Sprintf("%02d", r.IntN(below)), digits(2))
	}
	date := func() string {
		return pick(fmt.Sprintf("%04d", r.IntN(10000)), "2024", "2023", digits(5)) + pick("-", "-", "-", "/") + two(13) + "-" + two(32)
	}
	clock := func() string {
		return two(24) + ":" + two(60) + pick("", "", ":"+two(60), ":"+two(60), ":"+two(60)+"."+digits(9))
	}
	offset := func() string {
		return pick("", "Z", "z", "UTC", " Z", " UTC", "+00", pick("+", "-")+two(24), pick("+", "-")+two(24)+":"+two(60), pick("+", "-")+two(24)+two(60), pick("+", "-")+digits(4), " Europe/Berlin")
	}
	switch t.Kind {
	case schemas.Date, schemas.Timestamp, schemas.TimestampTZ:
		return maybe(pick("", " ", "-")) + date() + pick("", pick("T", " ", "t", "  ")+clock()+offset(), "T"+clock()+offset(), " "+digits(2)) + pick("", "", "", " ", "x", " (BC)")
	case schemas.Time:
		return maybe(pick("", " ", "T", date()+" ")) + clock() + offset() + pick("", "", "", " ", "x", " x")
	case schemas.Boolean:
		return pick("true", "false", "t", "f", "1", "0", "TRUE", "yes", "No", "on", "off", " true", "truE", "2")
	case schemas.UUID:
		return pick("123e4567-e89b-12d3-a456-426614174000", "123E4567-e89b-12d3-a456-426614174000", "{123e4567-e89b-12d3-a456-426614174000}", "123e4567e89b12d3a456426614174000", digits(36))
	case schemas.Blob, schemas.Varchar:
		return pick(`\x41`, `\`, "é", "a", `\x`, "\x01", "\U0001F600") + pick("", digits(3), `\x0`, `\\`)
	}
	return pick("", "", "", "-", "+", " ") + pick("", "0", digits(3), digits(20), digits(40)) + pick("", "", "."+digits(6), ".", "."+digits(20), ".000", "_1", ",5") +
		pick("", "", "", "e"+pick("", "+", "-")+digits(3), "E5", " ", "x")
}

var words = []string{"epoch", "infinity", "-infinity", "now", "today", "tomorrow", "yesterday", "nan", "inf", "-inf", "NaN", "null", "NULL", "current_timestamp", "noon", "0", "-", "", " "}

// TestCastsAreTheTexts holds what the quick look lets through, and what SQL finds without a loss, against the oracle:
// DuckDB makes the same value of it.
func TestCastsAreTheTexts(t *testing.T) {
	conn := connect(t)
	random := rand.New(rand.NewPCG(7, 8))
	for _, name := range []string{"BIGINT", "INTEGER", "DECIMAL(9,3)", "DECIMAL(38,0)", "DOUBLE", "FLOAT", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIME", "UUID", "BLOB", "VARCHAR"} {
		typ, err := schemas.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		texts := append([]string(nil), words...)
		for range 700 {
			texts = append(texts, randomText(random, typ))
		}
		let := 0
		for _, group := range chunks(texts, 500) {
			let += castAndCompare(t, conn, group, typ)
		}
		if let == 0 {
			t.Errorf("%s: no text fits", name)
		}
	}
}

func chunks(texts []string, size int) (out [][]string) {
	for len(texts) > size {
		out, texts = append(out, texts[:size]), texts[size:]
	}
	return append(out, texts)
}

// cast is what becomes of the texts by an expression over v, which is NULL or as the oracle writes it, and whether they
// are lossy.
func cast(t *testing.T, conn *sql.Conn, texts []string, expression string, typ schemas.Type) (out []*string, lossy []bool) {
	t.Helper()
	args, marks := make([]any, len(texts)), make([]string, len(texts))
	for i, text := range texts {
		args[i], marks[i] = text, fmt.Sprintf("(%d, ?::VARCHAR)", i)
	}
	query := fmt.Sprintf("SELECT %s, %s FROM (VALUES %s) AS x(i, v) ORDER BY i", shown(expression, typ), Lossy("v", typ), strings.Join(marks, ", "))
	rows, err := conn.QueryContext(context.Background(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s *string
		var b bool
		if err := rows.Scan(&s, &b); err != nil {
			t.Fatal(err)
		}
		out, lossy = append(out, s), append(lossy, b)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out, lossy
}

func castAndCompare(t *testing.T, conn *sql.Conn, texts []string, typ schemas.Type) (let int) {
	t.Helper()
	want := func(text string) (string, bool) {
		if typ.Kind != schemas.Varchar && typ.Kind != schemas.Blob {
			text = strings.Trim(text, " ")
		}
		return oracle(text, typ)
	}
	var quick []string
	got, lossy := cast(t, conn, texts, Cast("v", typ), typ)
	for i, text := range texts {
		fits := Fits([]byte(text), typ)
		if fits {
			quick = append(quick, text)
		}
		value, known := want(text)
		switch {
		case fits && (lossy[i] || !known):
			t.Errorf("%s %q fits for the quick look: lossy %v, known to the oracle %v", typ, text, lossy[i], known)
		case !lossy[i] && got[i] == nil:
			t.Errorf("%s %q is said to fit, and is NULL", typ, text)
		case !lossy[i] && known && !alike(*got[i], value, typ):
			t.Errorf("%s %q becomes %s, not %s", typ, text, *got[i], value)
		}
	}
	if typ.Kind == schemas.Blob || len(quick) == 0 { // its escapes are DuckDB's own
		return len(quick)
	}
	got, _ = cast(t, conn, quick, "TRY_CAST(v AS "+typ.String()+")", typ)
	for i, text := range quick {
		if value, _ := want(text); got[i] == nil || !alike(*got[i], value, typ) {
			t.Errorf("%s %q fits for the quick look, and DuckDB makes %s of it, not %s", typ, text, deref(got[i]), value)
		}
	}
	return len(quick)
}

func deref(s *string) string {
	if s == nil {
		return "NULL"
	}
	return *s
}

// alike compares numbers by value: the oracle may write them otherwise.
func alike(a, b string, t schemas.Type) bool {
	switch t.Kind {
	case schemas.Double, schemas.Float:
		bits := map[schemas.Kind]int{schemas.Double: 64, schemas.Float: 32}[t.Kind]
		x, err1 := strconv.ParseFloat(a, bits)
		y, err2 := strconv.ParseFloat(b, bits)
		return err1 == nil && err2 == nil && (x == y || x != x && y != y)
	case schemas.Boolean:
		return a == map[string]string{"1": "true", "t": "true", "yes": "true", "y": "true", "true": "true"}[strings.ToLower(b)] ||
			a == map[string]string{"0": "false", "f": "false", "no": "false", "n": "false", "false": "false"}[strings.ToLower(b)]
	case schemas.BigInt, schemas.Integer, schemas.Decimal:
		x, ok1 := new(big.Rat).SetString(a)
		y, ok2 := new(big.Rat).SetString(b)
		return ok1 && ok2 && x.Cmp(y) == 0
	case schemas.UUID:
		return strings.EqualFold(a, b)
	}
	return a == b
}
