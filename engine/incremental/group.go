package incremental

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/schemas"
)

// group are the aggregates of a GROUP BY, and the partial values that they come from.
type group struct {
	items      []syntax.Expression
	having     []syntax.Expression // joined by AND
	hidden     bool                // what is around the groups does not follow from a row of theirs
	aggregates []*aggregate
	partials   []partial
	// final and former are items and having over a row of keys, __s.__g0, and aggregates: __s.__x0, before __s.__y0.
	final, former output
	lacking       *aggregate // one that has no partial values
}

type output struct {
	items  []string
	having []string
}

// aggregate is one of the different aggregates of a query.
type aggregate struct {
	node             syntax.Function
	print            string
	sql, typ         string
	argument, filter string
	argumentType     string
	final, former    string // over the partial values, and over those before
	exact            bool
}

// partial is a value of a group that follows from that of two parts of it.
type partial struct {
	kind     string // count, sum, real (a sum of floating-point numbers), min or max
	argument string // SQL over FROM
	typ      schemas.Type
}

func (p partial) extreme() bool    { return p.kind == "min" || p.kind == "max" }
func (p partial) arithmetic() bool { return p.kind == "count" || p.kind == "sum" }

// column names the column of a partial value.
func column(i int) string { return fmt.Sprintf("__p%d", i) }

// prepare finds the aggregates, and has all texts written.
func (g *group) prepare(b *builder, m matcher, keys []syntax.Expression) {
	found := b.query.calls(slices.Concat(g.items, g.having)...)
	for _, f := range found.aggregates {
		print := plainPrint(f)
		if slices.ContainsFunc(g.aggregates, func(a *aggregate) bool { return a.print == print }) {
			continue
		}
		a := &aggregate{node: f, print: print}
		g.aggregates = append(g.aggregates, a)
		b.write(f, &a.sql)
		if arguments := f.Arguments(); len(arguments) == 1 {
			b.write(arguments[0], &a.argument)
		}
		if f.Filter() != nil {
			b.write(f.Filter(), &a.filter)
		}
	}
	g.write(b, m, &g.final, keys, "__x")
	g.write(b, m, &g.former, keys, "__y")
}

func (g *group) write(b *builder, m matcher, o *output, keys []syntax.Expression, prefix string) {
	o.items = make([]string, len(g.items))
	for i, e := range g.items {
		b.write(g.over(m, e, keys, prefix), &o.items[i])
	}
	o.having = make([]string, len(g.having))
	for i, e := range g.having {
		b.write(g.over(m, e, keys, prefix), &o.having[i])
	}
}

// over puts the keys and aggregates of a group in the place of what computes them.
func (g *group) over(m matcher, e syntax.Expression, keys []syntax.Expression, prefix string) syntax.Expression {
	return syntax.Rewrite(e, func(n syntax.Node, _ syntax.Scope) syntax.Node {
		expression, ok := n.(syntax.Expression)
		if q, is := n.(syntax.Subquery); is && readsTables(q) { // its names may be those of its own tables
			return n
		}
		if !ok {
			return nil
		}
		if i := m.find(keys, expression); i >= 0 {
			return syntax.Column("__s", fmt.Sprintf("__g%d", i))
		}
		print := plainPrint(expression)
		for i, a := range g.aggregates {
			if a.print == print {
				return syntax.Column("__s", fmt.Sprintf("%s%d", prefix, i))
			}
		}
		return nil
	})
}

// types finds the types of the aggregates over what stands behind FROM, and their partial values.
func (g *group) types(ctx context.Context, b *builder, from string) error {
	if len(g.aggregates) == 0 {
		return nil
	}
	calls := list(g.aggregates, func(_ int, a *aggregate) string { return a.sql })
	_, types, err := b.describe(ctx, "SELECT "+calls+" FROM "+from)
	if err != nil {
		return err
	}
	arguments := list(g.aggregates, func(_ int, a *aggregate) string {
		if a.argument == "" {
			return "NULL"
		}
		return "(" + a.argument + ")"
	})
	_, argumentTypes, err := b.describe(ctx, "SELECT "+arguments+" FROM "+from)
	if err != nil {
		return err
	}
	for i, a := range g.aggregates {
		a.typ, a.argumentType = types[i], argumentTypes[i]
		if !g.plan(a) && g.lacking == nil {
			g.lacking = a
		}
	}
	return nil
}

var (
	bigint = schemas.Type{Kind: schemas.BigInt}
	double = schemas.Type{Kind: schemas.Double}
)

// exactAggregates depend on the set of values alone, not on their order.
var exactAggregates = []string{"count", "count_star", "count_if", "countif", "min", "max", "bool_and", "bool_or",
	"bit_and", "bit_or", "bit_xor", "median", "quantile_disc", "approx_count_distinct"}

// plan finds the partial values of an aggregate; false when it has none.
func (g *group) plan(a *aggregate) bool {
	name := a.node.Name()
	digits, scale := exactSum(a.argumentType)
	real := a.argumentType == "DOUBLE" || a.argumentType == "FLOAT"
	a.exact = slices.Contains(exactAggregates, name) || digits && slices.Contains([]string{"sum", "avg", "mean"}, name)
	if len(a.node.Arguments()) > 1 {
		a.exact = name == "quantile_disc"
		return false
	}
	minimal := name == "min" || name == "max" || name == "bool_and" || name == "bool_or"
	if a.node.Distinct() && !minimal {
		return false
	}
	switch argument := a.filtered(a.argument); {
	case name == "count_star" || name == "count" && a.argument == "":
		if a.filter == "" {
			a.final = "__rows"
		} else {
			a.final = g.partial("count", a.filtered("1"), bigint)
		}
	case name == "count":
		a.final = g.partial("count", argument, bigint)
	case name == "count_if" || name == "countif":
		a.final = "CASE WHEN " + g.partial("count", argument, bigint) + " > 0 THEN " +
			g.partial("count", a.filtered("CASE WHEN "+a.argument+" THEN 1 END"), bigint) + " END"
	case name == "sum" && (digits || real):
		a.final = g.sum(a, argument, scale)
	case (name == "avg" || name == "mean") && real:
		a.final = g.sum(a, argument, scale) + " / " + g.partial("count", argument, bigint)
	case (name == "avg" || name == "mean") && digits: // as DuckDB does: the digits by the count and the power of ten
		s, n := g.partial("sum", argument, sumType(scale)), g.partial("count", argument, bigint)
		unscaled := unscaled(s, partial{kind: "sum", typ: sumType(scale)})
		a.final = fmt.Sprintf("CASE WHEN %s > 0 THEN %s / (CAST(%[1]s AS DOUBLE) * 1e%[3]d) END", n, unscaled, scale)
	case minimal:
		t, ok := stateType(a.argumentType)
		if !ok {
			return false
		}
		kind := map[string]string{"min": "min", "bool_and": "min", "max": "max", "bool_or": "max"}[name]
		a.final = g.partial(kind, argument, t)
	default:
		return false
	}
	a.final = "CAST(" + a.final + " AS " + a.typ + ")"
	a.former = strings.NewReplacer("__rows", "__old_rows", "__p", "__q").Replace(a.final)
	return true
}

func (g *group) sum(a *aggregate, argument string, scale int) string {
	kind, t := "sum", sumType(scale)
	if a.argumentType == "DOUBLE" || a.argumentType == "FLOAT" {
		kind, t = "real", double
	}
	return "CASE WHEN " + g.partial("count", argument, bigint) + " > 0 THEN " + g.partial(kind, argument, t) + " END"
}

// unscaled are the digits of a sum as a DOUBLE.
func unscaled(sum string, p partial) string {
	digits := "CAST(replace(CAST(" + sum + " AS VARCHAR), '.', '') AS HUGEINT)"
	if p.long() { // the text takes long
		digits = fmt.Sprintf("CASE WHEN %s THEN CAST(CAST(%s AS DECIMAL(%d,%d)) * 1%s AS HUGEINT) ELSE %s END", p.fits(sum), sum,
			shortDigits, p.typ.Scale, strings.Repeat("0", p.typ.Scale), digits)
	}
	return "CAST(" + digits + " AS DOUBLE)"
}

func sumType(scale int) schemas.Type {
	return schemas.Type{Kind: schemas.Decimal, Precision: 38, Scale: scale}
}

// filtered is an argument with the filter of an aggregate.
func (a *aggregate) filtered(argument string) string {
	if a.filter == "" {
		return argument
	}
	return "CASE WHEN " + a.filter + " THEN " + argument + " END"
}

// partial is the column of a partial value, which aggregates share.
func (g *group) partial(kind, argument string, t schemas.Type) string {
	p := partial{kind, argument, t}
	i := slices.IndexFunc(g.partials, func(o partial) bool { return o.kind == kind && o.argument == argument })
	if i < 0 {
		i = len(g.partials)
		g.partials = append(g.partials, p)
	}
	return column(i)
}

// exact reports whether all values are the same whenever they are computed.
func (g *group) exact() bool {
	return !slices.ContainsFunc(g.aggregates, func(a *aggregate) bool { return !a.exact })
}

var decimalType = regexp.MustCompile(`^DECIMAL\(\d+,(\d+)\)$`)

// exactSum reports whether sums of a type are exact and fit into DECIMAL(38), and the digits behind the point.
func exactSum(t string) (ok bool, scale int) {
	if m := decimalType.FindStringSubmatch(t); m != nil {
		_, _ = fmt.Sscan(m[1], &scale) // digits
		return true, scale
	}
	return integers[t] > 0, 0
}

// integers are the integers of DuckDB by the bits that a signed one needs.
var integers = map[string]int{"TINYINT": 8, "UTINYINT": 9, "SMALLINT": 16, "USMALLINT": 17, "INTEGER": 32, "UINTEGER": 33,
	"BIGINT": 64}

// stateType is the type of the state that holds all values of a type of DuckDB, and they only.
func stateType(t string) (schemas.Type, bool) {
	switch bits := integers[t]; {
	case bits > 0 && bits <= 32:
		return schemas.Type{Kind: schemas.Integer}, true
	case bits > 0:
		return bigint, true
	}
	stored, err := schemas.Parse(t)
	return stored, err == nil && stored.String() == t
}

// holds reports whether a column keeps all values of a type of DuckDB apart.
func holds(column schemas.Type, t string) bool {
	if bits := integers[t]; bits > 0 {
		return bits <= 32 && column.Kind == schemas.Integer || column.Kind == schemas.BigInt
	}
	return column.String() == t
}

// name of the aggregate, as it is called.
func (a *aggregate) name() string {
	if a.node.Distinct() {
		return strings.ToLower(a.node.Name()) + "(DISTINCT)"
	}
	return a.node.Name()
}
