package spark

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// special writes a function in a way of its own.
type special func(w *writer, c *call)

// call writes the call of a function.
func (w *writer) call(c *call) {
	if w.pipeline.Functions[c.name] {
		w.put(quoteName(c.name)+"(", c.nameAt)
		w.arguments(c, &variant{}, 0, len(c.args))
		w.put(")", span{c.end, c.end})
		return
	}
	if len(c.path) > 1 && !strings.EqualFold(c.path[0].name, "system") && !strings.EqualFold(c.path[0].name, "builtin") {
		w.fail(codeFunction, c.nameAt, "use Spark's own functions", "the function %s of a catalog or schema is not known", w.expanded.text[c.nameAt.start:c.nameAt.end])
	}
	if write := specials[c.name]; write != nil {
		write(w, c)
		return
	}
	if to := castFunctions[c.name]; to != "" {
		w.need(c, 1, 1, c.name+"(x)")
		w.cast(&cast{c.span, c.args[0].value, &dataType{span: c.nameAt, name: to}, false})
		return
	}
	f, v := lookup(c.name, len(c.args))
	if v = w.zoned(c, v); w.mode.legacy && failing[c.name] {
		w.put("TRY(", c.nameAt)
		defer w.put(")", span{c.end, c.end})
	}
	switch {
	case refusal(c.name) != "":
		w.fail(codeFunction, c.nameAt, refusal(c.name), "the function %s is not supported", c.name)
	case f == nil:
		w.fail(codeFunction, c.nameAt, diag.DidYouMean(c.name, functionNames(), "Spark's functions are listed in the reference"), "there is no function %s", clip(c.name))
	case v == nil:
		w.fail(codeArguments, c.span, "it is "+strings.Join(signatures(f), " or "), "the function %s has %d arguments here", c.name, len(c.args))
	case f.Aggregate:
		w.aggregate(c, v)
	case c.over != nil || c.distinct || c.filter != nil || len(c.within) > 0:
		w.fail(codeArguments, c.span, "leave OVER, FILTER and DISTINCT out", "the function %s is no aggregate", c.name)
	default:
		w.scalar(c, v)
	}
}

// failing are functions that fail in ANSI mode where they give NULL else, and that call no macro which knows of it.
var failing = map[string]bool{"make_date": true, "make_timestamp": true, "make_timestamp_ltz": true, "make_timestamp_ntz": true}

// zonedBodies are functions that depend on the zone of the session.
var zonedBodies = map[string]string{"hour": "CAST(hour(@local($1)) AS INTEGER)", "minute": "CAST(minute(@local($1)) AS INTEGER)", "second": "CAST(second(@local($1)) AS INTEGER)",
	"current_date": "CAST(@local(CAST(now() AS TIMESTAMP)) AS DATE)", "curdate": "CAST(@local(CAST(now() AS TIMESTAMP)) AS DATE)",
	"make_timestamp": "@instant(make_timestamp($*))", "make_timestamp_ltz": "@instant(make_timestamp($*))", "try_make_timestamp": "@instant(TRY(make_timestamp($*)))",
	"try_make_timestamp_ltz": "@instant(TRY(make_timestamp($*)))"}

// zoned is the form of a function in the zone of the session.
func (w *writer) zoned(c *call, v *variant) *variant {
	if w.mode.zone == "" || v == nil {
		return v
	}
	body := zonedBodies[c.name]
	switch c.name {
	case "current_timezone":
		body = quoteText(w.mode.zone)
	case "make_timestamp_ntz", "try_make_timestamp_ntz", "localtimestamp", "convert_timezone", "to_timestamp_ntz":
		w.needsUTC(c.nameAt, "a TIMESTAMP_NTZ")
	case "months_between":
		body = "round(@months_apart(@local($1), @local($2)), 8)"
	}
	if body == "" || len(c.args) > len(v.params) {
		return v
	}
	other := *v
	other.body, other.macro = body, false
	return &other
}

// castFunctions are types that are called as functions.
var castFunctions = map[string]string{"int": "INT", "bigint": "BIGINT", "smallint": "SMALLINT", "tinyint": "TINYINT", "float": "FLOAT", "double": "DOUBLE",
	"string": "STRING", "boolean": "BOOLEAN", "binary": "BINARY", "date": "DATE", "timestamp": "TIMESTAMP", "decimal": "DECIMAL"}

func functionNames() []string {
	names := make([]string, 0, 400)
	for _, f := range Functions() {
		if f.How != Refused {
			names = append(names, f.Name)
		}
	}
	return names
}

// signatures are the forms of a function without what is written for them.
func signatures(f *Function) []string {
	var all []string
	for _, form := range f.Forms {
		head, _, _ := strings.Cut(form, " = ")
		head = strings.TrimPrefix(strings.TrimPrefix(head, "agg "), "win ")
		all = append(all, head[:strings.IndexByte(head, ')')+1])
	}
	return all
}

// scalar writes a function of values of one row.
func (w *writer) scalar(c *call, v *variant) {
	if v.fallback != "" {
		for _, name := range macroCalls(v.fallback) { // for when the query is written again
			w.macro(name)
		}
		if strings.HasPrefix(v.body, "@") && w.guess(macroCalls(v.body)[0], c.args[0].value) {
			w.template(v.body, c, v)
		} else {
			w.template(v.fallback, c, v)
		}
		return
	}
	if v.macro {
		w.put(w.macro(c.name)+"(", c.nameAt)
		w.arguments(c, v, 0, len(c.args))
		w.put(")", span{c.end, c.end})
		return
	}
	w.template(v.body, c, v)
}

// template writes a body with the arguments in the places of $1, $2 and $*.
func (w *writer) template(body string, c *call, v *variant) {
	for body != "" {
		i := strings.IndexByte(body, '$')
		if i < 0 || i+1 == len(body) {
			w.written(body, c.span)
			return
		}
		w.written(body[:i], c.nameAt)
		if body[i+1] == '*' {
			w.arguments(c, v, 0, len(c.args))
		} else {
			n := int(body[i+1] - '1')
			w.arguments(c, v, n, n+1)
		}
		body = body[i+2:]
	}
}

// written writes a part of a body, in which macros have an @ in front.
func (w *writer) written(text string, at span) {
	w.result.macros = append(w.result.macros, w.mode.calls(text)...)
	w.put(w.mode.expand(text), at)
}

// arguments writes some arguments, with commas between them.
func (w *writer) arguments(c *call, v *variant, from, to int) {
	for i := from; i < to; i++ {
		a := c.args[i]
		if a.name != "" {
			w.fail(codeArguments, a.value.at(), "give the arguments in their order, without names", "arguments with names are not supported here")
		}
		if i > from {
			w.put(", ", span{a.value.at().start, a.value.at().start})
		}
		switch v.param(i) {
		case "regex":
			w.regex(a.value)
		case "replacement":
			w.replacement(a.value)
		case "charset":
			w.charset(a.value)
		case unknown:
			if v.gives == "common" || c.name == "array" {
				var all []expr
				for _, b := range c.args {
					all = append(all, b.value)
				}
				w.oneOf(all, i)
			} else {
				w.expr(a.value)
			}
		default:
			w.coerced(a.value, v.param(i))
		}
	}
}

func (w *writer) charset(x expr) {
	if l, ok := x.(*literal); !ok || !strings.EqualFold(strings.ReplaceAll(l.value, "-", ""), "utf8") {
		w.fail(codeArguments, x.at(), "write 'UTF-8'", "only UTF-8 is supported")
	}
}

// aggregate writes an aggregate or window function.
func (w *writer) aggregate(c *call, v *variant) {
	before, after, _ := strings.Cut(v.wrap, "$")
	if c.name == "sum" && w.kindOf(c.args[0].value) == integer { // DuckDB's is a HUGEINT
		before, after = "CAST(", " AS BIGINT)"
	}
	if v.window && c.over == nil {
		w.fail(codeArguments, c.span, "write OVER (…) behind it", "the function %s needs a window", c.name)
	}
	w.written(before, c.nameAt)
	name, args, _ := strings.Cut(v.body, "(")
	w.put(name+"(", c.nameAt)
	if c.distinct {
		w.put("DISTINCT ", c.nameAt)
	}
	if c.distinct && c.name == "count" && len(c.args) > 1 {
		w.distinctRows(c)
	} else {
		w.template(strings.TrimSuffix(args, ")"), c, v)
	}
	w.behind(c)
	w.written(after, c.span)
}

// distinctRows writes the argument of count(DISTINCT a, b), which leaves out rows with a NULL.
func (w *writer) distinctRows(c *call) {
	w.put("CASE WHEN ", c.nameAt)
	for i, a := range c.args {
		if i > 0 {
			w.put(" AND ", c.nameAt)
		}
		w.expr(a.value)
		w.put(" IS NOT NULL", c.nameAt)
	}
	w.put(" THEN row(", c.nameAt)
	for i, a := range c.args {
		if i > 0 {
			w.put(", ", c.nameAt)
		}
		w.expr(a.value)
	}
	w.put(") END", c.nameAt)
}

// behind writes the end of an aggregate's call.
func (w *writer) behind(c *call) {
	end := span{c.end, c.end}
	inside := len(c.within) > 0 && c.name != "percentile_cont" && c.name != "percentile_disc" && c.name != "mode"
	if inside {
		w.orderBy(c.within)
	}
	if c.nulls != "" {
		w.put(" "+c.nulls+" NULLS", end)
	}
	w.put(")", end)
	if len(c.within) > 0 && !inside {
		w.put(" WITHIN GROUP (ORDER BY ", end)
		if c.name == "mode" {
			w.expr(c.within[0].x)
		} else {
			w.coerced(c.within[0].x, double)
		}
		w.put(map[bool]string{true: " DESC)", false: ")"}[c.within[0].desc], end)
	}
	if c.filter != nil {
		w.put(" FILTER (WHERE ", span{c.filter.at().start, c.filter.at().start})
		w.coerced(c.filter, boolean)
		w.put(")", span{c.filter.at().end, c.filter.at().end})
	}
	if c.over != nil {
		w.put(" OVER ", c.over.span)
		w.window(c.over)
	}
}

func (w *writer) orderBy(all []order) {
	for i, o := range all {
		if i == 0 {
			w.put(" ORDER BY ", span{o.x.at().start, o.x.at().start})
		} else {
			w.put(", ", span{o.x.at().start, o.x.at().start})
		}
		w.expr(o.x)
		w.put(o.suffix(), o.x.at())
	}
}

// window writes what stands behind OVER.
func (w *writer) window(s *window) {
	if s.name != "" && !slices.ContainsFunc(w.windows, func(n namedWindow) bool { return strings.EqualFold(n.name.name, s.name) }) {
		w.fail(codeArguments, s.span, "write OVER (PARTITION BY … ORDER BY …), or WINDOW "+s.name+" AS (…) behind FROM", "there is no window %s", s.name)
	}
	if s.name != "" && len(s.partition)+len(s.order)+len(s.frame) == 0 {
		w.put(quoteName(s.name), s.span)
		return
	}
	w.put("("+map[bool]string{true: quoteName(s.name)}[s.name != ""], s.span)
	if len(s.partition) > 0 {
		w.put(" PARTITION BY ", s.span)
		w.list(s.partition)
	}
	w.orderBy(s.order)
	for _, part := range s.frame {
		w.put(" ", s.span)
		if x, ok := part.(expr); ok {
			w.expr(x)
		} else if word, ok := part.(string); ok {
			w.put(word, s.span)
		}
	}
	w.put(")", span{s.end, s.end})
}
