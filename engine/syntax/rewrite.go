package syntax

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Rewrite returns a copy of the tree of n in which replace has put other nodes in the place of some. It is called
// from the outside to the inside, and not for what is in a node that it replaced; nil keeps the node.
func Rewrite[N Node](n N, replace func(Node, Scope) Node) N {
	changed, _ := nodeLike(n, rewriter{replace}.object(n.tree(), Scope{})).(N)
	return changed
}

// nodeLike is the node of an object. A statement has no type of its own in the tree.
func nodeLike(n Node, o *object) Node {
	if _, ok := n.(Statement); ok {
		return Statement{o}
	}
	if found := nodeOf(o); found != nil {
		return found
	}
	return OtherTable{table{o}}
}

type rewriter struct{ replace func(Node, Scope) Node }

func (r rewriter) object(o *object, sc Scope) *object {
	n := nodeOf(o)
	var inner *cte
	var own []*cte
	if q, ok := n.(Query); ok {
		inner, own = sc.ctes.with(o)
		sc = Scope{q, inner}
	}
	if n != nil {
		if other := r.replace(n, sc); other != nil {
			return other.tree()
		}
	}
	clone := *o
	clone.fields = make([]field, len(o.fields))
	_, function := n.(TableFunction)
	for i, f := range o.fields {
		switch {
		case f.name == "cte_map" && len(own) > 0:
			f.value = r.commonTables(f.value, own)
		case function && f.name == "function" && f.value.object != nil:
			f.value = value{object: r.fields(f.value.object, sc)} // the function in it is the node itself
		default:
			f.value = r.value(f.value, sc)
		}
		clone.fields[i] = f
	}
	return &clone
}

func (r rewriter) fields(o *object, sc Scope) *object {
	clone := *o
	clone.fields = make([]field, len(o.fields))
	for i, f := range o.fields {
		clone.fields[i] = field{f.name, r.value(f.value, sc)}
	}
	return &clone
}

func (r rewriter) value(v value, sc Scope) value {
	if v.object != nil {
		return value{object: r.object(v.object, sc)}
	}
	if len(v.list) > 0 {
		list := make([]value, len(v.list))
		for i, e := range v.list {
			list[i] = r.value(e, sc)
		}
		return value{list: list}
	}
	return v
}

// commonTables rewrites WITH: each common table expression sees other ones.
func (r rewriter) commonTables(v value, own []*cte) value {
	entries := v.object.get("map").list
	list := make([]value, len(entries))
	for i, e := range entries {
		o := e.object
		if own[i].query != nil {
			o = o.with("value", value{object: r.fields(own[i].query, Scope{nil, own[i].sees})})
		}
		list[i] = value{object: o}
	}
	return value{object: v.object.with("map", value{list: list})}
}

// Column is a column with a path of names, the last of which is its own.
func Column(path ...string) ColumnRef {
	names := make([]value, len(path))
	for i, p := range path {
		names[i] = textValue(p)
	}
	return ColumnRef{expression{&object{class: "COLUMN_REF", kind: "COLUMN_REF", at: -1, fields: []field{
		{"class", textValue("COLUMN_REF")}, {"type", textValue("COLUMN_REF")}, {"alias", textValue("")},
		{"column_names", value{list: names}},
	}}}}
}

// Double reports whether a constant is a DOUBLE, and returns a cast that DuckDB writes and reads as one.
func (c Constant) Double() (Cast, bool) {
	v := c.get("value").object
	if v.get("type").object.get("id").text() != "DOUBLE" || v.get("is_null").scalar == "true" {
		return Cast{}, false
	}
	text := v.get("value").scalar
	if s := v.get("value").text(); s != "" {
		text = s
	}
	o := &object{class: "CONSTANT", kind: "VALUE_CONSTANT", at: c.at, fields: []field{
		{"class", textValue("CONSTANT")}, {"type", textValue("VALUE_CONSTANT")}, {"alias", textValue("")},
		{"value", value{object: &object{at: -1, fields: []field{
			{"type", typeValue("VARCHAR")}, {"is_null", value{scalar: "false"}}, {"value", textValue(text)}}}}},
	}}
	return Cast{expression{&object{class: "CAST", kind: "OPERATOR_CAST", at: c.at, fields: []field{
		{"class", textValue("CAST")}, {"type", textValue("OPERATOR_CAST")}, {"alias", textValue(c.Alias())},
		{"child", value{object: o}}, {"cast_type", typeValue("DOUBLE")}, {"try_cast", value{scalar: "false"}},
	}}}}, true
}

func typeValue(id string) value {
	return value{object: &object{at: -1, fields: []field{{"id", textValue(id)}, {"type_info", value{scalar: "null"}}}}}
}

// Integer is the value of a constant that is an INTEGER.
func (c Constant) Integer() (n int, ok bool) {
	v := c.get("value").object
	if v.get("type").object.get("id").text() != "INTEGER" {
		return 0, false
	}
	n = v.get("value").offset()
	return n, n >= 0
}

// Placed is the query with a table and a condition that are named in place of FROM and WHERE, and without WITH.
func (s Select) Placed(from, where string) Select {
	t := &object{kind: "BASE_TABLE", at: -1, fields: []field{{"type", textValue("BASE_TABLE")}, {"alias", textValue("")},
		{"schema_name", textValue("")}, {"table_name", textValue(from)}, {"catalog_name", textValue("")}}}
	o := s.with("from_table", value{object: t}).with("where_clause", value{object: Column(where).object})
	return Select{query{o.with("cte_map", noTables)}}
}

// Unmodified is the query without the modifiers of the words that are given.
func (s Select) Unmodified(words ...string) Select {
	kept := []value{}
	for _, m := range s.get("modifiers").list {
		if m.object == nil || !strings.Contains(" "+strings.Join(words, " ")+" ", " "+m.object.kind+" ") {
			kept = append(kept, m)
		}
	}
	return Select{query{s.with("modifiers", value{list: kept})}}
}

// Named is the table with another name, without schema and catalog. Its alias is the one that it has, or its old name.
func (t BaseTable) Named(name string) BaseTable {
	alias := t.Alias()
	if alias == "" {
		alias = t.Name()
	}
	o := t.with("table_name", textValue(name)).with("alias", textValue(alias))
	return BaseTable{table{o.with("schema_name", textValue("")).with("catalog_name", textValue(""))}}
}

// Texts writes nodes as SQL, as DuckDB does: queries, expressions (without their alias), and tables.
func Texts(ctx context.Context, session Session, nodes []Node) ([]string, error) {
	const chunk = 200
	texts := make([]string, 0, len(nodes))
	for start := 0; start < len(nodes); start += chunk {
		part := nodes[start:min(start+chunk, len(nodes))]
		args := make([]any, len(part))
		for i, n := range part {
			args[i] = string(statementOf(n).append(nil))
		}
		got, err := column(ctx, session, "SELECT json_deserialize_sql(CAST(q AS JSON)) FROM (SELECT unnest([CAST(? AS VARCHAR)"+
			strings.Repeat(",?", len(part)-1)+"]) AS q)", args...)
		if err != nil {
			return nil, err
		}
		if len(got) != len(part) {
			return nil, fmt.Errorf("DuckDB wrote %d texts for %d syntax trees", len(got), len(part))
		}
		for i, n := range part {
			prefix := ""
			switch n.(type) {
			case Expression:
				prefix = "SELECT "
			case Table:
				prefix = "SELECT * FROM "
			}
			text, ok := strings.CutPrefix(got[i], prefix)
			if !ok {
				return nil, errors.New("DuckDB wrote a syntax tree in another way than expected: " + got[i])
			}
			texts = append(texts, text)
		}
	}
	return texts, nil
}

// statementOf is what json_deserialize_sql takes for a node.
func statementOf(n Node) value {
	with := func(fields ...field) value { return value{object: &object{at: -1, fields: fields}} }
	q := value{object: n.tree()}
	switch n := n.(type) {
	case Statement:
		q = n.get("node")
	case Expression:
		q = selectOf(n.Named("").tree(), &object{at: -1, fields: []field{{"type", textValue("EMPTY")}, {"alias", textValue("")}}})
	case Table:
		q = selectOf(star, n.tree())
	}
	return with(field{"error", value{scalar: "false"}}, field{"statements", value{list: []value{with(field{"node", q})}}})
}

func selectOf(item, from *object) value {
	return value{object: &object{at: -1, fields: []field{{"type", textValue("SELECT_NODE")}, {"modifiers", value{list: []value{}}}, {"cte_map", noTables},
		{"select_list", value{list: []value{{object: item}}}}, {"from_table", value{object: from}},
		{"aggregate_handling", textValue("STANDARD_HANDLING")}}}}
}

// noTables is a query without WITH.
var noTables = value{object: &object{at: -1, fields: []field{{"map", value{list: []value{}}}}}}

var star = &object{at: -1, fields: []field{{"class", textValue("STAR")}, {"type", textValue("STAR")}, {"alias", textValue("")},
	{"relation_name", textValue("")}, {"exclude_list", value{list: []value{}}}, {"replace_list", value{list: []value{}}},
	{"columns", value{scalar: "false"}}, {"expr", value{scalar: "null"}}, {"qualified_exclude_list", value{list: []value{}}},
	{"rename_list", value{list: []value{}}}}}
