package plan_test

import (
	"database/sql"
	"encoding/json"
	"testing"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
)

// shape compiles a query, which may read a view v, and gives its shape.
func shape(t *testing.T, conn *sql.Conn, view, query string) plan.Shape {
	t.Helper()
	known := map[string]schemas.Table{
		"s": columns(t, "id BIGINT", "a BIGINT", "b BIGINT", "c BIGINT", "l BIGINT[]", "city VARCHAR"),
		"d": columns(t, "k BIGINT", "v BIGINT"),
	}
	p := pipeline([]string{"s", "d"}, table("v", dsl.View, view), table("t", dsl.StreamingTable, query))
	return compile(t, conn, p, known).Dataset("t").Flows[0].Shape
}

func stored(t *testing.T, s plan.Shape) plan.Shape {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out plan.Shape
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestExtends compares queries with what an edit made of them.
func TestExtends(t *testing.T) {
	conn := connect(t)
	const plainView = "SELECT id, a FROM STREAM s"
	for _, c := range []struct {
		name, old, now string
		want           bool
	}{
		{"a column more", "SELECT id FROM STREAM s", "SELECT id, a FROM STREAM s", true},
		{"in front", "SELECT id FROM STREAM s", "SELECT a, id FROM STREAM s", true},
		{"computed", "SELECT id FROM STREAM s WHERE a > 1", "SELECT id, a + b AS ab FROM STREAM s WHERE a > 1", true},
		{"another order", "SELECT id, a FROM STREAM s", "SELECT a, id FROM STREAM s", true},
		{"a needless alias", "SELECT id FROM STREAM s", "SELECT id AS id, a FROM STREAM s", true},
		{"beside *", "SELECT * FROM STREAM s", "SELECT *, a + 1 AS a1 FROM STREAM s", true},
		{"* for columns", "SELECT id, a FROM STREAM s", "SELECT * FROM STREAM s", true},
		{"* leaves out less", "SELECT * EXCLUDE (a, b) FROM STREAM s", "SELECT * EXCLUDE (b) FROM STREAM s", true},
		{"* leaves out nothing", "SELECT * EXCLUDE (a) FROM STREAM s", "SELECT * FROM STREAM s", true},
		{"with a join that stays", "SELECT id FROM STREAM s JOIN d ON d.k = s.id", "SELECT id, v FROM STREAM s JOIN d ON d.k = s.id", true},
		{"one aggregate more", "SELECT a, sum(b) AS b FROM STREAM s GROUP BY a", "SELECT a, sum(b) AS b, count(*) AS n FROM STREAM s GROUP BY a", true},
		{"a window function", "SELECT id FROM STREAM s", "SELECT id, row_number() OVER (ORDER BY a) AS n FROM STREAM s", true},
		{"a wider whole number", "SELECT CAST(id AS INTEGER) AS id FROM STREAM s", "SELECT CAST(id AS BIGINT) AS id, a FROM STREAM s", true},
		{"a wider decimal", "SELECT CAST(id AS DECIMAL(9,2)) AS id FROM STREAM s", "SELECT CAST(id AS DECIMAL(12,2)) AS id FROM STREAM s", true},
		{"a CTE that stays", "WITH x AS (SELECT * FROM STREAM s) SELECT id FROM x", "WITH x AS (SELECT * FROM STREAM s) SELECT id, a FROM x", true},

		{"a filter too", "SELECT id FROM STREAM s", "SELECT id, a FROM STREAM s WHERE a > 1", false},
		{"another filter", "SELECT id FROM STREAM s WHERE a > 1", "SELECT id, a FROM STREAM s WHERE a > 2", false},
		{"an expression too", "SELECT id FROM STREAM s", "SELECT id * 2 AS id, a FROM STREAM s", false},
		{"exchanged columns", "SELECT a, b FROM STREAM s", "SELECT b AS a, a AS b, c FROM STREAM s", false},
		{"a join too", "SELECT id FROM STREAM s", "SELECT id, v FROM STREAM s JOIN d ON d.k = s.id", false},
		{"another join", "SELECT id FROM STREAM s JOIN d ON d.k = s.id", "SELECT id, v FROM STREAM s LEFT JOIN d ON d.k = s.id", false},
		{"DISTINCT", "SELECT DISTINCT id FROM STREAM s", "SELECT DISTINCT id, a FROM STREAM s", false},
		{"DISTINCT too", "SELECT id FROM STREAM s", "SELECT DISTINCT id, a FROM STREAM s", false},
		{"GROUP BY ALL", "SELECT id, sum(a) AS a FROM STREAM s GROUP BY ALL", "SELECT id, b, sum(a) AS a FROM STREAM s GROUP BY ALL", false},
		{"GROUP BY 1", "SELECT id, sum(a) AS a FROM STREAM s GROUP BY 1", "SELECT b % 2 AS b, sum(a) AS a, min(id) AS id FROM STREAM s GROUP BY 1", false},
		{"ORDER BY 1", "SELECT id FROM STREAM s ORDER BY 1 LIMIT 1", "SELECT a, id FROM STREAM s ORDER BY 1 LIMIT 1", false},
		{"ORDER BY ALL", "SELECT id FROM STREAM s ORDER BY ALL LIMIT 1", "SELECT a, id FROM STREAM s ORDER BY ALL LIMIT 1", false},
		{"ORDER BY what is now an item", "SELECT id FROM STREAM s ORDER BY b LIMIT 1", "SELECT id, -b AS b FROM STREAM s ORDER BY b LIMIT 1", false},
		{"one row of all", "SELECT 1 AS one FROM STREAM s", "SELECT 1 AS one, count(*) AS n FROM STREAM s", false},
		{"many rows of one", "SELECT id FROM STREAM s", "SELECT id, unnest(l) AS e FROM STREAM s", false},
		{"a narrower cast", "SELECT CAST(id AS DOUBLE) AS id FROM STREAM s", "SELECT CAST(id AS FLOAT) AS id, a FROM STREAM s", false},
		{"a cast that hides more", "SELECT TRY_CAST(city AS INTEGER) AS id FROM STREAM s", "SELECT TRY_CAST(city AS BIGINT) AS id FROM STREAM s", false},
		{"a set operation", "SELECT id FROM STREAM s UNION ALL SELECT id FROM STREAM s WHERE a > 1", "SELECT id, a FROM STREAM s UNION ALL SELECT id, a FROM STREAM s WHERE a > 1", false},
		{"a CTE too", "WITH x AS (SELECT * FROM STREAM s) SELECT id FROM x", "WITH x AS (SELECT * FROM STREAM s WHERE a > 1) SELECT id, a FROM x", false},
		{"an item less", "SELECT id, a FROM STREAM s", "SELECT id, b FROM STREAM s", false},
		{"* replaces", "SELECT * FROM STREAM s", "SELECT * REPLACE (a + 1 AS a), 1 AS one FROM STREAM s", false},
		{"* leaves out more", "SELECT * FROM STREAM s", "SELECT * EXCLUDE (a), 1 AS one FROM STREAM s", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, now := stored(t, shape(t, conn, plainView, c.old)), shape(t, conn, plainView, c.now)
			if got := now.Extends(old); got != c.want {
				t.Errorf("%s -> %s: %v", c.old, c.now, got)
			}
			if !now.Extends(stored(t, now)) || !old.Extends(stored(t, old)) {
				t.Error("a query does not extend itself")
			}
			if now.Extends(plan.Shape{}) {
				t.Error("a query extends one of which nothing is known")
			}
		})
	}
}

// TestExtendsView is about edits of a view that the query reads.
func TestExtendsView(t *testing.T) {
	conn := connect(t)
	for _, c := range []struct {
		name, query, old, now string
		want                  bool
	}{
		{"a column more", "SELECT * FROM STREAM v", "SELECT id FROM STREAM s", "SELECT id, a FROM STREAM s", true},
		{"one that is not read", "SELECT id FROM STREAM v", "SELECT id FROM STREAM s", "SELECT id, a FROM STREAM s", true},
		{"a filter too", "SELECT * FROM STREAM v", "SELECT id FROM STREAM s", "SELECT id, a FROM STREAM s WHERE a > 1", false},
		{"by DISTINCT", "SELECT DISTINCT * FROM STREAM v", "SELECT id FROM STREAM s", "SELECT id, a FROM STREAM s", false},
		{"by a filter of all columns", "SELECT id FROM STREAM v WHERE COLUMNS(*) > 1", "SELECT id FROM STREAM s", "SELECT id, a FROM STREAM s", false},
		{"whose name an item has", "SELECT id, id + 1 AS a FROM STREAM v WHERE a > 2", "SELECT id FROM STREAM s", "SELECT id, a FROM STREAM s", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, now := stored(t, shape(t, conn, c.old, c.query)), shape(t, conn, c.now, c.query)
			if got := now.Extends(old); got != c.want {
				t.Errorf("%s over %s -> %s: %v", c.query, c.old, c.now, got)
			}
		})
	}
}
