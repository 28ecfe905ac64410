package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
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
		source, err := files.New(filesConfig(s))
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
		Path: f.Path, Format: f.Format, Evolution: files.Evolution(s.Evolution),
		MaxFiles: f.MaxFilesPerBatch, MaxBytes: f.MaxBytesPerBatch, AllowOverwrites: f.AllowOverwrites,
		CSV: files.CSV{Header: f.CSV.Header, Delimiter: f.CSV.Delimiter, Quote: f.CSV.Quote, Escape: f.CSV.Escape, NullValue: f.CSV.NullValue},
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
	r, sec := k.Registry, k.Security
	c := kafka.Config{
		Name: s.Name, Brokers: k.Brokers, Topics: k.Topics, Pattern: k.Pattern,
		Start: kafka.Start{At: k.Start.At, Time: k.Start.Time, Offsets: k.Start.Offsets},
		Key:   format(k.Key), Value: format(k.Value),
		Registry: broker.Registry{URL: r.URL, Username: r.Username, Password: r.Password, Token: r.Token},
		Security: broker.Security{Protocol: sec.Protocol, Mechanism: sec.Mechanism, Username: sec.Username, Password: sec.Password,
			CAFile: sec.CAFile, CertFile: sec.CertFile, KeyFile: sec.KeyFile, Token: sec.Token, TokenURL: sec.TokenURL, Scope: sec.Scope},
		Isolation: k.Isolation, Group: k.Group, Evolution: kafka.Evolution(s.Evolution), MaxRows: p.Trigger.MaxRows, MaxBytes: p.Trigger.MaxBytes,
	}
	for _, h := range s.Schema {
		c.Hints = append(c.Hints, kafka.Hint{Name: h.Name, Type: h.Type})
	}
	return c
}

// refused is what a connector says against its configuration, at its place in the file. It begins with the option, if it is about one, and ends
// with what to do.
func refused(s *dsl.Source, err error) diag.Diagnostic {
	at := s.Range
	option, _, _ := strings.Cut(err.Error(), ":")
	switch {
	case s.Kafka != nil:
		at = s.Kafka.At(option)
	case s.Files != nil:
		at = s.Files.At(option)
	}
	what, help, ok := strings.Cut(err.Error(), "; ")
	if !ok {
		help = "correct this source"
	}
	return diag.Diagnostic{Code: "LF0401", Message: "source " + s.Name + ": " + what, Range: at, Help: help}
}

// declared are the columns that the pipeline file gives a source.
func declared(s *dsl.Source) (schemas.Table, error) {
	var t schemas.Table
	for _, h := range s.Schema {
		typ, err := schemas.Storable(h.Type)
		if err != nil {
			return nil, err
		}
		t = append(t, schemas.Column{Name: h.Name, Type: typ})
	}
	if len(t) > 0 && s.Evolution == dsl.Rescue {
		t = append(t, schemas.Column{Name: jsonrecords.RescuedColumn, Type: schemas.Type{Kind: schemas.Varchar}})
	}
	return t, nil
}
