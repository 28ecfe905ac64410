package load

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqlfile"
	"github.com/lakeflow/lakeflow/dsl/yamlfile"
)

// project is a pipeline of .sql files, as the file or folder that the user has named tells it.
type project struct {
	name, file      string
	dir             string   // absolute
	files           []string // .sql
	catalog, schema string
	warehouse       string // absolute; empty: in dir
	configuration   map[string]string
	mode            dsl.Mode
}

// folder reads the .sql files of a folder, those that a pattern stands for, or one.
func (l *loader) folder(path string) (*dsl.Pipeline, error) {
	pattern := strings.ContainsAny(path, "*?[{") && !exists(path)
	dir := path
	if pattern {
		dir, _ = doublestar.SplitPattern(filepath.ToSlash(path))
	} else if strings.EqualFold(filepath.Ext(path), ".sql") {
		dir = filepath.Dir(path)
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("read pipeline: %w", err)
	}
	p := project{name: projectName(absolute), file: path, dir: absolute}
	switch {
	case pattern:
		p.files, err = doublestar.FilepathGlob(path)
	case dir != path:
		p.files, p.name = []string{path}, projectName(strings.TrimSuffix(path, filepath.Ext(path)))
	default:
		if p.files, err = sqlfile.Files(path); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read pipeline: %w", err)
	}
	p.files = ofPipelines(p.files)
	return l.besideSQL(p)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// ofPipelines leaves out files that no pipeline is made of.
func ofPipelines(files []string) []string {
	return slices.DeleteFunc(files, func(f string) bool {
		return !slices.Contains([]string{".sql", ".py", ".ipynb"}, strings.ToLower(filepath.Ext(f)))
	})
}

// besideSQL reads the file beside a project of .sql files, if there is one, and then those.
func (l *loader) besideSQL(x project) (*dsl.Pipeline, error) {
	opts := yamlfile.Options{Connectors: l.opts.Connectors, Params: l.opts.Params, Keep: l.opts.Keep, Beside: &yamlfile.Beside{Name: x.name, File: x.file, Dir: x.dir}}
	overlay := l.opts.Overlay
	if file := filepath.Join(x.dir, overlayFile); overlay == "" && isFile(file) {
		overlay = filepath.Join(filepath.Dir(x.file), overlayFile)
		if x.file == x.dir || !isFile(overlay) {
			overlay = file
		}
	}
	var p *dsl.Pipeline
	var diags diag.List
	var err error
	if overlay == "" {
		p, diags, err = yamlfile.Empty(opts)
	} else {
		p, diags, err = yamlfile.Load(overlay, opts)
	}
	l.diags = append(l.diags, diags...)
	if err != nil || p == nil {
		return nil, err
	}
	if x.schema != "" && !p.Target.Has("schema") {
		p.Target.Schema = x.schema
	}
	if x.warehouse != "" && !p.Target.Has("warehouse") {
		p.Target.Warehouse = x.warehouse
	}
	if x.mode != "" && !p.Has("mode") {
		p.Mode = x.mode
	}
	if p.SQL.Catalog == "" {
		p.SQL.Catalog = x.catalog
	}
	for key, value := range x.configuration {
		if _, ok := p.SQL.Configuration[key]; !ok {
			p.SQL.Configuration[key] = value
		}
	}
	more, err := l.matching(p)
	if err != nil {
		return nil, err
	}
	return p, l.addSQL(p, append(x.files, more...))
}

// matching are the files that the patterns of a file stand for.
func (l *loader) matching(p *dsl.Pipeline) ([]string, error) {
	var files []string
	for _, pattern := range p.SQL.Files {
		path := pattern.Text
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.Dir, path)
		}
		found, err := doublestar.FilepathGlob(path)
		if err != nil {
			l.diags.Errorf("LF0553", pattern.Range, "write a path with * for a part of a name and ** for folders, as in sql/**/*.sql", "%q is no pattern of files: %v", pattern.Text, err)
			continue
		}
		of := ofPipelines(slices.Clone(found))
		if !filepath.IsAbs(pattern.Text) {
			of = shown(of, p)
		}
		switch {
		case len(found) == 0:
			l.diags.Errorf("LF0553", pattern.Range, "name .sql files that are there", "no file is named %s", pattern.Text)
		case len(of) == 0 && isFolder(path):
			l.diags.Errorf("LF0553", pattern.Range, "write "+filepath.ToSlash(filepath.Join(pattern.Text, "**"))+" for all files in it", "%s is a folder", pattern.Text)
		case len(of) == 0:
			l.diags.Errorf("LF0553", pattern.Range, "name .sql files that are there", "none of these files is one of SQL")
		}
		files = append(files, of...)
	}
	return files, nil
}

// shown are paths as the user would write them: from where the file is that he named.
func shown(paths []string, p *dsl.Pipeline) []string {
	for _, from := range []string{p.File, filepath.Dir(p.File)} {
		if absolute, err := filepath.Abs(from); err != nil || absolute != p.Dir {
			continue
		}
		for i, path := range paths {
			if relative, err := filepath.Rel(p.Dir, path); err == nil {
				paths[i] = filepath.Join(from, relative)
			}
		}
		return paths
	}
	return paths
}

// addSQL adds what .sql files declare to a pipeline.
func (l *loader) addSQL(p *dsl.Pipeline, files []string) error {
	slices.Sort(files)
	files = slices.Compact(files)
	opts := sqlfile.Options{Configuration: p.SQL.Configuration, Catalog: p.SQL.Catalog, Schema: p.Target.Schema,
		Functions: map[string]bool{}, External: map[string]*dsl.Source{}, Connectors: l.opts.Connectors, Paths: p.SQL.Paths, Brokers: map[string][]string{}}
	for topic, brokers := range p.SQL.Topics {
		opts.Brokers[topic] = strings.Split(brokers, ",")
	}
	for _, f := range p.Functions {
		opts.Functions[strings.ToLower(f.Name)] = true
	}
	for _, s := range p.SQL.External {
		named := *s
		named.Name = strings.ReplaceAll(s.Name, ".", "_") // as sources of pipeline files are called
		opts.External[strings.ToLower(s.Name)] = &named
	}
	declared := map[string]diag.Range{}
	for _, s := range p.Sources {
		opts.Known = append(opts.Known, s.Name)
		declared[strings.ToLower(s.Name)] = s.Range
	}
	for _, t := range p.Tables {
		opts.Known = append(opts.Known, t.Name)
		declared[strings.ToLower(t.Name)] = t.Range
	}
	more, diags, err := sqlfile.Load(files, sqlfile.Project{Name: p.Name, File: p.File, Dir: p.Dir}, opts)
	if err != nil {
		return err
	}
	l.diags = append(l.diags, diags...)
	for _, t := range more.Tables {
		if at, twice := declared[strings.ToLower(t.Name)]; twice {
			l.diags.Errorf("LF0554", t.Range, "rename or remove one of them", "%q is declared here and at %s", t.Name, at)
			l.diags.Errorf("LF0554", at, "rename or remove one of them", "%q is declared here and at %s", t.Name, t.Range)
			continue
		}
		p.Tables = append(p.Tables, t)
	}
	p.Sources = append(p.Sources, more.Sources...)
	return nil
}

// projectName is the name of the pipeline in a folder or file.
func projectName(path string) string {
	name := strings.Trim(noName.ReplaceAllString(filepath.Base(path), "_"), "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = strings.TrimSuffix("pipeline_"+name, "_")
	}
	return name
}

var noName = regexp.MustCompile(`[^A-Za-z0-9_]+`)
