package sqlfile

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/lakeflow/lakeflow/dsl/spark"
)

// fileRule says what becomes of an option of read_files.
type fileRule struct {
	spelled string
	formats []string // that it is for; nil: all
	do      func(r *reading, a spark.Argument)
}

// ruleSet are options by their names in lower case.
type ruleSet map[string]fileRule

// add adds options that are treated alike.
func (s ruleSet) add(do func(*reading, spark.Argument), formats []string, names ...string) {
	for _, name := range names {
		s[strings.ToLower(name)] = fileRule{name, formats, do}
	}
}

// fileRules are the options of read_files and cloud_files.
var fileRules = newFileRules()

var (
	ofCSV   = []string{"csv"}
	ofJSON  = []string{"json"}
	ofTexts = []string{"csv", "json"}
)

func newFileRules() ruleSet {
	s := ruleSet{}
	s.add(nil, nil, "path", "format", "schema", "schemaHints", "schemaEvolutionMode", "rescuedDataColumn", "inferColumnTypes") // read before the others
	s.add(nil, ofCSV, "inferSchema")
	s.generic()
	s.texts()
	s.csv()
	s.json()
	return s
}

func (s ruleSet) generic() {
	cloud := without("it is about how the cloud is asked for files")
	s.add(cloud, nil, "useNotifications", "useManagedFileEvents", "fetchParallelism", "pathRewrites", "resourceTag", "useIncrementalListing", "backfillInterval",
		"queueUrl", "region", "connectionString", "subscriptionId", "tenantId", "clientId", "clientSecret", "resourceGroup", "projectId", "subscription", "schemaLocation")
	s.add(without("files are kept in mind for ever"), nil, "maxFileAge")
	s.add(without("options are always checked"), nil, "validateOptions")
	s.add(without("a glob matches what it says"), nil, "useStrictGlobber")
	s.add(without("files of all schemas are read together"), nil, "mergeSchema")
	s.add(without("names are found whatever the case of their letters"), nil, "readerCaseSensitive", "parserCaseSensitive")
	s.add(without("a file that is broken, or gone, is passed over with a notice"), nil, "ignoreCorruptFiles", "ignoreMissingFiles")
	s.add(without("what cannot be read is in the dead letters"), nil, "badRecordsPath", "columnNameOfCorruptRecord")
	s.add(only("files are left where they are", "clean up outside of the pipeline", "off"), nil, "cleanSource")
	s.add(without("files are left where they are"), nil, "cleanSource.retentionDuration", "cleanSource.moveDestination", "retentionDuration", "moveDestination")
	s.add(only("all files that are there are read", "write modifiedAfter with a time", "true"), nil, "includeExistingFiles")
	s.add(func(r *reading, a spark.Argument) {
		if v, ok := r.bool(a); ok {
			r.set("", "allow_overwrites", v, a.Range)
		}
	}, nil, "allowOverwrites")
	s.add(func(r *reading, a spark.Argument) {
		if n, ok := r.number(a); ok {
			r.set("", "max_files_per_batch", n, a.Range)
		}
	}, nil, "maxFilesPerTrigger")
	s.add(func(r *reading, a spark.Argument) {
		if n, ok := sparkBytes(a.Value); ok {
			r.set("", "max_bytes_per_batch", n, a.Range)
		} else {
			r.wrong(a, "write a number of bytes, or one with a unit, as in 10g")
		}
	}, nil, "maxBytesPerTrigger")
	s.add(func(r *reading, a spark.Argument) {
		names := strings.FieldsFunc(a.Value, func(c rune) bool { return c == ',' || unicode.IsSpace(c) })
		if len(names) == 0 {
			r.set("", "partition_columns", "none", a.Range)
		} else {
			r.set("", "partition_columns", names, a.Range)
		}
	}, nil, "partitionColumns")
	s.add(text("", "name_pattern"), nil, "pathGlobFilter", "fileNamePattern")
	s.add(text("", "modified_after"), nil, "modifiedAfter")
	s.add(text("", "modified_before"), nil, "modifiedBefore")
	s.add(func(r *reading, a spark.Argument) { // folders in folders are always read; it is about their columns
		if deep, ok := r.bool(a); ok && deep {
			if _, named := r.arg("partitioncolumns"); !named {
				r.set("", "partition_columns", "none", a.Range)
			}
		}
	}, nil, "recursiveFileLookup")
	parquet := []string{"parquet"}
	s.add(without("times are read as the files have them"), parquet, "datetimeRebaseMode", "int96RebaseMode")
	s.add(only("a file is a text of one line only where it has one", "read format => 'binaryFile', and decode(content, 'UTF-8')", "false"), []string{"text"}, "wholeText")
}

func (s ruleSet) texts() {
	s.add(encoding, append([]string{"text"}, ofTexts...), "encoding", "charset")
	s.add(only("records are read one by one, wherever their lines end", "write it as \\n or leave it out", "\n", "\r\n", `\n`, `\r\n`), append([]string{"text"}, ofTexts...), "lineSep")
	s.add(nil, ofTexts, "multiLine") // records over several lines are always read
	s.add(func(r *reading, a spark.Argument) {
		switch strings.ToUpper(a.Value) {
		case "PERMISSIVE":
		case "DROPMALFORMED":
			if r.format == "csv" {
				r.set("csv", "null_padding", false, a.Range)
			}
		case "FAILFAST":
			r.refuseOption(a, "write 'PERMISSIVE', and a rule EXPECT … ON VIOLATION FAIL UPDATE where bad data are to stop the update", "records that cannot be read become dead letters")
		default:
			r.wrong(a, "write 'PERMISSIVE' or 'DROPMALFORMED'")
		}
	}, ofTexts, "mode")
	s.add(only("names of months and days are English", "convert the texts in the query", "en-us", "en", "en_us"), ofTexts, "locale")
	s.add(only("times without a zone are in UTC", "convert them in the query: to_utc_timestamp(t, 'zone')", "utc", "etc/utc", "gmt", "z", "+00:00"), ofTexts, "timeZone")
	s.add(pattern("date_format"), ofTexts, "dateFormat")
	s.add(pattern("timestamp_format"), ofTexts, "timestampFormat", "timestampNTZFormat")
}

func (s ruleSet) csv() {
	s.add(boolean("csv", "header"), ofCSV, "header")
	s.add(separator, ofCSV, "sep", "delimiter")
	s.add(text("csv", "quote"), ofCSV, "quote")
	s.add(text("csv", "escape"), ofCSV, "escape")
	s.add(text("csv", "comment"), ofCSV, "comment")
	s.add(text("csv", "null_values"), ofCSV, "nullValue")
	s.add(func(r *reading, a spark.Argument) {
		if n, ok := r.number(a); ok {
			r.set("csv", "skip", n, a.Range)
		}
	}, ofCSV, "skipRows")
	s.add(without("columns are found by their names in the header"), ofCSV, "enforceSchema")
	s.add(without("a field may be as long as a record, and a source has up to 2000 columns"), ofCSV, "maxCharsPerColumn", "maxColumns")
	s.add(without("dates are told from times"), ofCSV, "preferDate", "prefersDate")
	s.add(without("what is not well quoted is in the dead letters"), ofCSV, "unescapedQuoteHandling", "charToEscapeQuoteEscaping")
	s.add(only("empty fields are NULL", "write coalesce(column, '') in the query", ""), ofCSV, "emptyValue")
	spaces := only("spaces are a part of a text", "write trim(column) in the query", "false")
	s.add(spaces, ofCSV, "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace")
	s.add(only("it is a word like others", "declare the column as STRING, and convert it in the query", "nan"), ofCSV, "nanValue")
	s.add(only("it is a word like others", "declare the column as STRING, and convert it in the query", "inf", "-inf", "infinity", "-infinity"), ofCSV, "positiveInf", "negativeInf")
}

func (s ruleSet) json() {
	lenient := func(r *reading, a spark.Argument) {
		if v, ok := r.bool(a); ok && v {
			r.ignore(a, "records are JSON as the standard has it, and others are in the dead letters")
		}
	}
	s.add(lenient, ofJSON, "allowBackslashEscapingAnyCharacter", "allowComments", "allowNumericLeadingZeros", "allowSingleQuotes", "allowUnquotedControlChars", "allowUnquotedFieldNames")
	s.add(nil, ofJSON, "allowNonNumericNumbers") // they are numbers
	s.add(boolean("json", "infer_times"), ofJSON, "inferTimestamp")
	s.add(without("a column of which nothing is known is NULL"), ofJSON, "dropFieldIfAllNull")
	s.add(only("fractions are DOUBLE", "declare the columns in schemaHints: amount DECIMAL(12, 2)", "false"), ofJSON, "prefersDecimal")
	s.add(only("numbers in objects and lists keep their types", "write inferColumnTypes => false, or schemaHints", "false"), ofJSON, "primitivesAsString")
	s.add(func(r *reading, a spark.Argument) {
		r.refuseOption(a, "write format => 'text', and parse_json(value) AS "+a.Value, "a record is not one column")
	}, ofJSON, "singleVariantColumn")
}

// without is for options that have no effect.
func without(why string) func(*reading, spark.Argument) {
	return func(r *reading, a spark.Argument) { r.ignore(a, why) }
}

// only is for options of which lakeflow has these values alone, in lower case.
func only(why, help string, values ...string) func(*reading, spark.Argument) {
	return func(r *reading, a spark.Argument) {
		if !slices.Contains(values, strings.ToLower(a.Value)) {
			r.refuseOption(a, help, why)
		}
	}
}

func text(part, key string) func(*reading, spark.Argument) {
	return func(r *reading, a spark.Argument) { r.set(part, key, a.Value, a.Range) }
}

func boolean(part, key string) func(*reading, spark.Argument) {
	return func(r *reading, a spark.Argument) {
		if v, ok := r.bool(a); ok {
			r.set(part, key, v, a.Range)
		}
	}
}

// separator takes \t for a tab, as Spark does.
func separator(r *reading, a spark.Argument) {
	if _, twice := r.arg("sep"); twice && optionName(a) == "delimiter" {
		r.wrong(a, "remove it, or sep")
		return
	}
	r.set("csv", "delimiter", strings.NewReplacer(`\t`, "\t", `\\`, `\`).Replace(a.Value), a.Range)
}

// encodings are names of encodings with those of the connector.
var encodings = map[string]string{"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8", "utf-16": "utf-16", "utf16": "utf-16",
	"utf-16le": "utf-16", "iso-8859-1": "latin-1", "latin1": "latin-1", "latin-1": "latin-1", "windows-1252": "windows-1252", "cp1252": "windows-1252"}

func encoding(r *reading, a spark.Argument) {
	name := encodings[strings.ToLower(a.Value)]
	switch {
	case name == "" || r.format == "text" && name != "utf-8":
		r.refuseOption(a, "save the files as UTF-8", "lakeflow reads UTF-8, and of CSV and JSON also UTF-16, ISO-8859-1 and windows-1252")
	case r.format != "text":
		r.set(r.format, "encoding", name, a.Range)
	}
}

// isoPatterns are the patterns of what is read without one.
var isoPatterns = []string{"yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
	"yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "yyyy-MM-dd'T'HH:mm:ss'Z'", "yyyy-MM-dd'T'HH:mm:ssXXX", "yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd'T'HH:mm:ss.SSS"}

func pattern(key string) func(*reading, spark.Argument) {
	return func(r *reading, a spark.Argument) {
		if slices.Contains(isoPatterns, a.Value) {
			return
		}
		format, err := spark.DatePattern(a.Value)
		switch {
		case r.format == "json":
			r.refuseOption(a, "declare the column as STRING, and write to_date(column, pattern) in the query", "dates of JSON are read as ISO has them")
		case err != nil:
			r.refuseOption(a, "declare the column as STRING, and convert it in the query", err.Error())
		default:
			r.set("csv", key, format, a.Range)
		}
	}
}

// sparkBytes is a size as Spark writes it: 10g is 10 GiB, and a number alone bytes.
func sparkBytes(text string) (int64, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz ")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift, known := map[string]int{"": 0, "b": 0, "k": 10, "kb": 10, "m": 20, "mb": 20, "g": 30, "gb": 30, "t": 40, "tb": 40}[strings.TrimSpace(text[len(digits):])]
	if err != nil || !known || n < 1 || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}
