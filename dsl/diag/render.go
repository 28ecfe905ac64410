package diag

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Sort puts the list in the order of files, lines and columns and drops exact repeats: a mistake inside a
// YAML anchor is found once for every alias, but the user has one place to mend.
func (l *List) Sort() {
	slices.SortStableFunc(*l, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Range.File, b.Range.File),
			cmp.Compare(a.Range.Start.Line, b.Range.Start.Line),
			cmp.Compare(a.Range.Start.Column, b.Range.Start.Column),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Message, b.Message),
		)
	})
	*l = slices.Compact(*l)
}

// maxShown is how many mistakes are printed; nobody reads more before mending the first.
const maxShown = 50

// Render prints the list for people: each mistake with its code, its place, the line of the file with the range
// underlined, and the help. Of more than 50 the errors come before the warnings, and the rest is counted. src reads a
// file named in a Range; where it fails, the line is left out. One without a code is shown as a bare error. Color uses
// ANSI escapes. The error is that of writing to w.
func Render(w io.Writer, l List, src func(file string) ([]byte, error), color bool) error {
	r := renderer{src: src, lines: map[string][][]rune{}, color: color}
	shown := l.first(maxShown)
	for i, d := range shown {
		if i > 0 {
			r.out.WriteByte('\n')
		}
		r.diagnostic(d)
	}
	if more := len(l) - len(shown); more > 0 {
		fmt.Fprintf(&r.out, "\n... and %d more; lakeflow validate --format json shows all of them\n", more)
	}
	_, err := io.WriteString(w, r.out.String())
	return err
}

// first returns at most n of the list in its order, warnings only where errors leave room.
func (l List) first(n int) List {
	errors := 0
	for _, d := range l {
		if d.Severity == Error {
			errors++
		}
	}
	room := map[bool]int{true: n, false: max(0, n-errors)}
	var out List
	for _, d := range l {
		if wrong := d.Severity == Error; room[wrong] > 0 {
			room[wrong]--
			out = append(out, d)
		}
	}
	return out
}

const (
	red    = "1;31"
	yellow = "1;33"
	blue   = "1;34"
	bold   = "1"
)

// Longer lines are cut to a window of this many characters around the mistake.
const maxLine = 160

type renderer struct {
	out   strings.Builder
	src   func(string) ([]byte, error)
	lines map[string][][]rune
	color bool
}

func (r *renderer) diagnostic(d Diagnostic) {
	word, tint := d.Severity.String(), map[Severity]string{Error: red, Warning: yellow, Note: blue}[d.Severity]
	if d.Code != "" {
		word += "[" + d.Code + "]"
	}
	r.paint(tint, word)
	r.paint(bold, ": "+VisibleLine(d.Message))
	r.out.WriteByte('\n')

	gutter := strings.Repeat(" ", len(strconv.Itoa(max(d.Range.Start.Line, 1))))
	if d.Range.File != "" {
		r.out.WriteString(gutter)
		r.paint(blue, "--> ")
		r.out.WriteString(VisibleLine(d.Range.String()) + "\n")
	}
	if line, ok := r.line(d.Range); ok {
		r.snippet(d.Range, line, gutter, tint)
	}
	if d.Help != "" {
		r.out.WriteString(gutter)
		r.paint(blue, " = ")
		r.paint(bold, "help")
		r.out.WriteString(": " + VisibleLine(d.Help) + "\n")
	}
}

func (r *renderer) snippet(at Range, line []rune, gutter, tint string) {
	from := min(max(at.Start.Column-1, 0), len(line))
	to := len(line)
	if at.End.Line == at.Start.Line {
		to = min(max(at.End.Column-1, from), len(line))
	} else if at.End.Line < at.Start.Line {
		to = from
	}
	line, from, to = window(line, from, to)
	before, under := show(line[:from]), show(line[from:to])

	r.paint(blue, gutter+" |\n"+strconv.Itoa(at.Start.Line)+" | ")
	r.out.WriteString(strings.TrimRight(before+under+show(line[to:]), " ") + "\n")
	r.paint(blue, gutter+" | ")
	r.out.WriteString(strings.Repeat(" ", runewidth.StringWidth(before)))
	r.paint(tint, "^"+strings.Repeat("~", max(runewidth.StringWidth(under)-1, 0)))
	r.out.WriteByte('\n')
}

// window cuts a very long line around [from, to).
func window(line []rune, from, to int) ([]rune, int, int) {
	if len(line) <= maxLine {
		return line, from, to
	}
	start := max(0, from-maxLine/3)
	end := min(len(line), start+maxLine)
	cut := slices.Clone(line[start:end])
	if start > 0 {
		cut[0] = '…'
	}
	if end < len(line) {
		cut[len(cut)-1] = '…'
	}
	return cut, from - start, min(to, end) - start
}

// show spells text so that every character has the width that the caret line counts with.
func show(text []rune) string {
	var b strings.Builder
	for _, c := range text {
		if c == '\t' {
			b.WriteString("    ")
			continue
		}
		b.WriteString(VisibleLine(string(c)))
	}
	return b.String()
}

func (r *renderer) line(at Range) ([]rune, bool) {
	if at.Start.Line < 1 || r.src == nil {
		return nil, false
	}
	lines, ok := r.lines[at.File]
	if !ok {
		if text, err := r.src(at.File); err == nil {
			for line := range strings.SplitSeq(strings.TrimPrefix(string(text), "\ufeff"), "\n") {
				lines = append(lines, []rune(strings.TrimSuffix(line, "\r")))
			}
		}
		r.lines[at.File] = lines
	}
	if at.Start.Line > len(lines) {
		return nil, false
	}
	return lines[at.Start.Line-1], true
}

func (r *renderer) paint(code, text string) {
	if r.color {
		text = fmt.Sprintf("\x1b[%sm%s\x1b[0m", code, text)
	}
	r.out.WriteString(text)
}
