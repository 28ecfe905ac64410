package files

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// How much is looked at to find the columns of the first batch: files, records in all, and at least so many of each file.
const (
	sampleFiles   = 32
	sampleRecords = 20480
	sampleLeast   = 640
)

// deepest is how deep columns are inferred; what is deeper is a text. DuckDB takes twice as long for each level when it writes lists of
// lists to Parquet.
const deepest = 16

// sample picks files evenly over the batch.
func sample(files []*file) []*file {
	if len(files) <= sampleFiles {
		return slices.Clone(files)
	}
	out := make([]*file, sampleFiles)
	for i := range out {
		out[i] = files[i*(len(files)-1)/(sampleFiles-1)]
	}
	return out
}

// infer writes a sample of the records to a file and lets DuckDB look at it, unless all its keys are declared.
func (j jsonFormat) infer(ctx context.Context, w *work) error {
	for {
		files := sample(w.files)
		path, keys, err := w.writeSample(files)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(files, func(f *file) bool { return !slices.Contains(w.files, f) }) {
			if w.state.Schema = declared(keys, w.src.hints); w.state.Schema != nil {
				break
			}
			t, err := w.describeSample(ctx, path)
			if err != nil {
				return err
			}
			w.state.Schema, _ = extend(nil, t, "")
			break
		}
		// A file of the sample was dropped: take another one.
	}
	return nil
}

// declared are the columns of these keys, or nil when one of them is not hinted.
func declared(keys []string, hints schemas.Table) schemas.Table {
	var t schemas.Table
	for _, key := range keys {
		i := find(hints, key)
		if i < 0 {
			return nil
		}
		t = append(t, hints[i])
	}
	return t
}

// writeSample copies the first records of the files, one per line. It drops files that can't be read. Where columns are hinted it returns
// the keys of the records, in the order in which they appear.
func (w *work) writeSample(files []*file) (path string, keys []string, err error) {
	path = w.temp("sample.json")
	out, err := os.Create(path)
	if err != nil {
		return "", nil, err
	}
	buf := bufio.NewWriterSize(out, 1<<16)
	defer func() { err = errors.Join(err, buf.Flush(), out.Close()) }()
	limit := max(sampleRecords/max(len(files), 1), sampleLeast)
	var compact bytes.Buffer
	var scanner keyScanner
	seen, root := map[string]bool{}, treeOf(nil, "", nil)
	for _, f := range files {
		n := 0
		err := readRecords(f.path, f.kind, func(r record) bool {
			compact.Reset()
			if r.reason == "" && r.raw[0] == '{' && json.Compact(&compact, r.raw) == nil && compact.Len() > len("{}") {
				_, _ = buf.Write(append(compact.Bytes(), '\n')) // Flush reports it
				if len(w.src.hints) > 0 {
					for _, key := range scanner.scan(r.raw, root) {
						if !seen[key] {
							seen[key], keys = true, append(keys, key)
						}
					}
				}
			}
			n++
			return n < limit
		})
		if err != nil {
			w.drop(f, err)
		}
	}
	return path, keys, nil
}

// describeSample infers the columns of a file of JSON lines.
func (w *work) describeSample(ctx context.Context, path string) (schemas.Table, error) {
	objects := fmt.Sprintf("read_ndjson_objects(%s, ignore_errors=true)", literal(path))
	var valid int64
	if err := w.session.Conn.QueryRowContext(ctx, "SELECT count(json) FROM "+objects).Scan(&valid); err != nil || valid == 0 {
		return nil, err
	}
	query := fmt.Sprintf("SELECT * FROM read_json(%s, format='newline_delimited', records=true, sample_size=-1, maximum_depth=%d, ignore_errors=true, hive_partitioning=false", literal(path), deepest)
	t, err := describe(ctx, w.session.Conn, query+")", generous)
	if err != nil { // DuckDB takes records that have few keys in common for maps: then there must be none
		t, err = describe(ctx, w.session.Conn, query+", map_inference_threshold=-1)", generous)
	}
	if err != nil {
		return nil, fmt.Errorf("infer columns: %w", err)
	}
	if t, err = w.dropRenamed(ctx, t, objects); err != nil {
		return nil, err
	}
	return t, w.refine(ctx, t, objects)
}

// describe returns the columns of a query, with types that tables can store, changed by adjust.
func describe(ctx context.Context, conn *sql.Conn, query string, adjust func(schemas.Type) schemas.Type) (schemas.Table, error) {
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

// generous gives inferred whole numbers 64 bits, as later files may have larger ones.
func generous(t schemas.Type) schemas.Type {
	switch t.Kind {
	case schemas.Integer:
		t.Kind = schemas.BigInt
	case schemas.Float:
		t.Kind = schemas.Double
	}
	return mapType(t, generous)
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
func (w *work) dropRenamed(ctx context.Context, t schemas.Table, objects string) (schemas.Table, error) {
	var out schemas.Table
	for _, c := range t {
		if m := renamed.FindStringSubmatch(c.Name); m != nil && (m[1] == "" || t.Column(m[1]) != nil) {
			var real sql.NullBool
			query := fmt.Sprintf("SELECT bool_or(json_exists(json, %s)) FROM %s", literal(pointer(c.Name)), objects)
			if err := w.session.Conn.QueryRowContext(ctx, query).Scan(&real); err != nil {
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
func (w *work) refine(ctx context.Context, t schemas.Table, objects string) error {
	for i := range t {
		for _, l := range leavesOf(&t[i].Type, "$."+pathKey(t[i].Name), false) {
			texts := fmt.Sprintf("json_extract_string(json, %s)", literal(l.path))
			if l.many {
				texts = "unnest(" + texts + ")"
			}
			values := fmt.Sprintf("SELECT %s AS v FROM %s", texts, objects)
			if l.typ.Kind == schemas.Decimal || l.typ.Kind == schemas.Double {
				if err := w.refineNumber(ctx, l.typ, values); err != nil {
					return fmt.Errorf("infer column %s: %w", t[i].Name, err)
				}
				continue
			}
			if err := w.refineLeaf(ctx, l.typ, values, func(t schemas.Type) string { return fmt.Sprintf("TRY_CAST(v AS %s)", t) }); err != nil {
				return fmt.Errorf("infer column %s: %w", t[i].Name, err)
			}
		}
	}
	return nil
}

// refineLeaf corrects the type of the texts v that the query values gives. DuckDB knows formats that only work when they are
// detected: columns with such dates are texts. And it moves times with a zone to UTC silently, or drops the zone: they become TIMESTAMP WITH
// TIME ZONE. convert makes a value of a text, or NULL.
func (w *work) refineLeaf(ctx context.Context, t *schemas.Type, values string, convert func(schemas.Type) string) error {
	var misfits, zoned, bare bool
	query := fmt.Sprintf("SELECT coalesce(bool_or(%s IS NULL), false), coalesce(bool_or(z), false), coalesce(bool_or(NOT z), false)"+
		" FROM (SELECT v, regexp_matches(v, '%s') AS z FROM (%s) WHERE v IS NOT NULL)", convert(*t), zone, values)
	if err := w.session.Conn.QueryRowContext(ctx, query).Scan(&misfits, &zoned, &bare); err != nil {
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
func (w *work) refineNumber(ctx context.Context, t *schemas.Type, values string) error {
	var whole, small, exact bool
	query := "SELECT coalesce(bool_and(regexp_full_match(v, '-?[0-9]+')), false), coalesce(bool_and(TRY_CAST(v AS BIGINT) IS NOT NULL), false)," +
		" coalesce(bool_and(TRY_CAST(v AS DECIMAL(38,0)) IS NOT NULL), false) FROM (" + values + ") WHERE v IS NOT NULL"
	if err := w.session.Conn.QueryRowContext(ctx, query).Scan(&whole, &small, &exact); err != nil {
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
