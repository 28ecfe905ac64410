package cdc_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/schemas"
)

// snapshot is one version in the model: the rows of its keys that count, nil for keys that are kept only.
type snapshot map[string][]int

// snapshots is the model: it has all that was ever given, by version, and makes the target of it anew each time. A change
// is a row of a snapshot, and a delete the key of one that is kept.
type snapshots struct {
	rules
	seen   map[int]snapshot
	newest int
}

// add takes over the rows of one version, and counts what becomes of them.
func (m *snapshots) add(version int, rows []change) (n counts) {
	now := m.open()
	if version < m.newest {
		for _, x := range rows {
			n.superseded += int64(bit(x.kind == upsert))
		}
		return n
	}
	if version > m.newest {
		m.seen[version] = snapshot{}
		m.newest = version
	}
	s := m.seen[version]
	before := maps.Clone(s)
	for i, x := range rows {
		if row := s[x.key]; x.kind != upsert {
			s[x.key] = row
		} else if row == nil || slices.Compare(x.row, row) > 0 {
			s[x.key] = x.row
		}
		switch again := slices.ContainsFunc(rows[:i], func(y change) bool { return x.same(y) }); {
		case x.kind != upsert:
		case again || slices.Equal(x.row, before[x.key]) && before[x.key] != nil:
			n.ignored++
		default:
			n.superseded++ // until it is known which one counts
		}
	}
	for key, row := range s {
		if row == nil || before[key] != nil && slices.Equal(row, before[key]) ||
			!slices.ContainsFunc(rows, func(x change) bool { return x.key == key && x.kind == upsert }) {
			continue
		}
		n.superseded--
		if is, there := now[key]; there && slices.Equal(is.row, row) {
			n.ignored++
		} else {
			n.applied++
		}
	}
	return n
}

// target goes through the versions.
func (m *snapshots) target() []version {
	closed, open := m.run()
	for _, v := range open {
		closed = append(closed, v)
	}
	return closed
}

func (m *snapshots) open() map[string]version {
	_, open := m.run()
	return open
}

func (m *snapshots) run() (closed []version, open map[string]version) {
	open = map[string]version{}
	for _, v := range slices.Sorted(maps.Keys(m.seen)) {
		s := m.seen[v]
		for key, is := range open {
			if _, there := s[key]; !there {
				closed = append(closed, version{is.row, is.start, v})
				delete(open, key)
			}
		}
		for key, row := range s {
			is, there := open[key]
			switch {
			case row == nil:
			case there && !m.differs(is.row, row):
				open[key] = version{row, is.start, -1}
			default:
				if there {
					closed = append(closed, version{is.row, is.start, v})
				}
				open[key] = version{row, v, -1}
			}
		}
	}
	if !m.history {
		closed = nil
	}
	return closed, open
}

func (m *snapshots) differs(a, b []int) bool {
	for i := range a {
		if m.tracked[i] && a[i] != b[i] {
			return true
		}
	}
	return false
}

// follow gives the rows of the table ch to the target as snapshots.
func (h held) follow(t *testing.T, taken time.Time) *cdc.Result {
	t.Helper()
	stored := func(table string) string {
		return `(SELECT *, 7::BIGINT AS "__file", rowid AS "__row" FROM ` + table + ")"
	}
	relations := cdc.Relations{Changes: "ch", Target: stored("tgt"), State: stored("st")}
	r, err := h.spec.ApplySnapshots(t.Context(), h.conn, relations, "__cdc_", taken)
	if err != nil {
		t.Fatal(err)
	}
	h.take(t, r)
	return r
}

// TestSnapshots gives random snapshots in random batches: versions in parts and several together, older ones, rows of a
// key more than once, and keys that are kept; and compares with the model after each batch.
func TestSnapshots(t *testing.T) {
	conn := open(t)
	all, sequences := samples(), sequenceSamples()
	for _, s := range slices.Concat(all, sequences) {
		s.load(t, conn)
	}
	seed := number(t, "CDC_SEED", int(time.Now().UnixNano()))
	for i, n := 0, number(t, "CDC_HISTORIES", 150); n > 0; i++ {
		r := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
		w := newWorld(t, conn, r, all, sequences)
		clear(w.ignored)
		w.spec.IgnoreNulls, w.spec.Snapshots = nil, true
		w.held = hold(t, conn, w.spec)
		rows, keys := w.changes(r)
		rows = slices.DeleteFunc(rows, func(c change) bool { return c.kind == truncate })
		n -= keys
		if !t.Run(strconv.Itoa(i), func(t *testing.T) { w.liveSnapshots(t, r, rows) }) {
			t.Fatalf("CDC_SEED=%d, spec %d: %+v", seed, i, w.spec)
		}
	}
}

func (w *world) liveSnapshots(t *testing.T, r *rand.Rand, left []change) {
	if r.IntN(4) > 0 {
		slices.SortStableFunc(left, func(a, b change) int { return cmp.Compare(a.seq, b.seq) })
	}
	m := &snapshots{rules: w.rules, seen: map[int]snapshot{}, newest: -1}
	for len(left) > 0 {
		batch := left[:1+r.IntN(len(left))]
		left = left[len(batch):]
		w.give(t, batch)
		exec(t, w.conn, "UPDATE ch SET __op = 'keep' WHERE __op = 'delete'")
		got := w.follow(t, time.Time{})
		byVersion := map[int][]change{}
		for _, c := range batch {
			byVersion[c.seq] = append(byVersion[c.seq], c)
		}
		var want counts
		for _, v := range slices.Sorted(maps.Keys(byVersion)) {
			n := m.add(v, byVersion[v])
			want = counts{want.applied + n.applied, want.superseded + n.superseded, want.ignored + n.ignored}
		}
		w.checkRows(t, m.target(), batch)
		if want != (counts{got.Applied, got.Superseded, got.Ignored}) {
			t.Fatalf("counted %+v, want %+v, batch %+v, then %+v", got, want, batch, left)
		}
	}
}

// TestSnapshotExamples are those of the documentation, and what the clock does.
func TestSnapshotExamples(t *testing.T) {
	one := small()
	one.Snapshots = true
	two, untracked := one, one
	two.History, untracked.History, untracked.Tracked = true, true, nil
	const all = "(1, 1, 1, 'upsert'), (2, 2, 1, 'upsert')"
	for _, c := range []struct {
		what string
		spec cdc.Spec
		give []string
		want string
	}{
		{"what is missing is deleted", one, []string{all, "(2, 3, 2, 'upsert')"}, "2 3"},
		{"of one key the greatest row", one, []string{"(1, NULL, 1, 'upsert'), (1, 5, 1, 'upsert'), (1, 4, 1, 'upsert')"}, "1 5"},
		{"a key that is kept", one, []string{all, "(1, NULL, 2, 'keep')"}, "1 1"},
		{"but not for ever", one, []string{all, "(1, NULL, 2, 'keep')", "(3, 3, 3, 'upsert')"}, "3 3"},
		{"kept by a later part", one, []string{all, "(2, 2, 2, 'upsert')", "(1, NULL, 2, 'keep')"}, "1 1; 2 2"},
		{"a smaller row replaces one that was kept", one, []string{all, "(2, NULL, 2, 'keep')", "(2, 1, 2, 'upsert')"}, "2 1"},
		{"a smaller row of the same version does not", one, []string{all, "(2, 1, 1, 'upsert')"}, "1 1; 2 2"},
		{"an older version", one, []string{all, "(1, 7, 0, 'upsert')"}, "1 1; 2 2"},
		{"versions", two, []string{all, "(1, 1, 2, 'upsert'), (2, 3, 2, 'upsert')", "(2, 3, 3, 'upsert')"}, "1 1 1 3; 2 2 1 2; 2 3 2 NULL"},
		{"in one batch", two, []string{all + ", (1, 1, 2, 'upsert'), (2, 3, 2, 'upsert'), (2, 3, 3, 'upsert')"}, "1 1 1 3; 2 2 1 2; 2 3 2 NULL"},
		{"a later part leaves no hole", two, []string{all, "(1, 1, 2, 'upsert')", "(2, 2, 2, 'upsert')"}, "1 1 1 NULL; 2 2 1 NULL"},
		{"a later part of other values", two, []string{all, "(1, 1, 2, 'upsert')", "(2, 3, 2, 'upsert')"}, "1 1 1 NULL; 2 2 1 2; 2 3 2 NULL"},
		{"a later part with a greater row", two, []string{all, "(1, 2, 2, 'upsert')", "(1, 3, 2, 'upsert')"}, "1 1 1 2; 1 3 2 NULL; 2 2 1 2"},
		{"a later part takes a version back", two, []string{"(1, 5, 1, 'upsert')", "(1, 2, 2, 'upsert')", "(1, 5, 2, 'upsert')"}, "1 5 1 NULL"},
		{"what is not tracked is set in place", untracked, []string{"(1, 1, 1, 'upsert')", "(1, 2, 2, 'upsert')"}, "1 2 1 NULL"},
		{"a hole", two, []string{"(1, 1, 1, 'upsert')", "(2, 2, 2, 'upsert')", "(1, 1, 3, 'upsert')"}, "1 1 1 2; 1 1 3 NULL; 2 2 2 3"},
		{"a hole within a batch", two, []string{"(1, 1, 1, 'upsert'), (2, 2, 2, 'upsert'), (1, 1, 3, 'upsert')"}, "1 1 1 2; 1 1 3 NULL; 2 2 2 3"},
	} {
		h := hold(t, open(t), c.spec)
		for _, rows := range c.give {
			exec(t, h.conn, "DELETE FROM ch")
			exec(t, h.conn, "INSERT INTO ch VALUES "+rows)
			h.follow(t, time.Time{})
		}
		if got := h.holds(t); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func (h held) holds(t *testing.T) string {
	t.Helper()
	var rows []string
	for _, row := range texts(t, h.conn, "SELECT * FROM tgt") {
		rows = append(rows, strings.Join(row, " "))
	}
	return strings.Join(rows, "; ")
}

// TestTakenSnapshots have the time of the update for a version, also when they have no rows, and when the clock was set
// back.
func TestTakenSnapshots(t *testing.T) {
	spec := small()
	spec.Snapshots, spec.History, spec.Sequence = true, true, schemas.Type{Kind: schemas.Timestamp}
	h := hold(t, open(t), spec)
	exec(t, h.conn, "ALTER TABLE ch DROP __sequence")
	for _, c := range []struct {
		rows  string
		taken time.Duration
		want  string
	}{
		{"(1, 1, 'upsert')", 0, "1 1 12:00:00.123456 NULL"},
		{"(1, 2, 'upsert')", time.Hour, "1 1 12:00:00.123456 13:00:00.123456; 1 2 13:00:00.123456 NULL"},
		{"", 0, "1 1 12:00:00.123456 13:00:00.123456; 1 2 13:00:00.123456 13:00:00.123457"},
	} {
		exec(t, h.conn, "DELETE FROM ch")
		if c.rows != "" {
			exec(t, h.conn, "INSERT INTO ch VALUES "+c.rows)
		}
		h.follow(t, epoch.Add(c.taken))
		var rows []string
		for _, row := range texts(t, h.conn, `SELECT k, v, strftime("__START_AT", '%H:%M:%S.%f'), strftime("__END_AT", '%H:%M:%S.%f') FROM tgt`) {
			rows = append(rows, strings.Join(row, " "))
		}
		if got := strings.Join(rows, "; "); got != c.want {
			t.Errorf("%q at %s: %s, want %s", c.rows, c.taken, got, c.want)
		}
	}
	if got := fmt.Sprint(texts(t, h.conn, "SELECT count(*) FROM st WHERE k IS NULL")); got != "[[1]]" {
		t.Errorf("rows of the newest version: %s", got)
	}
}
