package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/sinks"
)

func newDeadLettersCmd(flags *globalFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dead-letters",
		Short:   "Look at rows and records that were not written",
		Example: "  lakeflow dead-letters list\n  lakeflow dead-letters show 0f3a -f flights/pipeline.yaml",
		Args:    checkArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := lettersCmd(flags, "table", func(table string, _ []string) string {
		return fmt.Sprintf(`SELECT id, "table", list_transform(violated, lambda v: v.name) AS violated, left(error, 60) AS error, file, line, first_seen, status
FROM %s ORDER BY first_seen DESC, id`, table)
	})
	list.Use, list.Short, list.Args = "list", "List the dead letters, newest first", checkArgs(cobra.NoArgs)
	list.Example = "  lakeflow dead-letters list -f pipeline.yaml --format csv"
	show := lettersCmd(flags, "json", func(table string, args []string) string {
		return fmt.Sprintf("SELECT * FROM %s WHERE starts_with(id, '%s')", table, strings.ReplaceAll(args[0], "'", "''"))
	})
	show.Use, show.Short, show.Args = "show ID", "Show everything known of a dead letter", checkArgs(cobra.ExactArgs(1))
	show.Example = "  lakeflow dead-letters show 0f3a -f pipeline.yaml"
	cmd.AddCommand(list, show)
	return cmd
}

// lettersCmd is a command that shows a query over the dead-letter table.
func lettersCmd(flags *globalFlags, preset string, query func(table string, args []string) string) *cobra.Command {
	var file, format string
	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, args []string) (err error) {
		if rowsWriter(format) == nil {
			return unknownFormat(format, "table, json or csv")
		}
		p, err := openProject(cmd.Context(), file, flags.params, lakeOnly)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		table, err := p.relation(cmd.Context(), p.Pipeline.DeadLetter.Table)
		if errors.Is(err, sinks.ErrNoTable) {
			_, err = fmt.Fprintln(cmd.ErrOrStderr(), "There are no dead letters.")
			return err
		}
		if err != nil {
			return err
		}
		return p.show(cmd, query(table, args), format)
	}}
	pipelineFlag(cmd, &file)
	cmd.Flags().StringVar(&format, "format", preset, "table, json or csv")
	return cmd
}
