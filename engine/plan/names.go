package plan

import (
	"context"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/syntax"
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
			c.blankSchema(f)
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
	catalog, schema, name := t.Catalog(), t.Schema(), t.Name()
	stream := isStream(schema)
	if catalog == "" && (schema == "" || stream || strings.EqualFold(schema, c.pipeline.Target.Schema)) {
		if e := c.entities[strings.ToLower(name)]; e != nil {
			e.used = true
			f.refs = append(f.refs, reference{entity: e, stream: stream, changes: schema == sqltext.ChangesSchema, at: place})
			return true
		}
	}
	switch {
	case f.decl.Flawed && !written(f.query, name):
	case looksLikeFile(name):
		c.diags.Errorf(codeOutside, place, "declare it as a source, with files: {path: …, format: …}, and read the source by its name",
			"a query cannot read the file %q", name)
	case strings.EqualFold(name, "event_log") || strings.EqualFold(name, c.pipeline.DeadLetter.Table):
		c.diags.Errorf(codeOwnTable, place, "query it from outside: lakeflow query \"SELECT … FROM "+name+"\"",
			"%s is written by the update itself and cannot be read inside the pipeline", name)
	case strings.EqualFold(schema, "live") && catalog == "":
		c.diags.Errorf(codeUnknownName, place, "leave LIVE. out: "+name+" alone is a source or table of this pipeline", "there is no schema LIVE here, as in Delta Live Tables")
	case schema != "" && !stream && (catalog != "" || !strings.EqualFold(schema, c.pipeline.Target.Schema)):
		name = schema + "." + name
		if catalog != "" {
			name = catalog + "." + name
		}
		c.diags.Errorf(codeUnknownName, place, "name a source or table of this pipeline; data from elsewhere is declared as a source",
			"%s is not in this pipeline, whose schema is %s", name, c.pipeline.Target.Schema)
	default:
		names := c.readable(f.ds)
		c.diags.Errorf(codeUnknownName, place, diag.DidYouMean(name, names, "name a source or table of this pipeline"), "there is no source or table %q", name)
		if meant := diag.Suggest(name, names); meant != "" {
			f.refs = append(f.refs, reference{entity: c.entities[strings.ToLower(meant)], stream: stream, changes: schema == sqltext.ChangesSchema, at: place, guessed: name})
			return true
		}
	}
	return false
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

// blankSchema overwrites the pipeline's schema name with spaces where a query qualifies a table, or a column of one,
// with it. The relations that queries are evaluated over have no such schema, and offsets stay what they are.
func (c *compiler) blankSchema(f *flow) {
	blank := func(offset int) {
		end := partEnd(f.sql, offset)
		for end < len(f.sql) && f.sql[end] != '.' {
			end++ // white space before the dot
		}
		if end < len(f.sql) {
			f.sql = f.sql[:offset] + strings.Repeat(" ", end+1-offset) + f.sql[end+1:]
		}
	}
	schema := c.pipeline.Target.Schema
	for _, t := range f.facts.tables {
		if own := t.Schema(); own != "" && !isStream(own) && strings.EqualFold(own, schema) && t.At() >= 0 {
			blank(t.At())
		}
	}
	for _, col := range f.facts.columns {
		path := col.Path()
		if len(path) >= 3 && strings.EqualFold(path[0], schema) && col.At() >= 0 && f.reads(path[1]) {
			blank(col.At())
		}
	}
}

func (f *flow) reads(name string) bool {
	for _, r := range f.refs {
		if strings.EqualFold(r.name, name) {
			return true
		}
	}
	return false
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
