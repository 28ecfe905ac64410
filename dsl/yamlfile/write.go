package yamlfile

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
)

// Write gives the text of a file that holds a mapping. Texts of several lines are literal blocks. It is an error when
// the text would not be read as the same mapping.
func Write(v *option.Value) (string, error) {
	text, err := yaml.MarshalWithOptions(plainValue(v), yaml.Indent(2), yaml.UseLiteralStyleIfMultiline(true),
		yaml.CustomMarshaler(func(s quotedText) ([]byte, error) { return []byte(s), nil }))
	if err != nil {
		return "", fmt.Errorf("write YAML: %w", err)
	}
	var diags diag.List
	var again *option.Value
	if content, ok := checkText("pipeline.yaml", string(text), &diags); ok {
		again = parseYAML("pipeline.yaml", content, &diags)
	}
	if again == nil || len(diags) > 0 {
		return "", fmt.Errorf("write YAML: what was written cannot be read: %v", diags)
	}
	if a, b := contents(v), contents(again); !reflect.DeepEqual(a, b) {
		return "", fmt.Errorf("write YAML: what was written is read as something else: %v, not %v", b, a)
	}
	return string(text), nil
}

// quotedText is a text with its quotes.
type quotedText string

// plainValue is a value as the YAML library takes it.
func plainValue(v *option.Value) any {
	switch v.Kind {
	case option.KindMapping:
		m := yaml.MapSlice{}
		for _, e := range v.Entries {
			m = append(m, yaml.MapItem{Key: e.Key, Value: plainValue(e.Value)})
		}
		return m
	case option.KindList:
		list := []any{}
		for _, item := range v.Items {
			list = append(list, plainValue(item))
		}
		return list
	case option.KindText:
		return writtenText(v.Scalar.(string))
	}
	return v.Scalar
}

// writtenText leaves the spelling of a text to the library where that is read as it was written.
func writtenText(s string) any {
	oneLine := !strings.ContainsAny(s, "\n\r")
	body := strings.TrimRight(s, "\n")
	if !oneLine && !strings.Contains(s, "\r") && strings.TrimSpace(body) == body && body != "" &&
		!strings.ContainsFunc(strings.ReplaceAll(body, "\n", ""), unprintable) {
		return s
	}
	if oneLine && readAsText(s) {
		return s
	}
	return quotedText(doubleQuoted(s))
}

// readAsText reports whether a text of one line, as the library spells it, is read as it was.
func readAsText(s string) bool {
	text, err := yaml.Marshal(yaml.MapSlice{{Key: "x", Value: s}})
	if err != nil {
		return false
	}
	if strings.ContainsFunc(s, unprintable) {
		return false
	}
	var diags diag.List
	v := parseYAML("", string(text), &diags)
	return v != nil && len(diags) == 0 && reflect.DeepEqual(contents(v), map[string]any{"x": s})
}

// unprintable reports a character that a file should not hold as it is.
func unprintable(c rune) bool { return !unicode.IsPrint(c) && c != '\t' }

// doubleQuoted spells a text with YAML's escapes.
func doubleQuoted(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\U%08x`, c)
		default:
			b.WriteRune(c)
		}
	}
	return `"` + b.String() + `"`
}

// contents are a value without its places.
func contents(v *option.Value) any {
	switch v.Kind {
	case option.KindMapping:
		m := map[string]any{}
		for _, e := range v.Entries {
			m[e.Key] = contents(e.Value)
		}
		return m
	case option.KindList:
		list := []any{}
		for _, item := range v.Items {
			list = append(list, contents(item))
		}
		return list
	}
	return v.Scalar
}
