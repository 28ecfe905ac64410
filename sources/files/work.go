package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// work is one batch, or one look at the schema, in the making.
type work struct {
	src     *Source
	session sources.Session
	state   state
	files   []*file // that are still in
	out     *sources.Batch
	known   known          // marks of earlier batches
	noMarks bool           // a snapshot commits no marks
	batch   bool           // it is for Next, whose notices are seen
	temps   *records.Temps // files to remove with the batch
	first   bool           // the schema is inferred by this work
	blank   bool           // there was nothing to infer it from: it is only what is hinted, and not remembered
	slow    []*file        // files that can't be read strictly
	parts   records.Parts[*file]
	refused []refused // files of which nothing was taken
	left    []leftOut // files that were dropped, for whatever reason
	looked  *look     // json: at the records of the first batch, until the columns are known
	shapes  []*shape  // parquet: the columns of the files by file.shape
	events  *events   // debezium: what was read of the files
	// tracing is nil but where records are read to be found again, and tells the files that need no fitting; position is
	// the expression of a row's position then.
	tracing  map[*file]bool
	position string
}

// errName is why a file can't be named in SQL.
var errName = errors.New("its name is not UTF-8; rename it")

// errLink is why DuckDB is not allowed to read a file.
var errLink = errors.New("it is a link that leads out of the source's folder; copy the file, or declare the folder that it is in")

// errAmbiguous is why DuckDB cannot be told to read a file and no other.
var errAmbiguous = errors.New("its path has a backslash beside *, ? or [, and there is another that differs from it in a bracket in the place of the backslash; rename one")

// alone says whether DuckDB finds only this file by its path.
func (w *work) alone(ctx context.Context, path string) bool {
	var n int
	err := w.session.Conn.QueryRowContext(ctx, "SELECT count(*) FROM glob("+located(path)+")").Scan(&n)
	return err != nil || n == 1 // what goes wrong goes wrong again when it is read
}

// leadsOut says whether the file is a symbolic link to a file that is not in the source's folder. The folder itself may
// be a link.
func (w *work) leadsOut(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return false
	}
	base, _ := w.src.base()
	folder, err1 := filepath.EvalSymlinks(base)
	target, err2 := filepath.EvalSymlinks(path)
	if err1 != nil || err2 != nil {
		return false // gone: opening it tells
	}
	rel, err := filepath.Rel(folder, target)
	return err != nil || !filepath.IsLocal(rel)
}

type refused struct{ path, reason string }

// build opens the files, learns or evolves the schema, and fills w.out.
func (w *work) build(ctx context.Context) error {
	if err := w.learn(ctx); err != nil {
		return err
	}
	if !w.first {
		if err := w.evolve(ctx); err != nil {
			return err
		}
	}
	w.verify(ctx)
	if err := w.reportCuts(ctx); err != nil {
		return err
	}
	if err := w.readSlow(ctx, w.slow); err != nil {
		return err
	}
	w.out.Repair = w.repair
	if _, texts := extensions[w.src.cfg.Format]; texts && w.src.cfg.Format != "parquet" {
		w.out.Trace = w.trace
	}
	return w.finish(ctx)
}

// learn opens the files and infers the schema when none is remembered.
func (w *work) learn(ctx context.Context) error {
	if w.out == nil {
		w.out = &sources.Batch{}
	}
	for _, f := range slices.Clone(w.files) {
		if !utf8.ValidString(f.rel) {
			w.drop(f, errName)
		} else if w.leadsOut(f.path) {
			w.drop(f, errLink)
		} else if schemas.AmbiguousGlob(f.path) && !w.alone(ctx, f.path) {
			w.drop(f, errAmbiguous)
		}
	}
	fresh := w.state.Schema == nil && w.src.cfg.Declared && len(w.src.hints) > 0
	if fresh { // columns beside them are as in a later batch
		w.state.Schema = w.src.hints.Clone()
	}
	if err := w.src.format.open(ctx, w); err != nil {
		return err
	}
	if w.state.Schema != nil {
		w.first = fresh
		err := w.learnFolders(ctx)
		w.first, w.blank = false, fresh && len(w.files) == 0
		return err
	}
	w.first = true
	l := listing{}
	for _, f := range w.files {
		l.files = append(l.files, f.entry)
	}
	print := l.fingerprint()
	if w.recall(print) {
		return w.learnFolders(ctx)
	}
	if err := w.src.format.infer(ctx, w); err != nil {
		return err
	}
	w.blank = len(w.state.Schema) == 0
	w.state.Schema = jsonrecords.WithHints(w.state.Schema, w.src.hints)
	if w.src.cfg.Format == "csv" { // the others have looked for themselves
		var clashes []string
		w.state.Schema, _, clashes = jsonrecords.Extend(nil, w.state.Schema, w.own())
		if !w.rescues() {
			w.ignored(clashes...)
		}
	}
	if w.blank {
		return nil
	}
	if err := w.learnFolders(ctx); err != nil {
		return err
	}
	if err := w.evolve(ctx); err != nil {
		return err
	}
	if len(w.files) == len(l.files) { // none was dropped
		w.remember(print)
	}
	return nil
}

// inference is what was inferred last, of files with this fingerprint: Schema and then Next ask for the same.
type inference struct {
	print string
	state state
	slow  []string // files that can't be read strictly, by rel
	// ignored are the notices of columns that can't be read.
	ignored []sources.Notice
}

func (w *work) remember(print string) {
	in := inference{print: print, state: state{Schema: w.state.Schema.Clone(), CSV: w.state.CSV, Partitions: w.state.Partitions}}
	for _, f := range w.slow {
		in.slow = append(in.slow, f.rel)
	}
	for _, n := range w.out.Notices {
		if n.Kind == "column_ignored" {
			in.ignored = append(in.ignored, n)
		}
	}
	w.src.inferred = in
}

// recall takes over what was inferred of the same files before.
func (w *work) recall(print string) bool {
	in := w.src.inferred
	if in.print != print {
		return false
	}
	w.state.Schema, w.state.CSV, w.state.Partitions = in.state.Schema.Clone(), in.state.CSV, in.state.Partitions
	w.out.Notices = append(w.out.Notices, in.ignored...)
	for _, f := range w.files {
		if slices.Contains(in.slow, f.rel) {
			w.slow = append(w.slow, f)
		}
	}
	return true
}

// evolve compares the files' columns with the schema. All columns of the first batch are taken, also when later ones
// are refused.
func (w *work) evolve(ctx context.Context) error {
	mode := w.src.cfg.Evolution
	if len(w.state.Schema) == 0 {
		return nil
	}
	if w.first && mode == Fail {
		mode = AddNewColumns
	}
	if err := w.src.format.evolve(ctx, w, mode); err != nil {
		return err
	}
	return nil
}

// verify reads compressed files to their end: DuckDB takes a file that is cut off, or whose checksum is wrong, for a
// good one. What was verified is remembered until other files are, as Schema, Next and Snapshot look at the same ones.
func (w *work) verify(ctx context.Context) {
	var todo []*file
	known := map[string]mark{}
	for _, f := range w.files {
		if !compressed(f.path) || w.src.cfg.Format == "parquet" || w.src.cfg.Format == "binary" {
			continue
		}
		if m := (mark{f.size, f.mtime, taken}); w.src.whole[f.path] == m {
			known[f.path] = m
		} else {
			todo = append(todo, f)
		}
	}
	w.src.whole = known
	causes := make([]error, len(todo))
	eachFile(todo, func(i int, f *file) {
		if ctx.Err() == nil {
			causes[i] = drain(f.path)
		}
	})
	for i, f := range todo {
		if causes[i] != nil {
			w.drop(f, causes[i])
		} else {
			w.verified(f)
		}
	}
}

// verified remembers a compressed file that was read to its end.
func (w *work) verified(f *file) {
	if w.src.whole == nil {
		w.src.whole = map[string]mark{}
	}
	w.src.whole[f.path] = mark{f.size, f.mtime, taken}
}

// eachFile calls do for every file, as many at a time as there are processors.
func eachFile(files []*file, do func(i int, f *file)) {
	_ = records.Each(files, func(i int, f *file) error { do(i, f); return nil })
}

// finish fills the batch from what is known now. It is called again after a repair.
func (w *work) finish(ctx context.Context) (err error) {
	b := w.out
	b.Items, b.Bytes = len(w.files), 0
	if w.events != nil {
		b.Ignored = int64(w.events.spill.Ignored())
	}
	b.Ledger = slices.DeleteFunc(b.Ledger, func(m sources.LedgerEntry) bool { return strings.HasSuffix(m.Value, " "+string(taken)) })
	for _, f := range w.files {
		b.Bytes += f.size
		w.mark(f.entry, taken)
	}
	remembered := w.state
	if w.blank {
		remembered.Schema, remembered.CSV, remembered.Partitions = nil, nil, nil
	}
	if remembered.Read, err = w.read(); err != nil {
		return err
	}
	if b.Position, err = remembered.encode(); err != nil {
		return err
	}
	if b.Columns, err = w.src.outward(w.state.Schema); err != nil {
		return err
	}
	b.Places = w.locations()
	b.Relation = w.relation()
	return w.fillRejects(ctx)
}

// read is the hash over all marks that will be there once the batch is committed.
func (w *work) read() (readHash, error) {
	h := w.state.Read
	for _, set := range w.out.Ledger {
		m, err := parseMark(set.Value)
		if err != nil {
			return h, err
		}
		if old, ok := w.known[set.Key]; ok {
			h.toggle(set.Key, old)
		}
		h.toggle(set.Key, m)
	}
	return h, nil
}

// relation puts together the files that are read strictly and those that are read record by record.
func (w *work) relation() string {
	if len(w.state.Schema) == 0 {
		return ""
	}
	return w.renamed(w.withFolders(w.parts.Relation(w.files, w.strict)))
}

// renamed gives the column of what was rescued the name that is declared.
func (w *work) renamed(relation string) string {
	name := w.src.rescued()
	if name == "" || relation == "" {
		return relation
	}
	return fmt.Sprintf("(SELECT * RENAME (%s AS %s) FROM %s)", jsonrecords.RescuedColumn, quote.Name(name), relation)
}

func (w *work) strict(files []*file) string { return w.src.format.strict(w, files) }

func (w *work) fillRejects(ctx context.Context) error {
	relations := w.parts.Rejects()
	if len(w.refused) > 0 {
		rows := make([]string, len(w.refused))
		for i, r := range w.refused {
			rows[i] = fmt.Sprintf("(%s, 0, -1, NULL::BLOB, %s, true)", quote.Text(r.path), quote.Text(r.reason))
		}
		relations = append(relations, `(SELECT CAST(file AS VARCHAR) AS file, CAST(line AS BIGINT) AS line, CAST("offset" AS BIGINT) AS "offset", raw, reason, whole`+
			` FROM (VALUES `+strings.Join(rows, ", ")+`) AS v(file, line, "offset", raw, reason, whole))`)
	}
	if len(relations) > 0 {
		relations = []string{`(SELECT *, NULL::INTEGER AS "partition" FROM ` + records.Union(relations) + ")"}
	}
	return records.SetRejects(ctx, w.session.Conn, w.out, relations)
}

// readSlow reads the files record by record.
func (w *work) readSlow(ctx context.Context, files []*file) error {
	wanted := map[*file]bool{}
	for _, f := range files {
		wanted[f] = true
	}
	files = slices.DeleteFunc(slices.Clone(w.files), func(f *file) bool { return !wanted[f] })
	if len(files) == 0 || len(w.state.Schema) == 0 && !w.src.recordwise() {
		return nil
	}
	good, rejects, err := w.src.format.tolerant(ctx, w, files)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(f *file) bool { return !slices.Contains(w.files, f) })
	if len(files) > 0 {
		w.parts.Add(files, good, rejects)
	}
	return nil
}

// repair gives a batch without the records that can't be read strictly, or nil when it is not they that made reading
// fail.
func (w *work) repair(ctx context.Context, session sources.Session, cause error) (*sources.Batch, error) {
	w.session = session
	return records.Repair(&w.out, func() (bool, error) { return w.setAside(ctx, cause) })
}

// setAside finds the files that can't be read strictly and reads them record by record.
func (w *work) setAside(ctx context.Context, cause error) (bool, error) {
	if duckerr.World(cause) {
		return false, nil
	}
	before := len(w.files)
	for _, f := range slices.Clone(w.files) {
		if err := readable(f.path); err != nil && w.events == nil { // else it was read, and is not needed again
			w.drop(f, err)
		}
	}
	dropped := len(w.files) < before
	if relation := w.relation(); !dropped {
		if relation == "" {
			return false, ctx.Err()
		}
		if err := records.Reads(ctx, w.session.Conn, relation); err == nil || duckerr.World(err) {
			return false, errors.Join(ctx.Err(), err)
		}
	}
	failing, err := w.parts.Failing(ctx, w.session.Conn, w.files, w.strict)
	if err == nil && len(failing) == 0 && !dropped && w.src.recordwise() {
		failing, err = w.parts.Refused(ctx, w.session.Conn)
	}
	if err != nil || len(failing) == 0 && !dropped {
		return false, err // a file that could not be read a moment ago can be read now, or the fault is not ours
	}
	if err := w.readSlow(ctx, failing); err != nil {
		return false, records.Unrepaired(cause, err)
	}
	return true, w.finish(ctx)
}

// readable tries to open the file.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// drop takes a file out of the work and reports why. A vanished file leaves no mark, nor does one that the system does
// not let us read, for want of a permission, or because a disk is broken: it is tried again by the next process; one
// that is corrupt, or written in a way that is not read, is marked until it changes.
func (w *work) drop(f *file, cause error) {
	w.files = slices.DeleteFunc(w.files, func(g *file) bool { return g == f })
	var unsupported *unsupportedError
	var system syscall.Errno
	switch {
	case errors.Is(cause, fs.ErrNotExist):
		w.leave(f, "file_vanished", "was there when the folder was listed and is gone", "; nothing of it was read", "run again")
	case errors.Is(cause, errName), errors.Is(cause, errLink), errors.Is(cause, errAmbiguous), errors.As(cause, &system):
		if w.batch {
			w.src.skip[f.rel] = true
		}
		w.leave(f, "file_unreadable", "can't be opened: "+last(cause).Error(), "; it is tried again by the next update", "see to it that it can be read")
	case errors.As(cause, &unsupported):
		w.refuse(f, "the file is not supported: "+unsupported.Error())
		w.leave(f, "file_unsupported", "is not supported: "+unsupported.why, "; "+unsupported.remedy+"; nothing of it was taken", unsupported.remedy)
	default:
		w.refuse(f, "the file is corrupt: "+cause.Error())
		w.leave(f, "file_corrupt", "is corrupt: "+cause.Error(), "; nothing of it was taken; replace it and it is read again", "replace it")
	}
}

// leave tells of a file that was left out: why, what becomes of it, and what to do about it.
func (w *work) leave(f *file, kind, why, then, remedy string) {
	w.left = append(w.left, leftOut{f.rel, why, remedy})
	w.notice(kind, f.rel, "file "+records.Shown(f.rel)+" "+why+then)
}

// refuse makes a dead letter of a whole file.
func (w *work) refuse(f *file, reason string) {
	w.refused = append(w.refused, refused{f.path, reason})
	w.mark(f.entry, corrupt)
}

// last is the innermost error: of one that a file's path is part of, why.
func last(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

func (w *work) notice(kind, subject, message string) {
	w.out.Notices = append(w.out.Notices, sources.Notice{Kind: kind, Subject: subject, Message: message})
}

func (w *work) mark(f entry, s status) {
	if !w.noMarks {
		w.out.Ledger = append(w.out.Ledger, sources.LedgerEntry{Key: f.rel, Value: mark{f.size, f.mtime, s}.String()})
	}
}

// temp names a new temporary file that lives as long as the batch.
func (w *work) temp(name string) string { return w.temps.New(w.session, name) }

// metadata is the expression of _metadata for a reader over these files, where index is the 0-based number of the row's
// file.
func metadata(files []*file, index string) string {
	names, sizes, times := make([]string, len(files)), make([]string, len(files)), make([]string, len(files))
	for i, f := range files {
		names[i], sizes[i] = filepath.Base(f.path), strconv.FormatInt(f.size, 10)
		times[i] = time.Unix(0, f.mtime).UTC().Format("2006-01-02 15:04:05.000000+00")
	}
	at := "[CAST(" + index + " AS BIGINT) + 1]"
	return "{'file_path': " + pathTexts(files) + at + ", 'file_name': " + split(names, "/") + at +
		", 'file_size': CAST(" + split(sizes, ",") + " AS BIGINT[])" + at +
		", 'file_modification_time': CAST(" + split(times, ",") + " AS TIMESTAMPTZ[])" + at +
		", 'file_block_start': CAST(0 AS BIGINT), 'file_block_length': CAST(" + split(sizes, ",") + " AS BIGINT[])" + at + "} AS " + jsonrecords.MetadataColumn
}

func (w *work) rescues() bool { return w.src.cfg.Evolution.Rescues() }

func (w *work) own() jsonrecords.Own { return w.src.own() }
