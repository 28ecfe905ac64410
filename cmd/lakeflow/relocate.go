package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl/diag"
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
			return relocateLake(cmd.Context(), args[0], flags, cmd.OutOrStdout())
		},
	}
}

// relocateLake relocates the warehouse of a pipeline, and says what it did.
func relocateLake(ctx context.Context, file string, flags *globalFlags, out io.Writer) (err error) {
	p, err := openProject(ctx, file, flags, relocate)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if p.moved != nil {
		if err := p.takePlace(ctx); err != nil {
			if ctx.Err() == nil {
				err = advised(err)
			}
			return err
		}
	}
	return relocateText(p, out)
}

func relocateText(p *project, out io.Writer) error {
	r := p.relocated
	if r == nil || len(r.Tables) == 0 {
		_, err := fmt.Fprintf(out, "the warehouse %s was not moved: there is nothing to relocate\n",
			diag.Visible(p.Pipeline.Target.Warehouse))
		return err
	}
	_, err := fmt.Fprintf(out, "%s of %s now name their files in %s: %s written anew\n", count(len(r.Tables), "table"),
		diag.Visible(r.From), diag.Visible(r.To), count(r.Files, "metadata file"))
	if err == nil && r.Copied && len(p.Pipeline.Sinks) > 0 {
		_, err = fmt.Fprintln(out, "the tables of a copy have UUIDs of their own: its sinks ask for --republish before they "+
			"publish to the original's topics; give them others")
	}
	return err
}
