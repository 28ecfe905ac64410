package cdc

import (
	"context"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// parts are those of the queries of snapshots.
func (b *snapshots) parts() map[string]string {
	parts := map[string]string{
		"changes": b.relations.Changes, "state": b.relations.State, "target": b.relations.Target,
		"columns": list(b.all, column("")), "partition": b.partition(), "order": b.descending(),
		"key": quote.Name(b.keys[0].Name), "last": strconv.FormatInt(b.last, 10),
		"given": b.given, "newest": "(SELECT __v FROM " + b.table("newest") + ")", "stored": "", "quiet": "",
		"only_keys": list(b.all, func(c schemas.Column) string {
			if b.keys.Column(c.Name) != nil {
				return quote.Name(c.Name)
			}
			return "NULL AS " + quote.Name(c.Name)
		}),
		"no_columns": nulls(len(b.all)),
		"open":       "true", "start": "", "no_start": "", "version_start": "", "end": "", "on_start": "",
		"same_end": "", "opens": "", "closes": "", "before": "true", "imaged": "AND NOT __next_there",
	}
	if b.last > 0 {
		parts["quiet"] = "ANTI JOIN " + b.table("quiet") + " AS __q USING (" + list(b.keys, column("")) + ")"
	}
	if b.spec.History {
		parts["open"], parts["start"], parts["no_start"] = `"__END_AT" IS NULL`, `, "__START_AT"`, ", NULL"
		parts["version_start"], parts["end"] = `, __v AS "__START_AT"`, `, "__END_AT"`
		parts["on_start"], parts["same_end"] = `, "__START_AT"`, `AND __o."__END_AT" IS NOT DISTINCT FROM __f."__END_AT"`
		parts["opens"], parts["closes"] = b.tracks("lag"), b.tracks("lead")
		parts["before"], parts["imaged"] = `"__START_AT" < `+parts["newest"], ""
	}
	return parts
}

// number reads what was given, and puts the versions in their order.
func (b *snapshots) number(ctx context.Context, parts map[string]string) error {
	err := b.create(ctx, "newest", `
SELECT "__sequence" AS __v, "__file", "__row" FROM ${state} AS __s WHERE ${key} IS NULL`, parts)
	if err != nil {
		return err
	}
	parts["version"], parts["taken"] = `"__sequence"`, ""
	if !b.taken.IsZero() {
		taken := "TIMESTAMP " + quote.Text(b.taken.UTC().Format("2006-01-02 15:04:05.000000"))
		parts["version"] = b.fill("(SELECT greatest("+taken+", max(__v) + INTERVAL 1 microsecond) FROM ${temp.newest})", nil)
		parts["taken"] = " UNION ALL SELECT " + parts["version"]
	}
	b.given = b.fill(`(
	SELECT ${columns}, ${version} AS __v,
		CASE "__op" WHEN 'upsert' THEN true WHEN 'keep' THEN false
			ELSE error('unknown __op: ' || coalesce("__op", 'NULL')) END AS __ok
	FROM ${changes} AS __c) AS __g`, parts)
	parts["given"] = b.given
	err = b.create(ctx, "versions", `
SELECT __v, row_number() OVER (ORDER BY __v) - count(*) FILTER (__v = ${newest}) OVER () AS __i
FROM (SELECT DISTINCT __v FROM (SELECT __v FROM ${given}${taken})) WHERE coalesce(__v >= ${newest}, true)`, parts)
	if err != nil {
		return err
	}
	r := b.result
	return b.read(ctx, `
SELECT (SELECT count(*) FROM ${given} WHERE __ok), (SELECT count(*) FROM ${given} WHERE __ok AND __v < ${newest}),
	coalesce(max(__i), 0), coalesce(bool_or(__i = 0), false)
FROM ${temp.versions}`, parts, &r.Changes, &r.TooLate, &b.last, &b.late)
}

// readTarget reads what is stored of the keys that may change.
func (b *snapshots) readTarget(ctx context.Context, parts map[string]string) error {
	err := b.create(ctx, "late", `
SELECT DISTINCT ${keys} FROM ${given} JOIN ${temp.versions} USING (__v) WHERE __i = 0`, parts)
	if err != nil {
		return err
	}
	err = b.create(ctx, "images", `
SELECT ${columns}${start}, "__kept", "__file", "__row" FROM ${state} AS __s SEMI JOIN ${temp.late} AS __l USING (${keys})`, parts)
	if err != nil {
		return err
	}
	parts["touched"] = ""
	if b.last == 0 {
		parts["touched"] = b.fill("SEMI JOIN ${temp.late} AS __l USING (${keys})", nil)
	}
	return b.create(ctx, "current", `
SELECT ${columns}${start}, "__file", "__row" FROM ${target} AS __t ${touched} WHERE ${open}`, parts)
}

// findQuiet finds the keys for which there is nothing to do: mostly these are nearly all.
func (b *snapshots) findQuiet(ctx context.Context, parts map[string]string) error {
	if b.last == 0 {
		return nil
	}
	parts["same"], parts["once"] = b.sameRow("__g.", "__c."), ""
	if b.last > 1 {
		parts["once"] = " AND count(DISTINCT __i) = ${last}"
		parts["once"] = b.fill(parts["once"], parts)
	}
	return b.create(ctx, "quiet", `
SELECT ${keys} FROM ${given} JOIN ${temp.versions} USING (__v) JOIN ${temp.current} AS __c USING (${keys})
ANTI JOIN ${temp.late} AS __l USING (${keys})
GROUP BY ALL HAVING count(*) = ${last}${once} AND bool_and(__ok AND ${same})`, parts)
}

// rank finds the row that counts of each key and version. What the newest version has brought earlier takes part with
// the rows of it that come now.
func (b *snapshots) rank(ctx context.Context, parts map[string]string) error {
	parts["last_order"] = ""
	if b.late {
		parts["last_order"] = ", __stored DESC"
		parts["stored"] = b.fill(`
	UNION ALL
	SELECT ${columns}, 0, true, true FROM ${temp.current} SEMI JOIN ${temp.late} AS __l USING (${keys})
		ANTI JOIN (SELECT * FROM ${temp.images} WHERE "__kept") AS __k USING (${keys})`, parts)
	}
	return b.create(ctx, "ranked", `
SELECT *, rank() OVER (PARTITION BY ${partition}, __i ORDER BY __ok DESC, ${order}) AS __rank,
	row_number() OVER (PARTITION BY ${partition}, __i ORDER BY __ok DESC, ${order}${last_order}) AS __n
FROM (
	SELECT ${columns}, __i, __ok, false AS __stored FROM ${given} JOIN ${temp.versions} USING (__v) ${quiet}${stored})`, parts)
}

// base are the rows before the first version of their key: the current ones, and of late keys those before version 0.
func (b *snapshots) base(parts map[string]string) string {
	if !b.late {
		return b.fill("(SELECT ${columns}${start}, 0 AS __i FROM ${temp.current})", parts)
	}
	return b.fill(`(
	SELECT ${columns}${start}, 0 AS __i FROM ${temp.current} ANTI JOIN ${temp.late} AS __l USING (${keys})
	UNION ALL
	SELECT ${columns}${start}, -1 FROM ${temp.images} WHERE NOT "__kept"
	UNION ALL
	SELECT ${columns}${start}, -1 FROM ${temp.current} SEMI JOIN ${temp.late} AS __l USING (${keys})
		ANTI JOIN (SELECT * FROM ${temp.images} WHERE NOT "__kept") AS __k USING (${keys}) WHERE ${before})`, parts)
}

// makeSteps puts down what becomes of every key, in the order of the versions: __there tells whether it has a row from
// a version on. Rows before the first version have no __v. A version that has no row of the key is a step, too, one that
// keeps it is none.
//
//	__opens       of type 2: a row of the target begins
//	__closes      it ends with the next step, or has no end
//	__since       of type 2: the __START_AT of the row
//	__unchanged   the row is that of the step before
func (b *snapshots) makeSteps(ctx context.Context, parts map[string]string) error {
	parts["base"], parts["unchanged"] = b.base(parts), b.unchanged()
	parts["since"] = ""
	if b.spec.History {
		parts["since"] = `, last_value(CASE WHEN __opens THEN "__START_AT" END IGNORE NULLS) OVER __key AS __since`
	}
	return b.create(ctx, "steps", `
WITH __entries AS (
	SELECT ${columns}${version_start}, __i, __ok, NOT __stored AS __given
	FROM (SELECT * FROM ${temp.ranked} WHERE __n = 1) JOIN ${temp.versions} USING (__i)
	UNION ALL
	SELECT ${columns}${start}, __i, true, false FROM ${base} ${quiet}),
__gaps AS (
	SELECT *, coalesce(lead(__i) OVER (PARTITION BY ${partition} ORDER BY __i), ${last} + 1) > __i + 1 AS __ends FROM __entries),
__steps AS (
	SELECT ${columns}${start}, __i, true AS __there, __given FROM __gaps WHERE __ok
	UNION ALL
	SELECT ${only_keys}${no_start}, __i + 1, false, false FROM __gaps WHERE __ends),
__changes AS (
	SELECT *, lead(__i) OVER __key AS __next, lead(__there) OVER __key AS __next_there,
		__there AND (NOT coalesce(lag(__there) OVER __key, false)${opens}) AS __opens,
		__there AND (NOT coalesce(lead(__there) OVER __key, false)${closes}) AS __closes,
		coalesce(lag(__there) OVER __key, false)${unchanged} AS __unchanged
	FROM __steps WINDOW __key AS (PARTITION BY ${partition} ORDER BY __i))
SELECT *${since} FROM __changes WINDOW __key AS (PARTITION BY ${partition} ORDER BY __i)`, parts)
}

// compare makes of the steps what the target is to have, and compares it with what it has.
func (b *snapshots) compare(ctx context.Context, parts map[string]string) error {
	parts["closed"] = ""
	if b.spec.History && b.late {
		parts["closed"] = b.fill(`
UNION ALL
SELECT ${columns}, "__START_AT", "__END_AT", "__file", "__row" FROM ${target} AS __t SEMI JOIN ${temp.late} AS __l USING (${keys})
WHERE "__END_AT" = ${newest}`, parts)
	}
	parts["no_end"], parts["rows"] = "", `SELECT ${columns} FROM ${temp.steps} WHERE __there AND __next IS NULL`
	if b.spec.History {
		parts["no_end"] = ", CAST(NULL AS " + b.spec.Sequence.String() + `) AS "__END_AT"`
		parts["rows"] = `SELECT ${columns}, __since AS "__START_AT", __v AS "__END_AT"
	FROM ${temp.steps} LEFT JOIN ${temp.versions} AS __u ON __u.__i = __next WHERE __closes`
	}
	parts["rows"] = b.fill(parts["rows"], parts)
	err := b.create(ctx, "old", `
SELECT ${columns}${start}${no_end}, "__file", "__row" FROM ${temp.current} ${quiet}${closed}`, parts)
	if err != nil {
		return err
	}
	parts["same"] = b.sameRow("__f.", "__o.")
	return b.create(ctx, "outcome", `
SELECT __f.*, __o."__file" IS NOT NULL AND ${same} ${same_end} AS __same
FROM (${rows}) AS __f LEFT JOIN ${temp.old} AS __o USING (${keys}${on_start})`, parts)
}

// count counts the rows that were given by what became of them, and the rows of the target.
func (b *snapshots) count(ctx context.Context, parts map[string]string) error {
	var won, unchanged, again, quiet, present int64
	r := b.result
	err := b.read(ctx, `SELECT count(*) FILTER (__n = 1), count(*) FILTER (__n > __rank)
FROM ${temp.ranked} WHERE __ok AND NOT __stored`, parts, &won, &again)
	if err == nil {
		err = b.read(ctx, `SELECT count(*) FROM ${temp.steps} WHERE __given AND __unchanged AND __i > 0`, parts, &unchanged)
	}
	if err == nil && b.late { // of version 0 they are compared with what the target holds now
		parts["same"], parts["same_key"] = b.sameRow("__s.", "__c."), b.sameKey("__s.", "__c.")
		err = b.read(ctx, `SELECT count(*) FROM ${temp.steps} AS __s JOIN ${temp.current} AS __c ON ${same_key} AND ${same}
WHERE __s.__given AND __s.__i = 0`, parts, &present)
	}
	if err == nil && b.last > 0 {
		err = b.read(ctx, `SELECT count(*) FROM ${temp.quiet}`, parts, &quiet)
	}
	if err != nil {
		return err
	}
	r.Applied, r.Ignored = won-unchanged-present, again+unchanged+present+quiet*b.last
	r.Superseded = r.Changes - r.Applied - r.Ignored
	return b.read(ctx, `SELECT (SELECT count(*) FROM ${temp.outcome} WHERE NOT __same),
	(SELECT count(*) FROM ${temp.old} ANTI JOIN ${temp.outcome} AS __o USING (${keys}${on_start}))`, parts, &r.Upserted, &r.Deleted)
}

// selectSnapshots sets the SELECTs of the result. The state is about the last version.
func (b *snapshots) selectSnapshots(parts map[string]string) {
	r := b.result
	r.RemoveTarget = b.fill(`SELECT "__file", "__row" FROM ${temp.old}
ANTI JOIN (SELECT * FROM ${temp.outcome} WHERE __same) AS __o USING (${keys}${on_start})`, parts)
	r.AddTarget = b.fill(`SELECT ${columns}${start}${end} FROM ${temp.outcome} WHERE NOT __same`, parts)
	parts["since"], parts["no_sequence"] = "", "CAST(NULL AS "+b.spec.Sequence.String()+")"
	if b.spec.History {
		parts["since"] = `, __since AS "__START_AT"`
	}
	r.RemoveState = b.fill(`SELECT "__file", "__row" FROM ${temp.images}`, parts)
	r.AddState = b.fill(`SELECT ${columns}${since}, ${no_sequence} AS "__sequence", false AS "__kept" FROM ${temp.steps}
WHERE __there AND __next = ${last} ${imaged}
UNION ALL
SELECT ${only_keys}${no_start}, NULL, true FROM ${temp.ranked} WHERE __n = 1 AND NOT __ok AND __i = ${last}`, parts)
	if b.last > 0 {
		r.RemoveState = b.fill(`SELECT "__file", "__row" FROM ${state} AS __s`, parts)
		r.AddState += b.fill(`
UNION ALL
SELECT ${no_columns}${no_start}, __v, NULL FROM ${temp.versions} WHERE __i = ${last}`, parts)
	}
}

// sameKey compares the keys of two relations.
func (b *batch) sameKey(x, y string) string {
	return join(b.keys, " AND ", func(c schemas.Column) string { return column(x)(c) + " = " + column(y)(c) })
}

// sameRow says that rows of two relations are the same.
func (b *batch) sameRow(x, y string) string {
	var equal []string
	for _, c := range b.all {
		now, old := exactly(column(x)(c), c.Type), exactly(column(y)(c), c.Type)
		for i := range now {
			equal = append(equal, now[i]+" IS NOT DISTINCT FROM "+old[i])
		}
	}
	return strings.Join(equal, " AND ")
}

// unchanged says that a row is the one before it.
func (b *batch) unchanged() string {
	var out strings.Builder
	for _, c := range b.all {
		for _, e := range exactly(quote.Name(c.Name), c.Type) {
			out.WriteString(" AND " + e + " IS NOT DISTINCT FROM lag(" + e + ") OVER __key")
		}
	}
	return out.String()
}
