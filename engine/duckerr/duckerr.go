// Package duckerr reads the errors that DuckDB writes as JSON (its setting errors_as_json). It imports nothing of
// DuckDB.
package duckerr

import (
	"encoding/json"
	"regexp"
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

// begin is what such an error begins with.
const begin = `{"exception_type"`

// Read finds the error of DuckDB in the text of an error, and what stands in front of it. It is nil when there is none,
// and before is then the whole text.
func Read(err error) (before string, e *Error) {
	if err == nil {
		return "", nil
	}
	text := err.Error()
	i := strings.Index(text, begin)
	if i < 0 {
		return text, nil
	}
	e = new(Error)
	if json.NewDecoder(strings.NewReader(text[i:])).Decode(e) != nil || e.Message == "" {
		return text, nil
	}
	return text[:i], e
}

// Text is the text of any error in plain words: each error of DuckDB in it is one line of what happened.
func Text(err error) string {
	if err == nil {
		return ""
	}
	var out strings.Builder
	text := err.Error()
	for {
		i := strings.Index(text, begin)
		if i < 0 {
			return out.String() + text
		}
		out.WriteString(text[:i])
		text = text[i:]
		var e Error
		d := json.NewDecoder(strings.NewReader(text))
		if d.Decode(&e) != nil || e.Message == "" {
			out.WriteString(begin)
			text = text[len(begin):]
			continue
		}
		out.WriteString(e.Plain())
		text = text[d.InputOffset():]
	}
}

// FirstLine is the first line of DuckDB's message, or of the text of another error.
func FirstLine(err error) string {
	text, e := Read(err)
	if e != nil {
		text = e.Message
	}
	line, _, _ := strings.Cut(text, "\n")
	if e != nil {
		line = Facts(line)
	}
	return line
}

// Plain is the message in one line, with advice that can be followed: DuckDB's own is about settings, which are locked,
// and about options of functions that a pipeline does not call.
func (e *Error) Plain() string {
	message := Facts(e.Message)
	if m := walled.FindStringSubmatch(e.Message); m != nil {
		message = m[1] + " is outside of the folders of the warehouse and the sources, where alone files are read and written"
	}
	if e.Type == "Out of Memory" {
		message += "; raise duckdb: {memory_limit: …} in the pipeline file, or lower what a batch reads: max_bytes_per_batch of files, trigger.max_bytes of topics"
	}
	return message
}

// walled is what the sandbox says.
var walled = regexp.MustCompile(`^Cannot access ((?:file|directory) ".*") - file system operations are disabled by configuration`)

// World says that the world failed and not what DuckDB was asked to read: there is no memory, no room, or no right to
// read, or the query was interrupted.
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

// advice is how the sentences begin, or what they name, that tell people how to call DuckDB. What a user's own error()
// says is told from them by neither.
var advice = regexp.MustCompile(`^(?i:\* |hint:|(possible|potential) (fix|solution)|select a different type|this type was |try (increas|using|set|open|a )|please try |consider |alternatively, |you (can|could|might|may) (want|try|set|use|install|enable|disable)|if you are trying )` +
	`|\b(SET|PRAGMA|INSTALL|LOAD|CALL) [a-z]` +
	`|\b(sample_size|ignore_errors|store_rejects|strict_mode|null_padding|max_line_size|maximum_object_size|maximum_depth|union_by_name|auto_detect|all_varchar|` +
	`allow_quoted_nulls|map_inference_threshold|preserve_insertion_order)\b`)

// trailer is where facts end: lists of possible fixes, the statement, and how a file was read.
var trailer = regexp.MustCompile(`(?mi)^\s*((?:possible|potential) (?:fixes|solutions?):?|LINE \d+:.*|file ?= ?.*)$`)

var sentence = regexp.MustCompile(`[.!;]\s+|[.!;]*\s*\n\s*`)

// Facts are the sentences of a message of DuckDB that say what happened, in one line. The first always does.
func Facts(message string) string { return sentences(message, true) }

// Help are the sentences of what DuckDB says behind the first one that are not about its settings, in one line.
func Help(rest string) string { return sentences(rest, false) }

func sentences(message string, first bool) string {
	if at := trailer.FindStringIndex(message); at != nil && at[0] > 0 {
		message = message[:at[0]]
	}
	var facts []string
	for _, part := range sentence.Split(message, -1) {
		if part = strings.TrimSpace(part); part != "" && (first && len(facts) == 0 || !advice.MatchString(part)) {
			facts = append(facts, strings.Join(strings.Fields(part), " "))
		}
	}
	return strings.Join(facts, "; ")
}

// Offset is where in its text the statement went wrong, or -1: in characters when it does not parse, else in bytes.
func (e *Error) Offset() int {
	if n, err := strconv.Atoi(e.Position); err == nil {
		return n
	}
	return -1
}
