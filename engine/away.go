package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
)

// A continuous update goes on without the sinks that are away. Each is asked in the background until it answers; then it gets what it missed.

// absences are the sinks that are away.
type absences struct {
	sinks   map[string]*absence
	asking  sync.WaitGroup
	answers chan struct{} // one that is away has answered
}

type absence struct {
	why  string
	wait time.Duration // before it is asked the next time
	back chan struct{} // closed once it answers
}

func newAbsences() *absences {
	return &absences{sinks: map[string]*absence{}, answers: make(chan struct{}, 1)}
}

// away reports whether a sink has not answered since its last failure.
func (u *update) away(s *plan.Sink) bool {
	a := u.absent.sinks[s.Name]
	if a == nil {
		return false
	}
	select {
	case <-a.back:
		return false
	default:
		return true
	}
}

// postpone has the sink that failed wait for its next attempt, and reports whether the update can go on without it. It is asked until ctx ends.
func (u *update) postpone(ctx context.Context, s *plan.Sink, why error) bool {
	if u.opts.Follow == nil || !Transient(why) || ctx.Err() != nil {
		return false
	}
	a := &absence{why: duckerr.Text(why), wait: firstWait, back: make(chan struct{})}
	if before := u.absent.sinks[s.Name]; before != nil {
		a.wait = min(2*before.wait, lastWait)
	}
	u.absent.sinks[s.Name] = a
	u.Observe(Progress{Kind: "away", Table: s.From, Sinks: []SinkResult{{Sink: s.Name, Table: s.From}}, Message: a.why})
	u.absent.asking.Go(func() { u.ask(ctx, s.Name, a) })
	return true
}

// returned notes that a sink is level again.
func (u *update) returned(s *plan.Sink) {
	if u.absent.sinks[s.Name] == nil {
		return
	}
	delete(u.absent.sinks, s.Name)
	u.Observe(Progress{Kind: "back", Table: s.From, Sinks: []SinkResult{{Sink: s.Name, Table: s.From}}, Message: u.whyAway()})
}

// ask waits until the sink answers.
func (u *update) ask(ctx context.Context, sink string, a *absence) {
	for {
		select {
		case <-time.After(a.wait):
		case <-ctx.Done():
			return
		}
		if u.Sinks[sink].Reach(ctx) == nil {
			break
		}
		a.wait = min(2*a.wait, lastWait)
	}
	close(a.back)
	select {
	case u.absent.answers <- struct{}{}:
	default: // the update has not looked since the one before
	}
}

// whyAway says which sinks are away, and is empty when none is.
func (u *update) whyAway() string {
	var why []string
	for _, s := range u.Plan.Sinks {
		if a := u.absent.sinks[s.Name]; a != nil {
			why = append(why, a.why)
		}
	}
	return strings.Join(why, "; ")
}

// leave says what an update that ends leaves to the next one.
func (u *update) leave() {
	for _, s := range u.Plan.Sinks {
		if u.absent.sinks[s.Name] != nil {
			u.notice(s.From, fmt.Sprintf("sink %s has not got the last rows of %s, as it was away; the next update publishes them", s.Name, s.From))
		}
	}
}
