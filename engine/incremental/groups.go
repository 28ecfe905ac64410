package incremental

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// groups is GROUP_AGGREGATE.
type groups struct {
	s       *selection
	types   []schemas.Type // of the keys in the state
	outputs []int          // the view's columns that are keys, by key; nil where some key is none
}

func (g *groups) group() *group { return g.s.keyed.group }
func (g *groups) global() bool  { return len(g.types) == 0 }

// state are the columns of the hidden state: keys, the number of rows, and partial values.
func (g *groups) state() schemas.Table {
	var t schemas.Table
	for i, typ := range g.types {
		t = append(t, schemas.Column{Name: fmt.Sprintf("__k%d", i), Type: typ})
	}
	t = append(t, schemas.Column{Name: "__rows", Type: bigint})
	for i, p := range g.group().partials {
		t = append(t, schemas.Column{Name: column(i), Type: p.typ})
	}
	return t.Clone()
}

// keyColumns are __k0, __k1 and so on, each written by of.
func (g *groups) keyColumns(of func(i int, name string) string) []string {
	names := make([]string, len(g.types))
	for i := range names {
		names[i] = of(i, fmt.Sprintf("__k%d", i))
	}
	return names
}

func (g *groups) same(left, right string) string {
	if g.global() {
		return "true"
	}
	return strings.Join(g.keyColumns(func(_ int, name string) string {
		return left + "." + name + " IS NOT DISTINCT FROM " + right + "." + name
	}), " AND ")
}

// input are the keys and arguments of the rows of FROM.
func (g *groups) input(from string, where []string, sign string) string {
	columns := g.keyColumns(func(i int, name string) string {
		return "CAST(" + g.s.keyed.keys[i] + " AS " + g.types[i].String() + ") AS " + name
	})
	for i, p := range g.group().partials {
		columns = append(columns, fmt.Sprintf("%s AS __a%d", p.argument, i))
	}
	return "SELECT " + strings.Join(append(columns, sign+" AS __w"), ", ") + " FROM " + from + " WHERE " + conjunction(where)
}

// grouped computes partial values of the rows of input. With removed some of them are removed ones.
func (g *groups) grouped(input string, removed bool) string {
	columns := g.keyColumns(func(_ int, name string) string { return name })
	keys := strings.Join(columns, ", ")
	if removed {
		columns = append(columns, "CAST(coalesce(sum(__w), 0) AS BIGINT) AS __rows", "count(*) FILTER (__w < 0) AS __lost")
	} else {
		columns = append(columns, "count(*) AS __rows")
	}
	for i, p := range g.group().partials {
		columns = append(columns, fmt.Sprintf("CAST(%s AS %s) AS %s", p.of(fmt.Sprintf("__a%d", i), removed), p.typ, column(i)))
	}
	query := "SELECT " + strings.Join(columns, ", ") + " FROM (" + input + ") AS __i"
	if g.global() {
		return query
	}
	return query + " GROUP BY " + keys
}

// of aggregates an argument.
func (p partial) of(argument string, removed bool) string {
	added, lost := "", " FILTER (__w < 0)"
	if removed {
		added = " FILTER (__w > 0)"
	}
	switch p.kind {
	case "count":
		if !removed {
			return "count(" + argument + ")"
		}
		return "count(" + argument + ")" + added + " - count(" + argument + ")" + lost
	case "sum":
		sum := "coalesce(sum(" + argument + ")" + added + ", 0)"
		if removed {
			sum += " - coalesce(sum(" + argument + ")" + lost + ", 0)"
		}
		return sum
	case "real":
		return "coalesce(sum(" + argument + ")" + added + ", 0)"
	}
	return p.kind + "(" + argument + ")" + added
}

// partials are the rows of the state, computed from the beginning.
func (g *groups) partials(c *composer, v version) string {
	from, where := g.s.at(c, v)
	return g.grouped(g.input(from, where, "1"), false)
}

// merged is a partial value of a stored row __o and a changed one __d.
func (p partial) merged(i int) string {
	o, d := "__o."+column(i), "__d."+column(i)
	switch p.kind {
	case "min":
		return fmt.Sprintf("CASE WHEN %s IS NULL OR %s < %s THEN %s ELSE %s END", o, d, o, d, o)
	case "max":
		return fmt.Sprintf("CASE WHEN %s IS NULL OR %s > %s THEN %s ELSE %s END", o, d, o, d, o)
	}
	return fmt.Sprintf("CAST(coalesce(%s, 0) + %s AS %s)", o, d, p.typ)
}

// lost says where a partial value does not follow from a changed row with removed rows.
func (g *groups) lost() bool {
	return slices.ContainsFunc(g.group().partials, func(p partial) bool { return !p.arithmetic() })
}

// output are the view's rows of rows of the state, with their keys.
func (g *groups) output(state string, columns schemas.Table, prefix string) string {
	keys := g.keyColumns(func(_ int, name string) string { return name })
	inner := slices.Clone(keys)
	for i, t := range g.s.keyed.types {
		inner = append(inner, fmt.Sprintf("CAST(__k%d AS %s) AS __g%d", i, t, i))
	}
	for i, a := range g.group().aggregates {
		inner = append(inner, fmt.Sprintf("%s AS __x%d", a.final, i))
	}
	inner = append(inner, "1 AS __one")
	outer := slices.Clone(keys)
	for i, c := range columns {
		outer = append(outer, fmt.Sprintf("CAST(%s AS %s) AS %s%d", g.group().finalItems[i], c.Type, prefix, i))
	}
	having := g.group().finalHaving
	if having == "" {
		having = "true"
	}
	return "SELECT " + strings.Join(outer, ", ") + " FROM (SELECT " + strings.Join(inner, ", ") + " FROM " + state + ") AS __s WHERE " + having
}

func (g *groups) apply(ctx context.Context, b *batch) error {
	rows := g.s.rows(b.c)
	if len(rows) == 0 {
		return nil
	}
	removed := slices.ContainsFunc(rows, func(t term) bool { return t.removed })
	input := joined(rows, " UNION ALL ", func(_ int, t term) string {
		sign := "1"
		if t.removed {
			sign = "-1"
		}
		return g.input(t.from, t.where, sign)
	})
	if err := b.create(ctx, "delta", g.grouped(input, removed)); err != nil {
		return err
	}
	if err := b.create(ctx, "stored", "SELECT * FROM "+b.c.in.State+" AS __o SEMI JOIN "+b.table("delta")+" AS __d ON ("+g.same("__o", "__d")+")"); err != nil {
		return err
	}
	if removed && g.lost() {
		if err := g.anew(ctx, b); err != nil {
			return err
		}
	}
	if err := g.merge(ctx, b, removed); err != nil || b.result.Recompute != "" {
		return err
	}
	return g.results(ctx, b)
}

// anew computes the groups that lost rows, and still have some.
func (g *groups) anew(ctx context.Context, b *batch) error {
	err := b.create(ctx, "lost", "SELECT "+list(g.keyColumns(func(_ int, n string) string { return "__d." + n }), func(_ int, s string) string { return s })+
		ifAny(len(g.types), ", ")+"1 AS __one FROM "+b.table("delta")+" AS __d LEFT JOIN "+b.table("stored")+" AS __o ON ("+g.same("__d", "__o")+
		") WHERE __lost > 0 AND coalesce(__o.__rows, 0) + __d.__rows > 0")
	if err != nil {
		return err
	}
	from, where := g.s.at(b.c, now)
	query := g.grouped(g.input(g.s.keyed.only(from, b.table("lost")), where, "1"), false)
	return b.create(ctx, "anew", query)
}

func ifAny(n int, text string) string {
	if n == 0 {
		return ""
	}
	return text
}

// merge makes the new rows of the state.
func (g *groups) merge(ctx context.Context, b *batch, removed bool) error {
	partials := g.group().partials
	columns := g.keyColumns(func(_ int, name string) string { return "__d." + name })
	columns = append(columns, "CAST(coalesce(__o.__rows, 0) + __d.__rows AS BIGINT) AS __rows")
	from := " FROM " + b.table("delta") + " AS __d LEFT JOIN " + b.table("stored") + " AS __o ON (" + g.same("__d", "__o") + ")"
	anew := removed && g.lost()
	if anew {
		from += " LEFT JOIN " + b.table("anew") + " AS __n ON (" + g.same("__d", "__n") + ")"
	}
	for i, p := range partials {
		value := p.merged(i)
		if anew && !p.arithmetic() {
			value = "CASE WHEN __d.__lost > 0 THEN " + p.fresh(i) + " ELSE " + value + " END"
		}
		columns = append(columns, "CAST("+value+" AS "+p.typ.String()+") AS "+column(i))
	}
	if err := b.create(ctx, "merged", "SELECT "+strings.Join(columns, ", ")+from); err != nil {
		return err
	}
	if !removed {
		return nil
	}
	wrong := "__rows < 0"
	for i, p := range partials {
		if p.kind == "count" {
			wrong += fmt.Sprintf(" OR %s < 0 OR %s > __rows", column(i), column(i))
		}
	}
	var negative int64
	if err := b.read(ctx, "SELECT count(*) FROM "+b.table("merged")+" WHERE "+wrong, &negative); err != nil {
		return err
	}
	if negative > 0 {
		b.result.Recompute = fmt.Sprintf("its state lacks rows that were removed, in %d groups", negative)
	}
	return nil
}

// fresh is a partial value of a group computed anew.
func (p partial) fresh(i int) string {
	if p.kind == "real" {
		return "coalesce(__n." + column(i) + ", 0)"
	}
	return "__n." + column(i)
}

// results finds what changes in the view and the state.
func (g *groups) results(ctx context.Context, b *batch) error {
	columns := b.technique.query.Columns
	alive := "(SELECT * FROM " + b.table("merged") + " WHERE " + g.alive() + ")"
	names := func(prefix string) []string {
		all := make([]string, len(columns))
		for i := range all {
			all[i] = fmt.Sprintf("%s%d", prefix, i)
		}
		return all
	}
	news, olds := names("__n"), names("__o")
	changed := joined(columns, " OR ", func(i int, _ schemas.Column) string { return fmt.Sprintf("__n%d IS DISTINCT FROM __o%d", i, i) })
	both := slices.Concat(news, olds, []string{"__b.__is IS NOT NULL AS __is", "__a.__was IS NOT NULL AS __was"})
	err := b.create(ctx, "outcome", "SELECT * FROM (SELECT "+strings.Join(both, ", ")+
		" FROM (SELECT *, true AS __is FROM ("+g.output(alive, columns, "__n")+")) AS __b FULL JOIN (SELECT *, true AS __was FROM ("+
		g.output(b.table("stored"), columns, "__o")+")) AS __a ON ("+g.same("__a", "__b")+")) WHERE __is <> __was OR "+changed)
	if err != nil {
		return err
	}
	b.result.AddView = "SELECT " + list(columns, func(i int, c schemas.Column) string { return fmt.Sprintf("__n%d AS %s", i, quote.Name(c.Name)) }) +
		" FROM " + b.table("outcome") + " WHERE __is"
	if err := g.removed(ctx, b, columns); err != nil {
		return err
	}
	same := "__o.__rows IS NOT DISTINCT FROM __m.__rows"
	for i := range g.group().partials {
		same += fmt.Sprintf(" AND __o.%s IS NOT DISTINCT FROM __m.%s", column(i), column(i))
	}
	state := g.state()
	on := " ON (" + g.same("__o", "__m") + " AND " + same + ")"
	b.result.RemoveState = `SELECT "__file", "__row" FROM ` + b.table("stored") + " AS __o ANTI JOIN " + alive + " AS __m" + on
	b.result.AddState = "SELECT " + list(state, func(_ int, c schemas.Column) string { return "__m." + c.Name }) +
		" FROM " + alive + " AS __m ANTI JOIN " + b.table("stored") + " AS __o" + on
	return nil
}

// alive are the groups that have rows; all rows are one that always is there.
func (g *groups) alive() string {
	if g.global() {
		return "true"
	}
	return "__rows > 0"
}

// removed finds the rows of the view that go: by their keys, or by all of their values.
func (g *groups) removed(ctx context.Context, b *batch, columns schemas.Table) error {
	gone := "SELECT " + list(columns, func(i int, _ schemas.Column) string { return fmt.Sprintf("__o%d AS __c%d", i, i) }) +
		" FROM " + b.table("outcome") + " WHERE __was"
	if g.outputs == nil && !g.global() {
		return b.removeEqual(ctx, "SELECT *, 1 AS __n FROM ("+gone+")")
	}
	on := "true"
	if !g.global() {
		on = joined(g.outputs, " AND ", func(_ int, o int) string {
			return fmt.Sprintf("__v.%s IS NOT DISTINCT FROM __g.__c%d", quote.Name(columns[o].Name), o)
		})
	}
	return b.removeFound(ctx, `SELECT __v."__file", __v."__row" FROM `+b.c.in.View+" AS __v SEMI JOIN ("+gone+") AS __g ON ("+on+")",
		"SELECT count(*) FROM "+b.table("outcome")+" WHERE __was")
}
