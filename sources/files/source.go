// Package files reads local folders and globs of JSON, CSV and Parquet files. Every file is read once: what was read is
// kept in marks, one per file, and the columns in the position. Reading is strict and fast as long as all records fit;
// when one does not, Repair reads the files that have such records again, record by record, and sets aside those that
// are to blame.
package files

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// Config is what a source is made of: its options, and what else is said of it. Options that are zero have their
// defaults.
type Config struct {
	Options
	Name string // of the source
	Root string // absolute: the folder that a relative Path starts in, by its letters
	// Outside are folders, absolute and clean, whose files are not the source's wherever they lie: what lakeflow writes
	// itself.
	Outside   []string
	Hints     []Hint
	Evolution Evolution // empty means add_new_columns
	// Texts says that columns that are inferred from JSON and CSV are texts.
	Texts bool
	// Declared says that the columns are those of Hints. Evolution is about all others.
	Declared bool
}

// Hint gives the type of one column, in DuckDB's spelling.
type Hint struct{ Name, Type string }

// Evolution is what happens when a file has a column that the source does not have.
type Evolution = sources.Evolution

// The evolution modes.
const (
	AddNewColumns = sources.AddNewColumns
	AddAndRescue  = sources.AddAndRescue
	Rescue        = sources.Rescue
	Fail          = sources.Fail
	None          = sources.None
)

// Source reads the files of one Config.
type Source struct {
	cfg     Config
	hints   schemas.Table
	root    string // the folder that marks are relative to
	pattern string // a glob relative to root; empty: everything of the format's extensions
	format  format
	after   int64 // files that were changed later are read, in nanoseconds; 0: all
	before  int64 // those that were changed earlier
	// skip are files without permission to read, already reported by this process.
	skip map[string]bool
	// next and snapshot are the temporary files of the last batch of each kind.
	next, snapshot records.Temps
	inferred       inference
	whole          map[string]mark // compressed files that are whole, by path
	gone           bool            // that the folder is not there was told
	told           map[string]bool // extensions of files that are passed over, as they were told
}

// format is what differs between JSON, CSV and Parquet. The methods set aside files that turn out to be corrupt with
// work.drop.
type format interface {
	// open looks at the head of every file of the work.
	open(ctx context.Context, w *work) error
	// infer finds the columns of a sample of the work's files.
	infer(ctx context.Context, w *work) error
	// evolve compares the columns of all files with w.state.Schema as the mode demands, and finds out which can't be
	// read strictly.
	evolve(ctx context.Context, w *work, mode Evolution) error
	// strict is the relation that fails when a record of the files does not fit; empty when there is nothing to read.
	strict(w *work, files []*file) string
	// tolerant reads the files, which failed to be read strictly, record by record: it returns a relation of
	// the good records and one of the rejects.
	tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error)
}

// New checks the configuration and returns the source. It does not touch the files.
func New(cfg Config) (*Source, error) {
	s := &Source{cfg: cfg, skip: map[string]bool{}, told: map[string]bool{}}
	if s.cfg.MaxFiles <= 0 {
		s.cfg.MaxFiles = 1000
	}
	if s.cfg.MaxBytes <= 0 {
		s.cfg.MaxBytes = 1 << 30
	}
	if s.cfg.CSV.DecimalSeparator == "." { // which numbers have anyway
		s.cfg.CSV.DecimalSeparator = ""
	}
	if s.cfg.Evolution == "" {
		s.cfg.Evolution = AddNewColumns
	}
	if err := s.cfg.Evolution.Check(); err != nil {
		return nil, err
	}
	switch cfg.Format {
	case "json":
		s.format = jsonFormat{}
	case "csv":
		s.format = csvFormat{}
	case "parquet":
		s.format = parquetFormat{}
	case "text":
		s.format = textFormat{}
	case "binary":
		s.format = binaryFormat{}
	case "debezium":
		f, err := newDebezium(s.cfg)
		if err != nil {
			return nil, err
		}
		s.format = f
	default:
		return nil, fmt.Errorf("format %q is unknown; write json, csv, parquet, text, binary or debezium", cfg.Format)
	}
	var wrong diag.List
	s.after, s.before = readTime(cfg.ModifiedAfter, &wrong), readTime(cfg.ModifiedBefore, &wrong)
	if len(wrong) > 0 {
		return nil, fmt.Errorf("%s; %s", wrong[0].Message, wrong[0].Help)
	}
	for _, h := range cfg.Hints {
		t, err := schemas.Storable(h.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", h.Name, err)
		}
		if s.own().Reserved(h.Name) || slices.ContainsFunc(s.hints, func(c schemas.Column) bool { return c.Name == h.Name }) {
			return nil, fmt.Errorf("the column name %q is taken; choose another", h.Name)
		}
		s.hints = append(s.hints, schemas.Column{Name: h.Name, Type: t})
	}
	if fixed := fixedColumns[cfg.Format]; fixed != nil && len(cfg.Hints) > 0 {
		return nil, fmt.Errorf("schema: format %s has the columns %s; leave the schema out", cfg.Format, fixed.SQLColumns())
	}
	if cfg.Format == "debezium" {
		s.hints = withMeta(s.hints)
	}
	if !filepath.IsAbs(cfg.Path) && !filepath.IsAbs(cfg.Root) {
		return nil, fmt.Errorf("the path %s must be absolute, or the folder that it starts in", cfg.Path)
	}
	return s, s.splitPath()
}

// recordwise says whether records are JSON, which are read one by one where need be.
func (s *Source) recordwise() bool { return s.cfg.Format == "json" || s.cfg.Format == "debezium" }

// splitPath separates the folder to walk from the pattern below it. Whether a path without wildcards is a
// file or a folder is seen when it is listed.
func (s *Source) splitPath() error {
	root := filepath.Clean(s.cfg.Path)
	if strings.ContainsAny(root, "*?[{") { // else its backslashes are letters, too
		if !doublestar.ValidatePattern(root) {
			return fmt.Errorf("path: %s is not a valid glob; close its brackets, or write \\[ and \\{ for those that are part of a name", s.cfg.Path)
		}
		name, literal := unescaped(root)
		if !literal {
			_, s.pattern = doublestar.SplitPattern(root)
			name, _ = unescaped(root[:len(root)-len(s.pattern)])
		}
		root = filepath.Clean(name)
	}
	s.root = root
	if !filepath.IsAbs(root) {
		s.root = filepath.Join(s.cfg.Root, root)
	}
	return nil
}

// unescaped is the name that a glob stands for, when it stands for no other: one with \[ or [[] for a bracket.
func unescaped(glob string) (name string, ok bool) {
	var out strings.Builder
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '\\' && i+1 < len(glob):
			i++
		case c == '[' && i+2 < len(glob) && glob[i+2] == ']' && glob[i+1] != '\\':
			out.WriteByte(glob[i+1])
			i += 2
			continue
		case strings.IndexByte("*?[{", c) >= 0:
			return "", false
		}
		out.WriteByte(glob[i])
	}
	return out.String(), true
}

// Folders returns the folder that the source's files are in.
func (s *Source) Folders() []string {
	root, _ := s.base()
	return []string{root}
}

// Rewind returns a position that remembers the columns of p, and no files.
func (s *Source) Rewind(p sources.Position) (sources.Position, error) {
	st, err := decodeState(p, s)
	if err != nil {
		return nil, err
	}
	return state{Schema: st.Schema, CSV: st.CSV, Partitions: st.Partitions}.encode()
}

func (s *Source) own() jsonrecords.Own { return jsonrecords.Own{Rescues: s.cfg.Evolution.Rescues()} }

// visible is the schema that queries see.
func (s *Source) visible(t schemas.Table) schemas.Table {
	return records.Visible(t, s.cfg.Evolution.Rescues())
}

// outward are the columns that the source is seen with: what was rescued has the name that is declared.
func (s *Source) outward(t schemas.Table) (schemas.Table, error) {
	name := s.rescued()
	if name == "" {
		return s.visible(t), nil
	}
	if t.Column(name) != nil {
		return nil, fmt.Errorf("rescued_column: the files have a column %s; choose another name", name)
	}
	t = s.visible(t)
	for i := range t {
		if t[i].Name == jsonrecords.RescuedColumn {
			t[i].Name = name
		}
	}
	return t, nil
}

// rescued is the name of the column for what was rescued, where it is another one than in the relations of the formats.
func (s *Source) rescued() string {
	if name := s.cfg.Rescued; s.cfg.Evolution.Rescues() && name != jsonrecords.RescuedColumn {
		return name
	}
	return ""
}

// Close removes the temporary files of the last batches.
func (s *Source) Close() error {
	s.next.Remove()
	s.snapshot.Remove()
	return nil
}
