package records

import (
	"fmt"
	"strconv"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// NewColumn is the error that schema_evolution: fail ends with. Also is what else can be done, with a comma and a space
// behind.
func NewColumn(what, column, also string) error {
	return fmt.Errorf("%s has the column %q, which the source does not have: declare it under schema:, %sor set"+
		" schema_evolution: add_new_columns to add it, rescue to keep its values in %s, none to ignore it",
		what, column, also, jsonrecords.RescuedColumn)
}

// Added are notices of columns that are new in the records, or files.
func Added(in string, names []string) (out []sources.Notice) {
	for _, name := range names {
		message := "column " + Shown(name) + " is new in the " + in + " and was added"
		out = append(out, sources.Notice{Kind: "column_added", Subject: name, Message: message})
	}
	return out
}

// Shown is a name as messages have it: quoted when it is empty or has characters that do not print.
func Shown(name string) string {
	if q := strconv.Quote(name); name == "" || len(q) != len(name)+2 {
		return q
	}
	return name
}
