package incremental

import (
	"context"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// rows is APPEND_ONLY and ROW_BASED.
type rows struct{ body body }

func (r *rows) apply(ctx context.Context, b *batch) error {
	changes := r.body.delta(b.c)
	if len(changes) == 0 {
		return nil
	}
	q := b.technique.query
	if !slices.ContainsFunc(changes, func(s signed) bool { return s.removed }) {
		b.result.AddView = joined(changes, " UNION ALL ", func(_ int, s signed) string { return q.stored(s.query) })
		return nil
	}
	b.result.Technique = RowBased
	columns := list(q.Columns, func(_ int, c schemas.Column) string { return quote.Name(c.Name) })
	err := b.create(ctx, "delta", "SELECT "+columns+", CAST(sum(__w) AS BIGINT) AS __n FROM ("+
		joined(changes, " UNION ALL ", func(_ int, s signed) string {
			sign := 1
			if s.removed {
				sign = -1
			}
			return fmt.Sprintf("SELECT *, %d AS __w FROM (%s)", sign, q.stored(s.query))
		})+") GROUP BY "+columns+" HAVING sum(__w) <> 0")
	if err != nil {
		return err
	}
	b.result.AddView = "SELECT " + columns + " FROM (SELECT *, unnest(range(__n)) FROM " + b.table("delta") +
		" WHERE __n > 0)"
	return b.removeEqual(ctx, "SELECT "+list(q.Columns, func(i int, c schemas.Column) string {
		return fmt.Sprintf("%s AS __c%d", quote.Name(c.Name), i)
	})+", -__n AS __n FROM "+b.table("delta")+" WHERE __n < 0")
}

// removeEqual removes as many rows of the view as a relation says in __n, of those that are equal in all columns to its
// __c0, __c1 and so on.
func (b *batch) removeEqual(ctx context.Context, wanted string) error {
	columns := b.technique.query.Columns
	err := b.create(ctx, "wanted", "SELECT *, row_number() OVER () AS __id FROM (SELECT "+
		list(columns, func(i int, _ schemas.Column) string { return fmt.Sprintf("__c%d", i) })+
		", CAST(sum(__n) AS BIGINT) AS __n FROM ("+wanted+") GROUP BY ALL)")
	if err != nil {
		return err
	}
	on := joined(columns, " AND ", func(i int, c schemas.Column) string {
		return fmt.Sprintf("__v.%s IS NOT DISTINCT FROM __t.__c%d", quote.Name(c.Name), i)
	})
	return b.removeFound(ctx, `SELECT "__file", "__row" FROM (
	SELECT __v."__file", __v."__row", __t.__n, row_number() OVER (PARTITION BY __t.__id) AS __i
	FROM `+b.c.in.View.matching(b.table("wanted"), on)+" AS __v JOIN "+b.table("wanted")+" AS __t ON ("+on+")) WHERE __i <= __n",
		"SELECT coalesce(sum(__n), 0) FROM "+b.table("wanted"))
}

// removeFound removes rows of the view. The view must be computed in full when there are not as many as expected.
func (b *batch) removeFound(ctx context.Context, places, expected string) error {
	if err := b.create(ctx, "gone", places); err != nil {
		return err
	}
	var found, wanted int64
	err := b.read(ctx, "SELECT (SELECT count(*) FROM "+b.table("gone")+"), ("+expected+")", &found, &wanted)
	if err != nil {
		return err
	}
	if found != wanted {
		b.result.Recompute = fmt.Sprintf("its rows are not as they were computed: %d are to go, and %d were found", wanted, found)
	}
	b.result.RemoveView = `SELECT "__file", "__row" FROM ` + b.table("gone")
	return nil
}
