package jsonrecords

import (
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// quoted quotes a name for SQL.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// structOf is the table as a struct type.
func structOf(t schemas.Table) schemas.Type {
	return schemas.Type{Kind: schemas.Struct, Fields: t}
}

// Lossy is true when the text or JSON value x becomes a t only without its fraction, time of the day, or zone.
func Lossy(x string, t schemas.Type) string {
	wider, ok := map[schemas.Kind]string{schemas.Integer: "DOUBLE", schemas.BigInt: "DOUBLE", schemas.Date: "TIMESTAMP", schemas.Timestamp: "TIMESTAMPTZ"}[t.Kind]
	if !ok {
		return "false"
	}
	return fmt.Sprintf("coalesce(TRY_CAST(%s AS %s) <> CAST(TRY_CAST(%s AS %s) AS %s), false)", x, wider, x, t, wider)
}
