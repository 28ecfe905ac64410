package files

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/values"
)

// fit writes the SQL that makes values of a source's column of those of a file's column, and that finds values which
// would change by that. Types of files may have Kind 0 inside: there is nothing but NULL. Expressions do not fail,
// whatever the values are: what can't be converted is NULL.
type fit struct{ lambdas int }

// same is Equal with regard to the letter case of struct fields.
func same(a, b schemas.Type) bool { return a.String() == b.String() }

// to is x as a value of the column.
func (f *fit) to(x string, from, to schemas.Type) string {
	switch {
	case from.Kind == 0 || strange(from, to):
		return fmt.Sprintf("CAST(NULL AS %s)", to)
	case same(from, to):
		return x
	case to.Kind == schemas.Varchar:
		return text(x, from)
	case to.Kind == schemas.Struct:
		fields := make([]string, len(to.Fields))
		for i, field := range to.Fields {
			value := fmt.Sprintf("CAST(NULL AS %s)", field.Type)
			if own := schemas.Table(from.Fields).Column(field.Name); own != nil {
				value = f.to(member(x, own.Name), own.Type, field.Type)
			}
			fields[i] = quote.Name(field.Name) + " := " + value
		}
		return fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN struct_pack(%s) END", x, strings.Join(fields, ", "))
	case to.Kind == schemas.List:
		e := f.lambda()
		return fmt.Sprintf("list_transform(%s, lambda %s: %s)", x, e, f.to(e, *from.Elem, *to.Elem))
	case to.Kind == schemas.Map:
		e := f.lambda()
		return fmt.Sprintf("map_from_entries(list_transform(map_entries(%s), lambda %s: {'key': %s, 'value': %s}))", x, e,
			f.to(e+".key", *from.Key, *to.Key), f.to(e+".value", *from.Elem, *to.Elem))
	case from.Kind == schemas.Varchar:
		return values.Cast(x, to)
	}
	return fmt.Sprintf("TRY_CAST(%s AS %s)", x, to)
}

// strange says that one of the types is nested and the other one is not like it: then no value fits.
func strange(from, to schemas.Type) bool {
	return (nested(from) && to.Kind != schemas.Varchar || nested(to)) && from.Kind != to.Kind
}

// text is a value as text: of bytes those that are UTF-8, of structs, lists and maps the JSON text.
func text(x string, from schemas.Type) string {
	switch {
	case from.Kind == schemas.Blob:
		return fmt.Sprintf("TRY(decode(%s))", x)
	case nested(from):
		return fmt.Sprintf("CAST(to_json(%s) AS VARCHAR)", x)
	}
	return fmt.Sprintf("CAST(%s AS VARCHAR)", x)
}

// lost is true when there is a value in x, and to makes another one of it; it is never NULL. It is empty when that
// can't happen.
func (f *fit) lost(x string, from, to schemas.Type) string {
	switch {
	case from.Kind == 0 || same(from, to) || holds(to, from):
		return ""
	case strange(from, to):
		return fmt.Sprintf("(%s IS NOT NULL)", x)
	case from.Kind == schemas.Varchar:
		if to.Kind == schemas.Blob {
			return ""
		}
		return fmt.Sprintf("coalesce(%s, false)", values.Lossy(x, to))
	case to.Kind == schemas.Varchar:
		if from.Kind != schemas.Blob {
			return ""
		}
	case to.Kind == schemas.Struct:
		var terms []string
		for _, field := range to.Fields {
			if own := schemas.Table(from.Fields).Column(field.Name); own != nil {
				terms = append(terms, f.lost(member(x, own.Name), own.Type, field.Type))
			}
		}
		return or(terms)
	case to.Kind == schemas.List:
		e := f.lambda()
		return some(x, e, f.lost(e, *from.Elem, *to.Elem))
	case to.Kind == schemas.Map:
		e := f.lambda()
		return some("map_entries("+x+")", e, or([]string{f.lost(e+".key", *from.Key, *to.Key), f.lost(e+".value", *from.Elem, *to.Elem)}))
	}
	back := fmt.Sprintf("TRY_CAST(%s AS %s)", f.to(x, from, to), from)
	if from.Kind == schemas.Blob && to.Kind == schemas.Varchar {
		back = fmt.Sprintf("encode(%s)", f.to(x, from, to))
	}
	return fmt.Sprintf("(%s IS DISTINCT FROM %s)", back, x)
}

// holds says whether every value of from is one of to. It spares a look at the values; what it does not know is looked
// at.
func holds(to, from schemas.Type) bool {
	switch from.Kind {
	case schemas.Integer:
		return to.Kind == schemas.BigInt || to.Kind == schemas.Double || to.Kind == schemas.Decimal && to.Precision-to.Scale >= integerDigits
	case schemas.BigInt:
		return to.Kind == schemas.Decimal && to.Precision-to.Scale >= bigintDigits
	case schemas.Float:
		return to.Kind == schemas.Double
	case schemas.Decimal:
		return to.Kind == schemas.Decimal && to.Scale >= from.Scale && to.Precision-to.Scale >= from.Precision-from.Scale
	}
	return false
}

// The digits of the largest whole numbers.
const (
	integerDigits = 10
	bigintDigits  = 19
	decimalDigits = 38
)

func (f *fit) lambda() string {
	f.lambdas++
	return fmt.Sprintf("__e%d", f.lambdas)
}

// member is a field of a struct.
func member(x, name string) string { return fmt.Sprintf("struct_extract(%s, %s)", x, quote.Text(name)) }

// some is true when the condition holds for one of the elements e of a list.
func some(list, e, condition string) string {
	if condition == "" {
		return ""
	}
	return fmt.Sprintf("(coalesce(len(list_filter(%s, lambda %s: %s)), 0) > 0)", list, e, condition)
}

// or joins those conditions that are there.
func or(terms []string) string {
	terms = slices.DeleteFunc(terms, func(t string) bool { return t == "" })
	if len(terms) <= 1 {
		return strings.Join(terms, "")
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

// unite is the columns of all tables, in the order in which they appear, with types that do not depend on that order.
func unite(tables []schemas.Table) schemas.Table {
	var out schemas.Table
	for _, t := range tables {
		for _, c := range t {
			if out.Column(c.Name) != nil {
				continue
			}
			var types []schemas.Type
			for _, other := range tables {
				if o := other.Column(c.Name); o != nil {
					types = append(types, o.Type)
				}
			}
			c.Type = united(types)
			out = append(out, c)
		}
	}
	return out
}

// united is the narrowest type for values of all these types: a text where they have nothing in common. Kind 0 has
// something in common with all.
func united(types []schemas.Type) schemas.Type {
	types = slices.DeleteFunc(slices.Clone(types), func(t schemas.Type) bool { return t.Kind == 0 })
	if len(types) == 0 {
		return schemas.Type{}
	}
	first := types[0]
	all := func(is func(schemas.Type) bool) bool {
		return !slices.ContainsFunc(types, func(t schemas.Type) bool { return !is(t) })
	}
	switch {
	case all(func(t schemas.Type) bool { return same(t, first) }):
		return first
	case nested(first) && all(func(t schemas.Type) bool { return t.Kind == first.Kind }):
		return unitedNested(first.Kind, types)
	case all(func(t schemas.Type) bool { return number(t.Kind) }):
		return unitedNumbers(types)
	}
	return schemas.Type{Kind: schemas.Varchar}
}

func unitedNested(kind schemas.Kind, types []schemas.Type) schemas.Type {
	out := schemas.Type{Kind: kind}
	if kind == schemas.Struct {
		tables := make([]schemas.Table, len(types))
		for i, t := range types {
			tables[i] = t.Fields
		}
		out.Fields = unite(tables)
		return out
	}
	var keys, elems []schemas.Type
	for _, t := range types {
		elems = append(elems, *t.Elem)
		if kind == schemas.Map {
			keys = append(keys, *t.Key)
		}
	}
	elem := united(elems)
	out.Elem = &elem
	if kind == schemas.Map {
		key := united(keys)
		out.Key = &key
	}
	return out
}

func number(k schemas.Kind) bool {
	switch k {
	case schemas.Integer, schemas.BigInt, schemas.Float, schemas.Double, schemas.Decimal:
		return true
	}
	return false
}

// unitedNumbers is DOUBLE where there are fractions without a fixed point, else the smallest type with the digits of
// all.
func unitedNumbers(types []schemas.Type) schemas.Type {
	digits, scale, decimal := 0, 0, false
	for _, t := range types {
		switch t.Kind {
		case schemas.Float, schemas.Double:
			return schemas.Type{Kind: schemas.Double}
		case schemas.Decimal:
			decimal = true
			digits, scale = max(digits, t.Precision-t.Scale), max(scale, t.Scale)
		case schemas.BigInt:
			digits = max(digits, bigintDigits)
		case schemas.Integer:
			digits = max(digits, integerDigits)
		}
	}
	switch {
	case !decimal:
		return schemas.Type{Kind: schemas.BigInt}
	case digits+scale > decimalDigits:
		return schemas.Type{Kind: schemas.Varchar}
	}
	return schemas.Type{Kind: schemas.Decimal, Precision: digits + scale, Scale: scale}
}

// settled is the table with texts where there is nothing but NULL.
func settled(t schemas.Table) schemas.Table {
	out := t.Clone()
	for i := range out {
		out[i].Type = settledType(out[i].Type)
	}
	return out
}

func settledType(t schemas.Type) schemas.Type {
	if t.Kind == 0 {
		return schemas.Type{Kind: schemas.Varchar}
	}
	t.Fields = settled(t.Fields)
	if t.Elem != nil {
		elem := settledType(*t.Elem)
		t.Elem = &elem
	}
	if t.Key != nil {
		key := settledType(*t.Key)
		t.Key = &key
	}
	return t
}
