package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/retry"
)

// A continuous update goes on without the sinks that are unavailable. Each is asked in the background until it answers;
// then it gets what it missed.

// absences are the sinks that are unavailable.
type absences struct {
	sinks   map[string]*absence
	asking  sync.WaitGroup
	answers chan struct{} // one of them has answered
}

type absence struct {
	why     string
	backoff retry.Backoff
	back    chan struct{} // closed once it answers
}

func newAbsences() *absences {
	return &absences{sinks: map[string]*absence{}, answers: make(chan struct{}, 1)}
}

// has reports whether a sink has not answered since its last failure.
func (a *absences) has(sink string) bool {
	one := a.sinks[sink]
	if one == nil {
		return false
	}
	select {
	case <-one.back:
		return false
	default:
		return true
	}
}

// Answers gives a value when a sink that was unavailable answers: Publish is then to be called again.
func (p *Publisher) Answers() <-chan struct{} { return p.absent.answers }

// postpone has the sink that failed wait for its next attempt, and reports whether the update can go on without it. It
// is asked until ctx ends.
func (p *Publisher) postpone(ctx context.Context, s *plan.Sink, why error) bool {
	if !p.Continuous || !retry.Transient(why) || ctx.Err() != nil {
		return false
	}
	a := &absence{why: duckerr.Text(why), back: make(chan struct{})}
	if before := p.absent.sinks[s.Name]; before != nil {
		a.backoff = before.backoff
	}
	p.absent.sinks[s.Name] = a
	p.Events.Emit(event.SinkUnavailable{Sink: s.Name, Table: s.From, Message: a.why})
	p.absent.asking.Go(func() { p.absent.ask(ctx, p.Sinks[s.Name].Reach, a) })
	return true
}

// returned notes that a sink is up to date again.
func (p *Publisher) returned(s *plan.Sink) {
	if p.absent.sinks[s.Name] == nil {
		return
	}
	delete(p.absent.sinks, s.Name)
	p.Events.Emit(event.SinkAvailable{Sink: s.Name, Table: s.From, Unavailable: p.Unavailable()})
}

// ask waits until the sink answers.
func (a *absences) ask(ctx context.Context, reach func(context.Context) error, one *absence) {
	for {
		select {
		case <-time.After(one.backoff.Next()):
		case <-ctx.Done():
			return
		}
		if reach(ctx) == nil {
			break
		}
	}
	close(one.back)
	select {
	case a.answers <- struct{}{}:
	default: // the update has not looked since the one before
	}
}

// Unavailable says which sinks are unavailable and why, and is empty when none is.
func (p *Publisher) Unavailable() string {
	var why []string
	for _, name := range slices.Sorted(maps.Keys(p.Sinks)) {
		if a := p.absent.sinks[name]; a != nil {
			why = append(why, a.why)
		}
	}
	return strings.Join(why, "; ")
}

// Wait returns when the goroutines that ask sinks have ended, after their context has.
func (p *Publisher) Wait() { p.absent.asking.Wait() }

// Leave says what an update that ends leaves to the next one.
func (p *Publisher) Leave(pl *plan.Plan) {
	for _, s := range pl.Sinks {
		if p.absent.sinks[s.Name] != nil {
			p.notice(s.From, fmt.Sprintf("sink %s has not got the last rows of %s, as it was away; the next update publishes them", s.Name, s.From))
		}
	}
}
