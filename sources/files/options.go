package files

import (
	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/records"
)

// Factory makes sources of files.
func Factory() sources.Factory {
	return sources.Factory{Name: "files", Description: "Files of a local folder.", Example: "files: {path: …, format: …}",
		Options: func() sources.Options { return &Options{} }}
}

// Options are what a pipeline file declares of a source of files.
type Options struct {
	option.Node      `yaml:"-"`
	Path             string           `yaml:"path" option:"local path" jsonschema:"required,example=data/flights/*.json" jsonschema_description:"File, folder or glob, relative to the pipeline file. ** matches folders of any depth."`
	Format           string           `yaml:"format" jsonschema:"required,enum=json,enum=csv,enum=parquet,enum=debezium" jsonschema_description:"Format of the files. debezium is JSON, one change event per record. JSON and CSV may be compressed with gzip or zstd."`
	MaxFiles         int              `yaml:"max_files_per_batch" jsonschema:"minimum=1,default=1000" jsonschema_description:"Most files that one batch reads."`
	MaxBytes         option.Size      `yaml:"max_bytes_per_batch" default:"1GiB" jsonschema_description:"Most bytes that one batch reads, as in 64MB or 1GiB. A larger file makes a batch of its own. Default: 1GiB."`
	AllowOverwrites  bool             `yaml:"allow_overwrites" jsonschema:"default=false" jsonschema_description:"Read a file again when it changed after it was read."`
	PartitionColumns PartitionColumns `yaml:"partition_columns" jsonschema_description:"Columns from the names of folders, as in year=2024: auto takes those that all files have, none takes none, a list names them. Default: auto."`
	CSV              CSV              `yaml:"csv" jsonschema_description:"How CSV files are written. What is not given is detected."`
	JSON             JSON             `yaml:"json" jsonschema_description:"How JSON files are written."`
	Debezium         records.Debezium `yaml:"debezium" jsonschema_description:"How change events are read."`
}

// CSV are the options of CSV files. What is zero is detected from the first files and remembered.
type CSV struct {
	option.Node      `yaml:"-"`
	Header           *bool        `yaml:"header" jsonschema_description:"Whether the first line names the columns."`
	Delimiter        string       `yaml:"delimiter" jsonschema:"minLength=1,maxLength=4" jsonschema_description:"What stands between fields."`
	Quote            *string      `yaml:"quote" jsonschema:"maxLength=1" jsonschema_description:"Character around fields that hold a delimiter; empty for none."`
	Escape           *string      `yaml:"escape" jsonschema:"maxLength=1" jsonschema_description:"Character before a quote inside a quoted field; empty for none."`
	NullValues       option.Texts `yaml:"null_values" jsonschema_description:"Texts that stand for NULL: one, or a list."`
	Skip             *int         `yaml:"skip" jsonschema:"minimum=0" jsonschema_description:"Lines before the header that are passed over. Default: detected."`
	Comment          string       `yaml:"comment" jsonschema:"maxLength=1" jsonschema_description:"Character that begins a line that is no record; empty for none."`
	Encoding         string       `yaml:"encoding" jsonschema:"enum=utf-8,enum=utf-16,enum=latin-1,enum=windows-1252,default=utf-8" jsonschema_description:"Encoding of the text."`
	DateFormat       string       `yaml:"date_format" jsonschema:"example=%d.%m.%Y" jsonschema_description:"How dates are written, in the letters of strptime. Default: ISO dates."`
	TimestampFormat  string       `yaml:"timestamp_format" jsonschema:"example=%d.%m.%Y %H:%M" jsonschema_description:"How times of a day are written, in the letters of strptime. Default: ISO."`
	DecimalSeparator string       `yaml:"decimal_separator" jsonschema:"minLength=1,maxLength=1,default=." jsonschema_description:"Character before the fraction of a number."`
	Thousands        string       `yaml:"thousands" jsonschema:"minLength=1,maxLength=1" jsonschema_description:"Character between groups of three digits."`
	NullPadding      bool         `yaml:"null_padding" jsonschema:"default=false" jsonschema_description:"Whether a record with fewer fields than the header is taken, with NULL for those that are missing."`
}

// JSON are the options of JSON files.
type JSON struct {
	option.Node `yaml:"-"`
	Encoding    string       `yaml:"encoding" jsonschema:"enum=utf-8,enum=utf-16,enum=latin-1,enum=windows-1252,default=utf-8" jsonschema_description:"Encoding of the text."`
	NullValues  option.Texts `yaml:"null_values" jsonschema_description:"Texts that stand for NULL in columns of other types than VARCHAR: one, or a list."`
}

// PartitionColumns says which columns come from the names of folders, as in year=2024. Without None and Names it is
// those that all files have.
type PartitionColumns struct {
	None  bool
	Names []string
}

// Decode reads auto, none, or a list of names.
func (p *PartitionColumns) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	const help = "write auto, none, or a list of names, as in [year, region]"
	switch {
	case v.Kind == option.KindList:
		return d.Decode(&p.Names, v, at, path)
	case v.Kind != option.KindText:
		d.Diags.Errorf("LF0102", at, help, "%s must be a word or a list, not %s", path, v.Kind)
		return false
	case v.Written != "auto" && v.Written != "none":
		d.Diags.Errorf("LF0105", v.At, help, "%s cannot be %q", path, v.Written)
		return false
	}
	p.None = v.Written == "none"
	return true
}

// Encode implements option.Written.
func (p *PartitionColumns) Encode() *option.Value {
	switch {
	case p.None:
		return option.TextValue("none")
	case p.Names == nil:
		return nil
	}
	return option.ListValue(p.Names...)
}

// JSONSchema describes the type in the schema of the file.
func (PartitionColumns) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Enum: []any{"auto", "none"}}, {Type: "array", Items: &jsonschema.Schema{Type: "string"}}}}
}

// Describe implements sources.Options.
func (o *Options) Describe() string { return o.Format + " files" }

// MetadataStruct is the DuckDB type of _metadata.
const MetadataStruct = "STRUCT(file_path VARCHAR, file_name VARCHAR, file_size BIGINT, file_modification_time TIMESTAMP WITH TIME ZONE)"

// Metadata implements sources.Options.
func (*Options) Metadata() string { return MetadataStruct }

// Traits implements sources.Options.
func (o *Options) Traits() sources.Traits {
	t := sources.Traits{Ledger: true}
	if o.Format == "debezium" {
		t.Changes = o.Debezium.Changes()
	}
	return t
}

// Reads implements sources.Options: nothing publishes files.
func (*Options) Reads(sources.Place) bool { return false }

// New implements sources.Options.
func (o *Options) New(s sources.Setup) (sources.Source, error) {
	c := Config{Options: *o, Name: s.Name, Root: s.Dir, Outside: s.Outside, Evolution: s.Evolution, Texts: s.Texts}
	for _, h := range s.Hints {
		c.Hints = append(c.Hints, Hint(h))
	}
	return New(c)
}

// Check implements sources.Options.
func (o *Options) Check(_ string, diags *diag.List) {
	if o.Read("max_files_per_batch") && !option.Positive(int64(o.MaxFiles), o.At("max_files_per_batch"), diags) {
		o.MaxFiles = 0
	}
	o.CSV.check(diags)
	if o.Has("debezium") {
		o.Debezium.Check(o.Format == "debezium" || o.Format == "", o.At("debezium"), diags)
	}
	for _, format := range []string{"csv", "json"} {
		if o.Has(format) && o.Format != format && o.Format != "" {
			diags.Errorf("LF0115", o.At(format), "remove it, or write format: "+format, "%s options have no effect on %s files", format, o.Format)
		}
	}
}
