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
	"github.com/lakeflow/lakeflow/engine"
)

// live shows at the bottom of a terminal what an update is doing: what is being worked on, and the figures of each table. It is
// the model of a program that draws it; while that runs, only its goroutine touches the fields below ended.
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
	engine.TableResult
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

// start runs the program without input, so that it asks the terminal nothing and takes no keys, and without an environment, so
// that it looks for no colours.
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

func (l *live) step(p engine.Progress) {
	if p.Kind == "notice" {
		l.print(func(w io.Writer) {
			_, _ = fmt.Fprintln(w, diag.Visible(strings.TrimPrefix(p.Table+": "+p.Message, ": ")))
		})
		return
	}
	l.program.Send(p)
}

// echoing is a terminal that shows the keys which are pressed meanwhile; they move the cursor to the right. The program leaves it
// in the first column after each write, and counts on finding it there.
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
	case engine.Progress:
		l.take(m)
	case end:
		l.over = true
		return l, tea.Quit
	}
	return l, nil
}

func (l *live) take(p engine.Progress) {
	switch p.Kind {
	case "evaluating":
		l.row(p.Table)
		l.head = fmt.Sprintf("batch %d: %s", p.Batch, p.Table)
	case "committed":
		for _, t := range p.Tables {
			r := l.row(t.Table)
			r.batch, r.note, r.TableResult = p.Batch, "", plus(r.TableResult, t)
		}
	case "published":
		for _, s := range p.Sinks {
			r := l.row(s.Sink)
			r.batch, r.note, r.Written, r.Seconds = p.Batch, "", r.Written+s.Rows, r.Seconds+s.Seconds
		}
	case "away":
		for _, s := range p.Sinks {
			l.row(s.Sink).note = "away: " + diag.VisibleLine(strings.Join(strings.Fields(p.Message), " "))
		}
	case "back":
		for _, s := range p.Sinks {
			l.row(s.Sink).note = ""
		}
	case "skipped":
		l.row(p.Table).note = diag.VisibleLine(p.Message)
	case "waiting":
		l.head = fmt.Sprintf("a batch failed and is tried again in %s: %s", p.Elapsed, diag.VisibleLine(strings.Join(strings.Fields(p.Message), " ")))
	}
}

// row is the row of a table, which now changes.
func (l *live) row(name string) *liveRow {
	i := slices.IndexFunc(l.rows, func(r *liveRow) bool { return r.Table == name })
	if i < 0 {
		i = len(l.rows)
		l.rows = append(l.rows, &liveRow{TableResult: engine.TableResult{Table: name}, note: "..."})
	}
	l.rows[i].touched = time.Now()
	return l.rows[i]
}

// View keeps the cursor visible and below the lines: a process that is killed leaves it like that. A shape of its own would stay,
// too; -1 is none.
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
		width = max(width, min(len(r.Table), 32))
	}
	lines := []string{head}
	for _, r := range shown {
		lines = append(lines, r.line(width))
	}
	return lines
}

func (r *liveRow) line(width int) string {
	name := text.Pad(text.Snip(r.Table, width, "~"), width, ' ')
	if r.note != "" {
		return fmt.Sprintf("  %s  %s", name, r.note)
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
