package cdc

import (
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// FromSnapshot returns the SELECT of the changes that make a target equal to a snapshot: Columns and "__op", upserts of
// the rows that are new or differ from the target's, deletes of the keys that the snapshot lacks. snapshot is a
// relation with Columns, target one with those of Target; of History the versions without an end are compared.
// Deletes have nothing but the key. The sequence, by which the snapshots are ordered, is for the caller to add.
//
// Of several rows with the same key the greatest counts, as Apply has it for changes of the same sequence. Rows without
// a key are upserts, for the caller to refuse. NULL in a column of IgnoreNulls is no difference.
func (s Spec) FromSnapshot(snapshot, target string) (string, error) {
	c, err := s.resolve()
	if err != nil {
		return "", err
	}
	b := batch{columns: c, spec: s}
	open := "true"
	if s.History {
		open = quote.Name(EndAt) + " IS NULL"
	}
	// __differs has the rows of the snapshot that are not in the target, duplicates too; __last the greatest row of each of
	// their keys, which may be the one that the target has already.
	return b.fill(`
WITH __differs AS MATERIALIZED (
	SELECT ${values}, __s.__in AS __upsert
	FROM (SELECT ${columns}, true AS __in FROM ${snapshot} AS __c) AS __s
		FULL JOIN (SELECT ${columns}, true AS __in FROM ${target} AS __c WHERE ${open}) AS __t ON ${same_key}
	WHERE NOT coalesce(${same}, false)),
__last AS (
	SELECT ${columns} FROM ${snapshot} AS __c
	SEMI JOIN (SELECT ${keys} FROM __differs WHERE __upsert) AS __d USING (${keys})
	QUALIFY row_number() OVER (PARTITION BY ${partition} ORDER BY ${order}) = 1)
SELECT ${columns}, 'upsert' AS "__op" FROM __last SEMI JOIN __differs ON ${same_key_last} AND __upsert AND ${rank_last} = ${rank_differs}
UNION ALL
SELECT ${columns}, 'upsert' FROM __differs WHERE ${no_key}
UNION ALL
SELECT ${columns}, 'delete' FROM __differs WHERE __upsert IS NULL`, map[string]string{
		"snapshot": snapshot, "target": target, "open": open,
		"columns": list(b.all, column("")),
		"values": list(b.all, func(c schemas.Column) string {
			name := quote.Name(c.Name)
			if b.keys.Column(c.Name) == nil {
				return "__s." + name
			}
			return "CASE WHEN __s.__in THEN __s." + name + " ELSE __t." + name + " END AS " + name
		}),
		"same_key": b.sameKey("__s.", "__t."), "same_key_last": b.sameKey("__last.", "__differs."),
		"same":      b.sameRow("__s.", "__t."),
		"rank_last": rank("__last.", b.all), "rank_differs": rank("__differs.", b.all),
		"partition": b.partition(), "order": b.descending(),
		"no_key": "__upsert AND (" + join(b.keys, " OR ", func(c schemas.Column) string { return quote.Name(c.Name) + " IS NULL" }) + ")",
	}), nil
}

// sameKey compares the keys of two relations.
func (b *batch) sameKey(x, y string) string {
	return join(b.keys, " AND ", func(c schemas.Column) string { return column(x)(c) + " = " + column(y)(c) })
}

// sameRow says that a row of the snapshot is the one of the target already.
func (b *batch) sameRow(snapshot, target string) string {
	return snapshot + "__in AND " + target + "__in AND " + join(b.all, " AND ", func(c schemas.Column) string {
		now, old := exactly(column(snapshot)(c), c.Type), exactly(column(target)(c), c.Type)
		var equal []string
		for i := range now {
			equal = append(equal, now[i]+" IS NOT DISTINCT FROM "+old[i])
		}
		if b.ignored.Column(c.Name) == nil {
			return strings.Join(equal, " AND ")
		}
		return "(" + now[0] + " IS NULL OR " + strings.Join(equal, " AND ") + ")"
	})
}
