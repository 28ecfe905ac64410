package option

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// Resolver replaces ${name}, ${env:NAME} and ${file:path} in the texts of a file, and reads files that it names.
type Resolver struct {
	Dir     string         // absolute: relative paths start here
	Params  map[string]any // the values of parameters by name
	Env     func(name string) (string, bool)
	Diags   *diag.List
	Secrets []string // the values that came from outside of the file
	// Keep leaves references in texts and paths as they are, for who writes the file again.
	Keep bool
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

var reference = regexp.MustCompile(`\$\{([^{}\r\n]*)\}`)

// Text replaces ${name}, ${env:NAME} and ${file:path} in a text.
func (r *Resolver) Text(s string, at diag.Range) string {
	return r.replace(s, at, func(name string) string {
		value, ok := r.Params[name]
		switch {
		case !ok:
			r.Diags.Errorf("LF0120", at, diag.DidYouMean(name, slices.Sorted(maps.Keys(r.Params)), "declare it under parameters:"),
				"unknown parameter %q", name)
			return ""
		case value == nil:
			return ""
		}
		return fmt.Sprint(value)
	})
}

// Resolving is the resolver, or another one in the place of one that keeps references.
func (r *Resolver) Resolving() *Resolver {
	if !r.Keep {
		return r
	}
	resolving := *r
	resolving.Keep = false
	return &resolving
}

// Refers reports whether a text refers to anything.
func Refers(s string) bool { return reference.MatchString(s) }

// RefersOutside reports whether a text refers to a variable of the environment, or to a file.
func RefersOutside(s string) bool { return secret.MatchString(s) }

var secret = regexp.MustCompile(`\$\{\s*(env|file):[^{}\r\n]*\}`)

// Shown replaces ${name} in a text that is there to be shown: the value of a secret is not.
func (r *Resolver) Shown(s string, at diag.Range) string {
	if r.Keep {
		return s
	}
	return r.Text(secret.ReplaceAllString(s, "***"), at)
}

// Parameter replaces ${env:NAME} and ${file:path} only: a parameter cannot be made of others.
func (r *Resolver) Parameter(s string, at diag.Range) string {
	return r.replace(s, at, func(name string) string {
		r.Diags.Errorf("LF0123", at, "write the value itself, ${env:NAME} or ${file:path}", "the value of a parameter cannot refer to ${%s}", name)
		return ""
	})
}

func (r *Resolver) replace(s string, at diag.Range, param func(string) string) string {
	if r.Keep {
		return s
	}
	return reference.ReplaceAllStringFunc(s, func(m string) string {
		inner := strings.TrimSpace(m[2 : len(m)-1])
		if name, ok := strings.CutPrefix(inner, "env:"); ok {
			return r.env(name, at)
		}
		if path, ok := strings.CutPrefix(inner, "file:"); ok {
			return r.secretFile(path, at)
		}
		if !identifier.MatchString(inner) {
			r.Diags.Errorf("LF0123", at, "write ${name}, ${env:NAME} or ${file:path}", "%s is not a parameter", m)
			return ""
		}
		return param(inner)
	})
}

func (r *Resolver) env(name string, at diag.Range) string {
	value, ok := r.Env(name)
	if !ok {
		r.Diags.Errorf("LF0142", at, fmt.Sprintf("set it before lakeflow is started: export %s=…", name), "the environment variable %q is not set", name)
	}
	r.Secrets = append(r.Secrets, value)
	return value
}

// secretFile gives the text of a file without the line break at its end.
func (r *Resolver) secretFile(path string, at diag.Range) string {
	content, err := r.ReadFile(path)
	if err == nil && (len(content) > MaxFile || strings.ContainsRune(content, 0)) {
		err = errors.New("it holds no text, or more than 1 MiB")
	}
	if err != nil {
		r.Diags.Errorf("LF0143", at, "write a path that exists, relative to the pipeline file", "the file of ${file:%s} cannot be read: %v", path, err)
		return ""
	}
	content = strings.TrimRight(content, "\r\n")
	r.Secrets = append(r.Secrets, content)
	return content
}

// ReadFile reads a regular file relative to the pipeline's folder. A pipe or device could block for ever.
func (r *Resolver) ReadFile(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.Dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", rootCause(err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	content, err := ReadLimited(path)
	return content, rootCause(err)
}

// MaxFile is the size that a file which is read as a text may have, in bytes.
const MaxFile = 1 << 20

// ReadLimited reads one byte more than a file may have, so that the caller can see that it is too large.
func ReadLimited(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	return string(b), err
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

// Path makes a local path absolute. It is empty when something is wrong with it.
func (r *Resolver) Path(s string, at diag.Range) string {
	path := r.LocalPath(s, at)
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.Dir, path)
}

// LocalPath is a local path as it is written, but for parameters. It is empty when something is wrong with it.
func (r *Resolver) LocalPath(s string, at diag.Range) string {
	before := len(*r.Diags)
	path := r.Text(s, at)
	switch {
	case len(*r.Diags) > before:
	case strings.TrimSpace(path) == "":
		r.Diags.Errorf("LF0114", at, "write a path, or remove the key for the default", "the path is empty")
	case scheme.MatchString(path):
		r.Diags.Errorf("LF0116", at, "write a path of a local or mounted folder", "%q is not a local path", s)
	default:
		return filepath.Clean(path)
	}
	return ""
}
