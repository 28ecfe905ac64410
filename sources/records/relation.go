package records

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// Places is what a source says of the places of its records. In its SQL m is the place of a record as the source wrote
// it, k its key, or NULL, and h its headers.
type Places struct {
	// Metadata is the SQL of _metadata and of the columns of schemas.Provenance with positions, with their names.
	Metadata string
	// Origin is the SQL of the columns file, line, "offset" and "partition" of sources.RejectColumns, with their names.
	Origin string
	// Rescued are the members that _rescued_data ends with: "_topic":"orders","_offset":5.
	Rescued func(place string) string
	// Describe says where a record stands: "topic orders, offset 5". Holder is what the records come from: "topic".
	Describe func(place string) string
	Holder   string
}

// KeySQL is k, the key of a record, as Format.KeyType says.
func (r *Reader) KeySQL() string {
	if r.cfg.Key.Format == "bytes" {
		return "from_base64(k)"
	}
	return "k"
}

// HeadersSQL is h, the headers of a record, as HeadersType says; an empty list where there are none.
const HeadersSQL = `coalesce(list_transform(h, lambda header: {'key': header."key", 'value': from_base64(header."value")}), [])`

// HeadersType is the DuckDB type of headers.
const HeadersType = `STRUCT("key" VARCHAR, "value" BLOB)[]`

// Texts is a list of texts in SQL.
func Texts(texts []string) string {
	items := make([]string, len(texts))
	for i, t := range texts {
		items[i] = quote.Text(t)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// Located is a list of files for a reader.
func Located(paths ...string) string {
	escaped := make([]string, len(paths))
	for i, p := range paths {
		escaped[i] = schemas.EscapeGlob(p)
	}
	return Texts(escaped)
}

// Union puts relations with the same columns one behind the other.
func Union(relations []string) string {
	if len(relations) <= 1 {
		return strings.Join(relations, "")
	}
	return "(SELECT * FROM " + strings.Join(relations, " UNION ALL SELECT * FROM ") + ")"
}

// lines says what stands in lines.
type lines struct {
	columns schemas.Table
	rescues bool
	places  Places
	plain   string // the format of values that are not looked into
	typed   bool   // bytes are written as texts
	row     []Cell // what rows are made of beside the value
}

// Rejects is the relation of the records that could not be taken, as sources.Batch has it, with Places.Origin. Only is a
// condition over m in SQL, for those that are meant.
func (f *Fitted) Rejects(origin, only string) string {
	return fmt.Sprintf(`(SELECT file, line, "offset", raw, reason, false AS whole, "partition"`+
		` FROM (SELECT %s, raw, reason FROM read_parquet(%s) WHERE %s))`,
		origin, Located(f.bads...), only)
}

// relation reads files of lines, the longest of which has so many bytes, and fails when a record does not fit. The
// filter is always true: it makes DuckDB read every column even when a query uses few, so that whether a record is
// refused does not depend on the query.
func (l lines) relation(paths []string, longest int) string {
	value := "VARCHAR"
	var fields []string
	switch l.plain {
	case "":
		value = schemas.Type{Kind: schemas.Struct, Fields: l.onWire()}.String()
		fields = l.restored("v.")
	case "bytes":
		fields = append(fields, `from_base64(v) AS "value"`)
	default:
		fields = append(fields, `v AS "value"`)
	}
	if l.rescues {
		fields = append(fields, "x AS "+jsonrecords.RescuedColumn)
	}
	relation := fmt.Sprintf(`(SELECT %s, %s FROM (SELECT m, k, h, x, v FROM read_json(%s, format='newline_delimited', records=true,`+
		` hive_partitioning=false, maximum_object_size=%d, columns={'m': 'VARCHAR', 'k': 'VARCHAR', 'h': 'STRUCT("key" VARCHAR,`+
		` "value" VARCHAR)[]', 'x': 'VARCHAR', 'v': %s}) AS __lakeflow_row WHERE __lakeflow_row IS NOT NULL))`,
		strings.Join(fields, ", "), l.places.Metadata, Located(paths...), max(16<<20, longest+1), quote.Text(value))
	if len(l.row) == 0 {
		return relation
	}
	cells := make([]string, len(l.row))
	for i, c := range l.row {
		cells[i] = c.SQL + " AS " + quote.Name(c.Name)
	}
	return "(SELECT " + strings.Join(cells, ", ") + `, * EXCLUDE ("value") FROM ` + relation + ")"
}

// onWire are the columns as they stand in lines: formats with schemas write bytes as texts.
func (l lines) onWire() schemas.Table {
	if !l.typed {
		return l.columns
	}
	return textual(schemas.Type{Kind: schemas.Struct, Fields: l.columns}).Fields
}

// textual is a type with texts for bytes.
func textual(t schemas.Type) schemas.Type {
	if t.Kind == schemas.Blob {
		return varchar
	}
	t.Fields = slices.Clone(t.Fields)
	for i := range t.Fields {
		t.Fields[i].Type = textual(t.Fields[i].Type)
	}
	if t.Elem != nil {
		elem := textual(*t.Elem)
		t.Elem = &elem
	}
	return t
}

// restored are the columns, from those on the wire behind a prefix.
func (l lines) restored(prefix string) []string {
	out := make([]string, len(l.columns))
	for i, c := range l.columns {
		value := prefix + quote.Name(c.Name)
		if l.typed {
			value = restore(value, c.Type, 0)
		}
		out[i] = value + " AS " + quote.Name(c.Name)
	}
	return out
}

// restore makes bytes of the texts that stand for them in a value of the type.
func restore(x string, t schemas.Type, depth int) string {
	if textual(t).Equal(t) {
		return x
	}
	e := fmt.Sprintf("e%d", depth)
	switch t.Kind {
	case schemas.Struct:
		fields := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = quote.Text(f.Name) + ": " + restore(x+"."+quote.Name(f.Name), f.Type, depth)
		}
		return fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN {%s} END", x, strings.Join(fields, ", "))
	case schemas.List:
		return fmt.Sprintf("list_transform(%s, lambda %s: %s)", x, e, restore(e, *t.Elem, depth+1))
	case schemas.Map:
		return fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN map_from_entries(list_transform(map_entries(%s), lambda %s: {'k': %s.key, 'v': %s})) END", x, x, e, e, restore(e+".value", *t.Elem, depth+1))
	}
	// A text that is no bytes comes where a column was declared to be BLOB.
	return fmt.Sprintf(`coalesce(CASE WHEN starts_with(%s, '\x') THEN TRY(unhex(substr(%s, 3))) END, encode(%s))`, x, x, x)
}
