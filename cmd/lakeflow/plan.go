package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/engine/plan"
)

func newPlanCmd(flags *globalFlags) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "plan pipeline.yaml",
		Short:   "Show what a pipeline does, in which order",
		Example: "  lakeflow plan pipeline.yaml\n  lakeflow plan pipeline.yaml --format dot | dot -Tsvg > plan.svg",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			write := planWriter(format)
			if write == nil {
				return unknownFormat(format, "text, json, mermaid or dot")
			}
			p, err := openProject(cmd.Context(), args[0], flags, lookOnly)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, p.Close()) }()
			if err := p.checkStored(args[0], flags); err != nil {
				return err
			}
			if err := showWarnings(cmd, p.warnings); err != nil {
				return err
			}
			if p.Plan == nil {
				return errors.New("there is no plan without the columns of the sources that cannot be reached; declare them, or look again later")
			}
			return write(p.Plan, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text, json, mermaid or dot")
	return cmd
}

func planWriter(format string) func(*plan.Plan, io.Writer) error {
	switch format {
	case "text":
		return (*plan.Plan).Text
	case "json":
		return (*plan.Plan).JSON
	case "mermaid":
		return (*plan.Plan).Mermaid
	case "dot":
		return (*plan.Plan).DOT
	}
	return nil
}
