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
	if err := b.readStored(ctx, cut, parts); err != nil {
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
	var t truncation
	if !b.spec.Truncates {
		return t, nil
	}
	parts := map[string]string{"state": b.relations.State, "key": quote.Name(b.keys[0].Name)}
	err := b.create(ctx, "truncate", `
SELECT *, __given IS NOT NULL AND (__stored IS NULL OR __given > __stored) AS __newer,
	CASE WHEN __newer THEN __given ELSE __stored END AS __at
FROM (SELECT max("__sequence") AS __given FROM ${temp.changes} WHERE __kind = 0)
	LEFT JOIN (SELECT "__sequence" AS __stored, "__file", "__row" FROM ${state} AS __s WHERE ${key} IS NULL) ON true`, parts)
	if err == nil {
		err = b.read(ctx, `SELECT __at IS NOT NULL, __newer FROM ${temp.truncate}`, nil, &t.any, &t.newer)
	}
	return t, err
}

// upsertParts are the parts of the queries of type 1.
func (b *batch) upsertParts(cut truncation, now time.Time) map[string]string {
	at := "(SELECT __at FROM " + b.table("truncate") + ")"
	parts := map[string]string{
		"state": b.relations.State, "target": b.relations.Target,
		"now": timestamp(now), "at": at, "key": quote.Name(b.keys[0].Name),
		"columns": list(b.all, column("")), "no_keys": nulls(len(b.keys)),
		"rank_b": rank("__b.", b.rest), "rank_c": rank("__c.", b.rest),
		"same_key": b.sameKey("__c.", "__o."), "same_row_key": b.sameKey("__c.", "__r."),
		"valid": "true", "cut": "false", "truncate": "",
	}
	if cut.any {
		parts["valid"] = `__c."__sequence" >= ` + at
		parts["cut"], parts["truncate"] = "coalesce(__s.__old_sequence < __u.__at, false)", "CROSS JOIN "+b.table("truncate")+" AS __u"
	}
	parts["last"] = b.fill(`(SELECT * FROM ${temp.changes} AS __c WHERE __before IS NULL AND __kind > 0 AND ${valid})`, parts)
	parts["touched"] = parts["last"] + " AS __b"
	if cut.newer {
		parts["touched"] = b.fill(`${temp.keys} AS __k LEFT JOIN ${last} AS __b USING (${keys})`, parts)
	}
	if len(b.ignored) > 0 {
		maps.Copy(parts, b.ignoringParts(cut, parts))
	} else {
		maps.Copy(parts, b.hashedParts(parts))
	}
	return parts
}

// hashedParts are those that are other ones where there are no columns of IgnoreNulls: the last change of a key gives
// all of the row, and what was stored is known by its hash. Where a change of the same sequence has another one,
// tiedParts replace some of them.
func (b *batch) hashedParts(parts map[string]string) map[string]string {
	return map[string]string{
		"stored": `__s."__hash" AS __old_hash`, "older": "", "hash": ", __b.__hash",
		"rest": list(b.keys, column("__s.")) + ", __s.__hash, __s.__old_hash", "state_rest": `__hash AS "__hash"`, "no_rest": "NULL",
		"rows":    b.fill(`LEFT JOIN (SELECT ${keys}, "__file", "__row" FROM ${target} AS __t) AS __r USING (${keys})`, parts),
		"greater": "false", "same_row": "__c.__hash = __o.__old_hash", "rows_counted": "",
		"changed": "false", "given": "", "values": "", "applied": "__o.__wins AND __c.__before IS NULL", "known": "",
		"may_be_known": `__c."__sequence" = __o.__old_sequence`,
		"all_applied":  b.fill("SELECT count(*) FILTER (__wins) FROM ${temp.outcome}", nil),
		"add": b.fill(`${temp.changes} SEMI JOIN (SELECT ${keys} FROM ${temp.outcome} WHERE __row_new) AS __o USING (${keys})
WHERE __before IS NULL`, nil),
	}
}

// tiedParts are those for batches with changes that have the sequence of what is stored, but another hash. __y is the
// stored row.
func (b *batch) tiedParts(parts map[string]string) map[string]string {
	return map[string]string{
		"rows": parts["rows"] + b.fill(`
	LEFT JOIN ${last} AS __b USING (${keys}) LEFT JOIN ${temp.ties} AS __y USING (${keys})`, parts),
		"greater":      "__s.__hash <> __s.__old_hash AND " + parts["rank_b"] + " > " + rank("__y.", b.rest),
		"same_row":     parts["same_row"] + " OR " + parts["rank_c"] + " = " + rank("__r.", b.rest),
		"rows_counted": b.fill("LEFT JOIN ${temp.ties} AS __r ON ${same_row_key}", parts),
	}
}

// ignoringParts are those that are other ones where there are columns of IgnoreNulls: a row is made of several changes.
func (b *batch) ignoringParts(cut truncation, parts map[string]string) map[string]string {
	rankR := rank("__r.", b.rest)
	applied := fill(`__o.__wins AND __c."__sequence" = __o."__sequence" AND (__c.__kind = 1) = __o.__alive AND ${rank_c} = ${rank_o}
	OR __c.__kind = 2 AND __c."__sequence" = __o.__forgotten AND __o.__forgotten IS DISTINCT FROM __o.__old_last_delete`,
		map[string]string{"rank_c": parts["rank_c"], "rank_o": rank("__o.", b.rest)}) + b.each(`
	OR __c.__kind = 1 AND __o.__value_${i} IS DISTINCT FROM __o.__stored_${i} AND __o.__value_${i} = ${change}`)
	special := map[string]string{
		"stored": `__s."__last_delete"` + b.each(", __s.${sequence_of}"), "older": b.each(" OR ${sequence_of} < " + parts["at"]),
		"hash": "", "rest": list(b.rest, func(c schemas.Column) string {
			name := quote.Name(c.Name)
			value := "CASE WHEN __wins THEN __b." + name + " ELSE __r." + name + " END"
			if b.keys.Column(c.Name) != nil {
				value = "coalesce(" + value + ", __s." + name + ")"
			}
			return value + " AS " + name
		}) + `, __s."__last_delete" AS __old_last_delete`,
		"state_rest": `__forgotten AS "__last_delete"` + b.each(", struct_extract(__value_${i}, 'sequence') AS ${sequence_of}"),
		"no_rest":    nulls(1 + len(b.ignored)),
		"rows":       b.fill("LEFT JOIN ${last} AS __b USING (${keys}) LEFT JOIN ${temp.target} AS __r USING (${keys})", parts),
		"greater":    parts["rank_b"] + " > " + rankR, "same_row": parts["rank_c"] + " = " + rankR,
		"rows_counted": b.fill("LEFT JOIN ${temp.target} AS __r ON ${same_row_key}", parts),
		"changed":      `__forgotten IS DISTINCT FROM __s."__last_delete"` + b.each(" OR __value_${i} IS DISTINCT FROM __stored_${i}"),
		"given": b.fill(`LEFT JOIN (
		SELECT ${keys}, max("__sequence") FILTER (__kind = 2) AS __last_delete${given_by_batch}
		FROM ${temp.changes} AS __c WHERE __kind > 0 AND ${valid} GROUP BY ${keys}
	) AS __g USING (${keys})`, map[string]string{"given_by_batch": b.each(givenByBatch), "valid": parts["valid"]}),
		"values": b.ignoringValues(cut), "applied": applied,
		"known": ` OR __c.__kind = 2 AND coalesce(__c."__sequence" = __o.__old_last_delete, false)` +
			b.each(" OR __c.__kind = 1 AND coalesce(__o.__stored_${i} = ${change}, false)"),
		"may_be_known": "true", "add": b.fill("${temp.outcome} WHERE __row_new", nil),
	}
	special["all_applied"] = b.fill(`SELECT count(*) FILTER (${applied}) FROM ${temp.changes} AS __c JOIN ${temp.outcome} AS __o USING (${keys})
WHERE NOT __c.__again AND __c.__kind > 0 AND ${valid}`, map[string]string{"applied": applied, "valid": parts["valid"]})
	return special
}

// ignoringValues makes the value of every column of IgnoreNulls, with its sequence.
func (b *batch) ignoringValues(cut truncation) string {
	stays := ""
	if cut.any {
		stays = " AND coalesce(struct_extract(__stored_${i}, 'sequence') >= __u.__at, true)"
	}
	return `CASE WHEN __s."__last_delete" > __g.__last_delete OR __g.__last_delete IS NULL THEN __s."__last_delete"
		ELSE __g.__last_delete END AS __forgotten,` + b.each(`
	${stored_s} AS __stored_${i},
	CASE WHEN (__forgotten IS NULL OR struct_extract(__stored_${i}, 'sequence') > __forgotten)`+stays+` THEN __stored_${i} END AS __kept_${i},
	CASE WHEN __forgotten IS NULL OR __g.__given_${i}.sequence > __forgotten THEN __g.__given_${i} END AS __new_${i},
	CASE WHEN __kept_${i} IS NULL OR __new_${i} > __kept_${i} THEN __new_${i} ELSE __kept_${i} END AS __value_${i},
	${value} AS ${name},`)
}

func nulls(n int) string { return strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") }

func timestamp(t time.Time) string {
	return "TIMESTAMPTZ " + quote.Text(t.UTC().Format("2006-01-02 15:04:05.000000")+"+00")
}

// readStored finds what is stored of the keys that have changes, and of those that a truncate changes. The relations are
// joined one after the other, with tables in between: DuckDB knows how many rows these have, and puts them into memory
// rather than the stored rows.
func (b *batch) readStored(ctx context.Context, cut truncation, parts map[string]string) error {
	if cut.newer {
		err := b.create(ctx, "keys", `
SELECT ${keys} FROM ${last} AS __b
UNION SELECT ${keys} FROM ${state} AS __s WHERE ${key} IS NOT NULL AND ("__sequence" < ${at}${older})`, parts)
		if err != nil {
			return err
		}
	}
	err := b.create(ctx, "stored", `
SELECT ${keys}, __b."__sequence", __b.__kind${hash}, __s."__sequence" AS __old_sequence,
	__s."__deleted_at" AS __old_deleted_at, ${stored}, __s."__file" AS __state_file, __s."__row" AS __state_row
FROM ${touched} LEFT JOIN ${state} AS __s USING (${keys})`, parts)
	if err != nil {
		return err
	}
	if len(b.ignored) > 0 {
		return b.create(ctx, "target", `
SELECT ${columns}, "__file", "__row" FROM ${target} AS __t SEMI JOIN ${temp.stored} AS __s USING (${keys})`, parts)
	}
	return b.readTies(ctx, parts)
}

// readTies reads the stored rows that have the sequence of a change, but another hash. Mostly there are none.
func (b *batch) readTies(ctx context.Context, parts map[string]string) error {
	ties := fill(`FROM ${changes} AS __c JOIN ${stored} AS __s ON ${same_key} AND __c."__sequence" = __s.__old_sequence
WHERE __c.__kind = 1 AND __s.__old_deleted_at IS NULL AND __c.__hash <> __s.__old_hash`, map[string]string{
		"changes": b.table("changes"), "stored": b.table("stored"), "same_key": b.sameKey("__c.", "__s."),
	})
	var n int64
	if err := b.read(ctx, "SELECT count(*) ${ties}", map[string]string{"ties": ties}, &n); err != nil || n == 0 {
		return err
	}
	maps.Copy(parts, b.tiedParts(parts))
	return b.create(ctx, "ties", `
SELECT ${columns} FROM ${target} AS __t SEMI JOIN (SELECT ${keys_s} ${ties}) AS __k USING (${keys})`, map[string]string{
		"columns": parts["columns"], "target": parts["target"], "keys_s": list(b.keys, column("__s.")), "ties": ties,
	})
}

// decideUpserts decides on every touched key. Of a key, __s has the sequence and the kind of the last change of the
// batch, and the stored state; __b is all of that change, __g what the batch gives to the columns of IgnoreNulls, and
// __r the stored row, of which mostly no more is read than where it is.
//
//	__wins       the last change of the batch is later than the stored one
//	__gone       a truncate removes the key
//	__alive      there is a row afterwards
//	__state_new  the row of the state is written anew; __row_new: that of the target
//	__stored_i   what a column of IgnoreNulls had before, sequence and value, or NULL; __value_i: what it has afterwards
func (b *batch) decideUpserts(ctx context.Context, parts map[string]string) error {
	return b.create(ctx, "outcome", `
SELECT coalesce(CASE WHEN __s.__old_sequence IS NULL THEN true
		WHEN __s."__sequence" = __s.__old_sequence THEN __s.__old_deleted_at IS NULL AND (__s.__kind = 2 OR ${greater})
		ELSE __s."__sequence" > __s.__old_sequence END, false) AS __wins,
	${rest}, __s."__sequence", __s.__old_sequence, __s.__old_deleted_at, __s.__state_file, __s.__state_row,
	__r."__file" AS __row_file, __r."__row" AS __row_row,
	NOT __wins AND ${cut} AS __gone,
	CASE WHEN __wins THEN __s.__kind = 1 ELSE __s.__old_deleted_at IS NULL AND NOT __gone END AS __alive,
	${values}
	__wins OR NOT __gone AND (${changed}) AS __state_new,
	__alive AND __state_new AS __row_new
FROM ${temp.stored} AS __s ${truncate} ${rows} ${given}`, parts)
}

// countUpserts counts the changes by what became of them, and the rows of the target.
func (b *batch) countUpserts(ctx context.Context, cut truncation, parts map[string]string) error {
	if err := b.read(ctx, "${all_applied}", parts, &b.result.Applied); err != nil {
		return err
	}
	var known int64
	err := b.read(ctx, `
SELECT count(*) FROM ${temp.changes} AS __c
	JOIN (SELECT * FROM ${temp.outcome} WHERE __old_sequence IS NOT NULL) AS __o ON ${same_key} AND ${may_be_known} ${rows_counted}
WHERE NOT __c.__again AND __c.__kind > 0 AND ${valid} AND NOT coalesce(${applied}, false) AND (
	coalesce(__c."__sequence" = __o.__old_sequence AND CASE WHEN __o.__old_deleted_at IS NOT NULL THEN __c.__kind = 2
		ELSE __c.__kind = 1 AND (${same_row}) END, false)${known})`, parts, &known)
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
	var forgotten int64
	if err := b.read(ctx, "SELECT count(*) FROM ${temp.expired}", nil, &forgotten); err != nil {
		return err
	}
	b.result.RemoveTarget = b.fill(`SELECT __row_file AS "__file", __row_row AS "__row" FROM ${temp.outcome}
WHERE __row_file IS NOT NULL AND (__row_new OR NOT __alive)`, parts)
	b.result.AddTarget = b.fill(`SELECT ${columns} FROM ${add}`, parts)
	b.result.RemoveState = b.fill(`SELECT __state_file AS "__file", __state_row AS "__row" FROM ${temp.outcome}
WHERE __state_file IS NOT NULL AND (__gone OR __state_new)`, parts)
	if forgotten > 0 {
		b.result.RemoveState += b.fill(` UNION SELECT "__file", "__row" FROM ${temp.expired}`, parts)
	}
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
