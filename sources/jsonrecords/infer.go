package jsonrecords

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// deepest is how deep columns are inferred; what is deeper is a text. DuckDB takes twice as long for each level when it writes lists of
// lists to Parquet.
const deepest = 16

// Infer finds the columns of a file of JSON lines, the longest of which has so many bytes. Lines that are no JSON objects are passed over.
func Infer(ctx context.Context, conn *sql.Conn, path string, longest int) (schemas.Table, error) {
	size := max(longest+1, 16<<20) // more costs memory
	objects := fmt.Sprintf("read_ndjson_objects(%s, ignore_errors=true, maximum_object_size=%d)", literal(schemas.EscapeGlob(path)), size)
	var valid int64
	if err := conn.QueryRowContext(ctx, "SELECT count(json) FROM "+objects).Scan(&valid); err != nil || valid == 0 {
		return nil, err
	}
	query := fmt.Sprintf("SELECT * FROM read_json(%s, format='newline_delimited', records=true, sample_size=-1, maximum_depth=%d, maximum_object_size=%d, ignore_errors=true, hive_partitioning=false",
		literal(schemas.EscapeGlob(path)), deepest, size)
	t, err := Describe(ctx, conn, query+")", Generous)
	if err != nil { // DuckDB takes records that have few keys in common for maps: then there must be none
		t, err = Describe(ctx, conn, query+", map_inference_threshold=-1)", Generous)
	}
	if err != nil {
		return nil, fmt.Errorf("infer columns: %w", err)
	}
	if t, err = dropRenamed(ctx, conn, t, objects); err != nil {
		return nil, err
	}
	return t, refine(ctx, conn, t, objects)
}

// Describe returns the columns of a query, with types that tables can store, changed by adjust.
func Describe(ctx context.Context, conn *sql.Conn, query string, adjust func(schemas.Type) schemas.Type) (schemas.Table, error) {
	rows, err := conn.QueryContext(ctx, "SELECT column_name, column_type FROM (DESCRIBE "+query+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var t schemas.Table
	for rows.Next() {
		var name, duckType string
		if err := rows.Scan(&name, &duckType); err != nil {
			return nil, err
		}
		typ, err := schemas.Storable(duckType)
		if err != nil {
			typ = schemas.Type{Kind: schemas.Varchar} // everything has a text
		}
		t = append(t, schemas.Column{Name: name, Type: adjust(typ)})
	}
	return t, rows.Err()
}

// Generous gives inferred whole numbers 64 bits, as later files may have larger ones.
func Generous(t schemas.Type) schemas.Type {
	switch t.Kind {
	case schemas.Integer:
		t.Kind = schemas.BigInt
	case schemas.Float:
		t.Kind = schemas.Double
	}
	return mapType(t, Generous)
}

// mapType applies f to the types inside t.
func mapType(t schemas.Type, f func(schemas.Type) schemas.Type) schemas.Type {
	t.Fields = slices.Clone(t.Fields)
	for i := range t.Fields {
		t.Fields[i].Type = f(t.Fields[i].Type)
	}
	if t.Elem != nil {
		elem := f(*t.Elem)
		t.Elem = &elem
	}
	return t
}

// renamed are names that DuckDB makes up: A_1 for the key A beside a, C2 for an empty key.
var renamed = regexp.MustCompile(`^(.*)_\d+$|^C\d+$`)

// dropRenamed drops columns with names that DuckDB made up.
func dropRenamed(ctx context.Context, conn *sql.Conn, t schemas.Table, objects string) (schemas.Table, error) {
	var out schemas.Table
	for _, c := range t {
		if m := renamed.FindStringSubmatch(c.Name); m != nil && (m[1] == "" || t.Column(m[1]) != nil) {
			var real sql.NullBool
			query := fmt.Sprintf("SELECT bool_or(json_exists(json, %s)) FROM %s", literal(pointer(c.Name)), objects)
			if err := conn.QueryRowContext(ctx, query).Scan(&real); err != nil {
				return nil, fmt.Errorf("infer columns: %w", err)
			}
			if !real.Bool {
				continue
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// zone matches texts of a time with its zone.
const zone = `[0-9](Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$`

// refine looks again at the dates and times that DuckDB recognized in texts of a sample, and at its numbers that are no BIGINT.
func refine(ctx context.Context, conn *sql.Conn, t schemas.Table, objects string) error {
	for i := range t {
		for _, l := range leavesOf(&t[i].Type, "$."+pathKey(t[i].Name), false) {
			texts := fmt.Sprintf("json_extract_string(json, %s)", literal(l.path))
			if l.many {
				texts = "unnest(" + texts + ")"
			}
			values := fmt.Sprintf("SELECT %s AS v FROM %s", texts, objects)
			if l.typ.Kind == schemas.Decimal || l.typ.Kind == schemas.Double {
				if err := refineNumber(ctx, conn, l.typ, values); err != nil {
					return fmt.Errorf("infer column %s: %w", t[i].Name, err)
				}
				continue
			}
			if err := RefineTexts(ctx, conn, l.typ, values, func(t schemas.Type) string { return fmt.Sprintf("TRY_CAST(v AS %s)", t) }); err != nil {
				return fmt.Errorf("infer column %s: %w", t[i].Name, err)
			}
		}
	}
	return nil
}

// RefineTexts corrects the type of the texts v that the query values gives. DuckDB knows formats that only work when they are
// detected: columns with such dates are texts. And it moves times with a zone to UTC silently, or drops the zone: they become TIMESTAMP WITH
// TIME ZONE. convert is an expression that makes a value of v, or NULL.
func RefineTexts(ctx context.Context, conn *sql.Conn, t *schemas.Type, values string, convert func(schemas.Type) string) error {
	var misfits, zoned, bare bool
	query := fmt.Sprintf("SELECT coalesce(bool_or(%s IS NULL), false), coalesce(bool_or(z), false), coalesce(bool_or(NOT z), false)"+
		" FROM (SELECT v, regexp_matches(v, '%s') AS z FROM (%s) WHERE v IS NOT NULL)", convert(*t), zone, values)
	if err := conn.QueryRowContext(ctx, query).Scan(&misfits, &zoned, &bare); err != nil {
		return err
	}
	switch stamp := t.Kind == schemas.Timestamp || t.Kind == schemas.TimestampTZ; {
	case misfits, stamp && zoned && bare:
		*t = schemas.Type{Kind: schemas.Varchar}
	case stamp && zoned:
		t.Kind = schemas.TimestampTZ
	case stamp:
		t.Kind = schemas.Timestamp
	}
	return nil
}

// refineNumber corrects the type of the numbers v that the query values gives. DuckDB takes -1 and 1 for something larger than BIGINT, and whole
// numbers of many digits for DOUBLE, which does not hold all of them.
func refineNumber(ctx context.Context, conn *sql.Conn, t *schemas.Type, values string) error {
	var whole, small, exact bool
	query := "SELECT coalesce(bool_and(regexp_full_match(v, '-?[0-9]+')), false), coalesce(bool_and(TRY_CAST(v AS BIGINT) IS NOT NULL), false)," +
		" coalesce(bool_and(TRY_CAST(v AS DECIMAL(38,0)) IS NOT NULL), false) FROM (" + values + ") WHERE v IS NOT NULL"
	if err := conn.QueryRowContext(ctx, query).Scan(&whole, &small, &exact); err != nil {
		return err
	}
	switch {
	case whole && small:
		*t = schemas.Type{Kind: schemas.BigInt}
	case whole && exact:
		*t = schemas.Type{Kind: schemas.Decimal, Precision: 38}
	}
	return nil
}

// leaf is a column or field that holds texts of another type.
type leaf struct {
	path string
	many bool // the path has wildcards
	typ  *schemas.Type
}

// leavesOf finds the dates, times and the like in t, and the numbers that are no BIGINT; what it returns points into t.
func leavesOf(t *schemas.Type, path string, many bool) []leaf {
	var out []leaf
	switch t.Kind {
	case schemas.Date, schemas.Time, schemas.Timestamp, schemas.TimestampTZ, schemas.UUID, schemas.Decimal, schemas.Double:
		return []leaf{{path, many, t}}
	case schemas.Struct:
		for i := range t.Fields {
			out = append(out, leavesOf(&t.Fields[i].Type, path+"."+pathKey(t.Fields[i].Name), many)...)
		}
	case schemas.List:
		return leavesOf(t.Elem, path+"[*]", true)
	case schemas.Map:
		return leavesOf(t.Elem, path+".*", true)
	}
	return out
}

// pathKey quotes a key for a JSON path.
func pathKey(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// pointer is the JSON pointer to a key.
func pointer(name string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
