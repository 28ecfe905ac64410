// Package confluent asks schema registries that have Confluent's interface: what sources and sinks need to read and write Avro and Protobuf.
package confluent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/lakeflow/lakeflow/dsl/option"
)

// Registry is a schema registry with Confluent's interface.
type Registry struct {
	option.Node `yaml:"-"`
	URL         string `yaml:"url" option:"text" jsonschema:"required,example=http://localhost:8081" jsonschema_description:"Address of the registry."`
	Username    string `yaml:"username" option:"text" jsonschema_description:"Name, with password."`
	Password    string `yaml:"password" option:"text" jsonschema_description:"Password, as ${env:NAME} or ${file:path}."`
	Token       string `yaml:"token" option:"text" jsonschema_description:"Bearer token instead of a name and password, as ${env:NAME} or ${file:path}."`
}

// Client asks a schema registry. It is safe for concurrent use.
type Client struct {
	url string
	cl  *sr.Client
}

// Timeout bounds a request to the registry.
const Timeout = 10 * time.Second

// Client checks the configuration and makes a client; nothing is sent yet. An error begins with "schema_registry:".
func (c Registry) Client() (*Client, error) {
	if !strings.HasPrefix(c.URL, "http://") && !strings.HasPrefix(c.URL, "https://") {
		return nil, fmt.Errorf("schema_registry: url %s is not an address; write one like http://localhost:8081", c.URL)
	}
	opts := []sr.ClientOpt{sr.URLs(c.URL), sr.UserAgent("lakeflow"), sr.HTTPClient(&http.Client{Timeout: Timeout, Transport: http.DefaultTransport})}
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
	return &Client{c.URL, cl}, nil
}

// ErrUnknownSchema says that the registry has no schema of an id.
var ErrUnknownSchema = errors.New("unknown schema")

// Schema returns a schema and the texts of those that it refers to, by the name of the reference, the deepest first
// where order matters.
func (r *Client) Schema(ctx context.Context, id int) (sr.Schema, map[string]string, error) {
	s, err := r.cl.SchemaByID(ctx, id)
	var answer *sr.ResponseError
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return s, nil, ErrUnknownSchema
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

func (r *Client) references(ctx context.Context, refs []sr.SchemaReference, into map[string]string) error {
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

// Register makes a schema known under a subject, where it is not known yet, and returns its id.
func (r *Client) Register(ctx context.Context, subject string, s sr.Schema) (int, error) {
	id, err := r.cl.RegisterSchema(ctx, subject, s, -1, -1)
	if err != nil {
		return 0, fmt.Errorf("register the schema of subject %s with the schema registry %s: %w", subject, r.url, err)
	}
	return id, nil
}
