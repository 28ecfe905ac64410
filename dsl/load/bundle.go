package load

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
)

// bundle is a Databricks bundle, as far as pipelines need it: its other resources are left alone.
type bundle struct {
	*loader
	dir    string
	root   *option.Value
	files  []*option.Value // those that it includes
	target string
	chosen *option.Value // of targets
	asked  map[string]bool
}

// bundle reads the pipeline of a Databricks bundle.
func (l *loader) bundle(path string) (*dsl.Pipeline, error) {
	root, dir, err := l.yaml(path)
	if root == nil || err != nil {
		return nil, err
	}
	b := &bundle{loader: l, dir: dir, root: root, asked: map[string]bool{}}
	if err := b.include(path); err != nil {
		return nil, err
	}
	b.chooseTarget()
	declared := b.pipelines()
	key, ok := b.choose(declared)
	if !ok {
		return nil, nil
	}
	return b.project(path, key, declared[key])
}

// include reads the files that are named under include.
func (b *bundle) include(path string) error {
	for _, pattern := range items(at(b.root, "include")) {
		found, err := doublestar.FilepathGlob(filepath.Join(b.dir, pattern.Written))
		if err != nil || len(found) == 0 {
			b.diags.Errorf("LF0553", pattern.At, "name files that are there", "no file is named %s", pattern.Written)
		}
		for _, file := range found {
			if relative, err := filepath.Rel(b.dir, file); err == nil {
				file = filepath.Join(filepath.Dir(path), relative)
			}
			root, _, err := b.yaml(file)
			if err != nil {
				return err
			}
			if root != nil {
				b.files = append(b.files, root)
			}
		}
	}
	b.files = append(b.files, b.root)
	return nil
}

// chooseTarget is the target that was asked for, or the default one, or the only one.
func (b *bundle) chooseTarget() {
	targets := at(b.root, "targets")
	var names []string
	for _, e := range entries(targets) {
		names = append(names, e.Key)
		standard := at(e.Value, "default")
		if b.opts.Target == e.Key || b.opts.Target == "" && (standard != nil && standard.Written == "true" || len(targets.Entries) == 1) {
			b.target, b.chosen = e.Key, e.Value
		}
	}
	if b.opts.Target != "" && b.chosen == nil {
		b.diags.Errorf("LF0558", diag.Range{File: "--target"}, diag.DidYouMean(b.opts.Target, names, "write the name of a target"),
			"the bundle has no target %q", b.opts.Target)
	}
	if b.target == "" {
		b.target = "default"
	}
}

// pipelines are the declared pipelines by key, with what the target says of them.
func (b *bundle) pipelines() map[string]*option.Value {
	all := map[string]*option.Value{}
	for _, root := range append(slices.Clone(b.files), b.chosen) {
		for _, e := range entries(at(root, "resources", "pipelines")) {
			all[e.Key] = merged(all[e.Key], e.Value)
		}
	}
	return all
}

// choose is the key of the pipeline that is meant.
func (b *bundle) choose(all map[string]*option.Value) (string, bool) {
	var keys []string
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	switch {
	case b.opts.Resource != "" && all[b.opts.Resource] != nil:
		return b.opts.Resource, true
	case b.opts.Resource != "":
		b.diags.Errorf("LF0559", diag.Range{File: "--resource"}, diag.DidYouMean(b.opts.Resource, keys, "write the key of a pipeline under resources"),
			"the bundle has no pipeline %q", b.opts.Resource)
	case len(keys) == 1:
		return keys[0], true
	case len(keys) == 0:
		b.diags.Errorf("LF0559", b.root.At, "name the pipeline's own folder of .sql files instead", "the bundle declares no pipeline under resources")
	default:
		b.diags.Errorf("LF0559", b.root.At, "choose one, as in --resource "+keys[0], "the bundle has %d pipelines: %s", len(keys), strings.Join(keys, ", "))
	}
	return "", false
}

// project reads one pipeline.
func (b *bundle) project(path, key string, v *option.Value) (*dsl.Pipeline, error) {
	x := project{name: projectName(key), file: path, dir: b.dir, configuration: map[string]string{}}
	if name, unknown := b.resolved(at(v, "name")); name != "" && len(unknown) == 0 {
		x.name = projectName(name)
	}
	if b.chosen != nil { // targets have nothing in common, as workspaces have not
		x.warehouse = filepath.Join(b.dir, "warehouse", b.target)
	}
	x.catalog = b.text(at(v, "catalog"))
	for _, field := range []string{"target", "schema"} {
		if s := b.text(at(v, field)); s != "" {
			x.schema = s
		}
	}
	if c := at(v, "continuous"); c != nil && b.text(c) == "true" {
		x.mode = dsl.Continuous
	}
	for _, e := range entries(at(v, "configuration")) {
		if value, ok := b.setting(e.Key, e.Value); ok {
			x.configuration[e.Key] = value
		}
	}
	for _, library := range items(at(v, "libraries")) {
		files, err := b.library(library)
		if err != nil {
			return nil, err
		}
		x.files = append(x.files, files...)
	}
	if at(v, "libraries") == nil {
		b.diags.Errorf("LF0556", v.At, "add libraries: [{glob: {include: transformations/**}}]", "the pipeline %s names no files", key)
	}
	return b.besideSQL(x)
}

// library are the files of one library of a pipeline. Paths are relative to the file that names them.
func (b *bundle) library(v *option.Value) ([]string, error) {
	for _, form := range [][]string{{"glob", "include"}, {"file", "path"}, {"notebook", "path"}} {
		path := at(v, form...)
		if path == nil {
			continue
		}
		text := b.text(path)
		if form[0] == "notebook" && filepath.Ext(text) == "" {
			text += ".sql"
			if !exists(b.from(path, text)) {
				text = strings.TrimSuffix(text, ".sql") + ".py"
			}
		}
		return b.loader.library(filepath.Dir(b.from(path, "x")), text, path.At)
	}
	b.diags.Warnf("LF0552", v.At, "write glob: {include: …}, file: {path: …} or notebook: {path: …}", "this library is no file of SQL")
	return nil, nil
}

// from is a path beside the file that a value stands in.
func (b *bundle) from(v *option.Value, path string) string {
	dir, err := filepath.Abs(filepath.Dir(v.At.File))
	if err != nil {
		dir = b.dir
	}
	return filepath.Join(dir, path)
}

var variable = regexp.MustCompile(`\$\{([^{}]+)\}`)

// unknownVariable is one without a value, and where it stands.
type unknownVariable struct {
	name string
	at   diag.Range
}

func (u unknownVariable) help() string {
	return "give it, as in --param " + strings.TrimPrefix(u.name, "var.") + "=value"
}

// text is a value in which ${var.x} and the like are replaced. Each that has no value is reported once.
func (b *bundle) text(v *option.Value) string {
	text, unknown := b.resolved(v)
	for _, u := range unknown {
		if !b.asked[u.name] {
			b.asked[u.name] = true
			b.diags.Errorf("LF0560", u.at, u.help(), "${%s} has no value here", u.name)
		}
	}
	return text
}

// setting is a value of the configuration. One that refers to what only a workspace knows is left out with a warning: it
// is a mistake where a query needs it.
func (b *bundle) setting(key string, v *option.Value) (string, bool) {
	if _, given := b.opts.Params[key]; given {
		return "", false // in its place
	}
	text, unknown := b.resolved(v)
	if len(unknown) > 0 {
		b.diags.Warnf("LF0560", v.At, unknown[0].help(), "${%s} has no value here, so that %s has none in the configuration", unknown[0].name, key)
	}
	return text, len(unknown) == 0
}

// resolved is a value with its variables replaced, and those that have no value.
func (b *bundle) resolved(v *option.Value) (text string, unknown []unknownVariable) {
	if v == nil {
		return "", nil
	}
	if v.Kind >= option.KindMapping {
		b.diags.Errorf("LF0102", v.At, "write a text", "this must be a single value, not %s", v.Kind)
		return "", nil
	}
	return b.replaced(v, 0)
}

func (b *bundle) replaced(v *option.Value, depth int) (text string, unknown []unknownVariable) {
	text = variable.ReplaceAllStringFunc(v.Written, func(ref string) string {
		name := strings.TrimSpace(ref[2 : len(ref)-1])
		var value *option.Value
		switch {
		case name == "bundle.target" || name == "bundle.environment":
			return b.target
		case name == "bundle.name":
			value = at(b.root, "bundle", "name")
		case strings.HasPrefix(name, "var."):
			value = b.variable(strings.TrimPrefix(name, "var."))
		}
		if given, ok := b.opts.Params[strings.TrimPrefix(name, "var.")]; ok {
			return given
		}
		if value == nil || value.Kind >= option.KindMapping || depth > 10 {
			unknown = append(unknown, unknownVariable{name, v.At})
			return ""
		}
		inner, more := b.replaced(value, depth+1)
		unknown = append(unknown, more...)
		return inner
	})
	return text, unknown
}

// variable is the value of a variable: of the target, or its default.
func (b *bundle) variable(name string) *option.Value {
	if v := at(b.chosen, "variables", name); v != nil {
		if inner := at(v, "default"); inner != nil {
			return inner
		}
		return v
	}
	for _, root := range slices.Backward(b.files) {
		if v := at(root, "variables", name); v != nil {
			return at(v, "default")
		}
	}
	return nil
}

// at is the value behind keys of mappings, or nil.
func at(v *option.Value, keys ...string) *option.Value {
	for _, key := range keys {
		i := slices.IndexFunc(entries(v), func(e option.Entry) bool { return e.Key == key })
		if i < 0 {
			return nil
		}
		v = v.Entries[i].Value
	}
	return v
}

func entries(v *option.Value) []option.Entry {
	if v == nil {
		return nil
	}
	return v.Entries
}

func items(v *option.Value) []*option.Value {
	if v == nil {
		return nil
	}
	return v.Items
}

// merged is what a target makes of a value: mappings are joined, all else is replaced.
func merged(v, over *option.Value) *option.Value {
	if v == nil || over == nil || v.Kind != option.KindMapping || over.Kind != option.KindMapping {
		if over == nil {
			return v
		}
		return over
	}
	out := *v
	out.Entries = slices.Clone(v.Entries)
	for _, e := range over.Entries {
		i := slices.IndexFunc(out.Entries, func(o option.Entry) bool { return o.Key == e.Key })
		if i < 0 {
			out.Entries = append(out.Entries, e)
			continue
		}
		out.Entries[i].Value = merged(out.Entries[i].Value, e.Value)
	}
	return &out
}
