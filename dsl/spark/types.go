package spark

import (
	"cmp"
	"errors"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// simpleTypes are Spark's types that have no parts, with DuckDB's. TIMESTAMP is an instant in Spark; here the time zone
// is always UTC, in which it is a TIMESTAMP without one.
var simpleTypes = map[string]string{
	"BOOLEAN": "BOOLEAN", "BYTE": "TINYINT", "TINYINT": "TINYINT", "SHORT": "SMALLINT", "SMALLINT": "SMALLINT", "INT": "INTEGER",
	"INTEGER": "INTEGER", "LONG": "BIGINT", "BIGINT": "BIGINT", "FLOAT": "FLOAT", "REAL": "FLOAT", "DOUBLE": "DOUBLE", "STRING": "VARCHAR",
	"VARCHAR": "VARCHAR", "CHAR": "VARCHAR", "CHARACTER": "VARCHAR", "BINARY": "BLOB", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP",
	"TIMESTAMP_NTZ": "TIMESTAMP", "TIMESTAMP_LTZ": "TIMESTAMP", "VARIANT": "JSON", "VOID": "INTEGER", "DECIMAL": "DECIMAL", "DEC": "DECIMAL",
	"NUMERIC": "DECIMAL", "INTERVAL": "INTERVAL",
}

// castMacros are the macros that cast to a type, as Spark does.
var castMacros = map[string]string{
	"BOOLEAN": "as_boolean", "TINYINT": "as_tinyint", "SMALLINT": "as_smallint", "INTEGER": "as_int", "BIGINT": "as_bigint", "FLOAT": "as_float", "DOUBLE": "as_double",
	"VARCHAR": "as_string", "BLOB": "as_binary", "DATE": "as_date", "TIMESTAMP": "as_timestamp",
}

// typedCasts are the same for values whose type DuckDB knows while it looks for a macro. Most values have the type
// already: DuckDB binds a column then, and not all that a value of another type would take.
var typedCasts = map[string]string{"VARCHAR": "string_of", "DATE": "date_of", "TIMESTAMP": "timestamp_of"}

// duck is DuckDB's spelling of a type.
func (t *dataType) duck() string {
	switch t.name {
	case "ARRAY":
		return t.of[0].duck() + "[]"
	case "MAP":
		return "MAP(" + t.of[0].duck() + ", " + t.of[1].duck() + ")"
	case "STRUCT":
		var fields []string
		for _, f := range t.fields {
			fields = append(fields, quoteName(f.name.name)+" "+f.typ.duck())
		}
		return "STRUCT(" + strings.Join(fields, ", ") + ")"
	}
	simple := simpleTypes[t.name]
	if simple == "DECIMAL" {
		switch len(t.args) {
		case 0:
			return "DECIMAL(10, 0)"
		case 1:
			return "DECIMAL(" + t.args[0] + ", 0)"
		}
		return "DECIMAL(" + t.args[0] + ", " + t.args[1] + ")"
	}
	return simple
}

// Type reads one of Spark's types and gives DuckDB's spelling. It is empty for one with a mistake, which is added to diags.
func Type(raw string, at sqltext.Origin, diags *diag.List) string {
	typ := ""
	translate(raw, at, Pipeline{}, diags, "NULL", choices{}, func(p *parser) func(*writer) {
		t := p.dataType()
		return func(w *writer) {
			typ = t.duck()
			w.put(typ, t.span)
		}
	})
	return typ
}

// spelled is the type as Spark writes it in the name of a column.
func (t *dataType) spelled() string {
	switch t.name {
	case "ARRAY":
		return "ARRAY<" + t.of[0].spelled() + ">"
	case "MAP":
		return "MAP<" + t.of[0].spelled() + ", " + t.of[1].spelled() + ">"
	case "STRUCT":
		var fields []string
		for _, f := range t.fields {
			fields = append(fields, f.name.name+": "+f.typ.spelled())
		}
		return "STRUCT<" + strings.Join(fields, ", ") + ">"
	case "DECIMAL", "DEC", "NUMERIC":
		return strings.ReplaceAll(t.duck(), ", ", ",")
	case "BYTE":
		return "TINYINT"
	case "SHORT":
		return "SMALLINT"
	case "INTEGER":
		return "INT"
	case "LONG":
		return "BIGINT"
	case "REAL":
		return "FLOAT"
	case "TIMESTAMP_LTZ":
		return "TIMESTAMP"
	}
	return t.name
}

// dataType reads a type.
func (p *parser) dataType() *dataType {
	start := p.here()
	t := &dataType{span: start}
	if k := p.peek().Kind; k != Word {
		p.fail("a type is missing", typeHelp)
	}
	t.name = strings.ToUpper(p.text(p.i))
	p.i++
	switch t.name {
	case "ARRAY":
		p.expect("<")
		t.of = append(t.of, p.dataType())
		p.closeType()
	case "MAP":
		p.expect("<")
		t.of = append(t.of, p.dataType())
		p.expect(",")
		t.of = append(t.of, p.dataType())
		p.closeType()
	case "STRUCT":
		p.structFields(t)
	case "DOUBLE":
		p.accept("precision")
	case "INTERVAL":
		for p.anyOf("year", "month", "day", "hour", "minute", "second", "to") {
			p.i++
		}
	case "TIMESTAMP":
		if p.accept("without", "time", "zone") {
			t.name = "TIMESTAMP_NTZ"
		} else {
			p.accept("with", "local", "time", "zone")
		}
	default:
		if simpleTypes[t.name] == "" {
			p.failAt(start, typeHelp, "there is no type %s", clip(t.name))
		}
		p.typeArguments(t)
	}
	t.end = p.before()
	return t
}

const typeHelp = "write BOOLEAN, INT, BIGINT, DOUBLE, DECIMAL(10, 2), STRING, BINARY, DATE, TIMESTAMP, ARRAY<…>, MAP<…, …> or STRUCT<name: …>"

func (p *parser) typeArguments(t *dataType) {
	if !p.accept("(") {
		return
	}
	for {
		if p.peek().Kind != Number {
			p.fail("a number is missing in the type", typeHelp)
		}
		t.args = append(t.args, p.text(p.i))
		p.i++
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	if simpleTypes[t.name] == "DECIMAL" {
		precision, scale := atoi(t.args[0]), 0
		if len(t.args) > 1 {
			scale = atoi(t.args[1])
		}
		if precision < 1 || precision > 38 || scale < 0 || scale > precision {
			p.failAt(span{t.start, p.before()}, "a DECIMAL has 1 to 38 digits, and no more behind the point than in all", "there is no such DECIMAL")
		}
	}
}

func (p *parser) structFields(t *dataType) {
	if p.accept("<", ">") {
		p.failAt(t.span, "give it a field", "a STRUCT without fields cannot be stored")
	}
	p.expect("<")
	for {
		name := p.ident("the name of a field")
		p.accept(":")
		typ := p.dataType()
		if p.accept("not") {
			p.expect("null")
		}
		if p.accept("comment") {
			if p.peek().Kind != String {
				p.fail("a comment in quotes is missing", "write COMMENT 'text'")
			}
			p.i++
		}
		t.fields = append(t.fields, typeField{name, typ})
		if !p.accept(",") {
			break
		}
	}
	p.closeType()
}

// closeType reads the > at the end of a type, which the lexer may have put into one token with a = behind it.
func (p *parser) closeType() {
	if !p.accept(">") {
		p.fail("the type has no end", "close it with >")
	}
}

// Field is a column that a schema names.
type Field struct {
	Path []string // its name; of a field inside of a column, those of what it is in before it
	Type string   // DuckDB's text of it
}

// Fields reads a schema such as the options of readers have it: a INT, b STRUCT<c: STRING>, d.e DATE; with STRUCT<…>
// around it or without. The error is a clause that says what is wrong, without a place.
func Fields(ddl string) (fields []Field, err error) {
	var diags diag.List
	p := newParser(ddl, func(int, int) (r diag.Range) { return r }, &diags, new(Query))
	ok := attempt(func() {
		wrapped := p.is("struct", "<")
		if wrapped {
			p.i += 2
		}
		for {
			f := Field{}
			for _, name := range p.dotted("a column") {
				f.Path = append(f.Path, name.name)
			}
			p.accept(":")
			f.Type = p.dataType().duck()
			if p.accept("not") {
				p.expect("null")
			}
			if p.accept("comment") {
				p.i++
			}
			fields = append(fields, f)
			if !p.accept(",") || p.i == len(p.toks) {
				break
			}
		}
		if wrapped {
			p.closeType()
		}
		if p.i < len(p.toks) {
			p.fail("a comma or the end is missing", typeHelp)
		}
	})
	if !ok {
		return nil, errors.New(diags[0].Message)
	}
	return fields, nil
}

// DatePattern is Spark's pattern of dates and times in the letters of DuckDB's strptime.
func DatePattern(pattern string) (string, error) { return datePattern(pattern, true) }

// sparkNames are the types that have another name in Spark.
var sparkNames = map[string]string{"VARCHAR": "STRING", "STRING_LITERAL": "STRING", "INTEGER": "INT", "INTEGER_LITERAL": "INT", "BLOB": "BINARY", "HUGEINT": "BIGINT",
	"JSON": "VARIANT", `"NULL"`: "VOID"}

// TypeName is a type of DuckDB as Spark names it: ARRAY<STRING> for VARCHAR[].
func TypeName(duck string) string {
	duck = strings.TrimSpace(duck)
	if element, ok := strings.CutSuffix(duck, "[]"); ok {
		return "ARRAY<" + TypeName(element) + ">"
	}
	name, inside, parts := strings.Cut(strings.TrimSuffix(duck, ")"), "(")
	if !parts || name != "STRUCT" && name != "MAP" {
		return cmp.Or(sparkNames[duck], duck)
	}
	var all []string
	for _, part := range splitTypes(inside) {
		if name == "MAP" {
			all = append(all, TypeName(part))
			continue
		}
		field := strings.IndexByte(part, ' ')
		if strings.HasPrefix(part, `"`) {
			field = strings.LastIndexByte(part, '"') + 1
		}
		if field <= 0 {
			return duck
		}
		all = append(all, strings.Trim(part[:field], `"`)+": "+TypeName(part[field:]))
	}
	return name + "<" + strings.Join(all, ", ") + ">"
}

// splitTypes takes types apart at the commas that stand outside of brackets and quotes.
func splitTypes(list string) []string {
	var all []string
	depth, start, quoted := 0, 0, false
	for i, c := range list {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			all, start = append(all, strings.TrimSpace(list[start:i])), i+1
		}
	}
	return append(all, strings.TrimSpace(list[start:]))
}

// TypeNames are the types of DuckDB in a list with commas, as Spark names them.
func TypeNames(list string) []string {
	var names []string
	for _, t := range splitTypes(list) {
		names = append(names, TypeName(t))
	}
	return names
}
