package main

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/project"
	"github.com/lakeflow/lakeflow/engine/refresh"
)

// runView shows an update while it runs: a live display on a terminal, log lines elsewhere.
type runView struct {
	log   *slog.Logger
	live  *live // nil where log lines are written
	errs  io.Writer
	color bool // of what is written to the output

	pipeline string          // the file and the parameters, for commands that are printed
	skipped  []string        // views, for one log line at the end
	discards map[string]bool // tables with dead_letter: false
}

func newRunView(out, errs io.Writer, asJSON, noColor bool) *runView {
	v := &runView{log: slog.New(slog.NewTextHandler(errs, nil)), errs: errs, color: terminal(out) != nil && !noColor, discards: map[string]bool{}}
	if f := terminal(errs); f != nil && !asJSON && os.Getenv("TERM") != "dumb" {
		v.live = startLive(f)
	}
	return v
}

// terminal is w as a file when it is a terminal.
func terminal(w io.Writer) *os.File {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// end takes the live display away, before anything else is written.
func (v *runView) end() {
	if v.live != nil {
		v.live.stop()
	}
	if len(v.skipped) > 0 {
		v.log.Info("views skipped: none of their inputs changed", "tables", strings.Join(v.skipped, ","))
	}
}

// begin takes in what is to be updated, and shows what the compiler warns of.
func (v *runView) begin(p *project.Project) error {
	v.warn(p.Warnings())
	v.pipeline = p.Arguments()
	made, err := p.Plan()
	if err != nil {
		return err
	}
	for _, d := range made.Datasets {
		v.discards[d.Name] = !d.Rules.DeadLetter
	}
	return nil
}

// warn shows what the compiler warns of, but for notes.
func (v *runView) warn(list diag.List) {
	list = slices.DeleteFunc(slices.Clone(list), func(d diag.Diagnostic) bool { return d.Severity == diag.Note })
	if v.live != nil {
		v.live.print(func(w io.Writer) { _ = diag.Render(w, list, os.ReadFile, v.color) })
		return
	}
	for _, d := range list {
		v.log.Warn(d.Message, "code", d.Code, "at", d.Range.String(), "help", d.Help)
	}
}

// show tells one event of the update.
func (v *runView) show(e event.Event) {
	if v.live != nil {
		v.live.show(e)
		return
	}
	switch e := e.(type) {
	case event.Committed:
		v.log.Info("batch committed", batchAttrs(e)...)
	case event.Published:
		v.log.Info("rows published", "sink", e.Sink.Sink, "table", e.Table, "rows", e.Rows, "commit", e.Commit, "seconds", millis(e.Seconds))
	case event.Notice:
		if e.Table == "" {
			v.log.Warn(e.Message)
			return
		}
		v.log.Warn(e.Message, "table", e.Table)
	case event.Waiting:
		v.log.Warn("waiting for the next attempt", "seconds", millis(e.Pause.Seconds()), "reason", e.Message)
	case event.SinkUnavailable:
		v.log.Warn("a sink is away, and the tables go on without it", "table", e.Table, "reason", e.Message)
	case event.SinkAvailable:
		v.log.Info("a sink is back", "table", e.Table, "sink", e.Sink)
	case event.Skipped:
		v.skipped = append(v.skipped, e.Table)
	}
}

// batchAttrs are the figures of a batch: the sum first, then those of each table in a group, without what is 0.
func batchAttrs(p event.Committed) []any {
	sum := total(p.Tables)
	attrs := []any{"batch", p.Batch, "seconds", millis(p.Elapsed.Seconds()), "written", sum.Written, "dead_lettered", sum.DeadLettered,
		"discarded", sum.Discarded, "unreadable", sum.Unreadable}
	for _, t := range p.Tables {
		attrs = append(attrs, slog.Group(t.Table, rowCounts(t)...))
	}
	return attrs
}

func rowCounts(t event.Table) []any {
	attrs := []any{"written", t.Written}
	for _, c := range []struct {
		name string
		n    int64
	}{{"removed", t.Removed}, {"dead_lettered", t.DeadLettered}, {"discarded", t.Discarded}, {"unreadable", t.Unreadable}} {
		if c.n > 0 {
			attrs = append(attrs, c.name, c.n)
		}
	}
	return attrs
}

// total sums the figures of tables.
func total(tables []event.Table) event.Table {
	var sum event.Table
	for _, t := range tables {
		sum.Written += t.Written
		sum.Removed += t.Removed
		sum.DeadLettered += t.DeadLettered
		sum.Discarded += t.Discarded
		sum.Unreadable += t.Unreadable
		sum.Seconds += t.Seconds
	}
	return sum
}

// keptLetters reports whether the update left dead letters to look at.
func (v *runView) keptLetters(r *engine.Result, failure error) bool {
	var violation *refresh.ViolationError
	if errors.As(failure, &violation) && !v.discards[violation.Table] {
		return true
	}
	return slices.ContainsFunc(r.Tables, func(t event.Table) bool {
		return t.DeadLettered > 0 || t.Unreadable > 0 && !v.discards[t.Table]
	})
}

// millis rounds seconds to what is worth reading.
func millis(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }
