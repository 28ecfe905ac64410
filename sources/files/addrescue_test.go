package files

import (
	"strings"
	"testing"
)

// TestAddAndRescue reads two batches, with a value that does not fit in both and a new column in the second, and
// expects the column to be added and the values to be kept beside it.
func TestAddAndRescue(t *testing.T) {
	batches := map[string][2]func(b *bed){
		"json": {
			func(b *bed) { b.put("a.json", `{"id":1,"a":"x"}`+"\n"+`{"id":"one","a":"y"}`) },
			func(b *bed) {
				b.put("b.json", `{"id":2,"a":"z","b":1.5}`+"\n"+`{"id":4.5,"b":2.5}`+"\n"+`{"id":5,"ID":6,"":7}`)
			},
		},
		"csv": {
			func(b *bed) { b.put("a.csv", "id,a\n1,x\none,y\n") },
			func(b *bed) { b.put("b.csv", "id,a,b,_metadata\n2,z,1.5,\n4.5,,2.5,\n5,,,7\n") },
		},
		"parquet": {
			func(b *bed) {
				b.write("a.parquet", "SELECT unnest(['1', 'one']) AS id, unnest(['x', 'y']) AS a")
			},
			func(b *bed) {
				b.write("b.parquet", `SELECT unnest([2, 4.5, 5]) AS id, unnest(['z', NULL, NULL]) AS a, unnest([1.5::DOUBLE, 2.5, NULL]) AS b, unnest([NULL, NULL, 7]) AS "_metadata"`)
			},
		},
	}
	type outcome struct{ first, second string }
	wants := map[string]outcome{
		"json":    {`NULL|y|{"id":"one",`, `NULL|NULL|2.5|{"id":4.5,` + "\n" + `2|z|1.5|` + "\n" + `5|NULL|NULL|{"ID":6,"":7,`},
		"csv":     {`NULL|y|{"id":"one",`, `NULL|NULL|2.5|{"id":"4.5",` + "\n" + `2|z|1.5|` + "\n" + `5|NULL|NULL|{"_metadata":"7",`},
		"parquet": {`NULL|y|{"id":"one",`, `NULL|NULL|2.5|{"id":4.5,` + "\n" + `2|z|1.5|` + "\n" + `5|NULL|NULL|{"_metadata":7,`},
	}
	const rest = `, coalesce(regexp_extract(_rescued_data, '^.*,'), '') FROM `
	for format, steps := range batches {
		t.Run(format, func(t *testing.T) {
			b := newBed(t)
			s := b.source(format, func(c *Config) { c.Evolution, c.Hints = AddAndRescue, []Hint{{"id", "BIGINT"}} })
			steps[0](b)
			first := b.next(s)
			b.rows(first) // repairs it
			wantText(t, "rejects", b.rejects(first), "")
			wantText(t, "columns", first.Columns.SQLColumns(), `"id" BIGINT, "a" VARCHAR, "_rescued_data" VARCHAR`)
			wantText(t, "first", b.must("SELECT id, a"+rest+first.Relation+" ORDER BY id NULLS FIRST"), wants[format].first+"\n1|x|\n")
			b.commit(first)
			steps[1](b)
			for _, again := range []bool{false, true} {
				if again {
					s = b.source(format, func(c *Config) { c.Evolution, c.Hints = AddAndRescue, []Hint{{"id", "BIGINT"}} })
				}
				second := b.next(s)
				b.rows(second)
				wantText(t, "rejects", b.rejects(second), "")
				wantText(t, "columns", second.Columns.SQLColumns(), `"id" BIGINT, "a" VARCHAR, "b" DOUBLE, "_rescued_data" VARCHAR`)
				wantText(t, "second", b.must("SELECT id, a, b"+rest+second.Relation+" ORDER BY id NULLS FIRST"), wants[format].second+"\n")
				var notices []string
				for _, n := range second.Notices {
					notices = append(notices, n.Kind+" "+n.Subject)
				}
				wantText(t, "notices", strings.Join(notices, ", "), "column_added b")
			}
		})
	}
}
