package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// lookTime is how long who only looks waits for brokers.
const lookTime = 4 * time.Second

// survey asks the sources of a pipeline for their columns.
type survey struct {
	pipeline  *dsl.Pipeline
	sources   map[string]sources.Source
	positions position.Set
	db        *duck.DB
	wait      *patience
	looking   bool // go on without those that cannot be reached
	flawed    bool // the file has mistakes: those that fail are left out

	found     map[string]sources.Found
	unreached map[string]string // why sources could not be asked
}

func newSurvey(p *Project) *survey {
	return &survey{pipeline: p.Pipeline, sources: p.ends.sources, positions: p.place.state.Positions, db: p.db, wait: p.wait,
		looking: p.opts.Purpose == Look, flawed: p.loaded.HasErrors(), found: map[string]sources.Found{}, unreached: map[string]string{}}
}

// all are the columns by source. One that knows none yet is left out.
func (v *survey) all(ctx context.Context) (map[string]schemas.Table, error) {
	columns := map[string]schemas.Table{}
	if v.looking {
		v.reach(ctx)
	}
	for i, s := range v.pipeline.Sources {
		if s.Flawed {
			continue
		}
		session := sources.Session{Conn: v.db.Conn(), Prefix: fmt.Sprintf("__look%d_", i), TempDir: v.db.TempDir()}
		for _, position := range v.readers(s.Name) {
			found, err := v.look(ctx, s, session, position)
			if err != nil && v.flawed {
				s.Flawed = true
				break
			}
			if err != nil {
				return nil, fmt.Errorf("source %s: %w", s.Name, err)
			}
			v.found[s.Name] = found
			if len(found.Columns) > 0 {
				columns[s.Name] = schemas.Union(columns[s.Name], found.Columns)
			}
		}
	}
	return columns, nil
}

// readers is how far each of the source's readers has got, or the beginning when it was never read. One that is further
// on may know more columns.
func (v *survey) readers(source string) []sources.Position {
	var positions []sources.Position
	for _, key := range v.positions.Keys() {
		if at := v.positions.At(key); key.Kind == position.Source && key.Input == source && at != nil {
			positions = append(positions, at)
		}
	}
	if positions == nil {
		return []sources.Position{nil}
	}
	return positions
}

// reach asks all brokers at once whether they answer.
func (v *survey) reach(ctx context.Context) {
	var mu sync.Mutex
	var asking sync.WaitGroup
	defer asking.Wait()
	for _, s := range v.pipeline.Sources {
		if remote, ok := v.sources[s.Name].(sources.Remote); ok {
			asking.Go(func() {
				soon, cancel := context.WithTimeout(ctx, lookTime)
				defer cancel()
				if err := remote.Reach(soon); err != nil {
					mu.Lock()
					defer mu.Unlock()
					v.unreached[s.Name] = whyUnreached(s, err)
				}
			})
		}
	}
}

// remote reports whether a source may be away.
func remote(s *dsl.Source) bool { return len(s.Options.Traits().Remote) > 0 }

func whyUnreached(s *dsl.Source, err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return "no answer of " + strings.Join(s.Options.Traits().Remote, ", ") + " within " + lookTime.String()
	}
	return duckerr.Text(err)
}

// look asks a source for its columns; where that cannot be waited for, and it does not answer, they are those that are
// declared.
func (v *survey) look(ctx context.Context, s *dsl.Source, session sources.Session, from sources.Position) (sources.Found, error) {
	if !v.looking || !remote(s) {
		return v.ask(ctx, s, session, from)
	}
	if v.unreached[s.Name] != "" {
		return declared(s)
	}
	soon, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := v.ask(soon, s, session, from)
	if err != nil && ctx.Err() == nil {
		v.unreached[s.Name] = whyUnreached(s, err)
		return declared(s)
	}
	return found, err
}

// ask asks a source for its columns, again and again as long as it is to be waited for.
func (v *survey) ask(ctx context.Context, s *dsl.Source, session sources.Session, from sources.Position) (sources.Found, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		found, err := v.sources[s.Name].Schema(ctx, session, from)
		var away *sources.UnavailableError
		if !v.wait.allowed || !remote(s) || err != nil && !errors.As(err, &away) || len(found.Columns) > 0 {
			return found, err
		}
		why := found.Lack + ", and no schema is declared"
		if err != nil {
			why = duckerr.Text(err)
		}
		if err := v.wait.pause(ctx, "source "+s.Name+": "+why, wait); err != nil {
			return sources.Found{}, err
		}
	}
}

// declared are the columns that a source has by the pipeline file.
func declared(s *dsl.Source) (sources.Found, error) {
	var t schemas.Table
	for _, h := range s.Schema {
		typ, err := schemas.Storable(h.Type)
		if err != nil {
			return sources.Found{}, err
		}
		t = append(t, schemas.Column{Name: h.Name, Type: typ})
	}
	if t == nil {
		t = s.Options.Traits().Columns.Clone()
	}
	if said := s.Options.Traits().Changes; len(t) > 0 && said != nil {
		t = append(t, said.NoData...)
	}
	if len(t) > 0 && s.Evolution.Rescues() {
		t = append(t, schemas.Column{Name: jsonrecords.RescuedColumn, Type: schemas.Type{Kind: schemas.Varchar}})
	}
	return sources.Found{Columns: t}, nil
}
