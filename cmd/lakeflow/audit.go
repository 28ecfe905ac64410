package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/audit"
	"github.com/lakeflow/lakeflow/engine/project"
)

func newAuditCmd(flags *globalFlags) *cobra.Command {
	var format string
	var deep bool
	cmd := &cobra.Command{
		Use:   "audit pipeline.yaml",
		Short: "Recount the stored tables and compare them with every commit",
		Long: `Recount what is stored and compare it with what every commit said that it wrote: the rows in the data files, the
dead letters, Iceberg's own counts, the balance of the rows, what each table has read of the tables and files before it, and the checksums of all
metadata. It changes nothing, and may run beside an update.

Without --deep it reads the footers of the data files, with it every byte: it compares their checksums, looks for stored rows that a drop or fail
expectation forbids, and computes the rows again that can be: those of materialized views, of streaming tables that only choose columns and rows of
one table, and of tables to which auto_cdc applies such rows. What could not be compared is said, with the reason.

The exit code is 0 when everything agrees, and 1 when something does not.`,
		Example: "  lakeflow audit pipeline.yaml\n  lakeflow audit pipeline.yaml --deep --format json",
		RunE: func(cmd *cobra.Command, args []string) error {
			write := auditWriter(format)
			if write == nil {
				return unknownFormat(format, "text or json")
			}
			return flags.with(cmd.Context(), args[0], project.Read, func(p *project.Project) error {
				r, err := p.Audit(cmd.Context(), deep)
				if err != nil {
					return err
				}
				if err := write(r, p.Again(), cmd.OutOrStdout()); err != nil {
					return err
				}
				if n := findings(r); n > 0 {
					return fmt.Errorf("audit: %s; what is stored is not what the commits wrote", count(n, "finding"))
				}
				return nil
			})
		},
	}
	formatFlag(cmd, &format, "text", "text", "json")
	cmd.Flags().BoolVar(&deep, "deep", false, "read every byte of the data files, and compute again what can be")
	cmd.Flags().BoolVar(&deep, "recompute", false, "the same as --deep")
	return cmd
}

func auditWriter(format string) func(*audit.Report, string, io.Writer) error {
	switch format {
	case "text":
		return auditText
	case "json":
		return auditJSON
	}
	return nil
}

func findings(r *audit.Report) (n int) {
	for _, t := range r.Tables {
		n += len(t.Findings)
	}
	return n
}

func auditJSON(r *audit.Report, _ string, w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// auditText writes a line for each table, then one for each finding; again is the command that runs the pipeline.
func auditText(r *audit.Report, again string, w io.Writer) error {
	if r.Commit == 0 {
		_, err := fmt.Fprintf(w, "%s has no commits yet, so there is nothing to audit; start with %s\n", r.Pipeline, again)
		return err
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	header := table.Row{"table", "commits", "files", "rows", "dead letters", "result"}
	if r.Deep {
		header = append(header, "recomputed")
	}
	t.AppendHeader(header)
	var lines, skipped string
	if r.NotRecomputed != "" {
		skipped = "nothing was recomputed: " + diag.Visible(r.NotRecomputed) + "\n"
	}
	for _, x := range r.Tables {
		result := "ok"
		if len(x.Findings) > 0 {
			result = count(len(x.Findings), "finding")
		}
		row := table.Row{diag.Visible(x.Name), x.Commits, x.Files, x.Rows, x.DeadLetters, result}
		if r.Deep {
			row = append(row, strings.Join(x.Recomputed, ", "))
		}
		t.AppendRow(row)
		for _, why := range x.Skipped {
			skipped += diag.Visible(fmt.Sprintf("%s: %s not compared: %s\n", x.Name, why.What, why.Why))
		}
		for _, f := range x.Findings {
			lines += findingLine(f)
		}
	}
	verdict := "every row is accounted for"
	if lines != "" {
		verdict = count(findings(r), "finding") + ":"
	}
	_, err := fmt.Fprintf(w, "%s\n%s, commits up to %d: %s\n%s%s", t.Render(), r.Pipeline, r.Commit, verdict, lines, skipped)
	return err
}

func findingLine(f audit.Finding) string {
	place := f.Table
	if f.Commit > 0 {
		place += fmt.Sprintf(", commit %d", f.Commit)
	}
	return diag.Visible(fmt.Sprintf("%s: %s: %s\n", place, f.Message, f.Remedy))
}
