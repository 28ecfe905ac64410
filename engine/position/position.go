// Package position says how far the flows of a pipeline have read their inputs, and how far its sinks have published.
// The positions of a pipeline are part of each of its commits.
package position

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/lakeflow/lakeflow/sources"
)

// Kind says what a position is about.
type Kind string

const (
	// Source is how far a flow has read the new records of a source, as the source encodes it.
	Source Kind = "source"
	// Upstream is the commit up to which a flow has read the new rows of a table.
	Upstream Kind = "upstream"
	// Changes is the commit up to which a flow has read what was changed in a table.
	Changes Kind = "changes"
	// Whole is what a flow saw when it last read an input in full: a source's fingerprint, or a table's commit.
	Whole Kind = "whole"
	// Once is the commit that has the rows of a flow that runs once; Unread while it has not run.
	Once Kind = "once"
	// Rules are the expectations with which a materialized view was computed, and how it is refreshed.
	Rules Kind = "rules"
	// Totals is what those expectations say of all rows of a materialized view that follows its inputs.
	Totals Kind = "totals"
	// Sink is a commit up to which a sink has published its table for sure.
	Sink Kind = "sink"
)

var kinds = []Kind{Source, Upstream, Changes, Whole, Once, Rules, Totals, Sink}

// Ordered reports whether positions of the kind are commits up to which a table was read.
func (k Kind) Ordered() bool { return k == Upstream || k == Changes || k == Sink }

// Key names one position.
type Key struct {
	Kind  Kind   `json:"kind"`
	Table string `json:"table"`
	Flow  string `json:"flow,omitempty"`  // empty for sinks
	Input string `json:"input,omitempty"` // the source or table that is read, or the sink; empty for once, rules and totals
}

// String is for messages and tests.
func (k Key) String() string {
	return fmt.Sprintf("%s of %s, flow %s, input %s", k.Kind, k.Table, k.Flow, k.Input)
}

func compare(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Flow, b.Flow), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Input, b.Input))
}

// Set is the positions of a pipeline. A position that is not there is an input that was never read.
type Set map[Key]sources.Position

// Unread is the position of a source of which nothing was read yet, or of a flow that has yet to run once, where that is known: a position that is missing
// although its table has rows is damage.
var Unread = sources.Position("null")

// At is a position, nil where nothing was read.
func (s Set) At(k Key) sources.Position {
	if p := s[k]; string(p) != string(Unread) {
		return p
	}
	return nil
}

// Keys are in a stable order.
func (s Set) Keys() []Key { return slices.SortedFunc(maps.Keys(s), compare) }

// Merged is the set after changes; a nil position removes its key. The set itself stays as it is.
func (s Set) Merged(changes Set) Set {
	after := maps.Clone(s)
	if after == nil {
		after = Set{}
	}
	for k, p := range changes {
		if p == nil {
			delete(after, k)
		} else {
			after[k] = p
		}
	}
	return after
}

// stored is a position as it is written.
type stored struct {
	Key
	At sources.Position `json:"at"`
}

// Encode writes the set as a JSON array, in the order of the keys.
func (s Set) Encode() (string, error) {
	list := make([]stored, 0, len(s))
	for _, k := range s.Keys() {
		list = append(list, stored{k, s[k]})
	}
	text, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("write positions: %w", err)
	}
	return string(text), nil
}

// Decode reads what Encode wrote. Anything else is an error: a position that cannot be read must not become the
// beginning.
func Decode(text string) (Set, error) {
	var list []stored
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	set := make(Set, len(list))
	for _, p := range list {
		if !slices.Contains(kinds, p.Kind) || p.Table == "" || len(p.At) == 0 {
			return nil, fmt.Errorf("%q of table %q is no position that this version of lakeflow knows", p.Kind, p.Table)
		}
		if _, twice := set[p.Key]; twice {
			return nil, fmt.Errorf("it has two positions: %s", p.Key)
		}
		if p.Kind.Ordered() {
			if _, err := Commit(p.At); err != nil {
				return nil, fmt.Errorf("%s: %w", p.Key, err)
			}
		}
		set[p.Key] = p.At
	}
	return set, nil
}

// AtCommit is the position of a reader of a table that has read everything up to a commit.
func AtCommit(commit int64) sources.Position {
	return sources.Position(fmt.Sprintf(`{"commit":%d}`, commit))
}

// Commit reads what AtCommit wrote.
func Commit(p sources.Position) (int64, error) {
	var at struct {
		Commit *int64 `json:"commit"`
	}
	if err := json.Unmarshal(p, &at); err != nil || at.Commit == nil || *at.Commit < 0 {
		return 0, fmt.Errorf("%s is not the number of a commit", p)
	}
	return *at.Commit, nil
}

// Commit is the commit at which a reader stands: 0 when it has read nothing. Decode has made sure that the positions of
// upstream tables and sinks are commits.
func (s Set) Commit(k Key) int64 {
	p, ok := s[k]
	if !ok {
		return 0
	}
	n, err := Commit(p)
	if err != nil {
		return 0
	}
	return n
}

// Passed tells, for each table that flows stream from or sinks publish, the commit that all of them have read.
func (s Set) Passed() map[string]int64 {
	out := map[string]int64{}
	for k := range s {
		if !k.Kind.Ordered() {
			continue
		}
		table := k.Input
		if k.Kind == Sink {
			table = k.Table
		}
		if least, ok := out[table]; !ok || s.Commit(k) < least {
			out[table] = s.Commit(k)
		}
	}
	return out
}
