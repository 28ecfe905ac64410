package main

import (
	"fmt"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/files"
)

// newSource is the list of connectors: it makes the source that the pipeline file declares.
func newSource(s *dsl.Source) (sources.Source, error) {
	switch {
	case s.Files != nil:
		return files.New(filesConfig(s))
	}
	return nil, fmt.Errorf("source %s has no connector: declare its files", s.Name)
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
