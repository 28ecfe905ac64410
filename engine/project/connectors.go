package project

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/sinks"
	kafkasink "github.com/lakeflow/lakeflow/sinks/kafka"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/files"
	"github.com/lakeflow/lakeflow/sources/kafka"
)

// Connectors are the kinds of sources and sinks that there are.
func Connectors() dsl.Connectors {
	return dsl.Connectors{
		Sources: []sources.Factory{files.Factory(), kafka.Factory()},
		Sinks:   []sinks.Factory{kafkasink.Factory()},
	}
}

// connections are the sources and sinks of a pipeline.
type connections struct {
	pipeline *dsl.Pipeline
	sources  map[string]sources.Source
	sinks    map[string]sinks.Publisher // they have reached for nothing yet
}

func newConnections(p *dsl.Pipeline) connections {
	return connections{p, map[string]sources.Source{}, map[string]sinks.Publisher{}}
}

// folders are those that sources read.
func (c *connections) folders() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.sources)) {
		all = append(all, c.sources[name].Folders()...)
	}
	return all
}

func (c *connections) close() error {
	var errs []error
	for _, s := range c.sources {
		errs = append(errs, s.Close())
	}
	for _, s := range c.sinks {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// makeSources makes the sources that have no mistakes yet. Those that their connector refuses have one then.
func (p *Project) makeSources() {
	for _, s := range p.Pipeline.Sources {
		if s.Flawed || s.Options == nil {
			continue
		}
		source, err := p.ends.newSource(s, p.opts)
		if err != nil {
			p.loaded, s.Flawed = append(p.loaded, refusal("source "+s.Name, s.Options, err)), true
			continue
		}
		p.ends.sources[s.Name] = source
	}
}

func (p *Project) makeSinks() {
	for _, s := range p.Pipeline.Sinks {
		if s.Flawed || s.Options == nil {
			continue
		}
		sink, err := p.ends.newSink(s, p.db.TempDir())
		if err != nil {
			p.loaded, s.Flawed = append(p.loaded, refusal("sink "+s.Name, s.Options, err)), true
			continue
		}
		p.ends.sinks[s.Name] = sink
	}
}

// checkGaps refuses gaps of what is no source of topics.
func (p *Project) checkGaps() error {
	var topics []string
	for _, s := range p.Pipeline.Sources {
		if s.Options != nil && s.Options.Traits().Loses {
			topics = append(topics, s.Name)
		}
	}
	for _, name := range p.opts.AcceptGaps {
		if !slices.Contains(topics, name) {
			return usagef("accept-gap", "%s: the pipeline has no source of topics with this name; %s", name,
				diag.DidYouMean(name, topics, "leave it out"))
		}
	}
	return nil
}

// newSource makes the source that the pipeline file declares. For who only looks, a source ends where its topics end
// now.
func (c *connections) newSource(s *dsl.Source, opts Options) (sources.Source, error) {
	setup := sources.Setup{
		Name: s.Name, Dir: c.pipeline.Dir, Evolution: s.Evolution, Texts: s.Texts, Declared: s.Declared,
		MaxRows: c.pipeline.Trigger.MaxRows, MaxBytes: c.pipeline.Trigger.MaxBytes,
		Outside:    []string{c.pipeline.Target.Warehouse, c.pipeline.DuckDB.TempDirectory},
		Continuous: opts.Purpose == Write && c.pipeline.Mode == dsl.Continuous,
		AcceptGap:  slices.Contains(opts.AcceptGaps, s.Name),
	}
	if opts.Purpose == Look {
		setup.Timeout = lookTime / 2 // a connection is tried twice
	}
	for _, h := range s.Schema {
		setup.Hints = append(setup.Hints, sources.Hint{Name: h.Name, Type: h.Type})
	}
	return s.Options.New(setup)
}

// newSink makes the publisher that the pipeline file declares. Nothing is sent yet.
func (c *connections) newSink(s *dsl.Sink, tempDir string) (sinks.Publisher, error) {
	return s.Options.New(sinks.Setup{Name: s.Name, Pipeline: c.pipeline.Name, TempDir: tempDir})
}

// refusal is what a connector says against its options, at its place in the file.
func refusal(of string, options interface{ At(key string) diag.Range }, err error) diag.Diagnostic {
	option, _, _ := strings.Cut(err.Error(), ":")
	what, help, ok := strings.Cut(err.Error(), "; ")
	if !ok {
		help = "correct it"
	}
	return diag.Diagnostic{Code: "LF0401", Message: of + ": " + what, Range: options.At(option), Help: help}
}
