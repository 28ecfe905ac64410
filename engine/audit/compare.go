package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// difference is how many rows of one relation another does not have.
type difference struct{ missing, extra int64 }

// compare compares two relations with the same columns as multisets of rows: extra are rows of have that want lacks,
// missing those of want that have lacks. Numbers of a DOUBLE are the same when 12 digits are, of a FLOAT 6: sums of
// them depend on the order of their summands.
func (a *auditor) compare(ctx context.Context, t schemas.Table, have, want string) (d difference, err error) {
	key := rowKey(t, 0)
	var same bool
	sums := func(of string) string { // the numbers are too large to be equal by chance
		return fmt.Sprintf("(SELECT (count(*), coalesce(bit_xor(k), 0), coalesce(sum(CAST(k AS HUGEINT)), 0))"+
			" FROM (SELECT %s AS k FROM %s))", key, of)
	}
	if err := a.DB.Conn().QueryRowContext(ctx, "SELECT "+sums(have)+" = "+sums(want)).Scan(&same); err != nil || same {
		return d, err
	}
	sides := [2]string{have, want}
	defer func() {
		for pass := range shifts {
			for side := range sides {
				err = errors.Join(err, a.DB.Exec(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+left(pass, side)))
			}
		}
	}()
	// Two numbers that differ in the last digit may be rounded away from each other. What is left is compared with
	// other bounds.
	for pass, shift := range shifts {
		for side := range sides {
			if err := a.DB.Exec(ctx, leftSQL(t, shift, left(pass, side), sides[side], sides[1-side])); err != nil {
				return d, err
			}
		}
		sides = [2]string{left(pass, 0), left(pass, 1)}
		query := fmt.Sprintf("SELECT (SELECT count(*) FROM %s), (SELECT count(*) FROM %s)", sides[1], sides[0])
		if err := a.DB.Conn().QueryRowContext(ctx, query).Scan(&d.missing, &d.extra); err != nil || d == (difference{}) {
			return d, err
		}
	}
	return d, nil
}

// shifts move the bounds of rounding, in units of the last digit.
var shifts = [...]float64{0, 0.27, 0.41}

// left names the rows of a side that the other one lacks.
func left(pass, side int) string { return fmt.Sprintf(`"__audit_left_%d_%d"`, pass, side) }

// leftSQL makes a table of the rows of have that want lacks: of equal rows as many as there are more.
func leftSQL(t schemas.Table, shift float64, name, have, want string) string {
	const key, number = `"__violations_key"`, `"__violations_number"` // no column of a table is called like that
	numbered := func(columns, of string) string {
		return fmt.Sprintf("(SELECT %[1]s%[2]s, row_number() OVER (PARTITION BY %[2]s) AS %[3]s"+
			" FROM (SELECT %[1]s%[4]s AS %[2]s FROM %[5]s))",
			columns, key, number, rowKey(t, shift), of)
	}
	return fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s AS SELECT * EXCLUDE (%s, %s)"+
		" FROM %s AS h ANTI JOIN %s AS w USING (%[2]s, %[3]s)",
		name, key, number, numbered("*, ", have), numbered("", want))
}

// rowKey is an expression that is the same for rows that are the same.
func rowKey(t schemas.Table, shift float64) string {
	values := make([]string, len(t))
	for i, c := range t {
		values[i] = rounded(quote.Name(c.Name), c.Type, shift, 0)
	}
	return "hash(" + strings.Join(values, ", ") + ")"
}

// rounded is the expression of a value whose floating-point numbers are texts of a few digits.
func rounded(x string, t schemas.Type, shift float64, depth int) string {
	switch {
	case t.Kind == schemas.Double:
		return digits(x, 11, shift)
	case t.Kind == schemas.Float:
		return digits(x, 5, shift)
	case !floats(t):
		return x
	case t.Kind == schemas.Struct:
		fields := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = quote.Name(f.Name) + " := " + rounded(x+"."+quote.Name(f.Name), f.Type, shift, depth)
		}
		return fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN struct_pack(%s) END", x, strings.Join(fields, ", "))
	}
	e := fmt.Sprintf("e%d", depth)
	if t.Kind == schemas.List {
		return fmt.Sprintf("list_transform(%s, lambda %s: %s)", x, e, rounded(e, *t.Elem, shift, depth+1))
	}
	return fmt.Sprintf(`list_transform(map_entries(%s), lambda %s: struct_pack("key" := %s, "value" := %s))`, x, e,
		rounded(e+`."key"`, *t.Key, shift, depth+1), rounded(e+`."value"`, *t.Elem, shift, depth+1))
}

// digits is a number as text, with one digit before the point and some behind it. There is one zero, and one NaN: which
// sign a NaN has that was computed is chance.
func digits(x string, behind int, shift float64) string {
	return fmt.Sprintf("CASE WHEN %[1]s = 0 THEN '0' WHEN isnan(%[1]s) THEN 'nan' ELSE"+
		" format('{:.%[2]de}', CAST(%[1]s AS DOUBLE) * (1 + %[3]ge-%[2]d)) END", x, behind, shift)
}

// floats reports whether a value has floating-point numbers in it.
func floats(t schemas.Type) bool {
	switch {
	case t.Kind == schemas.Double, t.Kind == schemas.Float:
		return true
	case t.Elem != nil && floats(*t.Elem), t.Key != nil && floats(*t.Key):
		return true
	}
	for _, f := range t.Fields {
		if floats(f.Type) {
			return true
		}
	}
	return false
}
