package plan

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/spark"
)

// What DuckDB says of a query that was written in Spark's dialect is about its translation: functions that the user did
// not call, types by other names, places in macros. Here it becomes what the user can do something about.

// sparkRule is a message of DuckDB, what is said instead, and what to do. In both, $1 is the first group, and {1} the
// type in it; {word} is what stands at the place, {call} the function around it, and {usage} how that is called.
type sparkRule struct {
	says          *regexp.Regexp
	message, help string
}

// arrayHelp is for what is no array.
const arrayHelp = "a text becomes an array with split(x, ','), one value with array(x)"

// castRefused is what DuckDB says of the type that the macro unfit makes of what cannot be cast.
var castRefused = regexp.MustCompile(`^Could not find key "(.+) is no (\S+)" in struct`)

const castOne = "cast one of them: CAST(x AS STRING)"

var sparkRules = []sparkRule{
	{regexp.MustCompile(`^Cannot compare values of type (.+?) and (?:type )?(\S.*?) (?:in IN/ANY/ALL clause )?- an explicit cast`), "{1} and {2} cannot be compared", ""},
	{regexp.MustCompile(`^Cannot mix values of type (.+?) and (.+?) in (?:COALESCE operator|CASE expression|.*?) - an explicit cast`), "the values have no type in common: {1} and {2}", ""},
	{regexp.MustCompile(`^Cannot combine types of (.+?) and (.+?) - an explicit cast`), "the values have no type in common: {1} and {2}", ""},
	{regexp.MustCompile(`^Cannot concatenate lists of types (.+?) and (.+?) - an explicit cast`), "the arrays have other elements: {1} and {2}", "cast one of them: CAST(x AS {1})"},
	{regexp.MustCompile(`^Cannot unpivot columns of types (.+?) and (.+?) - an explicit cast`), "the columns of UNPIVOT have no type in common: {1} and {2}", "cast them in a subquery"},
	{regexp.MustCompile(`(?s)^Cannot deduce template type .*- '(.+?)', from first.*- '(.+?)', which`), "the arguments of {call} do not go together: {1} and {2}", ""},
	{regexp.MustCompile(`^Cannot extract field '(.+?)' from expression`), "the field $1 is taken of what is no struct",
		"only structs have fields; of a text with JSON, take column:$1 or get_json_object(column, '$$.$1')"},
	{regexp.MustCompile(`^Invalid LIST argument`), "the function {word} needs an array", "write {usage}; a text becomes an array with split(x, ',')"},
	{regexp.MustCompile(`^Parameter type needs to be List`), "the function {word} needs arrays", "write {usage}"},
	{regexp.MustCompile(`^(GROUP|ORDER)(?: BY)? term out of range - should be between 1 and (\d+)`), "a number in $1 BY is the place of a column, from 1 to $2", "name the column"},
	{regexp.MustCompile(`^at least one window function must appear`), "QUALIFY needs a window function", "write the condition in WHERE, or in HAVING behind GROUP BY"},
	{regexp.MustCompile(`^QUANTILE can only take`), "the percentage of {word} is from 0 to 1", "write 0.5 for the median"},
	{regexp.MustCompile(`^UNNEST\(\) can only be applied to .*, not (.*)$`), "{word} makes rows of an array or a map, and not of {1}", arrayHelp},
	{regexp.MustCompile(`^UNNEST not supported here`), "{word} is not given an array or a map", arrayHelp},
	{regexp.MustCompile(`^WHERE clause cannot contain aggregates`), "WHERE comes before the aggregation, and cannot contain aggregates", "write the condition in HAVING, behind GROUP BY"},
	{regexp.MustCompile(`^WHERE clause cannot contain window`), "WHERE cannot contain window functions", "write the condition behind QUALIFY"},
	{regexp.MustCompile(`^(?:GROUP BY|JOIN|HAVING) .*cannot contain (aggregates|window functions)`), "$1 are not allowed here", "compute them in a subquery, and use their results"},
	{regexp.MustCompile(`(?i)^column "?([^" ]+)"? must appear in the GROUP BY`), "$1 is neither in GROUP BY nor in an aggregate", "add it to GROUP BY, write GROUP BY ALL, or take one of its values: any_value($1)"},
	{regexp.MustCompile(`^Set operations can only apply`), "the queries give different numbers of columns", "select as many columns in both, in the same order"},
	{regexp.MustCompile(`^Subquery returns (\d+) columns`), "a subquery that stands for a value gives $1 columns", "select one column, or a struct of them: struct(a, b)"},
	{regexp.MustCompile(`^(?:Columns can only be referenced within the aggregate|PIVOT expression)`), "PIVOT needs an aggregate", "write PIVOT (sum(x) FOR name IN ('a', 'b'))"},
	{regexp.MustCompile(`aggregate function calls cannot be nested`), "an aggregate stands inside of an aggregate", "compute the inner one in a subquery"},
	{regexp.MustCompile(`^aggregate function calls cannot contain window`), "a window function stands inside of an aggregate", "compute it in a subquery"},
	{castRefused, "{1} cannot be cast to {2}", ""},
	{regexp.MustCompile(`^Could not find key "(.+?)" in struct`), `there is no field "$1"`, ""},
	{regexp.MustCompile(`^Ambiguous reference to column name "(.+?)"`), "more than one table has a column $1", "name the table: t.$1"},
	{regexp.MustCompile(`^Referenced table "(.+?)" not found`), "there is no table $1 in FROM", ""},
	{regexp.MustCompile(`^(?i:table|values list|subquery|view) "(.+?)" does not have a column named "(.+?)"`), `$1 has no column "$2"`, ""},
	{regexp.MustCompile(`^Could not convert string '(.*?)' to (\S+)`), `"$1" is no {2}`, "correct the text, or use try_cast(x AS {2}), which gives NULL"},
}

// explainSpark is explain for a query in Spark's dialect. offset is where the mistake is.
func (e *duckError) explainSpark(b binding, offset int) (message, help string) {
	word := b.query.Written(offset)
	call, operator := word, ""
	if offset >= 0 && (word == "" || !nameByte(word[0]) && word[0] != '`') {
		call, operator = b.query.Written(callAround(b.sql, offset)), word
	}
	if strings.HasPrefix(e.Message, "Cannot deduce") {
		call = b.query.Written(callAround(b.sql, offset))
	}
	plain, hint := e.explain()
	if strings.Contains(hint, "duckdb.org") || strings.HasPrefix(hint, "in DuckDB's dialect") || strings.HasPrefix(hint, "Candidate") || castRefused.MatchString(e.Message) {
		hint = ""
	}
	if e.Subtype == "NO_MATCHING_FUNCTION" {
		return noMatch(e.Call, word, operator)
	}
	for _, r := range sparkRules {
		m := r.says.FindStringSubmatchIndex(e.Message)
		if m == nil {
			continue
		}
		fill := func(text string) string {
			s := string(r.says.ExpandString(nil, text, e.Message, m))
			var types []string
			for i := 1; i < len(m)/2; i++ {
				typ := spark.TypeName(e.Message[m[2*i]:m[2*i+1]])
				if r.says == castRefused {
					typ = refusedType(e.Message[m[2*i]:m[2*i+1]])
				}
				types = append(types, typ)
				s = strings.ReplaceAll(s, fmt.Sprintf("{%d}", i), typ)
			}
			if s == "" && strings.Contains(r.message, "{1}") {
				s = cmp.Or(castAdvice(types), hint)
			}
			return strings.NewReplacer("{word}", lowered(word), "of {call} ", strings.Replace("of "+lowered(call)+" ", "of  ", "", 1), "{usage}", cmp.Or(spark.Usage(word), word+"(array, …)")).Replace(s)
		}
		if r.help == "" && hint != "" && !strings.Contains(hint, "CAST(") && !strings.HasPrefix(hint, "Type '") {
			return fill(r.message), hint
		}
		return fill(r.message), cmp.Or(fill(r.help), "name one of those that are there")
	}
	return plain, cmp.Or(hint, "where a value has another type than is needed, write CAST(x AS type)")
}

// refusedType is a type that castRefused found, where it has lost its capital letters, and its fields theirs.
func refusedType(lower string) string {
	typ := spark.TypeName(strings.ToUpper(lower))
	if before, _, found := strings.Cut(typ, "STRUCT<"); found {
		typ = before + "STRUCT<…>" + strings.Repeat(">", strings.Count(before, "<"))
	}
	return typ
}

func lowered(word string) string {
	if word == strings.ToUpper(word) {
		return strings.ToLower(word)
	}
	return word
}

// noMatch is for a function or operator that there is not for the types of its arguments.
func noMatch(signature, word, operator string) (message, help string) {
	name, list, _ := strings.Cut(strings.TrimSuffix(signature, ")"), "(")
	types := spark.TypeNames(list)
	switch indexed := strings.HasSuffix(word, "]"); {
	case indexed && name != "" && !nameByte(name[0]): // the index is counted from 1 here
		return "the index of " + word + " is " + types[0], "take an INT, or make it one: CAST(x AS INT)"
	case indexed && strings.HasPrefix(types[0], "STRUCT"):
		return "no element can be taken of " + types[0], castAdvice(types[:1])
	case indexed:
		return "no element can be taken of " + types[0], arrayHelp
	}
	if operator != "" || name != "" && !nameByte(name[0]) {
		message = fmt.Sprintf("the operator %s does not take %s", cmp.Or(operator, name), strings.Join(types, " and "))
		return message, castAdvice(types)
	}
	if !strings.EqualFold(name, word) { // the others may be what the translation has added
		types = types[:1]
	}
	message = fmt.Sprintf("the function %s does not take %s", cmp.Or(lowered(word), name), strings.Join(types, ", "))
	help = castAdvice(types)
	switch usage := spark.Usage(word); {
	case usage == "":
	case strings.Contains(usage, " AS "):
		help = "it is " + usage
	case (strings.Contains(usage, "(array") || strings.Contains(usage, "(list")) && !strings.HasPrefix(help, "take"):
		help = "it is " + usage + "; " + arrayHelp
	default:
		help = "it is " + usage + "; " + help
	}
	return message, help
}

// castAdvice says what can be done with values of types that do not go where they stand.
func castAdvice(types []string) string {
	has := func(prefix string) bool {
		return slices.ContainsFunc(types, func(t string) bool { return strings.HasPrefix(t, prefix) })
	}
	switch {
	case has("STRUCT"):
		return "take a field of the struct: x.field"
	case has("ARRAY"):
		return "take an element, x[0], or make rows of them with explode(x)"
	case has("MAP"):
		return "take a value of the map: x['key']"
	case len(types) > 0 && has("STRING"):
		return "cast the text: CAST(x AS DOUBLE), or to another type"
	case len(types) > 0:
		return castOne
	}
	return ""
}

// castMacro finds the type that a macro casts to.
var castMacro = regexp.MustCompile(`^spark\."?(?:as_([a-z]+)|([a-z]+)_of\b)`)

// nothing is a NULL in the place of a call, of its type where that is known.
func nothing(call string) string {
	m := castMacro.FindStringSubmatch(call)
	if m == nil {
		return "NULL"
	}
	to := cmp.Or(m[1], m[2])
	return "CAST(NULL AS " + cmp.Or(map[string]string{"string": "VARCHAR", "binary": "BLOB"}[to], to) + ")"
}

// firstLine is what a message says without suggestions, which change.
func firstLine(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	return line
}

// callAround is where the name of the call begins that stands around an offset, or -1.
func callAround(sql string, offset int) int {
	depth := 0
	for i := min(offset, len(sql)) - 1; i > 0; i-- {
		switch sql[i] {
		case ')':
			depth++
		case '(':
			if depth--; depth >= 0 {
				continue
			}
			start := i
			for start > 0 && (nameByte(sql[start-1]) || sql[start-1] == '.' || sql[start-1] == '"') {
				start--
			}
			if start < i {
				return start
			}
		}
	}
	return -1
}

// blamed are messages without a place, with what they are about.
var blamed = []struct{ says, calls *regexp.Regexp }{
	{regexp.MustCompile(`during lambda function binding`), regexp.MustCompile(`\blist_(transform|filter|reduce|sort)\(`)},
	{regexp.MustCompile(`in COALESCE operator`), regexp.MustCompile(`\bcoalesce\(`)},
	{regexp.MustCompile(`in CASE expression`), regexp.MustCompile(`\bCASE\b`)},
	{regexp.MustCompile(`^GROUP BY term`), regexp.MustCompile(`\bGROUP BY\b`)},
	{regexp.MustCompile(`at least one window function`), regexp.MustCompile(`\bQUALIFY\b`)},
	{regexp.MustCompile(`^Cannot unpivot`), regexp.MustCompile(`\bUNPIVOT\b`)},
	{castRefused, regexp.MustCompile(`\bspark\.((as_\w+|\w+_of)|"(as_[^"]+|\w+_of)")\(`)},
	{regexp.MustCompile(`^Set operations`), regexp.MustCompile(`\b(UNION|EXCEPT|INTERSECT)\b`)},
}

var (
	anyCall     = regexp.MustCompile(`\b[a-z_"][\w."]*\(`)
	fieldTaken  = regexp.MustCompile(`^Cannot extract field '(.+?)' from expression`)
	groupMember = regexp.MustCompile(`^column (\S+) must appear`)
)

// mostBlamed is how many calls of a query are tried.
const mostBlamed = 60

// blame is the offset of what DuckDB finds wrong without a place, or with a place in a macro: of the calls in question,
// the smallest without which DuckDB does not say so.
func (c *compiler) blame(ctx context.Context, b binding, e *duckError, offset int) int {
	if m := fieldTaken.FindStringSubmatch(e.Message); m != nil {
		if i := regexp.MustCompile(`(?i)\."?` + regexp.QuoteMeta(m[1]) + `\b`).FindStringIndex(b.sql); i != nil {
			return i[0] + 1
		}
	}
	if m := groupMember.FindStringSubmatch(e.Message); m != nil {
		return findName(b.sql, m[1])
	}
	var all []int
	macro := spark.MacroAt(c.in.Macros, e.Offset())
	if macro != "" && !castRefused.MatchString(e.Message) {
		all = spark.Calls(b.sql, macro)
	}
	for _, x := range blamed {
		if len(all) == 0 && x.says.MatchString(e.Message) {
			for _, at := range x.calls.FindAllStringIndex(b.sql, -1) {
				all = append(all, at[0])
			}
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	if len(all) == 0 {
		if offset >= 0 {
			return offset
		}
		for _, at := range anyCall.FindAllStringIndex(b.sql, mostBlamed) {
			all = append(all, at[0])
		}
	}
	smallest := len(b.sql)
	for _, at := range all[:min(len(all), mostBlamed)] {
		open := strings.IndexByte(b.sql[at:], '(')
		if open < 0 {
			continue
		}
		shut := closing(b.sql, at+open)
		if shut < 0 || shut-at >= smallest {
			continue
		}
		_, err := c.describe(ctx, b.before+b.sql[:at]+nothing(b.sql[at:])+b.sql[shut+1:]+b.after)
		if other := readDuckError(err); err == nil || other != nil && other.Type != "Parser" && firstLine(other.Message) != firstLine(e.Message) {
			offset, smallest = at, shut-at
		}
	}
	return offset
}
