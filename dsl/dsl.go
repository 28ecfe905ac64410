// Package dsl reads pipeline files into a *Pipeline: YAML, with SQL inline or in files beside it. Every
// value knows where it was written. The package knows no connector and no DuckDB: what a query
// reads and whether it binds is engine/plan's business.
package dsl

import (
	"time"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// Node is the place of a mapping in a file, embedded in every declared thing.
type Node struct {
	// Range is the name or key that the thing is declared under.
	Range diag.Range
	// Fields are the ranges of the values by key; for a mapping or list, that of the key itself.
	Fields map[string]diag.Range
	// Flawed is true when a mistake was reported that may change what the thing gives.
	Flawed bool
}

// At returns the range of the field's value, or of the thing itself when the field was not written.
func (n Node) At(field string) diag.Range {
	if r, ok := n.Fields[field]; ok {
		return r
	}
	return n.Range
}

// Pipeline is one pipeline file, checked as far as that goes without looking at data: keys, types, names,
// parameters. Slices keep the order of the file.
type Pipeline struct {
	Node
	File        string // as given
	Dir         string // absolute folder of File; relative paths start here
	Name        string
	Description string
	Mode        Mode
	Trigger     Trigger
	Target      Target
	Parameters  []Parameter
	Secrets     *Secrets // for messages
	Sources     []*Source
	Tables      []*Table
	Sinks       []*Sink
	DeadLetter  DeadLetter
	Retention   Retention
	DuckDB      DuckDB
}

// Mode says when an update ends.
type Mode string

// The modes.
const (
	Triggered  Mode = "triggered"  // the default: when everything that was there at its start is in the tables
	Continuous Mode = "continuous" // when it is stopped
)

// Trigger bounds the batches of streams. A batch is closed by whichever comes first.
type Trigger struct {
	Node
	Interval time.Duration // between the beginnings of batches in continuous mode; default 1 s
	MaxRows  int           // default 500,000
	MaxBytes int64         // default 64 MiB
}

// Retention says how much of the past the lake keeps.
type Retention struct {
	Node
	Snapshots int // of each table; default 100
}

// Target is where tables are published.
type Target struct {
	Node
	Warehouse string // absolute folder; default Dir/warehouse
	Schema    string // Iceberg namespace; default: the pipeline's name
}

// Parameter is a typed value that SQL and text values refer to as ${name}. Value is nil, bool, int64, float64 or string.
type Parameter struct {
	Node
	Name  string
	Value any
	// Secret is true when the value comes from ${env:NAME} or ${file:path}: it must not be shown.
	Secret bool
}

// Source is a declared input. Exactly one connector is set.
type Source struct {
	Node
	Name  string
	Files *Files
	Kafka *Kafka
	// Schema holds hints: columns whose type is given (DuckDB type text, unparsed). The rest is inferred.
	Schema []ColumnHint
	// Texts says that inferred columns are texts: infer: none.
	Texts bool
	// Evolution is what happens when a column shows up that the source does not have.
	Evolution Evolution
}

// ColumnHint gives the type of one column.
type ColumnHint struct {
	Node
	Name string
	Type string
}

// Evolution is an Auto Loader schema evolution mode.
type Evolution string

// The evolution modes.
const (
	AddNewColumns Evolution = "add_new_columns" // the default
	Rescue        Evolution = "rescue"
	FailOnNew     Evolution = "fail"
	IgnoreNew     Evolution = "none"
)

// Files is the file connector's configuration.
type Files struct {
	Node
	Root             string // absolute: the folder that a relative Path starts in
	Path             string // a folder, file or glob
	Format           string // json, csv, parquet
	MaxFilesPerBatch int    // default 1000
	MaxBytesPerBatch int64  // default 1 GiB
	AllowOverwrites  bool
	PartitionColumns PartitionColumns
	CSV              CSV
	JSON             JSON
}

// PartitionColumns says which columns come from the names of folders, as in year=2024. Without None and Names it is those that all files have.
type PartitionColumns struct {
	None  bool
	Names []string
}

// CSV options; zero values are detected from the data.
type CSV struct {
	Node
	Header    *bool
	Delimiter string
	Quote     *string
	Escape    *string
	// NullValues are the texts that stand for NULL.
	NullValues                  []string
	Skip                        *int   // lines before the header; nil: detected
	Comment                     string // a character, or empty
	Encoding                    string // utf-8, utf-16, latin-1, windows-1252; empty means utf-8
	DateFormat, TimestampFormat string // for strptime, or empty
	DecimalSeparator, Thousands string // characters, or empty: a point, and none
	NullPadding                 bool
}

// JSON are the options of JSON files.
type JSON struct {
	Node
	Encoding   string // utf-8, utf-16, latin-1, windows-1252; empty means utf-8
	NullValues []string
}

// Kafka is the configuration of the connector to Kafka's topics. Parameters and secrets are put into all texts; which options go together
// is for the connector to say.
type Kafka struct {
	Node
	Brokers    []string // host:port
	Topics     []string // of topic or topics
	Pattern    string   // a regular expression for topics, instead of Topics
	Start      KafkaStart
	Key, Value KafkaFormat
	Registry   KafkaRegistry
	Security   KafkaSecurity
	Isolation  string // read_committed, read_uncommitted
	Group      string // a consumer group that is told of commits
}

// KafkaStart is where topics are read from as long as there is no position.
type KafkaStart struct {
	Node
	At      string                     // earliest, latest, timestamp, offsets
	Time    time.Time                  // with timestamp
	Offsets map[string]map[int32]int64 // with offsets: by topic and partition
}

// KafkaFormat is the encoding of keys or values.
type KafkaFormat struct {
	Node
	Format  string // json, avro, protobuf, string, bytes
	Schema  string // text of an Avro schema or .proto file, instead of the registry's
	Message string // of a .proto file with several
}

// KafkaRegistry is a schema registry.
type KafkaRegistry struct {
	Node
	URL, Username, Password, Token string
}

// KafkaSecurity is how brokers are reached. The files are absolute paths.
type KafkaSecurity struct {
	Node
	Protocol, Mechanism       string
	Username, Password        string
	CAFile, CertFile, KeyFile string
	Token, TokenURL, Scope    string
}

// Kind of a dataset.
type Kind string

// The kinds of datasets.
const (
	StreamingTable   Kind = "streaming_table"
	MaterializedView Kind = "materialized_view"
	View             Kind = "view"
)

// Table is a declared dataset.
type Table struct {
	Node
	Name string
	Kind Kind
	// Guessed is true when the file gives no kind that there is: a mistake that is reported.
	Guessed     bool
	Layer       string // bronze, silver, gold or empty: a label
	Description string
	Columns     []ColumnText // those that are described
	Flows       []*Flow      // one for sql/sql_file, named like the table; or several from flows:
	PartitionBy []PartitionBy
	// Expectations in the order of the file.
	Expectations []Expectation
	// DeadLetter false discards dropped rows, counted.
	DeadLetter bool
	// RefreshEvery is the least time between two refreshes of a materialized view in continuous mode; 0 means with every batch
	// that changes one of its inputs.
	RefreshEvery time.Duration
	Parquet      Parquet
}

// ColumnText says what a column holds.
type ColumnText struct {
	Node
	Name, Description string
}

// Flow is one query that feeds a table. It is flawed when its text has a mistake already, with a parameter for example.
type Flow struct {
	Node
	Name string
	SQL  *sqltext.Query
}

// PartitionBy is one partition transform as written: month(departed_at), bucket(16, id), country.
type PartitionBy struct {
	Node
	Column    string
	Transform string // identity, year, month, day, hour, bucket, truncate
	Arg       int
}

// Expectation is one data-quality rule. It is flawed when its text has a mistake already.
type Expectation struct {
	Node
	Name      string
	Expect    *sqltext.Query // a boolean expression over the output row
	Violation Action
}

// Action is what happens to a row that violates an expectation.
type Action string

// The actions, as in Delta Live Tables.
const (
	Warn Action = "warn"
	Drop Action = "drop"
	Fail Action = "fail"
)

// Parquet settings of a table's files.
type Parquet struct {
	Node
	Compression  string // zstd (default), snappy, gzip, lz4, none
	RowGroupSize int    // rows; default 122880
}

// Sink publishes the new rows of a streaming table outside of the lake. Kafka is nil where the file has a mistake there.
type Sink struct {
	Node
	Name  string
	From  string // a table's name
	Kafka *KafkaSink
}

// KafkaSink is the configuration of a topic that rows are published to.
type KafkaSink struct {
	Node
	Brokers  []string // host:port
	Topic    string
	Key      []string    // columns of the table
	Value    KafkaFormat // json, avro
	Registry KafkaRegistry
	Security KafkaSecurity
}

// DeadLetter names the pipeline's dead-letter table.
type DeadLetter struct {
	Node
	Table string // default dead_letter
}

// DuckDB bounds the embedded engine.
type DuckDB struct {
	Node
	MemoryLimit   string // "512MB"; default: half of the machine's or the container's memory, at most 4 GiB
	TempDirectory string // absolute; default: inside the warehouse folder
	Threads       int    // default: the machine's
}
