package cdc_test

import (
	"cmp"
	"slices"
)

// The model applies changes one after the other, in Go. It knows values by their places in lists that are in order
// (see types_test.go), and NULL as -1.

type kind int

const (
	truncate kind = iota
	upsert
	remove
)

// change is one change. key and row are places; row has all columns, the keys too.
type change struct {
	seq  int
	kind kind
	key  string
	row  []int
}

// rules are what the model needs to know of a Spec.
type rules struct {
	ignored, tracked []bool // by column
	history          bool
}

// version is a row of the target. start and end are -1 where there is none, as for type 1.
type version struct {
	row        []int
	start, end int
}

// combined is what the changes of one key and sequence come to.
type combined struct {
	seq     int
	deleted bool
	row     []int
}

// rest returns the values of a row that are compared as a whole.
func (r rules) rest(row []int) []int {
	var out []int
	for i, v := range row {
		if !r.ignored[i] {
			out = append(out, v)
		}
	}
	return out
}

// combine makes one change of those that have key and sequence in common.
func (r rules) combine(changes []change) combined {
	c := combined{seq: changes[0].seq}
	best := changes[0].row
	for _, x := range changes {
		c.deleted = c.deleted || x.kind == remove
		if slices.Compare(r.rest(x.row), r.rest(best)) > 0 {
			best = x.row
		}
	}
	if c.deleted {
		return c
	}
	c.row = slices.Clone(best)
	for i := range c.row {
		for _, x := range changes {
			if r.ignored[i] {
				c.row[i] = max(c.row[i], x.row[i])
			}
		}
	}
	return c
}

// histories returns the combined changes of every key, in order; a truncate is a delete of every key, and combined
// with no other change.
func (r rules) histories(seen []change) map[string][]combined {
	byKey := map[string]map[int][]change{}
	var truncates []int
	for _, x := range seen {
		if x.kind == truncate {
			truncates = append(truncates, x.seq)
			continue
		}
		if byKey[x.key] == nil {
			byKey[x.key] = map[int][]change{}
		}
		byKey[x.key][x.seq] = append(byKey[x.key][x.seq], x)
	}
	out := map[string][]combined{}
	for key, bySeq := range byKey {
		var all []combined
		for _, t := range truncates {
			all = append(all, combined{seq: t, deleted: true})
		}
		for _, changes := range bySeq {
			all = append(all, r.combine(changes))
		}
		// A truncate comes before the changes of its sequence. A delete of the same sequence does what it does.
		slices.SortStableFunc(all, func(a, b combined) int { return cmp.Compare(a.seq, b.seq) })
		out[key] = all
	}
	return out
}

// target returns the rows that the target is to have after all of seen.
func (r rules) target(seen []change) []version {
	var out []version
	for _, changes := range r.histories(seen) {
		if r.history {
			out = append(out, r.versions(changes)...)
		} else if row := r.last(changes); row != nil {
			out = append(out, version{row, -1, -1})
		}
	}
	return out
}

// set puts an upsert on the row before it, nil if there is none.
func (r rules) set(row []int, up []int) []int {
	next := slices.Clone(up)
	for i := range next {
		if row != nil && r.ignored[i] && next[i] < 0 {
			next[i] = row[i]
		}
	}
	return next
}

func (r rules) last(changes []combined) []int {
	var row []int
	for _, c := range changes {
		if c.deleted {
			row = nil
		} else {
			row = r.set(row, c.row)
		}
	}
	return row
}

func (r rules) versions(changes []combined) []version {
	var done []version
	var open *version
	end := func(seq int) {
		if open != nil {
			open.end = seq
			done = append(done, *open)
			open = nil
		}
	}
	for _, c := range changes {
		if c.deleted {
			end(c.seq)
			continue
		}
		var row []int
		if open != nil {
			row = open.row
		}
		next := r.set(row, c.row)
		opens := open == nil
		for i := range next {
			opens = opens || r.tracked[i] && next[i] != row[i]
		}
		if opens {
			end(c.seq)
			open = &version{next, c.seq, -1}
		} else {
			open.row = next
		}
	}
	if open != nil {
		done = append(done, *open)
	}
	return done
}

// counts are those of a Result.
type counts struct{ applied, superseded, ignored int64 }

// standing is what the changes of one key and (for type 2) one sequence have left: which change is the last one, which
// delete, and which values the columns of IgnoreNulls have.
type standing struct {
	some       bool
	seq        int
	deleted    bool
	rest       []int
	lastDelete int      // -1 if there is none
	given      [][2]int // by column: sequence and value
}

// stand looks at changes of one key that are not older than from.
func (r rules) stand(changes []change, from int) standing {
	s := standing{lastDelete: -1}
	for _, x := range changes {
		if x.seq < from {
			continue
		}
		rest := r.rest(x.row)
		order := cmp.Or(cmp.Compare(x.seq, s.seq), cmp.Compare(bit(x.kind == remove), bit(s.deleted)), slices.Compare(rest, s.rest))
		if !s.some || order > 0 {
			s.some, s.seq, s.deleted, s.rest = true, x.seq, x.kind == remove, rest
		}
		if x.kind == remove {
			s.lastDelete = max(s.lastDelete, x.seq)
		}
	}
	s.given = make([][2]int, len(r.ignored))
	for i := range s.given {
		s.given[i] = [2]int{-1, -1}
		for _, x := range changes {
			next := [2]int{x.seq, -1}
			if x.seq >= from && x.kind == upsert && r.ignored[i] && x.seq > s.lastDelete && x.row[i] >= 0 {
				next[1] = x.row[i]
				if slices.Compare(next[:], s.given[i][:]) > 0 {
					s.given[i] = next
				}
			}
		}
	}
	return s
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// gave reports whether s has from x what it has.
func (r rules) gave(s standing, x change) (last bool, del bool, given []bool) {
	given = make([]bool, len(r.ignored))
	if !s.some {
		return false, false, given
	}
	last = s.seq == x.seq && s.deleted == (x.kind == remove) && (s.deleted || slices.Equal(s.rest, r.rest(x.row)))
	del = x.kind == remove && s.lastDelete == x.seq
	for i := range given {
		given[i] = x.kind == upsert && x.row[i] >= 0 && s.given[i] == [2]int{x.seq, x.row[i]}
	}
	return last, del, given
}

// count says what becomes of the changes of a batch after those that were seen.
func (r rules) count(seen, batch []change) counts {
	var n counts
	before, after := latest(seen), max(latest(seen), latest(batch))
	truncated := false
	for i, x := range batch {
		again := slices.ContainsFunc(batch[:i], func(y change) bool { return x.same(y) })
		switch {
		case again:
			n.ignored++
		case x.kind == truncate && x.seq == before:
			n.ignored++
		case x.kind == truncate && x.seq == after && !truncated:
			truncated = true
			n.applied++
		case x.kind == truncate || x.seq < after:
			n.superseded++
		default:
			of := func(all []change) (out []change) {
				for _, y := range all {
					if y.kind != truncate && y.key == x.key && (!r.history || y.seq == x.seq) {
						out = append(out, y)
					}
				}
				return out
			}
			old := r.stand(of(seen), before)
			now := r.stand(append(of(seen), of(batch)...), after)
			r.classify(&n, old, now, x)
		}
	}
	return n
}

func (r rules) classify(n *counts, old, now standing, x change) {
	lastBefore, delBefore, givenBefore := r.gave(old, x)
	last, del, given := r.gave(now, x)
	applied, known := last && !lastBefore, lastBefore
	ignoring := slices.Contains(r.ignored, true)
	if ignoring {
		applied = applied || del && !delBefore
		known = known || delBefore
	}
	for i := range given {
		applied = applied || given[i] && !givenBefore[i]
		known = known || givenBefore[i]
	}
	switch {
	case applied:
		n.applied++
	case known:
		n.ignored++
	default:
		n.superseded++
	}
}

// latest returns the sequence of the last truncate, or -1.
func latest(changes []change) int {
	t := -1
	for _, x := range changes {
		if x.kind == truncate {
			t = max(t, x.seq)
		}
	}
	return t
}

// same reports whether two changes are the same one. Of a delete only the key matters.
func (x change) same(y change) bool {
	return x.kind == y.kind && x.seq == y.seq && x.key == y.key && (x.kind != upsert || slices.Equal(x.row, y.row))
}
