package files

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// parquetFormat reads Parquet files. Files with the same footer schema have one shape and are read together.
type parquetFormat struct{}

// open reads the footers' schemas.
func (p parquetFormat) open(ctx context.Context, w *work) error {
	w.checkFooters()
	feet, err := footers(ctx, w, w.files)
	if duckerr.Broken(err) && len(w.files) > 1 {
		return fmt.Errorf("DuckDB broke down over one of the files from %s to %s: remove it, or write it anew: %w", w.files[0].path, w.files[len(w.files)-1].path, err)
	}
	if err != nil { // one footer at least is no good: find out which
		feet = map[*file]*footer{}
		for _, f := range slices.Clone(w.files) {
			one, err := footers(ctx, w, []*file{f})
			if err == nil {
				feet[f] = one[f]
			} else if err := w.blame(ctx, f, err); err != nil {
				return err
			}
		}
	}
	number := map[string]int{}
	for _, f := range slices.Clone(w.files) {
		foot := feet[f]
		if foot == nil {
			w.drop(f, errors.New("its footer has no schema"))
			continue
		}
		if why := foot.refusal(); why != nil {
			w.drop(f, why)
			continue
		}
		n, ok := number[foot.key]
		if !ok {
			s, err := shapeOf(ctx, w, f, foot)
			if err != nil {
				if err := w.blame(ctx, f, err); err != nil {
					return err
				}
				continue
			}
			n = len(w.shapes)
			number[foot.key] = n
			w.shapes = append(w.shapes, s)
		}
		f.shape = n
	}
	return nil
}

// parquetReader is the relation of the files as DuckDB reads them.
func parquetReader(files []*file, options string) string {
	return fmt.Sprintf("read_parquet(%s, hive_partitioning=false%s)", paths(files), options)
}

// infer unites the columns of all files.
func (p parquetFormat) infer(_ context.Context, w *work) error {
	p.bound(w, nil)
	w.state.Schema, _, _ = jsonrecords.Extend(nil, p.together(w), w.own())
	for i := range w.state.Schema {
		if c := &w.state.Schema[i]; !nested(c.Type) {
			if h := w.src.hints.Column(c.Name); h != nil {
				c.Name = h.Name
			}
		}
	}
	return nil
}

// together are the columns of all files.
func (parquetFormat) together(w *work) schemas.Table {
	var tables []schemas.Table
	for _, group := range byShape(w.files) {
		tables = append(tables, w.shapes[group[0].shape].known())
	}
	return settled(unite(tables))
}

// bound drops files that would give the source too many columns.
func (parquetFormat) bound(w *work, known schemas.Table) {
	for _, group := range byShape(w.files) {
		more, _, _ := jsonrecords.Extend(known, w.shapes[group[0].shape].table(), w.own())
		n := fields(more)
		if n <= mostFields {
			known = more
			continue
		}
		for _, f := range group {
			w.drop(f, tooMany(n))
		}
	}
}

// evolve compares the shapes with the schema.
func (p parquetFormat) evolve(_ context.Context, w *work, mode Evolution) error {
	if mode.Adds() {
		p.bound(w, w.state.Schema)
		schema, added, _ := jsonrecords.Extend(w.state.Schema, p.together(w), w.own())
		if len(added) > 0 {
			w.added(schema, added)
		}
	}
	for _, f := range w.files {
		if f.strays {
			w.slow = append(w.slow, f)
		}
	}
	for _, group := range byShape(w.files) {
		s := w.shapes[group[0].shape]
		_, added, clashes := jsonrecords.Extend(w.state.Schema, s.table(), w.own())
		switch {
		case mode.Rescues() && len(added)+len(clashes)+len(s.left) > 0:
			w.slow = append(w.slow, group...)
		case mode == Fail && len(added) > 0:
			return newColumn(group[0].path, added[0])
		}
	}
	if !mode.Rescues() {
		p.reportLeft(w)
	}
	return nil
}

// reportLeft says which columns are not read.
func (parquetFormat) reportLeft(w *work) {
	for _, group := range byShape(w.files) {
		s := w.shapes[group[0].shape]
		for _, c := range s.left {
			w.ignored(c.name)
		}
		_, _, clashes := jsonrecords.Extend(w.state.Schema, s.table(), w.own())
		w.ignored(clashes...)
	}
}

// byShape groups the files that have the same columns.
func byShape(files []*file) [][]*file {
	var groups [][]*file
	index := map[int]int{}
	for _, f := range files {
		i, ok := index[f.shape]
		if !ok {
			i = len(groups)
			index[f.shape] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], f)
	}
	return groups
}

// conversion is how the columns of a shape become those of the source, as SQL.
type conversion struct {
	columns []string // expressions with names
	lossy   []loss
}

// loss is a column with values that may not fit.
type loss struct {
	column, value, wrong string // its name, and expressions: the value; true where it does not fit
	typ                  schemas.Type
}

// convert writes the conversion. Columns that have the type of the source's are taken as they are.
func (w *work) convert(s *shape) conversion {
	var c conversion
	var f fit
	for _, col := range w.state.Schema {
		from := s.column(col.Name)
		if from == nil {
			c.columns = append(c.columns, fmt.Sprintf("CAST(NULL AS %s) AS %s", col.Type, quote.Name(col.Name)))
			continue
		}
		value, known := from.valueFor(col.Type)
		expression := f.to(value, known, col.Type)
		if col.Type.Kind == schemas.Blob && expression == value {
			// DuckDB compares bytes with Bloom filters wrongly, and finds none: filters by an expression do not go down
			// to the file.
			expression = fmt.Sprintf("CASE WHEN %[1]s IS NOT NULL THEN %[1]s END", value)
		}
		wrong := f.lost(value, known, col.Type)
		if wrong != "" {
			c.lossy = append(c.lossy, loss{col.Name, value, wrong, col.Type})
			if w.rescues() {
				expression = fmt.Sprintf("CASE WHEN NOT %s THEN %s END", wrong, expression)
			}
		}
		c.columns = append(c.columns, expression+" AS "+quote.Name(col.Name))
	}
	return c
}

// strict converts columns whose type in the file is another one. The filter looks at all of their values, even when a
// query does not use the column, so that whether a row is refused does not depend on the query; columns that need no
// look stay unread.
func (p parquetFormat) strict(w *work, files []*file) string {
	var relations []string
	for _, group := range byShape(files) {
		s := w.shapes[group[0].shape]
		c := w.convert(s)
		if w.rescues() {
			c.columns = append(c.columns, "NULL::VARCHAR AS "+jsonrecords.RescuedColumn)
		}
		where := ""
		if len(c.lossy) > 0 {
			wrong := make([]string, len(c.lossy))
			for i, l := range c.lossy {
				wrong[i] = l.wrong
			}
			where = fmt.Sprintf(" WHERE CASE WHEN %s THEN error('a value does not fit its column') ELSE true END", or(wrong))
		}
		for _, n := range numberings(w.state.Schema, s.names(), group) {
			relations = append(relations, fmt.Sprintf("(SELECT %s, %s FROM %s%s)",
				strings.Join(c.columns, ", "), w.metadata(n.files, n.index), parquetReader(n.files, n.option), where))
		}
	}
	return records.Union(relations)
}

// tolerant separates rows with values that do not fit. Files that can't be read to their end are dropped.
func (p parquetFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	var goods, bads []string
	var whole []*file
	for _, f := range files {
		g, b, err := p.splitBare(ctx, w, f)
		if err != nil {
			return "", "", err
		}
		if g != "" {
			goods, bads = append(goods, g), append(bads, b)
		} else if slices.Contains(w.files, f) {
			whole = append(whole, f)
		}
	}
	for _, group := range byShape(whole) {
		for _, n := range numberings(w.state.Schema, w.shapes[group[0].shape].names(), group) {
			g, b, err := p.split(ctx, w, n)
			if err != nil {
				return "", "", err
			}
			goods, bads = append(goods, g), append(bads, b)
		}
	}
	return records.Union(goods), records.Union(bads), nil
}

// split is tolerant for files of one shape.
func (p parquetFormat) split(ctx context.Context, w *work, n numbered) (good, rejects string, err error) {
	files, index, option := n.files, n.index, n.option
	s := w.shapes[files[0].shape]
	if s.column(rowNumber) == nil {
		option += ", " + rowNumber + "=true"
	}
	return p.splitRows(ctx, w, files, rowSet{parquetReader(files, option), index, packed(s), ""})
}

// splitBare is tolerant for a file that can't be read as it is, because of values that stand for nothing. What it
// returns is empty when that is not so, or when the file is dropped.
func (p parquetFormat) splitBare(ctx context.Context, w *work, f *file) (good, rejects string, err error) {
	var cause error
	if !f.strays {
		columns := "*"
		if s := w.shapes[f.shape]; len(s.columns) > 0 {
			columns = "struct_pack(" + packed(s) + ")"
		}
		cause = records.Reads(ctx, w.session.Conn, "(SELECT "+columns+" FROM "+parquetReader([]*file{f}, "")+")")
		switch {
		case cause == nil:
			return "", "", nil
		case ctx.Err() != nil || duckerr.Broken(cause) || duckerr.World(cause) || readable(f.path) != nil:
			return "", "", w.blame(ctx, f, cause)
		}
	}
	relation, packed, err := w.bare(ctx, f)
	if err != nil {
		if cause != nil && !duckerr.Broken(err) && !duckerr.World(err) {
			err = cause
		}
		return "", "", w.blame(ctx, f, err)
	}
	return p.splitRows(ctx, w, []*file{f}, rowSet{relation, "0", packed, strayReason})
}

// rowSet is the rows of files of one shape.
type rowSet struct {
	reader, index string // the relation, and the expression for the number of the file
	packed        string // the columns, as arguments of struct_pack
	stray         string // a column that says why a row is refused anyway; empty: there is none
}

// splitRows separates the rows.
func (p parquetFormat) splitRows(ctx context.Context, w *work, files []*file, r rowSet) (good, rejects string, err error) {
	s := w.shapes[files[0].shape]
	line, index := rowNumber+" + 1", r.index
	if s.column(rowNumber) != nil {
		line = "0::BIGINT" // DuckDB can't tell the number then
	}
	c := w.convert(s)
	if w.rescues() {
		c.columns = append(c.columns, rescueOf(p.rescued(w, s, c), pathAt(files, index)))
		c.lossy = nil
	}
	if len(c.lossy) == 0 && r.stray == "" {
		return fmt.Sprintf("(SELECT %s, %s FROM %s)", strings.Join(c.columns, ", "), w.metadata(files, index), r.reader), noRejects, nil
	}
	reasons := make([]string, len(c.lossy))
	for i, l := range c.lossy {
		reasons[i] = fmt.Sprintf("CASE WHEN %s THEN %s || left(CAST(%s AS VARCHAR), 200) || %s END",
			l.wrong, quote.Text("column "+l.column+": "), l.value, quote.Text(" is not "+l.typ.String()))
	}
	if r.stray != "" {
		reasons = append(reasons, "nullif("+r.stray+", '')")
	}
	reason := "concat_ws('; ', " + strings.Join(reasons, ", ") + ")"
	bad := w.temp("bad.parquet")
	_, err = w.session.Conn.ExecContext(ctx, fmt.Sprintf(`COPY (SELECT %s AS file, %s AS line, -1::BIGINT AS "offset",
		encode(left(CAST(to_json(struct_pack(%s)) AS VARCHAR), 262144)) AS raw, %s AS reason, false AS whole FROM %s WHERE %s <> '') TO %s (FORMAT parquet)`,
		pathAt(files, index), line, r.packed, reason, r.reader, reason, quote.Text(bad)))
	if err != nil {
		return "", "", fmt.Errorf("check rows of %s: %w", files[0].path, err)
	}
	return fmt.Sprintf("(SELECT %s, %s FROM %s WHERE %s = '')", strings.Join(c.columns, ", "), w.metadata(files, index), r.reader, reason),
		fmt.Sprintf(`(SELECT file, line, "offset", raw, reason, whole FROM read_parquet(%s))`, located(bad)), nil
}

// noRejects is a relation of rejects without any.
const noRejects = `(SELECT NULL::VARCHAR AS file, NULL::BIGINT AS line, NULL::BIGINT AS "offset", NULL::BLOB AS raw, NULL::VARCHAR AS reason, NULL::BOOLEAN AS whole WHERE false)`

// rescued are expressions of what the columns do not hold, as "name":value or NULL.
func (parquetFormat) rescued(w *work, s *shape, c conversion) []string {
	var out []string
	for _, l := range c.lossy {
		out = append(out, fmt.Sprintf("CASE WHEN %s THEN %s END", l.wrong, pair(l.column, l.value)))
	}
	for _, from := range s.columns {
		col := w.state.Schema.Column(from.name)
		more := []string{from.name}
		if col != nil {
			_, added, clashes := jsonrecords.Extend(schemas.Table{*col}, settled(schemas.Table{{Name: col.Name, Type: from.known}}), w.own())
			more = append(added, clashes...)
		}
		if len(more) > 0 {
			out = append(out, fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN %s END", quote.Name(from.ref), pair(from.name, from.whole())))
		}
	}
	for _, c := range s.left {
		if !strings.Contains(c.ref+c.name, "\x00") {
			out = append(out, fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN %s END", quote.Name(c.ref), pair(c.name, c.whole())))
		}
	}
	return out
}

// packed are the columns as arguments of struct_pack.
func packed(s *shape) string {
	items := make([]string, len(s.columns))
	for i, c := range s.columns {
		items[i] = quote.Name(c.name) + " := " + c.whole()
	}
	return strings.Join(items, ", ")
}
