// Package convert writes a pipeline as a pipeline file, whatever it was declared in: for who moves from a folder of SQL
// to YAML, or wants to see what a project amounts to.
package convert

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/yamlfile"
	"github.com/lakeflow/lakeflow/sources"
)

// FileName is the pipeline file of a Result.
const FileName = "pipeline.yaml"

// Result is a converted pipeline.
type Result struct {
	// Files are the texts of files by their paths, relative to the folder: the pipeline file, and those of long queries.
	Files map[string]string
	// Lost is what the pipeline says and the file does not, as warnings.
	Lost diag.List
}

// longQuery is how many lines a query may have in the pipeline file.
const longQuery = 40

// converter makes the values of one file.
type converter struct {
	p       *dsl.Pipeline
	encoder option.Encoder
	dialect string // of the pipeline
	inline  bool   // no query has a file of its own: it would be taken for one of the project's
	files   map[string]string
	lost    diag.List
}

// Pipeline gives the files that declare a pipeline without mistakes in a folder, whose path is absolute. References to
// parameters and secrets are in the file where the pipeline was read so as to keep them.
func Pipeline(p *dsl.Pipeline, folder string) (Result, error) {
	c := &converter{p: p, encoder: option.Encoder{Path: option.Rebase(p.Dir, folder)}, files: map[string]string{}}
	if inside, err := filepath.Rel(p.Dir, folder); err == nil && filepath.IsLocal(inside) {
		ext := strings.ToLower(filepath.Ext(p.File))
		c.inline = ext != ".yaml" && ext != ".yml"
	}
	text, err := yamlfile.Write(c.pipeline(folder))
	if err != nil {
		return Result{}, err
	}
	c.files[FileName] = c.comments() + text
	c.lost.Sort()
	return Result{c.files, c.lost}, nil
}

// lose notes what the file cannot say.
func (c *converter) lose(at diag.Range, help, format string, args ...any) {
	c.lost.Warnf("LF0592", at, help, format, args...)
}

// comments are what was lost, in front of the file.
func (c *converter) comments() string {
	var b strings.Builder
	for _, d := range c.lost {
		fmt.Fprintf(&b, "# %s\n", strings.Join(strings.Fields(d.Message), " "))
	}
	return b.String()
}

func mapping() *option.Value { return &option.Value{Kind: option.KindMapping} }

// text is a value for a text that is not empty.
func text(s string) *option.Value {
	if s == "" {
		return nil
	}
	return option.TextValue(s)
}

// unless is the text when it is not the default.
func unless[T ~string](s, standard T) *option.Value {
	if s == standard {
		return nil
	}
	return text(string(s))
}

func number[T int | int64](n, standard T) *option.Value {
	if n == standard {
		return nil
	}
	return option.IntValue(int64(n))
}

// filled is a mapping with something in it.
func filled(v *option.Value) *option.Value {
	if len(v.Entries) == 0 {
		return nil
	}
	return v
}

func (c *converter) pipeline(folder string) *option.Value {
	p, out := c.p, mapping()
	out.Put("name", text(p.Name))
	out.Put("description", text(p.Description))
	c.dialect = "duckdb"
	if slices.ContainsFunc(p.Tables, func(t *dsl.Table) bool { return dialectOf(t) == "spark" }) {
		c.dialect = "spark"
	}
	out.Put("dialect", unless(c.dialect, "duckdb"))
	out.Put("mode", unless(p.Mode, dsl.Triggered))
	out.Put("trigger", c.trigger())
	out.Put("target", c.target(folder))
	parameters := mapping()
	for _, x := range p.Parameters {
		parameters.Put(x.Name, scalar(x.Value))
	}
	out.Put("parameters", filled(parameters))
	out.Put("sources", c.sources())
	tables := mapping()
	for _, t := range p.Tables {
		tables.Put(t.Name, c.table(t))
	}
	out.Put("tables", tables)
	out.Put("sinks", c.sinks())
	deadLetter := mapping()
	deadLetter.Put("table", unless(p.DeadLetter.Table, dsl.DefaultDeadLetter))
	out.Put("dead_letter", filled(deadLetter))
	retention := mapping()
	retention.Put("snapshots", number(p.Retention.Snapshots, dsl.DefaultSnapshots))
	out.Put("retention", filled(retention))
	out.Put("duckdb", c.duckdb())
	functions := mapping()
	for _, f := range p.Functions {
		v := mapping()
		if len(f.Parameters) > 0 {
			v.Put("parameters", option.ListValue(f.Parameters...))
		}
		v.Put("sql", option.TextValue(strings.TrimSpace(f.SQL.Renamed())))
		functions.Put(f.Name, v)
	}
	out.Put("functions", filled(functions))
	return out
}

func scalar(value any) *option.Value {
	switch v := value.(type) {
	case bool:
		return option.BoolValue(v)
	case int64:
		return option.IntValue(v)
	case float64:
		return &option.Value{Kind: option.KindFloat, Scalar: v}
	case string:
		return option.TextValue(v)
	}
	return &option.Value{}
}

func (c *converter) trigger() *option.Value {
	x, out := c.p.Trigger, mapping()
	if x.Interval != dsl.DefaultInterval {
		out.Put("interval", text(option.ShortDuration(x.Interval)))
	}
	out.Put("max_rows", number(x.MaxRows, dsl.DefaultBatchRows))
	out.Put("max_bytes", number(x.MaxBytes, dsl.DefaultBatchBytes))
	return filled(out)
}

// target keeps the warehouse where it is: it is the same pipeline.
func (c *converter) target(folder string) *option.Value {
	x, out := c.p.Target, mapping()
	if x.Warehouse != filepath.Join(folder, "warehouse") {
		out.Put("warehouse", text(c.encoder.Path(x.Warehouse, true)))
	}
	out.Put("schema", unless(x.Schema, c.p.Name))
	return filled(out)
}

func (c *converter) duckdb() *option.Value {
	x, out := c.p.DuckDB, mapping()
	out.Put("memory_limit", text(x.MemoryLimit))
	if x.TempDirectory != "" {
		out.Put("temp_directory", text(c.encoder.Path(x.TempDirectory, true)))
	}
	out.Put("threads", number(x.Threads, 0))
	return filled(out)
}

func (c *converter) sources() *option.Value {
	out := mapping()
	for _, s := range c.p.Sources {
		v := mapping()
		v.Put(s.Connector, c.encoder.Encode(s.Options))
		columns := mapping()
		for _, h := range s.Schema {
			columns.Put(h.Name, option.TextValue(h.Type))
		}
		v.Put("schema", filled(columns))
		switch {
		case s.Texts:
			v.Put("infer", text("none"))
		case s.Declared:
			v.Put("infer", text("declared"))
		}
		v.Put("schema_evolution", unless(s.Evolution, sources.AddNewColumns))
		out.Put(s.Name, v)
	}
	return filled(out)
}

func (c *converter) sinks() *option.Value {
	out := mapping()
	for _, s := range c.p.Sinks {
		v := mapping()
		v.Put("from", text(s.From))
		v.Put(s.Connector, c.encoder.Encode(s.Options))
		out.Put(s.Name, v)
	}
	return filled(out)
}

// dialectOf is the dialect of a table's queries: that of the first which is written in one.
func dialectOf(t *dsl.Table) string {
	for _, f := range t.Flows {
		if f.SQL.Spark {
			return "spark"
		}
	}
	for _, e := range t.Expectations {
		if e.Expect.Spark {
			return "spark"
		}
	}
	return "duckdb"
}

// partition spells a partition transform.
func partition(x dsl.PartitionBy) string {
	column := x.Column
	if !plainColumn(column) {
		column = `"` + strings.ReplaceAll(column, `"`, `""`) + `"`
	}
	switch {
	case x.Transform == "identity":
		return column
	case x.Arg > 0:
		return fmt.Sprintf("%s(%d, %s)", x.Transform, x.Arg, column)
	}
	return cmp.Or(x.Transform, "identity") + "(" + column + ")"
}

func plainColumn(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
