// Package load reads a pipeline, whatever kind of file or folder declares it: a pipeline file, .sql files, the spec of a
// Spark declarative pipeline, or a Databricks bundle.
package load

import (
	"os"
	"path/filepath"
	"slices"
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

// The files of a folder that matter by their names.
const (
	pipelineFile = "pipeline.yaml"
	overlayFile  = "lakeflow.yaml"
)

// The names of specs and of bundles, as spark-pipelines and Databricks' own command look for them.
var (
	sparkFiles  = []string{"spark-pipeline.yaml", "spark-pipeline.yml"}
	bundleFiles = []string{"databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml"}
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
	bundled := slices.Contains(bundleFiles, base)
	switch {
	case l.diags.HasErrors():
	case slices.Contains(sparkFiles, base):
		p, err = l.spark(path)
	case bundled:
		p, err = l.bundle(path)
	case filepath.Ext(base) == ".yaml" || filepath.Ext(base) == ".yml":
		p, err = l.pipeline(path)
	case isFile(path) && filepath.Ext(base) != ".sql":
		p, err = l.pipeline(path)
	default:
		p, err = l.folder(path)
	}
	if !bundled {
		l.withoutEffect("--target", opts.Target, "name a databricks.yml, or leave the flag out", "only bundles have targets")
		l.withoutEffect("--resource", opts.Resource, "name a databricks.yml, or leave the flag out", "only bundles have several pipelines")
	}
	l.diags.Sort()
	return p, l.diags, err
}

// withoutEffect refuses a flag that does not go with what is named.
func (l *loader) withoutEffect(flag, value, help, why string) {
	if value != "" {
		l.diags.Errorf("LF0561", diag.Range{File: flag}, help, "%s has no effect: %s", flag, why)
	}
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
	if isFile(filepath.Join(path, pipelineFile)) {
		return filepath.Join(path, pipelineFile)
	}
	for _, names := range [][]string{sparkFiles, bundleFiles} {
		found := existing(path, names)
		if len(found) > 1 {
			l.diags.Errorf("LF0551", diag.Range{File: path}, "remove one of them, or name the one that is meant",
				"the folder has both %s and %s", found[0], found[1])
		}
		if len(found) > 0 {
			return filepath.Join(path, found[0])
		}
	}
	return path
}

// existing are those of the names that files of a folder have.
func existing(dir string, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !isFile(filepath.Join(dir, name)) })
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// pipeline reads a pipeline file, and the .sql files that it names.
func (l *loader) pipeline(path string) (*dsl.Pipeline, error) {
	p, diags, err := yamlfile.Load(path, yamlfile.Options{Connectors: l.opts.Connectors, Params: l.opts.Params, Keep: l.opts.Keep})
	l.diags = append(l.diags, diags...)
	l.withoutEffect("--overlay", l.opts.Overlay, "write what it says into the pipeline file", "a pipeline file says the same itself")
	if err != nil || p == nil || len(p.SQL.Files) == 0 {
		return p, err
	}
	files, err := l.matching(p)
	if err != nil {
		return nil, err
	}
	return p, l.addSQL(p, files)
}

// Here is what declares the pipeline of the working folder: a file in it, the spec or bundle of a folder above it, as
// their own commands find them, or the folder itself for its .sql files. It is pipeline.yaml where nothing does.
func Here() string {
	if isFile(pipelineFile) {
		return pipelineFile
	}
	names := slices.Concat(sparkFiles, bundleFiles)
	if found := existing(".", names); len(found) == 1 {
		return found[0]
	}
	for dir := "."; ; dir = filepath.Join("..", dir) {
		if len(existing(dir, names)) > 0 {
			return dir
		}
		if absolute, err := filepath.Abs(dir); err != nil || filepath.Dir(absolute) == absolute {
			break
		}
	}
	if found, _ := filepath.Glob("*.sql"); len(found) > 0 {
		return "."
	}
	return pipelineFile
}
