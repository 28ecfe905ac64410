package files

import (
	"cmp"
	"strings"
	"unicode"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// check reports what is wrong with the options of CSV files.
func (c CSV) check(diags *diag.List) {
	for _, x := range []struct {
		key         string
		value       *string
		least, most int
	}{{"delimiter", &c.Delimiter, 1, 4}, {"quote", c.Quote, 0, 1}, {"escape", c.Escape, 0, 1}, {"comment", &c.Comment, 0, 1},
		{"decimal_separator", &c.DecimalSeparator, 1, 1}, {"thousands", &c.Thousands, 1, 1}} {
		if c.Read(x.key) && (len(*x.value) < x.least || len(*x.value) > x.most) {
			diags.Errorf("LF0112", c.At(x.key), "write it in quotes, as in "+x.key+": \"|\"", "%s must have at least %d and at most %d characters", x.key, x.least, x.most)
		}
	}
	strptime("date_format", c.DateFormat, c.At("date_format"), diags)
	strptime("timestamp_format", c.TimestampFormat, c.At("timestamp_format"), diags)
	if c.Skip != nil && *c.Skip < 0 {
		diags.Errorf("LF0112", c.At("skip"), "write how many lines stand before the header", "skip must be at least 0")
	}
	c.numberSign("decimal_separator", c.DecimalSeparator, diags)
	c.numberSign("thousands", c.Thousands, diags)
	if c.Thousands != "" && c.Thousands == cmp.Or(c.DecimalSeparator, ".") {
		diags.Errorf("LF0112", c.At("thousands"), "write the character that stands between groups of three digits, and decimal_separator",
			"thousands and decimal_separator are both %q", c.Thousands)
	}
}

// numberSign refuses characters that mean something else in a number, or around it. The delimiter may stand in numbers
// in quotes.
func (c CSV) numberSign(key, char string, diags *diag.List) {
	if len(char) != 1 {
		return
	}
	quote := `"`
	if c.Quote != nil {
		quote = *c.Quote
	}
	escape := quote
	if c.Escape != nil {
		escape = *c.Escape
	}
	r := rune(char[0])
	switch {
	case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsControl(r), strings.Contains("+-"+quote+escape, char), r == ' ' && key == "decimal_separator":
		diags.Errorf("LF0112", c.At(key), "write the character that stands there in the numbers, as in "+key+": \",\"", "%s cannot be %q, which means something else in a number or around a field", key, char)
	}
}

// strptime checks the format of dates: DuckDB's letters, some of which may have a dash before them.
func strptime(key, format string, at diag.Range, diags *diag.List) {
	used := ""
	for rest := format; ; {
		_, after, more := strings.Cut(rest, "%")
		if !more {
			break
		}
		letters := "aAbBcdfgGhHIjmMnpSTuUVwWxXyYzZ%"
		size := 1
		if strings.HasPrefix(after, "-") {
			letters, size = "dHIjmMSy", 2
		}
		if len(after) < size || strings.IndexByte(letters, after[size-1]) < 0 {
			part := []rune(after)
			diags.Errorf("LF0112", at, "use the letters of strptime, such as %Y-%m-%d %H:%M:%S; a percent sign is %%", "%s has %q, which stands for no part of a date",
				key, "%"+string(part[:min(len(part), size)]))
			return
		}
		used += after[size-1 : size]
		rest = after[size:]
	}
	if format != "" {
		dateParts(key, used, at, diags)
	}
}

// dateParts refuses formats of which DuckDB makes another time than was written, by their letters.
func dateParts(key, letters string, at diag.Range, diags *diag.List) {
	zoned := strings.ContainsAny(letters, "zZ")
	switch {
	case !strings.ContainsAny(letters, "YyGcx"):
		diags.Errorf("LF0112", at, "write the format of a whole date, as in %d.%m.%Y; TIME columns need none", "%s has no year: of what is written so no date is known", key)
	case zoned && key == "date_format":
		diags.Errorf("LF0112", at, "declare timestamp_format, and the column as TIMESTAMP WITH TIME ZONE", "%s has an offset, which a DATE does not take", key)
	case zoned && strings.Contains(letters, "n"):
		diags.Errorf("LF0112", at, "write %f in the place of %n", "%s has nanoseconds beside an offset, and a time with an offset has six digits of a second", key)
	}
}
