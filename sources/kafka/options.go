package kafka

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/confluent"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
	"github.com/lakeflow/lakeflow/sources/records"
)

// Factory makes sources of topics.
func Factory() sources.Factory {
	return sources.Factory{Name: broker.System, Description: "Topics of Apache Kafka, or of what speaks its protocol.", Example: "kafka: {brokers: […], topic: …}",
		Options: func() sources.Options { return &Options{} }}
}

// Options are what a pipeline file declares of a source of topics. Which of them go together is seen to by New.
type Options struct {
	option.Node `yaml:"-"`
	Brokers     []option.Text      `yaml:"brokers" jsonschema:"required" jsonschema_description:"Addresses of brokers to begin with, as host:port."`
	Topic       *option.Text       `yaml:"topic" jsonschema_description:"Name of the topic."`
	Topics      []option.Text      `yaml:"topics" jsonschema_description:"Names of several topics."`
	Pattern     *option.Text       `yaml:"topic_pattern" jsonschema_description:"Regular expression for the names of topics. Topics that come up later are read too."`
	Start       StartOptions       `yaml:"start" jsonschema_description:"Where to begin as long as nothing was read: earliest, latest, {timestamp: 2024-05-01T00:00:00Z}, or {offsets: {topic: {0: 5}}}. Default: earliest."`
	Key         records.Format     `yaml:"key" jsonschema_description:"How keys are encoded. Default: {format: bytes}."`
	Value       records.Format     `yaml:"value" jsonschema_description:"How values are encoded. Default: {format: json}."`
	Row         string             `yaml:"row" jsonschema:"enum=value,enum=record,enum=record_and_headers,default=value" jsonschema_description:"What the columns are: value, what the value holds; record, those of Spark: key, value, topic, partition, offset, timestamp and timestampType; record_and_headers, those and headers."`
	Debezium    records.Debezium   `yaml:"debezium" jsonschema_description:"How change events are read. For value: {format: debezium}."`
	Registry    confluent.Registry `yaml:"schema_registry" jsonschema_description:"Schema registry with Confluent's interface, for Avro and Protobuf."`
	Security    broker.Security    `yaml:"security" jsonschema_description:"How brokers are reached."`
	Isolation   string             `yaml:"isolation" jsonschema:"enum=read_committed,enum=read_uncommitted,default=read_committed" jsonschema_description:"Whether records of open and aborted transactions are read."`
	Group       string             `yaml:"group" option:"text" jsonschema_description:"Consumer group that is told of every commit, for tools that show the lag. Nothing is read from it."`
}

// topicKeys are the keys that say which topics are read.
var topicKeys = []string{"topic", "topics", "topic_pattern"}

// JSONSchemaExtend adds what tags cannot say.
func (Options) JSONSchemaExtend(s *jsonschema.Schema) { option.ExactlyOne(s, topicKeys...) }

// names are the topics that are named.
func (o *Options) names() []string {
	given := o.Topics
	if o.Topic != nil {
		given = []option.Text{*o.Topic}
	}
	var names []string
	for _, x := range given {
		if x.Text != "" && !slices.Contains(names, x.Text) {
			names = append(names, x.Text)
		}
	}
	return names
}

func (o *Options) pattern() string {
	if o.Pattern == nil {
		return ""
	}
	return o.Pattern.Text
}

// Describe implements sources.Options.
func (o *Options) Describe() string {
	names := o.names()
	switch {
	case o.pattern() != "":
		return "kafka topics like " + o.pattern()
	case len(names) == 1:
		return "kafka topic " + names[0]
	}
	return "kafka topics " + strings.Join(names, ", ")
}

// Metadata implements sources.Options.
func (o *Options) Metadata() string { return Config{Key: o.Key}.Metadata() }

// Traits implements sources.Options.
func (o *Options) Traits() sources.Traits {
	t := sources.Traits{Remote: broker.Addresses(o.Brokers), Loses: true, Positions: true}
	if row, err := o.config(sources.Setup{}).row(); err == nil { // what is wrong is reported
		for _, c := range row {
			t.Columns = append(t.Columns, c.Column)
		}
	}
	if o.Value.Format == "debezium" {
		t.Changes = o.Debezium.Changes()
	}
	return t
}

// Reads implements sources.Options: the source has a broker and the topic in common with the place.
func (o *Options) Reads(there sources.Place) bool {
	if there.System != broker.System || !slices.ContainsFunc(broker.Addresses(o.Brokers), func(a string) bool {
		return slices.ContainsFunc(there.Addresses, func(b string) bool { return strings.EqualFold(a, b) })
	}) {
		return false
	}
	if o.pattern() == "" {
		return slices.Contains(o.names(), there.Name)
	}
	pattern, err := regexp.Compile(o.pattern())
	return err == nil && pattern.MatchString(there.Name) // what is no pattern is reported
}

// New implements sources.Options.
func (o *Options) New(s sources.Setup) (sources.Source, error) { return New(o.config(s)) }

func (o *Options) config(s sources.Setup) Config {
	return Config{
		Name: s.Name, Brokers: broker.Addresses(o.Brokers), Topics: o.names(), Pattern: o.pattern(), Start: o.Start.read(&diag.List{}), Key: o.Key, Value: o.value(), Row: o.Row,
		Registry: o.Registry, Security: o.Security, Isolation: o.Isolation, Group: o.Group, Evolution: s.Evolution, Texts: s.Texts, Declared: s.Declared,
		MaxRows: s.MaxRows, MaxBytes: s.MaxBytes, Continuous: s.Continuous, AcceptGap: s.AcceptGap, Timeout: s.Timeout, Hints: s.Hints,
	}
}

// value is the format of values: of rows that are records, bytes unless another one is written.
func (o *Options) value() records.Format {
	f := o.Value
	if o.Row != "" && o.Row != "value" {
		f.Format = cmp.Or(f.Format, "bytes")
	}
	return f
}

// Check implements sources.Options.
func (o *Options) Check(source string, diags *diag.List) {
	broker.CheckAddresses(o.Brokers, o.Node, diags)
	o.checkTopics(source, diags)
	o.checkStart(o.Start.read(diags), diags)
	if f := o.value().Format; o.Row != "" && o.Row != "value" && f != "bytes" && f != "string" {
		diags.Errorf("LF0115", o.At("row"), "write value: {format: bytes} or {format: string}, or leave row out",
			"row: %s has the value as it is, and format %s makes columns of it", o.Row, f)
	}
	if o.Has("debezium") {
		o.Debezium.Check(o.Value.Format == "debezium", o.At("debezium"), diags)
	}
}

func (o *Options) checkTopics(source string, diags *diag.List) {
	switch declared := o.Written(topicKeys...); len(declared) {
	case 0:
		diags.Errorf("LF0153", o.Range, "add topic: with the name of the topic", "the source %q does not say which topic it reads", source)
	case 1:
	default:
		diags.Errorf("LF0153", o.At(declared[1]), "keep one of them", "the source %q has both %s and %s", source, declared[0], declared[1])
		return
	}
	if o.Topic != nil {
		o.Topic.Wanted(diags, "write the name of the topic", "the name of a topic is empty")
	}
	for i, x := range o.Topics {
		name := x.Wanted(diags, "write the name of the topic", "the name of a topic is empty")
		if name != "" && slices.ContainsFunc(o.Topics[:i], func(other option.Text) bool { return other.Text == name }) {
			diags.Errorf("LF0107", x.At, "remove one of them", "the topic %q is named twice", name)
		}
	}
	if o.Read("topics") && len(o.Topics) == 0 {
		diags.Errorf("LF0114", o.At("topics"), "write the names of the topics: [orders, returns]", "the list of topics is empty")
	}
	if o.Pattern == nil || o.Pattern.Wanted(diags, `write a regular expression, as in ^orders\.`, "the pattern of the topics is empty") == "" {
		return
	}
	if _, err := regexp.Compile(o.Pattern.Text); err != nil {
		why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		diags.Errorf("LF0154", o.Pattern.At, `write one like ^orders\., in quotes where it holds YAML's own characters`, "%q is not a regular expression: %s", o.Pattern.Text, why)
	}
}

// checkStart checks that the topics of the offsets are read.
func (o *Options) checkStart(start Start, diags *diag.List) {
	names := o.names()
	if len(o.Written(topicKeys...)) > 1 || len(names) == 0 && o.pattern() == "" { // which is reported
		return
	}
	pattern, err := regexp.Compile(o.pattern())
	for _, topic := range slices.Sorted(maps.Keys(start.Offsets)) {
		if o.pattern() != "" && err == nil && !pattern.MatchString(topic) {
			diags.Errorf("LF0155", o.Start.At("offsets"), "write a topic that the pattern matches", "start has offsets of topic %q, which %q does not match", topic, o.pattern())
		} else if o.pattern() == "" && !slices.Contains(names, topic) {
			diags.Errorf("LF0155", o.Start.At("offsets"), diag.DidYouMean(topic, names, "write a topic that the source reads"),
				"start has offsets of topic %q, which the source does not read", topic)
		}
	}
}
