package debezium

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// convert appends a value that is not null as DuckDB casts it to the column without a loss. An error says what the
// value is, and what it should be.
type convert func(out []byte, raw json.RawMessage) ([]byte, error)

// column is the type of a value with this schema, and how it becomes one.
func (n *connectSchema) column() (schemas.Type, convert) {
	kind := func(k schemas.Kind, c convert) (schemas.Type, convert) { return schemas.Type{Kind: k}, c }
	switch n.Name {
	case "org.apache.kafka.connect.data.Date", "io.debezium.time.Date":
		return kind(schemas.Date, instants("DATE", "2006-01-02", 24*time.Hour))
	case "org.apache.kafka.connect.data.Timestamp", "io.debezium.time.Timestamp":
		return kind(schemas.Timestamp, instants("TIMESTAMP", timestampLayout, time.Millisecond))
	case "io.debezium.time.MicroTimestamp":
		return kind(schemas.Timestamp, instants("TIMESTAMP", timestampLayout, time.Microsecond))
	case "org.apache.kafka.connect.data.Time", "io.debezium.time.Time":
		return kind(schemas.Time, timesOfDay(time.Millisecond))
	case "io.debezium.time.MicroTime":
		return kind(schemas.Time, timesOfDay(time.Microsecond))
	case "io.debezium.time.ZonedTimestamp":
		return kind(schemas.TimestampTZ, zoned)
	case "io.debezium.data.Uuid":
		return kind(schemas.UUID, texts)
	case "io.debezium.data.VariableScaleDecimal":
		return kind(schemas.Varchar, variableDecimal)
	case "org.apache.kafka.connect.data.Decimal":
		return n.decimal()
	}
	switch n.Type {
	case "int8", "int16", "int32":
		return kind(schemas.Integer, integers(n.Type, 32))
	case "int64":
		return kind(schemas.BigInt, integers(n.Type, 64))
	case "float", "float32":
		return kind(schemas.Float, floats("float32", 32))
	case "double", "float64":
		return kind(schemas.Double, floats("float64", 64))
	case "boolean":
		return kind(schemas.Boolean, booleans)
	case "string":
		return kind(schemas.Varchar, texts)
	case "bytes":
		return kind(schemas.Blob, blobs)
	}
	return n.nested()
}

// nested is the type of values that hold others. What has no type of its own is JSON in a text.
func (n *connectSchema) nested() (schemas.Type, convert) {
	switch {
	case n.Type == "array" && n.Items != nil:
		elem, inner := n.Items.column()
		return schemas.Type{Kind: schemas.List, Elem: &elem}, lists(field{convert: inner})
	case n.Type == "map" && n.Values != nil && n.Keys != nil && n.Keys.Type == "string":
		key := schemas.Type{Kind: schemas.Varchar}
		elem, inner := n.Values.column()
		return schemas.Type{Kind: schemas.Map, Key: &key, Elem: &elem}, mapsOf(field{convert: inner})
	case n.Type == "struct" && len(n.Fields) > 0:
		t, fields := structOf(n.Fields)
		return schemas.Type{Kind: schemas.Struct, Fields: t}, structs(fields)
	}
	return schemas.Type{Kind: schemas.Varchar}, func(out []byte, raw json.RawMessage) ([]byte, error) {
		return jsonrecords.AppendText(out, raw), nil
	}
}

// maxDigits is what DECIMAL holds.
const maxDigits = 38

// decimal is one whose scale is fixed. A precision that is not known is the greatest there is.
func (n *connectSchema) decimal() (schemas.Type, convert) {
	scale, err := strconv.Atoi(n.Parameters["scale"])
	if err != nil || scale < 0 || scale > maxDigits { // a negative scale puts zeros behind
		return schemas.Type{Kind: schemas.Varchar}, decimals(scale, 0)
	}
	precision, err := strconv.Atoi(n.Parameters["connect.decimal.precision"])
	switch {
	case err != nil || precision <= 0:
		precision = maxDigits
	case precision > maxDigits || scale > precision:
		return schemas.Type{Kind: schemas.Varchar}, decimals(scale, 0)
	}
	return schemas.Type{Kind: schemas.Decimal, Precision: precision, Scale: scale}, decimals(scale, precision)
}

func isNot(raw json.RawMessage, what string) error {
	shown := string(raw)
	if len(shown) > 100 {
		shown = shown[:100] + "…"
	}
	return fmt.Errorf("%s is not %s", shown, what)
}

func integers(name string, bits int) convert {
	return func(out []byte, raw json.RawMessage) ([]byte, error) {
		if _, err := strconv.ParseInt(string(raw), 10, bits); err != nil {
			return out, isNot(raw, name)
		}
		return append(out, raw...), nil
	}
}

func floats(name string, bits int) convert {
	return func(out []byte, raw json.RawMessage) ([]byte, error) {
		switch string(raw) {
		case `"NaN"`, `"Infinity"`, `"-Infinity"`:
			return append(out, raw...), nil
		}
		if _, err := strconv.ParseFloat(string(raw), bits); err != nil {
			return out, isNot(raw, name)
		}
		return append(out, raw...), nil
	}
}

func booleans(out []byte, raw json.RawMessage) ([]byte, error) {
	if s := string(raw); s != "true" && s != "false" {
		return out, isNot(raw, "boolean")
	}
	return append(out, raw...), nil
}

func texts(out []byte, raw json.RawMessage) ([]byte, error) {
	if raw[0] != '"' {
		return out, isNot(raw, "a text")
	}
	return append(out, raw...), nil
}

func bytesOf(raw json.RawMessage) ([]byte, error) {
	var encoded string
	if json.Unmarshal(raw, &encoded) != nil {
		return nil, isNot(raw, "bytes in base64")
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, isNot(raw, "bytes in base64")
	}
	return b, nil
}

func blobs(out []byte, raw json.RawMessage) ([]byte, error) {
	b, err := bytesOf(raw)
	if err != nil {
		return out, err
	}
	return append(hex.AppendEncode(append(out, `"\\x`...), b), '"'), nil
}

// unscaled is a number in two's complement, the greatest byte first.
func unscaled(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return n
}

// point writes a number with the last digits behind a point; a negative scale puts zeros behind it.
func point(n *big.Int, scale int) string {
	if scale <= 0 {
		if n.Sign() == 0 {
			return "0"
		}
		return n.String() + strings.Repeat("0", -scale)
	}
	digits := new(big.Int).Abs(n).String()
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// maxScale bounds the zeros that a scale stands for.
const maxScale = 20_000

// decimals are bytes, or numbers where decimal.format is numeric. Precision 0 means any.
func decimals(scale, precision int) convert {
	return func(out []byte, raw json.RawMessage) ([]byte, error) {
		if raw[0] != '"' {
			return decimalNumber(out, raw, scale, precision)
		}
		b, err := bytesOf(raw)
		if err != nil || len(b) == 0 || scale < -maxScale || scale > maxScale {
			return out, isNot(raw, "a decimal")
		}
		n := unscaled(b)
		if precision > 0 && len(new(big.Int).Abs(n).String()) > precision {
			return out, fmt.Errorf("%s is not DECIMAL(%d,%d)", point(n, scale), precision, scale)
		}
		return append(append(append(out, '"'), point(n, scale)...), '"'), nil
	}
}

// decimalNumber takes a number that has no more digits than the column holds.
func decimalNumber(out []byte, raw json.RawMessage, scale, precision int) ([]byte, error) {
	number := string(raw)
	if precision == 0 {
		return jsonrecords.AppendText(out, raw), nil
	}
	_, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	r, ok := new(big.Rat), len(number) <= 2*maxDigits && len(exponent) < 4
	if ok {
		_, ok = r.SetString(number)
	}
	if !ok {
		return out, isNot(raw, "a decimal")
	}
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
	if !r.IsInt() || len(new(big.Int).Abs(r.Num()).String()) > precision {
		return out, isNot(raw, fmt.Sprintf("DECIMAL(%d,%d)", precision, scale))
	}
	return append(append(append(out, '"'), point(r.Num(), scale)...), '"'), nil
}

func variableDecimal(out []byte, raw json.RawMessage) ([]byte, error) {
	var v struct {
		Scale *int   `json:"scale"`
		Value []byte `json:"value"`
	}
	if json.Unmarshal(raw, &v) != nil || v.Scale == nil || len(v.Value) == 0 || *v.Scale < -maxScale || *v.Scale > maxScale {
		return out, isNot(raw, "a decimal with its scale")
	}
	return append(append(append(out, '"'), point(unscaled(v.Value), *v.Scale)...), '"'), nil
}

const timestampLayout = "2006-01-02 15:04:05.000000"

// instants are whole numbers of units since 1970. Years that have other than four digits are refused: some stand for
// infinity.
func instants(name, layout string, unit time.Duration) convert {
	perSecond := int64(time.Second / unit)
	return func(out []byte, raw json.RawMessage) ([]byte, error) {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return out, isNot(raw, "a whole number")
		}
		at := time.Unix(0, 0).UTC()
		if unit > time.Second {
			if at = at.AddDate(0, 0, int(min(max(n, -1<<22), 1<<22))); n < -1<<22 || n > 1<<22 {
				return out, fmt.Errorf("%s stands for no year from 1 to 9999, which %s is to hold", raw, name)
			}
		} else {
			seconds := n / perSecond
			at = time.Unix(seconds, (n-seconds*perSecond)*int64(unit)).UTC()
		}
		if at.Year() < 1 || at.Year() > 9999 {
			return out, fmt.Errorf("%s stands for no year from 1 to 9999, which %s is to hold", raw, name)
		}
		return append(at.AppendFormat(append(out, '"'), layout), '"'), nil
	}
}

func timesOfDay(unit time.Duration) convert {
	return func(out []byte, raw json.RawMessage) ([]byte, error) {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || n < 0 || n >= int64(24*time.Hour/unit) {
			return out, isNot(raw, "a time of the day, which TIME is to hold")
		}
		return append(time.Unix(0, 0).UTC().Add(time.Duration(n)*unit).AppendFormat(append(out, '"'), "15:04:05.000000"), '"'), nil
	}
}

func zoned(out []byte, raw json.RawMessage) ([]byte, error) {
	at, err := time.Parse(time.RFC3339Nano, text(raw))
	switch {
	case err != nil:
		return out, isNot(raw, "a time with its zone")
	case at.Nanosecond()%1000 != 0:
		return out, isNot(raw, "whole microseconds")
	case at.UTC().Year() < 1 || at.UTC().Year() > 9999:
		return out, errors.New(string(raw) + " stands for no year from 1 to 9999")
	}
	return append(at.UTC().AppendFormat(append(out, '"'), timestampLayout+"Z"), '"'), nil
}

func lists(elem field) convert {
	return func(out []byte, raw json.RawMessage) ([]byte, error) {
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			return out, isNot(raw, "an array")
		}
		out = append(out, '[')
		var err error
		for i, item := range items {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = elem.append(out, item); err != nil {
				return out, err
			}
		}
		return append(out, ']'), nil
	}
}

func mapsOf(elem field) convert {
	return func(out []byte, raw json.RawMessage) ([]byte, error) {
		members, isObject := jsonrecords.Members(nil, raw)
		if !isObject {
			return out, isNot(raw, "a map")
		}
		out = append(out, '{')
		var err error
		for i, m := range members {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(jsonrecords.AppendText(out, m.Name), ':')
			if out, err = elem.append(out, m.Value); err != nil {
				return out, err
			}
		}
		return append(out, '}'), nil
	}
}

func structs(fields []field) convert {
	s := &Schema{fields: fields}
	for _, f := range fields {
		s.Columns = append(s.Columns, schemas.Column{Name: f.name})
	}
	return func(out []byte, raw json.RawMessage) ([]byte, error) {
		members, isObject := jsonrecords.Members(nil, raw)
		if !isObject {
			return out, isNot(raw, "an object")
		}
		out, err := s.append(out, members, false)
		if err != nil {
			return out, err
		}
		return append(out[:len(out)-1], '}'), nil
	}
}
