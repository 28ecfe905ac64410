package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/definitions"
)

func newValidateCmd(flags *globalFlags) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "validate pipeline.yaml",
		Short:   "Check a pipeline without running it",
		Example: "  lakeflow validate pipeline.yaml\n  lakeflow validate pipeline.yaml --format json",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if format != "text" && format != "json" {
				return unknownFormat(format, "text or json")
			}
			p, err := openProject(cmd.Context(), args[0], flags, lookOnly)
			if err != nil {
				return invalid(cmd, err, format)
			}
			defer func() { err = errors.Join(err, p.Close()) }()
			if err := p.checkStored(args[0], flags); err != nil {
				return invalid(cmd, err, format)
			}
			if format == "json" {
				return writeDiagnostics(cmd.OutOrStdout(), p.warnings)
			}
			if err := showWarnings(cmd, p.warnings); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok, %s, %s\n", p.Pipeline.Name, count(len(p.Pipeline.Sources), "source"), count(len(p.Pipeline.Tables), "table"))
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "how mistakes are written: text or json")
	return cmd
}

// checkStored says what an update would refuse of the tables that are stored. Where sources are not reached, too little is known of their columns to tell.
func (p *project) checkStored(file string, flags *globalFlags) error {
	if p.Plan == nil || len(p.unreached) > 0 {
		return nil
	}
	err := engine.CheckDefinitions(p.Plan, p.State, engine.Options{Selection: definitions.Selection{Again: "lakeflow run " + p.arguments(file, flags.params)}})
	var changed diag.List
	if !errors.As(err, &changed) {
		return err
	}
	all := append(slices.Clone(p.warnings), changed...)
	all.Sort()
	return all
}

// arguments are the pipeline file and its parameters as a command line has them.
func (p *project) arguments(file string, params []string) string {
	return quoted(file) + repeated(params, p.Pipeline.Parameters)
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
		severity := "error"
		if d.Severity == diag.Warning {
			severity = "warning"
		}
		out = append(out, diagnostic{d, severity})
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
