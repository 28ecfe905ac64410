package incremental

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
)

// body is a UNION ALL.
type body []*selection

// selection is one SELECT.
type selection struct {
	node     syntax.Select
	template string // the SELECT, with fromMark and whereMark in their place
	from     source
	plain    []syntax.Expression // the conditions of WHERE that have no subquery
	where    []string            // the same as SQL
	tests    []*test
	keyed    *keyed // nil for a linear one
	view     string // whose query has it
}

const (
	fromMark  = "__from__"
	whereMark = "__where__"
)

// test is a condition of WHERE with a subquery: EXISTS, NOT EXISTS, or IN.
type test struct {
	not   bool
	value string // of IN, empty for EXISTS
	body  body
}

func (t *test) of(query string) string {
	if t.value == "" {
		return "EXISTS (" + query + ")"
	}
	// IN is true where one row is equal. DuckDB is slow with IN that is NULL, which is not asked here.
	return "EXISTS (SELECT 1 FROM (" + query + ") AS __i(__i0) WHERE __i.__i0 = (" + t.value + "))"
}

func (t *test) partner(c *composer) partner {
	return partner{
		is: func(v version) string { return t.of(t.body.text(c, v)) },
		inChanges: func(removed bool) (all []string) {
			for _, s := range t.body.delta(c) {
				if s.removed == removed {
					all = append(all, t.of(s.query))
				}
			}
			return all
		},
		contained: t.body.contained(),
	}
}

func (t *test) text(c *composer, v version) string {
	if t.not {
		return not(t.of(t.body.text(c, v)))
	}
	return t.of(t.body.text(c, v))
}

// keyed is what makes a selection not linear: its rows of a key depend on the rows of FROM and WHERE with that key.
type keyed struct {
	word      string // the technique that fits
	at        int    // where it stands
	nodes     []syntax.Expression
	windows   [][]syntax.Expression // the PARTITION BY of each
	keys      []string              // SQL over FROM; none when all rows make one group
	types     []string
	group     *group       // nil where it does not group, or not in a way that has partial values
	above     []*selection // of a top one: linear ones around it, outermost first
	columnsOf []int        // of each column that it gives: which key that is, or -1; nil where that is not known
	exact     bool         // its values are the same whenever they are computed
	distinct  bool
}

func (b body) text(c *composer, v version) string {
	return joined(b, " UNION ALL ", func(_ int, s *selection) string { return s.text(c, v) })
}

func (b body) contained() bool {
	return !slices.ContainsFunc(b, func(s *selection) bool {
		return s.keyed == nil && (len(s.tests) > 0 || s.from != nil && !s.from.contained())
	})
}

// delta are the signed changes of the rows.
func (b body) delta(c *composer) (all []signed) {
	for _, s := range b {
		for _, d := range s.delta(c) {
			if len(b) > 1 { // the other parts have a say in the names and types of the columns
				d.query = "SELECT * FROM (SELECT * FROM (" + b.text(c, none) + ") LIMIT 0) UNION ALL (" + d.query + ")"
			}
			all = append(all, d)
		}
	}
	return all
}

func (s *selection) fill(from string, where []string) string {
	return strings.NewReplacer(fromMark, from, whereMark, conjunction(where)).Replace(s.template)
}

// at is FROM and WHERE in a version.
func (s *selection) at(c *composer, v version) (from string, where []string) {
	where = slices.Clone(s.where)
	for _, t := range s.tests {
		where = append(where, t.text(c, v))
	}
	return s.from.text(c, v), where
}

func (s *selection) text(c *composer, v version) string {
	from, where := s.at(c, v)
	return s.fill(from, where)
}

// rows are the signed changes of the rows that FROM and WHERE give.
func (s *selection) rows(c *composer) []term {
	all := s.from.delta(c)
	var former []string // the tests so far, as they were
	for _, t := range s.tests {
		p := t.partner(c)
		for i := range all {
			all[i] = all[i].and(all[i].from, t.text(c, now))
		}
		for _, change := range p.change(t.not, func() string { return s.from.text(c, before) }) {
			all = append(all, change.and(change.from, former...))
		}
		former = append(former, t.text(c, before))
	}
	for i := range all {
		all[i] = all[i].and(all[i].from, s.where...)
	}
	return all
}

func (s *selection) delta(c *composer) (all []signed) {
	rows := s.rows(c)
	if s.keyed == nil {
		for _, t := range rows {
			all = append(all, signed{t.removed, s.fill(t.from, t.where)})
		}
		return all
	}
	if len(rows) == 0 {
		return nil
	}
	touched := "(" + s.touched(c) + ")"
	return []signed{{false, s.of(c, now, touched)}, {true, s.of(c, before, touched)}}
}

// touched are the keys of the changes.
func (s *selection) touched(c *composer) string {
	return joined(s.rows(c), " UNION ", func(_ int, t term) string {
		return "SELECT DISTINCT " + s.keyed.columns() + " FROM " + t.from + " WHERE " + conjunction(t.where)
	})
}

// columns are the keys as __k0, __k1 and so on.
func (k *keyed) columns() string {
	return list(k.keys, func(i int, key string) string { return fmt.Sprintf("%s AS __k%d", key, i) })
}

// of is the selection in a version, of the keys in a relation.
func (s *selection) of(c *composer, v version, keys string) string {
	from, where := s.at(c, v)
	return s.fill(s.keyed.only(from, keys), where)
}

// only are the rows of from with the keys of a relation.
func (k *keyed) only(from, keys string) string {
	if len(k.keys) == 0 {
		return from
	}
	return "(" + from + " SEMI JOIN " + keys + " AS __t ON (" + joined(k.keys, " AND ", func(i int, key string) string {
		return fmt.Sprintf("(%s) IS NOT DISTINCT FROM __t.__k%d", key, i)
	}) + "))"
}

// without is a copy of the selection that has another source in the place of one behind its FROM.
func (s *selection) without(d *derived, other source) *selection {
	copied := *s
	copied.from = replaced(s.from, d, other)
	return &copied
}

func replaced(in source, d *derived, other source) source {
	switch in := in.(type) {
	case *derived:
		if in == d {
			return other
		}
	case *join:
		copied := *in
		copied.left, copied.right = replaced(in.left, d, other), replaced(in.right, d, other)
		return &copied
	}
	return in
}

// frozen is a source that does not change.
type frozen struct{ sql, alias string }

func (f *frozen) text(*composer, version) string { return f.sql }
func (f *frozen) delta(*composer) []term         { return nil }
func (f *frozen) contained() bool                { return true }
func (f *frozen) name() string                   { return aliasOf(f.alias) }
