package spark

import (
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// generatorUsage are the forms of what makes rows.
var generatorUsage = map[string]string{"explode": "explode(array) AS x or explode(map) AS key, value", "posexplode": "posexplode(array) AS position, x",
	"inline": "inline(array of structs)"}

// ofArrays are the functions whose first argument is an array and whose names do not say so.
const ofArrays = " size cardinality sort_array slice flatten element_at get shuffle "

// Usage says how a function of Spark is called, as "size(list) or size(map)"; it is empty for what is none.
func Usage(name string) string {
	name = strings.ToLower(name)
	if plain := strings.TrimSuffix(name, "_outer"); generatorUsage[plain] != "" {
		return strings.ReplaceAll(generatorUsage[plain], plain+"(", name+"(")
	}
	if !plainName(name) || functions()[name] == nil {
		return ""
	}
	if f := functions()[name]; len(f.variants) > 0 && specials[name] == nil {
		usage := strings.Join(signatures(f), " or ")
		if strings.HasPrefix(name, "map_") {
			usage = strings.ReplaceAll(usage, "(any", "(map")
		} else if strings.HasPrefix(name, "array_") || strings.Contains(ofArrays, " "+name+" ") {
			usage = strings.ReplaceAll(usage, "(any", "(array")
		}
		return strings.ReplaceAll(usage, "any", "x")
	}
	// A call with too few or too many arguments is answered with how it is written.
	for _, args := range []string{"", "NULL" + strings.Repeat(", NULL", 30)} {
		var diags diag.List
		Expression(name+"("+args+")", sqltext.WholeFile(name), Pipeline{}, &diags)
		for _, d := range diags {
			if d.Code == codeArguments {
				return strings.TrimPrefix(strings.TrimPrefix(d.Help, "write "), "it is ")
			}
		}
	}
	return ""
}
