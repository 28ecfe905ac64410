package yamlfile

import (
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources"
)

// factory is what there is to know of a connector, of sources or of sinks, to read its options.
type factory[O checked] struct {
	name, example string
	options       func() O
}

type checked interface {
	Check(of string, diags *diag.List)
}

func (b *builder) connector(name string, s *specSource, path string, out *dsl.Source) {
	var all []factory[sources.Options]
	for _, c := range b.opts.Connectors.Sources {
		all = append(all, factory[sources.Options]{c.Name, c.Example, c.Options})
	}
	d := declaration{name: name, what: "source", does: "reads from", path: path, Node: s.Node, rest: s.Rest}
	out.Connector, out.Options = readOptions(b, d, all)
}

func (b *builder) sink(name string, s *specSink) *dsl.Sink {
	b.name("sink", name, s.Range)
	out := &dsl.Sink{Node: s.Node, Name: name}
	if s.From != nil {
		out.From = s.From.Wanted(b.diags, "write the name of a streaming table", "the name of the table is empty")
	}
	var all []factory[sinks.Options]
	for _, c := range b.opts.Connectors.Sinks {
		all = append(all, factory[sinks.Options]{c.Name, c.Example, c.Options})
	}
	d := declaration{name: name, what: "sink", does: "publishes to", path: "sinks." + name, Node: s.Node, rest: s.Rest}
	out.Connector, out.Options = readOptions(b, d, all)
	return out
}

// declaration is a source or sink as it stands in the file.
type declaration struct {
	option.Node
	name, what, does, path string
	rest                   map[string]option.Entry
}

// readOptions reads the options of the one connector of a source or sink. They are none where the file does not say
// one, or not as a mapping.
func readOptions[O checked](b *builder, d declaration, all []factory[O]) (connector string, options O) {
	var examples, declared []string
	var read []O
	for _, c := range all {
		examples = append(examples, c.example)
		if e, ok := d.rest[c.name]; ok {
			declared = append(declared, c.name)
			if o := c.options(); b.decoder.Decode(o, e.Value, e.Place(), d.path+"."+c.name) {
				read = append(read, o)
			}
		}
	}
	switch {
	case d.Fields == nil: // it is not a mapping, which is reported
	case len(declared) == 0 && len(all) == 1: // a key like any other that must be there
		b.decoder.Missing(all[0].name, d.Range, d.path)
	case len(declared) == 0:
		b.diags.Errorf("LF0152", d.Range, "add "+strings.Join(examples, ", or "), "the %s %q does not say where it %s", d.what, d.name, d.does)
	case len(declared) > 1:
		b.diags.Errorf("LF0152", d.At(declared[1]), "keep one, and declare another "+d.what+" for the other", "the %s %q has both %s and %s", d.what, d.name, declared[0], declared[1])
	case len(read) == 1:
		read[0].Check(d.name, b.diags)
		return declared[0], read[0]
	}
	return "", options
}
