package spark

import (
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

func fitsBigint(digits string) bool {
	_, err := strconv.ParseInt(digits, 10, 64)
	return err == nil
}

// kindTypes are DuckDB's types for kinds that a value is cast to.
var kindTypes = map[kind]string{text: "VARCHAR", integer: "INTEGER", double: "DOUBLE", date: "DATE", instant: "TIMESTAMP", bytes: "BLOB"}

// coerced writes an expression as a value of a kind, as Spark does where no cast is written.
func (w *writer) coerced(x expr, to kind) {
	k := w.kindOf(x)
	typ := kindTypes[to]
	switch {
	case to == numeric && k == text:
		w.castTo("DOUBLE", x, x.at())
	case to == numeric && k == unknown && w.guess("number", x):
		w.macroOf("number", x)
	case to == boolean && k == text:
		w.castTo("BOOLEAN", x, x.at())
	case typ == "" || to == integer && smallInteger(x) || to != integer && k == to || to == double && k == integer:
		w.expr(x)
	default:
		w.castTo(typ, x, x.at())
	}
}

// smallInteger reports whether x is a constant that DuckDB takes for an INTEGER.
func smallInteger(x expr) bool {
	l, ok := x.(*literal)
	return ok && l.is() == integer && l.typ == "" && len(l.value) < 10
}

// operand writes x, which meets another value in an operator: a text becomes what the other value is.
func (w *writer) operand(x, with expr) {
	with = w.leaf(with)
	k, o := w.kindOf(x), w.kindOf(with)
	_, constant := x.(*literal)
	at := x.at()
	like := map[kind]string{integer: "like_bigint", date: "like_date", instant: "like_timestamp", boolean: "like_boolean"}
	to := map[kind]string{integer: "BIGINT", double: "DOUBLE", decimals: "DOUBLE", numeric: "DOUBLE", date: "DATE", instant: "TIMESTAMP", boolean: "BOOLEAN"}
	switch {
	case w.mode.zone != "" && k == date && o == instant:
		w.castTo("TIMESTAMP", x, at)
	case w.mode.zone != "" && (k == date && o == unknown || k == unknown && o == instant) && w.guess("like_other", x, with):
		w.put(w.macro("like_other")+"(", span{at.start, at.start})
		w.expr(x)
		w.put(", ", span{at.end, at.end})
		w.expr(with)
		w.put(")", span{at.end, at.end})
	case k == text && o == unknown && constant && w.mode == (mode{}): // DuckDB gives a constant the type of what it meets
		w.expr(x)
	case k != unknown && k != text || o == nullKind || o == text || o == other || o == jsonKind || o == duration || o == bytes:
		w.expr(x)
	case o == unknown && w.guess("like_other", x, with):
		w.put(w.macro("like_other")+"(", span{at.start, at.start})
		w.expr(x)
		w.put(", ", span{at.end, at.end})
		w.expr(with)
		w.put(")", span{at.end, at.end})
	case o == unknown:
		w.expr(x)
	case k == text:
		w.castTo(to[o], x, at)
	case like[o] != "" && w.guess(like[o], x):
		w.macroOf(like[o], x)
	case o.isNumber() && o != integer && w.guess("number", x):
		w.macroOf("number", x)
	default:
		w.expr(x)
	}
}

// infix writes l op r in brackets.
func (w *writer) infix(b *binary, op string, l, r func()) {
	w.put("(", span{b.start, b.start})
	l()
	w.put(" "+op+" ", b.opAt)
	r()
	w.put(")", span{b.end, b.end})
}

func (w *writer) binary(b *binary) {
	operands := func() (func(), func()) {
		return func() { w.operand(b.l, b.r) }, func() { w.operand(b.r, b.l) }
	}
	switch b.op {
	case "AND", "OR":
		w.logical(b)
	case "=", "==", "<>", "!=", "<", "<=", ">", ">=", "!<", "!>", "<=>":
		op := map[string]string{"==": "=", "!=": "<>", "!<": ">=", "!>": "<=", "<=>": "IS NOT DISTINCT FROM"}[b.op]
		if op == "" {
			op = b.op
		}
		l, r := operands()
		w.infix(b, op, l, r)
	case "||":
		w.concatenation(b)
	case "&", "|", "<<":
		w.infix(b, b.op, func() { w.coerced(b.l, numeric) }, func() { w.coerced(b.r, numeric) })
	case "^":
		w.calls("xor(", b, ")")
	case ">>":
		w.infix(b, b.op, func() { w.coerced(b.l, numeric) }, func() { w.coerced(b.r, numeric) })
	case ">>>":
		w.calls(w.macro("unsigned_shift")+"(", b, ")")
	case "DIV":
		w.put("CAST(trunc(", span{b.start, b.start})
		w.division(b, "//")
		w.put(") AS BIGINT)", span{b.end, b.end})
	case "/":
		w.division(b, "/")
	case "%":
		w.division(b, "%")
	default:
		w.arithmetic(b)
	}
}

func (w *writer) calls(open string, b *binary, close string) {
	w.put(open, span{b.start, b.start})
	w.coerced(b.l, numeric)
	w.put(", ", b.opAt)
	w.coerced(b.r, numeric)
	w.put(close, span{b.end, b.end})
}

// logical writes AND and OR without brackets between those of one kind: DuckDB limits how deep they are.
func (w *writer) logical(b *binary) {
	w.put("(", span{b.start, b.start})
	var terms []*binary
	var first expr = b
	for {
		t, ok := first.(*binary)
		if !ok || t.op != b.op {
			break
		}
		terms = append(terms, t)
		first = t.l
	}
	w.coerced(first, boolean)
	for i := len(terms) - 1; i >= 0; i-- {
		w.put(" "+b.op+" ", terms[i].opAt)
		w.coerced(terms[i].r, boolean)
	}
	w.put(")", span{b.end, b.end})
}

// arithmetic writes + - *. A date with an interval of whole days stays a date.
func (w *writer) arithmetic(b *binary) {
	l, r := w.kindOf(b.l), w.kindOf(b.r)
	macro := ""
	moment, span1 := b.l, b.r
	if l == duration && r != duration {
		moment, span1 = b.r, b.l
	}
	if v, ok := span1.(*interval); ok && b.op != "*" && w.kindOf(moment) != duration {
		macro = "moment"
		if v.daysOnly {
			macro = "shifted"
		} else if v.months != 0 || v.micros >= day || v.micros <= -day {
			w.needsUTC(v.span, "an interval of days and hours")
		}
		w.shift(b, macro, moment, span1)
		return
	}
	if l == date && r == date && b.op == "-" {
		w.put("to_days(CAST(", span{b.start, b.start})
		w.infix(b, "-", func() { w.expr(b.l) }, func() { w.expr(b.r) })
		w.put(" AS INTEGER))", span{b.end, b.end})
		return
	}
	if l == instant && r == instant && b.op == "-" && w.mode.zone != "" { // by the clocks, as Spark counts
		w.infix(b, "-", func() { w.local(b.l) }, func() { w.local(b.r) })
		return
	}
	moments := (l == unknown || l == date || l == instant) && (r == unknown || r == date || r == instant)
	if moments && (l == unknown || r == unknown) && b.op == "-" && w.guess("minus", b.l, b.r) {
		w.put(w.macro("minus")+"(", span{b.start, b.start})
		w.expr(b.l)
		w.put(", ", b.opAt)
		w.expr(b.r)
		w.put(")", span{b.end, b.end})
		return
	}
	if w.mode.zone != "" && b.op != "*" && (l == duration) != (r == duration) {
		w.needsUTC(b.span, "an interval that is computed")
	}
	integers := (l == integer || l == unknown) && (r == integer || r == unknown)
	if w.mode.legacy && integers && w.guess(overflowing[b.op], b.l, b.r) {
		w.put(w.macro(overflowing[b.op])+"(", span{b.start, b.start})
		w.addend(b.l, b.r)
		w.put(", ", b.opAt)
		w.addend(b.r, b.l)
		w.put(")", span{b.end, b.end})
		return
	}
	w.infix(b, b.op, func() { w.addend(b.l, b.r) }, func() { w.addend(b.r, b.l) })
}

// overflowing are the operators on integers outside of ANSI mode.
var overflowing = map[string]string{"+": "added", "-": "subtracted", "*": "multiplied"}

// shift writes a moment and an interval.
func (w *writer) shift(b *binary, macro string, moment, v expr) {
	open, close := "(", ")"
	between := " " + b.op + " "
	k := w.kindOf(moment)
	if w.mode.zone != "" && k == date && macro == "moment" {
		moment, k = &cast{moment.at(), moment, &dataType{span: moment.at(), name: "TIMESTAMP"}, false}, instant
	}
	switch {
	case k == date && macro == "shifted":
		open, close = "CAST(", " AS DATE)"
	case k == instant && macro == "shifted" && w.mode.zone != "":
		open, close = w.macro("instant")+"("+w.macro("local")+"(", ")"
		between = ")" + between
	case k == unknown && w.guess(macro, moment):
		open, between = w.macro(macro)+"(", ", "
		if b.op == "-" {
			between = ", -"
		}
	}
	w.put(open, span{b.start, b.start})
	w.coerced(moment, map[kind]kind{text: instant}[k])
	w.put(between, b.opAt)
	w.expr(v)
	w.put(close, span{b.end, b.end})
}

// addend writes an operand of arithmetic. Texts become numbers.
func (w *writer) addend(x, with expr) {
	k, o := w.kindOf(x), w.kindOf(with)
	number := o == unknown || o.isNumber() || o == text || o == nullKind
	switch b, arithmetic := x.(*binary); {
	case k == text && (o == integer || o == text) && !w.mode.legacy:
		w.castTo("BIGINT", x, x.at())
	case k == text:
		w.castTo("DOUBLE", x, x.at())
	case k != unknown || !number || arithmetic && b.op != "||":
		w.expr(x)
	case o == integer && !w.mode.legacy && w.guess("like_bigint", x):
		w.macroOf("like_bigint", x)
	case (o != integer || w.mode.legacy) && w.guess("number", x):
		w.macroOf("number", x)
	default:
		w.expr(x)
	}
}

// division writes a / b, a % b and a DIV b, which fail where b is 0.
func (w *writer) division(b *binary, op string) {
	right := func() { w.addend(b.r, b.l) }
	if n, ok := b.r.(*literal); !ok || n.kind != numberLiteral || strings.Trim(n.value, "-0.e") == "" {
		right = func() {
			w.put(w.macro("divisor")+"(", span{b.r.at().start, b.r.at().start})
			w.addend(b.r, b.l)
			w.put(")", span{b.r.at().end, b.r.at().end})
		}
	}
	w.infix(b, op, func() { w.addend(b.l, b.r) }, right)
}

func (w *writer) concatenation(b *binary) {
	l, r := w.kindOf(b.l), w.kindOf(b.r)
	if (l == unknown || l == other) && (r == unknown || r == other) { // lists, or texts
		w.infix(b, "||", func() { w.expr(b.l) }, func() { w.expr(b.r) })
		return
	}
	part := func(x expr, k kind) func() {
		if k == nullKind {
			return func() { w.put("CAST(NULL AS VARCHAR)", x.at()) }
		}
		if k == other || k == bytes || k == unknown && (l == bytes || r == bytes) {
			return func() { w.expr(x) }
		}
		return func() { w.coerced(x, text) }
	}
	w.infix(b, "||", part(b.l, l), part(b.r, r))
}

func (w *writer) between(b *between) {
	not := ""
	if b.not {
		not = "NOT "
	}
	w.put("(", span{b.start, b.start})
	w.operand(b.x, b.low)
	w.put(" "+not+"BETWEEN ", span{b.x.at().end, b.low.at().start})
	w.operand(b.low, b.x)
	w.put(" AND ", span{b.low.at().end, b.high.at().start})
	w.operand(b.high, b.x)
	w.put(")", span{b.end, b.end})
}

func (w *writer) in(n *in) {
	w.put("(", span{n.start, n.start})
	if len(n.list) > 0 {
		w.operand(n.x, n.list[0])
	} else {
		w.expr(n.x)
	}
	at := span{n.x.at().end, n.x.at().end}
	if n.not {
		w.put(" NOT", at)
	}
	w.put(" IN (", at)
	if n.query != nil {
		w.query(n.query)
	}
	for i, x := range n.list {
		if i > 0 {
			w.put(", ", span{n.list[i-1].at().end, x.at().start})
		}
		w.operand(x, n.x)
	}
	w.put("))", span{n.end, n.end})
}

func (w *writer) like(l *like) {
	not := ""
	if l.not {
		not = "NOT "
	}
	join := " OR "
	if l.any == "ALL" {
		join = " AND "
	}
	w.put("(", span{l.start, l.start})
	for i, pattern := range l.patterns {
		at := pattern.at()
		if i > 0 {
			w.put(join, span{at.start, at.start})
		}
		if l.op == "RLIKE" {
			w.put(not+"regexp_matches(", span{l.start, l.start})
			w.coerced(l.x, text)
			w.put(", ", span{at.start, at.start})
			w.regex(pattern)
			w.put(")", span{at.end, at.end})
			continue
		}
		w.coerced(l.x, text)
		w.put(" "+not+l.op+" ", span{l.x.at().end, at.start})
		w.coerced(pattern, text)
		escape := l.escape
		if escape == "" {
			escape = `\`
		}
		if p, ok := pattern.(*literal); l.escape != "" || !ok || strings.Contains(p.value, `\`) {
			w.put(" ESCAPE "+quoteText(escape), span{at.end, at.end})
		}
	}
	w.put(")", span{l.end, l.end})
}

func (w *writer) isWhat(x *is) {
	w.put("(", span{x.start, x.start})
	not := ""
	if x.not {
		not = "NOT "
	}
	if x.what == "DISTINCT FROM" {
		w.operand(x.x, x.y)
		w.put(" IS "+not+"DISTINCT FROM ", span{x.x.at().end, x.y.at().start})
		w.operand(x.y, x.x)
	} else {
		w.expr(x.x)
		what := x.what
		if what == "UNKNOWN" {
			what = "NULL"
		}
		w.put(" IS "+not+what, span{x.x.at().end, x.end})
	}
	w.put(")", span{x.end, x.end})
}
