package cdc_test

import (
	"database/sql"
	"math/rand/v2"
	"testing"

	"github.com/lakeflow/lakeflow/schemas"
)

// sample is a type with some of its values in ascending order, as SQL. keys are those of them that can be told apart
// as keys.
type sample struct {
	duck   string
	values []string
	keys   int // how many values, from the first, are distinct keys
	texts  map[string]int
	typ    schemas.Type
}

func samples() []*sample {
	return []*sample{
		{duck: "BIGINT", values: []string{"-9223372036854775808", "-1", "0", "9223372036854775807"}, keys: 4},
		{duck: "INTEGER", values: []string{"0", "1", "2", "3"}, keys: 4},
		{duck: "VARCHAR", values: []string{"''", "chr(0) || 'x'", "'A'", `'a"b'`, "'a''b'", "'é'", "'😀'"}, keys: 7},
		{duck: "DECIMAL(38,10)", values: []string{"'-1.5'", "'0.0000000001'", "'1'", "'9999999999999999999999999999.5'"}, keys: 4},
		{duck: "TIMESTAMP WITH TIME ZONE", values: []string{"'0001-01-01 00:00:00+00'", "'2024-03-31 00:59:59.999999+00'", "'2024-03-31 03:00:00+02'", "'infinity'"}, keys: 4},
		{duck: "DATE", values: []string{"'-infinity'", "'1970-01-01'", "'2024-02-29'"}, keys: 3},
		{duck: "BOOLEAN", values: []string{"false", "true"}, keys: 2},
		{duck: "BLOB", values: []string{"''", `'\x00'`, `'\x00\x01'`, `'a'`, `'\xFF'`}, keys: 5},
		{duck: "UUID", values: []string{"'00000000-0000-0000-0000-000000000000'", "'7fffffff-ffff-ffff-ffff-ffffffffffff'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"}, keys: 3},
		{duck: "DOUBLE", values: []string{"'-inf'", "-1.5", "0", "1e300", "'inf'", "'nan'"}, keys: 6},
		{duck: "DOUBLE", values: []string{"'-inf'", "'-0.0'", "'0.0'", "'nan'"}},
		{duck: "FLOAT[]", values: []string{"[]", "['-0.0'::FLOAT]", "['0.0'::FLOAT]", "['nan'::FLOAT]", "[NULL]"}},
		{duck: `STRUCT(a INTEGER, "b""c" VARCHAR)`, values: []string{
			`{'a': 1, 'b"c': ''}`, `{'a': 1, 'b"c': 'x'}`, `{'a': 1, 'b"c': NULL}`, `{'a': 2, 'b"c': 'x'}`, `{'a': NULL, 'b"c': 'x'}`}, keys: 5},
		{duck: "INTEGER[]", values: []string{"[]", "[1]", "[1, 2]", "[1, NULL]", "[2]", "[NULL]"}, keys: 6},
		{duck: "MAP(VARCHAR, INTEGER)", values: []string{"MAP {}", "MAP {'a': 1}", "MAP {'a': NULL}", "MAP {'b': 1}"}},
	}
}

// load asks DuckDB how it writes the values.
func (s *sample) load(t *testing.T, conn *sql.Conn) {
	t.Helper()
	s.texts = map[string]int{}
	for i := range s.values {
		var text string
		if err := conn.QueryRowContext(t.Context(), "SELECT ("+s.literal(i)+")::VARCHAR").Scan(&text); err != nil {
			t.Fatal(s.duck, s.values[i], err)
		}
		s.texts[text] = i
	}
	if len(s.texts) != len(s.values) {
		t.Fatalf("%s: values with equal texts: %v", s.duck, s.texts)
	}
	var err error
	if s.typ, err = schemas.Parse(s.duck); err != nil {
		t.Fatal(err)
	}
}

func (s *sample) literal(i int) string {
	if i < 0 {
		return "NULL::" + s.duck
	}
	return "(" + s.values[i] + ")::" + s.duck
}

// names are names of columns that users may have. Some are names of what DuckDB or the package has, too.
func names(r *rand.Rand) []string {
	all := []string{"id", "Select", `a"b`, "a b", "key", "sequence", "op", "v0", "file", "row", "c", "s", "lag", "é", "file_row_number",
		"changes", "from", "$keys$", "N1", "temp"}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}
