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
	// Of is what event_log(TABLE(name)) asks for: a table of the pipeline whose event log is read. Name and Relation are
	// the event log's then.
	Of string
	// Relation is the name, not quoted, that stands in the rewritten query instead. The caller makes
	// a relation of that name.
	Relation string
}

// TimeTravel rewrites every
//
//	name [FOR] VERSION AS OF 123
//	name [FOR] TIMESTAMP AS OF '2025-01-31 12:00:00'
//	table_changes('name', 3 [, 7])
//	event_log('id')
//	event_log(TABLE(name))
//
// of a query (and SYSTEM_VERSION, SYSTEM_TIME, as in Spark) to a relation of its own, and lists each
// pair of dataset and version once; what has an id in brackets is the event log and not listed. back turns an offset of
// text into one of the query. The error says what is missing after AS OF, or between the brackets.
func TimeTravel(query string) (text string, travels []Travel, back func(int) int, err error) {
	r := &traveler{query: query, tokens: significant(lex(query))}
	for _, i := range relations(query, r.tokens) {
		if err := r.relation(i); err != nil {
			return "", nil, nil, err
		}
	}
	r.out.WriteString(query[r.done:])
	return r.out.String(), r.travels, r.back, nil
}

// traveler rewrites a query for TimeTravel.
type traveler struct {
	query   string
	tokens  []token
	out     strings.Builder
	travels []Travel
	done    int    // how far the query is in out
	edits   []edit // of the query, with what stands there instead
}

func (r *traveler) text(i int) string {
	if i >= len(r.tokens) {
		return ""
	}
	return r.query[r.tokens[i].start:r.tokens[i].end]
}

// is reports whether a word stands at token i.
func (r *traveler) is(i int, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(r.text(i), w) })
}

// put has text stand for the tokens from first to last.
func (r *traveler) put(text string, first, last int) {
	start, end := r.tokens[first].start, r.tokens[last].end
	r.out.WriteString(r.query[r.done:start] + text)
	r.edits = append(r.edits, edit{start, end, text})
	r.done = end
}

func (r *traveler) found(t Travel) {
	if !slices.Contains(r.travels, t) {
		r.travels = append(r.travels, t)
	}
}

// back turns an offset of the rewritten text into one of the query: the beginning of what was rewritten.
func (r *traveler) back(offset int) int {
	grown := 0
	for _, e := range r.edits {
		switch at := e.start + grown; {
		case offset < at:
			return offset - grown
		case offset < at+len(e.text):
			return e.start
		}
		grown += len(e.text) - (e.end - e.start)
	}
	return offset - grown
}

// relation rewrites the relation that begins at token i.
func (r *traveler) relation(i int) error {
	switch {
	case r.tokens[i].start < r.done:
		return nil
	case r.is(i, changesFunction) && r.text(i+1) == "(":
		t, last, err := changesCall(r.tokens, i, r.text)
		if err != nil {
			return err
		}
		r.found(t)
		r.put(quote(t.Relation), i, last)
		return nil
	case r.is(i, eventLog) && r.text(i+1) == "(":
		return r.log(i)
	}
	return r.version(i)
}

// version rewrites a name with AS OF behind it.
func (r *traveler) version(i int) error {
	name, after, ok := dotted(r.query, r.tokens, i)
	if !ok {
		return nil
	}
	end := after
	if r.is(after, "for") {
		after++
	}
	version := r.is(after, "version", "system_version")
	timestamp := r.is(after, "timestamp", "system_time")
	if !version && !timestamp || !r.is(after+1, "as") || !r.is(after+2, "of") {
		return nil
	}
	after += 3
	if timestamp && r.is(after, "timestamp", "date") {
		after++
	}
	t := Travel{Name: path(r.query, r.tokens[i:end])}
	value, ok := travelValue(r.tokens, after, r.text(after), version)
	if !ok {
		return travelError(t.Name, version)
	}
	if version {
		t.Version, t.Relation = value, t.Name+"@version="+value
	} else {
		t.Timestamp, t.Relation = value, t.Name+"@timestamp="+value
	}
	r.found(t)
	text := quote(t.Relation)
	if !r.is(after+1, "as") && (after+1 >= len(r.tokens) || !isName(r.query, r.tokens[after+1])) {
		text += " AS " + r.query[name.start:name.end]
	}
	r.put(text, i, after)
	return nil
}

// eventLog is the event log's table, and Databricks' table function for it.
const eventLog = "event_log"

// log rewrites event_log('id') and event_log(TABLE(name)). A pipeline has one event log, whatever its id.
func (r *traveler) log(i int) error {
	wrong := fmt.Errorf("%s needs the id of a pipeline or one of its tables: %[1]s('id') or %[1]s(TABLE(orders))", eventLog)
	last := i + 3
	if r.is(i+2, "table") && r.text(i+3) == "(" && i+4 < len(r.tokens) {
		_, after, ok := dotted(r.query, r.tokens, i+4)
		if !ok || r.text(after) != ")" {
			return wrong
		}
		r.found(Travel{Name: eventLog, Relation: eventLog, Of: path(r.query, r.tokens[i+4:after])})
		last = after + 1
	} else if i+2 >= len(r.tokens) || r.tokens[i+2].kind != str && r.tokens[i+2].kind != quoted {
		return wrong
	}
	if r.text(last) != ")" {
		return wrong
	}
	r.put(eventLog, i, last)
	return nil
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
	// Names have no dots and quotes in them, so that those in the text are around its parts.
	if t.Name = quotes.Replace(name); strings.Trim(t.Name, ". ") != t.Name {
		return t, 0, wrong
	}
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

var quotes = strings.NewReplacer(`"`, "", "`", "")

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
