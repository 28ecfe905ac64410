package files

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/records"
	"github.com/lakeflow/lakeflow/sources/values"
)

// csvFound is what a look at all records of a file has found.
type csvFound struct {
	records int64
	// guesses are what the columns hold of which no type is known, by the index in the header.
	guesses []values.Guess
	// odd says that DuckDB may read a record otherwise, or that one is no good, or may not fit: the file is read record
	// by record.
	odd bool
	// folded says that a record takes several lines.
	folded bool
}

// openCSV opens the file as text.
func (w *work) openCSV(f *file) (*textFile, error) {
	return openEncoded(f.path, w.src.cfg.CSV.Encoding)
}

// csvReader begins behind the lines that are passed over.
func (w *work) csvReader(t *textFile, f *file) *csvReader {
	r := newCSVReader(t.Reader, *w.state.CSV)
	r.decoded = decoders[w.src.cfg.CSV.Encoding] != nil
	for range f.above {
		length, size := r.lineEnd(0)
		if size == 0 {
			break
		}
		r.oddText = r.oddText || r.quote != 0 && bytes.IndexByte(r.window[r.pos:r.pos+length], r.quote) >= 0
		r.step(size, 1)
	}
	return r
}

// eachRecord calls yield for every record of the file behind its header, until it returns false.
func (w *work) eachRecord(f *file, yield func(*csvRecord) bool) (err error) {
	t, err := w.openCSV(f)
	if err != nil {
		return err
	}
	defer func() { err = t.finish(err) }()
	r := w.csvReader(t, f)
	defer func() { f.odd = f.odd || r.oddText }()
	for header := w.state.CSV.Header; ; header = false {
		rec, err := r.next()
		if rec == nil || err != nil {
			return err
		}
		if header {
			r.want = len(f.header)
			continue
		}
		if r.want == 0 { // there is no header, and this is the first record
			r.want = len(f.header)
			rec.reason = r.reasonOf(len(rec.fields))
		}
		rec.offset = t.origin(rec.offset)
		if !yield(rec) {
			return nil
		}
	}
}

// fieldTypes are the types of the columns of a header, nil where none is known.
func (w *work) fieldTypes(header []string) []*schemas.Type {
	known := w.state.Schema
	if known == nil {
		known = w.src.hints
	}
	types := make([]*schemas.Type, len(header))
	for i, name := range header {
		if c := known.Column(name); c != nil {
			types[i] = &c.Type
		} else if w.src.cfg.Texts {
			types[i] = &schemas.Type{Kind: schemas.Varchar}
		}
	}
	return types
}

// check looks at all records of the files that were not looked at yet. Files that can't be read to their end are
// dropped, and files that DuckDB must not read are to be read record by record.
func (c csvFormat) check(ctx context.Context, w *work) error {
	todo := slices.DeleteFunc(slices.Clone(w.files), func(f *file) bool { return f.csv != nil || len(f.header) == 0 })
	found, causes := make([]*csvFound, len(todo)), make([]error, len(todo))
	eachFile(todo, func(i int, f *file) { found[i], causes[i] = c.look(ctx, w, f) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for i, f := range todo {
		if causes[i] != nil {
			w.drop(f, causes[i])
			continue
		}
		f.csv = found[i]
		if compressed(f.path) {
			w.verified(f)
		}
	}
	return nil
}

// look is check for one file.
func (csvFormat) look(ctx context.Context, w *work, f *file) (*csvFound, error) {
	types, nulls := w.fieldTypes(f.header), w.src.cfg.CSV.NullValues
	found := &csvFound{guesses: make([]values.Guess, len(f.header)), odd: f.odd || w.src.cfg.CSV.bySelf()}
	numbers := w.src.cfg.CSV.numbers()
	err := w.eachRecord(f, func(rec *csvRecord) bool {
		found.records++
		found.odd = found.odd || rec.odd || rec.reason != "" || len(rec.fields) != len(types)
		found.folded = found.folded || rec.lines > 1
		for i, b := range rec.fields {
			switch {
			case len(b) == 0 || len(nulls) > 0 && slices.Contains(nulls, string(b)):
			case types[i] == nil:
				numbers.guess(&found.guesses[i], b)
			case !found.odd && !values.Fits(b, *types[i]):
				found.odd = true
			}
		}
		return found.records%1024 != 0 || ctx.Err() == nil
	})
	found.odd = found.odd || f.odd
	return found, err
}

// bySelf says whether the files are read record by record, because DuckDB would read them otherwise.
func (o CSV) bySelf() bool {
	return decoders[o.Encoding] != nil || o.Comment != "" || o.DateFormat != "" || o.TimestampFormat != "" || o.DecimalSeparator != "" || o.Thousands != "" || o.NullPadding
}

// balance lets DuckDB count the records of files with quoted line ends, where it has to guess what is inside of quotes
// when it reads from several places at once. A file of which it has another opinion is read record by record.
func (c csvFormat) balance(ctx context.Context, w *work) {
	folded := slices.DeleteFunc(slices.Clone(w.files), func(f *file) bool { return f.csv == nil || f.csv.odd || !f.csv.folded })
	for _, f := range folded {
		var n int64
		query := "SELECT count(*) FROM " + c.reader(w, []*file{f}, true, "")
		if err := w.session.Conn.QueryRowContext(ctx, query).Scan(&n); err != nil || n != f.csv.records {
			f.csv.odd = true
		}
	}
}

// formatted gives DATE and TIMESTAMP, with a zone where the format has one, to columns whose values are all written in
// the declared formats, and takes them from those that are written in others.
func (csvFormat) formatted(ctx context.Context, w *work, t schemas.Table) error {
	o := w.src.cfg.CSV
	if o.DateFormat == "" && o.TimestampFormat == "" || w.src.cfg.Texts {
		return nil
	}
	if err := w.scanFields(w.files); err != nil {
		return err
	}
	for i := range t {
		if w.src.hints.Column(t[i].Name) != nil || numeric(t[i].Type) || t[i].Type.Kind == schemas.Boolean {
			continue
		}
		for _, kind := range []schemas.Kind{schemas.Timestamp, schemas.Date} {
			typ := schemas.Type{Kind: kind}
			format := o.format(typ)
			if format == "" {
				continue
			}
			if kind == schemas.Timestamp && (strings.Contains(format, "%z") || strings.Contains(format, "%Z")) {
				typ.Kind = schemas.TimestampTZ
			}
			if t[i].Type.Kind == kind || t[i].Type.Kind == schemas.TimestampTZ && kind == schemas.Timestamp {
				t[i].Type.Kind = schemas.Varchar
			}
			fits, err := w.allAre(ctx, t[i].Name, func(v string) string {
				_, misfit := formatted(v, format, typ)
				return "NOT " + misfit
			})
			if err != nil {
				return err
			}
			if fits {
				t[i].Type = typ
			}
		}
	}
	return nil
}

// format is the declared one of a type, or empty.
func (o CSV) format(t schemas.Type) string {
	switch t.Kind {
	case schemas.Date:
		return o.DateFormat
	case schemas.Timestamp, schemas.TimestampTZ:
		return o.TimestampFormat
	}
	return ""
}

// allAre says whether there are values of the column, and all satisfy the condition.
func (w *work) allAre(ctx context.Context, column string, condition func(v string) string) (bool, error) {
	var parts []string
	for _, group := range byHeader(w.files) {
		if i := slices.IndexFunc(group[0].header, func(s string) bool { return strings.EqualFold(s, column) }); i >= 0 {
			parts = append(parts, fmt.Sprintf("(SELECT nullif(fields[%d], '') AS v FROM %s)", i+1, scanned(group)))
		}
	}
	var all sql.NullBool
	err := w.session.Conn.QueryRowContext(ctx, "SELECT bool_and("+condition("v")+") FROM "+records.Union(parts)+" WHERE v IS NOT NULL").Scan(&all)
	if err != nil {
		return false, fmt.Errorf("look at the formats of column %s: %w", column, err)
	}
	return all.Valid && all.Bool, nil
}

// unified are the columns of the files, with types that hold all their values. Columns that are known, or lakeflow's
// own, are left out.
func (csvFormat) unified(w *work, known schemas.Table) schemas.Table {
	var out schemas.Table
	guesses := map[string]values.Guess{}
	for _, f := range w.files {
		for i, name := range f.header {
			if known.Column(name) != nil || w.own().Reserved(name) || f.csv == nil {
				continue
			}
			if out.Column(name) == nil {
				out = append(out, schemas.Column{Name: name})
			}
			key := strings.ToLower(name)
			g := guesses[key]
			g.Merge(f.csv.guesses[i])
			guesses[key] = g
		}
	}
	for i := range out {
		out[i].Type = guesses[strings.ToLower(out[i].Name)].Type()
	}
	return out
}

// maxColumns is how many columns and nested fields a source may have: tables of more are of no use to anybody.
const maxColumns = 2000

func tooManyColumns(n int) error {
	return &unsupportedError{fmt.Sprintf("it has %d columns, and %d are the most", n, maxColumns), "divide it, or check its delimiter"}
}
