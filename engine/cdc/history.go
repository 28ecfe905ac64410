package cdc

import (
	"context"
	"maps"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// applyHistory applies the changes of type 2: it puts the batch's changes to the stored ones of their keys, and makes
// the versions of these keys anew. Rows of the target that stay the same are left alone.
func (b *batch) applyHistory(ctx context.Context) error {
	parts := b.historyParts()
	err := b.create(ctx, "state", `
SELECT ${columns}, "__sequence", "__deleted", "__file", "__row" FROM ${state} AS __s
SEMI JOIN (SELECT ${keys} FROM ${temp.changes} WHERE __before IS NULL) AS __k USING (${keys})`, parts)
	if err != nil {
		return err
	}
	if err := b.mergeChanges(ctx, parts); err != nil {
		return err
	}
	if err := b.countChanges(ctx, parts); err != nil {
		return err
	}
	if err := b.makeVersions(ctx, parts); err != nil {
		return err
	}
	return b.selectVersions(ctx, parts)
}

// mergeChanges makes one change of those that have the key and the sequence in common, stored ones and new ones.
// Only those that differ from what is stored are kept.
func (b *batch) mergeChanges(ctx context.Context, parts map[string]string) error {
	return b.create(ctx, "merged", `
SELECT *, __delete AS "__deleted" FROM (
	SELECT __c."__sequence", __s."__file", __s."__row", __s."__deleted" AS __old_deleted,
		__c.__kind = 2 OR coalesce(__s."__deleted", false) AS __delete,
		CASE WHEN __s."__deleted" IS NULL THEN true WHEN __s."__deleted" THEN false
			ELSE __c.__kind = 2 OR ${rank_c} > ${rank_s} END AS __wins,
		${rest},
		${values}
		__wins OR NOT __delete AND (${changed}) AS __new
	FROM ${temp.changes} AS __c
		LEFT JOIN (
			SELECT * FROM ${temp.state} SEMI JOIN ${temp.changes} AS __c USING (${keys}, "__sequence")
		) AS __s USING (${keys}, "__sequence")
		${given}
	WHERE __c.__before IS DISTINCT FROM __c."__sequence")`, parts)
}

func (b *batch) historyParts() map[string]string {
	parts := map[string]string{
		"state": b.relations.State, "target": b.relations.Target, "partition": b.partition(),
		"columns": list(b.all, column("")), "target_columns": list(b.spec.Target(), column("")),
		"rank_c": rank("__c.", b.rest), "rank_s": rank("__s.", b.rest),
		"rest":  list(b.rest, column("__c.")),
		"opens": b.tracks("lag"), "closes": b.tracks("lead"),
		"applied": `(__m.__wins AND __c.__before IS DISTINCT FROM __c."__sequence")`,
		"values":  "", "changed": "false", "given": "", "known": "",
		"carried": "__changes", "carry": "",
		"all_applied": b.fill("SELECT count(*) FILTER (__wins) FROM ${temp.merged}", nil),
	}
	if len(b.ignored) > 0 {
		maps.Copy(parts, b.carryingParts())
	}
	return parts
}

// carryingParts are those that are other ones where there are columns of IgnoreNulls. A life of a key is what is
// between two deletes. What comes after a new change may have another value from it, and counts as new, too.
func (b *batch) carryingParts() map[string]string {
	parts := map[string]string{
		"partition": b.partition(), "rest": list(b.rest, column("")),
		"rank_c": rank("__c.", b.rest), "rank_m": rank("__m.", b.rest),
		"given":   b.each(givenByBatch),
		"differs": b.each(" OR __m.__value_${i} IS DISTINCT FROM __m.__stored_${i} AND __m.__value_${i} = ${change}"),
		"carry":   b.each(", last_value(${name} IGNORE NULLS) OVER __in_life AS ${name}"),
	}
	special := map[string]string{
		"rest": list(b.rest, func(c schemas.Column) string {
			name := quote.Name(c.Name)
			return "CASE WHEN __wins THEN __c." + name + " ELSE __s." + name + " END AS " + name
		}),
		"values": b.each(`
		${stored} AS __stored_${i},
		CASE WHEN __delete THEN NULL WHEN __stored_${i} IS NULL OR __g.__given_${i} > __stored_${i} THEN __g.__given_${i}
			ELSE __stored_${i} END AS __value_${i},
		${value} AS ${name},`),
		"changed": "false" + b.each(" OR __value_${i} IS DISTINCT FROM __stored_${i}"),
		"given": b.fill(`LEFT JOIN (
			SELECT ${keys}, "__sequence"${given} FROM ${temp.changes} GROUP BY ${keys}, "__sequence"
		) AS __g USING (${keys}, "__sequence")`, parts),
		"applied": b.fill(`CASE WHEN __m.__old_deleted THEN false WHEN __m.__delete THEN __c.__kind = 2
			ELSE coalesce(__m.__wins AND ${rank_c} = ${rank_m}${differs}, false) END`, parts),
		"known":   b.each(" OR __m.__stored_${i} = ${change}"),
		"carried": "__carried",
		"carry": b.fill(`
__lives AS (
	SELECT *, count(*) FILTER ("__deleted") OVER __key AS __life, bool_or(__new) OVER __key AS __touched
	FROM __changes WINDOW __key AS (PARTITION BY ${partition} ORDER BY "__sequence")),
__carried AS (
	SELECT "__sequence", "__deleted", __touched AS __new, ${rest}${carry}
	FROM __lives WINDOW __in_life AS (PARTITION BY ${partition}, __life ORDER BY "__sequence")),`, parts),
	}
	special["all_applied"] = b.fill(`
SELECT count(*) FILTER (${applied}) FROM ${temp.changes} AS __c JOIN ${temp.merged} AS __m USING (${keys}, "__sequence")
WHERE NOT __c.__again`, special)
	return special
}

// tracks tells a change from the one before it (lag) or after it (lead) by the tracked columns.
func (b *batch) tracks(neighbour string) string {
	return join(b.tracked, "", func(c schemas.Column) string {
		var differs string
		for _, e := range exactly(quote.Name(c.Name), c.Type) {
			differs += " OR " + e + " IS DISTINCT FROM " + neighbour + "(" + e + ") OVER __key"
		}
		return differs
	})
}

// countChanges counts the changes by what became of them.
func (b *batch) countChanges(ctx context.Context, parts map[string]string) error {
	err := b.read(ctx, "${all_applied}", parts, &b.result.Applied)
	if err != nil {
		return err
	}
	var known int64
	err = b.read(ctx, `
SELECT count(*) FROM ${temp.changes} AS __c
	JOIN (SELECT * FROM ${temp.merged} WHERE __old_deleted IS NOT NULL) AS __m USING (${keys}, "__sequence")
	JOIN ${temp.state} AS __s USING (${keys}, "__sequence")
WHERE NOT __c.__again AND NOT ${applied} AND CASE WHEN __m.__old_deleted THEN __c.__kind = 2 WHEN __c.__kind = 2 THEN false
	ELSE coalesce(${rank_c} = ${rank_s} ${known}, false) END`, parts, &known)
	b.result.Ignored += known
	b.result.Superseded = b.result.Changes - b.result.Applied - b.result.Ignored
	return err
}

// makeVersions makes the versions of all keys that have a new change. old are the rows that the target has of them;
// versions that begin as one of these does have __old, and __same where they are it. The values of a version are those of its last change, so that nothing
// but its begin and its end can differ when that change was stored before (see carryingParts for IgnoreNulls).
func (b *batch) makeVersions(ctx context.Context, parts map[string]string) error {
	err := b.create(ctx, "old", `
SELECT ${keys}, "__START_AT", "__END_AT", "__file", "__row" FROM ${target} AS __t
SEMI JOIN (SELECT * FROM ${temp.merged} WHERE __new) AS __m USING (${keys})`, parts)
	if err != nil {
		return err
	}
	// __steps are the first and the last changes of versions, so that what is not first has the first one before it.
	return b.create(ctx, "versions", `
WITH __changes AS (
	SELECT ${columns}, "__sequence", "__deleted", false AS __new FROM ${temp.state} AS __s
	SEMI JOIN (SELECT * FROM ${temp.merged} WHERE __new) AS __m USING (${keys})
	ANTI JOIN (SELECT "__file", "__row" FROM ${temp.merged} WHERE __new AND "__file" IS NOT NULL) AS __n USING ("__file", "__row")
	UNION ALL
	SELECT ${columns}, "__sequence", "__deleted", true FROM ${temp.merged} WHERE __new),${carry}
__steps AS (
	SELECT * EXCLUDE ("__deleted") FROM (
		SELECT *, coalesce(lag("__deleted") OVER __key, true)${opens} AS __opens,
			coalesce(lead("__deleted") OVER __key, true)${closes} AS __closes, lead("__sequence") OVER __key AS __next
		FROM ${carried} WINDOW __key AS (PARTITION BY ${partition} ORDER BY "__sequence"))
	WHERE NOT "__deleted" AND (__opens OR __closes)),
__versions AS (
	SELECT * EXCLUDE ("__sequence"), "__sequence" AS "__START_AT" FROM __steps WHERE __opens AND __closes
	UNION ALL
	SELECT * EXCLUDE ("__sequence"), lag("__sequence") OVER (PARTITION BY ${partition} ORDER BY "__sequence")
	FROM __steps WHERE NOT (__opens AND __closes) QUALIFY __closes)
SELECT ${columns}, "__START_AT", __next AS "__END_AT",
	__o."__file" IS NOT NULL AS __old, NOT __new AND __old AND __o."__END_AT" IS NOT DISTINCT FROM __next AS __same
FROM __versions LEFT JOIN ${temp.old} AS __o USING (${keys}, "__START_AT")`, parts)
}

// selectVersions sets the SELECTs of the result.
func (b *batch) selectVersions(ctx context.Context, parts map[string]string) error {
	b.result.RemoveTarget = b.fill(`SELECT "__file", "__row" FROM ${temp.old} AS __o
ANTI JOIN (SELECT * FROM ${temp.versions} WHERE __same) AS __v USING (${keys}, "__START_AT")`, parts)
	b.result.AddTarget = b.fill(`SELECT ${target_columns} FROM ${temp.versions} WHERE NOT __same`, parts)
	b.result.RemoveState = b.fill(`SELECT "__file", "__row" FROM ${temp.merged} WHERE __new AND "__file" IS NOT NULL`, parts)
	b.result.AddState = b.fill(`SELECT ${columns}, "__sequence", "__deleted" FROM ${temp.merged} WHERE __new`, parts)
	return b.read(ctx, `SELECT count(*) FILTER (NOT __same), (SELECT count(*) FROM ${temp.old}) - count(*) FILTER (__old)
FROM ${temp.versions}`, parts, &b.result.Upserted, &b.result.Deleted)
}
