package plan

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/schemas"
)

// resolve finds the source or dataset behind every relation that a query names.
func (c *compiler) resolve(context.Context) error {
	for _, d := range c.datasets {
		for _, f := range d.flows {
			if f.facts == nil {
				continue
			}
			f.failed = c.barred(f)
			for _, t := range f.facts.tables {
				f.failed = !c.resolveTable(f, t) || f.failed
			}
			d.failed = d.failed || f.failed
			f.record()
		}
	}
	return nil
}

// barred refuses functions that read what is not declared, or do more than compute a value.
func (c *compiler) barred(f *flow) bool {
	reads, calls := f.facts.barred(tableFunctions)
	for _, fn := range reads {
		help := "read a source or a table of this pipeline"
		if strings.HasPrefix(fn.name, "read_") || strings.HasPrefix(fn.name, "parquet_") || fn.name == "glob" || fn.name == "sniff_csv" {
			help = "declare it as a source, with files: {path: …, format: …}, and read the source by its name"
		}
		if fn.name == "changes" || fn.name == "table_changes" {
			help = "write STREAM CHANGES(name) in a streaming table, with the name of a table"
		}
		if fn.name == "query" || fn.name == "query_table" {
			help = "name the table itself, so that lakeflow sees what is read"
		}
		c.diags.Errorf(codeOutside, token(f.query, fn.at), help, "a query cannot read %s()", fn.name)
	}
	for _, fn := range calls {
		c.diags.Errorf(codeOutside, token(f.query, fn.at), callHelp(fn.name), "a query cannot call %s()", fn.name)
	}
	return len(reads)+len(calls) > 0
}

// resolveTable resolves one reference and adds it to the flow, or says why it cannot be read.
func (c *compiler) resolveTable(f *flow, t syntax.BaseTable) bool {
	place := token(f.query, t.At())
	n := nameOf(t)
	if n.catalog == "" && n.schema == "" {
		if e := c.entities[strings.ToLower(n.name)]; e != nil {
			e.used = true
			f.refs = append(f.refs, reference{entity: e, stream: n.stream, changes: n.changes, at: place})
			return true
		}
	}
	switch {
	case f.decl.Flawed && !written(f.query, n.name):
	case looksLikeFile(n.name) && n.schema == "":
		c.diags.Errorf(codeOutside, place, "declare it as a source, with files: {path: …, format: …}, and read the source by its name",
			"a query cannot read the file %q", n.name)
	case n.schema == "" && (strings.EqualFold(n.name, "event_log") || strings.EqualFold(n.name, c.pipeline.DeadLetter.Table)):
		c.diags.Errorf(codeOwnTable, place, "query it from outside: lakeflow query \"SELECT … FROM "+n.name+"\"",
			"%s is written by the update itself and cannot be read inside the pipeline", n.name)
	case strings.EqualFold(n.schema, "live") && n.catalog == "":
		c.diags.Errorf(codeUnknownName, place, "leave LIVE. out: "+n.name+" alone is a source or table of this pipeline", "there is no schema LIVE here, as in Delta Live Tables")
	case n.schema != "" && (n.catalog != "" || !c.hasSchema(n.schema)):
		c.diags.Errorf(codeUnknownName, place, "name a source or table of this pipeline; data from elsewhere is declared as a source",
			"%s is not in this pipeline, whose %s", n, c.schemas())
	default:
		return c.unknownTable(f, n, place)
	}
	return false
}

// unknownTable says that there is no table of a name in a schema of the pipeline. Where it is known which one was meant,
// the flow is taken to read that one.
func (c *compiler) unknownTable(f *flow, n relationName, place diag.Range) bool {
	names := c.readable(f.ds)
	meant, help := diag.Suggest(n.String(), names), diag.DidYouMean(n.String(), names, "name a source or table of this pipeline")
	if elsewhere := c.elsewhere(n.name, names); n.schema == "" && len(elsewhere) > 0 {
		meant, help = elsewhere[0], "did you mean "+strconv.Quote(elsewhere[0])+"?"
		if len(elsewhere) > 1 {
			c.diags.Errorf(codeUnknownName, place, "write which one is meant: "+strings.Join(elsewhere, " or "), "there is no source or table %q in the schema %s", n.name, c.pipeline.Target.Schema)
			return false
		}
	}
	c.diags.Errorf(codeUnknownName, place, help, "there is no source or table %q", n)
	if meant != "" {
		f.refs = append(f.refs, reference{entity: c.entities[strings.ToLower(meant)], stream: n.stream, changes: n.changes, at: place, guessed: n.name})
	}
	return meant != ""
}

// elsewhere are the tables in other schemas that have a name.
func (c *compiler) elsewhere(name string, tables []string) (found []string) {
	for _, table := range tables {
		if schema, bare := schemas.SplitName(table); schema != "" && strings.EqualFold(bare, name) {
			found = append(found, table)
		}
	}
	return found
}

// relationName is what a query calls a relation.
type relationName struct {
	catalog, schema, name string
	stream, changes       bool
}

func nameOf(t syntax.BaseTable) relationName {
	n := relationName{catalog: t.Catalog(), schema: t.Schema(), name: t.Name()}
	for _, part := range []*string{&n.catalog, &n.schema} { // the schema of STREAM stands before another one
		if isStream(*part) {
			n.stream, n.changes, *part = true, *part == sqltext.ChangesSchema, ""
		}
	}
	return n
}

func (n relationName) String() string {
	return schemas.JoinName(n.catalog, schemas.JoinName(n.schema, n.name))
}

// hasSchema reports whether the pipeline has tables in a schema, or it is its own.
func (c *compiler) hasSchema(schema string) bool {
	return slices.ContainsFunc(append(c.pipeline.Schemas(), c.pipeline.Target.Schema), func(s string) bool { return strings.EqualFold(s, schema) })
}

// schemas names the schemas that the pipeline has.
func (c *compiler) schemas() string {
	others := c.pipeline.Schemas()
	if len(others) == 0 {
		return "schema is " + c.pipeline.Target.Schema
	}
	return "schemas are " + strings.Join(append([]string{c.pipeline.Target.Schema}, others...), ", ")
}

// written reports whether a name stands in a query as the user wrote it. Others come from parameters that are no part
// of a name, which is reported.
func written(q *sqltext.Query, name string) bool {
	return strings.Contains(asciiLower(q.Raw), asciiLower(name)) && !strings.Contains(name, "${")
}

func looksLikeFile(name string) bool {
	low := strings.ToLower(name)
	if strings.ContainsAny(low, "/\\*") {
		return true
	}
	for _, ext := range []string{".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".gz", ".zst", ".txt", ".tsv", ".xlsx", ".db"} {
		if strings.HasSuffix(low, ext) {
			return true
		}
	}
	return false
}

// readable are the names that a query of d may use.
func (c *compiler) readable(d *dataset) []string {
	var names []string
	for _, s := range c.sources {
		names = append(names, s.name)
	}
	for _, other := range c.datasets {
		if other != d {
			names = append(names, other.name)
		}
	}
	return names
}

// record puts what the flow reads into the plan, each name once.
func (f *flow) record() {
	seen := map[string]bool{}
	for _, r := range f.refs {
		list, key := &f.out.Reads, r.name
		switch {
		case r.changes:
			list, key = &f.out.Changes, "CHANGES "+r.name
		case r.stream:
			list, key = &f.out.Streams, "STREAM "+r.name
		}
		if !seen[key] {
			seen[key] = true
			*list = append(*list, r.name)
		}
	}
}

// streams reports whether any query of the dataset reads a stream.
func (d *dataset) streams() bool {
	for _, f := range d.flows {
		if f.out.streaming() {
			return true
		}
	}
	return false
}

// streaming reports whether the query itself names a stream.
func (f *Flow) streaming() bool { return len(f.Streams)+len(f.Changes) > 0 }

// isStream reports whether relations of a schema are what STREAM gives.
func isStream(schema string) bool {
	return schema == sqltext.StreamSchema || schema == sqltext.ChangesSchema
}

// streamable reports whether the entity may be read through STREAM: its rows are only ever added to.
func (e *entity) streamable() bool {
	if e.dataset != nil && e.dataset.changes != nil {
		return false
	}
	return e.source != nil || e.dataset.decl.Guessed || e.dataset.decl.Kind == dsl.StreamingTable || e.dataset.decl.Kind == dsl.View && e.dataset.streams()
}

// unused warns of sources that nothing reads. A query with mistakes may have meant to read one.
func (c *compiler) unused(context.Context) error {
	if c.diags.HasErrors() || c.in.Flawed {
		return nil
	}
	for _, s := range c.sources {
		if !s.used {
			c.diags.Warnf(codeUnusedSource, s.source.Range, "read it with STREAM "+s.name+", or remove it", "no table reads the source %s", s.name)
		}
	}
	return nil
}
