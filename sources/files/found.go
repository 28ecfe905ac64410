package files

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// What there is to say when a source finds no file, or nothing in its files.

// leftOut is a file that was dropped.
type leftOut struct {
	rel    string
	why    string // "is corrupt: …"
	remedy string
}

// Schema returns the columns remembered in from, or those inferred from the files of the first batch.
func (s *Source) Schema(ctx context.Context, session sources.Session, from sources.Position) (sources.Found, error) {
	st, err := decodeState(from, s)
	if err != nil {
		return sources.Found{}, err
	}
	if st.Schema != nil {
		found := sources.Found{}
		if found.Columns, err = s.outward(st.Schema); err != nil {
			return found, err
		}
		found.Lack, found.Remedy, err = s.peek(ctx, st)
		return found, err
	}
	l, err := s.list(ctx)
	if err != nil {
		return sources.Found{}, err
	}
	l.sortByAge()
	w := &work{src: s, session: session, state: st, files: s.cut(l.base, l.files), temps: new(records.Temps)}
	defer w.temps.Remove()
	if err := w.learn(ctx); err != nil {
		return sources.Found{}, err
	}
	found := sources.Found{}
	if found.Columns, err = s.outward(w.state.Schema); err != nil {
		return found, err
	}
	switch {
	case len(l.files) == 0:
		found.Lack, found.Remedy = s.nothing(l)
	case len(found.Columns) == 0:
		found.Lack, found.Remedy = w.noColumns(len(l.files))
	}
	return found, nil
}

// peek looks whether any file matches. A folder that was emptied after it was read is in order.
func (s *Source) peek(ctx context.Context, st state) (lack, remedy string, err error) {
	l, err := s.survey(ctx)
	if err != nil || l.any || !l.missing && len(l.others) == 0 && st.Read != (readHash{}) {
		return "", "", err
	}
	lack, remedy = s.nothing(l)
	return lack, remedy, nil
}

// nothing says what is there in the place of files that match.
func (s *Source) nothing(l *listing) (lack, remedy string) {
	s.gone = l.missing
	lack = "no file matches " + records.Shown(s.cfg.Path)
	_, literal := os.Lstat(s.absolute(s.cfg.Path))
	switch {
	case strings.ContainsAny(s.cfg.Path, "*?[{") && literal == nil:
		return lack + ", which is a glob", `there is a file or folder of this very name: write \ before the characters * ? [ { that are part of it`
	case l.missing && s.pattern == "":
		return lack + ": there is no file or folder " + records.Shown(s.root), s.nearest()
	case l.missing:
		return lack + ": the folder " + records.Shown(s.root) + " is not there", s.nearest()
	case len(l.others) > 0 && s.pattern == "" && s.cfg.Names == "":
		return lack + ": " + records.Shown(s.root) + " has " + files(l.otherFiles(), "") + " with other extensions (" + l.otherExtensions() + ")",
			"correct the path or the format, or " + s.howToRead(l)
	case len(l.others) > 0:
		return lack + ": " + records.Shown(s.root) + " has " + files(l.otherFiles(), "") + " with other names (" + l.otherExtensions() + ")", "correct the path, or put a file there"
	case l.hidden > 0:
		return lack + ": " + records.Shown(s.root) + " has only files that are hidden, as their names begin with . or _", "rename them, or put others there"
	}
	return lack + ": " + records.Shown(s.root) + " is empty", "put a file there, or correct the path"
}

// absolute is a path that the user wrote, by its letters.
func (s *Source) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.cfg.Root, path)
}

// nearest suggests a name for the first part of the root that is not there.
func (s *Source) nearest() string {
	const otherwise = "correct the path, or put a file there"
	missing := s.root
	for {
		parent := filepath.Dir(missing)
		if entries, err := os.ReadDir(parent); err == nil {
			var names []string
			for _, e := range entries {
				if !hidden(e.Name()) {
					names = append(names, e.Name())
				}
			}
			if name := diag.Suggest(filepath.Base(missing), names); name != "" {
				return "did you mean " + records.Shown(name) + "? else " + otherwise
			}
			return otherwise
		}
		if parent == missing {
			return otherwise
		}
		missing = parent
	}
}

func (l *listing) otherFiles() (n int) {
	for _, count := range l.others {
		n += count
	}
	return n
}

// commonest are the extensions of the files that do not match, the most frequent first.
func (l *listing) commonest() []string {
	return slices.SortedFunc(maps.Keys(l.others), func(a, b string) int { return cmp.Or(cmp.Compare(l.others[b], l.others[a]), cmp.Compare(a, b)) })
}

// otherExtensions are those of the files that do not match, with how many have them: ".txt 10, .bak 2".
func (l *listing) otherExtensions() string {
	const most = 5
	var items []string
	names := l.commonest()
	for _, ext := range names[:min(most, len(names))] {
		items = append(items, fmt.Sprintf("%s %d", cmp.Or(shownExtension(ext), "none"), l.others[ext]))
	}
	if len(names) > most {
		items = append(items, "…")
	}
	return strings.Join(items, ", ")
}

func shownExtension(ext string) string {
	if ext == "" {
		return ""
	}
	return records.Shown(ext)
}

// unreadable are extensions of what is compressed in a way that is not read, and of workbooks.
var unreadable = []string{".bz2", ".xz", ".lzma", ".lz4", ".br", ".z", ".zip", ".7z", ".rar", ".tar", ".tgz", ".xls", ".xlsx", ".ods"}

// howToRead says what makes files be read that do not match: a glob for the commonest of those that can be.
func (s *Source) howToRead(l *listing) string {
	between := "/*"
	if l.deep {
		between = "/**/*"
	}
	for _, ext := range l.commonest() {
		if !slices.Contains(unreadable, strings.ToLower(filepath.Ext(ext))) {
			return "name the files with a glob such as " + records.Shown(strings.TrimSuffix(s.cfg.Path, "/")+between+ext)
		}
	}
	return "unpack the files, or compress them with gzip or zstd"
}

// tellOthers adds a notice of the files in a folder that are passed over for their extension, when there is one that
// was not told of.
func (s *Source) tellOthers(b *sources.Batch, l *listing) {
	if s.pattern != "" || s.cfg.Names != "" || len(l.others) == 0 {
		return
	}
	news := false
	for ext := range l.others {
		news = news || !s.told[ext]
		s.told[ext] = true
	}
	if !news {
		return
	}
	what := fmt.Sprintf("%d files in %s have other extensions (%s) and are not read", l.otherFiles(), records.Shown(s.cfg.Path), l.otherExtensions())
	if l.otherFiles() == 1 {
		what = fmt.Sprintf("1 file in %s has another extension (%s) and is not read", records.Shown(s.cfg.Path), cmp.Or(shownExtension(l.commonest()[0]), "none"))
	}
	b.Notices = append(b.Notices, sources.Notice{Kind: "files_passed_over", Subject: s.cfg.Path, Message: what + "; " + strings.Replace(s.howToRead(l), "the files", "them", 1) + " if they are to be"})
}

// files counts files.
func files(n int, verb string) string {
	if n == 1 {
		return "1 file" + strings.Replace(verb, "match", "matches", 1)
	}
	return fmt.Sprintf("%d files%s", n, verb)
}

// noColumns says why nothing was learned from the files that match.
func (w *work) noColumns(matching int) (lack, remedy string) {
	lack = files(matching, " match") + " " + records.Shown(w.src.cfg.Path)
	if looked := len(w.files) + len(w.left); looked < matching {
		lack += fmt.Sprintf(", the oldest %d of which were looked at", looked)
	}
	remedy = "put a file there that holds records"
	if len(w.left) > 0 {
		first := w.left[0]
		lack += fmt.Sprintf("; %d left out, the first is %s, which %s", len(w.left), records.Shown(first.rel), first.why)
		remedy = first.remedy
	}
	if len(w.files) == 0 {
		return lack, remedy
	}
	for _, f := range w.files {
		if at, why := w.firstRecord(f); why != "" {
			return lack + fmt.Sprintf("; no record can be used, the first is %s of %s%s", at, records.Shown(f.rel), why), recordRemedy
		}
	}
	return lack + "; " + empty(len(w.files), len(w.left)), remedy
}

func empty(n, left int) string {
	switch {
	case n == 1 && left > 0:
		return "the other one is empty"
	case n == 1:
		return "it is empty"
	case left > 0:
		return "the other ones are empty"
	}
	return "all of them are empty"
}

const recordRemedy = "write JSON objects: one per line, one behind the other, or in an array"

// firstRecord says why the first record of a file is none that has columns; nothing when there is none.
func (w *work) firstRecord(f *file) (at, why string) {
	if w.src.cfg.Format != "json" {
		return "", ""
	}
	_ = readRecords(f.path, w.src.cfg.JSON.Encoding, jsonMixed, func(r record) bool { // it was read a moment ago, and nothing comes of it but a text
		at, why = fmt.Sprintf("line %d", r.line), ": "+r.reason
		if r.reason == "" {
			why = ", which " + noObject(r.raw)
		}
		return false
	})
	return at, why
}

// noObject says why a record is no object with keys.
func noObject(raw []byte) string {
	if !json.Valid(raw) {
		return "is not a whole JSON value"
	}
	switch raw[0] {
	case '{':
		if n := jsonrecords.CountKeys(raw); n > jsonrecords.MaxColumns {
			return fmt.Sprintf("has %d keys, but a source may have %d columns (what is in a nested object becomes a MAP)", n, jsonrecords.MaxColumns)
		}
		return "is an object without keys that can be columns"
	case '[':
		return "is an array, not an object"
	case '"':
		return "is a text, not an object"
	case 'n':
		return "is null, not an object"
	case 't', 'f':
		return "is true or false, not an object"
	}
	return "is a number, not an object"
}
