package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/lakeflow/lakeflow/engine"
)

// live redraws a few lines at the bottom of a terminal: what is being worked on, and the figures of each table. They never
// exceed the window, so that going up by as many lines as were drawn comes back to the first of them.
type live struct {
	out     *os.File
	started time.Time
	end     chan struct{} // closed by stop
	ended   chan struct{} // closed when nothing is drawn any more

	mu    sync.Mutex
	head  string
	rows  []*liveRow // in the order in which tables were met
	steps int
	drawn int // lines on the screen
}

// liveRow are the figures of one table over all batches of the update.
type liveRow struct {
	engine.TableResult
	batch   int64
	note    string
	touched int // the step that changed it last
}

const redraw = 100 * time.Millisecond

// startLive begins to draw. The caller ends it with stop.
func startLive(out *os.File) *live {
	l := &live{out: out, started: time.Now(), end: make(chan struct{}), ended: make(chan struct{}), head: "opening the pipeline"}
	go l.run()
	return l
}

func (l *live) run() {
	defer close(l.ended)
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.mu.Lock()
			l.draw(nil)
			l.mu.Unlock()
		case <-l.end:
			return
		}
	}
}

// stop takes the lines off the screen.
func (l *live) stop() {
	close(l.end)
	<-l.ended
	l.mu.Lock()
	defer l.mu.Unlock()
	var b bytes.Buffer
	l.clear(&b)
	_, _ = l.out.Write(b.Bytes()) // a display that cannot be drawn must not fail the update
}

// print writes something that stays above the lines.
func (l *live) print(write func(io.Writer)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draw(write)
}

func (l *live) step(p engine.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps++
	switch p.Kind {
	case "evaluating":
		l.head = fmt.Sprintf("batch %d: %s", p.Batch, p.Table)
		l.row(p.Table)
	case "committed":
		for _, t := range p.Tables {
			r := l.row(t.Table)
			r.batch, r.note, r.TableResult = p.Batch, "", plus(r.TableResult, t)
		}
	case "skipped":
		l.row(p.Table).note = p.Message
	case "notice":
		l.draw(func(w io.Writer) { _, _ = fmt.Fprintln(w, strings.TrimPrefix(p.Table+": "+p.Message, ": ")) })
	}
}

// row is the row of a table, which this step changes.
func (l *live) row(name string) *liveRow {
	i := slices.IndexFunc(l.rows, func(r *liveRow) bool { return r.Table == name })
	if i < 0 {
		i = len(l.rows)
		l.rows = append(l.rows, &liveRow{TableResult: engine.TableResult{Table: name}})
	}
	l.rows[i].touched = l.steps
	return l.rows[i]
}

// draw replaces the lines on the screen. What above writes comes to stand over them.
func (l *live) draw(above func(io.Writer)) {
	width, height, err := term.GetSize(int(l.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	var b bytes.Buffer
	l.clear(&b)
	if above != nil {
		above(&b)
	}
	lines := l.lines(height - 1)
	for _, line := range lines {
		// One column stays free: some terminals break a line that fills them.
		_, _ = fmt.Fprintln(&b, text.Trim(line, max(width-1, 1)))
	}
	l.drawn = len(lines)
	_, _ = l.out.Write(b.Bytes()) // a display that cannot be drawn must not fail the update
}

// clear goes up to the first line that was drawn, and erases all of them. Keys that were pressed meanwhile may have moved the
// cursor to the right.
func (l *live) clear(b *bytes.Buffer) {
	for range l.drawn {
		b.WriteString("\r" + text.CursorUp.Sprint() + text.EraseLine.Sprint())
	}
	l.drawn = 0
}

// lines are at most as many as fit: the tables that changed last, in the order in which they were met.
func (l *live) lines(fit int) []string {
	if fit < 1 {
		return nil
	}
	lines := []string{fmt.Sprintf("%s, %s", l.head, time.Since(l.started).Round(redraw))}
	shown := slices.Clone(l.rows)
	if hidden := len(shown) - (fit - 1); hidden > 0 {
		slices.SortStableFunc(shown, func(a, b *liveRow) int { return cmp.Compare(b.touched, a.touched) })
		shown = shown[:fit-1]
		lines[0] += fmt.Sprintf(" (%s not shown)", count(hidden, "table"))
	}
	width := 0
	for _, r := range shown {
		width = max(width, min(len(r.Table), 32))
	}
	for _, r := range l.rows {
		if slices.Contains(shown, r) {
			lines = append(lines, r.line(width))
		}
	}
	return lines
}

func (r *liveRow) line(width int) string {
	name := text.Pad(text.Snip(r.Table, width, "~"), width, ' ')
	if r.note != "" {
		return fmt.Sprintf("  %s  %s", name, r.note)
	}
	if r.batch == 0 {
		return fmt.Sprintf("  %s  ...", name)
	}
	rate := int64(float64(r.Written) / max(r.Seconds, 0.001))
	return fmt.Sprintf("  %s  %11s rows  %10s/s  %s dropped  batch %d", name, humanize.Comma(r.Written), humanize.Comma(rate),
		humanize.Comma(r.DeadLettered+r.Discarded+r.Unreadable), r.batch)
}

// plus adds the figures of a batch.
func plus(a, b engine.TableResult) engine.TableResult {
	sum := total([]engine.TableResult{a, b})
	sum.Table = a.Table
	return sum
}
