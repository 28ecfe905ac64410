package spark

// The tables of functions; addFunction tells how a line is read.

const textFunctions = `
upper(text) text
ucase(text) text = upper($*)
lower(text) text
lcase(text) text = lower($*)
initcap(text) text = array_to_string(list_transform(string_split(lower($1), ' '), lambda w: upper(w[1]) || w[2:]), ' ')
length(text) int = CAST(length($1) AS INTEGER)
len(text) int = CAST(length($1) AS INTEGER)
char_length(text) int = CAST(length($1) AS INTEGER)
character_length(text) int = CAST(length($1) AS INTEGER)
octet_length(binary) int = CAST(octet_length($1) AS INTEGER)
bit_length(text) int = CAST(bit_length($1) AS INTEGER)
trim(text) text
btrim(text) text = trim($*)
btrim(text, text) text = trim($*)
ltrim(text) text
ltrim(text, text) text = ltrim($2, $1)
rtrim(text) text
rtrim(text, text) text = rtrim($2, $1)
lpad(text, int) text = lpad($1, $2, ' ')
lpad(text, int, text) text
rpad(text, int) text = rpad($1, $2, ' ')
rpad(text, int, text) text
repeat(text, int) text
space(int) text = repeat(' ', $1)
reverse(any) any = @reverse($1) ! reverse($1)
substring_index(text, text, int) text = array_to_string(CASE WHEN $3 > 0 THEN string_split($1, $2)[1:$3] WHEN $3 < 0 THEN string_split($1, $2)[$3:] ELSE [] END, $2)
split_part(text, text, int) text
left(text, int) text = left($1, @natural($2))
right(text, int) text = right($1, @natural($2))
instr(text, text) int = CAST(instr($1, $2) AS INTEGER)
charindex(text, text) int = CAST(instr($2, $1) AS INTEGER)
locate(text, text) int = CAST(instr($2, $1) AS INTEGER)
locate(text, text, int) int = CAST(CASE WHEN $3 IS NULL OR $3 < 1 OR instr(substring($2, $3), $1) = 0 THEN 0 ELSE instr(substring($2, $3), $1) + $3 - 1 END AS INTEGER)
position(text, text) int = CAST(instr($2, $1) AS INTEGER)
position(text, text, int) int = CAST(CASE WHEN $3 IS NULL OR $3 < 1 OR instr(substring($2, $3), $1) = 0 THEN 0 ELSE instr(substring($2, $3), $1) + $3 - 1 END AS INTEGER)
charindex(text, text, int) int = CAST(CASE WHEN $3 < 1 OR instr(substring($2, $3), $1) = 0 THEN 0 ELSE instr(substring($2, $3), $1) + $3 - 1 END AS INTEGER)
replace(text, text) text = replace($1, $2, '')
replace(text, text, text) text
translate(text, text, text) text
overlay(text, text, int) text = left($1, $3 - 1) || $2 || substring($1, $3 + length($2))
overlay(text, text, int, int) text = left($1, $3 - 1) || $2 || substring($1, $3 + $4)
ascii(text) int
chr(int) text = CASE WHEN $1 < 0 THEN '' ELSE chr(CAST($1 % 256 AS INTEGER)) END
char(int) text = CASE WHEN $1 < 0 THEN '' ELSE chr(CAST($1 % 256 AS INTEGER)) END
hex(any) text
unhex(text) binary = TRY(@unhexed($1))
base64(binary) text
unbase64(text) binary = from_base64($*)
md5(any) text
sha(any) text = sha1($*)
sha1(any) text
jaro_winkler_similarity(text, text) double
try_url_decode(text) text = TRY(url_decode(replace($1, '+', ' ')))
quote(text) text = '''' || replace($1, '''', '\''') || ''''
luhn_check(text) bool = @luhn($1)
soundex(text) text = @soundex_of($1)
conv(text, int, int) text = @converted($1, $2, $3)
levenshtein(text, text) int = CAST(levenshtein($1, $2) AS INTEGER)
levenshtein(text, text, int) int = CAST(CASE WHEN levenshtein($1, $2) > $3 THEN -1 ELSE levenshtein($1, $2) END AS INTEGER)
startswith(text, text) bool = starts_with($*)
endswith(text, text) bool = ends_with($*)
contains(text, text) bool
format_number(number, int) text = CASE WHEN $2 >= 0 THEN format('{:,.' || @natural($2) || 'f}', CAST($1 AS DOUBLE)) END
regexp_extract(text, regex) text = regexp_extract($1, $2, 1)
regexp_extract(text, regex, int) text
regexp_extract_all(text, regex) any = regexp_extract_all($1, $2, 1)
regexp_extract_all(text, regex, int) any
regexp_replace(text, regex, replacement) text = regexp_replace($1, $2, $3, 'g')
regexp_like(text, regex) bool = regexp_matches($*)
regexp(text, regex) bool = regexp_matches($*)
rlike(text, regex) bool = regexp_matches($*)
regexp_count(text, regex) int = CAST(len(regexp_extract_all($1, $2)) AS INTEGER)
regexp_substr(text, regex) text = CASE WHEN regexp_matches($1, $2) THEN regexp_extract($1, $2) END
regexp_instr(text, regex) int = CAST(CASE WHEN regexp_matches($1, $2) THEN instr($1, regexp_extract($1, $2)) WHEN NOT regexp_matches($1, $2) THEN 0 END AS INTEGER)
find_in_set(text, text) int = CASE WHEN $1 IS NOT NULL AND $2 IS NOT NULL THEN CAST(coalesce(list_position(string_split($2, ','), $1), 0) AS INTEGER) END
bin(int) text = bin(CAST($1 AS BIGINT))
url_encode(text) text = replace(url_encode($1), '%20', '+')
url_decode(text) text = url_decode(replace($1, '+', ' '))
get_json_object(text, text) text = @json_path($1, $2)
json_array_length(text) int = CASE WHEN json_valid($1) AND json_type(TRY_CAST($1 AS JSON)) = 'ARRAY' THEN CAST(json_array_length(TRY_CAST($1 AS JSON)) AS INTEGER) END
json_object_keys(text) any = CASE WHEN json_valid($1) AND json_type(TRY_CAST($1 AS JSON)) = 'OBJECT' THEN json_keys(TRY_CAST($1 AS JSON)) END
parse_json(text) json = CAST($1 AS JSON)
try_parse_json(text) json = TRY_CAST($1 AS JSON)
string_agg(text, text) text
collate(text, any) text = $1
`

const numberFunctions = `
abs(number) 1
bround(number) 1 = round_even($1, 0)
bround(number, int) 1 = round_even($*)
rint(double) double = round_even($1, 0)
sqrt(double) double = CASE WHEN $1 < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt($1) END
cbrt(double) double
exp(double) double
expm1(double) double = (exp($1) - 1)
ln(double) double = CASE WHEN $1 > 0 THEN ln($1) END
log(double) double = CASE WHEN $1 > 0 THEN ln($1) END
log(double, double) double = CASE WHEN $1 > 0 AND $2 > 0 THEN ln($2) / ln($1) END
log10(double) double = CASE WHEN $1 > 0 THEN log10($1) END
log2(double) double = CASE WHEN $1 > 0 THEN log2($1) END
log1p(double) double = CASE WHEN $1 > -1 THEN ln(1 + $1) END
pow(double, double) double
power(double, double) double
sign(double) double = CASE WHEN isnan($1) THEN $1 ELSE CAST(sign($1) AS DOUBLE) END
signum(double) double = CASE WHEN isnan($1) THEN $1 ELSE CAST(sign($1) AS DOUBLE) END
factorial(int) int = CASE WHEN $1 BETWEEN 0 AND 20 THEN CAST(factorial(CASE WHEN $1 BETWEEN 0 AND 20 THEN CAST($1 AS INTEGER) ELSE 0 END) AS BIGINT) END
pi() double
e() double = exp(1.0)
degrees(double) double
radians(double) double
sin(double) double = sin(@finite($1))
cos(double) double = cos(@finite($1))
tan(double) double = tan(@finite($1))
cot(double) double = (1 / tan(@finite($1)))
sec(double) double = (1 / cos(@finite($1)))
csc(double) double = (1 / sin(@finite($1)))
asin(double) double = CASE WHEN abs($1) > 1 THEN CAST('NaN' AS DOUBLE) ELSE asin($1) END
acos(double) double = CASE WHEN abs($1) > 1 THEN CAST('NaN' AS DOUBLE) ELSE acos($1) END
atan(double) double
atan2(double, double) double
sinh(double) double
cosh(double) double
tanh(double) double
asinh(double) double
acosh(double) double
atanh(double) double = CASE WHEN abs($1) > 1 THEN CAST('NaN' AS DOUBLE) ELSE atanh(CASE WHEN abs($1) > 1 THEN 0 ELSE CAST($1 AS DOUBLE) END) END
hypot(double, double) double = sqrt($1 * $1 + $2 * $2)
negative(number) 1 = (- $1)
positive(number) 1 = $1
isnan(double) bool = coalesce(isnan($1), false)
nanvl(double, double) double = CAST(CASE WHEN isnan($1) THEN $2 ELSE $1 END AS DOUBLE)
bit_count(any) int = CAST(bit_count(CAST($1 AS BIGINT)) AS INTEGER)
shiftleft(number, int) 1 = ($1 << $2)
shiftright(number, int) 1 = ($1 >> $2)
shiftrightunsigned(number, int) 1 = @unsigned_shift($1, $2)
getbit(number, int) int = CAST(($1 >> $2) & 1 AS TINYINT)
bit_get(number, int) int = CAST(($1 >> $2) & 1 AS TINYINT)
try_add(number, number) number = TRY($1 + $2)
try_subtract(number, number) number = TRY($1 - $2)
try_multiply(number, number) number = TRY($1 * $2)
try_divide(number, number) number = ($1 / nullif($2, 0))
try_mod(number, number) number = ($1 % nullif($2, 0))
nullifzero(number) 1 = nullif($1, 0)
zeroifnull(number) 1 = coalesce($1, 0)
rand() double = random()
rand(any) double = random()
random(any) double = random()
randn() double = (sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))
randn(any) double = (sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))
uniform(any, any) any = @uniform_between($1, $2)
width_bucket(double, double, double, int) int = @bucket($1, $2, $3, $4)
random() double
`

const dateFunctions = `
year(date) int = CAST(year($1) AS INTEGER)
month(date) int = CAST(month($1) AS INTEGER)
day(date) int = CAST(day($1) AS INTEGER)
dayofmonth(date) int = CAST(day($1) AS INTEGER)
dayofweek(date) int = CAST(dayofweek($1) + 1 AS INTEGER)
weekday(date) int = CAST(isodow($1) - 1 AS INTEGER)
dayofyear(date) int = CAST(dayofyear($1) AS INTEGER)
weekofyear(date) int = CAST(weekofyear($1) AS INTEGER)
quarter(date) int = CAST(quarter($1) AS INTEGER)
hour(time) int = CAST(hour($1) AS INTEGER)
minute(time) int = CAST(minute($1) AS INTEGER)
second(time) int = CAST(second($1) AS INTEGER)
dayname(date) text = left(dayname($1), 3)
monthname(date) text = left(monthname($1), 3)
date_add(date, int) date = ($1 + $2)
date_sub(date, int) date = ($1 - $2)
add_months(date, int) date = CAST($1 + to_months($2) AS DATE)
last_day(date) date
next_day(date, text) date = CAST($1 + CAST((@weekday_number($2) - isodow($1) + 6) % 7 + 1 AS INTEGER) AS DATE)
months_between(time, time) double = round(@months_apart($1, $2), 8)
months_between(time, time, bool) double = CASE WHEN $3 THEN round(@months_apart($1, $2), 8) ELSE @months_apart($1, $2) END
to_date(date) date = $1
try_to_date(any) date = TRY(@as_date($1))
to_timestamp(time) time = $1
to_timestamp_ntz(time) time = $1
to_timestamp_ltz(time) time = $1
try_to_timestamp(any) time = TRY(@as_timestamp($1))
unix_timestamp() int = CAST(floor(epoch(now())) AS BIGINT)
unix_timestamp(time) int = CAST(floor(epoch($1)) AS BIGINT)
to_unix_timestamp(time) int = CAST(floor(epoch($1)) AS BIGINT)
timestamp_seconds(number) time = make_timestamp(CAST($1 * CAST(1000000 AS BIGINT) AS BIGINT))
timestamp_millis(number) time = make_timestamp(CAST($1 AS BIGINT) * 1000)
timestamp_micros(number) time = make_timestamp(CAST($1 AS BIGINT))
unix_seconds(time) int = CAST(floor(epoch($1)) AS BIGINT)
unix_millis(time) int = epoch_ms($*)
unix_micros(time) int = epoch_us($*)
unix_date(date) int = CAST($1 - DATE '1970-01-01' AS INTEGER)
date_from_unix_date(int) date = (DATE '1970-01-01' + $1)
make_date(int, int, int) date
make_timestamp(int, int, int, int, int, double) time
make_timestamp_ltz(int, int, int, int, int, double) time = make_timestamp($*)
try_make_timestamp_ltz(int, int, int, int, int, double) time = TRY(make_timestamp($*))
try_make_timestamp_ntz(int, int, int, int, int, double) time = TRY(make_timestamp($*))
try_make_timestamp(int, int, int, int, int, double) time = TRY(make_timestamp($*))
unix_nanos(time) decimal = CAST(epoch_ns($1) AS DECIMAL(21, 0))
make_timestamp_ntz(int, int, int, int, int, double) time = make_timestamp($*)
convert_timezone(text, text, time) time = timezone($2, timezone($1, $3))
convert_timezone(text, time) time = timezone($1, timezone('UTC', $2))
current_timestamp() time = CAST(now() AS TIMESTAMP)
now() time = CAST(now() AS TIMESTAMP)
localtimestamp() time = CAST(now() AS TIMESTAMP)
current_date() date = current_date
curdate() date = current_date
current_timezone() text = 'UTC'
sequence(any, any) any = @sequence($1, $2) ! generate_series($1, $2)
sequence(any, any, any) any = @sequence($1, $2, $3) ! generate_series($1, $2, $3)
`
