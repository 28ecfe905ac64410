// Package event is what an update tells while it runs, to whoever subscribes: the log, the live view, metrics. What is
// kept of an update is in the event log of the lake, which engine/journal writes.
package event

import (
	"time"

	"github.com/lakeflow/lakeflow/schemas"
)

// Event is one of the types of this package.
type Event interface{ event() }

// Subscriber is called for each event, in the goroutine of the update: it must not block.
type Subscriber func(Event)

// Subscribers are told in their order.
type Subscribers []Subscriber

// Emit tells all subscribers.
func (s Subscribers) Emit(e Event) {
	for _, tell := range s {
		tell(e)
	}
}

// Hiding gives subscribers who are told messages as hide makes them: without secrets.
func (s Subscribers) Hiding(hide func(string) string) Subscribers {
	return Subscribers{func(e Event) {
		switch x := e.(type) {
		case Notice:
			x.Message = hide(x.Message)
			e = x
		case Waiting:
			x.Message = hide(x.Message)
			e = x
		case Idle:
			x.Unavailable = hide(x.Unavailable)
			e = x
		case SinkUnavailable:
			x.Message = hide(x.Message)
			e = x
		case SinkAvailable:
			x.Unavailable = hide(x.Unavailable)
			e = x
		}
		s.Emit(e)
	}}
}

// Evaluating says that a flow of a table is being evaluated.
type Evaluating struct {
	Table   string
	Batch   int64         // the number of the commit to be
	Elapsed time.Duration // of the update
}

// Committed says that a batch is committed, in which something was done to tables.
type Committed struct {
	Batch   int64    // the number of the commit
	Tables  []Table  // in the plan's order
	Sources []Source // of which records were read
	Stages  Stages
	Elapsed time.Duration // of the batch
}

// Published says that rows of a table are published to a sink.
type Published struct {
	Sink
	Commit int64 // the last one that is published
}

// Notice is something that the user should know and that stops nothing. Table is empty when it is about the update.
type Notice struct{ Table, Message string }

// Skipped says that a materialized view was left as it is, and why.
type Skipped struct{ Table, Message string }

// Idle says that a continuous update has nothing under way. Unavailable says which sinks are waited for, and is empty
// when none is.
type Idle struct{ Unavailable string }

// Waiting says that a batch failed on what goes away by itself, and how long the pause before the next attempt is.
type Waiting struct {
	Message string
	Pause   time.Duration
}

// SinkUnavailable says that the update goes on without a sink.
type SinkUnavailable struct{ Sink, Table, Message string }

// SinkAvailable says that a sink has got what it missed. Unavailable is as in Idle.
type SinkAvailable struct{ Sink, Table, Unavailable string }

func (Evaluating) event()      {}
func (Committed) event()       {}
func (Published) event()       {}
func (Notice) event()          {}
func (Skipped) event()         {}
func (Idle) event()            {}
func (Waiting) event()         {}
func (SinkUnavailable) event() {}
func (SinkAvailable) event()   {}

// Source is what a batch read of a source.
type Source struct {
	Source  string
	Items   int
	Bytes   int64
	Backlog int       // items that are known to wait
	Newest  time.Time // of the records, zero when the source does not tell
}

// Sink is what a sink published.
type Sink struct {
	Sink    string  `json:"sink"`
	Table   string  `json:"table"`
	Rows    int64   `json:"rows"`
	Seconds float64 `json:"seconds"`
}

// Stages says how long the parts of a batch took.
type Stages struct{ Read, Evaluate, Commit time.Duration }

// Table is what an update, or a batch of it, did to a table.
type Table struct {
	Table        string                      `json:"table"`
	Kind         string                      `json:"kind"`
	Layer        string                      `json:"layer,omitempty"`
	Status       string                      `json:"status"` // updated, unchanged, excluded
	Written      int64                       `json:"written"`
	DeadLettered int64                       `json:"dead_lettered"`
	Discarded    int64                       `json:"discarded"`
	Unreadable   int64                       `json:"unreadable"`
	Removed      int64                       `json:"removed"` // rows that changes took out of the table, or replaced by written ones
	Files        int64                       `json:"files"`
	Bytes        int64                       `json:"bytes"`
	Seconds      float64                     `json:"seconds"`
	Rules        []schemas.ExpectationResult `json:"expectations,omitempty"`
}

// Add adds the figures of the same table.
func (t *Table) Add(o Table) {
	t.Written += o.Written
	t.Removed += o.Removed
	t.DeadLettered += o.DeadLettered
	t.Discarded += o.Discarded
	t.Unreadable += o.Unreadable
	t.Files += o.Files
	t.Bytes += o.Bytes
	t.Seconds += o.Seconds
	for _, r := range o.Rules {
		t.addRule(r)
	}
}

func (t *Table) addRule(r schemas.ExpectationResult) {
	for i := range t.Rules {
		if t.Rules[i].Name == r.Name {
			t.Rules[i].Passed += r.Passed
			t.Rules[i].Failed += r.Failed
			return
		}
	}
	t.Rules = append(t.Rules, r)
}
