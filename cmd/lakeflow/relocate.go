package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/project"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

func newRelocateCmd(flags *globalFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "relocate pipeline.yaml",
		Short: "Make a warehouse that was moved or copied name its files where they are",
		Long: `Iceberg's metadata has absolute paths. After the folder of a warehouse was moved or copied, this writes the
metadata of the pipeline's tables anew, with all their snapshots, and publishes it in one commit. No data file and no
row is changed.

lakeflow run does so by itself where the warehouse was moved. A copy is asked for here: it becomes a warehouse of its
own, whose tables have UUIDs of their own, and the original stays as it is. It may be killed at any time; the next one
begins anew.`,
		Example: "  lakeflow relocate pipeline.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd.Context(), args[0], project.Move, func(p *project.Project) error {
				done, err := p.Relocate(cmd.Context())
				if err != nil {
					return err
				}
				return relocateText(p.Pipeline, done, cmd.OutOrStdout())
			})
		},
	}
}

// relocateText says what was done.
func relocateText(p *dsl.Pipeline, r *lake.Relocation, out io.Writer) error {
	if r == nil || len(r.Tables) == 0 {
		_, err := fmt.Fprintf(out, "the warehouse %s was not moved: there is nothing to relocate\n",
			diag.Visible(p.Target.Warehouse))
		return err
	}
	_, err := fmt.Fprintf(out, "%s of %s now name their files in %s: %s written anew\n", count(len(r.Tables), "table"),
		diag.Visible(r.From), diag.Visible(r.To), count(r.Files, "metadata file"))
	if err == nil && r.Copied && len(p.Sinks) > 0 {
		_, err = fmt.Fprintln(out, "the tables of a copy have UUIDs of their own: its sinks ask for --republish before they "+
			"publish to the original's topics; give them others")
	}
	return err
}
