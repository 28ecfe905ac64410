package spark

// macros are helpers in the schema "spark". There are two sorts.
//
// The casts have one form that asks for typeof(x). DuckDB knows that when a query is planned, so that one branch of CASE
// is left and nothing is asked for a row. They are for values whose type is not known when the query is written, and
// every branch has to bind for every type, which TRY_CAST does.
//
// The others have forms that differ in the types of their parameters, so that their results differ in their types too.
// An argument is cast to the type of its parameter: a DECIMAL would become DECIMAL(18, 3). What DuckDB has no type for
// while it binds (an alias of the same select list, an aggregate, a column of a query around) fits every form. It would
// take the only one with a type, and be wrong without a word; of two it cannot choose, and says so. So each of these has
// two forms with types at least, if need be one for TIME, which Spark has not, and the type is asked for; see ask.go.
var macros = map[string]string{
	"as_string": `(x) AS CASE WHEN typeof(x) = 'VARCHAR' THEN CAST(x AS VARCHAR) WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN @double_text(CAST(x AS VARCHAR))
	WHEN typeof(x) = 'BLOB' THEN decode(TRY_CAST(x AS BLOB)) WHEN typeof(x) LIKE 'TIMESTAMP%' THEN CAST(@local(TRY_CAST(x AS TIMESTAMP)) AS VARCHAR) ELSE CAST(x AS VARCHAR) END`,
	// Java writes numbers from 0.001 to 10,000,000 plainly, others as 1.5E10.
	"double_text": `(x) AS list_transform([x], lambda t: CASE
	WHEN t IN ('inf', '-inf', 'nan') THEN replace(replace(t, 'inf', 'Infinity'), 'nan', 'NaN')
	WHEN t LIKE '%e%' THEN split_part(t, 'e', 1) || CASE WHEN split_part(t, 'e', 1) LIKE '%.%' THEN '' ELSE '.0' END || 'E' || CAST(CAST(split_part(t, 'e', 2) AS INTEGER) AS VARCHAR)
	WHEN len(split_part(ltrim(t, '-'), '.', 1)) > 7 THEN regexp_extract(t, '^-?[0-9]') || '.'
		|| coalesce(nullif(rtrim(replace(regexp_replace(t, '^-?[0-9]', ''), '.', ''), '0'), ''), '0') || 'E' || CAST(len(split_part(ltrim(t, '-'), '.', 1)) - 1 AS VARCHAR)
	WHEN regexp_matches(t, '^-?0[.]000') THEN regexp_extract(t, '^-') || regexp_extract(t, '[1-9]') || '.'
		|| coalesce(nullif(regexp_extract(t, '[1-9]([0-9]*)$', 1), ''), '0') || 'E-' || CAST(len(regexp_extract(t, '[.](0*)', 1)) + 1 AS VARCHAR)
	ELSE t END)[1]`,

	// whole is a text that holds nothing but an integer, or one that is none.
	"whole":       `(x) AS regexp_replace(x, '^(.*[^0-9+ \t\r\n-].*)$', '[CAST_INVALID_INPUT] \1', 's')`,
	"as_tinyint":  toInteger("TINYINT"),
	"as_smallint": toInteger("SMALLINT"),
	"as_int":      toInteger("INTEGER"),
	"as_bigint":   toInteger("BIGINT"),
	"as_float":    `(x) AS CASE WHEN typeof(x) = 'VARCHAR' THEN CAST(@fraction(CAST(x AS VARCHAR)) AS FLOAT) ELSE CAST(@as_double(x) AS FLOAT) END`,
	"as_double": `(x) AS CASE WHEN @unfit(x, 'DOUBLE', '^BLOB$') THEN NULL WHEN typeof(x) = 'VARCHAR' THEN CAST(@fraction(CAST(x AS VARCHAR)) AS DOUBLE) WHEN typeof(x) LIKE 'TIMESTAMP%' THEN epoch(TRY_CAST(x AS TIMESTAMP))
	WHEN typeof(x) IN ('DATE', 'BLOB', 'INTERVAL') OR typeof(x) LIKE '%[]' OR typeof(x) LIKE '%(% %)' AND typeof(x) NOT LIKE 'DECIMAL%' THEN CAST(@mismatch(x) AS DOUBLE) ELSE TRY_CAST(x AS DOUBLE) END`,
	"fraction": `(x) AS regexp_replace(x, '([0-9.])[dDfF] *$', '\1')`,
	// unfit is false, and a mistake of the query where x has a type that is not cast to to: a nested one, or one that a
	// regular expression says. It costs nothing for a row, for only its type is asked for: a struct has to have a
	// field when a query is bound. The list is for the time when the macro is made: x has no type then.
	"unfit":      `(x, to_type, types) AS [x] IS NULL AND struct_extract(struct_pack(fits := false), @unfit_type(x, to_type, types))`,
	"unfit_type": `(x, to_type, types) AS CASE WHEN regexp_matches(typeof(x), '\[\]$|^(STRUCT|MAP)\(|' || types) THEN typeof(x) || ' is no ' || to_type ELSE 'fits' END`,
	// mismatch is a text that cannot be cast to a number, or NULL.
	"mismatch":   `(x) AS CASE WHEN x IS NOT NULL THEN '[DATATYPE_MISMATCH] no number is made of ' || typeof(x) END`,
	"as_boolean": `(x) AS CASE WHEN @unfit(x, 'BOOLEAN', '^(DATE|TIMESTAMP.*|BLOB|INTERVAL)$') THEN NULL WHEN typeof(x) = 'VARCHAR' THEN @text_boolean(CAST(x AS VARCHAR)) ELSE TRY_CAST(x AS BOOLEAN) END`,
	"text_boolean": `(x) AS CASE WHEN lower(trim(x)) IN ('t', 'true', 'y', 'yes', '1') THEN true WHEN lower(trim(x)) IN ('f', 'false', 'n', 'no', '0') THEN false
	ELSE CAST('[CAST_INVALID_INPUT] ' || x AS BOOLEAN) END`,
	"as_binary": `(x) AS CASE WHEN @unfit(x, 'BINARY', '^(BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|FLOAT|DOUBLE|DECIMAL.*|DATE|TIMESTAMP.*)$') THEN NULL WHEN typeof(x) = 'BLOB' THEN TRY_CAST(x AS BLOB) ELSE encode(CAST(x AS VARCHAR)) END`,
	"as_date":   `(x) AS CASE WHEN @unfit(x, 'DATE', '^(BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|FLOAT|DOUBLE|DECIMAL.*|BLOB|INTERVAL)$') THEN NULL WHEN typeof(x) = 'VARCHAR' THEN @text_date(CAST(x AS VARCHAR)) WHEN typeof(x) LIKE 'TIMESTAMP%' THEN CAST(@local(TRY_CAST(x AS TIMESTAMP)) AS DATE) ELSE TRY_CAST(x AS DATE) END`,
	"text_date": `(x) AS CAST(CASE WHEN regexp_matches(x, '^ *[0-9]{4} *$') THEN trim(x) || '-01-01' WHEN regexp_matches(x, '^ *[0-9]{4}-[0-9]{1,2} *$') THEN trim(x) || '-01'
	WHEN regexp_matches(x, '^ *[+-]?[0-9]{4,7}-[0-9]{1,2}-[0-9]{1,2} *$') THEN trim(x)
	WHEN regexp_matches(x, '^ *[+-]?[0-9]{4,7}-[0-9]{1,2}-[0-9]{1,2}[ T]') THEN regexp_extract(x, '[+-]?[0-9]+-[0-9]+-[0-9]+') ELSE '[CAST_INVALID_INPUT] ' || x END AS DATE)`,
	"as_timestamp": `(x) AS CASE WHEN @unfit(x, 'TIMESTAMP', '^(BLOB|INTERVAL)$') THEN NULL WHEN typeof(x) = 'VARCHAR' THEN @text_timestamp(CAST(x AS VARCHAR)) WHEN typeof(x) = 'DATE' THEN @instant(TRY_CAST(x AS TIMESTAMP)) WHEN typeof(x) LIKE 'TIMESTAMP%' THEN TRY_CAST(x AS TIMESTAMP)
	ELSE make_timestamp(CAST(TRY_CAST(x AS DOUBLE) * 1000000 AS BIGINT)) END`,
	"text_timestamp": `(x) AS CASE WHEN regexp_matches(x, ':.*([zZ]|[+-][0-9]{1,2}(:?[0-9]{2})?|UTC|GMT) *$') THEN CAST(CAST(regexp_replace(x, ' *(UTC|GMT) *$', 'Z') AS TIMESTAMPTZ) AS TIMESTAMP)
	ELSE @instant(CAST(CASE WHEN regexp_matches(x, '^ *[0-9]{4} *$') THEN trim(x) || '-01-01' WHEN regexp_matches(x, '^ *[0-9]{4}-[0-9]{1,2} *$') THEN trim(x) || '-01' ELSE x END AS TIMESTAMP)) END`,
	"type_name": `(x) AS CASE typeof(x) WHEN 'INTEGER' THEN 'int' WHEN 'VARCHAR' THEN 'string' WHEN 'BLOB' THEN 'binary' WHEN 'HUGEINT' THEN 'bigint' WHEN '"NULL"' THEN 'void'
	WHEN 'INTEGER[]' THEN 'array<int>' WHEN 'VARCHAR[]' THEN 'array<string>' WHEN 'DOUBLE[]' THEN 'array<double>'
	ELSE replace(replace(replace(lower(regexp_replace(regexp_replace(typeof(x), '^(.*)\[\]$', 'array<\1>'), '^MAP\((.*), (.*)\)$', 'map<\1,\2>')),
	'integer', 'int'), 'varchar', 'string'), '"null"', 'void') END`,

	// These are casts of the second sort: a form for each type costs DuckDB's binder a fraction of all branches.
	"string_of":    `(x VARCHAR) AS x, (x BIGINT) AS CAST(x AS VARCHAR), (x DATE) AS CAST(x AS VARCHAR), (x TIMESTAMP) AS CAST(@local(x) AS VARCHAR), (x) AS @as_string(x)`,
	"date_of":      `(x DATE) AS x, (x TIMESTAMP) AS CAST(@local(x) AS DATE), (x) AS @as_date(x)`,
	"timestamp_of": `(x TIMESTAMP) AS x, (x DATE) AS @instant(CAST(x AS TIMESTAMP)), (x) AS @as_timestamp(x)`,
	// numeral is what can be cast to a DECIMAL.
	"numeral": `(x VARCHAR) AS trim(x), (x TIMESTAMP) AS epoch(x), (x BOOLEAN) AS CAST(x AS INTEGER), (x) AS x`,
	// average_type is the type of the average a of what has the type of s, as from_json takes it. With more than 15 decimals
	// it stays a DOUBLE, which has no more digits.
	"average_type": `(a, s) AS CASE WHEN typeof(s) LIKE 'DECIMAL%' AND TRY_CAST(regexp_extract(typeof(s), ',([0-9]+)', 1) AS INTEGER) <= 11
	THEN '"DECIMAL(' || CAST(least(38, TRY_CAST(regexp_extract(typeof(s), '[0-9]+') AS INTEGER) + 4) AS VARCHAR) || ',' || CAST(TRY_CAST(regexp_extract(typeof(s), ',([0-9]+)', 1) AS INTEGER) + 4 AS VARCHAR) || ')"'
	ELSE '"' || typeof(a) || '"' END`,
	// summed is what can be summed: of an interval there is an average, and no sum.
	"summed": `(x VARCHAR) AS CAST(x AS DOUBLE), (x INTERVAL) AS 0, (x) AS x`,
	"number": `(x VARCHAR) AS CAST(x AS DOUBLE), (x TIME) AS x, (x) AS x`,
	// like_other is the first value in the type that both values have in common: only a text changes.
	"like_other": `(x VARCHAR, y VARCHAR) AS x, (x VARCHAR, y BIGINT) AS CAST(@whole(x) AS BIGINT), (x VARCHAR, y DECIMAL) AS CAST(@fraction(x) AS DOUBLE),
	(x VARCHAR, y DOUBLE) AS CAST(@fraction(x) AS DOUBLE), (x VARCHAR, y BOOLEAN) AS @text_boolean(x), (x VARCHAR, y DATE) AS @text_date(x),
	(x VARCHAR, y TIMESTAMP) AS @text_timestamp(x), (x DATE, y TIMESTAMP) AS @instant(CAST(x AS TIMESTAMP)), (x, y) AS x`,
	"like_bigint":    `(x VARCHAR) AS CAST(@whole(x) AS BIGINT), (x TIME) AS x, (x) AS x`,
	"like_date":      `(x VARCHAR) AS @text_date(x), (x TIME) AS x, (x) AS x`,
	"like_timestamp": `(x VARCHAR) AS @text_timestamp(x), (x TIME) AS x, (x) AS x`,
	"like_boolean":   `(x VARCHAR) AS @text_boolean(x), (x TIME) AS x, (x) AS x`,

	// divisor is a number that something is divided by.
	"divisor":      `(x) AS CASE WHEN x = 0 THEN CAST('[DIVIDE_BY_ZERO] division by zero' AS TINYINT) ELSE x END`,
	"round_double": `(x, n) AS CASE WHEN abs(x) < 1e15 THEN CAST(round(CAST(x AS DECIMAL(38, 15)), n) AS DOUBLE) ELSE x END`,
	// round_any is called with the number twice: one tells its type.
	"round_any": `(t DOUBLE, x, n) AS @round_double(x, n), (t VARCHAR, x, n) AS @round_double(CAST(x AS DOUBLE), n), (t BIGINT, x, n) AS round(x, n),
	(t DECIMAL, x, n) AS round(x, n), (t, x, n) AS round(x, n)`,
	// century is a moment of a year of two digits, which Spark takes to be one from 2000 to 2099.
	"century":       `(t) AS CASE WHEN year(t) < 2000 THEN t + INTERVAL 100 YEAR ELSE t END`,
	"pmod":          `(x, y) AS ((x % @divisor(y)) + y) % y`,
	"pmod_constant": `(x, y) AS ((x % y) + y) % y`,
	// truncated leaves the end of a moment out: one that the clocks show twice stays what it is.
	"truncated": `(u, t) AS t - (@local(t) - date_trunc(u, @local(t)))`,
	// shifted is a moment and an interval of whole days; moment one of any interval.
	"shifted": `(x DATE, i) AS CAST(x + i AS DATE), (x VARCHAR, i) AS @as_string(@instant(@local(@text_timestamp(x)) + i)), (x, i) AS @instant(@local(x) + i)`,
	"moment":  `(x VARCHAR, i) AS CAST(@text_timestamp(x) + i AS VARCHAR), (x TIME, i) AS x + i, (x, i) AS x + i`,
	// minus is a difference: of texts as numbers, of dates as an interval of days.
	"minus": `(x VARCHAR, y VARCHAR) AS CAST(x AS DOUBLE) - CAST(y AS DOUBLE), (x DATE, y DATE) AS to_days(CAST(x - y AS INTEGER)),
	(x TIMESTAMP, y TIMESTAMP) AS @local(x) - @local(y),
	(x VARCHAR, y) AS CAST(x AS DOUBLE) - y, (x, y VARCHAR) AS x - CAST(y AS DOUBLE), (x, y) AS x - y`,
	"months": `(x, y) AS (year(y) - year(x)) * 12 + month(y) - month(x) - CASE
	WHEN y >= x AND day(y) * 86400000000 + epoch_us(y) % 86400000000 < day(x) * 86400000000 + epoch_us(x) % 86400000000 THEN 1
	WHEN y < x AND day(y) * 86400000000 + epoch_us(y) % 86400000000 > day(x) * 86400000000 + epoch_us(x) % 86400000000 THEN -1 ELSE 0 END`,

	// item is an element of a list, counted from 0, or the value of a map. It is called with the list or map twice: one
	// tells its type.
	"item": `(t MAP(VARCHAR, VARCHAR), x, i) AS x[i], (t TIME, x, i) AS x[i],
	(t, x, i) AS CASE WHEN i < 0 OR i >= len(x) THEN x[CAST('[INVALID_ARRAY_INDEX] there is no element ' || CAST(i AS VARCHAR) AS BIGINT)] ELSE x[i + 1] END`,
	"element": `(t MAP(VARCHAR, VARCHAR), x, i) AS x[i], (t TIME, x, i) AS x[i],
	(t, x, i) AS CASE WHEN i = 0 OR abs(i) > len(x) THEN x[CAST('[INVALID_ARRAY_INDEX] there is no element ' || CAST(i AS VARCHAR) AS BIGINT)] ELSE x[i] END`,
	// json_path is the text at a path; NULL where there is no JSON.
	"json_path": `(x, p) AS CASE WHEN json_valid(CAST(x AS VARCHAR)) THEN json_extract_string(CAST(x AS VARCHAR), p) END`,
	// json_value reads a text by a shape; NULL where there is no JSON. json_object gives an object without fields there.
	"json_value":    `(x, s) AS CASE WHEN json_valid(x) THEN from_json(x, s) END`,
	"json_object":   `(x, s) AS CASE WHEN trim(x) = '' THEN NULL WHEN json_valid(x) THEN from_json(x, s) WHEN x IS NOT NULL THEN from_json('{}', s) END`,
	"outer_entries": `(x) AS CASE WHEN x IS NULL OR len(x) = 0 THEN [NULL] ELSE x END`,
	"strings":       `(x VARCHAR) AS [x], (x VARCHAR[]) AS x, (x) AS [@as_string(x)]`,
	"split_limit": `(s, d, n) AS CASE WHEN n <= 0 OR len(string_split(s, d)) <= n THEN string_split(s, d)
	ELSE string_split(s, d)[1:n - 1] || [array_to_string(string_split(s, d)[n:], d)] END`,
	// variant_keys and variant_values are what variant_explode makes rows of.
	"variant_keys":   `(x) AS CASE WHEN json_type(x) = 'OBJECT' THEN json_keys(x) ELSE list_transform(CAST(x AS JSON[]), lambda e: CAST(NULL AS VARCHAR)) END`,
	"variant_values": `(x) AS CASE WHEN json_type(x) = 'OBJECT' THEN list_transform(json_keys(x), lambda k: json_extract(x, '$."' || k || '"')) ELSE CAST(x AS JSON[]) END`,
	// part is substring from a place that may be 0, which is 1, or negative, which counts from the end.
	"part": `(s, p) AS substring(s, CASE WHEN p = 0 THEN 1 ELSE p END),
	(s, p, n) AS CASE WHEN p < -length(s) THEN substring(s, 1, greatest(length(s) + p + n, 0)) ELSE substring(s, CASE WHEN p = 0 THEN 1 ELSE p END, n) END`,
	// natural is a number that is not negative.
	"natural": `(n) AS CASE WHEN n < 0 THEN 0 ELSE n END`,
	"finite":  `(x) AS CASE WHEN isinf(CAST(x AS DOUBLE)) THEN CAST('NaN' AS DOUBLE) ELSE CAST(x AS DOUBLE) END`,
	// inserted puts an element at a place; what is behind the end, or in front of the begin, is filled with NULL.
	"inserted": `(l, p, x) AS CASE WHEN p = 0 THEN [x] || l WHEN p < 0 THEN [x] || list_transform(range(CAST(-p AS BIGINT)), lambda i: CASE WHEN false THEN x END) || l
	WHEN p > len(l) + 1 THEN l || list_transform(range(CAST(p - len(l) - 1 AS BIGINT)), lambda i: CASE WHEN false THEN x END) || [x] ELSE l[1:p - 1] || [x] || l[p:] END`,
	"weekday_number": `(x) AS CASE WHEN upper(x) IN ('MO', 'MON', 'MONDAY') THEN 1 WHEN upper(x) IN ('TU', 'TUE', 'TUESDAY') THEN 2 WHEN upper(x) IN ('WE', 'WED', 'WEDNESDAY') THEN 3
	WHEN upper(x) IN ('TH', 'THU', 'THURSDAY') THEN 4 WHEN upper(x) IN ('FR', 'FRI', 'FRIDAY') THEN 5 WHEN upper(x) IN ('SA', 'SAT', 'SATURDAY') THEN 6
	WHEN upper(x) IN ('SU', 'SUN', 'SUNDAY') THEN 7 WHEN x IS NOT NULL THEN CAST('[ILLEGAL_DAY_OF_WEEK] ' || x AS INTEGER) END`,
	// chosen is one of several texts.
	"chosen": `(l, n) AS CASE WHEN n < 1 OR n > len(l) THEN l[CAST('[INVALID_ARRAY_INDEX] there is no argument ' || CAST(n AS VARCHAR) AS BIGINT)] ELSE l[n] END`,
	"joined": `(l, s) AS CASE WHEN s IS NOT NULL THEN array_to_string(l, s) END`,
	"texts_joined": `(l VARCHAR[], s) AS array_to_string(l, s), (l TIME[], s) AS array_to_string(list_transform(l, lambda x: @as_string(x)), s),
	(l, s) AS array_to_string(list_transform(l, lambda x: @as_string(x)), s)`,
	"reverse":  `(x VARCHAR) AS reverse(x), (x TIME) AS x, (x) AS list_reverse(x)`,
	"size":     `(x MAP(VARCHAR, VARCHAR)) AS CAST(cardinality(x) AS INTEGER), (x TIME) AS NULL, (x) AS CAST(len(x) AS INTEGER)`,
	"any_true": `(l) AS CASE WHEN list_bool_or(l) THEN true WHEN list_count(l) < len(l) THEN NULL WHEN l IS NOT NULL THEN false END`,
	"all_true": `(l) AS CASE WHEN NOT list_bool_and(l) THEN false WHEN list_count(l) < len(l) THEN NULL WHEN l IS NOT NULL THEN true END`,
	"unsigned_shift": `(x INTEGER, n) AS CAST((CASE WHEN x < 0 THEN CAST(x AS BIGINT) + 4294967296 ELSE CAST(x AS BIGINT) END) >> n AS INTEGER),
	(x BIGINT, n) AS CAST((CASE WHEN x < 0 THEN CAST(x AS HUGEINT) + 18446744073709551616 ELSE CAST(x AS HUGEINT) END) // CAST(pow(2, n) AS HUGEINT) AS BIGINT)`,
	"sequence": `(a DATE, b DATE) AS CAST(generate_series(a, b, CASE WHEN a <= b THEN INTERVAL 1 DAY ELSE INTERVAL '-1 day' END) AS DATE[]),
	(a TIMESTAMP, b TIMESTAMP) AS list_transform(generate_series(@local(a), @local(b), INTERVAL 1 DAY), lambda t: @instant(t)), (a INTEGER, b INTEGER) AS CAST(generate_series(a, b, CASE WHEN a <= b THEN 1 ELSE -1 END) AS INTEGER[]),
	(a INTEGER, b INTEGER, s INTEGER) AS CAST(generate_series(a, b, s) AS INTEGER[]), (a, b) AS generate_series(a, b, CASE WHEN a <= b THEN 1 ELSE -1 END),
	(a DATE, b DATE, s) AS CAST(generate_series(a, b, s) AS DATE[]), (a TIMESTAMP, b TIMESTAMP, s) AS CASE WHEN s >= INTERVAL 1 DAY OR s <= INTERVAL '-1 day' THEN list_transform(generate_series(@local(a), @local(b), s), lambda t: @instant(t)) ELSE generate_series(a, b, s) END, (a, b, s) AS generate_series(a, b, s)`,
	"str_to_map": `(x, a, b) AS map_from_entries(list_transform(string_split(x, a), lambda p: struct_pack(key := split_part(p, b, 1),
	value := CASE WHEN contains(p, b) THEN substring(p, instr(p, b) + length(b)) END)))`,
	// numeral_text is a text of digits without what else its pattern has; one that does not match cannot be cast.
	"numeral_text": `(x, p) AS CASE WHEN regexp_matches(trim(x), p) THEN regexp_replace(regexp_replace(trim(x), '[,$]', '', 'g'), '^(.*)([+-])$', '\2\1') ELSE '[INVALID_FORMAT] ' || x END`,
	"unhexed":      `(x) AS CASE WHEN len(x) % 2 = 1 THEN unhex('0' || x) ELSE unhex(x) END`,
	"url_part":     `(x, p) AS CASE WHEN regexp_matches(x, p) AND (contains(x, ':') OR p LIKE '%(?:[a-zA-Z]%' OR p LIKE '^[^%') THEN regexp_extract(x, p, 1) END`,
	"masked": `(x, u, l, d, o) AS array_to_string(list_transform(string_split(x, ''), lambda c: coalesce(
	CASE WHEN regexp_matches(c, '\p{Lu}') THEN u WHEN regexp_matches(c, '\p{Ll}') THEN l WHEN regexp_matches(c, '[0-9]') THEN d ELSE o END, c)), '')`,
	"luhn": `(x) AS CASE WHEN x IS NOT NULL THEN regexp_matches(x, '^[0-9]+$') AND list_sum(list_transform(list_reverse(regexp_extract_all(x, '[0-9]')),
	lambda c, i: CASE WHEN i % 2 = 1 THEN CAST(c AS INTEGER) ELSE CAST(c AS INTEGER) * 2 // 10 + CAST(c AS INTEGER) * 2 % 10 END)) % 10 = 0 END`,
	// soundex_of keeps the first letter; vowels part equal codes, H and W do not.
	"soundex_of": `(x) AS CASE WHEN NOT regexp_matches(x, '^[a-zA-Z]') THEN x ELSE upper(x[1]) || left(list_transform(
	[string_split(regexp_replace(translate(upper(x), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '01230127022455012623017202'), '[^0-6]', '', 'g'), '')],
	lambda l: array_to_string(list_filter(l, lambda c, i: i > 1 AND c <> '0' AND c <> l[i - 1]), ''))[1] || '000', 3) END`,
	// converted is a number in another base, of the digits in front of the first that the base has not.
	"converted": `(x, f, t) AS list_transform([regexp_extract(upper(trim(x)), '^-?[' || substring('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', 1, f) || ']*')], lambda d: CASE
	WHEN x IS NULL OR trim(x) = '' OR abs(f) NOT BETWEEN 2 AND 36 OR abs(t) NOT BETWEEN 2 AND 36 THEN NULL WHEN ltrim(d, '-') = '' THEN '0'
	ELSE CASE WHEN d LIKE '-%' AND t < 0 THEN '-' ELSE '' END || @to_digits(list_transform([list_reduce(list_transform(string_split(ltrim(d, '-'), ''),
	lambda c: CAST(instr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', c) - 1 AS HUGEINT)), lambda a, c: a * f + c)],
	lambda n: CASE WHEN d LIKE '-%' AND t > 0 THEN 18446744073709551616 - n ELSE n END)[1], abs(t)) END)[1]`,
	"to_digits": `(n, t) AS coalesce(nullif(ltrim(array_to_string(list_transform(range(63, -1, -1), lambda i: substring('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ',
	CAST(CASE WHEN pow(CAST(t AS DOUBLE), i) > 1e20 THEN 0 ELSE n // CAST(pow(CAST(t AS DOUBLE), i) AS HUGEINT) % t END AS INTEGER) + 1, 1)), ''), '0'), ''), '0')`,
	"uniform_between": `(a INTEGER, b INTEGER) AS CAST(floor(a + random() * (b - a)) AS INTEGER), (a TIME, b TIME) AS a, (a, b) AS a + random() * (b - a)`,
	"bucket": `(x, a, b, n) AS CASE WHEN n <= 0 OR a = b OR isnan(x) THEN NULL WHEN a < b AND x < a OR a > b AND x > a THEN 0 WHEN a < b AND x >= b OR a > b AND x <= b THEN CAST(n AS BIGINT) + 1
	ELSE CAST(floor(n * (x - a) / (b - a)) AS BIGINT) + 1 END`,
	// skewness_of is the skewness of a population, of the list of its values.
	"skewness_of": `(l) AS list_transform([list_filter(l, lambda x: x IS NOT NULL)], lambda v: CASE WHEN len(v) > 0 THEN list_transform([list_avg(v)], lambda m:
	(list_sum(list_transform(v, lambda x: pow(x - m, 3))) / len(v)) / pow(list_sum(list_transform(v, lambda x: pow(x - m, 2))) / len(v), 1.5))[1] END)[1]`,
	// months_apart is whole months where both are the same day, or the last day, of a month; else of 31 days each.
	"months_apart": `(x, y) AS ((year(x) - year(y)) * 12 + month(x) - month(y) + CASE
	WHEN day(x) = day(y) OR CAST(x AS DATE) = last_day(x) AND CAST(y AS DATE) = last_day(y) THEN 0.0
	ELSE (day(x) - day(y) + (epoch_us(x) // 1000000 % 86400 - epoch_us(y) // 1000000 % 86400) / 86400.0) / 31.0 END)`,
}

// toInteger cuts fractions off, takes the seconds of a moment, and refuses a text that is no integer.
func toInteger(typ string) string {
	return `(x) AS CASE WHEN @unfit(x, '` + typ + `', '^BLOB$') THEN NULL WHEN typeof(x) = 'VARCHAR' THEN CAST(@whole(CAST(x AS VARCHAR)) AS ` + typ + `)
	WHEN typeof(x) IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'BOOLEAN') THEN CAST(TRY_CAST(x AS HUGEINT) AS ` + typ + `)
	WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN CAST(trunc(TRY_CAST(x AS DOUBLE)) AS ` + typ + `)
	WHEN typeof(x) LIKE 'DECIMAL%' THEN CAST(regexp_extract(CAST(x AS VARCHAR), '^-?[0-9]+') AS ` + typ + `)
	WHEN typeof(x) LIKE 'TIMESTAMP%' THEN CAST(floor(epoch(TRY_CAST(x AS TIMESTAMP))) AS ` + typ + `) ELSE CAST(@mismatch(x) AS ` + typ + `) END`
}
