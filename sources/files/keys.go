package files

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// object is a place in the records where an object with known keys stands.
type object struct {
	path  string // JSON path
	many  bool   // the path has wildcards
	label string // prefix of its keys in messages
	keys  []string
}

// objectsOf lists the record itself and all structs in it.
func objectsOf(t schemas.Table, path, label string, many bool) []object {
	out := []object{{path, many, label, t.Names()}}
	for _, c := range t {
		out = append(out, objectsIn(c.Type, path+"."+pathKey(c.Name), label+c.Name, many)...)
	}
	return out
}

func objectsIn(t schemas.Type, path, label string, many bool) []object {
	switch t.Kind {
	case schemas.Struct:
		return objectsOf(t.Fields, path, label+".", many)
	case schemas.List:
		return objectsIn(*t.Elem, path+"[*]", label, true)
	case schemas.Map:
		return objectsIn(*t.Elem, path+".*", label, true)
	}
	return nil
}

// found is the expression of the object's keys in a record; of all objects when the path has wildcards.
func (o object) found() string {
	switch {
	case o.path == "$":
		return "json_keys(json)"
	case o.many:
		return fmt.Sprintf("flatten(json_keys(json, %s))", literal(o.path))
	}
	return fmt.Sprintf("json_keys(json, %s)", literal(o.path))
}

// deviates is true for a record with a key that is not known. Most records have exactly the known keys,
// in order: that comparison is cheap and comes first.
func deviates(objects []object) string {
	terms := make([]string, len(objects))
	for i, o := range objects {
		terms[i] = fmt.Sprintf("(%s <> %s AND NOT list_has_all(%s, %s))", o.found(), literals(o.keys), literals(o.keys), o.found())
	}
	return strings.Join(terms, " OR ")
}

// unknownKeys is the expression of all unknown keys of a record, as texts like s.q.
func unknownKeys(objects []object) string {
	terms := make([]string, len(objects))
	for i, o := range objects {
		terms[i] = fmt.Sprintf("coalesce(list_transform(list_filter(%s, lambda k: NOT list_contains(%s, k)), lambda k: %s || k), [])",
			o.found(), literals(o.keys), literal(o.label))
	}
	return "flatten([" + strings.Join(terms, ", ") + "])"
}

// evolve looks at the keys of every record.
func (j jsonFormat) evolve(ctx context.Context, w *work, mode Evolution) error {
	switch mode {
	case AddNewColumns:
		return j.addColumns(ctx, w)
	case Rescue:
		return j.findRescues(ctx, w)
	case Fail:
		return j.refuseNew(ctx, w)
	}
	return nil
}

// addColumns extends the schema until no record has a key that it lacks. Every round adds a column or ignores a key.
func (j jsonFormat) addColumns(ctx context.Context, w *work) error {
	ignored := map[string]bool{}
	for {
		objects := w.knownObjects(ignored)
		path := w.temp("new.json")
		var n int64
		err := j.overAll(ctx, w, func(relation string) error {
			// The quotes are switched off: what is written is one JSON text per line.
			query := fmt.Sprintf("COPY (SELECT CAST(json(json) AS VARCHAR) FROM %s WHERE %s LIMIT %d) TO %s (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER E'\\x01')",
				relation, deviates(objects), sampleRecords, literal(path))
			return w.session.Conn.QueryRowContext(ctx, query).Scan(&n)
		})
		if err != nil || n == 0 {
			return err
		}
		t, err := w.describeSample(ctx, path)
		if err != nil {
			return err
		}
		schema, added := extend(w.state.Schema, t, "")
		w.added(schema, added)
		if len(added) == 0 {
			if err := w.ignore(ctx, path, objects, ignored); err != nil {
				return err
			}
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
}

// knownObjects are the objects of the schema, with the ignored keys taken for known.
func (w *work) knownObjects(ignored map[string]bool) []object {
	objects := objectsOf(w.state.Schema, "$", "", false)
	for i := range objects {
		for key := range ignored {
			if rest, ok := strings.CutPrefix(key, objects[i].label); ok {
				objects[i].keys = append(objects[i].keys, rest)
			}
		}
	}
	return objects
}

// ignore remembers the unknown keys of the file of records: keys that can't become columns.
func (w *work) ignore(ctx context.Context, path string, objects []object, ignored map[string]bool) error {
	keys, err := strs(ctx, w.session.Conn, fmt.Sprintf("SELECT DISTINCT unnest(%s) AS k FROM read_ndjson_objects(%s, ignore_errors=true) ORDER BY k", unknownKeys(objects), literal(path)))
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return errors.New("a record deviates from the columns without an unknown key; please report this as a bug")
	}
	for _, key := range keys {
		ignored[key] = true
		w.notice("column_ignored", key, "is the name of another column but for its case, or one that lakeflow uses itself; its values are not read")
	}
	return nil
}

// findRescues moves files with unknown keys to those that are read record by record.
func (j jsonFormat) findRescues(ctx context.Context, w *work) error {
	return j.overAll(ctx, w, func(relation string) error {
		found, err := strs(ctx, w.session.Conn, fmt.Sprintf("SELECT DISTINCT path FROM %s WHERE %s", relation, deviates(w.knownObjects(nil))))
		for _, f := range w.files {
			if slices.Contains(found, f.path) && !slices.Contains(w.slow, f) {
				w.slow = append(w.slow, f)
			}
		}
		return err
	})
}

// refuseNew ends with an error when a record has an unknown key.
func (j jsonFormat) refuseNew(ctx context.Context, w *work) error {
	return j.overAll(ctx, w, func(relation string) error {
		objects := w.knownObjects(nil)
		var path, key string
		err := w.session.Conn.QueryRowContext(ctx, fmt.Sprintf("SELECT path, %s[1] FROM %s WHERE %s ORDER BY path LIMIT 1",
			unknownKeys(objects), relation, deviates(objects))).Scan(&path, &key)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return newColumn(path, key)
	})
}

// errNewColumn is what schema_evolution: fail ends with.
type errNewColumn struct{ path, column string }

func newColumn(path, column string) error { return &errNewColumn{path, column} }

func (e *errNewColumn) Error() string {
	return fmt.Sprintf("file %s has the column %q, which the source does not have; set schema_evolution: add_new_columns to add it,"+
		" rescue to keep its values in %s, or none to ignore it", e.path, e.column, rescuedColumn)
}

// overAll calls do with a relation of all records of the work: path and json. When that can't be read, the
// files to blame are scanned, and do is called again.
func (j jsonFormat) overAll(ctx context.Context, w *work, do func(relation string) error) error {
	for {
		relation := w.objects(w.files)
		if relation == "" {
			return nil
		}
		err := do(relation)
		var refused *errNewColumn
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
			return err
		}
		var failing []*file
		for _, f := range w.files {
			if r := w.objects([]*file{f}); r != "" && f.raw == "" && w.reads(ctx, r) != nil {
				failing = append(failing, f)
			}
		}
		if len(failing) == 0 {
			return fmt.Errorf("look for new columns: %w", err)
		}
		if err := w.scan(failing); err != nil {
			return err
		}
		for _, f := range failing {
			if slices.Contains(w.files, f) && !slices.Contains(w.slow, f) {
				w.slow = append(w.slow, f)
			}
		}
	}
}

// objects is the relation of the records of the files as JSON; those that are no JSON are NULL.
func (w *work) objects(files []*file) string {
	var relations []string
	var direct []*file
	scanned := map[string][]*file{}
	for _, f := range files {
		if f.raw == "" {
			direct = append(direct, f)
		} else {
			scanned[f.raw] = append(scanned[f.raw], f)
		}
	}
	relations = readers(direct, func(format string, files []*file) string {
		reader, ignore := "read_json_objects", ""
		if format == "newline_delimited" {
			ignore = ", ignore_errors=true"
		}
		return fmt.Sprintf("(SELECT filename AS path, json FROM %s(%s, format='%s', hive_partitioning=false, maximum_object_size=%d%s))",
			reader, paths(files), format, maxRecord, ignore)
	})
	for raw, files := range scanned {
		names := make([]string, len(files))
		for i, f := range files {
			names[i] = f.path
		}
		relations = append(relations, fmt.Sprintf("(SELECT path, TRY_CAST(raw AS JSON) AS json FROM read_parquet(%s) WHERE list_contains(%s, path))",
			literal(raw), literals(names)))
	}
	return union(relations)
}

// strs returns the first column of a query's rows.
func strs(ctx context.Context, conn *sql.Conn, query string) ([]string, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
