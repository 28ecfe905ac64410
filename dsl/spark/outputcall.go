package spark

import (
	"slices"
	"strings"
)

// prettyDefaults are the arguments that Spark shows of functions that are called with so few: name/arguments.
var prettyDefaults = map[string][]string{
	"sort_array/1": {"true"}, "percentile/2": {"1"}, "percentile_approx/2": {"10000"}, "approx_percentile/2": {"10000"}, "round/1": {"0"}, "bround/1": {"0"},
	"from_unixtime/1": {sparkMoment}, "unix_timestamp/1": {sparkMoment}, "to_unix_timestamp/1": {sparkMoment}, "unix_timestamp/0": {"current_timestamp()", sparkMoment},
	"locate/2": {"1"}, "position/2": {"1"}, "lpad/2": {" "}, "rpad/2": {" "}, "mask/1": {"X", "x", "n", "NULL"}, "mask/2": {"x", "n", "NULL"}, "mask/3": {"n", "NULL"}, "mask/4": {"NULL"},
	"months_between/2": {"true"}, "overlay/3": {"-1"}, "regexp_instr/2": {"0"}, "regexp_replace/3": {"1"}, "regexp_extract/2": {"1"}, "regexp_extract_all/2": {"1"}, "replace/2": {""},
	"split/2": {"-1"}, "str_to_map/1": {",", ":"}, "str_to_map/2": {":"}, "substring/2": {"2147483647"}, "substr/2": {"2147483647"},
	"aggregate/3": {"lambdafunction(namedlambdavariable(), namedlambdavariable())"}, "reduce/3": {"lambdafunction(namedlambdavariable(), namedlambdavariable())"},
}

const sparkMoment = "yyyy-MM-dd HH:mm:ss"

// understood is the name and the arguments that Spark shows of a call: it shows what it understands of some functions.
// whole is set where the name is all.
func (c *call) understood(args []string) (name string, shown []string, whole bool) {
	name = c.name
	one := func(s string) (string, []string, bool) { return s, nil, true }
	switch n := len(args); {
	case name == "array_agg":
		name = "collect_list"
	case strings.HasPrefix(name, "first") && c.over == nil && (c.nulls != "" || n == 2):
		return "first", args[:1], false
	case strings.HasPrefix(name, "last") && name != "last_day" && c.over == nil && (c.nulls != "" || n == 2):
		return "last", args[:1], false
	case name == "if":
		return one("(IF(" + strings.Join(args, ", ") + "))")
	case name == "isnull" && n == 1:
		return one("(" + args[0] + " IS NULL)")
	case name == "isnotnull" && n == 1:
		return one("(" + args[0] + " IS NOT NULL)")
	case name == "positive" && n == 1:
		return one("(+ " + args[0] + ")")
	case name == "div" && n == 2:
		return one("(" + args[0] + " div " + args[1] + ")")
	case name == "log" && n == 1:
		return one("LOG(E(), " + args[0] + ")")
	case name == "ltrim" && n == 2:
		return one("TRIM(LEADING " + args[0] + " FROM " + args[1] + ")")
	case name == "rtrim" && n == 2:
		return one("TRIM(TRAILING " + args[0] + " FROM " + args[1] + ")")
	case (name == "extract" || name == "datepart") && n == 2:
		return one(name + "(" + args[0] + " FROM " + args[1] + ")")
	case (name == "dateadd" || name == "date_add") && n == 2:
		name = "date_add"
	case slices.Contains([]string{"dateadd", "date_add"}, name) && n == 3:
		name = "timestampadd"
	case slices.Contains([]string{"datediff", "date_diff", "timediff"}, name) && n == 3:
		name = "timestampdiff"
	case name == "from_json" && n > 1:
		if l, ok := c.args[1].value.(*literal); ok && strings.HasPrefix(strings.ToLower(strings.TrimSpace(l.value)), "map<") {
			return one("entries")
		}
		args = args[:1]
	case name == "assert_true" && n == 1:
		args = append(args, "'"+args[0]+"' is not true!")
	}
	return name, append(args, prettyDefaults[name+"/"+itoa(len(args))]...), false
}

// pretty is a lambda as Spark writes it, in which parameters have lost their names.
func (l *lambda) pretty() string {
	const variable = "namedlambdavariable()"
	names := map[string]bool{}
	for _, p := range l.params {
		names[strings.ToLower(p.name)] = true
	}
	return "lambdafunction(" + pretty(withoutNames(l.body, names)) + strings.Repeat(", "+variable, len(l.params)) + ")"
}

// withoutNames is an expression in which parameters are calls of namedlambdavariable, as Spark shows them. Only what
// can be seen of it is made.
func withoutNames(x expr, names map[string]bool) expr {
	sub := func(x expr) expr {
		if x == nil {
			return nil
		}
		return withoutNames(x, names)
	}
	all := func(list []expr) []expr {
		var out []expr
		for _, x := range list {
			out = append(out, sub(x))
		}
		return out
	}
	switch x := x.(type) {
	case *column:
		if names[strings.ToLower(x.path[0].name)] {
			var v expr = &call{span: x.span, name: "namedlambdavariable"}
			for _, f := range x.path[1:] {
				v = &field{span: x.span, x: v, name: f}
			}
			return v
		}
	case *unary:
		c := *x
		c.x = sub(x.x)
		return &c
	case *binary:
		c := *x
		c.l, c.r = sub(x.l), sub(x.r)
		return &c
	case *cast:
		c := *x
		c.x = sub(x.x)
		return &c
	case *is:
		c := *x
		c.x, c.y = sub(x.x), sub(x.y)
		return &c
	case *in:
		c := *x
		c.x, c.list = sub(x.x), all(x.list)
		return &c
	case *between:
		c := *x
		c.x, c.low, c.high = sub(x.x), sub(x.low), sub(x.high)
		return &c
	case *like:
		c := *x
		c.x, c.patterns = sub(x.x), all(x.patterns)
		return &c
	case *field:
		c := *x
		c.x = sub(x.x)
		return &c
	case *item:
		c := *x
		c.x, c.key = sub(x.x), sub(x.key)
		return &c
	case *caseOf:
		c := *x
		c.operand, c.other = sub(x.operand), sub(x.other)
		c.whens = nil
		for _, w := range x.whens {
			c.whens = append(c.whens, when{sub(w.cond), sub(w.then)})
		}
		return &c
	case *call:
		c := *x
		c.args = slices.Clone(x.args)
		for i := range c.args {
			c.args[i].value = sub(c.args[i].value)
		}
		return &c
	}
	return x
}
