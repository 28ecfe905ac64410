package plan

import (
	"regexp"
	"strings"
)

// sparkFunctions are functions of Spark that DuckDB does not have, or has with other arguments, with what to write in
// its dialect. They are those that public pipelines of Delta Live Tables call most, after
// https://spark.apache.org/docs/latest/api/sql/ and https://duckdb.org/docs/stable/sql/functions/overview.
var sparkFunctions = map[string]string{
	"add_months":                  "CAST(d + to_months(n) AS DATE)",
	"approx_percentile":           "quantile_disc(x, 0.5)",
	"array":                       "[a, b]",
	"array_join":                  "array_to_string(list, ',')",
	"bround":                      "round_even(x, 2)",
	"collect_list":                "list(x)",
	"collect_set":                 "list(DISTINCT x)",
	"current_timestamp":           "current_timestamp, without brackets, or now()",
	"current_date":                "current_date, without brackets",
	"date_format":                 "strftime(t, '%Y-%m-%d'), with the letters of strftime",
	"dateadd":                     "t + INTERVAL 1 DAY",
	"explode":                     "unnest(list)",
	"explode_outer":               "LEFT JOIN unnest(list) AS t(x) ON true",
	"flatmap":                     "flatten(list_transform(list, lambda x: …))",
	"from_unixtime":               "to_timestamp(x), or strftime(to_timestamp(x), '%Y-%m-%d %H:%M:%S') for a text",
	"from_utc_timestamp":          "t AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Rome'",
	"get_json_object":             "json_extract_string(j, '$.a')",
	"initcap":                     "upper(x[1]) || lower(x[2:])",
	"inline":                      "unnest(list, recursive := true)",
	"input_file_name":             "_metadata.file_path, of a source",
	"isnotnull":                   "x IS NOT NULL",
	"isnull":                      "x IS NULL",
	"json_tuple":                  "json_extract_string(j, '$.a')",
	"map_from_arrays":             "map(keys, values)",
	"monotonically_increasing_id": "row_number() OVER (ORDER BY …)",
	"months_between":              "date_diff('month', earlier, later)",
	"named_struct":                "{'a': x, 'b': y}",
	"nvl":                         "coalesce(x, y)",
	"nvl2":                        "if(x IS NOT NULL, y, z)",
	"parse_json":                  "CAST(x AS JSON)",
	"percentile":                  "quantile_cont(x, 0.5)",
	"percentile_approx":           "quantile_disc(x, 0.5)",
	"posexplode":                  "unnest(list), generate_subscripts(list, 1)",
	"rand":                        "random()",
	"rlike":                       "regexp_matches(x, 'pattern')",
	"sequence":                    "generate_series(a, b)",
	"sha2":                        "sha256(x)",
	"size":                        "len(list), or cardinality(map)",
	"sort_array":                  "list_sort(list)",
	"struct":                      "struct_pack(a := x, b := y)",
	"substring_index":             "split_part(x, '.', 1)",
	"timestampdiff":               "date_sub('day', earlier, later)",
	"to_date":                     "CAST(x AS DATE), or CAST(strptime(x, '%Y-%m-%d') AS DATE) with the letters of strptime",
	"transform":                   "list_transform(list, lambda x: …)",
	"unix_timestamp":              "CAST(epoch(t) AS BIGINT)",
}

// sparkArguments are functions that both have, with other arguments.
var sparkArguments = map[string]string{
	"to_timestamp": "strptime(x, '%Y-%m-%d %H:%M:%S'), with the letters of strptime; to_timestamp takes seconds since 1970",
	"datediff":     "date_diff('day', earlier, later)",
	"date_diff":    "date_diff('day', earlier, later)",
	"date_add":     "d + n, where d is a DATE",
	"date_sub":     "d - n, where d is a DATE",
	"date_trunc":   "date_trunc('month', CAST(x AS TIMESTAMP))",
	"from_json":    `from_json(j, '{"a": "INTEGER", "b": "VARCHAR"}')`,
	"year":         "year(CAST(x AS DATE))",
	"month":        "month(CAST(x AS DATE))",
	"day":          "day(CAST(x AS DATE))",
}

// sparkHelp says what to write for a function of Spark, or is empty.
func sparkHelp(name string, there bool) string {
	write := sparkFunctions[strings.ToLower(name)]
	if there {
		write = sparkArguments[strings.ToLower(name)]
	}
	if write == "" {
		return ""
	}
	return "in DuckDB's dialect, write " + write
}

// sparkForms are what only Spark's grammar has, with what to write.
var sparkForms = []struct {
	form  *regexp.Regexp
	write string
}{
	{regexp.MustCompile(`(?i)\*\s*EXCEPT\s*\(`), "* EXCLUDE (a, b)"},
	{regexp.MustCompile(`(?i)\bLATERAL\s+VIEW\b`), "FROM t, unnest(t.list) AS u(x)"},
	{regexp.MustCompile(`(?i)\bR(LIKE|EGEXP)\s*'`), "regexp_matches(x, 'pattern')"},
	{regexp.MustCompile(`(?i)\b(STRUCT|ARRAY|MAP)\s*<`), "STRUCT(a INTEGER, b VARCHAR), INTEGER[] or MAP(VARCHAR, INTEGER)"},
	{regexp.MustCompile(`(?i)\barray\s*\(`), "[a, b]"},
	{regexp.MustCompile(`(?i)\b(int|bigint|double|float|boolean|timestamp|date)\s*\(`), "CAST(x AS type)"},
	{regexp.MustCompile(`<=>`), "a IS NOT DISTINCT FROM b"},
	{regexp.MustCompile(`(?i)\w\s+DIV\s+\w`), "a // b"},
	{regexp.MustCompile(`\b[A-Za-z_]\w*:[A-Za-z_]`), "json_extract_string(j, '$.a')"},
}

// sparkForm says what to write for a form of Spark around the place of a syntax error, or is empty.
func sparkForm(sql string, offset int) string {
	for _, f := range sparkForms {
		for _, at := range f.form.FindAllStringIndex(sql, -1) {
			if offset >= at[0] && offset <= at[1]+16 {
				return "in DuckDB's dialect, write " + f.write
			}
		}
	}
	return ""
}
