package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/engine/project"
	"github.com/lakeflow/lakeflow/engine/query"
)

func newQueryCmd(flags *globalFlags) *cobra.Command {
	var format, dialect string
	cmd := &cobra.Command{
		Use:   `query "SQL"`,
		Short: "Query the published tables, event_log and dead letters included",
		Long: `Run one SELECT, DESCRIBE, SUMMARIZE or SHOW over the published tables and the pipeline's views. All tables are read as the last commit
left them. A table may be followed by VERSION AS OF, with a commit number or snapshot id, or TIMESTAMP AS OF, with a time in UTC.
With --dialect spark the query is in the SQL of Spark and Databricks.`,
		Example: `  lakeflow query "SELECT * FROM gold_routes"
  lakeflow query "SHOW TABLES" -f flights/pipeline.yaml
  lakeflow query "SELECT count(*) FROM gold_routes VERSION AS OF 3" -f flights/pipeline.yaml --format json
  lakeflow query "SELECT * FROM gold_routes FOR TIMESTAMP AS OF '2025-01-31 12:00:00'" --format csv
  lakeflow query --dialect spark "SELECT timestamp, details:update_progress.state FROM event_log WHERE event_type = 'update_progress'"`,
		Args:              checkArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if rowsWriter(format) == nil {
				return unknownFormat(format, "table, json or csv")
			}
			in := query.Dialect(dialect)
			if in != query.DuckDB && in != query.Spark {
				return usagef("--dialect %s is not known; use duckdb or spark", dialect)
			}
			return flags.with(cmd.Context(), flags.pipeline, project.Read, func(p *project.Project) error {
				rows, err := p.Query(cmd.Context(), args[0], in, valuesOf(format))
				if err != nil {
					return err
				}
				return showRows(rows, rowsWriter(format), cmd.OutOrStdout(), "query")
			})
		},
	}
	formatFlag(cmd, &format, "table", "table", "json", "csv")
	cmd.Flags().StringVar(&dialect, "dialect", string(query.DuckDB), "the SQL of the query: duckdb, or spark for that of Spark and Databricks")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("dialect",
		cobra.FixedCompletions([]string{string(query.DuckDB), string(query.Spark)}, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// formatFlag adds --format. The command checks the value.
func formatFlag(cmd *cobra.Command, format *string, preset string, known ...string) {
	last := len(known) - 1
	cmd.Flags().StringVar(format, "format", preset, strings.Join(known[:last], ", ")+" or "+known[last])
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(known, cobra.ShellCompDirectiveNoFileComp)))
}

// completePipeline lets the shell offer pipeline files.
func completePipeline(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}
