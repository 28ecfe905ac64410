package sqlfile

import (
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// fileFormats are the formats of Spark with those of the connector.
var fileFormats = map[string]string{"json": "json", "csv": "csv", "parquet": "parquet", "text": "text", "binaryfile": "binary"}

// readFiles makes a source of read_files(…), cloud_files(…) or json.`path`.
func (r *reading) readFiles() *readSource {
	at, ok := r.arg("path")
	if !ok || strings.TrimSpace(at.Value) == "" {
		r.diags.Errorf("LF0577", r.call.Range, "write the path of the files first: "+r.call.Function+"('landing/*.json', …)", "%s does not say what it reads", r.call.Function)
		return nil
	}
	if r.format = r.fileFormat(at); r.format == "" {
		return nil
	}
	before := len(*r.diags)
	local, here := r.localPath(at)
	if !here {
		local = at.Value
	}
	r.legacy = r.call.Function == "cloud_files"
	function := r.call.Function == "read_files" || r.legacy
	r.set("", "path", local, at.Range)
	r.set("", "format", fileFormats[r.format], at.Range)
	r.evolution(function)
	r.inference(function)
	for _, a := range r.args {
		r.fileOption(a)
	}
	r.fileDefaults(at.Range)
	if !here {
		r.source.Flawed = true
	} else if !diag.List((*r.diags)[before:]).HasErrors() {
		r.connect("files")
	}
	slug := placeSlug(at.Value)
	if slug == "" {
		slug = r.format
	}
	return &readSource{Source: r.source, slug: slug + "_files", place: at.Value}
}

// fileFormat is Spark's name of the format, empty for one that is not read.
func (r *reading) fileFormat(at spark.Argument) string {
	format := strings.ToLower(r.call.Function)
	if f, ok := r.arg("format"); ok {
		format = strings.ToLower(f.Value)
		at = f
	} else if fileFormats[format] == "" {
		format = r.guessedFormat(at)
		if _, here := r.localPath(at); format == "" && here { // of one that is not, the path is reported
			r.diags.Errorf("LF0577", r.call.Range, "write format => 'json', or csv, parquet, text or binaryFile", "the format of the files cannot be told from the path")
		}
		return format
	}
	if fileFormats[format] != "" {
		return format
	}
	switch format {
	case "avro", "orc", "xml", "delta", "iceberg":
		r.call.Function, r.call.Range = format, at.Range
		r.noReader()
	default:
		r.wrong(at, diag.DidYouMean(format, []string{"json", "csv", "parquet", "text", "binaryFile"}, ""))
	}
	return ""
}

// guessedFormat tells the format by the extension in the path, or of the first file in the folder.
func (r *reading) guessedFormat(at spark.Argument) string {
	names := []string{path.Base(at.Value)}
	if local, ok := r.localPath(at); ok && fixed(local) == local {
		if entries, err := os.ReadDir(r.absolute(local)); err == nil {
			for _, e := range entries {
				if !e.IsDir() && e.Name()[0] != '.' && e.Name()[0] != '_' {
					names = append(names, e.Name())
				}
			}
		}
	}
	for _, name := range names {
		name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
		switch strings.ToLower(path.Ext(name)) {
		case ".json", ".jsonl", ".ndjson":
			return "json"
		case ".csv", ".tsv":
			return "csv"
		case ".parquet":
			return "parquet"
		case ".txt", ".log":
			return "text"
		}
	}
	return ""
}

func (r *reading) absolute(local string) string {
	if path.IsAbs(local) {
		return local
	}
	return path.Join(r.project.Dir, local)
}

// evolutionModes are those of Auto Loader. Without a schema, what does not fit is rescued but by none.
var evolutionModes = map[string]sources.Evolution{"addnewcolumns": sources.AddAndRescue, "addnewcolumnswithtypewidening": sources.AddAndRescue,
	"rescue": sources.Rescue, "failonnewcolumns": sources.Fail, "none": sources.None}

// evolution settles which columns there are.
func (r *reading) evolution(function bool) {
	if schema, ok := r.arg("schema"); ok {
		r.columns(schema, false)
		r.source.Declared, r.source.Evolution = true, sources.None
	} else if function && r.format != "text" && r.format != "binaryfile" {
		r.source.Evolution = sources.AddAndRescue
	}
	if hints, ok := r.arg("schemahints"); ok {
		r.columns(hints, true)
	}
	if a, ok := r.arg("schemaevolutionmode"); ok {
		mode, known := evolutionModes[strings.ToLower(a.Value)]
		switch {
		case !known:
			r.wrong(a, diag.DidYouMean(a.Value, []string{"addNewColumns", "rescue", "failOnNewColumns", "none"}, ""))
		case mode == sources.AddAndRescue && r.source.Declared:
			r.refuseOption(a, "write schemaHints in the place of schema, or another mode", "no columns are added to a schema that is given")
		case strings.EqualFold(a.Value, "addNewColumnsWithTypeWidening"):
			r.source.Evolution = mode
			r.ignore(a, "columns are added, and types stay as they are")
		default:
			r.source.Evolution = mode
		}
	}
	if a, ok := r.arg("rescueddatacolumn"); ok {
		switch {
		case a.Value == "":
			r.wrong(a, "write the name of a column, as in _rescued_data")
		case r.source.Evolution == sources.Fail:
			r.refuseOption(a, "write schemaEvolutionMode => 'rescue'", "a source that fails on new columns rescues nothing")
		default:
			if r.source.Evolution == sources.None {
				r.source.Evolution = sources.Rescue
			}
			if a.Value != "_rescued_data" {
				r.set("", "rescued_column", a.Value, a.Range)
			}
		}
	}
}

// columns reads the types that an option declares.
func (r *reading) columns(a spark.Argument, hints bool) {
	fields, err := spark.Fields(a.Value)
	if err != nil {
		r.diags.Errorf("LF0578", a.Range, "write the columns as 'id BIGINT, tags ARRAY<STRING>'", "%s cannot be read: %v", a.Name, err)
		return
	}
	for _, f := range fields {
		name := strings.Join(f.Path, ".")
		typ := f.Type
		if typ == "JSON" { // a VARIANT
			typ = "VARCHAR"
		}
		switch _, err := schemas.Storable(typ); {
		case len(f.Path) > 1:
			r.diags.Errorf("LF0578", a.Range, "give the type of the whole column: "+f.Path[0]+" STRUCT<…>", "%s names %s, which is a part of a column", a.Name, name)
		case err != nil:
			r.diags.Errorf("LF0578", a.Range, "write another type, such as STRING", "%s: the column %s cannot have the type %s", a.Name, name, typ)
		case slices.ContainsFunc(r.source.Schema, func(h dsl.ColumnHint) bool { return strings.EqualFold(h.Name, name) }):
			if !hints {
				r.diags.Errorf("LF0578", a.Range, "remove one of them", "%s has the column %s twice", a.Name, name)
			}
		case name == "_rescued_data": // which the source adds
		default:
			r.source.Schema = append(r.source.Schema, dsl.ColumnHint{Node: option.Node{Range: a.Range}, Name: name, Type: typ})
		}
	}
}

// inference settles whether types are inferred.
func (r *reading) inference(function bool) {
	r.source.Texts = r.legacy || !function && r.format == "csv"
	for _, name := range []string{"inferschema", "infercolumntypes"} {
		if a, ok := r.arg(name); ok {
			if infer, ok := r.bool(a); ok {
				r.source.Texts = !infer
			}
		}
	}
	if r.format != "json" && r.format != "csv" {
		r.source.Texts = false
	}
}

// bool is the value of an option that is true or false.
func (r *reading) bool(a spark.Argument) (v, ok bool) {
	switch strings.ToLower(strings.TrimSpace(a.Value)) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	r.wrong(a, "write true or false")
	return false, false
}

// number is the value of an option that is a whole number.
func (r *reading) number(a spark.Argument) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(a.Value), 10, 64)
	if err != nil || n < 0 {
		r.wrong(a, "write a whole number")
		return 0, false
	}
	return n, true
}

// fileOption puts one option where it belongs.
func (r *reading) fileOption(a spark.Argument) {
	name := optionName(a)
	rule, known := fileRules[name]
	if !known {
		var names []string
		for key := range maps.Keys(fileRules) {
			names = append(names, fileRules[key].spelled)
		}
		slices.Sort(names)
		r.diags.Errorf("LF0571", a.Range, diag.DidYouMean(strings.TrimPrefix(a.Name, "cloudFiles."), names, "see the options of read_files in the documentation"),
			"%s has no option %s", r.call.Function, a.Name)
		return
	}
	if len(rule.formats) > 0 && !slices.Contains(rule.formats, r.format) {
		r.ignore(a, "it is an option of "+strings.Join(rule.formats, " and "))
		return
	}
	if rule.do != nil {
		rule.do(r, a)
	}
}

// assumesHeader says whether a CSV file is taken to have a header where nothing is said of it: Auto Loader looks for the
// columns there, where it is to find them out.
func (r *reading) assumesHeader() bool {
	return (r.call.Function == "read_files" || r.legacy) && !r.source.Declared
}

// fileDefaults are what Databricks takes for granted and lakeflow would detect.
func (r *reading) fileDefaults(at diag.Range) {
	otherwise := func(part, key string, v any) {
		if !r.has(part, key) {
			r.set(part, key, v, at)
		}
	}
	otherwise("", "name_pattern", "*")
	switch r.format {
	case "csv":
		otherwise("csv", "header", r.assumesHeader())
		otherwise("csv", "delimiter", ",")
		otherwise("csv", "quote", `"`)
		otherwise("csv", "skip", int64(0))
		otherwise("csv", "null_padding", true)
		r.set("csv", "unnamed", "_c", at)
	case "json":
		otherwise("json", "infer_times", false)
	}
}
