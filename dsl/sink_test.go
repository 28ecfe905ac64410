package dsl

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSinks reads every option of a sink, and the defaults.
func TestSinks(t *testing.T) {
	p, diags := load(t, `
name: stream
parameters: {topic: orders}
tables:
  one: {kind: materialized_view, sql: SELECT 1 AS one}
sinks:
  out:
    from: one
    kafka:
      brokers: ["a:9092,b:9092", c]
      topic: ${topic}.v1
      key: [a, "${topic}"]
      value: {format: avro}
      schema_registry: {url: http://localhost:8081, username: me, password: x}
      security: {protocol: SSL, ca_file: ca.pem}
  plain: {from: one, kafka: {brokers: [b], topic: t}}
`, Options{})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	want := []*Sink{
		{Name: "out", From: "one", Kafka: &KafkaSink{Brokers: []string{"a:9092", "b:9092", "c"}, Topic: "orders.v1", Key: []string{"a", "orders"}, Value: KafkaFormat{Format: "avro"},
			Registry: KafkaRegistry{URL: "http://localhost:8081", Username: "me", Password: "x"}, Security: KafkaSecurity{Protocol: "SSL", CAFile: filepath.Join(p.Dir, "ca.pem")}}},
		{Name: "plain", From: "one", Kafka: &KafkaSink{Brokers: []string{"b"}, Topic: "t", Value: KafkaFormat{Format: "json"}, Security: KafkaSecurity{Protocol: "PLAINTEXT"}}},
	}
	if d := cmp.Diff(want, p.Sinks, cmp.FilterPath(func(path cmp.Path) bool { return path.Last().String() == ".Node" }, cmp.Ignore())); d != "" {
		t.Error(d)
	}
	if at := p.Sinks[0].Kafka.At("key"); at.Start.Line == 0 {
		t.Error("the key has no place")
	}
}
