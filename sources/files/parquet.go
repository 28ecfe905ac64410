package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// parquetFormat reads Parquet files. Files with the same footer schema have one shape and are read together.
type parquetFormat struct{}

// open reads the footers' schemas.
func (p parquetFormat) open(ctx context.Context, w *work) error {
	shapes, err := p.shapesOf(ctx, w, w.files)
	if err != nil { // one footer at least is no good: find out which
		shapes = map[*file]string{}
		for _, f := range slices.Clone(w.files) {
			one, err := p.shapesOf(ctx, w, []*file{f})
			switch cause := readable(f.path); {
			case ctx.Err() != nil:
				return ctx.Err()
			case cause != nil:
				w.drop(f, cause)
			case err != nil:
				w.drop(f, errors.New(duckerr.FirstLine(err)))
			default:
				shapes[f] = one[f]
			}
		}
	}
	number := map[string]int{}
	for _, f := range w.files {
		n, ok := number[shapes[f]]
		if !ok {
			t, err := p.describe(ctx, w, f)
			if err != nil {
				return fmt.Errorf("read the columns of %s: %w", f.path, err)
			}
			n = len(w.shapes)
			number[shapes[f]] = n
			w.shapes = append(w.shapes, t)
		}
		f.shape = n
	}
	return nil
}

// shapesOf returns a text per file that is equal for files with equal columns.
func (parquetFormat) shapesOf(ctx context.Context, w *work, files []*file) (map[*file]string, error) {
	out := map[*file]string{}
	byPath := map[string]*file{}
	for _, f := range files {
		byPath[f.path] = f
	}
	if len(files) == 0 {
		return out, nil
	}
	rows, err := w.session.Conn.QueryContext(ctx, "SELECT file_name, concat_ws('|', name, type, type_length, repetition_type, num_children,"+
		" converted_type, scale, precision, logical_type) FROM parquet_schema("+paths(files)+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	parts := map[*file][]string{}
	for rows.Next() {
		var path, text string
		if err := rows.Scan(&path, &text); err != nil {
			return nil, err
		}
		f := byPath[path]
		if f == nil {
			return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
		}
		parts[f] = append(parts[f], text)
	}
	for f, texts := range parts {
		out[f] = strings.Join(texts, "\n")
	}
	return out, rows.Err()
}

// describe returns the file's columns as they are, not widened.
func (parquetFormat) describe(ctx context.Context, w *work, f *file) (schemas.Table, error) {
	return jsonrecords.Describe(ctx, w.session.Conn, "SELECT * FROM "+parquetReader([]*file{f}), func(t schemas.Type) schemas.Type { return t })
}

func parquetReader(files []*file) string {
	return fmt.Sprintf("read_parquet(%s, hive_partitioning=false)", paths(files))
}

// infer unites the columns of all files. Where files disagree on a type, the wider one is taken, or else the older file's.
func (p parquetFormat) infer(_ context.Context, w *work) error {
	for _, t := range w.shapes {
		w.state.Schema, _ = jsonrecords.Extend(w.state.Schema, t)
		for i, c := range w.state.Schema {
			if newer := t.Column(c.Name); newer != nil {
				merged, _, refused := schemas.Evolve(schemas.Table{c}, schemas.Table{*newer})
				if len(refused) == 0 && len(merged) == 1 {
					w.state.Schema[i].Type = merged[0].Type
				}
			}
		}
	}
	return nil
}

// evolve compares the shapes with the schema.
func (p parquetFormat) evolve(_ context.Context, w *work, mode Evolution) error {
	for _, f := range w.files {
		schema, added := jsonrecords.Extend(w.state.Schema, w.shapes[f.shape])
		switch {
		case len(added) == 0:
		case mode == AddNewColumns:
			w.added(schema, added)
		case mode == Rescue:
			w.slow = append(w.slow, f)
		case mode == Fail:
			return newColumn(f.path, added[0])
		}
	}
	return nil
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

// strict casts columns whose type in the file is another one. The filter makes those casts happen even when a query does not
// use the column, so that whether a row is refused does not depend on the query; columns that need no cast stay unread.
func (p parquetFormat) strict(w *work, files []*file) string {
	var relations []string
	for _, group := range byShape(files) {
		shape := w.shapes[group[0].shape]
		var columns, casts []string
		for _, col := range w.state.Schema {
			from := shape.Column(col.Name)
			switch {
			case from == nil:
				columns = append(columns, fmt.Sprintf("CAST(NULL AS %s) AS %s", col.Type, quoted(col.Name)))
			default:
				cast := fmt.Sprintf("CAST(%s AS %s)", quoted(from.Name), col.Type)
				columns = append(columns, cast+" AS "+quoted(col.Name))
				if !same(from.Type, col.Type) {
					casts = append(casts, fmt.Sprintf("CASE WHEN %s THEN error('a part of a value would be lost') ELSE %s IS NOT NULL OR %s IS NULL END",
						jsonrecords.Lossy(quoted(from.Name), col.Type), cast, quoted(from.Name)))
				}
			}
		}
		if w.rescues() {
			columns = append(columns, "NULL::VARCHAR AS "+jsonrecords.RescuedColumn)
		}
		where := ""
		if len(casts) > 0 {
			where = " WHERE " + strings.Join(casts, " AND ")
		}
		index, option := fileIndex(w.state.Schema, shape.Names(), group)
		relations = append(relations, fmt.Sprintf("(SELECT %s, %s FROM read_parquet(%s, hive_partitioning=false%s)%s)",
			strings.Join(columns, ", "), metadata(group, index), paths(group), option, where))
	}
	return union(relations)
}

// same is Equal with regard to the letter case of struct fields. A cast between types that are the same is none, or one from a
// smaller type that tables don't store, such as TINYINT: it can't fail.
func same(a, b schemas.Type) bool { return a.String() == b.String() }

// tolerant separates rows whose values can't be cast. Files that can't be read to their end are dropped.
func (p parquetFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	for _, f := range files {
		if err := w.reads(ctx, "(SELECT * FROM "+parquetReader([]*file{f})+")"); err != nil {
			if ctx.Err() != nil {
				return "", "", ctx.Err()
			}
			if _, gone := os.Stat(f.path); gone != nil {
				err = gone
			}
			w.drop(f, errors.New(duckerr.FirstLine(err)))
		}
	}
	files = slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return !slices.Contains(w.files, f) })
	var goods, bads []string
	for _, group := range byShape(files) {
		g, b, err := p.split(ctx, w, group)
		if err != nil {
			return "", "", err
		}
		goods, bads = append(goods, g), append(bads, b)
	}
	return union(goods), union(bads), nil
}

// split is tolerant for files of one shape.
func (p parquetFormat) split(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	shape := w.shapes[files[0].shape]
	index, option := fileIndex(w.state.Schema, shape.Names(), files)
	reader := fmt.Sprintf("read_parquet(%s, hive_partitioning=false, file_row_number=true%s)", paths(files), option)
	var columns, wrong, lost []string
	for _, col := range w.state.Schema {
		from := shape.Column(col.Name)
		switch {
		case from == nil:
			columns = append(columns, fmt.Sprintf("CAST(NULL AS %s) AS %s", col.Type, quoted(col.Name)))
			continue
		case same(from.Type, col.Type):
			columns = append(columns, fmt.Sprintf("CAST(%s AS %s) AS %s", quoted(from.Name), col.Type, quoted(col.Name)))
			continue
		}
		name := quoted(from.Name)
		cast := fmt.Sprintf("CASE WHEN NOT %s THEN TRY(CAST(%s AS %s)) END", jsonrecords.Lossy(name, col.Type), name, col.Type)
		columns = append(columns, cast+" AS "+quoted(col.Name))
		wrong = append(wrong, fmt.Sprintf("CASE WHEN %s IS NOT NULL AND %s IS NULL THEN %s || left(CAST(%s AS VARCHAR), 200) || %s END",
			name, cast, literal("column "+col.Name+": "), name, literal(" is not "+col.Type.String())))
		lost = append(lost, fmt.Sprintf("CASE WHEN %s IS NOT NULL AND %s IS NULL THEN %s END", name, cast, pair(col.Name, name)))
		if _, more := jsonrecords.Extend(schemas.Table{col}, schemas.Table{{Name: col.Name, Type: from.Type}}); len(more) > 0 {
			lost = append(lost, fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN %s END", name, pair(col.Name, name)))
		}
	}
	if w.rescues() {
		for _, name := range lacks(w.state.Schema, shape.Names()) {
			lost = append(lost, fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN %s END", quoted(name), pair(name, quoted(name))))
		}
		columns = append(columns, rescueOf(lost, pathAt(files, index)))
		wrong = nil
	}
	if len(wrong) == 0 {
		return fmt.Sprintf("(SELECT %s, %s FROM %s)", strings.Join(columns, ", "), metadata(files, index), reader),
			`(SELECT NULL::VARCHAR AS file, NULL::BIGINT AS line, NULL::BIGINT AS "offset", NULL::BLOB AS raw, NULL::VARCHAR AS reason, NULL::BOOLEAN AS whole WHERE false)`, nil
	}
	reason := "concat_ws('; ', " + strings.Join(wrong, ", ") + ")"
	bad := w.temp("bad.parquet")
	_, err = w.session.Conn.ExecContext(ctx, fmt.Sprintf(`COPY (SELECT %s AS file, file_row_number + 1 AS line, -1::BIGINT AS "offset",
		encode(left(CAST(to_json(struct_pack(%s)) AS VARCHAR), 262144)) AS raw, %s AS reason, false AS whole FROM %s WHERE %s <> '') TO %s (FORMAT parquet)`,
		pathAt(files, index), packed(shape), reason, reader, reason, literal(bad)))
	if err != nil {
		return "", "", fmt.Errorf("check rows of %s: %w", files[0].path, err)
	}
	return fmt.Sprintf("(SELECT %s, %s FROM %s WHERE %s = '')", strings.Join(columns, ", "), metadata(files, index), reader, reason),
		fmt.Sprintf(`(SELECT file, line, "offset", raw, reason, whole FROM read_parquet(%s))`, located(bad)), nil
}

// packed are the columns as arguments of struct_pack.
func packed(t schemas.Table) string {
	items := make([]string, len(t))
	for i, c := range t {
		items[i] = quoted(c.Name) + " := " + quoted(c.Name)
	}
	return strings.Join(items, ", ")
}
