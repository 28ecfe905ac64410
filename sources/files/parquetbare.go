package files

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	parquetmeta "github.com/parquet-go/parquet-go/format"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/records"
)

// A bare copy of a Parquet file is one whose footer does not say what the plain values stand for: times are numbers,
// texts are bytes. DuckDB reads it whatever the values are, and SQL makes of each what it stands for, or finds that it
// stands for nothing.

// bareMeta is a footer without statistics, which would be of other types.
type bareMeta struct {
	Version          int32                       `thrift:"1,required"`
	Schema           []parquetmeta.SchemaElement `thrift:"2,required"`
	NumRows          int64                       `thrift:"3,required"`
	RowGroups        []bareGroup                 `thrift:"4,required"`
	KeyValueMetadata []parquetmeta.KeyValue      `thrift:"5,optional"`
	CreatedBy        string                      `thrift:"6,optional"`
}

type bareGroup struct {
	Columns       []bareChunk `thrift:"1,required"`
	TotalByteSize int64       `thrift:"2,required"`
	NumRows       int64       `thrift:"3,required"`
}

type bareChunk struct {
	FilePath   string     `thrift:"1,optional"`
	FileOffset int64      `thrift:"2,required"`
	MetaData   bareColumn `thrift:"3,required"`
}

type bareColumn struct {
	Type                  parquetmeta.Type             `thrift:"1,required"`
	Encoding              []parquetmeta.Encoding       `thrift:"2,required"`
	PathInSchema          []string                     `thrift:"3,required"`
	Codec                 parquetmeta.CompressionCodec `thrift:"4,required"`
	NumValues             int64                        `thrift:"5,required"`
	TotalUncompressedSize int64                        `thrift:"6,required"`
	TotalCompressedSize   int64                        `thrift:"7,required"`
	DataPageOffset        int64                        `thrift:"9,required"`
	DictionaryPageOffset  int64                        `thrift:"11,optional"`
}

// writeBare writes the bare copy of a file, and returns what the leaves of each column stand for: nil where they were
// left as they are.
func writeBare(path, copied string) (columns [][]*meaning, err error) {
	meta, size, err := readFooter(path)
	if err != nil {
		return nil, err
	}
	if !leavesMean(path, meta, func(m *meaning) bool { return m.variant }) {
		return nil, errMeaning // a VARIANT is not made of plain values
	}
	columns = bareSchema(meta)
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), bareFooter(meta))
	if err != nil {
		return nil, err
	}
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close() // opened for reading
	out, err := os.Create(copied)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.CopyN(out, in, size); err != nil { // with the old footer, which nothing points to any more
		return nil, err
	}
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	_, err = out.Write(append(footer, "PAR1"...))
	return columns, err
}

// bareSchema takes the meanings out of a schema, but for VARIANT.
func bareSchema(meta *parquetmeta.FileMetaData) [][]*meaning {
	var columns [][]*meaning
	leaf := 0
	for i := 1; i < len(meta.Schema); {
		end := subtreeEnd(meta.Schema, i)
		variant := slices.ContainsFunc(meta.Schema[i:end], func(e parquetmeta.SchemaElement) bool {
			_, is := e.LogicalType.Value.(*parquetmeta.VariantType)
			return is
		})
		var column []*meaning
		for ; i < end; i++ {
			e := &meta.Schema[i]
			if e.NumChildren.V > 0 {
				continue
			}
			var m *meaning
			if !variant {
				if m = meaningOf(*e); m != nil {
					m.strip(e, meta.RowGroups, leaf)
				}
			}
			column = append(column, m)
			leaf++
		}
		columns = append(columns, column)
	}
	return columns
}

// strip takes the meaning out of a leaf. The values of INT96 are written as those of 12 bytes are.
func (m *meaning) strip(e *parquetmeta.SchemaElement, groups []parquetmeta.RowGroup, leaf int) {
	e.LogicalType.Value = nil
	e.ConvertedType.Valid, e.Scale.Valid, e.Precision.Valid = false, false, false
	if m.kind != meansInt96 {
		return
	}
	e.Type.V = parquetmeta.FixedLenByteArray
	e.TypeLength = thrift.New(int32(int96Bytes))
	for _, g := range groups {
		g.Columns[leaf].MetaData.Type = parquetmeta.FixedLenByteArray
	}
}

func bareFooter(meta *parquetmeta.FileMetaData) bareMeta {
	out := bareMeta{Version: meta.Version, Schema: meta.Schema, NumRows: meta.NumRows, KeyValueMetadata: meta.KeyValueMetadata, CreatedBy: meta.CreatedBy}
	for _, g := range meta.RowGroups {
		group := bareGroup{TotalByteSize: g.TotalByteSize, NumRows: g.NumRows}
		for _, c := range g.Columns {
			m := c.MetaData
			group.Columns = append(group.Columns, bareChunk{c.FilePath, c.FileOffset, bareColumn{m.Type, m.Encoding, m.PathInSchema, m.Codec, m.NumValues,
				m.TotalUncompressedSize, m.TotalCompressedSize, m.DataPageOffset, m.DictionaryPageOffset}})
		}
		out.RowGroups = append(out.RowGroups, group)
	}
	return out
}

// Columns that a bare relation has beside those of the file.
const (
	strayReason = "__lakeflow_stray"  // which values stand for nothing, or an empty text
	strayValue  = "__lakeflow_stray_" // with the number of a column: its plain value, when it does
)

// bare is a relation with the columns of the file, as a reader of it would give them, but NULL where a value stands for
// nothing, and with strayReason; and the columns as arguments of struct_pack, with the plain values in the place of
// those.
func (w *work) bare(ctx context.Context, f *file) (relation, packed string, err error) {
	path := w.temp("bare.parquet")
	meanings, err := writeBare(f.path, path)
	if err != nil {
		return "", "", err
	}
	reader := fmt.Sprintf("read_parquet(%s, hive_partitioning=false)", located(path))
	plain, err := describe(ctx, w, reader)
	if err != nil {
		return "", "", err
	}
	s := w.shapes[f.shape]
	if len(plain) != len(meanings) {
		return "", "", errMeaning
	}
	var columns, reasons, pack []string
	r := reviver{}
	for i, c := range plain {
		value, stray := r.column(quote.Name(c.ref), c.duck, meanings[i])
		own, read := s.byRef(c.ref)
		if stray != "" && own != nil {
			value = fmt.Sprintf("CASE WHEN NOT %s THEN %s END", stray, value)
			plainText := fmt.Sprintf("CAST(%s AS VARCHAR)", quote.Name(c.ref))
			if read = read && (w.rescues() || w.state.Schema.Column(own.name) != nil); read {
				reasons = append(reasons, fmt.Sprintf("CASE WHEN %s THEN %s || left(%s, 200) || %s END", stray, quote.Text("column "+own.name+": "), plainText, quote.Text(nouns(c.duck, meanings[i]))))
			}
			name := quote.Name(fmt.Sprint(strayValue, i))
			columns = append(columns, fmt.Sprintf("CASE WHEN %s THEN to_json(%s) END AS %s", stray, quote.Name(c.ref), name))
			pack = append(pack, fmt.Sprintf("%s := coalesce(%s, to_json(%s))", quote.Name(own.name), name, own.whole()))
		} else if own != nil && read {
			pack = append(pack, quote.Name(own.name)+" := "+own.whole())
		}
		columns = append(columns, value+" AS "+quote.Name(c.ref))
	}
	columns = append(columns, "concat_ws('; ', "+strings.Join(append(reasons, "NULL"), ", ")+") AS "+strayReason)
	reader, columns = withRowNumber(reader, s, columns)
	relation = "(SELECT " + strings.Join(columns, ", ") + " FROM " + reader + ")"
	return relation, strings.Join(pack, ", "), w.alike(ctx, relation, s)
}

// withRowNumber adds the number of the row, unless the file has a column of that name.
func withRowNumber(reader string, s *shape, columns []string) (string, []string) {
	if s.column(rowNumber) != nil {
		return reader, columns
	}
	return strings.TrimSuffix(reader, ")") + ", " + rowNumber + "=true)", append(columns, rowNumber)
}

const rowNumber = "file_row_number"

// errMeaning is why a file is dropped of which DuckDB and lakeflow do not have the same notion.
var errMeaning = errors.New("it has values that do not fit the types of their columns, and these can't be looked at one by one")

// alike makes sure that the columns are those of the shape, and that all of them can be read.
func (w *work) alike(ctx context.Context, relation string, s *shape) error {
	got, err := describe(ctx, w, relation)
	if err != nil {
		return err
	}
	for _, c := range slices.Concat(s.columns, s.left) {
		duck := strings.ReplaceAll(c.duck, "JSON", "VARCHAR") // which it is read as, without a look at it
		if !slices.ContainsFunc(got, func(g parquetColumn) bool {
			return g.ref == c.ref && strings.ReplaceAll(g.duck, "JSON", "VARCHAR") == duck
		}) {
			return errMeaning
		}
	}
	return records.Reads(ctx, w.session.Conn, relation)
}

// nouns says what the values of a column should be.
func nouns(duck string, all []*meaning) string {
	var out []string
	for _, m := range all {
		if m != nil && !slices.Contains(out, m.noun) {
			out = append(out, m.noun)
		}
	}
	verb := " is not "
	if manifold(duck) {
		verb = " has a value that is not "
	}
	return verb + strings.Join(out, ", or ")
}

// byRef finds a column by DuckDB's name, also one that is not read.
func (s *shape) byRef(ref string) (c *parquetColumn, read bool) {
	for i := range s.columns {
		if s.columns[i].ref == ref {
			return &s.columns[i], true
		}
	}
	for i := range s.left {
		if s.left[i].ref == ref {
			return &s.left[i], false
		}
	}
	return nil, false
}

// reviver writes the SQL that gives plain values their meaning.
type reviver struct{ fit }

// column gives the values of a column their meaning, and says when that is not possible: never, when it is empty.
func (r *reviver) column(x, duck string, all []*meaning) (value, stray string) {
	t, err := schemas.OfFile(duck)
	if !slices.ContainsFunc(all, func(m *meaning) bool { return m != nil }) || err != nil || leaves(t) != len(all) {
		return x, "" // where the types do not agree then, alike notices
	}
	rest := all
	value = r.value(x, t, &rest)
	rest = all
	return value, r.stray(x, t, &rest)
}

func (r *reviver) value(x string, t schemas.Type, rest *[]*meaning) string {
	n := leaves(t)
	if !slices.ContainsFunc((*rest)[:n], func(m *meaning) bool { return m != nil }) {
		*rest = (*rest)[n:]
		return x
	}
	switch t.Kind {
	case schemas.Struct:
		fields := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = quote.Name(f.Name) + " := " + r.value(member(x, f.Name), f.Type, rest)
		}
		return fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN struct_pack(%s) END", x, strings.Join(fields, ", "))
	case schemas.List:
		e := r.lambda()
		return fmt.Sprintf("list_transform(%s, lambda %s: %s)", x, e, r.value(e, *t.Elem, rest))
	case schemas.Map:
		e := r.lambda()
		key := r.value(e+".key", *t.Key, rest)
		return fmt.Sprintf("map_from_entries(list_transform(map_entries(%s), lambda %s: {'key': %s, 'value': %s}))", x, e, key, r.value(e+".value", *t.Elem, rest))
	}
	m := (*rest)[0]
	*rest = (*rest)[1:]
	return m.value(x)
}

// stray is true when a value in x stands for nothing; it is never NULL.
func (r *reviver) stray(x string, t schemas.Type, rest *[]*meaning) string {
	switch t.Kind {
	case schemas.Struct:
		var terms []string
		for _, f := range t.Fields {
			terms = append(terms, r.stray(member(x, f.Name), f.Type, rest))
		}
		return or(terms)
	case schemas.List:
		e := r.lambda()
		return some(x, e, r.stray(e, *t.Elem, rest))
	case schemas.Map:
		e := r.lambda()
		key := r.stray(e+".key", *t.Key, rest)
		return some("map_entries("+x+")", e, or([]string{key, r.stray(e+".value", *t.Elem, rest)}))
	}
	m := (*rest)[0]
	*rest = (*rest)[1:]
	if m == nil {
		return ""
	}
	return fmt.Sprintf("(%s IS NOT NULL AND NOT coalesce(%s, false))", x, m.allowed(x))
}
