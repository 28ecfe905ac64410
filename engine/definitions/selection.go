package definitions

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
)

// Selection is what somebody wants of an update, by the names of tables.
type Selection struct {
	Refresh     []string // only these tables; empty means all
	FullRefresh []string // recompute these from the beginning
	FullAll     bool     // recompute all
	Accept      []string // go on with changed queries of these streaming tables, or without lost dead letters
	Again       string   // the command line that starts such an update, without the selections above: remedies begin with it
}

// Choice is a selection whose tables a plan has.
type Choice struct {
	Selection
	selected, resets map[string]bool
	// Kept are the tables that FullAll leaves as they are.
	Kept []string
}

// UnknownTableError says that a selection names a table that the pipeline does not have.
type UnknownTableError struct {
	Name   string
	Tables []string // that it has
}

func (e *UnknownTableError) Error() string {
	return fmt.Sprintf("no table %q in this pipeline: %s", e.Name, diag.DidYouMean(e.Name, e.Tables, "see lakeflow plan for the names"))
}

// Choose finds the tables of a selection. It returns an *UnknownTableError when the plan lacks one, and a diag.List when
// one that is named refuses to be computed from the beginning.
func (s Selection) Choose(p *plan.Plan) (Choice, error) {
	for _, names := range []*[]string{&s.Refresh, &s.FullRefresh, &s.Accept} {
		local := make([]string, len(*names))
		for i, name := range *names {
			local[i] = schemas.LocalName(p.Schema, name)
		}
		*names = local
	}
	c := Choice{Selection: s, selected: map[string]bool{}, resets: map[string]bool{}}
	for _, d := range p.Stored() {
		c.selected[d.Name] = len(s.Refresh) == 0
		switch {
		case s.FullAll && d.NoReset:
			c.Kept = append(c.Kept, d.Name)
		case s.FullAll:
			c.resets[d.Name] = true
		}
	}
	for _, name := range slices.Concat(s.Refresh, s.FullRefresh, s.Accept) {
		if _, ok := c.selected[name]; !ok && name != p.DeadLetter {
			return c, &UnknownTableError{Name: name, Tables: slices.Sorted(maps.Keys(c.selected))}
		}
	}
	for _, name := range s.Refresh {
		c.selected[name] = true
	}
	var refused diag.List
	for _, name := range s.FullRefresh {
		c.selected[name], c.resets[name] = true, true
		if d := p.Dataset(name); d != nil && d.NoReset {
			refused.Errorf("LF0286", d.At, "leave it out of --full-refresh; or, to lose its rows, remove reset: false (pipelines.reset.allowed) first",
				"table %s is not to be computed from the beginning", name)
		}
	}
	return c, refused.Err()
}

// Includes reports whether a table is to be brought up to date.
func (c Choice) Includes(table string) bool { return c.selected[table] }

// Resets are the tables to be computed from the beginning.
func (c Choice) Resets() map[string]bool { return maps.Clone(c.resets) }

// command is the command line that goes on with these tables recomputed and those kept, beside what was asked for
// already.
func (s Selection) command(full, accept map[string]bool) string {
	all, kept := map[string]bool{}, map[string]bool{}
	maps.Copy(all, full)
	maps.Copy(kept, accept)
	for _, name := range s.FullRefresh {
		all[name] = true
	}
	for _, name := range s.Accept {
		if !all[name] {
			kept[name] = true
		}
	}
	text := s.Again
	for _, flag := range []struct {
		name   string
		tables map[string]bool
	}{{"--full-refresh", all}, {"--accept", kept}} {
		if len(flag.tables) > 0 {
			text += " " + flag.name + " " + strings.Join(slices.Sorted(maps.Keys(flag.tables)), ",")
		}
	}
	return text
}
