package project

import (
	"context"
	"errors"
	"slices"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// allMistakes are those of a file in which some were found already: what is sound in spite of them is compiled, by
// looking only.
func (p *Project) allMistakes(ctx context.Context) error {
	if p.opts.Purpose == Read || p.opts.Purpose == Move {
		return p.loaded
	}
	p.onlyLook()
	if target := p.Pipeline.Target; target.Warehouse == "" || target.Schema == "" || p.openLake(ctx) != nil {
		p.place.state = &lake.State{}
	}
	return p.compileAll(ctx)
}

// onlyLook is for files with mistakes: there will be no update, so nothing is worth waiting for.
func (p *Project) onlyLook() { p.opts.Purpose, p.wait.allowed = Look, false }

// compileAll opens what the pipeline reads and publishes to, and compiles it. Where there are mistakes, it goes on to
// find all of them.
func (p *Project) compileAll(ctx context.Context) error {
	p.makeSources()
	err := p.compileSources(ctx)
	var mistakes diag.List
	switch {
	case err != nil && !errors.As(err, &mistakes) && p.loaded.HasErrors():
		p.loaded.Sort()
		return p.loaded
	case err == nil && p.opts.Purpose == Look && !p.lenient:
		return p.checkStored(ctx)
	}
	return err
}

func (p *Project) compileSources(ctx context.Context) error {
	if err := p.wait.until(ctx, func() error { return p.openDuck(ctx) }); err != nil {
		return err
	}
	p.makeSinks()
	if p.loaded.HasErrors() {
		p.onlyLook()
	}
	p.columns = newSurvey(p)
	var columns map[string]schemas.Table
	err := p.wait.until(ctx, func() (err error) {
		columns, err = p.columns.all(ctx)
		return err
	})
	if err != nil {
		return err
	}
	p.plan, err = p.compile(ctx, columns)
	return err
}

// compile makes the plan for sources with these columns. Mistakes in the pipeline are a diag.List; warnings are kept.
func (p *Project) compile(ctx context.Context, columns map[string]schemas.Table) (*plan.Plan, error) {
	return p.compileWith(ctx, p.db, columns)
}

// recompile is compile while an update runs, whose relations in p.db it leaves alone: DuckDB is opened once more.
func (p *Project) recompile(ctx context.Context, columns map[string]schemas.Table) (made *plan.Plan, err error) {
	db, err := duck.Open(ctx, duck.Config{MemoryLimit: p.Pipeline.DuckDB.MemoryLimit, Threads: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := makeMacros(ctx, db, p.macros); err != nil {
		return nil, err
	}
	return p.compileWith(ctx, db, columns)
}

func (p *Project) compileWith(ctx context.Context, db *duck.DB, columns map[string]schemas.Table) (*plan.Plan, error) {
	made, diags, err := plan.Compile(ctx, plan.Input{Pipeline: p.Pipeline, Flawed: p.loaded.HasErrors(), Conn: db.Conn(),
		Macros:        p.macros,
		SourceColumns: columns, Found: p.columns.found, Unreached: p.columns.unreached})
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

// claim says which of the plan's tables belong to other pipelines.
func (p *Project) claim(ctx context.Context) error {
	var missing []string
	for _, d := range p.plan.Stored() {
		if _, stored := p.place.state.Tables[d.Name]; !stored {
			missing = append(missing, d.Name)
		}
	}
	return p.place.lake.Claim(ctx, missing)
}

// checkStored says what an update would refuse of the tables that are stored. Where sources are not reached, too little
// is known of their columns to tell.
func (p *Project) checkStored(ctx context.Context) error {
	if p.plan == nil || len(p.columns.unreached) > 0 {
		return nil
	}
	if err := p.claim(ctx); err != nil {
		return err
	}
	err := engine.CheckDefinitions(p.plan, p.place.state, engine.Options{Selection: definitions.Selection{Again: p.Again()}})
	var changed diag.List
	if !errors.As(err, &changed) {
		return err
	}
	all := append(slices.Clone(p.warnings), changed...)
	all.Sort()
	return all
}
