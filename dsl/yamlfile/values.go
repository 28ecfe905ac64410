package yamlfile

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/schemas"
)

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// optionalName is the name when it was written, and otherwise the default.
func (b *builder) optionalName(what string, name *string, at diag.Range, otherwise string) string {
	if name == nil {
		return otherwise
	}
	b.name(what, *name, at)
	return cmp.Or(*name, otherwise)
}

// name checks a name that becomes an identifier in SQL, a folder or a key.
func (b *builder) name(what, name string, at diag.Range) {
	if identifier.MatchString(name) {
		return
	}
	help := "use letters, digits and _, and begin with a letter"
	if fixed := asIdentifier(name); fixed != "" {
		help += ", as in " + fixed
	}
	b.diags.Errorf("LF0106", at, help, "%q is not a good %s name", name, what)
}

// tableName checks the name of a table, of a flow, or of a schema of tables.
func (b *builder) tableName(what, name string, at diag.Range) bool {
	if schemas.GoodName(name) {
		return true
	}
	help := "use letters, digits, _ and -, and at most 255 bytes"
	if fixed := asIdentifier(name); fixed != "" {
		help += ", as in " + fixed
	}
	b.diags.Errorf("LF0106", at, help, "%q is not a good %s name", name, what)
	return false
}

// inSchema is what the pipeline calls a table: with its schema, where that is another one than the pipeline's.
func (b *builder) inSchema(key string, s *specTable, own string) string {
	schema, name := schemas.SplitName(key)
	if schema != "" {
		b.tableName("schema", schema, s.Range)
	}
	b.tableName("table", name, s.Range)
	if s.Schema != nil {
		at := s.At("schema")
		texts := *b.texts
		texts.Keep = false // it is a part of names
		written := texts.Text(*s.Schema, at)
		switch {
		case schema != "" && !strings.EqualFold(schema, written):
			b.diags.Errorf("LF0277", at, "remove it, or leave "+schema+". out of the name", "table %q is in schema %s by its name, and in %s by this", key, schema, written)
		case b.tableName("schema", written, at):
			schema = written
		}
	}
	if strings.EqualFold(schema, own) {
		return name
	}
	for _, taken := range []string{"main", "temp", "system", "memory", "information_schema", "pg_catalog", "live", "recurring"} {
		if strings.EqualFold(schema, taken) || strings.HasPrefix(schema, "__") {
			at := s.Range
			if s.Schema != nil {
				at = s.At("schema")
			}
			b.diags.Errorf("LF0276", at, "choose another name", "the schema name %q is kept for DuckDB's or lakeflow's own use", schema)
			break
		}
	}
	return schemas.JoinName(schema, name)
}

// oneSpelling reports schemas that are written in two ways. SQL does not tell Bronze from bronze, and folders do.
func (b *builder) oneSpelling(p *dsl.Pipeline) {
	first := map[string]string{}
	for _, t := range p.Tables {
		schema, _ := schemas.SplitName(t.Name)
		switch other, ok := first[strings.ToLower(schema)]; {
		case !ok:
			first[strings.ToLower(schema)] = schema
		case other != schema:
			at := t.Range
			if in := t.At("schema"); !in.IsZero() {
				at = in
			}
			b.diags.Errorf("LF0278", at, "write "+other, "the schemas %q and %q differ only in letter case, which SQL does not tell apart", other, schema)
		}
	}
}

// longestRule is the longest name of an expectation, in characters.
const longestRule = 255

// ruleName checks the name of an expectation, which is any text of one line: it is shown and stored, and never part of
// SQL.
func (b *builder) ruleName(name string, at diag.Range) {
	if strings.TrimSpace(name) == "" || utf8.RuneCountInString(name) > longestRule || strings.ContainsFunc(name, unicode.IsControl) {
		b.diags.Errorf("LF0106", at, "write a text of one line with 1 to 255 characters, as in \"valid id\"", "%q is not a good expectation name", name)
	}
}

// asIdentifier is the nearest good name, or "".
func asIdentifier(name string) string {
	fixed := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9_]+`).ReplaceAllString(name, "_"), "_")
	if !identifier.MatchString(fixed) || len(fixed) > 64 {
		return ""
	}
	return fixed
}

// parameters gives the pipeline's parameters with their overrides, and remembers them for SQL and texts.
func (b *builder) parameters(s *specPipeline) []dsl.Parameter {
	var out []dsl.Parameter
	var names []string
	for _, name := range inOrder(s.Parameters, func(x specParameter) option.Node { return x.Node }) {
		declared := s.Parameters[name]
		b.name("parameter", name, declared.Range)
		p := dsl.Parameter{Node: declared.Node, Name: name, Value: declared.Value}
		if text, ok := p.Value.(string); ok {
			p.Value, p.Secret = b.texts.Parameter(text, declared.At("value")), option.Refers(text)
		}
		if override, ok := b.opts.Params[name]; ok {
			p.Value = b.override(name, override, p.Value)
		}
		if p.Secret {
			b.texts.Secrets = append(b.texts.Secrets, fmt.Sprint(p.Value))
		}
		names = append(names, name)
		b.texts.Params[name] = p.Value
		out = append(out, p)
	}
	for _, name := range slices.Sorted(maps.Keys(b.opts.Params)) {
		if _, ok := b.texts.Params[name]; !ok && b.opts.Beside == nil && !s.Has("sql") { // those are keys of .sql files
			b.diags.Errorf("LF0140", diag.Range{File: "--param"}, diag.DidYouMean(name, names, "declare it in the file, under parameters:"),
				"the pipeline has no parameter %q", name)
		}
	}
	return out
}

// override reads a --param as the type of the declared value.
func (b *builder) override(name, text string, declared any) any {
	var value any
	var err error
	var kind string
	switch declared.(type) {
	case bool:
		kind = "true or false"
		value, err = strconv.ParseBool(text)
	case int64:
		kind = "a whole number"
		value, err = strconv.ParseInt(text, 10, 64)
	case float64:
		kind = "a number"
		value, err = strconv.ParseFloat(text, 64)
	default:
		kind, value = "text without NUL characters", text
		if strings.ContainsRune(text, 0) {
			err = strconv.ErrSyntax
		}
	}
	if err != nil {
		b.diags.Errorf("LF0141", diag.Range{File: "--param"}, fmt.Sprintf("write --param %s=… with %s, as in the file", name, kind),
			"the parameter %q must be %s, not %q", name, kind, text)
		return declared
	}
	return value
}
