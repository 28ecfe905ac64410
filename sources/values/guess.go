// Package values says what a text or a number of a record may become without a change: which type is inferred for it,
// and whether it fits a column's type. Inference is cautious: what could be an identifier, or be read in two ways,
// stays a text.
package values

import (
	"bytes"

	"github.com/lakeflow/lakeflow/schemas"
)

// Guess is what the values of a column that were seen so far are. The zero Guess has seen nothing but NULL. A Guess is
// used by one goroutine at a time; guesses of several are merged.
type Guess struct {
	kinds kind
	// wide says that there was a whole number of more than 15 digits, which DOUBLE may not hold.
	wide bool
}

type kind uint16

const (
	boolean  kind = 1 << iota
	whole         // fits BIGINT
	huge          // a whole number of up to 38 digits
	fraction      // of a DOUBLE
	date
	timestamp
	zoned // a timestamp with an offset
	text
)

// Text adds a field of a CSV file, without its quotes.
func (g *Guess) Text(b []byte) {
	if g.kinds&text != 0 {
		return
	}
	word := string(b) == "true" || string(b) == "false"
	b = bytes.Trim(b, " ")
	if len(b) == 0 {
		g.kinds |= text
		return
	}
	switch c := b[0]; {
	case c >= '0' && c <= '9', c == '-', c == '.':
		n := readNumber(b)
		if n.ok && n.asText {
			g.add(n)
			return
		}
		g.kinds |= momentOf(b)
	case word:
		g.kinds |= boolean
	default:
		g.kinds |= text
	}
}

// JSONText adds the content of a JSON string.
func (g *Guess) JSONText(b []byte) {
	if g.kinds&text == 0 {
		g.kinds |= momentOf(b)
	}
}

// Number adds a JSON number as it is written.
func (g *Guess) Number(b []byte) {
	if n := readNumber(b); n.ok {
		g.add(n)
	} else {
		g.kinds |= text
	}
}

func (g *Guess) add(n number) {
	switch {
	case n.fraction && !n.inDouble():
		g.kinds |= text
	case n.fraction:
		g.kinds |= fraction
	case n.digits <= bigintDigits:
		g.kinds |= whole
		g.wide = g.wide || n.digits > exactDigits
	case fitsBigint(n.text):
		g.kinds |= whole
		g.wide = true
	case n.digits <= decimalDigits:
		g.kinds |= huge
	default:
		g.kinds |= text
	}
}

// Bool adds true or false of JSON.
func (g *Guess) Bool() { g.kinds |= boolean }

// Mixed adds a value that has no type but text in common with any other: the column becomes VARCHAR.
func (g *Guess) Mixed() { g.kinds |= text }

// Merge adds what another guess has seen.
func (g *Guess) Merge(o Guess) {
	g.kinds |= o.kinds
	g.wide = g.wide || o.wide
}

// Seen says whether there was a value.
func (g Guess) Seen() bool { return g.kinds != 0 }

// Type is the narrowest type that holds all values as they are written: VARCHAR when nothing was seen.
func (g Guess) Type() schemas.Type {
	switch g.kinds {
	case boolean:
		return schemas.Type{Kind: schemas.Boolean}
	case whole:
		return schemas.Type{Kind: schemas.BigInt}
	case huge, huge | whole:
		return schemas.Type{Kind: schemas.Decimal, Precision: decimalDigits}
	case fraction:
		return schemas.Type{Kind: schemas.Double}
	case fraction | whole:
		if !g.wide {
			return schemas.Type{Kind: schemas.Double}
		}
	case date:
		return schemas.Type{Kind: schemas.Date}
	case timestamp:
		return schemas.Type{Kind: schemas.Timestamp}
	case zoned:
		return schemas.Type{Kind: schemas.TimestampTZ}
	}
	return schemas.Type{Kind: schemas.Varchar}
}
