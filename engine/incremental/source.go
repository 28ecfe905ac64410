package incremental

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// version is which rows of the tables are read.
type version int

const (
	now    version = iota
	before         // as they were when the view was last refreshed
	none           // no rows, but the same columns
)

// composer writes SQL over the inputs of a batch.
type composer struct {
	in    Inputs
	known map[reading]string
	err   error // of in
}

// reading is a table in a version.
type reading struct {
	relation string
	version  version
}

// read asks for a table, once.
func (c *composer) read(from func(string) (string, error), relation string, v version) string {
	text, ok := c.known[reading{relation, v}]
	if !ok {
		var err error
		if text, err = from(relation); err != nil && c.err == nil {
			c.err = err
		}
		if c.known == nil {
			c.known = map[reading]string{}
		}
		c.known[reading{relation, v}] = text
	}
	return text
}

func (c *composer) changed(table string) bool {
	return c.in.Added[table] != "" || c.in.Removed[table] != ""
}

// term is a part of the changes of what stands behind FROM.
type term struct {
	removed bool
	from    string
	where   []string
}

// signed is a part of the changes of a query.
type signed struct {
	removed bool
	query   string
}

// source is what stands behind FROM: a table, constant, derived or join.
type source interface {
	text(c *composer, v version) string
	// delta are the signed changes.
	delta(c *composer) []term
	// contained reports whether the removed rows of delta were all there before, and the added ones are all there now.
	contained() bool
	// name is the quoted alias; empty for joins.
	name() string
}

// table is an occurrence of a table in the query.
type table struct {
	relation string
	columns  schemas.Table
	alias    string // with new names of columns, ready to be written
}

func (t *table) text(c *composer, v version) string {
	switch {
	case v == none:
		return "(" + noRows(t.columns) + ")" + t.alias
	case v == before && c.changed(t.relation):
		return c.read(c.in.Old, t.relation, before) + t.alias
	}
	return c.read(c.in.New, t.relation, now) + t.alias
}

func (t *table) delta(c *composer) (all []term) {
	if added := c.in.Added[t.relation]; added != "" {
		all = append(all, term{from: added + t.alias})
	}
	if removed := c.in.Removed[t.relation]; removed != "" {
		all = append(all, term{removed: true, from: removed + t.alias})
	}
	return all
}

func (t *table) contained() bool { return true }
func (t *table) name() string    { return aliasOf(t.alias) }

// noRows is a query without rows.
func noRows(columns schemas.Table) string {
	return "SELECT " + list(columns, func(_ int, col schemas.Column) string {
		return "CAST(NULL AS " + col.Type.String() + ") AS " + quote.Name(col.Name)
	}) + " WHERE false"
}

// aliasText is AS with an alias and new names of columns.
func aliasText(alias string, columns []string) string {
	if alias == "" {
		return ""
	}
	text := " AS " + quote.Name(alias)
	if len(columns) > 0 {
		text += "(" + list(columns, func(_ int, name string) string { return quote.Name(name) }) + ")"
	}
	return text
}

// aliasOf is the quoted alias in what aliasText wrote.
func aliasOf(text string) string {
	text = strings.TrimPrefix(text, " AS ")
	for i := 1; i < len(text); i++ {
		if text[i] == '"' {
			if i+1 < len(text) && text[i+1] == '"' {
				i++
				continue
			}
			return text[:i+1]
		}
	}
	return text
}

// constant reads no table of its own: a list of values, or a function, possibly of columns of what is joined.
type constant struct{ sql string }

func (k *constant) text(*composer, version) string { return k.sql }
func (k *constant) delta(*composer) []term         { return nil }
func (k *constant) contained() bool                { return true }
func (k *constant) name() string                   { return "" }

// derived is a query behind FROM, a view or a common table expression.
type derived struct {
	body    body
	alias   string
	columns []string // the new names of its first columns, which alias has too
}

func (d *derived) text(c *composer, v version) string {
	if v == none {
		return "(SELECT * FROM (" + d.body.text(c, none) + ") LIMIT 0)" + d.alias
	}
	return "(" + d.body.text(c, v) + ")" + d.alias
}

func (d *derived) delta(c *composer) (all []term) {
	for _, s := range d.body.delta(c) {
		all = append(all, term{removed: s.removed, from: "(" + s.query + ")" + d.alias})
	}
	return all
}

func (d *derived) contained() bool { return d.body.contained() }
func (d *derived) name() string    { return aliasOf(d.alias) }

// join is a join of any kind.
type join struct {
	word        string // INNER, LEFT, RIGHT, FULL, SEMI, ANTI
	left, right source
	condition   string
	using       []string
	natural     bool
}

func (j *join) name() string    { return "" }
func (j *join) contained() bool { return false }

func (j *join) text(c *composer, v version) string {
	return j.of(j.word, j.left.text(c, v), j.right.text(c, v))
}

// of joins two texts in the way of j, but with another word.
func (j *join) of(word, left, right string) string {
	switch {
	case len(j.using) > 0:
		names := list(j.using, func(_ int, name string) string { return quote.Name(name) })
		return "(" + left + " " + word + " JOIN " + right + " USING (" + names + "))"
	case j.natural:
		return "(" + left + " NATURAL " + word + " JOIN " + right + ")"
	case j.condition == "" && word == "INNER":
		return "(" + left + " CROSS JOIN " + right + ")"
	case j.condition == "":
		return "(" + left + " " + word + " JOIN " + right + " ON true)"
	}
	return "(" + left + " " + word + " JOIN " + right + " ON (" + j.condition + "))"
}

func (j *join) delta(c *composer) (all []term) {
	left, right := j.left.delta(c), j.right.delta(c)
	leftNow, rightNow := "", ""
	if len(left) > 0 {
		rightNow = j.right.text(c, now)
	}
	if len(right) > 0 && j.word == "RIGHT" {
		leftNow = j.left.text(c, now)
	}
	onRight, onLeft := j.partner(c, j.right, j.left), j.partner(c, j.left, j.right)
	switch j.word {
	case "SEMI", "ANTI":
		for _, t := range left {
			all = append(all, t.and(j.of(j.word, t.from, rightNow)))
		}
		return append(all, onRight.change(j.word == "ANTI", func() string { return j.left.text(c, before) })...)
	case "RIGHT": // as LEFT, with the sides exchanged
		for _, t := range right {
			all = append(all, t.and(j.of("RIGHT", leftNow, t.from)))
		}
		for _, t := range left {
			all = append(all, t.and(j.of("INNER", t.from, j.right.text(c, before))))
		}
		return append(all, onLeft.change(true, func() string {
			return j.of("RIGHT", j.left.text(c, none), j.right.text(c, before))
		})...)
	}
	word := "INNER"
	if j.word == "LEFT" {
		word = "LEFT"
	}
	for _, t := range left {
		all = append(all, t.and(j.of(word, t.from, rightNow)))
	}
	for _, t := range right {
		all = append(all, t.and(j.of("INNER", j.left.text(c, before), t.from)))
	}
	if j.word == "INNER" {
		return all
	}
	all = append(all, onRight.change(true, func() string {
		return j.of("LEFT", j.left.text(c, before), j.right.text(c, none))
	})...)
	if j.word != "FULL" {
		return all
	}
	for _, t := range left {
		all = append(all, t.and(j.of("FULL", t.from, j.right.text(c, none)), not(onRight.is(now))))
	}
	for _, t := range right {
		all = append(all, t.and(j.of("FULL", j.left.text(c, none), t.from), not(onLeft.is(now))))
	}
	return append(all, onLeft.change(true, func() string {
		return j.of("RIGHT", j.left.text(c, none), j.right.text(c, before))
	})...)
}

// and is the term with another text, and more conditions.
func (t term) and(from string, where ...string) term {
	return term{t.removed, from, slices.Concat(t.where, where)}
}

// not is true where a condition is false or NULL.
func not(condition string) string { return "(" + condition + ") IS NOT TRUE" }

// partner asks whether a row has a partner in a relation.
type partner struct {
	is func(version) string
	// inChanges are conditions that are true, one of them, where a partner was added, or removed.
	inChanges func(removed bool) []string
	contained bool
}

// partner of a row of other in s.
func (j *join) partner(c *composer, s, other source) partner {
	exists := func(from string, where []string) string {
		if len(j.using) == 0 {
			if j.condition != "" {
				where = append(slices.Clone(where), j.condition)
			}
			return "EXISTS (SELECT 1 FROM " + from + " WHERE " + conjunction(where) + ")"
		}
		qualifier := ""
		if other.name() != "" {
			qualifier = other.name() + "."
		}
		columns := list(j.using, func(i int, name string) string { return fmt.Sprintf("%s AS __u%d", quote.Name(name), i) })
		same := joined(j.using, " AND ", func(i int, name string) string {
			return fmt.Sprintf("%s%s = __u.__u%d", qualifier, quote.Name(name), i)
		})
		return "EXISTS (SELECT 1 FROM (SELECT " + columns + " FROM " + from + " WHERE " + conjunction(where) + ") AS __u WHERE " + same + ")"
	}
	return partner{
		is: func(v version) string { return exists(s.text(c, v), nil) },
		inChanges: func(removed bool) (all []string) {
			for _, t := range s.delta(c) {
				if t.removed == removed {
					all = append(all, exists(t.from, t.where))
				}
			}
			return all
		},
		contained: s.contained(),
	}
}

// change are the rows of from, the rows before, that get their first partner or lose their last one. They are added
// when they get one, or when they lose it and lonely is true; otherwise they are removed.
func (p partner) change(lonely bool, from func() string) (all []term) {
	got, lost := p.inChanges(false), p.inChanges(true)
	if !p.contained { // what is added may have been there before, and what is removed may still be there
		got = append(got, lost...)
		lost = got
	}
	any := func(conditions []string) string { return strings.Join(conditions, " OR ") }
	if len(got) > 0 {
		where := []string{any(got), not(p.is(before))}
		if !p.contained {
			where = append(where, p.is(now))
		}
		all = append(all, term{lonely, from(), where})
	}
	if len(lost) > 0 {
		where := []string{any(lost), not(p.is(now))}
		if !p.contained {
			where = append(where, p.is(before))
		}
		all = append(all, term{!lonely, from(), where})
	}
	return all
}
