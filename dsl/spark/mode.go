package spark

import (
	"regexp"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// mode is how a session of Spark is set: spark.sql.ansi.enabled=false, and spark.sql.session.timeZone. Macros exist once
// for each mode that is used; their names end in it.
type mode struct {
	legacy bool
	zone   string // empty for UTC
}

// modeOf is the mode of a pipeline. Without a zone that is known there is no way to go on.
func (in Pipeline) mode(diags *diag.List, at diag.Range) (m mode, ok bool) {
	m = mode{legacy: in.Legacy, zone: in.TimeZone}
	switch strings.ToUpper(in.TimeZone) {
	case "UTC", "GMT", "Z", "+00:00", "ETC/UTC", "UNIVERSAL", "ZULU":
		m.zone = ""
	}
	if m.zone == "" {
		return m, true
	}
	if _, err := time.LoadLocation(m.zone); err != nil || strings.ContainsAny(m.zone, `'"`) || !strings.Contains(m.zone, "/") {
		diags.Errorf(codeZone, at, "write spark.sql.session.timeZone as Europe/Berlin", "there is no time zone %s", clip(in.TimeZone))
		return m, false
	}
	return m, true
}

// suffix is what stands behind the names of the macros of this mode.
func (m mode) suffix() string {
	s := ""
	if m.legacy {
		s = " legacy"
	}
	if m.zone != "" {
		s += " in " + m.zone
	}
	return s
}

// splitMode takes the mode off the name of a macro.
func splitMode(name string) (string, mode) {
	m := mode{}
	if n, zone, found := strings.Cut(name, " in "); found {
		name, m.zone = n, zone
	}
	name, m.legacy = strings.CutSuffix(name, " legacy")
	return name, m
}

var strictCast = regexp.MustCompile(`\bCAST\(`)

// body is the text of a macro in this mode.
func (m mode) body(name string) string {
	text := macroText(name)
	switch {
	case name == "local":
		return "(t) AS timezone(" + quoteText(m.zone) + ", timezone('UTC', t))"
	case name == "instant": // of two moments that the clocks show alike, Spark takes the first and DuckDB the second
		zone := quoteText(m.zone)
		return "(t) AS timezone('UTC', least(timezone(" + zone + ", t), timezone(" + zone + ", t - INTERVAL 1 HOUR) + INTERVAL 1 HOUR))"
	}
	if !m.legacy {
		return text
	}
	if own := legacyMacros[name]; own != "" {
		return own
	}
	return strictCast.ReplaceAllStringFunc(text, func(s string) string { return "TRY_" + s })
}

// expand writes the schema and the mode into a text that calls macros. In UTC there is nothing to convert.
func (m mode) expand(text string) string {
	if m.zone == "" {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "@local(", "("), "@instant(", "(")
	}
	var b strings.Builder
	for i := strings.IndexByte(text, '@'); i >= 0; i = strings.IndexByte(text, '@') {
		n := wordLength(text[i+1:])
		b.WriteString(text[:i] + Schema + "." + quoteName(text[i+1:i+1+n]+m.suffix()))
		text = text[i+1+n:]
	}
	return b.String() + text
}

// calls are the macros that a text calls, with the mode.
func (m mode) calls(text string) []string {
	var names []string
	for _, name := range macroCalls(text) {
		if m.zone != "" || name != "local" && name != "instant" {
			names = append(names, name+m.suffix())
		}
	}
	return names
}

// legacyMacros are those of a session that is not in ANSI mode in which not only a cast gives NULL.
var legacyMacros = map[string]string{
	"whole":       `(x) AS CASE WHEN regexp_matches(x, '^[ \t\r\n]*[+-]?[0-9]+([.][0-9]*)?[ \t\r\n]*$') THEN regexp_extract(x, '[+-]?[0-9]+') END`,
	"as_tinyint":  wrapToInteger("TINYINT", "128"),
	"as_smallint": wrapToInteger("SMALLINT", "32768"),
	"as_int":      wrapToInteger("INTEGER", "2147483648"),
	"as_bigint":   wrapToInteger("BIGINT", "9223372036854775808"),
	"as_boolean":  `(x) AS CASE WHEN @unfit(x, 'BOOLEAN', '^(BLOB|INTERVAL)$') THEN NULL WHEN typeof(x) = 'VARCHAR' THEN @text_boolean(CAST(x AS VARCHAR)) ELSE TRY_CAST(x AS BOOLEAN) END`,
	"as_binary": `(x) AS CASE WHEN @unfit(x, 'BINARY', '^(BOOLEAN|FLOAT|DOUBLE|DECIMAL.*|DATE|TIMESTAMP.*)$') THEN NULL WHEN typeof(x) = 'BLOB' THEN TRY_CAST(x AS BLOB)
	ELSE encode(CAST(x AS VARCHAR)) END`,
	"divisor":    `(x) AS nullif(x, 0)`,
	"added":      wrapped("+"),
	"subtracted": wrapped("-"),
	"multiplied": wrapped("*"),
	// beside is a value that meets another one in CASE or COALESCE: where one is a text, both are.
	"beside": `(x VARCHAR, y VARCHAR) AS x, (x VARCHAR, y) AS x, (x, y VARCHAR) AS @as_string(x), (x, y) AS x`,
	// chosen is NULL where there is no such text.
	"chosen": `(l, n) AS CASE WHEN n >= 1 THEN l[n] END`,
}

// around is a number that overflows as in Java.
func around(number, typ, half string) string {
	return "CAST(((" + number + " + " + half + ") % (2 * CAST(" + half + " AS HUGEINT)) + 2 * CAST(" + half + " AS HUGEINT)) % (2 * CAST(" + half + " AS HUGEINT)) - " + half + " AS " + typ + ")"
}

func wrapToInteger(typ, half string) string {
	whole := half // a DOUBLE becomes an INT first
	if typ == "TINYINT" || typ == "SMALLINT" {
		whole = "2147483648"
	}
	double := "CASE WHEN isnan(TRY_CAST(x AS DOUBLE)) THEN 0 WHEN TRY_CAST(x AS DOUBLE) >= " + whole + " THEN CAST(" + whole + " AS HUGEINT) - 1 WHEN TRY_CAST(x AS DOUBLE) <= -" + whole +
		" THEN -CAST(" + whole + " AS HUGEINT) ELSE TRY_CAST(trunc(TRY_CAST(x AS DOUBLE)) AS HUGEINT) END"
	return `(x) AS CASE WHEN @unfit(x, '` + typ + `', '^BLOB$') THEN NULL WHEN typeof(x) = 'VARCHAR' THEN TRY_CAST(@whole(CAST(x AS VARCHAR)) AS ` + typ + `)
	WHEN typeof(x) IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'BOOLEAN') THEN ` + around("TRY_CAST(x AS HUGEINT)", typ, half) + `
	WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN ` + around(double, typ, half) + `
	WHEN typeof(x) LIKE 'DECIMAL%' THEN ` + around("TRY_CAST(regexp_extract(CAST(x AS VARCHAR), '^-?[0-9]+') AS HUGEINT)", typ, half) + `
	WHEN typeof(x) LIKE 'TIMESTAMP%' THEN ` + around("CAST(floor(epoch(TRY_CAST(x AS TIMESTAMP))) AS HUGEINT)", typ, half) + ` ELSE TRY_CAST(@mismatch(x) AS ` + typ + `) END`
}

// wrapped is + - or * of integers.
func wrapped(op string) string {
	form := func(typ, half string) string {
		return "(x " + typ + ", y " + typ + ") AS " + around("CAST(x AS HUGEINT) "+op+" y", typ, half)
	}
	return strings.Join([]string{form("TINYINT", "128"), form("SMALLINT", "32768"), form("INTEGER", "2147483648"), form("BIGINT", "9223372036854775808"), "(x, y) AS x " + op + " y"}, ", ")
}

// needsUTC reports what has no meaning here when the session is in another zone than UTC.
func (w *writer) needsUTC(at span, what string) {
	if w.mode.zone != "" {
		w.fail(codeZone, at, "leave spark.sql.session.timeZone out; all moments are in UTC then", "%s is not supported in the session's time zone %s", what, w.mode.zone)
	}
}

// castInMode is what stands around a value that is cast, where the session is not in ANSI mode or not in UTC.
func (w *writer) castInMode(to string, k kind) (open, close string) {
	switch {
	case to == "TIMESTAMP" && k == instant, to == "DATE" && k == date, to == "VARCHAR" && k == text:
		return "CAST(", " AS " + to + ")"
	case k == text && (to == "DATE" || to == "TIMESTAMP" || to == "BOOLEAN"):
		return w.macro("text_"+strings.ToLower(to)) + "(", ")"
	case w.mode.zone != "" && k == instant && (to == "DATE" || to == "VARCHAR"):
		return "CAST(" + w.macro("local") + "(", ") AS " + to + ")"
	case w.mode.zone != "" && k == date && to == "TIMESTAMP":
		return w.macro("instant") + "(CAST(", " AS TIMESTAMP))"
	}
	return w.macro(castMacros[to]) + "(", ")"
}
