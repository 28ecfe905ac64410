package project

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/publish"
	"github.com/lakeflow/lakeflow/engine/query"
)

// UsageError says that a call was given what is no value of a parameter, or a name that the pipeline does not have.
type UsageError struct {
	Parameter string // as the command line calls it, without dashes; empty where the text tells
	Err       error
}

// Error names the parameter by its flag, as all remedies do.
func (e *UsageError) Error() string {
	if e.Parameter == "" {
		return e.Err.Error()
	}
	return "--" + e.Parameter + " " + e.Err.Error()
}

func (e *UsageError) Unwrap() error { return e.Err }

func usagef(parameter, format string, args ...any) error {
	return &UsageError{parameter, fmt.Errorf(format, args...)}
}

// usage makes a *UsageError of what other packages call one.
func usage(err error) error {
	var table *definitions.UnknownTableError
	var sink *publish.UnknownSinkError
	var text *query.UsageError
	if errors.As(err, &table) || errors.As(err, &sink) || errors.As(err, &text) {
		return &UsageError{Err: err}
	}
	return err
}

// hidden is an error that shows no secrets of the pipeline: neither do its text, nor the diagnostics in it.
type hidden struct {
	err     error
	secrets *dsl.Secrets
}

// hide is an error as it may be shown.
func hide(secrets *dsl.Secrets, err error) error {
	if err == nil {
		return nil
	}
	return &hidden{err, secrets}
}

func (p *Project) hide(err error) error { return hide(p.Pipeline.Secrets, err) }

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
