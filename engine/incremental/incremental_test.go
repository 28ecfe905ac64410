package incremental_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/schemas"
)

// world are the tables and temporary views that random views read.
type world struct {
	conn      *sql.Conn
	r         *rand.Rand
	relations map[string]incremental.Relation
	tables    []string
}

func newWorld(t testing.TB, conn *sql.Conn, r *rand.Rand) *world {
	t.Helper()
	w := &world{conn: conn, r: r, relations: map[string]incremental.Relation{}}
	for _, d := range []struct{ name, columns string }{
		{"a", "id INTEGER, k INTEGER, g VARCHAR, x BIGINT, d DOUBLE, m DECIMAL(10,2), t DATE, b BOOLEAN, l INTEGER[]"},
		{"c", "id INTEGER, k INTEGER, n VARCHAR, w DECIMAL(8,3)"},
		{"e", "k INTEGER, y BIGINT"},
	} {
		exec(t, conn, "CREATE OR REPLACE TABLE "+d.name+" ("+d.columns+")")
		var columns schemas.Table
		for _, c := range strings.Split(strings.ReplaceAll(d.columns, "(10,2)", "(10;2)"), ", ") {
			name, typ, _ := strings.Cut(c, " ")
			parsed, err := schemas.Parse(strings.NewReplacer(";", ",").Replace(typ))
			if err != nil {
				parsed, err = schemas.Parse("DECIMAL(8,3)")
			}
			if err != nil {
				t.Fatal(err)
			}
			columns = append(columns, schemas.Column{Name: name, Type: parsed})
		}
		w.relations[d.name] = incremental.Relation{Columns: columns}
		w.tables = append(w.tables, d.name)
	}
	for _, v := range [][2]string{
		{"va", "SELECT id, k, g, x, d, m FROM main.a WHERE x IS NULL OR x > -3"},
		{"vc", "SELECT c.id, c.k, c.n, e.y FROM c JOIN e ON c.k = e.k"},
		{"vg", "SELECT k, count(*) AS n, sum(x) AS s FROM va GROUP BY k"},
	} {
		exec(t, conn, "CREATE OR REPLACE TEMP VIEW "+v[0]+" AS "+v[1])
		w.relations[v[0]] = incremental.Relation{View: v[1]}
	}
	return w
}

// insert adds random rows to a table of the columns of another one.
func (w *world) insert(t testing.TB, into, like string, n int) {
	t.Helper()
	for ; n > 0; n -= 50 {
		var rows []string
		for range min(n, 50) {
			var cells []string
			for _, c := range w.relations[like].Columns {
				cells = append(cells, w.cell(c))
			}
			rows = append(rows, "("+strings.Join(cells, ", ")+")")
		}
		exec(t, w.conn, "INSERT INTO "+into+" VALUES "+strings.Join(rows, ", "))
	}
}

func (w *world) cell(c schemas.Column) string {
	r := w.r
	if r.IntN(8) == 0 {
		return "NULL"
	}
	switch c.Name {
	case "id":
		return strconv.Itoa(r.IntN(12))
	case "k":
		return strconv.Itoa(r.IntN(6))
	case "x", "y":
		return strconv.Itoa(r.IntN(14) - 5)
	case "d":
		switch r.IntN(12) {
		case 0:
			return "'NaN'::DOUBLE"
		case 1:
			return "'-0.0'::DOUBLE"
		}
		return fmt.Sprintf("%g", float64(r.IntN(20)-6)/4)
	case "m":
		return fmt.Sprintf("%.2f", float64(r.IntN(700)-200)/100)
	case "w":
		return fmt.Sprintf("%.3f", float64(r.IntN(3))/8)
	case "t":
		return fmt.Sprintf("DATE '2024-02-%02d'", 26+r.IntN(4))
	case "b":
		return strconv.FormatBool(r.IntN(2) == 0)
	case "l":
		return []string{"[]", "[1]", "[2, NULL]", "[3, 1, 1]"}[r.IntN(4)]
	}
	return "'" + string(rune('p'+r.IntN(4))) + "'"
}

// change makes the tables NAME_added, NAME_removed and NAME_old, and changes the tables. It returns the inputs.
func (w *world) change(t testing.TB) incremental.Inputs {
	t.Helper()
	added, removed, old := map[string]string{}, map[string]string{}, map[string]string{}
	appends := w.r.IntN(3) == 0
	for _, name := range w.tables {
		old[name] = name + "_old"
		exec(t, w.conn, "CREATE OR REPLACE TABLE "+name+"_old AS FROM "+name)
		exec(t, w.conn, "CREATE OR REPLACE TABLE "+name+"_added AS FROM "+name+" LIMIT 0")
		exec(t, w.conn, "CREATE OR REPLACE TABLE "+name+"_removed AS FROM "+name+" LIMIT 0")
		if w.r.IntN(2) == 0 {
			continue
		}
		n := []int{0, 1, 2, 5, 20}[w.r.IntN(5)]
		w.insert(t, name+"_added", name, n)
		added[name] = name + "_added"
		if !appends && w.r.IntN(3) > 0 {
			removed[name] = name + "_removed"
			chance := []string{"0.02", "0.1", "0.4", "1.1"}[w.r.IntN(4)]
			if w.r.IntN(4) > 0 {
				chance = "0.15"
			}
			exec(t, w.conn, fmt.Sprintf("CREATE OR REPLACE TABLE places AS SELECT rowid AS r FROM %s WHERE hash(rowid + %d) %% 1000 < 1000 * %s", name, w.r.IntN(1000), chance))
			exec(t, w.conn, "INSERT INTO "+name+"_removed FROM "+name+" WHERE rowid IN (FROM places)")
			switch w.r.IntN(3) {
			case 0: // an update
				column := w.relations[name].Columns[w.r.IntN(len(w.relations[name].Columns))]
				exec(t, w.conn, fmt.Sprintf("INSERT INTO %s_added SELECT * REPLACE (%s AS %s) FROM %[1]s_removed", name, w.cell(column), column.Name))
			case 1: // an update that changes nothing
				exec(t, w.conn, fmt.Sprintf("INSERT INTO %s_added FROM %[1]s_removed LIMIT 2", name))
			}
			exec(t, w.conn, "DELETE FROM "+name+" WHERE rowid IN (FROM places)")
		}
		exec(t, w.conn, "INSERT INTO "+name+" FROM "+name+"_added")
	}
	return incremental.Inputs{New: itself, Old: read(old), Added: added, Removed: removed}
}

// itself is the name of a relation that is a table.
func itself(relation string) (string, error) { return relation, nil }

// hold analyzes a view; nil when DuckDB does not take it, or its types are not storable.
func (w *world) hold(t testing.TB, name, query string, classes func(string) incremental.Class) *held {
	t.Helper()
	columns, err := columnsOf(t, w.conn, query)
	if err != nil {
		return nil
	}
	for i, c := range columns { // the types of a view may be other ones than those of its query
		switch {
		case w.r.IntN(10) > 0:
		case c.Type.Kind == schemas.Integer && w.r.IntN(2) == 0:
			columns[i].Type = schemas.Type{Kind: schemas.BigInt}
		case c.Type.Kind == schemas.Integer || c.Type.Kind == schemas.Date || c.Type.Kind == schemas.Decimal:
			columns[i].Type = schemas.Type{Kind: schemas.Varchar}
		}
	}
	q := incremental.Query{SQL: query, Columns: columns, Relations: w.relations, Functions: classes}
	technique, err := incremental.Analyze(t.Context(), w.conn, q)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return &held{name: name, query: q, technique: technique, conn: w.conn}
}

func count(t testing.TB, name string, normal int) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		return normal
	}
	return n
}

// tally counts what became of random views.
type tally struct {
	techniques, batches, fallbacks map[string]int
	refused                        int
}

// TestRandomViews keeps random views up to date over random changes, and compares each with its query after every
// batch. Some views read another view.
func TestRandomViews(t *testing.T) {
	conn := open(t)
	classes := functions(t, conn)
	n := &tally{techniques: map[string]int{}, batches: map[string]int{}, fallbacks: map[string]int{}}
	seed := uint64(count(t, "INCREMENTAL_SEED", 1))
	for i := range count(t, "INCREMENTAL_VIEWS", 150) {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			g := &grammar{r: r}
			w := newWorld(t, conn, r)
			n.run(t, w, g, g.view(), classes)
		})
	}
	t.Log("techniques:", n.techniques, "batches:", n.batches, "refused by DuckDB:", n.refused)
	for message, n := range n.fallbacks {
		t.Log(n, message)
	}
	for _, name := range []string{incremental.AppendOnly, incremental.RowBased, incremental.GroupAggregate, incremental.GenericAggregate,
		incremental.WindowFunction, incremental.PartitionOverwrite, incremental.CompleteRecompute} {
		if n.techniques[name] == 0 {
			t.Errorf("no view was refreshed by %s", name)
		}
	}
}

// TestFormerlyWrong refreshes views that once were wrong.
func TestFormerlyWrong(t *testing.T) {
	conn := open(t)
	classes := functions(t, conn)
	for _, query := range []string{
		// GROUP BY ALL without columns has a row where there are none.
		"SELECT 'c' AS c, count(*), max(m) FROM a WHERE k > 4 AND x > 5 GROUP BY ALL",
		// In an aggregate of HAVING a column goes before a name of the select list.
		"SELECT k AS x, sum(x) AS k FROM a GROUP BY k HAVING sum(x) > 1",
		// IN is NULL where it finds nothing among NULLs.
		"SELECT p.id FROM vc AS p ANTI JOIN a AS q ON p.k = q.k AND p.n IS NOT NULL WHERE p.id IN (SELECT y FROM e WHERE k < 4)",
		// count_if of NULLs is NULL.
		"SELECT k, count_if(x > 1), count(*) FROM a GROUP BY k",
		// ORDER BY says which row DISTINCT ON takes.
		"SELECT DISTINCT ON (b) b, k, id FROM a ORDER BY b, k, id",
	} {
		for seed := range uint64(12) {
			r := rand.New(rand.NewPCG(seed, 7))
			n := &tally{techniques: map[string]int{}, batches: map[string]int{}, fallbacks: map[string]int{}}
			n.run(t, newWorld(t, conn, r), &grammar{r: r}, query, classes)
		}
	}
}

// TestExtremeOfNewGroup joins a new row with one that goes in the same batch: it is among the added and the removed
// rows, and no minimum of the new group.
func TestExtremeOfNewGroup(t *testing.T) {
	conn := open(t)
	w := newWorld(t, conn, rand.New(rand.NewPCG(1, 1)))
	exec(t, conn, "INSERT INTO e VALUES (1, -3), (1, 5)")
	h := w.hold(t, "v", "SELECT a.k, min(e.y) AS y FROM e JOIN a ON a.k = e.k GROUP BY a.k", functions(t, conn))
	h.start(t, incremental.Inputs{New: itself})
	exec(t, conn, "CREATE OR REPLACE TABLE e_old AS FROM e")
	exec(t, conn, "CREATE OR REPLACE TABLE a_old AS FROM a")
	exec(t, conn, "DELETE FROM e WHERE y = -3")
	exec(t, conn, "INSERT INTO a (k) VALUES (1)")
	h.apply(t, incremental.Inputs{New: itself, Old: read(map[string]string{"a": "a_old", "e": "e_old"}),
		Added: map[string]string{"a": "a"}, Removed: map[string]string{"e": "(FROM e_old WHERE y = -3)"}})
	h.check(t, "after the batch")
}

// TestLongSums follows sums that have more digits than the column of the state for short ones, and fewer again.
func TestLongSums(t *testing.T) {
	conn := open(t)
	w := newWorld(t, conn, rand.New(rand.NewPCG(1, 1)))
	w.tables = []string{"a"}
	exec(t, conn, "INSERT INTO a (k, x, m) SELECT i % 3, 9000000000000000000, 0.01 FROM range(5) r(i)")
	h := w.hold(t, "v", "SELECT k, sum(x), avg(x), sum(m), sum(m * 10000000000.000000000) FROM a GROUP BY k", functions(t, conn))
	h.start(t, incremental.Inputs{New: itself})
	for batch, change := range []string{
		"INSERT INTO a_added (k, x) SELECT i, 9000000000000000000 FROM range(4) r(i)",
		"INSERT INTO a_removed FROM a WHERE x > 0 LIMIT 4",
		"INSERT INTO a_added (k, x, m) SELECT i, -9000000000000000000, -0.02 FROM range(4) r(i), range(3)",
		"INSERT INTO a_added (k, x, m) SELECT i, 99999999999999999, 99999999.99 FROM range(4) r(i), range(12)",
	} {
		exec(t, conn, "CREATE OR REPLACE TABLE a_old AS FROM a")
		exec(t, conn, "CREATE OR REPLACE TABLE a_added AS FROM a LIMIT 0")
		exec(t, conn, "CREATE OR REPLACE TABLE a_removed AS FROM a LIMIT 0")
		exec(t, conn, change)
		exec(t, conn, "CREATE OR REPLACE TABLE a AS FROM a EXCEPT ALL FROM a_removed")
		exec(t, conn, "INSERT INTO a FROM a_added")
		h.apply(t, incremental.Inputs{New: itself, Old: read(map[string]string{"a": "a_old"}),
			Added: map[string]string{"a": "a_added"}, Removed: map[string]string{"a": "a_removed"}})
		h.check(t, fmt.Sprintf("after batch %d", batch))
	}
	long := values(t, conn, "SELECT count(__long1), count(__long1) FILTER (__p1 IS NOT NULL) FROM v_state")
	if long[0].key == "0|0" || long[0].text[1] != "0" {
		t.Errorf("long sums, and those that are there twice: %s", long[0].key)
	}
}

func (n *tally) run(t *testing.T, w *world, g *grammar, query string, classes func(string) incremental.Class) {
	for _, table := range w.tables {
		w.insert(t, table, table, []int{0, 10, 40}[w.r.IntN(3)])
	}
	h := w.hold(t, "v", query, classes)
	if h == nil {
		n.refused++
		return
	}
	n.techniques[h.technique.Name]++
	if h.technique.Name == incremental.CompleteRecompute {
		for _, issue := range h.technique.Issues {
			n.fallbacks[issue.Code+": "+issue.Message]++
		}
	}
	h.start(t, incremental.Inputs{New: itself})
	h.check(t, "at first")
	over := n.over(t, w, g, h, classes)
	for batch := range 4 {
		in := w.change(t)
		if over != nil {
			exec(t, w.conn, "CREATE OR REPLACE TABLE v_old AS FROM v")
		}
		n.batches[h.apply(t, in).Technique]++
		when := fmt.Sprintf("after batch %d", batch)
		h.check(t, when)
		if over != nil {
			over.apply(t, incremental.Inputs{New: itself, Old: read(map[string]string{"v": "v_old"}),
				Added: map[string]string{"v": "v_added"}, Removed: map[string]string{"v": "v_removed"}})
			over.check(t, when)
		}
	}
}

// over makes a view over a view, for some.
func (n *tally) over(t *testing.T, w *world, g *grammar, h *held, classes func(string) incremental.Class) *held {
	if w.r.IntN(3) > 0 || h.technique.Name == incremental.CompleteRecompute {
		return nil
	}
	read := *w
	read.relations = map[string]incremental.Relation{"v": {Columns: h.query.Columns}}
	over := read.hold(t, "vv", g.over(h.query.Columns), classes)
	if over != nil {
		over.start(t, incremental.Inputs{New: itself})
	}
	return over
}

// TestMostChanged has views computed in full when that costs no more, and not before.
func TestMostChanged(t *testing.T) {
	conn := open(t)
	classes := functions(t, conn)
	const keys = 40_000
	for query, c := range map[string]struct {
		added, removed string // rows of the keys below a number
		follows, full  int    // that number, of those that are followed and of those that are not
	}{
		"SELECT k, count(*), sum(x) FROM a GROUP BY k":                        {"k", "", 18_000, 24_000},
		"SELECT k, max(x) FROM a GROUP BY k":                                  {"", "x = 3", 9_000, 24_000},
		"SELECT k, median(x) FROM a GROUP BY k":                               {"k", "", 15_000, 24_000},
		"SELECT k, x, row_number() OVER (PARTITION BY k ORDER BY x) FROM a":   {"k", "", 3_000, 24_000},
		"SELECT k, x FROM a":                                                  {"", "x = 1", 9_000, 24_000},
		"SELECT k, x + 1 FROM a WHERE k > -1":                                 {"k", "", 24_000, 0},
		"SELECT count(*), sum(x), max(x) FROM a":                              {"k", "x = 1", 24_000, 0},
		"SELECT x, count(*) FROM a GROUP BY x HAVING count(*) > 1 ORDER BY x": {"k", "x = 1", 24_000, 0},
	} {
		w := newWorld(t, conn, rand.New(rand.NewPCG(1, 1)))
		exec(t, conn, fmt.Sprintf("INSERT INTO a (k, x) SELECT i %% %d, i // %[1]d FROM range(4 * %[1]d) r(i)", keys))
		h := w.hold(t, "v", query, classes)
		h.start(t, incremental.Inputs{New: itself})
		for _, n := range []int{c.follows, c.full} {
			in := incremental.Inputs{New: read(map[string]string{"a": "a_new"}), Old: itself, Added: map[string]string{}, Removed: map[string]string{}}
			in.View, in.State = stored("v"), stored("v_state")
			in.View.Count, in.State.Count = w.count(t, "v"), w.count(t, "v_state")
			exec(t, conn, "CREATE OR REPLACE TABLE a_new AS FROM a")
			if c.removed != "" {
				exec(t, conn, fmt.Sprintf("CREATE OR REPLACE TABLE a_removed AS FROM a WHERE k < %d AND %s", n, c.removed))
				exec(t, conn, fmt.Sprintf("DELETE FROM a_new WHERE k < %d AND %s", n, c.removed))
				in.Removed["a"] = "a_removed"
			}
			if c.added != "" {
				exec(t, conn, fmt.Sprintf("CREATE OR REPLACE TABLE a_added AS SELECT * REPLACE (9 AS x) FROM a WHERE k < %d AND x = 0", n))
				exec(t, conn, "INSERT INTO a_new FROM a_added")
				in.Added["a"] = "a_added"
			}
			r, err := h.technique.Apply(t.Context(), conn, in, "__inc_")
			if err != nil || n > 0 && (r.Recompute == "") != (n == c.follows) {
				t.Errorf("%s: %d keys: %v, %+v", query, n, err, r)
			}
			if err := r.Drop(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// count is how many rows a table has; 0 when there is no such table.
func (w *world) count(t *testing.T, table string) (n int64) {
	t.Helper()
	if err := w.conn.QueryRowContext(t.Context(), "SELECT count(*) FROM duckdb_tables() WHERE table_name = '"+table+"'").Scan(&n); err != nil || n == 0 {
		return 0
	}
	if err := w.conn.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLargeChanges refreshes views of many rows with several threads.
func TestLargeChanges(t *testing.T) {
	conn := open(t)
	exec(t, conn, "SET threads = 4")
	classes := functions(t, conn)
	rows := func(n, seed int) string {
		return fmt.Sprintf(`SELECT (hash(i + %[2]d) %% 500)::INTEGER AS id, CASE WHEN i %% 50 > 0 THEN (hash(i * 3 + %[2]d) %% 3000)::INTEGER END AS k,
	'g' || (i %% 9) AS g, (hash(i) %% 100)::BIGINT - 40 AS x, (i %% 64) / 4 AS d, (i %% 1000)::DECIMAL(10,2) / 8 AS m, DATE '2024-01-01' + (i %% 40)::INTEGER AS t,
	i %% 3 = 0 AS b, [1, i %% 2]::INTEGER[] AS l FROM range(%[1]d) r(i)`, n, seed)
	}
	for i, query := range []string{
		"SELECT k, count(*), sum(x), avg(m), min(d), max(t) FROM a GROUP BY k HAVING count(*) > 3", "SELECT g, sum(d), bool_and(b) FROM a GROUP BY ALL",
		"SELECT count(*), min(x), sum(m) FROM a", "SELECT sum(x) FROM a GROUP BY k, g", "SELECT id, g, x FROM a WHERE x > 0", "SELECT DISTINCT id, g FROM a",
		"SELECT a.id, e.y FROM a LEFT JOIN e ON a.k = e.k", "SELECT id FROM a WHERE EXISTS (SELECT 1 FROM e WHERE e.k = a.k)",
		"SELECT k, x, rank() OVER (PARTITION BY k ORDER BY x) FROM a", "SELECT k, median(x), count(DISTINCT g) FROM a GROUP BY k",
		"SELECT s.n, e.y FROM e JOIN (SELECT k, count(*) AS n FROM a GROUP BY k) s USING (k)", "SELECT e.k, sum(a.x), count(*) FROM a JOIN e ON a.k = e.k GROUP BY e.k",
	} {
		w := newWorld(t, conn, rand.New(rand.NewPCG(1, uint64(i))))
		exec(t, conn, "INSERT INTO a "+rows(10_000, 0))
		exec(t, conn, "INSERT INTO e SELECT (i % 2000)::INTEGER, i FROM range(3000) r(i)")
		h := w.hold(t, "v", query, classes)
		if h == nil || h.technique.Name == incremental.CompleteRecompute {
			t.Fatalf("%s is not incremental", query)
		}
		h.start(t, incremental.Inputs{New: itself})
		for batch := range 3 {
			in := incremental.Inputs{New: itself, Old: read(map[string]string{"a": "a_old", "e": "e_old"}),
				Added: map[string]string{"a": "a_added", "e": "e_added"}, Removed: map[string]string{"a": "a_removed", "e": "e_removed"}}
			for _, name := range []string{"a", "e"} {
				exec(t, conn, "CREATE OR REPLACE TABLE "+name+"_old AS FROM "+name)
				exec(t, conn, fmt.Sprintf("CREATE OR REPLACE TABLE places AS SELECT rowid AS r FROM %s WHERE hash(rowid + %d) %% 10 = 0", name, batch))
				exec(t, conn, "CREATE OR REPLACE TABLE "+name+"_removed AS FROM "+name+" WHERE rowid IN (FROM places)")
				exec(t, conn, "DELETE FROM "+name+" WHERE rowid IN (FROM places)")
			}
			exec(t, conn, "CREATE OR REPLACE TABLE a_added AS FROM a LIMIT 0")
			exec(t, conn, "INSERT INTO a_added "+rows(2000, batch+1))
			exec(t, conn, "CREATE OR REPLACE TABLE e_added AS SELECT (i * 7 % 2500)::INTEGER AS k, (i + 1)::BIGINT AS y FROM range(200) r(i)")
			exec(t, conn, "INSERT INTO a FROM a_added")
			exec(t, conn, "INSERT INTO e FROM e_added")
			h.apply(t, in)
			h.check(t, fmt.Sprintf("after batch %d", batch))
		}
	}
}
