package project

import (
	"fmt"
	"path/filepath"

	"github.com/lakeflow/lakeflow/dsl/convert"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/load"
)

// Converted is a pipeline as the files of a folder: see package convert.
type Converted struct {
	convert.Result
	Folder string // as it was given
	// Warnings are those of what was converted.
	Warnings diag.List
}

// Convert gives the pipeline file of what file names, for a folder. It writes nothing, and
// looks neither at data nor at tables. Mistakes in the files are a diag.List. Secrets are not in the result: what refers
// to them still does.
func Convert(file string, from Options, folder string) (Converted, error) {
	opts := load.Options{Connectors: Connectors(), Params: map[string]string{}, Overlay: from.Overlay, Target: from.Target, Resource: from.Resource}
	for _, p := range from.Params {
		opts.Params[p.Name] = p.Value
	}
	p, diags, err := load.Load(file, opts)
	switch {
	case err != nil:
		return Converted{}, err
	case p == nil || diags.HasErrors():
		return Converted{}, diags
	}
	opts.Keep = true
	kept, _, err := load.Load(file, opts)
	if err != nil {
		return Converted{}, err
	}
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return Converted{}, fmt.Errorf("convert: %w", err)
	}
	made, err := convert.Pipeline(kept, absolute)
	return Converted{made, folder, diags}, err
}
