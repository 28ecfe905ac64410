package plan

import "strings"

// class says how the value of a function comes about.
type class int

const (
	pure      class = iota // from its arguments
	aggregate              // from many rows; window functions too
	perQuery               // the same within a query, another in the next: now()
	volatile               // another with every call: random()
)

// The functions that are not pure, macros included. The lists are here because asking
// duckdb_functions() takes longer than compiling a small pipeline; a test compares them with it.
const (
	aggregates = " any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last" +
		" argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and bool_or corr count count_if count_star countif covar_pop covar_samp" +
		" cume_dist dense_rank entropy favg fill first first_value fsum geomean geometric_mean group_concat histogram histogram_exact json_group_array" +
		" json_group_object json_group_structure kahan_sum kurtosis kurtosis_pop lag last last_value lead list listagg mad max max_by mean median min min_by" +
		" mode nth_value ntile percent_rank product quantile quantile_cont quantile_disc rank rank_dense regr_avgx regr_avgy regr_count regr_intercept regr_r2" +
		" regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile row_number sem skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan" +
		" var_pop var_samp variance wavg weighted_avg "
	perQueries = " ago current_catalog current_database current_date current_schema current_schemas current_time current_timestamp get_current_time get_current_timestamp in_search_path localtime localtimestamp" +
		" now pg_conf_load_time pg_postmaster_start_time today transaction_timestamp txid_current "
	volatiles = " current_connection_id current_query current_query_id current_transaction_id currval error gen_random_uuid nextval pg_sleep random setseed sleep_ms stats uuid uuidv4 uuidv7 write_log "
)

// functionClass returns the class of a function by its name in lower case.
func functionClass(name string) class {
	word := " " + name + " "
	switch {
	case strings.Contains(aggregates, word):
		return aggregate
	case strings.Contains(perQueries, word):
		return perQuery
	case strings.Contains(volatiles, word):
		return volatile
	}
	return pure
}

// tableFunctions are the functions that may stand behind FROM: their rows come from their arguments alone. All others
// are refused, also those of a later DuckDB that nobody has looked at: among them are some that read files, and some
// that change the session or write.
const tableFunctions = " generate_series json_each json_tree range repeat repeat_row unnest "

// queryFunctions may stand there in a query of lakeflow query too: they count the values of a table that is named, or
// list what SQL there is.
const queryFunctions = tableFunctions + "duckdb_functions duckdb_keywords duckdb_types histogram histogram_values "

// barredFunctions give or take more than values: they change the session, write to its log, bind SQL that is in a text,
// or tell settings. The others that DuckDB has are in testdata/functions.txt: a test fails when there is one that
// nobody has looked at.
const barredFunctions = " current_setting json_serialize_plan pg_get_viewdef setseed write_log "

// barred finds the calls that a query may not make, if it may read the table functions that are listed.
func (s *facts) barred(tables string) (reads, calls []call) {
	for _, c := range s.sources {
		if !listed(tables, c.name) {
			reads = append(reads, c)
		}
	}
	for _, c := range s.calls {
		if listed(barredFunctions, c.name) {
			calls = append(calls, c)
		}
	}
	return reads, calls
}

func listed(list, name string) bool { return strings.Contains(list, " "+name+" ") }

func callHelp(name string) string {
	switch name {
	case "setseed":
		return "for numbers that are the same every time, take hash() of a column instead of random()"
	case "current_setting":
		return "write the value itself, or a parameter"
	}
	return "leave it out: a query only computes values of what it reads"
}

// deterministic reports whether evaluating the query again gives the same values.
func (s *facts) deterministic() bool {
	for _, c := range s.calls {
		if k := functionClass(c.name); k == perQuery || k == volatile {
			return false
		}
	}
	for _, c := range s.columns { // current_date and the like are written without parentheses
		if path := c.Path(); len(path) == 1 && functionClass(strings.ToLower(path[0])) == perQuery {
			return false
		}
	}
	return true
}
