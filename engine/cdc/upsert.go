package cdc

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// truncation is what a batch of type 1 knows of truncates.
type truncation struct {
	any   bool // there was one, in this batch or earlier
	newer bool // this batch has a later one than those before
}

// applyUpserts applies the changes of type 1.
func (b *batch) applyUpserts(ctx context.Context, now time.Time, keepTombstones time.Duration) error {
	cut, err := b.findTruncates(ctx)
	if err != nil {
		return err
	}
	parts := b.upsertParts(cut, now)
	if err := b.create(ctx, "keys", touchedKeys(cut, len(b.ignored) > 0), parts); err != nil {
		return err
	}
	if err := b.readStored(ctx, parts); err != nil {
		return err
	}
	if err := b.decideUpserts(ctx, parts); err != nil {
		return err
	}
	if err := b.countUpserts(ctx, cut, parts); err != nil {
		return err
	}
	return b.selectUpserts(ctx, cut, now.Add(-keepTombstones), parts)
}

// findTruncates looks for the last truncate: of earlier batches, and of this one.
func (b *batch) findTruncates(ctx context.Context) (truncation, error) {
	parts := map[string]string{"state": b.relations.State, "key": quote.Name(b.keys[0].Name)}
	err := b.create(ctx, "truncate", `
SELECT *, __given IS NOT NULL AND (__stored IS NULL OR __given > __stored) AS __newer,
	CASE WHEN __newer THEN __given ELSE __stored END AS __at
FROM (SELECT max("__sequence") AS __given FROM ${temp.changes} WHERE __kind = 0)
	LEFT JOIN (SELECT "__sequence" AS __stored, "__file", "__row" FROM ${state} AS __s WHERE ${key} IS NULL) ON true`, parts)
	var t truncation
	if err == nil {
		err = b.read(ctx, `SELECT __at IS NOT NULL, __newer FROM ${temp.truncate}`, nil, &t.any, &t.newer)
	}
	return t, err
}

// upsertParts are the parts of the queries of type 1.
func (b *batch) upsertParts(cut truncation, now time.Time) map[string]string {
	at := "(SELECT __at FROM " + b.table("truncate") + ")"
	keys := list(b.keys, column(""))
	parts := map[string]string{
		"changes": b.relations.Changes, "state": b.relations.State, "target": b.relations.Target,
		"now": timestamp(now), "at": at, "key": quote.Name(b.keys[0].Name),
		"columns": list(b.all, column("")), "no_keys": nulls(len(b.keys)),
		"rank_b": rank("__b.", b.rest), "rank_c": rank("__c.", b.rest), "rank_r": rank("__r.", b.rest),
		"same_key": b.sameKey("__c.", "__o."), "same_row_key": b.sameKey("__c.", "__r."),
		"valid": "true",
	}
	if cut.any {
		parts["valid"] = `__c."__sequence" >= ` + at
	}
	var special map[string]string
	if len(b.ignored) > 0 {
		special = b.ignoringParts(parts["valid"], at)
	} else {
		special = map[string]string{
			"stored": `"__hash"`, "row": keys, "rows": b.table("ties"), "older": "",
			"rest": list(b.rest, column("__b.")) + ", __b.__hash", "old": `__s."__hash" AS __old_hash`, "state_rest": `"__hash"`, "no_rest": "NULL",
			"differs": `__b.__hash <> __s."__hash"`, "same_hash": `__c.__hash = __o.__old_hash`,
			"changed": "false", "given": "", "values": "", "applied": "__o.__wins AND __c.__before IS NULL", "known": "",
			"may_be_known": `__c."__sequence" = __o.__old_sequence`,
		}
	}
	maps.Copy(parts, special)
	return parts
}

// ignoringParts are those that are other ones where there are columns of IgnoreNulls.
func (b *batch) ignoringParts(valid, at string) map[string]string {
	parts := map[string]string{
		"row": list(b.all, column("")), "rows": b.table("target"),
		"stored": `"__last_delete"` + b.each(", ${sequence_of}"), "older": b.each(` OR ${sequence_of} < ` + at),
		"old":     `__s."__last_delete" AS __old_last_delete`,
		"differs": "true", "same_hash": "false",
		"state_rest": `__forgotten AS "__last_delete"` + b.each(", struct_extract(__value_${i}, 'sequence') AS ${sequence_of}"), "no_rest": nulls(1 + len(b.ignored)),
		"changed":      `__forgotten IS DISTINCT FROM __s."__last_delete"` + b.each(" OR __value_${i} IS DISTINCT FROM __stored_${i}"),
		"may_be_known": "true",
		"known":        ` OR __c.__kind = 2 AND coalesce(__c."__sequence" = __o.__old_last_delete, false)`,
	}
	parts["rest"] = list(b.rest, func(c schemas.Column) string {
		name := quote.Name(c.Name)
		value := "CASE WHEN __wins THEN __b." + name + " ELSE __r." + name + " END"
		if b.keys.Column(c.Name) != nil {
			value = "coalesce(" + value + ", __k." + name + ")"
		}
		return value + " AS " + name
	})
	applied := fill(`__o.__wins AND __c."__sequence" = __o."__sequence" AND (__c.__kind = 1) = __o.__alive AND ${rank_c} = ${rank_o}
	OR __c.__kind = 2 AND __c."__sequence" = __o.__forgotten AND __o.__forgotten IS DISTINCT FROM __o.__old_last_delete`,
		map[string]string{"rank_c": rank("__c.", b.rest), "rank_o": rank("__o.", b.rest)})
	values := `CASE WHEN __s."__last_delete" > __g.__last_delete OR __g.__last_delete IS NULL THEN __s."__last_delete"
		ELSE __g.__last_delete END AS __forgotten,`
	values += b.each(`
	${stored_s} AS __stored_${i},
	CASE WHEN (__forgotten IS NULL OR struct_extract(__stored_${i}, 'sequence') > __forgotten)
		AND coalesce(struct_extract(__stored_${i}, 'sequence') >= __u.__at, true) THEN __stored_${i} END AS __kept_${i},
	CASE WHEN __forgotten IS NULL OR __g.__given_${i}.sequence > __forgotten THEN __g.__given_${i} END AS __new_${i},
	CASE WHEN __kept_${i} IS NULL OR __new_${i} > __kept_${i} THEN __new_${i} ELSE __kept_${i} END AS __value_${i},
	${value} AS ${name},`)
	applied += b.each(`
	OR __c.__kind = 1 AND __o.__value_${i} IS DISTINCT FROM __o.__stored_${i} AND __o.__value_${i} = ${change}`)
	parts["known"] += b.each(" OR __c.__kind = 1 AND coalesce(__o.__stored_${i} = ${change}, false)")
	keys := list(b.keys, column(""))
	parts["applied"], parts["values"] = applied, values
	parts["given"] = `LEFT JOIN (
		SELECT ` + keys + `, max("__sequence") FILTER (__kind = 2) AS __last_delete` + b.each(givenByBatch) + `
		FROM ` + b.table("changes") + " AS __c WHERE __kind > 0 AND " + valid + " GROUP BY " + keys + `
	) AS __g USING (` + keys + ")"
	return parts
}

func nulls(n int) string { return strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") }

func timestamp(t time.Time) string {
	return "TIMESTAMPTZ " + quote.Text(t.UTC().Format("2006-01-02 15:04:05.000000")+"+00")
}

// touchedKeys are the keys that have changes, and those that a truncate changes.
func touchedKeys(cut truncation, ignoring bool) string {
	query := `SELECT ${keys} FROM ${temp.changes} AS __c WHERE __before IS NULL AND __kind > 0 AND ${valid}`
	if cut.newer {
		query += `
UNION SELECT ${keys} FROM ${state} AS __s WHERE ${key} IS NOT NULL AND ("__sequence" < ${at}`
		if ignoring {
			query += `${older}`
		}
		query += ")"
	}
	return query
}

// readStored reads what is stored of the touched keys: narrow columns only, but of the target those that are needed to
// make a row anew.
func (b *batch) readStored(ctx context.Context, parts map[string]string) error {
	err := b.create(ctx, "state", `
SELECT ${keys}, "__sequence", "__deleted_at", ${stored}, "__file", "__row" FROM ${state} AS __s SEMI JOIN ${temp.keys} AS __k USING (${keys})`, parts)
	if err != nil {
		return err
	}
	err = b.create(ctx, "target", `
SELECT ${row}, "__file", "__row" FROM ${target} AS __t SEMI JOIN ${temp.keys} AS __k USING (${keys})`, parts)
	if err != nil || len(b.ignored) > 0 {
		return err
	}
	// Without IgnoreNulls the stored row is needed only where a change of the same sequence has another hash. Mostly there
	// is none, and DuckDB does not read the target then.
	return b.create(ctx, "ties", `
SELECT ${columns} FROM ${target} AS __t SEMI JOIN (
	SELECT ${keys} FROM ${temp.changes} AS __c JOIN ${temp.state} AS __s USING (${keys})
	WHERE __c."__sequence" = __s."__sequence" AND __c.__kind = 1 AND __s."__deleted_at" IS NULL AND __c.__hash <> __s."__hash"
) AS __k USING (${keys})`, parts)
}

// decideUpserts decides on every touched key. Of a key, __b is the last change of the batch, __g what the batch
// gives to the columns of IgnoreNulls, __s the stored state, __t where the stored row is, and __r the row itself.
//
//	__wins       the last change of the batch is later than the stored one
//	__gone       a truncate removes the key
//	__alive      there is a row afterwards
//	__state_new  the row of the state is written anew; __row_new: that of the target
//	__stored_i   what a column of IgnoreNulls had before, sequence and value, or NULL; __value_i: what it has afterwards
func (b *batch) decideUpserts(ctx context.Context, parts map[string]string) error {
	return b.create(ctx, "outcome", `
SELECT coalesce(__b."__sequence" > __s."__sequence" OR (__b."__sequence" = __s."__sequence" AND __s."__deleted_at" IS NULL
		AND (__b.__kind = 2 OR ${differs} AND ${rank_b} > ${rank_r})), __s."__sequence" IS NULL) AS __wins,
	${rest}, __b."__sequence", __s."__sequence" AS __old_sequence, __s."__deleted_at" AS __old_deleted_at, ${old},
	__t."__file" AS __row_file, __t."__row" AS __row_row, __s."__file" AS __state_file, __s."__row" AS __state_row,
	NOT __wins AND coalesce(__s."__sequence" < __u.__at, false) AS __gone,
	CASE WHEN __wins THEN __b.__kind = 1 ELSE __s."__deleted_at" IS NULL AND NOT __gone END AS __alive,
	${values}
	__wins OR NOT __gone AND (${changed}) AS __state_new,
	__alive AND __state_new AS __row_new
FROM ${temp.keys} AS __k CROSS JOIN ${temp.truncate} AS __u
	LEFT JOIN (SELECT * FROM ${temp.changes} AS __c WHERE __before IS NULL AND __kind > 0 AND ${valid}) AS __b USING (${keys})
	LEFT JOIN ${temp.state} AS __s USING (${keys})
	LEFT JOIN ${temp.target} AS __t USING (${keys})
	LEFT JOIN ${rows} AS __r USING (${keys})
	${given}`, parts)
}

// countUpserts counts the changes by what became of them, and the rows of the target.
func (b *batch) countUpserts(ctx context.Context, cut truncation, parts map[string]string) error {
	err := b.read(ctx, `
SELECT count(*) FILTER (${applied}) FROM ${temp.changes} AS __c JOIN ${temp.outcome} AS __o USING (${keys})
WHERE NOT __c.__again AND __c.__kind > 0 AND ${valid}`, parts, &b.result.Applied)
	if err != nil {
		return err
	}
	var known int64
	err = b.read(ctx, `
SELECT count(*) FROM ${temp.changes} AS __c JOIN ${temp.outcome} AS __o ON ${same_key} AND ${may_be_known}
	LEFT JOIN ${rows} AS __r ON ${same_row_key}
WHERE NOT __c.__again AND __c.__kind > 0 AND ${valid} AND NOT coalesce(${applied}, false) AND (
	coalesce(__c."__sequence" = __o.__old_sequence AND CASE WHEN __o.__old_deleted_at IS NOT NULL THEN __c.__kind = 2
		ELSE __c.__kind = 1 AND (${same_hash} OR ${rank_c} = ${rank_r}) END, false)${known})`, parts, &known)
	if err != nil {
		return err
	}
	b.result.Ignored += known
	if cut.any {
		var repeated int64
		err := b.read(ctx, `SELECT count(*) FROM ${temp.changes} JOIN ${temp.truncate} ON "__sequence" = __stored
WHERE __kind = 0 AND NOT __again`, nil, &repeated)
		if err != nil {
			return err
		}
		b.result.Ignored += repeated
		if cut.newer {
			b.result.Applied++
		}
	}
	b.result.Superseded = b.result.Changes - b.result.Applied - b.result.Ignored
	return b.read(ctx, `
SELECT count(*) FILTER (__row_new), count(*) FILTER (__row_file IS NOT NULL AND NOT __alive) FROM ${temp.outcome}`,
		nil, &b.result.Upserted, &b.result.Deleted)
}

// selectUpserts sets the SELECTs of the result. Deletes that were applied at expired or earlier leave the state.
func (b *batch) selectUpserts(ctx context.Context, cut truncation, expired time.Time, parts map[string]string) error {
	parts["expired"] = timestamp(expired)
	err := b.create(ctx, "expired", `
SELECT "__file", "__row" FROM ${state} AS __s WHERE "__deleted_at" <= ${expired}`, parts)
	if err != nil {
		return err
	}
	b.result.RemoveTarget = b.fill(`SELECT __row_file AS "__file", __row_row AS "__row" FROM ${temp.outcome}
WHERE __row_file IS NOT NULL AND (__row_new OR NOT __alive)`, parts)
	b.result.AddTarget = b.fill(`SELECT ${columns} FROM ${temp.outcome} WHERE __row_new`, parts)
	b.result.RemoveState = b.fill(`SELECT __state_file AS "__file", __state_row AS "__row" FROM ${temp.outcome}
WHERE __state_file IS NOT NULL AND (__gone OR __state_new) UNION SELECT "__file", "__row" FROM ${temp.expired}`, parts)
	b.result.AddState = b.fill(`SELECT ${keys}, CASE WHEN __wins THEN "__sequence" ELSE __old_sequence END AS "__sequence",
	CASE WHEN __alive THEN NULL WHEN __wins THEN ${now} ELSE __old_deleted_at END AS "__deleted_at", ${state_rest}
FROM ${temp.outcome} WHERE __state_new`, parts)
	if cut.newer {
		b.result.RemoveState += b.fill(` UNION ALL
SELECT "__file", "__row" FROM ${temp.truncate} WHERE __stored IS NOT NULL`, parts)
		b.result.AddState += b.fill(` UNION ALL SELECT ${no_keys}, __at, NULL, ${no_rest} FROM ${temp.truncate}`, parts)
	}
	return nil
}
