package kafka

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/yamlfile"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/confluent"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
	"github.com/lakeflow/lakeflow/sources/records"
)

const declared = `
name: stream
parameters: {since: 2024-05-01, topic: orders}
sources:
  all:
    kafka:
      brokers: [localhost:9092, "${env:BROKERS}"]
      topics: [orders.eu, "${topic}"]
      start: {timestamp: "${since}"}
      key: {format: string}
      value: {format: avro, schema: '"string"'}
      schema_registry: {url: http://localhost:8081, username: me, password: "${env:KAFKA_PASSWORD}", token: t}
      security: {protocol: SASL_SSL, mechanism: SCRAM-SHA-512, username: app, password: "${env:KAFKA_PASSWORD}", ca_file: ca.pem,
        cert_file: /abs/c.pem, key_file: "${topic}/k.pem", token: tok, token_url: https://login.example/token, scope: s}
      isolation: read_uncommitted
      group: lag
  flow: {kafka: {brokers: [localhost:9092, b:9093], topic: t, start: latest, value: {format: protobuf, message: shop.Order}}}
  offsets: {kafka: {brokers: [b], topic_pattern: ^orders\., start: {offsets: {orders.eu: {0: 5, 1: 7}}}}}
  defaults: {kafka: {brokers: [b], topic: t}}
tables:
  one: {kind: materialized_view, sql: SELECT 1 AS one}
`

// TestOptions reads every option from a pipeline file, and the defaults, and what else is said of a source.
func TestOptions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	if err := os.WriteFile(file, []byte(declared), 0o644); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"KAFKA_PASSWORD": "geheim", "BROKERS": "a.example:9092, [::1]:9093"}
	p, diags, err := yamlfile.Load(file, yamlfile.Options{Connectors: dsl.Connectors{Sources: []sources.Factory{Factory()}},
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	setup := sources.Setup{Name: "feed", Hints: []sources.Hint{{Name: "id", Type: "BIGINT"}}, Evolution: sources.None, Texts: true, MaxRows: 10, MaxBytes: 20, Continuous: true, AcceptGap: true,
		Timeout: time.Second}
	with := func(c Config) Config {
		c.Name, c.Hints, c.Evolution, c.Texts, c.MaxRows, c.MaxBytes, c.Continuous, c.AcceptGap, c.Timeout =
			"feed", []sources.Hint{{Name: "id", Type: "BIGINT"}}, sources.None, true, 10, 20, true, true, time.Second
		if c.Isolation == "" {
			c.Isolation, c.Security.Protocol, c.Row = "read_committed", "PLAINTEXT", "value"
		}
		return c
	}
	want := []Config{
		with(Config{
			Brokers: []string{"localhost:9092", "a.example:9092", "[::1]:9093"}, Topics: []string{"orders.eu", "orders"},
			Start: Start{At: "timestamp", Time: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)},
			Key:   records.Format{Format: "string"}, Value: records.Format{Format: "avro", Schema: `"string"`},
			Registry: confluent.Registry{URL: "http://localhost:8081", Username: "me", Password: "geheim", Token: "t"},
			Security: broker.Security{Protocol: "SASL_SSL", Mechanism: "SCRAM-SHA-512", Username: "app", Password: "geheim", CAFile: filepath.Join(dir, "ca.pem"),
				CertFile: "/abs/c.pem", KeyFile: filepath.Join(dir, "orders/k.pem"), Token: "tok", TokenURL: "https://login.example/token", Scope: "s"},
			Row: "value", Isolation: "read_uncommitted", Group: "lag"}),
		with(Config{Brokers: []string{"localhost:9092", "b:9093"}, Topics: []string{"t"}, Start: Start{At: "latest"}, Value: records.Format{Format: "protobuf", Message: "shop.Order"}}),
		with(Config{Brokers: []string{"b"}, Pattern: `^orders\.`, Start: Start{At: "offsets", Offsets: map[string]map[int32]int64{"orders.eu": {0: 5, 1: 7}}}}),
		with(Config{Brokers: []string{"b"}, Topics: []string{"t"}, Start: Start{At: "earliest"}}),
	}
	described := []string{"kafka topics orders.eu, orders", "kafka topic t", `kafka topics like ^orders\.`, "kafka topic t"}
	for i, s := range p.Sources {
		o := s.Options.(*Options)
		if d := cmp.Diff(want[i], o.config(setup), cmpopts.IgnoreTypes(option.Node{})); d != "" {
			t.Errorf("%s: %s", s.Name, d)
		}
		if got := o.Describe(); got != described[i] {
			t.Errorf("%s is described as %q", s.Name, got)
		}
	}
}

func TestMetadataOfOptions(t *testing.T) {
	for format, want := range map[string]string{"": MetadataStruct, "bytes": MetadataStruct, "string": MetadataStructText, "json": MetadataStructText} {
		if got := (&Options{Key: records.Format{Format: format}}).Metadata(); got != want {
			t.Errorf("%s: %s", format, got)
		}
	}
}

func TestReads(t *testing.T) {
	text := func(s string) *option.Text { return &option.Text{Text: s} }
	brokers := []option.Text{{Text: "A:9092, b:9092"}}
	there := sources.Place{System: "kafka", Addresses: []string{"x:9092", "a:9092"}, Name: "orders"}
	for _, c := range []struct {
		options Options
		want    bool
	}{
		{Options{Brokers: brokers, Topic: text("orders")}, true},
		{Options{Brokers: brokers, Topics: []option.Text{{Text: "x"}, {Text: "orders"}}}, true},
		{Options{Brokers: brokers, Topic: text("other")}, false},
		{Options{Brokers: brokers, Pattern: text("^ord")}, true},
		{Options{Brokers: brokers, Pattern: text("(")}, false},
		{Options{Brokers: []option.Text{{Text: "b:9092"}}, Topic: text("orders")}, false},
	} {
		if got := c.options.Reads(there); got != c.want {
			t.Errorf("%s: %v", c.options.Describe(), got)
		}
	}
}
