package cdc

import (
	"context"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// applyHistory applies the changes of type 2: it puts the batch's changes to the stored ones of their keys, and makes
// the versions of these keys twice, from the changes as they were and as they are. Rows of the target that are
// the same both times are left alone.
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
		coalesce(NOT __s."__deleted" AND (__c.__kind = 2 OR ${rank_c} > ${rank_s}), __s."__deleted" IS NULL) AS __wins,
		${rest},
		${values}
		__wins OR NOT __delete AND (${changed}) AS __new
	FROM ${temp.changes} AS __c
		LEFT JOIN ${temp.state} AS __s USING (${keys}, "__sequence")
		${given}
	WHERE __c.__before IS DISTINCT FROM __c."__sequence")`, parts)
}

func (b *batch) historyParts() map[string]string {
	keys := list(b.keys, column(""))
	parts := map[string]string{
		"state": b.relations.State, "target": b.relations.Target,
		"columns": list(b.all, column("")), "target_columns": list(b.spec.Target(), column("")),
		"rank_c": rank("__c.", b.rest), "rank_s": rank("__s.", b.rest), "rank_m": rank("__m.", b.rest),
		"rest": list(b.rest, func(c schemas.Column) string {
			name := quote.Name(c.Name)
			return "CASE WHEN __wins THEN __c." + name + " ELSE __s." + name + " END AS " + name
		}),
		"values": "", "changed": "false", "given": "", "applied": "", "known": "",
		"carried":   list(b.rest, column("")),
		"partition": b.partition(), "tracked": "0",
		"exact": list(b.all, func(c schemas.Column) string { return strings.Join(exactly(quote.Name(c.Name), c.Type), ", ") }),
	}
	if len(b.tracked) > 0 {
		parts["tracked"] = rank("", b.tracked)
	}
	if len(b.ignored) == 0 {
		return parts
	}
	parts["values"] = b.each(`
		${stored} AS __stored_${i},
		CASE WHEN __delete THEN NULL WHEN __stored_${i} IS NULL OR __g.__given_${i} > __stored_${i} THEN __g.__given_${i}
			ELSE __stored_${i} END AS __value_${i},
		${value} AS ${name},`)
	parts["changed"] = "false" + b.each(" OR __value_${i} IS DISTINCT FROM __stored_${i}")
	parts["applied"] = b.each(`
	OR __m.__value_${i} IS DISTINCT FROM __m.__stored_${i} AND __m.__value_${i} = ${change}`)
	parts["known"] = b.each(" OR __m.__stored_${i} = ${change}")
	parts["carried"] += b.each(", last_value(${name} IGNORE NULLS) OVER __in_life AS ${name}")
	parts["given"] = `LEFT JOIN (
			SELECT ` + keys + `, "__sequence"` + b.each(givenByBatch) + " FROM " + b.table("changes") + " GROUP BY " + keys + `, "__sequence"
		) AS __g USING (` + keys + `, "__sequence")`
	return parts
}

// countChanges counts the changes by what became of them.
func (b *batch) countChanges(ctx context.Context, parts map[string]string) error {
	var known int64
	err := b.read(ctx, `
SELECT count(*) FILTER (__applied), count(*) FILTER (NOT __applied AND __known) FROM (
	SELECT CASE WHEN __m.__old_deleted THEN false WHEN __m."__deleted" THEN __c.__kind = 2
			ELSE coalesce(__m.__wins AND ${rank_c} = ${rank_m} ${applied}, false) END AS __applied,
		CASE WHEN __m.__old_deleted THEN __c.__kind = 2 WHEN __c.__kind = 2 THEN false
			ELSE coalesce(${rank_c} = ${rank_s} ${known}, false) END AS __known
	FROM ${temp.changes} AS __c JOIN ${temp.merged} AS __m USING (${keys}, "__sequence")
		LEFT JOIN ${temp.state} AS __s USING (${keys}, "__sequence")
	WHERE NOT __c.__again)`, parts, &b.result.Applied, &known)
	b.result.Ignored += known
	b.result.Superseded = b.result.Changes - b.result.Applied - b.result.Ignored
	return err
}

// makeVersions makes the versions of all keys that have a new change: __after false are those from the stored
// changes, __after true those with the new ones. A version that is there both times is left out.
func (b *batch) makeVersions(ctx context.Context, parts map[string]string) error {
	return b.create(ctx, "versions", `
WITH __changes AS (
	SELECT false AS __after, ${columns}, "__sequence", "__deleted" FROM ${temp.state} AS __s
	SEMI JOIN (SELECT * FROM ${temp.merged} WHERE __new) AS __m USING (${keys})
	UNION ALL
	SELECT true, ${columns}, "__sequence", "__deleted" FROM ${temp.state} AS __s
	SEMI JOIN (SELECT * FROM ${temp.merged} WHERE __new) AS __m USING (${keys})
	ANTI JOIN (SELECT * FROM ${temp.merged} WHERE __new) AS __n USING (${keys}, "__sequence")
	UNION ALL
	SELECT true, ${columns}, "__sequence", "__deleted" FROM ${temp.merged} WHERE __new),
__lives AS (
	SELECT *, count(*) FILTER ("__deleted") OVER __key AS __life, lead("__sequence") OVER __key AS __next FROM __changes
	WINDOW __key AS (PARTITION BY __after, ${partition} ORDER BY "__sequence")),
__carried AS (
	SELECT __after, "__sequence", __life, __next, ${carried} FROM __lives WHERE NOT "__deleted"
	WINDOW __in_life AS (PARTITION BY __after, ${partition}, __life ORDER BY "__sequence")),
__steps AS (
	SELECT *, ${tracked} IS DISTINCT FROM lag(${tracked}) OVER __in_life AS __opens FROM __carried
	WINDOW __in_life AS (PARTITION BY __after, ${partition}, __life ORDER BY "__sequence")),
__ends AS (
	SELECT *, max("__sequence") FILTER (__opens) OVER __in_life AS "__START_AT", lead(__opens, 1, true) OVER __in_life AS __closes
	FROM __steps
	WINDOW __in_life AS (PARTITION BY __after, ${partition}, __life ORDER BY "__sequence"))
SELECT bool_and(__after) AS __after, ${columns}, "__START_AT", __next AS "__END_AT"
FROM __ends WHERE __closes
GROUP BY ${keys}, "__START_AT", __next, ${exact}
HAVING count(*) = 1`, parts)
}

// selectVersions sets the SELECTs of the result.
func (b *batch) selectVersions(ctx context.Context, parts map[string]string) error {
	err := b.create(ctx, "target", `
SELECT "__file", "__row" FROM ${target} AS __t
SEMI JOIN (SELECT * FROM ${temp.versions} WHERE NOT __after) AS __v USING (${keys}, "__START_AT")`, parts)
	if err != nil {
		return err
	}
	b.result.RemoveTarget = b.fill(`SELECT "__file", "__row" FROM ${temp.target}`, parts)
	b.result.AddTarget = b.fill(`SELECT ${target_columns} FROM ${temp.versions} WHERE __after`, parts)
	b.result.RemoveState = b.fill(`SELECT "__file", "__row" FROM ${temp.merged} WHERE __new AND "__file" IS NOT NULL`, parts)
	b.result.AddState = b.fill(`SELECT ${columns}, "__sequence", "__deleted" FROM ${temp.merged} WHERE __new`, parts)
	return b.read(ctx, `
SELECT count(*) FILTER (__after), count(*) FILTER (NOT __after AND NOT __replaced) FROM (
	SELECT __after, bool_or(__after) OVER (PARTITION BY ${keys}, "__START_AT") AS __replaced FROM ${temp.versions})`,
		parts, &b.result.Upserted, &b.result.Deleted)
}
