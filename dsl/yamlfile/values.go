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
