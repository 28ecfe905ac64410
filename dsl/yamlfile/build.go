package yamlfile

import (
	"cmp"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// builder makes a Pipeline from a decoded file.
type builder struct {
	file    string
	opts    Options
	diags   *diag.List
	texts   *option.Resolver
	decoder *option.Decoder
	spark   bool // the dialect of the table that is being read
}

func newBuilder(file, dir string, opts Options, diags *diag.List) *builder {
	texts := &option.Resolver{Dir: dir, Params: map[string]any{}, Env: opts.Env, Diags: diags, Keep: opts.Keep}
	keys := map[reflect.Type][]string{reflect.TypeFor[specSource](): {}, reflect.TypeFor[specSink](): {}}
	for _, c := range opts.Connectors.Sources {
		keys[reflect.TypeFor[specSource]()] = append(keys[reflect.TypeFor[specSource]()], c.Name)
	}
	for _, c := range opts.Connectors.Sinks {
		keys[reflect.TypeFor[specSink]()] = append(keys[reflect.TypeFor[specSink]()], c.Name)
	}
	return &builder{file: file, opts: opts, diags: diags, texts: texts, decoder: &option.Decoder{Diags: diags, Resolver: texts, Open: keys}}
}

func (b *builder) pipeline(s *specPipeline) *dsl.Pipeline {
	p := &dsl.Pipeline{Node: s.Node, File: b.file, Dir: b.texts.Dir, Name: b.optionalName("pipeline", s.Name, s.At("name"), "")}
	p.Description = b.texts.Shown(s.Description, s.At("description"))
	p.Mode, p.Trigger = dsl.Mode(cmp.Or(s.Mode, string(dsl.Triggered))), b.trigger(&s.Trigger)
	p.Retention = dsl.Retention{Node: s.Retention.Node, Snapshots: b.positive(s.Retention.Snapshots, s.Retention.At("snapshots"), dsl.DefaultSnapshots)}
	p.Target = b.target(&s.Target, p.Name)
	p.DuckDB = b.duckdb(&s.DuckDB)
	p.DeadLetter = dsl.DeadLetter{Node: s.DeadLetter.Node}
	p.DeadLetter.Table = b.optionalName("table", s.DeadLetter.Table, s.DeadLetter.At("table"), dsl.DefaultDeadLetter)
	for _, name := range inOrder(s.Sources, func(x specSource) option.Node { return x.Node }) {
		x, before := s.Sources[name], len(*b.diags)
		source := b.source(name, &x)
		source.Flawed = source.Flawed || option.Flawed((*b.diags)[before:])
		p.Sources = append(p.Sources, source)
	}
	for _, name := range inOrder(s.Tables, func(x specTable) option.Node { return x.Node }) {
		x := s.Tables[name]
		b.spark = cmp.Or(x.Dialect, s.Dialect) == sparkDialect
		p.Tables = append(p.Tables, b.table(b.inSchema(name, &x, p.Target.Schema), &x))
	}
	for _, name := range inOrder(s.Sinks, func(x specSink) option.Node { return x.Node }) {
		x, before := s.Sinks[name], len(*b.diags)
		sink := b.sink(name, &x)
		sink.Flawed = sink.Flawed || option.Flawed((*b.diags)[before:])
		p.Sinks = append(p.Sinks, sink)
	}
	if _, ok := s.Fields["tables"]; ok && len(p.Tables) == 0 && s.Tables != nil {
		b.diags.Errorf("LF0114", s.At("tables"), "declare a table: name: {kind: materialized_view, sql: SELECT 1 AS one}", "the pipeline has no tables")
	}
	b.oneSpelling(p)
	b.uniqueNames(p)
	return p
}

// inOrder gives the names of a mapping in the order of the file.
func inOrder[T any](m map[string]T, node func(T) option.Node) []string {
	return slices.SortedFunc(maps.Keys(m), func(x, y string) int {
		a, b := node(m[x]).Range.Start, node(m[y]).Range.Start
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(x, y))
	})
}

func (b *builder) target(s *specTarget, pipeline string) dsl.Target {
	return dsl.Target{
		Node:      s.Node,
		Warehouse: b.path(s.Warehouse, s.At("warehouse"), filepath.Join(b.texts.Dir, "warehouse")),
		Schema:    b.optionalName("schema", s.Schema, s.At("schema"), pipeline),
	}
}

func (b *builder) trigger(s *specTrigger) dsl.Trigger {
	return dsl.Trigger{
		Node:     s.Node,
		Interval: cmp.Or(time.Duration(s.Interval), dsl.DefaultInterval),
		MaxRows:  b.positive(s.MaxRows, s.At("max_rows"), dsl.DefaultBatchRows),
		MaxBytes: cmp.Or(int64(s.MaxBytes), dsl.DefaultBatchBytes),
	}
}

func (b *builder) duckdb(s *specDuckDB) dsl.DuckDB {
	d := dsl.DuckDB{Node: s.Node, Threads: b.positive(s.Threads, s.At("threads"), 0)}
	if s.MemoryLimit > 0 {
		d.MemoryLimit = humanBytes(int64(s.MemoryLimit))
	}
	d.TempDirectory = b.path(s.TempDirectory, s.At("temp_directory"), "")
	return d
}

func (b *builder) source(name string, s *specSource) *dsl.Source {
	b.name("source", name, s.Range)
	return b.sourceNamed(name, s, "sources."+name)
}

// sourceNamed is source for one of any name.
func (b *builder) sourceNamed(name string, s *specSource, path string) *dsl.Source {
	out := &dsl.Source{Node: s.Node, Name: name, Texts: s.Infer == "none", Declared: s.Infer == "declared", Evolution: sources.Evolution(cmp.Or(s.Evolution, string(sources.AddNewColumns)))}
	b.connector(name, s, path, out)
	for _, col := range inOrder(s.Schema, func(x specColumn) option.Node { return x.Node }) {
		c := s.Schema[col]
		switch {
		case c.Type == nil:
		case strings.TrimSpace(*c.Type) == "":
			b.diags.Errorf("LF0114", c.At("type"), "write a type, as in INTEGER, or remove the column", "the type of column %q is empty", col)
		case b.columnType(col, *c.Type, c.At("type")) && b.columnName(col, c, out):
			out.Schema = append(out.Schema, dsl.ColumnHint{Node: c.Node, Name: col, Type: *c.Type})
		}
	}
	return out
}

// typeNames are what is suggested for a type that does not exist.
var typeNames = []string{"BOOLEAN", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "VARCHAR", "BLOB", "UUID",
	"STRUCT", "MAP", "STRING", "TEXT", "SMALLINT", "TINYINT", "NUMERIC"}

const typeHelp = "write one of BOOLEAN, INTEGER, BIGINT, FLOAT, DOUBLE, DECIMAL(12,2), DATE, TIME, TIMESTAMP, TIMESTAMPTZ, VARCHAR, BLOB, UUID," +
	" STRUCT(a INTEGER, b VARCHAR), INTEGER[], MAP(VARCHAR, INTEGER)"

// columnType checks the type that is declared for a column.
func (b *builder) columnType(column, written string, at diag.Range) bool {
	_, err := schemas.Storable(written)
	if err == nil {
		return true
	}
	help := typeHelp
	if s := diag.Suggest(strings.ToUpper(strings.TrimSpace(written)), typeNames); s != "" {
		help = "did you mean " + s + "?"
	}
	why := strings.TrimPrefix(err.Error(), "type "+written+": ")
	why, _, _ = strings.Cut(why, "; cast it")
	b.diags.Errorf("LF0118", at, help, "%q is not a type for column %q: %s", written, column, why)
	return false
}

// columnName checks that a declared column is told from the others, as SQL does it.
func (b *builder) columnName(column string, c specColumn, s *dsl.Source) bool {
	for _, taken := range []string{"", "_metadata", "_rescued_data"} {
		if strings.EqualFold(column, taken) && (taken != "_rescued_data" || s.Evolution.Rescues()) {
			b.diags.Errorf("LF0107", c.Range, "choose another name; sources add _metadata themselves, and those that rescue _rescued_data", "the column name %q is taken", column)
			return false
		}
	}
	for _, other := range s.Schema {
		if strings.EqualFold(other.Name, column) {
			b.diags.Errorf("LF0107", c.Range, "remove one of them", "the columns %q and %q differ only in letter case, which SQL does not tell apart", other.Name, column)
			return false
		}
	}
	return true
}

// path is the absolute path of an optional key. It is empty when something is wrong with it.
func (b *builder) path(s *string, at diag.Range, otherwise string) string {
	if s == nil {
		return otherwise
	}
	return b.texts.Path(*s, at)
}

// positive checks the number of an optional key.
func (b *builder) positive(n *int64, at diag.Range, otherwise int) int {
	if n == nil || !option.Positive(*n, at, b.diags) {
		return otherwise
	}
	return int(*n)
}

// humanBytes spells a size in the largest of DuckDB's units that keeps it whole.
func humanBytes(n int64) string {
	units := []struct {
		size int64
		name string
	}{{1 << 40, "TiB"}, {1e12, "TB"}, {1 << 30, "GiB"}, {1e9, "GB"}, {1 << 20, "MiB"}, {1e6, "MB"}, {1 << 10, "KiB"}, {1e3, "KB"}}
	for _, u := range units {
		if n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
