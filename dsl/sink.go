package dsl

import (
	"cmp"
	"slices"

	"github.com/invopop/jsonschema"
)

type specSink struct {
	Node  `yaml:"-"`
	From  *specText     `yaml:"from" jsonschema:"required" jsonschema_description:"Streaming table of the pipeline whose new rows are published."`
	Kafka specKafkaSink `yaml:"kafka" jsonschema:"required" jsonschema_description:"Topic that the rows are published to."`
}

type specKafkaSink struct {
	Node     `yaml:"-"`
	Brokers  []specText     `yaml:"brokers" jsonschema:"required" jsonschema_description:"Addresses of brokers to begin with, as host:port."`
	Topic    *specText      `yaml:"topic" jsonschema:"required" jsonschema_description:"Name of the topic, which must exist."`
	Key      []specText     `yaml:"key" jsonschema_description:"Columns that make the record's key: one by its text, several as a JSON object. Default: no key."`
	Value    specSinkFormat `yaml:"value" jsonschema_description:"How rows are encoded. Default: {format: json}."`
	Registry specRegistry   `yaml:"schema_registry" jsonschema_description:"Schema registry with Confluent's interface, for Avro."`
	Security specSecurity   `yaml:"security" jsonschema_description:"How brokers are reached."`
}

type specSinkFormat struct {
	Node   `yaml:"-"`
	Format string `yaml:"format" jsonschema:"enum=json,enum=avro" jsonschema_description:"Encoding."`
}

// JSONSchemaExtend says that a key has at least one column.
func (specKafkaSink) JSONSchemaExtend(s *jsonschema.Schema) {
	if key, ok := s.Properties.Get("key"); ok {
		one := uint64(1)
		key.MinItems, key.UniqueItems = &one, true
	}
}

func (b *builder) sink(name string, s *specSink) *Sink {
	b.name("sink", name, s.Range)
	out := &Sink{Node: s.Node, Name: name}
	if s.From != nil {
		out.From = b.wanted(*s.From, "write the name of a streaming table", "the name of the table is empty")
	}
	if s.Kafka.Fields != nil {
		out.Kafka = b.kafkaSink(&s.Kafka)
	}
	return out
}

func (b *builder) kafkaSink(s *specKafkaSink) *KafkaSink {
	k := &KafkaSink{Node: s.Node, Brokers: b.brokers(s.Brokers, s.Node), Registry: b.registry(&s.Registry), Security: b.security(&s.Security)}
	k.Value = KafkaFormat{Node: s.Value.Node, Format: cmp.Or(s.Value.Format, "json")}
	if s.Topic != nil {
		k.Topic = b.wanted(*s.Topic, "write the name of the topic", "the name of a topic is empty")
	}
	for _, x := range s.Key {
		name := b.wanted(x, "write the name of a column", "the name of a column is empty")
		if slices.Contains(k.Key, name) {
			b.diags.Errorf("LF0107", x.at, "remove one of them", "the column %q is named twice", name)
		}
		k.Key = append(k.Key, name)
	}
	if at, ok := s.Fields["key"]; ok && len(s.Key) == 0 && s.Key != nil {
		b.diags.Errorf("LF0114", at, "write the names of columns: [customer_id], or remove the key for records without one", "the list of columns is empty")
	}
	if _, ok := s.Fields["schema_registry"]; !ok && k.Value.Format == "avro" {
		b.diags.Errorf("LF0157", s.Value.At("format"), "add schema_registry: {url: …}, or write format: json", "rows can't be published as avro without a schema registry")
	}
	return k
}

// wanted is a text that may not be empty.
func (b *builder) wanted(s specText, help, empty string) string {
	text, ok := b.given(s)
	if ok && text == "" {
		b.diags.Errorf("LF0114", s.at, help, "%s", empty)
	}
	return text
}
