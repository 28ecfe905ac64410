package spark

import "strings"

// outputName is the name that Spark gives to an item of a select list without an alias. It is false where DuckDB gives
// the same.
func outputName(x expr) (string, bool) {
	switch x := x.(type) {
	case *column, *star:
		return "", false
	case *field:
		if name := nameOf(x); name != "" {
			return name, true
		}
	case *path:
		if name := x.steps[len(x.steps)-1].name; name != "" {
			return name, true
		}
		return "", false
	case *cast:
		if name := nameOf(x.x); name != "" { // a cast of a column keeps its name
			return name, true
		}
	case *call:
		if castFunctions[x.name] != "" && len(x.args) == 1 {
			if name := nameOf(x.args[0].value); name != "" {
				return name, true
			}
		}
	}
	return pretty(x), true
}

// nameOf is the name of a column, or of a field of one.
func nameOf(x expr) string {
	switch x := x.(type) {
	case *column:
		return x.path[len(x.path)-1].name
	case *field:
		if nameOf(x.x) != "" {
			return x.name.name
		}
	}
	return ""
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
		return negated("between("+prettyList([]expr{x.x, x.low, x.high})+")", x.not)
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
		return x.pretty()
	case *tuple:
		return "struct(" + prettyList(x.items) + ")"
	case *subquery:
		if x.exists {
			return "exists()"
		}
		return "scalarsubquery()"
	case *interval:
		return x.text
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
	if l.kind == numberLiteral && strings.HasPrefix(l.value, ".") {
		return "0" + l.value
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
		r = v.text
		if b.op == "+" || b.op == "-" {
			return l + " " + b.op + " " + r
		}
	}
	return "(" + l + " " + b.op + " " + r + ")"
}

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
	for _, a := range c.args {
		text := pretty(a.value)
		if c.name == "struct" && a.alias != "" {
			text += " AS " + a.alias
		}
		args = append(args, text)
	}
	name, args, whole := c.understood(args)
	if whole {
		return name
	}
	distinct := ""
	if c.distinct {
		distinct = "DISTINCT "
	}
	return name + "(" + distinct + strings.Join(args, ", ") + ")" + c.prettyEnd()
}

// prettyEnd is what stands behind the arguments.
func (c *call) prettyEnd() string {
	end := ""
	if len(c.within) > 0 {
		o := c.within[0]
		end += " WITHIN GROUP (ORDER BY " + pretty(o.x)
		if o.desc {
			end += " DESC NULLS LAST"
		}
		end += ")"
	}
	if c.filter != nil {
		end += " FILTER (WHERE " + pretty(c.filter) + ")"
	}
	if c.over != nil {
		end += " OVER " + c.over.pretty(c.name)
	}
	return end
}

// pretty is a window as Spark writes it, with the frame that is understood.
func (w *window) pretty(function string) string {
	if w.name != "" {
		return w.name
	}
	var parts []string
	if len(w.partition) > 0 {
		parts = append(parts, "PARTITION BY "+prettyList(w.partition))
	}
	var orders []string
	for _, o := range w.order {
		direction, nulls := " ASC", o.suffix()
		if o.desc {
			direction = " DESC"
		}
		orders = append(orders, pretty(o.x)+direction+nulls[strings.Index(nulls, " NULLS"):])
	}
	if len(orders) > 0 {
		parts = append(parts, "ORDER BY "+strings.Join(orders, ", "))
	}
	frame := "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
	_, v := lookup(function, 0)
	switch {
	case len(w.frame) > 0:
		frame = ""
		for _, part := range w.frame {
			if x, ok := part.(expr); ok {
				frame += pretty(x) + " "
			} else if word, ok := part.(string); ok {
				frame += word + " "
			}
		}
		frame = strings.TrimSpace(frame)
	case v != nil && v.window:
		frame = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
	case len(orders) > 0:
		frame = "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
	}
	return "(" + strings.Join(append(parts, frame), " ") + ")"
}
