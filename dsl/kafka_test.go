package dsl

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestKafka reads every option of the connector, and the defaults.
func TestKafka(t *testing.T) {
	env := map[string]string{"KAFKA_PASSWORD": "geheim", "BROKERS": "a.example:9092, [::1]:9093"}
	p, diags := load(t, `
name: stream
parameters: {since: 2024-05-01, topic: orders}
sources:
  all:
    kafka:
      brokers: [localhost:9092, "${env:BROKERS}"]
      topics: [orders.eu, "${topic}"]
      start: {timestamp: "${since}"}
      key: {format: string}
      value: {format: avro, schema: '{"type":"record"}'}
      schema_registry: {url: http://localhost:8081, username: me, password: "${env:KAFKA_PASSWORD}", token: t}
      security: {protocol: SASL_SSL, mechanism: SCRAM-SHA-512, username: app, password: "${env:KAFKA_PASSWORD}", ca_file: ca.pem,
        cert_file: /abs/c.pem, key_file: "${topic}/k.pem", token: tok, token_url: https://login.example/token, scope: s}
      isolation: read_uncommitted
      group: lag
    schema: {order_id: BIGINT}
    schema_evolution: rescue
  flow: {kafka: {brokers: [localhost:9092, b:9093], topic: t, start: latest, value: {format: protobuf, message: shop.Order}}}
  offsets: {kafka: {brokers: [b], topic_pattern: ^orders\., start: {offsets: {orders.eu: {0: 5, 1: 7}}}}}
  defaults: {kafka: {brokers: [b], topic: t}}
tables:
  one: {kind: materialized_view, sql: SELECT 1 AS one}
`, Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	standard := func(k Kafka) *Source {
		k.Key.Format, k.Isolation, k.Security.Protocol = "bytes", "read_committed", "PLAINTEXT"
		if k.Value.Format == "" {
			k.Value.Format = "json"
		}
		return &Source{Evolution: AddNewColumns, Kafka: &k}
	}
	want := []*Source{
		{Evolution: Rescue, Schema: []ColumnHint{{Name: "order_id", Type: "BIGINT"}}, Kafka: &Kafka{
			Brokers: []string{"localhost:9092", "a.example:9092", "[::1]:9093"}, Topics: []string{"orders.eu", "orders"},
			Start: KafkaStart{At: "timestamp", Time: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)},
			Key:   KafkaFormat{Format: "string"}, Value: KafkaFormat{Format: "avro", Schema: `{"type":"record"}`},
			Registry: KafkaRegistry{URL: "http://localhost:8081", Username: "me", Password: "geheim", Token: "t"},
			Security: KafkaSecurity{Protocol: "SASL_SSL", Mechanism: "SCRAM-SHA-512", Username: "app", Password: "geheim", CAFile: filepath.Join(p.Dir, "ca.pem"),
				CertFile: "/abs/c.pem", KeyFile: filepath.Join(p.Dir, "orders/k.pem"), Token: "tok", TokenURL: "https://login.example/token", Scope: "s"},
			Isolation: "read_uncommitted", Group: "lag"}},
		standard(Kafka{Brokers: []string{"localhost:9092", "b:9093"}, Topics: []string{"t"}, Start: KafkaStart{At: "latest"}, Value: KafkaFormat{Format: "protobuf", Message: "shop.Order"}}),
		standard(Kafka{Brokers: []string{"b"}, Pattern: `^orders\.`, Start: KafkaStart{At: "offsets", Offsets: map[string]map[int32]int64{"orders.eu": {0: 5, 1: 7}}}}),
		standard(Kafka{Brokers: []string{"b"}, Topics: []string{"t"}, Start: KafkaStart{At: "earliest"}}),
	}
	for i, name := range []string{"all", "flow", "offsets", "defaults"} {
		want[i].Name = name
	}
	if d := cmp.Diff(want, p.Sources, withoutPlaces); d != "" {
		t.Error(d)
	}
}
