package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
)

func newReportCmd(flags *globalFlags) *cobra.Command {
	var update, format, output string
	cmd := &cobra.Command{
		Use:     "report pipeline.yaml",
		Short:   "Show the data quality of an update",
		Example: "  lakeflow report pipeline.yaml\n  lakeflow report pipeline.yaml --format html --output report.html",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			write := reportWriter(format)
			if write == nil {
				return unknownFormat(format, "text, json, html or junit")
			}
			p, err := openProject(cmd.Context(), args[0], flags, lakeOnly)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, p.Close()) }()
			r, err := p.report(cmd.Context(), update)
			if err != nil {
				return err
			}
			if output == "" || output == "-" {
				return write(r, cmd.OutOrStdout())
			}
			f, err := os.Create(output)
			if err != nil {
				return fmt.Errorf("write report: %w", err)
			}
			return errors.Join(write(r, f), f.Close())
		},
	}
	cmd.Flags().StringVar(&update, "update", "", "id of the update, or its beginning (default: the latest)")
	formatFlag(cmd, &format, "text", "text", "json", "html", "junit")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write to, - for standard output")
	return cmd
}

func reportWriter(format string) func(*expectations.Report, io.Writer) error {
	switch format {
	case "text":
		return (*expectations.Report).Text
	case "json":
		return (*expectations.Report).JSON
	case "html":
		return (*expectations.Report).HTML
	case "junit":
		return (*expectations.Report).JUnit
	}
	return nil
}

// report makes the report of an update, the latest when it is empty, from what is published.
func (p *project) report(ctx context.Context, update string) (*expectations.Report, error) {
	if p.State.Commit == 0 {
		return nil, fmt.Errorf("%s has no updates yet; start one with lakeflow run", p.Pipeline.Name)
	}
	stored, err := p.relations(ctx, iceberg.EventLog, p.Pipeline.DeadLetter.Table)
	if err != nil {
		return nil, err
	}
	events, err := queryJSON[schemas.Event](ctx, p.DB, fmt.Sprintf(`SELECT CAST(to_json(t) AS VARCHAR) FROM (
  SELECT * REPLACE (strftime("timestamp" AT TIME ZONE 'UTC', '%%Y-%%m-%%dT%%H:%%M:%%S.%%fZ') AS "timestamp") FROM %s) t`, stored[iceberg.EventLog]))
	if err != nil {
		return nil, fmt.Errorf("read the event log: %w", err)
	}
	r, err := expectations.BuildReport(events, update)
	if err != nil {
		return nil, err
	}
	letters, ok := stored[p.Pipeline.DeadLetter.Table]
	if !ok {
		return r, nil
	}
	r.DeadLetters, err = queryJSON[expectations.DeadLetters](ctx, p.DB, expectations.DeadLettersSQL(letters, r.UpdateID))
	if err != nil {
		return nil, fmt.Errorf("read the dead letters: %w", err)
	}
	return r, nil
}

// queryJSON reads the rows of a query of one column, a JSON text each.
func queryJSON[T any](ctx context.Context, db *duck.DB, query string) ([]T, error) {
	rows, err := db.Conn().QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	out := []T{}                        // not null in the report's JSON
	for rows.Next() {
		var text string
		var v T
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
