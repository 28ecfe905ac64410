package incremental

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
)

// builder turns a syntax tree into a body, with views and common table expressions put in their place.
type builder struct {
	query  Query
	conn   *sql.Conn
	views  map[string]syntax.Query // of the temporary views, by name in lower case
	view   string                  // whose query is read now
	issues []Issue
	texts  []text
	keyed  []*selection // inner ones first
	// written are the queries of the temporary views as SQL, with names in place of relations.
	written map[string]string
	// sourced are the tables whose changes are followed, and constants those whose changes have the view computed in full,
	// with the reason; notes tell of them.
	sourced   map[string]bool
	constants map[string]Issue
	notes     []Issue
}

// text is a node that is to be written as SQL.
type text struct {
	node syntax.Node
	into *string
}

// scope are the common table expressions that are seen, innermost first.
type scope struct {
	table syntax.CommonTable
	sees  *scope
	outer *scope
}

func (s *scope) with(q syntax.Query) *scope {
	for _, t := range q.CommonTables() {
		s = &scope{t, s, s}
	}
	return s
}

func (s *scope) find(name string) *scope {
	for s != nil && !strings.EqualFold(s.table.Name, name) {
		s = s.outer
	}
	return s
}

// errBuild says that a query has parts of no technique; the issues say which.
var errBuild = errors.New("not incremental")

func (b *builder) issue(code string, n syntax.Node, message string) error {
	at := -1
	if n != nil {
		at = place(n)
	}
	b.add(code, message, b.view, at)
	return errBuild
}

func (b *builder) add(code, message, view string, at int) {
	b.issues = append(b.issues, Issue{code, message, view, at})
}

func (b *builder) write(n syntax.Node, into *string) { b.texts = append(b.texts, text{n, into}) }

// flush writes what is to be written.
func (b *builder) flush(ctx context.Context) error {
	nodes := make([]syntax.Node, len(b.texts))
	for i, t := range b.texts {
		nodes[i] = exactNumbers(b.named(t.node))
	}
	texts, err := syntax.Texts(ctx, b.conn, nodes)
	if err != nil {
		return err
	}
	for i, t := range b.texts {
		*t.into = b.inline(texts[i])
	}
	b.texts = nil
	return nil
}

// exactNumbers keeps the type of DOUBLEs, which DuckDB writes without exponent.
func exactNumbers(n syntax.Node) syntax.Node {
	return syntax.Rewrite(n, func(n syntax.Node, _ syntax.Scope) syntax.Node {
		if k, ok := n.(syntax.Constant); ok {
			if cast, ok := k.Double(); ok {
				return cast
			}
		}
		return nil
	})
}

func (b *builder) body(q syntax.Query, sc *scope) (body, error) {
	sc = sc.with(q)
	distinct, err := b.modifiers(q)
	if err != nil {
		return nil, err
	}
	switch q := q.(type) {
	case syntax.Select:
		if distinct == nil || len(distinct.On()) == 0 { // of DISTINCT ON it says which row is taken
			q = q.Unmodified(syntax.OrderBy)
		}
		s, err := b.selection(q, sc, distinct)
		return body{s}, err
	case syntax.SetOperation:
		return b.union(q, sc, distinct)
	case syntax.Recursive:
		return nil, b.issue(NotSupported, q, "A recursive query reads its own rows.")
	}
	return nil, b.issue(NotSupported, q, "DuckDB has no words for this query.")
}

// modifiers refuses those that depend on all rows. An ORDER BY without LIMIT says nothing about the rows of a table.
func (b *builder) modifiers(q syntax.Query) (distinct *syntax.Modifier, err error) {
	for _, m := range q.Modifiers() {
		switch m.Word() {
		case syntax.Distinct:
			distinct = &m
		case syntax.OrderBy:
		default:
			return nil, b.issue(NotSupported, q, "LIMIT depends on all rows.")
		}
	}
	return distinct, nil
}

func (b *builder) union(q syntax.SetOperation, sc *scope, distinct *syntax.Modifier) (body, error) {
	if q.Word() != "UNION" {
		return nil, b.issue(NotSupported, q, "Of the set operations only UNION and UNION ALL are incremental.")
	}
	left, err := b.body(q.Left(), sc)
	if err != nil {
		return nil, err
	}
	right, err := b.body(q.Right(), sc)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(left, right)
	if q.All() && distinct == nil {
		return all, nil
	}
	if distinct != nil && len(distinct.On()) > 0 {
		return nil, b.issue(NotSupported, q, "DISTINCT ON of a set operation has no keys of one table.")
	}
	return body{b.distinctRows(all, q)}, nil
}

// distinctRows are the different rows of a body. Their template and keys follow when the names of the columns are
// known.
func (b *builder) distinctRows(all body, at syntax.Node) *selection {
	s := &selection{from: &derived{body: all}, view: b.view}
	s.keyed = &keyed{word: GroupAggregate, at: at.First(), distinct: true}
	b.keyed = append(b.keyed, s)
	return s
}

func (b *builder) selection(q syntax.Select, sc *scope, distinct *syntax.Modifier) (*selection, error) {
	if distinct != nil && len(distinct.On()) == 0 {
		s, err := b.selection(q.Unmodified(syntax.Distinct), sc, nil)
		if err != nil {
			return nil, err
		}
		return b.distinctRows(body{s}, q), nil
	}
	if q.Sampled() {
		return nil, b.issue(NotSupported, q, "A sample takes its rows by chance.")
	}
	s := &selection{node: q, view: b.view}
	var err error
	if s.from, err = b.source(q.From(), sc); err != nil {
		return nil, err
	}
	if err = b.conditions(s, q.Where(), sc); err != nil {
		return nil, err
	}
	b.write(q.Placed(fromMark, whereMark), &s.template)
	if err = b.keys(s, q, distinct, sc); err != nil || s.keyed != nil {
		return s, err
	}
	s.where = make([]string, len(s.plain))
	for i, e := range s.plain {
		b.write(e, &s.where[i])
	}
	return s, nil
}

// conditions are the parts of WHERE that are joined by AND.
func (b *builder) conditions(s *selection, e syntax.Expression, sc *scope) error {
	if e == nil {
		return nil
	}
	if and, ok := e.(syntax.OtherExpression); ok && and.Kind() == "CONJUNCTION_AND" {
		for _, o := range and.Operands() {
			if err := b.conditions(s, o, sc); err != nil {
				return err
			}
		}
		return nil
	}
	negated, inner := false, e
	if o, ok := e.(syntax.OtherExpression); ok && o.Kind() == "OPERATOR_NOT" && len(o.Operands()) == 1 {
		negated, inner = true, o.Operands()[0]
	}
	q, ok := inner.(syntax.Subquery)
	if !ok || !readsTables(q) || !q.Exists() && (negated || !q.Any() || !q.Equal()) {
		s.plain = append(s.plain, e)
		return b.expression(e, sc)
	}
	t := &test{not: negated}
	if q.Any() {
		if err := b.expression(q.Compared(), sc); err != nil {
			return err
		}
		b.write(q.Compared(), &t.value)
	}
	var err error
	t.body, err = b.body(q.Query(), sc)
	s.tests = append(s.tests, t)
	return err
}

func readsTables(n syntax.Node) (reads bool) {
	syntax.Walk(n, func(n syntax.Node, _ syntax.Scope) bool {
		if _, ok := n.(syntax.BaseTable); ok {
			reads = true
		}
		return !reads
	})
	return reads
}

func (b *builder) source(t syntax.Table, sc *scope) (source, error) {
	if t == nil {
		return &constant{"(VALUES (0)) AS __one"}, nil
	}
	if t.Sampled() {
		return nil, b.issue(NotSupported, t, "A sample takes its rows by chance.")
	}
	switch t := t.(type) {
	case syntax.Empty:
		return &constant{"(VALUES (0)) AS __one"}, nil
	case syntax.BaseTable:
		return b.table(t, sc)
	case syntax.Derived:
		body, err := b.body(t.Query(), sc)
		return &derived{body, aliasText(t.Alias(), t.Columns()), t.Columns()}, err
	case syntax.Join:
		return b.join(t, sc)
	case syntax.Pivot:
		return nil, b.issue(NotSupported, t, "The columns of a PIVOT depend on all rows.")
	}
	if readsTables(t) {
		return nil, b.issue(NotSupported, t, "A function of this kind reads a whole table.")
	}
	k := &constant{}
	b.write(t, &k.sql)
	return k, nil
}

func (b *builder) table(t syntax.BaseTable, sc *scope) (source, error) {
	alias := t.Alias()
	if alias == "" {
		alias = t.Name()
	}
	if t.AsOf() {
		return nil, b.issue(NotSupported, t, "An earlier version of a table is read.")
	}
	if found := sc.find(t.Name()); found != nil && t.Schema() == "" && t.Catalog() == "" {
		if found.table.Query == nil {
			return nil, b.issue(NotSupported, t, "DuckDB has no words for this common table expression.")
		}
		columns := t.Columns()
		if given := found.table.Columns; len(given) > len(columns) {
			columns = slices.Concat(columns, given[len(columns):])
		}
		body, err := b.body(found.table.Query, found.sees)
		return &derived{body, aliasText(alias, columns), columns}, err
	}
	name, r, ok := b.query.relation(t.Name())
	if !ok {
		return nil, b.issue(NotSupported, t, "The relation "+t.Name()+" is not known.")
	}
	if r.View == "" {
		b.sourced[name] = true
		return &table{name, r.Columns, aliasText(alias, t.Columns())}, nil
	}
	outer := b.view
	b.view = name
	body, err := b.body(b.views[strings.ToLower(name)], nil)
	b.view = outer
	return &derived{body, aliasText(alias, t.Columns()), t.Columns()}, err
}

// relation finds a relation by name, without regard to case.
func (q Query) relation(name string) (string, Relation, bool) {
	for n, r := range q.Relations {
		if strings.EqualFold(n, name) {
			return n, r, true
		}
	}
	return "", Relation{}, false
}

func (b *builder) join(t syntax.Join, sc *scope) (source, error) {
	j := &join{word: t.Word(), using: t.Using()}
	if j.word == "OUTER" {
		j.word = "FULL"
	}
	switch way := t.Way(); {
	case !slices.Contains([]string{"INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI"}, j.word):
		return nil, b.issue(NotSupported, t, "This kind of join is not incremental.")
	case way == "NATURAL" && j.word != "INNER":
		return nil, b.issue(NotSupported, t, "Write the columns of an outer NATURAL JOIN with USING.")
	case way == "NATURAL":
		j.natural = true
	case way != "REGULAR" && way != "CROSS":
		return nil, b.issue(NotSupported, t, "The rows of "+article(way)+" JOIN depend on their neighbours.")
	}
	return j, b.sides(t, j, sc)
}

// sides are the two sides of a join, and its condition.
func (b *builder) sides(t syntax.Join, j *join, sc *scope) (err error) {
	if j.left, err = b.source(t.Left(), sc); err != nil {
		return err
	}
	if j.right, err = b.source(t.Right(), sc); err != nil {
		return err
	}
	if e := t.Condition(); e != nil {
		if err := b.expression(e, sc); err != nil {
			return err
		}
		b.write(e, &j.condition)
	}
	return nil
}

func article(word string) string {
	if strings.ContainsAny(word[:1], "AEIOU") {
		return "an " + word
	}
	return "a " + word
}
