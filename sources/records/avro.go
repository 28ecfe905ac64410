package records

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/avro"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// avroShape parses an Avro schema, whose root must be a record. refs are the texts of schemas that it refers to.
func avroShape(text string, refs map[string]string) (*shape, error) {
	schema, err := parseAvro(text, refs)
	if err != nil {
		return nil, err
	}
	root := schema.Root()
	names := map[string]*avro.SchemaNode{}
	nameNodes(root, names)
	if root.Type != "record" {
		return nil, fmt.Errorf("it is %s and not a record", root.Type)
	}
	a := &avroWriter{names: names}
	t := a.typeOf(root, nil)
	if t.Kind != schemas.Struct {
		return nil, errors.New("its record has no fields")
	}
	return &shape{columns: t.Fields, decode: func(out, value []byte) ([]byte, error) {
		var v any
		var rest []byte
		var err error
		if _, _, soe := avro.SingleObjectFingerprint(value); soe == nil {
			if rest, err = schema.DecodeSingleObject(value, &v); err != nil {
				v = nil // two bytes that look like its mark may be data
			}
		}
		if v == nil {
			rest, err = schema.Decode(value, &v)
		}
		switch {
		case err != nil:
			return out, err
		case len(rest) > 0:
			return out, fmt.Errorf("%d bytes follow the record", len(rest))
		}
		return a.value(out, root, v)
	}}, nil
}

// parseAvro parses the schemas that are referred to first: each may need others, so what fails is tried again after the
// others.
func parseAvro(text string, refs map[string]string) (*avro.Schema, error) {
	var cache avro.SchemaCache
	left := slices.Sorted(maps.Keys(refs))
	for len(left) > 0 {
		var failed []string
		var why error
		for _, name := range left {
			if _, err := cache.Parse(refs[name]); err != nil {
				failed, why = append(failed, name), err
			}
		}
		if len(failed) == len(left) {
			return nil, fmt.Errorf("reference %s: %w", failed[len(failed)-1], why)
		}
		left = failed
	}
	return cache.Parse(text)
}

// nameNodes finds the definitions of named types, by full name and by name.
func nameNodes(n *avro.SchemaNode, names map[string]*avro.SchemaNode) {
	if n.Name != "" {
		if n.Namespace != "" {
			names[n.Namespace+"."+n.Name] = n
		}
		if _, taken := names[n.Name]; !taken {
			names[n.Name] = n
		}
	}
	for i := range n.Fields {
		nameNodes(&n.Fields[i].Type, names)
	}
	for i := range n.Branches {
		nameNodes(&n.Branches[i], names)
	}
	for _, inner := range []*avro.SchemaNode{n.Items, n.Values} {
		if inner != nil {
			nameNodes(inner, names)
		}
	}
}

// avroWriter writes decoded values as JSON that DuckDB casts to the column types without a loss.
type avroWriter struct{ names map[string]*avro.SchemaNode }

// node resolves the name of a type.
func (a *avroWriter) node(n *avro.SchemaNode) *avro.SchemaNode {
	if named, ok := a.names[n.Type]; ok {
		return named
	}
	return n
}

// single is the only branch of a union that is not null, or nil.
func single(n *avro.SchemaNode) *avro.SchemaNode {
	var found *avro.SchemaNode
	for i := range n.Branches {
		if b := &n.Branches[i]; b.Type != "null" {
			if found != nil {
				return nil
			}
			found = b
		}
	}
	return found
}

var avroTypes = map[string]schemas.Kind{"boolean": schemas.Boolean, "int": schemas.Integer, "long": schemas.BigInt, "float": schemas.Float, "double": schemas.Double,
	"string": schemas.Varchar, "enum": schemas.Varchar, "bytes": schemas.Blob, "fixed": schemas.Blob}

var avroLogical = map[string]schemas.Kind{"date": schemas.Date, "time-millis": schemas.Time, "time-micros": schemas.Time, "timestamp-millis": schemas.TimestampTZ,
	"timestamp-micros": schemas.TimestampTZ, "local-timestamp-millis": schemas.Timestamp, "local-timestamp-micros": schemas.Timestamp, "uuid": schemas.UUID,
	"timestamp-nanos": schemas.BigInt, "local-timestamp-nanos": schemas.BigInt}

// typeOf is the type of a column. What has no type of its own is JSON in a text: unions of several types, and types
// that hold themselves.
func (a *avroWriter) typeOf(n *avro.SchemaNode, above []*avro.SchemaNode) schemas.Type {
	n = a.node(n)
	if slices.Contains(above, n) {
		return varchar
	}
	above = append(above, n)
	switch kind, ok := avroLogical[n.LogicalType]; {
	case ok:
		return schemas.Type{Kind: kind}
	case n.LogicalType == "decimal" && n.Precision <= 38 && n.Scale <= n.Precision:
		return schemas.Type{Kind: schemas.Decimal, Precision: n.Precision, Scale: n.Scale}
	case n.LogicalType == "decimal", n.LogicalType == "duration":
		return varchar
	}
	switch n.Type {
	case "record", "error":
		return structType(len(n.Fields), func(i int) (string, schemas.Type) { return n.Fields[i].Name, a.typeOf(&n.Fields[i].Type, above) })
	case "array":
		elem := a.typeOf(n.Items, above)
		return schemas.Type{Kind: schemas.List, Elem: &elem}
	case "map":
		key, elem := varchar, a.typeOf(n.Values, above)
		return schemas.Type{Kind: schemas.Map, Key: &key, Elem: &elem}
	case "union":
		if one := single(n); one != nil {
			return a.typeOf(one, above)
		}
	}
	if kind, ok := avroTypes[n.Type]; ok {
		return schemas.Type{Kind: kind}
	}
	return varchar
}

// structType makes a struct of n fields. Names that differ only in case are one column to DuckDB: the first is taken.
// Without fields it is JSON in a text.
func structType(n int, field func(i int) (string, schemas.Type)) schemas.Type {
	var fields schemas.Table
	for i := range n {
		if name, t := field(i); fields.Column(name) == nil {
			fields = append(fields, schemas.Column{Name: name, Type: t})
		}
	}
	if len(fields) == 0 {
		return varchar
	}
	return schemas.Type{Kind: schemas.Struct, Fields: fields}
}

// value writes a decoded value of the node.
func (a *avroWriter) value(out []byte, n *avro.SchemaNode, v any) ([]byte, error) {
	if v == nil {
		return append(out, "null"...), nil
	}
	n = a.node(n)
	if n.Type == "union" {
		if one := single(n); one != nil {
			return a.value(out, one, v)
		}
		return a.any(out, v)
	}
	var err error
	switch v := v.(type) {
	case map[string]any:
		if n.Type == "map" {
			return a.members(out, v, func(string) *avro.SchemaNode { return n.Values })
		}
		out = append(out, '{')
		for i := range n.Fields {
			f := &n.Fields[i]
			if i > 0 {
				out = append(out, ',')
			}
			out = append(jsonrecords.AppendText(out, []byte(f.Name)), ':')
			if out, err = a.value(out, &f.Type, v[f.Name]); err != nil {
				return out, err
			}
		}
		return append(out, '}'), nil
	case []any:
		return a.items(out, v, n.Items)
	case time.Time:
		return appendTime(out, v, n.LogicalType), nil
	case *big.Rat:
		return append(append(append(out, '"'), v.FloatString(n.Scale)...), '"'), nil
	}
	return a.any(out, v)
}

var noNode = &avro.SchemaNode{}

// any writes a value by its Go type alone.
func (a *avroWriter) any(out []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(out, "null"...), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case int32:
		return strconv.AppendInt(out, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(out, v, 10), nil
	case float32:
		return appendFloat(out, float64(v), 32), nil
	case float64:
		return appendFloat(out, v, 64), nil
	case string:
		return jsonrecords.AppendText(out, []byte(v)), nil
	case []byte:
		return appendBlob(out, v), nil
	case [16]byte:
		return append(appendUUID(append(out, '"'), v), '"'), nil
	case time.Time:
		return appendTime(out, v, ""), nil
	case time.Duration:
		return append(time.Unix(0, 0).UTC().Add(v).AppendFormat(append(out, '"'), "15:04:05.000000"), '"'), nil
	case *big.Rat:
		digits, _ := v.FloatPrec()
		return append(append(append(out, '"'), v.FloatString(digits)...), '"'), nil
	case avro.Duration:
		return fmt.Appendf(out, `{"months":%d,"days":%d,"milliseconds":%d}`, v.Months, v.Days, v.Milliseconds), nil
	case map[string]any:
		return a.members(out, v, func(string) *avro.SchemaNode { return noNode })
	case []any:
		return a.items(out, v, noNode)
	}
	return out, fmt.Errorf("a value of the Go type %T came", v)
}

func (a *avroWriter) members(out []byte, v map[string]any, node func(key string) *avro.SchemaNode) (_ []byte, err error) {
	out = append(out, '{')
	for i, key := range slices.Sorted(maps.Keys(v)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(jsonrecords.AppendText(out, []byte(key)), ':')
		if out, err = a.value(out, node(key), v[key]); err != nil {
			return out, err
		}
	}
	return append(out, '}'), nil
}

func (a *avroWriter) items(out []byte, v []any, node *avro.SchemaNode) (_ []byte, err error) {
	out = append(out, '[')
	for i, item := range v {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = a.value(out, node, item); err != nil {
			return out, err
		}
	}
	return append(out, ']'), nil
}

// appendTime writes a date or time as its logical type wants it. Nanoseconds are a number, as no type of lakes holds
// them.
func appendTime(out []byte, t time.Time, logical string) []byte {
	switch {
	case logical == "date":
		return append(t.AppendFormat(append(out, '"'), "2006-01-02"), '"')
	case strings.HasSuffix(logical, "-nanos"):
		return strconv.AppendInt(out, t.UnixNano(), 10)
	case strings.HasPrefix(logical, "local-"):
		return append(t.AppendFormat(append(out, '"'), "2006-01-02T15:04:05.000000"), '"')
	}
	return append(t.UTC().AppendFormat(append(out, '"'), "2006-01-02T15:04:05.000000Z"), '"')
}

// appendFloat writes a number, or a text for what is none.
func appendFloat(out []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(out, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(out, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(out, `"-Infinity"`...)
	}
	return strconv.AppendFloat(out, f, 'g', -1, bits)
}

// appendBlob writes bytes as a text: \x and hexadecimal digits. JSON has no bytes.
func appendBlob(out, b []byte) []byte {
	return append(hex.AppendEncode(append(out, `"\\x`...), b), '"')
}

func appendUUID(out []byte, u [16]byte) []byte {
	for i, part := range [][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			out = append(out, '-')
		}
		out = hex.AppendEncode(out, part)
	}
	return out
}
