package records

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/confluent"
)

// typed decodes values of a format with schemas: those of a registry, whose id stands before each value, or the one
// declared.
type typed struct {
	format   string
	registry *confluent.Client
	declared *shape // instead of a registry
	mu       sync.RWMutex
	shapes   map[int]*schemaOf
}

// schemaOf is a schema of the registry: what it says, or why it is of no use.
type schemaOf struct {
	avro   *shape
	proto  *protoFile
	reason string
	until  time.Time // when the registry is to be asked again; zero: never
}

func (s *schemaOf) good() bool { return s != nil && (s.until.IsZero() || time.Now().Before(s.until)) }

// newTyped returns nil for formats without schemas.
func newTyped(option string, f Format, reg *confluent.Client) (*typed, error) {
	t := &typed{format: f.Format, registry: reg, shapes: map[int]*schemaOf{}}
	var err error
	switch {
	case f.Format != "avro" && f.Format != "protobuf":
		return nil, nil
	case f.Schema == "":
	case f.Format == "avro":
		t.declared, err = avroShape(f.Schema, nil)
	default:
		var file *protoFile
		if file, err = compileProto(f.Schema, nil); err == nil {
			t.declared, err = file.named(f.Message)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: schema: %w", option, err)
	}
	return t, nil
}

// decode appends the value as JSON. A reason, which follows "the value" in a sentence, says why it can't; an error is
// about the registry.
func (t *typed) decode(ctx context.Context, out, value []byte) (text []byte, s *shape, reason string, err error) {
	s = t.declared
	if s == nil {
		if len(value) < 5 || value[0] != 0 {
			return out, nil, "does not begin with the registry's zero byte and schema id", nil
		}
		id := int(binary.BigEndian.Uint32(value[1:5]))
		of, err := t.schema(ctx, id)
		if err != nil {
			return out, nil, "", err
		}
		if of.reason != "" {
			return out, nil, fmt.Sprintf("has the schema id %d, %s", id, of.reason), nil
		}
		value = value[5:]
		if s = of.avro; of.proto != nil {
			if s, value, reason = of.proto.indexed(value); reason != "" {
				return out, nil, reason, nil
			}
		}
	}
	text, failed := s.decode(out, value)
	if failed != nil {
		return out, nil, "can't be decoded as " + t.format + ": " + failed.Error(), nil
	}
	return text, s, "", nil
}

// schema asks the registry once for every schema.
func (t *typed) schema(ctx context.Context, id int) (*schemaOf, error) {
	t.mu.RLock()
	of := t.shapes[id]
	t.mu.RUnlock()
	if of.good() {
		return of, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if of := t.shapes[id]; of.good() {
		return of, nil
	}
	text, refs, err := t.registry.Schema(ctx, id)
	switch {
	case errors.Is(err, confluent.ErrUnknownSchema):
		of = &schemaOf{reason: "which the registry does not have", until: time.Now().Add(confluent.Timeout)}
	case err != nil:
		return nil, err
	default:
		of = t.compile(id, text, refs)
	}
	t.shapes[id] = of
	return of, nil
}

func (t *typed) compile(id int, s sr.Schema, refs map[string]string) *schemaOf {
	if got := strings.ToLower(s.Type.String()); got != t.format {
		return &schemaOf{reason: "which is of the type " + got + " and not " + t.format}
	}
	var of schemaOf
	var err error
	if t.format == "protobuf" {
		if of.proto, err = compileProto(s.Schema, refs); err == nil {
			of.proto.order = id
		}
	} else if of.avro, err = avroShape(s.Schema, refs); err == nil {
		of.avro.order = id
	}
	if err != nil {
		of.reason = "whose schema can't be used: " + err.Error()
	}
	return &of
}

// varchar is the type of what has no better one.
var varchar = schemas.Type{Kind: schemas.Varchar}
