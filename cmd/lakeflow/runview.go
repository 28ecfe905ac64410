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
	"github.com/lakeflow/lakeflow/engine/project"
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

// warn shows what the compiler warns of.
func (v *runView) warn(list diag.List) {
	if v.live != nil {
		v.live.print(func(w io.Writer) { _ = diag.Render(w, list, os.ReadFile, v.color) })
		return
	}
	for _, d := range list {
		v.log.Warn(d.Message, "code", d.Code, "at", d.Range.String(), "help", d.Help)
	}
}

func (v *runView) step(p engine.Progress) {
	if v.live != nil {
		v.live.step(p)
		return
	}
	switch p.Kind {
	case "committed":
		v.log.Info("batch committed", batchAttrs(p)...)
	case "published":
		for _, r := range p.Sinks {
			v.log.Info("rows published", "sink", r.Sink, "table", r.Table, "rows", r.Rows, "commit", p.Batch, "seconds", millis(r.Seconds))
		}
	case "notice":
		if p.Table == "" {
			v.log.Warn(p.Message)
			return
		}
		v.log.Warn(p.Message, "table", p.Table)
	case "waiting":
		v.log.Warn("waiting for the next attempt", "seconds", millis(p.Elapsed.Seconds()), "reason", p.Message)
	case "away":
		v.log.Warn("a sink is away, and the tables go on without it", "table", p.Table, "reason", p.Message)
	case "back":
		v.log.Info("a sink is back", "table", p.Table, "sink", p.Sinks[0].Sink)
	case "skipped":
		v.skipped = append(v.skipped, p.Table)
	}
}

// batchAttrs are the figures of a batch: the sum first, then those of each table in a group.
func batchAttrs(p engine.Progress) []any {
	attrs := append([]any{"batch", p.Batch, "seconds", millis(p.Elapsed.Seconds())}, rowCounts(total(p.Tables))...)
	for _, t := range p.Tables {
		attrs = append(attrs, slog.Group(t.Table, rowCounts(t)...))
	}
	return attrs
}

func rowCounts(t engine.TableResult) []any {
	return []any{"written", t.Written, "dead_lettered", t.DeadLettered, "discarded", t.Discarded, "unreadable", t.Unreadable}
}

// total sums the figures of tables.
func total(tables []engine.TableResult) engine.TableResult {
	var sum engine.TableResult
	for _, t := range tables {
		sum.Written += t.Written
		sum.DeadLettered += t.DeadLettered
		sum.Discarded += t.Discarded
		sum.Unreadable += t.Unreadable
		sum.Seconds += t.Seconds
	}
	return sum
}

// keptLetters reports whether the update left dead letters to look at.
func (v *runView) keptLetters(r *engine.Result, failure error) bool {
	var violation *engine.ViolationError
	if errors.As(failure, &violation) && !v.discards[violation.Table] {
		return true
	}
	return slices.ContainsFunc(r.Tables, func(t engine.TableResult) bool {
		return t.DeadLettered > 0 || t.Unreadable > 0 && !v.discards[t.Table]
	})
}

// millis rounds seconds to what is worth reading.
func millis(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }
