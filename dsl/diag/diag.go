// Package diag describes mistakes in the files a user writes: what is wrong, where, and what to
// write instead. A mistake in the user's data is never a diagnostic, and neither is a failure of
// the world; see ARCHITECTURE.md, "three kinds of wrong".
package diag

import "fmt"

// Severity says whether a diagnostic stops the pipeline.
type Severity int

const (
	// Error stops the pipeline from being run.
	Error Severity = iota
	// Warning is shown and does not stop anything.
	Warning
	// Note is Warning for what nothing has to be done about. It is shown when a pipeline is looked at, and not each time
	// that it runs.
	Note
)

// String is the word for it.
func (s Severity) String() string { return [...]string{"error", "warning", "note"}[s] }

// Pos is a place in a file. Line and Column count from 1; Column counts characters, not bytes.
// The zero Pos means "no place in the file is known".
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Range is the half-open stretch of a file that a value came from.
type Range struct {
	File  string `json:"file"`
	Start Pos    `json:"start"`
	End   Pos    `json:"end"`
}

// IsZero reports whether the range names no place.
func (r Range) IsZero() bool { return r.File == "" && r.Start == (Pos{}) }

// Holds reports whether a place of the same file is in the range.
func (r Range) Holds(p Pos) bool {
	before := func(a, b Pos) bool { return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column }
	return !before(p, r.Start) && before(p, r.End)
}

func (r Range) String() string {
	if r.Start.Line == 0 {
		return r.File
	}
	return fmt.Sprintf("%s:%d:%d", r.File, r.Start.Line, r.Start.Column)
}

// Diagnostic is one mistake. Code is stable ("LF0203") and documented in docs/diagnostics.md; it is
// never reused for another mistake. Message says what is wrong in one sentence without a full
// stop; Help says what to write instead.
type Diagnostic struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Range    Range    `json:"range"`
	Message  string   `json:"message"`
	Help     string   `json:"help,omitempty"`
}

// List is every mistake found, in the order of the files and lines. It is an error when it holds
// at least one diagnostic of severity Error; use Err to get it as one.
type List []Diagnostic

// Errorf appends an error.
func (l *List) Errorf(code string, at Range, help string, format string, args ...any) {
	*l = append(*l, Diagnostic{Code: code, Severity: Error, Range: at, Message: fmt.Sprintf(format, args...), Help: help})
}

// Warnf appends a warning.
func (l *List) Warnf(code string, at Range, help string, format string, args ...any) {
	*l = append(*l, Diagnostic{Code: code, Severity: Warning, Range: at, Message: fmt.Sprintf(format, args...), Help: help})
}

// Notef appends a note.
func (l *List) Notef(code string, at Range, help string, format string, args ...any) {
	*l = append(*l, Diagnostic{Code: code, Severity: Note, Range: at, Message: fmt.Sprintf(format, args...), Help: help})
}

// HasErrors reports whether the list holds a diagnostic that stops the pipeline.
func (l List) HasErrors() bool {
	for _, d := range l {
		if d.Severity == Error {
			return true
		}
	}
	return false
}

// Err returns the list as an error when it has errors, else nil.
func (l List) Err() error {
	if l.HasErrors() {
		return l
	}
	return nil
}

// Error implements error: the first mistake and how many more there are. Use Render for the rest.
func (l List) Error() string {
	for _, d := range l {
		if d.Severity == Error {
			if n := len(l) - 1; n > 0 {
				return fmt.Sprintf("%s: %s: %s (and %d more)", d.Range, d.Code, d.Message, n)
			}
			return fmt.Sprintf("%s: %s: %s", d.Range, d.Code, d.Message)
		}
	}
	return "no errors"
}
