package spark_test

import "testing"

// TestSamples reads JSON by the schema of a sample, whose texts and numbers are Spark's STRING and BIGINT; the fields are
// in the order of their names.
func TestSamples(t *testing.T) {
	conn, made := open(t), map[string]bool{}
	for query, want := range map[string]string{
		`SELECT to_json(from_json('{"b": 7, "a": [1, 2]}', schema_of_json('{"b": "int", "a": [1]}'))) AS v`:                    `["{\"a\":[1,2],\"b\":\"7\"}"]`,
		`SELECT sum(e.n) AS v FROM (SELECT explode(from_json('[{"n": 3}, {"n": 4}]', schema_of_json("[{'n': 'int'}]"))) AS e)`: `[7]`,
		`SELECT typeof(from_json('[]', schema_of_json('[{"x": 1}, {"x": 2.5, "y": true}]'))) AS v`:                             `["array<struct(x double, y boolean)>"]`,
	} {
		got, text := run(conn, query, made)
		if got.Error != "" || rows(got, false) != want {
			t.Errorf("%s\n got %s %s\nwant %s\n%s", query, rows(got, false), got.Error, want, text)
		}
	}
	for _, query := range []string{`SELECT from_json('1', schema_of_json("{'a"))`, "SELECT from_json('1', schema_of_json(x)) FROM t"} {
		if got, _ := run(conn, query, made); got.Error == "" {
			t.Errorf("%s is no mistake", query)
		}
	}
}
