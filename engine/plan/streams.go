package plan

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/schemas"
)

// checkStreams applies the rules of what may be read through STREAM, and by what.
func (c *compiler) checkStreams(context.Context) error {
	for _, d := range c.datasets {
		d.out.Streaming = d.decl.Kind == dsl.StreamingTable || d.decl.Kind == dsl.View && d.streams()
		for _, f := range d.flows {
			if f.facts == nil || f.query.Broken { // of a query that cannot be read it is not known what it reads
				continue
			}
			if d.decl.Guessed {
				continue
			}
			ok := c.checkOnce(f) && c.checkRefs(f)
			if d.decl.Kind == dsl.StreamingTable && !d.followsSnapshots() && !f.decl.Once && !f.out.streaming() && len(f.refs) == len(f.facts.tables) && ok {
				c.diags.Errorf(codeNoStream, c.noStreamAt(f), c.noStreamHelp(f),
					"the streaming table %s reads no stream%s", d.name, inFlow(d, f))
				ok = false
			}
			if ok && d.out.Streaming && !f.decl.Once {
				c.warnBatchOps(f)
			}
		}
	}
	return nil
}

// checkOnce applies the rules of flows that run once.
func (c *compiler) checkOnce(f *flow) bool {
	if !f.decl.Once {
		return true
	}
	place := f.decl.At("once")
	switch {
	case f.ds.decl.Kind != dsl.StreamingTable:
		c.diags.Errorf(codeOnceKind, place, "declare a streaming_table, or remove once",
			"%s is a %s, which has no flows that run once", f.ds.name, strings.ReplaceAll(string(f.ds.decl.Kind), "_", " "))
		return false
	case f.ds.followsSnapshots():
		c.diags.Errorf(codeOnceKind, place, "remove once: a snapshot is applied again only when it has changed",
			"%s follows snapshots, which have no flows that run once", f.ds.name)
		return false
	}
	ok := true
	for _, r := range f.refs {
		if c.streams(r) && r.guessed == "" {
			help := "write " + r.name + " without STREAM, or remove once"
			if !r.stream {
				help = "read what the view reads, without STREAM, or remove once"
			}
			ok = false
			c.diags.Errorf(codeOnceStream, r.at, help, "the flow %s runs once, over everything that is there, and %s is a stream", f.decl.Name, r.name)
		}
	}
	return ok
}

// inFlow names the flow in a message when the table has several.
func inFlow(d *dataset, f *flow) string {
	if len(d.flows) > 1 {
		return " in its flow " + f.decl.Name
	}
	return ""
}

// noStreamAt is the first thing read that could have been streamed, else the query.
func (c *compiler) noStreamAt(f *flow) diag.Range {
	for _, r := range f.refs {
		if r.streamable() {
			return r.at
		}
	}
	if len(f.refs) > 0 {
		return f.refs[0].at
	}
	return at(f.query, -1, 0)
}

func (c *compiler) noStreamHelp(f *flow) string {
	for _, r := range f.refs {
		if r.streamable() {
			help := "write STREAM " + r.name + " to read its new rows"
			if f.ds.changes == nil {
				help += ", or declare " + f.ds.asKind(dsl.MaterializedView)
			}
			return help
		}
	}
	for _, r := range f.refs {
		if d := r.dataset; d != nil && d.decl.Kind != dsl.View {
			help := "write STREAM CHANGES(" + r.name + ") to read what was changed in it"
			if f.ds.changes == nil {
				help += ", or declare " + f.ds.asKind(dsl.MaterializedView)
			}
			return help
		}
	}
	if f.ds.changes != nil {
		return "take changes from a source or a streaming table"
	}
	return "declare " + f.ds.asKind(dsl.MaterializedView)
}

// asKind is a kind as it is written where the dataset is declared.
func (d *dataset) asKind(kind dsl.Kind) string {
	if filepath.Ext(d.decl.Range.File) != ".sql" {
		return "kind: " + string(kind)
	}
	return map[dsl.Kind]string{dsl.MaterializedView: "a MATERIALIZED VIEW", dsl.StreamingTable: "a STREAMING TABLE"}[kind]
}

// checkRefs checks every reference of a flow by itself.
func (c *compiler) checkRefs(f *flow) bool {
	ok := true
	for _, r := range f.refs {
		switch {
		case r.guessed != "":
			ok = false
			continue
		case r.stream && f.ds.decl.Kind == dsl.MaterializedView:
			c.diags.Errorf(codeStreamInView, r.at, "read it whole, without STREAM; or declare "+f.ds.asKind(dsl.StreamingTable),
				"the materialized view %s cannot read a stream", f.ds.name)
		case r.changes && r.dataset == nil:
			c.diags.Errorf(codeNoFeed, r.at, "write STREAM "+r.name+" for its new records", "%s is a source, which has records and no changes", r.name)
		case r.changes && r.dataset.decl.Kind == dsl.View && !r.dataset.decl.Guessed:
			c.diags.Errorf(codeNoFeed, r.at, "write CHANGES of a table that it reads, or declare it as a table", "%s is a view, of which no rows are stored that change", r.name)
		case r.changes:
			continue
		case r.stream && r.dataset != nil && r.dataset.changes != nil:
			c.diags.Errorf(codeRowsChange, r.at,
				"write STREAM CHANGES("+r.name+") for what was changed in it; or read it whole: FROM "+r.name+"; or stream from what it is made of"+r.dataset.streamed(),
				"rows of %s change, so that it has no stream of new ones", r.name)
		case r.stream && !r.streamable():
			what, help := "a materialized view; its rows change, so it has no stream of new ones", "read it whole, without STREAM; or what was changed in it: STREAM CHANGES("+r.name+")"
			if r.dataset.decl.Kind == dsl.View {
				what, help = "a view over whole tables; it has no stream of new rows", "read it whole, or have the view itself read a STREAM"
			}
			c.diags.Errorf(codeNotAStream, r.at, help, "%s is %s", r.name, what)
		case !r.stream && r.dataset != nil && !r.dataset.decl.Guessed && r.dataset.decl.Kind == dsl.View && r.dataset.streams():
			help := "write STREAM " + r.name
			if f.ds.decl.Kind == dsl.MaterializedView {
				help = "read a streaming table, whose rows are stored"
			}
			c.diags.Errorf(codeNeedsStream, r.at, help, "%s is a view over a stream; it has no rows but the new ones", r.name)
		default:
			continue
		}
		ok = false
	}
	return ok
}

// checkFeed reports columns of a table that have the names of those which its change feed has beside them.
func (c *compiler) checkFeed(r reference) bool {
	for _, col := range schemas.ChangeFeed() {
		if have := r.columns.Column(col.Name); r.changes && have != nil {
			help := "give it another name in " + r.name + ", with AS"
			if r.streamable() {
				help += "; or read its new rows: STREAM " + r.name
			}
			c.diags.Errorf(codeFeedColumn, r.at, help, "%s has a column %s itself, and its change feed has another one of that name", r.name, have.Name)
			return false
		}
	}
	return true
}

// streamed lists what the flows of a dataset stream from.
func (d *dataset) streamed() string {
	var names []string
	for _, f := range d.flows {
		for _, name := range f.out.Streams {
			if text := "STREAM " + name; !slices.Contains(names, text) {
				names = append(names, text)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

// warnBatchOps warns once for each kind of operation whose result depends on how the stream was cut into batches.
func (c *compiler) warnBatchOps(f *flow) {
	computes, orders := false, false
	for _, op := range f.facts.batchOps {
		place := token(f.query, op.at)
		switch {
		case op.order && !orders:
			orders = true
			c.diags.Warnf(codeBatchOrder, place, "leave it out, or declare "+f.ds.asKind(dsl.MaterializedView),
				"%s applies to each batch of new rows by itself, not to the table", op.what)
		case !op.order && !computes:
			computes = true
			c.diags.Warnf(codeBatchOnly, place, "declare "+f.ds.asKind(dsl.MaterializedView)+" to compute it over all rows",
				"%s is computed within each batch of new rows only", op.what)
		}
	}
}
