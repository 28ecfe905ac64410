package project

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/files"
)

// world is what is made up for one pipeline: tables of somewhere else, folders in the place of paths, values of
// parameters, and columns of all that is read.
type world struct {
	t             *testing.T
	dir           string
	db            *sql.DB
	external      map[string]bool
	paths         map[string]string
	configuration map[string]string
	columns       map[string]*inputColumns // by source
}

// inputColumns are columns of one source, each with its place in kinds.
type inputColumns struct {
	names []string
	kind  map[string]int
	inner map[string][]string // the fields of those that are structs
	tried map[string]int
}

// kinds are the types that a column is tried with, with a value. Texts can be cast to most.
var kinds = []struct{ name, value string }{
	{"VARCHAR", "'1'"}, {"TIMESTAMP", "'2024-01-02 03:04:05'"}, {"DOUBLE", "1.5"}, {"BIGINT", "7"}, {"DATE", "'2024-01-02'"}, {"BOOLEAN", "true"},
	{"VARCHAR[]", "['1', '2']"}, {"BIGINT[]", "[1, 2]"}, {"STRUCT(id VARCHAR, name VARCHAR)[]", "[{id: '1', name: 'n'}]"},
}

func newWorld(t *testing.T, dir string) *world {
	return &world{t, dir, openDuckDB(t), map[string]bool{}, map[string]string{}, map[string]string{}, map[string]*inputColumns{}}
}

// write writes the file beside the pipeline that says what is where.
func (w *world) write() {
	var b strings.Builder
	section := func(key string, of map[string]string) {
		if len(of) > 0 {
			fmt.Fprintf(&b, "%s:\n", key)
		}
		for _, name := range slices.Sorted(maps.Keys(of)) {
			fmt.Fprintf(&b, "  %q: %s\n", name, of[name])
		}
	}
	external := map[string]string{}
	for name := range w.external {
		external[name] = fmt.Sprintf("{files: {path: %q, format: parquet}}", "external/"+name+"/*.parquet")
	}
	section("external", external)
	section("paths", w.paths)
	section("configuration", w.configuration)
	put(w.t, filepath.Join(w.dir, "lakeflow.yaml"), b.String())
}

var globs = strings.NewReplacer("**", "x", "*", "x", "?", "x", "[", "", "]", "", "{", "", "}", "")

// fill writes a file for each source of files.
func (w *world) fill(p *dsl.Pipeline) {
	for _, s := range p.Sources {
		o, ok := s.Options.(*files.Options)
		if !ok || o == nil || o.Path == "" {
			continue
		}
		path := o.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(w.dir, path)
		}
		if strings.HasSuffix(o.Path, "/") || filepath.Ext(path) == "" {
			name := o.Names
			if name == "" || name == "*" {
				name = "part." + o.Format
			}
			path = filepath.Join(path, name)
		}
		path = globs.Replace(path)
		if !strings.HasPrefix(path, w.dir) {
			continue // a folder of the machine
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		w.fillFile(s, o.Format, path)
	}
}

func (w *world) fillFile(s *dsl.Source, format, path string) {
	if format == "text" || format == "binary" {
		put(w.t, path, "1\n")
		return
	}
	c := w.of(s)
	var selected []string
	for _, name := range c.names {
		k := kinds[c.kind[name]]
		value := fmt.Sprintf("CAST(%s AS %s)", k.value, k.name)
		if fields := c.inner[name]; len(fields) > 0 {
			var inner []string
			for _, f := range fields {
				inner = append(inner, quote.Name(f)+": '1'")
			}
			if value = "{" + strings.Join(inner, ", ") + "}"; c.kind[name] == 8 {
				value = "[" + value + "]"
			}
		}
		selected = append(selected, value+" AS "+quote.Name(name))
	}
	if len(selected) == 0 {
		selected = []string{"'1' AS some_column"}
	}
	copied := map[string]string{"csv": "csv, HEADER", "parquet": "parquet"}[format]
	if copied == "" {
		copied = "json"
	}
	statement := fmt.Sprintf("COPY (SELECT %s) TO %s (FORMAT %s)", strings.Join(selected, ", "), quote.Text(path), copied)
	if _, err := w.db.Exec(statement); err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
}

// of are the columns of a source: at first those that it declares.
func (w *world) of(s *dsl.Source) *inputColumns {
	c := w.columns[s.Name]
	if c == nil {
		c = &inputColumns{kind: map[string]int{}, inner: map[string][]string{}, tried: map[string]int{}}
		for _, h := range s.Schema {
			c.names = append(c.names, h.Name)
			switch kind := strings.ToUpper(h.Type); {
			case strings.HasPrefix(kind, "TIMESTAMP"):
				c.kind[h.Name] = 1
			case strings.HasPrefix(kind, "DATE"):
				c.kind[h.Name] = 4
			case strings.HasPrefix(kind, "BOOL"):
				c.kind[h.Name] = 5
			}
		}
		w.columns[s.Name] = c
	}
	return c
}

var (
	unknownTable  = regexp.MustCompile(`^the pipeline does not declare (.+), and nothing says`)
	unknownPath   = regexp.MustCompile(`^(.+) is not on this machine`)
	unknownValue  = regexp.MustCompile(`^(?:\$\{(.+)\}|:(\w+)) has no value`)
	unknownColumn = regexp.MustCompile(`no column "([^"]+)"|column "([^"]+)" in EXCLUDE list not found|column "([^"]+)" referenced that exists in the SELECT clause|does not have a column named "([^"]+)"|no column (\w+)\b|have "([^"]+)", which the query does not give`)
	onOneSide     = regexp.MustCompile(`column "([^"]+)" does not exist on (left|right) side`)
	unknownAlias  = regexp.MustCompile(`table "([^"]+)" does not have a column`)
	noTable       = regexp.MustCompile(`referenced table "([^"]+)" not found`)
	timely        = regexp.MustCompile(`(?i)(_at|_ts|date|time|timestamp|_dt)$`)
	noList        = regexp.MustCompile(`UNNEST\(\) can only`)
	exploded      = regexp.MustCompile(`(?i)explode(?:_outer)?\(\s*(?:\w+\.)?(\w+)\s*\)`)
	field         = regexp.MustCompile(`\.(\w+)`)
	noTarget      = regexp.MustCompile(`^the flow feeds (\S+) in the pipeline's own schema`)
	unlike        = regexp.MustCompile(`same number of result columns`)
	noFormat      = "the format of the files cannot be told"
	pathText      = regexp.MustCompile(`["']([^"']+)["']`)
	word          = regexp.MustCompile("[A-Za-z_]\\w*|`[^`]+`")
)

// learn changes the world as the mistakes ask for, and is false when none does.
func (w *world) learn(p *dsl.Pipeline, diags diag.List) bool {
	learned := false
	for _, d := range diags {
		if d.Severity != diag.Error {
			continue
		}
		m := d.Message
		if found := unknownTable.FindStringSubmatch(m); found != nil && !w.external[found[1]] {
			w.external[found[1]], learned = true, true
		} else if found := unknownPath.FindStringSubmatch(m); found != nil && w.paths[found[1]] == "" {
			w.paths[found[1]], learned = fmt.Sprintf("./paths/%d", len(w.paths)), true
		} else if found := unknownValue.FindStringSubmatch(m); found != nil && w.configuration[found[1]+found[2]] == "" {
			w.configuration[found[1]+found[2]], learned = `"1"`, true
		} else if found := noTarget.FindStringSubmatch(m); found != nil && !w.external[found[1]] {
			w.external[found[1]], learned = true, true
			put(w.t, filepath.Join(w.dir, "target_"+found[1]+".sql"), "CREATE STREAMING TABLE "+found[1]+";")
		} else if strings.HasPrefix(m, noFormat) && w.addFile(d.Range) {
			learned = true
		}
	}
	if learned {
		return true
	}
	for _, d := range diags {
		if d.Severity == diag.Error && w.learnColumn(p, d) {
			learned = true
		}
	}
	return learned
}

func (w *world) learnColumn(p *dsl.Pipeline, d diag.Diagnostic) bool {
	t := tableOf(p, tableAt(p, d.Range))
	if t == nil || !strings.HasPrefix(d.Code, "LF02") && !strings.HasPrefix(d.Code, "LF01") {
		return false
	}
	if found := unknownColumn.FindStringSubmatch(d.Message); found != nil {
		alias := ""
		if a := unknownAlias.FindStringSubmatch(d.Message); a != nil {
			alias = a[1]
		}
		return w.addColumn(p, t, alias, strings.Join(found[1:], ""))
	}
	if found := onOneSide.FindStringSubmatch(d.Message); found != nil {
		for learned := false; ; learned = true {
			if !w.addColumn(p, t, "", found[1]) {
				return learned
			}
		}
	}
	if strings.Contains(d.Message, "SELECT list is empty") {
		return w.addColumn(p, t, "", "some_column")
	}
	if unlike.MatchString(d.Message) {
		return w.alike(p, t)
	}
	written := w.written(d.Range)
	if found := noTable.FindStringSubmatch(d.Message); found != nil {
		parts := strings.Split(strings.ReplaceAll(written, "`", ""), ".")
		if len(parts) < 2 || !strings.EqualFold(parts[0], found[1]) {
			return false
		}
		return w.addField(p, t, parts[0], parts[1])
	}
	if noList.MatchString(d.Message) {
		written = ""
		for _, f := range t.Flows {
			for _, m := range exploded.FindAllStringSubmatch(f.SQL.Raw, -1) {
				written += " " + m[1]
				w.fields(p, t, m[1], field.FindAllStringSubmatch(f.SQL.Raw, -1))
			}
		}
	}
	for _, name := range word.FindAllString(written, -1) {
		if w.otherKind(p, t, strings.Trim(name, "`")) {
			return true
		}
	}
	return false
}

// alike has all inputs of a query have the same columns.
func (w *world) alike(p *dsl.Pipeline, t *dsl.Table) (learned bool) {
	inputs := w.inputs(p, t, "", map[string]bool{})
	for _, s := range inputs {
		for _, name := range w.of(s).names {
			for w.addColumn(p, t, "", name) {
				learned = true
			}
		}
	}
	return learned
}

// addColumn adds a column to the input that a query means, or to one that a table which it reads has all columns of.
func (w *world) addColumn(p *dsl.Pipeline, t *dsl.Table, alias, name string) bool {
	for _, s := range w.inputs(p, t, alias, map[string]bool{}) {
		c := w.of(s)
		if slices.ContainsFunc(c.names, func(n string) bool { return strings.EqualFold(n, name) }) {
			continue
		}
		c.names = append(c.names, name)
		if timely.MatchString(name) && !castToNumber(t, name) {
			c.kind[name] = 1
		}
		return true
	}
	return false
}

func castToNumber(t *dsl.Table, name string) bool {
	is := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(name) + `\s+as\s+(int|long|bigint)`)
	return slices.ContainsFunc(t.Flows, func(f *dsl.Flow) bool { return f.SQL != nil && is.MatchString(f.SQL.Raw) })
}

func (w *world) addField(p *dsl.Pipeline, t *dsl.Table, name, field string) bool {
	w.addColumn(p, t, "", name)
	for _, s := range w.inputs(p, t, "", map[string]bool{}) {
		c := w.of(s)
		if slices.Contains(c.names, name) && !slices.Contains(c.inner[name], field) {
			c.inner[name] = append(c.inner[name], field)
			return true
		}
	}
	return false
}

// fields makes the elements of a column structs with these fields, when it comes to that.
func (w *world) fields(p *dsl.Pipeline, t *dsl.Table, name string, fields [][]string) {
	for _, s := range w.inputs(p, t, "", map[string]bool{}) {
		c := w.of(s)
		for _, m := range fields {
			if slices.Contains(c.names, name) && !slices.Contains(c.inner[name], m[1]) {
				c.inner[name] = append(c.inner[name], m[1])
			}
		}
		if slices.Contains(c.names, name) {
			c.kind[name] = len(kinds) - 2
		}
	}
}

// addFile puts a file where the format is to be told from the files that are there.
func (w *world) addFile(at diag.Range) bool {
	for _, m := range pathText.FindAllStringSubmatch(w.written(at), -1) {
		for prefix, to := range w.paths {
			rest, ok := strings.CutPrefix(m[1], prefix)
			file := filepath.Join(w.dir, to, rest, "part.csv")
			if _, err := os.Stat(file); ok && err != nil {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					w.t.Fatal(err)
				}
				put(w.t, file, "some_column\n1\n")
				return true
			}
		}
	}
	return false
}

// otherKind tries the next type of a column.
func (w *world) otherKind(p *dsl.Pipeline, t *dsl.Table, name string) bool {
	for _, s := range w.inputs(p, t, "", map[string]bool{}) {
		c := w.of(s)
		for _, n := range c.names {
			if strings.EqualFold(n, name) && c.tried[n] < len(kinds)-1 {
				c.tried[n]++
				c.kind[n] = (c.kind[n] + 1) % len(kinds)
				return true
			}
		}
	}
	return false
}

// inputs are the sources that a query reads, those of the alias only if there is one; then those that the tables read
// which it reads.
func (w *world) inputs(p *dsl.Pipeline, t *dsl.Table, alias string, seen map[string]bool) (all []*dsl.Source) {
	if seen[t.Name] {
		return nil
	}
	seen[t.Name] = true
	means := func(name string) bool {
		if alias == "" || strings.EqualFold(alias, name) {
			return true
		}
		is := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(name) + `"?\)?\s+(AS\s+)?"?` + regexp.QuoteMeta(alias) + `\b`)
		return slices.ContainsFunc(t.Flows, func(f *dsl.Flow) bool { return f.SQL != nil && is.MatchString(f.SQL.Text) })
	}
	names := w.reads(p, t)
	for _, s := range p.Sources {
		if slices.Contains(names, s.Name) && means(s.Name) {
			all = append(all, s)
		}
	}
	for _, other := range p.Tables {
		if slices.Contains(names, other.Name) && means(other.Name) {
			all = append(all, w.inputs(p, other, "", seen)...)
		}
	}
	if len(all) == 0 && alias != "" {
		delete(seen, t.Name)
		return w.inputs(p, t, "", seen)
	}
	return all
}

// reads are the names of the relations that occur in the queries of a table.
func (w *world) reads(p *dsl.Pipeline, t *dsl.Table) (names []string) {
	for _, f := range t.Flows {
		if f.SQL == nil {
			continue
		}
		occurs := func(name string) bool {
			is := regexp.MustCompile(`(?i)(^|[^\w])"?` + regexp.QuoteMeta(name) + `"?($|[^\w])`)
			return name != t.Name && (is.MatchString(f.SQL.Text) || strings.Contains(f.SQL.Text, quote.Name(name)))
		}
		for _, s := range p.Sources {
			if occurs(s.Name) {
				names = append(names, s.Name)
			}
		}
		for _, other := range p.Tables {
			if occurs(other.Name) {
				names = append(names, other.Name)
			}
		}
	}
	return names
}

func (w *world) hasTopics(p *dsl.Pipeline) bool {
	return slices.ContainsFunc(p.Sources, func(s *dsl.Source) bool { return s.Connector != "files" })
}

func tableOf(p *dsl.Pipeline, name string) *dsl.Table {
	for _, t := range p.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// written is the text at a place, at most its first line.
func (w *world) written(at diag.Range) string {
	text, err := os.ReadFile(at.File)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(text), "\n")
	if at.Start.Line < 1 || at.Start.Line > len(lines) {
		return ""
	}
	line := []rune(lines[at.Start.Line-1])
	end := len(line)
	if at.End.Line == at.Start.Line {
		end = min(end, at.End.Column-1)
	}
	return string(line[min(at.Start.Column-1, end):end])
}
