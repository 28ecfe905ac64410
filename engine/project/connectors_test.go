package project

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/sources/kafka"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

// Every option of a source of topics gets from the pipeline file to the connector.
func TestKafkaConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	put(t, file, `name: stream
mode: continuous
trigger: {max_rows: 100000, max_bytes: 64MB}
sources:
  feed:
    kafka:
      brokers: [localhost:9092]
      topics: [orders, returns]
      start: {offsets: {orders: {0: 5, 1: 7}}}
      key: {format: avro, schema: '"string"'}
      value: {format: protobuf, schema: "syntax = 'proto3';", message: shop.Order}
      schema_registry: {url: http://localhost:8081, username: a, password: b, token: c}
      security: {protocol: SASL_SSL, mechanism: OAUTHBEARER, username: d, password: e, ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem, token: f,
        token_url: https://login.example/token, scope: g}
      isolation: read_uncommitted
      group: h
    schema: {order_id: BIGINT, amount: "DECIMAL(12,2)"}
    schema_evolution: none
  since: {kafka: {brokers: [b:1], topic_pattern: ^o, start: {timestamp: 2024-05-01T00:00:00Z}}}
tables:
  t: {kind: materialized_view, sql: SELECT 1 AS one}
`)
	p, diags, err := dsl.Load(file, dsl.Options{})
	if err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	want := []kafka.Config{{
		Name: "feed", Brokers: []string{"localhost:9092"}, Topics: []string{"orders", "returns"},
		Start: kafka.Start{At: "offsets", Offsets: map[string]map[int32]int64{"orders": {0: 5, 1: 7}}},
		Key:   kafka.Format{Format: "avro", Schema: `"string"`}, Value: kafka.Format{Format: "protobuf", Schema: "syntax = 'proto3';", Message: "shop.Order"},
		Registry: broker.Registry{URL: "http://localhost:8081", Username: "a", Password: "b", Token: "c"},
		Security: broker.Security{Protocol: "SASL_SSL", Mechanism: "OAUTHBEARER", Username: "d", Password: "e", CAFile: filepath.Join(dir, "ca.pem"),
			CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), Token: "f", TokenURL: "https://login.example/token", Scope: "g"},
		Isolation: "read_uncommitted", Group: "h", Hints: []kafka.Hint{{Name: "order_id", Type: "BIGINT"}, {Name: "amount", Type: "DECIMAL(12,2)"}}, Evolution: kafka.None,
		MaxRows: 100_000, MaxBytes: 64_000_000,
	}, {
		Name: "since", Brokers: []string{"b:1"}, Pattern: "^o", Start: kafka.Start{At: "timestamp", Time: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)},
		Key: kafka.Format{Format: "bytes"}, Value: kafka.Format{Format: "json"}, Security: broker.Security{Protocol: "PLAINTEXT"},
		Isolation: "read_committed", Evolution: kafka.AddNewColumns, MaxRows: 100_000, MaxBytes: 64_000_000,
	}}
	var got []kafka.Config
	for _, s := range p.Sources {
		got = append(got, kafkaConfig(p, s))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := kafka.New(got[1]); err != nil {
		t.Error(err)
	}
}

// The type of _metadata is that of the keys' format.
func TestKafkaMetadata(t *testing.T) {
	for format, want := range map[string]string{"bytes": kafka.MetadataStruct, "string": kafka.MetadataStructText, "json": kafka.MetadataStructText} {
		s := &dsl.Source{Name: "feed", Kafka: &dsl.Kafka{Brokers: []string{"b:1"}, Topics: []string{"t"}, Key: dsl.KafkaFormat{Format: format}}}
		c := newConnections(&dsl.Pipeline{})
		source, metadata, err := c.newSource(s, Options{})
		if err != nil || metadata != want {
			t.Error(format, metadata, err)
			continue
		}
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
}
