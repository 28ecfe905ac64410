package kafka

import (
	"slices"

	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/confluent"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

// Factory makes sinks that publish to topics.
func Factory() sinks.Factory {
	return sinks.Factory{Name: broker.System, Description: "Topic that the rows are published to.", Example: "kafka: {brokers: […], topic: …}",
		Options: func() sinks.Options { return &Options{} }}
}

// Options are what a pipeline file declares of a topic that rows are published to.
type Options struct {
	option.Node `yaml:"-"`
	Brokers     []option.Text      `yaml:"brokers" jsonschema:"required" jsonschema_description:"Addresses of brokers to begin with, as host:port."`
	Topic       *option.Text       `yaml:"topic" jsonschema:"required" jsonschema_description:"Name of the topic, which must exist."`
	Key         []option.Text      `yaml:"key" jsonschema_description:"Columns that make the record's key: one by its text, several as a JSON object. Default: the keys of auto_cdc; for other tables, no key."`
	Value       SinkFormat         `yaml:"value" jsonschema_description:"How rows are encoded. Default: {format: json}."`
	Registry    confluent.Registry `yaml:"schema_registry" jsonschema_description:"Schema registry with Confluent's interface, for Avro."`
	Security    broker.Security    `yaml:"security" jsonschema_description:"How brokers are reached."`
}

// SinkFormat is the encoding of values: the JSON schema of pipeline files has it beside the Format of sources.
type SinkFormat struct {
	option.Node `yaml:"-"`
	Format      string `yaml:"format" jsonschema:"enum=json,enum=avro" jsonschema_description:"Encoding."`
}

// JSONSchemaExtend says that a key has at least one column.
func (Options) JSONSchemaExtend(s *jsonschema.Schema) {
	if key, ok := s.Properties.Get("key"); ok {
		one := uint64(1)
		key.MinItems, key.UniqueItems = &one, true
	}
}

func (o *Options) topic() string {
	if o.Topic == nil {
		return ""
	}
	return o.Topic.Text
}

// Describe implements sinks.Options.
func (o *Options) Describe() string { return "kafka topic " + o.topic() }

// Guarantee implements sinks.Options. The lake commits first, and the rows of a commit are one transaction of the
// topic.
func (*Options) Guarantee() string { return "exactly once for consumers that read committed records" }

// Place implements sinks.Options.
func (o *Options) Place() sources.Place {
	return sources.Place{System: broker.System, Addresses: broker.Addresses(o.Brokers), Name: o.topic()}
}

// New implements sinks.Options.
func (o *Options) New(s sinks.Setup) (sinks.Publisher, error) { return New(o.config(s)) }

func (o *Options) config(s sinks.Setup) Config {
	c := Config{Name: s.Name, Pipeline: s.Pipeline, Brokers: broker.Addresses(o.Brokers), Topic: o.topic(), Format: o.Value.Format,
		Registry: o.Registry, Security: o.Security, TempDir: s.TempDir}
	c.Key = o.DeclaredKey()
	return c
}

// DeclaredKey implements sinks.Options.
func (o *Options) DeclaredKey() (columns []string) {
	for _, column := range o.Key {
		columns = append(columns, column.Text)
	}
	return columns
}

// Check implements sinks.Options.
func (o *Options) Check(_ string, diags *diag.List) {
	broker.CheckAddresses(o.Brokers, o.Node, diags)
	if o.Topic != nil {
		o.Topic.Wanted(diags, "write the name of the topic", "the name of a topic is empty")
	}
	for i, x := range o.Key {
		name := x.Wanted(diags, "write the name of a column", "the name of a column is empty")
		if slices.ContainsFunc(o.Key[:i], func(other option.Text) bool { return other.Text == name }) {
			diags.Errorf("LF0107", x.At, "remove one of them", "the column %q is named twice", name)
		}
	}
	if o.Read("key") && len(o.Key) == 0 {
		diags.Errorf("LF0114", o.At("key"), "write the names of columns: [customer_id], or remove the key for records without one", "the list of columns is empty")
	}
	if !o.Has("schema_registry") && o.Value.Format == "avro" {
		diags.Errorf("LF0157", o.Value.At("format"), "add schema_registry: {url: …}, or write format: json", "rows can't be published as avro without a schema registry")
	}
}

// CheckColumns implements sinks.Options.
func (o *Options) CheckColumns(sink, table string, columns schemas.Table, diags *diag.List) {
	for _, key := range o.Key {
		if key.Text != "" && columns.Column(key.Text) == nil {
			diags.Errorf("LF0253", o.At("key"), diag.DidYouMean(key.Text, columns.Names(), "write columns of "+table), "%s has no column %q to be the key of sink %s", table, key.Text, sink)
		}
	}
	if name := unnamable(columns); o.Value.Format == "avro" && name != "" {
		diags.Errorf("LF0254", o.Value.At("format"), "name it with letters, digits and _ by AS, or write format: json", "the column %q of %s cannot be a name in Avro", name, table)
	}
}

// ReportLoop implements sinks.Options.
func (o *Options) ReportLoop(sink, source, table string, diags *diag.List) {
	diags.Errorf("LF0255", o.At("topic"), "publish to another topic; a topic_pattern may be too wide",
		"sink %s publishes to a topic that source %s reads, from which the rows of %s come: they would go round for ever", sink, source, table)
}

// unnamable finds a column, or field of one, whose name Avro does not take.
func unnamable(columns schemas.Table) string {
	for _, c := range columns {
		if notAvro.MatchString(c.Name) {
			return c.Name
		}
		t := c.Type
		for t.Elem != nil {
			t = *t.Elem
		}
		if name := unnamable(t.Fields); name != "" {
			return name
		}
	}
	return ""
}
