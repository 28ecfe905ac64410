package spark_test

import (
	"flag"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/spark"
)

var writeQuestions = flag.String("questions", "", "write the questions for Spark to this file")

// TestQuestions writes what scripts/spark-diff asks Spark, and checks that the stored answers are to these questions.
func TestQuestions(t *testing.T) {
	all := questions(t)
	if *writeQuestions != "" {
		if err := os.WriteFile(*writeQuestions, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	asked := map[string]bool{}
	for _, a := range answers(t) {
		asked[a.SQL] = true
	}
	if len(all) < 2500 {
		t.Errorf("%d questions", len(all))
	}
	missing := 0
	for _, q := range all {
		if !asked[q] {
			missing++
			t.Logf("Spark was not asked for %s", q)
		}
	}
	if missing > len(all)/20 { // a new form of a function makes a few
		t.Errorf("%d of %d questions have no answer; run scripts/spark-diff --write", missing, len(all))
	}
}

// questions are the lines of expressions.txt and queries.txt, and those that are made.
func questions(t *testing.T) []string {
	t.Helper()
	var all []string
	seen := map[string]bool{}
	add := func(q string) {
		if !seen[q] {
			seen[q] = true
			all = append(all, q)
		}
	}
	for _, name := range []string{"expressions.txt", "queries.txt"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(data), "\n") {
			if line != "" && !strings.HasPrefix(line, "#") {
				add(line)
			}
		}
	}
	for _, f := range spark.Functions() {
		for _, q := range functionQuestions(f) {
			if some(q) || strings.HasPrefix(q, "select ") || strings.Contains(q, "(null") {
				add(q)
			}
		}
	}
	for _, q := range slices.Concat(castQuestions(), operatorQuestions()) {
		if some(q) {
			add(q)
		}
	}
	return all
}

// some takes a part of what is made: Spark answers about ten questions in a second.
func some(q string) bool {
	h := fnv.New32a()
	h.Write([]byte(q))
	return h.Sum32()%10 < 3
}

// edges are values for a kind of parameter; the first is the one that stands there while another parameter changes.
var edges = map[string][]string{
	"text":     {"'a-b c'", "null", "''", "'Ünïcödé 😀'", "' 12.50 '", "7"},
	"int":      {"2", "null", "0", "-1", "5", "'3'"},
	"number":   {"7", "null", "-2.5D", "2.50BD", "0", "cast('NaN' as double)", "9223372036854775807L", "'1.5'", "cast('-9999999999.99' as decimal(12,2))"},
	"double":   {"0.5D", "null", "0", "-2.5BD", "cast('NaN' as double)", "cast('Infinity' as double)", "1e300", "'2'"},
	"decimal":  {"2.50BD", "null", "cast('-99999999999999999999999999999999999999' as decimal(38,0))", "0.01BD"},
	"bool":     {"true", "null", "false", "'true'"},
	"date":     {"date '2024-02-29'", "null", "date '1969-12-31'", "'2023-12-31'", "timestamp '2024-10-27 01:30:00.5'", "date '0001-01-01'", "'x'"},
	"time":     {"timestamp '2024-02-29 13:45:06.789'", "null", "timestamp '1969-12-31 23:59:59.999999'", "'2024-03-31 02:30:00'", "date '2024-10-27'", "timestamp '9999-12-31 23:59:59'"},
	"binary":   {"X'00ff41'", "null", "'abc'", "X''"},
	"any":      {"1", "null", "'x'", "2.5D", "date '2024-02-29'"},
	"list":     {"array(3, 1, null, 2, 1)", "null", "array()", "array('b', 'a')", "array(1.5D, cast('NaN' as double))"},
	"map":      {"map('a', 1, 'b', 2)", "null", "map()", "map(1, 'x')"},
	"regex":    {"'([a-z]+)'", "null", "''", "'^[^-]*'"},
	"json":     {`'{"a":1,"b":[1,{"c":"x"}],"d":null}'`, "null", "''", "'{'", "'[1,2,3]'", "'1'"},
	"interval": {"interval 1 day", "interval 90 minutes", "interval 2 months"},
}

// signatures are the kinds of the parameters of functions whose table does not tell enough, one form for each number of
// arguments. What stands in quotes or is a number is a constant.
var signaturesOf = map[string][]string{
	"size": {"list", "map"}, "cardinality": {"list", "map"}, "array_size": {"list"}, "get": {"list, int"}, "array_contains": {"list, int"}, "array_distinct": {"list"},
	"array_union": {"list, list"}, "array_intersect": {"list, list"}, "array_except": {"list, list"}, "arrays_overlap": {"list, list"}, "array_join": {"list, ','", "list, ',', '-'"},
	"array_max": {"list"}, "array_min": {"list"}, "array_position": {"list, int"}, "array_remove": {"list, int"}, "array_append": {"list, int"}, "array_prepend": {"list, int"},
	"array_insert": {"list, int, 9"}, "array_compact": {"list"}, "array_sort": {"list"}, "sort_array": {"list", "list, bool"}, "slice": {"list, int, 2"}, "flatten": {"array(array(1, 2), array(), array(null))", "array(list, null)"},
	"map_keys": {"map"}, "map_values": {"map"}, "map_entries": {"map"}, "map_from_arrays": {"array('k', 'l'), array(1, null)"}, "map_from_entries": {"array(struct('k', 1), struct('l', null))"},
	"map_concat": {"map, map('c', 3)"}, "map_contains_key": {"map, 'a'"}, "element_at": {"list, int", "map, 'a'"}, "try_element_at": {"list, int", "map, 'a'"}, "reverse": {"text", "list"},
	"transform": {"list, x -> x + 1"}, "filter": {"list, x -> x > 1"}, "exists": {"list, x -> x > 2"}, "forall": {"list, x -> x > 0"}, "aggregate": {"list, 0, (a, x) -> a + x"}, "reduce": {"list, 0, (a, x) -> a + x"},
	"zip_with": {"list, array(10, 20), (x, y) -> x + y"}, "map_filter": {"map, (k, v) -> v > 1"}, "transform_values": {"map, (k, v) -> v"}, "transform_keys": {"map, (k, v) -> k"}, "arrays_zip": {"list, array('x', 'y')"},
	"map_zip_with": {"map, map('a', 10), (k, a, b) -> concat(a, b)"}, "sequence": {"1, int", "date, date '2024-03-02'"}, "concat": {"text, text", "list, array(9)", "binary, X'01'"}, "concat_ws": {"',', text, text"},
	"struct": {"any, text"}, "named_struct": {"'a', any, 'b', text"}, "map": {"'k', any", "int, 'x'"}, "array": {"any, null"}, "if": {"bool, any, null"}, "decode": {"binary, 'utf-8'", "int, 1, 'one', 2, 'two'", "int, 2, 'two', 'other'"},
	"encode": {"text, 'utf-8'", "text, 'utf-16'"}, "elt": {"int, 'x', text"}, "date_part": {"'year', date", "'second', time", "'dow', date", "'week', date", "'doy', date"}, "datepart": {"'hour', time"},
	"date_format": {"time, 'yyyy-MM-dd HH:mm:ss.SSS'", "date, 'EEE d MMM yy'", "time, 'hh:mm a'", "date, 'D'", "date, 'Q'", "date, 'qqq'"}, "to_date": {"date", "'29.02.2024', 'dd.MM.yyyy'", "text, 'yyyy'"}, "try_to_date": {"date", "text, 'yyyy-MM-dd'"},
	"to_timestamp": {"time", "'2024-02-29 1:2', 'yyyy-MM-dd H:m'", "text, 'yyyy'"}, "try_to_timestamp": {"time", "text, 'yyyy'"}, "to_timestamp_ntz": {"time"}, "to_timestamp_ltz": {"time"}, "unix_timestamp": {"time"}, "to_unix_timestamp": {"time"},
	"from_unixtime": {"int", "1709214306, 'yyyy/MM/dd'"}, "date_trunc": {"'year', time", "'quarter', time", "'month', time", "'week', time", "'day', time", "'hour', time", "'minute', time", "'second', time", "'millisecond', time", "'x', time"},
	"trunc": {"date, 'year'", "date, 'quarter'", "date, 'month'", "date, 'week'", "date, 'x'"}, "datediff": {"date, date '2024-01-01'", "month, date '2024-01-31', date"}, "date_diff": {"date, date '2024-01-01'"}, "timestampdiff": {"hour, timestamp '2024-01-01 00:00:00', time"},
	"timediff": {"day, timestamp '2024-01-01 00:00:00', time"}, "dateadd": {"date, int", "month, int, date"}, "date_add": {"date, int", "month, int, date"}, "timestampadd": {"hour, int, time"}, "add_months": {"date, int"}, "months_between": {"date, date '2024-01-31'", "time, time", "time, time, false"},
	"next_day": {"date, 'Mon'", "date, 'SUNDAY'", "date, 'x'"}, "substring": {"text, int", "text, int, 2"}, "substr": {"text, int, 2"}, "mod": {"number, 3", "7, number"}, "div": {"number, 2", "7, int"}, "pmod": {"number, 3", "-7, int"}, "split": {"text, '-'", "text, '[- ]'", "text, '-', int"},
	"sha2": {"text, 256", "text, 224", "text, 384", "text, 512", "text, 0", "text, 1"}, "round": {"number", "number, 1", "number, -1", "decimal, 1"}, "bround": {"number", "number, 1"}, "ceil": {"number", "decimal, 1", "number, 1"}, "ceiling": {"decimal"}, "floor": {"number", "decimal, 1", "number, 1"},
	"from_json": {"json, 'a INT, b ARRAY<STRING>'", "json, 'map<string,string>'", "'{\"a\":\"2024-01-01\",\"t\":1.5}', 'a DATE, t DECIMAL(5,2)'", "'{\"A\":1}', 'a INT'"}, "to_json": {"named_struct('a', any)", "list", "map"}, "get_json_object": {"json, '$.a'", "json, '$.b[1].c'", "json, '$.b'", "json, '$'"}, "json_array_length": {"json"}, "json_object_keys": {"json"},
	"schema_of_json": {"'{\"a\":1,\"b\":[1.5]}'"}, "parse_json": {"json"}, "try_parse_json": {"json"}, "variant_get": {"parse_json(json), '$.a', 'int'"}, "try_variant_get": {"parse_json(json), '$.a', 'int'"}, "is_variant_null": {"parse_json(json)"},
	"make_interval": {"1, 2, 0, int"}, "make_dt_interval": {"int, 2, 3, 4.5"}, "make_ym_interval": {"1, int"}, "assert_true": {"bool"}, "typeof": {"any", "list", "map", "decimal", "time", "binary", "struct(1 as a, 'x' as b)", "interval"}, "collate": {"text, 'UTF8_BINARY'"},
	"conv": {"'ff', 16, 10", "text, 10, 16", "'-10', 16, -10", "'zz', 36, 10", "'100', 2, 10", "int, 10, 2"}, "soundex": {"text", "'Robert'", "'Tymczak'", "'Pfister'"}, "luhn_check": {"'79927398713'", "'79927398714'", "text"}, "mask": {"'abCD-12é'", "text, 'X', 'x', '0'", "'abCD-12', null, 'q', null, '*'"},
	"to_number": {"'1,234.5', '9,999.9'", "'$12', '$99'", "'-3', 'S9'", "text, '999'", "'007', '000'"}, "try_to_number": {"'1,234.5', '9,999.9'", "text, '999'"}, "to_char": {"1234.5BD, '9,999.9'", "date '2024-02-29', 'yyyy'", "-3, 'S9'", "12, '$999.00'"}, "to_varchar": {"1234.5BD, '9,999.9'"},
	"to_binary": {"'6162', 'hex'", "'abc', 'utf-8'", "'YWJj', 'base64'"}, "try_to_binary": {"'6162', 'hex'", "'xyz', 'hex'"}, "width_bucket": {"number, 0.2, 10.6, 5", "5, 10, 0, 4"}, "parse_url": {"'https://u:p@a.b:8/c/d?x=1&y=2#f', 'HOST'", "'https://u:p@a.b:8/c/d?x=1&y=2#f', 'PATH'", "'https://u:p@a.b:8/c/d?x=1&y=2#f', 'QUERY'", "'https://u:p@a.b:8/c/d?x=1&y=2#f', 'QUERY', 'y'", "'https://u:p@a.b:8/c/d?x=1#f', 'REF'", "'https://u:p@a.b:8/c', 'PROTOCOL'", "'https://u:p@a.b:8/c?q', 'FILE'", "'https://u:p@a.b:8/c', 'AUTHORITY'", "'https://u:p@a.b:8/c', 'USERINFO'", "null, 'HOST'", "'x', 'HOST'"},
	"try_parse_url": {"'https://a.b/c', 'HOST'", "'inva lid://x', 'HOST'"}, "uniform": {"1, 1"}, "xxhash64": {"text", "int"}, "hash": {"text", "int"}, "crc32": {"text"}, "quote": {"text", `'it\'s'`}, "is_valid_utf8": {"binary", "text"}, "make_valid_utf8": {"text"}, "validate_utf8": {"text"},
	"grouping_id": nil, "window": nil, "session_window": nil, "window_time": nil, "count": {"any"}, "percentile": {"double, 0.5"}, "percentile_cont": nil, "percentile_disc": nil, "mode": {"any"}, "percentile_approx": {"int, 0.5"}, "approx_percentile": {"int, 0.5"}, "grouping": nil,
	"string_agg": {"text, ','"}, "listagg": {"text, ','"}, "nth_value": {"any, 2"}, "lag": {"any", "any, 1, 0"}, "lead": {"any", "any, 1, 0"}, "ntile": {"2"}, "min_by": {"any, int"}, "max_by": {"any, int"}, "bit_and": {"int"}, "bit_or": {"int"}, "bit_xor": {"int"},
	"first": {"any", "any, true"}, "last": {"any", "any, true"}, "first_value": {"any"}, "last_value": {"any"}, "collect_list": {"any"}, "collect_set": {"int"}, "array_agg": {"any"}, "histogram_numeric": {"int, 2"}, "skewness": {"double"}, "regr_avgx": {"double, int"}, "regr_avgy": {"double, int"}, "regr_sxx": {"double, int"}, "regr_syy": {"double, int"}, "regr_sxy": {"double, int"},
	"approx_count_distinct": {"int"}, "hex": {"text", "int", "binary"}, "md5": {"text", "binary"}, "sha": {"text"}, "sha1": {"text"}, "coalesce": {"any, any", "null, text, int"}, "nvl": {"any, any"}, "ifnull": {"any, any"}, "nvl2": {"any, 'y', 'n'"}, "nullif": {"any, 1"}, "greatest": {"any, 5", "number, 1"}, "least": {"any, 5", "number, 1"}, "equal_null": {"any, 1"},
	"array_repeat": {"any, int"}, "format_string": {"'%s %05d %.2f', text, int, 1.5D"}, "printf": {"'%d%%', int"}, "from_utc_timestamp": {"time, 'Europe/Berlin'", "time, '+02:00'", "time, 'PST'"}, "to_utc_timestamp": {"time, 'America/New_York'", "time, 'Europe/Berlin'"}, "convert_timezone": {"'Europe/Berlin', 'America/New_York', time"},
	"timestamp_seconds": {"number", "int"}, "timestamp_millis": {"int"}, "timestamp_micros": {"int"}, "make_date": {"2024, int, 29"}, "make_timestamp": {"2024, int, 29, 1, 2, 3.5", "2024, 2, 28, 1, 2, 60"}, "bit_count": {"int", "bool"}, "shiftleft": {"int, 2"}, "shiftright": {"int, 1"}, "shiftrightunsigned": {"int, 1"}, "getbit": {"int, 1"}, "bit_get": {"int, 1"},
	"factorial": {"int", "20", "21"}, "space": {"int"}, "repeat": {"text, int"}, "lpad": {"text, 9, '.'", "text, int"}, "rpad": {"text, 9, '.'", "text, int"}, "levenshtein": {"text, 'abc'", "text, 'abc', 2"}, "translate": {"text, 'abc', 'xy'"}, "overlay": {"text, 'XX', int", "text, 'XX', 2, 0"}, "find_in_set": {"text, 'a,b'", "'b', 'a,b,c'"}, "split_part": {"text, '-', int"}, "substring_index": {"text, '-', int"}, "instr": {"text, 'b'"}, "locate": {"'b', text", "'b', text, int"}, "position": {"'b', text", "'b', text, int"},
	"regexp_extract": {"text, '([a-z]+)', 1", "text, '([a-z])-([a-z])', 2", "text, '[0-9]+', 0"}, "regexp_extract_all": {"text, '([a-z]+)', 1", "text, '[a-z]', 0"}, "regexp_replace": {"text, '[a-z]', '<$0>'", "text, '(a)(-)', '$2$1'", "text, '-', '\\\\$'", "text, regex, '_'"}, "regexp_count": {"text, regex"}, "regexp_instr": {"text, regex"}, "regexp_substr": {"text, regex"}, "regexp_like": {"text, regex"}, "rlike": {"text, regex"}, "regexp": {"text, regex"},
	"str_to_map": {"'a:1,b:2,c'", "'a=1;b=2', ';', '='", "text"}, "ascii": {"text", "'é'"}, "chr": {"int", "65", "321"}, "char": {"65", "int"}, "unhex": {"'616263'", "text", "'a'"}, "base64": {"binary", "text"}, "unbase64": {"'YWJj'"}, "url_encode": {"text"}, "url_decode": {"text", "'a%20b+c'"}, "log": {"double", "double, 8", "2, double"}, "date_from_unix_date": {"int"}, "current_timezone": {""},
	"hypot": {"double, 3"}, "nanvl": {"double, 1"}, "pow": {"double, 2", "2, double"}, "power": {"number, 2"}, "atan2": {"double, 1"}, "try_add": {"number, 1", "date, 1", "2147483647, int"}, "try_subtract": {"number, 1", "-2147483648, int"}, "try_multiply": {"number, 2", "2147483647, int"}, "try_divide": {"number, 0", "7, number"}, "try_mod": {"number, 0", "7, number"}, "time_bucket": nil, "to_csv": {"named_struct('a', 1, 'b', text)"}, "from_csv": {"'1,x', 'a INT, b STRING'"}, "sentences": {"text"},
}

// unasked are functions whose results differ from run to run, that fail by design, or that are no expressions.
var unasked = map[string]bool{"rand": true, "random": true, "randn": true, "uuid": true, "now": true, "current_timestamp": true, "current_date": true, "curdate": true, "localtimestamp": true, "shuffle": true, "raise_error": true,
	"input_file_name": true, "explode": true, "explode_outer": true, "posexplode": true, "posexplode_outer": true, "inline": true, "inline_outer": true, "stack": true, "json_tuple": true, "variant_explode": true, "variant_explode_outer": true,
	"extract": true, "iff": true, "charindex": true, "randstr": true, "uniform": true}

// functionQuestions are calls of a function with edge values in the place of one argument after the other, and one over
// columns, whose name is asked too.
func functionQuestions(f spark.Function) []string {
	forms, told := signaturesOf[f.Name]
	if unasked[f.Name] || told && forms == nil || !told && f.How == spark.Refused {
		return nil
	}
	if !told {
		for _, form := range f.Forms {
			_, rest, _ := strings.Cut(form, "(")
			args, _, _ := strings.Cut(rest, ")")
			forms = append(forms, strings.ReplaceAll(args, "...", ""))
		}
	}
	window := slices.ContainsFunc(f.Forms, func(s string) bool { return strings.HasPrefix(s, "win ") })
	var all []string
	for _, form := range forms {
		parts := splitArguments(form)
		if f.Aggregate || window || aggregates[f.Name] {
			all = append(all, aggregateQuestions(f.Name, parts, window)...)
			continue
		}
		all = append(all, scalarQuestions(f.Name, parts)...)
	}
	return all
}

// aggregates are those of the functions that are written in a way of their own.
var aggregates = map[string]bool{"first": true, "last": true, "first_value": true, "last_value": true, "collect_list": true, "collect_set": true, "array_agg": true, "count": true, "skewness": true, "histogram_numeric": true,
	"regr_avgx": true, "regr_avgy": true, "regr_sxx": true, "regr_syy": true, "regr_sxy": true}

// splitArguments splits at the commas outside of brackets and quotes.
func splitArguments(form string) []string {
	var parts []string
	depth, start, quoted := 0, 0, false
	for i, c := range form {
		switch {
		case c == '\'' && (i == 0 || form[i-1] != '\\'):
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			parts, start = append(parts, strings.TrimSpace(form[start:i])), i+1
		}
	}
	if last := strings.TrimSpace(form[start:]); last != "" {
		parts = append(parts, last)
	}
	return parts
}

// base is the first value for a part of a form.
func base(part string) string {
	if values := edges[part]; values != nil {
		return values[0]
	}
	for _, kind := range []string{"list", "json", "any", "text", "binary"} { // a kind inside of a constant expression
		for _, around := range [][2]string{{"(" + kind + ")", ""}, {"(" + kind + ",", ""}, {", " + kind + ")", ""}} {
			if strings.Contains(part, around[0]) {
				return strings.Replace(part, around[0], strings.Replace(around[0], kind, edges[kind][0], 1), 1)
			}
		}
	}
	return part
}

func scalarQuestions(name string, parts []string) []string {
	values := make([]string, len(parts))
	for i, part := range parts {
		values[i] = base(part)
	}
	call := func() string { return name + "(" + strings.Join(values, ", ") + ")" }
	all := []string{call()}
	var columns, names, constants []string
	for i, part := range parts {
		before := values[i]
		for _, v := range edges[part] {
			values[i] = v
			all = append(all, call())
		}
		values[i] = before
		if edges[part] == nil {
			constants = append(constants, part)
			continue
		}
		columns, names = append(columns, before), append(names, string(rune('a'+i)))
		constants = append(constants, string(rune('a'+i)))
	}
	if len(columns) > 0 {
		all = append(all, "select "+name+"("+strings.Join(constants, ", ")+") from values ("+strings.Join(columns, ", ")+") t("+strings.Join(names, ", ")+")")
	}
	return all
}

// columnsOf are rows of values for aggregates, by kind.
var columnsOf = map[string][]string{
	"any": {"1", "null", "3", "2", "2"}, "int": {"1", "null", "3", "2", "2"}, "number": {"1.5BD", "null", "-2.25BD", "4.0BD", "4.0BD"}, "double": {"1.5D", "null", "-2.25D", "4.0D", "8.0D"}, "text": {"'a'", "null", "'c'", "'b'", "'b'"}, "bool": {"true", "null", "false", "true", "true"},
}

func aggregateQuestions(name string, parts []string, window bool) []string {
	var args []string
	var columns [][]string
	var names []string
	for i, part := range parts {
		if columnsOf[part] == nil {
			args = append(args, part)
			continue
		}
		args = append(args, string(rune('a'+i)))
		names, columns = append(names, string(rune('a'+i))), append(columns, columnsOf[part])
	}
	names, columns = append(names, "o"), append(columns, []string{"1", "2", "3", "4", "5"})
	rows := make([]string, 5)
	for r := range rows {
		var row []string
		for _, c := range columns {
			row = append(row, c[r])
		}
		rows[r] = "(" + strings.Join(row, ", ") + ")"
	}
	from := " from values " + strings.Join(rows, ", ") + " t(" + strings.Join(names, ", ") + ")"
	call := name + "(" + strings.Join(args, ", ") + ")"
	over := "select o, " + call + " over (order by o) w" + from + " order by o"
	if window {
		return []string{over}
	}
	return []string{"select " + call + from, "select " + call + from + " where o > 9", over}
}

// castQuestions cast everything to everything.
func castQuestions() []string {
	values := []string{"null", "true", "12Y", "300", "-1", "9223372036854775807L", "1.9D", "-1.9D", "1e20D", "cast('NaN' as double)", "cast('-Infinity' as double)", "0.1F", "1.50BD", "cast('12345678901234567890.5' as decimal(38,1))",
		"''", "' 12 '", "'1.9'", "'1e2'", "'true'", "'x'", "'2024-02-29'", "'2024-02-30'", "'2024-02-29 23:59:59.5'", "'2024-02-29T12:00:00+05:30'", "'12:30:00'", "'😀'", "date '2024-02-29'", "date '0001-01-01'", "timestamp '2024-03-31 02:30:00.123456'",
		"timestamp '1969-12-31 23:59:59.5'", "X'4142'", "array(1, 2)", "interval '1' day", "map('a', 1)", "struct(1 as a, 'x' as b)"}
	var all []string
	for _, typ := range []string{"boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal(5,2)", "decimal(38,10)", "string", "binary", "date", "timestamp", "timestamp_ntz"} {
		for _, v := range values {
			all = append(all, "cast("+v+" as "+typ+")")
		}
		for _, v := range []string{"'x'", "1e20D", "'2024-02-30'", "300", "'12'"} {
			all = append(all, "try_cast("+v+" as "+typ+")")
		}
	}
	return all
}

// operatorQuestions put typed values beside operators, and in the branches of what has a type in common.
func operatorQuestions() []string {
	values := []string{"7", "7Y", "7L", "2.5D", "2.50BD", "cast(3 as decimal(38,10))", "'2'", "null", "date '2024-02-29'", "timestamp '2024-02-29 12:00:00'", "true"}
	var all []string
	for _, op := range []string{"+", "-", "*", "/", "%", "div", "=", "<", "<=>", "||"} {
		for i, l := range values {
			for j, r := range values {
				if (i*3+j*5+len(op))%4 == 0 || i < 7 && j < 7 && (i+j)%2 == 0 {
					all = append(all, l+" "+op+" "+r)
				}
			}
		}
	}
	for i, l := range values {
		for j, r := range values {
			if i != j && (i+j)%3 == 0 {
				all = append(all, "coalesce(null, "+l+", "+r+")", "case when false then "+l+" else "+r+" end", "array("+l+", "+r+")")
			}
		}
	}
	return all
}
