package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/engine/project"
	"github.com/lakeflow/lakeflow/engine/query"
)

func newDeadLettersCmd(flags *globalFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dead-letters",
		Short:   "Look at rows and records that were not written",
		Example: "  lakeflow dead-letters list\n  lakeflow dead-letters show 0f3a -f flights/pipeline.yaml",
		Args:    checkArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLettersListCmd(flags), newLettersShowCmd(flags))
	return cmd
}

func newLettersListCmd(flags *globalFlags) *cobra.Command {
	var filter project.LetterFilter
	cmd := lettersCmd(flags, writeLetters, "table", func(ctx context.Context, p *project.Project, _ []string, values query.Values) (*query.Rows, error) {
		return p.DeadLetters(ctx, filter, values)
	})
	cmd.Use, cmd.Short, cmd.Args = "list", "List the dead letters, newest first", checkArgs(cobra.NoArgs)
	cmd.Example = `  lakeflow dead-letters list -f pipeline.yaml
  lakeflow dead-letters list --table silver_flights --rule known_delay --limit 20
  lakeflow dead-letters list --update 3f2c --format csv`
	f := cmd.Flags()
	f.StringVar(&filter.Table, "table", "", "only those of this table")
	f.StringVar(&filter.Rule, "rule", "", "only rows that broke this expectation")
	f.StringVar(&filter.Update, "update", "", "only those of this update: its id, or the beginning of it")
	f.StringVar(&filter.Status, "status", "", "only those of this status: open or failed_update")
	f.IntVar(&filter.Limit, "limit", 0, "how many to list at most; 0 for all")
	return cmd
}

func newLettersShowCmd(flags *globalFlags) *cobra.Command {
	cmd := lettersCmd(flags, writeLetter, "table", func(ctx context.Context, p *project.Project, args []string, values query.Values) (*query.Rows, error) {
		return p.DeadLetter(ctx, args[0], values)
	})
	cmd.Use, cmd.Short, cmd.Args = "show ID", "Show everything known of a dead letter", checkArgs(cobra.ExactArgs(1))
	cmd.Long = "Show everything known of the dead letter with an id, or of those whose ids begin so."
	cmd.Example = "  lakeflow dead-letters show 0f3a -f pipeline.yaml"
	return cmd
}

// lettersCmd is a command that shows dead letters, for people with a writer of their own.
func lettersCmd(flags *globalFlags, forPeople func(*query.Rows, io.Writer) error, preset string, read func(context.Context, *project.Project, []string, query.Values) (*query.Rows, error)) *cobra.Command {
	var format string
	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
		if rowsWriter(format) == nil {
			return unknownFormat(format, "table, json or csv")
		}
		return flags.with(cmd.Context(), flags.pipeline, project.Read, func(p *project.Project) error {
			write, values := rowsWriter(format), valuesOf(format)
			if format == "table" {
				write, values = forPeople, query.JSON
			}
			rows, err := read(cmd.Context(), p, args, values)
			if err != nil {
				return err
			}
			return showRows(rows, write, cmd.OutOrStdout(), "read the dead letters")
		})
	}}
	formatFlag(cmd, &format, preset, "table", "json", "csv")
	return cmd
}
