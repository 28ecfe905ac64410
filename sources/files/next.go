package files

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/records"
)

// Next returns the oldest files that have no mark yet, up to the limits.
func (s *Source) Next(ctx context.Context, session sources.Session, from sources.Position, marks sources.Ledger) (*sources.Batch, error) {
	s.next.Remove()
	st, err := decodeState(from, s)
	if err != nil {
		return nil, err
	}
	l, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	failpoint.Hit("source.after-list")
	if l.missing && !s.gone {
		return s.vanished(ctx, session, st)
	}
	s.gone = l.missing
	// To read a million marks takes longer than to list the files. A mark that demands to read an unchanged file again
	// is only seen there.
	if !s.cfg.AllowOverwrites && l.hash() == st.Read {
		return nil, nil
	}
	known, err := readMarks(ctx, marks)
	if err != nil {
		return nil, err
	}
	if err := known.check(st.Read); err != nil {
		return nil, err
	}
	changes := s.compare(l, known)
	l.sortByAge()
	for {
		w := &work{src: s, session: session, state: st, known: known, temps: &s.next, out: &sources.Batch{}, batch: true}
		w.files = s.cut(l.base, l.files)
		if len(w.files) == 0 && len(changes) == 0 {
			return nil, nil
		}
		w.reportChanges(changes)
		l.files = l.files[len(w.files):]
		w.out.More, w.out.Backlog = len(l.files) > 0, len(l.files)
		for _, f := range l.files {
			w.out.BacklogBytes += f.size
		}
		if err := w.build(ctx); err != nil {
			return nil, err
		}
		failpoint.Hit("source.after-batch")
		if b := w.out; b.Items > 0 || len(b.Ledger) > 0 || len(b.Notices) > 0 {
			s.tellOthers(b, l)
			return b, nil
		}
		// Every file of the cut was passed over: go on with the next ones.
	}
}

// Verify compares marks with the hash over them that a position of a source of files has. It returns a
// *sources.LedgerError when they differ.
func Verify(ctx context.Context, at sources.Position, marks sources.Ledger) error {
	var pos position
	if err := json.Unmarshal(at, &pos); err != nil {
		return fmt.Errorf("the stored position is damaged: %w", err)
	}
	known, err := readMarks(ctx, marks)
	if err != nil {
		return err
	}
	return known.check(pos.Read)
}

// check compares marks with the hash that a position has over them.
func (k known) check(want readHash) error {
	var have readHash
	for rel, m := range k {
		have.toggle(rel, m)
	}
	if have != want {
		return &sources.LedgerError{Want: hex.EncodeToString(want[:]), Have: hex.EncodeToString(have[:])}
	}
	return nil
}

// vanished is a batch that only tells that the folder, which was there, is not there any more.
func (s *Source) vanished(ctx context.Context, session sources.Session, st state) (*sources.Batch, error) {
	w := &work{src: s, session: session, state: st, temps: &s.next, out: &sources.Batch{}, batch: true}
	lack, remedy := s.nothing(&listing{missing: true})
	w.notice("folder_missing", s.root, lack+"; "+remedy)
	return w.out, w.build(ctx)
}

// hash is what readHash is once all files of the listing have marks, and nothing else has.
func (l *listing) hash() readHash {
	var h readHash
	for _, f := range l.files {
		h.toggle(f.rel, mark{size: f.size, mtime: f.mtime})
	}
	return h
}

// compare keeps the files that are to be read in l, and returns those that changed after they were read.
func (s *Source) compare(l *listing, known known) (changes []entry) {
	l.files = slices.DeleteFunc(l.files, func(f entry) bool {
		m, ok := known[f.rel]
		same := ok && m.size == f.size && m.mtime == f.mtime
		switch {
		case !ok || s.cfg.AllowOverwrites && m.status == changed:
			return s.skip[f.rel]
		case same:
			return true
		case s.cfg.AllowOverwrites || m.status == corrupt:
			return s.skip[f.rel]
		}
		changes = append(changes, f)
		return true
	})
	return changes
}

func (w *work) reportChanges(changes []entry) {
	for _, f := range changes {
		w.notice("file_changed", f.rel, "file "+records.Shown(f.rel)+" changed after it was read and is not read again; set allow_overwrites: true to read such files anew")
		w.mark(f, changed)
	}
}

// Fingerprint is a hash over the names, sizes and times of all files that are there.
func (s *Source) Fingerprint(ctx context.Context) (sources.Position, error) {
	l, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(l.fingerprint())
}

// Snapshot returns all files that are there as one relation.
func (s *Source) Snapshot(ctx context.Context, session sources.Session, from sources.Position) (*sources.Batch, error) {
	s.snapshot.Remove()
	st, err := decodeState(from, s)
	if err != nil {
		return nil, err
	}
	l, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	l.sortByAge()
	w := &work{src: s, session: session, state: st, temps: &s.snapshot, out: &sources.Batch{}, noMarks: true}
	all := *s
	all.cfg.MaxFiles, all.cfg.MaxBytes = len(l.files), 1<<62
	w.files = all.cut(l.base, l.files)
	if err := w.build(ctx); err != nil {
		return nil, err
	}
	return w.out, nil
}

// fingerprint is a hash over the names, sizes and times of all files.
func (l *listing) fingerprint() string {
	slices.SortFunc(l.files, func(a, b entry) int { return strings.Compare(a.rel, b.rel) })
	h := sha256.New()
	for _, f := range l.files {
		var b []byte
		b = binary.AppendUvarint(b, uint64(len(f.rel)))
		b = append(b, f.rel...)
		b = binary.AppendVarint(b, f.size)
		b = binary.AppendVarint(b, f.mtime)
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
