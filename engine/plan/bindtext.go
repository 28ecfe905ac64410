package plan

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/syntax"
)

// DuckDB tells the first mistake of a statement. To find the others, what it stumbled over is replaced by NULL, which
// goes with everything, and the statement is bound again. From then on only names that are not there are reported:
// types are no longer what they would be.

// mostMistakes is how many mistakes of one query are looked for.
const mostMistakes = 20

// binding is a query or expectation to be bound.
type binding struct {
	query *sqltext.Query
	sql   string // query.Text with offsets as they are there
	// before and after make it a statement that begins with DESCRIBE.
	before, after string
	items         []syntax.Expression // the select list of a query
	code, what    string
	doubtful      bool // there are mistakes already in it, or in what it reads
	// again is the binding with the query written again; its error is one of the world.
	again func(context.Context, *sqltext.Query) (binding, error)
}

// bound is what is known of a binding. Of a doubtful one the columns' names are known, and not their types.
type bound struct {
	columns      []column
	ok, doubtful bool
}

func (c *compiler) bindText(ctx context.Context, b binding) (bound, error) {
	p, told := patches{}, map[string]bool{}
	for tries := 0; tries < mostMistakes; tries++ {
		doubtful := b.doubtful || len(p) > 0
		columns, err := c.describe(ctx, b.before+p.apply(b.sql)+b.after)
		if err == nil {
			return bound{columns, true, doubtful}, nil
		}
		e := readDuckError(err)
		if e == nil {
			return bound{}, err
		}
		if b.query.Rewrite != nil && len(p) == 0 { // the types that its translation depends on are known now
			if next, ok := b.query.Rewrite(e.Offset()-len(b.before), e.Message); ok {
				if b, err = b.again(ctx, next); err != nil {
					return bound{}, err
				}
				tries--
				continue
			}
		}
		offset, known := b.offset(e, p, c.in.Macros)
		if b.query.Spark && len(p) == 0 && (!known || castRefused.MatchString(e.Message)) {
			offset = c.blame(ctx, b, e, offset)
		}
		name := e.missing()
		if !doubtful || name != "" && !told[name] && written(b.query, name) {
			c.refusedBinding(b, e, offset)
		}
		told[name] = true
		if !known || c.aborts(e) || !p.add(b, offset) {
			break
		}
	}
	return bound{}, nil
}

func (c *compiler) refusedBinding(b binding, e *duckError, offset int) {
	if b.code == codeRuleBind && strings.HasPrefix(e.Message, "TRY can not be used") {
		c.diags.Errorf(codeRuleForm, at(b.query, -1, 0), rowHelp, "%s calls a function that is not decided from one row", b.what)
		return
	}
	message, help := e.explain()
	switch {
	case b.query.Spark:
		message, help = e.explainSpark(b, offset)
	case e.Subtype == "COLUMN_NOT_FOUND" && offset >= 0 && offset < len(b.sql) && b.sql[offset] == '"' && !strings.HasPrefix(help, "did you mean"):
		help = "double quotes are for names; write a text in single quotes: " + sqltext.Literal(e.Name)
	case e.Type == "Invalid Input" && strings.HasPrefix(e.Message, "Malformed JSON") && findName(b.sql, "from_json") >= 0:
		message, help = "the structure that from_json is given is not JSON", sparkHelp("from_json", true)
	}
	c.diags.Errorf(b.code, token(b.query, offset), help, "%s: %s", b.what, message)
}

// offset is where in the query DuckDB found a mistake. known is false where that is a guess.
func (b binding) offset(e *duckError, p patches, macros string) (offset int, known bool) {
	if macro := spark.MacroAt(macros, e.Offset()); macro != "" { // it is in the text of a macro, and where that is called is to blame
		if calls := spark.Calls(b.query.Text, macro); len(calls) > 0 {
			return calls[0], false
		}
		return -1, false
	}
	n := e.Offset() - len(b.before)
	if n < 0 {
		if m := quotedName.FindStringSubmatch(e.Message); m != nil {
			return findName(b.query.Text, m[1]), false
		}
		return -1, false
	}
	parser := e.Type == "Parser" || e.Type == "Syntax"
	if parser {
		n = syntax.ByteOffset(p.apply(b.sql), n)
	}
	at, ok := p.original(n)
	return at, ok && !parser
}

var missingName = regexp.MustCompile(`^(?i:table "[^"]+" does not have a column named|referenced (?:table|column)) "([^"]+)"`)

// missing is the name of a column, function or table that is not there, or empty for another mistake.
func (e *duckError) missing() string {
	if e.Subtype == "COLUMN_NOT_FOUND" || e.Subtype == "MISSING_ENTRY" {
		return strings.ToLower(e.Name)
	}
	if m := missingName.FindStringSubmatch(e.Message); m != nil {
		return strings.ToLower(m[1])
	}
	return ""
}

// patch replaces a part of a query.
type patch struct {
	start, end int // in the query
	text       string
}

// patches do not overlap, and are in the order of the text.
type patches []patch

func (p patches) apply(sql string) string {
	var b strings.Builder
	from := 0
	for _, x := range p {
		b.WriteString(sql[from:x.start] + x.text)
		from = x.end
	}
	return b.String() + sql[from:]
}

// original is the offset in the query of one in the patched text, unless it is inside of a patch.
func (p patches) original(at int) (offset int, ok bool) {
	shift := 0
	for _, x := range p {
		begin := x.start + shift
		if at < begin {
			break
		}
		if at < begin+len(x.text) {
			return x.start, false
		}
		shift += len(x.text) - (x.end - x.start)
	}
	return at - shift, true
}

// add replaces what stands at an offset by NULL: a name, a value, or the call of a function; at an operator, what it
// stands between. It is false where something else stands there.
func (p *patches) add(b binding, offset int) bool {
	if offset < 0 || offset >= len(b.sql) {
		return false
	}
	rest := strings.TrimLeft(b.sql[offset:], "<>=!+-*/%|&^~ \t\r\n")
	right := len(b.sql) - len(rest)
	return p.operand(b, right) || right > offset && p.operand(b, leftOperand(b.sql, offset))
}

func (p *patches) operand(b binding, offset int) bool {
	if offset < 0 || offset >= len(b.sql) {
		return false
	}
	if c := b.sql[offset]; !nameByte(c) && c != '"' && c != '\'' {
		return false
	}
	end := offset + tokenLength(b.sql, offset)
	open := end + len(b.sql[end:]) - len(strings.TrimLeft(b.sql[end:], " \t\r\n"))
	if open == len(b.sql) || b.sql[open] != '(' {
		return p.insert(patch{offset, end, "NULL" + b.alias(offset)})
	}
	shut := closing(b.sql, open)
	switch {
	case shut < 0:
		return false
	case strings.TrimSpace(b.sql[open+1:shut]) == "":
		return p.insert(patch{offset, shut + 1, "NULL"})
	}
	return p.insert(patch{offset, end, "(CASE WHEN row"}) && p.insert(patch{shut + 1, shut + 1, " IS NULL THEN NULL END)"})
}

// leftOperand is where the name or number begins that stands in front of an operator, or -1.
func leftOperand(sql string, operator int) int {
	end := len(strings.TrimRight(sql[:operator], " \t\r\n"))
	start := end
	for start > 0 && (nameByte(sql[start-1]) || sql[start-1] == '.') {
		start--
	}
	if start == end {
		return -1
	}
	return start
}

func (p *patches) insert(x patch) bool {
	if slices.ContainsFunc(*p, func(o patch) bool { return x.start < o.end && o.start < x.end }) {
		return false
	}
	*p = append(*p, x)
	slices.SortStableFunc(*p, func(a, b patch) int { return cmp.Compare(a.start, b.start) })
	return true
}

// alias keeps the name of a column of the output that is replaced.
func (b binding) alias(offset int) string {
	for _, item := range b.items {
		if x, ok := item.(syntax.ColumnRef); ok && x.Alias() == "" && x.At() == offset {
			return " AS " + ident(x.Name())
		}
	}
	return ""
}

// closing is where the bracket that opens at an offset is closed, or -1.
func closing(sql string, open int) int {
	depth := 0
	for i := open; i < len(sql); {
		switch sql[i] {
		case '\'', '"':
			i = partEnd(sql, i)
			continue
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
		i++
	}
	return -1
}
