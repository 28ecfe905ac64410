package incremental_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// grammar writes random queries over the tables of a world.
type grammar struct {
	r    *rand.Rand
	with []string
}

// from is what stands behind FROM: the columns that can be named, by kind of type.
type from struct {
	sql                            string
	ints, decimals, doubles, texts []string
	keys                           []string // of few values
	all                            []string
	where                          []string
	lists                          []string
}

func (g *grammar) pick(all ...string) string { return all[g.r.IntN(len(all))] }
func (g *grammar) chance(n int) bool         { return g.r.IntN(n) == 0 }

func tableA(q string) from {
	return from{sql: "a", ints: []string{q + "x", q + "id", q + "k"}, decimals: []string{q + "m"}, doubles: []string{q + "d"}, texts: []string{q + "g"},
		keys: []string{q + "k", q + "g", q + "t", q + "b", q + "d"}, lists: []string{q + "l"},
		all: []string{q + "id", q + "k", q + "g", q + "x", q + "d", q + "m", q + "t", q + "b"}}
}

func (f *from) add(o from) {
	f.ints, f.decimals, f.doubles = append(f.ints, o.ints...), append(f.decimals, o.decimals...), append(f.doubles, o.doubles...)
	f.texts, f.keys, f.all = append(f.texts, o.texts...), append(f.keys, o.keys...), append(f.all, o.all...)
	f.where = append(f.where, o.where...)
}

func tableC(q string) from {
	return from{sql: "c", ints: []string{q + "id"}, decimals: []string{q + "w"}, texts: []string{q + "n"}, keys: []string{q + "k", q + "n"}, all: []string{q + "id", q + "k", q + "n", q + "w"}}
}

func tableE(q string) from {
	return from{sql: "e", ints: []string{q + "y"}, keys: []string{q + "k"}, all: []string{q + "k", q + "y"}}
}

// leaf is one relation with an alias.
func (g *grammar) leaf(alias string) from {
	q := alias + "."
	named := func(f from, sql string) from { f.sql = sql + " AS " + alias; return f }
	switch g.r.IntN(14) {
	case 0, 1, 2, 3:
		return named(tableA(q), "a")
	case 4:
		return named(tableC(q), "main.c")
	case 5:
		return named(tableE(q), "e")
	case 6:
		f := from{ints: []string{q + "x", q + "id"}, decimals: []string{q + "m"}, doubles: []string{q + "d"}, texts: []string{q + "g"}, keys: []string{q + "k", q + "g"}, all: []string{q + "id", q + "k", q + "g", q + "x", q + "d", q + "m"}}
		return named(f, "va")
	case 7:
		f := from{ints: []string{q + "y", q + "id"}, texts: []string{q + "n"}, keys: []string{q + "k", q + "n"}, all: []string{q + "id", q + "k", q + "n", q + "y"}}
		return named(f, "vc")
	case 8:
		f := from{ints: []string{q + "n"}, keys: []string{q + "k"}, all: []string{q + "k", q + "n", q + "s"}}
		return named(f, "vg")
	case 9:
		inner := "(SELECT k, y FROM e WHERE y > 0 UNION ALL SELECT k, id FROM c UNION ALL SELECT 3, 4.5)"
		return named(tableE(q), inner)
	case 10:
		name := fmt.Sprintf("cte%d", len(g.with))
		g.with = append(g.with, name+"(k, y) AS (SELECT k, "+g.pick("max(x)", "count(*)", "sum(x)", "min(id)", "count(DISTINCT g)")+" FROM a "+g.pick("", "WHERE b ")+"GROUP BY k"+g.pick("", " HAVING count(*) > 1")+")")
		return named(tableE(q), name)
	case 11:
		return named(tableE(q), "(SELECT "+g.pick("DISTINCT ", "")+"k, x AS y FROM a WHERE "+g.pick("x < 6", "NOT b", "true")+")")
	case 12:
		return named(tableE(q), "(SELECT k, y FROM e UNION SELECT k, id FROM c)")
	}
	return named(tableE(q), "(SELECT o.k, o.y FROM e o LEFT JOIN c i ON o.k = i.k AND i.id > 4)")
}

func (g *grammar) from() from {
	f := g.leaf("p")
	switch g.r.IntN(10) {
	case 0, 1, 2, 3:
		return f
	case 4:
		if len(f.lists) == 0 {
			return f
		}
		f.sql += g.pick(", ", " CROSS JOIN ", " LEFT JOIN ") + "unnest(p.l) AS u(v)"
		if strings.Contains(f.sql, "LEFT JOIN") {
			f.sql += " ON true"
		}
		f.ints, f.all = append(f.ints, "u.v"), append(f.all, "u.v")
		return f
	}
	o := g.leaf("q")
	kind := g.pick("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN", ",")
	on := " ON p.k = q.k"
	switch {
	case kind == ",":
		on = ""
		f.where = append(f.where, "p.k = q.k")
	case g.chance(4):
		on = " ON p.k = q.k AND " + g.pick(f.all...) + " IS DISTINCT FROM NULL"
	case g.chance(6):
		on = " ON p.k IS NOT DISTINCT FROM q.k AND q.k > 1"
	case g.chance(6) && kind != "FULL JOIN":
		on = " ON p.k < q.k - 2"
	case g.chance(4):
		on = " USING (k)"
		drop := func(all []string) (kept []string) {
			for _, c := range all {
				if c != "p.k" && c != "q.k" {
					kept = append(kept, c)
				}
			}
			return kept
		}
		f.sql += " " + kind + " " + o.sql + on
		if kind != "SEMI JOIN" && kind != "ANTI JOIN" {
			f.add(o)
		}
		f.keys, f.all, f.ints = append(drop(f.keys), "k"), append(drop(f.all), "k"), append(drop(f.ints), "k")
		return f
	}
	f.sql += " " + kind + " " + o.sql + on
	if kind != "SEMI JOIN" && kind != "ANTI JOIN" {
		f.add(o)
	}
	if g.chance(4) {
		last := g.leaf("z")
		kind := g.pick("JOIN", "LEFT JOIN", "ANTI JOIN", "FULL JOIN")
		f.sql += " " + kind + " " + last.sql + " ON z.k = p.k"
		if kind != "ANTI JOIN" {
			f.add(last)
		}
	}
	return f
}

func (g *grammar) condition(f from) string {
	c := g.pick(f.all...)
	switch g.r.IntN(11) {
	case 0:
		return c + " IS NOT NULL"
	case 1:
		return g.pick(f.ints...) + " > " + g.pick("0", "2", "1.5e0", "-2")
	case 2:
		return "(" + g.pick(f.ints...) + " < 4 OR " + c + " IS NULL)"
	case 3:
		return g.pick(f.keys...) + "::VARCHAR IS DISTINCT FROM " + g.pick(f.keys...) + "::VARCHAR"
	case 4:
		return g.pick("", "NOT ") + "EXISTS (SELECT 1 FROM c AS i WHERE i.id = " + g.pick(f.ints...) + g.pick("", " AND i.k > 1") + ")"
	case 5:
		return g.pick(f.ints...) + " IN (SELECT y FROM e" + g.pick("", " WHERE k < 4", " GROUP BY y HAVING count(*) > 1") + ")"
	case 6:
		return g.pick(f.ints...) + " IN (1, 2, 3, 4, 5)"
	case 8:
		return g.pick(f.ints...) + g.pick(" > ", " <= ", " IS DISTINCT FROM ") + "(SELECT " + g.pick("max(y)", "avg(y)", "sum(y)") + " FROM e" + g.pick("", " WHERE e.k < "+g.pick(f.ints...)) + ")"
	case 9:
		return "(" + g.pick(f.ints...) + " NOT IN (SELECT id FROM c WHERE id IS NOT NULL) OR " + c + " IS NULL)"
	case 7:
		return g.pick("", "NOT ") + "EXISTS (SELECT 1 FROM e AS i JOIN c AS i2 ON i.k = i2.k WHERE i.y = " + g.pick(f.ints...) + ")"
	}
	return g.pick(f.ints...) + " % 2 = 0"
}

func (g *grammar) where(f from) string {
	all := f.where
	for g.chance(2) && len(all) < 3 {
		all = append(all, g.condition(f))
	}
	if len(all) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(all, " AND ")
}

func (g *grammar) expression(f from) string {
	switch g.r.IntN(9) {
	case 0:
		return g.pick(f.ints...) + " + 1"
	case 1:
		return "coalesce(" + g.pick(f.ints...) + ", -1)"
	case 2:
		return "CASE WHEN " + g.pick(f.ints...) + " > 1 THEN 'big' ELSE " + g.pick("'small'", "NULL") + " END"
	case 3:
		return g.pick(f.ints...) + " * 1e0"
	case 4:
		if len(f.texts) > 0 {
			return "upper(" + g.pick(f.texts...) + ") || '\"it''s'"
		}
	case 5:
		if len(f.decimals) > 0 {
			return g.pick(f.decimals...) + " * 2.50"
		}
	case 6:
		if g.chance(3) {
			return "(SELECT count(*) FROM " + g.pick("e WHERE y", "vc WHERE id") + " > " + g.pick(f.ints...) + ")"
		}
	}
	return g.pick(f.all...)
}

func (g *grammar) aggregate(f from) string {
	x := g.pick(f.ints...)
	filter := ""
	if g.chance(4) {
		filter = " FILTER (WHERE " + g.pick(f.ints...) + " > 1)"
	}
	switch g.r.IntN(16) {
	case 0, 1:
		return "count(*)" + filter
	case 2:
		return "count(" + g.pick(f.all...) + ")" + filter
	case 3, 4:
		return "sum(" + x + ")" + filter
	case 5:
		return "avg(" + x + ")" + filter
	case 6, 7:
		return g.pick("min", "max") + "(" + g.pick(f.all...) + ")" + filter
	case 8:
		return g.pick("bool_and", "bool_or") + "(" + x + " > 0)" + filter
	case 9:
		return "count_if(" + x + " > 1)"
	case 10, 11:
		if len(f.decimals) > 0 {
			return g.pick("sum", "avg") + "(" + g.pick(f.decimals...) + g.pick("", " * 3") + ")" + filter
		}
	case 12, 13:
		if len(f.doubles) > 0 {
			return g.pick("sum", "avg") + "(" + g.pick(f.doubles...) + ")" + filter
		}
	case 14, 15:
		return g.pick("count(DISTINCT "+x+")", "sum(DISTINCT "+x+")", "median("+x+")", "stddev("+x+")", "list("+x+" ORDER BY "+x+")",
			"string_agg("+x+", '-' ORDER BY "+x+")", "first("+x+" ORDER BY "+x+")", "arg_max("+x+", "+x+")", "var_pop("+x+")", "quantile_disc("+x+", 0.5)")
	}
	return "count(*)"
}

func (g *grammar) grouped(f from) string {
	n := g.r.IntN(3)
	var keys, items []string
	for range n {
		key := g.pick(f.keys...)
		if g.chance(4) {
			key = g.pick("coalesce("+g.pick(f.ints...)+", 0) % 3", key+" IS NULL", "'c'")
		}
		keys = append(keys, key)
	}
	for range 1 + g.r.IntN(3) {
		item := g.aggregate(f)
		if g.chance(4) {
			item = g.pick("coalesce("+item+", NULL)", "("+item+") IS NULL", "("+g.aggregate(f)+" IS NULL) = ("+g.aggregate(f)+" IS NULL)", "count(*) + 1 + count("+g.pick(f.all...)+")")
		}
		items = append(items, item)
	}
	having := ""
	if g.chance(3) {
		having = " HAVING " + g.pick("count(*) > 2", "max("+g.pick(f.ints...)+") > 3", "sum("+g.pick(f.ints...)+") > 4")
	}
	if n == 0 {
		return "SELECT " + strings.Join(items, ", ") + " FROM " + f.sql + g.where(f) + having
	}
	shown := keys
	if g.chance(5) {
		shown = keys[:n-1] // a key that is no column of the view
	}
	list := append(append([]string{}, shown...), items...)
	by := strings.Join(keys, ", ")
	switch {
	case len(shown) == n && g.chance(3):
		by = "ALL"
	case len(shown) == n && g.chance(3):
		by = strings.Join([]string{"1", "2", "3"}[:n], ", ")
	case len(shown) == n && g.chance(3):
		list[0] = keys[0] + " AS first_key"
		if g.chance(2) {
			by = strings.Join(append([]string{"first_key"}, keys[1:]...), ", ")
		}
		if having != "" && g.chance(2) {
			list[len(list)-1] = "count(*) AS counted"
			having = " HAVING counted > 1"
		}
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM " + f.sql + g.where(f) + " GROUP BY " + by + having
}

func (g *grammar) linear(f from) string {
	if g.chance(6) && !strings.Contains(f.sql, "JOIN") {
		return "SELECT * FROM " + f.sql + g.where(f)
	}
	var items []string
	for range 1 + g.r.IntN(4) {
		items = append(items, g.expression(f))
	}
	if g.chance(6) {
		items[0] += " AS shown"
		return "SELECT " + strings.Join(items, ", ") + " FROM " + f.sql + g.where(f) + " ORDER BY shown"
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM " + f.sql + g.where(f)
}

func (g *grammar) window(f from) string {
	key := g.pick(f.keys...)
	order := strings.Join(f.all, ", ")
	over := " OVER (PARTITION BY " + key + " ORDER BY " + order + ")"
	function := g.pick("row_number()"+over, "rank() OVER (PARTITION BY "+key+" ORDER BY "+g.pick(f.ints...)+")", "sum("+g.pick(f.ints...)+") OVER (PARTITION BY "+key+")",
		"lag("+g.pick(f.ints...)+")"+over, "count(*) OVER (PARTITION BY "+key+", "+g.pick(f.ints...)+")")
	switch g.r.IntN(8) {
	case 0:
		return "SELECT " + key + ", " + g.expression(f) + " FROM " + f.sql + g.where(f) + " QUALIFY row_number()" + over + " <= 2"
	case 1:
		return "SELECT top.key, top.value FROM (SELECT " + key + " AS key, " + g.pick(f.ints...) + " AS value, row_number()" + over + " AS rn FROM " + f.sql + g.where(f) + ") AS top WHERE rn = 1"
	case 2:
		return "SELECT DISTINCT ON (" + key + ") " + key + ", " + g.pick(f.ints...) + " AS picked FROM " + f.sql + g.where(f) + " ORDER BY " + key + ", " + order
	case 3:
		return "SELECT DISTINCT ON (" + key + ") " + key + ", " + order + " FROM " + f.sql + g.where(f) + " ORDER BY " + order
	case 4:
		return "SELECT " + key + " AS wk, " + g.pick(f.keys...) + ", count(*) AS n, rank() OVER (PARTITION BY wk ORDER BY count(*)) FROM " + f.sql + g.where(f) + " GROUP BY 1, 2"
	case 5:
		if !strings.Contains(f.sql, "JOIN") && !strings.Contains(f.sql, ",") {
			return "SELECT *, " + function + " AS w FROM " + f.sql + g.where(f)
		}
	case 6:
		return "SELECT " + g.expression(f) + ", " + function + " FROM " + f.sql + g.where(f) // the key may be no column
	}
	return "SELECT " + g.expression(f) + ", " + key + ", " + function + " FROM " + f.sql + g.where(f)
}

// fallback is a query that must be computed in full.
func (g *grammar) fallback() string {
	return g.pick("SELECT k, x FROM a ORDER BY x, k, id LIMIT 3", "SELECT k, row_number() OVER (ORDER BY x, k, id, g, d, m, t, b) FROM a", "SELECT k FROM e EXCEPT SELECT k FROM c",
		"SELECT x FROM a WHERE x > (SELECT avg(x) FROM a)", "SELECT a.id, q.y FROM a ASOF JOIN (SELECT DISTINCT k, y FROM e) AS q ON a.k = q.k AND a.x >= q.y", "SELECT k, sum(x) FROM a GROUP BY ROLLUP (k)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i, k FROM n, e",
		"SELECT s.k, s.v FROM (SELECT k, sum(d * 0.1) AS v FROM a GROUP BY k) s JOIN e ON e.k = s.k", "SELECT k FROM e WHERE current_date > DATE '2020-01-01'",
		"PIVOT (SELECT k, b, x FROM a) ON b IN (true, false) USING sum(x) GROUP BY k")
}

// around is a query around groups that is linear.
func (g *grammar) around() string {
	f := g.from()
	inner := "SELECT " + g.pick(f.keys...) + " AS gk, " + g.pick(f.keys...) + " AS h, " + g.aggregate(f) + " AS n, " + g.aggregate(f) + " AS o FROM " + f.sql + g.where(f) + " GROUP BY ALL"
	switch g.r.IntN(5) {
	case 0:
		return "WITH grouped AS (" + inner + ") SELECT * FROM grouped WHERE n IS NOT NULL AND gk::VARCHAR IS DISTINCT FROM h::VARCHAR"
	case 1:
		return "SELECT r.n AS m, r.gk, m IS NULL, r.h FROM (" + inner + ") AS r WHERE r.o IS NOT NULL"
	case 2:
		return "SELECT * EXCLUDE (second), second AS s FROM (SELECT w.third, w.second, w.first FROM (" + inner + ") AS w(first, second, third) WHERE first IS NOT NULL) WHERE third IS NOT NULL"
	case 3:
		return "SELECT gk, n FROM (" + inner + " HAVING count(*) > 1) WHERE h IS NOT NULL"
	}
	return "SELECT top.key, top.h FROM (SELECT DISTINCT " + g.pick(f.keys...) + " AS key, " + g.pick(f.keys...) + " AS h FROM " + f.sql + g.where(f) + ") AS top WHERE top.h IS NOT NULL"
}

// joined is a query that joins something whose values may be others when they are computed again.
func (g *grammar) joined() string {
	inner := g.pick("SELECT k, sum(d * 0.1) AS v, count(*) AS n FROM a GROUP BY k", "SELECT k, g AS v, id AS n FROM a QUALIFY row_number() OVER (PARTITION BY k ORDER BY id, x, g, d, m, t, b) = 1",
		"SELECT k, x AS v, row_number() OVER (PARTITION BY k ORDER BY x) AS n FROM a", "SELECT DISTINCT ON (k) k, x AS v, g AS n FROM a ORDER BY k, x, g")
	other := g.pick("e", "c", "vc", "vg", "(SELECT k, count(*) AS y FROM e GROUP BY k)")
	switch g.r.IntN(6) {
	case 0:
		return "SELECT s.k, s.v, o.* FROM (" + inner + ") s LEFT JOIN " + other + " AS o ON s.k = o.k"
	case 1:
		return "WITH s AS (" + inner + ") SELECT v, k FROM s JOIN " + other + " AS o USING (k) WHERE v IS NOT NULL"
	case 2:
		return "SELECT s.n, s.k AS first FROM " + other + " AS o RIGHT JOIN (" + inner + ") s ON s.k = o.k + 1 WHERE EXISTS (SELECT 1 FROM e WHERE e.k = s.k)"
	case 3:
		return "SELECT k, v FROM (" + inner + ") AS s WHERE k " + g.pick("", "+ 1 ") + "IN (SELECT k FROM " + other + " AS o)"
	case 4:
		return "SELECT r.k, r.v, o.k AS ok FROM (SELECT s.k, s.v FROM (" + inner + ") s ANTI JOIN c ON c.id = s.k) AS r JOIN " + other + " AS o ON o.k >= r.k"
	}
	return "SELECT " + g.pick("s.k, ", "") + "o.k, s.v FROM " + other + " AS o " + g.pick("LEFT", "INNER", "FULL") + " JOIN (" + inner + ") s ON s.k = o.k"
}

func (g *grammar) lateral() string {
	return g.pick("SELECT x FROM a WHERE x > (SELECT avg(y) FROM e)", "SELECT k, (SELECT max(y) FROM e WHERE e.k = a.k) FROM a", "SELECT k FROM a WHERE k NOT IN (SELECT k FROM e)",
		"SELECT k, count(*), (SELECT min(y) FROM e WHERE k > 2) AS m FROM a GROUP BY k", "SELECT k, count(*) FROM a GROUP BY k HAVING count(*) > (SELECT count(*) FROM e) % 4", "SELECT k, count(*), (SELECT max(y) FROM e WHERE e.k = a.k) FROM a GROUP BY k",
		"SELECT DISTINCT k, (SELECT count(*) FROM vc WHERE vc.id = a.id) FROM a",
		"SELECT a.id, s.y FROM a, LATERAL (SELECT y FROM e WHERE e.k = a.k) s", "SELECT a.id, s.y FROM a LEFT JOIN LATERAL (SELECT y FROM e WHERE e.k = a.k) s ON s.y > 1",
		"SELECT a.k, sum(s.y) FROM a, LATERAL (SELECT y + a.x AS y FROM e WHERE e.k = a.k) s GROUP BY 1",
		"SELECT id, v FROM a, unnest(l) AS u(v) WHERE v IS NOT NULL", "SELECT unnest(l) AS v, k FROM a", "SELECT {'k': k, 'g': g} AS s, count(*), max(x) FROM a GROUP BY s",
		"SELECT s.k, count(*) FROM (SELECT {'k': k} AS s FROM a) GROUP BY s", "SELECT k, l, count(*) FROM a GROUP BY k, l", "SELECT k + 0.5 AS h, t::TIMESTAMP, count(x) FROM a GROUP BY ALL",
		"SELECT i, count(*) FROM a JOIN range(3) AS r(i) ON a.k > i GROUP BY i", "SELECT v.i, a.x FROM a JOIN (VALUES (1, 2), (2, 3)) AS v(i, j) ON v.j = a.k", "SELECT count(*), count(x), sum(m) FROM a NATURAL JOIN e",
		"SELECT k, (x > 2) AND b, count(*) FROM a GROUP BY ALL HAVING bool_or(b) OR sum(m) > 2", "SELECT main.a.k, main.a.x FROM main.a", "SELECT A.K, sum(a.X) FROM a GROUP BY k",
		"SELECT k, list_transform(l, lambda k: k + 1) AS lk FROM a", "SELECT k, min(t), max(g), max(l) FROM a GROUP BY k", "FROM a SELECT k, count() GROUP BY k", "SELECT b.k, b.n FROM vg AS b WHERE n > 1",
		"SELECT hash(k) % 3 AS h, count(DISTINCT x) AS n FROM a GROUP BY h", "SELECT k, x FROM a WHERE k = ANY (SELECT k FROM e) OR x > 3", "SELECT k AS g, g AS k, count(*) FROM a GROUP BY k, g",
		"SELECT id % 2 AS id, count(*) AS x, max(x) FROM a GROUP BY id", "SELECT 'c' AS c, count(*), max(m) FROM a WHERE k > 4 AND x > 5 GROUP BY ALL", "SELECT 'c' AS c, count(*) FROM a WHERE k > 4 AND x > 5 GROUP BY c",
		"SELECT k AS x, sum(x) AS k FROM a GROUP BY k HAVING sum(x) > 1", "SELECT DISTINCT k, count(*) FROM a GROUP BY k, g",
		"SELECT DISTINCT k, rank() OVER (PARTITION BY k ORDER BY x) FROM a", "SELECT any_value(k ORDER BY k), b FROM a GROUP BY b", "SELECT k, sum(x) FILTER (b) AS s, s + 1 FROM a GROUP BY k")
}

func (g *grammar) view() string {
	var q string
	switch n := g.r.IntN(27); {
	case n >= 24:
		q = g.joined()
	case n >= 22:
		q = g.around()
	case n >= 20:
		q = g.lateral()
	case n < 8:
		q = g.grouped(g.from())
	case n < 13:
		q = g.linear(g.from())
	case n < 16:
		q = g.window(g.from())
	case n == 16:
		f := g.from()
		q = "SELECT DISTINCT " + strings.Join([]string{g.pick(f.keys...), g.pick(f.ints...)}, ", ") + " FROM " + f.sql + g.where(f)
	case n == 17:
		f, o := g.from(), g.from()
		q = "SELECT " + g.pick(f.ints...) + ", " + g.pick(f.keys...) + "::VARCHAR FROM " + f.sql + g.where(f) + " " + g.pick("UNION ALL", "UNION ALL", "UNION") +
			" SELECT " + g.pick(o.ints...) + " + 0.5, " + g.pick(o.keys...) + "::VARCHAR FROM " + o.sql + g.where(o)
	case n == 18:
		return g.fallback()
	default: // an aggregate over an aggregate
		inner := g.from()
		q = "SELECT kk, count(*), sum(n), max(n) FROM (SELECT " + g.pick(inner.keys...) + " AS kk, " + g.pick(inner.ints...) + " AS i, count(*) AS n FROM " + inner.sql + g.where(inner) + " GROUP BY ALL) GROUP BY kk"
	}
	if len(g.with) > 0 {
		q = "WITH " + strings.Join(g.with, ", ") + " " + q
		g.with = nil
	}
	return q
}

// over is a view over the view v.
func (g *grammar) over(columns schemas.Table) string {
	c := columns[g.r.IntN(len(columns))].Name
	return g.pick("SELECT "+c+", count(*) FROM v GROUP BY ALL", "SELECT * FROM v WHERE "+c+" IS NOT NULL", "SELECT count(*), min("+c+"), count("+c+") FROM v",
		"SELECT DISTINCT "+c+" FROM v", "SELECT v.*, w."+c+" FROM v JOIN v AS w ON v."+c+" = w."+c)
}
