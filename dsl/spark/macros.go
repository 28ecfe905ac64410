package spark

// macros are those that have more than one form, told apart by the types of their parameters, and helpers of others. An
// argument is cast to the type of its parameter, so that no parameter is a DECIMAL, which would be DECIMAL(18, 3), or a
// DOUBLE where a DECIMAL may come. Text that cannot be cast is an error of DuckDB's CAST, as in Spark's ANSI mode.
//
// One form with overloads inside of another makes DuckDB look at its arguments again: depth costs. So they are called
// for the columns and constants at the leaves of an expression, and not for what has a type already.
var macros = map[string]string{
	"string": `(x VARCHAR) AS x, (x BOOLEAN) AS CAST(x AS VARCHAR), (x DATE) AS CAST(x AS VARCHAR), (x TIMESTAMP) AS CAST(x AS VARCHAR),
	(x TIMESTAMPTZ) AS CAST(CAST(x AS TIMESTAMP) AS VARCHAR), (x BLOB) AS decode(x),
	(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN @double_text(CAST(x AS VARCHAR)) ELSE CAST(x AS VARCHAR) END`,
	// Java writes numbers from 0.001 to 10,000,000 plainly, others as 1.5E10.
	"double_text": `(x) AS list_transform([x], lambda t: CASE
	WHEN t IN ('inf', '-inf', 'nan') THEN replace(replace(t, 'inf', 'Infinity'), 'nan', 'NaN')
	WHEN t LIKE '%e%' THEN split_part(t, 'e', 1) || CASE WHEN split_part(t, 'e', 1) LIKE '%.%' THEN '' ELSE '.0' END || 'E' || CAST(CAST(split_part(t, 'e', 2) AS INTEGER) AS VARCHAR)
	WHEN len(split_part(ltrim(t, '-'), '.', 1)) > 7 THEN regexp_extract(t, '^-?[0-9]') || '.'
		|| coalesce(nullif(rtrim(replace(regexp_replace(t, '^-?[0-9]', ''), '.', ''), '0'), ''), '0') || 'E' || CAST(len(split_part(ltrim(t, '-'), '.', 1)) - 1 AS VARCHAR)
	WHEN regexp_matches(t, '^-?0[.]000') THEN regexp_extract(t, '^-') || regexp_extract(t, '[1-9]') || '.'
		|| coalesce(nullif(regexp_extract(t, '[1-9]([0-9]*)$', 1), ''), '0') || 'E-' || CAST(len(regexp_extract(t, '[.](0*)', 1)) + 1 AS VARCHAR)
	ELSE t END)[1]`,

	"whole": `(x) AS CASE WHEN regexp_matches(x, '^[ \t\n\r]*[+-]?[0-9]+[ \t\n\r]*$') THEN trim(x, chr(32) || chr(9) || chr(10) || chr(13))
	ELSE concat('[CAST_INVALID_INPUT] ', x, ' is no whole number') END`,
	"tinyint":  `(x VARCHAR) AS CAST(@whole(x) AS TINYINT), (x TIMESTAMP) AS CAST(floor(epoch(x)) AS TINYINT), (x) AS CAST(CAST(trunc(x) AS TINYINT) AS TINYINT), (x BOOLEAN) AS CAST(x AS TINYINT)`,
	"smallint": `(x VARCHAR) AS CAST(@whole(x) AS SMALLINT), (x TIMESTAMP) AS CAST(floor(epoch(x)) AS SMALLINT), (x) AS CAST(trunc(x) AS SMALLINT), (x BOOLEAN) AS CAST(x AS SMALLINT)`,
	"int":      `(x VARCHAR) AS CAST(@whole(x) AS INTEGER), (x TIMESTAMP) AS CAST(floor(epoch(x)) AS INTEGER), (x) AS CAST(trunc(x) AS INTEGER), (x BOOLEAN) AS CAST(x AS INTEGER)`,
	"bigint":   `(x VARCHAR) AS CAST(@whole(x) AS BIGINT), (x TIMESTAMP) AS CAST(floor(epoch(x)) AS BIGINT), (x) AS CAST(trunc(x) AS BIGINT), (x BOOLEAN) AS CAST(x AS BIGINT)`,
	"float":    `(x VARCHAR) AS CAST(regexp_replace(x, '[dDfF] *$', '') AS FLOAT), (x TIMESTAMP) AS CAST(epoch(x) AS FLOAT), (x) AS CAST(x AS FLOAT)`,
	"double":   `(x VARCHAR) AS CAST(regexp_replace(x, '([0-9.])[dDfF] *$', '\1') AS DOUBLE), (x TIMESTAMP) AS epoch(x), (x) AS CAST(x AS DOUBLE)`,
	// numeral is what can be cast to a DECIMAL.
	"numeral": `(x VARCHAR) AS trim(x), (x TIMESTAMP) AS epoch(x), (x BOOLEAN) AS CAST(x AS INTEGER), (x) AS x`,
	"number":  `(x VARCHAR) AS CAST(x AS DOUBLE), (x) AS x`,
	"boolean": `(x VARCHAR) AS CASE WHEN lower(trim(x)) IN ('t', 'true', 'y', 'yes', '1') THEN true WHEN lower(trim(x)) IN ('f', 'false', 'n', 'no', '0') THEN false
	ELSE CAST(concat('[CAST_INVALID_INPUT] ', x) AS BOOLEAN) END, (x) AS CAST(x AS BOOLEAN)`,
	"binary": `(x VARCHAR) AS encode(x), (x) AS CAST(x AS BLOB)`,
	"date": `(x VARCHAR) AS CAST(CASE WHEN regexp_matches(x, '^[ ]*[0-9]{4}$') THEN x || '-01-01' WHEN regexp_matches(x, '^[ ]*[0-9]{4}-[0-9]{1,2}$') THEN x || '-01'
	WHEN regexp_matches(x, '^[ ]*[+-]?[0-9]{4,7}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?$') THEN regexp_extract(x, '[+-]?[0-9]+-[0-9]+-[0-9]+') ELSE concat('[CAST_INVALID_INPUT] ', x) END AS DATE),
	(x TIMESTAMP) AS CAST(x AS DATE), (x DATE) AS x, (x TIMESTAMPTZ) AS CAST(CAST(x AS TIMESTAMP) AS DATE), (x) AS CAST(x AS DATE)`,
	"timestamp": `(x VARCHAR) AS CASE WHEN regexp_matches(x, '([zZ]|[+-][0-9]{1,2}(:?[0-9]{2})?|UTC|GMT)[ ]*$') AND regexp_matches(x, ':') THEN CAST(CAST(regexp_replace(x, '[ ]*(UTC|GMT)$', 'Z') AS TIMESTAMPTZ) AS TIMESTAMP)
	WHEN regexp_matches(x, '^[ ]*[0-9]{4}$') THEN CAST(x || '-01-01' AS TIMESTAMP) WHEN regexp_matches(x, '^[ ]*[0-9]{4}-[0-9]{1,2}$') THEN CAST(x || '-01' AS TIMESTAMP)
	ELSE CAST(x AS TIMESTAMP) END, (x DATE) AS CAST(x AS TIMESTAMP), (x TIMESTAMP) AS x, (x TIMESTAMPTZ) AS CAST(x AS TIMESTAMP),
	(x) AS make_timestamp(CAST(trunc(x * 1000000) AS BIGINT))`,

	// like_other is the first value in the type that both values have in common: only a text changes.
	"like_other": `(x VARCHAR, y VARCHAR) AS x, (x VARCHAR, y BIGINT) AS @bigint(x), (x VARCHAR, y DECIMAL) AS @double(x), (x VARCHAR, y DOUBLE) AS @double(x),
	(x VARCHAR, y BOOLEAN) AS @boolean(x), (x VARCHAR, y DATE) AS @date(x), (x VARCHAR, y TIMESTAMP) AS @timestamp(x), (x, y) AS x`,
	"like_bigint":    `(x VARCHAR) AS @bigint(x), (x) AS x`,
	"like_date":      `(x VARCHAR) AS @date(x), (x) AS x`,
	"like_timestamp": `(x VARCHAR) AS @timestamp(x), (x) AS x`,
	"like_boolean":   `(x VARCHAR) AS @boolean(x), (x) AS x`,

	// divisor is a number that something is divided by.
	"divisor": `(x) AS CASE WHEN x = 0 THEN CAST('[DIVIDE_BY_ZERO] division by zero' AS TINYINT) ELSE x END`,
	// shifted is a moment and an interval of whole days; moment one of any interval.
	"shifted": `(x DATE, i) AS CAST(x + i AS DATE), (x VARCHAR, i) AS CAST(@timestamp(x) + i AS VARCHAR), (x, i) AS x + i`,
	"moment":  `(x VARCHAR, i) AS CAST(@timestamp(x) + i AS VARCHAR), (x, i) AS x + i`,
	// minus is a difference: of texts as numbers, of moments as an interval, of dates as an interval of days.
	"minus": `(x VARCHAR, y VARCHAR) AS CAST(x AS DOUBLE) - CAST(y AS DOUBLE), (x VARCHAR, y BIGINT) AS @bigint(x) - y, (x BIGINT, y VARCHAR) AS x - @bigint(y),
	(x DATE, y DATE) AS to_days(CAST(x - y AS INTEGER)), (x, y) AS x - y`,

	// item is an element of a list, counted from 0, or the value of a map. It is called with the list or map twice: one
	// tells its type.
	"item": `(t MAP(VARCHAR, VARCHAR), x, i) AS x[i],
	(t, x, i) AS CASE WHEN i < 0 OR i >= len(x) THEN x[CAST('[INVALID_ARRAY_INDEX] there is no element ' || CAST(i AS VARCHAR) AS BIGINT)] ELSE x[i + 1] END`,
	"element": `(t MAP(VARCHAR, VARCHAR), x, i) AS x[i],
	(t, x, i) AS CASE WHEN i = 0 OR abs(i) > len(x) THEN x[CAST('[INVALID_ARRAY_INDEX] there is no element ' || CAST(i AS VARCHAR) AS BIGINT)] ELSE x[i] END`,
	"try_element": `(t MAP(VARCHAR, VARCHAR), x, i) AS x[i], (t, x, i) AS x[i]`,
	// json_path is the text at a path; NULL where there is no JSON.
	"json_path": `(x, p) AS CASE WHEN json_valid(CAST(x AS VARCHAR)) THEN json_extract_string(CAST(x AS VARCHAR), p) END`,
	// entries are what explode makes rows of.
	"entries":       `(t MAP(VARCHAR, VARCHAR), x) AS map_entries(x), (t, x) AS x`,
	"outer_entries": `(x) AS CASE WHEN x IS NULL OR len(x) = 0 THEN [NULL] ELSE x END`,
	"strings":       `(x VARCHAR) AS [x], (x VARCHAR[]) AS x, (x) AS [@string(x)]`,

	"reverse":            `(x VARCHAR) AS reverse(x), (x) AS list_reverse(x)`,
	"size":               `(x MAP(VARCHAR, VARCHAR)) AS CAST(cardinality(x) AS INTEGER), (x) AS CAST(len(x) AS INTEGER)`,
	"shiftright":         `(x, n) AS x >> n`,
	"shiftrightunsigned": `(x INTEGER, n) AS CAST((CASE WHEN x < 0 THEN CAST(x AS BIGINT) + 4294967296 ELSE CAST(x AS BIGINT) END) >> n AS INTEGER), (x, n) AS CAST((CASE WHEN x < 0 THEN CAST(x AS HUGEINT) + 18446744073709551616 ELSE CAST(x AS HUGEINT) END) // CAST(pow(2, n) AS HUGEINT) AS BIGINT)`,
	"sequence": `(a DATE, b DATE) AS CAST(generate_series(a, b, CASE WHEN a <= b THEN INTERVAL 1 DAY ELSE INTERVAL '-1 day' END) AS DATE[]),
	(a TIMESTAMP, b TIMESTAMP) AS generate_series(a, b, INTERVAL 1 DAY), (a, b) AS generate_series(a, b, CASE WHEN a <= b THEN 1 ELSE -1 END),
	(a DATE, b DATE, s) AS CAST(generate_series(a, b, s) AS DATE[]), (a, b, s) AS generate_series(a, b, s)`,
	"any_true": `(l) AS CASE WHEN list_bool_or(l) THEN true WHEN list_count(l) < len(l) THEN NULL WHEN l IS NOT NULL THEN false END`,
	"all_true": `(l) AS CASE WHEN NOT list_bool_and(l) THEN false WHEN list_count(l) < len(l) THEN NULL WHEN l IS NOT NULL THEN true END`,
	// json_value reads a text by a shape; NULL where there is no JSON.
	"json_value": `(x, s) AS CASE WHEN json_valid(x) THEN from_json(x, s) END`,
	"str_to_map": `(x, a, b) AS map_from_entries(list_transform(string_split(x, a), lambda p: struct_pack(key := split_part(p, b, 1),
	value := CASE WHEN contains(p, b) THEN substring(p, instr(p, b) + length(b)) END)))`,
	// months_between is whole months where both are the same day, or the last day, of a month; else of 31 days each.
	"months_between": `(x, y) AS round((year(x) - year(y)) * 12 + month(x) - month(y) + CASE
	WHEN day(x) = day(y) OR CAST(x AS DATE) = last_day(x) AND CAST(y AS DATE) = last_day(y) THEN 0.0
	ELSE (day(x) - day(y) + (epoch_us(x) % 86400000000 - epoch_us(y) % 86400000000) / 86400000000.0) / 31.0 END, 8)`,
}
