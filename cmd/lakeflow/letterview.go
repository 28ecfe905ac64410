package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/query"
	"github.com/lakeflow/lakeflow/expectations/report"
)

// letter is a dead letter as its columns have it. Those that a command does not read are empty.
type letter struct {
	ID        string          `json:"id"`
	Table     string          `json:"table"`
	Flow      string          `json:"flow"`
	Update    string          `json:"update_id"`
	Commit    int64           `json:"commit"`
	Violated  json.RawMessage `json:"violated"` // names, or rules
	Error     string          `json:"error"`
	Row       json.RawMessage `json:"row"` // a text that is JSON, or JSON
	Raw       string          `json:"raw"`
	Source    string          `json:"source"`
	File      string          `json:"file"`
	Line      int64           `json:"line"`
	Offset    *int64          `json:"offset"`
	Partition *int32          `json:"partition"`
	FirstSeen string          `json:"first_seen"`
	Status    string          `json:"status"`
}

// eachLetter reads rows of JSON values.
func eachLetter(rows *query.Rows, do func(letter) error) error {
	var names []string
	return eachRow(rows, func(columns []string) error {
		names = columns
		return nil
	}, func(values []sql.NullString) error {
		fields := map[string]json.RawMessage{}
		for i, v := range values {
			if v.Valid {
				fields[names[i]] = json.RawMessage(v.String)
			}
		}
		text, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		var l letter
		if err := json.Unmarshal(text, &l); err != nil {
			return err
		}
		return do(l)
	})
}

// place is where the record is from, where known.
func (l letter) place() string {
	switch {
	case l.Partition != nil && l.Offset != nil:
		return fmt.Sprintf("%s/%d@%d", l.File, *l.Partition, *l.Offset)
	case l.File != "" && l.Line > 0:
		return fmt.Sprintf("%s:%d", l.File, l.Line)
	}
	return l.File
}

// shortID is as much of an id as tells it from others, which dead-letters show takes.
const shortID = 8

// widthElsewhere is how wide a table may be where the output is no terminal.
const widthElsewhere = 160

// writeLetters draws a table that fits the terminal: what there is no room for of a row is left to dead-letters show.
func writeLetters(rows *query.Rows, w io.Writer) error {
	width := widthElsewhere
	if f := terminal(w); f != nil {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			width = columns
		}
	}
	var cells [][]string
	widest := make([]int, 5)
	err := eachLetter(rows, func(l letter) error {
		var violated []string
		_ = json.Unmarshal(l.Violated, &violated) // it is a list of names
		why := strings.Join(violated, ", ")
		if l.Error != "" {
			why = l.Error
		}
		line := []string{l.ID[:min(len(l.ID), shortID)], l.Table, why, textOf(l.Row), l.place()}
		for i, c := range line {
			line[i] = diag.VisibleLine(strings.Join(strings.Fields(c), " "))
			widest[i] = max(widest[i], text.StringWidthWithoutEscSequences(line[i]))
		}
		cells = append(cells, line)
		return nil
	})
	if err != nil {
		return err
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"id", "table", "broke", "row or record", "from"})
	limits := fit(widest, width)
	for _, line := range cells {
		row := table.Row{}
		for i, c := range line[:4] {
			row = append(row, text.Snip(c, limits[i], "…"))
		}
		t.AppendRow(append(row, ending(line[4], limits[4])))
	}
	_, err = fmt.Fprintf(w, "%s\n%s\n", t.Render(), count(len(cells), "row"))
	return err
}

// ending is the end of a place, which tells more than its beginning.
func ending(place string, width int) string {
	letters := []rune(place)
	if len(letters) <= width {
		return place
	}
	return "…" + string(letters[len(letters)-width+1:])
}

// fit gives each of the columns of writeLetters how wide it may be. The place gives way first, then the row, then the
// rules.
func fit(widest []int, width int) []int {
	const least, border = 12, 3
	limits := make([]int, len(widest))
	room := width - 1
	for i, n := range widest {
		limits[i] = max(n, len("row or record"))
		room -= limits[i] + border
	}
	for _, i := range []int{4, 3, 2, 1} {
		if room < 0 {
			give := min(-room, max(0, limits[i]-least))
			limits[i] -= give
			room += give
		}
	}
	return limits
}

// writeLetter shows everything of dead letters, one after the other, with what the rules name in the row marked.
func writeLetter(rows *query.Rows, w io.Writer) error {
	first := true
	return eachLetter(rows, func(l letter) error {
		var b strings.Builder
		if !first {
			b.WriteString("\n")
		}
		first = false
		l.describe(&b)
		_, err := io.WriteString(w, diag.Visible(b.String()))
		return err
	})
}

func (l letter) describe(b *strings.Builder) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "%-11s %s\n", name, value)
		}
	}
	line("dead letter", l.ID)
	line("table", l.Table+", flow "+l.Flow)
	line("status", l.Status)
	line("update", fmt.Sprintf("%s, commit %d, %s", l.Update, l.Commit, l.FirstSeen))
	line("source", l.Source)
	line("from", l.place())
	if l.Partition == nil && l.Offset != nil {
		line("offset", fmt.Sprint(*l.Offset))
	}
	line("error", l.Error)
	var rules []struct{ Name, Expression, Action string }
	_ = json.Unmarshal(l.Violated, &rules) // it is a list of rules
	var expressions []string
	for _, r := range rules {
		line("broke", fmt.Sprintf("%s (%s): %s", r.Name, r.Action, strings.Join(strings.Fields(r.Expression), " ")))
		expressions = append(expressions, r.Expression)
	}
	fields := report.Fields(l.Row, expressions)
	if fields == nil {
		line("record", l.Raw)
		return
	}
	b.WriteString("row\n")
	for _, f := range fields {
		mark := " "
		if f.Bad {
			mark = ">"
		}
		fmt.Fprintf(b, "%s %s: %s\n", mark, f.Name, f.Value)
	}
}

// textOf is a JSON string's text, or other JSON as it is.
func textOf(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}
