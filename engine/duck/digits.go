package duck

import (
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// checkDigits refuses files with a DECIMAL of more digits than there are: DuckDB computes sums of them with 128 bits,
// which hold a part of the numbers of 39 digits, and writes these as they are. Other programs would not read them.
func checkDigits(schema schemas.Table, files []lake.DataFile) error {
	for _, f := range files {
		for _, c := range schema {
			if err := tooLong(c.Name, quotedPath(c.Name), c.Type, f.Columns); err != nil {
				return err
			}
		}
	}
	return nil
}

// tooLong looks at the bounds of a column and of what is in it. Paths are spelled as DuckDB does.
func tooLong(column, path string, t schemas.Type, bounds map[string]lake.ColumnStats) error {
	switch t.Kind {
	case schemas.Struct:
		for _, field := range t.Fields {
			if err := tooLong(column, path+"."+quotedPath(field.Name), field.Type, bounds); err != nil {
				return err
			}
		}
	case schemas.List:
		return tooLong(column, path+`."element"`, *t.Elem, bounds)
	case schemas.Map:
		if err := tooLong(column, path+`."key"`, *t.Key, bounds); err != nil {
			return err
		}
		return tooLong(column, path+`."value"`, *t.Elem, bounds)
	case schemas.Decimal:
		for _, n := range []string{bounds[path].Min, bounds[path].Max} {
			digits := strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(n), "0")
			if len(digits) > t.Precision {
				return fmt.Errorf("column %s has the number %s, which has more digits than %s holds: cast what is summed "+
					"to a DECIMAL of a lower scale, or to DOUBLE", column, n, t)
			}
		}
	}
	return nil
}

func quotedPath(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
