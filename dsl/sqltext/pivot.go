package sqltext

import "strings"

// pivotValues is what a column of a PIVOT lacks that finds its values out for itself.
const pivotValues = " IN (0)"

// PivotColumns gives every column of a PIVOT values, IN (0), where the query leaves it to DuckDB to find them out: of
// such a query DuckDB gives no syntax tree. What is read and called is the same. Back turns an offset of the new text
// into one of the query. It is false when there is no such column.
func PivotColumns(query string) (text string, back func(int) int, ok bool) {
	p := pivoter{query: query, levels: []pivotLevel{{}}}
	for _, t := range significant(lex(query)) {
		p.token(t)
	}
	p.item()
	for _, at := range p.ends {
		if at < len(query) && !strings.ContainsRune(" \t\r\n,);", rune(query[at])) { // nothing must be cut in two
			return "", nil, false
		}
	}
	var out strings.Builder
	done := 0
	for _, at := range p.ends {
		out.WriteString(query[done:at] + pivotValues)
		done = at
	}
	out.WriteString(query[done:])
	back = func(offset int) int {
		for i := len(p.ends) - 1; i >= 0; i-- {
			if at := p.ends[i] + i*len(pivotValues); at < offset {
				return max(p.ends[i], offset-(i+1)*len(pivotValues))
			}
		}
		return offset
	}
	return out.String(), back, len(p.ends) > 0
}

// pivoter goes over the tokens of a query.
type pivoter struct {
	query  string
	levels []pivotLevel // of brackets
	ends   []int        // of columns without values
}

type pivotLevel struct {
	pivots, joins int  // whose ON is still to come
	columns       bool // behind the ON of a PIVOT
	end           int  // of the last token of a column; 0: there is none yet
	values        bool // it has some
}

func (p *pivoter) token(t token) {
	text := strings.ToLower(p.query[t.start:t.end])
	switch {
	case t.kind == punct && (text == "(" || text == "[" || text == "{"):
		p.levels = append(p.levels, pivotLevel{})
		return
	case t.kind == punct && (text == ")" || text == "]" || text == "}"):
		p.item()
		if len(p.levels) > 1 {
			p.levels = p.levels[:len(p.levels)-1]
		}
	}
	l := &p.levels[len(p.levels)-1]
	if t.kind == word && p.keyword(l, text) {
		return
	}
	switch {
	case !l.columns:
	case t.kind == punct && (text == "," || text == ";"):
		p.item()
		l.columns = text == ","
	default:
		l.end = t.end
	}
}

// keyword takes a word that tells where columns begin and end.
func (p *pivoter) keyword(l *pivotLevel, text string) bool {
	switch text {
	case "pivot", "pivot_wider":
		l.pivots++
	case "join":
		l.joins++
	case "on":
		if l.joins > 0 {
			l.joins--
		} else if l.pivots > 0 {
			l.pivots--
			l.columns = true
		}
	case "using", "group", "order", "limit", "offset", "union", "except", "intersect":
		p.item()
		l.columns = false
	case "in":
		l.values = true
		return false
	default:
		return false
	}
	return true
}

// item ends a column.
func (p *pivoter) item() {
	l := &p.levels[len(p.levels)-1]
	if l.columns && l.end > 0 && !l.values {
		p.ends = append(p.ends, l.end)
	}
	l.end, l.values = 0, false
}
