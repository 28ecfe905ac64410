package files

import (
	"context"
	"strings"
	"testing"
)

// TestDeclared expects the same columns whether all or only some of them are declared, the rest being inferred: in the
// order of the files, and those that no file has at the end.
func TestDeclared(t *testing.T) {
	columns := func(hints ...Hint) string {
		b := newBed(t)
		b.put("a.json", `{"b": 1, "a": {"x": 1, "z": 2}}`+"\n"+`{"c\u0064": "2024-01-01", "b": 2}`)
		s := b.source("json", func(c *Config) { c.Hints = hints })
		schema, err := s.Schema(context.Background(), b.session, nil)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, c := range schema.Columns {
			all = append(all, c.Name+" "+c.Type.String())
		}
		batch := b.next(s)
		if got := b.must("SELECT b FROM " + batch.Relation + " ORDER BY b"); got != "1\n2\n" {
			t.Errorf("rows %q", got)
		}
		return strings.Join(all, "; ")
	}
	late, cd, a, of := Hint{"late", "VARCHAR"}, Hint{"cd", "DATE"}, Hint{"a", "STRUCT(x BIGINT)"}, Hint{"b", "BIGINT"}
	all, some := columns(late, cd, a, of), columns(late, cd, a)
	if want := "b BIGINT; a STRUCT(x BIGINT, z BIGINT); cd DATE; late VARCHAR"; all != want || some != want {
		t.Errorf("all declared: %s\nsome declared: %s\nwant: %s", all, some, want)
	}
}
