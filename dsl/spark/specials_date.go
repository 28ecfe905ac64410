package spark

import (
	"regexp"
	"strings"
)

// unitArgument is a unit that is written as a word or a text.
func (w *writer) unitArgument(x expr) string {
	name := ""
	switch x := x.(type) {
	case *column:
		if len(x.path) == 1 {
			name = x.path[0].name
		}
	case *literal:
		name = x.value
	}
	name = strings.ToLower(name)
	if u := unitWords[name]; u != "" {
		return u
	}
	w.fail(codeArguments, x.at(), "write YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MILLISECOND or MICROSECOND", "there is no unit %s", clip(name))
	return ""
}

// unitWords are the words for units, with DuckDB's.
var unitWords = map[string]string{"year": "year", "years": "year", "yyyy": "year", "yy": "year", "quarter": "quarter", "month": "month", "months": "month",
	"mm": "month", "mon": "month", "week": "week", "weeks": "week", "day": "day", "days": "day", "dd": "day", "hour": "hour", "hours": "hour",
	"minute": "minute", "minutes": "minute", "second": "second", "seconds": "second", "millisecond": "millisecond", "microsecond": "microsecond",
	"dayofyear": "day"}

// parts are the fields of EXTRACT, with what is written for them.
var parts = map[string]string{"year": "year", "y": "year", "years": "year", "yr": "year", "yrs": "year", "yearofweek": "isoyear", "quarter": "quarter", "qtr": "quarter",
	"month": "month", "mon": "month", "mons": "month", "months": "month", "week": "week", "w": "week", "weeks": "week", "day": "day", "d": "day", "days": "day",
	"doy": "dayofyear", "dayofyear": "dayofyear", "hour": "hour", "h": "hour", "hours": "hour", "hr": "hour", "hrs": "hour", "minute": "minute", "m": "minute",
	"min": "minute", "mins": "minute", "minutes": "minute", "dayofweek_iso": "isodow", "dow_iso": "isodow"}

func extract(w *writer, c *call) {
	w.need(c, 2, 2, "extract(YEAR FROM x)")
	name := ""
	if l, ok := c.args[0].value.(*literal); ok {
		name = strings.ToLower(l.value)
	}
	moment := func() { w.local(c.args[1].value) }
	switch {
	case name == "dayofweek" || name == "dow":
		w.around(c, "CAST(dayofweek(", moment, ") + 1 AS INTEGER)")
	case name == "second" || name == "s" || name == "sec" || name == "seconds" || name == "secs":
		w.around(c, "CAST((epoch_us(", moment, ") % 60000000) / 1000000 AS DECIMAL(8, 6))")
	case parts[name] != "":
		w.around(c, "CAST("+parts[name]+"(", moment, ") AS INTEGER)")
	default:
		w.fail(codeArguments, c.args[0].value.at(), "write YEAR, QUARTER, MONTH, WEEK, DAY, DAYOFWEEK, DOY, HOUR, MINUTE or SECOND", "there is no field %s", clip(name))
	}
}

// pattern is a pattern of dates in DuckDB's letters.
func (w *writer) pattern(x expr, parsing bool) string {
	p := w.constant(x, "the pattern of a date")
	duck, err := datePattern(p, parsing)
	if err != nil {
		w.fail(codeArguments, x.at(), "use y, M, d, H, h, m, s, S, a, E and texts in quotes", "the pattern %s: %s", clip(p), err)
	}
	return quoteText(duck)
}

// local writes a moment as the clocks of the session's zone show it.
func (w *writer) local(x expr) {
	if w.mode.zone == "" {
		w.coerced(x, instant)
		return
	}
	w.put(w.macro("local")+"(", x.at())
	w.coerced(x, instant)
	w.put(")", x.at())
}

func dateFormat(w *writer, c *call) {
	w.need(c, 2, 2, "date_format(x, 'yyyy-MM-dd')")
	w.around(c, "strftime(", func() { w.local(c.args[0].value) }, ", "+w.pattern(c.args[1].value, false)+")")
}

// parsed writes a text that is read by a pattern.
func (w *writer) parsed(c *call, before, after string) {
	pattern := w.pattern(c.args[1].value, true)
	if strings.Contains(pattern, "%y") {
		before, after = before+"@century(", ")"+after
	}
	text := func() { w.coerced(c.args[0].value, text) }
	if strings.Contains(pattern, "%z") { // DuckDB takes no Z for a zone
		text = func() {
			w.around(c, "regexp_replace(", func() { w.coerced(c.args[0].value, "text") }, ", 'Z$', '+00:00')")
		}
	}
	if w.mode.zone != "" && !strings.Contains(pattern, "%z") && !strings.HasSuffix(c.name, "to_date") {
		before, after = before+"@instant(", ")"+after
	}
	if strings.Contains(pattern, "%z") && strings.HasSuffix(c.name, "to_date") {
		w.needsUTC(c.args[1].value.at(), "a pattern with a zone that makes a DATE")
	}
	read := "strptime("
	if w.mode.legacy {
		read = "try_strptime("
	}
	w.around(c, before+read, text, ", "+pattern+")"+after)
}

func toDate(w *writer, c *call) {
	w.need(c, 1, 2, c.name+"(x, 'yyyy-MM-dd')")
	open, close := "", ""
	if c.name == "try_to_date" {
		open, close = "TRY(", ")"
	}
	if len(c.args) == 2 {
		w.parsed(c, open+"CAST(", " AS DATE)"+close)
	} else {
		w.around(c, open, func() { w.castTo("DATE", c.args[0].value, c.span) }, close)
	}
}

func toTimestamp(w *writer, c *call) {
	if c.name == "to_timestamp_ntz" {
		w.needsUTC(c.nameAt, "a TIMESTAMP_NTZ")
	}
	w.need(c, 1, 2, c.name+"(x, 'yyyy-MM-dd HH:mm:ss')")
	open, close := "", ""
	if strings.HasPrefix(c.name, "try_") {
		open, close = "TRY(", ")"
	}
	if len(c.args) == 2 {
		w.parsed(c, open+"CAST(", " AS TIMESTAMP)"+close)
	} else {
		w.around(c, open, func() { w.castTo("TIMESTAMP", c.args[0].value, c.span) }, close)
	}
}

func unixTimestamp(w *writer, c *call) {
	w.need(c, 0, 2, c.name+"(x, 'yyyy-MM-dd HH:mm:ss')")
	const open, close = "CAST(floor(epoch(", ")) AS BIGINT)"
	switch len(c.args) {
	case 0:
		w.put(open+"now()"+close, c.span)
	case 1:
		w.around(c, open, func() { w.coerced(c.args[0].value, instant) }, close)
	default:
		w.parsed(c, open, close)
	}
}

func fromUnixtime(w *writer, c *call) {
	w.need(c, 1, 2, "from_unixtime(seconds, 'yyyy-MM-dd HH:mm:ss')")
	pattern := "'%Y-%m-%d %H:%M:%S'"
	if len(c.args) == 2 {
		pattern = w.pattern(c.args[1].value, false)
	}
	w.around(c, "strftime(@local(make_timestamp(", func() { w.castTo("BIGINT", c.args[0].value, c.span) }, " * 1000000)), "+pattern+")")
}

func dateTrunc(w *writer, c *call) {
	w.need(c, 2, 2, "date_trunc('MONTH', x)")
	if l, ok := c.args[0].value.(*literal); ok && unitWords[strings.ToLower(l.value)] == "" { // Spark gives NULL
		w.diags.Warnf(codeIgnored, w.place(l.start, l.end), "write 'YEAR', 'QUARTER', 'MONTH', 'WEEK', 'DAY', 'HOUR', 'MINUTE' or 'SECOND'", "there is no unit %s: the result is NULL", clip(l.value))
		w.around(c, "CAST(CASE WHEN false THEN ", func() { w.coerced(c.args[1].value, instant) }, " END AS TIMESTAMP)")
		return
	}
	unit := w.unitArgument(c.args[0].value)
	if w.mode.zone != "" && units[unit].micros%day != 0 {
		w.around(c, "CAST(@truncated('"+unit+"', ", func() { w.coerced(c.args[1].value, instant) }, ") AS TIMESTAMP)")
		return
	}
	w.around(c, "CAST(@instant(date_trunc('"+unit+"', ", func() { w.local(c.args[1].value) }, ")) AS TIMESTAMP)")
}

func truncDate(w *writer, c *call) {
	w.need(c, 2, 2, "trunc(x, 'MONTH')")
	unit := ""
	if l, ok := c.args[1].value.(*literal); !ok || l.kind != textLiteral {
		unit = w.unitArgument(c.args[1].value)
	} else {
		unit = unitWords[strings.ToLower(l.value)]
	}
	switch unit {
	case "year", "quarter", "month", "week":
		w.around(c, "CAST(date_trunc('"+unit+"', ", func() { w.coerced(c.args[0].value, date) }, ") AS DATE)")
	default: // Spark gives NULL
		w.around(c, "CAST(CASE WHEN false THEN ", func() { w.coerced(c.args[0].value, date) }, " END AS DATE)")
	}
}

// dateDiff is datediff(end, start) in days, or datediff(UNIT, start, end) in whole units.
func dateDiff(w *writer, c *call) {
	w.need(c, 2, 3, c.name+"(end, start), or "+c.name+"(UNIT, start, end)")
	if len(c.args) == 2 {
		w.around(c, "CAST(", func() { w.coerced(c.args[0].value, date) }, " - ")
		w.around(c, "", func() { w.coerced(c.args[1].value, date) }, " AS INTEGER)")
		return
	}
	unit := w.unitArgument(c.args[0].value)
	if months := map[string]string{"month": "", "quarter": " // 3", "year": " // 12"}; unit == "month" || unit == "quarter" || unit == "year" {
		w.around(c, "(@months(", func() { w.local(c.args[1].value) }, ", ")
		w.around(c, "", func() { w.local(c.args[2].value) }, ")"+months[unit]+")")
		return
	}
	w.around(c, "date_sub('"+unit+"', ", func() { w.local(c.args[1].value) }, ", ")
	w.around(c, "", func() { w.local(c.args[2].value) }, ")")
}

// dateAdd is date_add(date, days), or date_add(UNIT, n, x).
func dateAdd(w *writer, c *call) {
	w.need(c, 2, 3, c.name+"(date, days), or "+c.name+"(UNIT, n, x)")
	if len(c.args) == 2 {
		w.around(c, "(", func() { w.coerced(c.args[0].value, date) }, " + ")
		w.around(c, "", func() { w.coerced(c.args[1].value, integer) }, ")")
		return
	}
	unit := w.unitArgument(c.args[0].value)
	moment, open, close := func() { w.coerced(c.args[2].value, instant) }, "CAST(", " AS TIMESTAMP)"
	if units[unit].micros%day == 0 { // days and months are those of the calendar
		moment, open, close = func() { w.local(c.args[2].value) }, "CAST(@instant(", ") AS TIMESTAMP)"
	}
	w.around(c, open, moment, " + ")
	w.around(c, "", func() { w.coerced(c.args[1].value, integer) }, " * INTERVAL 1 "+strings.ToUpper(unit)+close)
}

// makeInterval adds up what each argument is a number of.
func makeInterval(w *writer, c *call) {
	units := []string{"YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"}
	switch c.name {
	case "make_dt_interval":
		units = units[3:]
	case "make_ym_interval":
		units = units[:2]
	}
	w.need(c, 1, len(units), c.name+"("+strings.ToLower(strings.Join(units, "s, "))+"s)")
	for i, a := range c.args {
		before := " + "
		if i == 0 {
			before = "("
		}
		if units[i] == "SECOND" {
			w.around(c, before+"to_microseconds(CAST(", func() { w.coerced(a.value, double) }, " * 1000000 AS BIGINT))")
			continue
		}
		w.around(c, before, func() { w.coerced(a.value, integer) }, " * INTERVAL 1 "+units[i])
	}
	w.put(")", span{c.end, c.end})
}

// timeWindow is the stretch of time that a moment lies in.
func timeWindow(w *writer, c *call) {
	w.need(c, 2, 2, "window(time, '5 minutes')")
	length := w.constant(c.args[1].value, "the length of a window")
	v := &interval{span: c.args[1].value.at()}
	p := newParser(length, func(int, int) diagRange { return w.place(v.start, v.end) }, w.diags, w.result)
	p.intervalWords(v, length, 1, span{0, len(length)})
	if v.months != 0 || v.micros <= 0 {
		w.fail(codeArguments, v.span, "write it as '5 minutes'", "a window has a fixed length")
	}
	long := "INTERVAL '" + itoa(int(v.micros)) + " microseconds'"
	moment := func() { w.coerced(c.args[0].value, instant) }
	const epoch = ", TIMESTAMP '1970-01-01')"
	w.around(c, `struct_pack(start := time_bucket(`+long+", ", moment, epoch)
	w.around(c, `, "end" := time_bucket(`+long+", ", moment, epoch+" + "+long+")")
}

var zoneOffset = regexp.MustCompile(`^(?:UTC|GMT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?$`)

// shiftZone shows a moment of UTC on the clocks of another zone, or the other way round.
func shiftZone(w *writer, c *call) {
	w.need(c, 2, 2, c.name+"(time, 'Europe/Berlin')")
	back := c.name == "to_utc_timestamp"
	moment := func() { w.coerced(c.args[0].value, instant) }
	if l, ok := c.args[1].value.(*literal); ok && l.kind == textLiteral {
		if m := zoneOffset.FindStringSubmatch(l.value); m != nil {
			sign := m[1]
			if back {
				sign = map[string]string{"+": "-", "-": "+"}[sign]
			}
			w.around(c, "(", moment, " "+sign+" INTERVAL '"+itoa(atoi(m[2])*60+atoi("0"+m[3]))+" minutes')")
			return
		}
	}
	first, second := "timezone(", ", timezone('UTC', "
	zone := func() { w.coerced(c.args[1].value, text) }
	if !back {
		w.around(c, first, zone, second)
		w.around(c, "", moment, "))")
		return
	}
	w.around(c, "timezone('UTC', timezone(", zone, ", ")
	w.around(c, "", moment, "))")
}
