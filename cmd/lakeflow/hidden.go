package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
)

// hidden is an error that shows no secrets of the pipeline: neither do its text, nor the diagnostics in it.
type hidden struct {
	err     error
	secrets *dsl.Secrets
}

// hide is an error as it may be shown.
func (g *globalFlags) hide(err error) error {
	if err == nil {
		return nil
	}
	return &hidden{err, g.secrets}
}

func (h *hidden) Error() string { return h.secrets.Hide(duckerr.Text(h.err)) }
func (h *hidden) Unwrap() error { return h.err }

// As gives what is shown of an error in another form than its text.
func (h *hidden) As(target any) bool {
	switch target := target.(type) {
	case *diag.List:
		if errors.As(h.err, target) {
			*target = h.secrets.HideAll(*target)
			return true
		}
	case **plan.QueryError:
		if errors.As(h.err, target) {
			*target = &plan.QueryError{Message: h.secrets.Hide((*target).Message), Help: h.secrets.Hide((*target).Help), At: (*target).At}
			return true
		}
	}
	return false
}

// hideErrors has all commands hide the secrets of the pipeline in their errors.
func (g *globalFlags) hideErrors(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error { return g.hide(run(cmd, args)) }
	}
	for _, sub := range cmd.Commands() {
		g.hideErrors(sub)
	}
}
