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
	return b.difference(ctx, joined(changes, " UNION ALL ", func(_ int, s signed) string {
		sign := 1
		if s.removed {
			sign = -1
		}
		return fmt.Sprintf("SELECT *, %d AS __w FROM (%s)", sign, q.stored(s.query))
	}), b.c.in.View, rowShare)
}

// difference sums up signed rows of the view: those that remain are removed from a part of it that has them, or added.
// They have the sign in __w. share is that of the view's rows of which no more may go.
func (b *batch) difference(ctx context.Context, changes string, part Stored, share float64) error {
	q := b.technique.query
	columns := list(q.Columns, func(_ int, c schemas.Column) string { return quote.Name(c.Name) })
	err := b.create(ctx, "delta", "SELECT "+columns+", CAST(sum(__w) AS BIGINT) AS __n, row_number() OVER () AS __id FROM ("+
		changes+") GROUP BY "+columns+" HAVING sum(__w) <> 0")
	if err != nil {
		return err
	}
	err = b.few(ctx, "rows", "FROM "+b.table("delta")+" WHERE __n < 0", b.c.in.View.Count, share)
	if err != nil || b.result.Recompute != "" {
		return err
	}
	b.result.AddView = "SELECT " + columns + " FROM (SELECT *, unnest(range(__n)) FROM " + b.table("delta") +
		" WHERE __n > 0)"
	gone := "(SELECT " + list(q.Columns, func(i int, c schemas.Column) string {
		return fmt.Sprintf("%s AS __c%d", quote.Name(c.Name), i)
	}) + ", -__n AS __n, __id FROM " + b.table("delta") + " WHERE __n < 0)"
	return b.removeEqual(ctx, gone, part)
}

// removeEqual removes as many rows of the view as a relation says in __n, of those that are equal in all columns to its
// __c0, __c1 and so on. Each row of the relation is another one, and has a number __id.
func (b *batch) removeEqual(ctx context.Context, wanted string, part Stored) error {
	equal := part.matching("JOIN", wanted, joined(b.technique.query.Columns, " AND ", func(i int, c schemas.Column) string {
		return fmt.Sprintf("__v.%s IS NOT DISTINCT FROM __t.__c%d", quote.Name(c.Name), i)
	}))
	return b.removeFound(ctx, `SELECT "__file", "__row" FROM (
	SELECT "__file", "__row", __n, row_number() OVER (PARTITION BY __id) AS __i FROM `+equal+") WHERE __i <= __n",
		"SELECT coalesce(sum(__n), 0) FROM "+wanted)
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
