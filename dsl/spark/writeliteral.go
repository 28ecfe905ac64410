package spark

import (
	"strings"
)

func (w *writer) literal(l *literal) {
	switch l.kind {
	case nullLiteral:
		w.put("NULL", l.span)
	case boolLiteral:
		w.put(strings.ToUpper(l.value), l.span)
	case numberLiteral:
		w.number(l)
	case textLiteral:
		w.put(quoteText(l.value), l.span)
	case binaryLiteral:
		w.put("unhex("+quoteText(l.value)+")", l.span)
	case dateLiteral:
		w.put(w.macro("text_date")+"("+quoteText(l.value)+")", l.span)
	case timestampLiteral:
		if strings.EqualFold(l.typ, "TIMESTAMP_NTZ") {
			w.needsUTC(l.span, "a TIMESTAMP_NTZ")
		}
		w.put(w.macro("text_timestamp")+"("+quoteText(l.value)+")", l.span)
	}
}

func (w *writer) number(l *literal) {
	switch l.typ {
	case "DOUBLE", "FLOAT", "BIGINT", "SMALLINT", "TINYINT":
		w.put("CAST("+quoteText(l.value)+" AS "+l.typ+")", l.span)
		return
	case "":
		if !strings.Contains(l.value, ".") && len(l.value) < 19 {
			if l.value == "-2147483648" {
				w.put("CAST('-2147483648' AS INTEGER)", l.span)
			} else if strings.HasPrefix(l.value, "-") {
				w.put("("+l.value+")", l.span)
			} else if w.expanded.text[l.start:l.end] == l.value {
				w.keep(l.span)
			} else {
				w.put(l.value, l.span)
			}
			return
		}
	}
	if !strings.Contains(l.value, ".") && l.typ == "" && fitsBigint(l.value) {
		w.put("CAST("+quoteText(l.value)+" AS BIGINT)", l.span)
		return
	}
	digits, negative := strings.CutPrefix(l.value, "-")
	plain, precision, scale, ok := decimal(digits)
	if !ok {
		w.fail(codeSyntax, l.span, "write it with an exponent, as 1e40, which is a DOUBLE", "a number has at most 38 digits")
	}
	if negative {
		plain = "-" + plain
	}
	w.put("CAST("+quoteText(plain)+" AS DECIMAL("+itoa(precision)+", "+itoa(scale)+"))", l.span)
}

func (w *writer) interval(v *interval) {
	if v.value != nil {
		w.put("("+w.macro("as_bigint")+"(", v.span)
		w.expr(v.value)
		w.put(") * INTERVAL 1 "+strings.ToUpper(v.unit)+")", v.span)
		return
	}
	var parts []string
	add := func(n int64, unit string) {
		if n != 0 {
			parts = append(parts, itoa(int(n))+" "+unit)
		}
	}
	add(v.months, "months")
	add(v.micros/day, "days")
	add(v.micros%day, "microseconds")
	if len(parts) == 0 {
		parts = []string{"0 days"}
	}
	w.put("INTERVAL '"+strings.Join(parts, " ")+"'", v.span)
}
