package kafka

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"regexp"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/lakeflow/lakeflow/schemas"
)

// avroValues writes rows in the registry's wire format: a zero byte, the id of the schema, the row in Avro.
type avroValues struct {
	columns schemas.Table
	schema  *avro.Schema
	prefix  []byte
}

// avroOf makes the schema of the columns, and the registry know of it. Publications with the same columns share it.
func (s *Sink) avroOf(ctx context.Context, columns schemas.Table) (*avroValues, error) {
	if s.avro != nil && s.avro.columns.Equal(columns) {
		return s.avro, nil
	}
	name := avroName(s.cfg.Topic)
	text, err := json.Marshal(avroRecord(name, "lakeflow", columns))
	if err != nil {
		return nil, fmt.Errorf("make the Avro schema: %w", err)
	}
	a := &avroValues{columns: columns}
	if a.schema, err = avro.Parse(string(text)); err != nil {
		return nil, fmt.Errorf("the columns of the table make no Avro schema: %w; name them with letters, digits and _", err)
	}
	id, err := s.registry.Register(ctx, s.cfg.Topic+"-value", sr.Schema{Schema: string(text), Type: sr.TypeAvro})
	var answer *sr.ResponseError
	if errors.As(err, &answer) && answer.StatusCode == http.StatusConflict {
		return nil, fmt.Errorf("%w; the columns of the table have changed in a way that the subject's compatibility does not allow: allow it in the registry, or publish to another topic", err)
	}
	if err != nil {
		return nil, err
	}
	a.prefix = binary.BigEndian.AppendUint32([]byte{0}, uint32(id))
	return a, nil
}

var notAvro = regexp.MustCompile(`^[^A-Za-z_]|[^A-Za-z0-9_]`)

// avroName makes a name of what may be none.
func avroName(s string) string { return notAvro.ReplaceAllString(s, "_") }

// avroRecord is a schema. The records in it are named after their columns, in a namespace of their own, so that no two have the same name.
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

// encode makes Avro of a line of JSON.
func (a *avroValues) encode(line []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var row map[string]any
	err := d.Decode(&row)
	if err == nil {
		err = avroFields(row, a.columns)
	}
	if err != nil {
		return nil, fmt.Errorf("read the rows: %w", err)
	}
	out, err := a.schema.AppendEncode(append(make([]byte, 0, len(a.prefix)+len(line)), a.prefix...), row)
	if err != nil {
		return nil, fmt.Errorf("encode a row as Avro: %w", err)
	}
	return out, nil
}

func avroFields(row map[string]any, columns schemas.Table) (err error) {
	for _, c := range columns {
		if row[c.Name], err = avroValue(row[c.Name], c.Type); err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	return nil
}

// avroValue makes what the encoder takes of a value of JSON.
func avroValue(v any, t schemas.Type) (_ any, err error) {
	if v == nil {
		return nil, nil
	}
	switch t.Kind {
	case schemas.Float, schemas.Double:
		if text, ok := v.(string); ok {
			return map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}[text], nil
		}
	case schemas.Decimal:
		n, _ := new(big.Rat).SetString(fmt.Sprint(v))
		return n, nil
	case schemas.Integer, schemas.BigInt, schemas.Date, schemas.Time, schemas.Timestamp, schemas.TimestampTZ:
		return v.(json.Number).Int64()
	case schemas.Blob:
		return base64.StdEncoding.DecodeString(v.(string))
	case schemas.Struct:
		return v, avroFields(v.(map[string]any), t.Fields)
	case schemas.List:
		for i, item := range v.([]any) {
			if v.([]any)[i], err = avroValue(item, *t.Elem); err != nil {
				return nil, err
			}
		}
	case schemas.Map:
		for k, item := range v.(map[string]any) {
			if v.(map[string]any)[k], err = avroValue(item, *t.Elem); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
