package schemas_test

import (
	"encoding/json"
	"testing"

	"github.com/lakeflow/lakeflow/schemas"
)

// TestSparkSchema compares with what Spark writes for the same columns, whose keys are in the order of the alphabet here.
func TestSparkSchema(t *testing.T) {
	columns := table(t, "a INTEGER", "b BIGINT", "c DECIMAL(9,2)", "d TIMESTAMP", "e TIMESTAMP WITH TIME ZONE", "f STRUCT(x VARCHAR)[]", "g MAP(VARCHAR, DOUBLE)")
	columns[0].Doc = "the first"
	text, err := json.Marshal(schemas.SparkSchema(columns))
	if err != nil {
		t.Fatal(err)
	}
	field := func(name, typ string) string {
		return `{"metadata":{},"name":"` + name + `","nullable":true,"type":` + typ + `}`
	}
	want := `{"fields":[{"metadata":{"comment":"the first"},"name":"a","nullable":true,"type":"integer"},` + field("b", `"long"`) + "," +
		field("c", `"decimal(9,2)"`) + "," + field("d", `"timestamp_ntz"`) + "," + field("e", `"timestamp"`) + "," +
		field("f", `{"containsNull":true,"elementType":{"fields":[`+field("x", `"string"`)+`],"type":"struct"},"type":"array"}`) + "," +
		field("g", `{"keyType":"string","type":"map","valueContainsNull":true,"valueType":"double"}`) + `],"type":"struct"}`
	if string(text) != want {
		t.Errorf("\n got %s\nwant %s", text, want)
	}
}

// TestBacklog adds what is known, and nothing where nothing is.
func TestBacklog(t *testing.T) {
	one, two := int64(1), int64(2)
	var sum schemas.Backlog
	for _, b := range []schemas.Backlog{{Records: &one}, {}, {Records: &two, Files: &one}} {
		sum.Add(b)
	}
	if *sum.Records != 3 || *sum.Files != 1 || sum.Bytes != nil || one != 1 {
		t.Errorf("%v", sum)
	}
}
