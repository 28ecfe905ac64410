package kafka

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/confluent"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
	"github.com/lakeflow/lakeflow/sources/records"
)

// Config declares a Kafka source.
type Config struct {
	Name    string   // of the source: messages tell how to accept a gap with it
	Brokers []string // host:port
	Topics  []string
	Pattern string // a regular expression for the names of topics, instead of Topics
	Start   Start
	// Key and Value say how records are encoded. Empty means bytes for the key and json for the value.
	Key, Value records.Format
	Registry   confluent.Registry
	Row        string // value, which empty means too, record or record_and_headers
	Security   broker.Security
	Isolation  string // read_committed, which empty means too, or read_uncommitted
	Hints      []sources.Hint
	Evolution  sources.Evolution // empty means add_new_columns
	Texts      bool              // columns that are inferred from JSON are texts
	Declared   bool              // the columns are those of Hints, and Evolution is about all others
	MaxRows    int               // per batch; 0 means 500,000
	MaxBytes   int64             // per batch, of keys and values; 0 means 64 MiB. One record is always taken
	// Continuous makes Next return what is there, new partitions included. Else a source reads up to the end offsets
	// that its first Next sees, and then gives no more batches.
	Continuous bool
	Group      string // a consumer group that Acknowledge tells how far the commits are; empty: none
	// AcceptGap goes on behind records that are lost, with a notice, instead of ending with a GapError: at the
	// positions that the source is first asked for, not where its own batches have been.
	AcceptGap bool
	Timeout   time.Duration // how long a broker may take to answer; 0 means 10 s
}

// Start is where a topic is read from when no position is stored yet. Partitions and topics that come up later are read
// from their first record, or from Time.
type Start struct {
	At      string // earliest, which empty means too, latest, timestamp, offsets
	Time    time.Time
	Offsets map[string]map[int32]int64 // by topic and partition; partitions that are not named are read from their first record
}

// MetadataStruct is the DuckDB type of _metadata where the key's format is bytes, and MetadataStructText where it is
// another one: the key is a text then, JSON for json, avro and protobuf.
const (
	MetadataStruct     = `STRUCT("key" BLOB` + metadataRest
	MetadataStructText = `STRUCT("key" VARCHAR` + metadataRest
	metadataRest       = `, headers ` + records.HeadersType + `, topic VARCHAR, "partition" INTEGER, "offset" BIGINT, "timestamp" TIMESTAMP WITH TIME ZONE, timestamp_type VARCHAR)`
)

// Metadata is the DuckDB type of the source's _metadata.
func (c Config) Metadata() string {
	if c.Key.KeyType() == "BLOB" {
		return MetadataStruct
	}
	return MetadataStructText
}

// New checks the configuration and returns the source. It does not reach for the brokers.
func New(cfg Config) (*Source, error) {
	s := &Source{cfg: cfg}
	setDefault(&s.cfg.Start.At, "earliest")
	setDefault(&s.cfg.Isolation, "read_committed")
	setDefault(&s.cfg.Name, "<source>")
	if s.cfg.MaxRows <= 0 {
		s.cfg.MaxRows = 500_000
	}
	if s.cfg.MaxBytes <= 0 {
		s.cfg.MaxBytes = 64 << 20
	}
	if s.cfg.Timeout <= 0 {
		s.cfg.Timeout = 10 * time.Second
	}
	for _, check := range []func() error{s.checkTopics, s.checkStart, s.checkIsolation} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	var err error
	if s.options, err = s.cfg.Security.Options(); err != nil {
		return nil, err
	}
	row, err := s.cfg.row()
	if err != nil {
		return nil, err
	}
	s.records, err = records.New(records.Config{Key: cfg.Key, Value: cfg.Value, Row: row, Registry: cfg.Registry, Hints: cfg.Hints,
		Evolution: cfg.Evolution, Texts: cfg.Texts, Declared: cfg.Declared})
	return s, err
}

func setDefault(option *string, value string) {
	if *option == "" {
		*option = value
	}
}

func (s *Source) checkTopics() (err error) {
	c := s.cfg
	if len(c.Brokers) == 0 || slices.Contains(c.Brokers, "") {
		return errors.New("brokers is empty; write the brokers' addresses: brokers: [localhost:9092]")
	}
	if (len(c.Topics) == 0) == (c.Pattern == "") {
		return errors.New("which topics to read is not clear; write one of topic, topics and topic_pattern")
	}
	if slices.Contains(c.Topics, "") {
		return errors.New("the name of a topic is empty; write topic: with its name")
	}
	if c.Pattern != "" {
		if s.pattern, err = regexp.Compile(c.Pattern); err != nil {
			return fmt.Errorf(`topic_pattern %s is not a regular expression: %w; write one, as ^orders- for all topics whose names begin so`, c.Pattern, err)
		}
	}
	return nil
}

func (s *Source) checkStart() error {
	at := s.cfg.Start
	switch at.At {
	case "earliest", "latest":
	case "timestamp":
		if at.Time.IsZero() {
			return errors.New("start: timestamp needs the time; write start: {timestamp: 2024-05-01T00:00:00Z}")
		}
	case "offsets":
		for topic, parts := range at.Offsets {
			for p, o := range parts {
				if p < 0 || o < 0 {
					return fmt.Errorf("start: partition %d of topic %s at offset %d cannot be; write numbers from 0", p, topic, o)
				}
			}
		}
	default:
		return fmt.Errorf("start %q is unknown; write earliest, latest, a timestamp or offsets", at.At)
	}
	return nil
}

func (s *Source) checkIsolation() error {
	switch s.cfg.Isolation {
	case "read_committed", "read_uncommitted":
		return nil
	}
	return fmt.Errorf("isolation %q is unknown; write read_committed or read_uncommitted", s.cfg.Isolation)
}
