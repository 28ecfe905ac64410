package syntax_test

import (
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine/syntax"
)

func TestRewrite(t *testing.T) {
	conn := open(t)
	for _, text := range queries(t) {
		s := parse(t, conn, text)
		same := syntax.Rewrite(s, func(syntax.Node, syntax.Scope) syntax.Node { return nil })
		if same.Fingerprint() != s.Fingerprint() {
			t.Errorf("%s: the tree is another one, though nothing was replaced", text)
		}
	}
	s := parse(t, conn, `WITH c AS (SELECT * FROM main.t) SELECT c.x, 1.5e0 AS f, (SELECT max(y) FROM t) FROM c JOIN t AS o ON o.x = c.x, range(3)`)
	changed := syntax.Rewrite(s, func(n syntax.Node, sc syntax.Scope) syntax.Node {
		switch n := n.(type) {
		case syntax.BaseTable:
			if !sc.Provides(n) {
				return n.Named("new")
			}
		case syntax.Constant:
			if cast, ok := n.Double(); ok {
				return cast
			}
		case syntax.ColumnRef:
			if n.Name() == "x" {
				return syntax.Column(n.Path()[0], "z").Named(n.Alias())
			}
		}
		return nil
	})
	got, err := changed.Text(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	want := `WITH c AS (SELECT * FROM "new" AS t)SELECT c.z, CAST('1.5' AS DOUBLE) AS f, (SELECT max(y) FROM "new" AS t) ` +
		`FROM c INNER JOIN "new" AS o ON ((o.z = c.z)) , "range"(3)`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if before, _ := s.Text(t.Context(), conn); strings.Contains(before, "new") {
		t.Errorf("the tree itself has changed: %s", before)
	}
}

func TestTexts(t *testing.T) {
	conn := open(t)
	q := parse(t, conn, `SELECT sum(x) FILTER (b) + 1 AS total FROM t AS p, unnest(p.l) AS u(v) WHERE x IN (SELECT 1) GROUP BY y`).Query().(syntax.Select)
	join := q.From().(syntax.Join)
	texts, err := syntax.Texts(t.Context(), conn, []syntax.Node{q.Items()[0], q.Where(), join.Right(), q.Placed("f", "w")})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(texts, "\n")
	want := `(sum(x) FILTER (WHERE b) + 1)
(x = ANY(SELECT 1))
unnest(p.l) AS u(v)
SELECT (sum(x) FILTER (WHERE b) + 1) AS total FROM f WHERE w GROUP BY y`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
