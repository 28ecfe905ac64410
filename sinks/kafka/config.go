// Package kafka publishes the new rows of a table to a topic of Apache Kafka, exactly once for consumers that read
// committed records. Every publication is one transaction of Kafka: the rows, and the offset of a consumer group that
// nobody reads with, whose number is that of the lake's last published commit and whose metadata is the table's UUID
// and a mark of the publication. What is published is thus known to Kafka alone, and cannot disagree with the rows,
// whatever crashes when.
//
// What the values of columns become in JSON:
//
//	BOOLEAN, INTEGER, BIGINT, DECIMAL    true, 42, 9223372036854775807, 12.50: exact
//	FLOAT, DOUBLE                        0.1; what is no number is a text: "NaN", "Infinity", "-Infinity"
//	TIMESTAMP                            "2024-05-01T12:30:15.25"
//	TIMESTAMP WITH TIME ZONE             "2024-05-01T12:30:15.25Z", in UTC
//	DATE, TIME, UUID, VARCHAR            "2024-05-01", "12:30:15.25", their texts
//	BLOB                                 its base64
//	STRUCT, LIST, MAP                    an object, an array, an object whose keys are the texts of the keys
//	NULL                                 null
package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sources/confluent"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

// Config declares a Kafka sink.
type Config struct {
	Name, Pipeline string   // of the sink and its pipeline: together they name it to Kafka
	Brokers        []string // host:port
	Topic          string
	// Key are columns: one is the key by its text, several are a JSON object. A publication may have others.
	Key      []string
	Format   string // of values: json, which empty means too, or avro
	Registry confluent.Registry
	Security broker.Security
	TempDir  string        // a folder that DuckDB may write to and this process may read
	Timeout  time.Duration // how long a broker may take to answer; 0 means 10 s
}

// Sink is a sinks.Publisher.
type Sink struct {
	cfg      Config
	security []kgo.Opt
	registry *confluent.Client // nil without one
	// control asks and answers for everything but records; producer sends those. Both are nil before Begin and after an
	// error.
	control, producer *kgo.Client
	largest           int32 // a batch of records, and so a record
	avro              *avroValues
}

// New checks the configuration and returns the sink. It does not reach for the brokers.
func New(cfg Config) (*Sink, error) {
	cfg.Format = cmp.Or(cfg.Format, "json")
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	s := &Sink{cfg: cfg}
	if len(cfg.Brokers) == 0 || slices.Contains(cfg.Brokers, "") {
		return nil, errors.New("brokers is empty; write the brokers' addresses: brokers: [localhost:9092]")
	}
	if cfg.Topic == "" {
		return nil, errors.New("topic is empty; write its name")
	}
	var err error
	if s.security, err = cfg.Security.Options(); err != nil {
		return nil, err
	}
	switch cfg.Format {
	case "json":
		return s, nil
	case "avro":
		if cfg.Registry.URL == "" {
			return nil, errors.New("value: format avro needs a registry; write schema_registry: {url: …}")
		}
		s.registry, err = cfg.Registry.Client()
		return s, err
	}
	return nil, fmt.Errorf("value: format %q cannot be published; write json or avro", cfg.Format)
}

// id is the sink's transactional id, and the group whose offset says what is published.
func (s *Sink) id() string { return "lakeflow." + s.cfg.Pipeline + "." + s.cfg.Name }
