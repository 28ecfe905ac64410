package dsl

import (
	"cmp"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/schemas"
)

// builder makes a Pipeline from a decoded file.
type builder struct {
	file, dir string
	opts      Options
	diags     *diag.List
	params    map[string]any
	hidden    *Secrets
}

func (b *builder) pipeline(s *specPipeline) *Pipeline {
	p := &Pipeline{Node: s.Node, File: b.file, Dir: b.dir, Secrets: b.hidden, Name: b.optionalName("pipeline", s.Name, s.At("name"), "")}
	p.Parameters = b.parameters(s)
	p.Description = b.shown(s.Description, s.At("description"))
	p.Mode, p.Trigger = Mode(cmp.Or(s.Mode, string(Triggered))), b.trigger(&s.Trigger)
	p.Retention = Retention{Node: s.Retention.Node, Snapshots: b.positive(s.Retention.Snapshots, s.Retention.At("snapshots"), defaultSnapshots)}
	p.Target = b.target(&s.Target, p.Name)
	p.DuckDB = b.duckdb(&s.DuckDB)
	p.DeadLetter = DeadLetter{Node: s.DeadLetter.Node}
	p.DeadLetter.Table = b.optionalName("table", s.DeadLetter.Table, s.DeadLetter.At("table"), "dead_letter")
	for _, name := range inOrder(s.Sources, func(x specSource) Node { return x.Node }) {
		x, before := s.Sources[name], len(*b.diags)
		source := b.source(name, &x)
		source.Flawed = source.Flawed || flawed((*b.diags)[before:])
		p.Sources = append(p.Sources, source)
	}
	for _, name := range inOrder(s.Tables, func(x specTable) Node { return x.Node }) {
		x := s.Tables[name]
		p.Tables = append(p.Tables, b.table(name, &x))
	}
	for _, name := range inOrder(s.Sinks, func(x specSink) Node { return x.Node }) {
		x, before := s.Sinks[name], len(*b.diags)
		sink := b.sink(name, &x)
		sink.Flawed = sink.Flawed || flawed((*b.diags)[before:])
		p.Sinks = append(p.Sinks, sink)
	}
	if _, ok := s.Fields["tables"]; ok && len(p.Tables) == 0 && s.Tables != nil {
		b.diags.Errorf("LF0114", s.At("tables"), "declare a table: name: {kind: materialized_view, sql: SELECT 1 AS one}", "the pipeline has no tables")
	}
	b.uniqueNames(p)
	return p
}

// inOrder gives the names of a mapping in the order of the file.
func inOrder[T any](m map[string]T, node func(T) Node) []string {
	return slices.SortedFunc(maps.Keys(m), func(x, y string) int {
		a, b := node(m[x]).Range.Start, node(m[y]).Range.Start
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(x, y))
	})
}

func (b *builder) target(s *specTarget, pipeline string) Target {
	return Target{
		Node:      s.Node,
		Warehouse: b.path(s.Warehouse, s.At("warehouse"), filepath.Join(b.dir, "warehouse")),
		Schema:    b.optionalName("schema", s.Schema, s.At("schema"), pipeline),
	}
}

func (b *builder) trigger(s *specTrigger) Trigger {
	return Trigger{
		Node:     s.Node,
		Interval: b.duration(s.Interval, s.At("interval"), defaultInterval),
		MaxRows:  b.positive(s.MaxRows, s.At("max_rows"), defaultBatchRows),
		MaxBytes: b.size(s.MaxBytes, s.At("max_bytes"), defaultBatchBytes),
	}
}

func (b *builder) duckdb(s *specDuckDB) DuckDB {
	d := DuckDB{Node: s.Node, Threads: b.positive(s.Threads, s.At("threads"), 0)}
	if at, ok := s.Fields["memory_limit"]; ok {
		if n := b.size(s.MemoryLimit, at, 0); n > 0 {
			d.MemoryLimit = humanBytes(n)
		}
	}
	d.TempDirectory = b.path(s.TempDirectory, s.At("temp_directory"), "")
	return d
}

func (b *builder) source(name string, s *specSource) *Source {
	b.name("source", name, s.Range)
	out := &Source{Node: s.Node, Name: name, Texts: s.Infer == "none", Evolution: Evolution(cmp.Or(s.Evolution, string(AddNewColumns)))}
	b.connector(name, s, out)
	for _, col := range inOrder(s.Schema, func(x specColumn) Node { return x.Node }) {
		c := s.Schema[col]
		switch {
		case c.Type == nil:
		case strings.TrimSpace(*c.Type) == "":
			b.diags.Errorf("LF0114", c.At("type"), "write a type, as in INTEGER, or remove the column", "the type of column %q is empty", col)
		case b.columnType(col, c) && b.columnName(col, c, out.Schema):
			out.Schema = append(out.Schema, ColumnHint{Node: c.Node, Name: col, Type: *c.Type})
		}
	}
	return out
}

// connectors are the keys of a source that say where it reads from.
var connectors = []string{"files", "kafka"}

// connector reads the configuration of the one connector of a source.
func (b *builder) connector(name string, s *specSource, out *Source) {
	var declared []string
	for _, key := range connectors {
		if _, ok := s.Fields[key]; ok {
			declared = append(declared, key)
		}
	}
	switch {
	case s.Fields == nil: // it is not a mapping, which is reported
	case len(declared) == 0:
		b.diags.Errorf("LF0152", s.Range, "add files: {path: …, format: …}, or kafka: {brokers: […], topic: …}", "the source %q does not say where it reads from", name)
	case len(declared) > 1:
		b.diags.Errorf("LF0152", s.At(declared[1]), "keep one, and declare another source for the other", "the source %q has both %s and %s", name, declared[0], declared[1])
	case declared[0] == "files":
		out.Files = b.files(&s.Files)
	case declared[0] == "kafka":
		out.Kafka = b.kafka(name, &s.Kafka)
	}
}

// typeNames are what is suggested for a type that does not exist.
var typeNames = []string{"BOOLEAN", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "VARCHAR", "BLOB", "UUID",
	"STRUCT", "MAP", "STRING", "TEXT", "SMALLINT", "TINYINT", "NUMERIC"}

const typeHelp = "write one of BOOLEAN, INTEGER, BIGINT, FLOAT, DOUBLE, DECIMAL(12,2), DATE, TIME, TIMESTAMP, TIMESTAMPTZ, VARCHAR, BLOB, UUID," +
	" STRUCT(a INTEGER, b VARCHAR), INTEGER[], MAP(VARCHAR, INTEGER)"

// columnType checks the type that is declared for a column.
func (b *builder) columnType(column string, c specColumn) bool {
	_, err := schemas.Storable(*c.Type)
	if err == nil {
		return true
	}
	help := typeHelp
	if s := diag.Suggest(strings.ToUpper(strings.TrimSpace(*c.Type)), typeNames); s != "" {
		help = "did you mean " + s + "?"
	}
	why := strings.TrimPrefix(err.Error(), "type "+*c.Type+": ")
	why, _, _ = strings.Cut(why, "; cast it")
	b.diags.Errorf("LF0118", c.At("type"), help, "%q is not a type for column %q: %s", *c.Type, column, why)
	return false
}

// columnName checks that a declared column is told from the others, as SQL does it.
func (b *builder) columnName(column string, c specColumn, before []ColumnHint) bool {
	for _, taken := range []string{"", "_metadata", "_rescued_data"} {
		if strings.EqualFold(column, taken) {
			b.diags.Errorf("LF0107", c.Range, "choose another name; the sources add _metadata and _rescued_data themselves", "the column name %q is taken", column)
			return false
		}
	}
	for _, other := range before {
		if strings.EqualFold(other.Name, column) {
			b.diags.Errorf("LF0107", c.Range, "remove one of them", "the columns %q and %q differ only in letter case, which SQL does not tell apart", other.Name, column)
			return false
		}
	}
	return true
}

const (
	defaultMaxFiles = 1000
	defaultMaxBytes = 1 << 30
	defaultRowGroup = 122880

	defaultInterval   = time.Second
	defaultBatchRows  = 500_000
	defaultBatchBytes = 64 << 20
	defaultSnapshots  = 100
)

func (b *builder) files(s *specFiles) *Files {
	f := &Files{Node: s.Node, Format: s.Format, AllowOverwrites: s.AllowOverwrites, MaxBytesPerBatch: defaultMaxBytes}
	f.Root, f.Path = b.dir, b.localPath(s.Path, s.At("path"), "")
	f.MaxFilesPerBatch = b.positive(s.MaxFiles, s.At("max_files_per_batch"), defaultMaxFiles)
	if at, ok := s.Fields["max_bytes_per_batch"]; ok {
		f.MaxBytesPerBatch = b.size(s.MaxBytes, at, defaultMaxBytes)
	}
	f.PartitionColumns = PartitionColumns{None: s.PartitionColumns.none, Names: s.PartitionColumns.names}
	f.CSV = b.csv(&s.CSV)
	f.JSON = JSON{Node: s.JSON.Node, Encoding: s.JSON.Encoding, NullValues: s.JSON.NullValues}
	for _, format := range []string{"csv", "json"} {
		if at, ok := s.Fields[format]; ok && s.Format != format && s.Format != "" {
			b.diags.Errorf("LF0115", at, "remove it, or write format: "+format, "%s options have no effect on %s files", format, s.Format)
		}
	}
	return f
}

func (b *builder) csv(s *specCSV) CSV {
	c := CSV{Node: s.Node, Header: s.Header, Quote: s.Quote, Escape: s.Escape, NullValues: s.NullValues, Encoding: s.Encoding,
		NullPadding: s.NullPadding}
	short := func(key string, v *string, least, most int) {
		if v != nil && (len(*v) < least || len(*v) > most) {
			b.diags.Errorf("LF0112", s.At(key), "write it in quotes, as in "+key+": \"|\"", "%s must have at least %d and at most %d characters", key, least, most)
		}
	}
	short("delimiter", s.Delimiter, 1, 4)
	short("quote", s.Quote, 0, 1)
	short("escape", s.Escape, 0, 1)
	short("comment", s.Comment, 0, 1)
	short("decimal_separator", s.DecimalSeparator, 1, 1)
	short("thousands", s.Thousands, 1, 1)
	for _, o := range []struct {
		from *string
		to   *string
	}{{s.Delimiter, &c.Delimiter}, {s.Comment, &c.Comment}, {s.DateFormat, &c.DateFormat}, {s.TimestampFormat, &c.TimestampFormat},
		{s.DecimalSeparator, &c.DecimalSeparator}, {s.Thousands, &c.Thousands}} {
		if o.from != nil {
			*o.to = *o.from
		}
	}
	b.strptime("date_format", c.DateFormat, s.At("date_format"))
	b.strptime("timestamp_format", c.TimestampFormat, s.At("timestamp_format"))
	if s.Skip != nil {
		skip := int(*s.Skip)
		c.Skip = &skip
		if *s.Skip < 0 {
			b.diags.Errorf("LF0112", s.At("skip"), "write how many lines stand before the header", "skip must be at least 0")
		}
	}
	b.numberSign("decimal_separator", c.DecimalSeparator, c, s)
	b.numberSign("thousands", c.Thousands, c, s)
	if c.Thousands != "" && c.Thousands == cmp.Or(c.DecimalSeparator, ".") {
		b.diags.Errorf("LF0112", s.At("thousands"), "write the character that stands between groups of three digits, and decimal_separator", "thousands and decimal_separator are both %q", c.Thousands)
	}
	return c
}

// numberSign refuses characters that mean something else in a number, or around it. The delimiter may stand in numbers in quotes.
func (b *builder) numberSign(key, char string, c CSV, s *specCSV) {
	if len(char) != 1 {
		return
	}
	quote := `"`
	if c.Quote != nil {
		quote = *c.Quote
	}
	escape := quote
	if c.Escape != nil {
		escape = *c.Escape
	}
	r := rune(char[0])
	switch {
	case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsControl(r), strings.Contains("+-"+quote+escape, char), r == ' ' && key == "decimal_separator":
		b.diags.Errorf("LF0112", s.At(key), "write the character that stands there in the numbers, as in "+key+": \",\"", "%s cannot be %q, which means something else in a number or around a field", key, char)
	}
}

// strptime checks the format of dates: DuckDB's letters, some of which may have a dash before them.
func (b *builder) strptime(key, format string, at diag.Range) {
	used := ""
	for rest := format; ; {
		_, after, more := strings.Cut(rest, "%")
		if !more {
			break
		}
		letters := "aAbBcdfgGhHIjmMnpSTuUVwWxXyYzZ%"
		size := 1
		if strings.HasPrefix(after, "-") {
			letters, size = "dHIjmMSy", 2
		}
		if len(after) < size || strings.IndexByte(letters, after[size-1]) < 0 {
			part := []rune(after)
			b.diags.Errorf("LF0112", at, "use the letters of strptime, such as %Y-%m-%d %H:%M:%S; a percent sign is %%", "%s has %q, which stands for no part of a date",
				key, "%"+string(part[:min(len(part), size)]))
			return
		}
		used += after[size-1 : size]
		rest = after[size:]
	}
	if format != "" {
		b.dateParts(key, used, at)
	}
}

// dateParts refuses formats of which DuckDB makes another time than was written, by their letters.
func (b *builder) dateParts(key, letters string, at diag.Range) {
	zoned := strings.ContainsAny(letters, "zZ")
	switch {
	case !strings.ContainsAny(letters, "YyGcx"):
		b.diags.Errorf("LF0112", at, "write the format of a whole date, as in %d.%m.%Y; TIME columns need none", "%s has no year: of what is written so no date is known", key)
	case zoned && key == "date_format":
		b.diags.Errorf("LF0112", at, "declare timestamp_format, and the column as TIMESTAMP WITH TIME ZONE", "%s has an offset, which a DATE does not take", key)
	case zoned && strings.Contains(letters, "n"):
		b.diags.Errorf("LF0112", at, "write %f in the place of %n", "%s has nanoseconds beside an offset, and a time with an offset has six digits of a second", key)
	}
}

// positive checks the number of an optional key.
func (b *builder) positive(n *int64, at diag.Range, otherwise int) int {
	if n == nil {
		return otherwise
	}
	if *n < 1 || *n > math.MaxInt32 {
		b.diags.Errorf("LF0112", at, "write a whole number of at least 1, or remove the key for the default", "%d is out of range", *n)
		return otherwise
	}
	return int(*n)
}

// size reads a number of bytes of an optional key.
func (b *builder) size(s specSize, at diag.Range, otherwise int64) int64 {
	written := b.text(s.text, at)
	if written == "" {
		return otherwise
	}
	n, err := humanize.ParseBytes(written)
	if err != nil || n < 1 || n > 1<<62 {
		b.diags.Errorf("LF0113", at, "write a number with a unit, as in 64MB or 1GiB", "%q is not a size", s.text)
		return otherwise
	}
	return int64(n)
}

// duration reads a length of time of an optional key.
func (b *builder) duration(s specDuration, at diag.Range, otherwise time.Duration) time.Duration {
	written := strings.TrimSpace(b.text(s.text, at))
	if written == "" {
		return otherwise
	}
	d, err := time.ParseDuration(written)
	if err != nil || d < time.Millisecond {
		b.diags.Errorf("LF0150", at, "write a number with a unit, of at least 1ms, as in 500ms, 30s or 1h", "%q is not a length of time", s.text)
		return otherwise
	}
	return d
}

// humanBytes spells a size in the largest of DuckDB's units that keeps it whole.
func humanBytes(n int64) string {
	units := []struct {
		size int64
		name string
	}{{1 << 40, "TiB"}, {1e12, "TB"}, {1 << 30, "GiB"}, {1e9, "GB"}, {1 << 20, "MiB"}, {1e6, "MB"}, {1 << 10, "KiB"}, {1e3, "KB"}}
	for _, u := range units {
		if n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
