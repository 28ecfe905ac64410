// Package load reads a pipeline, whatever kind of file or folder declares it.
package load

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
		return folder(path, opts)
	}
	return yamlfile.Load(path, yamlfile.Options{Connectors: opts.Connectors, Params: opts.Params, Keep: opts.Keep})
}

// folder reads the .sql files of a folder, or one.
func folder(path string, opts Options) (*dsl.Pipeline, diag.List, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read pipeline: %w", err)
	}
	files, err := sqlfile.Files(path)
	if err != nil {
		return nil, nil, err
	}
	project := sqlfile.Project{Name: projectName(absolute), File: path, Dir: absolute}
	if strings.EqualFold(filepath.Ext(path), ".sql") {
		project.Dir = filepath.Dir(absolute)
	}
	return sqlfile.Load(files, project, sqlfile.Options{Configuration: opts.Params})
}

// projectName is the name of the pipeline in a folder or file.
func projectName(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	name := strings.Trim(noName.ReplaceAllString(base, "_"), "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = strings.TrimSuffix("pipeline_"+name, "_")
	}
	return name
}

var noName = regexp.MustCompile(`[^A-Za-z0-9_]+`)
