package project

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/sinks"
	kafkasink "github.com/lakeflow/lakeflow/sinks/kafka"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/files"
	"github.com/lakeflow/lakeflow/sources/kafka"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

// connections are the sources and sinks of a pipeline.
type connections struct {
	pipeline *dsl.Pipeline
	sources  map[string]sources.Source
	sinks    map[string]sinks.Publisher // they have reached for nothing yet
	metadata map[string]string          // types of the sources' _metadata
}

func newConnections(p *dsl.Pipeline) connections {
	return connections{p, map[string]sources.Source{}, map[string]sinks.Publisher{}, map[string]string{}}
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
		if s.Flawed {
			continue
		}
		source, metadata, err := p.ends.newSource(s, p.opts)
		if err != nil {
			p.loaded, s.Flawed = append(p.loaded, refused(s, err)), true
			continue
		}
		p.ends.sources[s.Name], p.ends.metadata[s.Name] = source, metadata
	}
}

func (p *Project) makeSinks() {
	for _, s := range p.Pipeline.Sinks {
		if s.Flawed {
			continue
		}
		sink, err := p.ends.newSink(s, p.db.TempDir())
		if err != nil {
			p.loaded, s.Flawed = append(p.loaded, refusedSink(s, err)), true
			continue
		}
		p.ends.sinks[s.Name] = sink
	}
}

// checkGaps refuses gaps of what is no source of topics.
func (p *Project) checkGaps() error {
	var topics []string
	for _, s := range p.Pipeline.Sources {
		if s.Kafka != nil {
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

// newSource is the list of connectors: it makes the source that the pipeline file declares, and says of which type its _metadata is. For who only looks,
// a source ends where its topics end now.
func (c *connections) newSource(s *dsl.Source, opts Options) (_ sources.Source, metadata string, err error) {
	switch {
	case s.Files != nil:
		config := filesConfig(s)
		config.Outside = []string{c.pipeline.Target.Warehouse, c.pipeline.DuckDB.TempDirectory}
		source, err := files.New(config)
		return source, plan.MetadataStruct, err
	case s.Kafka != nil:
		config := kafkaConfig(c.pipeline, s)
		config.Continuous = opts.Purpose == Write && c.pipeline.Mode == dsl.Continuous
		config.AcceptGap = slices.Contains(opts.AcceptGaps, s.Name)
		if opts.Purpose == Look {
			config.Timeout = lookTime / 2 // a connection is tried twice
		}
		source, err := kafka.New(config)
		return source, config.Metadata(), err
	}
	return nil, "", errors.New("the source has no connector; declare its files, or a topic of kafka")
}

func filesConfig(s *dsl.Source) files.Config {
	f := s.Files
	c := files.Config{
		Root: f.Root, Path: f.Path, Format: f.Format, Evolution: files.Evolution(s.Evolution),
		MaxFiles: f.MaxFilesPerBatch, MaxBytes: f.MaxBytesPerBatch, AllowOverwrites: f.AllowOverwrites,
		Texts: s.Texts, PartitionColumns: files.PartitionColumns{None: f.PartitionColumns.None, Names: f.PartitionColumns.Names},
		CSV: files.CSV{Header: f.CSV.Header, Delimiter: f.CSV.Delimiter, Quote: f.CSV.Quote, Escape: f.CSV.Escape, NullValues: f.CSV.NullValues,
			Skip: f.CSV.Skip, Comment: f.CSV.Comment, Encoding: f.CSV.Encoding, DateFormat: f.CSV.DateFormat, TimestampFormat: f.CSV.TimestampFormat,
			DecimalSeparator: f.CSV.DecimalSeparator, Thousands: f.CSV.Thousands, NullPadding: f.CSV.NullPadding},
		JSON: files.JSON{Encoding: f.JSON.Encoding, NullValues: f.JSON.NullValues},
	}
	for _, h := range s.Schema {
		c.Hints = append(c.Hints, files.Hint{Name: h.Name, Type: h.Type})
	}
	return c
}

func kafkaConfig(p *dsl.Pipeline, s *dsl.Source) kafka.Config {
	k := s.Kafka
	format := func(f dsl.KafkaFormat) kafka.Format {
		return kafka.Format{Format: f.Format, Schema: f.Schema, Message: f.Message}
	}
	c := kafka.Config{
		Name: s.Name, Brokers: k.Brokers, Topics: k.Topics, Pattern: k.Pattern,
		Start: kafka.Start{At: k.Start.At, Time: k.Start.Time, Offsets: k.Start.Offsets},
		Key:   format(k.Key), Value: format(k.Value),
		Registry: registryConfig(k.Registry), Security: securityConfig(k.Security),
		Isolation: k.Isolation, Group: k.Group, Evolution: kafka.Evolution(s.Evolution), Texts: s.Texts, MaxRows: p.Trigger.MaxRows, MaxBytes: p.Trigger.MaxBytes,
	}
	for _, h := range s.Schema {
		c.Hints = append(c.Hints, kafka.Hint{Name: h.Name, Type: h.Type})
	}
	return c
}

func registryConfig(r dsl.KafkaRegistry) broker.Registry {
	return broker.Registry{URL: r.URL, Username: r.Username, Password: r.Password, Token: r.Token}
}

func securityConfig(s dsl.KafkaSecurity) broker.Security {
	return broker.Security{Protocol: s.Protocol, Mechanism: s.Mechanism, Username: s.Username, Password: s.Password,
		CAFile: s.CAFile, CertFile: s.CertFile, KeyFile: s.KeyFile, Token: s.Token, TokenURL: s.TokenURL, Scope: s.Scope}
}

// newSink makes the publisher that the pipeline file declares. Nothing is sent yet.
func (c *connections) newSink(s *dsl.Sink, tempDir string) (sinks.Publisher, error) {
	k := s.Kafka
	if k == nil {
		return nil, errors.New("the sink has no connector; declare its topic of kafka")
	}
	return kafkasink.New(kafkasink.Config{Name: s.Name, Pipeline: c.pipeline.Name, Brokers: k.Brokers, Topic: k.Topic, Key: k.Key, Format: k.Value.Format,
		Registry: registryConfig(k.Registry), Security: securityConfig(k.Security), TempDir: tempDir})
}

// refused is what a connector says against its configuration, at its place in the file. It begins with the option, if it is about one, and ends
// with what to do.
func refused(s *dsl.Source, err error) diag.Diagnostic {
	node := s.Node
	switch {
	case s.Kafka != nil:
		node = s.Kafka.Node
	case s.Files != nil:
		node = s.Files.Node
	}
	return refusal("source "+s.Name, node, err)
}

// refusedSink is refused, for a sink.
func refusedSink(s *dsl.Sink, err error) diag.Diagnostic {
	node := s.Node
	if s.Kafka != nil {
		node = s.Kafka.Node
	}
	return refusal("sink "+s.Name, node, err)
}

func refusal(of string, node dsl.Node, err error) diag.Diagnostic {
	option, _, _ := strings.Cut(err.Error(), ":")
	what, help, ok := strings.Cut(err.Error(), "; ")
	if !ok {
		help = "correct it"
	}
	return diag.Diagnostic{Code: "LF0401", Message: of + ": " + what, Range: node.At(option), Help: help}
}
