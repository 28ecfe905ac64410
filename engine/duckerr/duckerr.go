// Package duckerr reads the errors that DuckDB writes as JSON (its setting errors_as_json). It imports nothing of DuckDB.
package duckerr

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Error is an error of DuckDB.
type Error struct {
	Type       string `json:"exception_type"` // Binder, Conversion, Out of Memory, …
	Message    string `json:"exception_message"`
	Position   string `json:"position"` // see Offset
	Subtype    string `json:"error_subtype"`
	Name       string `json:"name"` // of what is not there
	Candidates string `json:"candidates"`
	Call       string `json:"call"`
	Kind       string `json:"type"` // of what is not there: Table, Scalar Function, …
}

// Read finds the error of DuckDB in the text of an error, and what stands in front of it. It is nil when there is none, and before is then
// the whole text.
func Read(err error) (before string, e *Error) {
	if err == nil {
		return "", nil
	}
	text := err.Error()
	i := strings.Index(text, `{"exception_type"`)
	if i < 0 {
		return text, nil
	}
	e = new(Error)
	if json.NewDecoder(strings.NewReader(text[i:])).Decode(e) != nil || e.Message == "" {
		return text, nil
	}
	return text[:i], e
}

// Text is the text of any error in plain words.
func Text(err error) string {
	before, e := Read(err)
	if e == nil {
		return before
	}
	return before + e.Plain()
}

// FirstLine is the first line of DuckDB's message, or of the text of another error.
func FirstLine(err error) string {
	text, e := Read(err)
	if e != nil {
		text = e.Message
	}
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// Plain is the message with advice that can be followed: DuckDB's own is about settings, which are locked.
func (e *Error) Plain() string {
	message, _, _ := strings.Cut(e.Message, "\n\nPossible solutions")
	if e.Type == "Out of Memory" {
		message += "\nraise duckdb: {memory_limit: …} in the pipeline file, or lower what a batch reads: max_bytes_per_batch of files, trigger.max_bytes of topics"
	}
	return message
}

// World says that the world failed and not what DuckDB was asked to read: there is no memory, no room, or no right to read, or the query was interrupted.
func World(err error) bool {
	_, e := Read(err)
	if e == nil {
		return false
	}
	switch e.Type {
	case "Out of Memory", "INTERRUPT", "Permission":
		return true
	}
	for _, text := range []string{"No space left on device", "Disk quota exceeded", "Too many open files", "Input/output error", "Permission denied"} {
		if strings.Contains(e.Message, text) {
			return true
		}
	}
	return false
}

// Broken says that DuckDB has found a fault of its own, after which a database answers nothing any more.
func Broken(err error) bool {
	_, e := Read(err)
	return e != nil && (e.Type == "INTERNAL" || e.Type == "FATAL")
}

// Offset is where in its text the statement went wrong, or -1: in characters when it does not parse, else in bytes.
func (e *Error) Offset() int {
	if n, err := strconv.Atoi(e.Position); err == nil {
		return n
	}
	return -1
}
