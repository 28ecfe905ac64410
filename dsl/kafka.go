package dsl

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

type specKafka struct {
	Node      `yaml:"-"`
	Brokers   []specText   `yaml:"brokers" jsonschema:"required" jsonschema_description:"Addresses of brokers to begin with, as host:port."`
	Topic     *specText    `yaml:"topic" jsonschema_description:"Name of the topic."`
	Topics    []specText   `yaml:"topics" jsonschema_description:"Names of several topics."`
	Pattern   *specText    `yaml:"topic_pattern" jsonschema_description:"Regular expression for the names of topics. Topics that come up later are read too."`
	Start     specStart    `yaml:"start" jsonschema_description:"Where to begin as long as nothing was read: earliest, latest, {timestamp: 2024-05-01T00:00:00Z}, or {offsets: {topic: {0: 5}}}. Default: earliest."`
	Key       specFormat   `yaml:"key" jsonschema_description:"How keys are encoded. Default: {format: bytes}."`
	Value     specFormat   `yaml:"value" jsonschema_description:"How values are encoded. Default: {format: json}."`
	Registry  specRegistry `yaml:"schema_registry" jsonschema_description:"Schema registry with Confluent's interface, for Avro and Protobuf."`
	Security  specSecurity `yaml:"security" jsonschema_description:"How brokers are reached."`
	Isolation string       `yaml:"isolation" jsonschema:"enum=read_committed,enum=read_uncommitted,default=read_committed" jsonschema_description:"Whether records of open and aborted transactions are read."`
	Group     string       `yaml:"group" jsonschema_description:"Consumer group that is told of every commit, for tools that show the lag. Nothing is read from it."`
}

type specFormat struct {
	Node    `yaml:"-"`
	Format  string `yaml:"format" jsonschema:"enum=json,enum=avro,enum=protobuf,enum=string,enum=bytes" jsonschema_description:"Encoding."`
	Schema  string `yaml:"schema" jsonschema_description:"Text of an Avro schema or of a .proto file, or ${file:path} of one, where no registry is used."`
	Message string `yaml:"message" jsonschema_description:"Full name of the Protobuf message, where the schema has several."`
}

type specRegistry struct {
	Node     `yaml:"-"`
	URL      string `yaml:"url" jsonschema:"required,example=http://localhost:8081" jsonschema_description:"Address of the registry."`
	Username string `yaml:"username" jsonschema_description:"Name, with password."`
	Password string `yaml:"password" jsonschema_description:"Password, as ${env:NAME} or ${file:path}."`
	Token    string `yaml:"token" jsonschema_description:"Bearer token instead of a name and password, as ${env:NAME} or ${file:path}."`
}

type specSecurity struct {
	Node      `yaml:"-"`
	Protocol  string  `yaml:"protocol" jsonschema:"enum=PLAINTEXT,enum=SSL,enum=SASL_PLAINTEXT,enum=SASL_SSL,default=PLAINTEXT" jsonschema_description:"Whether connections are encrypted (SSL) and clients say who they are (SASL)."`
	Mechanism string  `yaml:"mechanism" jsonschema:"enum=PLAIN,enum=SCRAM-SHA-256,enum=SCRAM-SHA-512,enum=OAUTHBEARER" jsonschema_description:"How the client says who it is, with SASL."`
	Username  string  `yaml:"username" jsonschema_description:"Name; with token_url, the client's id."`
	Password  string  `yaml:"password" jsonschema_description:"Password, as ${env:NAME} or ${file:path}; with token_url, the client's secret."`
	CAFile    *string `yaml:"ca_file" jsonschema_description:"PEM file of the certificates that are trusted, relative to the pipeline file. Default: the system's."`
	CertFile  *string `yaml:"cert_file" jsonschema_description:"PEM file of the client's certificate."`
	KeyFile   *string `yaml:"key_file" jsonschema_description:"PEM file of the client's key."`
	Token     string  `yaml:"token" jsonschema_description:"OAUTHBEARER: the token, as ${env:NAME} or ${file:path}."`
	TokenURL  string  `yaml:"token_url" jsonschema_description:"OAUTHBEARER: where a client gets its tokens."`
	Scope     string  `yaml:"scope" jsonschema_description:"OAUTHBEARER with token_url: the scope to ask for."`
}

// specStart is earliest, latest, or a mapping with a timestamp or offsets.
type specStart struct {
	Node      `yaml:"-"`
	word      string
	Timestamp *specText                        `yaml:"timestamp" jsonschema_description:"Read records of this time and later, as in 2024-05-01T00:00:00Z. Without a zone it is UTC."`
	Offsets   map[string]map[string]specOffset `yaml:"offsets" jsonschema_description:"First offset to read, by topic and partition. Partitions that are not named are read from their first record."`
}

// specOffset is a record's number in a partition.
type specOffset struct {
	value int64
	at    diag.Range
}

func (o *specOffset) decode(w *walker, n *node, at diag.Range, path string) bool {
	o.at = at
	return w.value(reflect.ValueOf(&o.value).Elem(), n, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specOffset) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "integer", Minimum: "0"}
}

// startWords are the places to begin that need nothing more.
var startWords = []string{"earliest", "latest"}

func (s *specStart) decode(w *walker, n *node, at diag.Range, path string) bool {
	s.Node = Node{Range: at}
	switch {
	case n.kind == mapping:
		w.mapping(reflect.ValueOf(s).Elem(), n, at, path)
	case n.kind == text && slices.Contains(startWords, n.written):
		s.word = n.written
	case n.kind == text:
		w.diags.Errorf("LF0105", n.at, diag.DidYouMean(n.written, startWords, startHelp), "%s cannot be %q", path, n.written)
		return false
	default:
		w.diags.Errorf("LF0102", at, startHelp, "%s must be a word or a mapping, not %s", path, n.kind)
		return false
	}
	return true
}

const startHelp = "write earliest, latest, {timestamp: 2024-05-01T00:00:00Z} or {offsets: {topic: {0: 5}}}"

func (b *builder) kafka(source string, s *specKafka) *Kafka {
	k := &Kafka{Node: s.Node, Isolation: cmp.Or(s.Isolation, "read_committed"), Group: b.text(s.Group, s.At("group"))}
	if s.Fields == nil { // it is not a mapping, which is reported
		return nil
	}
	k.Brokers = b.brokers(s.Brokers, s.Node)
	b.topics(source, s, k)
	k.Start = b.start(&s.Start)
	b.startsAtTopics(&s.Start, k)
	k.Key, k.Value = b.format(&s.Key, "bytes"), b.format(&s.Value, "json")
	k.Registry = b.registry(&s.Registry)
	k.Security = b.security(&s.Security)
	return k
}

func (b *builder) format(s *specFormat, otherwise string) KafkaFormat {
	return KafkaFormat{Node: s.Node, Format: cmp.Or(s.Format, otherwise), Schema: b.text(s.Schema, s.At("schema")), Message: b.text(s.Message, s.At("message"))}
}

func (b *builder) registry(s *specRegistry) KafkaRegistry {
	return KafkaRegistry{Node: s.Node, URL: b.text(s.URL, s.At("url")), Username: b.text(s.Username, s.At("username")),
		Password: b.text(s.Password, s.At("password")), Token: b.text(s.Token, s.At("token"))}
}

func (b *builder) security(s *specSecurity) KafkaSecurity {
	return KafkaSecurity{
		Node:      s.Node,
		Protocol:  cmp.Or(s.Protocol, "PLAINTEXT"),
		Mechanism: s.Mechanism,
		Username:  b.text(s.Username, s.At("username")),
		Password:  b.text(s.Password, s.At("password")),
		CAFile:    b.path(s.CAFile, s.At("ca_file"), ""),
		CertFile:  b.path(s.CertFile, s.At("cert_file"), ""),
		KeyFile:   b.path(s.KeyFile, s.At("key_file"), ""),
		Token:     b.text(s.Token, s.At("token")),
		TokenURL:  b.text(s.TokenURL, s.At("token_url")),
		Scope:     b.text(s.Scope, s.At("scope")),
	}
}

var brokerAddress = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\])(?::([0-9]{1,5}))?$`)

func isAddress(s string) bool {
	m := brokerAddress.FindStringSubmatch(s)
	if m == nil || m[2] == "" {
		return m != nil
	}
	port, err := strconv.ParseUint(m[2], 10, 16)
	return err == nil && port > 0
}

// given is the text of an item, with what stands for ${…} in it. It is false when something is wrong with that.
func (b *builder) given(s specText) (string, bool) {
	before := len(*b.diags)
	text := b.text(s.text, s.at)
	return text, len(*b.diags) == before
}

// brokers gives the addresses. One text may hold several, so that they can come from one environment variable.
func (b *builder) brokers(given []specText, in Node) []string {
	var out []string
	for _, x := range given {
		list, ok := b.given(x)
		if !ok {
			continue
		}
		for address := range strings.SplitSeq(list, ",") {
			if address = strings.TrimSpace(address); !isAddress(address) {
				b.diags.Errorf("LF0156", x.at, "write host:port, as in localhost:9092", "%q is not the address of a broker", address)
			}
			out = append(out, address)
		}
	}
	if at, ok := in.Fields["brokers"]; ok && len(given) == 0 && given != nil {
		b.diags.Errorf("LF0114", at, "write the address of a broker: [localhost:9092]", "the list of brokers is empty")
	}
	return out
}

// topicKeys are the keys that say which topics are read.
var topicKeys = []string{"topic", "topics", "topic_pattern"}

func (b *builder) topics(source string, s *specKafka, k *Kafka) {
	var declared []string
	for _, key := range topicKeys {
		if _, ok := s.Fields[key]; ok {
			declared = append(declared, key)
		}
	}
	switch len(declared) {
	case 0:
		b.diags.Errorf("LF0153", s.Range, "add topic: with the name of the topic", "the source %q does not say which topic it reads", source)
	case 1:
	default:
		b.diags.Errorf("LF0153", s.At(declared[1]), "keep one of them", "the source %q has both %s and %s", source, declared[0], declared[1])
		return
	}
	names := s.Topics
	if s.Topic != nil {
		names = []specText{*s.Topic}
	}
	for _, x := range names {
		name, ok := b.given(x)
		switch {
		case !ok:
		case name == "":
			b.diags.Errorf("LF0114", x.at, "write the name of the topic", "the name of a topic is empty")
		case slices.Contains(k.Topics, name):
			b.diags.Errorf("LF0107", x.at, "remove one of them", "the topic %q is named twice", name)
		default:
			k.Topics = append(k.Topics, name)
		}
	}
	if at, ok := s.Fields["topics"]; ok && len(s.Topics) == 0 && s.Topics != nil {
		b.diags.Errorf("LF0114", at, "write the names of the topics: [orders, returns]", "the list of topics is empty")
	}
	b.pattern(s, k)
}

func (b *builder) pattern(s *specKafka, k *Kafka) {
	if s.Pattern == nil {
		return
	}
	pattern, ok := b.given(*s.Pattern)
	if !ok {
		return
	}
	if k.Pattern = pattern; pattern == "" {
		b.diags.Errorf("LF0114", s.Pattern.at, `write a regular expression, as in ^orders\.`, "the pattern of the topics is empty")
	} else if _, err := regexp.Compile(pattern); err != nil {
		why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		b.diags.Errorf("LF0154", s.Pattern.at, `write one like ^orders\., in quotes where it holds YAML's own characters`, "%q is not a regular expression: %s", pattern, why)
	}
}

// start reads where to begin.
func (b *builder) start(s *specStart) KafkaStart {
	k := KafkaStart{Node: s.Node, At: cmp.Or(s.word, "earliest")}
	_, timed := s.Fields["timestamp"]
	at, counted := s.Fields["offsets"]
	switch {
	case timed && counted:
		b.diags.Errorf("LF0155", at, "keep one of them", "start has both timestamp and offsets")
	case timed:
		k.At = "timestamp"
		if s.Timestamp != nil {
			k.Time = b.timestamp(*s.Timestamp)
		}
	case counted:
		k.At, k.Offsets = "offsets", b.offsets(s.Offsets)
		if len(s.Offsets) == 0 && s.Offsets != nil {
			b.diags.Errorf("LF0155", at, startHelp, "start has no offsets")
		}
	case s.Fields != nil:
		b.diags.Errorf("LF0155", s.Range, startHelp, "start does not say where to begin")
	}
	return k
}

// startsAtTopics checks that the topics of the offsets are read.
func (b *builder) startsAtTopics(s *specStart, k *Kafka) {
	if len(k.Topics) == 0 && k.Pattern == "" { // which is reported
		return
	}
	pattern, err := regexp.Compile(k.Pattern)
	for _, topic := range slices.Sorted(maps.Keys(k.Start.Offsets)) {
		if k.Pattern != "" && err == nil && !pattern.MatchString(topic) {
			b.diags.Errorf("LF0155", s.At("offsets"), "write a topic that the pattern matches", "start has offsets of topic %q, which %q does not match", topic, k.Pattern)
		} else if k.Pattern == "" && !slices.Contains(k.Topics, topic) {
			b.diags.Errorf("LF0155", s.At("offsets"), diag.DidYouMean(topic, k.Topics, "write a topic that the source reads"), "start has offsets of topic %q, which the source does not read", topic)
		}
	}
}

var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"}

func (b *builder) timestamp(s specText) time.Time {
	written, ok := b.given(s)
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, written); err == nil {
			return t
		}
	}
	if ok {
		b.diags.Errorf("LF0155", s.at, "write it as 2024-05-01T00:00:00Z, or 2024-05-01 for the beginning of a day in UTC", "%q is not a time", written)
	}
	return time.Time{}
}

func (b *builder) offsets(topics map[string]map[string]specOffset) map[string]map[int32]int64 {
	out := map[string]map[int32]int64{}
	for topic, partitions := range topics {
		out[topic] = map[int32]int64{}
		for key, offset := range partitions {
			partition, err := strconv.ParseInt(key, 10, 32)
			if err != nil || partition < 0 {
				b.diags.Errorf("LF0155", offset.at, fmt.Sprintf("write partition: offset with numbers from 0, as in %s: {0: 5}", topic), "%q is not a partition of topic %s", key, topic)
			} else if offset.value < 0 {
				b.diags.Errorf("LF0155", offset.at, "write a number from 0; start: earliest begins at the first record", "%d is not an offset", offset.value)
			}
			out[topic][int32(partition)] = offset.value
		}
	}
	return out
}
