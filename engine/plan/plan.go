// Package plan compiles a pipeline: an ordered, visible list of passes from *dsl.Pipeline to *Plan. Nothing is run and
// nothing is written. DuckDB does the parsing and binding, over a connection that the caller gives;
// every mistake found becomes a diagnostic at the place in the user's file.
package plan

import (
	"database/sql"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// The kinds of datasets, for packages that do not know dsl.
const (
	StreamingTable   = dsl.StreamingTable
	MaterializedView = dsl.MaterializedView
	View             = dsl.View
)

// Plan is a compiled pipeline. It is read-only once made.
type Plan struct {
	Name        string
	Schema      string // Iceberg namespace
	Warehouse   string
	DeadLetter  string // table name
	Mode        dsl.Mode
	Trigger     dsl.Trigger
	Sources     []*Source
	Datasets    []*Dataset // upstream before downstream; stable order
	Waves       int        // in which an update goes through the datasets
	Sinks       []*Sink    // in the order of the file
	Diagnostics diag.List  // warnings
	Secrets     *dsl.Secrets
}

// Source is a declared source as queries see it.
type Source struct {
	Name     string
	Format   string        // "json files", "kafka topic orders"
	Kind     string        // the connector: files, kafka
	Columns  schemas.Table // without _metadata
	Metadata string        // the DuckDB type of _metadata, a STRUCT
	Ledger   bool          // what was read of it is in the ledger
	At       diag.Range
}

// Sink publishes the new rows of a streaming table outside of the lake, or what was changed in a table.
type Sink struct {
	Name string
	From string // the table
	// Key are the columns that tell the rows of the table apart where they change; nil where they are only added to.
	Key       []string
	Format    string // "kafka topic orders"
	Guarantee string // "exactly once for consumers that read committed records"
	At        diag.Range
}

// Dataset is a table or view with its place in the graph.
type Dataset struct {
	Name        string
	Kind        dsl.Kind
	Layer       string
	Description string
	Columns     schemas.Table // of its rows, in types that lakes store; no field ids
	Partition   []schemas.PartitionField
	Flows       []*Flow
	Rules       expectations.RuleSet
	Parquet     dsl.Parquet
	// RefreshEvery is the least time between two refreshes of a materialized view in continuous mode; 0 means with
	// every batch.
	RefreshEvery time.Duration
	// Wave is the part of an update in which the table is brought up to date, from 0: first its streaming tables, until
	// nothing is new, then its materialized views.
	Wave int
	// Streaming is true for a streaming table, and for a view whose query reads a stream.
	Streaming bool
	// Deterministic is true when the queries give the same rows as long as what they read stays the same; now(),
	// random() or a sample make it false. Such a materialized view is recomputed although no input changed.
	Deterministic bool
	Refresh       Refresh
	Merge         *AutoCDC     // of those with Refresh Merge
	Incremental   *Incremental // of materialized views
	// Provenance are the columns that its data files have beside Columns: those that any of its flows gives.
	Provenance schemas.Table
	// Technique is Refresh in words: "appends new rows", "recomputed in full when an input changed", "computed when
	// read". Guarantee: "exactly once".
	Technique, Guarantee string
	At                   diag.Range
}

// StoredColumns are what its data files have: Columns, and Provenance behind them.
func (d *Dataset) StoredColumns() schemas.Table { return slices.Concat(d.Columns, d.Provenance) }

// Flow is one query of a dataset.
type Flow struct {
	Name string
	// SQL is the DuckDB text of the query. It names whole datasets as themselves, new rows as "__stream".name and
	// changes as "__changes".name; the caller makes relations of those names before evaluating it. Output has the dataset's columns by name (those of
	// Merge.Rows where changes are merged), still in DuckDB's types: Project wraps it.
	SQL string
	// Project is SQL with every column cast to its stored type, in the order of those columns.
	Project string
	// Traced is SQL with the columns of schemas.Provenance beside its own. TracedProject is Project with those of
	// Provenance behind its own, and LocatedProject with all of them. They are empty where a row of the query is not one
	// row of its only input.
	Traced, TracedProject, LocatedProject string
	// Provenance are those columns of schemas.Provenance that its input always fills.
	Provenance schemas.Table
	// Streams, Changes and Reads are the datasets and sources that the query itself names, by STREAM, by STREAM CHANGES,
	// or whole.
	Streams, Changes, Reads []string
	// UsesMetadata is true when the query refers to _metadata.
	UsesMetadata bool
	// Rescan is true when the query may be evaluated more than once with the same result and at
	// little cost: it reads one relation, and only projects and filters it with functions that are not volatile.
	Rescan bool
	// Fingerprint identifies the query, and those of the views that it reads, regardless of white space and comments.
	Fingerprint string
	// Shape tells a query that only got more columns from one that changed.
	Shape Shape
	At    diag.Range

	query *sqltext.Query // as the user wrote it
	sql   string         // query.Text as it stands in SQL
	casts map[int]bool   // the offsets of the casts in sql
	// inserted is what Traced has beyond sql.
	inserted insertion
	secrets  *dsl.Secrets
}

// Dataset returns the dataset of that name, or nil.
func (p *Plan) Dataset(name string) *Dataset {
	for _, d := range p.Datasets {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// Input is what Compile needs beside the file.
type Input struct {
	Pipeline *dsl.Pipeline
	// Flawed is true when mistakes in the file were reported: there will be no plan, but there may be more mistakes to
	// find.
	Flawed bool
	// Conn is a DuckDB connection with nothing in it that matters, on which errors_as_json is set. Compile creates and
	// drops relations in the schemas main, __stream and __changes of its TEMP or in-memory database.
	Conn *sql.Conn
	// Macros are the statements that have made what translated queries call on the connection; see spark.Create.
	Macros string
	// SourceColumns are the columns of each source; a source that is missing could not be inferred (no files, no
	// hints).
	SourceColumns map[string]schemas.Table
	// Found is what the sources say of themselves beside their columns, by name.
	Found map[string]sources.Found
	// Unreached says of sources why they cannot be asked now. Columns that SourceColumns has of them are the declared
	// ones; without any, what reads the source is not checked, and there is no plan.
	Unreached map[string]string
}
