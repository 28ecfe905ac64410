package spark

import "slices"

// pivot writes PIVOT, which DuckDB has in the same form.
func (w *writer) pivot(v *pivot) {
	w.relation(v.x)
	at := span{v.x.at().end, v.x.at().end}
	counts := !slices.ContainsFunc(v.aggregates, func(a selected) bool { return collects(a.x) })
	w.put(" PIVOT (", at)
	for i, a := range v.aggregates {
		if i > 0 {
			w.put(", ", a.span)
		}
		w.pivoted(a.x, counts)
		switch name, ok := outputName(a.x); {
		case len(v.aggregates) == 1: // columns are called as the values
		case a.alias != nil:
			w.put(" AS ", a.alias.span)
			w.ident(*a.alias)
		case ok:
			w.put(" AS "+quoteName(name), a.span)
		}
	}
	w.put(" FOR ", at)
	if len(v.columns) > 1 {
		w.put("(", at)
	}
	w.list(v.columns)
	if len(v.columns) > 1 {
		w.put(")", at)
	}
	w.put(" IN (", at)
	for i, a := range v.values {
		if i > 0 {
			w.put(", ", a.span)
		}
		w.expr(a.x)
		if a.alias != nil {
			w.put(" AS ", a.alias.span)
			w.ident(*a.alias)
		}
	}
	w.put("))", span{v.end, v.end})
	w.alias(v.alias, "", v.span)
}

// collects reports whether an aggregate makes a list.
func collects(x expr) bool {
	c, ok := x.(*call)
	return ok && (c.name == "collect_list" || c.name == "collect_set" || c.name == "array_agg")
}

// pivoted writes an aggregate of PIVOT. Where no row has one of the values, Spark's counts are NULL, and DuckDB's 0; beside
// lists they are 0 in Spark too. Of each form only one aggregate may be used, which is NULL over no rows.
func (w *writer) pivoted(x expr, counts bool) {
	c, ok := x.(*call)
	if ok && len(c.args) == 1 && (c.name == "avg" || c.name == "mean") { // average writes several
		w.aggregate(c, &variant{params: []kind{numeric}, body: "avg($1)"})
		return
	}
	if !ok || !counts || c.filter != nil || c.over != nil || len(c.args) != 1 || c.name != "count" && c.name != "count_if" {
		w.expr(x)
		return
	}
	arg := c.args[0].value
	all, isStar := arg.(*star)
	switch {
	case c.name == "count_if":
		w.around(c, "CAST(sum(CASE WHEN ", func() { w.coerced(arg, boolean) }, " THEN 1 ELSE 0 END) AS BIGINT)")
	case isStar && len(all.path) == 0:
		w.put("nullif(count(*), 0)", c.span)
	case c.distinct:
		w.around(c, "len(list_distinct(list(", func() { w.expr(arg) }, ")))")
	default:
		w.around(c, "CAST(sum(CASE WHEN ", func() { w.expr(arg) }, " IS NULL THEN 0 ELSE 1 END) AS BIGINT)")
	}
}
