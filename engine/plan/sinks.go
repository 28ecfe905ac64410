package plan

import (
	"context"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// checkSinks checks that sinks publish tables, and columns that these have.
func (c *compiler) checkSinks(context.Context) error {
	for _, s := range c.pipeline.Sinks {
		d := c.published(s)
		if d == nil || s.Options == nil {
			continue
		}
		c.sinks = append(c.sinks, &Sink{Name: s.Name, From: d.name, Key: c.sinkKey(s, d), Format: c.secrets.Hide(s.Options.Describe()), Guarantee: s.Options.Guarantee(), At: s.Range})
		if !d.failed {
			s.Options.CheckColumns(s.Name, d.name, d.columns, &c.diags)
		}
		if by := c.feeds(s.Options.Place(), d, map[string]bool{}); by != "" {
			s.Options.ReportLoop(s.Name, by, d.name, &c.diags)
		}
	}
	return nil
}

// sinkKey are the columns that tell rows which change apart: those that the sink declares, else those that changes are
// applied by.
func (c *compiler) sinkKey(s *dsl.Sink, d *dataset) []string {
	if d.decl.Guessed || d.decl.Kind == dsl.StreamingTable && d.changes == nil {
		return nil
	}
	if !d.failed {
		c.checkFeed(reference{entity: d.entity, changes: true, at: s.At("from")})
	}
	key := s.Options.DeclaredKey()
	if len(key) == 0 {
		key = d.out.Identity()
	}
	if len(key) == 0 && !d.failed && !d.doubtful {
		c.diags.Errorf(codeSinkKey, s.Options.At("key"), "write key: [the columns that tell its rows apart]",
			"rows of %s change: sink %s needs a key, by which it takes back rows that are gone", d.name, s.Name)
	}
	return key
}

// feeds finds the source that reads where a sink publishes and from which, directly or through other sinks of the
// pipeline, the rows of d come. It is empty when there is none.
func (c *compiler) feeds(to sources.Place, d *dataset, seen map[string]bool) string {
	if seen[d.name] {
		return ""
	}
	seen[d.name] = true
	for _, f := range d.flows {
		for _, r := range f.refs {
			by := ""
			switch {
			case r.dataset != nil:
				by = c.feeds(to, r.dataset, seen)
			case r.source.Options == nil:
			case r.source.Options.Reads(to):
				by = r.name
			default:
				by = c.feedsThrough(to, r.source.Options, seen)
			}
			if by != "" {
				return by
			}
		}
	}
	return ""
}

// feedsThrough looks behind a source that reads where the pipeline itself publishes.
func (c *compiler) feedsThrough(to sources.Place, from sources.Options, seen map[string]bool) string {
	for _, s := range c.pipeline.Sinks {
		if e := c.entities[strings.ToLower(schemas.LocalName(c.pipeline.Target.Schema, s.From))]; s.Options != nil && e != nil && e.dataset != nil && from.Reads(s.Options.Place()) {
			if by := c.feeds(to, e.dataset, seen); by != "" {
				return by
			}
		}
	}
	return ""
}

// published is the table that a sink publishes.
func (c *compiler) published(s *dsl.Sink) *dataset {
	var tables []string
	for _, d := range c.datasets {
		if d.decl.Kind != dsl.View {
			tables = append(tables, d.name)
		}
	}
	help := diag.DidYouMean(s.From, tables, "write the name of a table")
	e := c.entities[strings.ToLower(schemas.LocalName(c.pipeline.Target.Schema, s.From))]
	switch {
	case s.From == "": // which is reported
	case e == nil:
		c.diags.Errorf(codeSinkFrom, s.At("from"), help, "the pipeline has no table %q for sink %s to publish", s.From, s.Name)
	case e.source != nil:
		c.diags.Errorf(codeSinkFrom, s.At("from"), "publish a table that reads it", "%s is a source, and sink %s publishes a table", e.name, s.Name)
	case e.dataset.decl.Guessed:
		return e.dataset
	case e.dataset.decl.Kind == dsl.View:
		c.diags.Errorf(codeSinkKind, s.At("from"), "declare kind: streaming_table or materialized_view", "%s is a view, which stores no rows for sink %s to publish", e.name, s.Name)
	default:
		return e.dataset
	}
	return nil
}
