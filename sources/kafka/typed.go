package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/lakeflow/lakeflow/schemas"
)

// typed decodes values of a format with schemas: those of a registry, whose id stands before each value, or the one declared.
type typed struct {
	format   string
	registry *registry
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
func newTyped(option string, f Format, reg *registry) (*typed, error) {
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

// decode appends the value as JSON. A reason, which follows "the value" in a sentence, says why it can't; an error is about the registry.
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
	text, refs, err := t.registry.schema(ctx, id)
	switch {
	case errors.Is(err, errUnknownSchema):
		of = &schemaOf{reason: "which the registry does not have", until: time.Now().Add(registryTimeout)}
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

// registry asks a schema registry.
type registry struct {
	url string
	cl  *sr.Client
}

// registryTimeout bounds a request to the registry.
const registryTimeout = 10 * time.Second

func newRegistry(c Registry) (*registry, error) {
	if !strings.HasPrefix(c.URL, "http://") && !strings.HasPrefix(c.URL, "https://") {
		return nil, fmt.Errorf("schema_registry: url %s is not an address; write one like http://localhost:8081", c.URL)
	}
	opts := []sr.ClientOpt{sr.URLs(c.URL), sr.UserAgent("lakeflow"), sr.HTTPClient(&http.Client{Timeout: registryTimeout, Transport: http.DefaultTransport})}
	switch {
	case c.Token != "" && c.Username != "":
		return nil, errors.New("schema_registry: write username and password, or token, not both")
	case c.Token != "":
		opts = append(opts, sr.BearerToken(c.Token))
	case c.Username != "":
		opts = append(opts, sr.BasicAuth(c.Username, c.Password))
	}
	cl, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("schema_registry: %w", err)
	}
	return &registry{c.URL, cl}, nil
}

var errUnknownSchema = errors.New("unknown schema")

// schema returns a schema and the texts of those that it refers to, by the name of the reference, the deepest first where order matters.
func (r *registry) schema(ctx context.Context, id int) (sr.Schema, map[string]string, error) {
	s, err := r.cl.SchemaByID(ctx, id)
	var answer *sr.ResponseError
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return s, nil, errUnknownSchema
	}
	refs := map[string]string{}
	if err == nil {
		err = r.references(ctx, s.References, refs)
	}
	if err != nil {
		return s, nil, fmt.Errorf("ask the schema registry %s for schema %d: %w", r.url, id, err)
	}
	return s, refs, nil
}

func (r *registry) references(ctx context.Context, refs []sr.SchemaReference, into map[string]string) error {
	for _, ref := range refs {
		if _, known := into[ref.Name]; known {
			continue
		}
		s, err := r.cl.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return fmt.Errorf("subject %s, version %d: %w", ref.Subject, ref.Version, err)
		}
		into[ref.Name] = s.Schema.Schema
		if err := r.references(ctx, s.References, into); err != nil {
			return err
		}
	}
	return nil
}

// varchar is the type of what has no better one.
var varchar = schemas.Type{Kind: schemas.Varchar}
