package kafka

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/yamlfile"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources/confluent"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

const declared = `
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
`

// TestOptions reads every option from a pipeline file, and the defaults.
func TestOptions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	if err := os.WriteFile(file, []byte(declared), 0o644); err != nil {
		t.Fatal(err)
	}
	p, diags, err := yamlfile.Load(file, yamlfile.Options{Connectors: dsl.Connectors{Sinks: []sinks.Factory{Factory()}}})
	if err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	want := []Config{
		{Name: "out", Pipeline: "p", TempDir: "/tmp", Brokers: []string{"a:9092", "b:9092", "c"}, Topic: "orders.v1", Key: []string{"a", "orders"}, Format: "avro",
			Registry: confluent.Registry{URL: "http://localhost:8081", Username: "me", Password: "x"}, Security: broker.Security{Protocol: "SSL", CAFile: filepath.Join(dir, "ca.pem")}},
		{Name: "plain", Pipeline: "p", TempDir: "/tmp", Brokers: []string{"b"}, Topic: "t", Security: broker.Security{Protocol: "PLAINTEXT"}},
	}
	for i, s := range p.Sinks {
		got := s.Options.(*Options).config(sinks.Setup{Name: s.Name, Pipeline: "p", TempDir: "/tmp"})
		if d := cmp.Diff(want[i], got, cmpopts.IgnoreTypes(option.Node{})); d != "" {
			t.Errorf("%s: %s", s.Name, d)
		}
	}
	if at := p.Sinks[0].Options.At("key"); at.Start.Line == 0 {
		t.Error("the key has no place")
	}
}
