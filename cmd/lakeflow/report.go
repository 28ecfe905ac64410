package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/engine/project"
	"github.com/lakeflow/lakeflow/expectations/report"
)

func newReportCmd(flags *globalFlags) *cobra.Command {
	var update, format, output string
	cmd := &cobra.Command{
		Use:     "report pipeline.yaml",
		Short:   "Show the data quality of an update",
		Example: "  lakeflow report pipeline.yaml\n  lakeflow report pipeline.yaml --format html --output report.html",
		RunE: func(cmd *cobra.Command, args []string) error {
			write := reportWriter(format)
			if write == nil {
				return unknownFormat(format, "text, json, html or junit")
			}
			return flags.with(cmd.Context(), args[0], project.Read, func(p *project.Project) error {
				r, err := p.Report(cmd.Context(), update)
				if err != nil {
					return err
				}
				if output == "" || output == "-" {
					return write(r, cmd.OutOrStdout())
				}
				f, err := os.Create(output)
				if err != nil {
					return fmt.Errorf("write report: %w", err)
				}
				return errors.Join(write(r, f), f.Close())
			})
		},
	}
	cmd.Flags().StringVar(&update, "update", "", "id of the update, or its beginning (default: the latest)")
	formatFlag(cmd, &format, "text", "text", "json", "html", "junit")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write to, - for standard output")
	return cmd
}

func reportWriter(format string) func(*report.Report, io.Writer) error {
	switch format {
	case "text":
		return (*report.Report).Text
	case "json":
		return (*report.Report).JSON
	case "html":
		return (*report.Report).HTML
	case "junit":
		return (*report.Report).JUnit
	}
	return nil
}
