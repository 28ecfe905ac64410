package incremental

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// overwrite computes the rows of the touched keys anew: GENERIC_AGGREGATE, WINDOW_FUNCTION and PARTITION_OVERWRITE.
type overwrite struct {
	above   []level // linear selections around the keyed one, outermost first
	s       *selection
	outputs []int // the view's columns that are keys, by key
}

// level is a linear selection around a keyed one, whose keys it hands on.
type level struct {
	*selection
	link *derived // what it reads the keyed one by
	keys []string // SQL over its FROM, by key
}

// touched are the keys whose rows may change: those of the keyed selection, and those that meet a change of what is
// joined with it.
func (o *overwrite) touched(c *composer) string {
	var all []string
	if len(o.s.rows(c)) > 0 {
		all = append(all, o.s.touched(c))
	}
	for _, l := range o.above {
		fixed := l.without(l.link, &frozen{l.link.text(c, now), l.link.alias})
		for _, t := range fixed.rows(c) {
			all = append(all, "SELECT DISTINCT "+list(l.keys, func(i int, key string) string {
				return fmt.Sprintf("%s AS __k%d", key, i)
			})+" FROM "+t.from+" WHERE "+conjunction(t.where))
		}
	}
	return strings.Join(all, " UNION ")
}

func (o *overwrite) apply(ctx context.Context, b *batch) error {
	touched := o.touched(b.c)
	if touched == "" {
		return nil
	}
	q := b.technique.query
	if err := b.create(ctx, "keys", touched); err != nil {
		return err
	}
	if o.s.keyed.group != nil { // a row for each key
		err := b.few(ctx, "groups", "FROM "+b.table("keys"), b.c.in.View.Count, genericShare)
		if err != nil || b.result.Recompute != "" {
			return err
		}
	}
	query := o.s.of(b.c, now, b.table("keys"))
	for _, l := range slices.Backward(o.above) {
		query = l.without(l.link, &frozen{"(" + query + ")" + l.link.alias, l.link.alias}).text(b.c, now)
	}
	former := b.c.in.View.matching("SEMI JOIN", b.table("keys"), joined(o.outputs, " AND ", func(i, column int) string {
		return fmt.Sprintf("__v.%s IS NOT DISTINCT FROM __t.__k%d", quote.Name(q.Columns[column].Name), i)
	}))
	columns := list(q.Columns, func(_ int, c schemas.Column) string { return quote.Name(c.Name) })
	if err := b.create(ctx, "former", "SELECT "+columns+`, "__file", "__row" FROM `+former); err != nil {
		return err
	}
	if o.s.keyed.group == nil {
		err := b.few(ctx, "rows", "FROM "+b.table("former"), b.c.in.View.Count, rowShare)
		if err != nil || b.result.Recompute != "" {
			return err
		}
	}
	return b.difference(ctx, "SELECT *, 1 AS __w FROM ("+q.stored(query)+") UNION ALL SELECT "+columns+", -1 FROM "+
		b.table("former"), Stored{Rows: b.table("former")}, 1)
}

// outputs finds the view's columns that are the keys of a selection; nil where some key is none.
func (k *keyed) outputs(columns schemas.Table) []int {
	all := make([]int, len(k.nodes))
	for i, t := range k.types {
		at := slices.Index(k.columnsOf, i)
		if at < 0 || at >= len(columns) || !holds(columns[at].Type, t) {
			return nil
		}
		all[i] = at
	}
	return all
}

// keysOf says of each column that a select list gives which key it is, or -1.
func (m matcher) keysOf(items, keys []syntax.Expression) []int {
	var all []int
	for _, item := range items {
		star, ok := item.(syntax.Star)
		if !ok {
			all = append(all, m.find(keys, item))
			continue
		}
		excluded, plain := star.Excluded()
		if !plain {
			return nil
		}
		for _, name := range m {
			same := func(n string) bool { return strings.EqualFold(n, name) }
			if slices.ContainsFunc(excluded, same) {
				continue
			}
			at := -1
			if len(slices.DeleteFunc(slices.Clone(m), func(n string) bool { return !same(n) })) == 1 {
				at = m.find(keys, syntax.Column(name))
			}
			all = append(all, at)
		}
	}
	return all
}
