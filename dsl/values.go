package dsl

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/dsl/diag"
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

// ruleName checks the name of an expectation, which is any text of one line: it is shown and stored, and never part of SQL.
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
func (b *builder) parameters(s *specPipeline) []Parameter {
	b.params = map[string]any{}
	var out []Parameter
	var names []string
	for _, name := range inOrder(s.Parameters, func(x specParameter) Node { return x.Node }) {
		declared := s.Parameters[name]
		b.name("parameter", name, declared.Range)
		p := Parameter{Node: declared.Node, Name: name, Value: declared.Value}
		if text, ok := p.Value.(string); ok {
			p.Value, p.Secret = b.secrets(text, declared.At("value")), reference.MatchString(text)
		}
		if override, ok := b.opts.Params[name]; ok {
			p.Value = b.override(name, override, p.Value)
		}
		if p.Secret {
			b.hidden.add(fmt.Sprint(p.Value))
		}
		names = append(names, name)
		b.params[name] = p.Value
		out = append(out, p)
	}
	for _, name := range slices.Sorted(maps.Keys(b.opts.Params)) {
		if _, ok := b.params[name]; !ok {
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

var reference = regexp.MustCompile(`\$\{([^{}\r\n]*)\}`)

// text replaces ${name}, ${env:NAME} and ${file:path} in a text.
func (b *builder) text(s string, at diag.Range) string {
	return b.replace(s, at, func(name string) string {
		value, ok := b.params[name]
		switch {
		case !ok:
			b.diags.Errorf("LF0120", at, diag.DidYouMean(name, slices.Sorted(maps.Keys(b.params)), "declare it under parameters:"),
				"unknown parameter %q", name)
			return ""
		case value == nil:
			return ""
		}
		return fmt.Sprint(value)
	})
}

var secret = regexp.MustCompile(`\$\{\s*(env|file):[^{}\r\n]*\}`)

// shown replaces ${name} in a text that is there to be shown: the value of a secret is not.
func (b *builder) shown(s string, at diag.Range) string {
	return b.text(secret.ReplaceAllString(s, "***"), at)
}

// secrets replaces ${env:NAME} and ${file:path} only: a parameter cannot be made of others.
func (b *builder) secrets(s string, at diag.Range) string {
	return b.replace(s, at, func(name string) string {
		b.diags.Errorf("LF0123", at, "write the value itself, ${env:NAME} or ${file:path}", "the value of a parameter cannot refer to ${%s}", name)
		return ""
	})
}

func (b *builder) replace(s string, at diag.Range, param func(string) string) string {
	return reference.ReplaceAllStringFunc(s, func(m string) string {
		inner := strings.TrimSpace(m[2 : len(m)-1])
		if name, ok := strings.CutPrefix(inner, "env:"); ok {
			return b.env(name, at)
		}
		if path, ok := strings.CutPrefix(inner, "file:"); ok {
			return b.secretFile(path, at)
		}
		if !identifier.MatchString(inner) {
			b.diags.Errorf("LF0123", at, "write ${name}, ${env:NAME} or ${file:path}", "%s is not a parameter", m)
			return ""
		}
		return param(inner)
	})
}

func (b *builder) env(name string, at diag.Range) string {
	value, ok := b.opts.Env(name)
	if !ok {
		b.diags.Errorf("LF0142", at, fmt.Sprintf("set it before lakeflow is started: export %s=…", name), "the environment variable %q is not set", name)
	}
	b.hidden.add(value)
	return value
}

// secretFile gives the text of a file without the line break at its end.
func (b *builder) secretFile(path string, at diag.Range) string {
	content, err := b.readFile(path)
	if err == nil && (len(content) > maxFile || strings.ContainsRune(content, 0)) {
		err = errors.New("it holds no text, or more than 1 MiB")
	}
	if err != nil {
		b.diags.Errorf("LF0143", at, "write a path that exists, relative to the pipeline file", "the file of ${file:%s} cannot be read: %v", path, rootCause(err))
		return ""
	}
	content = strings.TrimRight(content, "\r\n")
	b.hidden.add(content)
	return content
}

// readFile reads a regular file relative to the pipeline's folder. A pipe or device could block for ever.
func (b *builder) readFile(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	return readLimited(path)
}

// rootCause leaves out the absolute path that an *fs.PathError repeats.
func rootCause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// path makes a local path absolute. It is empty when something is wrong with it.
func (b *builder) path(s *string, at diag.Range, otherwise string) string {
	path := b.localPath(s, at, otherwise)
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(b.dir, path)
}

// localPath is a local path as it is written, but for parameters. It is empty when something is wrong with it.
func (b *builder) localPath(s *string, at diag.Range, otherwise string) string {
	if s == nil {
		return otherwise
	}
	before := len(*b.diags)
	path := b.text(*s, at)
	switch {
	case len(*b.diags) > before:
	case strings.TrimSpace(path) == "":
		b.diags.Errorf("LF0114", at, "write a path, or remove the key for the default", "the path is empty")
	case scheme.MatchString(path):
		b.diags.Errorf("LF0116", at, "write a path of a local or mounted folder", "%q is not a local path", *s)
	default:
		return filepath.Clean(path)
	}
	return ""
}
