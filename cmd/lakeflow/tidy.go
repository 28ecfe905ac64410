package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/maintain"
)

// How often a continuous update merges its small files and removes files that nothing needs, and how long readers have to finish with those.
const (
	mergeEvery  = time.Second
	removeEvery = time.Minute
	removeGrace = 10 * time.Minute
)

// tidyMemory bounds the DuckDB that merges files beside the one that runs the pipeline.
const tidyMemory = "256MiB"

// tidy keeps the lake of a continuous update in shape, in a goroutine of its own until the caller calls end. Its commits lose every race
// against the update's. What goes wrong is reported, and tried again.
func (p *project) tidy(ctx context.Context, report func(error)) (end func() error, err error) {
	db, err := duck.Open(ctx, duck.Config{MemoryLimit: tidyMemory, Threads: 1, TempDir: filepath.Join(p.DB.TempDir(), "tidy"),
		Folders: []string{p.Pipeline.Target.Warehouse}})
	if err != nil {
		return nil, err
	}
	in := maintain.Input{Lake: p.Lake, Epoch: p.Epoch, DB: db, Layouts: p.layouts(), OlderThan: removeGrace}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		merge, remove := time.NewTicker(mergeEvery), time.NewTicker(removeEvery)
		defer merge.Stop()
		defer remove.Stop()
		for {
			var err error
			select {
			case <-ctx.Done():
				return
			case <-merge.C:
				_, err = maintain.Compact(ctx, in)
			case <-remove.C:
				_, err = p.Lake.RemoveOrphans(ctx, removeGrace)
			}
			if err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}()
	return func() error {
		cancel()
		<-ended
		return db.Close()
	}, nil
}

// layouts are the Parquet settings by table.
func (p *project) layouts() map[string]duck.Layout {
	layouts := map[string]duck.Layout{}
	for _, t := range p.Pipeline.Tables {
		layouts[t.Name] = duck.Layout{Compression: t.Parquet.Compression, RowGroupSize: t.Parquet.RowGroupSize}
	}
	return layouts
}
