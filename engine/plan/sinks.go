package plan

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/schemas"
)

// guaranteePublished is what is promised of a topic. The lake commits first, and the rows of a commit are one transaction of the topic.
const guaranteePublished = "exactly once for consumers that read committed records"

// checkSinks checks that sinks publish streaming tables, and columns that these have.
func (c *compiler) checkSinks(context.Context) error {
	for _, s := range c.pipeline.Sinks {
		if d := c.published(s); d != nil && s.Kafka != nil {
			c.sinks = append(c.sinks, &Sink{Name: s.Name, From: d.name, Format: "kafka topic " + c.secrets.Hide(s.Kafka.Topic), Guarantee: guaranteePublished, At: s.Range})
			if !d.failed {
				c.checkSinkColumns(s, d)
			}
			if by := c.feeds(s.Kafka, d, map[string]bool{}); by != "" {
				c.diags.Errorf(codeSinkLoop, s.Kafka.At("topic"), "publish to another topic; a topic_pattern may be too wide",
					"sink %s publishes to a topic that source %s reads, from which the rows of %s come: they would go round for ever", s.Name, by, d.name)
			}
		}
	}
	return nil
}

// feeds finds the source that reads the topic of a sink and from which, directly or through other topics of the pipeline, the rows of d come. It is empty
// when there is none.
func (c *compiler) feeds(to *dsl.KafkaSink, d *dataset, seen map[string]bool) string {
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
			case r.source.Kafka != nil && reads(r.source.Kafka, to):
				by = r.name
			case r.source.Kafka != nil:
				by = c.feedsThrough(to, r.source.Kafka, seen)
			}
			if by != "" {
				return by
			}
		}
	}
	return ""
}

// feedsThrough looks behind a source whose topic the pipeline itself publishes to.
func (c *compiler) feedsThrough(to *dsl.KafkaSink, from *dsl.Kafka, seen map[string]bool) string {
	for _, s := range c.pipeline.Sinks {
		if e := c.entities[strings.ToLower(s.From)]; s.Kafka != nil && e != nil && e.dataset != nil && reads(from, s.Kafka) {
			if by := c.feeds(to, e.dataset, seen); by != "" {
				return by
			}
		}
	}
	return ""
}

// reads reports whether a source reads the topic of a sink: they have a broker and the topic in common.
func reads(source *dsl.Kafka, sink *dsl.KafkaSink) bool {
	if !slices.ContainsFunc(source.Brokers, func(a string) bool {
		return slices.ContainsFunc(sink.Brokers, func(b string) bool { return strings.EqualFold(a, b) })
	}) {
		return false
	}
	if source.Pattern == "" {
		return slices.Contains(source.Topics, sink.Topic)
	}
	pattern, err := regexp.Compile(source.Pattern)
	return err == nil && pattern.MatchString(sink.Topic) // what is no pattern is reported
}

// published is the streaming table that a sink publishes.
func (c *compiler) published(s *dsl.Sink) *dataset {
	var tables []string
	for _, d := range c.datasets {
		if d.decl.Kind == dsl.StreamingTable {
			tables = append(tables, d.name)
		}
	}
	help := diag.DidYouMean(s.From, tables, "write the name of a streaming table")
	e := c.entities[strings.ToLower(s.From)]
	switch {
	case s.From == "": // which is reported
	case e == nil:
		c.diags.Errorf(codeSinkFrom, s.At("from"), help, "the pipeline has no table %q for sink %s to publish", s.From, s.Name)
	case e.source != nil:
		c.diags.Errorf(codeSinkFrom, s.At("from"), "publish a streaming table that reads it", "%s is a source, and sink %s publishes a table", e.name, s.Name)
	case e.dataset.decl.Guessed:
		return e.dataset
	case e.dataset.decl.Kind == dsl.MaterializedView:
		c.diags.Errorf(codeSinkKind, s.At("from"), "publish a streaming table that it reads", "%s is a materialized view, whose rows are replaced: sink %s cannot tell which are new", e.name, s.Name)
	case e.dataset.decl.Kind == dsl.View:
		c.diags.Errorf(codeSinkKind, s.At("from"), "declare kind: streaming_table", "%s is a view, which stores no rows for sink %s to publish", e.name, s.Name)
	default:
		return e.dataset
	}
	return nil
}

func (c *compiler) checkSinkColumns(s *dsl.Sink, d *dataset) {
	names := d.columns.Names()
	for _, key := range s.Kafka.Key {
		if key != "" && d.columns.Column(key) == nil {
			c.diags.Errorf(codeSinkKey, s.Kafka.At("key"), diag.DidYouMean(key, names, "write columns of "+d.name), "%s has no column %q to be the key of sink %s", d.name, key, s.Name)
		}
	}
	if name := notAvro(d.columns); s.Kafka.Value.Format == "avro" && name != "" {
		c.diags.Errorf(codeSinkName, s.Kafka.Value.At("format"), "name it with letters, digits and _ by AS, or write format: json", "the column %q of %s cannot be a name in Avro", name, d.name)
	}
}

// notAvro finds a column, or field of one, whose name Avro does not take.
func notAvro(columns []schemas.Column) string {
	for _, c := range columns {
		if avroName(c.Name) != c.Name {
			return c.Name
		}
		t := c.Type
		for t.Elem != nil {
			t = *t.Elem
		}
		if name := notAvro(t.Fields); name != "" {
			return name
		}
	}
	return ""
}
