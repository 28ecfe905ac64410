package project

import (
	"context"
	"path/filepath"
	"time"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/maintain"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Maintenance says how a lake is tidied up.
type Maintenance struct {
	OlderThan time.Duration // the grace time of files that nothing needs
	Dry       bool          // only tell what there is to do
}

// Maintain merges small files, drops old snapshots and removes files that nothing needs. This process becomes the
// pipeline's writer for it, unless it is dry. The report has no tables when the pipeline has not run yet. The project
// was opened for Read.
func (p *Project) Maintain(ctx context.Context, m Maintenance) (*maintain.Report, error) {
	if m.OlderThan < 0 {
		return nil, usagef("older-than", "%s: write how old files must be, as in 1h", m.OlderThan)
	}
	if p.place.state.Commit == 0 {
		return &maintain.Report{Dry: m.Dry, Tables: []maintain.Table{}}, nil
	}
	if !m.Dry {
		if _, err := p.place.take(ctx, false); err != nil {
			return nil, p.hide(err)
		}
	}
	in := p.maintenanceInput(p.db)
	in.OlderThan, in.Dry = m.OlderThan, m.Dry
	r, err := maintain.Run(ctx, in)
	if err != nil && ctx.Err() == nil {
		err = advised(err)
	}
	return r, p.hide(err)
}

func (p *Project) maintenanceInput(db *duck.DB) maintain.Input {
	layouts := map[string]duck.Layout{}
	for _, t := range p.Pipeline.Tables {
		layouts[t.Name] = duck.Layout{Compression: t.Parquet.Compression, RowGroupSize: t.Parquet.RowGroupSize}
	}
	return maintain.Input{Lake: p.place.lake, Epoch: p.place.epoch, DB: db, Layouts: layouts, Changing: p.changing()}
}

// changing are the tables of which an update removes single rows.
func (p *Project) changing() map[string]bool {
	if p.plan == nil {
		return nil
	}
	tables := map[string]bool{}
	for _, d := range p.plan.Stored() {
		if d.Refresh.Changes() {
			tables[d.Name] = true
		}
		if d.Merge != nil {
			tables[d.Merge.State] = true
		}
		if d.Incremental != nil {
			tables[d.Incremental.Table] = true
		}
	}
	return tables
}

// fold is what an update does between its commits for the tables of which it removes rows; nil where there are none.
func (p *Project) fold() func(context.Context, *lake.State) (bool, error) {
	in := p.maintenanceInput(p.db)
	if len(in.Changing) == 0 {
		return nil
	}
	return func(ctx context.Context, state *lake.State) (bool, error) { return maintain.Fold(ctx, in, state) }
}

// How often a continuous update merges its small files and removes files that nothing needs, and how long readers have
// to finish with those.
const (
	mergeEvery  = time.Second
	removeEvery = time.Minute
	removeGrace = 10 * time.Minute
)

// maintenanceMemory bounds the DuckDB that merges files beside the one that runs the pipeline.
const maintenanceMemory = "256MiB"

// maintenance keeps the lake of a continuous update in shape, in a goroutine of its own. Its commits lose every race
// against the update's. What goes wrong is reported, and tried again.
type maintenance struct {
	lake   *iceberg.Lake
	in     maintain.Input
	report func(error)
	cancel context.CancelFunc
	ended  chan struct{}
}

// startMaintenance begins. The caller calls end.
func startMaintenance(ctx context.Context, p *Project) (*maintenance, error) {
	db, err := duck.Open(ctx, duck.Config{MemoryLimit: maintenanceMemory, Threads: 1, TempDir: filepath.Join(p.db.TempDir(), "maintenance"),
		Folders: []string{p.Pipeline.Target.Warehouse}})
	if err != nil {
		return nil, err
	}
	m := &maintenance{lake: p.place.lake, in: p.maintenanceInput(db), report: p.maintenanceFailed, ended: make(chan struct{})}
	m.in.OlderThan = removeGrace
	ctx, m.cancel = context.WithCancel(ctx)
	go m.run(ctx)
	return m, nil
}

func (m *maintenance) run(ctx context.Context) {
	defer close(m.ended)
	merge, remove := time.NewTicker(mergeEvery), time.NewTicker(removeEvery)
	defer merge.Stop()
	defer remove.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-merge.C:
			_, err = maintain.Compact(ctx, m.in)
		case <-remove.C:
			_, err = m.lake.RemoveOrphans(ctx, removeGrace)
		}
		if err != nil && ctx.Err() == nil {
			m.report(err)
		}
	}
}

// end stops it, and returns when nothing of it is left.
func (m *maintenance) end() error {
	m.cancel()
	<-m.ended
	return m.in.DB.Close()
}
