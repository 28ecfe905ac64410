package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/maintain"
	"github.com/lakeflow/lakeflow/engine/project"
)

func newMaintainCmd(flags *globalFlags) *cobra.Command {
	var format string
	var dry bool
	var olderThan time.Duration
	cmd := &cobra.Command{
		Use:   "maintain pipeline.yaml",
		Short: "Merge small files, drop old snapshots, remove files that nothing needs",
		Long: `Tidy up the warehouse. Small data files are merged, in a commit of its own that changes no row; snapshots beyond the
pipeline's retention are dropped; files are removed that no snapshot needs and that were written, or last needed, before the grace time, and so are the
temp folders of processes that were killed.

Readers are not disturbed. Updates of the same pipeline wait their turn: it stops with an error while one is running. It may be killed at any
time; the next one goes on.`,
		Example: "  lakeflow maintain pipeline.yaml --dry-run\n  lakeflow maintain pipeline.yaml --older-than 24h --format json",
		RunE: func(cmd *cobra.Command, args []string) error {
			write := map[string]func(*maintain.Report, string, io.Writer) error{"text": maintainText, "json": maintainJSON}[format]
			if write == nil {
				return unknownFormat(format, "text or json")
			}
			return flags.with(cmd.Context(), args[0], project.Read, func(p *project.Project) error {
				r, err := p.Maintain(cmd.Context(), project.Maintenance{OlderThan: olderThan, Dry: dry})
				if err != nil {
					return err
				}
				return write(r, p.Again(), cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what there is to do, and do nothing")
	cmd.Flags().DurationVar(&olderThan, "older-than", time.Hour, "grace time of files that nothing needs")
	formatFlag(cmd, &format, "text", "text", "json")
	return cmd
}

func maintainJSON(r *maintain.Report, _ string, w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// maintainText writes a line for each table, and what was freed; again is the command that runs the pipeline.
func maintainText(r *maintain.Report, again string, w io.Writer) error {
	if len(r.Tables) == 0 {
		_, err := fmt.Fprintf(w, "there are no commits yet, so there is nothing to maintain; start with %s\n", again)
		return err
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"table", "files", "then", "snapshots expired", "orphans", "freed"})
	for _, x := range r.Tables {
		t.AppendRow(table.Row{diag.Visible(x.Name), x.FilesBefore, x.FilesAfter, x.Snapshots, x.Orphans, humanize.Bytes(uint64(x.Freed))})
	}
	freed := humanize.Bytes(uint64(r.Freed)) + " freed"
	if r.Dry {
		freed = "dry run: nothing was changed; " + humanize.Bytes(uint64(r.Freed)) + " to be freed"
	}
	if r.Temps > 0 {
		freed += fmt.Sprintf(", of which %s in %s of killed processes", humanize.Bytes(uint64(r.TempBytes)), count(r.Temps, "temp folder"))
	}
	_, err := fmt.Fprintf(w, "%s\n%s\n", t.Render(), freed)
	return err
}
