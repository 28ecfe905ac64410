// Package load reads a pipeline, whatever kind of file or folder declares it.
package load

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqlfile"
	"github.com/lakeflow/lakeflow/dsl/yamlfile"
)

// Options say how a pipeline is read.
type Options struct {
	Connectors dsl.Connectors
	// Params take the place of the values that the pipeline gives its parameters, or of its configuration.
	Params map[string]string
	// Keep leaves ${references} in the texts of a pipeline file as they are: see yamlfile.Options.
	Keep bool
}

// Load reads the pipeline that path names: a pipeline file, a folder of .sql files, or one of them.
//
// Mistakes are in the list, sorted; the pipeline is nil when nothing could be made of the files. The error is a failure
// to read them.
func Load(path string, opts Options) (*dsl.Pipeline, diag.List, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() || strings.EqualFold(filepath.Ext(path), ".sql") {
		return sqlfile.Load(path, sqlfile.Options{Configuration: opts.Params})
	}
	return yamlfile.Load(path, yamlfile.Options{Connectors: opts.Connectors, Params: opts.Params, Keep: opts.Keep})
}
