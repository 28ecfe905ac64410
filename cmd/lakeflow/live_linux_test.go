package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal shows live lines while an update runs, and afterwards nothing of them: only the summary, drawn for its
// width.
func TestLiveOnATerminal(t *testing.T) {
	for _, size := range []struct{ columns, rows uint16 }{{200, 50}, {80, 24}, {60, 4}, {30, 2}, {1, 1}} {
		t.Run(fmt.Sprintf("%dx%d", size.columns, size.rows), func(t *testing.T) {
			t.Parallel()
			file := signalFixture(t, 16)
			raw := onTerminal(t, size.columns, size.rows, "", "run", file)
			if size.rows > 1 && !regexp.MustCompile(`\x1b\[\d*A`).MatchString(raw) {
				t.Errorf("no line was ever redrawn:\n%q", raw)
			}
			screen := shown(raw, int(size.columns))
			for _, gone := range []string{"opening", "...", "dropped  batch", "batch 1:", "/s", "keys"} {
				if size.columns > 10 && strings.Contains(screen, gone) {
					t.Errorf("%q of the live lines is left:\n%s", gone, screen)
				}
			}
			// Nothing is lost where lines are broken by the terminal.
			if flat := strings.NewReplacer("\n", "", " ", "").Replace(screen); !strings.Contains(flat, "completed:17commits") {
				t.Errorf("the summary is not there:\n%s", screen)
			}
			if first, _, _ := strings.Cut(screen, "\n"); size.columns >= 80 && !strings.HasPrefix(first, "┌") {
				t.Errorf("the screen does not begin with the summary:\n%s", screen)
			}
			if size.columns == 80 && strings.Contains(screen, "materialized_view") {
				t.Errorf("the table is wider than the terminal:\n%s", screen)
			}
		})
	}
}

// Figures of each table and a rate are what the live lines say.
func TestLiveLines(t *testing.T) {
	raw := onTerminal(t, 100, 30, "", "run", signalFixture(t, 16))
	var frames strings.Builder // what was to be seen after each write
	for at := range raw {
		if strings.HasPrefix(raw[at:], "\x1b[?25h") {
			frames.WriteString(shown(raw[:at], 100))
		}
	}
	whole := regexp.MustCompile(`^(|keys|opening the pipeline, \d+m?s|batch \d+: (bronze|silver), [0-9.]+m?s|  (bronze|silver)  (\.\.\.| +\d+ rows +[\d,]+/s  0 dropped  batch \d+))$`)
	for line := range strings.Lines(frames.String()) {
		if !whole.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("what is this line? %q", line)
		}
	}
	for _, want := range []string{"silver, ", "  bronze   "} {
		if !strings.Contains(frames.String(), want) {
			t.Errorf("no line says %q:\n%s", want, &frames)
		}
	}
	if !strings.Contains(raw, "keys") {
		t.Errorf("the terminal did not show the keys that were pressed:\n%q", raw)
	}
}

// A warning stays above the live lines, which go on below it.
func TestWarningAboveTheLines(t *testing.T) {
	file := signalFixture(t, 16)
	unused := strings.Replace(signalPipeline, "tables:", "  unused:\n    files: {path: data, format: json}\ntables:", 1)
	if err := os.WriteFile(file, []byte(unused), 0o644); err != nil {
		t.Fatal(err)
	}
	raw := onTerminal(t, 100, 30, "", "run", file)
	if !regexp.MustCompile(`\x1b\[\d*A`).MatchString(raw) {
		t.Errorf("no line was redrawn:\n%q", raw)
	}
	screen := shown(raw, 100)
	if !strings.HasPrefix(screen, "warning[LF0243]") || strings.Contains(screen, "batch 1:") || !strings.Contains(screen, "completed: 17 commits") {
		t.Errorf("the screen does not show the warning and the summary:\n%s", screen)
	}
}

// Colours can be turned off, and a dumb terminal gets log lines. A mistake in the file is printed where the lines were.
func TestPlainTerminals(t *testing.T) {
	file := signalFixture(t, 16)
	if raw := onTerminal(t, 100, 30, "NO_COLOR=1", "run", file); regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(raw) {
		t.Errorf("NO_COLOR is not respected:\n%q", raw)
	}
	if raw := onTerminal(t, 100, 30, "TERM=dumb", "run", file, "--full-refresh-all", "--no-color"); strings.Contains(raw, "\x1b") || !strings.Contains(raw, "batch committed") {
		t.Errorf("a dumb terminal got more than log lines:\n%q", raw)
	}
	if err := os.WriteFile(file, []byte("name: x\ntabels: {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	screen := shown(onTerminal(t, 100, 30, "", "run", file), 100)
	if !strings.HasPrefix(screen, "error[LF0") {
		t.Errorf("the mistake does not come first:\n%s", screen)
	}
}

// onTerminal runs lakeflow on a pseudo terminal of this size and returns everything that was written to it. While it
// runs, keys are pressed, which the terminal shows.
func onTerminal(t *testing.T, columns, rows uint16, env string, args ...string) string {
	t.Helper()
	keyboard, screen := openTerminal(t, columns, rows)
	cmd := exec.Command("lakeflow", args...)
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=", env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = screen.Close() // the child has it now
	var all []byte
	typed := false
	buffer := make([]byte, 4096)
	for {
		n, err := keyboard.Read(buffer)
		all = append(all, buffer[:n]...)
		if !typed && bytes.Contains(all, []byte("batch")) {
			_, _ = keyboard.Write([]byte("keys"))
			typed = true
		}
		if errors.Is(err, syscall.EIO) { // the other side is closed
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait()
	return string(all)
}

func openTerminal(t *testing.T, columns, rows uint16) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return keyboard, screen
}

var escape = regexp.MustCompile(`^\x1b\[([?0-9;]*)([A-Za-z])`)

// shown is what a terminal of this width shows, with all that scrolled away. It knows the sequences that lakeflow uses.
func shown(raw string, width int) string {
	lines := [][]rune{{}}
	row, column, insert := 0, 0, false
	for len(raw) > 0 {
		if m := escape.FindStringSubmatch(raw); m != nil {
			raw = raw[len(m[0]):]
			n, err := strconv.Atoi(m[1])
			if err != nil {
				n = 1
			}
			switch m[2] {
			case "A":
				row = max(row-n, 0)
			case "C":
				column = min(column+n, width-1)
			case "J":
				lines = lines[:row+1]
				fallthrough
			case "K":
				lines[row] = lines[row][:min(column, len(lines[row]))]
			case "h", "l":
				insert = m[0] == "\x1b[4h"
			case "m":
			default:
				panic(fmt.Sprintf("this terminal does not know %q", m[0]))
			}
			continue
		}
		r := []rune(raw)[0]
		raw = raw[len(string(r)):]
		if column == width && r >= ' ' {
			row, column = row+1, 0
		}
		for row >= len(lines) || r == '\n' && row+1 >= len(lines) {
			lines = append(lines, []rune{})
		}
		switch {
		case r == '\r':
			column = 0
		case r == '\n':
			row++
		default:
			for len(lines[row]) <= column {
				lines[row] = append(lines[row], ' ')
			}
			if insert {
				lines[row] = slices.Insert(lines[row], column, ' ')
			}
			lines[row][column] = r
			column++
		}
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(string(l), " ") + "\n")
	}
	return b.String()
}

// The name of a file that a notice is about is shown, and does not steer the terminal.
func TestNoticeOnATerminal(t *testing.T) {
	file := signalFixture(t, 2)
	put(t, filepath.Join(filepath.Dir(file), "data", "x\x1b]0;title\a\u009b\u202e.json.gz"), "no gzip")
	raw := onTerminal(t, 100, 30, "", "run", file)
	if !strings.Contains(raw, `x\x1b]0;title`) {
		t.Errorf("no notice names the file:\n%q", raw)
	}
	if strings.Contains(raw, "\x1b]0;title") || strings.ContainsAny(raw, "\a\u009b\u202e") {
		t.Errorf("the name of a file steers the terminal:\n%q", raw)
	}
}
