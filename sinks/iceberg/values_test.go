package iceberg

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/iceberg-go"
	_ "github.com/duckdb/duckdb-go/v2"
	"pgregory.net/rapid"

	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

func TestTimesAgreeWithDuckDB(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("SET TimeZone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query(`SELECT n, make_timestamp(n)::VARCHAR, make_timestamptz(n)::VARCHAR, (epoch_ms(n // 1000)::DATE - DATE '1970-01-01')::INTEGER, epoch_ms(n // 1000)::DATE::VARCHAR,
			abs(n) % 86400000000, (TIME '00:00:00' + to_microseconds(abs(n) % 86400000000))::VARCHAR
		FROM (SELECT unnest([0, 1, -1, -62135596800000000, -62135596800000001, -99999999999999999, 253402300799999999, 253402300800000000, 9000000000000000000])::BIGINT AS n
			UNION ALL SELECT ((random() - 0.5) * 2e17)::BIGINT FROM range(2000))`)
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for rows.Next() {
		var n, micros int64
		var days int32
		var ts, tz, dt, tm string
		if err := rows.Scan(&n, &ts, &tz, &days, &dt, &micros, &tm); err != nil {
			t.Fatal(err)
		}
		checked++
		if got, err := timestamp(ts); err != nil || got != n {
			t.Errorf("timestamp %s: %d, %v, want %d", ts, got, err, n)
		}
		if got, err := timestamp(tz); err != nil || got != n {
			t.Errorf("timestamp with zone %s: %d, %v, want %d", tz, got, err, n)
		}
		if got, err := date(dt); err != nil || got != days {
			t.Errorf("date %s: %d, %v, want %d", dt, got, err, days)
		}
		if got, err := clock(tm); err != nil || got != micros {
			t.Errorf("time %s: %d, %v, want %d", tm, got, err, micros)
		}
	}
	if err := rows.Err(); err != nil || checked < 2000 {
		t.Fatal(checked, err)
	}
}

func TestNoValues(t *testing.T) {
	for text, typ := range map[string]iceberg.Type{
		"2024-1-2": iceberg.PrimitiveTypes.Date, "": iceberg.PrimitiveTypes.Date, "2024-01-02x": iceberg.PrimitiveTypes.Date, "2024-01-02": iceberg.PrimitiveTypes.Timestamp,
		"2024-01-02 10:00:00+x": iceberg.PrimitiveTypes.TimestampTz, "2024-01-02 10:00:00+01": iceberg.PrimitiveTypes.TimestampTz, "2024-01-02 10:00:00-03:30": iceberg.PrimitiveTypes.TimestampTz, "25:00:00": iceberg.PrimitiveTypes.Time, "yes": iceberg.PrimitiveTypes.Bool,
		"2147483648": iceberg.PrimitiveTypes.Int32, "1.5": iceberg.PrimitiveTypes.Int64, "xyz": iceberg.PrimitiveTypes.Binary, "\xff": iceberg.PrimitiveTypes.String,
		"abc": iceberg.PrimitiveTypes.UUID, "x": iceberg.DecimalTypeOf(9, 2), "1e": iceberg.PrimitiveTypes.Float64,
	} {
		if v, err := value(typ, text); err == nil {
			t.Errorf("%q is read as %s %v", text, typ, v)
		}
		if lowerBound(typ, text) != nil || upperBound(typ, text) != nil {
			t.Errorf("%q is a bound of %s", text, typ)
		}
	}
}

func TestTextBoundsHoldTheValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune{'a', 0x10FFFF, 0xD7FF, 'é'}), 0, 40, -1)).Draw(t, "s")
		low, high := lowerBound(iceberg.PrimitiveTypes.String, s), upperBound(iceberg.PrimitiveTypes.String, s)
		if bytes.Compare(low, []byte(s)) > 0 || !utf8.Valid(low) || utf8.RuneCount(low) > boundLength {
			t.Fatalf("lower bound %q of %q", low, s)
		}
		if high == nil {
			if strings.Trim(string([]rune(s)[:boundLength]), "\U0010FFFF") != "" {
				t.Fatalf("%q has no upper bound", s)
			}
			return
		}
		if bytes.Compare(high, []byte(s)) < 0 || !utf8.Valid(high) || utf8.RuneCount(high) > boundLength {
			t.Fatalf("upper bound %q of %q", high, s)
		}
		if len([]rune(s)) <= boundLength && (string(low) != s || string(high) != s) {
			t.Fatalf("bounds of the short %q are cut", s)
		}
	})
}

func TestBlobBoundsHoldTheValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xfe, 0xff}), 0, 40).Draw(t, "b")
		text := strings.ToUpper(hex.EncodeToString(b))
		low, high := lowerBound(iceberg.PrimitiveTypes.Binary, text), upperBound(iceberg.PrimitiveTypes.Binary, text)
		if bytes.Compare(low, b) > 0 || len(low) > boundLength || low == nil {
			t.Fatalf("lower bound %x of %x", low, b)
		}
		if high == nil && !bytes.HasPrefix(b, bytes.Repeat([]byte{0xff}, boundLength)) || high != nil && bytes.Compare(high, b) < 0 || len(high) > boundLength {
			t.Fatalf("upper bound %x of %x", high, b)
		}
	})
}

func TestDecimalBoundsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scale := rapid.IntRange(0, 38).Draw(t, "scale")
		digits := rapid.StringMatching(`[0-9]{38}`).Draw(t, "digits")
		negative := rapid.Bool().Draw(t, "negative")
		text := digits[:38-scale]
		if text = strings.TrimLeft(text, "0"); text == "" {
			text = "0"
		}
		if scale > 0 {
			text += "." + digits[38-scale:]
		}
		want, _ := new(big.Int).SetString(digits, 10)
		if negative {
			text = "-" + text
			want.Neg(want)
		}
		got := lowerBound(iceberg.DecimalTypeOf(38, scale), text)
		if len(got) == 0 {
			t.Fatalf("%s has no bound", text)
		}
		n := new(big.Int).SetBytes(got)
		if got[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(got))))
		}
		if n.Cmp(want) != 0 {
			t.Fatalf("%s is encoded as %s", text, n)
		}
	})
}

func TestEqualityDeletesAreRefused(t *testing.T) {
	s := &metadata.Snapshot{Summary: metadata.Summary{"total-equality-deletes": "2"}}
	if err := checkDeletes("t", s); err == nil || !strings.Contains(err.Error(), "compact") {
		t.Errorf("error %v", err)
	}
	s.Summary["total-equality-deletes"] = "0"
	if err := checkDeletes("t", s); err != nil {
		t.Error(err)
	}
}

func TestPathsAreTakenLiterally(t *testing.T) {
	for _, path := range []string{"/a b/c%20d", "/é/x=1", "/p?q#r"} {
		if got := local(lake.URI(path)); got != path {
			t.Errorf("%s became %s", path, got)
		}
	}
	if got := local("file:/x/y"); got != "/x/y" { // Hadoop's spelling
		t.Errorf("file:/x/y became %s", got)
	}
}
