package dsl

import (
	"reflect"

	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// The shape of a pipeline file. These structs are decoded by walker, and the JSON schema is made from them; both read
// the same tags.

type specPipeline struct {
	Node        `yaml:"-"`
	Name        *string                  `yaml:"name" jsonschema:"required,pattern=^[A-Za-z_][A-Za-z0-9_]*$,example=flights" jsonschema_description:"Name of the pipeline."`
	Description string                   `yaml:"description" jsonschema_description:"What the pipeline is for."`
	Mode        string                   `yaml:"mode" jsonschema:"enum=triggered,enum=continuous,default=triggered" jsonschema_description:"triggered ends when everything that was there at the start is in the tables, continuous when it is stopped."`
	Trigger     specTrigger              `yaml:"trigger" jsonschema_description:"When a batch of a stream is closed: by whichever comes first."`
	Target      specTarget               `yaml:"target" jsonschema_description:"Where the tables are published."`
	Parameters  map[string]specParameter `yaml:"parameters" jsonschema_description:"Typed values that SQL and texts refer to as ${name}. Overridden by --param name=value."`
	Sources     map[string]specSource    `yaml:"sources" jsonschema_description:"Inputs by name."`
	Tables      map[string]specTable     `yaml:"tables" jsonschema:"required" jsonschema_description:"Tables and views by name."`
	Sinks       map[string]specSink      `yaml:"sinks" jsonschema_description:"Topics that new rows of tables are published to, by name."`
	DeadLetter  specDeadLetter           `yaml:"dead_letter" jsonschema_description:"Where rows and records go that cannot be written to their table."`
	Retention   specRetention            `yaml:"retention" jsonschema_description:"How much of the past is kept."`
	DuckDB      specDuckDB               `yaml:"duckdb" jsonschema_description:"Bounds of the embedded engine."`
}

type specTrigger struct {
	Node     `yaml:"-"`
	Interval specDuration `yaml:"interval" jsonschema_description:"Time between the beginnings of batches in continuous mode. Default: 1s."`
	MaxRows  *int64       `yaml:"max_rows" jsonschema:"minimum=1,default=500000" jsonschema_description:"Most records that one batch reads of a topic source."`
	MaxBytes specSize     `yaml:"max_bytes" jsonschema_description:"Most bytes of keys and values that one batch reads of a topic source, as in 64MB. One record is always taken. Default: 64MiB."`
}

type specRetention struct {
	Node      `yaml:"-"`
	Snapshots *int64 `yaml:"snapshots" jsonschema:"minimum=1,default=100" jsonschema_description:"Snapshots of each table that are kept. Older ones are expired."`
}

type specTarget struct {
	Node      `yaml:"-"`
	Warehouse *string `yaml:"warehouse" jsonschema:"default=warehouse,example=./warehouse" jsonschema_description:"Local folder of the Iceberg tables and their catalog, relative to the pipeline file."`
	Schema    *string `yaml:"schema" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$" jsonschema_description:"Iceberg namespace of the tables. Default: the name of the pipeline."`
}

type specSource struct {
	Node      `yaml:"-"`
	Files     specFiles             `yaml:"files" jsonschema_description:"Files of a local folder."`
	Kafka     specKafka             `yaml:"kafka" jsonschema_description:"Topics of Apache Kafka, or of what speaks its protocol."`
	Schema    map[string]specColumn `yaml:"schema" jsonschema_description:"DuckDB types of columns by name. Columns that are not named here are inferred."`
	Infer     string                `yaml:"infer" jsonschema:"enum=auto,enum=none,default=auto" jsonschema_description:"Whether the types of columns that schema does not name are inferred from JSON and CSV; with none they are texts."`
	Evolution string                `yaml:"schema_evolution" jsonschema:"enum=add_new_columns,enum=rescue,enum=fail,enum=none,default=add_new_columns" jsonschema_description:"What happens when records bring a column that the source does not have."`
}

type specFiles struct {
	Node             `yaml:"-"`
	Path             *string              `yaml:"path" jsonschema:"required,example=data/flights/*.json" jsonschema_description:"File, folder or glob, relative to the pipeline file. ** matches folders of any depth."`
	Format           string               `yaml:"format" jsonschema:"required,enum=json,enum=csv,enum=parquet" jsonschema_description:"Format of the files. JSON and CSV may be compressed with gzip or zstd."`
	MaxFiles         *int64               `yaml:"max_files_per_batch" jsonschema:"minimum=1,default=1000" jsonschema_description:"Most files that one batch reads."`
	MaxBytes         specSize             `yaml:"max_bytes_per_batch" jsonschema_description:"Most bytes that one batch reads, as in 64MB or 1GiB. A larger file makes a batch of its own. Default: 1GiB."`
	AllowOverwrites  bool                 `yaml:"allow_overwrites" jsonschema:"default=false" jsonschema_description:"Read a file again when it changed after it was read."`
	PartitionColumns specPartitionColumns `yaml:"partition_columns" jsonschema_description:"Columns from the names of folders, as in year=2024: auto takes those that all files have, none takes none, a list names them. Default: auto."`
	CSV              specCSV              `yaml:"csv" jsonschema_description:"How CSV files are written. What is not given is detected."`
	JSON             specJSON             `yaml:"json" jsonschema_description:"How JSON files are written."`
}

type specCSV struct {
	Node             `yaml:"-"`
	Header           *bool     `yaml:"header" jsonschema_description:"Whether the first line names the columns."`
	Delimiter        *string   `yaml:"delimiter" jsonschema:"minLength=1,maxLength=4" jsonschema_description:"What stands between fields."`
	Quote            *string   `yaml:"quote" jsonschema:"maxLength=1" jsonschema_description:"Character around fields that hold a delimiter; empty for none."`
	Escape           *string   `yaml:"escape" jsonschema:"maxLength=1" jsonschema_description:"Character before a quote inside a quoted field; empty for none."`
	NullValues       specTexts `yaml:"null_values" jsonschema_description:"Texts that stand for NULL: one, or a list."`
	Skip             *int64    `yaml:"skip" jsonschema:"minimum=0" jsonschema_description:"Lines before the header that are passed over. Default: detected."`
	Comment          *string   `yaml:"comment" jsonschema:"maxLength=1" jsonschema_description:"Character that begins a line that is no record; empty for none."`
	Encoding         string    `yaml:"encoding" jsonschema:"enum=utf-8,enum=utf-16,enum=latin-1,enum=windows-1252,default=utf-8" jsonschema_description:"Encoding of the text."`
	DateFormat       *string   `yaml:"date_format" jsonschema:"example=%d.%m.%Y" jsonschema_description:"How dates are written, in the letters of strptime. Default: ISO dates."`
	TimestampFormat  *string   `yaml:"timestamp_format" jsonschema:"example=%d.%m.%Y %H:%M" jsonschema_description:"How times of a day are written, in the letters of strptime. Default: ISO."`
	DecimalSeparator *string   `yaml:"decimal_separator" jsonschema:"minLength=1,maxLength=1,default=." jsonschema_description:"Character before the fraction of a number."`
	Thousands        *string   `yaml:"thousands" jsonschema:"minLength=1,maxLength=1" jsonschema_description:"Character between groups of three digits."`
	NullPadding      bool      `yaml:"null_padding" jsonschema:"default=false" jsonschema_description:"Whether a record with fewer fields than the header is taken, with NULL for those that are missing."`
}

type specJSON struct {
	Node       `yaml:"-"`
	Encoding   string    `yaml:"encoding" jsonschema:"enum=utf-8,enum=utf-16,enum=latin-1,enum=windows-1252,default=utf-8" jsonschema_description:"Encoding of the text."`
	NullValues specTexts `yaml:"null_values" jsonschema_description:"Texts that stand for NULL in columns of other types than VARCHAR: one, or a list."`
}

// specTexts is a text, or a list of them.
type specTexts []string

func (s *specTexts) decode(w *walker, n *node, at diag.Range, path string) bool {
	if n.kind == sequence {
		return w.value(reflect.ValueOf((*[]string)(s)).Elem(), n, at, path)
	}
	var one string
	ok := w.value(reflect.ValueOf(&one).Elem(), n, at, path)
	*s = specTexts{one}
	return ok
}

// JSONSchema describes the type in the schema of the file.
func (specTexts) JSONSchema() *jsonschema.Schema {
	text := &jsonschema.Schema{Type: "string"}
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, {Type: "array", Items: text}}}
}

// specPartitionColumns is auto, none, or a list of names.
type specPartitionColumns struct {
	none  bool
	names []string
}

const partitionColumnsHelp = "write auto, none, or a list of names, as in [year, region]"

func (s *specPartitionColumns) decode(w *walker, n *node, at diag.Range, path string) bool {
	switch {
	case n.kind == sequence:
		return w.value(reflect.ValueOf(&s.names).Elem(), n, at, path)
	case n.kind != text:
		w.diags.Errorf("LF0102", at, partitionColumnsHelp, "%s must be a word or a list, not %s", path, n.kind)
		return false
	case n.written != "auto" && n.written != "none":
		w.diags.Errorf("LF0105", n.at, partitionColumnsHelp, "%s cannot be %q", path, n.written)
		return false
	}
	s.none = n.written == "none"
	return true
}

// JSONSchema describes the type in the schema of the file.
func (specPartitionColumns) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Enum: []any{"auto", "none"}}, {Type: "array", Items: &jsonschema.Schema{Type: "string"}}}}
}

type specTable struct {
	Node         `yaml:"-"`
	Kind         string                     `yaml:"kind" jsonschema:"required,enum=streaming_table,enum=materialized_view,enum=view" jsonschema_description:"A streaming_table appends what its queries give for new rows; a materialized_view holds the result of its query; a view is computed when it is read."`
	Layer        string                     `yaml:"layer" jsonschema:"enum=bronze,enum=silver,enum=gold" jsonschema_description:"A label."`
	Description  string                     `yaml:"description" jsonschema_description:"What the table holds. Iceberg readers see it as the table's comment."`
	Columns      map[string]specDescribed   `yaml:"columns" jsonschema_description:"What columns hold, by name."`
	SQL          *specSQL                   `yaml:"sql" jsonschema_description:"The query. STREAM name reads the new rows of a source or table, a name alone reads all of it."`
	SQLFile      *string                    `yaml:"sql_file" jsonschema:"example=sql/silver_flights.sql" jsonschema_description:"File that holds the query, relative to the pipeline file."`
	Flows        map[string]specFlow        `yaml:"flows" jsonschema_description:"Several queries that append to a streaming table, by name."`
	PartitionBy  []specPartition            `yaml:"partition_by" jsonschema_description:"Columns or transforms of columns that the files are divided by."`
	Expectations map[string]specExpectation `yaml:"expectations" jsonschema_description:"Conditions that every row must satisfy, by name."`
	DeadLetter   *bool                      `yaml:"dead_letter" jsonschema:"default=true" jsonschema_description:"Whether dropped rows go to the dead-letter table. With false they are only counted."`
	RefreshEvery specDuration               `yaml:"refresh_every" jsonschema_description:"Least time between two refreshes of a materialized view in continuous mode, as in 30s. Default: with every batch that changes an input."`
	Parquet      specParquet                `yaml:"parquet" jsonschema_description:"How the table's files are written."`
}

type specDescribed struct {
	Node        `yaml:"-"`
	Description *string `yaml:"description" jsonschema:"required" jsonschema_description:"What the column holds. Iceberg readers see it as the column's doc."`
}

type specFlow struct {
	Node    `yaml:"-"`
	SQL     *specSQL `yaml:"sql" jsonschema_description:"The query."`
	SQLFile *string  `yaml:"sql_file" jsonschema_description:"File that holds the query, relative to the pipeline file."`
}

type specParquet struct {
	Node         `yaml:"-"`
	Compression  string `yaml:"compression" jsonschema:"enum=zstd,enum=snappy,enum=gzip,enum=lz4,enum=none,default=zstd" jsonschema_description:"Compression of the files."`
	RowGroupSize *int64 `yaml:"row_group_size" jsonschema:"minimum=1,default=122880" jsonschema_description:"Rows in a row group."`
}

type specDeadLetter struct {
	Node  `yaml:"-"`
	Table *string `yaml:"table" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$,default=dead_letter" jsonschema_description:"Name of the dead-letter table."`
}

type specDuckDB struct {
	Node          `yaml:"-"`
	MemoryLimit   specSize `yaml:"memory_limit" jsonschema_description:"Most memory that the engine uses, as in 512MB or 4GiB. Default: half of the machine's or the container's memory, at most 4GiB."`
	TempDirectory *string  `yaml:"temp_directory" jsonschema_description:"Folder for what does not fit into memory, relative to the pipeline file. Default: inside the warehouse."`
	Threads       *int64   `yaml:"threads" jsonschema:"minimum=1" jsonschema_description:"Threads of the engine. Default: the machine's."`
}

// specParameter is any scalar.
type specParameter struct {
	Node  `yaml:"-"`
	Value any
}

func (p *specParameter) decode(w *walker, n *node, at diag.Range, path string) bool {
	p.Node = Node{Range: at, Fields: map[string]diag.Range{}}
	if n.kind >= mapping {
		w.diags.Errorf("LF0102", at, "write a text, a number, true, false or null", "%s must be a single value, not %s", path, n.kind)
		return false
	}
	if n.kind != null {
		p.Fields["value"] = n.at
	}
	p.Value = n.value
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
	Node `yaml:"-"`
	Type *string // nil when it is not a text
}

func (c *specColumn) decode(w *walker, n *node, at diag.Range, path string) bool {
	c.Node = Node{Range: at, Fields: map[string]diag.Range{}}
	if n.kind < mapping && n.kind != null {
		c.Fields["type"] = n.at
	}
	return w.value(reflect.ValueOf(&c.Type).Elem(), n, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specColumn) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Description: "A DuckDB type.", Examples: []any{"INTEGER", "TIMESTAMP", "DECIMAL(12,2)", "STRUCT(a INTEGER, b VARCHAR)"}}
}

// specSize is a number of bytes, as a number or with a unit.
type specSize struct {
	text string
}

func (s *specSize) decode(w *walker, n *node, at diag.Range, path string) bool {
	if n.kind == integer || n.kind == float {
		s.text = n.written
		return true
	}
	return w.value(reflect.ValueOf(&s.text).Elem(), n, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specSize) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Description: "Bytes, or a text with a unit.", Examples: []any{"64MB", "1GiB"},
		OneOf: []*jsonschema.Schema{{Type: "integer", Minimum: "1"}, {Type: "string"}}}
}

// specDuration is a length of time, with its unit.
type specDuration struct {
	text string
}

func (d *specDuration) decode(w *walker, n *node, at diag.Range, path string) bool {
	if n.kind == integer || n.kind == float {
		d.text = n.written
		return true
	}
	return w.value(reflect.ValueOf(&d.text).Elem(), n, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specDuration) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Description: "A number with a unit: ms, s, m or h.", Examples: []any{"500ms", "30s", "1h30m"}}
}

// specSQL is a query or expression with the way back to the file.
type specSQL struct {
	raw    string
	origin sqltext.Origin
	at     diag.Range
}

func (s *specSQL) decode(w *walker, n *node, at diag.Range, path string) bool {
	s.origin, s.at = n.origin, at
	return w.value(reflect.ValueOf(&s.raw).Elem(), n, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specSQL) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Description: "SQL in DuckDB's dialect."}
}

// specText is a text of a list, with its place.
type specText struct {
	text string
	at   diag.Range
}

func (p *specText) decode(w *walker, n *node, at diag.Range, path string) bool {
	p.at = at
	return w.value(reflect.ValueOf(&p.text).Elem(), n, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specText) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "string"} }

// specPartition is a column or a transform of one.
type specPartition struct {
	text string
	at   diag.Range
}

func (p *specPartition) decode(w *walker, n *node, at diag.Range, path string) bool {
	p.at = at
	return w.value(reflect.ValueOf(&p.text).Elem(), n, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specPartition) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Examples: []any{"country", "month(departed_at)", "bucket(16, id)", "truncate(4, name)"}}
}

// specExpectation is a condition with what happens to rows that violate it, or the condition alone.
type specExpectation struct {
	Node      `yaml:"-"`
	Expect    *specSQL `yaml:"expect" jsonschema:"required" jsonschema_description:"A SQL condition over the columns of the table. A row for which it is not true, or unknown, violates it."`
	Violation string   `yaml:"on_violation" jsonschema:"enum=warn,enum=drop,enum=fail,default=warn" jsonschema_description:"warn keeps the row and counts it, drop moves it to the dead-letter table, fail stops the update."`
}

func (e *specExpectation) decode(w *walker, n *node, at diag.Range, path string) bool {
	e.Node = Node{Range: at}
	switch {
	case n.kind == mapping:
		w.mapping(reflect.ValueOf(e).Elem(), n, at, path)
	case n.kind == text:
		e.Fields = map[string]diag.Range{"expect": n.at}
		e.Expect = &specSQL{n.value.(string), n.origin, n.at}
	default:
		w.diags.Errorf("LF0102", at, "write a condition, as in distance > 50, or {expect: distance > 50, on_violation: drop}",
			"%s must be a condition, not %s", path, n.kind)
		return false
	}
	return true
}

// JSONSchemaExtend adds the short form.
func (specExpectation) JSONSchemaExtend(s *jsonschema.Schema) {
	long := *s
	*s = jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Description: "The condition; rows that violate it are kept and counted."}, &long}}
}
