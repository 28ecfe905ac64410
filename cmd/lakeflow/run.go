package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/publish"
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
			err = flags.hide(err)
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
		var unknown *definitions.UnknownTableError
		var noSink *publish.UnknownSinkError
		switch {
		case err == nil || violation(err):
		case errors.As(err, &unknown), errors.As(err, &noSink):
			err = &exitError{exitUsage, err}
		case ctx.Err() != nil && s != nil && result == nil: // it was still waiting for its sources: nothing is under way
			err = nil
		case ctx.Err() != nil:
			err = interrupted(result)
		default:
			err = advised(err)
		}
	}()
	serve := func(pipeline *dsl.Pipeline) (err error) {
		if pipeline.Mode == dsl.Continuous {
			s, err = serveStatus(flags.listen)
		}
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	events := event.Subscribers{func(e event.Event) { s.count(e) }, v.show}.Hiding(func(m string) string { return flags.secrets.Hide(m) })
	p, err := openProject(ctx, file, flags.globalFlags, acquire, acceptGaps(flags.gaps), whenPlaced(serve), waiting(events.Emit))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	v.warn(p.warnings)
	v.pipeline = p.arguments(file, flags.params)
	flags.Again = "lakeflow run " + v.pipeline
	for _, d := range p.Plan.Datasets {
		v.discards[d.Name] = !d.Rules.DeadLetter
	}
	env := engine.Env{Plan: p.Plan, Compile: p.compile, Sources: p.Sources, Sinks: p.Sinks, Lake: p.Lake,
		State: p.State, Epoch: p.Epoch, DB: p.DB, Update: p.UpdateID, Events: events}
	if p.Pipeline.Mode == dsl.Continuous {
		return p.follow(ctx, env, flags.Options)
	}
	return engine.Run(ctx, env, flags.Options)
}

// follow does a continuous update until ctx is done, and tidies up files beside it.
func (p *project) follow(ctx context.Context, env engine.Env, opts engine.Options) (result *engine.Result, err error) {
	var end func() error
	err = p.patient(ctx, func() (err error) {
		end, err = p.tidy(ctx, func(err error) {
			env.Events.Emit(event.Notice{Message: "tidying up files beside the update failed, nothing is lost, and it is tried again: " + duckerr.Text(err)})
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	opts.Follow = &engine.Follow{Interval: p.Pipeline.Trigger.Interval, Stop: ctx.Done()}
	ctx, cancel := drained(ctx)
	defer cancel()
	return engine.Run(ctx, env, opts)
}

// drain is how long a continuous update may take to finish its batch after the first signal.
const drain = 30 * time.Second

// drained is a context that outlives ctx by the time to drain.
func drained(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(drain, cancel) })
	return longer, cancel
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

// advised adds what to do next to an error of the disk. SQLite's and DuckDB's errors are known by their texts only.
func advised(err error) error {
	text := err.Error()
	switch {
	case errors.Is(err, syscall.ENOSPC), strings.Contains(text, "No space left on device"), strings.Contains(text, "disk is full"):
		return fmt.Errorf("%w\n  the disk is full; nothing is lost: make room and run again", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), strings.Contains(text, "Permission denied"), strings.Contains(text, "readonly database"):
		return fmt.Errorf("%w\n  lakeflow must be able to read the sources and to write to the warehouse (target.warehouse) and its temp folder", err)
	}
	return err
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
