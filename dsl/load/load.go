// Package load reads a pipeline, whatever kind of file or folder declares it: a pipeline file, .sql files, the spec of a
// Spark declarative pipeline, or a Databricks bundle.
package load

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/yamlfile"
)

// Options say how a pipeline is read.
type Options struct {
	Connectors dsl.Connectors
	// Params take the place of the values that the pipeline gives its parameters, or of its configuration.
	Params map[string]string
	// Keep leaves ${references} in the texts of a pipeline file as they are: see yamlfile.Options.
	Keep bool
	// Overlay is the file that maps what only exists in the cloud; empty: lakeflow.yaml beside the pipeline, if it is there.
	Overlay string
	// Target and Resource choose a target of a bundle and one of its pipelines; empty: the default, and the only one.
	Target, Resource string
}

// The files that a folder may have instead of .sql files, by their names.
const (
	pipelineFile = "pipeline.yaml"
	sparkFile    = "spark-pipeline.yaml"
	bundleFile   = "databricks.yml"
	overlayFile  = "lakeflow.yaml"
)

// Load reads the pipeline that path names.
//
// Mistakes are in the list, sorted; the pipeline is nil when nothing could be made of the files. The error is a failure
// to read them.
func Load(path string, opts Options) (*dsl.Pipeline, diag.List, error) {
	l := &loader{opts: opts}
	path = l.inFolder(path)
	var p *dsl.Pipeline
	var err error
	base := strings.ToLower(filepath.Base(path))
	switch name := strings.TrimSuffix(base, filepath.Ext(base)); {
	case l.diags.HasErrors():
	case name == "spark-pipeline":
		p, err = l.spark(path)
	case name == "databricks" || name == "bundle":
		p, err = l.bundle(path)
	case filepath.Ext(base) == ".yaml" || filepath.Ext(base) == ".yml":
		p, err = l.pipeline(path)
	case isFile(path) && filepath.Ext(base) != ".sql":
		p, err = l.pipeline(path)
	default:
		p, err = l.folder(path)
	}
	l.diags.Sort()
	return p, l.diags, err
}

// loader reads one pipeline.
type loader struct {
	opts  Options
	diags diag.List
}

// inFolder is the file that declares the pipeline of a folder; a folder of .sql files stays what it is.
func (l *loader) inFolder(path string) string {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path
	}
	spec, short := filepath.Join(path, sparkFile), filepath.Join(path, "spark-pipeline.yml")
	if isFile(spec) && isFile(short) {
		l.diags.Errorf("LF0551", diag.Range{File: path}, "remove one of them, or name the one that is meant",
			"the folder has both %s and %s", filepath.Base(spec), filepath.Base(short))
	}
	for _, file := range []string{filepath.Join(path, pipelineFile), spec, short, filepath.Join(path, bundleFile)} {
		if isFile(file) {
			return file
		}
	}
	return path
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// pipeline reads a pipeline file, and the .sql files that it names.
func (l *loader) pipeline(path string) (*dsl.Pipeline, error) {
	p, diags, err := yamlfile.Load(path, yamlfile.Options{Connectors: l.opts.Connectors, Params: l.opts.Params, Keep: l.opts.Keep})
	l.diags = append(l.diags, diags...)
	if err != nil || p == nil || len(p.SQL.Files) == 0 {
		return p, err
	}
	files, err := l.matching(p)
	if err != nil {
		return nil, err
	}
	return p, l.addSQL(p, files)
}

// Here is the file that declares the pipeline of the working folder, pipeline.yaml where there is none.
func Here() string {
	for _, file := range []string{pipelineFile, sparkFile, "spark-pipeline.yml", bundleFile} {
		if isFile(file) {
			return file
		}
	}
	return pipelineFile
}
