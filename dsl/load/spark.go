package load

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/yamlfile"
)

// sparkSpec is the spec file of a Spark declarative pipeline, as spark-pipelines reads it.
type sparkSpec struct {
	option.Node   `yaml:"-"`
	Name          *string           `yaml:"name" jsonschema:"required"`
	Storage       *option.Text      `yaml:"storage"`
	Catalog       string            `yaml:"catalog"`
	Database      string            `yaml:"database"`
	Schema        string            `yaml:"schema"`
	Configuration map[string]scalar `yaml:"configuration"`
	Libraries     []sparkLibrary    `yaml:"libraries"`
}

type sparkLibrary struct {
	option.Node `yaml:"-"`
	Glob        sparkGlob `yaml:"glob" jsonschema:"required"`
}

type sparkGlob struct {
	option.Node `yaml:"-"`
	Include     string `yaml:"include" jsonschema:"required"`
}

// scalar is any single value, as a text.
type scalar string

// Decode implements option.Custom.
func (s *scalar) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	if v.Kind >= option.KindMapping {
		d.Diags.Errorf("LF0102", at, "write a text, a number, true or false", "%s must be a single value, not %s", path, v.Kind)
		return false
	}
	*s = scalar(v.Written)
	return true
}

// spark reads the spec of a Spark declarative pipeline.
func (l *loader) spark(path string) (*dsl.Pipeline, error) {
	root, dir, err := l.yaml(path)
	if root == nil || err != nil {
		return nil, err
	}
	var spec sparkSpec
	d := option.Decoder{Diags: &l.diags}
	d.Decode(&spec, root, root.At, "")
	x := project{name: projectName(dir), file: path, dir: dir, catalog: spec.Catalog, schema: spec.Database, configuration: map[string]string{}}
	if spec.Name != nil {
		x.name = projectName(*spec.Name)
	}
	if spec.Has("schema") && spec.Has("database") {
		l.diags.Errorf("LF0555", spec.At("schema"), "keep one of them", "database and schema are two names of the same")
	} else if x.schema == "" {
		x.schema = spec.Schema
	}
	for key, value := range spec.Configuration {
		x.configuration[key] = string(value)
	}
	if spec.Storage != nil {
		x.warehouse = l.storage(spec.Storage, x.name)
	}
	for _, library := range spec.Libraries {
		if library.Glob.Include == "" {
			continue // which is reported
		}
		files, err := l.library(dir, library.Glob.Include, library.Glob.At("include"))
		if err != nil {
			return nil, err
		}
		x.files = append(x.files, files...)
	}
	if len(spec.Libraries) == 0 {
		l.diags.Errorf("LF0556", spec.Range, "add libraries: [{glob: {include: transformations/**}}]", "the spec names no files")
	}
	return l.besideSQL(x)
}

// storage is the folder of the tables in a storage that is one of this machine. Others need target: {warehouse: …}.
func (l *loader) storage(s *option.Text, name string) string {
	u, err := url.Parse(s.Text)
	switch {
	case err != nil || u.Scheme == "":
		l.diags.Errorf("LF0555", s.At, "write file:///absolute/path", "the storage %q is no URI with a scheme", s.Text)
	case u.Scheme == "file":
		return filepath.Join(filepath.FromSlash(u.Path), name)
	default:
		l.diags.Warnf("LF0557", s.At, "say in lakeflow.yaml where the tables are: target: {warehouse: ./warehouse}",
			"the storage %s is not of this machine: tables are in the folder warehouse beside the file", s.Text)
	}
	return ""
}

// library are the files that a library of a pipeline stands for: a file, or a pattern in which folder/** is all in a
// folder.
func (l *loader) library(dir, include string, at diag.Range) ([]string, error) {
	p := &dsl.Pipeline{Dir: dir, File: at.File}
	if base := filepath.Base(include); base == "**" {
		include = filepath.Join(include, "*")
	}
	p.SQL.Files = []dsl.Pattern{{Node: option.Node{Range: at}, Text: include}}
	return l.matching(p)
}

// yaml reads a file of YAML, and its folder.
func (l *loader) yaml(path string) (*option.Value, string, error) {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, "", fmt.Errorf("read pipeline: %w", err)
	}
	root, err := yamlfile.Parse(path, &l.diags)
	if root != nil && root.Kind != option.KindMapping {
		l.diags.Errorf("LF0102", root.At, "write key: value lines", "%s must be a mapping, not %s", strings.TrimSpace(filepath.Base(path)), root.Kind)
		return nil, dir, err
	}
	return root, dir, err
}
