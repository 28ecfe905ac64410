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
		if p.long() {
			t = append(t, schemas.Column{Name: longColumn(i), Type: p.typ})
			p.typ.Precision = shortDigits
		}
		t = append(t, schemas.Column{Name: column(i), Type: p.typ})
	}
	return t.Clone()
}

// shortDigits are those of the decimals that Parquet has as whole numbers, which are read several times faster than
// longer ones. A sum that has more is in a column of its own.
const shortDigits = 18

func (p partial) long() bool { return p.kind == "sum" && p.typ.Scale <= shortDigits }

// longColumn names the column of a partial value that has more than shortDigits.
func longColumn(i int) string { return fmt.Sprintf("__long%d", i) }

// stored are the columns of the state, of rows that have partial values.
func (g *groups) stored(rows string) string {
	columns := append(g.keyColumns(func(_ int, name string) string { return name }), "__rows")
	for i, p := range g.group().partials {
		name := column(i)
		if p.long() {
			fits := p.fits(name)
			columns = append(columns, fmt.Sprintf("CASE WHEN NOT (%s) THEN %s END AS %s", fits, name, longColumn(i)))
			name = fmt.Sprintf("CASE WHEN %s THEN CAST(%s AS DECIMAL(%d,%d)) END AS %[2]s", fits, name, shortDigits, p.typ.Scale)
		}
		columns = append(columns, name)
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + rows
}

// fits is true where a sum has no more than shortDigits.
func (p partial) fits(sum string) string {
	digits := strings.Repeat("9", shortDigits)
	most := digits[:shortDigits-p.typ.Scale] + "." + digits[shortDigits-p.typ.Scale:]
	return fmt.Sprintf("%s BETWEEN -%s AND %[2]s", sum, strings.TrimSuffix(most, "."))
}

// in is a partial value in a row of the state.
func (p partial) in(row string, i int) string {
	if p.long() {
		return fmt.Sprintf("coalesce(%[1]s.%[2]s, %[1]s.%[3]s)", row, column(i), longColumn(i))
	}
	return row + "." + column(i)
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
	columns = append(columns, sign+" AS __w")
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + from + " WHERE " + conjunction(where)
}

// grouped computes partial values of the rows of input. With removed some of them are removed ones: __lost is how many,
// and __l0 and so on are the extremes of those.
func (g *groups) grouped(input string, removed bool) string {
	columns := g.keyColumns(func(_ int, name string) string { return name })
	keys := strings.Join(columns, ", ")
	if removed {
		columns = append(columns, "CAST(coalesce(sum(__w), 0) AS BIGINT) AS __rows", "count(*) FILTER (__w < 0) AS __lost")
	} else {
		columns = append(columns, "count(*) AS __rows")
	}
	for i, p := range g.group().partials {
		argument := fmt.Sprintf("__a%d", i)
		columns = append(columns, fmt.Sprintf("CAST(%s AS %s) AS %s", p.of(argument, removed), p.typ, column(i)))
		if removed && p.extreme() {
			columns = append(columns, fmt.Sprintf("CAST(%s(%s) FILTER (__w < 0) AS %s) AS __l%d", p.kind, argument, p.typ, i))
		}
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
	return g.stored("(" + g.grouped(g.input(from, where, "1"), false) + ")")
}

// merged is a partial value of a stored row __o and a changed one __d.
func (p partial) merged(i int) string {
	o, d := p.in("__o", i), "__d."+column(i)
	switch p.kind {
	case "min":
		return fmt.Sprintf("CASE WHEN %s IS NULL OR %s < %s THEN %s ELSE %s END", o, d, o, d, o)
	case "max":
		return fmt.Sprintf("CASE WHEN %s IS NULL OR %s > %s THEN %s ELSE %s END", o, d, o, d, o)
	}
	return fmt.Sprintf("CAST(coalesce(%s, 0) + %s AS %s)", o, d, p.typ)
}

// again is true where a partial value does not follow from the stored one, as rows were removed. A row may be among
// the added and the removed ones: an extreme is right when no removed value is as far out.
func (p partial) again(i int) string {
	switch p.kind {
	case "real":
		return "__d.__lost > 0"
	case "min":
		return fmt.Sprintf("coalesce(__d.__l%d <= %s, false)", i, p.merged(i))
	case "max":
		return fmt.Sprintf("coalesce(__d.__l%d >= %s, false)", i, p.merged(i))
	}
	return "false"
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
	if err := b.few(ctx, "groups", "FROM "+b.table("delta"), b.c.in.State.Count, groupShare); err != nil || b.result.Recompute != "" {
		return err
	}
	if err := g.merge(ctx, b, removed); err != nil {
		return err
	}
	settled := b.table("merged")
	if removed {
		var err error
		if settled, err = g.anew(ctx, b); err != nil || b.result.Recompute != "" {
			return err
		}
	}
	return g.results(ctx, b, settled)
}

// merge makes the new rows of the state, next to the stored ones: __q0 and so on are the old partial values.
func (g *groups) merge(ctx context.Context, b *batch, removed bool) error {
	columns := g.keyColumns(func(_ int, name string) string { return "__d." + name })
	columns = append(columns, "CAST(coalesce(__o.__rows, 0) + __d.__rows AS BIGINT) AS __rows", "__o.__rows AS __old_rows",
		`__o."__file"`, `__o."__row"`)
	again := []string{"false"}
	for i, p := range g.group().partials {
		columns = append(columns, fmt.Sprintf("CAST(%s AS %s) AS %s", p.merged(i), p.typ, column(i)),
			fmt.Sprintf("%s AS __q%d", p.in("__o", i), i))
		if removed && !p.arithmetic() {
			again = append(again, p.again(i))
		}
	}
	columns = append(columns, "("+strings.Join(again, " OR ")+") AS __again")
	former := b.c.in.State.matching("SEMI JOIN", b.table("delta"), g.same("__v", "__t"))
	return b.create(ctx, "merged", "SELECT "+strings.Join(columns, ", ")+" FROM "+former+" AS __o RIGHT JOIN "+
		b.table("delta")+" AS __d ON ("+g.same("__o", "__d")+")")
}

// anew computes groups from the input whose partial values do not follow from the stored ones. It returns the table of
// all groups of the batch.
func (g *groups) anew(ctx context.Context, b *batch) (settled string, err error) {
	partials := g.group().partials
	wrong := "__rows < 0"
	for i, p := range partials {
		if p.kind == "count" {
			wrong += fmt.Sprintf(" OR %s < 0 OR %s > __rows", column(i), column(i))
		}
	}
	var negative, again int64
	err = b.read(ctx, "SELECT count(*) FILTER ("+wrong+"), count(*) FILTER (__again AND "+g.alive()+") FROM "+
		b.table("merged"), &negative, &again)
	switch {
	case err != nil:
		return "", err
	case negative > 0:
		b.result.Recompute = fmt.Sprintf("its state lacks rows that were removed, in %d groups", negative)
		return "", nil
	case again == 0 && !b.binding:
		return b.table("merged"), nil
	}
	err = b.few(ctx, "groups", "FROM "+b.table("merged")+" WHERE __again", b.c.in.State.Count, anewShare)
	if err != nil || b.result.Recompute != "" {
		return "", err
	}
	from, where := g.s.at(b.c, now)
	lost := "(SELECT * FROM " + b.table("merged") + " WHERE __again AND " + g.alive() + ")"
	err = b.create(ctx, "anew", g.grouped(g.input(g.s.keyed.only(from, lost), where, "1"), false))
	if err != nil {
		return "", err
	}
	columns := "CASE WHEN __n.__rows IS NULL THEN __m.__rows ELSE __n.__rows END AS __rows"
	for i := range partials {
		columns += fmt.Sprintf(", CASE WHEN __n.__rows IS NULL THEN __m.%[1]s ELSE __n.%[1]s END AS %[1]s", column(i))
	}
	settled = b.table("settled")
	return settled, b.create(ctx, "settled", "SELECT __m.* REPLACE ("+columns+") FROM "+b.table("merged")+" AS __m LEFT JOIN "+
		b.table("anew")+" AS __n ON ("+g.same("__m", "__n")+")")
}

// results finds what changes in the view and the state. Of a group, __is and __was tell whether it has a row of the
// view, __n0 and so on are that row, and __o0 and so on the one before. __differs is no condition of the query itself,
// because DuckDB would compute all of them again for it.
func (g *groups) results(ctx context.Context, b *batch, settled string) error {
	columns := b.technique.query.Columns
	inner := []string{"__old_rows IS NOT NULL AS __known", g.alive() + " AS __alive"}
	for i, t := range g.s.keyed.types {
		inner = append(inner, fmt.Sprintf("CAST(__k%d AS %s) AS __g%d", i, t, i))
	}
	for i, a := range g.group().aggregates {
		inner = append(inner, fmt.Sprintf("%s AS __x%d", a.final, i), fmt.Sprintf("%s AS __y%d", a.former, i))
	}
	shown := func(condition string, having []string) string {
		return "coalesce(" + conjunction(append([]string{condition}, having...)) + ", false)"
	}
	query := "SELECT " + strings.Join(inner, ", ") + " FROM " + settled
	final, former := g.group().final, g.group().former
	query = "SELECT *, " + shown("__alive", final.having) + " AS __is, " + shown("__known", former.having) +
		" AS __was FROM (" + query + ") AS __s"
	outer := []string{"__is", "__was"}
	for i, c := range columns {
		outer = append(outer, fmt.Sprintf("CASE WHEN __is THEN CAST(%s AS %s) END AS __n%d", final.items[i], c.Type, i),
			fmt.Sprintf("CASE WHEN __was THEN CAST(%s AS %s) END AS __o%d", former.items[i], c.Type, i))
	}
	differs := joined(columns, " OR ", func(i int, _ schemas.Column) string {
		return fmt.Sprintf("__n%d IS DISTINCT FROM __o%d", i, i)
	})
	err := b.create(ctx, "outcome", "SELECT *, __is <> __was OR "+differs+" AS __differs FROM (SELECT "+
		strings.Join(outer, ", ")+" FROM ("+query+") AS __s)")
	if err != nil {
		return err
	}
	b.result.AddView = "SELECT " + list(columns, func(i int, c schemas.Column) string {
		return fmt.Sprintf("__n%d AS %s", i, quote.Name(c.Name))
	}) + " FROM " + b.table("outcome") + " WHERE __differs AND __is"
	changed := "__rows IS DISTINCT FROM __old_rows"
	for i := range g.group().partials {
		changed += fmt.Sprintf(" OR %s IS DISTINCT FROM __q%d", column(i), i)
	}
	b.result.RemoveState = `SELECT "__file", "__row" FROM ` + settled +
		" WHERE __old_rows IS NOT NULL AND (" + changed + ")"
	b.result.AddState = g.stored(settled) + " WHERE " + g.alive() + " AND (" + changed + ")"
	return g.removed(ctx, b, columns)
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
	gone := b.table("outcome") + " WHERE __differs AND __was"
	if g.outputs == nil && !g.global() {
		wanted := "SELECT " + list(columns, func(i int, _ schemas.Column) string {
			return fmt.Sprintf("__o%d AS __c%d", i, i)
		}) + ", count(*) AS __n, row_number() OVER () AS __id FROM " + gone + " GROUP BY ALL"
		if err := b.create(ctx, "wanted", wanted); err != nil {
			return err
		}
		return b.removeEqual(ctx, b.table("wanted"), b.c.in.View)
	}
	on := "true"
	if !g.global() {
		on = joined(g.outputs, " AND ", func(_ int, o int) string {
			return fmt.Sprintf("__v.%s IS NOT DISTINCT FROM __t.__o%d", quote.Name(columns[o].Name), o)
		})
	}
	places := `SELECT "__file", "__row" FROM ` + b.c.in.View.matching("SEMI JOIN", "(SELECT * FROM "+gone+")", on)
	return b.removeFound(ctx, places, "SELECT count(*) FROM "+gone)
}
