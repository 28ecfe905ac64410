package plan

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// duckError is an error of DuckDB with errors_as_json.
type duckError struct {
	Type       string `json:"exception_type"`
	Message    string `json:"exception_message"`
	Position   string `json:"position"`
	Subtype    string `json:"error_subtype"`
	Name       string `json:"name"`
	Candidates string `json:"candidates"`
	Call       string `json:"call"`
	Kind       string `json:"type"`
}

// readDuckError returns nil for an error that is not the query's fault.
func readDuckError(err error) *duckError {
	s := err.Error()
	i := strings.IndexByte(s, '{')
	if i < 0 {
		return nil
	}
	var e duckError
	if json.NewDecoder(strings.NewReader(s[i:])).Decode(&e) != nil {
		return nil
	}
	switch e.Type {
	case "Binder", "Catalog", "Parser", "Syntax", "Not implemented", "Invalid Input", "Invalid type", "Mismatch Type", "Conversion", "Out of Range",
		"Parameter Not Resolved", "Parameter Not Allowed", "Missing Extension", "Autoload", "Permission", "Expression", "Decimal", "Constraint", "Sequence":
		return &e
	}
	return nil
}

var quotedName = regexp.MustCompile(`"([^"]+)"`)

// bindError turns DuckDB's refusal of a query into a diagnostic; prefix is the length of what was put in front of the query. An error
// that is not about the query is returned.
func (c *compiler) bindError(err error, q *sqltext.Query, prefix int, code, dataset string) error {
	e := readDuckError(err)
	if e == nil {
		return err
	}
	offset := -1
	if n, err := strconv.Atoi(e.Position); err == nil && n >= prefix {
		offset = n - prefix
		if e.Type == "Parser" || e.Type == "Syntax" {
			offset = byteOffset(q.Text, offset)
		}
	} else if m := quotedName.FindStringSubmatch(e.Message); m != nil {
		offset = findName(q.Text, m[1])
	}
	message, help := e.explain()
	c.diags.Errorf(code, token(q, offset), help, "%s: %s", dataset, message)
	return nil
}

// explain puts DuckDB's message into one sentence and a help.
func (e *duckError) explain() (message, help string) {
	switch {
	case e.Subtype == "COLUMN_NOT_FOUND":
		return "there is no column " + strconv.Quote(e.Name), diag.DidYouMean(e.Name, lastParts(splitList(e.Candidates)), "name a column of what the query reads")
	case e.Subtype == "MISSING_ENTRY":
		what := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(e.Kind, "Scalar "), "Aggregate "))
		return "there is no " + what + " " + strconv.Quote(e.Name), diag.DidYouMean(e.Name, splitList(e.Candidates), "see https://duckdb.org/docs/sql/introduction")
	case e.Subtype == "NO_MATCHING_FUNCTION":
		// The candidates hold commas; the message has one to a line.
		_, list, _ := strings.Cut(e.Message, "Candidate functions:")
		lines := strings.FieldsFunc(list, func(r rune) bool { return r == '\n' || r == '\t' })
		const most = 4
		more := ""
		if len(lines) > most {
			lines, more = lines[:most], ", …"
		}
		return "there is no " + e.Call, "cast its arguments; there are " + strings.Join(lines, ", ") + more
	}
	first, rest, _ := strings.Cut(strings.ReplaceAll(e.Message, sqltext.StreamSchema+".", ""), "\n")
	first, tail, two := strings.Cut(first, "! ")
	if two {
		rest = tail + "\n" + rest
	}
	message = strings.TrimRight(first, "!. ")
	help = strings.Join(strings.Fields(rest), " ")
	if i := strings.Index(help, "LINE "); i >= 0 {
		help = strings.TrimSpace(help[:i])
	}
	if help == "" {
		help = "this is DuckDB's word on the query; change it there"
	}
	return lowerFirst(message), help
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
