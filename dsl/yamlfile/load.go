// Package yamlfile reads a pipeline that is declared in one file of YAML, with SQL inline or in files beside it.
package yamlfile

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
)

// Options are what a pipeline file is read with.
type Options struct {
	// Connectors are what its sources and sinks can be.
	Connectors dsl.Connectors
	// Params override parameters by name. Each is read as the type of the value that the file declares.
	Params map[string]string
	// Beside is what the file is read for when it is not the pipeline itself but stands beside .sql files; nil for a
	// pipeline file.
	Beside *Beside
	// Env looks up ${env:NAME}; nil means the environment of the process.
	Env func(name string) (string, bool)
	// Keep leaves ${references} in texts and paths as they are written, for who writes the file again: secrets are not
	// among the values then. What mistakes there are, Load says without it.
	Keep bool
}

// Beside is what is known of a pipeline of .sql files without the file beside them.
type Beside struct {
	Name, File string
	Dir        string // absolute, of the pipeline
}

// Empty is what a file with nothing in it says.
func Empty(opts Options) (*dsl.Pipeline, diag.List, error) {
	var diags diag.List
	p := parse(opts.Beside.File, opts.Beside.Dir, "{}", opts, &diags)
	return p, diags, nil
}

// Load reads the pipeline file at path and the SQL files that it names.
//
// All mistakes in the files are in the list, sorted, and show no secrets. The pipeline is nil when the file is not
// YAML. With other errors in the list it holds what could be made of the file, so that later passes can find more
// mistakes: a table may lack flows, a source its connector. The error is a failure to read the pipeline file itself.
func Load(path string, opts Options) (*dsl.Pipeline, diag.List, error) {
	content, err := option.ReadLimited(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read pipeline: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, nil, fmt.Errorf("read pipeline: %w", err)
	}
	var diags diag.List
	pipeline := parse(path, dir, content, opts, &diags)
	diags.Sort()
	if pipeline != nil {
		diags = pipeline.Secrets.HideAll(diags)
	}
	return pipeline, diags, nil
}

func parse(path, dir, content string, opts Options, diags *diag.List) *dsl.Pipeline {
	content, ok := checkText(path, content, diags)
	if !ok {
		return nil
	}
	if opts.Beside != nil && nothing.MatchString(content) {
		content = "{}"
	}
	root := parseYAML(path, content, diags)
	if root == nil {
		return nil
	}
	if opts.Env == nil {
		opts.Env = os.LookupEnv
	}
	b := newBuilder(path, dir, opts, diags)
	var declared specPipeline // for the parameters, which all else may refer to
	first := option.Decoder{Diags: &diag.List{}, Open: b.decoder.Open}
	first.Decode(&declared, root, root.At, "")
	parameters := b.parameters(&declared)
	var spec specPipeline
	b.decoder.Decode(&spec, root, root.At, "")
	if root.Kind != option.KindMapping {
		return nil
	}
	if opts.Beside == nil {
		b.complete(&spec, root.At)
	}
	pipeline := b.pipeline(&spec)
	b.besideSQL(pipeline, &spec)
	pipeline.Parameters, pipeline.Secrets = parameters, dsl.NewSecrets(b.texts.Secrets)
	return pipeline
}

// nothing is a file without anything but comments.
var nothing = regexp.MustCompile(`^(\s*(#.*|---)?[\r\n]*)*$`)

// Parse reads a file of YAML that is no pipeline file. It is nil for one with mistakes, which are added to diags; the
// error is a failure to read it.
func Parse(path string, diags *diag.List) (*option.Value, error) {
	content, err := option.ReadLimited(path)
	if err != nil {
		return nil, fmt.Errorf("read pipeline: %w", err)
	}
	content, ok := checkText(path, content, diags)
	if !ok {
		return nil, nil
	}
	return parseYAML(path, content, diags), nil
}

// checkText refuses what is too large or no text, and evens out line ends and the byte order mark.
func checkText(file, content string, diags *diag.List) (string, bool) {
	if len(content) > option.MaxFile {
		diags.Errorf("LF0001", diag.Range{File: file}, "split it, or move long queries to files of their own with sql_file:",
			"the file is larger than 1 MiB")
		return "", false
	}
	content = strings.TrimPrefix(content, "\ufeff")
	content = strings.ReplaceAll(content, "\r\n", "\n")
	content = strings.ReplaceAll(content, "\r", "\n")
	if at, what := validText(content); what != "" {
		src := newSource(strings.ToValidUTF8(content[:at], "?"))
		diags.Errorf("LF0002", src.span(file, len(src.text), len(src.text)), "save the file as UTF-8 text", "the file holds %s", what)
		return "", false
	}
	return content, true
}
