package duck

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// open starts a DuckDB that may use a folder of the test, and returns both.
func open(t testing.TB, c Config) (*DB, string) {
	t.Helper()
	dir := t.TempDir()
	c.Folders = append(c.Folders, dir)
	db, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db, dir
}

// value is one value: as SQL and as Iceberg knows it.
type value struct {
	sql     string
	literal iceberg.Literal
}

// texts come with everything that a prefix of characters can get wrong: code points of all lengths, combining ones, and
// nothing.
var texts = rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringOfN(rapid.RuneFrom([]rune("aé€😀\u0301/%='\"\\ \u00a0")), 0, 12, -1))

// micros are within the years that an hour since 1970 fits into 32 bits for.
var micros = rapid.OneOf(rapid.Int64Range(-7e18, 7e18), rapid.Int64Range(-1e16, 1e16),
	rapid.Custom(func(t *rapid.T) int64 { // just before and after full hours, days and years
		return rapid.Int64Range(-1_900_000_000, 1_900_000_000).Draw(t, "hour")*3_600_000_000 + rapid.Int64Range(-1, 1).Draw(t, "off")
	}), rapid.SampledFrom([]int64{0, -1, 1, -86_400_000_000, -62_135_596_800_000_000, -62_135_596_800_000_001}))

// transformable are the types that transforms take, with random values of them.
var transformable = []struct {
	typ        string
	transforms string
	draw       func(t *rapid.T) value
}{
	{"INTEGER", "bucket truncate", func(t *rapid.T) value {
		n := rapid.Int32().Draw(t, "v")
		return value{fmt.Sprintf("'%d'", n), iceberg.Int32Literal(n)}
	}},
	{"BIGINT", "bucket truncate", func(t *rapid.T) value {
		n := rapid.Int64().Draw(t, "v")
		return value{fmt.Sprintf("'%d'", n), iceberg.Int64Literal(n)}
	}},
	{"DECIMAL(9,2)", "bucket truncate", func(t *rapid.T) value { return drawDecimal(t, 9, 2) }},
	{"DECIMAL(18,0)", "bucket truncate", func(t *rapid.T) value { return drawDecimal(t, 18, 0) }},
	{"DECIMAL(38,10)", "bucket truncate", func(t *rapid.T) value { return drawDecimal(t, 37, 10) }},
	{"DECIMAL(5,5)", "bucket truncate", func(t *rapid.T) value { return drawDecimal(t, 4, 5) }},
	{"VARCHAR", "bucket truncate", func(t *rapid.T) value {
		s := strings.ReplaceAll(texts.Draw(t, "v"), "\x00", "0")
		return value{quote.Text(s), iceberg.StringLiteral(s)}
	}},
	{"BLOB", "bucket", func(t *rapid.T) value {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "v")
		return value{"from_hex('" + hex.EncodeToString(b) + "')", iceberg.BinaryLiteral(b)}
	}},
	{"UUID", "bucket", func(t *rapid.T) value {
		u := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v"))
		return value{"'" + u.String() + "'", iceberg.UUIDLiteral(u)}
	}},
	{"DATE", "year month day bucket", func(t *rapid.T) value {
		n := rapid.OneOf(rapid.Int32Range(-2_000_000, 80_000_000), rapid.Int32Range(-800_000, 50_000), rapid.SampledFrom([]int32{0, -1, -365, -719_162, -719_163})).Draw(t, "v")
		return value{fmt.Sprintf("DATE '1970-01-01' + CAST(%d AS INTEGER)", n), iceberg.DateLiteral(n)}
	}},
	{"TIME", "bucket", func(t *rapid.T) value {
		n := rapid.Int64Range(0, 86_399_999_999).Draw(t, "v")
		return value{fmt.Sprintf("TIME '00:00:00' + to_microseconds(%d)", n), iceberg.TimeLiteral(n)}
	}},
	{"TIMESTAMP", "year month day hour bucket", func(t *rapid.T) value {
		n := micros.Draw(t, "v")
		return value{fmt.Sprintf("make_timestamp(%d)", n), iceberg.TimestampLiteral(n)}
	}},
	{"TIMESTAMP WITH TIME ZONE", "year month day hour bucket", func(t *rapid.T) value {
		n := micros.Draw(t, "v")
		return value{fmt.Sprintf("make_timestamptz(%d)", n), iceberg.TimestampLiteral(n)}
	}},
}

// drawDecimal has up to digits digits, near zero and near the powers of 256 more often: there the bytes of a two's
// complement change.
func drawDecimal(t *rapid.T, digits, scale int) value {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	n := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, "v"))
	if rapid.Bool().Draw(t, "edge") {
		n.Lsh(big.NewInt(1), uint(8*rapid.IntRange(0, 15).Draw(t, "bytes")+rapid.SampledFrom([]int{0, 7}).Draw(t, "bit")))
		n.Add(n, big.NewInt(rapid.Int64Range(-2, 2).Draw(t, "off")))
	}
	n.Rem(n, limit)
	if rapid.Bool().Draw(t, "negative") {
		n.Neg(n)
	}
	text := decimalText(n, scale)
	d, err := iceberg.StringLiteral(text).To(iceberg.DecimalTypeOf(38, scale))
	if err != nil {
		t.Fatal(err)
	}
	return value{"'" + text + "'", d}
}

func decimalText(n *big.Int, scale int) string {
	text := new(big.Int).Abs(n).String()
	if scale > 0 {
		text = strings.Repeat("0", max(0, scale+1-len(text))) + text
		text = text[:len(text)-scale] + "." + text[len(text)-scale:]
	}
	if n.Sign() < 0 {
		return "-" + text
	}
	return text
}

// TestTransformsAreIcebergs compares the SQL of every transform over every type it takes with iceberg-go's own.
func TestTransformsAreIcebergs(t *testing.T) {
	db, _ := open(t, Config{})
	for _, typ := range transformable {
		for transform := range strings.FieldsSeq("identity " + typ.transforms) {
			t.Run(typ.typ+" "+transform, func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					p := schemas.PartitionField{Column: "c", Transform: transform, Name: "p"}
					if transform == "bucket" || transform == "truncate" {
						p.Arg = rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(1, 1<<30)).Draw(t, "arg") // above, iceberg-go's own sums overflow
					}
					checkTransform(t, db, p, typ.typ, rapid.SliceOfN(rapid.Custom(typ.draw), 1, 30).Draw(t, "values"))
				})
			})
		}
	}
}

func checkTransform(t *rapid.T, db *DB, p schemas.PartitionField, typ string, values []value) {
	parsed, err := schemas.Parse(typ)
	if err != nil {
		t.Fatal(err)
	}
	table := schemas.Table{{Name: "c", Type: parsed}}
	rows := make([]string, 0, len(values)+1)
	for i, v := range values {
		rows = append(rows, fmt.Sprintf("(%d, CAST(%s AS %s))", i, v.sql, typ))
	}
	rows = append(rows, fmt.Sprintf("(%d, CAST(NULL AS %s))", len(values), typ))
	found, err := db.Conn().QueryContext(context.Background(), fmt.Sprintf("SELECT CAST(%s AS VARCHAR), CAST(c AS VARCHAR) FROM (VALUES %s) v(i, c) ORDER BY i",
		TransformSQL(p, table), strings.Join(rows, ", ")))
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for i := 0; found.Next(); i++ {
		var got, was sql.NullString
		if err := found.Scan(&got, &was); err != nil {
			t.Fatal(err)
		}
		want := sql.NullString{}
		if i < len(values) {
			want = was // identity
			if p.Transform != "identity" {
				want = sql.NullString{String: icebergs(p, values[i].literal), Valid: true}
			}
		}
		if got != want {
			t.Fatalf("%s(%d) of %s is %q, want %q", p.Transform, p.Arg, was.String, got.String, want.String)
		}
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
}

// icebergs is iceberg-go's result of the transform, in DuckDB's spelling.
func icebergs(p schemas.PartitionField, v iceberg.Literal) string {
	text := p.Transform
	if p.Arg > 0 {
		text = fmt.Sprintf("%s[%d]", p.Transform, p.Arg)
	}
	transform, err := iceberg.ParseTransform(text)
	if err != nil {
		return err.Error()
	}
	out := transform.Apply(iceberg.Optional[iceberg.Literal]{Valid: true, Val: v})
	switch l := out.Val.(type) {
	case iceberg.DateLiteral:
		return fmt.Sprint(int32(l))
	case iceberg.DecimalLiteral:
		return decimalText(l.Val.BigInt(), l.Scale)
	default:
		return fmt.Sprint(out.Val)
	}
}
