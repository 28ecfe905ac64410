package sqlfile

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
)

// Parse reads the statements of a file, in their order. A statement ends with a semicolon, and at the latest with its
// cell of a notebook or with the file. What is wrong is added to diags, all of it: a statement with a mistake is
// returned too, Flawed, unless nothing is known of it.
func Parse(file, text string, diags *diag.List) []Statement {
	s := newSource(file, text, diags)
	var out []Statement
	cells := s.cells()
	s.uncover(cells)
	for _, c := range cells {
		tokens := s.tokens(c)
		for len(tokens) > 0 {
			end := slices.IndexFunc(tokens, func(t spark.Token) bool { return t.Is(s.text, ";") })
			rest := tokens[len(tokens):]
			if end >= 0 {
				tokens, rest = tokens[:end], tokens[end+1:]
			}
			for _, one := range s.split(tokens) {
				p := newParser(s, one)
				if st := p.statement(); st != nil {
					start, end := one[0].Start, one[len(one)-1].End
					broken := slices.ContainsFunc(s.broken, func(at int) bool { return start <= at && at < end })
					*st.head() = Head{Range: s.span(start, end), Flawed: p.flaws > 0 || broken}
					out = append(out, st)
				}
			}
			tokens = rest
		}
	}
	return out
}

// maxBroken is how many texts and comments without an end are passed over: each has the rest of the file read again.
const maxBroken = 20

// tokens are the significant tokens of a cell. A string, name or comment that has no end is reported, and ends with its
// line, before a semicolon, so that what follows is read all the same.
func (s *source) tokens(c cell) []spark.Token {
	var out []spark.Token
	for at := c.start; at < c.end; {
		tokens := spark.Lex(s.text[at:c.end])
		base := at
		at = c.end
		for _, t := range tokens {
			t.Start, t.End = t.Start+base, t.End+base
			if t.End == c.end && !t.Closed(s.text) && len(s.broken) < maxBroken {
				line, _, _ := strings.Cut(s.text[t.Start:c.end], "\n")
				line = strings.TrimRight(line, " \t\r")
				t.End = t.Start + max(1, len(strings.TrimSuffix(line, ";")))
				s.unclosed(t)
				at = t.End
			}
			out = append(out, t)
		}
	}
	return spark.Significant(out)
}

func (s *source) unclosed(t spark.Token) {
	what, end := "text", t.Text(s.text)[:1]
	switch {
	case t.Kind == spark.Comment:
		what, end = "comment", "*/"
	case t.Kind == spark.Name:
		what = "name"
	case end == "r" || end == "R":
		end = t.Text(s.text)[1:2]
	}
	s.broken = append(s.broken, t.Start)
	s.diags.Errorf("LF0505", s.span(t.Start, t.Start+len(end)),
		"add "+end+" where it ends, or see whether a quote before it is one too many",
		"the %s that begins here has no end", what)
}

// split parts statements between which a semicolon is missing, which is reported: a statement begins where only one can.
func (s *source) split(tokens []spark.Token) [][]spark.Token {
	var out [][]spark.Token
	start, depth := 0, 0
	for i, t := range tokens {
		switch {
		case t.Is(s.text, "("):
			depth++
		case t.Is(s.text, ")"):
			depth--
		case t.Kind == spark.Word && i > start && s.begins(tokens, start, i, depth):
			end := tokens[i-1].End
			s.diags.Warnf("LF0502", s.span(end, end),
				"write a semicolon here; line "+lineNumber(s.pos(t.Start))+" begins another statement",
				"the statement has no semicolon at its end")
			out = append(out, tokens[start:i])
			start, depth = i, 0
		}
	}
	if start < len(tokens) {
		out = append(out, tokens[start:])
	}
	return out
}

// begins reports whether another statement begins at i than the one that begins at start.
func (s *source) begins(tokens []spark.Token, start, i, depth int) bool {
	is := func(i int, words ...string) bool {
		return i < len(tokens) && slices.ContainsFunc(words, func(w string) bool { return tokens[i].Is(s.text, w) })
	}
	newLine := strings.Contains(s.text[tokens[i-1].End:tokens[i].Start], "\n")
	ours := is(start, "CREATE", "APPLY", "AUTO", "SET", "USE", "REFRESH", "ALTER", "SELECT", "WITH")
	if is(i-1, "EXPLAIN", "AS") || !newLine && (depth > 0 || !ours) {
		return false
	}
	switch {
	case is(i, "CREATE"):
		return s.creates(tokens[i:])
	case !newLine || depth > 0:
		return false
	case is(i, "APPLY"):
		return is(i+1, "CHANGES") && is(i+2, "INTO")
	case is(i, "USE"):
		return is(i+1, "CATALOG", "SCHEMA", "DATABASE")
	case is(i, "REFRESH", "ALTER"):
		return is(i+1, "STREAMING") && is(i+2, "TABLE") || is(i+1, "MATERIALIZED") && is(i+2, "VIEW")
	case is(i, "SET"):
		for i++; is(i+1, ".") && i+2 < len(tokens); i += 2 {
		}
		return is(i+1, "=") && !is(start, "UPDATE", "MERGE")
	}
	return false
}

// creates reports whether tokens that begin with CREATE make a table, view or flow.
func (s *source) creates(tokens []spark.Token) bool {
	for _, t := range tokens[1:] {
		is := func(w string) bool { return t.Is(s.text, w) }
		switch {
		case slices.ContainsFunc(objects[:3], is):
			return true
		case !slices.ContainsFunc(modifiers, is) && !is("OR") && !is("REFRESH") && !is("REPLACE"):
			return false
		}
	}
	return false
}

// notPipeline are statements of SQL that a pipeline is not made of.
var notPipeline = []string{"SELECT", "WITH", "FROM", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE", "DROP",
	"TRUNCATE", "DESCRIBE", "DESC", "SHOW", "EXPLAIN",
	"GRANT", "REVOKE", "DENY", "OPTIMIZE", "VACUUM", "ANALYZE", "CACHE", "UNCACHE", "CLEAR", "RESTORE", "COPY", "COMMENT", "DECLARE", "EXECUTE", "CALL", "RESET", "MSCK",
	"REPAIR", "REPLACE", "UNSET", "REMOVE", "GENERATE", "SYNC", "UNDROP", "FSCK", "REORG", "CONVERT", "ADD", "LIST", "LOAD", "BEGIN", "("}

// statement reads the statement that the tokens are. It is nil for one that is none of a pipeline.
func (p *parser) statement() Statement {
	for _, s := range []struct {
		words []string
		read  func() Statement
	}{
		{[]string{"CREATE"}, p.create},
		{[]string{"APPLY", "CHANGES", "INTO"}, p.applyChanges},
		{[]string{"AUTO", "CDC", "INTO"}, p.applyChanges},
		{[]string{"SET"}, p.set},
		{[]string{"USE"}, p.use},
		{[]string{"REFRESH"}, p.refresh},
		{[]string{"ALTER"}, p.alter},
	} {
		if p.accept(s.words...) {
			return s.read()
		}
	}
	for _, word := range notPipeline {
		if p.is(word) {
			p.notPipeline(word)
			return nil
		}
	}
	for _, s := range []struct {
		words []string
		read  func() Statement
	}{
		{[]string{"APPLY", "CHANGES", "INTO"}, p.applyChanges},
		{[]string{"USE", "CATALOG"}, p.use},
		{[]string{"USE", "SCHEMA"}, p.use},
		{[]string{"REFRESH", "MATERIALIZED", "VIEW"}, p.refresh},
		{[]string{"REFRESH", "STREAMING", "TABLE"}, p.refresh},
		{[]string{"ALTER", "MATERIALIZED", "VIEW"}, p.alter},
		{[]string{"ALTER", "STREAMING", "TABLE"}, p.alter},
	} {
		if p.near(p.i, s.words...) {
			return p.misspeltStatement(s.words, s.read)
		}
	}
	if p.kind(p.i) == spark.Word && diag.Suggest(p.toks[p.i].Text(p.text), []string{"CREATE"}) != "" &&
		p.creatable(p.i+1) {
		p.misspelt(p.i, "CREATE")
		p.i++
		return p.create()
	}
	p.noStatement()
	return nil
}

// misspeltStatement reads a statement whose first words are misspelt.
func (p *parser) misspeltStatement(words []string, read func() Statement) Statement {
	first := words[:1]
	if words[0] == "APPLY" {
		first = words
	}
	for n, word := range first {
		if !p.match(p.i+n, word) {
			p.misspelt(p.i+n, word)
		}
	}
	p.i += len(first)
	return read()
}

// creatable reports whether what stands at i can follow CREATE.
func (p *parser) creatable(i int) bool {
	words := slices.Concat([]string{"OR"}, modifiers, objects[:3])
	return slices.ContainsFunc(words, func(w string) bool { return p.match(i, w) || len(w) > 4 && p.near(i, w) })
}

// instead says what to do in the place of a statement that no pipeline is made of, by its last keyword.
var instead = []struct{ words, help string }{
	{"SELECT WITH FROM VALUES ( TABLE", "ask from outside of the pipeline: lakeflow query \"SELECT …\"; or give the query a name: CREATE MATERIALIZED VIEW name AS …"},
	{"INSERT COPY LOAD", "write CREATE FLOW name AS INSERT INTO table BY NAME SELECT …"},
	{"UPDATE DELETE MERGE", "have the changes applied by key: CREATE FLOW name AS AUTO CDC INTO table FROM …"},
	{"DROP UNDROP", "remove it, and what creates the table"},
	{"TRUNCATE RESTORE", "remove it; lakeflow run --full-refresh name makes a table anew"},
	{"EXPLAIN DESCRIBE DESC SHOW", "ask from outside of the pipeline: lakeflow plan"},
	{"GRANT REVOKE DENY", "remove it; who may read the tables is said by the permissions of the warehouse's folder"},
	{"OPTIMIZE VACUUM REORG FSCK MSCK REPAIR", "remove it; lakeflow maintain merges small files and removes old ones"},
	{"ANALYZE CACHE UNCACHE CLEAR", "remove it; it has no effect here"},
	{"SCHEMA DATABASE NAMESPACE CATALOG", "remove it; a schema is there when a table is in it"},
	{"COMMENT", "write COMMENT '…' where the table is created"},
}

func (p *parser) notPipeline(what string) {
	words := strings.Fields(what)
	help := "remove it; a pipeline is made of CREATE … TABLE, VIEW and FLOW, APPLY CHANGES INTO, SET and USE"
	for _, x := range instead {
		if slices.Contains(strings.Fields(x.words), strings.ToUpper(words[len(words)-1])) {
			help = x.help
		}
	}
	p.errorf("LF0503", p.at(0), help,
		"%s is no statement of a pipeline", what)
}

func (p *parser) noStatement() {
	p.errorf("LF0504", p.at(0),
		"remove it, or put -- before each of its lines; statements begin with CREATE, APPLY CHANGES INTO, SET or USE",
		"this is no statement of SQL: %s", clip(p.text[p.toks[0].Start:p.toks[len(p.toks)-1].End]))
}
