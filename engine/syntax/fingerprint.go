package syntax

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Fingerprint identifies a list of nodes and plain values. Places are left out, and so is every empty value: a field
// that a later DuckDB adds with its default does not make an unchanged query look changed.
func Fingerprint(parts ...any) string {
	b := fmt.Appendf(nil, "[%d", len(parts))
	for _, p := range parts {
		if n, ok := p.(Node); ok {
			b = appendHashed(b, value{object: n.tree()})
		} else {
			b = fmt.Appendf(b, "%T%#v;", p, p)
		}
	}
	return hashed(b)
}

func fingerprint(v value) string { return hashed(appendHashed(make([]byte, 0, 1<<12), v)) }

func hashed(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// appendHashed writes what is hashed. It never changes, for fingerprints are stored: its types are those of Go's JSON
// decoder.
func appendHashed(b []byte, v value) []byte {
	switch {
	case v.object != nil:
		return appendObject(b, v.object)
	case v.scalar == "":
		b = strconv.AppendInt(append(b, '['), int64(len(v.list)), 10)
		for _, e := range v.list {
			b = appendHashed(b, e)
		}
		return b
	case v.scalar[0] == '"':
		return append(strconv.AppendQuote(append(b, "string"...), v.text()), ';')
	case v.scalar == "true", v.scalar == "false":
		return append(append(append(b, "bool"...), v.scalar...), ';')
	case v.scalar == "null":
		return append(b, "<nil><nil>;"...)
	}
	number, _ := strconv.ParseFloat(v.scalar, 64) // one that is too large is infinite
	b = fmt.Appendf(b, "float64%#v;", number)
	if math.Abs(number) >= 1<<53 { // other digits may be the same float64
		b = append(append(b, v.scalar...), ';')
	}
	return b
}

func appendObject(b []byte, o *object) []byte {
	kept := make([]field, 0, 16)
	for _, f := range o.fields {
		if f.name != location && !f.value.empty() {
			kept = append(kept, f)
		}
	}
	slices.SortFunc(kept, func(a, b field) int { return strings.Compare(a.name, b.name) })
	b = strconv.AppendInt(append(b, '{'), int64(len(kept)), 10)
	for _, f := range kept {
		b = append(strconv.AppendQuote(b, f.name), ':')
		b = appendHashed(b, f.value)
	}
	return b
}
