package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// place is the lake of a pipeline, and this process's place in it.
type place struct {
	pipeline *dsl.Pipeline
	update   string
	tell     func(event.Event)

	lake  *iceberg.Lake
	state *lake.State
	epoch int64            // once this process is the writer
	moved *lake.MovedError // with Move: what there is to do
}

// open opens the lake. Its tables are not looked at.
func (l *place) open(ctx context.Context) (err error) {
	target, keep := l.pipeline.Target, iceberg.Retention{Snapshots: l.pipeline.Retention.Snapshots}
	l.lake, err = iceberg.Open(ctx, target.Warehouse, target.Schema, l.pipeline.Name, keep)
	if err == nil {
		l.lake.TempDirectory = l.pipeline.DuckDB.TempDirectory
	}
	return err
}

// take makes this process the pipeline's writer, and reads the state that its predecessor left. A warehouse that was
// moved is relocated, which gives what was done. Of a copy that is to be asked for, and nothing is written to it
// before.
func (l *place) take(ctx context.Context, copied bool) (done *lake.Relocation, err error) {
	var moved *lake.MovedError
	if err := l.lake.Placed(ctx); err != nil && (!errors.As(err, &moved) || moved.Copied && !copied) {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("look up the host's name: %w", err)
	}
	holder := lake.Holder{Update: l.update, PID: os.Getpid(), Host: host, Started: time.Now().UTC()}
	if l.epoch, err = l.lake.Acquire(ctx, holder); err != nil {
		return nil, err
	}
	if moved != nil {
		if done, err = l.lake.Relocate(ctx, l.epoch); err != nil {
			return nil, err
		}
		if len(done.Tables) > 0 {
			l.tell(event.Notice{Message: fmt.Sprintf("the warehouse was moved from %s to %s: its tables "+
				"name their files here now", done.From, done.To)})
		}
	}
	l.state, err = l.lake.State(ctx)
	return done, err
}

// openLake opens the lake, and takes the writer's place where that is the purpose.
func (p *Project) openLake(ctx context.Context) error {
	if err := p.place.open(ctx); err != nil {
		return err
	}
	if p.opts.Purpose == Write {
		return p.wait.until(ctx, func() error {
			_, err := p.place.take(ctx, false)
			return err
		})
	}
	var err error
	p.place.state, err = p.place.lake.State(ctx)
	if p.opts.Purpose == Move && errors.As(err, &p.place.moved) {
		return nil
	}
	return err
}

// Relocate has a warehouse that was moved or copied name its files where they are, and says what was done. It is nil
// when there is nothing to do. The project was opened for Move; afterwards this process is the pipeline's writer.
func (p *Project) Relocate(ctx context.Context) (*lake.Relocation, error) {
	if p.place.moved == nil {
		return nil, nil
	}
	done, err := p.place.take(ctx, true)
	if err != nil && ctx.Err() == nil {
		err = advised(err)
	}
	return done, p.hide(err)
}
