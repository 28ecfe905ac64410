package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas"
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
	name := quoted(c.ref)
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
			return &unsupportedError{fmt.Sprintf("its column %s is a DECIMAL of %d digits", shown(n.name), n.precision),
				fmt.Sprintf("write it with at most %d digits, or as text", decimalDigits)}
		}
	}
	return nil
}

// mostFields is how many columns and nested fields a source may have: DuckDB's memory and time grow with the square of them.
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
	rows, err := w.session.Conn.QueryContext(ctx, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM "+parquetReader([]*file{f}, "")+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	s := &shape{}
	tops := foot.tops()
	for i := 0; rows.Next(); i++ {
		var c parquetColumn
		if err := rows.Scan(&c.ref, &c.duck); err != nil {
			return nil, err
		}
		if c.full, err = schemas.OfFile(c.duck); err != nil {
			c.full = schemas.Type{Kind: schemas.Varchar} // everything has a text
		}
		c.name, c.known = c.ref, c.full
		if i < len(tops) {
			c.name, c.known = tops[i][0].name, withNulls(c.full, tops[i])
		}
		if s.column(c.name) != nil || !speakable(c.name) {
			s.left = append(s.left, c)
			continue
		}
		s.columns = append(s.columns, c)
	}
	return s, rows.Err()
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

// withNulls sets Kind 0 where a leaf of the column is of Arrow's null type. The leaves of a type and those of a footer follow each other in the
// same order; where their numbers differ, as with VARIANT, nothing is known.
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

// reportCuts says how many times of Parquet files have more digits than tables store.
func (w *work) reportCuts(ctx context.Context) error {
	if !w.batch || w.src.cfg.Format != "parquet" {
		return nil
	}
	for _, group := range byShape(w.files) {
		var names, counts []string
		for _, c := range w.shapes[group[0].shape].columns {
			if col := w.state.Schema.Column(c.name); c.nanoseconds() && col != nil && (col.Type.Kind != schemas.Varchar || nested(c.full)) {
				names = append(names, c.name)
				counts = append(counts, fmt.Sprintf("count(*) FILTER (WHERE CAST(%s AS %s) IS DISTINCT FROM %s)", c.value(), c.duck, quoted(c.ref)))
			}
		}
		if len(names) == 0 {
			continue
		}
		for _, f := range group {
			if err := w.reportCutsOf(ctx, f, names, counts); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *work) reportCutsOf(ctx context.Context, f *file, names, counts []string) error {
	found, into := make([]int64, len(names)), make([]any, len(names))
	for i := range found {
		into[i] = &found[i]
	}
	err := w.session.Conn.QueryRowContext(ctx, "SELECT "+strings.Join(counts, ", ")+" FROM "+parquetReader([]*file{f}, "")).Scan(into...)
	if err != nil {
		return w.blame(ctx, f, err)
	}
	for i, n := range found {
		values := fmt.Sprintf("%d values of column %s have", n, shown(names[i]))
		if n == 1 {
			values = "1 value of column " + shown(names[i]) + " has"
		}
		if n > 0 {
			w.notice("digits_cut", f.rel, "file "+shown(f.rel)+": "+values+" more than six digits of a second; the rest was cut off; declare the column VARCHAR to keep them")
		}
	}
	return nil
}
