package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/sys/unix"

	"github.com/lakeflow/lakeflow/sources"
)

// entry is one file as it was listed. There may be a million of them: they are kept small.
type entry struct {
	rel         string // below the root, with slashes: the key of its mark
	size, mtime int64  // bytes, nanoseconds
}

// file is an entry that was taken into a batch. What the formats find out about it follows.
type file struct {
	entry
	path string // absolute

	kind   jsonKind  // json
	raw    string    // csv: the Parquet file with its records, once it was scanned
	header []string  // csv: the names of its columns
	above  int       // csv: lines before the header
	title  string    // csv: the first of them, when they were detected
	skip   int       // csv: lines before the first record
	odd    bool      // csv: DuckDB may read it otherwise
	csv    *csvFound // csv: once its records were looked at
	shape  int       // parquet: files of one shape have the same columns
	strays bool      // parquet: it may have values that stand for nothing; DuckDB must only read their bare numbers
}

func (f *file) String() string { return f.path }

// listing is what is below the root now.
type listing struct {
	base    string // folder that the files' rel is relative to
	files   []entry
	missing bool           // the base is not there
	any     bool           // of a survey: a file matches
	hidden  int            // files that are ignored by their names
	others  map[string]int // files that do not match, by their extensions
	deep    bool           // some of these are in folders below the base
}

// base is the folder that marks are relative to, and the one file below it when the path names a file.
func (s *Source) base() (folder, only string) {
	if s.pattern != "" {
		return s.root, ""
	}
	if info, err := os.Stat(s.root); err == nil && info.Mode().IsRegular() {
		return filepath.Dir(s.root), filepath.Base(s.root)
	}
	return s.root, ""
}

// extensions of the formats' files in a folder, compression aside. Of other formats all files are read.
var extensions = map[string][]string{
	"json":     {".json", ".jsonl", ".ndjson"},
	"debezium": {".json", ".jsonl", ".ndjson"},
	"csv":      {".csv", ".tsv"},
	"parquet":  {".parquet"},
}

// accepts says whether the file belongs to the source. rel is below the root.
func (s *Source) accepts(rel, name string) bool {
	if s.cfg.Names != "" {
		ok, _ := doublestar.Match(s.cfg.Names, name)
		return ok && (s.pattern == "" || s.within(rel))
	}
	if s.pattern != "" {
		ok, _ := doublestar.Match(s.pattern, rel)
		return ok
	}
	if extensions[s.cfg.Format] == nil {
		return true
	}
	if s.cfg.Format != "parquet" {
		name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	}
	for _, ext := range extensions[s.cfg.Format] {
		if len(name) > len(ext) && strings.EqualFold(name[len(name)-len(ext):], ext) {
			return true
		}
	}
	return false
}

// within says whether the pattern matches the file, or a folder that it is in.
func (s *Source) within(rel string) bool {
	for at := rel; at != "."; at = path.Dir(at) {
		if ok, _ := doublestar.Match(s.pattern, at); ok {
			return true
		}
	}
	return false
}

// extension is what a name ends in, with that of the compression: .txt.gz.
func extension(name string) string {
	ext := path.Ext(name)
	if ext == ".gz" || ext == ".zst" {
		ext = path.Ext(strings.TrimSuffix(name, ext)) + ext
	}
	return ext
}

// hidden names are ignored, files and folders alike.
func hidden(name string) bool { return name[0] == '.' || name[0] == '_' }

// list returns the files that are there, in no order. A root that does not exist yet is empty. Names are read on one
// goroutine and their sizes and times on others: both take about as long.
func (s *Source) list(ctx context.Context) (*listing, error) {
	base, only := s.base()
	l := &listing{base: base, others: map[string]int{}}
	w := &walker{src: s, ctx: ctx, chunks: make(chan chunk, 16), base: base, listing: l}
	var workers sync.WaitGroup
	parts := make([][]entry, 2)
	for i := range parts {
		workers.Go(func() { parts[i] = w.stat() })
	}
	if only != "" {
		w.single(only)
	} else {
		w.walk(base, "")
	}
	close(w.chunks)
	workers.Wait()
	if w.err != nil {
		return nil, fmt.Errorf("list %s: %w", s.cfg.Path, w.err)
	}
	l.files = slices.Concat(parts...)
	return l, ctx.Err()
}

// survey looks at names until one matches: there are no files in the listing.
func (s *Source) survey(ctx context.Context) (*listing, error) {
	base, only := s.base()
	l := &listing{base: base, others: map[string]int{}, any: only != ""}
	w := &walker{src: s, ctx: ctx, base: base, listing: l}
	if only == "" {
		w.walk(base, "")
	}
	if w.err != nil {
		return nil, fmt.Errorf("list %s: %w", s.cfg.Path, w.err)
	}
	return l, ctx.Err()
}

// chunk is some names of one folder, which stays open until the last chunk of it was looked at.
type chunk struct {
	dir   *os.File
	users *sync.WaitGroup
	rel   string // of the folder, with a slash at the end, or empty
	names []string
}

type walker struct {
	src    *Source
	ctx    context.Context
	chunks chan chunk // nil for a survey
	base   string
	err    error // of the walk; only the walking goroutine sets it, as it does what the listing has beside its files
	*listing
}

// single lists one file of the base folder.
func (w *walker) single(name string) {
	dir, err := os.Open(w.base)
	if err != nil {
		w.err = err
		return
	}
	var users sync.WaitGroup
	users.Add(1)
	w.chunks <- chunk{dir: dir, users: &users, names: []string{name}}
	users.Wait()
	_ = dir.Close() // opened for reading
}

// walk reads a folder's names and sends them on, then descends. Folders are told from files by their type in the
// listing, not by name; a symbolic link to a folder is not followed.
func (w *walker) walk(dir, rel string) {
	f, err := os.Open(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			w.err = err
		}
		w.missing = rel == "" && w.err == nil
		return
	}
	var users sync.WaitGroup
	var folders []string
	for w.err == nil && w.ctx.Err() == nil && !w.any {
		entries, err := f.ReadDir(4096)
		names := make([]string, 0, len(entries))
		for _, e := range entries {
			name := e.Name()
			switch t := e.Type(); {
			case hidden(name) && !w.src.asked(rel+name):
				w.hidden++
			case t.IsDir():
				folders = append(folders, name)
			case t.IsRegular() || t&fs.ModeSymlink != 0:
				if w.src.accepts(rel+name, name) {
					names = append(names, name)
				} else {
					w.others[extension(name)]++
					w.deep = w.deep || rel != ""
				}
			}
		}
		if w.chunks == nil {
			w.any = w.any || len(names) > 0
		} else if len(names) > 0 {
			users.Add(1)
			w.chunks <- chunk{dir: f, users: &users, rel: rel, names: names}
		}
		if err != nil || len(entries) == 0 {
			break
		}
	}
	for _, name := range folders {
		if w.err == nil && !w.any && w.src.descends(rel+name) && !slices.Contains(w.src.cfg.Outside, filepath.Join(dir, name)) {
			w.walk(filepath.Join(dir, name), rel+name+"/")
		}
	}
	users.Wait()
	_ = f.Close() // opened for reading
}

// asked says whether the pattern names a hidden file itself.
func (s *Source) asked(rel string) bool { return s.pattern != "" && s.pattern == rel }

// descends says whether files below the folder can match.
func (s *Source) descends(rel string) bool {
	if s.pattern == "" || s.cfg.Names != "" && s.within(rel) {
		return true
	}
	head, _, found := strings.Cut(s.pattern, "**")
	if found && strings.Count(rel, "/") >= strings.Count(head, "/") {
		return true
	}
	parts := strings.Split(s.pattern, "/")
	depth := strings.Count(rel, "/") + 1
	if depth >= len(parts) {
		return false
	}
	ok, err := doublestar.Match(path.Join(parts[:depth]...), rel)
	return ok || err != nil // a brace that spans folders cannot be cut: look inside
}

// stat looks at the chunks' files relative to their open folder, which spares the kernel the path.
func (w *walker) stat() []entry {
	var out []entry
	for c := range w.chunks {
		fd := int(c.dir.Fd())
		for _, name := range c.names {
			var st unix.Stat_t
			if unix.Fstatat(fd, name, &st, 0) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
				continue // gone, a dangling link, or a link to something else
			}
			if at := st.Mtim.Nano(); w.src.after != 0 && at <= w.src.after || w.src.before != 0 && at >= w.src.before {
				continue
			}
			rel := name
			if c.rel != "" {
				rel = c.rel + name
			}
			out = append(out, entry{rel: rel, size: st.Size, mtime: st.Mtim.Nano()})
		}
		c.users.Done()
	}
	return out
}

// sortByAge orders the files as they are read: oldest first, then by path.
func (l *listing) sortByAge() {
	slices.SortFunc(l.files, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.mtime, b.mtime), cmp.Compare(a.rel, b.rel))
	})
}

// cut returns the first files up to the limits, at least one.
func (s *Source) cut(base string, files []entry) []*file {
	var out []*file
	var bytes int64
	for _, e := range files {
		f := &file{entry: e, path: filepath.Join(base, filepath.FromSlash(e.rel))}
		if len(out) > 0 && (len(out) >= s.cfg.MaxFiles || bytes+f.size > int64(s.cfg.MaxBytes)) {
			break
		}
		bytes += f.size
		out = append(out, f)
	}
	return out
}

// known is what the marks say, by rel.
type known map[string]mark

func readMarks(ctx context.Context, marks sources.Ledger) (known, error) {
	k := known{}
	for m, err := range marks.All(ctx) {
		if err != nil {
			return nil, err
		}
		v, err := parseMark(m.Value)
		if err != nil {
			return nil, fmt.Errorf("mark of %s: %w", m.Key, err)
		}
		k[m.Key] = v
	}
	return k, nil
}

// sampleFiles is how many files are looked at to find out how they are written.
const sampleFiles = 32

// sample picks files evenly over the batch.
func sample(files []*file) []*file {
	if len(files) <= sampleFiles {
		return slices.Clone(files)
	}
	out := make([]*file, sampleFiles)
	for i := range out {
		out[i] = files[i*(len(files)-1)/(sampleFiles-1)]
	}
	return out
}
