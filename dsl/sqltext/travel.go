package sqltext

import (
	"fmt"
	"slices"
	"strings"
)

// Travel is a dataset as it was at an earlier version or time, as a query asks for it.
type Travel struct {
	Name string // of the dataset, with its schema where one is written: bronze.orders
	// Version or Timestamp is what stands after AS OF, without quotes; the other one is empty.
	Version, Timestamp string
	// Since and Until are the bounds of a change feed, both included: commit numbers, or times. Until is empty for the
	// last commit; both are for what is no change feed.
	Since, Until string
	// Relation is the name, not quoted, that stands in the rewritten query instead. The caller makes
	// a relation of that name.
	Relation string
}

// TimeTravel rewrites every
//
//	name [FOR] VERSION AS OF 123
//	name [FOR] TIMESTAMP AS OF '2025-01-31 12:00:00'
//	table_changes('name', 3 [, 7])
//
// of a query (and SYSTEM_VERSION, SYSTEM_TIME, as in Spark) to a relation of its own, and lists each
// pair of dataset and version once. The error says what is missing after AS OF, or between the brackets.
func TimeTravel(query string) (string, []Travel, error) {
	tokens := significant(lex(query))
	text := func(i int) string {
		if i >= len(tokens) {
			return ""
		}
		return query[tokens[i].start:tokens[i].end]
	}
	var out strings.Builder
	var travels []Travel
	done := 0
	for _, i := range relations(query, tokens) {
		if strings.EqualFold(text(i), changesFunction) && text(i+1) == "(" {
			t, last, err := changesCall(tokens, i, text)
			if err != nil {
				return "", nil, err
			}
			if !slices.Contains(travels, t) {
				travels = append(travels, t)
			}
			out.WriteString(query[done:tokens[i].start] + quote(t.Relation))
			done = tokens[last].end
			continue
		}
		name, after, ok := dotted(query, tokens, i)
		if !ok {
			continue
		}
		end := after
		if strings.EqualFold(text(after), "for") {
			after++
		}
		version := strings.EqualFold(text(after), "version") || strings.EqualFold(text(after), "system_version")
		timestamp := strings.EqualFold(text(after), "timestamp") || strings.EqualFold(text(after), "system_time")
		if !version && !timestamp || !strings.EqualFold(text(after+1), "as") || !strings.EqualFold(text(after+2), "of") {
			continue
		}
		after += 3
		if timestamp && (strings.EqualFold(text(after), "timestamp") || strings.EqualFold(text(after), "date")) {
			after++
		}
		t := Travel{Name: path(query, tokens[i:end])}
		value, ok := travelValue(tokens, after, text(after), version)
		if !ok {
			return "", nil, travelError(t.Name, version)
		}
		if version {
			t.Version, t.Relation = value, t.Name+"@version="+value
		} else {
			t.Timestamp, t.Relation = value, t.Name+"@timestamp="+value
		}
		if !slices.Contains(travels, t) {
			travels = append(travels, t)
		}
		out.WriteString(query[done:tokens[i].start] + quote(t.Relation))
		if !strings.EqualFold(text(after+1), "as") && (after+1 >= len(tokens) || !isName(query, tokens[after+1])) {
			out.WriteString(" AS " + query[name.start:name.end])
		}
		done = tokens[after].end
	}
	out.WriteString(query[done:])
	return out.String(), travels, nil
}

// changesFunction is Databricks' and Spark's table function of a table's change feed.
const changesFunction = "table_changes"

// changesCall reads the call that begins at a token, and returns the number of its last token.
func changesCall(tokens []token, i int, text func(int) string) (t Travel, last int, err error) {
	wrong := fmt.Errorf("%s needs the name of a table and one or two versions or times: %[1]s('orders', 3, 7)", changesFunction)
	name, ok := travelValue(tokens, i+2, text(i+2), false)
	if !ok || text(i+3) != "," {
		return t, 0, wrong
	}
	named := significant(lex(name))
	if _, end, ok := dotted(name, named, 0); !ok || end < len(named) {
		return t, 0, wrong
	}
	t.Name = path(name, named)
	if t.Since, ok = travelValue(tokens, i+4, text(i+4), true); !ok {
		return t, 0, wrong
	}
	last = i + 5
	if text(last) == "," {
		if t.Until, ok = travelValue(tokens, i+6, text(i+6), true); !ok {
			return t, 0, wrong
		}
		last = i + 7
	}
	if text(last) != ")" {
		return t, 0, wrong
	}
	t.Relation = t.Name + "@changes=" + t.Since + ".." + t.Until
	return t, last, nil
}

// travelValue reads what stands after AS OF: a number or text for a version, a text for a time.
func travelValue(tokens []token, i int, text string, version bool) (string, bool) {
	switch {
	case i >= len(tokens):
	case tokens[i].kind == number && version:
		return text, true
	case tokens[i].kind == str && strings.HasPrefix(text, "'") && len(text) > 2 && strings.HasSuffix(text, "'"):
		return strings.ReplaceAll(text[1:len(text)-1], "''", "'"), true
	}
	return "", false
}

func travelError(name string, version bool) error {
	if version {
		return fmt.Errorf("no version after AS OF; write %s VERSION AS OF 3", name)
	}
	return fmt.Errorf("no time after AS OF; write %s TIMESTAMP AS OF '2025-01-31 12:00:00'", name)
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
