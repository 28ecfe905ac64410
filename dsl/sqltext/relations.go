package sqltext

import "strings"

// clause is what one level of brackets has shown so far.
type clause struct {
	from bool   // inside a FROM list, where a comma leads to another relation
	list int    // which one
	call string // the function whose arguments these are
}

// relation is where a relation begins: the index of a significant token, and the number of the FROM list that it is in.
type relation struct{ token, list int }

// relations gives the indexes of the significant tokens at which a relation begins.
func relations(sql string, tokens []token) []int {
	var found []int
	for _, r := range relationLists(sql, tokens) {
		found = append(found, r.token)
	}
	return found
}

// relationLists gives the relations of a query: after FROM and JOIN, and after a comma of a FROM list. Other uses of the
// word FROM, as in extract(year FROM x) and IS DISTINCT FROM, are left out.
func relationLists(sql string, tokens []token) []relation {
	var found []relation
	stack, lists := []clause{{}}, 0
	expect := false
	for i, t := range tokens {
		top := &stack[len(stack)-1]
		text := strings.ToLower(sql[t.start:t.end])
		afterDot := i > 0 && sql[tokens[i-1].start:tokens[i-1].end] == "."
		switch {
		case text == "(" && expect:
			stack = append(stack, clause{from: true, list: top.list})
		case text == "(" || text == "[" || text == "{":
			call := ""
			if text == "(" && i > 0 && tokens[i-1].kind == word {
				call = strings.ToLower(sql[tokens[i-1].start:tokens[i-1].end])
			}
			stack, expect = append(stack, clause{call: call}), false
		case text == ")" || text == "]" || text == "}":
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
			expect = false
		case text == ",":
			expect = top.from
		case t.kind == word && !afterDot && (text == "join" || text == "from" && opensList(sql, tokens[:i], top.call)):
			if text == "from" {
				lists++
				top.list = lists
			}
			top.from, expect = true, true
		case t.kind == word && !afterDot && expect && (text == "lateral" || text == "only"):
		case text == ";" || t.kind == word && !afterDot && closesList(text):
			top.from, expect = false, false
		case expect:
			found, expect = append(found, relation{i, top.list}), false
		}
	}
	return found
}

// opensList reports whether the word FROM after these tokens begins a FROM list.
func opensList(sql string, before []token, call string) bool {
	switch call {
	case "extract", "substring", "trim", "overlay":
		// A FROM list inside of them stands in brackets of its own.
		return false
	}
	last := func(n int) string {
		if len(before) < n {
			return ""
		}
		t := before[len(before)-n]
		return strings.ToLower(sql[t.start:t.end])
	}
	return last(1) != "distinct" || last(2) != "is" && last(2) != "not"
}

func closesList(keyword string) bool {
	switch keyword {
	case "select", "where", "group", "having", "order", "limit", "offset", "fetch", "window", "qualify", "union",
		"intersect", "except", "values", "returning":
		return true
	}
	return false
}

// dotted reads name or a.b.name at tokens[i] and returns the index after it; ok is false when no name is there.
func dotted(sql string, tokens []token, i int) (last token, after int, ok bool) {
	if i >= len(tokens) || !isName(sql, tokens[i]) {
		return token{}, i, false
	}
	for i+2 < len(tokens) && sql[tokens[i+1].start:tokens[i+1].end] == "." &&
		(tokens[i+2].kind == word || tokens[i+2].kind == quoted) {
		i += 2
	}
	return tokens[i], i + 1, true
}
