package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/records"
)

// shape is what Parquet files with equal footers hold.
type shape struct {
	columns []parquetColumn
	// left are columns that are not read: SQL can't tell their names from others, or can't have them.
	left []parquetColumn
}

// parquetColumn is a column as DuckDB reads it.
type parquetColumn struct {
	name string       // in the file
	ref  string       // in DuckDB, which makes up names for those that it takes for equal: id_1 for ID beside id
	duck string       // DuckDB's type
	full schemas.Type // the type for tables that holds its values
	// known is full with Kind 0 where there is nothing but NULL, as in columns of Arrow's null type.
	known schemas.Type
}

// value is the column as a value of its full type.
func (c parquetColumn) value() string {
	name := quote.Name(c.ref)
	switch {
	case c.duck == c.full.String():
		return name
	case c.duck == "TIME_NS": // a cast would round
		return fmt.Sprintf("CAST(left(CAST(%s AS VARCHAR), 15) AS TIME)", name)
	case c.full.Kind == schemas.Varchar && manifold(c.duck):
		return fmt.Sprintf("CAST(CAST(CAST(%s AS VARIANT) AS JSON) AS VARCHAR)", name)
	}
	return fmt.Sprintf("CAST(%s AS %s)", name, c.full)
}

// nanoseconds says whether the column has times with more digits than tables store.
func (c parquetColumn) nanoseconds() bool { return strings.Contains(c.duck, "_NS") }

// valueFor is the column as a value of a type between its own and the one that is wanted, and that type: times with
// nanoseconds are texts where a text is wanted, so that they keep their digits.
func (c parquetColumn) valueFor(want schemas.Type) (value string, known schemas.Type) {
	if known = c.withDigits(want); known.Equal(c.known) {
		return c.value(), known
	}
	return fmt.Sprintf("CAST(%s AS %s)", quote.Name(c.ref), known), known
}

// whole is the value for JSON, where times with nanoseconds have all their digits.
func (c parquetColumn) whole() string {
	if c.nanoseconds() && c.full.Kind != schemas.Varchar {
		return quote.Name(c.ref)
	}
	return c.value()
}

func (c parquetColumn) withDigits(want schemas.Type) schemas.Type {
	if !c.nanoseconds() || c.full.Kind == schemas.Varchar || !c.known.Equal(c.full) {
		return c.known
	}
	texts, err := schemas.OfFile(strings.NewReplacer("TIMESTAMP_NS", "VARCHAR", "TIME_NS", "VARCHAR").Replace(c.duck))
	if err != nil {
		return c.known
	}
	return digits(c.known, texts, want)
}

// digits is a type like full, but texts where both it and what is wanted have a text.
func digits(full, texts, want schemas.Type) schemas.Type {
	if want.Kind == schemas.Varchar {
		want = texts
	}
	if full.Kind == want.Kind && full.Kind == texts.Kind {
		switch full.Kind {
		case schemas.Struct:
			fields := slices.Clone(full.Fields)
			for i := range fields {
				if w := schemas.Table(want.Fields).Column(fields[i].Name); w != nil && i < len(texts.Fields) {
					fields[i].Type = digits(fields[i].Type, texts.Fields[i].Type, w.Type)
				}
			}
			full.Fields = fields
		case schemas.List:
			elem := digits(*full.Elem, *texts.Elem, *want.Elem)
			full.Elem = &elem
		case schemas.Map:
			key, elem := digits(*full.Key, *texts.Key, *want.Key), digits(*full.Elem, *texts.Elem, *want.Elem)
			full.Key, full.Elem = &key, &elem
		}
		return full
	}
	if !nested(full) && texts.Kind == schemas.Varchar && want.Kind == schemas.Varchar {
		return texts
	}
	return full
}

// manifold says whether DuckDB's type has values that only JSON writes so that they can be read again.
func manifold(duck string) bool {
	return duck == "VARIANT" || strings.HasPrefix(duck, "STRUCT(") || strings.HasPrefix(duck, "MAP(") || strings.HasSuffix(duck, "]")
}

// table are the columns' types that tables can store.
func (s *shape) table() schemas.Table { return settled(s.known()) }

func (s *shape) known() schemas.Table {
	out := make(schemas.Table, len(s.columns))
	for i, c := range s.columns {
		out[i] = schemas.Column{Name: c.name, Type: c.known}
	}
	return out
}

// names are those of all columns in DuckDB, also of those that are not read.
func (s *shape) names() []string {
	var out []string
	for _, c := range append(s.columns[:len(s.columns):len(s.columns)], s.left...) {
		out = append(out, c.ref)
	}
	return out
}

// column finds a column by its name, without regard to letter case.
func (s *shape) column(name string) *parquetColumn {
	for i := range s.columns {
		if strings.EqualFold(s.columns[i].name, name) {
			return &s.columns[i]
		}
	}
	return nil
}

// footer is the schema in the footer of a file.
type footer struct {
	key   string // equal for files with equal columns
	nodes []node
	count int // of columns and fields, also beyond nodes
}

// node is a column or a group of columns in a footer, in the order of the file.
type node struct {
	name, typ, repetition, logical string
	children, precision            int
}

// footers reads the footers of the files.
func footers(ctx context.Context, w *work, files []*file) (map[*file]*footer, error) {
	out := map[*file]*footer{}
	if len(files) == 0 {
		return out, nil
	}
	byPath := make(map[string]*file, len(files))
	for _, f := range files {
		byPath[f.path] = f
	}
	rows, err := w.session.Conn.QueryContext(ctx, "SELECT file_name, name, concat(type, '|', repetition_type, '|', num_children, '|', precision, '|',"+
		" logical_type, '|', type_length, '|', converted_type, '|', scale) FROM parquet_schema("+paths(files)+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var path, name, rest string
		if err := rows.Scan(&path, &name, &rest); err != nil {
			return nil, err
		}
		f := byPath[path]
		if f == nil {
			return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
		}
		if out[f] == nil {
			out[f] = &footer{}
		}
		out[f].add(name, rest)
	}
	for _, foot := range out {
		foot.key = footerKey(foot.nodes)
	}
	return out, rows.Err()
}

// add takes one row of parquet_schema.
func (f *footer) add(name, rest string) {
	parts := strings.SplitN(rest, "|", 6)
	n := node{name: name, typ: parts[0], repetition: parts[1], logical: parts[4] + "|" + parts[5]}
	n.children, _ = strconv.Atoi(parts[2])  // empty for columns
	n.precision, _ = strconv.Atoi(parts[3]) // empty but for decimals
	if n.repetition != "REPEATED" || n.children == 0 {
		f.count++ // the others are what lists and maps are made of
	}
	if len(f.nodes) <= 4*mostFields {
		f.nodes = append(f.nodes, n)
	}
}

func footerKey(nodes []node) string {
	var b strings.Builder
	for i, n := range nodes {
		if i > 0 { // the root's name does not matter
			b.WriteString(strconv.Quote(n.name))
		}
		fmt.Fprintf(&b, "%s %s %d %d %s\n", n.typ, n.repetition, n.children, n.precision, n.logical)
	}
	return b.String()
}

// refusal is why a file with this footer can't be read, or nil.
func (f *footer) refusal() error {
	if n := f.count - 1; n > mostFields {
		return tooMany(n)
	}
	for _, n := range f.nodes {
		if n.precision > decimalDigits {
			return &unsupportedError{fmt.Sprintf("its column %s is a DECIMAL of %d digits", records.Shown(n.name), n.precision),
				fmt.Sprintf("write it with at most %d digits, or as text", decimalDigits)}
		}
	}
	return nil
}

// mostFields is how many columns and nested fields a source may have: DuckDB's memory and time grow with the square of
// them.
const mostFields = 2000

// tooMany is the error for a file whose columns are beyond mostFields.
func tooMany(n int) error {
	return &unsupportedError{fmt.Sprintf("with it the source has %d columns and fields, and %d are the most", n, mostFields),
		"write what varies as rows, or as one MAP or text column"}
}

// fields counts columns and nested fields.
func fields(t schemas.Table) int {
	n := len(t)
	for _, c := range t {
		n += fieldsOf(c.Type)
	}
	return n
}

func fieldsOf(t schemas.Type) int {
	n := fields(t.Fields)
	if t.Elem != nil {
		n += fieldsOf(*t.Elem)
	}
	return n
}

// shapeOf asks DuckDB for the columns of a file with this footer.
func shapeOf(ctx context.Context, w *work, f *file, foot *footer) (*shape, error) {
	columns, err := describe(ctx, w, parquetReader([]*file{f}, ""))
	if err != nil {
		return nil, err
	}
	s := &shape{}
	tops := foot.tops()
	for i, c := range columns {
		if c.full, err = schemas.OfFile(c.duck); err != nil {
			c.full = schemas.Type{Kind: schemas.Varchar} // everything has a text
		}
		c.name, c.known = c.ref, c.full
		if i < len(tops) {
			c.name, c.known = tops[i][0].name, withNulls(c.full, tops[i])
		}
		if s.column(c.name) != nil || !speakable(c.name, w.own()) {
			s.left = append(s.left, c)
			continue
		}
		s.columns = append(s.columns, c)
	}
	return s, nil
}

// describe asks DuckDB for the names and types of a relation's columns.
func describe(ctx context.Context, w *work, relation string) ([]parquetColumn, error) {
	rows, err := w.session.Conn.QueryContext(ctx, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM "+relation+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []parquetColumn
	for rows.Next() {
		var c parquetColumn
		if err := rows.Scan(&c.ref, &c.duck); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// tops splits the nodes behind the root into those of each column.
func (f *footer) tops() [][]node {
	var out [][]node
	for i := 1; i < len(f.nodes); {
		end := skipNode(f.nodes, i)
		out = append(out, f.nodes[i:end])
		i = end
	}
	return out
}

// skipNode is the index behind a node and all that is in it.
func skipNode(nodes []node, i int) int {
	left := 1
	for ; left > 0 && i < len(nodes); i++ {
		left += nodes[i].children - 1
	}
	return i
}

// withNulls sets Kind 0 where a leaf of the column is of Arrow's null type. The leaves of a type and those of a footer
// follow each other in the same order; where their numbers differ, as with VARIANT, nothing is known.
func withNulls(t schemas.Type, nodes []node) schemas.Type {
	var nulls []bool
	some := false
	for _, n := range nodes {
		if n.children == 0 {
			null := strings.HasPrefix(n.logical, "NullType")
			nulls, some = append(nulls, null), some || null
		}
	}
	if !some || leaves(t) != len(nulls) {
		return t
	}
	out := schemas.Table{{Type: t}}.Clone()[0].Type
	setNulls(&out, &nulls)
	return out
}

func leaves(t schemas.Type) int {
	switch t.Kind {
	case schemas.Struct:
		n := 0
		for _, f := range t.Fields {
			n += leaves(f.Type)
		}
		return n
	case schemas.List:
		return leaves(*t.Elem)
	case schemas.Map:
		return leaves(*t.Key) + leaves(*t.Elem)
	}
	return 1
}

func setNulls(t *schemas.Type, nulls *[]bool) {
	switch t.Kind {
	case schemas.Struct:
		for i := range t.Fields {
			setNulls(&t.Fields[i].Type, nulls)
		}
	case schemas.List:
		setNulls(t.Elem, nulls)
	case schemas.Map:
		setNulls(t.Key, nulls)
		setNulls(t.Elem, nulls)
	default:
		if (*nulls)[0] {
			*t = schemas.Type{}
		}
		*nulls = (*nulls)[1:]
	}
}

// blame drops the file that made reading fail, unless the world is to blame: then the error is returned.
func (w *work) blame(ctx context.Context, f *file, err error) error {
	cause := readable(f.path)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case cause != nil:
		w.drop(f, cause)
	case duckerr.Broken(err):
		return fmt.Errorf("DuckDB broke down over %s, or a file beside it: remove it, or write it anew: %w", f.path, err)
	case duckerr.World(err):
		return fmt.Errorf("read %s: %w", f.path, err)
	default:
		w.drop(f, unreadParquet(err))
	}
	return nil
}

// unreadParquet is why a file is dropped that DuckDB fails to read.
func unreadParquet(err error) error {
	why := duckerr.FirstLine(err)
	if strings.Contains(why, "encrypt") {
		return errEncrypted
	}
	return errors.New(why)
}
