package spark

import "strings"

// outputName is the name that Spark gives to an item of a select list without an alias. It is false where DuckDB gives
// the same.
func outputName(x expr) (string, bool) {
	switch x := x.(type) {
	case *column, *star, *field:
		return "", false
	case *path:
		if name := x.steps[len(x.steps)-1].name; name != "" {
			return name, true
		}
		return "", false
	case *cast:
		switch inner := x.x.(type) { // a cast of a column keeps its name
		case *column:
			return inner.path[len(inner.path)-1].name, true
		case *field:
			return inner.name.name, true
		}
	}
	return pretty(x), true
}

// pretty is an expression as Spark writes it.
func pretty(x expr) string {
	switch x := x.(type) {
	case *column:
		return x.path[len(x.path)-1].name
	case *star:
		return "*"
	case *literal:
		return x.pretty()
	case *unary:
		if x.op == "NOT" {
			return "(NOT " + pretty(x.x) + ")"
		}
		return "(" + x.op + " " + pretty(x.x) + ")"
	case *binary:
		return x.pretty()
	case *cast:
		word := "CAST("
		if x.try {
			word = "TRY_CAST("
		}
		return word + pretty(x.x) + " AS " + x.to.spelled() + ")"
	case *caseOf:
		return x.pretty()
	case *call:
		return x.pretty()
	case *between:
		s := "((" + pretty(x.x) + " >= " + pretty(x.low) + ") AND (" + pretty(x.x) + " <= " + pretty(x.high) + "))"
		return negated(s, x.not)
	case *in:
		return negated("("+pretty(x.x)+" IN ("+prettyList(x.list)+"))", x.not)
	case *like:
		if x.op == "RLIKE" {
			return negated("RLIKE("+pretty(x.x)+", "+pretty(x.patterns[0])+")", x.not)
		}
		return negated(pretty(x.x)+" "+x.op+" "+prettyList(x.patterns), x.not)
	case *is:
		not := ""
		if x.not {
			not = "NOT "
		}
		return "(" + pretty(x.x) + " IS " + not + x.what + ")"
	case *field:
		return pretty(x.x) + "." + x.name.name
	case *item:
		return pretty(x.x) + "[" + pretty(x.key) + "]"
	case *lambda:
		return "lambdafunction(" + pretty(x.body) + ")"
	case *tuple:
		return "struct(" + prettyList(x.items) + ")"
	case *subquery:
		if x.exists {
			return "exists()"
		}
		return "scalarsubquery()"
	case *interval:
		return "INTERVAL"
	}
	return "value"
}

func negated(s string, not bool) string {
	if not {
		return "(NOT " + s + ")"
	}
	return s
}

func prettyList(all []expr) string {
	var texts []string
	for _, x := range all {
		texts = append(texts, pretty(x))
	}
	return strings.Join(texts, ", ")
}

func (l *literal) pretty() string {
	switch l.kind {
	case nullLiteral:
		return "NULL"
	case dateLiteral:
		return "DATE '" + l.value + "'"
	case timestampLiteral:
		return "TIMESTAMP '" + l.value + "'"
	}
	return l.value
}

func (b *binary) pretty() string {
	l, r := pretty(b.l), pretty(b.r)
	switch b.op {
	case "||":
		return "concat(" + l + ", " + r + ")"
	case "DIV":
		return "(" + l + " div " + r + ")"
	case "==":
		return "(" + l + " = " + r + ")"
	case "<>", "!=":
		return "(NOT (" + l + " = " + r + "))"
	}
	if v, ok := b.r.(*interval); ok {
		r = v.pretty()
		if b.op == "+" || b.op == "-" {
			return l + " " + b.op + " " + r
		}
	}
	return "(" + l + " " + b.op + " " + r + ")"
}

func (v *interval) pretty() string { return "INTERVAL" }

func (c *caseOf) pretty() string {
	var b strings.Builder
	b.WriteString("CASE")
	for _, w := range c.whens {
		cond := pretty(w.cond)
		if c.operand != nil {
			cond = "(" + pretty(c.operand) + " = " + cond + ")"
		}
		b.WriteString(" WHEN " + cond + " THEN " + pretty(w.then))
	}
	if c.other != nil {
		b.WriteString(" ELSE " + pretty(c.other))
	}
	return b.String() + " END"
}

func (c *call) pretty() string {
	if c.name == "count" && len(c.args) == 1 {
		if _, ok := c.args[0].value.(*star); ok {
			return "count(1)" + c.prettyEnd()
		}
	}
	var args []string
	for i, a := range c.args {
		s := pretty(a.value)
		switch {
		case c.name == "struct" && a.alias != "":
			s = s + " AS " + a.alias
		case c.name == "struct":
			_ = i
		}
		args = append(args, s)
	}
	distinct := ""
	if c.distinct {
		distinct = "DISTINCT "
	}
	if c.name == "if" {
		return "(IF(" + strings.Join(args, ", ") + "))"
	}
	return c.name + "(" + distinct + strings.Join(args, ", ") + ")" + c.prettyEnd()
}

func (c *call) prettyEnd() string {
	if c.over == nil {
		return ""
	}
	var parts []string
	if len(c.over.partition) > 0 {
		parts = append(parts, "PARTITION BY "+prettyList(c.over.partition))
	}
	for i, o := range c.over.order {
		word := ", "
		if i == 0 {
			word = "ORDER BY "
		}
		direction := " ASC"
		if o.desc {
			direction = " DESC"
		}
		nulls := o.suffix()
		parts = append(parts, strings.TrimSpace(word)+" "+pretty(o.x)+direction+nulls[strings.Index(nulls, " NULLS"):])
	}
	return " OVER (" + strings.Join(parts, " ") + ")"
}
