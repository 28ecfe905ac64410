package spark

const listFunctions = `
size(any) int = @size($1) ! CAST(len($1) AS INTEGER)
cardinality(any) int = @size($1) ! CAST(len($1) AS INTEGER)
array_size(any) int = CAST(len($1) AS INTEGER)
get(any, int) any = ($1)[$2 + 1]
array_contains(any, any) bool = CASE WHEN list_contains($1, $2) THEN true WHEN list_count($1) < len($1) THEN NULL ELSE list_contains($1, $2) END
array_distinct(any) any = list_filter($1, lambda x, i: list_position($1, x) = i)
array_union(any, any) any = @array_distinct($1 || $2)
array_intersect(any, any) any = @array_distinct(list_filter($1, lambda x: list_position($2, x) > 0))
array_except(any, any) any = @array_distinct(list_filter($1, lambda x: coalesce(list_position($2, x), 0) = 0))
arrays_overlap(any, any) bool = CASE WHEN list_has_any($1, $2) THEN true WHEN list_count($1) < len($1) OR list_count($2) < len($2) THEN NULL ELSE false END
array_join(any, text) text = @texts_joined($1, $2) ! array_to_string(list_transform($1, lambda x: @as_string(x)), $2)
array_join(any, text, text) text = array_to_string(list_transform($1, lambda x: coalesce(@as_string(x), $3)), $2)
array_max(any) any = list_max($*)
array_min(any) any = list_min($*)
array_position(any, any) int = CASE WHEN $1 IS NOT NULL AND $2 IS NOT NULL THEN CAST(coalesce(list_position($1, $2), 0) AS BIGINT) END
array_remove(any, any) any = list_filter($1, lambda x: x IS DISTINCT FROM $2)
array_repeat(any, int) any = list_transform(range(CAST(@natural($2) AS BIGINT)), lambda i: $1)
array_append(any, any) any = list_append($*)
array_prepend(any, any) any = list_prepend($2, $1)
array_insert(any, int, any) any = @inserted($1, CASE WHEN $2 < 0 THEN len($1) + $2 + 2 ELSE $2 END, $3)
array_compact(any) any = list_filter($1, lambda x: x IS NOT NULL)
array_sort(any) any = list_sort($1, 'ASC', 'NULLS LAST')
sort_array(any) any = list_sort($1, 'ASC', 'NULLS FIRST')
sort_array(any, bool) any = CASE WHEN $2 THEN list_sort($1, 'ASC', 'NULLS FIRST') ELSE list_sort($1, 'DESC', 'NULLS LAST') END
slice(any, int, int) any = CASE WHEN $2 > 0 THEN ($1)[$2:$2 + $3 - 1] ELSE ($1)[len($1) + $2 + 1:len($1) + $2 + $3] END
flatten(any) any = CASE WHEN list_count($1) = len($1) THEN flatten($1) END
map_keys(any) any
map_values(any) any
map_entries(any) any
map_from_arrays(any, any) any = MAP($*)
map_from_entries(any) any
map_concat(any...) any
map_contains_key(any, any) bool = list_contains(map_keys($1), $2)
str_to_map(text) any = @str_to_map($1, ',', ':')
str_to_map(text, text) any = @str_to_map($1, $2, ':')
str_to_map(text, text, text) any = @str_to_map($1, $2, $3)
`

const otherFunctions = `
coalesce(any...) common
nvl(any, any) common = coalesce($*)
ifnull(any, any) common = coalesce($*)
nvl2(any, any, any) any = CASE WHEN $1 IS NOT NULL THEN $2 ELSE $3 END
nullif(any, any) 1
typeof(any) text = @type_name($1)
isnull(any) bool = ($1 IS NULL)
isnotnull(any) bool = ($1 IS NOT NULL)
equal_null(any, any) bool = ($1 IS NOT DISTINCT FROM $2)
greatest(any, any...) common
least(any, any...) common
array(any...) any = list_value($*)
is_variant_null(any) bool = (json_type($1) = 'NULL')
is_valid_utf8(binary) bool = CASE WHEN $1 IS NOT NULL THEN TRY(decode($1)) IS NOT NULL END
validate_utf8(text) text = $1
uuid() text = CAST(uuid() AS VARCHAR)
raise_error(text) any = error($*)
to_json(any) text = CAST(json_merge_patch('{}', to_json($1)) AS VARCHAR)
`

const aggregateFunctions = `
agg count(any) int
agg count_if(bool) int = count_if($1) | CAST(coalesce($, 0) AS BIGINT)
agg sum(number) number
agg try_sum(number) number = sum($1)
agg avg(number) double
agg mean(number) double = avg($1)
agg try_avg(number) double = avg($1)
agg min(any) 1
agg max(any) 1
agg any_value(any) 1 = first($1)
agg min_by(any, any) 1
agg max_by(any, any) 1
agg stddev(double) double = stddev_samp($1)
agg std(double) double = stddev_samp($1)
agg stddev_samp(double) double
agg stddev_pop(double) double
agg variance(double) double = var_samp($1)
agg var_samp(double) double
agg var_pop(double) double
agg corr(double, double) double = corr($1, $2) | nullif($, CAST('NaN' AS DOUBLE))
agg covar_pop(double, double) double
agg covar_samp(double, double) double
agg kurtosis(double) double = kurtosis_pop($1)
agg regr_slope(double, double) double = regr_slope($1, $2) | nullif($, CAST('NaN' AS DOUBLE))
agg regr_intercept(double, double) double = regr_intercept($1, $2) | nullif($, CAST('NaN' AS DOUBLE))
agg regr_r2(double, double) double = regr_r2($1, $2) | nullif($, CAST('NaN' AS DOUBLE))
agg regr_count(double, double) int = regr_count($1, $2) | CAST($ AS BIGINT)
agg regr_avgx(double, double) double
agg regr_avgy(double, double) double
agg regr_sxx(double, double) double
agg regr_sxy(double, double) double
agg regr_syy(double, double) double
agg skewness(double) double = list($1) | nullif(@skewness_of($), CAST('NaN' AS DOUBLE))
agg grouping_id(any...) int = grouping($*) | CAST($ AS BIGINT)
agg median(double) double
agg mode(any) 1
agg approx_count_distinct(any) int
agg bool_and(bool) bool
agg every(bool) bool = bool_and($1)
agg bool_or(bool) bool
agg some(bool) bool = bool_or($1)
agg any(bool) bool = bool_or($1)
agg bit_and(any) 1
agg bit_or(any) 1
agg bit_xor(any) 1
agg grouping(any) int = grouping($1) | CAST($ AS TINYINT)
agg percentile(double, any) any = quantile_cont($1, $2)
agg percentile_cont(any) any
agg percentile_disc(any) any
agg percentile_approx(any, any) any = quantile_disc($1, $2)
agg percentile_approx(any, any, any) any = quantile_disc($1, $2)
agg approx_percentile(any, any) any = quantile_disc($1, $2)
agg approx_percentile(any, any, any) any = quantile_disc($1, $2)
agg string_agg(text) text = string_agg($1, '')
agg string_agg(text, any) text
agg listagg(text) text = string_agg($1, '')
agg listagg(text, any) text = string_agg($1, $2)
win row_number() int = row_number() | CAST($ AS INTEGER)
win rank() int = rank() | CAST($ AS INTEGER)
win dense_rank() int = dense_rank() | CAST($ AS INTEGER)
win percent_rank() double
win cume_dist() double
win ntile(int) int = ntile($1) | CAST($ AS INTEGER)
win lag(any) 1
win lag(any, int) 1
win lag(any, int, any) 1
win lead(any) 1
win lead(any, int) 1
win lead(any, int, any) 1
win nth_value(any, int) 1
`

// refusedFunctions are names, and why they are refused.
const refusedFunctions = `
monotonically_increasing_id spark_partition_id input_file_block_start input_file_block_length = rows have no fixed order or partition here; number them with row_number() OVER (ORDER BY …)
hash xxhash64 crc32 murmur3hash = its values are Spark's own; use md5(x) or sha1(x)
vector_search = it asks an index, which is not here
http_request remote_query = a query calls no other system; read it as a source
measure = there are no metric views here
is_member is_account_group_member current_user session_user user = there are no users and groups in a pipeline here
secret try_secret = declare the secret as a parameter
aes_encrypt aes_decrypt try_aes_decrypt = encryption is not supported
current_catalog current_database current_schema version current_version current_metastore = it depends on where the query runs
reflect java_method try_reflect = there is no Java here
randstr shuffle sample = random values of this kind are not supported; use rand()
schema_of_json schema_of_json_agg schema_of_csv schema_of_variant schema_of_variant_agg schema_of_xml = it tells Spark's types, and the data has DuckDB's
sentences = it is not supported yet
from_csv to_csv from_xml xpath xpath_string xpath_int to_xml from_avro to_avro from_protobuf to_protobuf = other formats are read by sources, not by functions
approx_top_k approx_top_k_accumulate approx_top_k_combine approx_top_k_estimate count_min_sketch histogram_numeric bitmap_bit_position bitmap_bucket_number bitmap_construct_agg bitmap_count bitmap_or_agg bitmap_and_agg = sketches are not supported
to_variant_object = write the path as x:a.b::type
session_window window_time = sessions are not supported
histogram = it is not supported yet
localtime time make_time to_time try_to_time current_time time_diff time_trunc time_from_seconds time_from_millis time_from_micros time_to_seconds time_to_millis time_to_micros = there is no type TIME here
make_valid_utf8 try_validate_utf8 is_valid_variant schema_of_avro timestamp_nanos time_bucket try_make_interval collect_union counter_diff hmac collation collations sql_keywords python_worker_logs current_path from_base32 to_base32 = it is not supported yet
variant_array_append variant_delete variant_insert variant_set variant_strip_nulls try_variant_array_append try_variant_insert try_variant_set = a VARIANT is read here, and not changed
event_log cloud_files_state table_changes = it is read by lakeflow's own commands
`

// refusedFamilies are the beginnings of names, and why all of them are refused.
var refusedFamilies = map[string]string{
	"ai_": "it calls a model, which lakeflow does not", "st_": "geography is not supported", "h3_": "geography is not supported",
	"kll_": "sketches are not supported", "hll_": "sketches are not supported", "theta_": "sketches are not supported", "tuple_": "sketches are not supported",
	"vector_": "vectors are not supported", "xpath_": "other formats are read by sources, not by functions",
}
