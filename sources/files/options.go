package files

import (
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
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
	Format           string           `yaml:"format" jsonschema:"required,enum=json,enum=csv,enum=parquet,enum=text,enum=binary,enum=debezium" jsonschema_description:"Format of the files. text has a row for each line, binary one for each file; debezium is JSON, one change event per record. What is text may be compressed with gzip or zstd."`
	Names            string           `yaml:"name_pattern" jsonschema:"example=orders_*.json" jsonschema_description:"Glob for the names of files. With it all files are read that match, whatever their extensions, and path may be a glob of folders, which are read with the folders in them."`
	MaxFiles         int              `yaml:"max_files_per_batch" jsonschema:"minimum=1,default=1000" jsonschema_description:"Most files that one batch reads."`
	MaxBytes         option.Size      `yaml:"max_bytes_per_batch" default:"1GiB" jsonschema_description:"Most bytes that one batch reads, as in 64MB or 1GiB. A larger file makes a batch of its own. Default: 1GiB."`
	AllowOverwrites  bool             `yaml:"allow_overwrites" jsonschema:"default=false" jsonschema_description:"Read a file again when it changed after it was read."`
	ModifiedAfter    *option.Text     `yaml:"modified_after" jsonschema:"example=2024-05-01T00:00:00Z" jsonschema_description:"Only files that were changed later are read. Without a zone it is UTC."`
	ModifiedBefore   *option.Text     `yaml:"modified_before" jsonschema:"example=2024-06-01T00:00:00Z" jsonschema_description:"Only files that were changed earlier are read. Without a zone it is UTC."`
	Rescued          string           `yaml:"rescued_column" jsonschema:"default=_rescued_data" jsonschema_description:"Name of the column for what no other column holds, with a schema_evolution that rescues."`
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
	Unnamed          string       `yaml:"unnamed" jsonschema:"minLength=1,default=column" jsonschema_description:"What the names of columns begin with that the header does not name: the number of the column, from 0, follows."`
	NullPadding      bool         `yaml:"null_padding" jsonschema:"default=false" jsonschema_description:"Whether a record with fewer fields than the header is taken, with NULL for those that are missing."`
}

// JSON are the options of JSON files.
type JSON struct {
	option.Node `yaml:"-"`
	Encoding    string       `yaml:"encoding" jsonschema:"enum=utf-8,enum=utf-16,enum=latin-1,enum=windows-1252,default=utf-8" jsonschema_description:"Encoding of the text."`
	InferTimes  *bool        `yaml:"infer_times" jsonschema:"default=true" jsonschema_description:"Whether texts that are dates and times make DATE and TIMESTAMP columns, or VARCHAR like others."`
	NullValues  option.Texts `yaml:"null_values" jsonschema_description:"Texts that stand for NULL in columns of other types than VARCHAR: one, or a list."`
}

func (j JSON) noTimes() bool { return j.InferTimes != nil && !*j.InferTimes }

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
const MetadataStruct = "STRUCT(file_path VARCHAR, file_name VARCHAR, file_size BIGINT, file_modification_time TIMESTAMP WITH TIME ZONE, file_block_start BIGINT, file_block_length BIGINT)"

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
	c := Config{Options: *o, Name: s.Name, Root: s.Dir, Outside: s.Outside, Evolution: s.Evolution, Texts: s.Texts, Declared: s.Declared}
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
	o.checkNames(diags)
	if name := o.Rescued; name != "" && name != jsonrecords.RescuedColumn && (jsonrecords.Own{}).Reserved(name) {
		diags.Errorf("LF0107", o.At("rescued_column"), "choose another name", "the column name %q is taken", name)
	}
	o.CSV.check(diags)
	if o.Has("debezium") {
		o.Debezium.Check(o.Format == "debezium" || o.Format == "", o.At("debezium"), diags)
	}
	readTime(o.ModifiedAfter, diags)
	readTime(o.ModifiedBefore, diags)
	for _, format := range []string{"csv", "json"} {
		if o.Has(format) && o.Format != format && o.Format != "" {
			diags.Errorf("LF0115", o.At(format), "remove it, or write format: "+format, "%s options have no effect on %s files", format, o.Format)
		}
	}
}

func (o *Options) checkNames(diags *diag.List) {
	switch {
	case !o.Read("name_pattern"):
	case o.Names == "":
		diags.Errorf("LF0114", o.At("name_pattern"), "write a glob, as in *.json, or remove the key", "the pattern of the names is empty")
	case !doublestar.ValidatePattern(o.Names) || strings.Contains(o.Names, "/"):
		diags.Errorf("LF0112", o.At("name_pattern"), "write a glob for the names of files, as in orders_*.json, and folders under path",
			"%q is not a glob for names", o.Names)
	}
}

var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02"}

// readTime is nanoseconds since 1970; 0 where nothing is written.
func readTime(written *option.Text, diags *diag.List) int64 {
	if written == nil {
		return 0
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, written.Text); err == nil {
			return t.UnixNano()
		}
	}
	diags.Errorf("LF0112", written.At, "write it as 2024-05-01T00:00:00Z, or 2024-05-01 for the beginning of a day in UTC", "%q is not a time", written.Text)
	return 0
}
