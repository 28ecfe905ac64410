package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/project"
)

func newPlanCmd(flags *globalFlags) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "plan pipeline.yaml",
		Short:   "Show what a pipeline does, in which order",
		Example: "  lakeflow plan pipeline.yaml\n  lakeflow plan pipeline.yaml --format dot | dot -Tsvg > plan.svg",
		RunE: func(cmd *cobra.Command, args []string) error {
			write := planWriter(format)
			if write == nil {
				return unknownFormat(format, "text, json, mermaid or dot")
			}
			return flags.with(cmd.Context(), args[0], project.Look, func(p *project.Project) error {
				if err := showWarnings(cmd, p.Warnings()); err != nil {
					return err
				}
				made, err := p.Explain(cmd.Context())
				if err != nil {
					return err
				}
				return write(made, cmd.OutOrStdout())
			})
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
