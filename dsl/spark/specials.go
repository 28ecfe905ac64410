package spark

import (
	"strings"
)

// specials are the functions that are written in a way of their own.
var specials map[string]special

func init() { // they call each other
	specials = map[string]special{
		"concat": concat, "concat_ws": concatWords, "struct": structOf, "named_struct": namedStruct, "map": mapOf, "if": ifElse, "iff": ifElse,
		"decode": decode, "elt": elt, "extract": extract, "date_part": extract, "datepart": extract, "date_format": dateFormat, "to_date": toDate,
		"try_to_date": toDate, "to_timestamp": toTimestamp, "try_to_timestamp": toTimestamp, "to_timestamp_ntz": toTimestamp, "to_timestamp_ltz": toTimestamp,
		"unix_timestamp": unixTimestamp, "to_unix_timestamp": unixTimestamp, "from_unixtime": fromUnixtime, "date_trunc": dateTrunc, "trunc": truncDate,
		"datediff": dateDiff, "date_diff": dateDiff, "timestampdiff": dateDiff, "timediff": dateDiff, "dateadd": dateAdd, "date_add": dateAdd,
		"timestampadd": dateAdd, "substring": substring, "substr": substring, "mod": modulo, "div": modulo, "pmod": modulo, "split": split, "sha2": sha2, "transform": transform,
		"filter": filter, "exists": exists, "forall": forall, "aggregate": aggregate, "reduce": aggregate,
		"zip_with": zipWith, "map_filter": mapFilter, "transform_values": transformValues, "transform_keys": transformKeys,
		"element_at": elementAt, "try_element_at": elementAt, "first": firstLast, "last": firstLast, "first_value": firstLast, "last_value": firstLast,
		"avg": average, "mean": average, "try_avg": average, "collect_list": collect, "collect_set": collect, "array_agg": collect, "count": count, "from_json": fromJSON, "assert_true": assertTrue,
		"input_file_name": inputFile, "explode": misplaced, "explode_outer": misplaced, "posexplode": misplaced, "posexplode_outer": misplaced,
		"stack": misplaced, "json_tuple": misplaced, "variant_explode": misplaced, "variant_explode_outer": misplaced, "inline": misplaced, "inline_outer": misplaced, "make_interval": makeInterval, "make_dt_interval": makeInterval, "make_ym_interval": makeInterval,
		"window": timeWindow, "round": roundTo, "ceil": rounding, "ceiling": rounding, "floor": rounding, "arrays_zip": arraysZip,
		"to_number": toNumber, "try_to_number": toNumber, "to_char": toChar, "to_varchar": toChar, "to_binary": toBinary, "try_to_binary": toBinary,
		"parse_url": parseURL, "try_parse_url": parseURL, "mask": mask, "variant_get": variantGet, "try_variant_get": variantGet,
		"array_sort": arraySort, "format_string": formatText, "printf": formatText, "encode": encodeText,
		"from_utc_timestamp": shiftZone, "to_utc_timestamp": shiftZone, "map_zip_with": mapZipWith,
	}
}

// generators make rows of a value.
var generators = map[string]bool{"explode": true, "explode_outer": true, "posexplode": true, "posexplode_outer": true, "inline": true, "inline_outer": true,
	"stack": true, "json_tuple": true, "variant_explode": true, "variant_explode_outer": true}

// need checks the number of arguments.
func (w *writer) need(c *call, least, most int, form string) {
	if n := len(c.args); n < least || n > most && most >= 0 {
		w.fail(codeArguments, c.span, "write "+form, "the function %s has %d arguments here", c.name, n)
	}
	for _, a := range c.args {
		if a.name != "" {
			w.fail(codeArguments, a.value.at(), "give the arguments in their order, without names", "arguments with names are not supported here")
		}
	}
}

// around writes an argument, or anything else, between two texts.
func (w *writer) around(c *call, before string, write func(), after string) {
	w.written(before, c.nameAt)
	write()
	w.written(after, span{c.end, c.end})
}

func (w *writer) constant(x expr, what string) string {
	l, ok := x.(*literal)
	if !ok || l.kind != textLiteral {
		w.fail(codeArguments, x.at(), "write it as a text: '…'", "%s has to be a constant", what)
	}
	return l.value
}

func concat(w *writer, c *call) {
	if len(c.args) == 0 {
		w.put("''", c.span)
		return
	}
	var x expr
	for _, a := range c.args {
		if x == nil {
			x = a.value
			continue
		}
		x = &binary{span{c.start, c.end}, "||", c.nameAt, x, a.value}
	}
	if b, ok := x.(*binary); ok {
		w.concatAll(c, b)
		return
	}
	w.expr(x)
}

// concatAll writes texts one after the other; where nothing tells what they are, they may be lists.
func (w *writer) concatAll(c *call, b *binary) {
	texts := false
	for _, a := range c.args {
		k := w.kindOf(a.value)
		texts = texts || k == text || k.isNumber() || k == date || k == instant || k == boolean
	}
	if !texts {
		w.binary(b)
		return
	}
	w.put("(", c.nameAt)
	for i, a := range c.args {
		if i > 0 {
			w.put(" || ", span{a.value.at().start, a.value.at().start})
		}
		w.coerced(a.value, text)
	}
	w.put(")", span{c.end, c.end})
}

func concatWords(w *writer, c *call) {
	w.need(c, 1, -1, "concat_ws(', ', a, b)")
	if w.kindOf(c.args[0].value) == text {
		w.put("array_to_string(", c.nameAt)
	} else {
		w.put(w.macro("joined")+"(", c.nameAt)
	}
	if len(c.args) == 1 {
		w.put("CAST([] AS VARCHAR[])", c.nameAt)
	}
	for i, a := range c.args[1:] {
		if i > 0 {
			w.put(" || ", span{a.value.at().start, a.value.at().start})
		}
		if k := w.kindOf(a.value); k != unknown && k != other {
			w.around(c, "[", func() { w.coerced(a.value, text) }, "]")
		} else if w.guess("strings", a.value) {
			w.around(c, "@strings(", func() { w.expr(a.value) }, ")")
		} else if k == other {
			w.expr(a.value)
		} else {
			w.around(c, "[", func() { w.coerced(a.value, text) }, "]")
		}
	}
	w.around(c, ", ", func() { w.coerced(c.args[0].value, text) }, ")")
}

// fieldName is the name that an argument of struct(…) has as a field.
func fieldName(a argument, i int) string {
	if a.alias != "" {
		return a.alias
	}
	switch x := a.value.(type) {
	case *column:
		return x.path[len(x.path)-1].name
	case *field:
		return x.name.name
	}
	return "col" + itoa(i+1)
}

func structOf(w *writer, c *call) {
	w.need(c, 1, -1, "struct(a, b AS name)")
	if s, ok := c.args[0].value.(*star); ok && len(c.args) == 1 {
		w.wholeRow(s)
		return
	}
	for i, a := range c.args {
		before := ", "
		if i == 0 {
			before = "struct_pack("
		}
		w.around(c, before+quoteName(fieldName(a, i))+" := ", func() { w.expr(a.value) }, "")
	}
	w.put(")", span{c.end, c.end})
}

// wholeRow writes struct(*): in DuckDB the name of a relation stands for its rows as structs.
func (w *writer) wholeRow(s *star) {
	switch {
	case len(s.except) > 0 || len(s.path) == 0 && w.row == "":
		w.fail(codeUnsupported, s.span, "name the columns: struct(a, b)", "struct(*) is only supported of one table that has a name")
	case len(s.path) > 0:
		w.path(w.withoutSchema(s.path, 0))
	default:
		w.put(quoteName(w.row), s.span)
	}
}

// nameOfRows is the name of the only relation behind FROM.
func nameOfRows(from []relation) string {
	if len(from) != 1 {
		return ""
	}
	var a alias
	switch r := from[0].(type) {
	case *table:
		if r.alias.name == nil {
			return r.path[len(r.path)-1].name
		}
		a = r.alias
	case *derived:
		a = r.alias
	case *files:
		a = r.alias
	}
	if a.name == nil {
		return ""
	}
	return a.name.name
}

func namedStruct(w *writer, c *call) {
	w.need(c, 2, -1, "named_struct('name', value)")
	if len(c.args)%2 == 1 {
		w.fail(codeArguments, c.span, "write named_struct('name', value)", "a name has no value")
	}
	for i := 0; i < len(c.args); i += 2 {
		before := ", "
		if i == 0 {
			before = "struct_pack("
		}
		name := w.constant(c.args[i].value, "the name of a field")
		w.around(c, before+quoteName(name)+" := ", func() { w.expr(c.args[i+1].value) }, "")
	}
	w.put(")", span{c.end, c.end})
}

func mapOf(w *writer, c *call) {
	if len(c.args)%2 == 1 {
		w.fail(codeArguments, c.span, "write map(key, value)", "a key has no value")
	}
	w.need(c, 0, -1, "map(key, value)")
	var keys, values []expr
	for i := 0; i < len(c.args); i += 2 {
		keys, values = append(keys, c.args[i].value), append(values, c.args[i+1].value)
	}
	w.put("MAP {", c.nameAt)
	for i := range keys {
		if i > 0 {
			w.put(", ", keys[i].at())
		}
		w.oneOf(keys, i)
		w.put(": ", span{keys[i].at().end, values[i].at().start})
		w.oneOf(values, i)
	}
	w.put("}", span{c.end, c.end})
}

func ifElse(w *writer, c *call) {
	w.need(c, 3, 3, c.name+"(condition, a, b)")
	w.caseOf(&caseOf{c.span, nil, []when{{c.args[0].value, c.args[1].value}}, c.args[2].value})
}

// decode is CASE for more than two arguments, and turns bytes into a text else.
func decode(w *writer, c *call) {
	w.need(c, 2, -1, "decode(x, a, b, …)")
	if len(c.args) == 2 {
		w.charset(c.args[1].value)
		w.around(c, "decode(", func() { w.coerced(c.args[0].value, bytes) }, ")")
		return
	}
	x := &caseOf{span: c.span}
	rest := c.args[1:]
	if comparesConstants(rest) {
		x.operand = c.args[0].value
	}
	for ; len(rest) > 1; rest = rest[2:] {
		if x.operand != nil {
			x.whens = append(x.whens, when{rest[0].value, rest[1].value})
			continue
		}
		cond := &binary{c.span, "<=>", c.nameAt, c.args[0].value, rest[0].value}
		x.whens = append(x.whens, when{cond, rest[1].value})
	}
	if len(rest) == 1 {
		x.other = rest[0].value
	}
	w.caseOf(x)
}

// comparesConstants reports whether decode looks for nothing but constants that are not NULL.
func comparesConstants(rest []argument) bool {
	for ; len(rest) > 1; rest = rest[2:] {
		if l, ok := rest[0].value.(*literal); !ok || l.kind == nullLiteral {
			return false
		}
	}
	return true
}

func elt(w *writer, c *call) {
	w.need(c, 2, -1, "elt(n, a, b)")
	w.put(w.macro("chosen")+"([", c.nameAt)
	for i, a := range c.args[1:] {
		if i > 0 {
			w.put(", ", a.value.at())
		}
		w.coerced(a.value, text)
	}
	w.around(c, "], ", func() { w.coerced(c.args[0].value, integer) }, ")")
}

// roundTo writes round. A DOUBLE is rounded as it is written in decimal digits: 1.005 to 1.01, and not as the next lower
// number that it is.
func roundTo(w *writer, c *call) {
	w.need(c, 1, 2, "round(x, 2)")
	x := c.args[0].value
	digits := func() { w.put("0", c.nameAt) }
	constant := true
	if len(c.args) == 2 {
		_, constant = c.args[1].value.(*literal)
		digits = func() { w.coerced(c.args[1].value, integer) }
	}
	value := func() { w.coerced(x, numeric) }
	k := w.kindOf(x)
	if k == numeric && constant && !bindable(x) { // an average or a sum
		w.wonder(x.at())
	}
	switch {
	case constant && (k == double || k == text):
		w.around(c, "@round_double(", value, ", ")
		w.around(c, "", digits, ")")
	case constant && k == unknown && w.guess("round_any", x):
		w.around(c, "@round_any(", func() { w.expr(x) }, ", ")
		w.around(c, "", func() { w.expr(x) }, ", ")
		w.around(c, "", digits, ")")
	case len(c.args) == 1:
		w.around(c, "round(", value, ")")
	default:
		w.around(c, "round(", value, ", ")
		w.around(c, "", digits, ")")
	}
}

// rounding writes ceil and floor, which give a BIGINT, or a DECIMAL of one.
func rounding(w *writer, c *call) {
	w.need(c, 1, 2, c.name+"(x)")
	name := strings.TrimSuffix(c.name, "ing")
	x := c.args[0].value
	switch {
	case len(c.args) == 2:
		w.around(c, "("+name+"(", func() { w.coerced(x, numeric) }, " * pow(10, ")
		w.around(c, "", func() { w.coerced(c.args[1].value, integer) }, ")) / pow(10, ")
		w.around(c, "", func() { w.coerced(c.args[1].value, integer) }, "))")
	case w.kindOf(x) == decimals:
		w.around(c, name+"(", func() { w.expr(x) }, ")")
	default:
		w.around(c, "CAST("+name+"(", func() { w.coerced(x, numeric) }, ") AS BIGINT)")
	}
}

// modulo writes mod, pmod and div as the operators.
func modulo(w *writer, c *call) {
	w.need(c, 2, 2, c.name+"(a, b)")
	b := &binary{c.span, "%", c.nameAt, c.args[0].value, c.args[1].value}
	switch c.name {
	case "div":
		b.op = "DIV"
	case "pmod":
		macro := "@pmod("
		if n, ok := b.r.(*literal); ok && n.kind == numberLiteral && strings.Trim(n.value, "-0.e") != "" {
			macro = "@pmod_constant("
		}
		w.around(c, macro, func() { w.addend(b.l, b.r) }, ", ")
		w.around(c, "", func() { w.addend(b.r, b.l) }, ")")
		return
	}
	w.binary(b)
}

func substring(w *writer, c *call) {
	w.need(c, 2, 3, c.name+"(text, position, length)")
	position := c.args[1].value
	l, ok := position.(*literal)
	simple := ok && l.kind == numberLiteral && l.value != "0" && !strings.HasPrefix(l.value, "-")
	name := "substring("
	if !simple {
		name = "@part("
	}
	w.around(c, name, func() { w.coerced(c.args[0].value, text) }, ", ")
	w.coerced(position, integer)
	if len(c.args) == 3 {
		w.around(c, ", @natural(", func() { w.coerced(c.args[2].value, integer) }, ")")
	}
	w.put(")", span{c.end, c.end})
}

func split(w *writer, c *call) {
	w.need(c, 2, 3, "split(text, regex)")
	limited := len(c.args) == 3
	if limited {
		l, ok := c.args[2].value.(*literal)
		limited = !ok || !strings.HasPrefix(l.value, "-") && l.value != "0"
	}
	if l, ok := c.args[1].value.(*literal); ok && l.kind == textLiteral {
		if plain, ok := plainPattern(l.value); ok {
			if limited {
				w.around(c, "@split_limit(", func() { w.coerced(c.args[0].value, text) }, ", "+quoteText(plain)+", ")
				w.around(c, "", func() { w.coerced(c.args[2].value, integer) }, ")")
			} else {
				w.around(c, "string_split(", func() { w.coerced(c.args[0].value, text) }, ", "+quoteText(plain)+")")
			}
			return
		}
	}
	if limited {
		w.fail(codeUnsupported, c.args[2].value.at(), "leave it out, or use substring_index or regexp_extract", "split by a regular expression with a limit is not supported")
	}
	w.around(c, "string_split_regex(", func() { w.coerced(c.args[0].value, text) }, ", ")
	w.regex(c.args[1].value)
	w.put(")", span{c.end, c.end})
}

func sha2(w *writer, c *call) {
	w.need(c, 2, 2, "sha2(x, 256)")
	if l, ok := c.args[1].value.(*literal); !ok || l.value != "256" && l.value != "0" {
		w.fail(codeUnsupported, c.args[1].value.at(), "use sha2(x, 256)", "only 256 bits are supported")
	}
	w.around(c, "sha256(", func() { w.expr(c.args[0].value) }, ")")
}

func assertTrue(w *writer, c *call) {
	w.need(c, 1, 2, "assert_true(condition)")
	w.around(c, "CASE WHEN ", func() { w.expr(c.args[0].value) }, " THEN NULL ELSE error('assertion failed') END")
}

func inputFile(w *writer, c *call) {
	w.need(c, 0, 0, "input_file_name()")
	w.metadata = true
	w.put("_metadata.file_path", c.span)
}

// misplaced reports a generator that stands inside of an expression.
func misplaced(w *writer, c *call) {
	w.fail(codeUnsupported, c.span, "write it in the select list alone, or behind LATERAL VIEW", "%s makes rows, which an expression cannot", c.name)
}

func elementAt(w *writer, c *call) {
	w.need(c, 2, 2, c.name+"(list, 1)")
	key := c.args[1].value
	if w.kindOf(key) == text {
		w.around(c, "(", func() { w.expr(c.args[0].value) }, ")[")
		w.around(c, "", func() { w.expr(key) }, "]")
		return
	}
	if c.name == "try_element_at" || !w.guess("element", c.args[0].value) {
		w.around(c, "(", func() { w.expr(c.args[0].value) }, ")[")
		w.around(c, "", func() { w.expr(key) }, "]")
		return
	}
	w.around(c, "@element(", func() { w.expr(c.args[0].value) }, ", ")
	w.around(c, "", func() { w.expr(c.args[0].value) }, ", ")
	w.around(c, "", func() { w.expr(key) }, ")")
}

// firstLast writes first and last, whose second argument leaves NULLs out.
func firstLast(w *writer, c *call) {
	w.need(c, 1, 2, c.name+"(x)")
	name := c.name
	ignore := c.nulls == "IGNORE"
	if len(c.args) == 2 {
		l, ok := c.args[1].value.(*literal)
		if !ok || l.kind != boolLiteral {
			w.fail(codeArguments, c.args[1].value.at(), "write true or false", "it has to be a constant")
		}
		ignore = l.value == "true"
	}
	inner := *c
	inner.nulls = ""
	switch {
	case c.over != nil:
		name = strings.TrimSuffix(name, "_value") + "_value"
		if ignore {
			inner.nulls = "IGNORE"
		}
	case ignore && strings.HasPrefix(name, "first"):
		name = "any_value"
	case ignore:
		name = "last"
		inner.filter = both(c.filter, &is{c.span, c.args[0].value, "NULL", nil, true})
	default:
		name = strings.TrimSuffix(name, "_value")
	}
	w.put(name+"(", c.nameAt)
	w.expr(c.args[0].value)
	w.behind(&inner)
}

func both(a, b expr) expr {
	if a == nil {
		return b
	}
	return &binary{a.at(), "AND", a.at(), a, b}
}

// collect writes collect_list and collect_set: they leave NULLs out, and give an empty list where there is nothing.
func collect(w *writer, c *call) {
	w.need(c, 1, 1, c.name+"(x)")
	inner := *c
	inner.filter = both(c.filter, &is{c.span, c.args[0].value, "NULL", nil, true})
	distinct := ""
	if c.distinct || c.name == "collect_set" {
		distinct = "DISTINCT "
	}
	w.put("coalesce(list("+distinct, c.nameAt)
	w.expr(c.args[0].value)
	w.behind(&inner)
	w.put(", [])", span{c.end, c.end})
}

// average writes avg. That of a DECIMAL is a DECIMAL with four decimals more, which is known when the query is bound: a sum
// has as many decimals, and is not computed where only its type is asked for.
func average(w *writer, c *call) {
	w.need(c, 1, 1, c.name+"(number)")
	v := &variant{params: []kind{numeric}, body: "avg($1)"}
	x := c.args[0].value
	if k := w.kindOf(x); k != unknown && k != decimals && k != numeric {
		w.aggregate(c, v)
		return
	}
	w.written("cast_to_type(", c.nameAt)
	w.aggregate(c, v)
	w.written(", from_json('null', @average_type(", c.nameAt)
	w.aggregate(c, v)
	switch {
	case c.over != nil:
		w.written(", ", c.nameAt)
		w.coerced(x, numeric)
	case w.guess("summed", x):
		w.written(", sum(@summed(", c.nameAt)
		w.expr(x)
		w.written("))", c.nameAt)
	default:
		w.written(", sum(", c.nameAt)
		w.coerced(x, numeric)
		w.written(")", c.nameAt)
	}
	w.written(")))", span{c.end, c.end})
}

func count(w *writer, c *call) {
	if len(c.args) == 1 {
		if s, ok := c.args[0].value.(*star); ok && len(s.path) == 0 {
			w.put("count(*", c.nameAt)
			w.behind(c)
			return
		}
	}
	if len(c.args) > 1 && !c.distinct { // of rows in which nothing is NULL
		w.around(c, "count(", func() {
			w.put("CASE WHEN ", c.nameAt)
			for i, a := range c.args {
				if i > 0 {
					w.put(" AND ", c.nameAt)
				}
				w.expr(a.value)
				w.put(" IS NOT NULL", c.nameAt)
			}
			w.put(" THEN 1 END", c.nameAt)
		}, "")
		w.behind(c)
		return
	}
	w.need(c, 1, -1, "count(x)")
	w.aggregate(c, &variant{params: []kind{unknown}, variadic: true, body: "count($*)"})
}
