package duck

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/big"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"
	"github.com/google/uuid"
	"github.com/twmb/murmur3"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// TransformSQL is the SQL of an Iceberg partition transform (Iceberg specification, "Partition Transforms") over the
// column of schema that p names.
func TransformSQL(p schemas.PartitionField, schema schemas.Table) string {
	col := quote.Name(p.Column)
	kind := schemas.Varchar
	if c := schema.Column(p.Column); c != nil {
		kind = c.Type.Kind
		col = quote.Name(c.Name)
	}
	switch p.Transform {
	case "year":
		return fmt.Sprintf("CAST(year(%s) - 1970 AS INTEGER)", zoneless(col, kind))
	case "month":
		return fmt.Sprintf("CAST((year(%[1]s) - 1970) * 12 + month(%[1]s) - 1 AS INTEGER)", zoneless(col, kind))
	case "day":
		return fmt.Sprintf("CAST(CAST(%s AS DATE) - DATE '1970-01-01' AS INTEGER)", zoneless(col, kind))
	case "hour":
		return fmt.Sprintf("CAST(%s // 3600000000 AS INTEGER)", floorTo("epoch_us("+col+")", 3600000000)) // a DOUBLE is too short for microseconds
	case "bucket":
		return bucketSQL(col, kind, p.Arg)
	case "truncate":
		return truncateSQL(col, kind, p.Arg)
	}
	return col
}

// A partition value becomes the name of a folder, and those have an end. A text of more bytes than maxKey, which may
// take three characters each, is represented by longKey and its hash while it is written.
const (
	maxKey  = 60
	longKey = "__long:"
)

// keySQL is the partition value that COPY makes a folder of.
func keySQL(p schemas.PartitionField, schema schemas.Table) string {
	value := TransformSQL(p, schema)
	c := schema.Column(p.Column)
	if c == nil || c.Type.Kind != schemas.Varchar && c.Type.Kind != schemas.Blob || p.Transform == "bucket" {
		return value
	}
	return fmt.Sprintf("CASE WHEN strlen(CAST(%[1]s AS VARCHAR)) > %d THEN '%s' || md5(CAST(%[1]s AS VARCHAR)) ELSE CAST(%[1]s AS VARCHAR) END", value, maxKey, longKey)
}

// lengthen reads the partition values that keySQL made shorter from the file's first row.
func (d *DB) lengthen(ctx context.Context, f lake.DataFile, l Layout) error {
	for _, p := range l.Partition {
		if v := f.Partition[p.Name]; v == nil || !strings.HasPrefix(*v, longKey) {
			continue
		}
		var text string
		query := fmt.Sprintf("SELECT CAST(%s AS VARCHAR) FROM %s LIMIT 1", TransformSQL(p, l.Schema), ReadFiles(l.Schema, []lake.DataFile{f}))
		if err := d.conn.QueryRowContext(ctx, query).Scan(&text); err != nil {
			return fmt.Errorf("read the partition value of %s: %w", f.Path, err)
		}
		f.Partition[p.Name] = &text
	}
	return nil
}

// zoneless is the UTC wall time of a timestamp with time zone; DuckDB's session is in UTC.
func zoneless(col string, kind schemas.Kind) string {
	if kind == schemas.TimestampTZ {
		return "CAST(" + col + " AS TIMESTAMP)"
	}
	return col
}

func truncateSQL(col string, kind schemas.Kind, width int) string {
	if kind == schemas.Varchar {
		return fmt.Sprintf("left(%s, %d)", col, width)
	}
	if kind == schemas.Decimal {
		// The width counts in units of the last digit, so the unscaled value is truncated.
		return fmt.Sprintf("__truncate_decimal(%d, CAST(%s AS VARCHAR))", width, col)
	}
	// Near the least integer the result wraps around in Iceberg. Here it is computed with more bits, then cut.
	wide, bits, kept := "BIGINT", "2147483648", "4294967295"
	if kind == schemas.BigInt {
		wide, bits, kept = "HUGEINT", "9223372036854775808", "18446744073709551615"
	}
	return fmt.Sprintf("CAST(((%[1]s + %[2]s) & %[3]s) - %[2]s AS %[4]s)", floorTo("CAST("+col+" AS "+wide+")", int64(width)), bits, kept, schemas.Type{Kind: kind})
}

// floorTo is the greatest multiple of width that is not above the integer n.
func floorTo(n string, width int64) string {
	return fmt.Sprintf("(%[1]s - (((%[1]s %% %[2]d) + %[2]d) %% %[2]d))", n, width)
}

func bucketSQL(col string, kind schemas.Kind, n int) string {
	switch kind {
	case schemas.Integer, schemas.BigInt:
		return fmt.Sprintf("__bucket_long(%d, CAST(%s AS BIGINT))", n, col)
	case schemas.Date:
		return fmt.Sprintf("__bucket_long(%d, CAST(%s - DATE '1970-01-01' AS BIGINT))", n, col)
	case schemas.Time:
		return fmt.Sprintf("__bucket_long(%d, epoch_us(%s))", n, col)
	case schemas.Timestamp, schemas.TimestampTZ:
		return fmt.Sprintf("__bucket_long(%d, epoch_us(%s))", n, col)
	case schemas.Decimal:
		return fmt.Sprintf("__bucket_decimal(%d, CAST(%s AS VARCHAR))", n, col)
	case schemas.UUID:
		return fmt.Sprintf("__bucket_uuid(%d, CAST(%s AS VARCHAR))", n, col)
	case schemas.Blob:
		return fmt.Sprintf("__bucket_blob(%d, %s)", n, col)
	}
	return fmt.Sprintf("__bucket_text(%d, %s)", n, col)
}

// registerBuckets defines the functions that DuckDB lacks: Iceberg's bucket transform hashes with 32-bit Murmur3.
func registerBuckets(conn *sql.Conn) error {
	bucket := func(hash func(v any) ([]byte, error)) func([]driver.Value) (any, error) {
		return func(args []driver.Value) (any, error) {
			b, err := hash(args[1])
			if err != nil {
				return nil, err
			}
			return int32(murmur3.Sum32(b)&0x7fffffff) % args[0].(int32), nil
		}
	}
	for _, f := range []struct {
		name   string
		input  duckdb.Type
		result duckdb.Type
		row    func([]driver.Value) (any, error)
	}{
		{"__bucket_long", duckdb.TYPE_BIGINT, duckdb.TYPE_INTEGER, bucket(hashLong)},
		{"__bucket_text", duckdb.TYPE_VARCHAR, duckdb.TYPE_INTEGER, bucket(func(v any) ([]byte, error) { return []byte(v.(string)), nil })},
		{"__bucket_blob", duckdb.TYPE_BLOB, duckdb.TYPE_INTEGER, bucket(func(v any) ([]byte, error) { return v.([]byte), nil })},
		{"__bucket_uuid", duckdb.TYPE_VARCHAR, duckdb.TYPE_INTEGER, bucket(hashUUID)},
		{"__bucket_decimal", duckdb.TYPE_VARCHAR, duckdb.TYPE_INTEGER, bucket(hashDecimal)},
		{"__truncate_decimal", duckdb.TYPE_VARCHAR, duckdb.TYPE_VARCHAR, truncateDecimal},
	} {
		fn, err := newRowFunc(f.input, f.result, f.row)
		if err != nil {
			return err
		}
		if err := duckdb.RegisterScalarUDF(conn, f.name, fn); err != nil {
			return fmt.Errorf("register %s: %w", f.name, err)
		}
	}
	return nil
}

// rowFunc is a scalar function f(INTEGER, input) -> result; NULL in, NULL out.
type rowFunc struct {
	config duckdb.ScalarFuncConfig
	row    func([]driver.Value) (any, error)
}

func newRowFunc(input, result duckdb.Type, row func([]driver.Value) (any, error)) (*rowFunc, error) {
	n, err := duckdb.NewTypeInfo(duckdb.TYPE_INTEGER)
	if err != nil {
		return nil, err
	}
	in, err := duckdb.NewTypeInfo(input)
	if err != nil {
		return nil, err
	}
	out, err := duckdb.NewTypeInfo(result)
	if err != nil {
		return nil, err
	}
	return &rowFunc{duckdb.ScalarFuncConfig{InputTypeInfos: []duckdb.TypeInfo{n, in}, ResultTypeInfo: out}, row}, nil
}

func (f *rowFunc) Config() duckdb.ScalarFuncConfig { return f.config }

func (f *rowFunc) Executor() duckdb.ScalarFuncExecutor {
	return duckdb.ScalarFuncExecutor{RowExecutor: f.row}
}

func hashLong(v any) ([]byte, error) {
	n := uint64(v.(int64))
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	return b, nil
}

func hashUUID(v any) ([]byte, error) {
	u, err := uuid.Parse(v.(string))
	return u[:], err
}

// hashDecimal gives the unscaled value as the shortest two's complement, big endian.
func hashDecimal(v any) ([]byte, error) {
	n, _, err := unscaled(v.(string))
	if err != nil {
		return nil, err
	}
	if n.Sign() >= 0 {
		b := n.Bytes()
		if len(b) == 0 || b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return b, nil
	}
	size := len(new(big.Int).Not(n).Bytes())
	if size == 0 || new(big.Int).Not(n).Bit(size*8-1) == 1 {
		size++
	}
	return new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(size*8))).FillBytes(make([]byte, size)), nil
}

func truncateDecimal(args []driver.Value) (any, error) {
	n, scale, err := unscaled(args[1].(string))
	if err != nil {
		return nil, err
	}
	width := big.NewInt(int64(args[0].(int32)))
	n.Sub(n, new(big.Int).Mod(n, width)) // big.Int.Mod is Euclidean: never negative
	text := new(big.Int).Abs(n).String()
	for len(text) <= scale {
		text = "0" + text
	}
	if scale > 0 {
		text = text[:len(text)-scale] + "." + text[len(text)-scale:]
	}
	if n.Sign() < 0 {
		text = "-" + text
	}
	return text, nil
}

// unscaled splits DuckDB's text of a decimal into its digits as one number, and how many of them stand behind the
// point.
func unscaled(text string) (*big.Int, int, error) {
	scale := 0
	digits := make([]byte, 0, len(text))
	for i := range len(text) {
		if text[i] == '.' {
			scale = len(text) - i - 1
			continue
		}
		digits = append(digits, text[i])
	}
	n, ok := new(big.Int).SetString(string(digits), 10)
	if !ok {
		return nil, 0, fmt.Errorf("%q is not a decimal", text)
	}
	return n, scale, nil
}
