package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
	kafkasink "github.com/lakeflow/lakeflow/sinks/kafka"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/files"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/kafka"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

// newSource is the list of connectors: it makes the source that the pipeline file declares, and says of which type its _metadata is. For a project that
// only looks, a source ends where its topics end now.
func (p *project) newSource(s *dsl.Source) (_ sources.Source, metadata string, err error) {
	switch {
	case s.Files != nil:
		c := filesConfig(s)
		c.Outside = []string{p.Pipeline.Target.Warehouse, p.Pipeline.DuckDB.TempDirectory}
		source, err := files.New(c)
		return source, plan.MetadataStruct, err
	case s.Kafka != nil:
		c := kafkaConfig(p.Pipeline, s)
		c.Continuous, c.AcceptGap = p.writer && p.Pipeline.Mode == dsl.Continuous, slices.Contains(p.gaps, s.Name)
		if p.looking {
			c.Timeout = lookTime / 2 // a connection is tried twice
		}
		source, err := kafka.New(c)
		return source, c.Metadata(), err
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
func (p *project) newSink(s *dsl.Sink) (sinks.Publisher, error) {
	k := s.Kafka
	if k == nil {
		return nil, errors.New("the sink has no connector; declare its topic of kafka")
	}
	return kafkasink.New(kafkasink.Config{Name: s.Name, Pipeline: p.Pipeline.Name, Brokers: k.Brokers, Topic: k.Topic, Key: k.Key, Format: k.Value.Format,
		Registry: registryConfig(k.Registry), Security: securityConfig(k.Security), TempDir: p.DB.TempDir()})
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

// declared are the columns that the pipeline file gives a source.
func declared(s *dsl.Source) (sources.Found, error) {
	var t schemas.Table
	for _, h := range s.Schema {
		typ, err := schemas.Storable(h.Type)
		if err != nil {
			return sources.Found{}, err
		}
		t = append(t, schemas.Column{Name: h.Name, Type: typ})
	}
	if len(t) > 0 && s.Evolution == dsl.Rescue {
		t = append(t, schemas.Column{Name: jsonrecords.RescuedColumn, Type: schemas.Type{Kind: schemas.Varchar}})
	}
	return sources.Found{Columns: t}, nil
}
