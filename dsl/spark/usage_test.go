package spark_test

import (
	"testing"

	"github.com/lakeflow/lakeflow/dsl/spark"
)

// Messages name types and functions as Spark does.
func TestNamesInMessages(t *testing.T) {
	for duck, want := range map[string]string{
		"VARCHAR": "STRING", "INTEGER_LITERAL": "INT", "DECIMAL(10,2)": "DECIMAL(10,2)", "VARCHAR[][]": "ARRAY<ARRAY<STRING>>",
		`STRUCT(a INTEGER, "b, c" MAP(VARCHAR, DECIMAL(4,1)))[]`: "ARRAY<STRUCT<a: INT, b, c: MAP<STRING, DECIMAL(4,1)>>>",
	} {
		if got := spark.TypeName(duck); got != want {
			t.Errorf("%s is %s, want %s", duck, got, want)
		}
	}
	for name, want := range map[string]string{
		"year": "year(date)", "transform": "transform(list, x -> …)", "named_struct": "named_struct('name', value)", "nothing": "", "size": "size(array)", "map_keys": "map_keys(map)",
		"array_contains": "array_contains(array, x)", "explode_outer": "explode_outer(array) AS x or explode_outer(map) AS key, value", "element_at": "element_at(list, 1)",
	} {
		if got := spark.Usage(name); got != want {
			t.Errorf("%s is called as %q, want %q", name, got, want)
		}
	}
}
