package files

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// csvFormat reads CSV files. Columns are matched by the names in each file's header, in any order and letter case. All
// records are looked at by csvReader before DuckDB reads them: what the two may take for something else is read by
// csvReader alone.
type csvFormat struct{}

// open settles the dialect and reads the header of every file.
func (c csvFormat) open(_ context.Context, w *work) error {
	if w.state.CSV == nil {
		w.state.CSV = c.detect(w)
	}
	d := w.declared(*w.state.CSV)
	w.state.CSV = &d
	var known []string
	if w.state.Schema != nil {
		known = w.state.Schema.Names()
	}
	for _, f := range slices.Clone(w.files) {
		names, err := w.readHeader(f)
		if err == nil && d.Header && len(names) > 0 {
			if err = strangeHeader(names, known, d.Skip); err == nil && w.state.Schema == nil {
				known = append(known, names...)
			}
		}
		if err != nil {
			w.drop(f, err)
			continue
		}
		f.header = names
	}
	w.reportTitles()
	return nil
}

// declared puts what is declared over what was detected.
func (w *work) declared(d dialect) dialect {
	o := w.src.cfg.CSV
	if o.Header != nil {
		d.Header = *o.Header
	}
	d.Delimiter = cmp.Or(o.Delimiter, d.Delimiter)
	if o.Quote != nil {
		d.Quote = *o.Quote
	}
	if o.Escape != nil {
		d.Escape = *o.Escape
	}
	if o.Skip != nil {
		d.Skip = *o.Skip
	}
	d.Comment, d.NullPadding = o.Comment, o.NullPadding
	return d
}

// readHeader returns the names of the file's columns, none when there is nothing but spaces in it, and sets what stands
// before the first record.
func (w *work) readHeader(f *file) (names []string, err error) {
	t, err := w.openCSV(f)
	if err != nil {
		return nil, err
	}
	defer func() { err = t.finish(err) }()
	if head, _ := t.Peek(foreignHead); decoders[w.src.cfg.CSV.Encoding] == nil {
		if err := unread(head); err != nil {
			return nil, err
		}
	}
	if f.above, err = w.above(f); err != nil {
		return nil, err
	}
	d, r := *w.state.CSV, w.csvReader(t, f)
	rec, err := r.next()
	if rec == nil || err != nil {
		return nil, err
	}
	f.skip, f.odd = int(rec.line)-1, r.oddText
	if d.Header {
		f.skip += rec.lines
		f.odd = f.odd || rec.odd || rec.reason != "" || rec.lines > 1
	}
	fields := r.lenientFields(rec)
	if !d.Header && d.NullPadding { // the first record may lack some
		fields = append(fields, make([]string, max(w.positions(f)-len(fields), 0))...)
	}
	return w.columnNames(fields, d)
}

// positions is how many columns files without a header are known to have. Those from the file's folders are none of
// them, where they are declared last.
func (w *work) positions(f *file) int {
	n := len(w.src.hints)
	for ; n > 0; n-- {
		name := w.src.hints[n-1].Name
		if w.src.cfg.PartitionColumns.None || folderOf(f.rel, name) == nil {
			break
		}
	}
	for w.state.Schema.Column(w.unnamed(n)) != nil {
		n++
	}
	return n
}

// unnamed is the name of the column at this index, from 0, which no header and no declaration names.
func (w *work) unnamed(i int) string {
	return cmp.Or(w.src.cfg.CSV.Unnamed, "column") + strconv.Itoa(i)
}

// strangeHeader says why a header is none when it names no column that is known: then the file has no header, or
// another delimiter.
func strangeHeader(names, known []string, skip int) error {
	if len(known) == 0 {
		return nil
	}
	for _, name := range names {
		if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			return nil
		}
	}
	line := "its first line"
	if skip > 0 {
		line = fmt.Sprintf("its first line behind %s, which csv: {skip: %d} passes over,", counted(skip, "line"), skip)
	}
	return &unsupportedError{line + " names none of the source's columns: " + shortened(strings.Join(names, ", ")),
		"give it the header of the other files, or their delimiter, or read it as a source of its own"}
}

// columnNames makes unique names of a header. Without a header, columns are called as hinted, in order, then column5,
// column6.
func (w *work) columnNames(header []string, d dialect) ([]string, error) {
	if len(header) > maxColumns {
		return nil, tooManyColumns(len(header))
	}
	var out []string
	taken := map[string]bool{"__lakeflow_row": true, "__lakeflow_file": true, "__lakeflow_index": true}
	for i, name := range header {
		switch {
		case !d.Header && i < len(w.src.hints):
			name = w.src.hints[i].Name
		case !d.Header || name == "":
			name = w.unnamed(i)
		case !utf8.ValidString(name):
			return nil, w.notDecodable(name)
		case strings.ContainsRune(name, 0):
			return nil, &unsupportedError{fmt.Sprintf("the name %q in its header has a NUL byte", shortened(name)), "remove it"}
		}
		unique := name
		for n := 1; taken[strings.ToLower(unique)]; n++ {
			unique = fmt.Sprintf("%s_%d", name, n)
		}
		taken[strings.ToLower(unique)] = true
		out = append(out, unique)
	}
	return out, nil
}

// notDecodable says where a header is no UTF-8.
func (w *work) notDecodable(name string) error {
	if encoding := w.src.cfg.CSV.Encoding; decoders[encoding] != nil {
		return &unsupportedError{"its header has characters that are not valid in " + encoding + ": " + records.Shown(shortened(strings.ToValidUTF8(name, "?"))),
			"declare the encoding that it is written in, or correct the name"}
	}
	for i, r := range name {
		if r == utf8.RuneError && !strings.HasPrefix(name[i:], "\uFFFD") {
			return &unsupportedError{fmt.Sprintf("its header is not valid UTF-8: the name %s has the byte 0x%02x", records.Shown(shortened(strings.ToValidUTF8(name, "?"))), name[i]),
				"declare csv: {encoding: windows-1252} or latin-1, or save it as UTF-8"}
		}
	}
	return nil
}

// lacks returns those of the columns that the schema does not have.
func (w *work) lacks(header []string) []string {
	return slices.DeleteFunc(slices.Clone(header), func(name string) bool { return w.state.Schema.Column(name) != nil || w.own().Reserved(name) })
}

// infer takes the columns and types from all records of the files.
func (c csvFormat) infer(ctx context.Context, w *work) error {
	if err := c.check(ctx, w); err != nil {
		return err
	}
	t := c.unified(w, nil)
	for i := range t {
		if h := w.src.hints.Column(t[i].Name); h != nil {
			t[i].Name, t[i].Type = h.Name, h.Type
		}
	}
	if err := c.formatted(ctx, w, t); err != nil {
		return err
	}
	w.state.Schema = t
	return nil
}

// evolve compares the headers and records of all files with the schema.
func (c csvFormat) evolve(ctx context.Context, w *work, mode Evolution) error {
	if err := c.check(ctx, w); err != nil {
		return err
	}
	more := c.unified(w, w.state.Schema)
	switch {
	case len(more) == 0:
	case mode.Adds():
		if err := c.formatted(ctx, w, more); err != nil {
			return err
		}
		schema, added, clashes := jsonrecords.Extend(w.state.Schema, more, w.own())
		w.added(schema, added)
		if !mode.Rescues() {
			w.ignored(clashes...)
		}
	case mode == Fail:
		for _, f := range w.files {
			if unknown := w.lacks(f.header); len(unknown) > 0 {
				return newColumn(f.path, unknown[0])
			}
		}
	}
	c.balance(ctx, w)
	left := map[string]bool{}
	for _, f := range w.files {
		own := slices.DeleteFunc(slices.Clone(f.header), func(name string) bool { return !w.own().Reserved(name) })
		if f.csv != nil && (f.csv.odd || mode.Rescues() && len(w.lacks(f.header))+len(own) > 0) {
			w.slow = append(w.slow, f)
		}
		for _, name := range own {
			if !mode.Rescues() && !left[name] {
				left[name] = true
				w.ignored(name)
			}
		}
	}
	return ctx.Err()
}

// reader is read_csv over files of one header. Its columns are those of the files.
func (c csvFormat) reader(w *work, files []*file, typed bool, more string) string {
	d := w.state.CSV
	var columns schemas.Table
	for _, name := range files[0].header {
		col := schemas.Column{Name: name, Type: schemas.Type{Kind: schemas.Varchar}}
		if known := w.state.Schema.Column(name); known != nil && typed && readTyped(known.Type) {
			col.Type = known.Type
		}
		columns = append(columns, col)
	}
	options := fmt.Sprintf("auto_detect=false, hive_partitioning=false, header=false, skip=%d, delim=%s, quote=%s, escape=%s, nullstr=%s, columns=%s",
		files[0].skip, quote.Text(d.Delimiter), quote.Text(d.Quote), quote.Text(d.Escape), texts(append([]string{""}, w.src.cfg.CSV.NullValues...)), readerColumns(columns))
	return fmt.Sprintf("read_csv(%s, %s%s)", paths(files), options, more)
}

// texts is a list of texts.
func texts(items []string) string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = quote.Text(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// readTyped says whether read_csv makes the values. Of a TIMESTAMPTZ that does not fit it makes NULL, without a word,
// and of a BLOB's text it reads escapes.
func readTyped(t schemas.Type) bool {
	return !nested(t) && t.Kind != schemas.TimestampTZ && t.Kind != schemas.Blob
}

// nested types are read as text and cast.
func nested(t schemas.Type) bool {
	return t.Kind == schemas.Struct || t.Kind == schemas.List || t.Kind == schemas.Map
}

// byHeader groups the files that have the same columns at the same place; files with nothing in them are left out.
func byHeader(files []*file) [][]*file {
	index := map[string]int{}
	var groups [][]*file
	for _, f := range files {
		if len(f.header) == 0 {
			continue
		}
		key := fmt.Sprintf("%d\x00%s", f.skip, strings.Join(f.header, "\x00"))
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], f)
	}
	return groups
}

// numbered are files that one reader reads, the expression of a row's file number, and the option that this needs.
type numbered struct {
	files         []*file
	index, option string
}

// numberings finds how the rows of files tell their file: by DuckDB's own column, or by the file's name where a column
// of the source or of the files is called like that. Once the name has a column, DuckDB takes a filter by a column
// filename for one by the name: then each file has a reader.
func numberings(t schemas.Table, header []string, files []*file) []numbered {
	taken := func(name string) bool {
		return t.Column(name) != nil || slices.ContainsFunc(header, func(s string) bool { return strings.EqualFold(s, name) })
	}
	if !taken("file_index") {
		return []numbered{{files, "file_index", ""}}
	}
	if !taken("filename") {
		return []numbered{{files, "(list_position(" + pathTexts(files) + ", __lakeflow_file) - 1)", ", filename='__lakeflow_file'"}}
	}
	var out []numbered
	for _, f := range files {
		out = append(out, numbered{[]*file{f}, "0", ""})
	}
	return out
}

// strict is like jsonFormat.strict.
func (c csvFormat) strict(w *work, files []*file) string {
	var relations []string
	for _, group := range byHeader(files) {
		for _, n := range numberings(w.state.Schema, group[0].header, group) {
			relations = append(relations, fmt.Sprintf("(SELECT %s, %s FROM %s AS __lakeflow_row WHERE __lakeflow_row IS NOT NULL)",
				strings.Join(c.columns(w, group[0].header), ", "), w.metadata(n.files, n.index), c.reader(w, n.files, true, n.option)))
		}
	}
	return records.Union(relations)
}

// columns are the schema's columns as expressions over the typed reader of files with this header.
func (c csvFormat) columns(w *work, header []string) []string {
	var out []string
	for _, col := range w.state.Schema {
		i := slices.IndexFunc(header, func(name string) bool { return strings.EqualFold(name, col.Name) })
		switch {
		case i < 0:
			out = append(out, fmt.Sprintf("CAST(NULL AS %s) AS %s", col.Type, quote.Name(col.Name)))
		case col.Type.Kind == schemas.Blob:
			out = append(out, fmt.Sprintf("encode(%s) AS %s", quote.Name(header[i]), quote.Name(col.Name)))
		case !readTyped(col.Type):
			out = append(out, fmt.Sprintf("CAST(%s AS %s) AS %s", quote.Name(header[i]), col.Type, quote.Name(col.Name)))
		default:
			out = append(out, fmt.Sprintf("%s AS %s", quote.Name(header[i]), quote.Name(col.Name)))
		}
	}
	if w.rescues() {
		out = append(out, "NULL::VARCHAR AS "+jsonrecords.RescuedColumn)
	}
	return out
}
