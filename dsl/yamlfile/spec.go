package yamlfile

import (
	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// The shape of a pipeline file. Package option says what the tags mean; the JSON schema is made from them too.

type specPipeline struct {
	option.Node `yaml:"-"`
	Name        *string                  `yaml:"name" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$,example=flights" jsonschema_description:"Name of the pipeline."`
	Description string                   `yaml:"description" jsonschema_description:"What the pipeline is for."`
	Mode        string                   `yaml:"mode" jsonschema:"enum=triggered,enum=continuous,default=triggered" jsonschema_description:"triggered ends when everything that was there at the start is in the tables, continuous when it is stopped."`
	Trigger     specTrigger              `yaml:"trigger" jsonschema_description:"When a batch of a stream is closed: by whichever comes first."`
	Dialect     string                   `yaml:"dialect" jsonschema:"enum=duckdb,enum=spark,default=duckdb" jsonschema_description:"Dialect of SQL that the queries and expressions are written in: DuckDB's, or that of Spark and Databricks."`
	Target      specTarget               `yaml:"target" jsonschema_description:"Where the tables are published."`
	Parameters  map[string]specParameter `yaml:"parameters" jsonschema_description:"Typed values that SQL and texts refer to as ${name}. Overridden by --param name=value."`
	Sources     map[string]specSource    `yaml:"sources" jsonschema_description:"Inputs by name."`
	Tables      map[string]specTable     `yaml:"tables" jsonschema_description:"Tables and views by name."`
	SQL         []specPattern            `yaml:"sql" jsonschema_description:"Files of pipeline SQL, as Databricks and Spark have it, that declare further tables; * stands for a part of a name, ** for folders."`
	Catalog     *string                  `yaml:"catalog" jsonschema:"example=main" jsonschema_description:"Catalog of tables that the .sql files name without one."`
	Config      map[string]specParameter `yaml:"configuration" jsonschema_description:"Values of ${keys} and :keys in .sql files, beside the parameters."`
	Paths       map[string]specFolder    `yaml:"paths" jsonschema_description:"Local folders in the place of paths of the cloud, by what those begin with."`
	External    map[string]specSource    `yaml:"external" jsonschema_description:"Sources in the place of tables that .sql files read and no file declares, by the names of those tables."`
	Functions   map[string]specFunction  `yaml:"functions" jsonschema_description:"Functions that queries call, by name."`
	Topics      map[string]specTopic     `yaml:"topics" jsonschema_description:"Brokers of the topics that .sql files read, by topic."`
	Sinks       map[string]specSink      `yaml:"sinks" jsonschema_description:"Topics that new rows of tables are published to, by name."`
	DeadLetter  specDeadLetter           `yaml:"dead_letter" jsonschema_description:"Where rows and records go that cannot be written to their table."`
	Retention   specRetention            `yaml:"retention" jsonschema_description:"How much of the past is kept."`
	DuckDB      specDuckDB               `yaml:"duckdb" jsonschema_description:"Bounds of the embedded engine."`
}

// specPattern is a path that may have * and **.
type specPattern struct {
	text string
	at   diag.Range
}

func (p *specPattern) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	p.at = v.At
	return d.Decode(&p.text, v, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specPattern) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Examples: []any{"transformations/**/*.sql"}}
}

// specFolder is a local folder.
type specFolder struct {
	option.Node `yaml:"-"`
	text        string
}

func (f *specFolder) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	f.Node = option.Node{Range: at, Fields: map[string]diag.Range{"path": v.At}}
	return d.Decode(&f.text, v, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specFolder) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Description: "A local folder, relative to the file.", Examples: []any{"./data/raw"}}
}

type specFunction struct {
	option.Node `yaml:"-"`
	Parameters  []option.Text `yaml:"parameters" jsonschema_description:"Names of the parameters."`
	SQL         *specSQL      `yaml:"sql" jsonschema:"required" jsonschema_description:"An expression over the parameters, in DuckDB's dialect."`
}

type specTopic struct {
	option.Node `yaml:"-"`
	Brokers     string `yaml:"brokers" jsonschema:"required,example=localhost:9092" option:"text" jsonschema_description:"Addresses of brokers, with commas between them."`
}

type specTrigger struct {
	option.Node `yaml:"-"`
	Interval    option.Duration `yaml:"interval" jsonschema_description:"Time between the beginnings of batches in continuous mode. Default: 1s."`
	MaxRows     *int64          `yaml:"max_rows" jsonschema:"minimum=1,default=500000" jsonschema_description:"Most records that one batch reads of a topic source."`
	MaxBytes    option.Size     `yaml:"max_bytes" jsonschema_description:"Most bytes of keys and values that one batch reads of a topic source, as in 64MB. One record is always taken. Default: 64MiB."`
}

type specRetention struct {
	option.Node `yaml:"-"`
	Snapshots   *int64 `yaml:"snapshots" jsonschema:"minimum=1,default=100" jsonschema_description:"Snapshots of each table that are kept. Older ones are expired."`
}

type specTarget struct {
	option.Node `yaml:"-"`
	Warehouse   *string `yaml:"warehouse" jsonschema:"default=warehouse,example=./warehouse" jsonschema_description:"Local folder of the Iceberg tables and their catalog, relative to the pipeline file."`
	Schema      *string `yaml:"schema" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$" jsonschema_description:"Iceberg namespace of the tables. Default: the name of the pipeline."`
}

type specSource struct {
	option.Node `yaml:"-"`
	Rest        map[string]option.Entry `yaml:"-"` // the options of connectors, by key
	Schema      map[string]specColumn   `yaml:"schema" jsonschema_description:"DuckDB types of columns by name. Columns that are not named here are inferred."`
	Infer       string                  `yaml:"infer" jsonschema:"enum=auto,enum=none,enum=declared,default=auto" jsonschema_description:"Whether the types of columns that schema does not name are inferred from JSON and CSV; with none they are texts. With declared there are no columns but those of schema, and schema_evolution is about all others."`
	Evolution   string                  `yaml:"schema_evolution" jsonschema:"enum=add_new_columns,enum=add_new_columns_and_rescue,enum=rescue,enum=fail,enum=none,default=add_new_columns" jsonschema_description:"What happens when records bring a column that the source does not have."`
}

type specSink struct {
	option.Node `yaml:"-"`
	From        *option.Text            `yaml:"from" jsonschema:"required" jsonschema_description:"Streaming table of the pipeline whose new rows are published."`
	Rest        map[string]option.Entry `yaml:"-"` // the options of connectors, by key
}

type specTable struct {
	option.Node   `yaml:"-"`
	Kind          string                     `yaml:"kind" jsonschema:"required,enum=streaming_table,enum=materialized_view,enum=view" jsonschema_description:"A streaming_table appends what its queries give for new rows; a materialized_view holds the result of its query; a view is computed when it is read."`
	Schema        *string                    `yaml:"schema" jsonschema:"example=bronze" jsonschema_description:"Iceberg namespace of the table, where it is another one than that of the pipeline. Queries then read it as schema.name. It can also be written in front of the name: bronze.orders."`
	Layer         string                     `yaml:"layer" jsonschema:"enum=bronze,enum=silver,enum=gold" jsonschema_description:"A label."`
	Description   string                     `yaml:"description" jsonschema_description:"What the table holds. Iceberg readers see it as the table's comment."`
	Columns       map[string]specDescribed   `yaml:"columns" jsonschema_description:"What columns hold, by name, and their types. Where one has a type, all columns of the query are listed."`
	Dialect       string                     `yaml:"dialect" jsonschema:"enum=duckdb,enum=spark" jsonschema_description:"Dialect of SQL of the table's queries and expressions. Default: the pipeline's."`
	SQL           *specSQL                   `yaml:"sql" jsonschema_description:"The query. STREAM name reads the new rows of a source or table, a name alone reads all of it."`
	SQLFile       *string                    `yaml:"sql_file" jsonschema:"example=sql/silver_flights.sql" jsonschema_description:"File that holds the query, relative to the pipeline file."`
	Flows         map[string]specFlow        `yaml:"flows" jsonschema_description:"Several queries that append to a streaming table, by name."`
	AutoCDC       *specAutoCDC               `yaml:"auto_cdc" jsonschema_description:"Rows of a streaming_table are changes, which are applied to it by key."`
	PartitionBy   []specPartition            `yaml:"partition_by" jsonschema_description:"Columns or transforms of columns that the files are divided by."`
	Expectations  map[string]specExpectation `yaml:"expectations" jsonschema_description:"Conditions that every row must satisfy, by name."`
	DeadLetter    *bool                      `yaml:"dead_letter" jsonschema:"default=true" jsonschema_description:"Whether dropped rows go to the dead-letter table. With false they are only counted."`
	Reset         *bool                      `yaml:"reset" jsonschema:"default=true" jsonschema_description:"Whether --full-refresh-all recomputes the table. With false its rows stay, and --full-refresh refuses it."`
	RefreshEvery  option.Duration            `yaml:"refresh_every" jsonschema_description:"Least time between two refreshes of a materialized view in continuous mode, as in 30s. Default: with every batch that changes an input."`
	RefreshPolicy string                     `yaml:"refresh_policy" jsonschema:"default=auto,enum=auto,enum=incremental,enum=full" jsonschema_description:"How a materialized view follows its inputs: auto takes the cheapest correct way, incremental refuses a query of which all rows would be computed again, full always computes all."`
	Parquet       specParquet                `yaml:"parquet" jsonschema_description:"How the table's files are written."`
}

type specDescribed struct {
	option.Node `yaml:"-"`
	Type        *string `yaml:"type" jsonschema:"example=DECIMAL(12\\,2)" jsonschema_description:"DuckDB type that the values are cast to. Default: the query's."`
	Description *string `yaml:"description" jsonschema_description:"What the column holds. Iceberg readers see it as the column's doc."`
}

type specFlow struct {
	option.Node `yaml:"-"`
	From        *specSQL `yaml:"from" jsonschema:"example=STREAM customers_changes" jsonschema_description:"STREAM of a source or table that gives the changes of a table with auto_cdc."`
	SQL         *specSQL `yaml:"sql" jsonschema_description:"The query."`
	SQLFile     *string  `yaml:"sql_file" jsonschema_description:"File that holds the query, relative to the pipeline file."`
	Once        bool     `yaml:"once" jsonschema:"default=false" jsonschema_description:"Whether the query is evaluated once, over everything that is there, and again by a full refresh only."`
}

type specParquet struct {
	option.Node  `yaml:"-"`
	Compression  string `yaml:"compression" jsonschema:"enum=zstd,enum=snappy,enum=gzip,enum=lz4,enum=none,default=zstd" jsonschema_description:"Compression of the files."`
	RowGroupSize *int64 `yaml:"row_group_size" jsonschema:"minimum=1,default=122880" jsonschema_description:"Rows in a row group."`
}

type specDeadLetter struct {
	option.Node `yaml:"-"`
	Table       *string `yaml:"table" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$,default=dead_letter" jsonschema_description:"Name of the dead-letter table."`
}

type specDuckDB struct {
	option.Node   `yaml:"-"`
	MemoryLimit   option.Size `yaml:"memory_limit" jsonschema_description:"Most memory that the engine uses, as in 512MB or 4GiB. Default: half of the machine's or the container's memory, at most 4GiB."`
	TempDirectory *string     `yaml:"temp_directory" jsonschema_description:"Folder for what does not fit into memory, relative to the pipeline file. Default: inside the warehouse."`
	Threads       *int64      `yaml:"threads" jsonschema:"minimum=1" jsonschema_description:"Threads of the engine. Default: the machine's."`
}

// specParameter is any scalar.
type specParameter struct {
	option.Node `yaml:"-"`
	Value       any
}

func (p *specParameter) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	p.Node = option.Node{Range: at, Fields: map[string]diag.Range{}}
	if v.Kind >= option.KindMapping {
		d.Diags.Errorf("LF0102", at, "write a text, a number, true, false or null", "%s must be a single value, not %s", path, v.Kind)
		return false
	}
	if v.Kind != option.KindNull {
		p.Fields["value"] = v.At
	}
	p.Value = v.Scalar
	return true
}

// JSONSchema describes the type in the schema of the file.
func (specParameter) JSONSchema() *jsonschema.Schema {
	s := &jsonschema.Schema{Description: "A text, number, true, false or null."}
	for _, t := range []string{"string", "number", "boolean", "null"} {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Type: t})
	}
	return s
}

// specColumn is the type of one column.
type specColumn struct {
	option.Node `yaml:"-"`
	Type        *string // nil when it is not a text
}

func (c *specColumn) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	c.Node = option.Node{Range: at, Fields: map[string]diag.Range{}}
	if v.Kind < option.KindMapping && v.Kind != option.KindNull {
		c.Fields["type"] = v.At
	}
	return d.Decode(&c.Type, v, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specColumn) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Description: "A DuckDB type.", Examples: []any{"INTEGER", "TIMESTAMP", "DECIMAL(12,2)", "STRUCT(a INTEGER, b VARCHAR)"}}
}

// specSQL is a query or expression with the way back to the file.
type specSQL struct {
	raw    string
	origin sqltext.Origin
	at     diag.Range
}

func (s *specSQL) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	s.origin, s.at = v.Origin, at
	return d.Decode(&s.raw, v, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specSQL) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Description: "SQL in the dialect of the table."}
}

// specPartition is a column or a transform of one.
type specPartition struct {
	text string
	at   diag.Range
}

func (p *specPartition) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	p.at = at
	return d.Decode(&p.text, v, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specPartition) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Examples: []any{"country", "month(departed_at)", "bucket(16, id)", "truncate(4, name)"}}
}

// specExpectation is a condition with what happens to rows that violate it, or the condition alone.
type specExpectation struct {
	option.Node `yaml:"-"`
	Expect      *specSQL `yaml:"expect" jsonschema:"required" jsonschema_description:"A SQL condition over the columns of the table. A row for which it is not true, or unknown, violates it."`
	Violation   string   `yaml:"on_violation" jsonschema:"enum=warn,enum=drop,enum=fail,default=warn" jsonschema_description:"warn keeps the row and counts it, drop moves it to the dead-letter table, fail stops the update."`
}

func (e *specExpectation) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	e.Node = option.Node{Range: at}
	switch {
	case v.Kind == option.KindMapping:
		d.Mapping(e, v, at, path)
	case v.Kind == option.KindText:
		e.Fields = map[string]diag.Range{"expect": v.At}
		e.Expect = &specSQL{v.Scalar.(string), v.Origin, v.At}
	default:
		d.Diags.Errorf("LF0102", at, "write a condition, as in distance > 50, or {expect: distance > 50, on_violation: drop}",
			"%s must be a condition, not %s", path, v.Kind)
		return false
	}
	return true
}

// JSONSchemaExtend adds the short form.
func (specExpectation) JSONSchemaExtend(s *jsonschema.Schema) {
	long := *s
	*s = jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Description: "The condition; rows that violate it are kept and counted."}, &long}}
}
