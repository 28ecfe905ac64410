package syntax

import "strings"

// Node is a part of a tree that has a type here. Nodes are compared with ==.
type Node interface {
	// At is where the node stands in the text, in bytes; -1 where DuckDB does not tell.
	At() int
	// First is the first place in the node that DuckDB tells, or -1.
	First() int
	// Fingerprint identifies the node, regardless of places.
	Fingerprint() string
	tree() *object
}

func (o *object) At() int             { return o.at }
func (o *object) First() int          { return value{object: o}.first() }
func (o *object) Fingerprint() string { return fingerprint(value{object: o}) }
func (o *object) tree() *object       { return o }

// Statement is the tree of a whole query.
type Statement struct{ *object }

// Query is the outermost query; nil for what DuckDB may add to its trees.
func (s Statement) Query() Query { return queryOf(s.get("node")) }

// Parameters reports whether the text has placeholders for values, ? or $1.
func (s Statement) Parameters() bool { return !s.get("named_param_map").empty() }

// Query is a Select, a SetOperation or a Recursive.
type Query interface {
	Node
	// Modifiers are DISTINCT, ORDER BY and LIMIT.
	Modifiers() []Modifier
	// With reports whether the query has common table expressions of its own.
	With() bool
	// CommonTables are the common table expressions of the query itself, in order.
	CommonTables() []CommonTable
}

type query struct{ *object }

func (q query) Modifiers() []Modifier {
	var all []Modifier
	for _, v := range q.get("modifiers").list {
		if v.object != nil {
			all = append(all, Modifier{v.object})
		}
	}
	return all
}

func (q query) With() bool { return !q.get("cte_map").empty() }

func (q query) CommonTables() []CommonTable {
	var all []CommonTable
	for _, e := range q.get("cte_map").object.get("map").list {
		if def := e.object.get("value").object; def != nil {
			all = append(all, CommonTable{e.object.get("key").text(), def.get("aliases").texts(), queryOf(def.get("query").object.get("node"))})
		}
	}
	return all
}

// CommonTable is a common table expression. Query is nil for what DuckDB may add to its trees.
type CommonTable struct {
	Name    string
	Columns []string // new names of its first columns
	Query   Query
}

// Select is SELECT … FROM …, also where the text has VALUES, or FROM alone.
type Select struct{ query }

// Items is the select list.
func (s Select) Items() []Expression { return expressions(s.get("select_list")) }

// From is what is read; Empty without FROM.
func (s Select) From() Table { return tableOf(s.get("from_table")) }

// The clauses behind FROM, nil where there is none.
func (s Select) Where() Expression    { return expressionOf(s.get("where_clause")) }
func (s Select) Having() Expression   { return expressionOf(s.get("having")) }
func (s Select) Qualify() Expression  { return expressionOf(s.get("qualify")) }
func (s Select) Groups() []Expression { return expressions(s.get("group_expressions")) }
func (s Select) GroupingSets() bool   { return !s.get("group_sets").empty() }
func (s Select) Sampled() bool        { return !s.get("sample").null() }

// OneGrouping reports whether the rows are grouped in one way: not by sets, ROLLUP or CUBE.
func (s Select) OneGrouping() bool {
	sets := s.get("group_sets").list
	return len(sets) == 0 || len(sets) == 1 && len(sets[0].list) == len(s.Groups())
}

// GroupAll reports whether the rows are grouped by all items that are no aggregates.
func (s Select) GroupAll() bool { return s.get("aggregate_handling").text() != "STANDARD_HANDLING" }

// WithoutItems is the rest: a part of a fingerprint, and no SQL.
func (s Select) WithoutItems() Select { return Select{query{s.with("select_list", value{})}} }

// SetOperation is UNION, EXCEPT or INTERSECT.
type SetOperation struct{ query }

// Word is UNION and the like.
func (s SetOperation) Word() string { return s.get("setop_type").text() }
func (s SetOperation) All() bool    { return s.get("setop_all").scalar == "true" }
func (s SetOperation) Left() Query  { return queryOf(s.get("left")) }
func (s SetOperation) Right() Query { return queryOf(s.get("right")) }

// Recursive is the query of a common table expression that reads itself.
type Recursive struct{ query }

// Modifier is what is done with the rows of a query.
type Modifier struct{ *object }

// The words of Modifier.
const (
	Distinct     = "DISTINCT_MODIFIER"
	OrderBy      = "ORDER_MODIFIER"
	Limit        = "LIMIT_MODIFIER"
	LimitPercent = "LIMIT_PERCENT_MODIFIER"
)

// Word is one of the constants.
func (m Modifier) Word() string { return m.kind }

// On are the expressions of DISTINCT ON.
func (m Modifier) On() []Expression { return expressions(m.get("distinct_on_targets")) }

// Orders are the expressions of ORDER BY.
func (m Modifier) Orders() []Expression {
	var all []Expression
	for _, v := range m.get("orders").list {
		if e := expressionOf(v.object.get("expression")); e != nil {
			all = append(all, e)
		}
	}
	return all
}

// Table is what stands behind FROM: a BaseTable, Derived, TableFunction, Join, Empty, Show, Pivot, or an OtherTable.
type Table interface {
	Node
	// Alias is the name behind AS, and Columns are those in parentheses behind it.
	Alias() string
	Columns() []string
	// Sampled reports whether some of its rows are taken by chance.
	Sampled() bool
}

type table struct{ *object }

func (t table) Sampled() bool     { return !t.get("sample").null() }
func (t table) Alias() string     { return t.get("alias").text() }
func (t table) Columns() []string { return t.get("column_name_alias").texts() }

// Derived is a query behind FROM.
type Derived struct{ table }

func (d Derived) Query() Query { return queryOf(d.get("subquery").object.get("node")) }

// BaseTable is a table that is named.
type BaseTable struct{ table }

func (t BaseTable) Catalog() string { return t.get("catalog_name").text() }
func (t BaseTable) Schema() string  { return t.get("schema_name").text() }
func (t BaseTable) Name() string    { return t.get("table_name").text() }

// Alias is the name behind AS, and Renames reports whether columns have other names there.
func (t BaseTable) Alias() string { return t.get("alias").text() }
func (t BaseTable) Renames() bool { return !t.get("column_name_alias").empty() }

// AsOf reports whether an earlier version is read.
func (t BaseTable) AsOf() bool { return !t.get("at_clause").null() }

// TableFunction is a function behind FROM.
type TableFunction struct{ table }

// Name is in lower case.
func (t TableFunction) Name() string { return Function{expression{t.get("function").object}}.Name() }

// At is where the function is called.
func (t TableFunction) At() int {
	if f := t.get("function").object; f != nil {
		return f.at
	}
	return -1
}

// Join is a join of any kind.
type Join struct{ table }

func (j Join) Left() Table   { return tableOf(j.get("left")) }
func (j Join) Right() Table  { return tableOf(j.get("right")) }
func (j Join) Natural() bool { return j.get("ref_type").text() == "NATURAL" }

// Word is INNER, LEFT, RIGHT, FULL, SEMI or ANTI. Way is REGULAR, NATURAL, CROSS, POSITIONAL, ASOF or DEPENDENT.
func (j Join) Word() string          { return j.get("join_type").text() }
func (j Join) Way() string           { return j.get("ref_type").text() }
func (j Join) Condition() Expression { return expressionOf(j.get("condition")) }
func (j Join) Using() []string       { return j.get("using_columns").texts() }

// Empty stands where there is no FROM.
type Empty struct{ table }

// Show is DESCRIBE, SHOW or SUMMARIZE.
type Show struct{ table }

// Pivot is a PIVOT or UNPIVOT.
type Pivot struct{ table }

// Aggregates reports whether it computes values from several rows.
func (p Pivot) Aggregates() bool { return !p.get("aggregates").empty() }

// OtherTable is a list of values, or something new.
type OtherTable struct{ table }

// Expression is a ColumnRef, Constant, Function, Window, Cast, Subquery, Star, Parameter, or an OtherExpression.
type Expression interface {
	Node
	// Alias is the name behind AS.
	Alias() string
	// Named is the expression with another alias.
	Named(alias string) Expression
}

type expression struct{ *object }

func (e expression) Alias() string { return e.get("alias").text() }

func (e expression) Named(alias string) Expression {
	return expressionOf(value{object: e.with("alias", textValue(alias))})
}

// ColumnRef is a column that is named.
type ColumnRef struct{ expression }

// Path is the name, in front of it those of the table and so on, as written.
func (c ColumnRef) Path() []string {
	var path []string
	for _, v := range c.get("column_names").list {
		path = append(path, v.text())
	}
	return path
}

// Name is the last part of the path.
func (c ColumnRef) Name() string {
	list := c.get("column_names").list
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1].text()
}

// Constant is a number, text and so on.
type Constant struct{ expression }

// Function is a function or an operator, an aggregate too.
type Function struct{ expression }

// Name is in lower case.
func (f Function) Name() string { return lower(f.get("function_name")) }

func (f Function) Arguments() []Expression { return expressions(f.get("children")) }
func (f Function) Filter() Expression      { return expressionOf(f.get("filter")) }
func (f Function) Distinct() bool          { return f.get("distinct").scalar == "true" }
func (f Function) Ordered() bool           { return len(f.get("order_bys").object.get("orders").list) > 0 }

// Window is a function with OVER.
type Window struct{ expression }

func (w Window) Partitions() []Expression { return expressions(w.get("partitions")) }

// Name is in lower case.
func (w Window) Name() string { return lower(w.get("function_name")) }

// Cast is CAST, ::type or TRY_CAST.
type Cast struct{ expression }

// To is DuckDB's word for the type.
func (c Cast) To() string { return c.get("cast_type").object.get("id").text() }

// Scale is that of a DECIMAL, as digits.
func (c Cast) Scale() string {
	return c.get("cast_type").object.get("type_info").object.get("scale").scalar
}

func (c Cast) Try() bool { return c.get("try_cast").scalar == "true" }

// From is what is cast.
func (c Cast) From() Expression { return expressionOf(c.get("child")) }

// ToAny is the cast with a word of the caller in place of its type: a part of a fingerprint, and no SQL.
func (c Cast) ToAny(word string) Cast { return Cast{expression{c.with("cast_type", textValue(word))}} }

// Subquery is a query in an expression.
type Subquery struct{ expression }

// Any reports whether a value is compared with the rows, as in IN and = ANY.
func (s Subquery) Any() bool { return s.get("subquery_type").text() == "ANY" }

// Exists reports whether it is asked whether there are rows. Compared is what is compared with the rows of Any.
func (s Subquery) Exists() bool         { return s.get("subquery_type").text() == "EXISTS" }
func (s Subquery) Compared() Expression { return expressionOf(s.get("child")) }

// Equal reports whether the comparison of Any is an equality: IN.
func (s Subquery) Equal() bool { return s.get("comparison_type").text() == "COMPARE_EQUAL" }

func (s Subquery) Query() Query { return queryOf(s.get("subquery").object.get("node")) }

// Star is * or COLUMNS().
type Star struct{ expression }

// Excluded are the columns that EXCLUDE names. plain is false for a star that does something else too.
func (s Star) Excluded() (names []string, plain bool) {
	for _, f := range s.fields {
		switch f.name {
		case "class", "type", location:
		case "exclude_list":
			for _, v := range f.value.list {
				if len(v.scalar) < 2 {
					return nil, false
				}
				names = append(names, v.text())
			}
		default:
			if !f.value.empty() {
				return nil, false
			}
		}
	}
	return names, true
}

// Parameter is a placeholder.
type Parameter struct{ expression }

// OtherExpression is any other: AND, CASE, IS NULL, BETWEEN, lambdas and so on.
type OtherExpression struct{ expression }

// Kind is DuckDB's word: CONJUNCTION_AND, OPERATOR_NOT and the like.
func (e OtherExpression) Kind() string { return e.kind }

// Operands are those of an AND, OR, NOT or another operator.
func (e OtherExpression) Operands() []Expression { return expressions(e.get("children")) }

// nodeOf is the node of an object that has a type here, else nil.
func nodeOf(o *object) Node {
	switch {
	case o == nil:
		return nil
	case o.class != "":
		return expressionNode(o)
	}
	switch o.kind {
	case "SELECT_NODE":
		return Select{query{o}}
	case "SET_OPERATION_NODE":
		return SetOperation{query{o}}
	case "RECURSIVE_CTE_NODE":
		return Recursive{query{o}}
	case Distinct, OrderBy, Limit, LimitPercent:
		return Modifier{o}
	case "BASE_TABLE":
		return BaseTable{table{o}}
	case "SUBQUERY":
		return Derived{table{o}}
	case "TABLE_FUNCTION":
		return TableFunction{table{o}}
	case "JOIN":
		return Join{table{o}}
	case "EMPTY":
		return Empty{table{o}}
	case "SHOW_REF":
		return Show{table{o}}
	case "PIVOT":
		return Pivot{table{o}}
	}
	if o.has("sample") { // all that can be sampled stands behind FROM
		return OtherTable{table{o}}
	}
	return nil
}

func expressionNode(o *object) Expression {
	e := expression{o}
	switch o.class {
	case "COLUMN_REF":
		return ColumnRef{e}
	case "CONSTANT":
		return Constant{e}
	case "FUNCTION":
		return Function{e}
	case "WINDOW":
		return Window{e}
	case "CAST":
		return Cast{e}
	case "SUBQUERY":
		return Subquery{e}
	case "STAR":
		return Star{e}
	case "PARAMETER":
		return Parameter{e}
	}
	return OtherExpression{e}
}

func expressionOf(v value) Expression {
	if v.object == nil {
		return nil
	}
	return expressionNode(v.object)
}

func expressions(v value) []Expression {
	var all []Expression
	for _, e := range v.list {
		if e.object != nil {
			all = append(all, expressionNode(e.object))
		}
	}
	return all
}

func queryOf(v value) Query {
	q, _ := nodeOf(v.object).(Query)
	return q
}

func tableOf(v value) Table {
	if t, ok := nodeOf(v.object).(Table); ok || v.object == nil {
		return t
	}
	return OtherTable{table{v.object}}
}

func lower(v value) string { return strings.ToLower(v.text()) }
