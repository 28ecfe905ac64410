package files

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// tolerant reads the records of the files one by one. Good records are converted by the same DuckDB code as in read_json.
func (jsonFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	if err := w.scan(slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return f.raw != "" })); err != nil {
		return "", "", err
	}
	files = slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return !slices.Contains(w.files, f) })
	if len(files) == 0 {
		return "", "", nil
	}
	records := scanned(files)
	c := &checker{}
	bad := w.temp("bad.parquet")
	// Levels, because each may only look at what the one below found to be in order.
	query := fmt.Sprintf(`COPY (SELECT path AS file, line, "offset", CASE WHEN reason <> '' THEN bad ELSE encode(CASE WHEN strlen(raw) > %d THEN left(raw, %d) ELSE raw END) END AS raw, why AS reason, false AS whole
	FROM (SELECT *, CASE WHEN reason <> '' THEN reason WHEN NOT valid THEN 'the record is not valid JSON'
			WHEN t <> 'OBJECT' THEN CASE WHEN t = 'NULL' THEN NULL ELSE 'the record is not a JSON object but ' || CASE t WHEN 'ARRAY' THEN 'an array' WHEN 'VARCHAR' THEN 'a text' WHEN 'BOOLEAN' THEN 'true or false' ELSE 'a number' END END
			ELSE coalesce(nullif(concat_ws('; ', %s), ''), CASE WHEN v IS NULL THEN 'the record can''t be converted' END) END AS why
		FROM (SELECT *, CASE WHEN t = 'OBJECT' THEN json_extract(raw, %s) END AS x, CASE WHEN t = 'OBJECT' THEN %s END AS v
			FROM (SELECT *, CASE WHEN valid THEN json_type(raw) END AS t
				FROM (SELECT *, json_valid(raw) AS valid FROM %s))))
	WHERE why IS NOT NULL) TO %s (FORMAT parquet)`,
		maxRaw, maxRaw/4, strings.Join(c.reasons(w.state.Schema, w.rescues()), ", "), pointers(w.state.Schema), converted(w.state.Schema), records, literal(bad))
	if _, err := w.session.Conn.ExecContext(ctx, query); err != nil {
		return "", "", fmt.Errorf("check records: %w", err)
	}
	rescued := ""
	if w.rescues() {
		rescued = c.rescued(w.state.Schema) + " AS " + rescuedColumn + ", "
	}
	fields := make([]string, len(w.state.Schema))
	for i, col := range w.state.Schema {
		fields[i] = fmt.Sprintf("v.%s AS %s", quoted(col.Name), quoted(col.Name))
		if w.rescues() {
			fields[i] = fmt.Sprintf("CASE WHEN NOT %s THEN v.%s END AS %s", lossy(child("j", col.Name), col.Type), quoted(col.Name), quoted(col.Name))
		}
	}
	good = fmt.Sprintf(`(SELECT %s, %s%s FROM (SELECT path, TRY_CAST(raw AS JSON) AS j, %s AS v FROM %s AS r
	WHERE NOT EXISTS (SELECT 1 FROM read_parquet(%s) AS b WHERE b.file = r.path AND b.line = r.line)))`,
		strings.Join(fields, ", "), rescued, metadata(files, "list_position("+pathTexts(files)+", path) - 1"), converted(w.state.Schema), records, literal(bad))
	return good, fmt.Sprintf(`(SELECT file, line, "offset", raw, reason, whole FROM read_parquet(%s))`, literal(bad)), nil
}

// converted is the struct that read_json would make of raw, with NULL for what does not fit. A map's key has no NULL: the
// whole struct is NULL then.
func converted(t schemas.Table) string {
	cast := fmt.Sprintf("TRY_CAST(TRY_CAST(raw AS JSON) AS %s)", structOf(t))
	if typedKeys(structOf(t)) {
		return "TRY(" + cast + ")"
	}
	return cast
}

// typedKeys says whether there is a map in t with keys that are not texts.
func typedKeys(t schemas.Type) bool {
	return t.Kind == schemas.Map && t.Key.Kind != schemas.Varchar || t.Elem != nil && typedKeys(*t.Elem) ||
		slices.ContainsFunc(t.Fields, func(c schemas.Column) bool { return typedKeys(c.Type) })
}

// scanned is the relation of the records of files that were scanned.
func scanned(files []*file) string {
	var raws []string
	for _, f := range files {
		if !slices.Contains(raws, f.raw) {
			raws = append(raws, f.raw)
		}
	}
	for i := range raws {
		raws[i] = literal(raws[i])
	}
	return fmt.Sprintf("(SELECT * FROM read_parquet([%s]) WHERE path IN (SELECT unnest(%s)))", strings.Join(raws, ", "), pathTexts(files))
}

// pointers is the list of paths to the columns.
func pointers(t schemas.Table) string {
	items := make([]string, len(t))
	for i, c := range t {
		items[i] = pointer(c.Name)
	}
	return literals(items)
}

// checker writes the expressions that find what does not fit in a JSON value. Lambdas get names of their own.
type checker struct{ lambdas int }

func (c *checker) lambda() string {
	c.lambdas++
	return fmt.Sprintf("e%d", c.lambdas)
}

// reasons are expressions over raw, x (the columns' JSON values) and v (the converted struct): a text when something is wrong,
// or NULL. Values that don't fit are no reason when they are rescued.
func (c *checker) reasons(t schemas.Table, rescues bool) []string {
	out := []string{fmt.Sprintf("CASE WHEN %s THEN 'a key occurs twice in the record' END", repeats("raw", t))}
	for i, col := range t {
		x := fmt.Sprintf("x[%d]", i+1)
		wrong := c.repeatsInside(x, col.Type)
		if !rescues {
			switch col.Type.Kind {
			case schemas.Varchar:
				continue
			case schemas.Struct, schemas.List, schemas.Map:
				wrong = c.misfit(x, col.Type, false)
			default: // cheaper: it was converted already
				wrong = fmt.Sprintf("v IS NOT NULL AND v.%s IS NULL AND %s <> 'null' OR %s", quoted(col.Name), x, lossy(x, col.Type))
			}
		}
		if wrong != "" {
			out = append(out, fmt.Sprintf("CASE WHEN %s THEN %s || left(%s, 200) || %s END", wrong, literal("column "+col.Name+": "), x, literal(" is not "+col.Type.String())))
		}
	}
	return out
}

// lossy is true when the text or JSON value x becomes a t only without its fraction, time of the day, or zone.
func lossy(x string, t schemas.Type) string {
	wider, ok := map[schemas.Kind]string{schemas.Integer: "DOUBLE", schemas.BigInt: "DOUBLE", schemas.Date: "TIMESTAMP", schemas.Timestamp: "TIMESTAMPTZ"}[t.Kind]
	if !ok {
		return "false"
	}
	return fmt.Sprintf("coalesce(TRY_CAST(%s AS %s) <> CAST(TRY_CAST(%s AS %s) AS %s), false)", x, wider, x, t, wider)
}

// repeats is true when a known key occurs twice in the object j.
func repeats(j string, t schemas.Table) string {
	keys := literals(t.Names())
	known := fmt.Sprintf("list_filter(json_keys(%s), lambda k: list_contains(%s, k))", j, keys)
	return fmt.Sprintf("(json_keys(%s) <> %s AND len(%s) <> len(list_distinct(%s)))", j, keys, known, known)
}

// repeatsInside is repeats for all structs of a value, or empty when there are none.
func (c *checker) repeatsInside(j string, t schemas.Type) string {
	switch t.Kind {
	case schemas.Struct:
		terms := []string{fmt.Sprintf("coalesce(%s, false)", repeats(j, t.Fields))}
		for _, f := range t.Fields {
			if inner := c.repeatsInside(child(j, f.Name), f.Type); inner != "" {
				terms = append(terms, inner)
			}
		}
		return "(" + strings.Join(terms, " OR ") + ")"
	case schemas.List, schemas.Map:
		e := c.lambda()
		if inner := c.repeatsInside(e, *t.Elem); inner != "" {
			return fmt.Sprintf("coalesce(len(list_filter(%s, lambda %s: %s)) > 0, false)", elementsOf(j, t), e, inner)
		}
	}
	return ""
}

func child(j, name string) string {
	return fmt.Sprintf("json_extract(%s, %s)", j, literal(pointer(name)))
}

// elementsOf are the elements of a JSON array, or the values of an object.
func elementsOf(j string, t schemas.Type) string {
	if t.Kind == schemas.Map {
		return fmt.Sprintf("map_values(TRY_CAST(%s AS MAP(VARCHAR, JSON)))", j)
	}
	return fmt.Sprintf("TRY_CAST(%s AS JSON[])", j)
}

// misfit is true when the JSON value j is there and can't become a t. With strangers, unknown keys of structs are misfits too.
func (c *checker) misfit(j string, t schemas.Type, strangers bool) string {
	var terms []string
	add := func(format string, args ...any) {
		terms = append(terms, fmt.Sprintf("coalesce("+format+", false)", args...))
	}
	switch t.Kind {
	case schemas.Varchar:
		return "false"
	case schemas.Struct:
		add("json_type(%s) NOT IN ('OBJECT', 'NULL')", j)
		add("%s", repeats(j, t.Fields))
		if strangers {
			add("NOT list_has_all(%s, json_keys(%s))", literals(fieldNames(t)), j)
		}
		for _, f := range t.Fields {
			if f.Type.Kind != schemas.Varchar {
				add("%s", c.misfit(child(j, f.Name), f.Type, strangers))
			}
		}
	case schemas.List, schemas.Map:
		kind := "ARRAY"
		if t.Kind == schemas.Map {
			kind = "OBJECT"
			if t.Key.Kind != schemas.Varchar {
				k := c.lambda()
				add("len(list_filter(json_keys(%s), lambda %s: TRY_CAST(%s AS %s) IS NULL)) > 0", j, k, k, t.Key)
			}
		}
		add("json_type(%s) NOT IN ('%s', 'NULL')", j, kind)
		if e := c.lambda(); t.Elem.Kind != schemas.Varchar {
			add("len(list_filter(%s, lambda %s: %s)) > 0", elementsOf(j, t), e, c.misfit(e, *t.Elem, strangers))
		}
	default:
		add("%s <> 'null' AND TRY_CAST(%s AS %s) IS NULL", j, j, t)
		add("%s", lossy(j, t))
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

// fieldNames are the names of the fields of a struct.
func fieldNames(t schemas.Type) []string { return schemas.Table(t.Fields).Names() }

// rescued is the expression of _rescued_data over j, the record: what the columns don't hold, and the file. NULL when they
// hold everything.
func (c *checker) rescued(t schemas.Table) string {
	pairs := c.lost("j", t)
	k := c.lambda()
	return fmt.Sprintf("list_transform([%s], lambda %s: CASE WHEN len(%s) > 0 THEN '{' || array_to_string(%s, ',') || ',\"_file_path\":' || CAST(to_json(path) AS VARCHAR) || '}' END)[1]", pairs, k, k, k)
}

// lost is the list of "key":value texts of an object that its fields do not hold.
func (c *checker) lost(j string, t schemas.Table) string {
	k, k2, k3 := c.lambda(), c.lambda(), c.lambda()
	unknown := fmt.Sprintf("coalesce(list_transform(list_filter(json_keys(%s), lambda %s: NOT list_contains(%s, %s)), lambda %s: CAST(to_json(%s) AS VARCHAR) || ':' ||"+
		" CAST(json_extract(%s, '/' || replace(replace(%s, '~', '~0'), '/', '~1')) AS VARCHAR)), [])", j, k, literals(t.Names()), k, k2, k2, j, k2)
	fields := make([]string, 0, len(t))
	for _, f := range t {
		if f.Type.Kind != schemas.Varchar {
			fields = append(fields, fmt.Sprintf("CAST(to_json(%s) AS VARCHAR) || ':' || %s", literal(f.Name), c.lostValue(child(j, f.Name), f.Type)))
		}
	}
	if len(fields) == 0 {
		return unknown
	}
	return fmt.Sprintf("list_concat(%s, list_filter([%s], lambda %s: %s IS NOT NULL))", unknown, strings.Join(fields, ", "), k3, k3)
}

// lostValue is the text of what the column does not hold of the value j, or NULL.
func (c *checker) lostValue(j string, t schemas.Type) string {
	if t.Kind != schemas.Struct {
		return fmt.Sprintf("CASE WHEN %s THEN CAST(%s AS VARCHAR) END", c.misfit(j, t, true), j)
	}
	k := c.lambda()
	return fmt.Sprintf("CASE json_type(%s) WHEN 'OBJECT' THEN list_transform([%s], lambda %s: CASE WHEN len(%s) > 0 THEN '{' || array_to_string(%s, ',') || '}' END)[1]"+
		" WHEN 'NULL' THEN NULL ELSE CAST(%s AS VARCHAR) END", j, c.lost(j, t.Fields), k, k, k, j)
}
