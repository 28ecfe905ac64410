package spark

import (
	"regexp"
	"strings"
)

// numberPattern reads a pattern of to_number: the regular expression that a text has to match, and the digits in front of
// the point and behind it.
func numberPattern(pattern string) (re string, whole, fraction int, ok bool) {
	p := strings.ToUpper(pattern)
	open, close := "^", "$"
	sign := func(cut func(string, string) (string, bool), word, re string, at *string) {
		if rest, found := cut(p, word); found {
			p, *at = rest, *at+re
		}
	}
	before := ""
	sign(strings.CutPrefix, "S", "[+-]?", &before)
	sign(strings.CutPrefix, "MI", "[+-]?", &before)
	open += before
	after := ""
	sign(strings.CutSuffix, "S", "[+-]?", &after)
	sign(strings.CutSuffix, "MI", "[+-]?", &after)
	close = after + close
	if rest, found := strings.CutPrefix(p, "$"); found {
		p, open = rest, open+`\$`
	}
	digits := strings.NewReplacer("G", ",", "D", ".").Replace(p)
	left, right, point := strings.Cut(digits, ".")
	if strings.Trim(left, "09,") != "" || strings.Trim(right, "09") != "" || len(left)+len(right) == 0 {
		return "", 0, 0, false
	}
	groups := strings.Split(left, ",")
	for i, g := range groups {
		whole += len(g)
		switch n := itoa(len(g)); {
		case i == 0 && strings.HasPrefix(g, "0"):
			open += "[0-9]{" + n + "}"
		case i == 0:
			open += "[0-9]{0," + n + "}"
		default:
			open += ",?[0-9]{0," + n + "}"
		}
	}
	if point {
		open += `(\.[0-9]{0,` + itoa(len(right)) + `})?`
	}
	return open + close, whole, len(right), whole+len(right) <= 38
}

// toNumber reads a text by a pattern of digits.
func toNumber(w *writer, c *call) {
	w.need(c, 2, 2, c.name+"(text, '9,999.99')")
	pattern := w.constant(c.args[1].value, "the pattern of a number")
	re, whole, fraction, ok := numberPattern(pattern)
	if !ok {
		w.fail(codeArguments, c.args[1].value.at(), "write it of 9, 0, a comma, a point, $ and S or MI: '$9,999.99'", "the pattern %s cannot be read", clip(pattern))
	}
	open, close := "", ""
	if c.name == "try_to_number" {
		open, close = "TRY(", ")"
	}
	typ := "DECIMAL(" + itoa(max(whole+fraction, 1)) + ", " + itoa(fraction) + ")"
	w.around(c, open+"CAST(@numeral_text(", func() { w.coerced(c.args[0].value, text) }, ", "+quoteText(re)+") AS "+typ+")"+close)
}

// toChar writes a date by a pattern. Numbers are not written by patterns here.
func toChar(w *writer, c *call) {
	w.need(c, 2, 2, c.name+"(date, 'yyyy-MM-dd')")
	pattern := w.constant(c.args[1].value, "the pattern")
	if strings.Trim(strings.ToUpper(pattern), "09.,$SDGMIPRL") == "" {
		w.fail(codeUnsupported, c.span, "use format_number(x, 2), or printf('%08.2f', x)", "numbers are not written by patterns")
	}
	dateFormat(w, c)
}

// toBinary reads bytes out of a text.
func toBinary(w *writer, c *call) {
	w.need(c, 1, 2, c.name+"(text, 'hex')")
	format := "hex"
	if len(c.args) == 2 {
		format = strings.ToLower(w.constant(c.args[1].value, "the format"))
	}
	function := map[string]string{"hex": "@unhexed(", "base64": "from_base64(", "utf-8": "encode(", "utf8": "encode("}[format]
	if function == "" {
		w.fail(codeArguments, c.args[1].value.at(), "write 'hex', 'base64' or 'utf-8'", "there is no format %s", clip(format))
	}
	open, close := "", ")"
	if c.name == "try_to_binary" {
		open, close = "TRY(", "))"
	}
	w.around(c, open+function, func() { w.coerced(c.args[0].value, text) }, close)
}

// urlParts are the parts of an address, with the regular expressions whose first group they are.
var urlParts = map[string]string{
	"PROTOCOL": `^([a-zA-Z][a-zA-Z0-9+.-]*):`, "AUTHORITY": `^[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#]*)`, "USERINFO": `^[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#@]*)@`,
	"HOST": `^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^:/?#\[]*)`, "PATH": `^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?://[^/?#]*)?([^?#]*)`,
	"QUERY": `^[^?#]*\?([^#]*)`, "REF": `^[^#]*#(.*)`, "FILE": `^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?://[^/?#]*)?([^#]*)`,
}

// parseURL takes a part out of an address.
func parseURL(w *writer, c *call) {
	w.need(c, 2, 3, c.name+"(url, 'HOST'), or "+c.name+"(url, 'QUERY', 'key')")
	part := w.constant(c.args[1].value, "the part of an address")
	re := urlParts[part]
	if re == "" {
		w.fail(codeArguments, c.args[1].value.at(), "write 'HOST', 'PATH', 'QUERY', 'REF', 'PROTOCOL', 'FILE', 'AUTHORITY' or 'USERINFO'", "there is no part %s of an address", clip(part))
	}
	if len(c.args) == 3 {
		key := w.constant(c.args[2].value, "the key")
		if part != "QUERY" {
			w.fail(codeArguments, c.args[2].value.at(), "leave it out", "only QUERY has keys")
		}
		re = `^[^?#]*\?(?:[^#]*&)?` + regexp.QuoteMeta(key) + `=([^&#]*)`
	}
	w.around(c, "@url_part(", func() { w.coerced(c.args[0].value, text) }, ", ")
	w.put(quoteText(re)+")", span{c.end, c.end}) // it has an @
}

// mask puts other characters in the place of letters and digits; NULL keeps them.
func mask(w *writer, c *call) {
	w.need(c, 1, 5, "mask(text, 'X', 'x', 'n', '*')")
	w.around(c, "@masked(", func() { w.coerced(c.args[0].value, text) }, "")
	for i, usual := range []string{"'X'", "'x'", "'n'", "CAST(NULL AS VARCHAR)"} {
		w.put(", ", c.nameAt)
		if i+1 < len(c.args) {
			w.coerced(c.args[i+1].value, text)
		} else {
			w.put(usual, c.nameAt)
		}
	}
	w.put(")", span{c.end, c.end})
}

// variantGet takes what stands at a path out of a VARIANT.
func variantGet(w *writer, c *call) {
	w.need(c, 2, 3, c.name+"(variant, '$.a', 'INT')")
	path := func() {
		w.around(c, "@json_path(", func() { w.expr(c.args[0].value) }, ", ")
		w.around(c, "", func() { w.coerced(c.args[1].value, text) }, ")")
	}
	if len(c.args) == 2 {
		w.around(c, "json_extract(", func() { w.expr(c.args[0].value) }, ", ")
		w.around(c, "", func() { w.coerced(c.args[1].value, text) }, ")")
		return
	}
	to := w.schema(c.args[2].value.at(), w.constant(c.args[2].value, "the type"))
	open, close := "CAST(", " AS "+to.duck()+")"
	if m := castMacros[to.duck()]; m != "" {
		open, close = "@"+m+"(", ")"
	}
	if strings.HasPrefix(c.name, "try_") {
		open, close = "TRY("+open, close+")"
	}
	w.around(c, open, path, close)
}

func encodeText(w *writer, c *call) {
	w.need(c, 2, 2, "encode(text, 'UTF-8')")
	w.charset(c.args[1].value)
	w.around(c, "encode(", func() { w.coerced(c.args[0].value, text) }, ")")
}

var conversion = regexp.MustCompile(`%[-#+ 0,(]*[0-9]*(?:\.[0-9]+)?([a-zA-Z%])`)

// formatText writes format_string: what %s stands for is made a text, and what %f and %e stand for a DOUBLE.
func formatText(w *writer, c *call) {
	w.need(c, 1, -1, c.name+"('%s: %d', a, b)")
	format := w.constant(c.args[0].value, "the format")
	var letters []string
	for _, m := range conversion.FindAllStringSubmatch(format, -1) {
		if m[1] != "%" {
			letters = append(letters, m[1])
		}
	}
	if strings.Contains(format, "$") && strings.Contains(format, "%1") || len(letters) > len(c.args)-1 {
		w.fail(codeArguments, c.args[0].value.at(), "write one % for each argument, in their order", "the format and its arguments do not go together")
	}
	w.put("printf("+quoteText(format), c.nameAt)
	for i, a := range c.args[1:] {
		letter := ""
		if i < len(letters) {
			letter = letters[i]
		}
		switch letter {
		case "s", "S":
			w.around(c, ", coalesce(", func() { w.castTo("VARCHAR", a.value, a.value.at()) }, ", 'null')")
		case "f", "e", "E", "g", "G":
			w.around(c, ", ", func() { w.castTo("DOUBLE", a.value, a.value.at()) }, "")
		default:
			w.around(c, ", ", func() { w.expr(a.value) }, "")
		}
	}
	w.put(")", span{c.end, c.end})
}
