package sqlfile

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/spark"
)

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:/`)

// cloudFolders are folders that are there on Databricks, and perhaps here.
var cloudFolders = []string{"Volumes", "dbfs", "mnt", "databricks-datasets", "FileStore", "Workspace"}

// localPath is where the files of a path are on this machine. It is false for a path that is not here, which is
// reported once for what it begins with.
func (r *reading) localPath(a spark.Argument) (string, bool) {
	written := a.Value
	spelled := []string{written}
	if rest, ok := strings.CutPrefix(written, "dbfs:"); ok {
		spelled = append(spelled, rest, "/dbfs"+rest)
	} else if rest, ok := strings.CutPrefix(written, "/dbfs/"); ok {
		spelled = append(spelled, "dbfs:/"+rest, "/"+rest)
	} else if cloudFolder(written) {
		spelled = append(spelled, "dbfs:"+written)
	}
	if folder, rest, ok := r.mapped(spelled); ok {
		return filepath.Join(escapeGlob(folder), rest), true
	}
	if rest, ok := strings.CutPrefix(written, "file:"); ok {
		return "/" + strings.TrimLeft(rest, "/"), true
	}
	for _, s := range spelled {
		if !scheme.MatchString(s) && (!cloudFolder(s) || exists(fixed(s))) {
			return s, true
		}
	}
	prefix := prefixOf(written)
	if !r.readers.unmapped[prefix] {
		r.readers.note(prefix)
		r.diags.Errorf("LF0575", a.Range, "write in lakeflow.yaml where a copy is: paths: {"+quoted(prefix)+": ./data/"+slugOf(path.Base(prefix))+"}",
			"%s is not on this machine", prefix)
	}
	return "", false
}

func (r *readers) note(what string) {
	if r.unmapped == nil {
		r.unmapped = map[string]bool{}
	}
	r.unmapped[what] = true
}

// quoted is a key of YAML in a mapping in one line.
func quoted(key string) string {
	if strings.Contains(key, ": ") || strings.ContainsAny(key, "{}[],#&*!|>'\"%@`") || strings.HasSuffix(key, ":") {
		return "'" + strings.ReplaceAll(key, "'", "''") + "'"
	}
	return key
}

// mapped is the folder that the overlay has for the longest beginning of the path in any of its spellings.
func (r *reading) mapped(spelled []string) (folder, rest string, ok bool) {
	longest := -1
	for prefix, to := range r.opts.Paths {
		p := strings.TrimRight(prefix, "/")
		for _, s := range spelled {
			after, found := strings.CutPrefix(s, p)
			if found && len(p) > longest && (after == "" || after[0] == '/') {
				longest, folder, rest, ok = len(p), to, after, true
			}
		}
	}
	return folder, rest, ok
}

func cloudFolder(p string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	return strings.HasPrefix(p, "/") && slices.Contains(cloudFolders, first)
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

// fixed is the part of a path in front of the first element with a wildcard.
func fixed(p string) string {
	i := strings.IndexAny(p, "*?[{")
	if i < 0 {
		return p
	}
	return p[:strings.LastIndexByte(p[:i], '/')+1]
}

// prefixOf is what to map: a volume, or a bucket with its first folder.
func prefixOf(p string) string {
	start, depth := 0, 2
	switch {
	case strings.HasPrefix(p, "/Volumes/"):
		start, depth = 1, 4
	case strings.HasPrefix(p, "dbfs:/Volumes/"):
		start, depth = len("dbfs:/"), 4
	case strings.HasPrefix(p, "/"):
		start = 1
	default:
		start = strings.Index(p, ":/") + 1
		start += len(p[start:]) - len(strings.TrimLeft(p[start:], "/"))
	}
	elements := strings.Split(strings.Trim(fixed(p)[min(start, len(fixed(p))):], "/"), "/")
	return p[:start] + strings.Join(elements[:min(depth, len(elements))], "/")
}

// placeSlug is the name of the last fixed element of a path that says something, without an extension.
func placeSlug(p string) string {
	all := strings.FieldsFunc(strings.TrimPrefix(fixed(p), "file:"), func(c rune) bool { return c == '/' || c == '\\' })
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1]
	if fixed(p) == p {
		for ext := path.Ext(last); ext != "" && ext != last; ext = path.Ext(last) {
			last = strings.TrimSuffix(last, ext)
		}
	}
	return slugOf(last)
}

var globSigns = regexp.MustCompile(`[*?\[{\\]`)

// escapeGlob makes a folder a glob that matches it alone.
func escapeGlob(folder string) string { return globSigns.ReplaceAllString(folder, `\$0`) }
