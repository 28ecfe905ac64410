package kafka

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/lakeflow/lakeflow/schemas"
)

// avroValues writes rows in the registry's wire format: a zero byte, the id of the schema, the row in Avro.
type avroValues struct {
	columns schemas.Table
	schema  *avro.Schema
	row     reflect.Type // of avroRow
	prefix  []byte
}

// newAvro makes the schema of the columns, of which the registry has still to know.
func newAvro(topic string, columns schemas.Table) (*avroValues, error) {
	text, err := json.Marshal(avroRecord(avroName(topic), "lakeflow", columns))
	if err != nil {
		return nil, fmt.Errorf("make the Avro schema: %w", err)
	}
	schema, err := avro.Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("the columns of the table make no Avro schema: %w; name them with letters, digits and _", err)
	}
	return &avroValues{columns: columns, schema: schema, row: avroRow(columns)}, nil
}

// avroOf makes the schema of the columns, and the registry know of it. Publications with the same columns share it.
func (s *Sink) avroOf(ctx context.Context, columns schemas.Table) (*avroValues, error) {
	if s.avro != nil && s.avro.columns.Equal(columns) {
		return s.avro, nil
	}
	a, err := newAvro(s.cfg.Topic, columns)
	if err != nil {
		return nil, err
	}
	id, err := s.registry.Register(ctx, s.cfg.Topic+"-value", sr.Schema{Schema: a.schema.String(), Type: sr.TypeAvro})
	if err != nil {
		return nil, unregistered(err)
	}
	a.prefix = binary.BigEndian.AppendUint32([]byte{0}, uint32(id))
	return a, nil
}

// unregistered adds to a registry's refusal what to do.
func unregistered(err error) error {
	var answer *sr.ResponseError
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.StatusCode {
	case http.StatusConflict:
		return fmt.Errorf("%w; the columns of the table have changed in a way that the subject's compatibility does not allow: allow it in the registry, or publish to another topic", err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w (%d); write username and password, or token, under schema_registry, of a user who may write to the subject", err, answer.StatusCode)
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Errorf("%w (%d); no schema registry answers there: correct url under schema_registry", err, answer.StatusCode)
	}
	return fmt.Errorf("%w (%d)", err, answer.StatusCode)
}

var notAvro = regexp.MustCompile(`^[^A-Za-z_]|[^A-Za-z0-9_]`)

// avroName makes a name of what may be none.
func avroName(s string) string { return notAvro.ReplaceAllString(s, "_") }

// avroRecord is a schema. The records in it are named after their columns, in a namespace of their own, so that no two
// have the same name.
func avroRecord(name, namespace string, columns schemas.Table) map[string]any {
	fields := make([]any, len(columns))
	for i, c := range columns {
		fields[i] = map[string]any{"name": c.Name, "type": nullable(avroType(c.Name, namespace+"."+name, c.Type)), "default": nil}
	}
	return map[string]any{"type": "record", "name": name, "namespace": namespace, "fields": fields}
}

func nullable(t any) []any { return []any{"null", t} }

func avroType(name, namespace string, t schemas.Type) any {
	logical := func(base, logical string) any { return map[string]any{"type": base, "logicalType": logical} }
	switch t.Kind {
	case schemas.Boolean:
		return "boolean"
	case schemas.Integer:
		return "int"
	case schemas.BigInt:
		return "long"
	case schemas.Float:
		return "float"
	case schemas.Double:
		return "double"
	case schemas.Decimal:
		return map[string]any{"type": "bytes", "logicalType": "decimal", "precision": t.Precision, "scale": t.Scale}
	case schemas.Date:
		return logical("int", "date")
	case schemas.Time:
		return logical("long", "time-micros")
	case schemas.Timestamp:
		return logical("long", "local-timestamp-micros")
	case schemas.TimestampTZ:
		return logical("long", "timestamp-micros")
	case schemas.Blob:
		return "bytes"
	case schemas.UUID:
		return logical("string", "uuid")
	case schemas.Struct:
		return avroRecord(name, namespace, t.Fields)
	case schemas.List:
		return map[string]any{"type": "array", "items": nullable(avroType(name, namespace, *t.Elem))}
	case schemas.Map:
		return map[string]any{"type": "map", "values": nullable(avroType(name, namespace, *t.Elem))}
	}
	return "string"
}

// avroCell is SQL for a value as JSON that avroValue understands: times are the numbers that Avro has for them.
func avroCell(x string, t schemas.Type, depth int) string {
	return nested(x, t, depth, avroCell, func() string {
		switch t.Kind {
		case schemas.Date:
			return "date_diff('day', DATE '1970-01-01', " + x + ")"
		case schemas.Time:
			return "epoch_us(" + x + ")"
		case schemas.Timestamp, schemas.TimestampTZ:
			return "epoch_us(" + x + ")"
		}
		return jsonCell(x, t, depth)
	})
}

// avroEncoder makes Avro of lines of JSON, one after the other.
type avroEncoder struct {
	*avroValues
	row reflect.Value // points to what a line has: a struct, as of avroRow
	out []byte
}

// encoder is for one goroutine.
func (a *avroValues) encoder() *avroEncoder {
	return &avroEncoder{avroValues: a, row: reflect.New(a.row)}
}

// encode makes Avro of a line of JSON. The next call overwrites it.
func (e *avroEncoder) encode(line []byte) ([]byte, error) {
	e.row.Elem().SetZero()
	if err := json.Unmarshal(line, e.row.Interface()); err != nil {
		return nil, fmt.Errorf("read the rows: %w", err)
	}
	out, err := e.schema.AppendEncode(append(e.out[:0], e.prefix...), e.row.Interface())
	if err != nil {
		return nil, fmt.Errorf("encode a row as Avro: %w", err)
	}
	e.out = out
	return out, nil
}

// avroRow is a struct for a record. NULL is a nil pointer, slice or map.
func avroRow(columns schemas.Table) reflect.Type {
	fields := make([]reflect.StructField, len(columns))
	for i, c := range columns {
		fields[i] = reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: avroGo(c.Type), Tag: reflect.StructTag(fmt.Sprintf(`json:"%[1]s" avro:"%[1]s"`, c.Name))}
	}
	return reflect.StructOf(fields)
}

// avroGo is the type that takes a value of avroCell, and that the encoder takes.
func avroGo(t schemas.Type) reflect.Type {
	switch t.Kind {
	case schemas.Boolean:
		return reflect.TypeFor[*bool]()
	case schemas.Integer, schemas.BigInt, schemas.Date, schemas.Time, schemas.Timestamp, schemas.TimestampTZ:
		return reflect.TypeFor[*int64]()
	case schemas.Float:
		return reflect.TypeFor[*jsonFloat]()
	case schemas.Double:
		return reflect.TypeFor[*jsonDouble]()
	case schemas.Decimal:
		return reflect.TypeFor[*json.Number]()
	case schemas.Blob:
		return reflect.TypeFor[[]byte]()
	case schemas.Struct:
		return reflect.PointerTo(avroRow(t.Fields))
	case schemas.List:
		return reflect.SliceOf(avroGo(*t.Elem))
	case schemas.Map:
		return reflect.MapOf(reflect.TypeFor[string](), avroGo(*t.Elem))
	}
	return reflect.TypeFor[*string]()
}

// jsonFloat and jsonDouble are numbers that JSON has as texts where they are none: "NaN", "Infinity", "-Infinity".
type (
	jsonFloat  float32
	jsonDouble float64
)

// UnmarshalJSON makes jsonFloat a json.Unmarshaler.
func (f *jsonFloat) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 32)
	*f = jsonFloat(v)
	return err
}

// UnmarshalJSON makes jsonDouble a json.Unmarshaler.
func (f *jsonDouble) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	*f = jsonDouble(v)
	return err
}
