package records

import (
	"errors"
	"fmt"

	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/confluent"
	"github.com/lakeflow/lakeflow/sources/debezium"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// Format is the encoding of keys or values: an option of sources.
type Format struct {
	option.Node `yaml:"-"`
	Format      string `yaml:"format" jsonschema:"enum=json,enum=avro,enum=protobuf,enum=string,enum=bytes,enum=debezium" jsonschema_description:"Encoding. debezium is for values."`
	// Schema is the schema of values without a registry; Message one of its messages, when it has several.
	Schema  string `yaml:"schema" option:"text" jsonschema_description:"Text of an Avro schema or of a .proto file, or ${file:path} of one, where no registry is used."`
	Message string `yaml:"message" option:"text" jsonschema_description:"Full name of the Protobuf message, where the schema has several."`
}

// KeyType is the DuckDB type of keys in this format, of which empty means bytes: BLOB for bytes, else VARCHAR, with
// JSON for json, avro and protobuf.
func (f Format) KeyType() string {
	if f.Format == "" || f.Format == "bytes" {
		return "BLOB"
	}
	return "VARCHAR"
}

// Config says how records are read.
type Config struct {
	// Key and Value say how records are encoded. Empty means bytes for the key and json for the value.
	Key, Value Format
	Registry   confluent.Registry
	Row        []Cell // what rows are made of, where the value is not looked into; nil: of the value alone
	Hints      []sources.Hint
	Evolution  sources.Evolution // empty means add_new_columns
	Texts      bool              // columns that are inferred from JSON are texts
	Declared   bool              // the columns are those of Hints, and Evolution is about all others
}

// Cell is a column of rows that are records, and the SQL of it over the columns "value" and _metadata.
type Cell struct {
	schemas.Column
	SQL string
}

// Reader reads the records of one Config. It is never changed, and any goroutine may use it.
type Reader struct {
	cfg    Config
	hints  schemas.Table
	keys   *typed // nil for formats without schema
	values *typed
	events *events // nil for other formats than debezium
}

// New checks the configuration, and reaches for nothing. An error begins with the option that it is about.
func New(cfg Config) (*Reader, error) {
	setDefault(&cfg.Key.Format, "bytes")
	setDefault(&cfg.Value.Format, "json")
	setDefault((*string)(&cfg.Evolution), string(sources.AddNewColumns))
	r := &Reader{cfg: cfg}
	if err := cfg.Evolution.Check(); err != nil {
		return nil, err
	}
	if err := cfg.checkFormats(); err != nil {
		return nil, err
	}
	if cfg.Value.Format == "debezium" {
		r.events = newEvents()
	}
	if err := r.checkHints(); err != nil {
		return nil, err
	}
	var reg *confluent.Client
	var err error
	if cfg.Registry.URL != "" {
		if reg, err = cfg.Registry.Client(); err != nil {
			return nil, err
		}
	}
	if r.keys, err = newTyped("key", cfg.Key, reg); err != nil {
		return nil, err
	}
	r.values, err = newTyped("value", cfg.Value, reg)
	return r, err
}

func setDefault(option *string, value string) {
	if *option == "" {
		*option = value
	}
}

func (c Config) checkFormats() error {
	if f := c.Value.Format; len(c.Row) > 0 && f != "bytes" && f != "string" {
		return fmt.Errorf("value: format %s makes columns of the value, and a row that is the record has it as it is; write bytes or string", f)
	}
	for option, f := range map[string]Format{"key": c.Key, "value": c.Value} {
		switch f.Format {
		case "json", "string", "bytes", "debezium":
			if option == "key" && f.Format == "debezium" {
				return errors.New("key: format debezium is for values; write json")
			}
			if f.Schema != "" {
				return fmt.Errorf("%s: format %s has no schema; leave schema out, or set format to avro or protobuf", option, f.Format)
			}
		case "avro", "protobuf":
			if f.Schema == "" && c.Registry.URL == "" {
				return fmt.Errorf("%s: format %s needs a schema; write schema_registry: {url: …}, or the schema itself under %s: {schema: …}", option, f.Format, option)
			}
		default:
			return fmt.Errorf("%s: format %q is unknown; write json, avro, protobuf, string, bytes or debezium", option, f.Format)
		}
	}
	return nil
}

func (r *Reader) checkHints() error {
	plain := r.plain()
	for _, h := range r.cfg.Hints {
		t, err := schemas.Storable(h.Type)
		if err != nil {
			return fmt.Errorf("column %s: %w", h.Name, err)
		}
		if r.own().Reserved(h.Name) || r.hints.Column(h.Name) != nil || r.events != nil && debezium.Meta.Column(h.Name) != nil {
			return fmt.Errorf("the column name %q is taken; choose another", h.Name)
		}
		if len(r.cfg.Row) > 0 {
			return fmt.Errorf("schema: a row that is the record has the columns %s; leave the schema out", plain.SQLColumns())
		}
		if plain != nil && (h.Name != plain[0].Name || !t.Equal(plain[0].Type)) {
			return fmt.Errorf("schema: format %s gives one column, %s; leave the schema out", r.cfg.Value.Format, plain.SQLColumns())
		}
		r.hints = append(r.hints, schemas.Column{Name: h.Name, Type: t})
	}
	return nil
}

// plain are the columns of a format that does not look into values, else nil.
func (r *Reader) plain() schemas.Table {
	if len(r.cfg.Row) > 0 {
		var t schemas.Table
		for _, c := range r.cfg.Row {
			t = append(t, c.Column)
		}
		return t
	}
	switch r.cfg.Value.Format {
	case "string":
		return schemas.Table{{Name: "value", Type: varchar}}
	case "bytes":
		return schemas.Table{{Name: "value", Type: schemas.Type{Kind: schemas.Blob}}}
	}
	return nil
}

func (r *Reader) rescues() bool { return r.cfg.Evolution.Rescues() && r.plain() == nil }

func (r *Reader) own() jsonrecords.Own { return jsonrecords.Own{Rescues: r.rescues()} }

// Visible are the columns of relations: those given, or the declared ones where there are none, and _rescued_data.
func (r *Reader) Visible(t schemas.Table) schemas.Table {
	if len(t) == 0 {
		t = r.declared()
	}
	return Visible(t, r.rescues())
}

// Visible adds _rescued_data to the columns of a source that rescues.
func Visible(t schemas.Table, rescues bool) schemas.Table {
	t = t.Clone()
	if rescues && len(t) > 0 {
		t = append(t, schemas.Column{Name: jsonrecords.RescuedColumn, Type: varchar})
	}
	return t
}

// Column is a column as positions hold it.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Recall gives the columns that a position holds; nil when they are not known yet. Hints that were declared since then
// win over what was inferred.
func (r *Reader) Recall(columns []Column) (schemas.Table, error) {
	if plain := r.plain(); plain != nil {
		return plain, nil
	}
	return Recall(columns, r.hints, r.own())
}

// declared are the columns that are known without a record.
func (r *Reader) declared() schemas.Table {
	if r.events == nil || len(r.hints) == 0 {
		return r.hints
	}
	return append(r.hints.Clone(), debezium.Meta...)
}

// Remember gives columns as positions hold them.
func Remember(t schemas.Table) (out []Column) {
	for _, c := range t {
		out = append(out, Column{c.Name, c.Type.String()})
	}
	return out
}

// Recall gives the columns that a position holds, with the types of hints; nil when it has none. One that has the name of
// a column that the source adds now, and did not add before, is left out.
func Recall(columns []Column, hints schemas.Table, own jsonrecords.Own) (t schemas.Table, err error) {
	for _, c := range columns {
		if c.Name == jsonrecords.RescuedColumn && own.Rescues {
			continue
		}
		typ, err := schemas.Parse(c.Type)
		if err != nil {
			return nil, fmt.Errorf("the stored position is damaged: column %s: %w", c.Name, err)
		}
		t = append(t, schemas.Column{Name: c.Name, Type: typ})
	}
	if t == nil {
		return nil, nil
	}
	return jsonrecords.WithHints(t, hints), nil
}
