package plan

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/duckerr"
)

// duckError is an error of DuckDB as it becomes a diagnostic.
type duckError struct{ *duckerr.Error }

// readDuckError returns nil for an error that is not the query's fault.
func readDuckError(err error) *duckError {
	_, e := duckerr.Read(err)
	if e == nil {
		return nil
	}
	switch e.Type {
	case "Binder", "Catalog", "Parser", "Syntax", "Not implemented", "Invalid Input", "Invalid type", "Mismatch Type", "Conversion", "Out of Range",
		"Parameter Not Resolved", "Parameter Not Allowed", "Missing Extension", "Autoload", "Permission", "Expression", "Decimal", "Constraint", "Sequence":
		return &duckError{e}
	}
	return nil
}

var quotedName = regexp.MustCompile(`"([^"]+)"`)

const sqlReference = "see https://duckdb.org/docs/stable/sql/introduction"

// explain puts DuckDB's message into one sentence and a help.
func (e *duckError) explain() (message, help string) {
	switch e.Subtype {
	case "COLUMN_NOT_FOUND":
		if strings.EqualFold(e.Name, "_rescued_data") {
			return "there is no column " + strconv.Quote(e.Name), "a source has it with schema_evolution: add_new_columns_and_rescue or rescue"
		}
		return "there is no column " + strconv.Quote(e.Name), diag.DidYouMean(e.Name, lastParts(splitList(e.Candidates)), "name a column of what the query reads")
	case "MISSING_ENTRY":
		if operator, ok := strings.CutSuffix(e.Name, "__postfix"); ok {
			return "the operator " + operator + " stands where it has no meaning", operatorHelp(operator)
		}
		what := strings.ToLower(e.Kind)
		if strings.HasSuffix(what, "function") {
			what = "function"
			if help := sparkHelp(e.Name, false); help != "" {
				return "there is no function " + strconv.Quote(e.Name), help
			}
		}
		return "there is no " + what + " " + strconv.Quote(e.Name), diag.DidYouMean(e.Name, splitList(e.Candidates), sqlReference)
	case "NO_MATCHING_FUNCTION":
		name, _, _ := strings.Cut(e.Call, "(")
		return "there is no " + e.Call, cmp.Or(sparkHelp(name, true), e.overloads())
	}
	return e.plainText()
}

func operatorHelp(operator string) string {
	if strings.HasPrefix(operator, "`") {
		return "quote a name with \"double quotes\", not with backticks"
	}
	return "something is missing behind it, or too much in front of it"
}

// overloads lists the first few signatures of the function that was called.
func (e *duckError) overloads() string {
	// The candidates hold commas; the message has one to a line.
	_, list, _ := strings.Cut(e.Message, "Candidate functions:")
	lines := strings.FieldsFunc(list, func(r rune) bool { return r == '\n' || r == '\t' })
	const most = 4
	more := ""
	if len(lines) > most {
		lines, more = lines[:most], ", …"
	}
	return "cast its arguments; there are " + strings.Join(lines, ", ") + more
}

// plainText makes a sentence and a help of a message that has no form.
func (e *duckError) plainText() (message, help string) {
	first, rest, _ := strings.Cut(strings.NewReplacer(sqltext.StreamSchema+".", "", sqltext.ChangesSchema+".", "").Replace(e.Message), "\n")
	first, tail, two := strings.Cut(first, "! ")
	if two {
		rest = tail + "\n" + rest
	}
	rest, _, _ = strings.Cut(rest, "LINE ")
	message = lowerFirst(strings.TrimRight(first, "!. "))
	help = strings.Join(strings.Fields(rest), " ")
	names := quotedName.FindAllStringSubmatch(message, -1)
	switch {
	case len(names) > 0 && names[0][1] == MetadataColumn:
		return message, "only sources have it; let the table that reads the source store it: SELECT *, _metadata.file_path AS source_file …"
	case len(names) > 0 && strings.HasPrefix(help, "Candidate"):
		var candidates []string
		for _, m := range quotedName.FindAllStringSubmatch(help, -1) {
			candidates = append(candidates, m[1])
		}
		return message, diag.DidYouMean(names[len(names)-1][1], candidates, help)
	case strings.Contains(message, "cast is required"):
		return message, "write CAST(… AS type) around one side"
	}
	return message, cmp.Or(duckerr.Help(rest), sqlReference)
}

func splitList(s string) []string {
	var out []string
	for _, p := range strings.Split(s, ",") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// lastParts takes the table's name off columns.
func lastParts(names []string) []string {
	for i, n := range names {
		names[i] = n[strings.LastIndexByte(n, '.')+1:]
	}
	return names
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
