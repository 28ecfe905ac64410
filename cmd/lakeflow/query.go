package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/sinks"
)

func newQueryCmd(flags *globalFlags) *cobra.Command {
	var file, format string
	cmd := &cobra.Command{
		Use:   `query "SQL"`,
		Short: "Query the published tables, event_log and dead letters included",
		Example: `  lakeflow query "SELECT * FROM gold_routes"
  lakeflow query "SELECT count(*) FROM gold_routes VERSION AS OF 3" -f flights/pipeline.yaml --format json`,
		Args: checkArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if rowsWriter(format) == nil {
				return unknownFormat(format, "table, json or csv")
			}
			text, travels, err := sqltext.TimeTravel(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			p, err := openProject(cmd.Context(), file, flags.params, lakeOnly)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, p.Close()) }()
			if err := p.makeViews(cmd.Context(), travels); err != nil {
				return err
			}
			return p.show(cmd, text, format)
		},
	}
	pipelineFlag(cmd, &file)
	cmd.Flags().StringVar(&format, "format", "table", "table, json or csv")
	return cmd
}

func pipelineFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "pipeline", "f", "pipeline.yaml", "the pipeline file")
}

// makeViews makes a view of every published table, and of every earlier version that the query asks for.
func (p *project) makeViews(ctx context.Context, travels []sqltext.Travel) error {
	for _, name := range slices.Sorted(maps.Keys(p.State.Tables)) {
		if err := p.makeView(ctx, name, name, sinks.Version{}); err != nil {
			return err
		}
	}
	for _, t := range travels {
		at, err := p.version(ctx, t)
		if err != nil {
			return err
		}
		if err := p.makeView(ctx, t.Relation, t.Name, at); err != nil {
			return err
		}
	}
	return nil
}

func (p *project) makeView(ctx context.Context, view, table string, at sinks.Version) error {
	contents, err := p.Lake.Files(ctx, table, at)
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	return p.DB.Exec(ctx, fmt.Sprintf("CREATE VIEW %s AS SELECT * FROM %s", duck.Ident(view), duck.ReadFiles(contents.Schema, contents.Files)))
}

// version reads what stands after AS OF: a time, a snapshot id, or a commit number.
func (p *project) version(ctx context.Context, t sqltext.Travel) (sinks.Version, error) {
	if t.Version == "" {
		var at time.Time
		err := p.DB.Conn().QueryRowContext(ctx, "SELECT CAST(? AS TIMESTAMPTZ)", t.Timestamp).Scan(&at)
		if err != nil {
			return sinks.Version{}, usagef("%q is not a time; write it as '2025-01-31 12:00:00'", t.Timestamp)
		}
		return sinks.Version{AsOf: at}, nil
	}
	n, err := strconv.ParseInt(t.Version, 10, 64)
	if err != nil {
		return sinks.Version{}, usagef("%q is not a version; write a commit number or a snapshot id", t.Version)
	}
	history, err := p.Lake.History(ctx, t.Name)
	if err != nil {
		return sinks.Version{}, fmt.Errorf("read the history of %s: %w", t.Name, err)
	}
	if slices.ContainsFunc(history, func(s sinks.Snapshot) bool { return s.ID == n }) {
		return sinks.Version{Snapshot: n}, nil
	}
	return sinks.Version{Commit: n}, nil
}

// show runs a query and writes its rows.
func (p *project) show(cmd *cobra.Command, query, format string) error {
	query = strings.TrimRight(query, "; \t\r\n")
	// DuckDB writes the values, nested ones too. The line break ends a comment.
	text := fmt.Sprintf("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (%s\n)", query)
	if format == "json" {
		text = fmt.Sprintf("SELECT CAST(to_json(t) AS VARCHAR) FROM (%s\n) t", query)
	}
	rows, err := p.DB.Conn().QueryContext(cmd.Context(), text)
	if err != nil {
		return queryError(err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	return queryError(rowsWriter(format)(rows, cmd.OutOrStdout()))
}

// queryError says what DuckDB has against a query.
func queryError(err error) error {
	if err == nil || unread(err) {
		return err
	}
	return errors.New("query: " + plan.ErrorText(err))
}
