package kafka

import (
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// jsonCell is SQL for a value as JSON is to have it: to_json does the rest. Depth tells the names of lambdas apart.
func jsonCell(x string, t schemas.Type, depth int) string {
	return nested(x, t, depth, jsonCell, func() string {
		switch t.Kind {
		case schemas.Float:
			return number(x, "CAST(CAST("+x+" AS VARCHAR) AS DOUBLE)") // else 0.1 becomes what is nearest to it of 64 bits
		case schemas.Double:
			return number(x, x)
		case schemas.Timestamp:
			return isoTime(x)
		case schemas.TimestampTZ:
			return isoTime("make_timestamp(epoch_us("+x+"))") + " || 'Z'"
		case schemas.Blob:
			return "to_base64(" + x + ")"
		}
		return x
	})
}

// number is a JSON number, or a text for what is none.
func number(x, value string) string {
	return fmt.Sprintf(`CASE WHEN isfinite(%[1]s) THEN to_json(%[2]s) WHEN isnan(%[1]s) THEN to_json('NaN') WHEN %[1]s > 0 THEN to_json('Infinity') WHEN %[1]s < 0 THEN to_json('-Infinity') END`, x, value)
}

func isoTime(x string) string { return "replace(CAST(" + x + " AS VARCHAR), ' ', 'T')" }

// nested applies cell to the parts of a nested value, and scalar to a value that has none.
func nested(x string, t schemas.Type, depth int, cell func(string, schemas.Type, int) string, scalar func() string) string {
	e := fmt.Sprintf("e%d", depth)
	switch t.Kind {
	case schemas.Struct:
		fields := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = quote.Name(f.Name) + " := " + cell("struct_extract("+x+", "+quote.Text(f.Name)+")", f.Type, depth)
		}
		if all := "struct_pack(" + strings.Join(fields, ", ") + ")"; !same(t, cell) {
			return "CASE WHEN " + x + " IS NOT NULL THEN " + all + " END"
		}
		return x
	case schemas.List:
		if same(t, cell) {
			return x
		}
		return "list_transform(" + x + ", lambda " + e + ": " + cell(e, *t.Elem, depth+1) + ")"
	case schemas.Map:
		if same(t, cell) {
			return x
		}
		entry := "struct_pack(k := " + textCell(e+".key", *t.Key) + ", v := " + cell(e+".value", *t.Elem, depth+1) + ")"
		return "CASE WHEN " + x + " IS NOT NULL THEN map_from_entries(list_transform(map_entries(" + x + "), lambda " + e + ": " + entry + ")) END"
	}
	return scalar()
}

// same says whether the parts of a nested value are as they are to be. Keys of maps become texts anyway.
func same(t schemas.Type, cell func(string, schemas.Type, int) string) bool {
	switch t.Kind {
	case schemas.Struct:
		for _, f := range t.Fields {
			if !same(f.Type, cell) {
				return false
			}
		}
		return true
	case schemas.List:
		return same(*t.Elem, cell)
	case schemas.Map:
		return textCell("x", *t.Key) == "CAST(x AS VARCHAR)" && same(*t.Elem, cell)
	}
	return cell("x", t, 0) == "x"
}

// textCell is SQL for the text of a value: as in JSON, without the quotes.
func textCell(x string, t schemas.Type) string {
	switch t.Kind {
	case schemas.Varchar:
		return x
	case schemas.Timestamp, schemas.TimestampTZ, schemas.Blob:
		return jsonCell(x, t, 0)
	case schemas.Struct, schemas.List, schemas.Map:
		return "CAST(to_json(" + jsonCell(x, t, 0) + ") AS VARCHAR)"
	}
	return "CAST(" + x + " AS VARCHAR)"
}
