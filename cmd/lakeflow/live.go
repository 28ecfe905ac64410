package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/event"
)

// live shows at the bottom of a terminal what an update is doing: what is being worked on, and the figures of each
// table. It is the model of a program that draws it; while that runs, only its goroutine touches the fields below
// ended.
type live struct {
	out     *os.File
	program *tea.Program
	ended   chan struct{} // closed when nothing is drawn any more

	started time.Time
	height  int // of the window
	head    string
	rows    []*liveRow // in the order in which tables were met
	over    bool       // nothing is to be shown any more
}

// liveRow are the figures of one table over all batches of the update.
type liveRow struct {
	figures event.Table
	batch   int64
	note    string // stands in the place of the figures
	touched time.Time
}

const redraw = 100 * time.Millisecond

// startLive begins to draw. The caller ends it with stop.
func startLive(out *os.File) *live {
	l := &live{out: out, started: time.Now(), head: "opening the pipeline"}
	l.start()
	return l
}

// start runs the program without input, so that it asks the terminal nothing and takes no keys, and without an
// environment, so that it looks for no colours.
func (l *live) start() {
	l.over, l.ended = false, make(chan struct{})
	l.program = tea.NewProgram(l, tea.WithInput(nil), tea.WithOutput(echoing{l.out}), tea.WithEnvironment([]string{}),
		tea.WithoutSignalHandler(), tea.WithFPS(int(time.Second/redraw)))
	go func() {
		defer close(l.ended)
		_, _ = l.program.Run() // a display that cannot be drawn must not fail the update
	}()
}

// stop takes the lines off the screen.
func (l *live) stop() {
	l.program.Send(end{})
	<-l.ended
}

// print writes something that stays above the lines.
func (l *live) print(write func(io.Writer)) {
	l.stop()
	write(l.out)
	l.start()
}

func (l *live) show(e event.Event) {
	if n, ok := e.(event.Notice); ok {
		l.print(func(w io.Writer) {
			_, _ = fmt.Fprintln(w, diag.Visible(strings.TrimPrefix(n.Table+": "+n.Message, ": ")))
		})
		return
	}
	l.program.Send(e)
}

// echoing is a terminal that shows the keys which are pressed meanwhile; they move the cursor to the right. The program
// leaves it in the first column after each write, and counts on finding it there.
type echoing struct{ *os.File }

func (e echoing) Write(b []byte) (int, error) {
	n, err := e.File.Write(append([]byte{'\r'}, b...))
	return max(n-1, 0), err
}

type end struct{} // the message that ends the program

// Init begins to count the time.
func (l *live) Init() tea.Cmd { return tea.Tick(redraw, func(now time.Time) tea.Msg { return now }) }

// Update takes in a message.
func (l *live) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case time.Time:
		return l, l.Init()
	case tea.WindowSizeMsg:
		l.height = m.Height
	case event.Event:
		l.take(m)
	case end:
		l.over = true
		return l, tea.Quit
	}
	return l, nil
}

func (l *live) take(e event.Event) {
	switch e := e.(type) {
	case event.Evaluating:
		l.row(e.Table)
		l.head = fmt.Sprintf("batch %d: %s", e.Batch, e.Table)
	case event.Committed:
		for _, t := range e.Tables {
			r := l.row(t.Table)
			r.batch, r.note, r.figures = e.Batch, "", plus(r.figures, t)
		}
	case event.Published:
		r := l.row(e.Sink.Sink)
		r.batch, r.note, r.figures.Written, r.figures.Seconds = e.Commit, "", r.figures.Written+e.Rows, r.figures.Seconds+e.Seconds
	case event.SinkUnavailable:
		l.row(e.Sink).note = "away: " + oneLine(e.Message)
	case event.SinkAvailable:
		l.row(e.Sink).note = ""
	case event.Skipped:
		l.row(e.Table).note = diag.VisibleLine(e.Message)
	case event.Waiting:
		l.head = fmt.Sprintf("a batch failed and is tried again in %s: %s", e.Pause, oneLine(e.Message))
	}
}

func oneLine(message string) string {
	return diag.VisibleLine(strings.Join(strings.Fields(message), " "))
}

// row is the row of a table, which now changes.
func (l *live) row(name string) *liveRow {
	i := slices.IndexFunc(l.rows, func(r *liveRow) bool { return r.figures.Table == name })
	if i < 0 {
		i = len(l.rows)
		l.rows = append(l.rows, &liveRow{figures: event.Table{Table: name}, note: "..."})
	}
	l.rows[i].touched = time.Now()
	return l.rows[i]
}

// View keeps the cursor visible and below the lines: a process that is killed leaves it like that. A shape of its own
// would stay, too; -1 is none.
func (l *live) View() tea.View {
	v := tea.View{DisableBracketedPasteMode: true, Cursor: &tea.Cursor{Shape: -1}}
	if lines := l.lines(l.height - 1); !l.over && len(lines) > 0 {
		v.Content, v.Cursor.Y = strings.Join(lines, "\n")+"\n", len(lines)
	}
	return v
}

// lines are at most as many as fit: the tables that changed last, in the order in which they were met.
func (l *live) lines(fit int) []string {
	if fit < 1 {
		return nil
	}
	head := fmt.Sprintf("%s, %s", l.head, time.Since(l.started).Round(redraw))
	shown := l.rows
	if hidden := len(l.rows) - (fit - 1); hidden > 0 {
		head += fmt.Sprintf(" (%s not shown)", count(hidden, "table"))
		latest := slices.SortedFunc(slices.Values(l.rows), func(a, b *liveRow) int { return b.touched.Compare(a.touched) })[:fit-1]
		shown = slices.DeleteFunc(slices.Clone(l.rows), func(r *liveRow) bool { return !slices.Contains(latest, r) })
	}
	width := 0
	for _, r := range shown {
		width = max(width, min(len(r.figures.Table), 32))
	}
	lines := []string{head}
	for _, r := range shown {
		lines = append(lines, r.line(width))
	}
	return lines
}

func (r *liveRow) line(width int) string {
	name := text.Pad(text.Snip(r.figures.Table, width, "~"), width, ' ')
	if r.note != "" {
		return fmt.Sprintf("  %s  %s", name, r.note)
	}
	rate := int64(float64(r.figures.Written) / max(r.figures.Seconds, 0.001))
	return fmt.Sprintf("  %s  %11s rows  %10s/s  %s dropped  batch %d", name, humanize.Comma(r.figures.Written), humanize.Comma(rate),
		humanize.Comma(dropped(r.figures)), r.batch)
}

// plus adds the figures of a batch.
func plus(a, b event.Table) event.Table {
	sum := total([]event.Table{a, b})
	sum.Table = a.Table
	return sum
}
