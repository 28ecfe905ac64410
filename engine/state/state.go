// Package state is what the last commit left in the lake, as an update goes on from it.
package state

import (
	"maps"

	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources"
)

// State is never changed: each commit gives the next one. Tables that are to be computed from the beginning stand
// there, until a commit has done so.
type State struct {
	lake      *lake.State
	positions position.Set
	resets    map[string]bool
}

// New makes the state of an update that begins. The tables of resets are to be computed from the beginning.
func New(lake *lake.State, resets map[string]bool) *State {
	s := &State{lake: lake, resets: maps.Clone(resets), positions: lake.Positions.Merged(nil)}
	maps.DeleteFunc(s.positions, func(k position.Key, _ sources.Position) bool { return s.resets[k.Table] && k.Kind != position.Sink })
	return s
}

// After is the state that a commit left, which has computed tables.
func (s *State) After(lake *lake.State, computed []string) *State {
	resets := maps.Clone(s.resets)
	for _, table := range computed {
		delete(resets, table)
	}
	return New(lake, resets)
}

// Commit is the number of the last commit, 0 before the first.
func (s *State) Commit() int64 { return s.lake.Commit }

// Table is a table as it is stored.
func (s *State) Table(name string) (t lake.TableState, exists bool) {
	t, exists = s.lake.Tables[name]
	return t, exists
}

// TableCommit is the last commit that wrote to a table, 0 when it is not there.
func (s *State) TableCommit(name string) int64 { return s.lake.Tables[name].Commit }

// Recorded is the commit that wrote to a table last, as the last commit knew it.
func (s *State) Recorded(table string) int64 { return s.lake.Recorded[table] }

// Repaired says what was damaged and could be read from elsewhere.
func (s *State) Repaired() []string { return s.lake.Repaired }

// Reset reports whether a table is still to be computed from the beginning.
func (s *State) Reset(table string) bool { return s.resets[table] }

// Resets are the tables that are still to be computed from the beginning.
func (s *State) Resets() map[string]bool { return maps.Clone(s.resets) }

// Has reports whether an input has a position, be it that of an input of which nothing was read yet.
func (s *State) Has(k position.Key) bool { return s.positions[k] != nil }

// At is how far an input was read, nil at the beginning.
func (s *State) At(k position.Key) sources.Position { return s.positions.At(k) }

// CommitAt is the commit up to which a reader of a table has read it, or a sink has published it; 0 is the beginning.
func (s *State) CommitAt(k position.Key) int64 { return s.positions.Commit(k) }

// Keys are those of all positions that are stored, those of tables included that are to be computed from the beginning.
func (s *State) Keys() []position.Key { return s.lake.Positions.Keys() }

// Remembered is the position of a flow that streams from the source: it holds the columns that the plan was made with.
// It is nil when nobody has read the source.
func (s *State) Remembered(p *plan.Plan, source string) sources.Position {
	for _, d := range p.Datasets {
		for _, f := range d.Flows {
			if at := s.At(p.Key(d, f, source)); at != nil {
				return at
			}
		}
	}
	return nil
}
