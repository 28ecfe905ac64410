package main

import (
	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl"
)

func newSchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of pipeline files, for editors",
		Example: "  lakeflow schema > pipeline.schema.json",
		Args:    checkArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := dsl.JSONSchema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}
