package jsonrecords

import "github.com/lakeflow/lakeflow/schemas"

// entries writes the entries of a map, and says whether all of them fit.
func (r *fitting) entries(k *Tree, at place) (whole bool) {
	whole = true
	members := r.read()
	after := r.pos
	keys := make(map[string]string, len(members)) // as they are written, by the value
	r.out = append(r.out, '{')
	first := true
	for _, m := range members {
		key, same, ok := r.mapKey(*k.typ.Key, m.key)
		if other, repeated := keys[same]; repeated || !ok {
			whole = false
			if !r.options.Rescues {
				r.wrongKey(at, *k.typ.Key, string(m.key), other, repeated)
			}
			continue
		}
		keys[same] = string(m.key)
		if !first {
			r.out = append(r.out, ',')
		}
		first = false
		r.out = append(AppendText(r.out, key), ':')
		r.pos = m.from
		whole = r.value(k.elem, at.within("value")) == "" && whole
	}
	r.out = append(r.out, '}')
	r.pos = after
	return whole
}

// mapKey is fits for the key of a map. The same is the same text for keys that are equal.
func (r *fitting) mapKey(t schemas.Type, text []byte) (key []byte, same string, ok bool) {
	if !spelledInWays(t) {
		key, ok = r.fits(t, text)
		return key, string(key), ok
	}
	if len(text) > longestAsked {
		return nil, "", false
	}
	key, ok = r.asked(t, text)
	if same = string(key); same == "-0.0" {
		same = "0.0"
	}
	return key, same, ok
}

// spelledInWays says whether texts that differ may fit a type as they stand and be equal.
func spelledInWays(t schemas.Type) bool {
	switch t.Kind {
	case schemas.Double, schemas.Float, schemas.Decimal, schemas.Timestamp, schemas.TimestampTZ, schemas.Time:
		return true
	}
	return false
}

func (r *fitting) wrongKey(at place, t schemas.Type, key, other string, repeated bool) {
	switch {
	case !repeated:
		r.wrong("column %s: the key %s is not %s", at.label, shortQuote(key), t)
	case key == other:
		r.wrong("column %s has the key %s twice", at.label, shortQuote(key))
	default:
		r.wrong("column %s has the keys %s and %s, which are the same %s", at.label, shortQuote(other), shortQuote(key), t)
	}
}
