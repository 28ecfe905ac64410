package sqlfile

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
)

// Options are what the statements of a pipeline are read with.
type Options struct {
	// Configuration are the values of ${keys}. SET adds to them, for the statements behind it in its file.
	Configuration map[string]string
	// Catalog and Schema are what names without them mean; empty: the pipeline's own. USE changes it in its file.
	Catalog, Schema string
	// Functions are the pipeline's own functions, in lower case.
	Functions map[string]bool
	// External are the sources in the place of tables that are somewhere else, by the names of those in lower case, with
	// dots.
	External map[string]*dsl.Source
	// Known are the names of further sources and tables of the pipeline that queries may read.
	Known []string
	// Connectors are those that read_files(…) and the like can use.
	Connectors dsl.Connectors
	// Paths are absolute folders for what paths begin with: s3://bucket/raw, /Volumes/main/raw/landing.
	Paths map[string]string
	// Brokers are the addresses of brokers by topic. They win over those in the queries.
	Brokers map[string][]string
}

// Project is what the statements are of.
type Project struct {
	Name string
	File string // that the user has named
	Dir  string // absolute: relative paths start here
}

// Files are the .sql files of a folder and of those in it, in the order of their names, with those of Python and the
// notebooks, of which Load says that they are not run. Folders that begin with a dot are left out.
func Files(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch ext := strings.ToLower(filepath.Ext(path)); {
		case err != nil:
			return err
		case e.IsDir() && path != dir && strings.HasPrefix(e.Name(), "."):
			return filepath.SkipDir
		case !e.IsDir() && (ext == ".sql" || ext == ".py" || ext == ".ipynb"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read pipeline: %w", err)
	}
	return files, nil
}

// Load reads the pipeline that .sql files declare. What a pipeline declares does not depend on their order.
//
// All mistakes in the files are in the list, sorted. With errors in the list the pipeline holds what could be made of
// the files. The error is a failure to read a file.
func Load(files []string, project Project, opts Options) (*dsl.Pipeline, diag.List, error) {
	var diags diag.List
	b := newBuilder(opts, project, &diags)
	for _, path := range b.otherFiles(files) {
		content, err := option.ReadLimited(path)
		if err != nil {
			return nil, nil, fmt.Errorf("read pipeline: %w", err)
		}
		if text, ok := checkText(path, content, &diags); ok {
			b.file(path, text)
		}
	}
	p := b.pipeline()
	diags.Sort()
	return p, diags, nil
}

// otherFiles reports the files that are not run, and gives the rest.
func (b *builder) otherFiles(files []string) []string {
	var sql, python []string
	for _, path := range files {
		switch strings.ToLower(filepath.Ext(path)) {
		case ".py":
			python = append(python, path)
		case ".ipynb":
			b.diags.Errorf("LF0530", diag.Range{File: path},
				"export it as source, a .sql file, or move it out of the folder", "a notebook in this format is not read")
		default:
			sql = append(sql, path)
		}
	}
	if n := len(python); n > 0 {
		what := map[bool]string{true: "this Python file is", false: fmt.Sprintf("%d Python files are", n)}[n == 1]
		b.diags.Warnf("LF0531", diag.Range{File: python[0]}, "declare in SQL what the pipeline needs of Python",
			"%s not run: the pipeline is made of the SQL", what)
	}
	return sql
}

// checkText refuses what is too large or no text, and evens out line ends and the byte order mark.
func checkText(file, text string, diags *diag.List) (string, bool) {
	if len(text) > option.MaxFile {
		diags.Errorf("LF0001", diag.Range{File: file}, "split it into several files", "the file is larger than 1 MiB")
		return "", false
	}
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	for i, c := range text {
		what := ""
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			what = "a byte that is not UTF-8"
		case c < ' ' && c != '\t' && c != '\n' || c == 0x7f:
			what = fmt.Sprintf("the control character U+%04X", c)
		default:
			continue
		}
		at := newSource(file, strings.ToValidUTF8(text[:i], "?"), diags)
		diags.Errorf("LF0002", at.span(len(at.text), len(at.text)), "save the file as UTF-8 text",
			"the file holds %s", what)
		return "", false
	}
	return text, true
}

// scope is what holds for the statements of a file from a place on.
type scope struct {
	catalog, schema string
	duckdb          bool              // queries are in DuckDB's dialect
	values          map[string]string // by key
}

// builder makes a pipeline of the statements of its files.
type builder struct {
	opts     Options
	project  Project
	diags    *diag.List
	own      string // the schema of names without one
	read     []scoped
	declared map[string]fullName        // by key; in any file
	sources  map[diag.Range]*dsl.Source // by the place of the relation that they stand for
	bySource map[string]*dsl.Source     // by their names, in lower case
	tables   []*table
	byName   map[string]*table
	flows    []declaredFlow    // whose tables may be declared in any file
	names    map[string]*table // by the name of a flow
	readers  readers
	readings []func() // which translate the queries with readers again, when the names of the sources are known
}

// table is a table, and what is known of how it is fed.
type table struct {
	*dsl.Table
	name      fullName
	columns   []Column
	changes   string // what is the same in all flows of changes
	changesAt diag.Range
	remember  time.Duration // how long deletes are remembered
}

func newBuilder(opts Options, project Project, diags *diag.List) *builder {
	return &builder{opts: opts, project: project, own: cmp.Or(opts.Schema, project.Name), diags: diags, bySource: map[string]*dsl.Source{}, sources: map[diag.Range]*dsl.Source{}, declared: map[string]fullName{}, byName: map[string]*table{}, names: map[string]*table{}}
}

// scoped is a statement and what holds where it stands.
type scoped struct {
	*scope
	statement Statement
}

// file reads the statements of a file, and takes up the names of its tables.
func (b *builder) file(file, text string) {
	s := &scope{b.opts.Catalog, b.opts.Schema, inDuckDB.MatchString(text), maps.Clone(b.opts.Configuration)}
	if s.values == nil {
		s.values = map[string]string{}
	}
	for _, st := range Parse(file, text, b.diags) {
		switch x := st.(type) {
		case *Set:
			b.set(s, x)
		case *Use:
			b.use(s, x)
		case *CreateTable:
			b.name(s, x.Name)
		case *CreateView:
			b.name(s, x.Name)
		}
		b.read = append(b.read, scoped{s.clone(), st})
	}
}

// inDuckDB finds the comment that says which dialect the queries of a file are in, in front of its statements.
var inDuckDB = regexp.MustCompile(`(?i)^(\s*--.*\n)*\s*--\s*lakeflow:\s*dialect\s+duckdb\s*(\n|$)`)

// name takes up the name of a table. Mistakes in it are reported when it is declared.
func (b *builder) name(s *scope, n Name) {
	before := len(*b.diags)
	if f, ok := b.fullName(s, n); ok {
		if other, twice := b.declared[f.key()]; twice && !sameCatalog(other.catalog, f.catalog) {
			f.catalog = "" // which is reported then, and not for each of its readers
		}
		b.declared[f.key()] = f
	}
	*b.diags = (*b.diags)[:before]
}

// declareAll declares what the statements of all files do.
func (b *builder) declareAll() {
	for _, r := range b.read {
		s := r.scope
		switch x := r.statement.(type) {
		case *CreateTable:
			b.createTable(s, x)
		case *CreateView:
			b.createView(s, x)
		case *CreateFlow:
			b.flows = append(b.flows, declaredFlow{s, x.Name, x.Target, x.Flow, x.Head, x.Comment})
		case *ApplyChanges:
			b.flows = append(b.flows, declaredFlow{s, Name{}, x.Target, Flow{Changes: &x.Changes,
				Range: x.Range}, x.Head, nil})
		case *Refresh:
			flag := map[bool]string{true: "--refresh ", false: "--full-refresh "}[x.Full.IsZero()]
			b.diags.Errorf("LF0503", x.Range, "remove it, and say it when the pipeline runs: lakeflow run "+flag+lastPart(x.Name),
				"REFRESH is no statement of a pipeline")
		case *Alter:
			b.without(x.Range, "ALTER", "it is said of a table from outside of its pipeline",
				"say it where the table is created")
		}
	}
}

// lastPart is a name without those of its schema and catalog, for a message.
func lastPart(n Name) string {
	if len(n.Parts) == 0 {
		return "name"
	}
	return n.Parts[len(n.Parts)-1].Text
}

func (s *scope) clone() *scope {
	return &scope{s.catalog, s.schema, s.duckdb, maps.Clone(s.values)}
}

func (b *builder) set(s *scope, x *Set) {
	key := strings.ToLower(x.Key.Text)
	if x.Value != nil {
		s.values[x.Key.Text] = b.text(s, Text{x.Value.Text, x.Value.Range})
	}
	ofSpark := key != ansiMode && key != strings.ToLower(timeZone) && slices.ContainsFunc([]string{"spark.sql.", "spark.databricks.", "pipelines."},
		func(family string) bool { return strings.HasPrefix(key, family) })
	if x.Value == nil && !x.Flawed || ofSpark {
		b.without(x.Range, strings.TrimSpace("SET "+x.Key.Text), "it is a setting of Spark",
			"remove it; SET gives ${keys} their values")
	}
}

func (b *builder) use(s *scope, u *Use) {
	n, ok := b.parts(s, u.Name)
	switch {
	case !ok:
	case u.What.Text == "CATALOG":
		s.catalog, s.schema = n[len(n)-1], ""
	case len(n) > 1:
		s.catalog, s.schema = n[len(n)-2], n[len(n)-1]
	default:
		s.schema = n[0]
	}
}

// without warns of something that Databricks takes and that has no effect here.
func (b *builder) without(at diag.Range, what, why, help string) {
	b.diags.Notef("LF0523", at, help, "%s has no effect here: %s", what, why)
}

// refuse reports something that Databricks has and lakeflow does not.
func (b *builder) refuse(at diag.Range, help, format string, args ...any) {
	if !at.IsZero() {
		b.diags.Errorf("LF0522", at, help, format+", which lakeflow does not have", args...)
	}
}

// goodName reports whether a text may be the name of a schema, table or flow.
func goodName(name string) bool { return len(name) <= 255 && goodNames.MatchString(name) }

var goodNames = regexp.MustCompile(`^[\pL\pM\pN_-]+$`)

// pipeline puts it all together.
func (b *builder) pipeline() *dsl.Pipeline {
	b.declareAll()
	for _, f := range b.flows {
		b.flow(f)
	}
	p := &dsl.Pipeline{File: b.project.File, Dir: b.project.Dir, Name: b.project.Name, Mode: dsl.Triggered,
		Trigger: dsl.Trigger{Interval: dsl.DefaultInterval, MaxRows: dsl.DefaultBatchRows,
			MaxBytes: dsl.DefaultBatchBytes},
		Target:     dsl.Target{Warehouse: filepath.Join(b.project.Dir, "warehouse"), Schema: b.own},
		DeadLetter: dsl.DeadLetter{Table: dsl.DefaultDeadLetter}, Retention: dsl.Retention{Snapshots: dsl.DefaultSnapshots}}
	p.Sources = b.nameSources()
	for _, key := range slices.Sorted(maps.Keys(b.bySource)) {
		p.Sources = append(p.Sources, b.bySource[key])
	}
	for _, t := range b.tables {
		b.fed(t)
		p.Tables = append(p.Tables, t.Table)
	}
	if len(b.tables) == 0 && !b.diags.HasErrors() {
		b.diags.Errorf("LF0114", diag.Range{File: b.project.File},
			"write CREATE STREAMING TABLE … or CREATE MATERIALIZED VIEW … in one of its .sql files", "the pipeline has no tables")
	}
	return p
}

// nameSources gives the sources behind readers their names, and those to the queries.
func (b *builder) nameSources() []*dsl.Source {
	named := b.nameReaders()
	before := len(*b.diags)
	for _, again := range b.readings {
		again()
	}
	*b.diags = (*b.diags)[:before]
	return named
}

// fed checks that something feeds a table.
func (b *builder) fed(t *table) {
	if len(t.Flows) == 0 && !t.Flawed {
		b.diags.Errorf("LF0108", t.Range, "write AS and a query, or CREATE FLOW … AS INSERT INTO "+t.Name,
			"%q has no query, and no flow feeds it", t.Name)
		t.Flawed = true
	}
	if t.Flawed && t.Kind == dsl.StreamingTable {
		return
	}
	if t.Kind != dsl.StreamingTable && len(t.Flows) > 1 {
		b.diags.Errorf("LF0111", t.Flows[1].Range, "declare a STREAMING TABLE, or write one query with UNION ALL",
			"flows append to a streaming table, and %s is a %s",
			t.Name, strings.ReplaceAll(string(t.Kind), "_", " "))
	}
}
