package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// dialect is how CSV files are written. It is declared, or detected from the first file and remembered.
type dialect struct {
	Header    bool    `json:"header"`
	Delimiter string  `json:"delimiter"`
	Quote     string  `json:"quote"`
	Escape    string  `json:"escape"`
	Null      *string `json:"null,omitempty"`
	// Date and Timestamp are formats for strptime, where values are not ISO dates.
	Date      string `json:"date,omitempty"`
	Timestamp string `json:"timestamp,omitempty"`
}

// csvFormat reads CSV files. Columns are matched by the names in each file's header, in any order and letter case.
type csvFormat struct{}

// open settles the dialect and reads the header of every file.
func (c csvFormat) open(ctx context.Context, w *work) error {
	if w.state.CSV == nil {
		w.state.CSV = c.detect(ctx, w)
	}
	d := w.declared(*w.state.CSV)
	w.state.CSV = &d
	for _, f := range slices.Clone(w.files) {
		header, skip, err := readHeader(f.path, d)
		if err != nil {
			w.drop(f, err)
			continue
		}
		f.header, f.skip = w.columnNames(header, d), skip
	}
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
	if len(o.NullValues) > 0 {
		d.Null = &o.NullValues[0]
	}
	return d
}

// detect asks DuckDB about the first file that it understands. Quotes that do not occur there may do so later.
func (c csvFormat) detect(ctx context.Context, w *work) *dialect {
	o := w.src.cfg.CSV
	options := ""
	if o.Header != nil {
		options += fmt.Sprintf(", header=%t", *o.Header)
	}
	if o.Delimiter != "" {
		options += ", delim=" + literal(o.Delimiter)
	}
	if o.Quote != nil {
		options += ", quote=" + literal(*o.Quote)
	}
	if o.Escape != nil {
		options += ", escape=" + literal(*o.Escape)
	}
	for _, f := range sample(w.files) {
		if kind, _, err := sniffJSON(f.path, ""); err != nil || kind == jsonBlank {
			continue
		}
		var d dialect
		query := fmt.Sprintf("SELECT HasHeader, Delimiter, Quote, Escape FROM sniff_csv(%s, ignore_errors=true%s)", literal(globEscape.Replace(f.path)), options)
		if w.session.Conn.QueryRowContext(ctx, query).Scan(&d.Header, &d.Delimiter, &d.Quote, &d.Escape) != nil {
			continue
		}
		const absent = "(empty)"
		if d.Quote == absent {
			d.Quote = `"`
		}
		if d.Escape == absent {
			d.Escape = d.Quote
		}
		return &d
	}
	return &dialect{Header: true, Delimiter: ",", Quote: `"`, Escape: `"`}
}

// readHeader returns the fields of the file's first record that is not blank, and how many blank lines are before
// the header; no fields when there is nothing but spaces in the file.
func readHeader(path string, d dialect) (fields []string, skip int, err error) {
	err = readCSV(path, d, func(record []string) bool {
		if len(record) == 0 || len(record) == 1 && strings.TrimSpace(record[0]) == "" {
			skip++
			return true
		}
		fields = record
		return false
	})
	if err == nil && slices.ContainsFunc(fields, func(s string) bool { return !utf8.ValidString(s) }) {
		err = errors.New("its header is not valid UTF-8")
	}
	if !d.Header {
		skip = 0 // a blank line may be a record
	}
	return fields, skip, err
}

// columnNames makes unique names of a header. Without a header, columns are called as hinted, in order, then column5, column6.
func (w *work) columnNames(header []string, d dialect) []string {
	var out []string
	taken := map[string]bool{}
	for i, name := range header {
		switch {
		case !d.Header && i < len(w.src.hints):
			name = w.src.hints[i].Name
		case !d.Header || name == "":
			name = fmt.Sprintf("column%d", i)
		}
		unique := name
		for n := 1; taken[strings.ToLower(unique)]; n++ {
			unique = fmt.Sprintf("%s_%d", name, n)
		}
		taken[strings.ToLower(unique)] = true
		out = append(out, unique)
	}
	return out
}

// lacks returns the columns of the file that the schema does not have.
func lacks(t schemas.Table, header []string) []string {
	return slices.DeleteFunc(slices.Clone(header), func(name string) bool { return t.Column(name) != nil || jsonrecords.Reserved(name) })
}

// infer takes the columns and types from a sample of the records.
func (c csvFormat) infer(ctx context.Context, w *work) error {
	t, err := c.describe(ctx, w, sample(w.files), true)
	if err != nil {
		return err
	}
	w.state.Schema, _ = jsonrecords.Extend(nil, t)
	return nil
}

// evolve compares the headers of all files with the schema.
func (c csvFormat) evolve(ctx context.Context, w *work, mode Evolution) error {
	if mode == AddNewColumns {
		return c.addColumns(ctx, w)
	}
	for _, f := range w.files {
		unknown := lacks(w.state.Schema, f.header)
		switch {
		case len(unknown) == 0:
		case mode == Rescue:
			w.slow = append(w.slow, f)
		case mode == Fail:
			return newColumn(f.path, unknown[0])
		}
	}
	return nil
}

func (c csvFormat) addColumns(ctx context.Context, w *work) error {
	for {
		news := slices.DeleteFunc(slices.Clone(w.files), func(f *file) bool { return len(lacks(w.state.Schema, f.header)) == 0 })
		if len(news) == 0 {
			return nil
		}
		t, err := c.describe(ctx, w, sample(news), false)
		if err != nil {
			return err
		}
		schema, added := jsonrecords.Extend(w.state.Schema, t)
		w.added(schema, added)
	}
}

// reader is read_csv over files of one header. Its columns are those of the files.
func (c csvFormat) reader(w *work, files []*file, typed bool, more string) string {
	d := w.state.CSV
	var columns schemas.Table
	for _, name := range files[0].header {
		col := schemas.Column{Name: name, Type: schemas.Type{Kind: schemas.Varchar}}
		if known := w.state.Schema.Column(name); known != nil && typed && !nested(known.Type) {
			col.Type = known.Type
		}
		columns = append(columns, col)
	}
	options := fmt.Sprintf("auto_detect=false, hive_partitioning=false, header=%t, delim=%s, quote=%s, escape=%s, columns=%s",
		d.Header, literal(d.Delimiter), literal(d.Quote), literal(d.Escape), readerColumns(columns))
	if files[0].skip > 0 {
		options += fmt.Sprintf(", skip=%d", files[0].skip)
	}
	if d.Null != nil {
		options += ", nullstr=" + literal(*d.Null)
	}
	if d.Date != "" && typed {
		options += ", dateformat=" + literal(d.Date)
	}
	if d.Timestamp != "" && typed {
		options += ", timestampformat=" + literal(d.Timestamp)
	}
	return fmt.Sprintf("read_csv(%s, %s%s)", paths(files), options, more)
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

// fileIndex is the expression of a row's file number, and the option it needs: DuckDB's own unless a column is called like that.
func fileIndex(t schemas.Table, header []string, files []*file) (index, option string) {
	const own = "file_index"
	same := func(s string) bool { return strings.EqualFold(s, own) }
	if t.Column(own) == nil && !slices.ContainsFunc(header, same) {
		return own, ""
	}
	return "(list_position(" + pathTexts(files) + ", __lakeflow_file) - 1)", ", filename='__lakeflow_file'"
}

// strict is like jsonFormat.strict.
func (c csvFormat) strict(w *work, files []*file) string {
	var relations []string
	for _, group := range byHeader(files) {
		index, option := fileIndex(w.state.Schema, group[0].header, group)
		relations = append(relations, fmt.Sprintf("(SELECT %s, %s FROM %s AS __lakeflow_row WHERE __lakeflow_row IS NOT NULL)",
			strings.Join(c.columns(w, group[0].header), ", "), metadata(group, index), c.reader(w, group, true, option)))
	}
	return union(relations)
}

// columns are the schema's columns as expressions over the typed reader of files with this header.
func (c csvFormat) columns(w *work, header []string) []string {
	var out []string
	for _, col := range w.state.Schema {
		i := slices.IndexFunc(header, func(name string) bool { return strings.EqualFold(name, col.Name) })
		switch {
		case i < 0:
			out = append(out, fmt.Sprintf("CAST(NULL AS %s) AS %s", col.Type, quoted(col.Name)))
		case nested(col.Type):
			out = append(out, fmt.Sprintf("CAST(%s AS %s) AS %s", quoted(header[i]), col.Type, quoted(col.Name)))
		default:
			out = append(out, fmt.Sprintf("%s AS %s", quoted(header[i]), quoted(col.Name)))
		}
	}
	if w.rescues() {
		out = append(out, "NULL::VARCHAR AS "+jsonrecords.RescuedColumn)
	}
	return out
}
