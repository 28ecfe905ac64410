package jsonrecords

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// Check writes the SQL that reads JSON records one by one, so that those which do not fit can be told from the others. It works over a
// relation with the columns raw VARCHAR, the text of a record, and reason VARCHAR, which is not empty where the text is known to
// be no good. A record that is the JSON null is one without values.
type Check struct {
	Columns schemas.Table
	Rescues bool // values that do not fit are no mistake: they go to RescuedColumn
	// Place is an expression over the relation: what to tell of a record in RescuedColumn, as a member of a JSON object. '"_offset":' || "offset"
	Place string

	lambdas int
}

// Bad selects everything of the records that can't be taken, with why, a sentence, as one more column.
func (c *Check) Bad(records string) string {
	// Levels, because each may only look at what the one below found to be in order.
	return fmt.Sprintf(`SELECT * EXCLUDE (__valid, __t, __x, __v) FROM (SELECT *, CASE WHEN reason <> '' THEN reason WHEN NOT __valid THEN 'the record is not valid JSON'
			WHEN __t <> 'OBJECT' THEN CASE WHEN __t = 'NULL' THEN NULL ELSE 'the record is not a JSON object but ' || CASE __t WHEN 'ARRAY' THEN 'an array' WHEN 'VARCHAR' THEN 'a text' WHEN 'BOOLEAN' THEN 'true or false' ELSE 'a number' END END
			ELSE coalesce(nullif(concat_ws('; ', %s), ''), CASE WHEN __v IS NULL THEN 'the record can''t be converted' END) END AS why
		FROM (SELECT *, CASE WHEN __t = 'OBJECT' THEN json_extract(raw, %s) END AS __x, CASE WHEN __t = 'OBJECT' THEN %s END AS __v
			FROM (SELECT *, CASE WHEN __valid THEN json_type(raw) END AS __t
				FROM (SELECT *, json_valid(raw) AS __valid FROM %s))))
	WHERE why IS NOT NULL`, strings.Join(c.reasons(), ", "), pointers(c.Columns), converted(c.Columns), records)
}

// Good selects the columns of records that Bad did not find, RescuedColumn if it is wanted, and what the expressions in more say.
func (c *Check) Good(records, more string) string {
	fields := make([]string, len(c.Columns))
	for i, col := range c.Columns {
		fields[i] = fmt.Sprintf("__v.%s AS %s", quoted(col.Name), quoted(col.Name))
		if c.Rescues {
			fields[i] = fmt.Sprintf("CASE WHEN NOT %s THEN __v.%s END AS %s", Lossy(child("__j", col.Name), col.Type), quoted(col.Name), quoted(col.Name))
		}
	}
	if c.Rescues {
		fields = append(fields, c.rescued()+" AS "+RescuedColumn)
	}
	return fmt.Sprintf("SELECT %s, %s FROM (SELECT *, TRY_CAST(raw AS JSON) AS __j, %s AS __v FROM %s)", strings.Join(fields, ", "), more, converted(c.Columns), records)
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

// pointers is the list of paths to the columns.
func pointers(t schemas.Table) string {
	items := make([]string, len(t))
	for i, c := range t {
		items[i] = pointer(c.Name)
	}
	return literals(items)
}

// lambda is a name that no other lambda has.
func (c *Check) lambda() string {
	c.lambdas++
	return fmt.Sprintf("e%d", c.lambdas)
}

// reasons are expressions over raw, __x (the columns' JSON values) and __v (the converted struct): a text when something is wrong,
// or NULL. Values that don't fit are no reason when they are rescued.
func (c *Check) reasons() []string {
	t := c.Columns
	out := []string{fmt.Sprintf("CASE WHEN %s THEN 'a key occurs twice in the record' END", repeats("raw", t))}
	for i, col := range t {
		x := fmt.Sprintf("__x[%d]", i+1)
		wrong := c.repeatsInside(x, col.Type)
		if !c.Rescues {
			switch col.Type.Kind {
			case schemas.Varchar:
				continue
			case schemas.Struct, schemas.List, schemas.Map:
				wrong = c.misfit(x, col.Type, false)
			default: // cheaper: it was converted already
				wrong = fmt.Sprintf("__v IS NOT NULL AND __v.%s IS NULL AND %s <> 'null' OR %s", quoted(col.Name), x, Lossy(x, col.Type))
			}
		}
		if wrong != "" {
			out = append(out, fmt.Sprintf("CASE WHEN %s THEN %s || left(%s, 200) || %s END", wrong, literal("column "+col.Name+": "), x, literal(" is not "+col.Type.String())))
		}
	}
	return out
}

// Lossy is true when the text or JSON value x becomes a t only without its fraction, time of the day, or zone.
func Lossy(x string, t schemas.Type) string {
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
func (c *Check) repeatsInside(j string, t schemas.Type) string {
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
func (c *Check) misfit(j string, t schemas.Type, strangers bool) string {
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
		add("%s", Lossy(j, t))
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

// fieldNames are the names of the fields of a struct.
func fieldNames(t schemas.Type) []string { return schemas.Table(t.Fields).Names() }

// rescued is the expression of RescuedColumn over __j, the record: what the columns don't hold, and where it is from. NULL when they
// hold everything.
func (c *Check) rescued() string {
	pairs := c.lost("__j", c.Columns)
	k := c.lambda()
	return fmt.Sprintf("list_transform([%s], lambda %s: CASE WHEN len(%s) > 0 THEN '{' || array_to_string(%s, ',') || ',' || %s || '}' END)[1]", pairs, k, k, k, c.Place)
}

// lost is the list of "key":value texts of an object that its fields do not hold.
func (c *Check) lost(j string, t schemas.Table) string {
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
func (c *Check) lostValue(j string, t schemas.Type) string {
	if t.Kind != schemas.Struct {
		return fmt.Sprintf("CASE WHEN %s THEN CAST(%s AS VARCHAR) END", c.misfit(j, t, true), j)
	}
	k := c.lambda()
	return fmt.Sprintf("CASE json_type(%s) WHEN 'OBJECT' THEN list_transform([%s], lambda %s: CASE WHEN len(%s) > 0 THEN '{' || array_to_string(%s, ',') || '}' END)[1]"+
		" WHEN 'NULL' THEN NULL ELSE CAST(%s AS VARCHAR) END", j, c.lost(j, t.Fields), k, k, k, j)
}
