// Package project opens a pipeline file and does what people ask of it: it runs updates, answers queries over the
// tables, tells their quality, and keeps the warehouse in order. The command line, servers and tests share it. It
// prints nothing, and knows no flags and no exit codes.
package project

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/load"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/query"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Purpose is what a project is opened for.
type Purpose int

const (
	// Read is for what is published: Query, DeadLetters, DeadLetter, Report, Audit and Maintain. Neither sources nor
	// queries are looked at.
	Read Purpose = iota
	// Look is for Plan and Warnings. It goes on without brokers that cannot be reached, with a warning, and refuses
	// what an update would refuse of the tables that are stored.
	Look
	// Write is for Run: this process becomes the pipeline's only writer.
	Write
	// Move is for Relocate: that the warehouse was moved or copied is no error.
	Move
)

// Param is a parameter of the pipeline and its value, as it is written.
type Param struct{ Name, Value string }

// Options say how a project is opened.
type Options struct {
	Purpose Purpose
	// Params take the place of parameters' values in the file.
	Params []Param
	// Overlay, Target and Resource say more of what is named; see load.Options.
	Overlay, Target, Resource string
	// AcceptGaps are sources of topics that go on behind records which they have lost. It is for Write.
	AcceptGaps []string
	// Events are told what Open waits for, and what Run does. Messages show no secrets. They are called from the
	// goroutine of Open and Run, and, of a continuous update, from another one beside it.
	Events event.Subscribers
	// Placed is called once with the pipeline when this process is its writer, before sources are opened, which may
	// wait for them. Its error ends Open.
	Placed func(*dsl.Pipeline) error
}

// Project is a pipeline file with what is needed to work on it: the lake, DuckDB, and for Look and Write the sources,
// the sinks and the plan. It is used by one goroutine at a time. Its errors show no secrets of the pipeline.
type Project struct {
	// Pipeline is what the file says. It is not changed.
	Pipeline *dsl.Pipeline

	file     string
	opts     Options
	update   string // the id of the update, and of this process's temp folder
	wait     *patience
	place    place
	macros   string // see macros
	temp     tempFolder
	engine   *duck.Engine // until it is opened
	db       *duck.DB
	ends     connections
	columns  *survey    // for Look and Write
	plan     *plan.Plan // too; nil when too little is known of the sources to look at
	lenient  bool       // with Look: what is stored is not compared with what the file says of it
	loaded   diag.List  // the mistakes and warnings of the file itself
	warnings diag.List
}

// Open reads the pipeline file and opens what the purpose needs. The caller closes the project.
//
// Mistakes in the file are a diag.List, with all that can be found at once. Options that do not fit the pipeline are a
// *UsageError, another writer is a *lake.HeldError, a warehouse that is somewhere else than its tables say is a
// *lake.MovedError. When a continuous pipeline is opened for Write, Open waits for what goes away by itself: a full
// disk, brokers that do not answer, topics without any record that tells the columns.
func Open(ctx context.Context, file string, opts Options) (_ *Project, err error) {
	db := duck.Start() // it is needed after the file and the lake were read
	pipeline, diags, err := opts.load(file)
	if err != nil {
		db.Close()
		return nil, err
	}
	if pipeline == nil {
		db.Close()
		return nil, diags
	}
	p := newProject(pipeline, file, opts, diags)
	p.engine = db
	if err := p.open(ctx); err != nil {
		if opts.Purpose == Write && ctx.Err() == nil {
			err = advised(err)
		}
		return nil, hide(pipeline.Secrets, errors.Join(err, p.close()))
	}
	return p, nil
}

// load reads what declares the pipeline.
func (o Options) load(file string) (*dsl.Pipeline, diag.List, error) {
	params := map[string]string{}
	for _, p := range o.Params {
		params[p.Name] = p.Value
	}
	return load.Load(file, load.Options{Connectors: Connectors(), Params: params, Overlay: o.Overlay, Target: o.Target, Resource: o.Resource})
}

func newProject(pipeline *dsl.Pipeline, file string, opts Options, diags diag.List) *Project {
	id := uuid.NewString()
	opts.Events = opts.Events.Hiding(pipeline.Secrets.Hide)
	p := &Project{Pipeline: pipeline, file: file, opts: opts, update: id, loaded: diags, warnings: diags,
		ends: newConnections(pipeline), macros: macros(pipeline)}
	p.wait = &patience{allowed: opts.Purpose == Write && pipeline.Mode == dsl.Continuous, tell: opts.Events.Emit}
	if opts.Placed != nil && opts.Purpose == Write {
		p.wait.first = func() error { return opts.Placed(pipeline) }
	}
	p.place = place{pipeline: pipeline, update: id, tell: opts.Events.Emit}
	return p
}

func (p *Project) open(ctx context.Context) error {
	if p.loaded.HasErrors() {
		return p.allMistakes(ctx)
	}
	if err := p.checkGaps(); err != nil {
		return err
	}
	if err := p.openLake(ctx); err != nil {
		return p.withCommand(err)
	}
	if p.opts.Purpose == Move {
		return nil
	}
	if err := p.wait.begin(); err != nil {
		return err
	}
	if p.opts.Purpose == Read {
		return p.openDuck(ctx)
	}
	return p.compileAll(ctx)
}

// withCommand adds to the error of a warehouse that was moved what to call.
func (p *Project) withCommand(err error) error {
	var moved *lake.MovedError
	if errors.As(err, &moved) {
		return fmt.Errorf("%w:\n  lakeflow relocate %s", err, p.Arguments())
	}
	return err
}

func (p *Project) openDuck(ctx context.Context) error {
	if err := p.temp.make(p.place.lake, p.Pipeline, p.update); err != nil {
		return err
	}
	var folders []string
	if p.place.lake != nil {
		folders = append(folders, p.Pipeline.Target.Warehouse)
	}
	c := duck.Config{MemoryLimit: p.Pipeline.DuckDB.MemoryLimit, Threads: p.Pipeline.DuckDB.Threads, TempDir: p.temp.path,
		Folders: append(folders, p.ends.folders()...)}
	if p.opts.Purpose == Look {
		c.Threads = 1 // queries are bound, and hardly any row is read
	}
	e := p.engine
	if p.engine = nil; e == nil { // it failed before
		e = duck.Start()
	}
	var err error
	if p.db, err = e.Open(ctx, c); err != nil {
		return err
	}
	return makeMacros(ctx, p.db, p.macros)
}

// Warnings are those of the file and of the compiler.
func (p *Project) Warnings() diag.List { return p.warnings }

// Plan is what the pipeline compiles to, for Look and Write. The error says what it lacks.
func (p *Project) Plan() (*plan.Plan, error) {
	if p.plan == nil {
		return nil, errors.New("there is no plan without the columns of the sources that cannot be reached; declare " +
			"them, or look again later")
	}
	return p.plan, nil
}

// Explain is Plan, with how materialized views follow their inputs.
func (p *Project) Explain(ctx context.Context) (*plan.Plan, error) {
	made, err := p.Plan()
	if err == nil {
		err = made.Explain(ctx, p.db.Conn())
	}
	return made, err
}

// tables are what is published, for queries.
func (p *Project) tables() *query.Tables {
	return &query.Tables{Pipeline: p.Pipeline, Lake: p.place.lake, State: p.place.state, DB: p.db, Again: p.Again()}
}

// Close closes everything and gives up the writer's place. Rows of queries are closed before it.
func (p *Project) Close() error { return hide(p.Pipeline.Secrets, p.close()) }

func (p *Project) close() error {
	errs := []error{p.ends.close()}
	if p.engine != nil {
		p.engine.Close()
	}
	var ended error
	var ending sync.WaitGroup
	if p.db != nil {
		ending.Go(func() { ended = p.db.Close() }) // beside the lake, which waits for the disk
	}
	if p.place.lake != nil {
		errs = append(errs, p.place.lake.Close())
	}
	ending.Wait()
	return errors.Join(append(errs, ended, p.temp.close())...)
}
