package spark

import "strings"

// kind is what is known of the type of an expression before DuckDB has seen it. It decides where a cast is written that
// Spark leaves to be understood; where it is unknown, a macro with overloads by type decides.
type kind string

const (
	unknown  kind = ""
	nullKind kind = "null"
	text     kind = "text"
	integer  kind = "int"
	double   kind = "double"
	decimals kind = "decimal"
	numeric  kind = "number" // one of the three above
	boolean  kind = "bool"
	date     kind = "date"
	instant  kind = "time"
	bytes    kind = "binary"
	duration kind = "interval"
	other    kind = "other" // a list, map or struct
	jsonKind kind = "json"
)

func (k kind) isNumber() bool { return k == integer || k == double || k == decimals || k == numeric }

// told are DuckDB's types of expressions of which nothing else is known, by the places of these.
type told map[span]string

// kindOf is what is known of an expression's type.
func (t told) kindOf(x expr) kind {
	k := t.written(x)
	if typ := t[x.at()]; typ != "" && (k == unknown || k == numeric) {
		return duckKind(typ)
	}
	return k
}

// duckKind is the kind of a type of DuckDB.
func duckKind(typ string) kind {
	if strings.HasSuffix(typ, "[]") {
		return other
	}
	switch name, _, _ := strings.Cut(typ, "("); name {
	case "BOOLEAN":
		return boolean
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "INTEGER_LITERAL":
		return integer
	case "FLOAT", "DOUBLE":
		return double
	case "DECIMAL":
		return decimals
	case "VARCHAR", "STRING_LITERAL":
		return text
	case "BLOB":
		return bytes
	case "DATE":
		return date
	case "TIMESTAMP":
		return instant
	case "INTERVAL":
		return duration
	case "JSON":
		return jsonKind
	case `"NULL"`:
		return unknown
	}
	return other
}

// written is what an expression itself tells of its type.
func (t told) written(x expr) kind {
	switch x := x.(type) {
	case *literal:
		return x.is()
	case *interval:
		return duration
	case *unary:
		if x.op == "NOT" {
			return boolean
		}
		if k := t.kindOf(x.x); k.isNumber() {
			return k
		}
		return numeric
	case *binary:
		return t.binary(x)
	case *cast:
		return x.to.is()
	case *between, *in, *like, *is:
		return boolean
	case *subquery:
		if x.exists {
			return boolean
		}
	case *path:
		return text
	case *caseOf:
		return t.commonKind(x.results()...)
	case *call:
		return t.call(x)
	case *tuple, *lambda:
		return other
	}
	return unknown
}

func (l *literal) is() kind {
	switch l.kind {
	case nullLiteral:
		return nullKind
	case boolLiteral:
		return boolean
	case textLiteral:
		return text
	case binaryLiteral:
		return bytes
	case dateLiteral:
		return date
	case timestampLiteral:
		return instant
	}
	switch l.typ {
	case "DOUBLE", "FLOAT":
		return double
	case "DECIMAL":
		return decimals
	case "":
		for _, c := range l.value {
			if c == '.' {
				return decimals
			}
		}
	}
	return integer
}

func (t told) binary(b *binary) kind {
	switch b.op {
	case "+", "-", "*", "%":
		l, r := t.kindOf(b.l), t.kindOf(b.r)
		switch {
		case l == duration && r == duration:
			return duration
		case l == duration || r == duration, l == date || l == instant || r == date || r == instant:
			return unknown
		case l == unknown || r == unknown:
			// a column may be a date, which stays one with a number added
			if b.op == "*" || b.op == "%" {
				return numeric
			}
			return unknown
		case l == integer && r == integer:
			return integer
		case l == double || r == double:
			return double
		}
		return numeric
	case "/":
		return double
	case "DIV", "&", "|", "^", "<<", ">>", ">>>":
		return integer
	case "||":
		if l, r := t.kindOf(b.l), t.kindOf(b.r); l == text || r == text || l.isNumber() || r.isNumber() {
			return text
		}
		return unknown
	}
	return boolean
}

func (t *dataType) is() kind {
	switch simpleTypes[t.name] {
	case "BOOLEAN":
		return boolean
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT":
		return integer
	case "FLOAT", "DOUBLE":
		return double
	case "DECIMAL":
		return decimals
	case "VARCHAR":
		return text
	case "BLOB":
		return bytes
	case "DATE":
		return date
	case "TIMESTAMP":
		return instant
	case "JSON":
		return jsonKind
	}
	return other
}

func (c *caseOf) results() []expr {
	var all []expr
	for _, w := range c.whens {
		all = append(all, w.then)
	}
	if c.other != nil {
		all = append(all, c.other)
	}
	return all
}

// commonKind is the kind of a value that is one of several.
func (t told) commonKind(all ...expr) kind {
	found := nullKind
	for _, x := range all {
		switch k := t.kindOf(x); {
		case k == nullKind || k == found:
		case found == nullKind:
			found = k
		case k.isNumber() && found.isNumber():
			found = numeric
		default:
			return unknown
		}
	}
	if found == nullKind {
		return unknown
	}
	return found
}

// specialKinds are what the functions give that are written in a way of their own.
var specialKinds = map[string]kind{"concat_ws": text, "struct": other, "named_struct": other, "map": other, "elt": text, "extract": numeric, "date_part": numeric,
	"datepart": numeric, "date_format": text, "to_date": date, "try_to_date": date, "to_timestamp": instant, "try_to_timestamp": instant,
	"to_timestamp_ntz": instant, "to_timestamp_ltz": instant, "unix_timestamp": integer, "to_unix_timestamp": integer, "from_unixtime": text,
	"date_trunc": instant, "trunc": date, "datediff": integer, "date_diff": integer, "timestampdiff": integer, "timediff": integer, "substring": text,
	"substr": text, "split": other, "sha2": text, "transform": other, "filter": other, "exists": boolean, "forall": boolean, "zip_with": other,
	"map_filter": other, "transform_values": other, "transform_keys": other, "collect_list": other, "collect_set": other, "array_agg": other, "count": integer,
	"input_file_name": text, "make_interval": duration, "make_dt_interval": duration, "make_ym_interval": duration, "window": other, "arrays_zip": other,
	"array": other, "ceil": numeric, "floor": numeric, "ceiling": numeric, "array_sort": other, "map_zip_with": other, "to_number": decimals, "try_to_number": decimals, "to_char": text, "to_varchar": text, "to_binary": bytes,
	"try_to_binary": bytes, "parse_url": text, "try_parse_url": text, "mask": text, "format_string": text, "printf": text, "encode": bytes,
	"from_utc_timestamp": instant, "to_utc_timestamp": instant, "div": integer, "mod": numeric, "pmod": numeric}

func (t told) call(c *call) kind {
	if k := specialKinds[c.name]; k != unknown {
		return k
	}
	if to := castFunctions[c.name]; to != "" && len(c.args) == 1 {
		return (&dataType{name: to}).is()
	}
	switch c.name {
	case "round":
		if len(c.args) > 0 {
			if k := t.kindOf(c.args[0].value); k != text && k != unknown {
				return k
			}
			return numeric
		}
	case "avg", "mean", "try_avg":
		if len(c.args) > 0 {
			switch k := t.kindOf(c.args[0].value); k {
			case unknown, decimals, numeric:
				return numeric
			case duration:
				return k
			}
			return double
		}
	case "if", "iff":
		if len(c.args) == 3 {
			return t.commonKind(c.args[1].value, c.args[2].value)
		}
	case "dateadd", "date_add":
		return map[bool]kind{true: date, false: instant}[len(c.args) == 2]
	case "concat":
		for _, a := range c.args {
			if k := t.kindOf(a.value); k == text || k.isNumber() {
				return text
			}
		}
	}
	if f, v := lookup(c.name, len(c.args)); f != nil && v != nil {
		switch v.gives {
		case "1":
			return t.kindOf(c.args[0].value)
		case "common":
			var all []expr
			for _, a := range c.args {
				all = append(all, a.value)
			}
			return t.commonKind(all...)
		}
		return v.gives
	}
	return unknown
}
