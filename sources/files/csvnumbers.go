package files

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/values"
)

// numbers is how numbers are written, where it is not with a point and without groups. The zero value is the usual way.
type numbers struct {
	decimal, thousands string
	pattern            *regexp.Regexp
}

func (o CSV) numbers() numbers {
	if o.DecimalSeparator == "" && o.Thousands == "" {
		return numbers{}
	}
	n := numbers{decimal: cmp.Or(o.DecimalSeparator, "."), thousands: o.Thousands}
	whole := `[0-9]*`
	if n.thousands != "" {
		whole = `(?:[0-9]{1,3}(?:` + regexp.QuoteMeta(n.thousands) + `[0-9]{3})+|[0-9]*)`
	}
	n.pattern = regexp.MustCompile(`^-?` + whole + `(?:` + regexp.QuoteMeta(n.decimal) + `[0-9]*)?(?:[eE][+-]?[0-9]+)?$`)
	return n
}

// guess adds a field to what is known of its column.
func (n numbers) guess(g *values.Guess, b []byte) {
	if n.pattern == nil {
		g.Text(b)
		return
	}
	var plain values.Guess
	plain.Text(b)
	switch {
	case n.pattern.Match(b):
		text := strings.ReplaceAll(string(b), n.thousands, "")
		if n.thousands == "" {
			text = string(b)
		}
		g.Text([]byte(strings.Replace(text, n.decimal, ".", 1)))
	case isNumber(plain): // but not in this way
		g.Mixed()
	default:
		g.Merge(plain)
	}
}

func isNumber(g values.Guess) bool { return g.Seen() && numeric(g.Type()) }

func numeric(t schemas.Type) bool {
	switch t.Kind {
	case schemas.Integer, schemas.BigInt, schemas.Float, schemas.Double, schemas.Decimal:
		return true
	}
	return false
}

// plain is the SQL of the number with a point and without groups, of the text v; of what is no number it is a text that
// is none either.
func (n numbers) plain(v string) string {
	if n.pattern == nil {
		return v
	}
	text := v
	if n.thousands != "" {
		text = fmt.Sprintf("replace(%s, %s, '')", v, quote.Text(n.thousands))
	}
	return fmt.Sprintf("CASE WHEN %s IS NULL THEN NULL WHEN regexp_full_match(%s, %s) THEN replace(%s, %s, '.') ELSE 'no number' END",
		v, v, quote.Text(n.pattern.String()), text, quote.Text(n.decimal))
}
