package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lakeflow/lakeflow/engine"
)

// newRunCmd is lakeflow run: one triggered update.
func newRunCmd(flags *globalFlags) *cobra.Command {
	var opts engine.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "run pipeline.yaml",
		Short: "Move everything new through the pipeline, then stop",
		Example: `  lakeflow run pipeline.yaml
  lakeflow run pipeline.yaml --param max_delay=600
  lakeflow run pipeline.yaml --full-refresh silver_flights`,
		Args: checkArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := openProject(cmd.Context(), args[0], flags.params, acquire)
			if err != nil {
				return err
			}
			defer p.Close()
			show := view(cmd.OutOrStdout(), cmd.ErrOrStderr(), asJSON)
			result, err := engine.Run(cmd.Context(), engine.Env{Plan: p.Plan, Compile: p.compile, Sources: p.Sources, Lake: p.Lake,
				State: p.State, Epoch: p.Epoch, DB: p.DB, Update: p.UpdateID, Observe: show.step}, opts)
			if result != nil {
				if e := show.done(result); e != nil && err == nil {
					err = e
				}
			}
			if violation(err) {
				return &exitError{exitExpectation, err}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&opts.Refresh, "refresh", nil, "update only these tables")
	f.StringSliceVar(&opts.FullRefresh, "full-refresh", nil, "recompute these tables from the beginning")
	f.BoolVar(&opts.FullAll, "full-refresh-all", false, "recompute every table from the beginning")
	f.StringSliceVar(&opts.Accept, "accept", nil, "keep the rows of these streaming tables although their query changed")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	cmd.MarkFlagsMutuallyExclusive("full-refresh-all", "full-refresh")
	cmd.MarkFlagsMutuallyExclusive("full-refresh-all", "refresh")
	return cmd
}

// runView shows an update: step after each batch, done at the end.
type runView struct {
	step func(engine.Progress)
	done func(*engine.Result) error
}

// view chooses how an update is shown: JSON for machines, lines and a table on a terminal, log lines elsewhere.
func view(out, errs io.Writer, asJSON bool) runView {
	if asJSON {
		return runView{func(engine.Progress) {}, func(r *engine.Result) error { return json.NewEncoder(out).Encode(r) }}
	}
	log := slog.New(slog.NewTextHandler(errs, nil))
	step := func(p engine.Progress) {
		log.Info(p.Kind, "table", p.Table, "batch", p.Batch, "rows", p.Result.Written, "dead_lettered", p.Result.DeadLettered, "unreadable", p.Result.Unreadable, "message", p.Message)
	}
	if f, ok := errs.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		step = func(p engine.Progress) {
			fmt.Fprintln(errs, progressLine(p))
		}
	}
	return runView{step, func(r *engine.Result) error { summarize(out, r); return nil }}
}

func progressLine(p engine.Progress) string {
	if p.Kind != "committed" {
		return fmt.Sprintf("%-24s %s", p.Table, p.Message)
	}
	rate := float64(p.Result.Written) / max(p.Elapsed.Seconds(), 0.001)
	return fmt.Sprintf("%-24s batch %d: %d rows (%.0f/s), %d dead-lettered", p.Table, p.Batch, p.Result.Written, rate, p.Result.DeadLettered+p.Result.Unreadable)
}

func summarize(out io.Writer, r *engine.Result) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"table", "kind", "layer", "status", "written", "dead letters", "discarded", "unreadable"})
	for _, x := range r.Tables {
		t.AppendRow(table.Row{x.Table, x.Kind, x.Layer, x.Status, x.Written, x.DeadLettered, x.Discarded, x.Unreadable})
	}
	t.Render()
	fmt.Fprintf(out, "update %s %s: %d commits in %s\n", r.Update, r.Status, r.Commits, time.Duration(r.Seconds*float64(time.Second)).Round(time.Millisecond))
}

// violation reports whether the update was stopped by an expectation.
func violation(err error) bool {
	var v *engine.ViolationError
	return errors.As(err, &v)
}
