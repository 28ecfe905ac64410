package kafka

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// list is a list of texts.
func list(texts []string) string {
	items := make([]string, len(texts))
	for i, t := range texts {
		items[i] = quote.Text(t)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// located is a list of files for a reader.
func located(paths ...string) string {
	escaped := make([]string, len(paths))
	for i, p := range paths {
		escaped[i] = schemas.EscapeGlob(p)
	}
	return list(escaped)
}

// union puts relations with the same columns one behind the other.
func union(relations []string) string {
	if len(relations) <= 1 {
		return strings.Join(relations, "")
	}
	return "(SELECT * FROM " + strings.Join(relations, " UNION ALL SELECT * FROM ") + ")"
}

// strict reads files of lines and fails when a record does not fit. The filter is always true: it makes DuckDB read
// every column even when a query uses few, so that whether a record is refused does not depend on the query.
func (w *work) strict(files []*lines) string {
	paths := make([]string, len(files))
	for i, l := range files {
		paths[i] = l.path
	}
	return w.read(paths, maxLine)
}

// read reads files of lines, the longest of which has so many bytes.
func (w *work) read(paths []string, longest int) string {
	var fields []string
	value := "VARCHAR"
	if plain := w.src.plain(); plain != nil {
		fields = append(fields, w.plainValue("v")+` AS "value"`)
	} else {
		value = schemas.Type{Kind: schemas.Struct, Fields: w.onWire()}.String()
		fields = w.restored("v.")
	}
	if w.src.rescues() {
		fields = append(fields, "x AS "+jsonrecords.RescuedColumn)
	}
	return fmt.Sprintf(`(SELECT %s, %s, %s FROM (SELECT %s, k, h, x, v FROM read_json(%s, format='newline_delimited', records=true, hive_partitioning=false, maximum_object_size=%d, `+
		`columns={'m': 'VARCHAR', 'k': 'VARCHAR', 'h': '%s', 'x': 'VARCHAR', 'v': %s}) AS __lakeflow_row WHERE __lakeflow_row IS NOT NULL))`,
		strings.Join(fields, ", "), w.metadata(), w.provenance(), placeColumns, located(paths...), max(16<<20, longest+1), headersType, quote.Text(value))
}

// placeColumns are n, p, o, t and y of a line.
const placeColumns = `CAST(split_part(m, ' ', 1) AS INTEGER) AS n, CAST(split_part(m, ' ', 2) AS INTEGER) AS p, CAST(split_part(m, ' ', 3) AS BIGINT) AS o, ` +
	`CAST(split_part(m, ' ', 4) AS BIGINT) AS t, CAST(split_part(m, ' ', 5) AS INTEGER) AS y`

// onWire are the columns as they stand in lines: formats with schemas write bytes as texts.
func (w *work) onWire() schemas.Table {
	if w.src.formats.values == nil {
		return w.state.schema
	}
	return textual(schemas.Type{Kind: schemas.Struct, Fields: w.state.schema}).Fields
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
func (w *work) restored(prefix string) []string {
	out := make([]string, len(w.state.schema))
	for i, c := range w.state.schema {
		value := prefix + quote.Name(c.Name)
		if w.src.formats.values != nil {
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

const headersType = `STRUCT("key" VARCHAR, "value" VARCHAR)[]`

// plainValue is the value of a format that does not look into it.
func (w *work) plainValue(text string) string {
	if w.src.cfg.Value.Format == "bytes" {
		return "from_base64(" + text + ")"
	}
	return text
}

// topic is the name of a record's topic.
func (w *work) topic() string { return list(w.seg.topics) + "[n + 1]" }

// maxMillis is the last millisecond of the year 9999. Timestamps beyond, and negative ones, are nobody's.
const maxMillis = 253402300799999

// provenance are the columns of schemas.Provenance, over the same as metadata.
func (w *work) provenance() string {
	ids := make([]string, len(w.seg.topics))
	for i, topic := range w.seg.topics {
		ids[i] = strconv.FormatInt(sources.PlaceID(w.src.cfg.Name, topic), 10)
	}
	return fmt.Sprintf("CAST([%s] AS BIGINT[])[n + 1] AS %s, p AS %s, o AS %s", strings.Join(ids, ", "), schemas.PlaceColumn, schemas.PartitionColumn, schemas.PositionColumn)
}

// metadata is the expression of _metadata over a record's n (topic), p (partition), o (offset), t (timestamp), y (its
// type), k (key) and h (headers).
func (w *work) metadata() string {
	key := "k"
	if w.src.cfg.Key.Format == "bytes" {
		key = "from_base64(k)"
	}
	return fmt.Sprintf(`CAST({'key': %s, 'headers': coalesce(list_transform(h, lambda header: {'key': header."key", 'value': from_base64(header."value")}), []), 'topic': %s, 'partition': p, 'offset': o,`+
		` 'timestamp': CASE WHEN t BETWEEN 0 AND %d THEN make_timestamptz(t * 1000) END, 'timestamp_type': CASE y WHEN 0 THEN 'CreateTime' WHEN 1 THEN 'LogAppendTime' END} AS %s) AS %s`,
		key, w.topic(), maxMillis, w.src.cfg.Metadata(), jsonrecords.MetadataColumn)
}
