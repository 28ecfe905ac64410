package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sources"
)

// project is a pipeline file with everything that a command works on it with.
type project struct {
	Pipeline *dsl.Pipeline
	Lake     *iceberg.Lake
	State    *sinks.State
	DB       *duck.DB
	Sources  map[string]sources.Source
	Plan     *plan.Plan // nil with lakeOnly
	UpdateID string
	Epoch    int64 // with acquire
	warnings diag.List
	loaded   diag.List // the warnings of the file itself
	scratch  string    // a temp folder outside the warehouse, to be removed
}

// openOption says what a command needs beyond reading.
type openOption int

const (
	// acquire makes this process the pipeline's only writer.
	acquire openOption = iota + 1
	// lakeOnly looks neither at sources nor at queries, for commands that read what was published.
	lakeOnly
)

// openProject reads the pipeline file and opens its lake, sources and DuckDB. Mistakes in the file are a diag.List. The
// caller closes the project.
func openProject(ctx context.Context, file string, params []string, opts ...openOption) (_ *project, err error) {
	values, err := parseParams(params)
	if err != nil {
		return nil, err
	}
	pipeline, diags, err := dsl.Load(file, dsl.Options{Params: values})
	if err != nil {
		return nil, err
	}
	if diags.HasErrors() {
		return nil, diags
	}
	p := &project{Pipeline: pipeline, UpdateID: uuid.NewString(), Sources: map[string]sources.Source{}, loaded: diags, warnings: diags}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if err := p.openLake(ctx, slices.Contains(opts, acquire)); err != nil {
		return nil, err
	}
	if slices.Contains(opts, lakeOnly) {
		return p, p.openDuck(ctx)
	}
	return p, p.openSources(ctx)
}

func parseParams(params []string) (map[string]string, error) {
	values := map[string]string{}
	for _, p := range params {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, usagef("--param %s: write it as name=value", p)
		}
		values[name] = value
	}
	return values, nil
}

func (p *project) openLake(ctx context.Context, writer bool) (err error) {
	if p.Lake, err = iceberg.Open(ctx, p.Pipeline.Target.Warehouse, p.Pipeline.Target.Schema, p.Pipeline.Name); err != nil {
		return err
	}
	if writer {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("look up the host's name: %w", err)
		}
		p.Epoch, err = p.Lake.Acquire(ctx, sinks.Holder{Update: p.UpdateID, PID: os.Getpid(), Host: host, Started: time.Now().UTC()})
		if err != nil {
			return err
		}
	}
	p.State, err = p.Lake.State(ctx)
	return err
}

func (p *project) openSources(ctx context.Context) error {
	for _, s := range p.Pipeline.Sources {
		source, err := newSource(s)
		if err != nil {
			return &exitError{exitInvalid, fmt.Errorf("%s: source %s: %w", s.Range, s.Name, err)}
		}
		p.Sources[s.Name] = source
	}
	if err := p.openDuck(ctx); err != nil {
		return err
	}
	columns, err := p.sourceColumns(ctx)
	if err != nil {
		return err
	}
	p.Plan, err = p.compile(ctx, columns)
	return err
}

func (p *project) openDuck(ctx context.Context) error {
	temp, err := p.tempDir()
	if err != nil {
		return err
	}
	folders := []string{p.Pipeline.Target.Warehouse}
	for _, name := range slices.Sorted(maps.Keys(p.Sources)) {
		folders = append(folders, p.Sources[name].Folders()...)
	}
	d := p.Pipeline.DuckDB
	p.DB, err = duck.Open(ctx, duck.Config{MemoryLimit: d.MemoryLimit, Threads: d.Threads, TempDir: temp, Folders: folders})
	return err
}

// tempDir is this process's temp folder: below the declared one, else in the warehouse. A command that only looks must not be
// what creates the warehouse, so before the first update it is in the system's, as it is when the warehouse may only be read.
func (p *project) tempDir() (string, error) {
	if dir := p.Pipeline.DuckDB.TempDirectory; dir != "" {
		return filepath.Join(dir, p.UpdateID), nil
	}
	if unix.Access(p.Pipeline.Target.Warehouse, unix.W_OK) == nil {
		return filepath.Join(p.Pipeline.Target.Warehouse, ".tmp-"+p.UpdateID), nil
	}
	dir, err := os.MkdirTemp("", "lakeflow-")
	if err != nil {
		return "", fmt.Errorf("make temp folder: %w", err)
	}
	p.scratch = dir
	return dir, nil
}

// sourceColumns asks every source for its columns. One that knows none yet is left out.
func (p *project) sourceColumns(ctx context.Context) (map[string]schemas.Table, error) {
	columns := map[string]schemas.Table{}
	for i, s := range p.Pipeline.Sources {
		session := sources.Session{Conn: p.DB.Conn(), Prefix: fmt.Sprintf("__look%d_", i), TempDir: p.DB.TempDir()}
		for _, position := range p.readers(s.Name) {
			table, err := p.Sources[s.Name].Schema(ctx, session, position)
			if err != nil {
				return nil, fmt.Errorf("source %s: %w", s.Name, err)
			}
			if len(table) > 0 {
				columns[s.Name] = schemas.Union(columns[s.Name], table)
			}
		}
	}
	return columns, nil
}

// readers is how far each of the source's readers has got, or the beginning when it was never read. Readers
// are named "<table>.<flow>/<source>"; one that is further on may know more columns.
func (p *project) readers(source string) []sources.Position {
	var positions []sources.Position
	for _, key := range slices.Sorted(maps.Keys(p.State.Positions)) {
		if strings.HasSuffix(key, "/"+source) {
			positions = append(positions, p.State.Positions[key])
		}
	}
	if positions == nil {
		return []sources.Position{nil}
	}
	return positions
}

// compile makes the plan for sources with these columns. Mistakes in the pipeline are a diag.List; warnings are kept.
func (p *project) compile(ctx context.Context, columns map[string]schemas.Table) (*plan.Plan, error) {
	stored := map[string]schemas.Table{}
	for name, t := range p.State.Tables {
		stored[name] = t.Schema
	}
	made, diags, err := plan.Compile(ctx, plan.Input{Pipeline: p.Pipeline, Conn: p.DB.Conn(), SourceColumns: columns, StoredColumns: stored})
	if err != nil {
		return nil, err
	}
	all := append(slices.Clone(p.loaded), diags...)
	all.Sort()
	if all.HasErrors() {
		return nil, all
	}
	p.warnings = all
	return made, nil
}

// Close closes everything and gives up the writer's place.
func (p *project) Close() error {
	var errs []error
	for _, s := range p.Sources {
		errs = append(errs, s.Close())
	}
	if p.DB != nil {
		errs = append(errs, p.DB.Close())
	}
	if p.Lake != nil {
		errs = append(errs, p.Lake.Close())
	}
	if p.scratch != "" {
		errs = append(errs, os.RemoveAll(p.scratch))
	}
	return errors.Join(errs...)
}
