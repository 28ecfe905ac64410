package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/project"
)

func newValidateCmd(flags *globalFlags) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "validate pipeline.yaml",
		Short:   "Check a pipeline without running it",
		Example: "  lakeflow validate pipeline.yaml\n  lakeflow validate pipeline.yaml --format json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return unknownFormat(format, "text or json")
			}
			err := flags.with(cmd.Context(), args[0], project.Look, func(p *project.Project) error {
				if format == "json" {
					return writeDiagnostics(cmd.OutOrStdout(), p.Warnings())
				}
				if err := showWarnings(cmd, p.Warnings()); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: ok, %s, %s\n", p.Pipeline.Name, count(len(p.Pipeline.Sources), "source"), count(len(p.Pipeline.Tables), "table"))
				return err
			})
			return invalid(cmd, err, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "how mistakes are written: text or json")
	return cmd
}

// invalid writes diagnostics to the output where JSON was asked for; they still decide the exit code.
func invalid(cmd *cobra.Command, err error, format string) error {
	var list diag.List
	if format != "json" || !errors.As(err, &list) {
		return err
	}
	if err := writeDiagnostics(cmd.OutOrStdout(), list); err != nil {
		return err
	}
	return &exitError{exitInvalid, errors.New("the pipeline is invalid; mend what the diagnostics name")}
}

// diagnostic is a mistake as --json and --format json write it.
type diagnostic struct {
	diag.Diagnostic
	Severity string `json:"severity"`
}

func diagnostics(list diag.List) []diagnostic {
	out := []diagnostic{}
	for _, d := range list {
		out = append(out, diagnostic{d, d.Severity.String()})
	}
	return out
}

func writeDiagnostics(w io.Writer, list diag.List) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"diagnostics": diagnostics(list)})
}

func showWarnings(cmd *cobra.Command, list diag.List) error {
	if len(list) == 0 {
		return nil
	}
	return diag.Render(cmd.ErrOrStderr(), list, os.ReadFile, false)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func unknownFormat(format, known string) error {
	return usagef("--format %s is not known; use %s", format, known)
}
