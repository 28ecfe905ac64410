package sqltext

import (
	"slices"
	"strings"
)

// Qualify gives the query with the tables of schemas as relations of DuckDB have their names: own.orders becomes orders,
// where own is the pipeline's schema, and bronze.orders becomes "bronze.orders" AS orders, or, with an alias,
// "bronze.orders". Columns behind such a name, as in bronze.orders.id, go along. others are the names of the tables in
// other schemas. What is not among them stays as it is. A query that names no schema is returned itself.
func (q *Query) Qualify(own string, others []string) *Query {
	u := qualifier{sql: q.Text, own: own, others: map[string]string{}, read: map[string]string{}}
	for _, name := range others {
		u.others[strings.ToLower(name)] = name
	}
	u.tokens = significant(lex(q.Text))
	u.relations()
	u.columns()
	if len(u.edits) == 0 {
		return q
	}
	slices.SortStableFunc(u.edits, func(a, b edit) int { return a.start - b.start })
	edited := q.edited(u.edits)
	if q.Rewrite != nil {
		edited.Rewrite = func(offset int, message string) (*Query, bool) {
			next, ok := q.Rewrite(before(u.edits, offset), message)
			if ok {
				next = next.Qualify(own, others)
			}
			return next, ok
		}
	}
	return edited
}

// qualifier collects the edits of one query.
type qualifier struct {
	sql    string
	tokens []token // the significant ones
	own    string
	others map[string]string // by their names in lower case
	read   map[string]string // what relations of the query are called behind FROM, by schema and name in lower case
	named  map[int]bool      // tokens that begin a relation
	edits  []edit
}

func (u *qualifier) text(i int) string {
	if i < 0 || i >= len(u.tokens) {
		return ""
	}
	return u.sql[u.tokens[i].start:u.tokens[i].end]
}

// path is what a dotted name says, beginning at a token: the indexes of its parts.
func (u *qualifier) path(i int) []int {
	if i >= len(u.tokens) || !isName(u.sql, u.tokens[i]) {
		return nil
	}
	parts := []int{i}
	for u.text(i+1) == "." && i+2 < len(u.tokens) && (u.tokens[i+2].kind == word || u.tokens[i+2].kind == quoted) {
		i += 2
		parts = append(parts, i)
	}
	return parts
}

// place is where a relation is named: the parts of its name behind __stream, and whether it has an alias.
type place struct {
	parts   []int
	list    int
	aliased bool
}

// relations edits the names of relations.
func (u *qualifier) relations() {
	u.named = map[int]bool{}
	called := map[int]map[string]string{} // in one FROM list: by the last part of a name, the whole name
	clash := map[int]map[string]bool{}
	var places []place
	for _, r := range relationLists(u.sql, u.tokens) {
		p := place{list: r.list}
		if u.text(r.token+1) == ":" { // alias: name
			r.token, p.aliased = r.token+2, true
		}
		if p.parts = u.path(r.token); p.parts == nil {
			continue
		}
		u.named[r.token] = true
		after := p.parts[len(p.parts)-1] + 1
		p.aliased = p.aliased || strings.EqualFold(u.text(after), "as") || after < len(u.tokens) && isName(u.sql, u.tokens[after])
		if first := unquote(u.text(p.parts[0])); len(p.parts) > 1 && (first == StreamSchema || first == ChangesSchema) {
			p.parts = p.parts[1:]
		}
		if !p.aliased {
			if called[r.list] == nil {
				called[r.list], clash[r.list] = map[string]string{}, map[string]bool{}
			}
			last := strings.ToLower(unquote(u.text(p.parts[len(p.parts)-1])))
			whole := u.key(p.parts)
			if other, there := called[r.list][last]; there && other != whole {
				clash[r.list][last] = true
			}
			called[r.list][last] = whole
		}
		places = append(places, p)
	}
	for _, p := range places {
		if len(p.parts) == 2 {
			u.relation(p, clash[p.list])
		}
	}
}

// key is a name in lower case, without quotes.
func (u *qualifier) key(parts []int) string {
	names := make([]string, len(parts))
	for i, part := range parts {
		names[i] = strings.ToLower(unquote(u.text(part)))
	}
	return strings.Join(names, ".")
}

// relation edits schema.name. Two tables of one FROM list that have the same name in different schemas go by their whole
// names.
func (u *qualifier) relation(p place, clash map[string]bool) {
	key := u.key(p.parts)
	schema, name := u.tokens[p.parts[0]], u.tokens[p.parts[1]]
	bare := u.sql[name.start:name.end]
	if strings.EqualFold(unquote(u.text(p.parts[0])), u.own) {
		u.edits = append(u.edits, edit{schema.start, name.start, ""})
		if !p.aliased {
			u.read[key] = bare
		}
		return
	}
	table, ok := u.others[key]
	if !ok {
		return
	}
	text := quote(table)
	switch {
	case p.aliased:
	case clash[strings.ToLower(unquote(bare))]:
		u.read[key] = text
	default:
		u.read[key] = bare
		text += " AS " + bare
	}
	u.edits = append(u.edits, edit{schema.start, name.end, text})
}

// columns edits the names of tables that stand before those of columns.
func (u *qualifier) columns() {
	for i, t := range u.tokens {
		if t.kind != word && t.kind != quoted || u.named[i] || u.text(i-1) == "." || u.text(i+1) != "." || u.text(i+3) != "." {
			continue
		}
		if called, ok := u.read[u.key([]int{i, i + 2})]; ok {
			u.edits = append(u.edits, edit{t.start, u.tokens[i+2].end, called})
		}
	}
}

// edited is the query with other words in the place of some of Text. The edits are in order.
func (q *Query) edited(edits []edit) *Query {
	out := *q
	out.pieces = nil
	var b strings.Builder
	done := 0
	for _, e := range append(edits, edit{len(q.Text), len(q.Text), ""}) {
		q.copied(&out, &b, done, e.start)
		if e.text != "" {
			start, _ := q.rawAt(e.start)
			_, end := q.rawAt(max(e.end-1, e.start))
			out.pieces = append(out.pieces, piece{b.Len(), len(e.text), start, end - start, false})
			b.WriteString(e.text)
		}
		done = e.end
	}
	out.Text = b.String()
	return &out
}

// copied adds Text[start:end].
func (q *Query) copied(out *Query, b *strings.Builder, start, end int) {
	for _, p := range q.pieces {
		from, to := max(p.out, start), min(p.out+p.outLen, end)
		if from >= to {
			continue
		}
		next := piece{b.Len(), to - from, p.raw, p.rawLen, p.verbatim}
		if p.verbatim {
			next.raw, next.rawLen = p.raw+from-p.out, to-from
		}
		out.pieces = append(out.pieces, next)
		b.WriteString(q.Text[from:to])
	}
}

// before is the offset in a text of an offset behind edits of it; -1 stays.
func before(edits []edit, offset int) int {
	shift := 0
	for _, e := range edits {
		if offset < e.start+shift {
			break
		}
		if offset < e.start+shift+len(e.text) {
			return e.start
		}
		shift += len(e.text) - (e.end - e.start)
	}
	return offset - shift
}
