package files

import (
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// located is the path of one file for a reader.
func located(path string) string { return quote.Text(schemas.EscapeGlob(path)) }

// split is a list of texts as one literal that is split at the separator, which no text contains: DuckDB takes many
// times as long over a literal for each of thousands of files.
func split(texts []string, separator string) string {
	return "string_split(" + quote.Text(strings.Join(texts, separator)) + ", " + quote.Text(separator) + ")"
}

// pathSeparator is in no path: they are absolute and clean.
const pathSeparator = "//"

// paths is the list of files for a reader.
func paths(files []*file) string {
	items := make([]string, len(files))
	for i, f := range files {
		items[i] = schemas.EscapeGlob(f.path)
	}
	return split(items, pathSeparator)
}

// pathTexts is the list of the files' paths as they are.
func pathTexts(files []*file) string {
	items := make([]string, len(files))
	for i, f := range files {
		items[i] = f.path
	}
	return split(items, pathSeparator)
}

// readerColumns are the columns for read_json and read_csv: {'a': 'BIGINT'}.
func readerColumns(t schemas.Table) string {
	items := make([]string, len(t))
	for i, c := range t {
		items[i] = quote.Text(c.Name) + ": " + quote.Text(c.Type.String())
	}
	return "{" + strings.Join(items, ", ") + "}"
}
