// Package dsl is what a pipeline declares: a *Pipeline, made of pipeline files by dsl/yamlfile. Every value knows where
// it was written. The package knows no syntax, no connector and no DuckDB: what a query reads and whether it binds is
// engine/plan's business.
package dsl

import (
	"time"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources"
)

// Node is the place of a mapping in a file, embedded in every declared thing.
type Node = option.Node

// Connectors are the kinds of sources and sinks that a pipeline file can declare.
type Connectors struct {
	Sources []sources.Factory
	Sinks   []sinks.Factory
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
	Functions   []*Function
	Sources     []*Source
	Tables      []*Table
	Sinks       []*Sink
	// SQL is what the file says of .sql files, whose tables and sources dsl/load has added.
	SQL        SQL
	DeadLetter DeadLetter
	Retention  Retention
	DuckDB     DuckDB
}

// What holds where a pipeline says nothing else.
const (
	DefaultInterval   = time.Second
	DefaultBatchRows  = 500_000
	DefaultBatchBytes = 64 << 20
	DefaultSnapshots  = 100
	DefaultDeadLetter = "dead_letter"
	DefaultTombstones = 48 * time.Hour
)

// DefaultParquet is how files are written.
var DefaultParquet = Parquet{Compression: "zstd", RowGroupSize: 122880}

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

// Parameter is a typed value that SQL and text values refer to as ${name}. Value is nil, bool, int64, float64 or
// string.
type Parameter struct {
	Node
	Name  string
	Value any
	// Secret is true when the value comes from ${env:NAME} or ${file:path}: it must not be shown.
	Secret bool
}

// SQL is what a pipeline file says of .sql files that belong to the pipeline.
type SQL struct {
	Files []Pattern
	// Catalog is the one that names without a catalog mean; it is no part of names here.
	Catalog string
	// Configuration are the values of ${keys} in them, beside the parameters.
	Configuration map[string]string
	// Paths are absolute folders in the place of paths that begin otherwise: with s3://bucket/raw, /Volumes/main/default.
	Paths map[string]string
	// Topics are the brokers of topics, by the names of those.
	Topics map[string]string
	// External are sources in the place of tables that are somewhere else, by the names of those, with dots.
	External []*Source
}

// Pattern is a path that may have * and **, as it is written.
type Pattern struct {
	Node
	Text string
}

// Function is a function of the pipeline's own, that queries call by its name.
type Function struct {
	Node
	Name       string
	Parameters []string
	SQL        *sqltext.Query // an expression over the parameters, in DuckDB's dialect
}

// Source is a declared input.
type Source struct {
	Node
	Name      string
	Connector string          // the name of its factory, empty where the file does not say one
	Options   sources.Options // nil then, and where they are no mapping
	// Schema holds hints: columns whose type is given (DuckDB type text, unparsed). The rest is inferred.
	Schema []ColumnHint
	// Texts says that inferred columns are texts: infer: none.
	Texts bool
	// Evolution is what happens when a column shows up that the source does not have.
	Evolution sources.Evolution
}

// ColumnHint gives the type of one column.
type ColumnHint struct {
	Node
	Name string
	Type string
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
	// Name is the table's own in the pipeline. Of a table in another schema than the pipeline's it begins with the name
	// of that schema and a dot: bronze.orders; see schemas.SplitName. Its parts have no dots.
	Name string
	Kind Kind
	// Guessed is true when the file gives no kind that there is, or one that does not go with the rest: a mistake that
	// is reported.
	Guessed     bool
	Layer       string // bronze, silver, gold or empty: a label
	Description string
	Columns     []Column // those of which the file says something
	Flows       []*Flow  // one for sql, sql_file or auto_cdc, named like the table; or several from flows:
	AutoCDC     *AutoCDC // nil for a table that rows are only added to
	PartitionBy []PartitionBy
	// Expectations in the order of the file.
	Expectations []Expectation
	// DeadLetter false discards dropped rows, counted.
	DeadLetter bool
	// NoReset keeps the rows of the table when everything is refreshed in full.
	NoReset bool
	// Ignored is what the file says of the table and has no effect: clauses and properties of Databricks.
	Ignored []Ignored
	// RefreshEvery is the least time between two refreshes of a materialized view in continuous mode; 0 means with
	// every batch that changes one of its inputs.
	RefreshEvery time.Duration
	Refresh      RefreshPolicy
	RefreshAt    diag.Range // of the policy, where one is written
	Parquet      Parquet
}

// RefreshPolicy is how a materialized view follows what it reads.
type RefreshPolicy string

// The policies, as in Databricks.
const (
	RefreshAuto        RefreshPolicy = "auto"        // the default: the cheapest correct way
	RefreshIncremental RefreshPolicy = "incremental" // a query of which all rows would be computed again is a mistake
	RefreshFull        RefreshPolicy = "full"
)

// Column is what the file says of a column.
type Column struct {
	Node
	Name, Description string
	// Type is DuckDB's text of the type that the values are cast to; empty: the query's. A value that does not fit fails
	// the update.
	Type string
}

// Ignored is a clause or property that has no effect.
type Ignored struct {
	Node
	Name, Value string // CLUSTER BY, (id); or a property's
}

// Flow is one query that feeds a table. It is flawed when its text has a mistake already, with a parameter for example.
type Flow struct {
	Node
	Name string
	SQL  *sqltext.Query
	// Once says that the query is evaluated once, over everything that is there, until a full refresh.
	Once bool
}

// AutoCDC says how the rows that a table's flows give are applied to it: as changes, by key.
type AutoCDC struct {
	Node
	// Snapshot says that the rows are full snapshots of the table; nil: they are changes.
	Snapshot          *Snapshot
	Keys              []ColumnName
	SequenceBy        []*Expression // none for snapshots
	ApplyAsDelete     *Expression   // nil where no change is one
	ApplyAsTruncate   *Expression
	IgnoreNullUpdates *Columns // of which a NULL changes nothing; nil: of none
	Columns           *Columns // that the table keeps; nil: all
	SCDType           int      // 1 or 2
	TrackHistoryOn    *Columns // whose changes make a version; nil: all
	// TombstoneRetention is how long type 1 remembers that a row was deleted; default 48 hours.
	TombstoneRetention time.Duration
}

// Snapshot says how the rows of a flow are full snapshots. Those of a stream are of several: all rows of one version. What
// is read whole is one, each time that it has changed.
type Snapshot struct {
	Node
	Version *Expression // which tells the snapshots apart and orders them; nil: the time of the update, for what is read whole
}

// ColumnName is a column that is named.
type ColumnName struct {
	Node
	Name string
}

// Columns are some columns of a query: those that are listed, or all but those.
type Columns struct {
	Node
	Names  []ColumnName
	Except bool
}

// Expression is an expression over a row. It is flawed when its text has a mistake already.
type Expression struct {
	Node
	SQL *sqltext.Query
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

// Sink publishes the new rows of a streaming table outside of the lake.
type Sink struct {
	Node
	Name      string
	From      string        // a table's name
	Connector string        // the name of its factory, empty where the file does not say one
	Options   sinks.Options // nil then, and where they are no mapping
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
