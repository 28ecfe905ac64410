package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/project"
	"github.com/lakeflow/lakeflow/engine/refresh"
)

// runFlags are the flags of lakeflow run.
type runFlags struct {
	*globalFlags
	engine.Options
	json   bool
	listen string
	gaps   []string // sources whose lost records are accepted
}

// newRunCmd is lakeflow run: one update, triggered or continuous as the pipeline says.
func newRunCmd(global *globalFlags) *cobra.Command {
	flags := &runFlags{globalFlags: global}
	cmd := &cobra.Command{
		Use:   "run pipeline.yaml",
		Short: "Move everything new through the pipeline, once or (mode: continuous) until stopped",
		Example: `  lakeflow run pipeline.yaml
  lakeflow run pipeline.yaml --param max_delay=600
  lakeflow run pipeline.yaml --full-refresh silver_flights
  lakeflow run pipeline.yaml --json 2> run.log | jq .status`,
		RunE: func(cmd *cobra.Command, args []string) error {
			v := newRunView(cmd.OutOrStdout(), cmd.ErrOrStderr(), flags.json, flags.noColor)
			result, err := update(cmd.Context(), args[0], flags, v)
			if flags.json {
				return errors.Join(err, writeResult(cmd.OutOrStdout(), result, err))
			}
			if result != nil {
				err = errors.Join(err, summarize(cmd.OutOrStdout(), summary{result, v.pipeline, v.keptLetters(result, err), v.color}))
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&flags.Refresh, "refresh", nil, "update only these tables")
	f.StringSliceVar(&flags.FullRefresh, "full-refresh", nil, "recompute these tables from the beginning")
	f.BoolVar(&flags.FullAll, "full-refresh-all", false, "recompute every table from the beginning")
	f.StringSliceVar(&flags.Accept, "accept", nil, "keep the rows of these streaming tables although their query changed")
	f.StringSliceVar(&flags.gaps, "accept-gap", nil, "go on behind records that these sources have lost")
	f.StringSliceVar(&flags.Republish, "republish", nil, "let these sinks publish all rows of their tables again")
	f.StringVar(&flags.listen, "listen", "127.0.0.1:9464", "where a continuous update serves /metrics, /healthz and /readyz")
	f.BoolVar(&flags.json, "json", false, "print the result as one JSON object")
	cmd.MarkFlagsMutuallyExclusive("full-refresh-all", "full-refresh")
	cmd.MarkFlagsMutuallyExclusive("full-refresh-all", "refresh")
	return cmd
}

// update runs the pipeline and shows its steps. The result is nil when the update did not begin.
func update(ctx context.Context, file string, flags *runFlags, v *runView) (result *engine.Result, err error) {
	var s *status // of a continuous update
	defer func() {
		v.end()
		switch {
		case err == nil || violation(err) || wrongUsage(err):
		case ctx.Err() != nil && s != nil && result == nil: // it was still waiting for its sources: nothing is under way
			err = nil
		case ctx.Err() != nil:
			err = interrupted(result)
		}
	}()
	serve := func(pipeline *dsl.Pipeline) (err error) {
		if pipeline.Mode == dsl.Continuous {
			s, err = serveStatus(flags.listen)
		}
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	events := event.Subscribers{func(e event.Event) { s.count(e) }, v.show}
	p, err := flags.open(ctx, file, project.Options{Purpose: project.Write, AcceptGaps: flags.gaps, Events: events, Placed: serve})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := v.begin(p); err != nil {
		return nil, err
	}
	return p.Run(ctx, flags.Options)
}

// interrupted says what an interrupt left behind.
func interrupted(r *engine.Result) error {
	if r == nil {
		return errors.New("interrupted before the update began: nothing was published; run again")
	}
	written := total(r.Tables).Written
	if written == 0 {
		return errors.New("interrupted: nothing was published; run again")
	}
	return fmt.Errorf("interrupted: the batches before it are published (%s), nothing of the one under way; run again to go on from there", countRows(written))
}

// writeResult writes the one JSON object of --json, also for an update that failed or did not begin.
func writeResult(out io.Writer, r *engine.Result, failure error) error {
	result := struct {
		*engine.Result
		Error       string       `json:"error,omitempty"`
		Diagnostics []diagnostic `json:"diagnostics,omitempty"`
	}{Result: r}
	if r == nil {
		result.Result = &engine.Result{Status: "failed", Tables: []event.Table{}}
		if failure == nil { // ended by a signal
			result.Status = "canceled"
		}
	}
	var list diag.List
	switch {
	case errors.As(failure, &list):
		result.Error, result.Diagnostics = "the pipeline is invalid; mend what the diagnostics name", diagnostics(list)
	case failure != nil:
		result.Error = duckerr.Text(failure)
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(result); err != nil && !unread(err) {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// violation reports whether the update was stopped by an expectation.
func violation(err error) bool {
	var v *refresh.ViolationError
	return errors.As(err, &v)
}
