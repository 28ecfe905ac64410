package sqlfile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/sources"
)

// readers are the sources that the queries of a pipeline read by functions such as read_files(…).
type readers struct {
	all      []*readSource
	unmapped map[string]bool // prefixes of paths, and topics, that were reported
}

// readSource is a source with what tells it apart from others.
type readSource struct {
	*dsl.Source
	slug   string          // what its name is made of: the last fixed part of the path, or the topic
	place  string          // path or topics, as they are written
	others string          // its options
	tables map[string]bool // that it feeds
}

// reading is a call that reads files or a system, on its way to a source.
type reading struct {
	*builder
	call    spark.Relation
	args    []spark.Argument
	format  string
	legacy  bool // cloud_files
	source  *dsl.Source
	options map[string][]option.Entry   // of the connector, and of csv, json and the like in it
	ignored map[string][]spark.Argument // options without an effect, by the reason
}

// reader is the source that a relation of a query reads; table is the dataset that the query feeds. It is false where
// none can be made of the relation, which is reported. Relations that read the same share a source. Sources get their
// names from nameReaders, once all relations are known.
func (b *builder) reader(table string, r spark.Relation) (*dsl.Source, bool) {
	before := len(*b.diags)
	rd := &reading{builder: b, call: r, options: map[string][]option.Entry{},
		source: &dsl.Source{Node: option.Node{Range: r.Range}, Evolution: sources.AddNewColumns}}
	if !rd.arguments() {
		return nil, false
	}
	var found *readSource
	switch r.Function {
	case "read_files", "cloud_files", "json", "csv", "parquet", "text", "binaryfile":
		found = rd.readFiles()
	case "read_kafka":
		found = rd.readKafka()
	default:
		rd.noReader()
	}
	rd.tellIgnored()
	if found == nil {
		return nil, false
	}
	found.Flawed = found.Flawed || option.Flawed((*b.diags)[before:])
	found.others = rd.text()
	for _, known := range b.readers.all {
		if known.place == found.place && known.others == found.others && known.Connector == found.Connector {
			known.tables[table] = true
			return known.Source, true
		}
	}
	found.tables = map[string]bool{table: true}
	b.readers.all = append(b.readers.all, found)
	return found.Source, true
}

// noReader says why what a function reads cannot be read.
func (r *reading) noReader() {
	where := "copy the data into files or a topic, and read those with read_files(…) or read_kafka(…)"
	switch f := r.call.Function; f {
	case "delta", "iceberg":
		r.diags.Errorf("LF0576", r.call.Range, "name the table, and map it in lakeflow.yaml: external: {name: {files: {path: …, format: parquet}}}",
			"%s.`…` reads the folder of a table in a format with a log of its own, which lakeflow does not read", f)
	case "avro", "orc", "xml":
		r.diags.Errorf("LF0576", r.call.Range, "convert the files to JSON, CSV or Parquet", "lakeflow reads no %s files", strings.ToUpper(f))
	case "read_stream":
		r.diags.Errorf("LF0576", r.call.Range, "write STREAM and the name of the table", "read_stream is not supported")
	case "read_statestore", "read_state_metadata":
		r.diags.Errorf("LF0576", r.call.Range, "leave the query out; lakeflow audit shows what an update keeps", "the state of Spark's streams is not kept here")
	default:
		r.diags.Errorf("LF0576", r.call.Range, where, "lakeflow has no connector for %s", strings.TrimPrefix(f, "read_"))
	}
}

// arguments sorts out what the function is called with: what it reads, and options by name.
func (r *reading) arguments() bool {
	ok := true
	positional := []string{"path", "format"}
	for i, a := range r.call.Args {
		if len(a.Options) > 0 {
			r.args = append(r.args, a.Options...)
			continue
		}
		if a.Name == "" && i < len(positional) && r.call.Function != "read_kafka" {
			a.Name = positional[i]
		}
		switch {
		case a.Name == "" && a.Const:
			r.diags.Errorf("LF0577", a.Range, "write name => value", "this argument of %s has no name", r.call.Function)
			ok = false
		case a.Name != "":
			r.args = append(r.args, a)
		}
	}
	seen := map[string]bool{}
	for _, a := range r.args {
		name := optionName(a)
		if seen[name] {
			r.diags.Errorf("LF0577", a.Range, "remove one of them", "%s is given twice", a.Name)
			ok = false
		}
		seen[name] = true
		switch {
		case !a.Const:
			r.diags.Errorf("LF0577", a.Range, "write the value itself, or ${key} of the configuration", "the value of %s is computed", a.Name)
			ok = false
		case strings.Contains(a.Value, "{{secrets/"):
			r.diags.Errorf("LF0579", a.Range, secretHelp, "%s is a secret of Databricks, which is not there", a.Name)
			ok = false
		}
	}
	return ok
}

const secretHelp = "declare the source in pipeline.yaml, beside sql:, with ${env:NAME} for the secret, and read it by its name"

// optionName is the name of an option as all its spellings have it.
func optionName(a spark.Argument) string {
	name := strings.ToLower(a.Name)
	return strings.TrimPrefix(name, "cloudfiles.")
}

// arg is an argument by its names, in lower case, as far as it is given.
func (r *reading) arg(names ...string) (spark.Argument, bool) {
	for _, a := range r.args {
		if slices.Contains(names, optionName(a)) {
			return a, true
		}
	}
	return spark.Argument{}, false
}

// set gives a key of the connector's options a value: of the part csv or json of them, or of all where part is empty.
func (r *reading) set(part, key string, v any, at diag.Range) {
	r.options[part] = append(r.options[part], option.Entry{Key: key, At: at, Value: value(v, at)})
}

func (r *reading) has(part, key string) bool {
	return slices.ContainsFunc(r.options[part], func(e option.Entry) bool { return e.Key == key })
}

// value is a value as if it stood in a pipeline file.
func value(v any, at diag.Range) *option.Value {
	out := &option.Value{Scalar: v, At: at, Size: 1}
	switch x := v.(type) {
	case string:
		out.Kind, out.Written = option.KindText, x
	case bool:
		out.Kind, out.Written = option.KindBool, strconv.FormatBool(x)
	case int64:
		out.Kind, out.Written = option.KindInt, strconv.FormatInt(x, 10)
	case []string:
		out.Kind, out.Scalar = option.KindList, nil
		for _, item := range x {
			out.Items = append(out.Items, value(item, at))
		}
	case []option.Entry:
		out.Kind, out.Scalar, out.Entries = option.KindMapping, nil, x
	}
	return out
}

// tree is the connector's options, the parts of them in a stable order.
func (r *reading) tree() *option.Value {
	entries := r.options[""]
	for _, part := range slices.Sorted(maps.Keys(r.options)) {
		if items := r.options[part]; part != "" {
			entries = append(entries, option.Entry{Key: part, At: items[0].At, Value: value(items, items[0].At)})
		}
	}
	return value(entries, r.call.Range)
}

// text is all that tells the source from others of the same place, whatever the order in which it is written.
func (r *reading) text() string {
	var lines []string
	for _, part := range slices.Sorted(maps.Keys(r.options)) {
		for _, e := range r.options[part] {
			lines = append(lines, part+"."+e.Key+"="+written(e.Value))
		}
	}
	for _, h := range r.source.Schema {
		lines = append(lines, h.Name+" "+h.Type)
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s\n%t %t %s", strings.Join(lines, "\n"), r.source.Texts, r.source.Declared, r.source.Evolution)
}

func written(v *option.Value) string {
	text := v.Written
	for _, item := range v.Items {
		text += item.Written + ","
	}
	for _, e := range v.Entries {
		text += e.Key + ":{" + written(e.Value) + "}"
	}
	return text
}

// connect decodes the options with the connector of this name.
func (r *reading) connect(name string) bool {
	for _, c := range r.opts.Connectors.Sources {
		if c.Name != name {
			continue
		}
		o := c.Options()
		before := len(*r.diags)
		d := option.Decoder{Diags: r.diags}
		if !d.Decode(o, r.tree(), r.call.Range, r.call.Function) {
			return false
		}
		o.Check(r.call.Function, r.diags)
		r.source.Connector, r.source.Options = name, o
		return !diag.List((*r.diags)[before:]).HasErrors()
	}
	r.diags.Errorf("LF0576", r.call.Range, "read something else", "this lakeflow has no connector for %s", name)
	return false
}

// ignore notes an option that has no effect.
func (r *reading) ignore(a spark.Argument, why string) {
	if r.ignored == nil {
		r.ignored = map[string][]spark.Argument{}
	}
	r.ignored[why] = append(r.ignored[why], a)
}

// tellIgnored tells of the options without an effect, once for each reason.
func (r *reading) tellIgnored() {
	for _, why := range slices.Sorted(maps.Keys(r.ignored)) {
		all := r.ignored[why]
		names := make([]string, len(all))
		for i, a := range all {
			names[i] = a.Name
		}
		verb := "has"
		if len(names) > 1 {
			verb = "have"
		}
		r.diags.Notef("LF0574", all[0].Range, "leave it, or remove it for lakeflow alone", "%s %s no effect here: %s", strings.Join(names, ", "), verb, why)
	}
}

// refuseOption reports an option that lakeflow cannot do.
func (r *reading) refuseOption(a spark.Argument, help, why string) {
	r.diags.Errorf("LF0573", a.Range, help, "%s => %s is not supported: %s", a.Name, strconv.Quote(a.Value), why)
}

// wrong reports an option whose value is none.
func (r *reading) wrong(a spark.Argument, help string) {
	r.diags.Errorf("LF0572", a.Range, help, "%s cannot be %s", a.Name, strconv.Quote(a.Value))
}

// nameReaders gives the sources their names and returns them, in the order in which they were met. A name is made of the
// last fixed part of the path, or of the topic. Where several sources would have it, or a table has it, the dataset that
// a source feeds is added; of several datasets the first one by name. No name depends on the order of files.
func (b *builder) nameReaders() []*dsl.Source {
	bySlug := map[string][]*readSource{}
	for _, s := range b.readers.all {
		bySlug[s.slug] = append(bySlug[s.slug], s)
	}
	taken := map[string]bool{}
	for name := range b.byName {
		taken[strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])] = true
	}
	for _, name := range append(slices.Collect(maps.Keys(b.opts.External)), b.opts.Known...) {
		taken[strings.ToLower(name)] = true
	}
	for _, slug := range slices.Sorted(maps.Keys(bySlug)) {
		group := bySlug[slug]
		slices.SortFunc(group, func(x, y *readSource) int {
			return cmp.Or(cmp.Compare(x.table(), y.table()), cmp.Compare(x.place, y.place), cmp.Compare(x.others, y.others))
		})
		for _, s := range group {
			s.Name = slug
			if len(group) > 1 || taken[slug] {
				s.Name = slug + "_of_" + slugOf(s.table())
			}
			for base, n := s.Name, 2; taken[s.Name]; n++ {
				s.Name = base + "_" + strconv.Itoa(n)
			}
			taken[s.Name] = true
		}
	}
	var out []*dsl.Source
	for _, s := range b.readers.all {
		out = append(out, s.Source)
	}
	return out
}

// table is the first of the datasets that the source feeds.
func (s *readSource) table() string { return slices.Min(slices.Collect(maps.Keys(s.tables))) }

// slugOf makes a name of a text: letters in lower case, digits, and underscores for what is between them.
func slugOf(text string) string {
	const most = 100
	words := strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	name := strings.Join(words, "_")
	return strings.Trim(name[:min(len(name), most)], "_")
}
