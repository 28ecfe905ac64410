package yamlfile

import (
	"regexp"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

type specAutoCDC struct {
	option.Node        `yaml:"-"`
	From               *specSQL         `yaml:"from" jsonschema:"example=STREAM customers_changes" jsonschema_description:"STREAM of a source or table: its rows are the changes."`
	SQL                *specSQL         `yaml:"sql" jsonschema_description:"Query over streams that gives the changes."`
	FromSnapshot       *specSQL         `yaml:"from_snapshot" jsonschema:"example=STREAM daily_exports,example=export" jsonschema_description:"STREAM of a source or table that brings full snapshots, or the name of a table, view or source that is one whenever it has changed."`
	SnapshotVersion    *specSQL         `yaml:"snapshot_version" jsonschema:"example=_metadata.file_name" jsonschema_description:"Column or expression that tells the snapshots apart and orders them. Default, for what is read whole: the time of the update."`
	Keys               []specColumnName `yaml:"keys" jsonschema_description:"Columns that tell the rows of the table apart. Default: what the source says, if it says something."`
	SequenceBy         specExpressions  `yaml:"sequence_by" jsonschema_description:"Column or expression, or a list of them, that tells which of two changes of a row is the later one. Not for snapshots. Default: what the source says, if it says something."`
	ApplyAsDelete      *specSQL         `yaml:"apply_as_delete" jsonschema_description:"Condition: a change for which it is true deletes its row."`
	ApplyAsTruncate    *specSQL         `yaml:"apply_as_truncate" jsonschema_description:"Condition: a change for which it is true deletes all rows. For scd_type 1."`
	IgnoreNullUpdates  *specIgnore      `yaml:"ignore_null_updates" jsonschema_description:"Whether a NULL leaves a column as it is: true, or the columns for which it does. Default: false."`
	Columns            *specColumns     `yaml:"columns" jsonschema_description:"Columns that the table keeps of a change. Default: all."`
	SCDType            *int64           `yaml:"scd_type" jsonschema:"enum=1,enum=2,default=1" jsonschema_description:"1 keeps the rows as they are now, 2 all their versions."`
	TrackHistoryOn     *specColumns     `yaml:"track_history_on" jsonschema_description:"Columns that make a new version of a row when they change. Default: all. For scd_type 2."`
	TombstoneRetention option.Duration  `yaml:"tombstone_retention" jsonschema_description:"How long it is remembered that a row was deleted, for changes that come late. Default: 48h."`
}

// pythonNames are what Databricks calls keys elsewhere, with the key that stands for it here, or with what to write.
var pythonNames = map[string]struct{ key, help string }{
	"source":                                 {key: "from"},
	"sequence":                               {key: "sequence_by"},
	"sequence_col":                           {key: "sequence_by"},
	"apply_as_deletes":                       {key: "apply_as_delete"},
	"apply_as_truncates":                     {key: "apply_as_truncate"},
	"stored_as_scd_type":                     {key: "scd_type"},
	"stored_as":                              {help: "write scd_type: 1 or scd_type: 2"},
	"column_list":                            {key: "columns"},
	"except_column_list":                     {help: `write columns: "* EXCEPT (a, b)"`},
	"track_history_column_list":              {key: "track_history_on"},
	"track_history_except_column_list":       {help: `write track_history_on: "* EXCEPT (a, b)"`},
	"ignore_null_updates_column_list":        {key: "ignore_null_updates"},
	"ignore_null_updates_except_column_list": {help: `write ignore_null_updates: "* EXCEPT (a, b)"`},
	"where":                                  {help: "write the changes as a query: sql: SELECT … FROM STREAM … WHERE …"},
	"target":                                 {help: "leave it out: the changes are applied to the table that auto_cdc stands in"},
	"once":                                   {help: "leave it out: a stream is read once, and then only what is new"},
}

// Decode reads the keys, those too that are called otherwise by Databricks.
func (s *specAutoCDC) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	s.Node = option.Node{Range: at}
	if v.Kind != option.KindMapping {
		d.Diags.Errorf("LF0102", at, "write key: value lines below it: from, keys and sequence_by",
			"%s must be a mapping, not %s", path, v.Kind)
		return false
	}
	known := *v
	known.Entries = nil
	for _, e := range v.Entries {
		if meant, ok := pythonNames[strings.ToLower(e.Key)]; ok {
			help := meant.help
			if meant.key != "" {
				help = "write " + meant.key
			}
			d.Diags.Errorf("LF0101", e.At, help, "unknown key %q in %s", e.Key, path)
			if meant.key == "" || slices.ContainsFunc(v.Entries, func(o option.Entry) bool { return o.Key == meant.key }) {
				continue
			}
			e.Key = meant.key
		}
		known.Entries = append(known.Entries, e)
	}
	d.Mapping(s, &known, at, path)
	return true
}

// notBeside are keys that another key does not go with.
var notBeside = map[string][]string{
	"from":          {"snapshot_version"},
	"sql":           {"snapshot_version"},
	"from_snapshot": {"sequence_by", "apply_as_delete", "apply_as_truncate", "ignore_null_updates", "tombstone_retention"},
	"sequence_by":   {"from", "sql", "from_snapshot", "snapshot_version"},
}

// JSONSchemaExtend adds what tags cannot say.
func (specAutoCDC) JSONSchemaExtend(s *jsonschema.Schema) {
	// changes have a sequence; their queries are elsewhere where the table has flows
	for _, keys := range [][]string{{"from", "sequence_by"}, {"sql", "sequence_by"}, {"from_snapshot"}, {"sequence_by"}} {
		one := &jsonschema.Schema{Required: keys}
		if others := notBeside[keys[0]]; others != nil {
			one.Not = &jsonschema.Schema{}
			for _, other := range others {
				one.Not.AnyOf = append(one.Not.AnyOf, &jsonschema.Schema{Required: []string{other}})
			}
		}
		s.OneOf = append(s.OneOf, one)
	}
}

// specColumnName is the name of a column.
type specColumnName struct {
	name string
	at   diag.Range
}

func (c *specColumnName) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	c.at = at
	return d.Decode(&c.name, v, at, path)
}

// JSONSchema describes the type in the schema of the file.
func (specColumnName) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "string"} }

// specExpressions is one expression, or a list of them.
type specExpressions []specSQL

func (s *specExpressions) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	if v.Kind == option.KindList {
		return d.Decode((*[]specSQL)(s), v, at, path)
	}
	var one specSQL
	ok := d.Decode(&one, v, at, path)
	if ok {
		*s = specExpressions{one}
	}
	return ok
}

// JSONSchema describes the type in the schema of the file.
func (specExpressions) JSONSchema() *jsonschema.Schema { return option.Texts{}.JSONSchema() }

// specColumns is a list of columns, or a text that names those that are left out of all.
type specColumns struct {
	except bool
	names  []specColumnName
	at     diag.Range
}

const columnName = `(?:"(?:[^"]|"")+"|[\pL_][\pL\pN_$]*)`

var (
	starExcept = regexp.MustCompile(`(?i)^\s*\*\s*(?:(?:EXCEPT|EXCLUDE)\s*\(\s*(` + columnName +
		`(?:\s*,\s*` + columnName + `)*)\s*\)\s*)?$`)
	eachName = regexp.MustCompile(columnName)
)

func (s *specColumns) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	s.at = at
	if v.Kind != option.KindText {
		return d.Decode(&s.names, v, at, path)
	}
	text := v.Scalar.(string)
	m := starExcept.FindStringSubmatchIndex(text)
	if m == nil {
		d.Diags.Errorf("LF0161", at, `write a list, as in [a, b], or "* EXCEPT (a, b)" for all but those`,
			"%s names no columns: %q", path, text)
		return false
	}
	s.except = true
	if m[2] < 0 {
		return true
	}
	places := sqltext.New(text, v.Origin, nil, &diag.List{})
	for _, at := range eachName.FindAllStringIndex(text[m[2]:m[3]], -1) {
		start, end := m[2]+at[0], m[2]+at[1]
		s.names = append(s.names, specColumnName{unquote(text[start:end]), places.At(start, end-start)})
	}
	return true
}

// JSONSchema describes the type in the schema of the file.
func (specColumns) JSONSchema() *jsonschema.Schema {
	text := &jsonschema.Schema{Type: "string", Examples: []any{"* EXCEPT (op)"}}
	list := &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Type: "string"}}
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, list}}
}

// specIgnore is columns, or true for all of them.
type specIgnore struct {
	specColumns
	none bool
}

func (s *specIgnore) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	if v.Kind != option.KindBool {
		return s.specColumns.Decode(d, v, at, path)
	}
	all := v.Scalar.(bool)
	s.at, s.except, s.none = at, all, !all
	return true
}

// JSONSchema describes the type in the schema of the file.
func (specIgnore) JSONSchema() *jsonschema.Schema {
	s := specColumns{}.JSONSchema()
	s.OneOf = append(s.OneOf, &jsonschema.Schema{Type: "boolean"})
	return s
}
