package sqlfile

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
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
	// Connectors are those that read_files(…) and the like can use.
	Connectors dsl.Connectors
	// Dir is the folder in which relative paths start, to look for files when the format of files is not given.
	Dir string
	// Paths are folders on this machine for what paths begin with: s3://bucket/raw, /Volumes/main/raw/landing.
	Paths map[string]string
	// Brokers are the addresses of brokers by topic. They win over those in the queries.
	Brokers map[string][]string
}

// Load reads the pipeline that the .sql files of a folder declare, and those of folders in it, in the order of their
// names. What a pipeline declares does not depend on it.
//
// All mistakes in the files are in the list, sorted. With errors in the list the pipeline holds what could be made of
// the files. The error is a failure to read the folder or a file.
func Load(dir string, opts Options) (*dsl.Pipeline, diag.List, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("read pipeline: %w", err)
	}
	var diags diag.List
	b := newBuilder(opts, &diags)
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.EqualFold(filepath.Ext(path), ".sql") {
			return err
		}
		content, err := option.ReadLimited(path)
		if err != nil {
			return err
		}
		if text, ok := checkText(path, content, &diags); ok {
			b.file(path, text)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read pipeline: %w", err)
	}
	p := b.pipeline(dir, absolute)
	diags.Sort()
	return p, diags, nil
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
	values          map[string]string // by key
}

// builder makes a pipeline of the statements of its files.
type builder struct {
	opts    Options
	diags   *diag.List
	tables  []*table
	byName  map[string]*table
	flows   []declaredFlow    // whose tables may be declared in any file
	names   map[string]*table // by the name of a flow
	readers readers
}

// table is a table, and what is known of how it is fed.
type table struct {
	*dsl.Table
	name      fullName
	changes   string // what is the same in all flows of changes
	changesAt diag.Range
	remember  time.Duration // how long deletes are remembered
}

func newBuilder(opts Options, diags *diag.List) *builder {
	return &builder{opts: opts, diags: diags, byName: map[string]*table{}, names: map[string]*table{}}
}

// file reads the statements of a file.
func (b *builder) file(file, text string) {
	s := &scope{b.opts.Catalog, b.opts.Schema, maps.Clone(b.opts.Configuration)}
	if s.values == nil {
		s.values = map[string]string{}
	}
	for _, st := range Parse(file, text, b.diags) {
		switch x := st.(type) {
		case *Set:
			if x.Value != nil {
				s.values[x.Key.Text] = b.text(s, Text{x.Value.Text, x.Value.Range})
			}
		case *Use:
			b.use(s, x)
		case *CreateTable:
			b.createTable(s, x)
		case *CreateView:
			b.createView(s, x)
		case *CreateFlow:
			b.flows = append(b.flows, declaredFlow{s.clone(), x.Name, x.Target, x.Flow, x.Head})
		case *ApplyChanges:
			b.flows = append(b.flows, declaredFlow{s.clone(), Name{}, x.Target, Flow{Changes: &x.Changes,
				Range: x.Range}, x.Head})
		case *Refresh:
			b.without(x.Range, "REFRESH", "it is said of a table from outside of its pipeline",
				"remove it; lakeflow run refreshes what has changed, with --full-refresh all of it")
		case *Alter:
			b.without(x.Range, "ALTER", "it is said of a table from outside of its pipeline",
				"say it where the table is created")
		}
	}
}

func (s *scope) clone() *scope {
	return &scope{s.catalog, s.schema, maps.Clone(s.values)}
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
	b.diags.Warnf("LF0523", at, help, "%s has no effect here: %s", what, why)
}

// refuse reports something that Databricks has and lakeflow does not.
func (b *builder) refuse(at diag.Range, help, format string, args ...any) {
	if !at.IsZero() {
		b.diags.Errorf("LF0522", at, help, format+", which lakeflow does not have", args...)
	}
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// pipeline puts it all together.
func (b *builder) pipeline(dir, absolute string) *dsl.Pipeline {
	name := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9_]+`).ReplaceAllString(filepath.Base(absolute), "_"), "_")
	if !identifier.MatchString(name) {
		name = "pipeline"
	}
	for _, f := range b.flows {
		b.flow(f)
	}
	p := &dsl.Pipeline{File: dir, Dir: absolute, Name: name, Mode: dsl.Triggered,
		Trigger: dsl.Trigger{Interval: dsl.DefaultInterval, MaxRows: dsl.DefaultBatchRows,
			MaxBytes: dsl.DefaultBatchBytes},
		Target:     dsl.Target{Warehouse: filepath.Join(absolute, "warehouse"), Schema: b.schema(name)},
		DeadLetter: dsl.DeadLetter{Table: dsl.DefaultDeadLetter}, Retention: dsl.Retention{Snapshots: dsl.DefaultSnapshots}}
	for _, t := range b.tables {
		b.fed(t)
		p.Tables = append(p.Tables, t.Table)
	}
	if len(b.tables) == 0 && !b.diags.HasErrors() {
		b.diags.Errorf("LF0114", diag.Range{File: dir},
			"write CREATE STREAMING TABLE … or CREATE MATERIALIZED VIEW … in a .sql file of it", "the folder has no tables")
	}
	return p
}

// schema is the one that all tables are in. More than one is reported, and so are several catalogs.
func (b *builder) schema(otherwise string) string {
	var first, cataloged *table // the first, and the first of which the catalog is told
	for _, t := range b.tables {
		differs := func(o *table) bool {
			return !strings.EqualFold(t.name.schema, o.name.schema) ||
				t.name.catalog != "" && o.name.catalog != "" && !strings.EqualFold(t.name.catalog, o.name.catalog)
		}
		if first == nil {
			first = t
		}
		if cataloged == nil && t.name.catalog != "" {
			cataloged = t
		}
		for _, o := range []*table{first, cataloged} {
			if o != nil && differs(o) {
				b.diags.Errorf("LF0521", t.Range, "declare the tables of each schema in a folder of their own",
					"%s is in %s, and %s is in %s: a pipeline has one schema", t.Name, t.name.place(), o.Name, o.name.place())
				return otherwise
			}
		}
	}
	if first != nil && first.name.schema != "" {
		return first.name.schema
	}
	return otherwise
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
