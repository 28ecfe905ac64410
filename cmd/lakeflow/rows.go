package main

import (
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/query"
)

// valuesOf says how a format has its values.
func valuesOf(format string) query.Values {
	if format == "json" {
		return query.JSON
	}
	return query.Texts
}

// rowsWriter writes rows of text columns in a format, or is nil for one that is not known.
func rowsWriter(format string) func(*query.Rows, io.Writer) error {
	switch format {
	case "table":
		return writeTable
	case "csv":
		return writeCSV
	case "json":
		return writeJSON
	}
	return nil
}

func writeTable(rows *query.Rows, w io.Writer) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	n := 0
	err := eachRow(rows, func(names []string) error {
		t.AppendHeader(tableRow(names))
		return nil
	}, func(values []sql.NullString) error {
		row := table.Row{}
		for _, v := range values {
			if !v.Valid {
				v.String = "NULL"
			}
			row = append(row, diag.Visible(v.String))
		}
		t.AppendRow(row)
		n++
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n%s\n", t.Render(), count(n, "row"))
	return err
}

func tableRow(values []string) table.Row {
	row := table.Row{}
	for _, v := range values {
		row = append(row, diag.Visible(v))
	}
	return row
}

// writeCSV writes NULL as an empty field.
func writeCSV(rows *query.Rows, w io.Writer) error {
	c := csv.NewWriter(w)
	err := eachRow(rows, c.Write, func(values []sql.NullString) error {
		record := make([]string, len(values))
		for i, v := range values {
			record[i] = v.String
		}
		return c.Write(record)
	})
	if err != nil {
		return err
	}
	c.Flush()
	return c.Error()
}

// writeJSON writes each row as an object on a line. The values are JSON texts already. What would steer a terminal is
// escaped, which is the same text.
func writeJSON(rows *query.Rows, w io.Writer) error {
	var keys []string
	return eachRow(rows, func(names []string) error {
		keys = make([]string, len(names))
		for i, name := range names {
			key, err := jsonText(name)
			if err != nil {
				return err
			}
			keys[i] = diag.VisibleJSON(key) + ":"
		}
		return nil
	}, func(values []sql.NullString) error {
		fields := make([]string, len(values))
		for i, v := range values {
			if !v.Valid {
				v.String = "null"
			}
			fields[i] = keys[i] + diag.VisibleJSON(v.String)
		}
		_, err := fmt.Fprintln(w, "{"+strings.Join(fields, ",")+"}")
		return err
	})
}

// jsonText is a text as JSON, with <, > and & as they are.
func jsonText(text string) (string, error) {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(text)
	return strings.TrimSuffix(out.String(), "\n"), err
}

func eachRow(rows *query.Rows, header func([]string) error, row func([]sql.NullString) error) error {
	if err := header(rows.Columns()); err != nil {
		return err
	}
	for rows.Next() {
		if err := row(rows.Values()); err != nil {
			return err
		}
	}
	return rows.Err()
}

// showRows writes rows and closes them. When the output takes no more, the error says of what.
func showRows(rows *query.Rows, write func(*query.Rows, io.Writer) error, out io.Writer, what string) error {
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	err := write(rows, out)
	if err != nil && rows.Err() == nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return err
}
